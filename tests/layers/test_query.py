"""Reading the store: boxes, zooms, indexes, keys and completeness."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from geo.errors import NotFound, NotReady, RequestError
from layers import tables, tiles
from layers.catalog import read_pack
from layers.homes import fetch_areas
from layers.query.catalogue import TILE_PIXELS, fetch_levels, find_extent, find_zoom
from layers.query.circles import parse_minutes
from layers.query.features import build_features, fetch_feature, fetch_page, parse_bbox
from layers.query.layer import fetch_layer
from layers.query.results import (
    after_building,
    build_run_buildings,
    build_worst_buildings,
    judge_completeness,
)
from layers.query.runs import fetch_columns, fetch_run, find_column
from layers.query.search import fetch_places, read_coordinates
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
    """Return an owner's connection whose changes are undone."""
    with db.owner.connect() as connection:
        yield connection
        connection.rollback()


def test_areas_without_a_level_go_by_the_words_of_a_run(conn: Connection) -> None:
    conn.execute(text("UPDATE onemap.area SET level = NULL WHERE depth = 1"))
    found = fetch_levels(conn)
    assert [row["level"] for row in found] == ["city", "level 1"]
    assert {row["level"] for row in found} == set(fetch_areas(conn).tree.level)
    assert (found[1]["title_zh"], found[1]["title_en"], found[1]["areas"]) == ("级别 1", "Level 1", 2)


def explain(conn: Connection, statement: Any) -> str:
    """Return the plan of a statement where reading a whole table is the last resort."""
    compiled = statement.compile(conn, compile_kwargs={"render_postcompile": True})
    conn.execute(text("SET LOCAL enable_seqscan = off"))
    lines = conn.exec_driver_sql(f"EXPLAIN {compiled}", compiled.params).scalars()
    return "\n".join(lines)


@pytest.mark.parametrize("layer", ["buildings", "facilities", "streets", "areas"])
def test_tiles_and_boxes_use_the_spatial_index(conn: Connection, layer: str) -> None:
    view = fetch_layer(conn, layer)
    address = tiles.TileAddress(14, 13488, 6208)
    source = tiles.view_source(view, address)
    assert source is not None
    index = f"ix_{tables.LAYER_TABLES[layer].name}_geom"
    assert index in explain(conn, tiles.build_tile(source, address))
    assert index in explain(conn, build_features(view, box=(116.0, 39.0, 116.1, 39.1)))


def test_coverage_uses_the_spatial_index(conn: Connection, place: seed.Seed) -> None:
    column = fetch_columns(conn, place.run_id)[0]
    address = tiles.TileAddress(14, 13488, 6208)
    plan = explain(conn, tiles.build_tile(tiles.coverage_source(place.run_id, column, address), address))
    assert "ix_building_geom" in plan


def test_pages_of_results_start_at_their_key(conn: Connection, place: seed.Seed) -> None:
    plan = explain(conn, after_building(build_run_buildings(place.run_id), 3, 1).limit(10))
    assert "pk_building" in plan


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90))
def test_a_box_is_read_as_written(west: float, south: float, east: float, north: float) -> None:
    south, north = sorted((south, north))
    assert parse_bbox(f"{west!r},{south!r},{east!r},{north!r}") == (west, south, east, north)


def test_heights_in_a_box_are_left_out() -> None:
    assert parse_bbox("1,2,-5,3,4,99") == (1, 2, 3, 4)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_numbers_or_refused_by_name(words: str) -> None:
    readers: list[tuple[str, Any]] = [("bbox", parse_bbox), ("minutes", parse_minutes)]
    for name, read in readers:
        found = read_or_name(read, words)
        assert found == name or all(math.isfinite(value) for value in found)


def read_or_name(read: Any, words: str) -> Any:
    """Return what a text is read as, or the parameter that is at fault."""
    try:
        return read(words)
    except RequestError as error:
        return error.parameter


def test_a_box_over_the_antimeridian_holds_both_sides(conn: Connection) -> None:
    keys = [factories.add_facility(conn, lon=lon, lat=10.0, type="EDU_KINDER") for lon in (179.5, -179.5, 0.0)]
    view = fetch_layer(conn, "facilities")
    page = fetch_page(conn, view, box=(179.0, 0.0, -179.0, 20.0), after=None, limit=10)
    assert [row["id"] for row in page.rows] == keys[:2]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 7), st.integers(0, 8))
def test_pages_of_any_size_hold_every_row_once(db: Db, place: seed.Seed, limit: int, extra: int) -> None:
    with db.owner.connect() as conn:
        for _ in range(extra):
            factories.add_facility(conn, lon=seed.LON, lat=seed.LAT)
        view = fetch_layer(conn, "facilities")
        seen: list[int] = []
        after: int | None = None
        while True:
            page = fetch_page(conn, view, box=None, after=after, limit=limit)
            seen += [row["id"] for row in page.rows]
            after = page.next_after
            if after is None:
                break
        expected = conn.execute(text("SELECT id FROM facility WHERE valid_to IS NULL ORDER BY id")).scalars().all()
        conn.rollback()
    assert seen == list(expected)


