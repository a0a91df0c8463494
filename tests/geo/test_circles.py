"""Circles on the invented grid: counted by reach, drawn around what is reached."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.circles.circle import Circle, cut_parts, draw_circles, find_circle, find_place, survey
from geo.circles.near import index_ways, link_place
from geo.circles.outline import MIN_HOLE_M2
from geo.circles.survey import DESKS
from geo.errors import RequestError
from geo.link import Entrances, link_points, link_sites
from geo.network import STEPS
from geo.reach import Homes, Walk, prepare_walk
from geo.walls import OUTSIDE
from tests.geo.circle_oracle import check_counts, check_parts, grow_parts, time_places
from tests.gridcity import PAPER, GridCity, line, objects, point

if TYPE_CHECKING:
    from collections.abc import Sequence


def lay_out(city: GridCity, homes: Sequence[object], sites: Sequence[object]) -> tuple[Walk, Homes, Entrances]:
    """Return the city as walked, with homes and facilities tied to it."""
    network = city.network()
    geometry = objects(list(sites))
    zone = city.walls_table().find_zones(objects([g.representative_point() for g in geometry]))
    entrances = link_sites(geometry, zone, ways=city.ways(network), gate_point=objects([g[0] for g in city.gates]))
    return prepare_walk(network, PAPER), city.link(homes, network), entrances


def circle_at(
    city: GridCity, x: float, y: float, *, bound_s: float = 300, width_m: float = 30
) -> tuple[Circle, list[shapely.Geometry]]:
    """Return the circle and its polygons at a third, two thirds and all of the bound."""
    walk, homes, entrances = lay_out(
        city, [point(0, 0), point(150, 50), point(400, 0)], [point(200, 0), point(150, 60)]
    )
    spot = objects([point(x, y)])
    place = find_place(spot[0], int(city.walls_table().find_zones(spot)[0]), near=index_ways(city.ways(walk.network)))
    circle = find_circle(survey(walk, homes, entrances), place=place, bound_s=bound_s)
    drawn = draw_circles(circle, limits_s=[bound_s / 3, bound_s * 2 / 3, bound_s], width_m=width_m)
    return circle, list(drawn)


def times(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], ms: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> dict[int, int]:
    """Return milliseconds by row."""
    return dict(zip(rows.tolist(), ms.tolist(), strict=True))


def estate() -> GridCity:
    """Return four blocks, the second of them a walled estate with one residents' gate."""
    return GridCity.grid(4, 1).wall(110, 10, 190, 90).street((150, 10), (150, 60), private=True).gate(150, 10)


def test_people_and_facilities_are_counted_by_reach() -> None:
    circle, _ = circle_at(estate(), 100, 0)
    # 100 m; 50 m along the street, 10 m through the gate, 40 m of path; 300 m: the exact second counts
    assert times(circle.home, circle.home_ms) == {0: 100_000, 1: 100_000, 2: 300_000}
    # the facility inside the estate serves its residents alone
    assert times(circle.facility, circle.facility_ms) == {0: 100_000}


def test_from_inside_the_estate_one_gets_out() -> None:
    circle, _ = circle_at(estate(), 150, 50)
    assert times(circle.facility, circle.facility_ms) == {0: 40_000 + 10_000 + 50_000, 1: 10_000}
    # nobody from outside walks in
    assert times(circle.home, circle.home_ms) == {1: 0}


def test_a_facility_tied_to_a_residents_gate_is_not_walked_to_from_outside() -> None:
    # an estate without paths of its own: everything in it is tied to its gate
    city = GridCity.grid(4, 1).wall(110, 10, 190, 90).gate(150, 10)
    circle, _ = circle_at(city, 100, 0)
    assert times(circle.home, circle.home_ms) == {0: 100_000, 1: 100_000, 2: 300_000}
    assert times(circle.facility, circle.facility_ms) == {0: 100_000}
    inside, _ = circle_at(city, 150, 50)
    assert times(inside.facility, inside.facility_ms) == {0: 100_000, 1: 40_000 + 50_000}


