"""Kernels of the walking search: nearest facility along the network, gates and compounds included.

The search runs from the facilities backwards, so one pass answers every home. A label is the pair (cost, facility) in
one whole number, cost_ms << 32 | facility row: labels are compared as pairs, so equal walks go to the lower facility
and the answer does not depend on the order of anything.

Compounds: the public pass never crosses a residents' gate. For the homes of one compound a second, small pass starts
from that pass's labels, lets the compound's own residents' gates be crossed, and follows only what gets better; its
labels count for homes of that compound alone. So nobody walks through an estate they do not live in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from geo.search.heap import pop, push
from geo.units import Int32Array, IntArray, UInt32Array

Whole = int | np.integer[Any]
"""A whole number, Python's or NumPy's."""

NONE = np.int64(np.iinfo(np.int64).max)
"""Label of a node that nothing has reached."""

FACILITY_BITS = 32
FACILITY_MASK = (1 << FACILITY_BITS) - 1
_NO_COST = np.int64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def make_label(cost: Whole, facility: Whole) -> np.int64:
    """Return cost_ms << 32 | facility.

    Parameters
    ----------
    cost, facility
        Milliseconds and facility row.
    """
    return (np.int64(cost) << 32) | np.int64(facility)


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
def pick_cost(along_mm: Whole, cost_ab: Whole, cost_ba: Whole) -> Whole:
    """Return what an edge costs in the direction walked; who is there already needs neither direction to be open.

    Parameters
    ----------
    along_mm
        Millimetres walked along the edge, below 0 where against it.
    cost_ab, cost_ba
        Milliseconds of the whole edge both ways.
    """
    if along_mm == 0:
        return min(cost_ab, cost_ba)
    return cost_ab if along_mm > 0 else cost_ba


@njit(cache=True, nogil=True)
def lower(label: IntArray, touched: Int32Array, count: int, node: int, key: np.int64) -> int:
    """Set a label and return how many nodes are touched now.

    Parameters
    ----------
    label
        Labels, shape (nodes,).
    touched
        Nodes whose label is not NONE, with room for one more.
    count
        How many there are.
    node, key
        Whose label is set, and to what.
    """
    if label[node] == NONE:
        touched[count] = node
        count += 1
    label[node] = key
    return count


@njit(cache=True, nogil=True)
def search_in_order(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    seed_node: Int32Array,
    seed_ms: IntArray,
    seed_facility: Int32Array,
    bound_ms: int,
    label: IntArray,
    touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
) -> int:
    """Fill `label` with the least (cost, facility) of every node, taking nodes up in the order of their labels.

    The simplest search there is: what the quicker ones are held against, and what they turn to where a network is so
    odd that they would go round in circles.

    Parameters
    ----------
    first, last, arc_node, arc_ms
        The graph, see :class:`geo.search.graph.Graph`.
    seed_node, seed_ms, seed_facility
        Where facilities enter the network, what it costs from there, and which facility, shape (s,).
    bound_ms
        Longest walk of interest.
    label
        NONE everywhere on entry; the answer: cost_ms << 32 | facility, NONE where nothing is within the bound,
        shape (nodes,).
    touched
        Nodes whose label was set, to be wiped by the caller, shape (nodes,).
    heap_key, heap_node
        Work arrays, at least arcs + seeds long.

    Returns
    -------
    int
        How many entries of `touched` are filled.
    """
    size = 0
    count = 0
    for s in range(seed_node.shape[0]):
        if seed_ms[s] > bound_ms:
            continue
        key = make_label(seed_ms[s], seed_facility[s])
        node = seed_node[s]
        if key < label[node]:
            count = lower(label, touched, count, node, key)
            size = push(heap_key, heap_node, size, key, node)
    while size > 0:
        key = heap_key[0]
        node = heap_node[0]
        size = pop(heap_key, heap_node, size)
        if key != label[node]:
            continue
        cost = key >> 32
        facility = key & 0xFFFFFFFF
        for arc in range(first[node], last[node]):
            reached = cost + np.int64(arc_ms[arc])
            if reached > bound_ms:
                continue
            better = make_label(reached, facility)
            neighbour = arc_node[arc]
            if better < label[neighbour]:
                count = lower(label, touched, count, neighbour, better)
                size = push(heap_key, heap_node, size, better, neighbour)
    return count


_LOOK_FIRST = 64
"""Nodes after which a compound's search looks whether it is done; then after twice as many, and so on."""


@njit(cache=True, nogil=True)
def _find_worst(nodes: Int32Array, label: IntArray, own: IntArray) -> np.int64:
    """Return the largest label of some nodes."""
    worst = np.int64(0)
    for i in range(nodes.shape[0]):
        worst = max(worst, min(label[nodes[i]], own[nodes[i]]))
    return worst


