"""Kernel that follows the own labels of all compounds out of them."""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.labels import NONE, search_compound
from geo.units import Int32Array, IntArray, UInt32Array


@njit(cache=True, nogil=True)
def list_leaks(
    zone: int,
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    gate_ptr: IntArray,
    gate_from: Int32Array,
    gate_to: Int32Array,
    gate_ms: UInt32Array,
    seed_ptr: IntArray,
    seed_node: Int32Array,
    seed_key: IntArray,
    row_first: Int32Array,
    row_last: Int32Array,
    row_edge: Int32Array,
    edge_zone: Int32Array,
    bound_ms: int,
    label: IntArray,
    own: IntArray,
    touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
    leak_node: Int32Array,
    leak_zone: Int32Array,
) -> tuple[int, int]:
    """List the nodes with ways outside a compound to which its own labels lead, for one compound after the other.

    Parameters
    ----------
    zone
        Compound to begin with.
    first, last, arc_node, arc_ms, bound_ms, label, own, touched, heap_key, heap_node
        As in :func:`geo.search.labels.search_compound`.
    gate_ptr, gate_from, gate_to, gate_ms
        Residents' gates, see :class:`geo.search.graph.GateArcs`.
    seed_ptr, seed_node, seed_key
        Labels that start outside residents' gates, by compound.
    row_first, row_last, row_edge
        Edges by node.
    edge_zone
        Compound number of each edge, -1 outside.
    leak_node, leak_zone
        The answer, at least as long as there are nodes.

    Returns
    -------
    tuple
        The compound to go on with, and how many entries of the answer are filled: it ends before a compound whose
        nodes might find no room.
    """
    nobody = np.empty(0, dtype=np.int32)
    found = 0
    while zone < gate_ptr.shape[0] - 1:
        begin, end = gate_ptr[zone], gate_ptr[zone + 1]
        count = search_compound(
            first,
            last,
            arc_node,
            arc_ms,
            gate_from[begin:end],
            gate_to[begin:end],
            gate_ms[begin:end],
            seed_node[seed_ptr[zone] : seed_ptr[zone + 1]],
            seed_key[seed_ptr[zone] : seed_ptr[zone + 1]],
            bound_ms,
            nobody,
            nobody,
            label,
            own,
            touched,
            heap_key,
            heap_node,
        )
        for t in range(count):
            own[touched[t]] = NONE
        if found + count > leak_node.shape[0]:
            return zone, found
        for t in range(count):
            node = touched[t]
            for at in range(row_first[node], row_last[node]):
                if edge_zone[row_edge[at]] != zone:
                    leak_node[found] = node
                    leak_zone[found] = zone
                    found += 1
                    break
        zone += 1
    return zone, found
