"""Kernel of catchments: one small search a facility, and the homes around it read off and wiped."""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.buckets import search_buckets
from geo.search.labels import part_ms, pick_cost, search_compound, search_in_order, wipe
from geo.units import Int32Array, IntArray, UInt32Array

_NO_COST = np.int64(0xFFFFFFFF)


@njit(cache=True, nogil=True, inline="always")
def _note(home: int, ms: np.int64, beyond: int, best: Int32Array, found: Int32Array, count: int) -> int:
    """Lower the time of a home and return how many homes are found now; no branches, none could be predicted."""
    known = np.int64(best[home])
    best[home] = min(known, ms)
    found[count] = home
    return int(count + ((known == beyond) & (ms < known)))


@njit(cache=True, nogil=True, inline="always")
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
def _add_zones(
    low: int, high: int, seed_zone: Int32Array, turn: int, mark: Int32Array, zones: Int32Array, size: int
) -> int:
    """List those compounds, too, on whose residents' gates the facility stands and return how many there are."""
    for s in range(low, high):
        if mark[seed_zone[s]] != turn:
            mark[seed_zone[s]] = turn
            zones[size] = seed_zone[s]
            size += 1
    return size


@njit(cache=True, nogil=True)
def _read_at(
    nodes: Int32Array,
    home_ptr: Int32Array,
    home_at: IntArray,
    label: IntArray,
    beyond: int,
    best: Int32Array,
    found: Int32Array,
) -> int:
    """Note the homes that leave to some nodes, by either end of their edge, and return how many there are."""
    count = 0
    for n in range(nodes.shape[0]):
        node = nodes[n]
        cost = label[node] >> 32
        for i in range(home_ptr[node], home_ptr[node + 1]):
            ms = cost + (home_at[i] & 0xFFFFFFFF)
            count = _note(home_at[i] >> 32, ms, beyond, best, found, count)
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
    beyond: int,
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
            cost = pick_cost(along, cost_ab[edge], cost_ba[edge])
            if cost != _NO_COST:
                ms = part_ms(cost, abs(along), edge_mm[edge]) + site_off_ms[s] + home_off_ms[row[i]]
                count = _note(i, ms, beyond, best, found, count)
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
    seed_zone: Int32Array,
    seed_node: Int32Array,
    seed_key: IntArray,
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
        mine = slice(np.searchsorted(seed_zone, zones[z]), np.searchsorted(seed_zone, zones[z], side="right"))
        entered = search_compound(
            first,
            last,
            arc_node,
            arc_ms,
            gate_from[gates],
            gate_to[gates],
            gate_ms[gates],
            seed_node[mine],
            seed_key[mine],
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
            count = _note(home, min(by_a, by_b), bound_ms + 1, best, found, count)
        wipe(own, own_touched, entered)
    return count


@njit(cache=True, nogil=True)
def _emit(
    row: Int32Array, beyond: int, best: Int32Array, found: Int32Array, count: int, pair: IntArray, total: int
) -> bool:
    """Write down the homes found and wipe their times; return whether there was room."""
    fits = total + count <= pair.shape[0]
    for i in range(count):
        if fits:
            pair[total + i] = (np.int64(row[found[i]]) << 32) | np.int64(best[found[i]])
        best[found[i]] = beyond
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
    at_gate_ptr: IntArray,
    at_gate_zone: Int32Array,
    at_gate_node: Int32Array,
    at_gate_key: IntArray,
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
    home_ptr: Int32Array,
    home_at: IntArray,
    gate_ptr: Int32Array,
    gate_zone: Int32Array,
    zone_low: Int32Array,
    zone_high: Int32Array,
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
        The graph, see :class:`geo.search.graph.Graph`.
    own_gate_ptr, gate_from, gate_to, gate_ms
        Residents' gates, see :class:`geo.search.graph.GateArcs`.
    seed_ptr, seed_node, seed_ms, site_ptr, site_edge, site_place_mm, site_off_ms
        Where each facility enters the network, see :class:`geo.search.seeds.SeedsEach`.
    at_gate_ptr, at_gate_zone, at_gate_node, at_gate_key
        Where those on residents' gates enter it from outside, likewise.
    row, node_a, node_b, add_a, add_b, edge_first, home_edge, home_place_mm, home_off_ms
        The homes, see :class:`geo.search.starts.Starts`.
    edge_mm, cost_ab, cost_ba
        The network's edges.
    home_ptr, home_at, gate_ptr, gate_zone, zone_low, zone_high
        What stands at each node, see ``geo.catchments``.
    bound_ms, width
        Longest walk of interest, and the width of buckets as a power of two.
    label, own, touched, own_touched, head, following, waiting, heap_key, heap_node
        Work arrays of the searches.
    best, found, mark, zones
        Work arrays: a time for each home, bound_ms + 1 before and after; homes found, room for one more than there are;
        a mark and a list of compounds, none marked with a facility of this chunk.

    Returns
    -------
    int
        The first facility that was not done, because there was no more room in `pair`; `high` where all were.
    """
    total = 0
    beyond = bound_ms + 1
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
        at_gates = slice(at_gate_ptr[f], at_gate_ptr[f + 1])
        apart = _add_zones(at_gate_ptr[f], at_gate_ptr[f + 1], at_gate_zone, f, mark, zones, apart)
        # a public way is open to homes inside compounds, too: their own gates may better it below
        count = _read_at(touched[:reached], home_ptr, home_at, label, beyond, best, found)
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
            at_gate_zone[at_gates],
            at_gate_node[at_gates],
            at_gate_key[at_gates],
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
            beyond,
            best,
            found,
            count,
        )
        wipe(label, touched, reached)
        if not _emit(row, beyond, best, found, count, pair, total):
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


@njit(cache=True, nogil=True)
def list_homes(
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    home_ptr: Int32Array,
    home_at: IntArray,
) -> None:
    """List homes by the nodes they leave to.

    Parameters
    ----------
    node_a, node_b, add_a, add_b
        The homes, see :class:`geo.search.starts.Starts`.
    home_ptr
        0 on entry; the answer: homes of node ``u`` stand from ``home_ptr[u]`` to before ``home_ptr[u + 1]``,
        shape (nodes + 1,).
    home_at
        The answer: place of the home << 32 | milliseconds from it to the node, each home at both of its nodes.
    """
    for i in range(node_a.shape[0]):
        home_ptr[node_a[i]] += 1
        home_ptr[node_b[i]] += 1
    for node in range(1, home_ptr.shape[0]):
        home_ptr[node] += home_ptr[node - 1]
    # filled from the back, so that each row ends up where it begins
    for i in range(node_a.shape[0] - 1, -1, -1):
        home_ptr[node_b[i]] -= 1
        home_at[home_ptr[node_b[i]]] = (np.int64(i) << 32) | np.int64(add_b[i])
        home_ptr[node_a[i]] -= 1
        home_at[home_ptr[node_a[i]]] = (np.int64(i) << 32) | np.int64(add_a[i])


@njit(cache=True, nogil=True)
def place_rows(
    ptr: IntArray,
    number: IntArray,
    part_home: Int32Array,
    part_ms: Int32Array,
    to: IntArray,
    home: Int32Array,
    ms: Int32Array,
) -> None:
    """Copy the rows of a chunk to where they belong.

    Parameters
    ----------
    ptr, part_home, part_ms
        The rows.
    number
        Which row of the whole each of them is.
    to
        Where each row of the whole begins.
    home, ms
        The whole.
    """
    for i in range(number.shape[0]):
        at = to[number[i]]
        for k in range(ptr[i], ptr[i + 1]):
            home[at] = part_home[k]
            ms[at] = part_ms[k]
            at += 1
