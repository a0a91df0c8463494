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

from geo import search
from geo.arrays import group_rows
from geo.costs import WalkProfile, cost_edges
from geo.errors import RequestError
from geo.graph import GateArcs, Graph, build_gate_arcs, build_graph, find_residents_gates
from geo.link import Entrances, Links
from geo.network import Network
from geo.search import FACILITY_BITS, FACILITY_MASK, NONE
from geo.units import MS_PER_S, NO_COST, Int32Array, IntArray, UInt32Array, walk_ms
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geo.slope import Ground

MAX_BOUND_S = 24 * 3600
"""Longest walk that may be searched for: a day."""


@dataclass(frozen=True)
class Walk:
    """A network as one profile walks it.

    Attributes
    ----------
    network, profile
        What it was made from.
    cost_ab, cost_ba
        Milliseconds of each edge both ways, NO_COST where closed, shape (edges,).
    graph
        Ways anybody may walk, laid out for searching.
    gates
        Residents' gates by compound.
    exit_a, exit_b
        Node whose label counts for a home that leaves its edge at the first and last end, shape (edges,).
    seed_a, seed_b
        Node where the search of a facility on the edge leaves it at the first and last end, shape (edges,). On foot all
        four are the ends of the edge; where turns are banned a junction has several nodes.
    """

    network: Network
    profile: WalkProfile
    cost_ab: UInt32Array
    cost_ba: UInt32Array
    graph: Graph
    gates: GateArcs
    exit_a: Int32Array
    exit_b: Int32Array
    seed_a: Int32Array
    seed_b: Int32Array

    def off_ms(self, off_mm: IntArray) -> IntArray:
        """Return what off-street millimetres cost at the profile's pace."""
        return walk_ms(off_mm, self.profile.pace_mm_s)

    @cached_property
    def reversed(self) -> Walk:
        """Return the same network with every way walked the other way round."""
        return lay_out_walk(self.network, self.profile, self.cost_ba, self.cost_ab)


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


def prepare_walk(network: Network, profile: WalkProfile, ground: Ground | None = None) -> Walk:
    """Return the network with the profile's costs laid out for searching.

    Parameters
    ----------
    network
        The compiled network.
    profile
        Who walks.
    ground
        Slopes and crossings; None where nothing is known of them.
    """
    return lay_out_walk(network, profile, *cost_edges(network, profile, ground))


def lay_out_walk(network: Network, profile: WalkProfile, cost_ab: UInt32Array, cost_ba: UInt32Array) -> Walk:
    """Return the network laid out for searching with costs given by edge.

    Parameters
    ----------
    network
        The compiled network.
    profile
        Who walks.
    cost_ab, cost_ba
        Milliseconds of each edge both ways, NO_COST where closed, shape (edges,).
    """
    return Walk(
        network,
        profile,
        cost_ab,
        cost_ba,
        build_graph(network, cost_ab, cost_ba),
        build_gate_arcs(network, cost_ab, cost_ba),
        exit_a=network.edge_a,
        exit_b=network.edge_b,
        seed_a=network.edge_a,
        seed_b=network.edge_b,
    )


@dataclass(slots=True)
class Desk:
    """Work arrays of one thread.

    Attributes
    ----------
    label
        Public labels, cost_ms << 32 | facility row; NONE everywhere between searches, shape (nodes,).
    own
        Labels that count for one compound alone, NONE everywhere between searches, shape (nodes,).
    touched, own_touched
        Nodes whose label the last search set, shape (nodes,).
    """

    label: IntArray
    own: IntArray
    touched: Int32Array
    own_touched: Int32Array
    heap_key: IntArray
    heap_node: Int32Array

    @classmethod
    def make(cls, walk: Walk, seeds: int) -> Desk:
        """Return arrays large enough for a search with that many seeds."""
        nodes = walk.graph.node_count
        room = walk.graph.arc_count + seeds + walk.gates.ms.shape[0] + 1
        return cls(
            np.full(nodes, NONE, dtype=np.int64),
            np.full(nodes, NONE, dtype=np.int64),
            np.empty(nodes, dtype=np.int32),
            np.empty(nodes, dtype=np.int32),
            np.empty(room, dtype=np.int64),
            np.empty(room, dtype=np.int32),
        )

    def search(self, walk: Walk, seeds: Seeds, bound_ms: int) -> int:
        """Fill the public labels and return how many nodes were touched; wipe them when they have been read."""
        graph = walk.graph
        return int(
            search.search_public(
                graph.first,
                graph.last,
                graph.arc_node,
                graph.arc_ms,
                seeds.node,
                seeds.ms,
                seeds.facility,
                bound_ms,
                self.label,
                self.touched,
                self.heap_key,
                self.heap_node,
            )
        )

    def search_compound(self, walk: Walk, zone: int, bound_ms: int) -> int:
        """Fill the labels that count for the homes of one compound alone and return how many there are."""
        graph, gates = walk.graph, walk.gates
        mine = slice(gates.ptr[zone], gates.ptr[zone + 1])
        return int(
            search.search_compound(
                graph.first,
                graph.last,
                graph.arc_node,
                graph.arc_ms,
                gates.from_node[mine],
                gates.to_node[mine],
                gates.ms[mine],
                bound_ms,
                self.label,
                self.own,
                self.own_touched,
                self.heap_key,
                self.heap_node,
            )
        )

    def wipe(self, touched: int) -> None:
        """Forget the public labels of the last search."""
        search.wipe(self.label, self.touched, touched)

    def wipe_own(self, touched: int) -> None:
        """Forget the labels of the last compound."""
        search.wipe(self.own, self.own_touched, touched)


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
    outer_open = ~find_residents_gates(network)[edge] & (walk.cost_ab[edge] != NO_COST)
    inner_open = walk.cost_ba[edge] != NO_COST
    order = np.argsort(edge, kind="stable")
    return Seeds(
        node=np.concatenate([walk.seed_a[edge][outer_open], walk.seed_b[edge][inner_open]]),
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
    seen: IntArray | None = None,
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
    count = desk.search(walk, seeds, bound_ms)
    if seen is not None:
        np.minimum(seen, desk.label, out=seen)
    answer = np.full(homes.zone.shape[0], NONE, dtype=np.int64)
    home_off_ms = walk.off_ms(homes.links.off_mm)
    for zone, rows in group_rows(homes.zone):
        touched = 0
        if zone != OUTSIDE:
            touched = desk.search_compound(walk, zone, bound_ms)
            if seen is not None:
                mine = desk.own_touched[:touched]
                mine = mine[network.node_zone[mine] == zone]
                seen[mine] = np.minimum(seen[mine], desk.own[mine])
        search.read_homes(
            rows,
            homes.links.edge,
            homes.links.place_mm,
            home_off_ms,
            walk.exit_a,
            walk.exit_b,
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
        desk.wipe_own(touched)
    desk.wipe(count)
    return _split_answer(answer)


def _split_answer(answer: IntArray) -> Reach:
    missing = answer == NONE
    reach = answer >> FACILITY_BITS
    facility = answer & FACILITY_MASK
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
