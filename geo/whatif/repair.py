"""Kernels that put labels right after a change instead of searching anew.

A label is what :mod:`geo.search.labels` makes it: cost_ms << 32 | facility row, the least over all walks. Repair keeps
that:

1. Whatever lost its support is found: nodes whose label came through a seed or an arc that is gone or costs more, and
   from them along every arc over which a label equals its neighbour's plus the arc. This takes in too many where walks
   are equal, never too few.
2. These nodes are emptied and filled again from neighbours that kept their labels and from seeds; new seeds and new or
   cheaper arcs offer what is better elsewhere. Then labels are lowered until nothing gets better.

The labels at rest are the one solution there is, so they are those of a full search, byte for byte.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.search.heap import pop, push
from geo.search.labels import NONE, Whole, part_ms, pick_cost
from geo.units import Int32Array, IntArray, UInt32Array

MarkArray = npt.NDArray[np.uint8]
_NO_COST = np.int64(0xFFFFFFFF)
_LONGEST_MS = np.int64(2**31 - 1)
"""Longer than any bound; costs beyond it would not fit beside a facility in a label."""


@njit(cache=True, nogil=True)
def _note(label: IntArray, mark: MarkArray, touched: Int32Array, old: IntArray, count: int, node: int) -> int:
    """Write down the label a node has before it is changed for the first time."""
    if mark[node] == 0:
        mark[node] = 1
        touched[count] = node
        old[count] = label[node]
        count += 1
    return count


@njit(cache=True, nogil=True)
def _find_unsupported(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    gone_node: Int32Array,
    gone_key: IntArray,
    gone_from: Int32Array,
    gone_to: Int32Array,
    gone_ms: UInt32Array,
    label: IntArray,
    mark: MarkArray,
    touched: Int32Array,
    old: IntArray,
) -> int:
    count = 0
    for i in range(gone_node.shape[0]):
        if label[gone_node[i]] == gone_key[i]:
            count = _note(label, mark, touched, old, count, gone_node[i])
    for i in range(gone_from.shape[0]):
        key = _extend(label[gone_from[i]], gone_ms[i], _LONGEST_MS)
        if key != NONE and key == label[gone_to[i]]:
            count = _note(label, mark, touched, old, count, gone_to[i])
    at = 0
    while at < count:
        node = touched[at]
        key = label[node]
        at += 1
        for arc in range(first[node], last[node]):
            neighbour = arc_node[arc]
            if mark[neighbour] == 0 and key != NONE and _extend(key, arc_ms[arc], _LONGEST_MS) == label[neighbour]:
                count = _note(label, mark, touched, old, count, neighbour)
    return count


@njit(cache=True, nogil=True)
def _extend(key: np.int64, ms: Whole, bound_ms: Whole) -> np.int64:
    """Return a label walked on, NONE where it was NONE or leads beyond the bound."""
    if key == NONE or (key >> 32) + np.int64(ms) > bound_ms:
        return NONE
    return key + (np.int64(ms) << 32)


@njit(cache=True, nogil=True)
def _refill(
    pull_first: Int32Array,
    pull_last: Int32Array,
    pull_node: Int32Array,
    pull_ms: UInt32Array,
    bound_ms: int,
    label: IntArray,
    mark: MarkArray,
    touched: Int32Array,
    count: int,
    heap_key: IntArray,
    heap_node: Int32Array,
) -> int:
    """Empty the touched nodes, fill them from neighbours that kept their labels, and return how many are queued."""
    size = 0
    for i in range(count):
        label[touched[i]] = NONE
    for i in range(count):
        node = touched[i]
        best = NONE
        for arc in range(pull_first[node], pull_last[node]):
            # a neighbour that is filled already did not keep its label: it is queued and comes by itself
            if mark[pull_node[arc]] == 0:
                best = min(best, _extend(label[pull_node[arc]], pull_ms[arc], bound_ms))
        if best != NONE:
            label[node] = best
            size = push(heap_key, heap_node, size, best, node)
    return size


@njit(cache=True, nogil=True)
def repair_public(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    pull_first: Int32Array,
    pull_last: Int32Array,
    pull_node: Int32Array,
    pull_ms: UInt32Array,
    gone_node: Int32Array,
    gone_key: IntArray,
    gone_from: Int32Array,
    gone_to: Int32Array,
    gone_ms: UInt32Array,
    new_from: Int32Array,
    new_to: Int32Array,
    new_ms: UInt32Array,
    seed_node: Int32Array,
    seed_key: IntArray,
    bound_ms: int,
    label: IntArray,
    mark: MarkArray,
    touched: Int32Array,
    old: IntArray,
    heap_key: IntArray,
    heap_node: Int32Array,
) -> int:
    """Put public labels right after seeds and arcs came and went.

    Parameters
    ----------
    first, last, arc_node, arc_ms
        The graph as it is now (`geo.search.graph`): a label goes from a node to the neighbours of its row.
    pull_first, pull_last, pull_node, pull_ms
        The same arcs by the node they lead to.
    gone_node, gone_key
        Nodes and labels of seeds that are gone, shape (r,).
    gone_from, gone_to, gone_ms
        Arcs that are gone, a label went from `gone_from` to `gone_to`, shape (g,).
    new_from, new_to, new_ms
        Arcs that are new; all of them stand in the graph too, shape (k,).
    seed_node, seed_key
        All seeds as they are now, cost_ms << 32 | facility row, shape (s,).
    bound_ms
        Longest walk of interest.
    label
        Public labels before; they are put right, shape (nodes,).
    mark
        Zero everywhere, before and after, shape (nodes,).
    touched, old
        The answer: nodes that were looked at and the labels they had, shape (nodes,).
    heap_key, heap_node
        Work arrays, at least arcs + nodes + seeds + new arcs long.

    Returns
    -------
    int
        How many entries of `touched` are filled.
    """
    count = _find_unsupported(
        first, last, arc_node, arc_ms, gone_node, gone_key, gone_from, gone_to, gone_ms, label, mark, touched, old
    )
    size = _refill(
        pull_first, pull_last, pull_node, pull_ms, bound_ms, label, mark, touched, count, heap_key, heap_node
    )
    for i in range(seed_node.shape[0]):
        node = seed_node[i]
        if seed_key[i] < label[node] and (seed_key[i] >> 32) <= bound_ms:
            count = _note(label, mark, touched, old, count, node)
            label[node] = seed_key[i]
            size = push(heap_key, heap_node, size, seed_key[i], node)
    for i in range(new_from.shape[0]):
        key = _extend(label[new_from[i]], new_ms[i], bound_ms)
        node = new_to[i]
        if key < label[node]:
            count = _note(label, mark, touched, old, count, node)
            label[node] = key
            size = push(heap_key, heap_node, size, key, node)
    while size > 0:
        key = heap_key[0]
        node = heap_node[0]
        size = pop(heap_key, heap_node, size)
        if key != label[node]:
            continue
        for arc in range(first[node], last[node]):
            better = _extend(key, arc_ms[arc], bound_ms)
            neighbour = arc_node[arc]
            if better < label[neighbour]:
                count = _note(label, mark, touched, old, count, neighbour)
                label[neighbour] = better
                size = push(heap_key, heap_node, size, better, neighbour)
    for i in range(count):
        mark[touched[i]] = 0
    return count


@njit(cache=True, nogil=True)
def keep_changed(label: IntArray, touched: Int32Array, old: IntArray, count: int) -> int:
    """Keep of the touched nodes those whose label differs now and return how many there are.

    Parameters
    ----------
    label
        Labels now, shape (nodes,).
    touched, old
        Nodes and the labels they had; the kept ones move to the front.
    count
        How many there are.
    """
    kept = 0
    for i in range(count):
        if label[touched[i]] != old[i]:
            touched[kept] = touched[i]
            old[kept] = old[i]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def read_links(
    place: Int32Array,
    link_edge: Int32Array,
    link_mm: IntArray,
    link_off_ms: IntArray,
    exit_a: Int32Array,
    exit_b: Int32Array,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    label: IntArray,
    own: IntArray,
    site_edge: Int32Array,
    site_mm: IntArray,
    site_off_ms: IntArray,
    site_facility: Int32Array,
    bound_ms: int,
    answer: IntArray,
) -> None:
    """Fill the answer of some homes from the labels at both ends of their edges and the sites along them.

    Parameters
    ----------
    place
        Which of the links to read, shape (n,).
    link_edge, link_mm, link_off_ms
        Links; edge -1 is unlinked.
    exit_a, exit_b, edge_mm, cost_ab, cost_ba
        As in :func:`geo.search.labels.read_homes`.
    label, own
        Public labels and those of the homes' compound.
    site_edge, site_mm, site_off_ms, site_facility
        Entrances of facilities, by edge.
    bound_ms
        Longest walk of interest.
    answer
        cost_ms << 32 | facility row, NONE where there is none, shape (n,).
    """
    last_edge = -1
    site_first = 0
    site_last = 0
    for i in range(place.shape[0]):
        at = place[i]
        edge = link_edge[at]
        answer[i] = NONE
        if edge < 0:
            continue
        if edge != last_edge:
            last_edge = edge
            site_first = np.searchsorted(site_edge, edge)
            site_last = site_first
            while site_last < site_edge.shape[0] and site_edge[site_last] == edge:
                site_last += 1
        mm = link_mm[at]
        length = edge_mm[edge]
        off = link_off_ms[at]
        key = min(label[exit_a[edge]], own[exit_a[edge]])
        best = _walk_on(key, cost_ba[edge], mm, length, off, bound_ms)
        key = min(label[exit_b[edge]], own[exit_b[edge]])
        best = min(best, _walk_on(key, cost_ab[edge], length - mm, length, off, bound_ms))
        for site in range(site_first, site_last):
            along = site_mm[site] - mm
            cost = pick_cost(along, cost_ab[edge], cost_ba[edge])
            key = (np.int64(site_off_ms[site]) << 32) | np.int64(site_facility[site])
            best = min(best, _walk_on(key, cost, abs(along), length, off, bound_ms))
        answer[i] = best


@njit(cache=True, nogil=True)
def _walk_on(key: np.int64, cost: Whole, walked_mm: Whole, length_mm: Whole, off_ms: Whole, bound_ms: int) -> np.int64:
    """Return a label walked on along part of an edge and off the street, NONE where there is none."""
    if key == NONE or np.int64(cost) == _NO_COST:
        return NONE
    return _extend(key, part_ms(cost, walked_mm, length_mm) + off_ms, bound_ms)