def test_circles_nest_and_hold_what_is_reached() -> None:
    _, (small, middle, large) = circle_at(GridCity.grid(6, 6), 300, 300)
    assert small.area < middle.area < large.area
    assert middle.covers(small)
    assert large.covers(middle)
    assert large.contains(point(300 + 299, 300))
    assert not large.contains(point(300 + 340, 300))
    # 150 m each way round the corner is 300 m, 160 m each is not
    assert large.contains(point(450, 400).buffer(5))
    assert not large.intersects(point(300 + 200, 300 + 200))


def test_blocks_that_cannot_be_entered_stay_holes() -> None:
    _, (_, _, large) = circle_at(GridCity.grid(3, 3, spacing_m=200), 200, 200, bound_s=1200)
    holes = [shapely.Polygon(ring) for part in shapely.get_parts(large) for ring in part.interiors]
    # nine blocks of 200 m with 30 m of drawn street on every side
    assert [hole.area for hole in holes] == pytest.approx([140 * 140] * 9, rel=0.03)


def test_holes_that_are_noise_are_filled() -> None:
    # 140 m blocks leave holes of 80 m, 100 m blocks of 40 m
    assert MIN_HOLE_M2 == 2_000
    for spacing_m, holes in ((140, 9), (100, 0)):
        _, (_, _, large) = circle_at(GridCity.grid(3, 3, spacing_m=spacing_m), 100, 100, bound_s=1200)
        assert sum(len(part.interiors) for part in shapely.get_parts(large)) == holes


def test_a_straight_street_is_drawn_as_wide_as_stated() -> None:
    for width_m in (10, 30, 100):
        _, (small, _, large) = circle_at(
            GridCity().street((0, 0), (3_000, 900)), 1_500, 450, bound_s=600, width_m=width_m
        )
        assert large.area == pytest.approx(2 * 600 * 2 * width_m + np.pi * width_m**2, rel=0.02)
        assert small.area == pytest.approx(2 * 200 * 2 * width_m + np.pi * width_m**2, rel=0.02)


def test_a_circle_that_stays_on_one_street_is_drawn() -> None:
    _, (small, _, _) = circle_at(GridCity.grid(1, 1, spacing_m=400), 200, 5, bound_s=60)
    west, _, east, _ = shapely.bounds(small)
    # 20 s less 5 m off the street, and 30 m of drawn width at both ends
    assert east - west == pytest.approx(2 * 15 + 2 * 30, abs=4)


def test_where_not_even_a_street_is_reached_nothing_is_drawn() -> None:
    circle, (small, middle, large) = circle_at(GridCity.grid(1, 1, spacing_m=400), 200, 50, bound_s=90)
    assert small.is_empty
    assert not middle.is_empty
    assert large.covers(middle)
    assert circle.home.size == 0


def test_limits_may_come_in_any_order_and_twice() -> None:
    circle, (small, middle, large) = circle_at(GridCity.grid(6, 6), 300, 300)
    drawn = draw_circles(circle, limits_s=[300, 100, 200, 100])
    for one, other in zip(drawn, (large, small, middle, small), strict=True):
        assert one.equals_exact(other, 0)


def test_polygons_are_small_and_wind_as_geojson_wants() -> None:
    _, drawn = circle_at(GridCity.grid(20, 20), 1_010, 990, bound_s=900)
    for polygon in drawn:
        assert polygon.is_valid
        for part in shapely.get_parts(polygon):
            assert part.exterior.is_ccw
            assert not any(ring.is_ccw for ring in part.interiors)
    # the diamond of a grid with a hole a block would be some 900 vertices a band without simplifying
    assert shapely.get_num_coordinates(drawn[2]) < 250


def test_a_place_far_from_any_street_is_refused() -> None:
    with pytest.raises(RequestError, match="300 m"):
        circle_at(GridCity.grid(1, 1), 50, -301)


