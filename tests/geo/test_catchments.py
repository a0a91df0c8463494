"""Catchments and matrices: each facility alone must answer what a nearest-facility search for it alone answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import catchments
from geo.catchments import Catchments, find_catchments, find_matrix, spread_from
from geo.errors import RequestError
from geo.link import Entrances, link_sites
from geo.reach import Homes, Walk, find_reach, lay_out_walk, prepare_walk
from geo.units import NO_COST, Int32Array
from tests.gridcity import PAPER, GridCity, Xy, objects, point

BOUND_S = 600.0


def link_city(city: GridCity, places: list[Xy], sites: list[Xy]) -> tuple[Walk, Homes, Entrances]:
    """Return a city with homes and sites ready to be walked."""
    network = city.network()
    geometry = objects([point(*s) for s in sites])
    zone = city.walls_table().find_zones(geometry)
    entrances = link_sites(geometry, zone, ways=city.ways(network), gate_point=objects([]))
    return prepare_walk(network, PAPER), city.link([point(*p) for p in places], network), entrances


def estates(rng: np.random.Generator) -> GridCity:
    """Return streets with walled estates whose gates are open to all or to residents alone."""
    city = GridCity.grid(3, 2, spacing_m=200)
    for number in range(4):
        west, south = 200 * (number % 3), 200 * (number // 3)
        city.wall(west + 10, south + 10, west + 190, south + 190)
        city.street((west + 100, south + 10), (west + 100, south + 190))
        city.street((west + 10, south + 100), (west + 100, south + 100))
        for x, y in [(100, 10), (100, 190), (10, 100)][: int(rng.integers(1, 4))]:
            city.gate(west + x, south + y, of=number, opens_to_all=bool(rng.integers(3) == 0))
    return city


def walk_one_way(walk: Walk, rng: np.random.Generator) -> Walk:
    """Return the walk with slopes, some ways closed one way and some both."""
    steep = rng.integers(1, 4, walk.cost_ab.shape)
    cost_ab = np.where(rng.random(steep.shape) < 0.05, NO_COST, walk.cost_ab * steep).astype(np.uint32)
    cost_ba = np.where(rng.random(steep.shape) < 0.1, NO_COST, walk.cost_ba).astype(np.uint32)
    return lay_out_walk(walk.network, walk.profile, cost_ab, cost_ba)


def list_pairs(found: Catchments, number: int) -> list[tuple[int, int]]:
    """Return the homes and milliseconds of one facility."""
    row = slice(int(found.ptr[number]), int(found.ptr[number + 1]))
    return list(zip(found.home[row].tolist(), found.ms[row].tolist(), strict=True))


def find_alone(
    walk: Walk, homes: Homes, entrances: Entrances, facilities: Int32Array, bound_s: float
) -> list[list[tuple[int, int]]]:
    """Return the same by one search for the nearest facility for each facility alone."""
    alone = find_reach(
        walk,
        homes,
        entrances,
        facilities=[facilities[i : i + 1] for i in range(facilities.shape[0])],
        bounds_s=[bound_s] * facilities.shape[0],
    )
    return [[(int(home), int(reach.reach_ms[home])) for home in np.flatnonzero(reach.reach_ms >= 0)] for reach in alone]


def check_case(seed: int) -> None:
    """Hold catchments and the matrix against single searches on one random city."""
    rng = np.random.default_rng(seed)
    places = [(float(x), float(y)) for x, y in rng.integers(-20, 620, (int(rng.integers(1, 40)), 2)) % (620, 420)]
    # several facilities at one place, too
    sites = [(float(x), float(y)) for x, y in rng.integers(0, 30, (int(rng.integers(1, 12)), 2)) * 20 % (620, 420)]
    walk, homes, entrances = link_city(estates(rng), places, sites)
    if seed % 2:
        walk = walk_one_way(walk, rng)
    facilities = rng.integers(0, len(sites) + 2, int(rng.integers(0, 15))).astype(np.int32)
    bound_s = float(rng.choice([0.5, 150.0, BOUND_S, 86_400.0]))
    found = find_catchments(walk, homes, entrances, facilities=facilities, bound_s=bound_s)
    expected = find_alone(walk, homes, entrances, facilities, bound_s)
    assert [list_pairs(found, number) for number in range(facilities.shape[0])] == expected, seed
    matrix = find_matrix(walk, homes, entrances, facilities=facilities, bound_s=bound_s, threads=2)
    for home in range(len(places)):
        row = slice(int(matrix.ptr[home]), int(matrix.ptr[home + 1]))
        mine = [(n, ms) for n, one in enumerate(expected) for row_of, ms in one if row_of == home]
        assert list(zip(matrix.facility[row].tolist(), matrix.ms[row].tolist(), strict=True)) == mine, seed


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_facility_answers_as_if_it_were_alone(seed: int) -> None:
    check_case(seed)


@pytest.mark.long
def test_thousands_of_cities() -> None:
    for seed in range(3000):
        check_case(seed)


def test_facilities_inside_a_closed_estate_serve_its_own_alone() -> None:
    city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190)
    city.street((100, 10), (100, 190), private=True).gate(100, 10)
    walk, homes, entrances = link_city(city, [(100, 150), (0, 0)], [(100, 50), (200, 0)])
    found = find_catchments(walk, homes, entrances, facilities=np.arange(2, dtype=np.int32), bound_s=BOUND_S)
    assert list_pairs(found, 0) == [(0, 100_000)]
    # 150 m of path and gate, 100 m of street
    assert list_pairs(found, 1) == [(0, 250_000), (1, 200_000)]


def test_the_exact_second_counts_as_within() -> None:
    walk, homes, entrances = link_city(GridCity.grid(4, 1), [(0, 0), (0, 0)], [(400, 0)])
    for bound_s, count in ((400.0, 2), (399.999, 0)):
        found = find_catchments(walk, homes, entrances, facilities=np.zeros(1, dtype=np.int32), bound_s=bound_s)
        assert found.home.shape[0] == count


def test_threads_room_and_order_never_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    places = [(float(x), float(y)) for x, y in rng.integers(0, 420, (300, 2))]
    sites = [(float(x), float(y)) for x, y in rng.integers(0, 420, (200, 2))]
    walk, homes, entrances = link_city(estates(rng), places, sites)
    facilities = rng.permutation(200).astype(np.int32)
    plain = find_catchments(walk, homes, entrances, facilities=facilities, bound_s=BOUND_S)
    monkeypatch.setattr(catchments, "_ROOM", 7)
    monkeypatch.setattr(catchments, "_CHUNK", 5)
    tight = find_catchments(walk, homes, entrances, facilities=facilities, bound_s=BOUND_S, threads=3)
    for name in ("ptr", "home", "ms"):
        assert np.array_equal(getattr(plain, name), getattr(tight, name)), name
    turned = find_catchments(walk, homes, entrances, facilities=facilities[::-1].copy(), bound_s=BOUND_S)
    assert all(list_pairs(turned, 199 - number) == list_pairs(plain, number) for number in range(200))


def test_nobody_asked_for() -> None:
    walk, homes, entrances = link_city(GridCity.grid(1, 1), [(0, 0)], [(100, 0)])
    none = np.empty(0, dtype=np.int32)
    found = find_catchments(walk, homes, entrances, facilities=none, bound_s=BOUND_S)
    assert (found.ptr.tolist(), found.home.shape, found.ms.shape) == ([0], (0,), (0,))
    # a facility without an entrance serves nobody
    far = find_catchments(walk, homes, entrances, facilities=np.array([5], dtype=np.int32), bound_s=BOUND_S)
    assert far.ptr.tolist() == [0, 0]
    nobody = Homes(type(homes.links)(none, none.astype(np.int64), none.astype(np.int64)), none)
    empty = find_matrix(walk, nobody, entrances, facilities=np.zeros(1, dtype=np.int32), bound_s=BOUND_S)
    assert empty.ptr.tolist() == [0]


def test_times_spread_from_a_place_over_open_ways() -> None:
    city = GridCity.grid(2, 1).street((0, 900), (100, 900))
    walk, _, entrances = link_city(city, [(0, 0)], [(150, 0)])
    ms = spread_from(walk, entrances, facilities=np.zeros(1, dtype=np.int32), bound_s=200.0)
    xy = np.stack([walk.network.node_x_mm, walk.network.node_y_mm], axis=1) // 1000 - (500_000, 3_400_000)
    seconds = {(int(x), int(y)): int(cost) for (x, y), cost in zip(xy, ms, strict=True)}
    assert seconds == {
        (0, 0): 150_000,
        (100, 0): 50_000,
        (200, 0): 50_000,
        (0, 100): NO_COST,
        (100, 100): 150_000,
        (200, 100): 150_000,
        (0, 900): NO_COST,
        (100, 900): NO_COST,
    }


@pytest.mark.parametrize("bound_s", [0.0, -1.0, float("nan"), 86_401.0])
def test_a_bound_out_of_range_is_refused(bound_s: float) -> None:
    walk, homes, entrances = link_city(GridCity.grid(1, 1), [(0, 0)], [(100, 0)])
    one = np.zeros(1, dtype=np.int32)
    with pytest.raises(RequestError, match="expected above 0"):
        find_catchments(walk, homes, entrances, facilities=one, bound_s=bound_s)
    with pytest.raises(RequestError, match="expected above 0"):
        spread_from(walk, entrances, facilities=one, bound_s=bound_s)
