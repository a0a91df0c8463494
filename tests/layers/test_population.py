"""People on buildings in a real database: totals are exact, given counts stay, the rules hold one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from geo.population import BANDS
from layers.population import SpreadReport, spread_population
from layers.tables import resident_group
from tests.factories import add_area, add_building, add_population

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.conftest import Db

# a degree is 111 km: these blocks are some 100 m wide
STEP = 0.001


@pytest.fixture
def conn(db: Db) -> Iterator[Connection]:
    """Return a connection whose work is undone."""
    with db.owner.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def box(west: float, south: float, east: float, north: float) -> str:
    return f"POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"


def people(conn: Connection) -> dict[int, int]:
    """Return people by building."""
    found = conn.execute(select(resident_group.c.building_id, resident_group.c.people))
    return {row[0]: row[1] for row in found}


def methods(conn: Connection) -> dict[int, str]:
    found = conn.execute(select(resident_group.c.building_id, resident_group.c.method))
    return {row[0]: row[1] for row in found}


def total(conn: Connection, column: str = "people") -> int:
    return int(conn.execute(select(func.sum(resident_group.c[column]))).scalar() or 0)


def test_counts_on_the_building_are_kept(conn: Connection) -> None:
    house = add_building(conn, people=7, households=3)
    report = spread_population(conn)
    assert people(conn) == {house: 7}
    assert methods(conn) == {house: "given"}
    assert (report.people_given, report.people_spread, report.people_unplaced) == (7, 0, 0)


def test_rows_that_name_a_building_win_over_its_own_column_and_add_up(conn: Connection) -> None:
    house = add_building(conn, source_id="A1", people=99)
    add_population(conn, building_id="A1", people=4, a00_02=4)
    add_population(conn, building_id="A1", people=6)
    spread_population(conn)
    row = conn.execute(select(resident_group)).one()
    assert (row.building_id, row.people, row.a00_02, len(row.population_ids)) == (house, 10, 4, 2)


def test_bands_of_a_named_building_give_its_people(conn: Connection) -> None:
    add_building(conn, source_id="A1")
    add_population(conn, building_id="A1", **dict.fromkeys(BANDS, 2))
    spread_population(conn)
    assert total(conn) == 18


def test_an_area_spreads_by_dwellings_over_residential_buildings_only(conn: Connection) -> None:
    add_area(conn, code="1", box=(0, 0, STEP, STEP))
    big = add_building(conn, lon=STEP / 2, lat=STEP / 2, use="住宅", dwellings=30)
    small = add_building(conn, lon=STEP / 3, lat=STEP / 2, use="residential", dwellings=10)
    add_building(conn, lon=STEP / 4, lat=STEP / 2, use="office", dwellings=50)
    add_building(conn, lon=STEP / 5, lat=STEP / 2, use=None, dwellings=50)
    add_building(conn, lon=9, lat=9, use="住宅", dwellings=50)
    add_population(conn, area_code="1", people=100)
    report = spread_population(conn)
    assert people(conn) == {big: 75, small: 25}
    assert report.people_by_method == {"dwellings": 100}


def test_without_residential_buildings_unknown_uses_are_taken_then_any(conn: Connection) -> None:
    unknown = add_building(conn, lon=STEP / 2, lat=STEP / 2, use=None)
    add_building(conn, lon=STEP / 3, lat=STEP / 2, use="school")
    add_population(conn, geom=box(0, 0, STEP, STEP), people=10)
    shop = add_building(conn, lon=1 + STEP / 3, lat=STEP / 2, use="shop")
    add_population(conn, geom=box(1, 0, 1 + STEP, STEP), people=20)
    spread_population(conn)
    assert people(conn) == {unknown: 10, shop: 20}


def test_floor_area_weighs_where_dwellings_are_unknown(conn: Connection) -> None:
    low = add_building(conn, lon=STEP / 2, lat=STEP / 2, floors=2, footprint_m2=100)
    high = add_building(conn, lon=STEP / 3, lat=STEP / 2, floors=18, footprint_m2=100)
    add_population(conn, geom=box(0, 0, STEP, STEP), people=40)
    spread_population(conn)
    assert people(conn) == {low: 4, high: 36}
    assert set(methods(conn).values()) == {"floor_area"}


def test_given_beats_area_and_the_area_spreads_the_rest(conn: Connection) -> None:
    given_one = add_building(conn, lon=STEP / 2, lat=STEP / 2, people=30)
    other = add_building(conn, lon=STEP / 3, lat=STEP / 2)
    add_population(conn, geom=box(0, 0, STEP, STEP), people=100)
    spread_population(conn)
    assert people(conn) == {given_one: 30, other: 70}


def test_more_people_than_given_buildings_hold_are_reported(conn: Connection) -> None:
    add_building(conn, lon=STEP / 2, lat=STEP / 2, people=30)
    add_population(conn, geom=box(0, 0, STEP, STEP), people=100)
    report = spread_population(conn)
    assert (report.people, report.people_unplaced) == (30, 70)
    assert "already hold" in report.unplaced[0].reason


def test_smaller_regions_win_and_the_larger_one_spreads_the_rest(conn: Connection) -> None:
    inner = add_building(conn, lon=STEP / 2, lat=STEP / 2)
    outer = add_building(conn, lon=5 * STEP, lat=STEP / 2)
    add_population(conn, geom=box(0, 0, 10 * STEP, 10 * STEP), people=100)
    add_population(conn, geom=box(0, 0, STEP, STEP), people=15)
    spread_population(conn)
    assert people(conn) == {inner: 15, outer: 85}


def test_one_source_adds_up_on_a_region_and_another_one_replaces_it(conn: Connection) -> None:
    house = add_building(conn, lon=STEP / 2, lat=STEP / 2)
    cell = box(0, 0, STEP, STEP)
    add_population(conn, geom=cell, people=10)
    add_population(conn, geom=cell, people=5)
    report = spread_population(conn)
    assert (people(conn), report.superseded) == ({house: 15}, 0)
    add_population(conn, geom=cell, people=40, source="newer")
    report = spread_population(conn)
    assert (people(conn), report.superseded) == ({house: 40}, 2)


def test_the_nearest_building_takes_a_region_that_has_none(conn: Connection) -> None:
    near = add_building(conn, lon=0.003, lat=0)
    add_building(conn, lon=0.002, lat=0, use="warehouse")
    add_population(conn, geom=box(0, 0, STEP, STEP), people=12)
    add_population(conn, geom="POINT(0.0031 0)", people=3)
    report = spread_population(conn)
    assert people(conn) == {near: 15}
    assert report.people_by_method == {"nearest": 15}


def test_people_too_far_from_any_building_are_reported(conn: Connection) -> None:
    add_building(conn, lon=0.02, lat=0)
    add_population(conn, geom=box(0, 0, STEP, STEP), people=12)
    add_population(conn, area_code="nowhere", people=5)
    add_population(conn, building_id="unheard-of", people=4)
    report = spread_population(conn)
    assert (report.people, report.people_unplaced) == (0, 21)
    assert [row.people for row in report.unplaced] == [12, 5, 4]
    assert "within 500 m" in report.unplaced[0].reason
    assert "nowhere is not loaded" in report.unplaced[1].reason
    assert "unheard-of is not loaded" in report.unplaced[2].reason


def test_a_second_spread_changes_nothing_and_a_removed_source_goes(conn: Connection) -> None:
    add_building(conn, lon=STEP / 2, lat=STEP / 2)
    add_population(conn, geom=box(0, 0, STEP, STEP), people=12)
    assert spread_population(conn).has_changed
    assert not spread_population(conn).has_changed
    conn.execute(text("UPDATE onemap.population SET valid_to = now()"))
    assert spread_population(conn).has_changed
    assert people(conn) == {}


COUNTS = st.dictionaries(st.sampled_from(("people", *BANDS, "floating", "households")), st.integers(0, 300), min_size=1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(COUNTS, min_size=1, max_size=6), at=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_every_total_is_kept_whatever_is_loaded(db: Db, cells: list[dict[str, int]], at: list[int]) -> None:
    with db.owner.connect() as conn, conn.begin() as transaction:
        for number, counts in enumerate(cells):
            west = number * 2 * STEP
            add_population(conn, geom=box(west, 0, west + STEP, STEP), **counts)
        for number, cell in enumerate([*at, *range(6)]):
            lon, lat = cell * 2 * STEP + STEP / 2, STEP * (number + 1) / 30
            add_building(conn, lon=lon, lat=lat, dwellings=number if number % 3 else None)
        report = spread_population(conn)
        for name in ("people", *BANDS, "floating", "households"):
            wanted = sum(_complete(counts).get(name, 0) for counts in cells)
            assert total(conn, name) == wanted, name
        assert report.people_unplaced == 0
        transaction.rollback()


def _complete(counts: dict[str, int]) -> dict[str, Any]:
    """Return counts with people from a full set of bands, as the rules have it."""
    if "people" not in counts and all(name in counts for name in BANDS):
        return {**counts, "people": sum(counts[name] for name in BANDS)}
    return counts


def test_the_report_adds_up(conn: Connection) -> None:
    add_building(conn, people=5)
    add_building(conn, lon=1 + STEP / 2, lat=STEP / 2)
    add_population(conn, geom=box(1, 0, 1 + STEP, STEP), people=8)
    report = spread_population(conn)
    assert isinstance(report, SpreadReport)
    assert report.people == total(conn) == 13
