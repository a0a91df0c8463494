"""Circles on the invented grid: counted by reach, drawn around what is reached."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geo.circles import MIN_HOLE_M2, Circle, Place, draw_circles, find_circle, find_place
from geo.errors import RequestError
from geo.link import link_sites
from geo.reach import prepare_walk
from tests.gridcity import PAPER, GridCity, objects, point


def circle_at(
    city: GridCity, x: float, y: float, *, bound_s: float = 300
) -> tuple[Place, Circle, list[shapely.Geometry]]:
    """Return the place, the circle and its polygons at a third, two thirds and all of the bound."""
    network = city.network()
    walk = prepare_walk(network, PAPER)
    ways = city.ways(network)
    spot = objects([point(x, y)])
    place = find_place(spot[0], int(city.walls_table().find_zones(spot)[0]), ways=ways)
    homes = city.link([point(0, 0), point(150, 50), point(400, 0)], network)
    entrances = link_sites(
        objects([point(200, 0), point(150, 60)]),
        city.walls_table().find_zones(objects([point(200, 0), point(150, 60)])),
        ways=ways,
        gate_point=objects([]),
    )
    circle = find_circle(walk, homes, entrances, place=place, bound_s=bound_s)
    drawn = draw_circles(walk, circle, place=place, limits_s=[bound_s / 3, bound_s * 2 / 3, bound_s])
    return place, circle, list(drawn)


def estate() -> GridCity:
    """Return four blocks, the second of them a walled estate with one residents' gate."""
    return GridCity.grid(4, 1).wall(110, 10, 190, 90).street((150, 10), (150, 60), private=True).gate(150, 10)


def test_people_and_facilities_are_counted_by_reach() -> None:
    _, circle, _ = circle_at(estate(), 100, 0)
    # 100 m; 50 m along the street, 10 m through the gate, 40 m of path; 300 m: the exact second counts
    assert circle.home_ms.tolist() == [100_000, 100_000, 300_000]
    # the facility inside the estate serves its residents alone
    assert circle.facility_ms.tolist() == [100_000, -1]


def test_from_inside_the_estate_one_gets_out() -> None:
    _, circle, _ = circle_at(estate(), 150, 50)
    assert circle.facility_ms.tolist() == [40_000 + 10_000 + 50_000, 10_000]
    # nobody from outside walks in
    assert circle.home_ms.tolist() == [-1, 0, -1]


def test_circles_nest_and_hold_what_is_reached() -> None:
    _, _, (small, middle, large) = circle_at(GridCity.grid(6, 6), 300, 300)
    assert small.area < middle.area < large.area
    for polygon in (small, middle, large):
        assert polygon.is_valid
    assert large.contains(point(300 + 299, 300))
    assert not large.contains(point(300 + 340, 300))
    # 150 m each way round the corner is 300 m, 160 m each is not
    assert large.contains(point(450, 400).buffer(5))
    assert not large.intersects(point(300 + 200, 300 + 200))


def test_blocks_that_cannot_be_entered_stay_holes() -> None:
    _, _, (_, _, large) = circle_at(GridCity.grid(3, 3, spacing_m=200), 200, 200, bound_s=1200)
    holes = sum(len(part.interiors) for part in shapely.get_parts(large))
    assert holes == 9
    assert all(
        shapely.Polygon(ring).area >= MIN_HOLE_M2 for part in shapely.get_parts(large) for ring in part.interiors
    )


def test_a_circle_that_stays_on_one_street_is_drawn() -> None:
    _, _, (small, _, _) = circle_at(GridCity.grid(1, 1, spacing_m=400), 200, 5, bound_s=60)
    west, _, east, _ = shapely.bounds(small)
    # 20 s less 5 m off the street, and 30 m of drawn width at both ends
    assert east - west == pytest.approx(2 * 15 + 2 * 30, abs=12)


def test_a_place_far_from_any_street_is_refused() -> None:
    with pytest.raises(RequestError, match="300 m"):
        circle_at(GridCity.grid(1, 1), 50, -301)


@pytest.mark.parametrize("bound_s", [0, -1, float("nan"), 90_000])
def test_a_bound_out_of_range_is_refused(bound_s: float) -> None:
    with pytest.raises(RequestError):
        circle_at(GridCity.grid(1, 1), 50, 0, bound_s=bound_s)


def test_the_drawing_does_not_depend_on_street_order() -> None:
    city = GridCity.grid(5, 5)
    shapes = []
    for order in (np.arange(60), np.arange(60)[::-1]):
        network = city.network(order=order)
        walk = prepare_walk(network, PAPER)
        place = find_place(point(210, 200), -1, ways=city.ways(network))
        none = link_sites(objects([]), np.empty(0, dtype=np.int32), ways=city.ways(network), gate_point=objects([]))
        circle = find_circle(walk, city.link([point(0, 0)], network), none, place=place, bound_s=250)
        shapes.append(draw_circles(walk, circle, place=place, limits_s=[250])[0])
    assert shapes[0].equals(shapes[1])
