"""Kernel of catchments: the homes around facilities, read off one search for sixteen of them at a time.

Homes are found as bits by the nodes they leave to, and read in the order of their rows, so no catchment has to be
sorted. What counts for one facility alone (homes on its own edge, and compounds whose gates it comes to) is worked out
apart and joined.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.abreast import lift_lane, search_abreast, set_bit, take_bits
from geo.search.bits import count_lanes, fill_lanes, pull_lanes, sink_lanes
from geo.search.labels import part_ms, pick_cost, search_compound, wipe
from geo.search.lanes import LANES, LaneArray
from geo.search.rows import write_rows
from geo.search.sweeps import Words
from geo.units import Int32Array, IntArray, UInt32Array

_NO_COST = np.int64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def _find_homes(
    nodes: Int32Array,
    home_ptr: Int32Array,
    home_at: Int32Array,
    gate_ptr: Int32Array,
    found: Words,
    found_top: Words,
    doors: Int32Array,
) -> int:
    """Find the homes that leave to some nodes, and list the nodes with residents' gates; return how many those are."""
    count = 0
    for t in range(nodes.shape[0]):
        node = nodes[t]
        # a public way is open to homes inside compounds, too: their own gates may better it later
        for i in range(home_ptr[node], home_ptr[node + 1]):
            set_bit(found, found_top, home_at[i])
        if gate_ptr[node] < gate_ptr[node + 1]:
            doors[count] = node
            count += 1
    return count


@njit(cache=True, nogil=True)
def _note(
    home: int,
    lane: int,
    ms: int,
    beyond: int,
    slot: Int32Array,
    slot_home: Int32Array,
    used: int,
    extra: LaneArray,
    found: Words,
    found_top: Words,
) -> int:
    """Note a way to a home that one facility alone has, and return how many homes have such ways now."""
    if ms >= beyond:
        return used
    if slot[home] < 0:
        slot[home] = used
        slot_home[used] = home
        fill_lanes(extra, np.int64(used), np.uint32(beyond))
        set_bit(found, found_top, home)
        used += 1
    at = slot[home]
    if ms < np.int64(extra[at, lane]):
        extra[at, lane] = ms
    return used


@njit(cache=True, nogil=True)
def _meet(
    lane: int,
    low: int,
    high: int,
    site_edge: Int32Array,
    site_place_mm: IntArray,
    site_off_ms: IntArray,
    exit_a: Int32Array,
    row: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    home_ptr: Int32Array,
    home_at: Int32Array,
    beyond: int,
    slot: Int32Array,
    slot_home: Int32Array,
    used: int,
    extra: LaneArray,
    found: Words,
    found_top: Words,
) -> int:
    """Note the homes on the edges where a facility stands, walked to along the edge."""
    for s in range(low, high):
        edge = site_edge[s]
        for i in range(home_ptr[exit_a[edge]], home_ptr[exit_a[edge] + 1]):
            home = row[home_at[i]]
            if home_edge[home] != edge:
                continue
            along = site_place_mm[s] - home_place_mm[home]
            cost = pick_cost(along, cost_ab[edge], cost_ba[edge])
            if cost != _NO_COST:
                ms = part_ms(cost, abs(along), edge_mm[edge]) + site_off_ms[s] + home_off_ms[home]
                used = _note(home_at[i], lane, ms, beyond, slot, slot_home, used, extra, found, found_top)
    return used


@njit(cache=True, nogil=True)
def _list_zones(
    lane: int,
    turn: int,
    doors: Int32Array,
    gate_ptr: Int32Array,
    gate_zone: Int32Array,
    at_gate_zone: Int32Array,
    zone_ptr: IntArray,
    beyond: int,
    lanes: LaneArray,
    mark: IntArray,
    zones: Int32Array,
) -> int:
    """List the compounds with homes to whose gates a facility comes or on whose gates it stands."""
    size = 0
    for d in range(doors.shape[0]):
        if np.int64(lanes[doors[d], lane]) >= beyond:
            continue
        for g in range(gate_ptr[doors[d]], gate_ptr[doors[d] + 1]):
            zone = gate_zone[g]
            if mark[zone] != turn:
                mark[zone] = turn
                zones[size] = zone
                size += 1
    for s in range(at_gate_zone.shape[0]):
        zone = at_gate_zone[s]
        if mark[zone] != turn and zone_ptr[zone] < zone_ptr[zone + 1]:
            mark[zone] = turn
            zones[size] = zone
            size += 1
    return size


