"""What nobody should hand the engine, and what it does then: a clear error, or an answer in bounded time and memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.catchments import find_catchments, find_matrix, spread_from
from geo.circles.circle import draw_circles, find_circle, find_place, survey
from geo.circles.near import index_ways
from geo.costs import WalkProfile, cost_edges
from geo.errors import DataError, RequestError
from geo.link import Entrances, Links, link_points
from geo.network import CLOSED_ON_FOOT, Gates, Network, Streets, build_network
from geo.reach import Homes, find_reach, prepare_walk
from geo.walls import OUTSIDE, Walls
from tests.gridcity import ORIGIN, PAPER, GridCity, objects, point

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY_S = 86_400.0
NO_WALLS = Walls(np.empty(0, dtype=np.int64), objects([]))
NO_GATES = Gates(np.empty(0, dtype=np.int64), objects([]), np.empty(0, dtype=np.int32), np.empty(0, dtype=bool))


def compile_lines(lines: Sequence[object]) -> Network:
    """Return the network of some lines."""
    none = np.zeros(len(lines), dtype=np.int64)
    streets = Streets(
        np.arange(len(lines)) + 1, objects(list(lines)), none.astype(np.uint8), none.astype(bool), none, none
    )
    return build_network(streets, walls=NO_WALLS, gates=NO_GATES, metric_crs="EPSG:4547")


def far(*places: tuple[float, float]) -> shapely.LineString:
    """Return a line through places given from the origin of the grid."""
    with np.errstate(invalid="ignore"):
        return shapely.LineString([(ORIGIN[0] + x, ORIGIN[1] + y) for x, y in places])


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([], "no streets", id="empty network"),
        pytest.param([shapely.LineString([(114.1, 30.5), (114.2, 30.6)])], "degrees", id="degrees"),
        pytest.param([far((0, 0), (float("nan"), 10))], "finite", id="NaN"),
        pytest.param([far((0, 0), (float("inf"), 10))], "finite", id="infinite"),
        pytest.param([far((0, 0), (2e6, 0))], "2000 km", id="absurd length"),
        pytest.param([far((0, 0), (1e300, 0))], "km", id="more absurd length"),
        pytest.param([shapely.LineString([(1e17, 0), (1e17, 500)])], "metres", id="absurd place"),
        pytest.param([far((0, 0), (10, 0)), shapely.LineString()], "line", id="empty line"),
        pytest.param([far((0, 0), (10, 0)), None], "line", id="missing line"),
        pytest.param([far((0, 0), (10, 0)), point(0, 0)], "line", id="point for a street"),
        pytest.param([shapely.MultiLineString([far((0, 0), (10, 0))])], "line", id="several lines in one"),
    ],
)
def test_bad_streets_are_refused(lines: list[object], found: str) -> None:
    with pytest.raises(DataError, match=found) as caught:
        compile_lines(lines)
    assert caught.value.message.startswith("compiling the street network")


@pytest.mark.parametrize("length_mm", [-1, 1 << 40])
def test_lengths_that_no_street_has_are_refused(length_mm: int) -> None:
    network = GridCity.grid(2, 2).network()
    lengths = network.edge_mm.copy()
    lengths[3] = length_mm
    with pytest.raises(DataError, match="length"):
        cost_edges(replace(network, edge_mm=lengths), PAPER)


@pytest.mark.parametrize("pace_m_s", [0.0, -1.0, float("nan"), float("inf"), 61.0, 0.09])
def test_paces_nobody_has_are_refused(pace_m_s: float) -> None:
    with pytest.raises(RequestError, match="pace") as caught:
        WalkProfile("odd", pace_m_s)
    assert caught.value.parameter == "profile"


@pytest.mark.parametrize("bound_s", [0.0, -5.0, DAY_S + 1, float("nan"), float("inf"), float("-inf")])
def test_bounds_out_of_range_are_refused_everywhere(bound_s: float) -> None:
    city = GridCity.grid(2, 2)
    network = city.network()
    walk, homes = prepare_walk(network, PAPER), city.link([point(10, 0)], network)
    doors = Entrances(np.zeros(1, dtype=np.int64), homes.links)
    row = np.zeros(1, dtype=np.int32)
    place = find_place(point(50, 0), OUTSIDE, near=index_ways(city.ways(network)))
    for call in (
        lambda: find_reach(walk, homes, doors, facilities=[row], bounds_s=[bound_s]),
        lambda: find_catchments(walk, homes, doors, facilities=row, bound_s=bound_s),
        lambda: find_matrix(walk, homes, doors, facilities=row, bound_s=bound_s),
        lambda: spread_from(walk, doors, facilities=row, bound_s=bound_s),
        lambda: find_circle(survey(walk, homes, doors), place=place, bound_s=bound_s),
    ):
        with pytest.raises(RequestError) as caught:
            call()
        assert caught.value.parameter == "minutes"


def test_a_day_is_searched_in_full() -> None:
    # 80 km of road at a metre a second, and a step that ends exactly at the bound
    city = GridCity().street((0, 0), (40_000, 0)).street((40_000, 0), (80_000, 0)).street((80_000, 0), (86_500, 0))
    reach = city.reach([point(86_400, 0), point(86_401, 0)], [point(0, 0)], bound_s=DAY_S)
    assert reach.reach_ms.tolist() == [86_400_000, -1]


def test_a_day_of_walking_is_too_much_for_a_picture() -> None:
    city = GridCity.grid(2, 2, spacing_m=45_000)
    network = city.network()
    walk, homes = prepare_walk(network, PAPER), city.link([], network)
    place = find_place(point(45_000, 45_000), OUTSIDE, near=index_ways(city.ways(network)))
    doors = Entrances(np.empty(0, dtype=np.int64), homes.links)
    circle = find_circle(survey(walk, homes, doors), place=place, bound_s=DAY_S)
    with pytest.raises(RequestError, match="90 × 90 km"):
        draw_circles(circle, limits_s=[DAY_S])


def test_the_slowest_walker_on_a_long_street_gets_the_right_part_of_it() -> None:
    slow = WalkProfile("slow", 0.1)
    city = GridCity().street((0, 0), (100_000, 0)).street((100_000, 0), (100_010, 0))
    reach = city.reach([point(1, 0), point(100_010, 0)], [point(0, 0)], profile=slow, bound_s=DAY_S)
    assert reach.reach_ms.tolist() == [10_000, -1]
    # 1,100 hours: cut short to what a cost can hold, each metre would be too quick
    with pytest.raises(DataError, match="400 km"):
        cost_edges(GridCity().street((0, 0), (400_000, 0)).network(), slow)


def test_a_network_in_pieces_answers_each_piece() -> None:
    city = GridCity.grid(2, 2).street((10_000, 0), (10_100, 0))
    assert city.network().measure_parts()[0] == 2
    reach = city.reach([point(100, 100), point(10_050, 0)], [point(0, 0)])
    assert reach.reach_ms.tolist() == [200_000, -1]


def test_a_network_nobody_may_walk_links_and_reaches_nothing() -> None:
    city = GridCity().street((0, 0), (100, 0), flags=CLOSED_ON_FOOT)
    reach = city.reach([point(10, 0)], [point(50, 0)])
    assert reach.reach_ms.tolist() == [-1]
    network = city.network()
    with pytest.raises(RequestError, match="no street"):
        find_place(point(10, 0), OUTSIDE, near=index_ways(city.ways(network)))


def test_pieces_half_the_earth_apart_take_no_more_room() -> None:
    city = GridCity.grid(3, 3).street((15_000_000, 9_000_000), (15_000_100, 9_000_000))
    network = city.network()
    near = index_ways(city.ways(network))
    assert near.ptr.shape[0] < 1_000
    place = find_place(point(15_000_050, 9_000_001), OUTSIDE, near=near)
    assert place.links.off_mm.tolist() == [1_000]


def test_nobody_and_nothing_is_an_answer() -> None:
    city = GridCity.grid(2, 2)
    network = city.network()
    walk, nobody = prepare_walk(network, PAPER), city.link([], network)
    nothing = Entrances(np.empty(0, dtype=np.int64), nobody.links)
    none = np.empty(0, dtype=np.int32)
    (reach,) = find_reach(walk, nobody, nothing, facilities=[none], bounds_s=[900])
    assert reach.reach_ms.shape == (0,)
    somebody = city.link([point(10, 0)], network)
    (reach,) = find_reach(walk, somebody, nothing, facilities=[none], bounds_s=[900])
    assert reach.reach_ms.tolist() == [-1]
    assert find_catchments(walk, somebody, nothing, facilities=none, bound_s=900).home.shape == (0,)
    place = find_place(point(50, 0), OUTSIDE, near=index_ways(city.ways(network)))
    circle = find_circle(survey(walk, nobody, nothing), place=place, bound_s=900)
    assert circle.home.shape == circle.facility.shape == (0,)


def pile(city: GridCity, network: Network, count: int) -> Entrances:
    """Return facilities that all stand on one place."""
    one = link_points(objects([point(100, 0)]), np.full(1, OUTSIDE, dtype=np.int32), ways=city.ways(network))
    links = Links(np.repeat(one.edge, count), np.repeat(one.place_mm, count), np.repeat(one.off_mm, count))
    return Entrances(np.arange(count), links)


def test_a_million_facilities_on_one_node_cost_no_more_than_they_are() -> None:
    city = GridCity.grid(20, 20)
    network = city.network()
    homes = city.link([point(x * 20.0, 0) for x in range(100)], network)
    walk = prepare_walk(network, PAPER)
    count = 1_000_000
    doors = pile(city, network, count)
    tracemalloc.start()
    (reach,) = find_reach(walk, homes, doors, facilities=[np.arange(count, dtype=np.int32)], bounds_s=[5_000])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reach.reach_ms.tolist() == [abs(x * 20 - 100) * 1000 for x in range(100)]
    # a tie goes to the lowest row
    assert set(reach.facility.tolist()) == {0}
    assert peak < 300 * count


def test_catchments_of_many_facilities_on_one_node_are_each_its_own() -> None:
    city = GridCity.grid(5, 5)
    network = city.network()
    homes = city.link([point(x * 50.0, 0) for x in range(10)], network)
    count = 20_000
    caught = find_catchments(
        prepare_walk(network, PAPER),
        homes,
        pile(city, network, count),
        facilities=np.arange(count, dtype=np.int32),
        bound_s=100,
    )
    assert caught.ptr.tolist() == [5 * n for n in range(count + 1)]
    assert caught.home.reshape(count, 5).tolist() == [[0, 1, 2, 3, 4]] * count


def test_a_million_homes_and_facilities_on_one_edge_are_no_square_of_work() -> None:
    # every home meets every facility along the edge: told apart pair by pair this would take hours
    city = GridCity.grid(2, 2)
    network = city.network()
    count = 1_000_000
    doors = pile(city, network, count)
    place_mm = doors.links.place_mm - np.arange(count) % 100_000 * np.where(doors.links.place_mm > 0, 1, -1)
    homes = Homes(replace(doors.links, place_mm=place_mm), np.full(count, OUTSIDE, dtype=np.int32))
    walk = prepare_walk(network, PAPER)
    (reach,) = find_reach(walk, homes, doors, facilities=[np.arange(count, dtype=np.int32)], bounds_s=[900])
    assert reach.reach_ms.tolist() == (np.arange(count) % 100_000).tolist()
    assert not reach.facility.any()


def test_points_without_a_place_are_not_linked() -> None:
    city = GridCity.grid(2, 2)
    ways = city.ways(city.network())
    nowhere = objects([shapely.Point(float("nan"), float("nan")), shapely.Point(), None, point(50, 3)])
    links = link_points(nowhere, np.full(4, OUTSIDE, dtype=np.int32), ways=ways)
    assert links.is_linked.tolist() == [False, False, False, True]
    for spot in nowhere[:2]:
        with pytest.raises(RequestError, match="place"):
            find_place(spot, OUTSIDE, near=index_ways(ways))


def test_points_in_degrees_are_far_from_every_street() -> None:
    city = GridCity.grid(2, 2)
    ways = city.ways(city.network())
    links = link_points(objects([shapely.Point(114.1, 30.5)]), np.full(1, OUTSIDE, dtype=np.int32), ways=ways)
    assert not links.is_linked.any()
    with pytest.raises(RequestError, match="300 m"):
        find_place(shapely.Point(114.1, 30.5), OUTSIDE, near=index_ways(ways))


def test_double_and_lengthless_streets_change_nothing() -> None:
    plain = GridCity.grid(3, 3)
    odd = GridCity.grid(3, 3)
    for k in range(4):
        odd.street((0, 0), (100, 0)).street((100 * k, 100), (100 * k, 100)).street((200, 200), (200, 200.004))
    homes, sites = [point(10, 2), point(250, 300), point(300, 110)], [point(0, 300), point(90, 0)]
    assert plain.reach(homes, sites).reach_ms.tolist() == odd.reach(homes, sites).reach_ms.tolist()
