"""The quick searches against the obvious one: the same labels to the bit, whatever the network looks like."""

from __future__ import annotations

import heapq
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.reach import Seeds, find_labels, seed_nodes
from geo.search.abreast import search_abreast
from geo.search.desk import Desk, is_far_reaching, make_lines
from geo.search.graph import GateArcs, Graph
from geo.search.labels import NONE
from geo.search.lanes import LANES, make_lane
from geo.units import LONGEST_MS, FloatArray, Int32Array, IntArray

Whole = IntArray | Int32Array
DAY_MS = 24 * 3600 * 1000
COSTS = (0, 1, 7, 100, 8191, 8192, 60_000, 70_000, DAY_MS, LONGEST_MS)


def make_graph(nodes: int, tail: IntArray, head: IntArray, ms: IntArray) -> Graph:
    """Return the graph in which a walk leads from each head to its tail."""
    order = np.argsort(tail, kind="stable")
    last = np.cumsum(np.bincount(tail, minlength=nodes)).astype(np.int32)
    first = np.concatenate([np.zeros(1, dtype=np.int32), last[:-1]])
    return Graph(first, last, head[order].astype(np.int32), ms[order].astype(np.uint32))


def make_walk(graph: Graph) -> Any:
    """Return what a search needs of a walk."""
    none = np.empty(0, dtype=np.int32)
    return SimpleNamespace(graph=graph, gates=GateArcs(np.zeros(1, dtype=np.int64), none, none, none.astype(np.uint32)))


def make_seeds(node: Whole, ms: Whole | FloatArray, facility: Whole) -> Seeds:
    """Return seeds that stand nowhere along an edge."""
    plain = seed_nodes(node.astype(np.int32))
    return Seeds(
        plain.node,
        ms.astype(np.int64),
        facility.astype(np.int32),
        plain.site_edge,
        plain.site_place_mm,
        plain.site_off_ms,
        plain.site_facility,
    )


def search_plainly(graph: Graph, seeds: Seeds, bound_ms: int) -> IntArray:
    """Return the labels by a heap of Python's."""
    label = np.full(graph.node_count, NONE, dtype=np.int64)
    queue = [
        (int(ms), int(facility), int(node))
        for node, ms, facility in zip(seeds.node, seeds.ms, seeds.facility, strict=True)
        if ms <= bound_ms
    ]
    heapq.heapify(queue)
    while queue:
        ms, facility, node = heapq.heappop(queue)
        if label[node] != NONE:
            continue
        label[node] = ms << 32 | facility
        for arc in range(int(graph.first[node]), int(graph.last[node])):
            reached = ms + int(graph.arc_ms[arc])
            if reached <= bound_ms:
                heapq.heappush(queue, (reached, facility, int(graph.arc_node[arc])))
    return label


def search_every_way(graph: Graph, seeds: Seeds, bound_ms: int) -> dict[str, IntArray]:
    """Return the labels each search finds; labels are wiped and work arrays used again in between."""
    walk = make_walk(graph)
    desk = Desk.make(walk)
    found = {}
    for name in ("sweep", "search_near", "search_in_order", "search") * 2:
        touched = getattr(desk, name)(walk, seeds, bound_ms)
        if touched < 0:
            continue
        found[name] = desk.label.copy()
        listed = desk.touched[:touched]
        assert np.array_equal(np.sort(listed), np.flatnonzero(desk.label != NONE)), name
        desk.wipe(touched)
        assert (desk.label == NONE).all(), name
    return found


