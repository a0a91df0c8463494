"""Links against Shapely, pair by pair, to the last millimetre: ties, vertices, walls, rivers and far points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
import shapely.affinity

from geo.link import link_points
from geo.linking.barriers import Barriers, split_long_barriers
from geo.linking.segments import SegmentGrid
from geo.places import Places, stands_near
from tests.geo.link_oracle import link_pairwise
from tests.gridcity import ORIGIN, GridCity, line, objects

if TYPE_CHECKING:
    from geo.link import Ways
    from geo.units import FloatArray


def scatter(rng: np.random.Generator, seed: int) -> GridCity:
    """Return a grid with bent streets strewn over it, an estate with a gate, and a river."""
    city = GridCity.grid(3, 2)
    for _ in range(12):
        start = rng.uniform(-50, 350, 2)
        steps = np.round(rng.normal(0, 25, (int(rng.integers(1, 5)), 2)), int(rng.integers(0, 4)))
        city.street(*map(tuple, np.round(np.vstack([start, start + np.cumsum(steps, axis=0)]), 1)))
    if seed % 2:
        city.wall(110, 10, 190, 90).street((150, 10), (150, 60), private=True).gate(150, 10)
    if seed % 3:
        city.barriers.append(line((-60, 40), (120, 60), (360, 30)))
    return city


def strew(rng: np.random.Generator, ways: Ways, count: int) -> FloatArray:
    """Return points at random, on vertices, on a lattice that makes ties, and beyond the reach of a link."""
    vertex = ways.network.geom_xy
    free = rng.uniform(-100, 400, (count, 2)) + ORIGIN
    lattice = np.round(rng.uniform(-80, 380, (count, 2)) / 12.5) * 12.5 + ORIGIN
    far = rng.uniform(-900, 900, (count // 4, 2)) + ORIGIN
    return np.vstack([free, lattice, vertex[rng.integers(0, vertex.shape[0], count // 4)], far])


def draw_footprint(rng: np.random.Generator, x: float, y: float) -> shapely.Geometry:
    """Return a footprint of any kind: with corners on the streets, with courtyards, in parts, or as large as a park."""
    kind = int(rng.integers(6))
    size = float(rng.choice([3.0, 12.5, 25.0, 120.0]))
    if kind == 0:
        return shapely.box(x - size, y - size / 2, x + size, y + size)
    if kind == 1:
        return shapely.Point(x, y).buffer(size, quad_segs=int(rng.integers(1, 40)))
    if kind == 2:
        return shapely.box(x - size, y - size, x + size, y + size).difference(shapely.Point(x, y).buffer(size / 2))
    if kind == 3:
        return shapely.union_all([shapely.box(x, y, x + size, y + 4), shapely.box(x, y, x + 4, y + size)])
    if kind == 4:
        return shapely.MultiPolygon([shapely.box(x, y, x + 5, y + 5), shapely.box(x + size, y, x + size + 8, y + 9)])
    turned = np.linspace(0, 2 * np.pi, int(rng.integers(4, 9)))[:-1] + rng.random()
    far = rng.uniform(0.3, 1.0, turned.shape[0]) * size
    return shapely.Polygon(np.column_stack([x + far * np.cos(turned), y + far * np.sin(turned)]))


def compare(seed: int, *, count: int, max_link_m: float = 300.0) -> None:
    """Hold links of points and footprints against the oracle."""
    rng = np.random.default_rng(seed)
    city = scatter(rng, seed)
    network = city.network()
    ways = city.ways(network)
    ways = type(ways)(network, ways.is_walkable & (rng.random(network.edge_count) < 0.9), ways.barriers, max_link_m)
    xy = strew(rng, ways, count)
    geometry = objects(list(shapely.points(xy)))
    footprints = rng.random(geometry.shape[0]) < 0.15
    geometry[footprints] = shapely.box(*(xy[footprints] - 4).T, *(xy[footprints] + 7).T)
    odd = np.flatnonzero(rng.random(geometry.shape[0]) < 0.25)
    geometry[odd] = [draw_footprint(rng, *xy[row].tolist()) for row in odd]
    zone = city.walls_table().find_zones(np.asarray(shapely.point_on_surface(geometry), dtype=object))
    found, wanted = link_points(geometry, zone, ways=ways), link_pairwise(geometry, zone, ways)
    for name in ("edge", "place_mm", "off_mm"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), (seed, name)
    shuffled = rng.permutation(geometry.shape[0])
    again = link_points(Places.of(geometry[shuffled]), zone[shuffled], ways=ways)
    assert np.array_equal(again.place_mm, found.place_mm[shuffled])


@pytest.mark.parametrize("seed", range(6))
def test_links_are_those_of_shapely(seed: int) -> None:
    compare(seed, count=60)


@pytest.mark.long
def test_links_are_those_of_shapely_many_times() -> None:
    for seed in range(6, 300):
        compare(seed, count=150, max_link_m=(300.0, 25.0, 2.0)[seed % 3])


def test_a_point_between_two_streets_links_to_the_lower_edge() -> None:
    city = GridCity().street((0, 10), (100, 10)).street((0, -10), (100, -10))
    network = city.network()
    links = link_points(objects([shapely.Point(ORIGIN[0] + 50, ORIGIN[1])]), np.array([-1]), ways=city.ways(network))
    assert (links.edge.tolist(), links.off_mm.tolist(), links.place_mm.tolist()) == ([0], [10_000], [50_000])


def test_empty_points_and_empty_networks_link_to_nothing() -> None:
    city = GridCity.grid(1, 1)
    ways = city.ways(city.network())
    none = objects([shapely.Point()])
    assert link_points(none, np.array([-1], dtype=np.int32), ways=ways).edge.tolist() == [-1]
    closed = type(ways)(ways.network, np.zeros_like(ways.is_walkable), Barriers(objects([])))
    here = objects([shapely.Point(*ORIGIN)])
    assert link_points(here, np.array([-1], dtype=np.int32), ways=closed).edge.tolist() == [-1]


def test_a_footprint_around_a_street_and_one_in_its_bend_are_told_apart() -> None:
    city = GridCity().street((0, 0), (40, 0)).street((0, 200), (40, 200), (40, 240))
    ways = city.ways(city.network())
    park = shapely.box(-30, -30, 70, 30)
    beside = shapely.union_all([shapely.box(10, 205, 30, 260), shapely.box(10, 250, 80, 260)])
    courtyard = park.difference(shapely.box(-20, -20, 60, 20))
    here = shapely.affinity.translate(shapely.MultiPolygon([beside]), *ORIGIN)
    places = objects([shapely.affinity.translate(park, *ORIGIN), here, shapely.affinity.translate(courtyard, *ORIGIN)])
    links = link_points(places, np.full(3, -1, dtype=np.int32), ways=ways)
    assert (links.edge.tolist(), links.off_mm.tolist()) == ([0, 1, 0], [0, 5_000, 20_000])


def test_a_footprint_at_a_star_of_many_streets_links_to_the_lowest() -> None:
    city = GridCity()
    for turn in np.linspace(0, 2 * np.pi, 100, endpoint=False).tolist():
        city.street((0, 0), (50 * np.cos(turn), 50 * np.sin(turn)))
    ways = city.ways(city.network())
    # its corner, its side and all of it lie on the middle
    boxes = [shapely.box(0, 0, 5, 5), shapely.box(-2, 0, 5, 5), shapely.box(-60, -60, 60, 60)]
    places = objects([shapely.affinity.translate(one, *ORIGIN) for one in boxes])
    zone = np.full(3, -1, dtype=np.int32)
    found, wanted = link_points(places, zone, ways=ways), link_pairwise(places, zone, ways)
    assert found.edge.tolist() == wanted.edge.tolist() == [0, 0, 0]
    assert found.place_mm.tolist() == wanted.place_mm.tolist()


def test_a_way_of_no_length_is_linked_to_where_the_nearest_is_barred() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((30, 40), (30, 40)).street((0, 90), (100, 90))
    city.barriers.append(line((-50, 20), (150, 20)))
    ways = city.ways(city.network())
    home = objects([shapely.Point(ORIGIN[0] + 40, ORIGIN[1] + 30)])
    zone = np.full(1, -1, dtype=np.int32)
    links = link_points(home, zone, ways=ways)
    assert (links.edge.tolist(), links.off_mm.tolist()) == ([1], [14_142])
    assert link_pairwise(home, zone, ways).edge.tolist() == [1]


def test_a_raster_of_long_lines_and_short_ones_stays_small() -> None:
    xy = np.array([[0.0, 0.0], [50_000.0, 50_000.0], [10.0, 10.0], [10.1, 10.0]])
    grid = SegmentGrid.build(xy, np.array([0, 2, 4]), np.arange(2))
    assert grid.columns * grid.rows <= 1 << 25
    assert set(grid.owner.tolist()) == {0, 1}


def test_the_order_points_stand_in_never_matters() -> None:
    rng = np.random.default_rng(5)
    city = scatter(rng, 1)
    ways = city.ways(city.network())
    xy = rng.uniform(-100, 400, (5000, 2)) + ORIGIN
    # along a curve neighbours stand together, shuffled they do not, and one without a place changes neither
    together = xy[np.lexsort((xy[:, 0], np.floor(xy[:, 1] / 20)))]
    shuffled = rng.permutation(together.shape[0])
    assert stands_near(together)
    assert not stands_near(together[shuffled])
    zone = np.full(together.shape[0], -1, dtype=np.int32)
    links, other = (
        link_points(Places.of(objects(list(shapely.points(p)))), zone, ways=ways)
        for p in (together, together[shuffled])
    )
    missing = objects([*shapely.points(together), shapely.Point(np.nan, np.nan)])
    third = link_points(Places.of(missing), np.append(zone, np.int32(-1)), ways=ways)
    for name in ("edge", "place_mm", "off_mm"):
        assert np.array_equal(getattr(links, name)[shuffled], getattr(other, name))
        assert np.array_equal(getattr(links, name), getattr(third, name)[:-1])
    assert third.edge[-1] == -1


@pytest.mark.parametrize("vertex", [3, 63, 64, 126])
@pytest.mark.parametrize("ring", [False, True])
def test_a_long_wall_is_crossed_at_none_of_its_vertices(vertex: int, *, ring: bool) -> None:
    """Long walls are cut into pieces; where two pieces meet nobody slips through."""
    xy = [(float(x), 0.0) for x in range(130)]
    wall = line(*xy, (129.0, 500.0), (0.0, 500.0), xy[0]) if ring else line(*xy)
    barriers = split_long_barriers(objects([wall]))
    across = objects([line((float(vertex), -1.0), (float(vertex), 1.0))])
    assert barriers.find_crossing(across).tolist() == [True]


def test_a_long_ring_is_closed_where_it_begins() -> None:
    turn = np.linspace(0.0, 2 * np.pi, 200)
    xy = [(float(x), float(y)) for x, y in zip(100 * np.cos(turn), 100 * np.sin(turn), strict=True)]
    barriers = split_long_barriers(objects([line(*xy[:-1], xy[0])]))
    assert barriers.find_crossing(objects([line((99.0, 0.0), (101.0, 0.0))])).tolist() == [True]
