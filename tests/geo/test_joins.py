"""Streets that meet without sharing an end: apart by rule, joined when asked, and listed."""

from __future__ import annotations

import numpy as np
import pytest

from geo.errors import RequestError
from geo.joins import Joins, join_streets
from geo.network import Network, Streets, build_network
from geo.walls import Walls
from tests.gridcity import GridCity, objects, point


def join(city: GridCity, tolerance_m: float) -> tuple[Network, Joins]:
    """Return the network of the joined streets and the list."""
    count = len(city.lines)
    streets = Streets(
        street_id=np.arange(count, dtype=np.int64) + 1,
        line=objects(city.lines),
        flags=np.array(city.flags, dtype=np.uint8),
        is_private=np.array(city.private, dtype=bool),
        node_a=np.array([n[0] for n in city.nodes], dtype=np.int64),
        node_b=np.array([n[1] for n in city.nodes], dtype=np.int64),
    )
    joined, joins = join_streets(streets, tolerance_m=tolerance_m)
    walls = Walls(np.empty(0, dtype=np.int64), objects([]))
    return build_network(joined, walls=walls, gates=city.gates_table(), metric_crs="EPSG:4547"), joins


def seconds(city: GridCity, network: Network, home: tuple[float, float], site: tuple[float, float]) -> float | None:
    """Return the seconds between two places on a network."""
    found = int(city.reach([point(*home)], [point(*site)], network=network).reach_ms[0])
    return None if found < 0 else found / 1000


def test_a_side_street_that_ends_on_another_street_is_joined() -> None:
    city = GridCity().street((0, 0), (200, 0)).street((80, 0), (80, 100))
    assert city.seconds((0, 0), (80, 100)) is None
    network, joins = join(city, 0.5)
    assert seconds(city, network, (0, 0), (80, 100)) == 180
    assert (joins.street.tolist(), joins.other.tolist(), joins.gap_m.tolist()) == ([1], [0], [0.0])


def test_an_end_that_stops_short_is_bridged_and_listed() -> None:
    city = GridCity().street((0, 0), (200, 0)).street((80, 0.4), (80, 100))
    network, joins = join(city, 0.5)
    assert seconds(city, network, (0, 0), (80, 100)) == pytest.approx(180, abs=0.01)
    assert (joins.street.tolist(), joins.other.tolist()) == ([1], [0])
    assert joins.gap_m.tolist() == [pytest.approx(0.4)]
    apart, none = join(city, 0.3)
    assert seconds(city, apart, (0, 0), (80, 100)) is None
    assert none.street.size == 0


def test_ends_that_miss_each_other_are_joined() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((100.2, 0.1), (200, 0))
    network, _ = join(city, 0.5)
    assert seconds(city, network, (0, 0), (200, 0)) == pytest.approx(200, abs=0.5)


def test_vertices_in_common_are_junctions_and_crossings_without_are_not() -> None:
    crossing = GridCity().street((0, 0), (100, 0), (200, 0)).street((100, -50), (100, 0), (100, 50))
    network, joins = join(crossing, 0.1)
    assert seconds(crossing, network, (0, 0), (100, 50)) == 150
    assert joins.gap_m.tolist() == [0.0]
    bridge = GridCity().street((0, 0), (200, 0)).street((100, -50), (100, 50))
    over, none = join(bridge, 0.1)
    assert seconds(bridge, over, (0, 0), (100, 50)) is None
    assert none.street.size == 0


def test_streets_with_node_ids_are_left_alone() -> None:
    city = GridCity().street((0, 0), (200, 0), nodes=(1, 2)).street((80, 0), (80, 100), nodes=(3, 4))
    network, joins = join(city, 1.0)
    assert seconds(city, network, (0, 0), (80, 100)) is None
    assert joins.street.size == 0


def test_parts_are_counted() -> None:
    assert GridCity.grid(2, 2).network().measure_parts()[0] == 1
    parts, share = GridCity.grid(1, 1).street((0, 500), (100, 500)).network().measure_parts()
    assert parts == 2
    assert share == pytest.approx(0.8)


@pytest.mark.parametrize("tolerance_m", [0.0, -1.0, 20.1, float("nan")])
def test_a_tolerance_out_of_range_is_refused(tolerance_m: float) -> None:
    with pytest.raises(RequestError, match="above 0"):
        join(GridCity.grid(1, 1), tolerance_m)