@njit(cache=True, nogil=True)
def _read_zones(
    lane: int,
    zones: Int32Array,
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
    zone_ptr: IntArray,
    zone_home: Int32Array,
    zone_node_a: Int32Array,
    zone_node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    bound_ms: int,
    label: IntArray,
    own: IntArray,
    own_touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
    slot: Int32Array,
    slot_home: Int32Array,
    used: int,
    extra: LaneArray,
    found: Words,
    found_top: Words,
) -> int:
    """Note the homes of some compounds, which pass their own gates."""
    for z in range(zones.shape[0]):
        begin, end = zone_ptr[zones[z]], zone_ptr[zones[z] + 1]
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
            zone_node_a[begin:end],
            zone_node_b[begin:end],
            label,
            own,
            own_touched,
            heap_key,
            heap_node,
        )
        for i in range(begin, end):
            home, a, b = zone_home[i], zone_node_a[i], zone_node_b[i]
            # NONE is more than any bound
            by_a = (min(label[a], own[a]) >> 32) + np.int64(add_a[home])
            by_b = (min(label[b], own[b]) >> 32) + np.int64(add_b[home])
            ms = min(by_a, by_b)
            used = _note(home, lane, ms, bound_ms + 1, slot, slot_home, used, extra, found, found_top)
        wipe(own, own_touched, entered)
    return used


@njit(cache=True, nogil=True)
def _clear(lanes: LaneArray, nodes: Int32Array, beyond: int, slot: Int32Array, homes: Int32Array) -> None:
    """Forget what a group reached."""
    for t in range(nodes.shape[0]):
        fill_lanes(lanes, np.int64(nodes[t]), np.uint32(beyond))
    for k in range(homes.shape[0]):
        slot[homes[k]] = -1


@njit(cache=True, nogil=True)
def _pick_best(
    candidates: int,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    lanes: LaneArray,
    slot: Int32Array,
    extra: LaneArray,
    beyond: int,
    best_home: Int32Array,
    best: LaneArray,
    counts: LaneArray,
) -> int:
    """Work out the milliseconds of the homes listed in `best_home`, keep those in reach, return how many they are."""
    count = 0
    counts[:] = 0
    for k in range(candidates):
        i = best_home[k]
        a, b, at = np.int64(node_a[i]), np.int64(node_b[i]), np.int64(count)
        pull_lanes(lanes, a, b, np.uint32(add_a[i]), np.uint32(add_b[i]), best, at)
        if slot[i] >= 0:
            sink_lanes(best, at, extra, np.int64(slot[i]))
        best_home[count] = i
        count += int(count_lanes(best, at, np.uint32(beyond), counts))
    return count


