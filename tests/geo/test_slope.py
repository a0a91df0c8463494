"""Slopes and crossings: answers from paper, and the promise that level ground changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.costs import CLIMB_FACTOR, WalkProfile, cost_edges, find_walkable
from geo.errors import RequestError
from geo.link import Entrances, Links
from geo.reach import Homes, find_reach, prepare_walk
from geo.slope import (
    GridTile,
    Ground,
    climb_inclines,
    measure_climb,
    parse_incline,
    place_samples,
    sample_tile,
)
from geo.units import NO_COST
from tests.gridcity import ORIGIN, PAPER, GridCity

HIKER = WalkProfile("hiker", 1.0, climb_factor=CLIMB_FACTOR)
WHEELS = WalkProfile("wheels", 1.0, steps=False, max_slope=0.0833)


def street(*places: tuple[float, float]) -> GridCity:
    """Return one street."""
    return GridCity().street(*places)


def measure(city: GridCity, slope_x: float) -> Ground:
    """Return the ground of a city on a plane that rises by so much a metre to the east."""
    network = city.network()
    samples = place_samples(network, is_straight=np.zeros(network.edge_count, dtype=bool))
    height = (samples.xy[:, 0] - ORIGIN[0]) * slope_x
    up, down, grade = measure_climb(samples, height, edge_mm=network.edge_mm)
    return Ground(up, down, grade, np.zeros(network.edge_count, dtype=np.int64))


class TestOnPaper:
    """A street of 100 m, a metre a second."""

    def test_a_plane_is_climbed_one_way_and_gone_down_the_other(self) -> None:
        ground = measure(street((0, 0), (100, 0)), 0.05)
        assert ground.up_ab_mm.tolist() == [5_000]
        assert ground.up_ba_mm.tolist() == [0]
        assert ground.grade.tolist() == [500]

    def test_five_metres_of_climb_cost_as_much_as_forty_on_the_level_and_down_costs_nothing(self) -> None:
        city = street((0, 0), (100, 0))
        up, down = cost_edges(city.network(), HIKER, measure(city, 0.05))
        assert up.tolist() == [100_000 + 39_600]
        assert down.tolist() == [100_000]

    def test_a_hill_between_level_ends_is_climbed_from_both(self) -> None:
        network = street((0, 0), (200, 0)).network()
        samples = place_samples(network, is_straight=np.zeros(1, dtype=bool))
        height = 10.0 - np.abs(samples.xy[:, 0] - ORIGIN[0] - 100) / 10
        up, down, grade = measure_climb(samples, height, edge_mm=network.edge_mm)
        assert (up.tolist(), down.tolist(), grade.tolist()) == ([10_000], [10_000], [1_000])

    def test_a_bridge_runs_straight_over_the_valley(self) -> None:
        network = street((0, 0), (200, 0)).network()
        samples = place_samples(network, is_straight=np.ones(1, dtype=bool))
        height = np.abs(samples.xy[:, 0] - ORIGIN[0] - 100)
        up, down, _ = measure_climb(samples, height, edge_mm=network.edge_mm)
        assert (up.tolist(), down.tolist()) == ([0], [0])

    def test_heights_are_read_at_least_every_twenty_metres(self) -> None:
        network = GridCity().street((0, 0), (101, 0)).street((101, 0), (102, 0)).network()
        samples = place_samples(network, is_straight=np.zeros(2, dtype=bool))
        assert np.diff(samples.ptr).tolist() == [7, 2]
        steps = np.hypot(*np.diff(samples.xy[:7], axis=0).T)
        assert steps.max() <= 20
        assert steps == pytest.approx([101 / 6] * 6)

    def test_unknown_heights_count_as_level(self) -> None:
        network = street((0, 0), (40, 0)).network()
        samples = place_samples(network, is_straight=np.zeros(1, dtype=bool))
        up, down, grade = measure_climb(samples, np.array([0.0, np.nan, 30.0]), edge_mm=network.edge_mm)
        assert (up.tolist(), down.tolist(), grade.tolist()) == ([0], [0], [0])

    @pytest.mark.parametrize(("rise", "is_open"), [(1 / 12, True), (0.084, False), (-0.084, False), (0.0, True)])
    def test_one_in_twelve_is_the_steepest_for_wheels(self, rise: float, is_open: bool) -> None:
        city = street((0, 0), (120, 0))
        ground = measure(city, rise)
        assert find_walkable(city.network(), WHEELS, ground).tolist() == [is_open]
        assert find_walkable(city.network(), HIKER, ground).tolist() == [True]
        assert (cost_edges(city.network(), WHEELS, ground)[0] == NO_COST).tolist() == [not is_open]

    def test_wheels_go_round_the_steep_street(self) -> None:
        # a square: the south side is steep, the way round is not
        city = GridCity().street((0, 0), (100, 0)).street((0, 0), (0, 100)).street((0, 100), (100, 100))
        network = city.street((100, 100), (100, 0)).network()
        ground = Ground.level(4)
        ground.grade[0] = 2_000
        entrances = Entrances(np.zeros(1, dtype=np.int64), at(3, 100_000))
        (reach,) = find_reach(
            prepare_walk(network, WHEELS, ground),
            Homes(at(1, 0), np.full(1, -1, dtype=np.int32)),
            entrances,
            facilities=[np.zeros(1, dtype=np.int32)],
            bounds_s=[1_000.0],
        )
        assert reach.reach_ms.tolist() == [300_000]

    def test_a_crossing_is_paid_once_however_it_is_cut(self) -> None:
        network = GridCity().street((0, 0), (3, 0)).street((3, 0), (10, 0)).street((10, 0), (100, 0)).network()
        ground = Ground.level(3)
        ground.crossing_mm[:2] = 10_000
        slow = WalkProfile("slow", 1.0, crossing_s=15)
        forward, backward = cost_edges(network, slow, ground)
        assert forward.tolist() == [3_000 + 4_500, 7_000 + 10_500, 90_000]
        assert backward.tolist() == forward.tolist()
        assert cost_edges(network, PAPER, ground)[0].tolist() == [3_000, 7_000, 90_000]


def at(edge: int, place_mm: int) -> Links:
    """Return one link."""
    return Links(np.array([edge], dtype=np.int32), np.array([place_mm]), np.zeros(1, dtype=np.int64))


@given(
    length=st.integers(1, 2_000_000),
    up=st.integers(0, 500_000),
    down=st.integers(0, 500_000),
    pace=st.floats(0.1, 3.0),
    faster=st.floats(1.0, 2.0),
    factor=st.floats(0.0, 20.0),
)
def test_nobody_is_faster_than_on_the_level_and_a_higher_pace_never_slower(
    length: int, up: int, down: int, pace: float, faster: float, factor: float
) -> None:
    network = NETWORK
    ground = Ground(np.array([up]), np.array([down]), np.zeros(1, dtype=np.int32), np.array([0]))
    network.edge_mm[0] = length
    walker = WalkProfile("w", pace, climb_factor=factor)
    level = cost_edges(network, walker)[0]
    for cost in cost_edges(network, walker, ground):
        assert cost[0] >= level[0]
    quick = cost_edges(network, WalkProfile("q", pace * faster, climb_factor=factor), ground)
    for slow_cost, quick_cost in zip(cost_edges(network, walker, ground), quick, strict=True):
        assert quick_cost[0] <= slow_cost[0]


NETWORK = street((0, 0), (100, 0)).network()


def test_level_ground_gives_the_same_costs_to_the_bit() -> None:
    network = GridCity.grid(5, 4, spacing_m=83.7).network()
    level = Ground.level(network.edge_count)
    assert level.is_level
    for profile in (PAPER, HIKER, WHEELS, WalkProfile("crosser", 1.11, crossing_s=20)):
        for plain, on_ground in zip(cost_edges(network, profile), cost_edges(network, profile, level), strict=True):
            assert np.array_equal(plain, on_ground)
            assert plain.dtype == on_ground.dtype


@given(
    st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=3, max_size=3),
    st.floats(0, 2),
    st.floats(0, 2),
)
def test_bilinear_agrees_with_the_formula_and_stays_between_the_corners(
    cells: list[list[int]], row: float, column: float
) -> None:
    height = np.array(cells, dtype=np.float64)
    found = sample_tile(GridTile(height, 0, 0), np.array([row]), np.array([column]))[0]
    r, c = min(int(row), 1), min(int(column), 1)
    dr, dc = row - r, column - c
    square = height[r : r + 2, c : c + 2]
    by_hand = (
        square[0, 0] * (1 - dr) * (1 - dc)
        + square[0, 1] * (1 - dr) * dc
        + square[1, 0] * dr * (1 - dc)
        + square[1, 1] * dr * dc
    )
    assert found == pytest.approx(by_hand, abs=1e-9)
    assert square.min() - 1e-9 <= found <= square.max() + 1e-9


def test_beside_a_hole_the_nearest_cell_counts_and_in_it_nothing() -> None:
    tile = GridTile(np.array([[1.0, np.nan], [3.0, np.nan]]), 10, 20)
    row, column = np.array([10.2, 10.8, 10.2]), np.array([20.3, 20.3, 20.9])
    assert sample_tile(tile, row, column).tolist() == pytest.approx([1.0, 3.0, math.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("10%", 0.10),
        ("-5.5 %", -0.055),
        ("5,5%", 0.055),
        ("45°", 1.0),
        ("0", 0.0),
        ("up", None),
        ("steep", None),
        ("10", None),
        ("1000%", None),
        ("90°", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_inclines_with_a_number_count_and_others_do_not(text: object, grade: float | None) -> None:
    found = parse_incline(text)
    assert found is None if grade is None else found == pytest.approx(grade)


def test_an_incline_holds_in_the_direction_of_the_line() -> None:
    network = GridCity().street((0, 0), (100, 0)).street((0, 50), (100, 50)).street((0, 90), (100, 90)).network()
    incline = np.array([0.1, 0.1, np.nan])
    up, down, grade = climb_inclines(network, incline, along=np.array([True, False, True]))
    assert up.tolist() == [10_000, 0, 0]
    assert down.tolist() == [0, 10_000, 0]
    assert grade.tolist() == [1_000, 1_000, 0]


@pytest.mark.parametrize(
    "fault",
    [
        {"climb_factor": -1.0},
        {"climb_factor": math.nan},
        {"climb_factor": 1e9},
        {"crossing_s": -1.0},
        {"crossing_s": math.nan},
        {"crossing_s": 1e9},
        {"max_slope": 0.0},
        {"max_slope": math.nan},
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(fault: dict[str, float]) -> None:
    with pytest.raises(RequestError) as refused:
        WalkProfile("odd", 1.0, **fault)  # type: ignore[arg-type]
    assert refused.value.parameter == "profile"
    assert "odd" in str(refused.value)