def test_the_worst_buildings_come_with_most_people_first(conn: Connection, place: seed.Seed) -> None:
    column = find_column(fetch_columns(conn, place.run_id), "EDU_KINDER", None)
    rows = conn.execute(build_worst_buildings(place.run_id, column, limit=10)).all()
    assert [row.building_id for row in rows] == [place.buildings[2], place.buildings[1]]
    assert len(conn.execute(build_worst_buildings(place.run_id, column, limit=1)).all()) == 1


def test_a_run_is_found_by_id_name_and_as_latest(conn: Connection, place: seed.Seed) -> None:
    newer = seed.seed_run(conn, place, name="first")
    assert [fetch_run(conn, ref).id for ref in ("latest", "first", str(place.run_id))] == [newer, newer, place.run_id]
    for missing in ("0", "third", "99999999999999999999", "²"):
        with pytest.raises(NotFound):
            fetch_run(conn, missing)


def test_a_run_named_like_a_number_is_found_where_no_id_is(conn: Connection, place: seed.Seed) -> None:
    named = seed.seed_run(conn, place, name="2026")
    assert fetch_run(conn, "2026").id == named


def test_before_the_first_run_there_is_no_latest(conn: Connection) -> None:
    conn.execute(tables.run.delete())
    with pytest.raises(NotReady) as caught:
        fetch_run(conn, "latest")
    assert "onemap gaps run" in caught.value.hint


def test_completeness_counts_required_types_and_names_the_rest() -> None:
    types: Any = [
        SimpleNamespace(code=code, obligation=obligation)
        for code, obligation in (("A", "required"), ("B", "required"), ("C", "optional"), ("D", "required"))
    ]
    rows = [
        {"type": code, "profile": profile, "status": status}
        for profile, states in (("adult", ("covered", "unknown", "gap")), ("older", ("gap", "covered", "covered")))
        for code, status in zip("ABC", states, strict=True)
    ]
    adult, older = judge_completeness(rows, types)
    assert adult == {
        "profile": "adult",
        "met": 1,
        "required": 2,
        "share": 0.5,
        "missing": ["B"],
        "not_judged": ["D"],
    }
    assert (older["met"], older["missing"]) == (1, ["A"])
    assert judge_completeness(rows[:1], [])[0]["share"] is None
    by_vehicle = {"type": "F", "profile": "driving", "status": "covered"}
    assert judge_completeness([*rows, by_vehicle], types) == [adult, older]


def test_wildcards_in_a_search_are_plain_characters(conn: Connection) -> None:
    names = {item.code: (item.name_zh, item.name_en) for item in read_pack().types}
    factories.add_building(conn, name="100%_a\\b")
    for wanted in ("%_", "\\b", "100%"):
        assert [row["name"] for row in fetch_places(conn, wanted, limit=5, type_names=names)] == ["100%_a\\b"]
    assert fetch_places(conn, "0%a", limit=5, type_names=names) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [("116.5,39.9", (116.5, 39.9)), (" -70.5 ; -33 ", (-70.5, -33.0)), ("181,0", None), ("1号楼", None), ("5", None)],
)
def test_coordinates_are_longitude_then_latitude(words: str, expected: tuple[float, float] | None) -> None:
    found = read_coordinates(words)
    assert (None if found is None else (found["lon"], found["lat"])) == expected


@settings(deadline=None)
@given(st.floats(-170, 169), st.floats(-80, 79), st.floats(0.001, 10), st.floats(0.001, 10))
def test_the_first_zoom_shows_the_whole_extent(west: float, south: float, width: float, height: float) -> None:
    zoom = find_zoom((west, south, west + width, south + height))
    shown_deg = 360 / 2**zoom * 1000 / TILE_PIXELS
    assert 1 <= zoom <= 16
    assert width <= shown_deg or zoom == 1


def test_a_far_incident_does_not_move_the_first_view(conn: Connection) -> None:
    views = [fetch_layer(conn, name) for name in ("incidents", "buildings")]
    assert find_extent(views) == views[1].state.extent
    assert find_extent(views[:1]) == views[0].state.extent
    assert find_extent([]) is None


def test_a_layer_without_rows_on_the_map_is_still_a_layer(conn: Connection) -> None:
    conn.execute(tables.layer_version.delete().where(tables.layer_version.c.layer == "gates"))
    conn.execute(insert(tables.layer_version).values(layer="gates", version=1, rows=0))
    view = fetch_layer(conn, "gates")
    assert (view.state.rows, view.state.extent) == (0, None)


def test_uncertain_types_are_shown_with_their_candidates(conn: Connection) -> None:
    key = factories.add_facility(conn, type=None, type_candidates=["EDU_KINDER", "EDU_NURSERY"], type_basis="tie")
    row = fetch_feature(conn, fetch_layer(conn, "facilities"), key)
    assert row["properties"]["type"] is None
    assert row["properties"]["type_candidates"] == ["EDU_KINDER", "EDU_NURSERY"]
    assert row["properties"]["type_basis"] == "tie"
