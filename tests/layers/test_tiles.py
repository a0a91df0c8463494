"""Tiles hold what the tables hold, say when they leave rows out, and hide what is sensitive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import pytest
from sqlalchemy import insert, select, text

from geo.errors import NotFound, NotReady, RequestError, TooLarge
from layers import tables, tiles
from layers.query.layer import fetch_layer
from layers.query.runs import RunColumn, fetch_columns, find_column
from tests import factories, seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.conftest import Db


@pytest.fixture(scope="module")
def place(db: Db) -> seed.Seed:
    """Return the seeded place with one run."""
    with db.owner.begin() as conn:
        found = seed.seed_place(conn)
        found.run_id = seed.seed_run(conn, found)
    return found


@pytest.fixture
def conn(db: Db, place: seed.Seed) -> Iterator[Connection]:
    """Return a reader's connection."""
    with db.reader.connect() as connection:
        yield connection


def address_at(zoom: int, lon: float = seed.LON, lat: float = seed.LAT) -> tiles.TileAddress:
    """Return the tile over a point."""
    return next(
        tiles.TileAddress(zoom, x, y)
        for x in [int((lon + 180) / 360 * 2**zoom)]
        for y in range(2**zoom)
        if tiles.TileAddress(zoom, x, y).box(buffer=0)[1] <= lat < tiles.TileAddress(zoom, x, y).box(buffer=0)[3]
    )


def draw(conn: Connection, layer: str, address: tiles.TileAddress, **options: Any) -> tuple[tiles.Tile, dict[str, Any]]:
    """Return a tile and what it decodes to."""
    source = tiles.view_source(fetch_layer(conn, layer), address, **options)
    tile = tiles.fetch_tile(conn, source, address)
    return tile, mapbox_vector_tile.decode(tile.data)


def column_of(conn: Connection, place: seed.Seed, code: str) -> RunColumn:
    """Return the run's column of a type."""
    return find_column(fetch_columns(conn, place.run_id), code, None)


def ids_in_box(conn: Connection, layer: str, address: tiles.TileAddress) -> set[int]:
    """Return the ids that plain SQL finds in a tile with its margin."""
    table = tables.LAYER_TABLES[layer].name
    statement = text(
        f"SELECT id FROM {table} WHERE valid_to IS NULL AND geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)"  # noqa: S608
    )
    west, south, east, north = address.box()
    return set(conn.execute(statement, {"w": west, "s": south, "e": east, "n": north}).scalars())


@pytest.mark.parametrize("layer", ["areas", "compounds", "gates", "buildings", "facilities", "incidents", "streets"])
@pytest.mark.parametrize("zoom", [14, 16])
def test_a_tile_holds_exactly_the_rows_in_its_box(conn: Connection, layer: str, zoom: int) -> None:
    address = address_at(zoom)
    tile, decoded = draw(conn, layer, address)
    expected = ids_in_box(conn, layer, address)
    assert expected
    assert {feature["id"] for feature in decoded[layer]["features"]} == expected
    assert decoded[layer]["extent"] == tiles.EXTENT
    assert not tile.is_thinned


def test_properties_are_the_columns_of_the_row(conn: Connection, place: seed.Seed) -> None:
    _, decoded = draw(conn, "buildings", address_at(16))
    drawn = {feature["id"]: feature["properties"] for feature in decoded["buildings"]["features"]}
    row = conn.execute(select(tables.building).where(tables.building.c.id == place.buildings[0])).one()
    assert drawn[place.buildings[0]] == {
        "source_id": row.source_id,
        "name": row.name,
        "floors": row.floors,
        "dwellings": row.dwellings,
        "people": row.people,
    }


def test_corners_of_a_home_are_where_the_projection_puts_them(conn: Connection, place: seed.Seed) -> None:
    address = address_at(16)
    _, decoded = draw(conn, "buildings", address)
    feature = next(f for f in decoded["buildings"]["features"] if f["id"] == place.buildings[0])
    west, _, east, _ = address.box(buffer=0)
    expected = sorted((lon - west) / (east - west) * tiles.EXTENT for lon in (seed.LON, seed.LON + 0.0002))
    found = sorted({corner[0] for corner in feature["geometry"]["coordinates"][0]})
    assert found == pytest.approx(expected, abs=1)


def test_sensitive_columns_never_reach_a_tile(conn: Connection) -> None:
    _, population = draw(conn, "population", address_at(16))
    _, incidents = draw(conn, "incidents", address_at(16))
    names = {name for feature in population["population"]["features"] for name in feature["properties"]}
    assert {"people", "a03_05", "households", "building_id"} <= names
    assert not names & set(tables.OF_WHICH_COLUMNS)
    assert all("text" not in feature["properties"] for feature in incidents["incidents"]["features"])


