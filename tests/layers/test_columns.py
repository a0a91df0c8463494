"""Which column of a file is which of ours: guesses, what the caller says, and what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import MissingColumn, RequestError
from layers.read.columns import guess_columns, require_columns


@pytest.mark.parametrize(
    ("layer", "columns", "expected"),
    [
        ("buildings", ["编号", "名称", "楼层", "户数", "人口"], ["source_id", "name", "floors", "dwellings", "people"]),
        ("buildings", ["id", "Storeys", "POP", "building:levels"], ["source_id", "floors", "people"]),
        ("population", ["社区代码", "总人口", "0-2岁", "80岁以上"], ["area_code", "people", "a00_02", "a80_up"]),
        ("incidents", ["工单编号", "上报时间", "类别"], ["source_id", "reported_at", "class"]),
        ("streets", ["fid", "fclass", "oneway"], ["source_id", "highway", "oneway"]),
    ],
)
def test_guess_columns(layer: str, columns: list[str], expected: list[str]) -> None:
    assert list(guess_columns(columns, layer)) == expected


def test_given_columns_go_before_guesses() -> None:
    found = guess_columns(["id", "code", "n"], "buildings", given={"code": "source_id", "n": "people", "x": "lon"})
    assert found == {"source_id": "code", "people": "n"}
    assert guess_columns(["x", "people"], "buildings", taken=["people"]) == {}
    with pytest.raises(RequestError, match="no column 'floor'"):
        guess_columns(["a"], "buildings", given={"a": "floor"})
    with pytest.raises(MissingColumn, match="no column 'b'"):
        guess_columns(["a"], "buildings", given={"b": "floors"})
    with pytest.raises(RequestError, match="already filled"):
        guess_columns(["a", "b"], "buildings", given={"a": "floors", "b": "floors"})


def test_required_columns() -> None:
    require_columns({"source_id": "id"}, ["id"], "facilities")
    require_columns({}, ["x"], "buildings", id_from_geometry=True)
    with pytest.raises(MissingColumn, match="source_id is missing") as fault:
        require_columns({}, ["x"], "buildings")
    assert "--id-from-geometry" in fault.value.hint
    with pytest.raises(MissingColumn, match="reported_at is missing"):
        require_columns({"source_id": "id"}, ["id"], "incidents")


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True))
def test_guessing_never_fails_and_uses_each_column_once(columns: list[str]) -> None:
    for layer in ("areas", "buildings", "facilities", "incidents"):
        found = guess_columns(columns, layer)
        assert len(set(found.values())) == len(found)
        assert set(found.values()) <= set(columns)
