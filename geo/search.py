"""Kernels of the walking search: nearest facility along the network, gates and compounds included.

The search runs from the facilities backwards, so one pass answers every home. A label is the pair (cost, facility):
labels are compared lexicographically, so equal walks go to the lower facility and the answer does not depend on the
order of anything.

Compounds: the public pass never crosses a residents' gate. For the homes of one compound a second, small pass starts
from that pass's labels, lets the compound's own residents' gates be crossed, and follows only what gets better; its
labels count for homes of that compound alone. So nobody walks through an estate they do not live in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.units import Int32Array, IntArray, UInt32Array

UInt64Array = npt.NDArray[np.uint64]
Whole = int | np.integer[Any]
"""A whole number, Python's or NumPy's."""

_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)
_NO_COST = np.int64(0xFFFFFFFF)


@njit(cache=True, nogil=True, inline="always")
def _label(cost: Whole, facility: Whole) -> np.uint64:
    return (np.uint64(cost) << np.uint64(32)) | np.uint64(facility)


@njit(cache=True, nogil=True)
def _push(heap_key: UInt64Array, heap_node: Int32Array, size: int, key: np.uint64, node: int) -> int:
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap_key[above] <= key:
            break
        heap_key[at] = heap_key[above]
        heap_node[at] = heap_node[above]
        at = above
    heap_key[at] = key
    heap_node[at] = node
    return size + 1


@njit(cache=True, nogil=True)
def _pop(heap_key: UInt64Array, heap_node: Int32Array, size: int) -> int:
    """Drop the smallest entry; the caller has read it from place 0."""
    size -= 1
    key = heap_key[size]
    node = heap_node[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap_key[below + 1] < heap_key[below]:
            below += 1
        if heap_key[below] >= key:
            break
        heap_key[at] = heap_key[below]
        heap_node[at] = heap_node[below]
        at = below
    heap_key[at] = key
    heap_node[at] = node
    return size


@njit(cache=True, nogil=True)
def part_ms(cost: Whole, place_mm: Whole, length_mm: Whole) -> Whole:
    """Return the milliseconds of part of an edge, rounded half up.

    Parameters
    ----------
    cost
        Milliseconds of the whole edge.
    place_mm, length_mm
        Part walked and whole length in millimetres.
    """
    if length_mm == 0:
        return 0
    return (np.int64(cost) * np.int64(place_mm) + np.int64(length_mm) // 2) // np.int64(length_mm)


@njit(cache=True, nogil=True)
def search_public(
    indptr: IntArray,
    adj_node: Int32Array,
    arc_ms: UInt32Array,
    arc_gate: Int32Array,
    seed_node: Int32Array,
    seed_ms: IntArray,
    seed_facility: Int32Array,
    bound_ms: int,
    label: UInt64Array,
    heap_key: UInt64Array,
    heap_node: Int32Array,
) -> int:
    """Fill `label` with the least (cost, facility) of every node over ways that anybody may walk.

    Parameters
    ----------
    indptr, adj_node
        Compressed sparse rows of the network.
    arc_ms
        Milliseconds to walk from the neighbour to the node whose row the arc stands in, shape of `adj_node`.
    arc_gate
        Compound number + 1 where the arc passes a residents' gate, 0 elsewhere, shape of `adj_node`.
    seed_node, seed_ms, seed_facility
        Where facilities enter the network, what it costs from there, and which facility, shape (s,).
    bound_ms
        Longest walk of interest.
    label
        Work array and answer: cost << 32 | facility, all ones where nothing is within the bound, shape (nodes,).
    heap_key, heap_node
        Work arrays, at least arcs + seeds long.

    Returns
    -------
    int
        Number of settled nodes.
    """
    label[:] = _NONE
    size = 0
    for s in range(seed_node.shape[0]):
        if seed_ms[s] > bound_ms:
            continue
        key = _label(seed_ms[s], seed_facility[s])
        if key < label[seed_node[s]]:
            label[seed_node[s]] = key
            size = _push(heap_key, heap_node, size, key, seed_node[s])
    settled = 0
    while size > 0:
        key = heap_key[0]
        node = heap_node[0]
        size = _pop(heap_key, heap_node, size)
        if key != label[node]:
            continue
        settled += 1
        cost = np.int64(key >> np.uint64(32))
        facility = np.int64(key & np.uint64(0xFFFFFFFF))
        for arc in range(indptr[node], indptr[node + 1]):
            if arc_gate[arc] != 0 or arc_ms[arc] == _NO_COST:
                continue
            reached = cost + np.int64(arc_ms[arc])
            if reached > bound_ms:
                continue
            better = _label(reached, facility)
            if better < label[adj_node[arc]]:
                label[adj_node[arc]] = better
                size = _push(heap_key, heap_node, size, better, adj_node[arc])
    return settled


@njit(cache=True, nogil=True)
def search_compound(
    compound: int,
    indptr: IntArray,
    adj_node: Int32Array,
    arc_ms: UInt32Array,
    arc_gate: Int32Array,
    gate_node: Int32Array,
    bound_ms: int,
    label: UInt64Array,
    own: UInt64Array,
    touched: Int32Array,
    heap_key: UInt64Array,
    heap_node: Int32Array,
) -> int:
    """Improve on the public labels for the homes of one compound, whose residents' gates are open to them.

    Parameters
    ----------
    compound
        Compound number.
    indptr, adj_node, arc_ms, arc_gate, bound_ms, heap_key, heap_node
        As in :func:`search_public`.
    gate_node
        Nodes at both ends of the compound's residents' gates.
    label
        Public labels; not changed.
    own
        Labels of this compound's homes where they beat the public ones, all ones elsewhere; all ones on entry.
    touched
        Nodes whose `own` label was set, to be wiped by the caller, shape (nodes,).

    Returns
    -------
    int
        How many entries of `touched` are filled.
    """
    size = 0
    count = 0
    for g in range(gate_node.shape[0]):
        if label[gate_node[g]] != _NONE:
            size = _push(heap_key, heap_node, size, label[gate_node[g]], gate_node[g])
    while size > 0:
        key = heap_key[0]
        node = heap_node[0]
        size = _pop(heap_key, heap_node, size)
        if key != min(label[node], own[node]):
            continue
        cost = np.int64(key >> np.uint64(32))
        facility = np.int64(key & np.uint64(0xFFFFFFFF))
        for arc in range(indptr[node], indptr[node + 1]):
            if arc_ms[arc] == _NO_COST or (arc_gate[arc] != 0 and arc_gate[arc] != compound + 1):
                continue
            reached = cost + np.int64(arc_ms[arc])
            if reached > bound_ms:
                continue
            better = _label(reached, facility)
            neighbour = adj_node[arc]
            if better < min(label[neighbour], own[neighbour]):
                if own[neighbour] == _NONE:
                    touched[count] = neighbour
                    count += 1
                own[neighbour] = better
                size = _push(heap_key, heap_node, size, better, neighbour)
    return count


@njit(cache=True, nogil=True)
def read_homes(
    rows: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    edge_a: Int32Array,
    edge_b: Int32Array,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    label: UInt64Array,
    own: UInt64Array,
    site_ptr: IntArray,
    site_place_mm: IntArray,
    site_off_ms: IntArray,
    site_facility: Int32Array,
    bound_ms: int,
    answer: UInt64Array,
) -> None:
    """Fill the answer of each home in `rows` from the labels at both ends of its edge and the sites along it.

    Parameters
    ----------
    rows
        Homes to answer.
    home_edge, home_place_mm, home_off_ms
        Links of all homes; edge -1 is unlinked.
    edge_a, edge_b, edge_mm, cost_ab, cost_ba
        The network's edges and their costs both ways.
    label, own
        Public labels and those of the homes' compound.
    site_ptr, site_place_mm, site_off_ms, site_facility
        Entrances of facilities by edge: those of edge e stand at ``site_ptr[e]:site_ptr[e + 1]``.
    bound_ms
        Longest walk of interest.
    answer
        cost << 32 | facility of each home, all ones where there is none, shape (homes,).
    """
    for r in range(rows.shape[0]):
        home = rows[r]
        edge = home_edge[home]
        if edge < 0:
            continue
        place = home_place_mm[home]
        length = edge_mm[edge]
        best = _NONE
        for end in range(2):
            node = edge_a[edge] if end == 0 else edge_b[edge]
            walked = place if end == 0 else length - place
            cost = cost_ba[edge] if end == 0 else cost_ab[edge]
            key = min(label[node], own[node])
            if key == _NONE or cost == _NO_COST:
                continue
            total = np.int64(key >> np.uint64(32)) + part_ms(cost, walked, length) + home_off_ms[home]
            if total <= bound_ms:
                best = min(best, _label(total, np.int64(key & np.uint64(0xFFFFFFFF))))
        for site in range(site_ptr[edge], site_ptr[edge + 1]):
            along = site_place_mm[site] - place
            cost = cost_ab[edge] if along >= 0 else cost_ba[edge]
            if cost == _NO_COST:
                continue
            total = part_ms(cost, abs(along), length) + site_off_ms[site] + home_off_ms[home]
            if total <= bound_ms:
                best = min(best, _label(total, site_facility[site]))
        answer[home] = best