def test_streets_appear_by_class(conn: Connection) -> None:
    _, low = draw(conn, "streets", address_at(8))
    _, high = draw(conn, "streets", address_at(14))
    assert {f["properties"]["highway"] for f in low["streets"]["features"]} == {"primary"}
    assert {f["properties"]["highway"] for f in high["streets"]["features"]} == {"primary", "residential"}


def test_areas_appear_by_level_or_as_asked(conn: Connection) -> None:
    levels = {
        zoom: {f["properties"]["level"] for f in draw(conn, "areas", address_at(zoom))[1]["areas"]["features"]}
        for zoom in (4, 8)
    }
    assert levels == {4: {"city"}, 8: {"city", "district"}}
    _, asked = draw(conn, "areas", address_at(5), level="district")
    assert {f["properties"]["level"] for f in asked["areas"]["features"]} == {"district"}


def test_only_areas_have_levels(conn: Connection) -> None:
    with pytest.raises(RequestError) as caught:
        draw(conn, "streets", address_at(14), level="city")
    assert caught.value.parameter == "level"


def test_below_the_first_zoom_and_far_away_a_tile_is_empty(conn: Connection) -> None:
    assert draw(conn, "buildings", address_at(9))[0].data == b""
    assert draw(conn, "buildings", tiles.TileAddress(14, 3, 3))[0].data == b""


def test_coverage_is_points_far_out_and_shapes_near(conn: Connection, place: seed.Seed) -> None:
    for zoom, kind in ((10, "Point"), (13, "Polygon")):
        source = tiles.coverage_source(place.run_id, column_of(conn, place, "EDU_KINDER"), address_at(zoom))
        decoded = mapbox_vector_tile.decode(tiles.fetch_tile(conn, source, address_at(zoom)).data)
        assert {f["geometry"]["type"] for f in decoded["coverage"]["features"]} == {kind}


def test_shared_marks_are_counted_by_kind_and_the_tile_says_it_is_thinned(db: Db, place: seed.Seed) -> None:
    with db.owner.connect() as conn:
        factories.add_facility(conn, lon=seed.LON + 0.0001, lat=seed.LAT + seed.STEP, type="EDU_KINDER")
        tile, decoded = draw(conn, "facilities", address_at(7))
        conn.rollback()
    marks = decoded["facilities"]["features"]
    counts = {mark["properties"].get("type"): mark["properties"]["point_count"] for mark in marks}
    assert counts == {"EDU_KINDER": 2, "EDU_PRIMARY": 1, None: 1}
    assert (tile.kept, tile.found, tile.is_thinned) == (3, 4, True)
    assert decoded["thinned"]["features"][0]["properties"] == {"layer": "facilities", "kept": 3, "found": 4}


def test_a_tile_over_the_row_bound_keeps_the_largest_and_says_so(conn: Connection, place: seed.Seed) -> None:
    address = address_at(16)
    source = tiles.view_source(fetch_layer(conn, "buildings"), address)
    assert source is not None
    row = conn.execute(tiles.build_tile(source, address, rows_max=2)).one()
    decoded = mapbox_vector_tile.decode(bytes(row.data))
    assert {f["id"] for f in decoded["buildings"]["features"]} == set(place.buildings[-2:])
    assert (row.kept, row.found) == (2, 5)
    assert decoded["thinned"]["features"][0]["properties"]["found"] == 5


