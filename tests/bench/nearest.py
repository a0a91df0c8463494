"""Nearest facility with its id for every node, 20 types within 15 minutes, on one thread."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.csgraph import dijkstra

from geo.reach import find_labels, seed_nodes
from geo.search.labels import NONE
from tests.bench.ground import BOUND_MS, BOUND_S
from tests.bench.machine import measure_floor
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.peers import count_wrong, find_truth, make_csr, make_igraph, make_pandana, need
from tests.bench.routing import fetch_routing, make_edge_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.units import FloatArray, IntArray
    from tests.bench.ground import Ground

NS_PER_NODE = 60
"""The goal's budget for a settled node."""

PANDANA_MS = 10.0
"""pandana takes a way that costs nothing for one of a millisecond, and answers in 32-bit seconds."""

LARGE_NODES, LARGE_TYPES = 200_000, 4
"""On a larger network pandana is asked for a few types only."""

PGROUTING_MS = 0.5
"""pgRouting adds up seconds in floating point."""

PGROUTING_S = 60
"""Longest wait for one question to pgRouting."""


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    makers: list[tuple[str, float, Callable[[Ground], Pair]]] = [
        ("scipy dijkstra(min_only)", 5.0, against_scipy),
        (f"budget {NS_PER_NODE} ns a settled node", 1.0, against_budget),
        ("pandana nearest_pois", 80.0, against_pandana),
        ("igraph distances", 5.0, against_igraph),
        ("pgr_drivingDistance(equicost)", 5.0, against_pgrouting),
    ]
    return [Case("nearest", size, peer, goal, partial(_make, make, open_ground)) for peer, goal, make in makers]


def _make(make: Callable[[Ground], Pair], open_ground: Callable[[], Ground]) -> Pair:
    return make(open_ground())


def find_ours(ground: Ground) -> Callable[[int], list[IntArray]]:
    """Return our side: a label (milliseconds and facility) for every type and node."""
    seeds = [seed_nodes(nodes) for nodes in ground.sources]
    bounds = [BOUND_MS] * len(seeds)
    return lambda _turn: find_labels(ground.walk, seeds, bounds_ms=bounds, threads=1)


def check_ours(ground: Ground, labels: list[IntArray]) -> tuple[int, int, list[IntArray]]:
    """Return our mismatches against the oracle, how many answers were compared, and the oracle's labels."""
    truth = [find_truth(ground, nodes, BOUND_MS) for nodes in ground.sources]
    wrong = sum(int((mine != one).sum()) for mine, one in zip(labels, truth, strict=True))
    return wrong, sum(one.size for one in labels), truth


def make_floor(ground: Ground) -> Callable[[], float]:
    """Return what tells the seconds memory alone needs for all types."""

    def floor() -> float:
        total = 0.0
        for nodes in ground.sources:
            label = find_truth(ground, nodes, BOUND_MS)
            total += measure_floor(ground.graph, np.flatnonzero(label != NONE).astype(np.int32))
        return total

    return floor


def _pair(ground: Ground, peer: Any, *, timed: str, tolerance_ms: float, peer_scale: float = 1.0) -> Pair:
    """Return ours and a peer whose answer is a list of milliseconds by node, infinite beyond the bound."""

    def check(labels: list[IntArray], answer: list[FloatArray]) -> Agreement:
        wrong, compared, truth = check_ours(ground, labels)
        peer_wrong = sum(
            count_wrong(ms, label, tolerance_ms=tolerance_ms, bound_ms=BOUND_MS)
            for ms, label in zip(answer, truth, strict=True)
            if ms.size
        )
        rule = "ours: milliseconds and facility exact; peer: reach"
        return Agreement(wrong, compared, peer_wrong, f"{rule} within {tolerance_ms:g} ms" if tolerance_ms else rule)

    return Pair(find_ours(ground), peer, check, timed=timed, peer_scale=peer_scale, floor_s=make_floor(ground))


