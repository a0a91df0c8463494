"""Kernel of catchments: one small search a facility, and the homes around it read off and wiped."""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.buckets import search_buckets
from geo.search import part_ms, search_compound, search_in_order, wipe
from geo.units import Int32Array, IntArray, UInt32Array

_NO_COST = np.int64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def _note(home: int, ms: np.int64, bound_ms: int, best: Int32Array, found: Int32Array, count: int) -> int:
    """Lower the time of a home and return how many homes are found now."""
    if ms > bound_ms:
        return count
    if best[home] < 0:
        found[count] = home
        count += 1
        best[home] = ms
    elif ms < best[home]:
        best[home] = ms
    return count


@njit(cache=True, nogil=True)
def _time_of(label: IntArray, own: IntArray, node: int, add: int) -> np.int64:
    """Return the milliseconds of a home that leaves to a node."""
    key = min(label[node], own[node])
    # NONE is more than any bound
    return np.int64((key >> 32) + np.int64(add))


@njit(cache=True, nogil=True)
def _find_zones(
    touched: Int32Array,
    count: int,
    gate_ptr: Int32Array,
    gate_zone: Int32Array,
    turn: int,
    mark: Int32Array,
    zones: Int32Array,
) -> int:
    """List the compounds with a residents' gate at one of the touched nodes and return how many there are."""
    size = 0
    for t in range(count):
        node = touched[t]
        for g in range(gate_ptr[node], gate_ptr[node + 1]):
            zone = gate_zone[g]
            if mark[zone] != turn:
                mark[zone] = turn
                zones[size] = zone
                size += 1
    return size


@njit(cache=True, nogil=True)
def _read_at(
    nodes: Int32Array,
    ptr: Int32Array,
    home_at: Int32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    home_zone: Int32Array,
    turn: int,
    mark: Int32Array,
    label: IntArray,
    own: IntArray,
    bound_ms: int,
    best: Int32Array,
    found: Int32Array,
    count: int,
) -> int:
    """Note the homes that leave to some nodes, but for those in compounds that are searched apart."""
    for n in range(nodes.shape[0]):
        for i in range(ptr[nodes[n]], ptr[nodes[n] + 1]):
            home = home_at[i]
            zone = home_zone[home]
            if best[home] >= 0 or (zone >= 0 and mark[zone] == turn):
                continue
            ms = min(_time_of(label, own, node_a[home], add_a[home]), _time_of(label, own, node_b[home], add_b[home]))
            count = _note(home, ms, bound_ms, best, found, count)
    return count


@njit(cache=True, nogil=True)
def _meet(
    low: int,
    high: int,
    site_edge: Int32Array,
    site_place_mm: IntArray,
    site_off_ms: IntArray,
    row: Int32Array,
    edge_first: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    bound_ms: int,
    best: Int32Array,
    found: Int32Array,
    count: int,
) -> int:
    """Note the homes on the edges where the facility stands, walked to along the edge."""
    for s in range(low, high):
        edge = site_edge[s]
        i = edge_first[edge]
        while 0 <= i < row.shape[0] and home_edge[row[i]] == edge:
            along = site_place_mm[s] - home_place_mm[row[i]]
            cost = cost_ab[edge] if along >= 0 else cost_ba[edge]
            if cost != _NO_COST:
                ms = part_ms(cost, abs(along), edge_mm[edge]) + site_off_ms[s] + home_off_ms[row[i]]
                count = _note(i, ms, bound_ms, best, found, count)
            i += 1
    return count


@njit(cache=True, nogil=True)
def _read_zones(
    zones: Int32Array,
    zone_low: Int32Array,
    zone_high: Int32Array,
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    own_gate_ptr: IntArray,
    gate_from: Int32Array,
    gate_to: Int32Array,
    gate_ms: UInt32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    bound_ms: int,
    label: IntArray,
    own: IntArray,
    own_touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
    best: Int32Array,
    found: Int32Array,
    count: int,
) -> int:
    """Note the homes of some compounds, which pass their own gates."""
    for z in range(zones.shape[0]):
        begin, end = zone_low[zones[z]], zone_high[zones[z]]
        if begin == end:
            continue
        gates = slice(own_gate_ptr[zones[z]], own_gate_ptr[zones[z] + 1])
        entered = search_compound(
            first,
            last,
            arc_node,
            arc_ms,
            gate_from[gates],
            gate_to[gates],
            gate_ms[gates],
            bound_ms,
            node_a[begin:end],
            node_b[begin:end],
            label,
            own,
            own_touched,
            heap_key,
            heap_node,
        )
        for home in range(begin, end):
            by_a = _time_of(label, own, node_a[home], add_a[home])
            by_b = _time_of(label, own, node_b[home], add_b[home])
            count = _note(home, min(by_a, by_b), bound_ms, best, found, count)
        wipe(own, own_touched, entered)
    return count


@njit(cache=True, nogil=True)
def _emit(row: Int32Array, best: Int32Array, found: Int32Array, count: int, pair: IntArray, total: int) -> bool:
    """Write down the homes found and wipe their times; return whether there was room."""
    fits = total + count <= pair.shape[0]
    for i in range(count):
        if fits:
            pair[total + i] = (np.int64(row[found[i]]) << 32) | np.int64(best[found[i]])
        best[found[i]] = -1
    return bool(fits)


