"""Homes laid out for reading: in the order of the network, with what it costs to leave each edge worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from geo.search.labels import FACILITY_MASK, NONE, part_ms, pick_cost, search_compound
from geo.units import Int32Array, IntArray, UInt32Array
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from geo.reach import Homes, Reach, Seeds, Walk
    from geo.search.desk import Desk

_NO_COST = np.int64(0xFFFFFFFF)
_CLOSED = np.int64(0x7FFFFFFF)
"""What leaving an edge costs where that is not possible: added to any label it lies beyond every bound."""


@dataclass(frozen=True)
class Starts:
    """Linked homes in the order of the nodes they leave to, those outside compounds first, then by compound.

    Attributes
    ----------
    row
        Row of each home, shape (n,).
    node_a, node_b
        Nodes whose labels count for it, shape (n,).
    add_a, add_b
        Milliseconds from the home to these nodes, off-street part included, shape (n,).
    zone, zone_ptr
        Compounds that homes lie in, ascending, and where the homes of each begin, shape (z,) and (z + 1,).
    edge_first
        Place of the first home of each edge, -1 where there is none, shape (edges,).
    home_edge, home_place_mm, home_off_ms
        Links of all homes by row.
    """

    row: Int32Array
    node_a: Int32Array
    node_b: Int32Array
    add_a: Int32Array
    add_b: Int32Array
    zone: Int32Array
    zone_ptr: IntArray
    edge_first: Int32Array
    home_edge: Int32Array
    home_place_mm: IntArray
    home_off_ms: IntArray


def lay_out_starts(walk: Walk, homes: Homes) -> Starts:
    """Return the homes laid out for reading.

    Parameters
    ----------
    walk
        The network as walked.
    homes
        Where walks start.
    """
    links = homes.links
    row = np.flatnonzero(links.is_linked).astype(np.int32)
    edge = links.edge[row].astype(np.int64)
    order = np.argsort((walk.exit_a[edge].astype(np.int64) << 32) | edge)
    zone = homes.zone[row[order]]
    if (zone != OUTSIDE).any():
        by_zone = np.argsort(zone, kind="stable")
        order, zone = order[by_zone], zone[by_zone]
    row = row[order]
    found, begins = np.unique(zone, return_index=True)
    inside = found != OUTSIDE
    count = row.shape[0]
    starts = Starts(
        row=row,
        node_a=np.empty(count, dtype=np.int32),
        node_b=np.empty(count, dtype=np.int32),
        add_a=np.empty(count, dtype=np.int32),
        add_b=np.empty(count, dtype=np.int32),
        zone=found[inside].astype(np.int32),
        zone_ptr=np.append(begins[inside], count).astype(np.int64),
        edge_first=np.full(walk.network.edge_count, -1, dtype=np.int32),
        home_edge=links.edge,
        home_place_mm=links.place_mm,
        home_off_ms=walk.off_ms(links.off_mm),
    )
    lay_out_ends(
        row,
        links.edge,
        links.place_mm,
        starts.home_off_ms,
        walk.exit_a,
        walk.exit_b,
        walk.network.edge_mm,
        walk.cost_ab,
        walk.cost_ba,
        starts.node_a,
        starts.node_b,
        starts.add_a,
        starts.add_b,
        starts.edge_first,
    )
    return starts


@njit(cache=True, nogil=True)
def lay_out_ends(
    row: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    exit_a: Int32Array,
    exit_b: Int32Array,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    edge_first: Int32Array,
) -> None:
    """Work out where each home leaves its edge and what that costs; a cost no bound allows counts as closed.

    Parameters
    ----------
    row
        Rows of linked homes, shape (n,).
    home_edge, home_place_mm, home_off_ms
        Links of all homes by row.
    exit_a, exit_b, edge_mm, cost_ab, cost_ba
        The edges, see :class:`geo.reach.Walk`.
    node_a, node_b, add_a, add_b
        The answers: nodes, and milliseconds to them, shape (n,).
    edge_first
        The answer: place of the first home of each edge; -1 on entry, shape (edges,).
    """
    for i in range(row.shape[0]):
        home = row[i]
        edge = home_edge[home]
        node_a[i] = exit_a[edge]
        node_b[i] = exit_b[edge]
        place, length, off = home_place_mm[home], edge_mm[edge], home_off_ms[home]
        to_a = _CLOSED
        if cost_ba[edge] != _NO_COST:
            to_a = min(part_ms(cost_ba[edge], place, length) + off, _CLOSED)
        to_b = _CLOSED
        if cost_ab[edge] != _NO_COST:
            to_b = min(part_ms(cost_ab[edge], length - place, length) + off, _CLOSED)
        add_a[i] = to_a
        add_b[i] = to_b
        if edge_first[edge] < 0:
            edge_first[edge] = i


def read_starts(walk: Walk, starts: Starts, seeds: Seeds, bound_ms: int, desk: Desk, reach: Reach) -> None:
    """Fill the answers of all homes from the public labels of a desk.

    Parameters
    ----------
    walk, starts, seeds
        What is walked, from where, to what.
    bound_ms
        Longest walk of interest in milliseconds.
    desk
        Its public labels are read, the rest is work space.
    reach
        The answers, -1 everywhere on entry.
    """
    first_inside = int(starts.zone_ptr[0])
    read_public(
        0,
        first_inside,
        starts.row,
        starts.node_a,
        starts.node_b,
        starts.add_a,
        starts.add_b,
        desk.label,
        bound_ms,
        reach.reach_ms,
        reach.facility,
    )
    if starts.zone.shape[0]:
        graph, gates = walk.graph, walk.gates
        heap_key, heap_node = desk.heap(walk, seeds.at_gates.zone.shape[0])
        answer_compounds(
            starts.zone,
            starts.zone_ptr,
            graph.first,
            graph.last,
            graph.arc_node,
            graph.arc_ms,
            gates.ptr,
            gates.from_node,
            gates.to_node,
            gates.ms,
            seeds.at_gates.zone,
            seeds.at_gates.node,
            seeds.at_gates.key,
            starts.row,
            starts.node_a,
            starts.node_b,
            starts.add_a,
            starts.add_b,
            desk.label,
            desk.own,
            desk.own_touched,
            heap_key,
            heap_node,
            bound_ms,
            reach.reach_ms,
            reach.facility,
        )
    meet_on_edges(
        seeds.site_edge,
        seeds.site_place_mm,
        seeds.site_off_ms,
        seeds.site_facility,
        starts.row,
        starts.edge_first,
        starts.home_edge,
        starts.home_place_mm,
        starts.home_off_ms,
        walk.network.edge_mm,
        walk.cost_ab,
        walk.cost_ba,
        bound_ms,
        reach.reach_ms,
        reach.facility,
    )


@njit(cache=True, nogil=True)
def read_public(
    low: int,
    high: int,
    row: Int32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    label: IntArray,
    bound_ms: int,
    reach_ms: Int32Array,
    facility: Int32Array,
) -> None:
    """Fill the answers of the homes from `low` to before `high` from the labels at both ends of their edge.

    Parameters
    ----------
    low, high
        Which homes of :class:`Starts`.
    row, node_a, node_b, add_a, add_b
        See :class:`Starts`.
    label
        Public labels.
    bound_ms
        Longest walk of interest.
    reach_ms, facility
        The answers by row; those beyond the bound are left as they are.
    """
    limit = np.uint64(bound_ms + 1) << np.uint64(32)
    for i in range(low, high):
        # neither NONE nor a closed end nor their sum leaves 64 bits, and all lie beyond the limit
        by_a = np.uint64(label[node_a[i]]) + (np.uint64(add_a[i]) << np.uint64(32))
        by_b = np.uint64(label[node_b[i]]) + (np.uint64(add_b[i]) << np.uint64(32))
        best = min(by_a, by_b)
        if best < limit:
            reach_ms[row[i]] = np.int32(best >> np.uint64(32))
            facility[row[i]] = np.int32(best & np.uint64(FACILITY_MASK))


@njit(cache=True, nogil=True)
def answer_compounds(
    zone: Int32Array,
    zone_ptr: IntArray,
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    gate_ptr: IntArray,
    gate_from: Int32Array,
    gate_to: Int32Array,
    gate_ms: UInt32Array,
    seed_zone: Int32Array,
    seed_node: Int32Array,
    seed_key: IntArray,
    row: Int32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    label: IntArray,
    own: IntArray,
    touched: Int32Array,
    heap_key: IntArray,
    heap_node: Int32Array,
    bound_ms: int,
    reach_ms: Int32Array,
    facility: Int32Array,
) -> None:
    """Fill the answers of the homes inside compounds, whose own residents' gates are open to them.

    Parameters
    ----------
    zone, zone_ptr, row, node_a, node_b, add_a, add_b
        See :class:`Starts`.
    first, last, arc_node, arc_ms
        The graph, see :class:`geo.search.graph.Graph`.
    gate_ptr, gate_from, gate_to, gate_ms
        Residents' gates, see :class:`geo.search.graph.GateArcs`.
    seed_zone, seed_node, seed_key
        Facilities on residents' gates, see :class:`geo.search.seeds.GateSeeds`.
    label
        Public labels; not changed.
    own, touched, heap_key, heap_node
        Work arrays, see :func:`geo.search.labels.search_compound`; `own` is NONE everywhere before and after.
    bound_ms
        Longest walk of interest.
    reach_ms, facility
        The answers by row; those beyond the bound are left as they are.
    """
    until = 0
    for z in range(zone.shape[0]):
        low, high = zone_ptr[z], zone_ptr[z + 1]
        since = until
        while since < seed_zone.shape[0] and seed_zone[since] < zone[z]:
            since += 1
        until = since
        while until < seed_zone.shape[0] and seed_zone[until] == zone[z]:
            until += 1
        begin, end = gate_ptr[zone[z]], gate_ptr[zone[z] + 1]
        count = search_compound(
            first,
            last,
            arc_node,
            arc_ms,
            gate_from[begin:end],
            gate_to[begin:end],
            gate_ms[begin:end],
            seed_node[since:until],
            seed_key[since:until],
            bound_ms,
            node_a[low:high],
            node_b[low:high],
            label,
            own,
            touched,
            heap_key,
            heap_node,
        )
        _read_own(low, high, row, node_a, node_b, add_a, add_b, label, own, bound_ms, reach_ms, facility)
        for t in range(count):
            own[touched[t]] = NONE


@njit(cache=True, nogil=True)
def _read_own(
    low: int,
    high: int,
    row: Int32Array,
    node_a: Int32Array,
    node_b: Int32Array,
    add_a: Int32Array,
    add_b: Int32Array,
    label: IntArray,
    own: IntArray,
    bound_ms: int,
    reach_ms: Int32Array,
    facility: Int32Array,
) -> None:
    """Do as :func:`read_public` with the better of the public label and the compound's own."""
    limit = np.uint64(bound_ms + 1) << np.uint64(32)
    for i in range(low, high):
        a = min(label[node_a[i]], own[node_a[i]])
        b = min(label[node_b[i]], own[node_b[i]])
        by_a = np.uint64(a) + (np.uint64(add_a[i]) << np.uint64(32))
        by_b = np.uint64(b) + (np.uint64(add_b[i]) << np.uint64(32))
        best = min(by_a, by_b)
        if best < limit:
            reach_ms[row[i]] = np.int32(best >> np.uint64(32))
            facility[row[i]] = np.int32(best & np.uint64(FACILITY_MASK))


