"""Which streets are driven, which way and how fast: words of the map, and edges that were cut at walls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.driving import (
    REVERSIBLE,
    ROAD_COLUMNS,
    Roads,
    classify_roads,
    cost_driving,
    find_along,
    find_one_way,
    parse_limit,
    to_mm_s,
)
from geo.errors import DataError
from geo.units import NO_COST
from tests.gridcity import GridCity, objects

SPEEDS = {"primary": 36.0, "residential": 18.0, "service": 9.0, "road": 18.0, "motorway": 72.0, "footway": 0.0}
SPEEDS |= {"steps": 0.0, "pedestrian": 0.0}


def roads(*, is_emergency: bool = True, **tags: Any) -> Roads:
    """Return how one street with these tags is driven."""
    row = {name: [tags.get(name)] for name in ROAD_COLUMNS}
    table = pd.DataFrame(row, dtype=object)
    return classify_roads(np.ones(1, dtype=np.int64), table, speeds_kmh=SPEEDS, is_emergency=is_emergency)


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("50", 50),
        (" 50 ", 50),
        ("30 mph", 48.28032),
        ("30mph", 48.28032),
        ("10 knots", 18.52),
        ("40 km/h", 40),
        ("walk", 7),
        ("CN:urban", 50),
        ("RU:living_street", 20),
        ("DE:zone:30", 30),
        ("DE:zone30", 30),
        ("zone:30", 30),
        ("GB-NIR:urban", 50),
        ("50;30", 30),
        ("60|40|x", 40),
        ("CN:rural", None),
        ("none", None),
        ("signals", None),
        ("fast", None),
        ("0", None),
        ("-5", None),
        ("5000", None),
        ("1e3", None),
        ("", None),
        (None, None),
        (50, None),
    ],
)
def test_limits_are_read_and_junk_states_none(text: object, kmh: float | None) -> None:
    found = parse_limit(text)
    assert found is None if kmh is None else found == pytest.approx(kmh)


@given(st.text())
def test_no_text_breaks_the_reading_of_a_limit(text: str) -> None:
    found = parse_limit(text)
    assert found is None or 3 <= found <= 200


@pytest.mark.parametrize(
    ("tags", "way"),
    [
        ({"oneway": "yes"}, 1),
        ({"oneway": "YES "}, 1),
        ({"oneway": "1"}, 1),
        ({"oneway": "-1"}, -1),
        ({"oneway": "reverse"}, -1),
        ({"oneway": "no"}, 0),
        ({"oneway": "alternating"}, 0),
        ({"oneway": "sometimes"}, 0),
        ({}, 0),
        ({"junction": "roundabout"}, 1),
        ({"junction": "circular"}, 1),
        ({"junction": "roundabout", "oneway": "-1"}, -1),
        ({"junction": "roundabout", "oneway": "no"}, 0),
        ({"junction": "jughandle"}, 0),
        ({"highway": "motorway"}, 1),
        ({"highway": "motorway", "oneway": "no"}, 0),
        ({"highway": "motorway_link"}, 0),
        ({"oneway": "reversible"}, REVERSIBLE),
        ({"highway": "motorway", "oneway": "reversible"}, REVERSIBLE),
    ],
)
def test_one_way_words_and_what_they_imply(tags: dict[str, str], way: int) -> None:
    table = pd.DataFrame({name: [tags.get(name)] for name in ROAD_COLUMNS}, dtype=object)
    assert find_one_way(table).tolist() == [way]


@pytest.mark.parametrize(
    ("tags", "emergency_kmh", "traffic_kmh"),
    [
        ({"highway": "primary"}, 36, 36),
        ({"highway": None}, 18, 18),
        ({"highway": "no such class"}, 18, 18),
        ({"highway": "footway"}, 0, 0),
        ({"highway": "footway", "emergency": "yes"}, 9, 0),
        ({"highway": "steps", "emergency": "yes"}, 0, 0),
        ({"highway": "residential", "steps": True}, 0, 0),
        ({"highway": "primary", "maxspeed": "20"}, 20, 20),
        ({"highway": "primary", "maxspeed": "120"}, 36, 36),
        ({"highway": "primary", "maxspeed": "fast"}, 36, 36),
        ({"highway": "service", "access": "private"}, 9, 0),
        ({"highway": "service", "access": "private", "motor_vehicle": "yes"}, 9, 9),
        ({"highway": "residential", "motor_vehicle": "no"}, 18, 0),
        ({"highway": "residential", "access": "no"}, 0, 0),
        ({"highway": "residential", "access": "no", "emergency": "yes"}, 18, 0),
        ({"highway": "residential", "access": "no", "motor_vehicle": "yes"}, 18, 18),
        ({"highway": "residential", "emergency": "no"}, 0, 18),
        ({"highway": "primary", "oneway": "reversible"}, 0, 0),
    ],
)
def test_who_drives_where_and_how_fast(tags: dict[str, Any], emergency_kmh: float, traffic_kmh: float) -> None:
    assert roads(**tags).speed_mm_s.tolist() == [to_mm_s(emergency_kmh)]
    assert roads(is_emergency=False, **tags).speed_mm_s.tolist() == [to_mm_s(traffic_kmh)]


def test_emergency_vehicles_may_be_let_in_against_a_one_way_street() -> None:
    tags: dict[str, Any] = {"highway": "primary", "oneway": "yes", "oneway_emergency": "no"}
    assert roads(**tags).one_way.tolist() == [0]
    assert roads(is_emergency=False, **tags).one_way.tolist() == [1]


def test_a_one_way_street_keeps_its_direction_when_a_wall_cuts_it() -> None:
    # the street bends, and crosses the wall of an estate twice; the second one runs the other way
    city = GridCity().street((0, 50), (60, 50), (60, 80), (200, 80)).street((200, 20), (0, 20))
    network = city.wall(50, 0, 150, 100).gate(50, 50).network()
    street_id = np.array([1, 2])
    along = find_along(network, street_id, objects(city.lines))
    road = Roads(street_id, np.full(2, 10_000), np.array([1, 1], dtype=np.int8))
    forward, backward = cost_driving(network, road, along=along, gate_mm_s=5_000)
    pieces = np.flatnonzero(network.edge_gate < 0)
    assert pieces.size > 4
    for edge in pieces.tolist():
        a, b = network.edge_a[edge], network.edge_b[edge]
        east = network.node_x_mm[b] > network.node_x_mm[a]
        open_east = (forward if east else backward)[edge] != NO_COST
        open_west = (backward if east else forward)[edge] != NO_COST
        assert (open_east, open_west) == ((True, False) if network.edge_street[edge] == 1 else (False, True))


def test_pieces_that_were_turned_round_are_noticed() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((0, 50), (0, 80), (100, 80))
    network = city.network()
    turned = objects([line.reverse() for line in city.lines])
    assert find_along(network, np.array([1, 2]), objects(city.lines)).tolist() == [True, True]
    assert find_along(network, np.array([1, 2]), turned).tolist() == [False, False]


def test_costs_are_whole_milliseconds_and_closed_streets_cost_no_price() -> None:
    city = GridCity().street((0, 0), (100, 0)).street((0, 50), (100, 50)).street((0, 90), (100, 90))
    network = city.network()
    road = Roads(np.arange(1, 4), np.array([10_000, 0, 3_000]), np.array([0, 0, -1], dtype=np.int8))
    forward, backward = cost_driving(network, road, along=np.ones(3, dtype=bool), gate_mm_s=1)
    assert forward.tolist() == [10_000, NO_COST, NO_COST]
    assert backward.tolist() == [10_000, NO_COST, 33_333]
    assert forward.dtype == np.uint32


@pytest.mark.parametrize("length_mm", [-1, 2**40])
def test_lengths_no_street_has_are_refused(length_mm: int) -> None:
    network = GridCity().street((0, 0), (100, 0)).network()
    network.edge_mm[0] = length_mm
    open_road = Roads(np.ones(1, dtype=np.int64), np.array([1_000]), np.zeros(1, dtype=np.int8))
    with pytest.raises(DataError, match="street 1 has a length") as fault:
        cost_driving(network, open_road, along=np.ones(1, dtype=bool), gate_mm_s=1)
    assert fault.value.hint