@njit(cache=True, nogil=True)
def catch_homes(
    low: int,
    high: int,
    size: IntArray,
    home: Int32Array,
    ms: Int32Array,
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
    exit_a: Int32Array,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    row: Int32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    home_ptr: Int32Array,
    home_at: Int32Array,
    gate_ptr: Int32Array,
    gate_zone: Int32Array,
    zone_ptr: IntArray,
    zone_home: Int32Array,
    zone_node_a: Int32Array,
    zone_node_b: Int32Array,
    bound_ms: int,
    lanes: LaneArray,
    waiting: Words,
    waiting_top: Words,
    seen: Words,
    seen_top: Words,
    found: Words,
    found_top: Words,
    reached: Int32Array,
    label: IntArray,
    own: IntArray,
    own_touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
    best: LaneArray,
    best_home: Int32Array,
    slot: Int32Array,
    slot_home: Int32Array,
    extra: LaneArray,
    mark: IntArray,
    zones: Int32Array,
    doors: Int32Array,
) -> int:
    """Fill the homes within the bound of each facility of a chunk.

    Parameters
    ----------
    low, high
        Which facilities, by their place in the list of seeds.
    size
        The answer: how many homes each of these facilities has.
    home, ms
        The answer: rows of homes, ascending within a facility, and their milliseconds, facility after facility. There
        must be room for one more than are found.
    first, last, arc_node, arc_ms
        The graph, see :class:`geo.search.graph.Graph`.
    own_gate_ptr, gate_from, gate_to, gate_ms
        Residents' gates, see :class:`geo.search.graph.GateArcs`.
    seed_ptr, seed_node, seed_ms, site_ptr, site_edge, site_place_mm, site_off_ms
        Where each facility enters the network, see :class:`geo.search.seeds.SeedsEach`.
    at_gate_ptr, at_gate_zone, at_gate_node, at_gate_key
        Where those on residents' gates enter it from outside, likewise.
    exit_a, edge_mm, cost_ab, cost_ba
        The edges, see :class:`geo.reach.Walk`.
    row, node_a, node_b, add_a, add_b
        The linked homes: their rows, ascending, and where they leave to, see :func:`geo.search.starts.lay_out_ends`.
    home_edge, home_place_mm, home_off_ms
        Links of all homes by row.
    home_ptr, home_at
        Homes by the nodes they leave to, see :func:`geo.search.rows.list_homes`.
    gate_ptr, gate_zone
        Compounds with homes by the nodes from which their residents' gates carry labels on.
    zone_ptr, zone_home, zone_node_a, zone_node_b
        Homes by compound, and the nodes they leave to.
    bound_ms
        Longest walk of interest.
    lanes
        Work array: a cost for each node and facility of a group, bound_ms + 1 before and after, shape (nodes, 16).
    waiting, waiting_top, seen, seen_top, found, found_top
        Work arrays: sets of nodes and of homes, empty before and after.
    reached, label, own, own_touched, heap_key, heap_node
        Work arrays of the searches; labels are NONE before and after.
    best, best_home, slot, slot_home, extra
        Work arrays, one row a home; `slot` is -1 before and after.
    mark, zones, doors
        Work arrays, one place a compound and one a node with gates; the last one of `mark` counts.

    Returns
    -------
    int
        The first facility that was not done, because there was no more room; `high` where all were.
    """
    total = 0
    beyond = bound_ms + 1
    at = np.zeros(LANES, dtype=np.int64)
    counts = np.zeros((1, LANES), dtype=np.uint32)
    for start in range(low, high, LANES):
        end = min(start + LANES, high)
        nodes = search_abreast(
            start,
            end,
            first,
            last,
            arc_node,
            arc_ms,
            seed_ptr,
            seed_node,
            seed_ms,
            bound_ms,
            lanes,
            waiting,
            waiting_top,
            seen,
            seen_top,
            reached,
            label,
            heap_key,
            heap_node,
        )
        door_count = _find_homes(reached[:nodes], home_ptr, home_at, gate_ptr, found, found_top, doors)
        used = 0
        for f in range(start, end):
            used = _meet(
                f - start,
                site_ptr[f],
                site_ptr[f + 1],
                site_edge,
                site_place_mm,
                site_off_ms,
                exit_a,
                row,
                home_edge,
                home_place_mm,
                home_off_ms,
                edge_mm,
                cost_ab,
                cost_ba,
                home_ptr,
                home_at,
                beyond,
                slot,
                slot_home,
                used,
                extra,
                found,
                found_top,
            )
            at_gates = slice(at_gate_ptr[f], at_gate_ptr[f + 1])
            mark[-1] += 1
            apart = _list_zones(
                f - start,
                mark[-1],
                doors[:door_count],
                gate_ptr,
                gate_zone,
                at_gate_zone[at_gates],
                zone_ptr,
                beyond,
                lanes,
                mark,
                zones,
            )
            if apart == 0:
                continue
            lift_lane(f - start, reached[:nodes], beyond, lanes, label)
            used = _read_zones(
                f - start,
                zones[:apart],
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
                zone_ptr,
                zone_home,
                zone_node_a,
                zone_node_b,
                add_a,
                add_b,
                bound_ms,
                label,
                own,
                own_touched,
                heap_key,
                heap_node,
                slot,
                slot_home,
                used,
                extra,
                found,
                found_top,
            )
            wipe(label, reached, nodes)
        count = take_bits(found, found_top, best_home)
        count = _pick_best(count, node_a, node_b, add_a, add_b, lanes, slot, extra, beyond, best_home, best, counts)
        _clear(lanes, reached[:nodes], beyond, slot, slot_home[:used])
        after = total
        for lane in range(LANES):
            at[lane] = after
            after = int(after + np.int64(counts[0, lane]))
        if after >= home.shape[0]:
            return start
        write_rows(count, row, best_home, best, beyond, at, after, home, ms)
        for f in range(start, end):
            size[f - low] = counts[0, f - start]
        total = after
    return high
