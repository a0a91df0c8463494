"""Where facilities enter the network: the ends of the edges their entrances stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geo.arrays import join_runs
from geo.search.labels import FACILITY_BITS
from geo.units import LONGEST_MS, NO_COST, BoolArray, Int32Array, IntArray, UInt32Array

if TYPE_CHECKING:
    from geo.link import Entrances
    from geo.reach import Walk


@dataclass(frozen=True, slots=True)
class GateSeeds:
    """Where facilities that stand on residents' gates are walked to from outside, by the gates' own residents alone.

    Attributes
    ----------
    zone
        Compound number of each gate, ascending, shape (g,).
    node, key
        Its outer end, and the label that starts there: cost_ms << 32 | facility row, shape (g,).
    """

    zone: Int32Array = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    node: Int32Array = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    key: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def of(self, zone: int) -> tuple[Int32Array, IntArray]:
        """Return the nodes and labels that start for one compound."""
        first, last = np.searchsorted(self.zone, [zone, zone + 1])
        return self.node[first:last], self.key[first:last]


@dataclass(frozen=True, slots=True)
class Seeds:
    """Where facilities of one type enter the network.

    Attributes
    ----------
    node, ms, facility
        Node, milliseconds from there to the facility, and its row, shape (s,).
    site_edge, site_place_mm, site_off_ms, site_facility
        Where facilities stand along edges, for homes on the same edge, shape (k,).
    at_gates
        Where those on residents' gates enter it from outside.
    """

    node: Int32Array
    ms: IntArray
    facility: Int32Array
    site_edge: Int32Array
    site_place_mm: IntArray
    site_off_ms: IntArray
    site_facility: Int32Array
    at_gates: GateSeeds = field(default_factory=GateSeeds)


@dataclass(frozen=True, slots=True)
class SeedsEach:
    """Where each of many facilities enters the network, sparse rows.

    Attributes
    ----------
    seed_ptr, node, ms
        Nodes of the facility at place ``i`` and milliseconds from there stand from ``seed_ptr[i]`` to before
        ``seed_ptr[i + 1]``.
    site_ptr, site_edge, site_place_mm, site_off_ms
        Where it stands along edges, likewise.
    gate_ptr, at_gates
        Where it is entered from outside if it stands on residents' gates, likewise; by compound within a facility, and
        the labels name facility 0.
    """

    seed_ptr: IntArray
    node: Int32Array
    ms: IntArray
    site_ptr: IntArray
    site_edge: Int32Array
    site_place_mm: IntArray
    site_off_ms: IntArray
    gate_ptr: IntArray
    at_gates: GateSeeds


def seed_nodes(node: Int32Array) -> Seeds:
    """Return seeds that stand at nodes, at no cost, and nowhere along an edge; a facility is its place in the list.

    Parameters
    ----------
    node
        Nodes, shape (s,).
    """
    none, no_rows = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    count = node.shape[0]
    return Seeds(
        node.astype(np.int32),
        np.zeros(count, dtype=np.int64),
        np.arange(count, dtype=np.int32),
        no_rows,
        none,
        none,
        no_rows,
    )


def _part(cost: UInt32Array, place_mm: IntArray, length_mm: IntArray) -> IntArray:
    """Return :func:`geo.search.labels.part_ms` for arrays."""
    whole = np.maximum(length_mm, 1)
    return np.where(length_mm == 0, 0, (cost.astype(np.int64) * place_mm + whole // 2) // whole)


def _find_entrances(entrances: Entrances, facility: Int32Array) -> IntArray:
    """Return the rows of the entrances of some facilities."""
    owner = entrances.facility
    if owner.shape[0] > 1 and not (owner[1:] >= owner[:-1]).all():
        return np.flatnonzero(np.isin(owner, facility))
    wanted = np.unique(facility)
    first, last = np.searchsorted(owner, wanted), np.searchsorted(owner, wanted, side="right")
    return join_runs(first, last)


def seed_sites(walk: Walk, entrances: Entrances, facility: Int32Array) -> Seeds:
    """Return the seeds of the given facilities.

    Where several stand at one place of an edge only the nearest to the street counts, the lowest row among equals: no
    walk could end at another.

    Parameters
    ----------
    walk
        The network as walked.
    entrances
        All entrances of all facilities.
    facility
        Rows of the facilities to seed.
    """
    mine = _find_entrances(entrances, facility)
    owner = entrances.facility[mine].astype(np.int32)
    stands = _stand(walk, entrances, mine, np.zeros(mine.shape[0], dtype=np.int64), owner)
    ends = _find_ends(walk, stands)
    return Seeds(
        node=np.concatenate([ends.node_a, ends.node_b]),
        ms=np.concatenate([ends.ms_a, ends.ms_b]),
        facility=np.concatenate([stands.owner[ends.open_a], stands.owner[ends.open_b]]),
        site_edge=stands.edge,
        site_place_mm=stands.place_mm,
        site_off_ms=stands.off_ms,
        site_facility=stands.owner,
        at_gates=_seed_gates(walk, stands, ends)[0],
    )


def seed_each(walk: Walk, entrances: Entrances, facilities: Int32Array) -> SeedsEach:
    """Return the seeds of each of many facilities apart.

    Parameters
    ----------
    walk
        The network as walked.
    entrances
        All entrances of all facilities.
    facilities
        Rows of the facilities asked for.
    """
    order = np.argsort(entrances.facility, kind="stable")
    owner = entrances.facility[order]
    first, last = np.searchsorted(owner, facilities), np.searchsorted(owner, facilities, side="right")
    mine = order[join_runs(first, last)]
    place = np.repeat(np.arange(facilities.shape[0]), last - first)
    stands = _stand(walk, entrances, mine, place, np.zeros(mine.shape[0], dtype=np.int32))
    ends = _find_ends(walk, stands)
    at = np.concatenate([stands.group[ends.open_a], stands.group[ends.open_b]])
    by_place = np.argsort(at, kind="stable")
    at_gates, gate_group = _seed_gates(walk, stands, ends)
    edges = np.arange(facilities.shape[0] + 1)
    return SeedsEach(
        seed_ptr=np.searchsorted(at[by_place], edges).astype(np.int64),
        node=np.concatenate([ends.node_a, ends.node_b])[by_place],
        ms=np.concatenate([ends.ms_a, ends.ms_b])[by_place],
        site_ptr=np.searchsorted(stands.group, edges).astype(np.int64),
        site_edge=stands.edge,
        site_place_mm=stands.place_mm,
        site_off_ms=stands.off_ms,
        gate_ptr=np.searchsorted(gate_group, edges).astype(np.int64),
        at_gates=at_gates,
    )


@dataclass(frozen=True, slots=True)
class _Stands:
    """Places along edges where something stands, sorted by group, edge and place, each once."""

    group: IntArray
    owner: Int32Array
    edge: Int32Array
    place_mm: IntArray
    off_ms: IntArray


@dataclass(frozen=True, slots=True)
class _EdgeEnds:
    """Which stands can be walked to from either end of their edge, from which node, and in what time.

    Those on residents' gates are walked to from the outer end by the residents alone, and stand apart by their rows.
    """

    open_a: BoolArray
    open_b: BoolArray
    node_a: Int32Array
    node_b: Int32Array
    ms_a: IntArray
    ms_b: IntArray
    at_gate: IntArray
    node_gate: Int32Array
    ms_gate: IntArray


def _stand(walk: Walk, entrances: Entrances, rows: IntArray, group: IntArray, owner: Int32Array) -> _Stands:
    """Return where some entrances stand; at one place only the nearest to the street, of the lowest owner."""
    links = entrances.links
    edge, place, off_ms = links.edge[rows], links.place_mm[rows], walk.off_ms(links.off_mm[rows])
    order = np.lexsort((owner, off_ms, place, edge, group))
    group, edge, place = group[order], edge[order], place[order]
    first = np.ones(order.shape[0], dtype=bool)
    first[1:] = (group[1:] != group[:-1]) | (edge[1:] != edge[:-1]) | (place[1:] != place[:-1])
    order = order[first]
    return _Stands(group[first], owner[order], edge[first].astype(np.int32), place[first], off_ms[order])


def _find_ends(walk: Walk, stands: _Stands) -> _EdgeEnds:
    network, edge = walk.network, stands.edge
    length = network.edge_mm[edge]
    cost_ab, cost_ba = walk.cost_ab[edge], walk.cost_ba[edge]
    # walking from an end of the edge to the entrance
    from_a = stands.off_ms + _part(cost_ab, stands.place_mm, length)
    from_b = stands.off_ms + _part(cost_ba, length - stands.place_mm, length)
    # a facility tied to a residents' gate stands inside: from its outer end only those who live there come to it
    gate = network.edge_gate[edge]
    is_shut = gate >= 0
    is_shut[is_shut] = ~network.gate_open_to_all[gate[is_shut]]
    open_a, open_b = cost_ab != NO_COST, cost_ba != NO_COST
    at_gate = np.flatnonzero(open_a & is_shut)
    open_a &= ~is_shut
    return _EdgeEnds(
        open_a,
        open_b,
        walk.seed_a[edge][open_a],
        walk.seed_b[edge][open_b],
        from_a[open_a],
        from_b[open_b],
        at_gate,
        walk.seed_a[edge[at_gate]],
        from_a[at_gate],
    )


def _seed_gates(walk: Walk, stands: _Stands, ends: _EdgeEnds) -> tuple[GateSeeds, IntArray]:
    """Return where stands on residents' gates are entered from outside, by group and compound, and their groups."""
    rows = ends.at_gate
    zone, group = walk.network.edge_zone[stands.edge[rows]], stands.group[rows]
    order = np.lexsort((zone, group))
    # a walk longer than any bound need not be told from another
    ms = np.minimum(ends.ms_gate, LONGEST_MS)
    key = (ms << FACILITY_BITS) | stands.owner[rows].astype(np.int64)
    return GateSeeds(zone[order], ends.node_gate[order], key[order]), group[order]
