"""Exports hold every row and exactly the promised columns, in every format, and run nothing in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import geopandas
import openpyxl
import pyarrow.parquet as pq
import pytest
import shapely

from geo.errors import RequestError
from layers.export import (
    FORMULA_STARTS,
    STREAM_FORMATS,
    Layout,
    TableColumn,
    XlsxWriter,
    neutralise,
    open_stream,
    write_table,
)
from layers.query.exports import LAYOUTS, export_run
from tests import seed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

BUILDINGS = [
    "building_id",
    "source_id",
    "lon",
    "lat",
    "area_code",
    "people",
    "type",
    "profile",
    "limit_s",
    "reach_s",
    "radius_m",
    "facility_id",
    "facility_source_id",
    "status",
]
AREAS = [
    "area_code",
    "level",
    "name",
    "type",
    "profile",
    "demand_group",
    "people",
    "covered",
    "gap",
    "unknown",
    "share_covered",
    "required",
    "present",
    "balance",
    "accessibility",
]
LAYOUT = Layout(
    (TableColumn("id", "integer"), TableColumn("名称", "text"), TableColumn("share", "number")), point=("lon", "lat")
)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "名称": "=HYPERLINK(1)", "share": 0.5, "lon": 116.1, "lat": 40.0},
    {"id": 2, "名称": None, "share": None, "lon": 116.2, "lat": 40.0},
    {"id": 3, "名称": 'with "quotes", and\nlines', "share": 1.0, "lon": None, "lat": None},
]


@pytest.fixture(scope="module")
def place(db: Db) -> seed.Seed:
    """Return the seeded place with one run."""
    with db.owner.begin() as conn:
        found = seed.seed_place(conn)
        found.run_id = seed.seed_run(conn, found)
    return found


def read_back(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file in any of our formats, without geometry."""
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".xlsx":
        header, *rows = openpyxl.load_workbook(path).worksheets[0].values
        return [dict(zip(map(str, header), row, strict=True)) for row in rows]
    if path.suffix == ".geojson":
        return [feature["properties"] for feature in json.loads(path.read_text())["features"]]
    frame = geopandas.read_file(path, engine="pyogrio")
    return list(frame.drop(columns="geometry").to_dict("records"))


@pytest.mark.parametrize("suffix", ["csv", "geojson", "gpkg", "parquet", "xlsx"])
@pytest.mark.parametrize("what", ["buildings", "areas"])
def test_every_format_holds_every_row_and_the_promised_columns(
    db: Db, place: seed.Seed, tmp_path: Path, suffix: str, what: str
) -> None:
    names, count = {"buildings": (BUILDINGS, 10), "areas": (AREAS, 6)}[what]
    path = tmp_path / f"out.{suffix}"
    with db.reader.connect() as conn:
        assert export_run(conn, place.run_id, what=what, path=path) == count
    rows = read_back(path)
    assert len(rows) == count
    assert list(rows[0]) == names
    assert not [entry for entry in tmp_path.iterdir() if entry != path]


