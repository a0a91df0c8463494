"""Entrances of one type as they stand on the streets, and the work arrays its labels are repaired with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geo.search.labels import FACILITY_BITS, FACILITY_MASK, NONE, search_compound, wipe
from geo.search.seeds import GateSeeds
from geo.units import NO_COST, Int32Array, IntArray, UInt32Array
from geo.whatif import repair, repair_rows
from geo.whatif.patch_index import is_among, spread_ranges

if TYPE_CHECKING:
    from geo.link import Entrances
    from geo.whatif.patch_work import Arcs, Patchwork


_NO_NODES = np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class SitesOn:
    """Entrances of one type's facilities, by edge, and the labels they start.

    Attributes
    ----------
    edge, mm, off_ms, facility
        Where each entrance stands, what it costs to leave the street there, and whose it is, shape (k,).
    seed_node, seed_key, seed_facility
        Nodes with the labels that facilities start there, shape (s,).
    at_gates
        Those that start outside residents' gates, for the homes behind them alone.
    """

    edge: Int32Array
    mm: IntArray
    off_ms: IntArray
    facility: Int32Array
    seed_node: Int32Array
    seed_key: IntArray
    seed_facility: Int32Array
    at_gates: GateSeeds


def _part(cost: UInt32Array, place_mm: IntArray, length_mm: IntArray) -> IntArray:
    """Return :func:`geo.search.labels.part_ms` for arrays."""
    whole = np.maximum(length_mm, 1)
    return np.where(length_mm == 0, 0, (cost.astype(np.int64) * place_mm + whole // 2) // whole)


def lay_sites(work: Patchwork, entrances: Entrances, facility: Int32Array, off_ms: IntArray, bound_ms: int) -> SitesOn:
    """Return the entrances of some facilities as they stand on the streets now.

    Parameters
    ----------
    work
        The walk as it is.
    entrances
        Entrances of all facilities.
    facility
        Rows of the facilities wanted.
    off_ms
        What it costs to leave the street at each of the entrances.
    bound_ms
        Longest walk of interest; labels beyond it are never started.
    """
    mine = np.flatnonzero(np.isin(entrances.facility, facility))
    mine = mine[np.argsort(entrances.links.edge[mine], kind="stable")]
    edge = entrances.links.edge[mine].astype(np.int64)
    owner = entrances.facility[mine].astype(np.int64)
    place, off = entrances.links.place_mm[mine], off_ms[mine]
    length = work["edge_mm"][edge]
    ab, ba = work["cost_ab"][edge], work["cost_ba"][edge]
    # as geo.search.seeds: what is behind a residents' gate starts outside it for residents alone
    from_a = off + _part(ab, place, length)
    is_shut = work["is_residents"][edge] != 0
    outer, inner = ~is_shut & (ab != NO_COST), ba != NO_COST
    ms = np.concatenate([from_a[outer], (off + _part(ba, length - place, length))[inner]])
    node = np.concatenate([work.seed_a[edge][outer], work.seed_b[edge][inner]])
    whose = np.concatenate([owner[outer], owner[inner]])
    near = ms <= bound_ms
    gate = np.flatnonzero(is_shut & (ab != NO_COST) & (from_a <= bound_ms))
    key = (from_a[gate] << FACILITY_BITS) | owner[gate]
    return SitesOn(
        edge=edge.astype(np.int32),
        mm=place,
        off_ms=off,
        facility=owner.astype(np.int32),
        seed_node=node[near].astype(np.int32),
        seed_key=(ms[near] << FACILITY_BITS) | whose[near],
        seed_facility=whose[near].astype(np.int32),
        at_gates=_sort_gates(work["edge_zone"][edge[gate]], work.seed_a[edge[gate]], key),
    )


def _sort_gates(zone: Int32Array, node: Int32Array, key: IntArray) -> GateSeeds:
    order = np.argsort(zone, kind="stable")
    return GateSeeds(zone[order], node[order], key[order])


def _swap_gates(before: GateSeeds, without: IntArray, new: GateSeeds) -> GateSeeds:
    keep = ~is_among(before.key & FACILITY_MASK, without)
    columns = ((before.zone, new.zone), (before.node, new.node), (before.key, new.key))
    zone, node, key = (np.concatenate([old[keep], come]) for old, come in columns)
    return _sort_gates(zone, node, key)


def swap_sites(before: SitesOn, without: IntArray, new: SitesOn) -> SitesOn:
    """Return the entrances without those of some facilities and with new ones.

    Parameters
    ----------
    before
        The entrances before.
    without
        Facilities whose entrances are left out.
    new
        Those that come in.
    """
    keep, seeds = ~is_among(before.facility, without), ~is_among(before.seed_facility, without)
    if new.edge.size == 0 and keep.all():
        return before
    edge = np.concatenate([before.edge[keep], new.edge])
    order = np.argsort(edge, kind="stable")
    return SitesOn(
        edge=edge[order],
        mm=np.concatenate([before.mm[keep], new.mm])[order],
        off_ms=np.concatenate([before.off_ms[keep], new.off_ms])[order],
        facility=np.concatenate([before.facility[keep], new.facility])[order],
        seed_node=np.concatenate([before.seed_node[seeds], new.seed_node]),
        seed_key=np.concatenate([before.seed_key[seeds], new.seed_key]),
        seed_facility=np.concatenate([before.seed_facility[seeds], new.seed_facility]),
        at_gates=_swap_gates(before.at_gates, without, new.at_gates),
    )


class RepairDesk:
    """Work arrays of one thread."""

    def __init__(self) -> None:
        self.mark = np.zeros(0, dtype=np.uint8)
        self.own = np.full(0, NONE, dtype=np.int64)
        self.touched = np.empty(0, dtype=np.int32)
        self.old = np.empty(0, dtype=np.int64)
        self.heap_key = np.empty(0, dtype=np.int64)
        self.heap_node = np.empty(0, dtype=np.int32)
        self.edge_mark = np.zeros(0, dtype=np.uint8)
        self.edges = np.empty(0, dtype=np.int32)

    def make_room(self, work: Patchwork, seeds: int) -> None:
        """Grow to what a search on the walk as it is can need."""
        nodes, edges, queue = work.counts["nodes"], work.counts["edges"], work.room() + seeds
        if self.mark.shape[0] < nodes:
            size = nodes + nodes // 8 + 64
            self.mark = np.zeros(size, dtype=np.uint8)
            self.own = np.full(size, NONE, dtype=np.int64)
            self.touched = np.empty(size, dtype=np.int32)
            self.old = np.empty(size, dtype=np.int64)
        if self.edge_mark.shape[0] < edges:
            self.edge_mark = np.zeros(edges + edges // 8 + 64, dtype=np.uint8)
            self.edges = np.empty(edges + edges // 8 + 64, dtype=np.int32)
        if self.heap_key.shape[0] < queue:
            self.heap_key = np.empty(queue + queue // 8, dtype=np.int64)
            self.heap_node = np.empty(queue + queue // 8, dtype=np.int32)

    def repair(
        self, work: Patchwork, label: IntArray, gone: tuple[Int32Array, IntArray], arcs: tuple[Arcs, Arcs],
        sites: SitesOn, bound_ms: int,
    ) -> int:  # fmt: skip
        """Put labels right; the nodes whose label changed stand in `touched`, what they had in `old`."""
        self.make_room(work, sites.seed_node.shape[0] + sites.at_gates.node.shape[0] + arcs[1].source.shape[0])
        count = repair.repair_public(
            work["first"],
            work["last"],
            work["arc_node"],
            work["arc_ms"],
            work["pull_first"],
            work["pull_last"],
            work["pull_node"],
            work["pull_ms"],
            gone[0],
            gone[1],
            arcs[0].source,
            arcs[0].target,
            arcs[0].ms,
            arcs[1].source,
            arcs[1].target,
            arcs[1].ms,
            sites.seed_node,
            sites.seed_key,
            bound_ms,
            label,
            self.mark,
            self.touched,
            self.old,
            self.heap_key,
            self.heap_node,
        )
        return int(repair.keep_changed(label, self.touched, self.old, count))

    def find_edges(self, work: Patchwork, count: int, zones: int) -> tuple[IntArray, IntArray]:
        """Return the public edges and the compounds at the first touched nodes."""
        zone_mark = np.zeros(zones, dtype=np.uint8)
        found = repair_rows.find_edges_at(
            self.touched,
            count,
            work["row_first"],
            work["row_last"],
            work["row_edge"],
            work["edge_zone"],
            self.edge_mark,
            zone_mark,
            self.edges,
        )
        return self.edges[:found].astype(np.int64), np.flatnonzero(zone_mark)

    def search_own(self, work: Patchwork, sites: SitesOn, label: IntArray, zone: int, bound_ms: int) -> int:
        """Fill `own` with the labels that count for one compound; its nodes stand in `touched`."""
        gate_from, gate_to, gate_ms = work.gates_of(zone)
        return int(
            search_compound(
                work["first"],
                work["last"],
                work["arc_node"],
                work["arc_ms"],
                gate_from,
                gate_to,
                gate_ms,
                *sites.at_gates.of(zone),
                bound_ms,
                _NO_NODES,
                _NO_NODES,
                label,
                self.own,
                self.touched,
                self.heap_key,
                self.heap_node,
            )
        )

    def find_leaks(self, work: Patchwork, zone: int, count: int) -> IntArray:
        """Return those of the first touched nodes from which ways outside the compound lead on."""
        node = self.touched[:count].astype(np.int64)
        first = work["row_first"][node]
        place, of = spread_ranges(first, work["row_last"][node])
        out = work["edge_zone"][work["row_edge"][place]] != zone
        outside: IntArray = node[np.unique(of[out])]
        return outside

    def wipe(self, count: int) -> None:
        """Forget the labels of the last compound."""
        wipe(self.own, self.touched, count)