def against_scipy(ground: Ground) -> Pair:
    """Return SciPy's bounded search from all facilities at once; it is not asked which facility it is."""
    graph = make_csr(ground)

    def peer(_turn: int) -> list[FloatArray]:
        return [
            dijkstra(graph, directed=True, indices=nodes, min_only=True, limit=float(BOUND_MS))
            for nodes in ground.sources
        ]

    return _pair(ground, peer, timed="20 searches, answers of every node as arrays", tolerance_ms=0.0)


def against_budget(ground: Ground) -> Pair:
    """Return the budget of so many nanoseconds for every node a search settles."""
    settled = sum(int((find_truth(ground, nodes, BOUND_MS) != NONE).sum()) for nodes in ground.sources)

    def check(labels: list[IntArray], _answer: None) -> Agreement:
        wrong, compared, _ = check_ours(ground, labels)
        return Agreement(wrong, compared, None, "milliseconds and facility exact")

    return Pair(
        find_ours(ground),
        settled * NS_PER_NODE * 1e-9,
        check,
        timed=f"20 searches that settle {settled:,} nodes",
        floor_s=make_floor(ground),
    )


def against_pandana(ground: Ground) -> Pair:
    """Return pandana's query for the nearest one with its id; contraction and placing are not timed."""
    network = make_pandana(ground)
    pd = need("pandas")
    for number, nodes in enumerate(ground.sources):
        at = pd.Series(nodes.astype(np.float64))
        network.set_pois(f"type {number}", float(BOUND_S), 1, at, pd.Series(np.zeros(nodes.shape[0])))

    count = len(ground.sources)
    asked = count if ground.graph.node_count < LARGE_NODES else LARGE_TYPES

    def peer(_turn: int) -> list[FloatArray]:
        found = [np.empty(0)] * count
        with one_thread():
            # the rarest and the most frequent alike: types stand in the order of their frequency
            for number in range(0, count, count // asked):
                table = network.nearest_pois(
                    float(BOUND_S), f"type {number}", num_pois=1, max_distance=np.inf, include_poi_ids=True
                )
                found[number] = table[1].to_numpy().astype(np.float64) * 1000
        return found

    counted = "20 queries" if asked == count else f"every {count // asked}th of 20 queries, counted up"
    return _pair(
        ground,
        peer,
        timed=f"one thread each; pandana: {counted}, contraction not counted",
        tolerance_ms=PANDANA_MS,
        peer_scale=count / len(range(0, count, count // asked)),
    )


def one_thread() -> Any:
    """Return a block in which OpenMP uses one thread."""
    try:
        return need("threadpoolctl").threadpool_limits(limits=1, user_api="openmp")
    except Skip:
        return nullcontext()


def against_igraph(ground: Ground) -> Pair:
    """Return igraph's Dijkstra from one node before all facilities; it knows no bound."""
    count = ground.graph.node_count
    graph, weights = make_igraph(ground)

    def peer(_turn: int) -> list[FloatArray]:
        found = []
        for number in range(len(ground.sources)):
            ms = np.array(graph.distances(source=count + number, weights=weights, mode="out")[0][:count])
            found.append(np.where(ms > BOUND_MS, np.inf, ms))
        return found

    return _pair(ground, peer, timed="20 searches, unbounded in igraph", tolerance_ms=0.0)


def against_pgrouting(ground: Ground) -> Pair:
    """Return pgRouting's bounded search from all facilities of the rarest type; the other types are counted by it.

    Its ``equicost`` is the one way to ask it for the nearest facility, and is known to leave nodes out.
    """
    if ground.store is None:
        raise Skip("no database on an invented grid")
    make_edge_table(ground)
    rarest = min(range(len(ground.sources)), key=lambda number: ground.sources[number].shape[0])
    nodes = ground.sources[rarest]
    unasked = np.empty(0)

    def peer(_turn: int) -> list[FloatArray]:
        answer = fetch_routing(ground, nodes, seconds=PGROUTING_S)
        return [answer if number == rarest else unasked for number in range(len(ground.sources))]

    return _pair(
        ground,
        peer,
        timed="ours: 20 types; pgRouting: the rarest of them, counted 20 times",
        tolerance_ms=PGROUTING_MS,
        peer_scale=float(len(ground.sources)),
    )
