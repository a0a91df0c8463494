"""Catchments: all homes within a bound of each of many facilities, and other answers of one place to many.

Facilities that stand near each other are searched together (:mod:`geo.search.abreast`), so the work is that of what
lies around them. Homes inside compounds are reached through their own gates; a facility inside a closed compound serves
that compound alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from geo.reach import check_bound
from geo.search.around import catch_homes
from geo.search.desk import Desk, make_lines
from geo.search.labels import FACILITY_BITS, NONE
from geo.search.lanes import LaneArray
from geo.search.rows import list_homes, place_rows
from geo.search.seeds import seed_each, seed_sites
from geo.search.starts import lay_out_ends
from geo.units import NO_COST, BoolArray, Int32Array, IntArray, UInt32Array
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geo.link import Entrances
    from geo.reach import Homes, Walk
    from geo.search.seeds import SeedsEach
    from geo.search.sweeps import Words

_CHUNK = 256
"""Facilities searched by one thread before it takes the next; the answer does not depend on it."""

_ROOM = 1 << 18
"""Homes there is room for at first; then what is found goes to further parts."""

_MOST_ROOM = 1 << 22
"""Homes there is room for in a part at most, unless one group of facilities has more."""


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
    """Linked homes by the nodes they leave to and by compound, and compounds by the nodes of their gates.

    Attributes
    ----------
    row, node_a, node_b, add_a, add_b
        The homes, ascending, see :func:`geo.search.starts.lay_out_ends`.
    edge, place_mm, off_ms
        Links of all homes by row.
    ptr, at
        Homes by node, see :func:`geo.search.rows.list_homes`.
    gate_ptr, gate_zone
        Compounds with homes by the nodes from which their residents' gates carry labels on.
    zone_ptr, zone_home
        Places of the homes of each compound, shape (compounds + 1,) and (homes inside,).
    """

    row: Int32Array
    node_a: Int32Array
    node_b: Int32Array
    add_a: Int32Array
    add_b: Int32Array
    edge: Int32Array
    place_mm: IntArray
    off_ms: IntArray
    ptr: Int32Array
    at: Int32Array
    gate_ptr: Int32Array
    gate_zone: Int32Array
    zone_ptr: IntArray
    zone_home: Int32Array


@dataclass(slots=True)
class _Bench:
    """Work arrays of one thread: a desk, costs of sixteen facilities, sets of nodes and homes, and a row a home."""

    desk: Desk
    lanes: LaneArray
    sets: tuple[Words, Words, Words, Words, Words, Words]
    best: LaneArray
    best_home: Int32Array
    slot: Int32Array
    slot_home: Int32Array
    extra: LaneArray
    mark: IntArray
    zones: Int32Array
    doors: Int32Array

    @classmethod
    def make(cls, walk: Walk, around: _Around, bound_ms: int) -> _Bench:
        nodes, homes, compounds = walk.graph.node_count, around.row.shape[0], walk.gates.ptr.shape[0] - 1
        lanes = make_lines(nodes)
        lanes[:] = bound_ms + 1
        return cls(
            Desk.make(walk),
            lanes,
            (*_make_set(nodes), *_make_set(nodes), *_make_set(homes)),
            make_lines(homes + 1),
            np.empty(homes + 1, dtype=np.int32),
            np.full(homes, -1, dtype=np.int32),
            np.empty(homes, dtype=np.int32),
            make_lines(homes),
            np.zeros(compounds + 1, dtype=np.int64),
            np.empty(compounds, dtype=np.int32),
            np.empty(around.gate_zone.shape[0], dtype=np.int32),
        )


def _make_set(count: int) -> tuple[Words, Words]:
    """Return an empty set of numbers below a count: a bit for each, and a bit for each word above."""
    words = np.zeros((count + 63) // 64, dtype=np.uint64)
    return words, np.zeros((words.shape[0] + 63) // 64, dtype=np.uint64)


def _look_around(walk: Walk, homes: Homes) -> _Around:
    links = homes.links
    row = np.flatnonzero(links.is_linked).astype(np.int32)
    count = row.shape[0]
    node_a, node_b, add_a, add_b = (np.empty(count, dtype=np.int32) for _ in range(4))
    off_ms = walk.off_ms(links.off_mm)
    lay_out_ends(
        row,
        links.edge,
        links.place_mm,
        off_ms,
        walk.exit_a,
        walk.exit_b,
        walk.network.edge_mm,
        walk.cost_ab,
        walk.cost_ba,
        node_a,
        node_b,
        add_a,
        add_b,
        np.zeros(walk.network.edge_count, dtype=np.int32),
    )
    ptr, at = np.zeros(walk.graph.node_count + 1, dtype=np.int32), np.empty(2 * count, dtype=np.int32)
    list_homes(node_a, node_b, ptr, at)
    compounds = walk.gates.ptr.shape[0] - 1
    zone = homes.zone[row]
    inside = np.flatnonzero(zone != OUTSIDE)
    by_zone = inside[np.argsort(zone[inside], kind="stable")].astype(np.int32)
    sizes = np.bincount(zone[inside], minlength=compounds)
    zone_ptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    gates = _list_gates(walk, sizes > 0)
    return _Around(
        row, node_a, node_b, add_a, add_b, links.edge, links.place_mm, off_ms, ptr, at, *gates, zone_ptr, by_zone
    )


def _list_gates(walk: Walk, has_homes: BoolArray) -> tuple[Int32Array, Int32Array]:
    """Return the compounds with homes by the nodes from which their residents' gates carry labels on."""
    gates = walk.gates
    zone = np.repeat(np.arange(has_homes.shape[0], dtype=np.int32), np.diff(gates.ptr))
    mine = has_homes[zone]
    zone, node = zone[mine], gates.from_node[mine]
    ptr = np.zeros(walk.graph.node_count + 1, dtype=np.int32)
    np.cumsum(np.bincount(node, minlength=walk.graph.node_count), out=ptr[1:])
    return ptr, zone[np.argsort(node, kind="stable")]


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
    around = _look_around(walk, homes)
    order = _sort_by_place(walk, entrances, facilities)
    seeds = seed_each(walk, entrances, facilities[order])
    threads = max(threads, 1)
    benches: SimpleQueue[_Bench] = SimpleQueue()
    for _ in range(threads):
        benches.put(_Bench.make(walk, around, bound_ms))
    step = _CHUNK if threads > 1 else max(order.shape[0], 1)

    def catch_chunk(low: int) -> list[_Part]:
        bench = benches.get()
        try:
            high = min(low + step, order.shape[0])
            return list(_catch(walk, around, seeds, bench, low, high, bound_ms))
        finally:
            benches.put(bench)

    lows = range(0, order.shape[0], step)
    if threads == 1:
        return _put_together([part for low in lows for part in catch_chunk(low)], order)
    with ThreadPoolExecutor(threads) as pool:
        return _put_together([part for chunk in pool.map(catch_chunk, lows) for part in chunk], order)


