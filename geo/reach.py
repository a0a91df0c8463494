"""Reach: milliseconds from a home to the nearest facility of a type, and which facility that is.

reach = off-street + network + off-street time, walked from home to facility at the profile's pace. It is searched up to
a bound and is missing beyond it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geo import search
from geo.arrays import group_rows
from geo.costs import WalkProfile, cost_edges
from geo.errors import RequestError
from geo.link import Entrances, Links
from geo.network import Network
from geo.units import MS_PER_S, NO_COST, Int32Array, IntArray, UInt32Array, walk_ms
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_BOUND_S = 24 * 3600
"""Longest walk that may be searched for: a day."""

_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Walk:
    """A network as one profile walks it.

    Attributes
    ----------
    network, profile
        What it was made from.
    cost_ab, cost_ba
        Milliseconds of each edge both ways, NO_COST where closed, shape (edges,).
    arc_in_ms
        Milliseconds from the neighbour to the node whose row the arc stands in, shape of ``network.adj_node``.
    arc_gate
        Compound number + 1 on arcs through residents' gates, 0 elsewhere, shape of ``network.adj_node``.
    gate_nodes
        For each compound the nodes at both ends of its residents' gates.
    """

    network: Network
    profile: WalkProfile
    cost_ab: UInt32Array
    cost_ba: UInt32Array
    arc_in_ms: UInt32Array
    arc_gate: Int32Array
    gate_nodes: tuple[Int32Array, ...]

    def off_ms(self, off_mm: IntArray) -> IntArray:
        """Return what off-street millimetres cost at the profile's pace."""
        return walk_ms(off_mm, self.profile.pace_mm_s)

    @cached_property
    def reversed(self) -> Walk:
        """Return the same network with every way walked the other way round."""
        return _lay_out(self.network, self.profile, self.cost_ba, self.cost_ab)


@dataclass(frozen=True, slots=True)
class Homes:
    """Where walks start.

    Attributes
    ----------
    links
        Links of the homes, shape (n,).
    zone
        Compound number each home lies in, -1 outside, shape (n,).
    """

    links: Links
    zone: Int32Array


@dataclass(frozen=True, slots=True)
class Reach:
    """Nearest facilities of one type.

    Attributes
    ----------
    reach_ms
        Milliseconds, -1 where there is none within the bound, shape (homes,).
    facility
        Row of the facility, -1 where there is none, shape (homes,).
    """

    reach_ms: Int32Array
    facility: Int32Array


def _residents_only(network: Network) -> npt.NDArray[np.bool_]:
    """Return which edges are gates that only residents may pass, shape (edges,)."""
    gate = network.edge_gate
    closed = np.zeros(gate.shape[0], dtype=bool)
    passes = gate >= 0
    closed[passes] = ~network.gate_open_to_all[gate[passes]]
    return closed


def prepare_walk(network: Network, profile: WalkProfile) -> Walk:
    """Return the network with the profile's costs laid out for searching.

    Parameters
    ----------
    network
        The compiled network.
    profile
        Who walks.
    """
    return _lay_out(network, profile, *cost_edges(network, profile))


def _lay_out(network: Network, profile: WalkProfile, cost_ab: UInt32Array, cost_ba: UInt32Array) -> Walk:
    """Return the costs laid out by arc."""
    edge = network.adj_edge
    from_a = network.edge_a[edge] == network.adj_node
    # a loop edge stands twice in one row; either way round leads back to the node, so which is which is no matter
    arc_in_ms = np.where(from_a, cost_ab[edge], cost_ba[edge]).astype(np.uint32)
    residents = _residents_only(network)
    arc_gate = np.where(residents[edge], network.edge_zone[edge] + 1, 0).astype(np.int32)
    gates = np.flatnonzero(residents)
    gate_nodes = tuple(
        np.unique(np.concatenate([network.edge_a[mine], network.edge_b[mine]])).astype(np.int32)
        for mine in (gates[network.edge_zone[gates] == zone] for zone in range(network.compound_id.shape[0]))
    )
    return Walk(network, profile, cost_ab, cost_ba, arc_in_ms, arc_gate, gate_nodes)


