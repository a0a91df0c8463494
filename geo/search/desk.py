"""The work arrays of one thread, and which search suits which walk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geo.search import labels as search
from geo.search.buckets import choose_width, search_buckets
from geo.search.labels import NONE
from geo.search.lanes import LANES, Lane, LaneArray, read_all, read_lane, search_all
from geo.search.sweeps import Words, search_sweeps
from geo.units import Int32Array, IntArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.reach import Seeds, Walk
    from geo.search.seeds import GateSeeds

_NO_NODES = np.empty(0, dtype=np.int32)

MAX_SWEPT_STEPS = 128
"""Walks of more typical arcs than this need many sweeps: buckets are quicker then."""

_LARGE_SHARE = 8
"""Sweeps pay where about this part of the network is reached: one in eight."""


@dataclass
class Desk:
    """Work arrays of one thread, each made when it is first asked for.

    Attributes
    ----------
    nodes
        How many nodes the network has.
    """

    nodes: int
    _bucket: Int32Array = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    _chain: tuple[Int32Array, Int32Array] = (_NO_NODES, _NO_NODES)
    _heap: tuple[IntArray, Int32Array] = (np.empty(0, dtype=np.int64), _NO_NODES)

    @classmethod
    def make(cls, walk: Walk, seeds: int = 0) -> Desk:
        """Return arrays for searches of a walk; they grow where a search has more seeds than said."""
        desk = cls(walk.graph.node_count)
        if seeds:
            desk.chain(seeds)
        return desk

    @cached_property
    def label(self) -> IntArray:
        """Return public labels, cost_ms << 32 | facility row; NONE everywhere between searches, shape (nodes,)."""
        return np.full(self.nodes, NONE, dtype=np.int64)

    @cached_property
    def own(self) -> IntArray:
        """Return labels that count for one compound alone, NONE everywhere between searches, shape (nodes,)."""
        return np.full(self.nodes, NONE, dtype=np.int64)

    @cached_property
    def touched(self) -> Int32Array:
        """Return the nodes whose label the last search set, room for one more than there are, shape (nodes + 1,)."""
        return np.empty(self.nodes + 1, dtype=np.int32)

    @cached_property
    def own_touched(self) -> Int32Array:
        """Return the nodes whose own label the last search set, likewise."""
        return np.empty(self.nodes + 1, dtype=np.int32)

    @cached_property
    def _waiting(self) -> Words:
        return np.zeros((self.nodes + 63) // 64, dtype=np.uint64)

    @cached_property
    def _lanes(self) -> LaneArray:
        return make_lines(self.nodes)

    def chain(self, seeds: int) -> tuple[Int32Array, Int32Array]:
        """Return the entries of a bucket search with that many seeds."""
        room = 2 * self.nodes + seeds + 64
        if self._chain[0].shape[0] < room:
            self._chain = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
        return self._chain

    def buckets(self, count: int) -> Int32Array:
        """Return heads for that many buckets."""
        if self._bucket.shape[0] < count:
            self._bucket = np.empty(count, dtype=np.int32)
        return self._bucket

    def heap(self, walk: Walk, seeds: int) -> tuple[IntArray, Int32Array]:
        """Return the entries of a search in strict order; memory is taken up only as far as they are used."""
        room = walk.graph.arc_count + walk.gates.ms.shape[0] + seeds + 1
        if self._heap[0].shape[0] < room:
            self._heap = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int32)
        return self._heap

    def search_lanes(self, walk: Walk, lanes: Sequence[Lane]) -> bool:
        """Search up to sixteen types at once and return whether that was done; then read them one by one."""
        return search_all(walk, lanes, self._lanes, self._waiting)

    def read_lane(self, number: int, lane: Lane) -> int:
        """Fill the public labels with those of one lane and return how many nodes are reached, as a search does."""
        return int(read_lane(number, lane.shift, lane.bound_ms, lane.facility, self._lanes, self.label, self.touched))

    def read_lanes(self, lanes: Sequence[Lane]) -> IntArray:
        """Return the labels of all types of the last pass, shape (types, nodes)."""
        return read_all(lanes, self._lanes)

    def search(self, walk: Walk, seeds: Seeds, bound_ms: int) -> int:
        """Fill the public labels and return how many nodes were touched; wipe them when they have been read.

        The answer does not depend on which search is chosen.
        """
        count = self.sweep(walk, seeds, bound_ms) if is_far_reaching(walk, seeds, bound_ms) else -1
        if count < 0:
            count = self.search_near(walk, seeds, bound_ms)
        return count if count >= 0 else self.search_in_order(walk, seeds, bound_ms)

    def sweep(self, walk: Walk, seeds: Seeds, bound_ms: int) -> int:
        """Search by sweeps (`geo.search.sweeps`); less than 0 where that goes round in circles."""
        graph = walk.graph
        return int(
            search_sweeps(
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
                self._waiting,
            )
        )

    def search_near(self, walk: Walk, seeds: Seeds, bound_ms: int) -> int:
        """Search by buckets (`geo.search.buckets`); less than 0 where that goes round in circles."""
        graph = walk.graph
        width = choose_width(graph.typical_ms, bound_ms)
        count = int(
            search_buckets(
                graph.first,
                graph.last,
                graph.arc_node,
                graph.arc_ms,
                seeds.node,
                seeds.ms,
                seeds.facility,
                bound_ms,
                width,
                self.label,
                self.touched,
                self.buckets((bound_ms >> width) + 2),
                *self.chain(seeds.node.shape[0]),
            )
        )
        if count < 0:
            self.wipe(-1 - count)
        return count

    def search_in_order(self, walk: Walk, seeds: Seeds, bound_ms: int) -> int:
        """Search in strict order, see :func:`geo.search.labels.search_in_order`: never quick, never slow."""
        graph = walk.graph
        return int(
            search.search_in_order(
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
                *self.heap(walk, seeds.node.shape[0]),
            )
        )

    def search_compound(self, walk: Walk, seeds: GateSeeds, zone: int, bound_ms: int) -> int:
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
                *seeds.of(zone),
                bound_ms,
                _NO_NODES,
                _NO_NODES,
                self.label,
                self.own,
                self.own_touched,
                *self.heap(walk, seeds.zone.shape[0]),
            )
        )

    def wipe(self, touched: int) -> None:
        """Forget the public labels of the last search."""
        search.wipe(self.label, self.touched, touched)

    def wipe_own(self, touched: int) -> None:
        """Forget the labels of the last compound."""
        search.wipe(self.own, self.own_touched, touched)


def make_lines(rows: int) -> LaneArray:
    """Return room for sixteen whole numbers a row, each row in a line of cache of its own, shape (rows, 16).

    Memory is taken up only as far as it is used.

    Parameters
    ----------
    rows
        How many rows.
    """
    line = LANES * 4
    room = np.empty(rows * line + line, dtype=np.uint8)
    start = -room.ctypes.data % line
    return room[start : start + rows * line].view(np.uint32).reshape((rows, LANES))


def is_far_reaching(walk: Walk, seeds: Seeds, bound_ms: int) -> bool:
    """Return whether a search is likely to fill so much of the network that sweeps are quicker than buckets.

    Parameters
    ----------
    walk, seeds
        What is walked, from where.
    bound_ms
        Longest walk of interest in milliseconds.
    """
    steps = bound_ms / walk.graph.typical_ms
    # a grid has 2 r² nodes within r steps
    reached = seeds.node.shape[0] * 2.0 * steps * steps
    return steps <= MAX_SWEPT_STEPS and reached * _LARGE_SHARE > walk.graph.node_count