@dataclass(frozen=True, slots=True)
class _Part:
    """How many homes some facilities have, their rows and milliseconds one facility after the other."""

    size: IntArray
    home: Int32Array
    ms: Int32Array


def _put_together(parts: list[_Part], order: IntArray) -> Catchments:
    """Return the catchments of all parts in the order asked for."""
    size = np.zeros(order.shape[0], dtype=np.int64)
    size[order] = np.concatenate([np.empty(0, dtype=np.int64), *(part.size for part in parts)])
    ptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    home, ms = np.empty(int(ptr[-1]), dtype=np.int32), np.empty(int(ptr[-1]), dtype=np.int32)
    done = 0
    for part in parts:
        number = order[done : done + part.size.shape[0]]
        place_rows(part.size, number, part.home, part.ms, ptr, home, ms)
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
    walk: Walk, around: _Around, seeds: SeedsEach, bench: _Bench, low: int, high: int, bound_ms: int
) -> Iterator[_Part]:
    """Yield the catchments of the facilities of one chunk, in parts."""
    graph, gates, network, desk = walk.graph, walk.gates, walk.network, bench.desk
    most = int(np.diff((seeds.seed_ptr + seeds.gate_ptr)[low : high + 1]).max(initial=0))
    heap = desk.heap(walk, most)
    zone_nodes = around.node_a[around.zone_home], around.node_b[around.zone_home]
    room = _ROOM
    while low < high:
        size = np.zeros(high - low, dtype=np.int64)
        home, ms = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
        done = int(
            catch_homes(
                low,
                high,
                size,
                home,
                ms,
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
                walk.exit_a,
                network.edge_mm,
                walk.cost_ab,
                walk.cost_ba,
                around.row,
                around.node_a,
                around.node_b,
                around.add_a,
                around.add_b,
                around.edge,
                around.place_mm,
                around.off_ms,
                around.ptr,
                around.at,
                around.gate_ptr,
                around.gate_zone,
                around.zone_ptr,
                around.zone_home,
                *zone_nodes,
                bound_ms,
                bench.lanes,
                *bench.sets,
                desk.touched,
                desk.label,
                desk.own,
                desk.own_touched,
                *heap,
                bench.best,
                bench.best_home,
                bench.slot,
                bench.slot_home,
                bench.extra,
                bench.mark,
                bench.zones,
                bench.doors,
            )
        )
        size = size[: done - low]
        count = int(size.sum())
        if done > low:
            yield _Part(size, home[:count], ms[:count])
        # a group that found more than there was room for is searched again with more
        room = 4 * room if done == low else min(4 * room, max(_MOST_ROOM, room))
        low = done


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
