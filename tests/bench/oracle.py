"""The oracle for homes: SciPy's labels at nodes, carried to homes by plain array arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.search.labels import NONE
from geo.units import NO_COST

if TYPE_CHECKING:
    from geo.link import Entrances
    from geo.reach import Homes, Seeds, Walk
    from geo.units import IntArray

Whole = npt.NDArray[np.integer]

TIE_BITS = 20
"""Facilities that the oracle can tell apart: 2 to the power of it."""


def find_labels_slowly(walk: Walk, node: Whole, ms: IntArray, facility: Whole, bound_ms: int) -> IntArray:
    """Return the label of every node: SciPy's Dijkstra on whole numbers that hold cost and facility at once.

    One more node stands before all seeds; its arc to a seed of facility i weighs i + 1 and the seed's milliseconds, and
    a millisecond weighs more than all facilities. The least sum is the least cost, and among equals the lowest row.

    Parameters
    ----------
    walk
        Its graph is searched.
    node, ms, facility
        Seeds, shape (s,).
    bound_ms
        Longest walk.
    """
    graph = walk.graph
    count = graph.node_count
    sizes = np.append((graph.last - graph.first).astype(np.int64), node.shape[0])
    at = np.repeat(graph.first - np.concatenate([[0], np.cumsum(sizes[:-1])[:-1]]), sizes[:-1])
    at = at + np.arange(at.shape[0])
    weight = np.concatenate(
        [graph.arc_ms[at].astype(np.float64) * (1 << TIE_BITS), ms * float(1 << TIE_BITS) + facility + 1]
    )
    head = np.concatenate([graph.arc_node[at], node]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    matrix = csr_array((weight, head, indptr), shape=(count + 1, count + 1))
    limit = float((bound_ms + 1) * (1 << TIE_BITS) - 1)
    found = dijkstra(matrix, directed=True, indices=count, limit=limit)[:count]
    reached = np.isfinite(found)
    whole = np.where(reached, found, 0).astype(np.int64)
    label = ((whole >> TIE_BITS) << 32) | ((whole & ((1 << TIE_BITS) - 1)) - 1)
    return np.where(reached, label, NONE)


def find_reach_slowly(walk: Walk, homes: Homes, entrances: Entrances, seeds: Seeds, bound_ms: int) -> IntArray:
    """Return the label of every home outside compounds; those inside may pass gates this knows nothing of.

    Parameters
    ----------
    walk, homes, entrances
        As the engine takes them.
    seeds
        Where the facilities of the type enter the network.
    bound_ms
        Longest walk.
    """
    label = find_labels_slowly(walk, seeds.node, seeds.ms, seeds.facility, bound_ms)
    links, network = homes.links, walk.network
    edge = np.maximum(links.edge, 0)
    length, off_ms = network.edge_mm[edge], walk.off_ms(links.off_mm)
    best = np.full(edge.shape[0], NONE, dtype=np.int64)
    for node, cost, walked in (
        (walk.exit_a[edge], walk.cost_ba[edge], links.place_mm),
        (walk.exit_b[edge], walk.cost_ab[edge], length - links.place_mm),
    ):
        there = label[node]
        total = (there >> 32) + _part(cost, walked, length) + off_ms
        ok = (there != NONE) & (cost != NO_COST) & (total <= bound_ms)
        best = np.where(ok, np.minimum(best, (total << 32) | (there & 0xFFFFFFFF)), best)
    site = np.flatnonzero(np.isin(entrances.facility, np.unique(seeds.facility)))
    home, which = _meet(links.edge, entrances.links.edge[site])
    at = site[which]
    along = entrances.links.place_mm[at] - links.place_mm[home]
    ab, ba = walk.cost_ab[edge[home]], walk.cost_ba[edge[home]]
    cost = np.where(along == 0, np.minimum(ab, ba), np.where(along > 0, ab, ba))
    total = _part(cost, np.abs(along), length[home]) + off_ms[home] + walk.off_ms(entrances.links.off_mm[at])
    ok = (cost != NO_COST) & (total <= bound_ms)
    np.minimum.at(best, home[ok], (total[ok] << 32) | entrances.facility[at[ok]])
    return np.where(links.edge >= 0, best, NONE)


def _meet(home_edge: Whole, site_edge: Whole) -> tuple[IntArray, IntArray]:
    """Return every pair of a home and a site on the same edge."""
    order = np.argsort(home_edge, kind="stable")
    edges = home_edge[order]
    first, last = np.searchsorted(edges, site_edge), np.searchsorted(edges, site_edge, side="right")
    size = last - first
    which = np.repeat(np.arange(site_edge.shape[0]), size)
    place = np.arange(which.shape[0]) + np.repeat(first - np.concatenate([[0], np.cumsum(size)[:-1]]), size)
    return order[place], which


def _part(cost: Whole, walked: IntArray, length: IntArray) -> IntArray:
    """Return the milliseconds of part of an edge, rounded half up."""
    whole = np.maximum(length, 1)
    return np.where(length == 0, 0, (cost.astype(np.int64) * walked + whole // 2) // whole)