@pytest.mark.parametrize("bound_s", [0, -1, float("nan"), 90_000])
def test_a_bound_out_of_range_is_refused(bound_s: float) -> None:
    with pytest.raises(RequestError):
        circle_at(GridCity.grid(1, 1), 50, 0, bound_s=bound_s)


@pytest.mark.parametrize("limits_s", [[], [0], [-5, 100], [301], [float("nan")]])
def test_limits_beyond_the_search_are_refused(limits_s: list[float]) -> None:
    circle, _ = circle_at(GridCity.grid(1, 1), 50, 0)
    with pytest.raises(RequestError, match="limits"):
        draw_circles(circle, limits_s=limits_s)


@pytest.mark.parametrize("width_m", [0, 9.9, 301, float("nan")])
def test_a_width_out_of_range_is_refused(width_m: float) -> None:
    with pytest.raises(RequestError, match="width"):
        circle_at(GridCity.grid(1, 1), 50, 0, width_m=width_m)


def test_large_circles_take_a_coarser_raster() -> None:
    # 30 km either way: 6,000 cells of 10 m, squared and for three limits, would be too many
    middle = (28_000, 9_000)
    city = GridCity().street((0, 0), middle).street(middle, (56_000, 18_000)).street(middle, (19_000, 37_000))
    _, (_, _, large) = circle_at(city, *middle, bound_s=30_000)
    assert large.is_valid
    assert large.area == pytest.approx(2 * 29_411 * 60 + 29_411 * 60, rel=0.02)


def test_more_ground_than_one_picture_holds_is_refused() -> None:
    with pytest.raises(RequestError, match="100 × 100 km") as caught:
        circle_at(GridCity.grid(2, 2, spacing_m=50_000), 50_000, 50_000, bound_s=80_000)
    assert caught.value.parameter == "minutes"


def test_circles_drawn_at_the_same_time_are_the_same() -> None:
    city = estate()
    walk, homes, entrances = lay_out(city, [point(10 * k, 0) for k in range(40)], [point(200, 0)])
    surroundings, near = survey(walk, homes, entrances), index_ways(city.ways(walk.network))

    def draw(x: float) -> tuple[list[int], bytes]:
        circle = find_circle(surroundings, place=find_place(point(x, 5), OUTSIDE, near=near), bound_s=150)
        return circle.home_ms.tolist(), draw_circles(circle, limits_s=[150])[0].wkb

    places = [float(x) for x in range(0, 400, 7)]
    alone = [draw(x) for x in places]
    with ThreadPoolExecutor(4 * DESKS) as pool:
        assert list(pool.map(draw, places * 5)) == alone * 5
    assert surroundings.desks.qsize() == DESKS


@pytest.mark.parametrize("seed", range(4))
def test_one_place_links_where_many_places_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    city = random_city(rng)
    city.barriers.append(line((0, 300), (800, 420)))
    ways = city.ways(city.network())
    spots = objects([point(*xy) for xy in rng.uniform(-400, 1_200, (300, 2))])
    zone = city.walls_table().find_zones(spots)
    links = link_points(spots, zone, ways=ways)
    near = index_ways(ways)
    assert 0 < links.is_linked.sum() < 300
    for row, spot in enumerate(spots):
        one = link_place(near, spot, int(zone[row]))
        assert (one.edge[0], one.place_mm[0], one.off_mm[0]) == (
            links.edge[row],
            links.place_mm[row],
            links.off_mm[row],
        )


def test_the_drawing_does_not_depend_on_street_order() -> None:
    city = GridCity.grid(5, 5)
    shapes = []
    for order in (np.arange(60), np.arange(60)[::-1]):
        network = city.network(order=order)
        walk = prepare_walk(network, PAPER)
        place = find_place(point(210, 200), -1, near=index_ways(city.ways(network)))
        none = link_sites(objects([]), np.empty(0, dtype=np.int32), ways=city.ways(network), gate_point=objects([]))
        circle = find_circle(survey(walk, city.link([point(0, 0)], network), none), place=place, bound_s=250)
        shapes.append(draw_circles(circle, limits_s=[250])[0])
    assert shapes[0].wkb == shapes[1].wkb


