"""Cells as people write them: read, refused where a count would change, emptied and logged where they only describe."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.read import cells
from tests.layers.cleaning import clean_one, clean_rows

# layer, column, value, expected reason
BAD_VALUES: dict[str, tuple[str, str, object, str]] = {
    "no id": ("buildings", "source_id", "  ", "id-missing"),
    "no code": ("areas", "code", None, "id-missing"),
    "people in words": ("buildings", "people", "many", "not-a-number"),
    "negative people": ("buildings", "people", -3, "negative"),
    "too many people": ("buildings", "people", 3e9, "too-large"),
    "infinite people": ("buildings", "people", float("inf"), "not-a-number"),
    "truth as people": ("buildings", "people", True, "not-a-number"),
    "people as a date": ("buildings", "people", "2024-01-01", "not-a-number"),
    "dwellings in words": ("buildings", "dwellings", "x", "not-a-number"),
    "negative households": ("buildings", "households", "-1", "negative"),
    "no time": ("incidents", "reported_at", None, "value-missing"),
    "time in words": ("incidents", "reported_at", "yesterday", "not-a-date"),
    "30 February": ("incidents", "reported_at", "2024-02-30", "not-a-date"),
    "hour 25": ("incidents", "reported_at", "2024-02-03 25:00", "not-a-date"),
    "year 99999": ("incidents", "reported_at", 99_999_999, "not-a-date"),
    "bands exceed people": ("population", "a00_02", 11, "parts-exceed-whole"),
    "floating exceed people": ("population", "floating", 11, "parts-exceed-whole"),
    "negative band": ("population", "a80_up", -1, "negative"),
    "no count": ("population", "people", None, "value-missing"),
}


@pytest.mark.parametrize("kind", BAD_VALUES)
def test_bad_values_reject_the_row(kind: str) -> None:
    layer, column, value, code = BAD_VALUES[kind]
    values: dict[str, Any] = {column: value}
    out = clean_one(layer, **values)
    assert [reject.reason_code for reject in out.rejected] == [code]


# what only describes is emptied and logged
@pytest.mark.parametrize(
    ("layer", "column", "value"),
    [
        ("buildings", "floors", "tall"),
        ("buildings", "floors", -2),
        ("buildings", "floors", 4000),
        ("buildings", "handed_over_on", "soon"),
        ("buildings", "handed_over_on", "2024-13-01"),
        ("buildings", "entrance", "left"),
        ("buildings", "entrance", "POINT (30.5 114.3)"),
        ("buildings", "entrance", "LINESTRING (0 0, 1 1)"),
        ("facilities", "capacity", "about ten"),
        ("facilities", "supply", "martian"),
        ("gates", "opens_to", "dogs"),
        ("streets", "steps", "perhaps"),
        ("incidents", "closed_at", "never"),
    ],
)
def test_bad_descriptions_are_emptied_and_logged(layer: str, column: str, value: Any) -> None:
    out = clean_one(layer, **{column: value})
    assert not out.rejected
    assert out.frame[column].tolist() == [None]
    assert [repair.kind for repair in out.repairs] == ["value-dropped"]
    assert column in out.repairs[0].detail


@pytest.mark.parametrize(
    ("layer", "column", "value", "expected"),
    [
        ("buildings", "source_id", "００１２", "0012"),
        ("buildings", "source_id", 12.0, "12"),
        ("buildings", "source_id", " a1 ", "a1"),
        ("buildings", "people", "１２３", 123),
        ("buildings", "people", "1,234", 1234),
        ("buildings", "people", "56人", 56),
        ("buildings", "people", "无数据", None),
        ("buildings", "people", 12.0, 12),
        ("buildings", "floors", "6层", 6.0),
        ("buildings", "floors", "3.5", 3.5),
        ("buildings", "name", "  一号楼\u200b ", "一号楼"),
        ("buildings", "name", "", None),
        ("buildings", "handed_over_on", "2024年3月5日", date(2024, 3, 5)),
        ("buildings", "handed_over_on", "2024年3月", date(2024, 3, 1)),
        ("buildings", "handed_over_on", "2024", date(2024, 1, 1)),
        ("buildings", "handed_over_on", "2024/3/5", date(2024, 3, 5)),
        ("buildings", "handed_over_on", "2024.3.5", date(2024, 3, 5)),
        ("buildings", "handed_over_on", "20240305", date(2024, 3, 5)),
        ("buildings", "handed_over_on", 20240305, date(2024, 3, 5)),
        ("buildings", "handed_over_on", 45356, date(2024, 3, 5)),
        ("buildings", "handed_over_on", "２０２４－０３－０５", date(2024, 3, 5)),
        ("buildings", "handed_over_on", datetime(2024, 3, 5, 12, tzinfo=UTC), date(2024, 3, 5)),
        ("gates", "opens_to", "业主", "residents"),
        ("gates", "opens_to", "ALL", "all"),
        ("facilities", "supply", "民办", "market"),
        ("streets", "steps", "是", True),
        ("streets", "steps", "0", False),
        ("incidents", "reported_at", "2024-03-05T08:00:00Z", datetime(2024, 3, 5, 8, tzinfo=UTC)),
        ("incidents", "reported_at", "2024-03-05 08:00+0530", datetime(2024, 3, 5, 2, 30, tzinfo=UTC)),
        ("incidents", "reported_at", "2024-03-05 08:00:00.25", datetime(2024, 3, 5, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("incidents", "reported_at", "2024年3月5日 下午1时5分", datetime(2024, 3, 5, 5, 5, tzinfo=UTC)),
        ("incidents", "reported_at", "3/25/2024 1:05:09 PM", datetime(2024, 3, 25, 5, 5, 9, tzinfo=UTC)),
        ("incidents", "reported_at", "25/3/2024 12:05 am", datetime(2024, 3, 24, 16, 5, tzinfo=UTC)),
        ("incidents", "reported_at", 45356.5, datetime(2024, 3, 5, 4, tzinfo=UTC)),
    ],
)
def test_values_as_people_write_them(layer: str, column: str, value: Any, expected: object) -> None:
    out = clean_one(layer, **{column: value})
    assert not out.rejected
    assert out.frame[column].tolist() == [expected]


def test_time_without_zone_is_utc_outside_china() -> None:
    out = clean_one("incidents", shapely.Point(-118.2, 34.0))
    assert out.frame["reported_at"].tolist() == [datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)]


def test_day_first_is_told_from_the_column() -> None:
    rows: list[dict[str, object]] = [
        {"source_id": str(n), "reported_at": text} for n, text in enumerate(["3/4/2024", "25/4/2024"])
    ]
    out = clean_rows("incidents", rows, [shapely.Point(-1.0, 50.0)] * 2)
    assert [moment.month for moment in out.frame["reported_at"]] == [4, 4]


def test_control_characters_leave_a_note() -> None:
    out = clean_one("buildings", name="a\x00b")
    assert out.frame["name"].tolist() == ["ab"]
    assert [repair.kind for repair in out.repairs] == ["text-cleaned"]


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.dates())


@settings(deadline=None)
@given(st.one_of(values, st.text(max_size=30)))
def test_cells_give_a_value_or_a_value_error(value: object) -> None:
    for read in (cells.read_number, cells.read_boolean, cells.read_date, cells.read_timestamp):
        try:
            read(value)
        except (ValueError, OverflowError):
            continue
    cells.read_text(value)
    cells.is_nothing(value)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["", " a", "b\u3000", "a\nb", "\ufeff", "中 文"]))
    )
)
def test_a_clean_column_is_one_that_reading_would_not_change(texts: list[str | None]) -> None:
    is_same = [cells.read_text(text) for text in texts] == texts
    if cells.are_clean(texts):
        assert is_same
    elif any(texts) and is_same:
        # only what may end a line is left to the careful way although it stays as it is
        assert any(text is not None and len(text.splitlines()) > 1 for text in texts)


def test_days_written_alike_are_read_as_one_by_one() -> None:
    days = ["2001-04-02", "1000-01-01", "2999-12-31"]
    odd = ["0999-12-31", "2001-02-30", "2001-4-2", "", "n/a", "2001-04-02 "]
    rows: list[dict[str, object]] = [
        {"source_id": str(n), "handed_over_on": text} for n, text in enumerate([*days, *odd])
    ]
    places = [shapely.Point(114.0, 31.0)] * len(rows)
    alone = clean_rows("buildings", rows[: len(days)], places[: len(days)])
    mixed = clean_rows("buildings", rows, places)
    read = [date.fromisoformat(day) for day in days]
    assert alone.frame["handed_over_on"].tolist() == read
    assert mixed.frame["handed_over_on"].tolist() == [*read, None, None, read[0], None, None, read[0]]
    early = clean_rows("buildings", [rows[0], rows[len(days)]], places[:2])
    assert early.frame["handed_over_on"].tolist() == [read[0], None]
    assert [repair.kind for repair in early.repairs] == ["value-dropped"]
