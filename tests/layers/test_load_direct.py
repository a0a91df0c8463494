"""Rows copied straight into their layer: the same store as by staging and merging, also when killed on the way."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from sqlalchemy import func, literal, select, text

from geo.errors import StoreError
from layers import metric, tables
from layers.load import load_layer
from layers.loading import direct
from layers.loading.ground_area import add_up_rings, measure_footprints
from layers.loading.options import LoadOptions
from layers.loading.target import find_target
from tests.layers.loader_child import DIRECT_POINTS
from tests.layers.test_load import FULL, LAYERS, counts, fetch, houses, line, point, square, write
from tests.layers.test_load_faults import end, read_state, some_of, start, terminate_loaders, wait_at, wait_for_quiet

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

# what every load gives a row of its own
OWN = {"id", "source", "load_id", "valid_from"}
STRAIGHT = ("buildings", "facilities", "incidents", "population", "streets")
MORE: dict[str, list[tuple[dict[str, Any] | None, dict[str, Any]]]] = {
    "buildings": [
        (square(114.31, 30.5), {"source_id": "2", "name": "二号楼", "colour": "red", "households": 3}),
        (point(114.32, 30.5), {"source_id": "3", "people": 0, "use": "住宅"}),
        (square(1e9, 1e9), {"source_id": "4"}),
        (square(114.33, 30.5), {"source_id": "5", "dwellings": "many"}),
        (square(114.34, 30.5), {"source_id": "6", "floors": "x", "handed_over_on": "1999-12-31"}),
    ],
    "population": [(None, {"building_id": "nowhere", "people": 3}), (square(114.31, 30.5), {"people": 0})],
    "facilities": [(point(114.31, 30.5), {"source_id": "2", "name": "不知道"}), (None, {"source_id": "3"})],
    "incidents": [(point(114.31, 30.5), {"source_id": "2", "reported_at": "1999-12-31 23:59:59"})],
    "streets": [
        (
            {"type": "MultiLineString", "coordinates": [[[114, 30], [115, 30]], [[116, 31], [116, 32]]]},
            {"source_id": "2"},
        ),
        (line((114.3, 30.5), (114.3, 30.5)), {"source_id": "3"}),
    ],
}


def read_rows(db: Db, layer: str, source: str) -> list[tuple[Any, ...]]:
    table = tables.LAYER_TABLES[layer]
    columns = [
        func.ST_AsEWKB(column) if column.name in {"geom", "entrance"} else column
        for column in table.columns
        if column.name not in OWN
    ]
    found = fetch(db, select(*columns).where(table.c.source == source).order_by(table.c.id))
    return [tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in found]


def read_findings(db: Db, load_id: int | None) -> list[Any]:
    rejected, mended = tables.quarantine.c, tables.repair.c
    return [
        *fetch(
            db,
            select(rejected.line, rejected.source_id, rejected.reason, rejected.detail, rejected.raw)
            .where(rejected.load_id == load_id)
            .order_by(rejected.id),
        ),
        *fetch(
            db,
            select(mended.line, mended.source_id, mended.kind, mended.detail)
            .where(mended.load_id == load_id)
            .order_by(mended.id),
        ),
    ]


def test_layers_that_need_no_merge() -> None:
    options = LoadOptions()
    assert [layer for layer in sorted(LAYERS) if direct.suits(find_target(layer), options)] == sorted(STRAIGHT)
    assert not direct.suits(find_target("buildings"), LoadOptions(dry_run=True))


@pytest.mark.parametrize("layer", STRAIGHT)
def test_both_ways_store_the_same(fresh_db: Db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    file = write(tmp_path / "x.geojson", FULL[layer], *MORE[layer])
    straight = load_layer(fresh_db.owner, layer, file, LoadOptions(source="straight", datum="wgs84"))
    monkeypatch.setattr(direct, "suits", lambda *_: False)
    merged = load_layer(fresh_db.owner, layer, file, LoadOptions(source="merged", datum="wgs84"))
    assert counts(straight) == counts(merged)
    assert straight.outcome.rows_read == merged.outcome.rows_read
    assert straight.outcome.version == 1
    rows = read_rows(fresh_db, layer, "straight")
    assert rows
    assert rows == read_rows(fresh_db, layer, "merged")
    assert read_findings(fresh_db, straight.outcome.load_id) == read_findings(fresh_db, merged.outcome.load_id)
    assert (straight.reasons, straight.repairs, straight.columns) == (merged.reasons, merged.repairs, merged.columns)
    # and the other way finds nothing to do
    monkeypatch.undo()
    again = load_layer(fresh_db.owner, layer, file, LoadOptions(source="merged", datum="wgs84"))
    assert counts(again)[:2] == (0, 0)


def test_residents_and_boxes_are_the_same(fresh_db: Db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = houses(tmp_path / "a.geojson", 4, people=2), houses(tmp_path / "b.geojson", 6, people=3)
    load_layer(fresh_db.owner, "buildings", first, LoadOptions(source="a", datum="wgs84"))
    load_layer(fresh_db.owner, "buildings", second, LoadOptions(source="b", datum="wgs84"))
    state = "SELECT sum(people), count(*), count(DISTINCT method) FROM onemap.resident_group"
    log = "SELECT layer, kind, version, ST_AsText(box) FROM onemap.change_log ORDER BY id"
    live = "SELECT layer, version, rows, ST_AsText(extent) FROM onemap.layer_version ORDER BY layer"
    straight = [fetch(fresh_db, text(query)) for query in (state, log, live)]
    assert straight[0] == [(4 * 2 + 6 * 3, 10, 1)]
    with fresh_db.owner.begin() as conn:
        names = ", ".join(f"onemap.{name}" for name in ("building", "load", "change_log", "layer_version", "setting"))
        conn.execute(text(f"TRUNCATE {names} CASCADE"))
    monkeypatch.setattr(direct, "suits", lambda *_: False)
    load_layer(fresh_db.owner, "buildings", first, LoadOptions(source="a", datum="wgs84"))
    load_layer(fresh_db.owner, "buildings", second, LoadOptions(source="b", datum="wgs84"))
    assert [fetch(fresh_db, text(query)) for query in (state, log, live)] == straight


def test_an_identity_met_twice_is_left_to_the_merge(fresh_db: Db, tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.geojson",
        (point(114.3, 30.5), {"source_id": "1", "type": "EDU_PRIMARY"}),
        (point(114.4, 30.5), {"source_id": "1", "type": "EDU_PRIMARY"}),
        (None, {"source_id": "2"}),
    )
    report = load_layer(fresh_db.owner, "facilities", file, LoadOptions(datum="wgs84"))
    assert counts(report) == (1, 0, 0, 0, 2)
    assert report.reasons == {"duplicate-id": 1, "geometry-missing": 1}
    assert fetch(fresh_db, select(func.count()).select_from(tables.load)) == [(1,)]
    assert [note for note in report.notes if "3 " in note] == [], "rows are not counted twice"


CATALOG = """
SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'onemap'::regnamespace
UNION ALL
SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE connamespace = 'onemap'::regnamespace
ORDER BY 1, 2
"""

INSIDE = """
SELECT id FROM onemap.building
WHERE valid_to IS NULL AND geom && ST_MakeEnvelope(114.295, 30.4, 114.315, 30.6, 4326)
"""


def test_indexes_and_references_are_there_again(fresh_db: Db, tmp_path: Path) -> None:
    before = fetch(fresh_db, text(CATALOG))
    load_layer(fresh_db.owner, "buildings", houses(tmp_path / "x.geojson", people=1), LoadOptions(datum="wgs84"))
    assert fetch(fresh_db, text(CATALOG)) == before
    with fresh_db.owner.begin() as conn:
        conn.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(conn.execute(text(f"EXPLAIN {INSIDE}")).scalars())
        found = conn.execute(text(INSIDE)).all()
    assert "ix_building_geom" in plan
    assert len(found) == 2


def test_a_reader_is_not_waited_for(fresh_db: Db, tmp_path: Path) -> None:
    file = houses(tmp_path / "x.geojson", people=1)
    with fresh_db.owner.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM onemap.building, onemap.resident_group")).scalar_one() == 0
        report = load_layer(fresh_db.owner, "buildings", file, LoadOptions(datum="wgs84"))
    assert counts(report) == (5, 0, 0, 0, 0)
    assert fetch(fresh_db, text("SELECT sum(people) FROM onemap.resident_group")) == [(5,)]


def test_footprints_are_what_the_database_measures(fresh_db: Db) -> None:
    rng = np.random.default_rng(3)
    corners = np.array([114.3, 30.5]) + rng.random((300, 2)) / 10
    shapes = [shapely.Point(x, y).buffer(0.001 * (1 + i % 7), quad_segs=1 + i % 9) for i, (x, y) in enumerate(corners)]
    shapes += [shape.difference(shapely.buffer(shape.centroid, 0.0005)) for shape in shapes[:50]]
    shapes += [shapely.MultiPolygon([a, b]) for a, b in zip(shapes[:50], shapes[50:100], strict=True) if a.disjoint(b)]
    shapes += [shapely.Point(114.3, 30.5), shapely.box(114.3, 30.5, 114.4, 30.6)]
    wkb = shapely.to_wkb(np.array(shapes, dtype=object))
    found = measure_footprints(shapely.from_wkb(wkb), "EPSG:4547")
    with fresh_db.owner.connect() as conn:
        rows = select(func.ST_GeomFromWKB(func.unnest(literal(list(wkb))), 4326).label("geom")).subquery()
        expected = conn.execute(select(metric.measure_footprint(rows.c.geom, "EPSG:4547"))).scalars().all()
    assert np.isnan(found).tolist() == [one is None for one in expected]
    known = ~np.isnan(found)
    # another release of PROJ may round a coordinate otherwise
    assert found[known] == pytest.approx([one for one in expected if one is not None], rel=1e-9)
    assert np.isnan(measure_footprints(shapely.from_wkb(wkb), None)).all()


def test_rings_are_added_up_as_shapely_does() -> None:
    rng = np.random.default_rng(5)
    rings = [rng.random((size, 2)) * 1e3 + 4e6 for size in rng.integers(3, 40, 200)]
    shapes = shapely.polygons([shapely.linearrings(ring) for ring in rings])
    xy = shapely.get_coordinates(shapes)
    found = add_up_rings(xy[:, 0], xy[:, 1], shapely.get_num_coordinates(shapes))
    assert found.tolist() == shapely.area(shapes).tolist()
    assert add_up_rings(np.empty(0), np.empty(0), np.empty(0, dtype=int)).tolist() == []


@pytest.mark.parametrize("point", some_of(DIRECT_POINTS, "first batch in the layer", "copied rows published"))
def test_a_killed_load_leaves_an_empty_layer_or_a_whole_one(fresh_db: Db, tmp_path: Path, point: str) -> None:
    file = houses(tmp_path / "x.geojson", 300, people=2)
    before, catalog = read_state(fresh_db), fetch(fresh_db, text(CATALOG))
    child = start(fresh_db, point, file)
    wait_at(child)
    child.send_signal(signal.SIGKILL)
    assert end(child)[0] == -signal.SIGKILL
    assert wait_for_quiet(fresh_db) == []
    assert read_state(fresh_db) == before
    assert fetch(fresh_db, text(CATALOG)) == catalog
    report = load_layer(fresh_db.owner, "buildings", file, LoadOptions(datum="wgs84"))
    assert counts(report) == (300, 0, 0, 0, 0)


@pytest.mark.parametrize("way", ["interrupted", "cut off"])
def test_a_load_that_ends_on_the_way_says_so_and_changes_nothing(fresh_db: Db, tmp_path: Path, way: str) -> None:
    before = read_state(fresh_db)
    child = start(fresh_db, "first batch in the layer", houses(tmp_path / "x.geojson", 300, people=2))
    wait_at(child)
    if way == "interrupted":
        child.send_signal(signal.SIGINT)
    else:
        terminate_loaders(fresh_db)
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    code, err = end(child)
    assert code == (130 if way == "interrupted" else 3), err
    assert "Traceback" not in err
    assert wait_for_quiet(fresh_db) == []
    assert read_state(fresh_db) == before


def test_a_full_disk_is_told_and_leaves_nothing(fresh_db: Db, tmp_path: Path) -> None:
    with fresh_db.owner.begin() as conn:
        conn.execute(
            text(
                "CREATE FUNCTION onemap.fill() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$"
            )
        )
        conn.execute(text("CREATE TRIGGER fill BEFORE INSERT ON onemap.building EXECUTE FUNCTION onemap.fill()"))
    before = read_state(fresh_db)
    with pytest.raises(StoreError, match="disk of the database is full"):
        load_layer(fresh_db.owner, "buildings", houses(tmp_path / "x.geojson"), LoadOptions(datum="wgs84"))
    assert read_state(fresh_db) == before