@dataclass(slots=True)
class Desk:
    """Work arrays of one thread."""

    label: npt.NDArray[np.uint64]
    own: npt.NDArray[np.uint64]
    touched: Int32Array
    heap_key: npt.NDArray[np.uint64]
    heap_node: Int32Array

    @classmethod
    def make(cls, walk: Walk, seeds: int) -> Desk:
        """Return arrays large enough for a search with that many seeds."""
        nodes = walk.network.node_count
        room = walk.arc_in_ms.shape[0] + seeds + nodes + 1
        return cls(
            np.empty(nodes, dtype=np.uint64),
            np.full(nodes, _NONE, dtype=np.uint64),
            np.empty(nodes, dtype=np.int32),
            np.empty(room, dtype=np.uint64),
            np.empty(room, dtype=np.int32),
        )

    def search(self, walk: Walk, seeds: Seeds, bound_ms: int) -> None:
        """Fill the public labels of all nodes."""
        network = walk.network
        search.search_public(
            network.indptr,
            network.adj_node,
            walk.arc_in_ms,
            walk.arc_gate,
            seeds.node,
            seeds.ms,
            seeds.facility,
            bound_ms,
            self.label,
            self.heap_key,
            self.heap_node,
        )

    def search_compound(self, walk: Walk, zone: int, bound_ms: int) -> int:
        """Fill the labels that count for the homes of one compound alone and return how many there are."""
        network = walk.network
        return int(
            search.search_compound(
                zone,
                network.indptr,
                network.adj_node,
                walk.arc_in_ms,
                walk.arc_gate,
                walk.gate_nodes[zone],
                bound_ms,
                self.label,
                self.own,
                self.touched,
                self.heap_key,
                self.heap_node,
            )
        )

    def wipe(self, touched: int) -> None:
        """Forget the labels of the last compound."""
        self.own[self.touched[:touched]] = _NONE


@dataclass(frozen=True, slots=True)
class Seeds:
    """Where facilities of one type enter the network."""

    node: Int32Array
    ms: IntArray
    facility: Int32Array
    site_ptr: IntArray
    site_place_mm: IntArray
    site_off_ms: IntArray
    site_facility: Int32Array


