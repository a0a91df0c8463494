"""Reference layers and OpenStreetMap extracts in a real database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, Table, func, select

from geo.errors import MissingColumn, RequestError
from layers import tables
from layers.loading.clean_reference import ReferenceColumn
from layers.loading.options import LoadOptions, LoadReport
from layers.loading.reference import load_osm, load_reference
from layers.reference import find_table_name, settle_columns
from tests.layers.test_load import counts, fetch, line, point, square, versions, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

NASTY = {
    "select": 1,
    "ORDER": 2,
    "order": 3,
    'a "quoted" name': "x",
    "名称": "红楼",
    "100%": 5,
    "a:b": 6,
    "id": 7,
    "geom": "not a geometry",
    "load_id": 8,
    "x" * 100: 9,
    "x" * 99 + "y": 10,
    "; DROP TABLE onemap.load; --": 11,
    "2nd": 12,
    " blank ": 13,
}


EDGES = (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)


@pytest.fixture
def load(fresh_db: Db) -> Any:
    """Return a function that loads a file into a reference layer of a database of its own."""

    def call(name: str, path: Path, **options: Any) -> LoadReport:
        return load_reference(fresh_db.owner, name, path, LoadOptions(**options))

    return call


def rows(db: Db, name: str) -> list[dict[str, Any]]:
    """Return live rows under the names of the file, as readers see them."""
    with db.reader.connect() as conn:
        found = conn.execute(select(tables.reference_layer).where(tables.reference_layer.c.name == name)).one()
        table = Table(found.table_name, MetaData(), schema=tables.SCHEMA, autoload_with=conn)
        names = {column["column"]: column["name"] for column in found.columns}
        live = conn.execute(select(table).where(table.c.valid_to.is_(None)).order_by(table.c.id)).mappings()
        return [{names[key]: value for key, value in row.items() if key in names} for row in live]


def test_nasty_column_names_come_back_as_they_were(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(tmp_path / "r.geojson", (point(114.3, 30.5), NASTY))
    assert counts(load("nasty", file)) == (1, 0, 0, 0, 0)
    assert rows(fresh_db, "nasty") == [NASTY]
    assert counts(load("nasty", file)) == (0, 0, 1, 0, 0)
    changed = write(tmp_path / "s.geojson", (point(114.3, 30.5), NASTY | {"100%": 50, "a:b": 60}))
    assert counts(load("nasty", changed)) == (0, 1, 0, 0, 0)
    assert rows(fresh_db, "nasty") == [NASTY | {"100%": 50, "a:b": 60}]
    assert fetch(fresh_db, select(func.count()).select_from(tables.load)) == [(3,)]


def test_types_follow_the_values_and_codes_stay_text(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    table = tmp_path / "r.csv"
    table.write_text("id,lon,lat,n,x,code,day\n1,114.3,30.5,4,2.5,007,2024-02-29\n2,114.4,30.5,,3,120,\n")
    load("flood-zones", table, datum="wgs84")
    columns = fetch(fresh_db, select(tables.reference_layer.c.columns))[0][0]
    types = {column["name"]: column["type"] for column in columns}
    assert {name: types[name] for name in ("n", "x", "code", "day")} == {
        "n": "integer",
        "x": "number",
        "code": "text",
        "day": "date",
    }
    found = rows(fresh_db, "flood-zones")
    assert [row["n"] for row in found] == [4, None]
    assert [row["code"] for row in found] == ["007", "120"]


def test_a_later_file_widens_types_and_adds_columns(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    load("pipes", write(tmp_path / "a.geojson", (line((1, 1), (1.1, 1)), {"id": "a", "width": 3})))
    later = write(
        tmp_path / "b.geojson",
        (line((1, 1), (1.1, 1)), {"id": "a", "width": "wide", "Width": 4}),
        (line((1, 2), (1.1, 2)), {"id": "b", "width": None, "Width": 5}),
    )
    assert counts(load("pipes", later)) == (1, 1, 0, 0, 0)
    assert rows(fresh_db, "pipes") == [
        {"id": "a", "width": "wide", "Width": 4},
        {"id": "b", "width": None, "Width": 5},
    ]
    # the first file again, in which width is a number: its row changes back, the column stays text
    assert counts(load("pipes", tmp_path / "a.geojson")) == (0, 1, 0, 0, 0)
    assert rows(fresh_db, "pipes")[0] == {"id": "a", "width": "3", "Width": None}
    assert versions(fresh_db) == {"pipes": 3}


def test_quarantine_replace_and_the_same_file_again(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.geojson",
        (square(1, 1), {"id": "a"}),
        (square(2, 1), {"id": "b"}),
        (square(3, 1), {"id": "a"}),
        (None, {"id": "c"}),
    )
    report = load("zones", file)
    assert counts(report) == (2, 0, 0, 0, 2)
    assert report.reasons == {"duplicate-id": 1, "geometry-missing": 1}
    fewer = write(tmp_path / "b.geojson", (square(2, 1), {"id": "b"}))
    assert counts(load("zones", fewer, mode="replace")) == (0, 0, 1, 1, 0)
    assert versions(fresh_db) == {"zones": 2}


def test_a_barrier_flag_alone_is_a_new_version(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(tmp_path / "a.geojson", (line((1, 1), (1.1, 1)), {"id": "a"}))
    load("walls", file, title="围墙")
    load("walls", file)
    assert versions(fresh_db) == {"walls": 1}
    load("walls", file, is_barrier=True)
    assert versions(fresh_db) == {"walls": 2}
    kept = fetch(fresh_db, select(tables.reference_layer.c.is_barrier, tables.reference_layer.c.title))
    assert kept == [(True, "围墙")]
    load("walls", file)
    assert fetch(fresh_db, select(tables.reference_layer.c.is_barrier)) == [(True,)]


def test_a_dry_run_makes_no_table(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    report = load("dry", write(tmp_path / "a.geojson", (point(1, 1), {"id": "a"})), dry_run=True)
    assert counts(report) == (1, 0, 0, 0, 0)
    named = func.to_regclass(f"onemap.{find_table_name('dry')}")
    assert fetch(fresh_db, select(named)) == [(None,)]


@pytest.mark.parametrize("name", ["Flood Zones", "洪水", "a--b", "-a", "buildings", "coverage", "x" * 41, "a;b", ""])
def test_names_that_cannot_be_an_address_are_refused(load: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="reference layer"):
        load(name, write(tmp_path / "a.geojson", (point(1, 1), {"id": "a"})))


def test_no_identity_is_refused_unless_made_from_the_geometry(load: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "a.geojson", (point(1, 1), {"name": "a"}))
    with pytest.raises(MissingColumn, match="identity"):
        load("spots", file)
    assert counts(load("spots", file, id_from_geometry=True)) == (1, 0, 0, 0, 0)
    assert counts(load("spots", file, columns={"name": "source_id"})) == (1, 0, 0, 0, 0)


def test_columns_settle_without_two_of_one_name() -> None:
    before = (ReferenceColumn("Name", "Name", "integer"),)
    found = (ReferenceColumn("name", "name", "text"), ReferenceColumn("Name", "Name_2", "number"))
    columns, table = settle_columns(found, before)
    assert columns == (ReferenceColumn("name", "name_2", "text"), ReferenceColumn("Name", "Name", "number"))
    assert table == (ReferenceColumn("Name", "Name", "number"), ReferenceColumn("name", "name_2", "text"))


@pytest.mark.real
@pytest.mark.parametrize(
    "name", [pytest.param("portoalegre/poa_osm.pbf", marks=pytest.mark.long), "helsinki/Helsinki.osm.pbf"]
)
def test_an_extract_loads_whole_and_a_second_time_changes_nothing(fresh_db: Db, real_data: Path, name: str) -> None:
    path = real_data / name
    reports = load_osm(fresh_db.owner, path, LoadOptions())
    loaded = {report.outcome.layer: report.outcome for report in reports}
    assert loaded["streets"].rows_inserted > 1000
    assert loaded["facilities"].rows_inserted > 100
    for outcome in loaded.values():
        assert outcome.rows_read == outcome.rows_inserted + outcome.rows_quarantined
    known = versions(fresh_db)
    again = load_osm(fresh_db.owner, path, LoadOptions())
    assert not any(report.outcome.has_changed for report in again)
    assert versions(fresh_db) == known
    barriers = fetch(
        fresh_db, select(tables.reference_layer.c.name).where(tables.reference_layer.c.is_barrier).order_by("name")
    )
    assert {row[0] for row in barriers} <= {"water", "railway"}
    assert json.dumps([report.as_dict() for report in reports])


@pytest.mark.real
@pytest.mark.long
def test_an_extract_of_a_smaller_box_closes_the_rest_and_it_comes_back(fresh_db: Db, real_data: Path) -> None:
    path = real_data / "helsinki" / "Helsinki.osm.pbf"
    loaded = {report.outcome.layer: report.outcome for report in load_osm(fresh_db.owner, path, LoadOptions())}
    west, south, east, north = fetch(
        fresh_db,
        select(*(edge(tables.layer_version.c.extent) for edge in EDGES)).where(
            tables.layer_version.c.layer == "streets"
        ),
    )[0]
    half = load_osm(fresh_db.owner, path, LoadOptions(mode="replace"), bbox=(west, south, (west + east) / 2, north))
    closed = {report.outcome.layer: report.outcome.rows_closed for report in half}
    assert closed["streets"] > 100
    whole = load_osm(fresh_db.owner, path, LoadOptions(mode="replace"))
    for report in whole:
        before = loaded.get(report.outcome.layer)
        assert report.outcome.rows_live == (0 if before is None else before.rows_live)
