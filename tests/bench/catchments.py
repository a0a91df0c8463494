"""Catchments: every node within 15 minutes of each of 5,000 facilities, with the milliseconds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.csgraph import dijkstra

from geo.catchments import find_catchments
from geo.link import Entrances
from tests.bench.ground import BOUND_MS, BOUND_S, SEED
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.nearest import PANDANA_MS, PGROUTING_MS, PGROUTING_S, one_thread
from tests.bench.peers import make_csr, make_networkx, make_pandana, need
from tests.bench.routing import fetch_balls, make_edge_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geo.units import FloatArray, Int32Array, IntArray
    from tests.bench.ground import Ground

FACILITIES = 5000
ASKED_OF_PGROUTING = 500
SCIPY_AT_ONCE = 32
CHECKED = 200
"""Facilities whose catchments are held against the oracle node by node."""

Ball = tuple["IntArray", "FloatArray"]
"""Nodes and milliseconds of one catchment."""


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    makers: list[tuple[str, float, Callable[[Ground], Pair]]] = [
        ("pandana nodes_in_range", 40.0, against_pandana),
        ("networkx dijkstra(cutoff)", 45.0, against_networkx),
        ("pgr_drivingDistance", 40.0, against_pgrouting),
    ]
    return [Case("catchments", size, peer, goal, partial(_make, make, open_ground)) for peer, goal, make in makers]


def _make(make: Callable[[Ground], Pair], open_ground: Callable[[], Ground]) -> Pair:
    return make(open_ground())


def choose_nodes(ground: Ground) -> Int32Array:
    """Return the nodes of 5,000 facilities: some of those loaded, else invented ones; each node once."""
    random = np.random.default_rng(SEED)
    loaded = np.unique(np.concatenate(ground.sources))
    loaded = loaded[ground.node_links.edge[loaded] >= 0]
    chosen = random.permutation(loaded)[:FACILITIES]
    rest = np.setdiff1d(np.flatnonzero(ground.node_links.edge >= 0), chosen)
    more = random.permutation(rest)[: FACILITIES - chosen.shape[0]]
    return np.sort(np.concatenate([chosen, more])).astype(np.int32)


def find_ours(ground: Ground, nodes: Int32Array) -> Callable[[int], Any]:
    """Return our side: sparse rows, one a facility."""
    rows = np.arange(nodes.shape[0], dtype=np.int32)
    entrances = Entrances(rows.astype(np.int64), ground.take_nodes(nodes))
    homes = ground.node_homes()

    def ours(_turn: int) -> Any:
        return find_catchments(ground.walk, homes, entrances, facilities=rows, bound_s=float(BOUND_S))

    return ours


def find_truth(ground: Ground, nodes: Int32Array, checked: IntArray) -> Mapping[int, Ball]:
    """Return the oracle's catchments of some facilities: SciPy's Dijkstra from each alone."""
    graph = make_csr(ground)
    found = {}
    for start in range(0, checked.shape[0], SCIPY_AT_ONCE):
        some = checked[start : start + SCIPY_AT_ONCE]
        table = dijkstra(graph, directed=True, indices=nodes[some], limit=float(BOUND_MS))
        for number, row in zip(some.tolist(), table, strict=True):
            inside = np.flatnonzero(np.isfinite(row))
            found[number] = (inside, row[inside])
    return found


def count_differing(mine: Ball, truth: Ball, tolerance_ms: float) -> int:
    """Return how many nodes are in one catchment alone or differ by more than the tolerance."""
    both, at_mine, at_truth = np.intersect1d(mine[0], truth[0], return_indices=True)
    far = np.abs(mine[1][at_mine] - truth[1][at_truth]) > tolerance_ms
    alone = np.concatenate([np.delete(mine[1], at_mine), np.delete(truth[1], at_truth)])
    at_bound = alone >= BOUND_MS - tolerance_ms if tolerance_ms else np.zeros(alone.shape[0], dtype=bool)
    return int(far.sum() + (~at_bound).sum() + (mine[0].shape[0] - np.unique(mine[0]).shape[0]) + 0 * both.size)


def _pair(
    ground: Ground,
    nodes: Int32Array,
    peer: Callable[[int], Any],
    split: Callable[[Any], Mapping[int, Ball]],
    *,
    timed: str,
    tolerance_ms: float,
    peer_scale: float = 1.0,
) -> Pair:
    """Return ours and a peer whose answer `split` takes apart by facility."""

    def check(catchments: Any, answer: Any) -> Agreement:
        random = np.random.default_rng(SEED)
        checked = np.sort(random.permutation(nodes.shape[0])[:CHECKED])
        truth = find_truth(ground, nodes, checked)
        theirs = split(answer)
        wrong = peer_wrong = compared = 0
        for number, ball in truth.items():
            row = slice(int(catchments.ptr[number]), int(catchments.ptr[number + 1]))
            mine = (catchments.home[row].astype(np.int64), catchments.ms[row].astype(np.float64))
            wrong += count_differing(mine, ball, 0.0)
            compared += ball[0].shape[0]
            if number in theirs:
                peer_wrong += count_differing(theirs[number], ball, tolerance_ms)
        rule = f"{truth.__len__()} catchments; ours exact, peer within {tolerance_ms:g} ms"
        return Agreement(wrong, compared, peer_wrong, rule)

    return Pair(find_ours(ground, nodes), peer, check, timed=timed, peer_scale=peer_scale)


def _split_table(source: IntArray, node: IntArray, ms: FloatArray, nodes: Int32Array) -> dict[int, Ball]:
    """Return rows of (facility node, node, milliseconds) by facility."""
    order = np.argsort(source, kind="stable")
    source, node, ms = source[order], node[order], ms[order]
    number = np.searchsorted(nodes, np.unique(source))
    ends = np.searchsorted(source, np.unique(source), side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return {int(one): (node[first:last], ms[first:last]) for one, first, last in zip(number, starts, ends, strict=True)}


def against_pandana(ground: Ground) -> Pair:
    """Return pandana's range query; its contraction is not timed."""
    nodes = choose_nodes(ground)
    network = make_pandana(ground)

    def peer(_turn: int) -> Any:
        with one_thread():
            return network.nodes_in_range(nodes.tolist(), float(BOUND_S))

    def split(table: Any) -> dict[int, Ball]:
        ms = table[table.columns[2]].to_numpy().astype(np.float64) * 1000
        inside = ms <= BOUND_MS + PANDANA_MS
        source, node = table["source"].to_numpy(), table["destination"].to_numpy()
        return _split_table(source[inside], node[inside].astype(np.int64), ms[inside], nodes)

    timed = "5,000 catchments as arrays, one thread, contraction not counted"
    return _pair(ground, nodes, peer, split, timed=timed, tolerance_ms=PANDANA_MS)