@njit(cache=True, nogil=True)
def catch_homes(
    low: int,
    high: int,
    size: IntArray,
    pair: IntArray,
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    own_gate_ptr: IntArray,
    gate_from: Int32Array,
    gate_to: Int32Array,
    gate_ms: UInt32Array,
    seed_ptr: IntArray,
    seed_node: Int32Array,
    seed_ms: IntArray,
    site_ptr: IntArray,
    site_edge: Int32Array,
    site_place_mm: IntArray,
    site_off_ms: IntArray,
    row: Int32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    edge_first: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    a_ptr: Int32Array,
    a_home: Int32Array,
    b_ptr: Int32Array,
    b_home: Int32Array,
    gate_ptr: Int32Array,
    gate_zone: Int32Array,
    zone_low: Int32Array,
    zone_high: Int32Array,
    home_zone: Int32Array,
    bound_ms: int,
    width: int,
    label: IntArray,
    own: IntArray,
    touched: Int32Array,
    own_touched: Int32Array,
    head: Int32Array,
    following: Int32Array,
    waiting: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
    best: Int32Array,
    found: Int32Array,
    mark: Int32Array,
    zones: Int32Array,
) -> int:
    """Fill the homes within the bound of each facility of a chunk.

    Parameters
    ----------
    low, high
        Which facilities, by their place in the list asked for.
    size
        The answer: how many homes each of these facilities has.
    pair
        The answer: home row << 32 | milliseconds, facility after facility, unsorted within one.
    first, last, arc_node, arc_ms
        The graph, see :class:`geo.graph.Graph`.
    own_gate_ptr, gate_from, gate_to, gate_ms
        Residents' gates, see :class:`geo.graph.GateArcs`.
    seed_ptr, seed_node, seed_ms, site_ptr, site_edge, site_place_mm, site_off_ms
        Where each facility enters the network, see :class:`geo.reach.SeedsEach`.
    row, node_a, node_b, add_a, add_b, edge_first, home_edge, home_place_mm, home_off_ms
        The homes, see :class:`geo.starts.Starts`.
    edge_mm, cost_ab, cost_ba
        The network's edges.
    a_ptr, a_home, b_ptr, b_home, gate_ptr, gate_zone, zone_low, zone_high, home_zone
        What stands at each node, see ``geo.catchments``.
    bound_ms, width
        Longest walk of interest, and the width of buckets as a power of two.
    label, own, touched, own_touched, head, following, waiting, heap_key, heap_node
        Work arrays of the searches.
    best, found, mark, zones
        Work arrays: a time for each home, -1 before and after; homes found; a mark and a list of compounds, none marked
        with a facility of this chunk.

    Returns
    -------
    int
        The first facility that was not done, because there was no more room in `pair`; `high` where all were.
    """
    total = 0
    no_facility = np.zeros(1, dtype=np.int32)
    for f in range(low, high):
        begin, end = seed_ptr[f], seed_ptr[f + 1]
        if no_facility.shape[0] < end - begin:
            no_facility = np.zeros(end - begin, dtype=np.int32)
        seeds = (seed_node[begin:end], seed_ms[begin:end], no_facility[: end - begin])
        reached = search_buckets(
            first, last, arc_node, arc_ms, *seeds, bound_ms, width, label, touched, head, following, waiting
        )
        if reached < 0:
            wipe(label, touched, -1 - reached)
            reached = search_in_order(
                first, last, arc_node, arc_ms, *seeds, bound_ms, label, touched, heap_key, heap_node
            )
        apart = _find_zones(touched, reached, gate_ptr, gate_zone, f, mark, zones)
        count = 0
        for by_a in range(2):
            count = _read_at(
                touched[:reached],
                a_ptr if by_a else b_ptr,
                a_home if by_a else b_home,
                node_a,
                node_b,
                add_a,
                add_b,
                home_zone,
                f,
                mark,
                label,
                own,
                bound_ms,
                best,
                found,
                count,
            )
        count = _read_zones(
            zones[:apart],
            zone_low,
            zone_high,
            first,
            last,
            arc_node,
            arc_ms,
            own_gate_ptr,
            gate_from,
            gate_to,
            gate_ms,
            node_a,
            node_b,
            add_a,
            add_b,
            bound_ms,
            label,
            own,
            own_touched,
            heap_key,
            heap_node,
            best,
            found,
            count,
        )
        count = _meet(
            site_ptr[f],
            site_ptr[f + 1],
            site_edge,
            site_place_mm,
            site_off_ms,
            row,
            edge_first,
            home_edge,
            home_place_mm,
            home_off_ms,
            edge_mm,
            cost_ab,
            cost_ba,
            bound_ms,
            best,
            found,
            count,
        )
        wipe(label, touched, reached)
        if not _emit(row, best, found, count, pair, total):
            mark[zones[:apart]] = -1
            return f
        size[f - low] = count
        total += count
    return high


@njit(cache=True, nogil=True)
def split_pairs(pair: IntArray, home: Int32Array, ms: Int32Array) -> None:
    """Take apart pairs of home row << 32 | milliseconds.

    Parameters
    ----------
    pair
        Pairs; as many are taken as there is room for.
    home, ms
        The answer.
    """
    for i in range(home.shape[0]):
        home[i] = pair[i] >> 32
        ms[i] = pair[i] & 0xFFFFFFFF
