"""Reach: milliseconds from a home to the nearest facility of a type, and which facility that is.

reach = off-street + network + off-street time, walked from home to facility at the profile's pace. It is searched up to
a bound and is missing beyond it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from geo.costs import WalkProfile, cost_edges
from geo.errors import RequestError
from geo.link import Entrances, Links
from geo.network import Network
from geo.search.desk import Desk, is_far_reaching
from geo.search.graph import GateArcs, Graph, build_gate_arcs, build_graph
from geo.search.lanes import FEWEST, LANES, MAX_NODES, Lane, make_lane
from geo.search.seeds import Seeds, seed_nodes, seed_sites
from geo.search.starts import Starts, lay_out_starts, read_starts
from geo.units import MS_PER_S, Int32Array, IntArray, UInt32Array, walk_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geo.slope import Ground

__all__ = [
    "Desk",
    "Homes",
    "Reach",
    "Seeds",
    "Walk",
    "check_bound",
    "find_labels",
    "find_reach",
    "lay_out_walk",
    "prepare_walk",
    "search_homes",
    "seed_nodes",
    "seed_sites",
]

Found = TypeVar("Found")

Group = dict[int, Lane | None]
"""Types searched in one pass by number, with their lanes; None for a type that is searched alone."""

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


def search_homes(walk: Walk, homes: Homes | Starts, seeds: Seeds, bound_ms: int, desk: Desk) -> Reach:
    """Return the nearest of the seeded facilities for every home.

    Parameters
    ----------
    walk, homes, seeds
        What is walked, from where, to what. Homes that are asked for often are best laid out once.
    bound_ms
        Longest walk of interest in milliseconds.
    desk
        Work arrays of this thread.
    """
    starts = homes if isinstance(homes, Starts) else lay_out_starts(walk, homes)
    touched = desk.search(walk, seeds, bound_ms)
    (reach,) = _make_reaches(1, starts.home_edge.shape[0])
    read_starts(walk, starts, seeds, bound_ms, desk, reach)
    desk.wipe(touched)
    return reach


def _make_reaches(types: int, homes: int) -> list[Reach]:
    """Return answers that find nothing yet: columns of two matrices, which nobody need copy to have side by side."""
    reach_ms, facility = (np.full((types, homes), -1, dtype=np.int32) for _ in range(2))
    return [Reach(*one) for one in zip(reach_ms, facility, strict=True)]


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


def _group_types(walk: Walk, seeds: Sequence[Seeds], bounds_ms: Sequence[int], threads: int) -> list[Group]:
    """Return which types are searched in one pass, with their lanes; None for a type that is searched alone."""
    lanes: dict[int, Lane] = {}
    if walk.graph.node_count <= MAX_NODES:
        for number, (one, bound_ms) in enumerate(zip(seeds, bounds_ms, strict=True)):
            lane = make_lane(one, bound_ms) if is_far_reaching(walk, one, bound_ms) else None
            if lane is not None:
                lanes[number] = lane
    size = min(LANES, max(-(-len(lanes) // threads), FEWEST))
    numbers = list(lanes)
    together: list[Group] = [
        {number: lanes[number] for number in numbers[low : low + size]}
        for low in range(0, len(numbers), size)
        if low + FEWEST <= len(numbers)
    ]
    done = {number for group in together for number in group}
    alone: list[Group] = [{number: None} for number in range(len(seeds)) if number not in done]
    return together + alone


def _search_group(
    walk: Walk, seeds: Sequence[Seeds], bounds_ms: Sequence[int], group: Group, desk: Desk
) -> Iterator[tuple[int, int]]:
    """Yield the number of each type of a group, its labels on the desk, and how many nodes they touch."""
    lanes = [lane for lane in group.values() if lane is not None]
    is_done = bool(lanes) and desk.search_lanes(walk, lanes)
    for place, (number, lane) in enumerate(group.items()):
        if is_done and lane is not None:
            yield number, desk.read_lane(place, lane)
        else:
            yield number, desk.search(walk, seeds[number], bounds_ms[number])


def _search_groups(
    walk: Walk,
    groups: Sequence[Group],
    threads: int,
    search_group: Callable[[Group, Desk], dict[int, Found]],
    on_done: Callable[[int], None] | None,
) -> list[Found]:
    """Return what is found for each type; groups are searched at the same time, each thread at a desk of its own."""
    found: dict[int, Found] = {}
    if threads == 1 or len(groups) == 1:
        desk = Desk.make(walk)
        for group in groups:
            found.update(search_group(group, desk))
            if on_done is not None:
                on_done(len(found))
        return [found[number] for number in range(len(found))]
    desks: SimpleQueue[Desk] = SimpleQueue()
    for _ in range(threads):
        desks.put(Desk.make(walk))

    def take_desk(group: Group) -> dict[int, Found]:
        desk = desks.get()
        try:
            return search_group(group, desk)
        finally:
            desks.put(desk)

    with ThreadPoolExecutor(threads) as pool:
        for some in pool.map(take_desk, groups):
            found.update(some)
            if on_done is not None:
                on_done(len(found))
    return [found[number] for number in range(len(found))]


def find_labels(walk: Walk, seeds: Sequence[Seeds], *, bounds_ms: Sequence[int], threads: int = 1) -> list[IntArray]:
    """Return the nearest facility of every node over ways anybody may walk, for several types.

    Parameters
    ----------
    walk
        The network as one profile walks it.
    seeds
        For each type where its facilities enter the network.
    bounds_ms
        For each type the longest walk of interest in milliseconds.
    threads
        Types searched at the same time; the answer does not depend on it.

    Returns
    -------
    list of array
        For each type cost_ms << 32 | facility, NONE beyond the bound, shape (nodes,).
    """

    threads = max(threads, 1)

    def search_group(group: Group, desk: Desk) -> dict[int, IntArray]:
        lanes = [lane for lane in group.values() if lane is not None]
        if lanes and desk.search_lanes(walk, lanes):
            return dict(zip(group, desk.read_lanes(lanes), strict=True))
        found = {}
        for number in group:
            touched = desk.search(walk, seeds[number], bounds_ms[number])
            found[number] = desk.label.copy()
            desk.wipe(touched)
        return found

    groups = _group_types(walk, seeds, bounds_ms, threads)
    return _search_groups(walk, groups, threads, search_group, None)


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
    starts = lay_out_starts(walk, homes)

    seeds = [seed_sites(walk, entrances, rows) for rows in facilities]

    threads = max(threads, 1)
    reaches = _make_reaches(len(seeds), starts.home_edge.shape[0])

    def search_group(group: Group, desk: Desk) -> dict[int, Reach]:
        for number, touched in _search_group(walk, seeds, bounds, group, desk):
            read_starts(walk, starts, seeds[number], bounds[number], desk, reaches[number])
            desk.wipe(touched)
        return {number: reaches[number] for number in group}

    groups = _group_types(walk, seeds, bounds, threads)
    return _search_groups(walk, groups, threads, search_group, on_done)