def test_buildings_carry_the_figures_on_paper(db: Db, place: seed.Seed, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with db.reader.connect() as conn:
        export_run(conn, place.run_id, what="buildings", path=path)
    found = {(row["building_id"], row["type"]): row for row in read_back(path)}
    for number, key in enumerate(place.buildings):
        for code in seed.LIMIT_S:
            row = found[key, code]
            reach_ms = seed.REACH_MS[code][number]
            assert row["status"] == seed.status_of(code, number)
            assert row["reach_s"] == (None if reach_ms is None else reach_ms / 1000)
            assert row["people"] == seed.PEOPLE[code][number]
            assert row["limit_s"] == seed.LIMIT_S[code]
            assert (row["facility_source_id"] is None) is (reach_ms is None)
            assert row["lon"] == pytest.approx(seed.LON + number * seed.STEP + 0.0001, abs=1e-4)


def test_geometry_is_the_outline_of_areas_and_the_point_of_buildings(db: Db, place: seed.Seed, tmp_path: Path) -> None:
    for what, kind in (("areas", "MultiPolygon"), ("buildings", "Point"), ("facilities", "Point")):
        path = tmp_path / f"{what}.geojson"
        with db.reader.connect() as conn:
            export_run(conn, place.run_id, what=what, path=path)
        features = json.loads(path.read_text())["features"]
        assert {feature["geometry"]["type"] for feature in features} == {kind}
    ring = json.loads((tmp_path / "areas.geojson").read_text())["features"][0]["geometry"]["coordinates"][0][0]
    assert shapely.LinearRing(ring).is_ccw


def test_facilities_tell_whom_they_serve(db: Db, place: seed.Seed, tmp_path: Path) -> None:
    path = tmp_path / "facilities.csv"
    with db.reader.connect() as conn:
        export_run(conn, place.run_id, what="facilities", path=path)
    rows = {row["type"]: row for row in read_back(path)}
    for code in seed.LIMIT_S:
        homes = [n for n in range(5) if seed.status_of(code, n) == "covered"]
        assert int(rows[code]["buildings_covered"]) == len(homes)
        assert int(rows[code]["people_covered"]) == sum(seed.PEOPLE[code][n] for n in homes)


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_texts_that_start_like_a_formula_are_neutralised(start: str) -> None:
    assert neutralise(start + "1") == "'" + start + "1"


def test_numbers_and_plain_texts_stay() -> None:
    assert [neutralise(value) for value in (-5, "a=b", "", None)] == [-5, "a=b", "", None]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_spreadsheet_gets_no_formula(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    write_table(ROWS, path, layout=LAYOUT)
    assert [row["名称"] or None for row in read_back(path)] == ["'=HYPERLINK(1)", None, 'with "quotes", and\nlines']


def test_the_byte_order_mark_is_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(ROWS, path, layout=LAYOUT, bom=True)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfid,")
    write_table(ROWS, path, layout=LAYOUT)
    assert path.read_bytes().startswith(b"id,")


@pytest.mark.parametrize("suffix", ["csv", "geojson", "gpkg", "parquet", "xlsx"])
def test_nothing_to_write_still_gives_a_readable_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    assert write_table([], path, layout=LAYOUT) == 0
    assert read_back(path) == []


def test_rows_beyond_a_sheet_go_on_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with path.open("wb") as target:
        writer = XlsxWriter(target, LAYOUT, sheet_rows_max=2)
        writer.write(ROWS)
        writer.close()
    assert [sheet.max_row for sheet in openpyxl.load_workbook(path).worksheets] == [3, 2]


@pytest.mark.parametrize("name", sorted(STREAM_FORMATS))
def test_bytes_come_as_rows_go(tmp_path: Path, name: str) -> None:
    drain, writer = open_stream(name, LAYOUT)
    taken = b""
    for row in ROWS:
        writer.write([row])
        taken += drain.take()
    writer.close()
    taken += drain.take()
    path = tmp_path / f"t.{name}"
    path.write_bytes(taken)
    assert [int(row["id"]) for row in read_back(path)] == [1, 2, 3]


def test_a_fault_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_table([{"id": 1}], path, layout=LAYOUT)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["t", "t.txt", "t.csv.gz", "csv"])
def test_an_unknown_ending_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"expected one of \.csv") as caught:
        write_table(ROWS, tmp_path / name, layout=LAYOUT)
    assert caught.value.parameter == "--out"


def test_an_unknown_table_is_refused(db: Db, place: seed.Seed, tmp_path: Path) -> None:
    with db.reader.connect() as conn, pytest.raises(RequestError, match="buildings, areas, facilities"):
        export_run(conn, place.run_id, what="people", path=tmp_path / "t.csv")


def test_layouts_are_the_contract() -> None:
    assert list(LAYOUTS["buildings"].names) == BUILDINGS
    assert list(LAYOUTS["areas"].names) == AREAS
