"""Classes put every value into one class, with round bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maps import style
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (0.99, 0), (1, 1), (1.9, 1), (2, 2), (4, 3), (5, 5), (9, 5), (47, 30), (999, 500)]
)
def test_round_numbers(value: float, expected: float) -> None:
    assert style.round_number(value) == expected


@settings(deadline=None)
@given(st.floats(0, 1e7))
def test_classes_of_people_ascend_and_have_a_colour_each(most: float) -> None:
    classes = style.people_classes(most)
    assert list(classes.breaks) == sorted(set(classes.breaks))
    assert len(classes.colours) == len(classes.breaks) + 1
    assert all(bound <= most for bound in classes.breaks)
    assert classes.colour_of(most) == classes.colours[-1]
    assert classes.colour_of(0) == classes.colours[0]


def test_a_value_on_a_break_belongs_above_it() -> None:
    classes = style.share_classes()
    for place, bound in enumerate(classes.breaks):
        assert classes.colour_of(bound) == classes.colours[place + 1]
        assert classes.colour_of(bound - 1e-9) == classes.colours[place]
    assert classes.colour_of(1.0) == style.COVERED


def test_pages_and_planner_map_share_their_colours() -> None:
    palette = (ROOT / "maps" / "web" / "src" / "map" / "palette.ts").read_text(encoding="utf-8")
    day = palette[palette.index("const light") : palette.index("const dark")]
    for colour in (style.COVERED, style.GAP, style.UNKNOWN, style.LAND, *style.PEOPLE_COLOURS):
        assert colour in day