@njit(cache=True, nogil=True)
def _pass_gates(
    gate_from: Int32Array,
    gate_to: Int32Array,
    gate_ms: UInt32Array,
    bound_ms: int,
    label: IntArray,
    own: IntArray,
    touched: Int32Array,
    count: int,
    heap_key: IntArray,
    heap_node: Int32Array,
    size: int,
) -> tuple[int, int]:
    """Carry labels through a compound's gates; return how many nodes are touched now and how many to go on from."""
    for g in range(gate_from.shape[0]):
        key = min(label[gate_from[g]], own[gate_from[g]])
        if key == NONE or (key >> 32) + np.int64(gate_ms[g]) > bound_ms:
            continue
        better = key + (np.int64(gate_ms[g]) << 32)
        node = gate_to[g]
        if better < min(label[node], own[node]):
            count = lower(own, touched, count, node, better)
            size = push(heap_key, heap_node, size, better, node)
    return count, size


@njit(cache=True, nogil=True)
def _start_own(
    seed_node: Int32Array,
    seed_key: IntArray,
    bound_ms: int,
    label: IntArray,
    own: IntArray,
    touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
) -> tuple[int, int]:
    """Set the labels that start for one compound alone; return how many nodes are touched and how many wait."""
    count = 0
    size = 0
    for s in range(seed_node.shape[0]):
        key = seed_key[s]
        node = seed_node[s]
        if (key >> 32) <= bound_ms and key < min(label[node], own[node]):
            count = lower(own, touched, count, node, key)
            size = push(heap_key, heap_node, size, key, node)
    return count, size


@njit(cache=True, nogil=True)
def search_compound(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    gate_from: Int32Array,
    gate_to: Int32Array,
    gate_ms: UInt32Array,
    seed_node: Int32Array,
    seed_key: IntArray,
    bound_ms: int,
    need_a: Int32Array,
    need_b: Int32Array,
    label: IntArray,
    own: IntArray,
    touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
) -> int:
    """Improve on the public labels for the homes of one compound, whose residents' gates are open to them.

    Parameters
    ----------
    first, last, arc_node, arc_ms, bound_ms, heap_key, heap_node
        As in :func:`search_in_order`.
    gate_from, gate_to, gate_ms
        The compound's own gates, see :class:`geo.search.graph.GateArcs`.
    seed_node, seed_key
        Labels that start for this compound's homes alone: at the outer ends of gates on which facilities stand.
    need_a, need_b
        Nodes whose labels are wanted: the search ends when nothing better can come to them. Where both are empty it
        goes on to the bound.
    label
        Public labels; not changed.
    own
        Labels of this compound's homes where they beat the public ones, NONE elsewhere; NONE everywhere on entry.
    touched
        Nodes whose `own` label was set, to be wiped by the caller, shape (nodes,).

    Returns
    -------
    int
        How many entries of `touched` are filled.
    """
    worst = NONE
    taken = 0
    look_at = _LOOK_FIRST if need_a.shape[0] else -1
    count, size = _start_own(seed_node, seed_key, bound_ms, label, own, touched, heap_key, heap_node)
    # a walk passes each gate at most once each way, so this ends after a few rounds
    while True:
        count, size = _pass_gates(
            gate_from, gate_to, gate_ms, bound_ms, label, own, touched, count, heap_key, heap_node, size
        )
        if size == 0:
            return count
        while size > 0:
            key = heap_key[0]
            node = heap_node[0]
            size = pop(heap_key, heap_node, size)
            if key > worst:
                size = 0
                break
            if key != own[node]:
                continue
            taken += 1
            if taken == look_at:
                look_at *= 2
                worst = max(_find_worst(need_a, label, own), _find_worst(need_b, label, own))
                worst = max(worst, _find_worst(gate_from, label, own))
            cost = key >> 32
            facility = key & 0xFFFFFFFF
            for arc in range(first[node], last[node]):
                reached = cost + np.int64(arc_ms[arc])
                better = make_label(reached, facility)
                neighbour = arc_node[arc]
                if reached <= bound_ms and better < min(label[neighbour], own[neighbour]):
                    count = lower(own, touched, count, neighbour, better)
                    size = push(heap_key, heap_node, size, better, neighbour)


@njit(cache=True, nogil=True)
def wipe(label: IntArray, touched: Int32Array, count: int) -> None:
    """Set the labels of the first `count` touched nodes to NONE again.

    Parameters
    ----------
    label
        Labels, shape (nodes,).
    touched
        Nodes whose label was set.
    count
        How many there are.
    """
    for i in range(count):
        label[touched[i]] = NONE
