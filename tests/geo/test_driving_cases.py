"""Odd places for a vehicle: sites and homes on one street, streets of no length, large sites, rivers, islands."""

from __future__ import annotations

import numpy as np
import pytest

from geo.catchments import find_catchments
from geo.circles.circle import Place, find_circle, survey
from geo.costs import WalkProfile
from geo.driving import Roads, cost_driving
from geo.driving_turns import Drive, TurnBans, prepare_drive
from geo.link import Entrances, Links, Ways, link_points, link_sites
from geo.linking.barriers import Barriers, split_long_barriers
from geo.network import Network
from geo.reach import Homes, find_reach
from geo.units import NO_COST
from tests.gridcity import GridCity, box, line, objects, point

CREW = WalkProfile("driving", 2.0)
SPEED_MM_S = 10_000


def drive(
    city: GridCity, *, one_way: dict[int, int] | None = None, closed: frozenset[int] = frozenset(), **bans: TurnBans
) -> Drive:
    """Return a city driven at ten metres a second; `one_way` and `closed` name streets by number."""
    network = city.network()
    count = len(city.lines)
    way = np.zeros(count, dtype=np.int8)
    for street, direction in (one_way or {}).items():
        way[street] = direction
    speed = np.where(np.isin(np.arange(count), list(closed)), 0, SPEED_MM_S)
    roads = Roads(np.arange(count, dtype=np.int64) + 1, speed, way)
    along = np.ones(network.edge_count, dtype=bool)
    costs = cost_driving(network, roads, along=along, gate_mm_s=SPEED_MM_S)
    return prepare_drive(network, CREW, *costs, bans=bans.get("bans", TurnBans.none()))


def seconds(laid: Drive, site: object, home: object, *, barriers: Barriers | None = None) -> float | None:
    """Return the seconds from a site to a home, None for no way or no link."""
    network: Network = laid.network
    is_open = (laid.cost_ab != NO_COST) | (laid.cost_ba != NO_COST)
    ways = Ways(network, is_open, barriers or Barriers(objects([])))
    outside = np.full(1, -1, dtype=np.int32)
    entrances = link_sites(objects([site]), outside, ways=ways, gate_point=objects([]))
    homes = Homes(link_points(objects([home]), outside, ways=ways), outside)
    (reach,) = find_reach(laid, homes, entrances, facilities=[np.zeros(1, dtype=np.int32)], bounds_s=[5_000.0])
    return None if reach.reach_ms[0] < 0 else float(reach.reach_ms[0]) / 1000


def block() -> GridCity:
    """Return a block of 100 m: south, north, west and east side in that order, drawn to the east and to the north."""
    return GridCity.grid(1, 1)


def test_a_home_behind_the_site_on_a_one_way_street_is_driven_to_round_the_block() -> None:
    both, one = drive(block()), drive(block(), one_way={0: 1})
    assert seconds(both, point(70, 0), point(20, 0)) == 5
    assert seconds(one, point(20, 0), point(70, 0)) == 5
    # 30 m on, three sides of the block, 20 m in
    assert seconds(one, point(70, 0), point(20, 0)) == 35


@pytest.mark.parametrize("direction", [1, -1])
def test_a_home_across_a_one_way_street_from_the_site_is_not_driven_round_the_block(direction: int) -> None:
    laid = drive(block(), one_way={0: direction})
    # 4 m and 6 m off the street at 2 m/s
    assert seconds(laid, point(50, -4), point(50, 6)) == 2 + 3
    entrances = Entrances(np.zeros(1, dtype=np.int64), _at(50_000))
    homes = Homes(_at(50_000), np.full(1, -1, dtype=np.int32))
    none = np.zeros(1, dtype=np.int32)
    assert find_catchments(laid, homes, entrances, facilities=none, bound_s=5.0).ms.tolist() == [0]
    circle = find_circle(survey(laid, homes, entrances), place=Place(_at(50_000), -1), bound_s=5.0)
    assert (circle.home_ms.tolist(), circle.facility_ms.tolist()) == ([0], [0])


def _at(place_mm: int) -> Links:
    """Return a place along the south side of the block."""
    return Links(np.zeros(1, dtype=np.int32), np.array([place_mm]), np.zeros(1, dtype=np.int64))


def test_metres_off_the_street_are_covered_at_the_pace_of_the_profile() -> None:
    assert seconds(drive(block()), point(20, -10), point(70, -4)) == 5 + 5 + 2


def test_streets_of_no_length_and_twins_do_no_harm() -> None:
    plain = GridCity().street((0, 0), (100, 0)).street((100, 0), (200, 0))
    odd = GridCity().street((0, 0), (100, 0)).street((100, 0), (200, 0)).street((100, 0), (100, 0))
    odd.street((0, 0), (100, 0)).street((100, 0), (100.0001, 0))
    assert seconds(drive(plain), point(0, 0), point(200, 0)) == 20
    assert seconds(drive(odd), point(0, 0), point(200, 0)) == 20


def test_a_ban_across_a_street_of_no_length_is_kept() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((100, 0), (100, 0)).street((100, 0), (200, 0))
    network = city.network()
    via = int(network.edge_b[0])
    bans = TurnBans(np.array([0, 1]), np.array([via, via]), np.array([2, 2]))
    assert seconds(drive(city, bans=bans), point(0, 0), point(200, 0)) is None
    assert seconds(drive(city, bans=bans), point(200, 0), point(0, 0)) == 20


def test_a_large_site_is_left_where_a_driven_way_crosses_its_outline_and_not_by_a_footpath() -> None:
    # a station 100 m deep: a footpath leaves it to the south, a drive to the north
    city = GridCity().street((50, 50), (50, -100)).street((50, 50), (50, 300)).street((50, 300), (400, 300))
    city.street((50, -100), (400, -100))
    station = box(0, 0, 100, 100)
    laid = drive(city, closed=frozenset({0}))
    assert seconds(laid, station, point(400, 300)) == 20 + 35
    assert seconds(laid, station, point(400, -100)) is None
    assert seconds(drive(city), station, point(400, -100)) == 10 + 35


def test_nobody_is_reached_across_a_river_the_street_does_not_cross() -> None:
    city = GridCity().street((0, 0), (300, 0))
    river = split_long_barriers(objects([line((0, 20), (300, 20))]))
    assert seconds(drive(city), point(0, 0), point(200, 40)) == 20 + 20
    assert seconds(drive(city), point(0, 0), point(200, 40), barriers=river) is None


def test_an_island_is_not_reached_and_reaches_itself() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((0, 500), (100, 500))
    assert seconds(drive(city), point(0, 0), point(100, 500)) is None
    assert seconds(drive(city), point(0, 500), point(100, 500)) == 10


def test_streets_that_all_lead_away_never_come_back() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((100, 0), (200, 0))
    laid = drive(city, one_way={0: 1, 1: 1})
    assert seconds(laid, point(0, 0), point(200, 0)) == 20
    assert seconds(laid, point(200, 0), point(0, 0)) is None
