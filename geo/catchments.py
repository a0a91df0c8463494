"""Catchments: all homes within a bound of each of many facilities, and other answers of one place to many.

Each facility is searched alone by buckets, so the work is that of what lies around it. Homes inside compounds are
reached through their own gates; a facility inside a closed compound serves that compound alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from geo.reach import check_bound
from geo.search.around import catch_homes, list_homes, place_rows, split_pairs
from geo.search.buckets import choose_width
from geo.search.desk import Desk
from geo.search.labels import FACILITY_BITS, NONE
from geo.search.seeds import seed_each, seed_sites
from geo.search.starts import lay_out_starts
from geo.units import NO_COST, Int32Array, IntArray, UInt32Array

if TYPE_CHECKING:
    from geo.link import Entrances
    from geo.reach import Homes, Walk
    from geo.search.seeds import SeedsEach
    from geo.search.starts import Starts

_CHUNK = 64
"""Facilities searched by one thread before it takes the next; the answer does not depend on it."""

_ROOM = 1 << 18
"""Homes there is room for at first; a chunk that finds more is cut into several."""


@dataclass(frozen=True, slots=True)
class Catchments:
    """Homes within the bound of each facility, sparse rows.

    Attributes
    ----------
    ptr
        Homes of the facility asked for at place ``i`` stand from ``ptr[i]`` to before ``ptr[i + 1]``, shape (f + 1,).
    home
        Rows of homes, ascending within a facility, shape (n,).
    ms
        Milliseconds from the home to the facility, shape (n,).
    """

    ptr: IntArray
    home: Int32Array
    ms: Int32Array


@dataclass(frozen=True, slots=True)
class Matrix:
    """Facilities within the bound of each home, sparse rows.

    Attributes
    ----------
    ptr
        Facilities of home ``h`` stand from ``ptr[h]`` to before ``ptr[h + 1]``, shape (homes + 1,).
    facility
        Places in the list of facilities asked for, ascending within a home, shape (n,).
    ms
        Milliseconds from the home to the facility, shape (n,).
    """

    ptr: IntArray
    facility: Int32Array
    ms: Int32Array


@dataclass(frozen=True)
class _Around:
    """Homes by the nodes they leave to, and compounds by the nodes of their gates.

    Attributes
    ----------
    home_ptr, home_at
        Homes by the nodes they leave to, see :func:`geo.search.around.list_homes`.
    gate_ptr, gate_zone
        Compounds by the nodes from which their residents' gates carry labels on.
    zone_low, zone_high
        Where the homes of each compound stand in :class:`geo.search.starts.Starts`, shape (compounds,).
    """

    home_ptr: Int32Array
    home_at: IntArray
    gate_ptr: Int32Array
    gate_zone: Int32Array
    zone_low: Int32Array
    zone_high: Int32Array


@dataclass(slots=True)
class _Bench:
    """Work arrays of one thread: a desk, a time for each home, a mark for each compound, and room for what is found."""

    desk: Desk
    best: Int32Array
    found: Int32Array
    mark: Int32Array
    zones: Int32Array
    pair: IntArray

    @classmethod
    def make(cls, walk: Walk, starts: Starts, bound_ms: int) -> _Bench:
        homes, compounds = starts.row.shape[0], walk.gates.ptr.shape[0] - 1
        return cls(
            Desk.make(walk),
            np.full(homes, bound_ms + 1, dtype=np.int32),
            np.empty(homes + 1, dtype=np.int32),
            np.full(compounds, -1, dtype=np.int32),
            np.empty(compounds, dtype=np.int32),
            np.empty(_ROOM, dtype=np.int64),
        )


def _look_around(walk: Walk, starts: Starts) -> _Around:
    nodes, gates = walk.graph.node_count, walk.gates
    compounds = gates.ptr.shape[0] - 1
    home_ptr, home_at = np.zeros(nodes + 1, dtype=np.int32), np.empty(2 * starts.row.shape[0], dtype=np.int64)
    list_homes(starts.node_a, starts.node_b, starts.add_a, starts.add_b, home_ptr, home_at)
    gate_ptr = np.zeros(nodes + 1, dtype=np.int32)
    np.cumsum(np.bincount(gates.from_node, minlength=nodes), out=gate_ptr[1:])
    gate_zone = np.repeat(np.arange(compounds, dtype=np.int32), np.diff(gates.ptr))
    zone_low, zone_high = np.zeros((2, compounds), dtype=np.int32)
    zone_low[starts.zone] = starts.zone_ptr[:-1]
    zone_high[starts.zone] = starts.zone_ptr[1:]
    order = np.argsort(gates.from_node, kind="stable")
    return _Around(home_ptr, home_at, gate_ptr, gate_zone[order], zone_low, zone_high)


def find_catchments(
    walk: Walk,
    homes: Homes,
    entrances: Entrances,
    *,
    facilities: Int32Array,
    bound_s: float,
    threads: int = 1,
) -> Catchments:
    """Return all homes within the bound of each facility, whether or not another facility is nearer.

    Parameters
    ----------
    walk
        The network as one profile walks it.
    homes
        Where walks start.
    entrances
        Entrances of all facilities.
    facilities
        Rows of the facilities asked for; one may be asked for twice.
    bound_s
        Longest walk in seconds; the exact second counts as within.
    threads
        Facilities searched at the same time; the answer does not depend on it.

    Raises
    ------
    RequestError
        The bound is not above 0 and at most a day.
    """
    bound_ms = check_bound(bound_s)
    starts = lay_out_starts(walk, homes)
    around = _look_around(walk, starts)
    order = _sort_by_place(walk, entrances, facilities)
    seeds = seed_each(walk, entrances, facilities[order])
    benches: SimpleQueue[_Bench] = SimpleQueue()
    for _ in range(max(threads, 1)):
        benches.put(_Bench.make(walk, starts, bound_ms))

    def catch_chunk(low: int) -> Catchments:
        bench = benches.get()
        try:
            high = min(low + _CHUNK, facilities.shape[0])
            return _catch(walk, starts, around, seeds, bench, low, high, bound_ms)
        finally:
            benches.put(bench)

    lows = range(0, facilities.shape[0], _CHUNK)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        parts = list(pool.map(catch_chunk, lows) if threads > 1 else map(catch_chunk, lows))
    return _put_together(parts, order)


def _put_together(parts: list[Catchments], order: IntArray) -> Catchments:
    """Return the catchments of all chunks in the order asked for."""
    size = np.zeros(order.shape[0], dtype=np.int64)
    size[order] = np.concatenate([np.empty(0, dtype=np.int64), *(np.diff(part.ptr) for part in parts)])
    ptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    home, ms = np.empty(int(ptr[-1]), dtype=np.int32), np.empty(int(ptr[-1]), dtype=np.int32)
    done = 0
    for part in parts:
        number = order[done : done + part.ptr.shape[0] - 1]
        place_rows(part.ptr, number, part.home, part.ms, ptr, home, ms)
        done += number.shape[0]
    return Catchments(ptr, home, ms)


def _sort_by_place(walk: Walk, entrances: Entrances, facilities: Int32Array) -> IntArray:
    """Return the order in which neighbours follow each other, so that one search finds in cache what the last one read.

    Facilities without an entrance come first.
    """
    node = np.full(
        max(int(entrances.facility.max(initial=-1)), int(facilities.max(initial=-1))) + 1, -1, dtype=np.int64
    )
    node[entrances.facility] = walk.seed_a[entrances.links.edge]
    return np.argsort(node[facilities], kind="stable")


def _catch(
    walk: Walk, starts: Starts, around: _Around, seeds: SeedsEach, bench: _Bench, low: int, high: int, bound_ms: int
) -> Catchments:
    """Return the catchments of the facilities of one chunk."""
    graph, gates, network, desk = walk.graph, walk.gates, walk.network, bench.desk
    width = choose_width(graph.typical_ms, bound_ms)
    most = int(np.diff((seeds.seed_ptr + seeds.gate_ptr)[low : high + 1]).max(initial=0))
    head, chain, heap = desk.buckets((bound_ms >> width) + 2), desk.chain(most), desk.heap(walk, most)
    size = np.zeros(high - low, dtype=np.int64)
    parts = []
    at = low
    while at < high:
        pair = bench.pair
        done = int(
            catch_homes(
                at,
                high,
                size[at - low :],
                pair,
                graph.first,
                graph.last,
                graph.arc_node,
                graph.arc_ms,
                gates.ptr,
                gates.from_node,
                gates.to_node,
                gates.ms,
                seeds.seed_ptr,
                seeds.node,
                seeds.ms,
                seeds.site_ptr,
                seeds.site_edge,
                seeds.site_place_mm,
                seeds.site_off_ms,
                seeds.gate_ptr,
                seeds.at_gates.zone,
                seeds.at_gates.node,
                seeds.at_gates.key,
                starts.row,
                starts.node_a,
                starts.node_b,
                starts.add_a,
                starts.add_b,
                starts.edge_first,
                starts.home_edge,
                starts.home_place_mm,
                starts.home_off_ms,
                network.edge_mm,
                walk.cost_ab,
                walk.cost_ba,
                around.home_ptr,
                around.home_at,
                around.gate_ptr,
                around.gate_zone,
                around.zone_low,
                around.zone_high,
                bound_ms,
                width,
                desk.label,
                desk.own,
                desk.touched,
                desk.own_touched,
                head,
                *chain,
                *heap,
                bench.best,
                bench.found,
                bench.mark,
                bench.zones,
            )
        )
        ends = [0, *np.cumsum(size[at - low : done - low]).tolist()]
        for first, last in pairwise(ends):
            pair[first:last].sort()
        home, ms = np.empty(ends[-1], dtype=np.int32), np.empty(ends[-1], dtype=np.int32)
        split_pairs(pair, home, ms)
        parts.append((home, ms))
        if done == at:
            # one facility has more homes than there was room for: search it again with more
            bench.pair = np.empty(4 * pair.shape[0], dtype=np.int64)
        at = done
    ptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    if len(parts) == 1:
        return Catchments(ptr, *parts[0])
    return Catchments(ptr, np.concatenate([home for home, _ in parts]), np.concatenate([ms for _, ms in parts]))


def find_matrix(
    walk: Walk,
    homes: Homes,
    entrances: Entrances,
    *,
    facilities: Int32Array,
    bound_s: float,
    threads: int = 1,
) -> Matrix:
    """Return all facilities within the bound of each home: many to many, sparse.

    Parameters
    ----------
    walk, homes, entrances, facilities, bound_s, threads
        As for :func:`find_catchments`.

    Raises
    ------
    RequestError
        The bound is not above 0 and at most a day.
    """
    caught = find_catchments(walk, homes, entrances, facilities=facilities, bound_s=bound_s, threads=threads)
    owner = np.repeat(np.arange(facilities.shape[0], dtype=np.int32), np.diff(caught.ptr))
    order = np.argsort(caught.home, kind="stable")
    ptr = np.zeros(homes.zone.shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(caught.home, minlength=homes.zone.shape[0]), out=ptr[1:])
    return Matrix(ptr, owner[order], caught.ms[order])


def spread_from(walk: Walk, entrances: Entrances, *, facilities: Int32Array, bound_s: float) -> UInt32Array:
    """Return the milliseconds from every node to the nearest of some facilities: one to all.

    Only ways that anybody may walk count; hand in ``walk.reversed`` for the times from the facility to the nodes.

    Parameters
    ----------
    walk
        The network as one profile walks it.
    entrances
        Entrances of all facilities.
    facilities
        Rows of the facilities asked for, often one.
    bound_s
        Longest walk in seconds.

    Returns
    -------
    array
        Milliseconds, NO_COST beyond the bound, shape (nodes of the graph,).

    Raises
    ------
    RequestError
        The bound is not above 0 and at most a day.
    """
    bound_ms = check_bound(bound_s)
    desk = Desk.make(walk)
    desk.search(walk, seed_sites(walk, entrances, facilities), bound_ms)
    return np.where(desk.label == NONE, NO_COST, desk.label >> FACILITY_BITS).astype(np.uint32)