def draw_case(seed: int) -> tuple[Graph, Seeds, int]:
    """Return a random network, one-way arcs, ties and zero lengths included, with facilities and a bound."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 300))
    arcs = int(rng.integers(0, 4 * nodes))
    highest = int(rng.integers(1, len(COSTS) + 1))
    ms = rng.choice(COSTS[:highest], arcs) if seed % 3 else rng.integers(0, 200_000, arcs)
    if seed % 2:
        # mostly neighbours in memory, as in Morton order
        tail = rng.integers(0, nodes, arcs)
        head = np.clip(tail + rng.integers(-9, 10, arcs), 0, nodes - 1)
    else:
        tail, head = rng.integers(0, nodes, (2, arcs))
    count = int(rng.integers(0, 40))
    seeds = make_seeds(
        rng.integers(0, nodes, count), rng.choice([0, 0, 5, 90_000, DAY_MS + 1], count), rng.integers(0, 2**31, count)
    )
    bound = int(rng.choice([1, 8191, 8192, 400_000, 1_800_000, DAY_MS]))
    return make_graph(nodes, tail, head, ms), seeds, bound


def check_case(seed: int) -> None:
    """Hold every search against the plain one on one random network."""
    graph, seeds, bound = draw_case(seed)
    plain = search_plainly(graph, seeds, bound)
    found = search_every_way(graph, seeds, bound)
    assert {"search_in_order", "search"} <= set(found)
    for name, label in found.items():
        assert np.array_equal(label, plain), (seed, name)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_search_finds_the_least_cost_and_the_lowest_facility(seed: int) -> None:
    check_case(seed)


@pytest.mark.long
def test_every_search_on_thousands_of_networks() -> None:
    for seed in range(20_000):
        check_case(seed)


def make_streets(side: int, *, seed: int) -> tuple[Graph, Int32Array]:
    """Return a square of streets of uneven length, one way here and there, and 30 places on it."""
    rng = np.random.default_rng(seed)
    number = np.arange(side * side)
    eastern, northern = number[number % side < side - 1], number[:-side]
    a = np.concatenate([eastern, northern])
    b = np.concatenate([eastern + 1, northern + side])
    ms = rng.integers(20_000, 120_000, a.shape)
    both_ways = np.flatnonzero(rng.random(a.shape[0]) > 0.1)
    tail, head = np.concatenate([a, b[both_ways]]), np.concatenate([b, a[both_ways]])
    graph = make_graph(side * side, tail, head, np.concatenate([ms, ms[both_ways]]))
    return graph, rng.integers(0, side * side, 30).astype(np.int32)


@pytest.mark.parametrize(("bound_ms", "far"), [(60_000, False), (1_200_000, True), (DAY_MS, False)])
def test_on_streets_sweeps_and_buckets_agree_with_strict_order(bound_ms: int, far: bool) -> None:
    graph, places = make_streets(100, seed=3)
    seeds = seed_nodes(places)
    found = search_every_way(graph, seeds, bound_ms)
    assert set(found) == {"sweep", "search_near", "search_in_order", "search"}
    assert all(np.array_equal(label, found["search_in_order"]) for label in found.values())
    assert is_far_reaching(make_walk(graph), seeds, bound_ms) is far


def test_the_order_of_seeds_never_matters() -> None:
    graph, places = make_streets(40, seed=4)
    twice = np.concatenate([places, places])
    facility = np.arange(60)
    order = np.random.default_rng(5).permutation(60)
    plain = search_every_way(graph, make_seeds(twice, np.zeros(60), facility), 900_000)
    turned = search_every_way(graph, make_seeds(twice[order], np.zeros(60), facility[order]), 900_000)
    assert all(np.array_equal(turned[name], label) for name, label in plain.items())
    # of two facilities at one node the lower row is told
    reached = plain["search"][plain["search"] != NONE]
    assert (reached & 0xFFFFFFFF).max() < 30


def test_a_million_facilities_at_one_node() -> None:
    graph, places = make_streets(30, seed=6)
    count = 1_000_000
    seeds = make_seeds(np.full(count, places[0]), np.arange(count, 0, -1), np.arange(count))
    expected = search_plainly(graph, make_seeds(places[:1], np.ones(1), np.array([count - 1])), 600_000)
    for name, label in search_every_way(graph, seeds, 600_000).items():
        assert np.array_equal(label, expected), name


@pytest.mark.parametrize("nodes", [0, 1, 65])
def test_networks_without_ways(nodes: int) -> None:
    none = np.empty(0, dtype=np.int64)
    graph = Graph(*(np.zeros(nodes, dtype=np.int32),) * 2, none.astype(np.int32), none.astype(np.uint32))
    nobody = search_every_way(graph, seed_nodes(none.astype(np.int32)), 1000)
    assert all((label == NONE).all() for label in nobody.values())
    if nodes:
        found = search_every_way(graph, seed_nodes(np.array([nodes - 1], dtype=np.int32)), 1000)
        assert all(label.tolist() == [NONE] * (nodes - 1) + [0] for label in found.values())


def test_parts_that_do_not_connect_stay_unreached() -> None:
    graph = make_graph(4, np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2]), np.full(4, 1000))
    for label in search_every_way(graph, seed_nodes(np.array([0], dtype=np.int32)), DAY_MS).values():
        assert label.tolist() == [0, 1000 << 32, NONE, NONE]


def test_networks_that_make_the_quick_searches_go_in_circles_are_searched_in_order() -> None:
    # every node is at no distance from the next and has a facility of a lower row than the one before
    nodes = 3000
    at = np.arange(nodes - 1)
    shuffled = np.random.default_rng(7).permutation(nodes)
    tail = np.concatenate([shuffled[at], shuffled[at + 1]])
    head = np.concatenate([shuffled[at + 1], shuffled[at]])
    graph = make_graph(nodes, tail, head, np.zeros(tail.shape[0], dtype=np.int64))
    seeds = make_seeds(shuffled, np.zeros(nodes), np.arange(1, nodes + 1))
    walk = make_walk(graph)
    desk = Desk.make(walk)
    assert desk.sweep(walk, seeds, 1000) < 0
    assert desk.search_near(walk, seeds, 1000) < 0
    assert (desk.label == NONE).all()
    assert desk.search(walk, seeds, 1000) == nodes
    assert (desk.label == 1).all()


def test_labels_of_all_types_at_once() -> None:
    graph, places = make_streets(60, seed=8)
    seeds = [seed_nodes(places[:number]) for number in range(1, 31)]
    bounds = [60_000 * (number % 7 + 1) for number in range(30)]
    one = find_labels(make_walk(graph), seeds, bounds_ms=bounds)
    two = find_labels(make_walk(graph), seeds, bounds_ms=bounds, threads=2)
    for number, label in enumerate(one):
        assert np.array_equal(label, search_plainly(graph, seeds[number], bounds[number]))
        assert np.array_equal(label, two[number])


def check_lanes(seed: int) -> None:
    """Hold a pass for many types against the plain search of each, on one random network."""
    rng = np.random.default_rng(seed)
    graph, first, _ = draw_case(seed)
    walk = make_walk(graph)
    desk = Desk.make(walk)
    lanes = []
    for number in range(int(rng.integers(1, LANES + 1))):
        count = int(rng.integers(0, 40))
        place, facility = rng.integers(0, graph.node_count, count), rng.integers(0, 2**31, count)
        seeds = make_seeds(place, rng.choice([0, 0, 5, 90_000, DAY_MS], count), facility) if number else first
        bound = int(rng.choice([1, 8191, 8192, 400_000, 1_800_000, DAY_MS]))
        lane = make_lane(seeds, bound)
        if lane is not None:
            lanes.append(lane)
    if not lanes or not desk.search_lanes(walk, lanes):
        return
    at_once = desk.read_lanes(lanes)
    for number, lane in enumerate(lanes):
        plain = search_plainly(graph, lane.seeds, lane.bound_ms)
        assert np.array_equal(at_once[number], plain), (seed, number)
        touched = desk.read_lane(number, lane)
        assert np.array_equal(desk.label, plain), (seed, number)
        assert desk.touched[:touched].tolist() == np.flatnonzero(plain != NONE).tolist()
        desk.wipe(touched)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_pass_for_many_types_finds_what_each_search_alone_finds(seed: int) -> None:
    check_lanes(seed)


@pytest.mark.long
def test_passes_on_thousands_of_networks() -> None:
    for seed in range(10_000):
        check_lanes(seed)


def test_types_that_do_not_fit_a_lane_are_searched_alone() -> None:
    places = np.arange(5000, dtype=np.int32)
    assert make_lane(seed_nodes(places[:2]), DAY_MS) is not None
    assert make_lane(seed_nodes(places[:40]), DAY_MS) is None
    assert make_lane(seed_nodes(places[:2048]), 900_000) is not None
    assert make_lane(seed_nodes(places[:2049]), 900_000) is None


@pytest.mark.parametrize("most", [0, 10_000])
def test_how_types_are_grouped_never_matters(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    graph, _ = make_streets(60, seed=8)
    walk = make_walk(graph)
    rng = np.random.default_rng(1)
    seeds = [seed_nodes(rng.permutation(3600)[:count].astype(np.int32)) for count in (1, 30, 3000, 200, 40, 0, 60) * 3]
    bounds = [60_000 * (number % 11 + 1) for number in range(21)]
    monkeypatch.setattr("geo.reach.MAX_NODES", most)
    for threads in (1, 3):
        found = find_labels(walk, seeds, bounds_ms=bounds, threads=threads)
        for number, label in enumerate(found):
            assert np.array_equal(label, search_plainly(graph, seeds[number], bounds[number])), number


def test_a_pass_that_goes_in_circles_is_given_up() -> None:
    nodes = 4000
    shuffled = np.random.default_rng(7).permutation(nodes)
    tail = np.concatenate([shuffled[:-1], shuffled[1:]])
    head = np.concatenate([shuffled[1:], shuffled[:-1]])
    walk = make_walk(make_graph(nodes, tail, head, np.zeros(tail.shape[0], dtype=np.int64)))
    desk = Desk.make(walk)
    lane = make_lane(make_seeds(shuffled, np.zeros(nodes), np.arange(1, nodes + 1)), 1000)
    assert lane is not None
    assert not desk.search_lanes(walk, [lane] * LANES)
    # and leaves nothing behind
    near = make_lane(seed_nodes(np.array([0], dtype=np.int32)), 1000)
    assert near is not None
    assert desk.search_lanes(walk, [near])
    assert (desk.read_lanes([near]) == 0).all()


def search_together(graph: Graph, places: Int32Array, bound_ms: int) -> IntArray:
    """Return the milliseconds of a search for sixteen facilities at once, shape (nodes, 16)."""
    nodes = graph.node_count
    lanes = make_lines(nodes)
    lanes[:] = bound_ms + 1
    waiting, seen = np.zeros((2, (nodes + 63) // 64), dtype=np.uint64)
    waiting_top, seen_top = np.zeros((2, (nodes + 4095) // 4096), dtype=np.uint64)
    desk = Desk.make(make_walk(graph))
    count = search_abreast(
        0,
        places.shape[0],
        graph.first,
        graph.last,
        graph.arc_node,
        graph.arc_ms,
        np.arange(places.shape[0] + 1),
        places.astype(np.int32),
        np.zeros(places.shape[0], dtype=np.int64),
        bound_ms,
        lanes,
        waiting,
        waiting_top,
        seen,
        seen_top,
        desk.touched,
        desk.label,
        *desk.heap(make_walk(graph), 1),
    )
    reached = np.flatnonzero((lanes <= bound_ms).any(axis=1))
    assert desk.touched[:count].tolist() == reached.tolist()
    assert not any(words.any() for words in (waiting, waiting_top, seen, seen_top))
    assert (desk.label == NONE).all()
    return lanes.astype(np.int64)


@pytest.mark.parametrize("is_odd", [False, True])
def test_sixteen_facilities_at_once_find_what_each_finds_alone(is_odd: bool) -> None:
    graph, places = make_streets(40, seed=3)
    if is_odd:
        # a hub leads to every node of a path, and along the path every node can be bettered by all after it
        nodes = 3000
        order = np.random.default_rng(5).permutation(nodes)
        hub, path = order[0], order[1:]
        tail = np.concatenate([np.full(nodes - 1, hub), path[1:]])
        head = np.concatenate([path, path[:-1]])
        ms = np.concatenate([3 * np.arange(nodes - 1, 0, -1), np.ones(nodes - 2, dtype=np.int64)])
        graph, places = make_graph(nodes, tail, head, ms), order.astype(np.int32)
    places = np.unique(places[:LANES]).astype(np.int32)
    found = search_together(graph, places, 600_000)
    for lane, place in enumerate(places):
        plain = search_plainly(graph, seed_nodes(np.array([place], dtype=np.int32)), 600_000)
        assert np.array_equal(found[:, lane], np.where(plain == NONE, 600_001, plain >> 32)), lane