def against_networkx(ground: Ground) -> Pair:
    """Return networkx's bounded Dijkstra from each facility."""
    nodes = choose_nodes(ground)
    networkx = need("networkx")
    graph = make_networkx(ground)

    def peer(_turn: int) -> list[dict[int, int]]:
        return [
            networkx.single_source_dijkstra_path_length(graph, node, cutoff=BOUND_MS, weight="ms")
            for node in nodes.tolist()
        ]

    def split(found: list[dict[int, int]]) -> dict[int, Ball]:
        return {
            number: (np.array(list(one), dtype=np.int64), np.array(list(one.values()), dtype=np.float64))
            for number, one in enumerate(found)
        }

    return _pair(ground, nodes, peer, split, timed="5,000 catchments", tolerance_ms=0.0)


def against_pgrouting(ground: Ground) -> Pair:
    """Return pgRouting's bounded search from each of some facilities in one statement; the rest is counted by them."""
    if ground.store is None:
        raise Skip("no database on an invented grid")
    make_edge_table(ground)
    nodes = choose_nodes(ground)
    asked = nodes[:: FACILITIES // ASKED_OF_PGROUTING]

    def peer(_turn: int) -> Any:
        return fetch_balls(ground, asked, seconds=PGROUTING_S)

    def split(rows: Any) -> dict[int, Ball]:
        source, node, ms = rows
        return _split_table(source, node, ms, nodes)

    return _pair(
        ground,
        nodes,
        peer,
        split,
        timed=f"5,000 catchments; pgRouting: {asked.shape[0]} of them in one statement, counted up",
        tolerance_ms=PGROUTING_MS,
        peer_scale=nodes.shape[0] / asked.shape[0],
    )