def random_city(rng: np.random.Generator) -> GridCity:
    """Return a crooked grid with estates, stairs and paths that end blind."""
    size, spacing = 6, 130.0
    city = GridCity()
    knots = rng.uniform(-35, 35, (size + 1, size + 1, 2)) + np.stack(
        np.meshgrid(*[np.arange(size + 1) * spacing] * 2), 2
    )
    for a in range(size + 1):
        for b in range(size):
            for ends in ((knots[a, b], knots[a, b + 1]), (knots[b, a], knots[b + 1, a])):
                if rng.random() < 0.85:
                    bend = (ends[0] + ends[1]) / 2 + rng.uniform(-15, 15, 2)
                    flags = STEPS if rng.random() < 0.1 else 0
                    city.street(tuple(ends[0]), tuple(bend), tuple(ends[1]), flags=flags)
    for number, (i, j) in enumerate(rng.permutation(size * size)[:4, None] // (size, 1) % size):
        x, y = (j + 0.5) * spacing, (i + 0.5) * spacing
        city.wall(x - 40, y - 40, x + 40, y + 40)
        city.street((x - 40, y), (x + 40, y), private=True).street((x, y), (x, y + 40), private=True)
        city.gate(x - 40, y, of=number, opens_to_all=bool(rng.random() < 0.3))
        if rng.random() < 0.7:
            city.gate(x + 40, y, of=number)
    return city


@pytest.mark.parametrize("seed", range(12))
def test_any_circle_agrees_with_the_general_engine_and_with_geos(seed: int) -> None:
    check_random_circle(seed)


@pytest.mark.long
def test_a_thousand_circles_agree_with_the_general_engine_and_with_geos() -> None:
    for seed in range(100, 1_100):
        check_random_circle(seed)


def check_random_circle(seed: int) -> None:
    """Hold one circle in a random city against the simple one."""
    rng = np.random.default_rng(seed)
    city = random_city(rng)
    spots = [point(*xy) for xy in rng.uniform(-50, 830, (60, 2))]
    walk, homes, entrances = lay_out(city, spots[:40], [*spots[40:-1], spots[50].buffer(60, quad_segs=1)])
    zone = int(city.walls_table().find_zones(objects(spots[-1:]))[0])
    place = find_place(spots[-1], zone, near=index_ways(city.ways(walk.network)))
    bound_s = float(rng.uniform(30, 900))
    limits_s = [bound_s / 3, bound_s / 2, bound_s]
    circle = find_circle(survey(walk, homes, entrances), place=place, bound_s=bound_s)
    check_counts(circle, walk, homes, entrances, bound_s)
    parts = cut_parts(circle, limits_s=limits_s)
    for share in (0.0, 0.21, 0.5, 0.77, 1.0):
        links, ms = time_places(walk, place, bound_s, share=share)
        check_parts(parts, links, ms, [round(limit * 1000) for limit in limits_s])
    drawn = draw_circles(circle, limits_s=limits_s)
    for layer, polygon in enumerate(drawn):
        assert polygon.is_valid
        grown = shapely.Polygon() if (parts[2] > layer).all() else grow_parts(walk, parts, layer=layer, width_m=30)
        # a cell is 10 m: the outline runs within half of one; narrower gaps are closed and small holes filled
        assert grown.buffer(-5).difference(polygon).is_empty
        filled = shapely.get_parts(polygon.difference(grown.buffer(10)))
        assert max(shapely.area(filled), default=0) <= MIN_HOLE_M2
        assert layer == 0 or drawn[layer - 1].is_empty or polygon.covers(drawn[layer - 1])