def test_a_tile_over_the_byte_bound_is_drawn_with_fewer_rows_or_refused(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_at(16)
    source = tiles.view_source(fetch_layer(conn, "buildings"), address)
    whole = tiles.fetch_tile(conn, source, address)
    monkeypatch.setattr(tiles, "ROWS_MAX", 8)
    monkeypatch.setattr(tiles, "BYTES_MAX", len(whole.data) - 1)
    assert tiles.fetch_tile(conn, source, address).kept == 2
    monkeypatch.setattr(tiles, "BYTES_MAX", 1)
    monkeypatch.setattr(tiles, "ROWS_MAX", 64)
    with pytest.raises(TooLarge):
        tiles.fetch_tile(conn, source, address)


def test_closed_rows_are_not_drawn(db: Db, place: seed.Seed) -> None:
    with db.owner.connect() as conn:
        conn.execute(
            tables.building.update().where(tables.building.c.id == place.buildings[1]).values(valid_to="now()")
        )
        _, decoded = draw(conn, "buildings", address_at(16))
        conn.rollback()
    assert {f["id"] for f in decoded["buildings"]["features"]} == set(place.buildings) - {place.buildings[1]}


@pytest.mark.parametrize("code", list(seed.LIMIT_S))
def test_coverage_tells_status_and_missing_seconds_on_paper(conn: Connection, place: seed.Seed, code: str) -> None:
    address = address_at(16)
    source = tiles.coverage_source(place.run_id, column_of(conn, place, code), address)
    decoded = mapbox_vector_tile.decode(tiles.fetch_tile(conn, source, address).data)
    drawn = {f["id"]: f["properties"] for f in decoded["coverage"]["features"]}
    for number, key in enumerate(place.buildings):
        status = seed.status_of(code, number)
        reach_ms = seed.REACH_MS[code][number]
        assert drawn[key]["status"] == status
        assert drawn[key]["people"] == seed.PEOPLE[code][number]
        assert drawn[key].get("reach_s") == (None if reach_ms is None else pytest.approx(reach_ms / 1000, abs=0.05))
        missing = status == "gap" and reach_ms is not None
        assert ("missing_s" in drawn[key]) is missing


def test_coverage_by_area_carries_share_and_people(conn: Connection, place: seed.Seed) -> None:
    address = address_at(8)
    source = tiles.coverage_area_source(place.run_id, column_of(conn, place, "EDU_KINDER"), address)
    decoded = mapbox_vector_tile.decode(tiles.fetch_tile(conn, source, address).data)
    drawn = {f["properties"]["code"]: f["properties"] for f in decoded["coverage_area"]["features"]}
    assert drawn["110000"]["people_gap"] == 50
    assert drawn["110000"]["share_covered"] == pytest.approx(10 / 100)
    assert set(drawn) == {"110000", "110100", "110200"}


@pytest.mark.parametrize(
    ("z", "x", "y", "parameter"),
    [(-1, 0, 0, "z"), (23, 0, 0, "z"), (3, 8, 0, "x"), (3, -1, 0, "x"), (3, 0, 8, "y"), (0, 0, 1, "y")],
)
def test_coordinates_out_of_range_are_named(z: int, x: int, y: int, parameter: str) -> None:
    with pytest.raises(RequestError) as caught:
        tiles.TileAddress(z, x, y)
    assert caught.value.parameter == parameter


def test_the_whole_world_fits_tile_zero() -> None:
    west, south, east, north = tiles.TileAddress(0, 0, 0).box()
    assert (west, east) == (-180, 180)
    assert (south, north) == pytest.approx((-tiles.MERCATOR_LATITUDE_MAX, tiles.MERCATOR_LATITUDE_MAX))


def test_a_shape_reaching_the_pole_is_cut_not_refused(db: Db, place: seed.Seed) -> None:
    with db.owner.connect() as conn:
        key = factories.add_area(conn, code="polar", level="city", box=(-180.0, -90.0, 180.0, 90.0))
        _, decoded = draw(conn, "areas", tiles.TileAddress(0, 0, 0))
        conn.rollback()
    assert key in {f["id"] for f in decoded["areas"]["features"]}


def test_unknown_and_unloaded_layers_are_told_apart(db: Db, place: seed.Seed) -> None:
    with db.owner.connect() as conn:
        with pytest.raises(NotFound):
            fetch_layer(conn, "rivers")
        conn.execute(tables.layer_version.delete().where(tables.layer_version.c.layer == "gates"))
        with pytest.raises(NotReady) as caught:
            fetch_layer(conn, "gates")
        conn.rollback()
    assert "onemap load gates FILE" in caught.value.hint


def test_a_reference_layer_is_drawn_with_its_own_names(db: Db, place: seed.Seed) -> None:
    with db.owner.connect() as conn:
        add_reference(conn)
        _, decoded = draw(conn, "flood-zones", address_at(10))
        conn.rollback()
    assert decoded["flood-zones"]["features"][0]["properties"] == {'等级 "A"': "高"}


def add_reference(conn: Connection) -> None:
    """Store a reference layer with a column name that must be quoted."""
    conn.execute(
        text(
            'CREATE TABLE onemap.ref_flood (id bigint PRIMARY KEY, "等级 ""A""" text, valid_to timestamptz,'
            " geom geometry(Geometry, 4326))"
        )
    )
    conn.execute(
        text("INSERT INTO onemap.ref_flood VALUES (1, '高', NULL, ST_Buffer(ST_Point(:lon, :lat, 4326), 0.01))"),
        {"lon": seed.LON, "lat": seed.LAT},
    )
    columns = [{"name": '等级 "A"', "column": '等级 "A"', "type": "text"}]
    conn.execute(
        insert(tables.reference_layer).values(
            name="flood-zones", table_name="ref_flood", columns=columns, geometry_kind="POLYGON"
        )
    )
    conn.execute(insert(tables.layer_version).values(layer="flood-zones", version=1, rows=1))


def test_the_etag_follows_every_part() -> None:
    assert tiles.etag_of("a", 1) == tiles.etag_of("a", 1)
    assert len({tiles.etag_of("a", 1), tiles.etag_of("a", 2), tiles.etag_of("a1"), tiles.etag_of("b", 1)}) == 4