@njit(cache=True, nogil=True)
def meet_on_edges(
    site_edge: Int32Array,
    site_place_mm: IntArray,
    site_off_ms: IntArray,
    site_facility: Int32Array,
    row: Int32Array,
    edge_first: Int32Array,
    home_edge: Int32Array,
    home_place_mm: IntArray,
    home_off_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    bound_ms: int,
    reach_ms: Int32Array,
    facility: Int32Array,
) -> None:
    """Better the answers of homes that have a facility on their own edge, walked to along it.

    Parameters
    ----------
    site_edge, site_place_mm, site_off_ms, site_facility
        Entrances of facilities.
    row, edge_first, home_edge, home_place_mm, home_off_ms
        See :class:`Starts`.
    edge_mm, cost_ab, cost_ba
        The network's edges.
    bound_ms
        Longest walk of interest.
    reach_ms, facility
        The answers by row.
    """
    for s in range(site_edge.shape[0]):
        edge = site_edge[s]
        i = edge_first[edge]
        if i < 0:
            continue
        while i < row.shape[0] and home_edge[row[i]] == edge:
            home = row[i]
            i += 1
            along = site_place_mm[s] - home_place_mm[home]
            cost = pick_cost(along, cost_ab[edge], cost_ba[edge])
            if cost == _NO_COST:
                continue
            total = part_ms(cost, abs(along), edge_mm[edge]) + site_off_ms[s] + home_off_ms[home]
            if total <= bound_ms and _is_better(total, site_facility[s], reach_ms[home], facility[home]):
                reach_ms[home] = total
                facility[home] = site_facility[s]


@njit(cache=True, nogil=True)
def _is_better(ms: int, facility: int, old_ms: int, old_facility: int) -> bool:
    """Return whether an answer beats another, which may be missing (-1)."""
    return old_ms < 0 or ms < old_ms or (ms == old_ms and facility < old_facility)