def _part(cost: UInt32Array, place_mm: IntArray, length_mm: IntArray) -> IntArray:
    """Return :func:`geo.search.part_ms` for arrays."""
    whole = np.maximum(length_mm, 1)
    return np.where(length_mm == 0, 0, (cost.astype(np.int64) * place_mm + whole // 2) // whole)


def seed_sites(walk: Walk, entrances: Entrances, facility: Int32Array) -> Seeds:
    """Return the seeds of the given facilities.

    Parameters
    ----------
    walk
        The network as walked.
    entrances
        All entrances of all facilities.
    facility
        Rows of the facilities to seed.
    """
    mine = np.flatnonzero(np.isin(entrances.facility, facility))
    network = walk.network
    owner = entrances.facility[mine].astype(np.int32)
    edge = entrances.links.edge[mine].astype(np.int64)
    place = entrances.links.place_mm[mine]
    off_ms = walk.off_ms(entrances.links.off_mm[mine])
    length = network.edge_mm[edge]
    # walking from an end of the edge to the entrance
    from_a = off_ms + _part(walk.cost_ab[edge], place, length)
    from_b = off_ms + _part(walk.cost_ba[edge], length - place, length)
    # a facility tied to a residents' gate stands inside: its outer end is passed with the gate's rule, not around it
    outer_open = ~_residents_only(network)[edge] & (walk.cost_ab[edge] != NO_COST)
    inner_open = walk.cost_ba[edge] != NO_COST
    order = np.argsort(edge, kind="stable")
    return Seeds(
        node=np.concatenate([network.edge_a[edge][outer_open], network.edge_b[edge][inner_open]]),
        ms=np.concatenate([from_a[outer_open], from_b[inner_open]]),
        facility=np.concatenate([owner[outer_open], owner[inner_open]]),
        site_ptr=np.searchsorted(edge[order], np.arange(network.edge_count + 1)).astype(np.int64),
        site_place_mm=place[order],
        site_off_ms=off_ms[order],
        site_facility=owner[order],
    )


def search_homes(
    walk: Walk,
    homes: Homes,
    seeds: Seeds,
    bound_ms: int,
    desk: Desk,
    *,
    seen: npt.NDArray[np.uint64] | None = None,
) -> Reach:
    """Return the nearest of the seeded facilities for every home.

    Parameters
    ----------
    walk, homes, seeds
        What is walked, from where, to what.
    bound_ms
        Longest walk of interest in milliseconds.
    desk
        Work arrays of this thread.
    seen
        Where given: lowered to the best label of each node, for homes of the compound the node lies in.
    """
    network = walk.network
    desk.search(walk, seeds, bound_ms)
    if seen is not None:
        np.minimum(seen, desk.label, out=seen)
    answer = np.full(homes.zone.shape[0], _NONE, dtype=np.uint64)
    home_off_ms = walk.off_ms(homes.links.off_mm)
    for zone, rows in group_rows(homes.zone):
        touched = 0
        if zone != OUTSIDE:
            touched = desk.search_compound(walk, zone, bound_ms)
            if seen is not None:
                mine = desk.touched[:touched]
                mine = mine[network.node_zone[mine] == zone]
                seen[mine] = np.minimum(seen[mine], desk.own[mine])
        search.read_homes(
            rows,
            homes.links.edge,
            homes.links.place_mm,
            home_off_ms,
            network.edge_a,
            network.edge_b,
            network.edge_mm,
            walk.cost_ab,
            walk.cost_ba,
            desk.label,
            desk.own,
            seeds.site_ptr,
            seeds.site_place_mm,
            seeds.site_off_ms,
            seeds.site_facility,
            bound_ms,
            answer,
        )
        desk.wipe(touched)
    return _split_answer(answer)


def _split_answer(answer: npt.NDArray[np.uint64]) -> Reach:
    missing = answer == _NONE
    reach = (answer >> np.uint64(32)).astype(np.int64)
    facility = (answer & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return Reach(np.where(missing, -1, reach).astype(np.int32), np.where(missing, -1, facility).astype(np.int32))


def check_bound(bound_s: float) -> int:
    """Return the bound of a search in milliseconds.

    Parameters
    ----------
    bound_s
        Longest walk of interest in seconds, above 0 and at most a day.

    Raises
    ------
    RequestError
        The bound is not a number in that range.
    """
    if not 0 < bound_s <= MAX_BOUND_S:
        raise RequestError(
            f"searching walks of up to {bound_s} s: expected above 0 and at most {MAX_BOUND_S} s",
            parameter="minutes",
        )
    return round(bound_s * MS_PER_S)


def find_reach(  # noqa: PLR0913 - what is walked, by whom, to what, how far, and who watches
    walk: Walk,
    homes: Homes,
    entrances: Entrances,
    *,
    facilities: Sequence[Int32Array],
    bounds_s: Sequence[float],
    threads: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> list[Reach]:
    """Return the nearest facility of every home for several types.

    Parameters
    ----------
    walk
        The network as one profile walks it.
    homes
        Where walks start.
    entrances
        Entrances of all facilities.
    facilities
        For each type the rows of its facilities; ties between facilities go to the lowest row.
    bounds_s
        For each type the longest walk in seconds to search; reach is missing beyond.
    threads
        Types searched at the same time; the answer does not depend on it.
    on_done
        Called with the number of types finished so far.

    Returns
    -------
    list of Reach
        One for each type, in the order given.

    Raises
    ------
    RequestError
        A bound is not above 0 and at most a day.
    """
    bounds = [check_bound(b) for b in bounds_s]
    desks: SimpleQueue[Desk] = SimpleQueue()
    for _ in range(max(threads, 1)):
        desks.put(Desk.make(walk, 2 * entrances.facility.shape[0]))

    def search_one(number: int) -> Reach:
        desk = desks.get()
        try:
            seeds = seed_sites(walk, entrances, facilities[number])
            return search_homes(walk, homes, seeds, bounds[number], desk)
        finally:
            desks.put(desk)

    found: list[Reach] = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for reach in pool.map(search_one, range(len(facilities))):
            found.append(reach)
            if on_done is not None:
                on_done(len(found))
    return found
