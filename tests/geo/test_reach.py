"""Reach on the invented grid, held against answers from paper and against plain Dijkstra."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.costs import WalkProfile
from geo.errors import DataError, RequestError
from geo.link import Entrances, link_sites
from geo.network import CLOSED_ON_FOOT, STEPS, Network
from geo.reach import Homes, find_reach, prepare_walk
from geo.walkable import classify_streets
from tests.gridcity import PAPER, GridCity, box, line, objects, point


def estate(*, opens_to_all: bool = False, second_gate: bool = True) -> GridCity:
    """Return one 200 m block with a walled estate, a path across it and a gate at the bottom and one at the top."""
    city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190).street((100, 10), (100, 190), private=True)
    city.gate(100, 10, opens_to_all=opens_to_all)
    return city.gate(100, 190, opens_to_all=opens_to_all) if second_gate else city


class TestOnPaper:
    """One metre a second: seconds are metres."""

    def test_walk_follows_the_streets_not_the_crow(self) -> None:
        assert GridCity.grid(4, 4).seconds((0, 0), (300, 200)) == 500

    def test_off_street_metres_are_walked_at_both_ends(self) -> None:
        assert GridCity.grid(4, 4).seconds((50, 20), (250, -30)) == 20 + 200 + 30

    def test_two_points_on_one_edge_meet_along_it(self) -> None:
        assert GridCity.grid(1, 1).seconds((20, 5), (70, 5)) == 5 + 50 + 5

    def test_nearest_edge_counts_not_the_nearest_node(self) -> None:
        # 10 m from the middle of a street whose ends are 50 m off
        assert GridCity.grid(1, 1).seconds((50, 10), (50, -10)) == 20

    def test_ties_go_to_the_lowest_facility(self) -> None:
        reach = GridCity.grid(2, 1).reach([point(100, 0)], [point(200, 0), point(0, 0)])
        assert reach.facility.tolist() == [0]

    def test_beyond_the_bound_there_is_nothing(self) -> None:
        city = GridCity.grid(4, 1)
        assert city.reach([point(0, 0)], [point(400, 0)], bound_s=400).reach_ms.tolist() == [400_000]
        assert city.reach([point(0, 0)], [point(400, 0)], bound_s=399.999).reach_ms.tolist() == [-1]

    def test_islands_are_not_reached(self) -> None:
        city = GridCity.grid(1, 1).street((0, 500), (100, 500))
        assert city.seconds((0, 0), (50, 500)) is None

    def test_ends_join_within_a_centimetre_and_not_beyond(self) -> None:
        near = GridCity().street((0, 0), (100, 0)).street((100.009, 0), (200, 0))
        far = GridCity().street((0, 0), (100, 0)).street((100.012, 0), (200, 0))
        assert near.seconds((0, 0), (200, 0)) == pytest.approx(200, abs=0.02)
        assert far.seconds((0, 0), (200, 0)) is None

    def test_a_crossing_without_a_shared_end_is_no_junction(self) -> None:
        city = GridCity().street((0, 50), (100, 50)).street((50, 0), (50, 100))
        assert city.seconds((0, 50), (50, 100)) is None

    def test_source_node_ids_decide_where_they_exist(self) -> None:
        # two roads end at one coordinate on two levels: a bridge over an underpass
        city = GridCity().street((0, 0), (50, 50), nodes=(1, 2)).street((50, 50), (100, 0), nodes=(3, 4))
        assert city.seconds((0, 0), (100, 0)) is None
        joined = GridCity().street((0, 0), (50, 50), nodes=(1, 2)).street((50, 50), (100, 0), nodes=(2, 4))
        assert joined.seconds((0, 0), (100, 0)) == pytest.approx(141.422, abs=0.002)

    def test_closed_streets_are_walked_around(self) -> None:
        city = GridCity.grid(2, 1)
        city.flags[0] = CLOSED_ON_FOOT
        # the home is tied to the open cross street instead
        assert city.seconds((0, 10), (200, 0)) == 90 + 200 + 100

    def test_steps_stop_wheels_and_slow_who_is_slowed(self) -> None:
        city = GridCity().street((0, 0), (100, 0)).street((100, 0), (120, 0), flags=STEPS).street((120, 0), (200, 0))
        slow = WalkProfile("slow", 1.0, steps_factor=2.0)
        wheels = WalkProfile("wheels", 1.0, steps=False)
        assert city.seconds((0, 0), (200, 0)) == 200
        assert city.seconds((0, 0), (200, 0), profile=slow) == 220
        assert city.seconds((0, 0), (200, 0), profile=wheels) is None

    def test_footprints_start_at_their_point_nearest_to_the_street(self) -> None:
        assert GridCity.grid(3, 1).reach([box(20, 15, 60, 40)], [point(300, 0)]).reach_ms.tolist() == [
            (15 + 240) * 1000
        ]

    def test_large_sites_are_entered_where_a_way_crosses_their_outline(self) -> None:
        # the park's outline crosses the bottom street at 220 m and 280 m; its middle does not count
        assert GridCity.grid(3, 1).reach([point(0, 0)], [box(220, -50, 280, 50)]).reach_ms.tolist() == [220_000]

    def test_large_sites_with_gates_are_entered_at_the_gates(self) -> None:
        # a gate that names no compound still opens a site whose outline it stands on
        city = GridCity.grid(3, 1)
        gate = objects([point(280, 0)])
        network = city.network()
        site = objects([box(220, -50, 280, 50)])
        entrances = link_sites(site, np.array([-1], dtype=np.int32), ways=city.ways(network), gate_point=gate)
        (reach,) = find_reach(
            prepare_walk(network, PAPER),
            city.link([point(0, 0)], network),
            entrances,
            facilities=[np.zeros(1, dtype=np.int32)],
            bounds_s=[1000],
        )
        assert reach.reach_ms.tolist() == [280_000]

    def test_no_link_crosses_a_river(self) -> None:
        city = GridCity.grid(1, 1)
        assert city.seconds((50, 20), (0, 0)) == 20 + 50
        city.barriers.append(line((-50, 10), (150, 10)))
        # the near street lies across the river: the home goes to the side street
        assert city.seconds((40, 20), (0, 0)) == 40 + 20

    def test_beyond_the_link_distance_nothing_is_known(self) -> None:
        city = GridCity.grid(1, 1)
        homes = city.link([point(50, -300), point(50, -300.1)], city.network())
        assert homes.links.is_linked.tolist() == [True, False]


class TestCompounds:
    """Gates and walls, metre by metre."""

    def test_residents_leave_by_the_nearest_gate(self) -> None:
        # 40 m of path, 10 m through the gate, 100 m along the street
        assert estate().seconds((100, 50), (0, 0)) == 40 + 10 + 100

    def test_closing_one_gate_changes_the_answer_by_the_way_round(self) -> None:
        assert estate().seconds((100, 150), (100, 200)) == 40 + 10
        assert estate(second_gate=False).seconds((100, 150), (100, 200)) == 140 + 10 + 100 + 200 + 100

    def test_nobody_walks_through_an_estate_of_others(self) -> None:
        assert estate().seconds((100, 200), (100, 0)) == 400

    def test_everybody_walks_through_gates_open_to_all(self) -> None:
        assert estate(opens_to_all=True).seconds((100, 200), (100, 0)) == 200

    def test_facilities_inside_serve_only_residents(self) -> None:
        assert estate().seconds((0, 0), (100, 50)) is None
        assert estate().seconds((100, 150), (100, 50)) == 100

    def test_facilities_inside_serve_all_through_an_open_gate(self) -> None:
        assert estate(opens_to_all=True).seconds((0, 0), (100, 50)) == 100 + 10 + 40

    def test_residents_may_leave_and_come_back(self) -> None:
        # two paths that do not meet inside; the way from one to the other leads over the street
        city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190)
        city.street((50, 10), (50, 60)).street((150, 10), (150, 60)).gate(50, 10).gate(150, 10)
        assert city.seconds((50, 60), (150, 60)) == 50 + 10 + 100 + 10 + 50

    def test_an_estate_without_paths_is_left_by_its_gate(self) -> None:
        city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190).gate(100, 10)
        assert city.seconds((100, 70), (0, 0)) == 60 + 10 + 100

    def test_a_compound_without_gates_is_left_open(self) -> None:
        # the caller passes only compounds with gates as walls; private paths elsewhere are closed
        city = GridCity.grid(1, 1, spacing_m=200).street((100, 0), (100, 200), private=True)
        assert city.seconds((100, 200), (100, 0)) == 400

    def test_walls_cut_streets_that_cross_them(self) -> None:
        city = GridCity.grid(1, 1, spacing_m=200).wall(10, -50, 190, 50).gate(10, 0)
        # the bottom street runs through the estate: cut at the far wall, passed at the gate by residents alone
        assert city.seconds((0, 0), (200, 0)) == 600
        assert city.seconds((100, 0), (200, 0)) == 100 + 600

    def test_people_outside_do_not_link_to_ways_inside(self) -> None:
        city = GridCity().street((0, 0), (300, 0)).wall(50, 5, 250, 60).street((60, 10), (240, 10)).gate(60, 5)
        homes = city.link([point(100, -200)], city.network())
        assert homes.links.off_mm.tolist() == [200_000]


def brute_force(city: GridCity, network: Network, homes: Homes, entrances: Entrances) -> list[int]:
    """Return reach in ms by one plain Dijkstra for every home on the graph that home may walk."""
    walk = prepare_walk(network, PAPER)
    found = []
    for home in range(homes.zone.shape[0]):
        residents = (network.edge_gate >= 0) & ~network.gate_open_to_all[np.maximum(network.edge_gate, 0)]
        may = ~residents | (network.edge_zone == homes.zone[home])
        may &= walk.cost_ab != np.iinfo(np.uint32).max
        best: dict[tuple[int, int], float] = {}
        for e in np.flatnonzero(may).tolist():
            a, b = int(network.edge_a[e]), int(network.edge_b[e])
            for pair in ((a, b), (b, a)):
                # a stored zero would mean no edge
                best[pair] = min(best.get(pair, np.inf), max(float(walk.cost_ab[e]), 1e-6))
        start = network.node_count
        edge = int(homes.links.edge[home])
        if edge < 0:
            found.append(-1)
            continue
        place, length = int(homes.links.place_mm[home]), int(network.edge_mm[edge])
        off = int(homes.links.off_mm[home])
        best[start, int(network.edge_a[edge])] = max(place, 1e-6)
        other = best.get((start, int(network.edge_b[edge])), np.inf)
        best[start, int(network.edge_b[edge])] = max(min(other, length - place), 1e-6)
        keys = np.array(list(best))
        graph = csr_array((list(best.values()), (keys[:, 0], keys[:, 1])), shape=(start + 1,) * 2)
        distance = dijkstra(graph, indices=start)
        answer = np.inf
        for row in range(entrances.facility.shape[0]):
            e = int(entrances.links.edge[row])
            if not may[e]:
                continue
            at, size = int(entrances.links.place_mm[row]), int(network.edge_mm[e])
            there = min(distance[network.edge_a[e]] + at, distance[network.edge_b[e]] + size - at)
            if e == edge:
                there = min(there, abs(at - place))
            answer = min(answer, there + off + int(entrances.links.off_mm[row]))
        found.append(-1 if np.isinf(answer) else round(answer))
    return found


@settings(max_examples=25, deadline=None)
@given(
    gates=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 1)), min_size=2, max_size=6),
    places=st.lists(st.tuples(st.integers(-20, 420), st.integers(-20, 220)), min_size=4, max_size=8),
    sites=st.lists(st.tuples(st.integers(-20, 420), st.integers(-20, 220)), min_size=1, max_size=3),
)
def test_compounds_agree_with_a_dijkstra_for_every_home(
    gates: list[tuple[int, bool, int]], places: list[tuple[int, int]], sites: list[tuple[int, int]]
) -> None:
    city = GridCity.grid(2, 1, spacing_m=200)
    for number in range(2):
        west = 200 * number
        city.wall(west + 10, 10, west + 190, 190)
        city.street((west + 100, 10), (west + 100, 100)).street((west + 100, 100), (west + 100, 190))
        city.street((west + 10, 100), (west + 100, 100)).street((west + 100, 100), (west + 190, 100))
        city.gate(west + 100, 10)  # an estate without any gate would not be enforced
    spots = ((100, 190), (10, 100), (190, 100), (100, 10))
    for side, opens_to_all, number in gates:
        x, y = spots[side]
        city.gate(200 * number + x, y, of=number, opens_to_all=opens_to_all)
    city.gates[1] = (city.gates[1][0], 1, city.gates[1][2])
    network = city.network()
    homes = city.link([point(*p) for p in places], network)
    geometry = objects([point(*s) for s in sites])
    zone = city.walls_table().find_zones(geometry)
    entrances = link_sites(geometry, zone, ways=city.ways(network), gate_point=objects([]))
    (reach,) = find_reach(
        prepare_walk(network, PAPER),
        homes,
        entrances,
        facilities=[np.arange(len(sites), dtype=np.int32)],
        bounds_s=[5000],
    )
    assert reach.reach_ms.tolist() == brute_force(city, network, homes, entrances)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_row_order_and_threads_never_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    city = GridCity.grid(4, 3).wall(110, 10, 190, 90).gate(150, 10, opens_to_all=bool(seed % 2))
    homes = [point(*rng.uniform(-20, 420, 2)) for _ in range(20)]
    sites = [point(*rng.uniform(-20, 420, 2)) for _ in range(5)]
    plain = city.reach(homes, sites)
    order = rng.permutation(len(city.lines))
    shuffled = city.reach(homes, sites, network=city.network(order=order))
    assert plain.reach_ms.tolist() == shuffled.reach_ms.tolist()
    assert plain.facility.tolist() == shuffled.facility.tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_more_facilities_or_pace_never_lower_coverage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    city = GridCity.grid(4, 4)
    homes = [point(*rng.uniform(0, 400, 2)) for _ in range(15)]
    sites = [point(*rng.uniform(0, 400, 2)) for _ in range(4)]
    few = city.reach(homes, sites[:3]).reach_ms
    more = city.reach(homes, sites).reach_ms
    fast = city.reach(homes, sites[:3], profile=WalkProfile("fast", 1.5)).reach_ms
    assert (more <= few).all()
    assert (fast <= few).all()


@pytest.mark.parametrize("pace_m_s", [0.0, -1.0, float("nan"), float("inf"), 61.0])
def test_a_pace_nobody_walks_is_refused(pace_m_s: float) -> None:
    with pytest.raises(RequestError, match="pace"):
        WalkProfile("odd", pace_m_s)


@pytest.mark.parametrize("bound_s", [0.0, -5.0, float("nan"), 86_401.0])
def test_a_bound_out_of_range_is_refused(bound_s: float) -> None:
    with pytest.raises(RequestError, match="expected above 0"):
        GridCity.grid(1, 1).reach([point(0, 0)], [point(100, 0)], bound_s=bound_s)


class TestBadStreets:
    """Streets no network can be made of."""

    def test_no_streets(self) -> None:
        with pytest.raises(DataError, match="no streets"):
            GridCity().network()

    def test_streets_in_degrees(self) -> None:
        city = GridCity()
        city.street((0, 0), (1, 1))
        city.lines = [shapely.LineString([(114.30, 30.59), (114.31, 30.60)])]
        with pytest.raises(DataError, match="degrees"):
            city.network()

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_streets_without_finite_coordinates(self, bad: float) -> None:
        city = GridCity.grid(1, 1)
        with np.errstate(invalid="ignore"):
            city.lines[0] = shapely.LineString([(bad, bad), (500_000, 3_400_000)])
        with pytest.raises(DataError, match="finite"):
            city.network()

    def test_a_street_across_the_country(self) -> None:
        city = GridCity.grid(1, 1)
        city.lines[0] = shapely.LineString([(0, 0), (2_000_000, 3_400_000)])
        with pytest.raises(DataError, match="km long"):
            city.network()

    def test_streets_of_no_length_do_no_harm(self) -> None:
        city = GridCity.grid(1, 1).street((50, 0), (50, 0))
        assert city.seconds((0, 0), (100, 0)) == 100


def test_streets_are_classified_by_their_tags() -> None:
    tags = [
        ("residential", None, None, None, None, 0, False),
        ("motorway", None, None, None, None, CLOSED_ON_FOOT, False),
        ("motorway", "yes", None, None, None, 0, False),
        ("service", "no", None, None, None, CLOSED_ON_FOOT, False),
        ("service", None, "private", None, None, 0, True),
        ("service", "yes", "private", None, None, 0, False),
        ("path", "private", None, None, None, 0, True),
        ("service", None, "no", None, None, CLOSED_ON_FOOT, False),
        ("steps", None, None, None, None, STEPS | 4, False),
        ("footway", None, None, True, None, STEPS | 4, False),
        ("footway", None, None, None, "no", 4, False),
        (None, None, None, None, None, 0, False),
    ]
    columns = list(zip(*tags, strict=True))
    flags, private = classify_streets(
        columns[0], foot=columns[1], access=columns[2], steps=columns[3], wheelchair=columns[4]
    )
    assert flags.tolist() == list(columns[5])
    assert private.tolist() == list(columns[6])
