"""Loads into a real database: the same file twice, updates, replacements, quarantine sums, dry runs, areas, joins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from geo.errors import DataError, MissingColumn, NotFound, RequestError
from layers import tables
from layers.load import load_layer
from layers.loading.options import Join, LoadOptions, LoadReport

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

LAYERS = ("areas", "compounds", "gates", "buildings", "population", "facilities", "incidents", "streets")


@pytest.fixture
def load(fresh_db: Db) -> Any:
    """Return a function that loads a file into a database of its own."""

    def call(layer: str, path: Path, **options: Any) -> LoadReport:
        return load_layer(fresh_db.owner, layer, path, LoadOptions(**options))

    return call


def square(lon: float, lat: float, size: float = 0.001) -> dict[str, Any]:
    ring = [[lon, lat], [lon + size, lat], [lon + size, lat + size], [lon, lat + size], [lon, lat]]
    return {"type": "Polygon", "coordinates": [ring]}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def line(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": [list(one) for one in points]}


def write(path: Path, *features: tuple[dict[str, Any] | None, dict[str, Any]]) -> Path:
    """Write a GeoJSON file."""
    content = [{"type": "Feature", "geometry": geometry, "properties": values} for geometry, values in features]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": content}, ensure_ascii=False))
    return path


def houses(path: Path, count: int = 5, **values: Any) -> Path:
    return write(
        path, *((square(114.3 + i / 100, 30.5), {"source_id": f"B{i}", "use": "住宅", **values}) for i in range(count))
    )


def fetch(db: Db, statement: Any) -> list[Any]:
    with db.reader.connect() as conn:
        return list(conn.execute(statement).all())


def versions(db: Db) -> dict[str, int]:
    return dict(fetch(db, select(tables.layer_version.c.layer, tables.layer_version.c.version)))


def count(db: Db, table: Any) -> int:
    return int(fetch(db, select(func.count()).select_from(table))[0][0])


def snapshot(db: Db, table: Any) -> list[Any]:
    """Return every row with its system column, so that even a rewrite of equal values shows."""
    from sqlalchemy import text

    return fetch(db, select(text("xmin::text"), *table.columns).order_by(table.c.id))


def counts(report: LoadReport) -> tuple[int, ...]:
    got = report.outcome
    return (got.rows_inserted, got.rows_updated, got.rows_unchanged, got.rows_closed, got.rows_quarantined)


def test_the_same_file_twice_changes_no_row_and_no_version(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = houses(tmp_path / "b.geojson", people=3)
    assert counts(load("buildings", file)) == (5, 0, 0, 0, 0)
    before, known, changes = snapshot(fresh_db, tables.building), versions(fresh_db), count(fresh_db, tables.change_log)
    again = load("buildings", file)
    assert counts(again) == (0, 0, 5, 0, 0)
    assert not again.outcome.has_changed
    assert snapshot(fresh_db, tables.building) == before
    assert versions(fresh_db) == known
    assert count(fresh_db, tables.change_log) == changes
    assert count(fresh_db, tables.load) == 2


FULL: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "areas": (square(114.3, 30.5), {"code": "420111001001", "name": "某社区", "level": "community"}),
    "compounds": (square(114.3, 30.5), {"source_id": "1", "name": "某小区"}),
    "gates": (point(114.3, 30.5), {"source_id": "1", "compound_id": "1", "opens_to": "all", "hours": "06:00-22:00"}),
    "buildings": (
        square(114.3, 30.5),
        {
            "source_id": "1",
            "floors": 6.5,
            "handed_over_on": "2024-02-29",
            "entrance": "POINT (114.3 30.5)",
            "people": 9,
        },
    ),
    "population": (square(114.3, 30.5), {"people": 9, "a00_02": 4, "living_alone_60_up": 1}),
    "facilities": (
        point(114.3, 30.5),
        {"source_id": "1", "type": "EDU_PRIMARY", "capacity": 12.5, "supply": "public", "opening_hours": "24/7"},
    ),
    "incidents": (
        point(114.3, 30.5),
        {"source_id": "1", "reported_at": "2024-02-29T08:00:00+08:00", "class": "噪音", "text": "深夜施工"},
    ),
    "streets": (
        line((114.3, 30.5), (114.31, 30.5)),
        {"source_id": "1", "highway": "steps", "steps": "yes", "oneway": "no", "maxspeed": "30"},
    ),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_loads_whole_and_a_second_time_changes_nothing(
    load: Any, fresh_db: Db, tmp_path: Path, layer: str
) -> None:
    file = write(tmp_path / "x.geojson", FULL[layer])
    assert counts(load(layer, file)) == (1, 0, 0, 0, 0)
    table = tables.LAYER_TABLES[layer]
    before = snapshot(fresh_db, table)
    stored = dict(before[0]._mapping)
    given = {name: value for name, value in FULL[layer][1].items() if name != "source_id"}
    assert all(stored[name] is not None for name in given)
    assert counts(load(layer, file)) == (0, 0, 1, 0, 0)
    assert snapshot(fresh_db, table) == before
    assert versions(fresh_db)[layer] == 1


def test_a_changed_row_is_updated_alone_and_its_box_logged(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path / "b.geojson"))
    before = {row.source_id: row for row in snapshot(fresh_db, tables.building)}
    file = write(
        tmp_path / "c.geojson",
        (square(114.3, 30.5), {"source_id": "B0", "use": "住宅"}),
        (square(114.35, 30.6), {"source_id": "B1", "use": "住宅"}),
    )
    report = load("buildings", file)
    assert counts(report) == (0, 1, 1, 0, 0)
    after = {row.source_id: row for row in snapshot(fresh_db, tables.building)}
    assert [name for name in after if after[name] != before[name]] == ["B1"]
    assert after["B1"].id == before["B1"].id
    box = tables.change_log.c.box
    edges = (func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    log = fetch(fresh_db, select(tables.change_log.c.layer, tables.change_log.c.version, *edges).order_by("id"))
    assert [tuple(row[:2]) for row in log] == [("buildings", 1), ("buildings", 2)]
    # old place and new place of the one row that moved
    assert tuple(log[1][2:]) == pytest.approx((114.31, 30.5, 114.351, 30.601))


def test_replace_closes_what_the_file_lacks_and_a_later_file_reopens_it(
    load: Any, fresh_db: Db, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path / "b.geojson"))
    report = load("buildings", houses(tmp_path / "few.geojson", 2), mode="replace")
    assert counts(report) == (0, 0, 2, 3, 0)
    assert report.outcome.rows_live == 2
    assert count(fresh_db, tables.building) == 5
    report = load("buildings", houses(tmp_path / "b.geojson"))
    assert counts(report) == (0, 3, 2, 0, 0)
    assert report.outcome.rows_live == 5


def test_replace_leaves_other_sources_and_broken_rows_alone(load: Any, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path / "a.geojson", 3), source="other")
    load("buildings", houses(tmp_path / "b.geojson", 3))
    file = write(
        tmp_path / "c.geojson",
        (square(114.3, 30.5), {"source_id": "B0", "use": "住宅"}),
        (square(114.3, 30.5), {"source_id": "B1", "use": "住宅", "dwellings": "many"}),
    )
    report = load("buildings", file, mode="replace")
    assert counts(report) == (0, 0, 1, 1, 1)
    assert report.outcome.rows_live == 5


def test_replace_with_nothing_good_closes_nothing(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path / "b.geojson"))
    bad = write(tmp_path / "bad.geojson", (None, {"source_id": "B0"}))
    with pytest.raises(DataError, match="none of 1 rows"):
        load("buildings", bad, mode="replace")
    assert versions(fresh_db) == {"buildings": 1}
    assert count(fresh_db, tables.load) == 1


def test_later_rows_of_an_identity_are_quarantined_with_line_and_text(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    table = tmp_path / "b.csv"
    table.write_text(
        "source_id,lon,lat,name\nA,114.3,30.5,one\nB,114.3,30.6,two\nA,114.3,30.7,three\nA,114.3,30.5,one\n"
    )
    report = load("buildings", table, datum="wgs84")
    assert counts(report) == (2, 0, 0, 0, 2)
    assert report.reasons == {"duplicate-id": 2}
    rows = fetch(fresh_db, select(tables.quarantine).order_by(tables.quarantine.c.line))
    assert [(row.line, row.source_id, row.reason) for row in rows] == [
        (4, "A", "duplicate-id"),
        (5, "A", "duplicate-id"),
    ]
    assert "first on line 2" in rows[0].detail
    assert rows[0].raw == "A,114.3,30.7,three"
    assert fetch(fresh_db, select(tables.building.c.name).order_by("source_id")) == [("one",), ("two",)]


def test_rows_read_are_stored_or_quarantined(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    table = tmp_path / "b.csv"
    table.write_text(
        "source_id,lon,lat,people\nA,114.3,30.5,5\n,114.3,30.5,5\nC,,30.5,5\nD,514,30.5,5\nE,30.5,114.3,5\n"
        "F,114.3,30.5,-1\nG,114.3,30.5\nH,nan,30.5,1\nI,0,0,1\nJ,inf,30.5,1\nK,114.3,30.5,2.5\n"
    )
    report = load("buildings", table, datum="wgs84")
    got = report.outcome
    assert got.rows_read == 11
    assert got.rows_inserted + got.rows_quarantined == 11
    assert count(fresh_db, tables.quarantine) == got.rows_quarantined == sum(report.reasons.values())
    assert all(row.raw for row in fetch(fresh_db, select(tables.quarantine)))


def test_pieces_of_a_street_count_as_rows(load: Any, tmp_path: Path) -> None:
    both = {
        "type": "MultiLineString",
        "coordinates": [[[114.3, 30.5], [114.31, 30.5]], [[114.4, 30.5], [114.41, 30.5]]],
    }
    file = write(
        tmp_path / "s.geojson", (both, {"source_id": "S"}), (line((114.3, 30.6), (114.31, 30.6)), {"source_id": "T"})
    )
    report = load("streets", file)
    assert report.outcome.rows_read == report.outcome.rows_inserted == 3
    assert report.repairs == {"multi-split": 1}
    assert counts(load("streets", file)) == (0, 0, 3, 0, 0)


def test_a_dry_run_tells_the_same_and_stores_nothing(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = houses(tmp_path / "b.geojson", people=3)
    dry = load("buildings", file, dry_run=True)
    assert counts(dry) == (5, 0, 0, 0, 0)
    assert dry.outcome.has_changed
    assert dry.outcome.load_id is None
    for table in (tables.building, tables.load, tables.layer_version, tables.change_log, tables.setting):
        assert count(fresh_db, table) == 0
    assert counts(load("buildings", file)) == counts(dry)


def test_identity_from_geometry(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(tmp_path / "b.geojson", (square(114.3, 30.5), {"name": "a"}), (square(114.4, 30.5), {"name": "b"}))
    with pytest.raises(MissingColumn, match="source_id"):
        load("buildings", file)
    assert counts(load("buildings", file, id_from_geometry=True)) == (2, 0, 0, 0, 0)
    assert counts(load("buildings", file, id_from_geometry=True)) == (0, 0, 2, 0, 0)
    numbered = write(tmp_path / "c.geojson", (square(114.5, 30.5), {"id": 7}))
    assert "source_id" not in load("buildings", numbered, id_from_geometry=True).columns
    kept = fetch(fresh_db, select(tables.building.c.properties).order_by(tables.building.c.id.desc()))
    assert kept[0] == ({"id": 7},)


def test_columns_without_a_name_of_ours_are_kept(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path / "b.geojson", 1, colour="红", year=1999))
    assert fetch(fresh_db, select(tables.building.c.properties)) == [({"colour": "红", "year": 1999},)]


def test_constants_fill_a_column(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(tmp_path / "f.geojson", (point(114.3, 30.5), {"source_id": "1", "name": "x"}))
    load("facilities", file, constants={"type": "EDU_PRIMARY"})
    assert fetch(fresh_db, select(tables.facility.c.type, tables.facility.c.type_basis)) == [("EDU_PRIMARY", "given")]
    with pytest.raises(RequestError, match="kind"):
        load("facilities", file, constants={"kind": "x"})


def test_facility_words_are_recognised_and_the_unknown_kept(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(
        tmp_path / "f.geojson",
        (point(114.3, 30.5), {"source_id": "1", "type": "edu_primary"}),
        (point(114.3, 30.5), {"source_id": "2", "type": "幼儿园", "name": "阳光幼儿园"}),
        (point(114.3, 30.5), {"source_id": "3", "type": "火箭发射场"}),
    )
    report = load("facilities", file)
    rows = {row.source_id: row for row in fetch(fresh_db, select(tables.facility))}
    assert [rows[name].type for name in "123"] == ["EDU_PRIMARY", "EDU_KINDER", None]
    assert rows["3"].properties == {"type": "火箭发射场"}
    assert any("no known type" in note for note in report.notes)
    assert count(fresh_db, tables.facility_type) == 91


def test_areas_form_a_tree(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.geojson",
        (square(114.3, 30.5), {"code": "grid", "parent_code": "block"}),
        (square(114.3, 30.5), {"code": "block", "parent_code": "city"}),
        (square(114.3, 30.5), {"code": "city", "parent_code": None}),
        (square(114.3, 30.5), {"code": "lost", "parent_code": "nowhere"}),
        (square(114.3, 30.5), {"code": "below", "parent_code": "lost"}),
        (square(114.3, 30.5), {"code": "a", "parent_code": "b"}),
        (square(114.3, 30.5), {"code": "b", "parent_code": "a"}),
    )
    report = load("areas", file)
    assert report.reasons == {"parent-unrooted": 3, "parent-unknown": 1}
    depth = dict(fetch(fresh_db, select(tables.area.c.code, tables.area.c.depth)))
    assert depth == {"city": 0, "block": 1, "grid": 2}
    more = write(tmp_path / "more.geojson", (square(114.3, 30.5), {"code": "cell", "parent_code": "grid"}))
    assert load("areas", more, source="cells").outcome.rows_inserted == 1
    assert dict(fetch(fresh_db, select(tables.area.c.code, tables.area.c.depth)))["cell"] == 3


def test_the_chinese_code_scheme_is_checked_when_asked(load: Any, tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.geojson",
        (square(114.3, 30.5), {"code": "420111001001"}),
        (square(114.3, 30.5), {"code": "420111001002001"}),
        (square(114.3, 30.5), {"code": "42011"}),
    )
    assert load("areas", file, scheme="cn", dry_run=True).reasons == {"code-scheme": 1}
    auto = load("areas", file)
    assert auto.reasons == {}
    assert any("12 or 15" in note for note in auto.notes)


def test_gates_without_a_compound_are_listed_not_rejected(load: Any, tmp_path: Path) -> None:
    load("compounds", write(tmp_path / "c.geojson", (square(114.3, 30.5), {"source_id": "C1"})))
    gates = write(
        tmp_path / "g.geojson",
        (point(114.3, 30.5), {"source_id": "G1", "compound_id": "C1"}),
        (point(114.3, 30.5), {"source_id": "G2", "compound_id": "C9"}),
    )
    report = load("gates", gates)
    assert report.outcome.rows_inserted == 2
    assert any("1 gates belong to no loaded compound: G2" in note for note in report.notes)


def test_the_metric_grid_is_provisional_until_streets_fix_it(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    load("buildings", write(tmp_path / "b.geojson", (square(114.3, 30.5), {"source_id": "1"})))
    grid = dict(fetch(fresh_db, select(tables.setting.c.key, tables.setting.c.value)))
    assert grid == {"metric_crs": "EPSG:4547", "metric_crs_basis": "provisional"}
    area = fetch(fresh_db, select(tables.building.c.footprint_m2))[0][0]
    assert area == pytest.approx(95.9 * 110.9, rel=0.01)
    load("streets", write(tmp_path / "s.geojson", (line((117.3, 30.5), (117.31, 30.5)), {"source_id": "1"})))
    grid = dict(fetch(fresh_db, select(tables.setting.c.key, tables.setting.c.value)))
    assert grid == {"metric_crs": "EPSG:4548", "metric_crs_basis": "streets"}
    assert fetch(fresh_db, select(tables.building.c.footprint_m2))[0][0] != area
    assert versions(fresh_db) == {"buildings": 2, "streets": 1}
    load(
        "streets", write(tmp_path / "t.geojson", (line((87.3, 30.5), (87.31, 30.5)), {"source_id": "2"})), source="far"
    )
    assert dict(fetch(fresh_db, select(tables.setting.c.key, tables.setting.c.value))) == grid


def test_people_reach_buildings_with_the_load(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path / "b.geojson", 2, dwellings=10))
    cells = write(tmp_path / "p.geojson", (square(114.29, 30.49, 0.1), {"people": 11}))
    report = load("population", cells)
    assert any("11 people are on buildings (dwellings 11)" in note for note in report.notes)
    people = fetch(fresh_db, select(tables.resident_group.c.people).order_by("building_id"))
    assert sorted(row[0] for row in people) == [5, 6]
    assert versions(fresh_db) == {"buildings": 1, "population": 1}
    # people are drawn where their buildings are
    edges = [f(tables.layer_version.c.extent) for f in (func.ST_XMin, func.ST_XMax)]
    extent = fetch(fresh_db, select(*edges).where(tables.layer_version.c.layer == "population"))[0]
    assert tuple(extent) == pytest.approx((114.3, 114.311))
    load("buildings", houses(tmp_path / "c.geojson", 1, dwellings=100))
    assert versions(fresh_db) == {"buildings": 2, "population": 2}
    people = fetch(fresh_db, select(tables.resident_group.c.people))
    assert sorted(row[0] for row in people) == [1, 10]


def test_a_join_adds_sums_and_the_commonest_words(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    tax = tmp_path / "tax.csv"
    tax.write_text("ML,Units,Stories,Use\n1,2,3,CONDO\n1,5,7,CONDO\n1,,2,SHOP\n9,4,4,X\n")
    file = write(tmp_path / "p.geojson", (square(114.3, 30.5), {"ML": "1"}), (square(114.4, 30.5), {"ML": "2"}))
    report = load(
        "buildings",
        file,
        joins=(Join(tax, "ML", "ML"),),
        columns={
            "ML": "source_id",
            "Units": "dwellings",
            "Stories": "floors",
            "Use": "use",
            "tax.records": "households",
        },
    )
    rows = {row.source_id: row for row in fetch(fresh_db, select(tables.building))}
    assert (rows["1"].dwellings, rows["1"].floors, rows["1"].use, rows["1"].households) == (7, 7, "CONDO", 3)
    assert (rows["2"].dwellings, rows["2"].use) == (None, None)
    assert any("1 of 2 rows found a record" in note for note in report.notes)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_file_without_rows_is_refused(load: Any, fresh_db: Db, tmp_path: Path, layer: str) -> None:
    table = tmp_path / "x.csv"
    table.write_text("source_id,code,lon,lat,type,people,reported_at,class,building_id\n")
    with pytest.raises(DataError):
        load(layer, table, datum="wgs84")
    assert versions(fresh_db) == {}


def test_an_unknown_layer_is_refused(load: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="core layers"):
        load("roads", tmp_path / "x.csv")


def test_a_type_for_every_row_must_be_a_code_of_the_pack(load: Any, fresh_db: Db, tmp_path: Path) -> None:
    file = write(tmp_path / "f.geojson", (point(114.3, 30.5), {"source_id": "1"}))
    with pytest.raises(RequestError, match=r"no code 'EDU_PRIMRY'.*EDU_PRIMARY") as fault:
        load("facilities", file, constants={"type": "EDU_PRIMRY"})
    assert "onemap standards list" in fault.value.hint
    assert count(fresh_db, tables.load) == 0
    load("facilities", file, constants={"type": " edu_primary"})
    assert fetch(fresh_db, select(tables.facility.c.type)) == [("EDU_PRIMARY",)]


def test_a_file_that_overwrites_anothers_rows_says_so(load: Any, tmp_path: Path) -> None:
    one, two = houses(tmp_path / "one.geojson", 3), houses(tmp_path / "two.geojson", 2, people=7)

    def said(report: LoadReport) -> list[str]:
        return [note for note in report.notes if "--source" in note]

    assert said(load("buildings", one)) == []
    (trial,) = said(load("buildings", two, dry_run=True))
    assert "would be overwritten" in trial
    (note,) = said(load("buildings", two))
    assert note.startswith("2 rows of source buildings, last loaded from one.geojson, were overwritten")
    assert said(load("buildings", houses(tmp_path / "two.geojson", 2, people=8))) == []
    assert said(load("buildings", one, source="elsewhere")) == []


@pytest.mark.parametrize("source", ["x" * 101, "a\x1b[31m", "a\nb", "\u202eabc"])
def test_a_source_must_be_short_and_plain(source: str) -> None:
    with pytest.raises(RequestError, match="source") as fault:
        LoadOptions(source=source)
    assert fault.value.parameter == "source"
    assert source not in fault.value.message
    assert LoadOptions(source="教育局 (2026)" + "x" * 80).source
