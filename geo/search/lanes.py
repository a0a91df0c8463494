"""Search for up to sixteen types in one pass: one lane a type, sixteen labels side by side in one line of cache.

A sweep as in :mod:`geo.search.sweeps`, but each arc is relaxed for all lanes by one vector operation, so that finding
the way through the network is paid for once. A label has 32 bits here: cost in milliseconds above, the facility's
number among those of its type below. Types with so many facilities or such far bounds that this does not fit are
searched alone. The answers are those of every other search.

Measured on streets of 107,000 to 1,050,000 nodes with 16 types: 6 to 15 ns a node and type, sweeps 7 to 41.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.search.bits import copy_lanes, lower_lanes, lowest_bit
from geo.search.labels import NONE
from geo.search.sweeps import PATIENCE, Words
from geo.units import Int32Array, IntArray, UInt32Array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.reach import Walk
    from geo.search.seeds import Seeds

LaneArray = npt.NDArray[np.uint32]

LANES = 16
"""Types of one pass: 64 bytes a node, a line of cache."""

MAX_NODES = 1_000_000
"""Larger networks are searched one type at a time: sixteen labels take 64 bytes a node and thread. Measured with 16
types within 15 minutes: lanes 6 to 15 ns a node and type at 107,000, 425,000 and 1,050,000 nodes, sweeps 7 to 41."""

FEWEST = 3
"""Fewer types than this are searched one at a time."""

ROUNDS = 12
"""Sweeps of the 64 nodes of a word before the next one's turn: about until they are at rest. Relaxing costs the same
whatever gets better, so what counts is how often nodes are taken up (measured on two networks of short ways: a third
less than with rounds over larger blocks, as :mod:`geo.search.sweeps` does them)."""

_LABEL_BITS = 31
_ONE = np.uint64(1)


@dataclass(frozen=True, slots=True)
class Lane:
    """One type packed for a lane.

    Attributes
    ----------
    seeds
        Where its facilities enter the network.
    bound_ms
        Longest walk of interest.
    shift
        Bits below the cost.
    facility
        Facility rows, ascending; their place is the number in the label.
    """

    seeds: Seeds
    bound_ms: int
    shift: int
    facility: Int32Array


@njit(cache=True, nogil=True)
def _rises(number: Int32Array) -> bool:
    """Return whether each number is larger than the one before."""
    falls = 0
    for i in range(1, number.shape[0]):
        falls += int(number[i] <= number[i - 1])
    return falls == 0


def make_lane(seeds: Seeds, bound_ms: int) -> Lane | None:
    """Return a type packed for a lane, None where its labels do not fit.

    Parameters
    ----------
    seeds
        Where its facilities enter the network.
    bound_ms
        Longest walk of interest in milliseconds.
    """
    facility = seeds.facility
    if not _rises(facility):
        facility = np.unique(facility)
    shift = max(facility.shape[0] - 1, 0).bit_length()
    if (bound_ms + 2) << shift >= 1 << _LABEL_BITS:
        return None
    return Lane(seeds, bound_ms, shift, facility)


def _list_bounds(lanes: Sequence[Lane]) -> tuple[UInt32Array, UInt32Array]:
    """Return the bits below the cost and the milliseconds just above the bound of sixteen lanes."""
    shift, beyond = np.zeros((2, LANES), dtype=np.uint32)
    shift[: len(lanes)] = [lane.shift for lane in lanes]
    beyond[: len(lanes)] = [lane.bound_ms + 1 for lane in lanes]
    return shift, beyond


def _join(arrays: Sequence[Any]) -> tuple[IntArray, Any]:
    """Return where each array begins and ends among all of them, and all of them one after the other."""
    return np.cumsum([0, *map(len, arrays)]), np.concatenate(arrays)


def read_all(lanes: Sequence[Lane], packed: LaneArray) -> IntArray:
    """Return the plain labels of several lanes, shape (lanes, nodes).

    Parameters
    ----------
    lanes
        The types.
    packed
        Labels that :func:`search_all` found.
    """
    label = np.empty((len(lanes), packed.shape[0]), dtype=np.int64)
    # a label of nothing names facility 0, which must be there to be read
    ptr, facility = _join([*(lane.facility for lane in lanes), np.zeros(1, dtype=np.int32)])
    shift, beyond = _list_bounds(lanes)
    read_lanes(shift, beyond, ptr, facility, packed, label)
    return label


def search_all(walk: Walk, lanes: Sequence[Lane], label: LaneArray, waiting: Words) -> bool:
    """Fill the labels of up to sixteen types and return whether that was done.

    Parameters
    ----------
    walk
        What is walked.
    lanes
        The types.
    label
        The answer, see :func:`read_lane`, shape (nodes, 16).
    waiting
        Work array: a set of nodes, empty before and after.

    Returns
    -------
    bool
        False where nodes were taken up again and again: search each type alone then.
    """
    graph = walk.graph
    shift, beyond = _list_bounds(lanes)
    return bool(
        search_lanes(
            graph.first,
            graph.last,
            graph.arc_node,
            graph.arc_ms,
            *_join([lane.seeds.node for lane in lanes]),
            np.concatenate([lane.seeds.ms for lane in lanes]),
            np.concatenate([lane.seeds.facility for lane in lanes]),
            *_join([lane.facility for lane in lanes]),
            shift,
            beyond,
            label,
            waiting,
        )
    )


@njit(cache=True, nogil=True)
def _sweep(
    forwards: bool,
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    shift: UInt32Array,
    beyond: UInt32Array,
    label: LaneArray,
    waiting: Words,
) -> int:
    """Hand on the labels of the waiting nodes, word by word until each is at rest; return how many were taken up."""
    taken = 0
    words = waiting.shape[0]
    for step in range(words):
        word = step if forwards else words - 1 - step
        for _ in range(ROUNDS):
            bits = waiting[word]
            if bits == 0:
                break
            waiting[word] = 0
            while bits != 0:
                node = (word << 6) + lowest_bit(bits)
                bits &= bits - _ONE
                taken += 1
                for arc in range(first[node], last[node]):
                    neighbour = np.uint32(arc_node[arc])
                    lower = lower_lanes(label, node, np.int64(neighbour), arc_ms[arc], shift, beyond)
                    waiting[neighbour >> np.uint32(6)] |= lower << np.uint64(neighbour & np.uint32(63))
    return taken


@njit(cache=True, nogil=True)
def search_lanes(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    seed_ptr: IntArray,
    seed_node: Int32Array,
    seed_ms: IntArray,
    seed_facility: Int32Array,
    facility_ptr: IntArray,
    facility: Int32Array,
    shift: UInt32Array,
    beyond: UInt32Array,
    label: LaneArray,
    waiting: Words,
) -> bool:
    """Fill the labels of all lanes with the least (cost, facility) of every node.

    Parameters
    ----------
    first, last, arc_node, arc_ms
        The graph, see :class:`geo.search.graph.Graph`.
    seed_ptr, seed_node, seed_ms, seed_facility
        Where facilities enter the network, what it costs from there, and which facility; those of lane ``k`` stand from
        ``seed_ptr[k]`` to before ``seed_ptr[k + 1]``.
    facility_ptr, facility
        Facility rows of each lane, ascending, likewise.
    shift, beyond
        Bits below the cost, and the milliseconds just above the bound, of each lane, shape (16,).
    label
        The answer: cost_ms << shift | number of the facility; ``beyond << shift`` where there is none,
        shape (nodes, 16).
    waiting
        Work array: a set of nodes, empty before and after.

    Returns
    -------
    bool
        False where nodes were taken up again and again.
    """
    nothing = (beyond << shift).reshape((1, LANES))
    for node in range(label.shape[0]):
        copy_lanes(label, node, nothing, 0)
    for lane in range(seed_ptr.shape[0] - 1):
        begin, rows = seed_ptr[lane], facility[facility_ptr[lane] : facility_ptr[lane + 1]]
        for s in range(begin, seed_ptr[lane + 1]):
            if seed_ms[s] >= np.int64(beyond[lane]):
                continue
            # most often the seeds of a type are its facilities, each once
            number = s - begin
            if number >= rows.shape[0] or rows[number] != seed_facility[s]:
                number = np.searchsorted(rows, seed_facility[s])
            key = (seed_ms[s] << np.int64(shift[lane])) | number
            node = seed_node[s]
            if key < np.int64(label[node, lane]):
                label[node, lane] = key
                waiting[node >> 6] |= _ONE << np.uint64(node & 63)
    words = waiting.shape[0]
    patience = PATIENCE * (label.shape[0] + 1024)
    forwards = True
    found = 1
    while found > 0:
        found = _sweep(forwards, first, last, arc_node, arc_ms, shift, beyond, label, waiting)
        forwards = not forwards
        patience -= found + words // 8
        if patience < 0:
            waiting[:] = 0
            return False
    return True


@njit(cache=True, nogil=True)
def read_lane(
    lane: int,
    shift: int,
    bound_ms: int,
    facility: Int32Array,
    packed: LaneArray,
    label: IntArray,
    touched: Int32Array,
) -> int:
    """Fill plain labels from those of one lane and return how many nodes are reached.

    Parameters
    ----------
    lane, shift, bound_ms, facility
        Which lane, and how its labels are packed, see :class:`Lane`.
    packed
        Labels of all lanes, shape (nodes, 16).
    label
        The answer: cost_ms << 32 | facility row, NONE beyond the bound, shape (nodes,).
    touched
        Nodes that are reached, ascending, shape (nodes,).
    """
    limit = np.int64(bound_ms + 1) << shift
    mask = (np.int64(1) << shift) - 1
    count = 0
    for node in range(packed.shape[0]):
        key = np.int64(packed[node, lane])
        reached = key < limit
        touched[count] = node
        count += int(reached)
        label[node] = ((key >> shift) << 32) | np.int64(facility[key & mask]) if reached else NONE
    return count


_READ_AT_ONCE = 128
"""Nodes whose packed labels stay in the first-level cache while they are read lane by lane."""


@njit(cache=True, nogil=True)
def read_lanes(
    shift: UInt32Array, beyond: UInt32Array, ptr: IntArray, facility: Int32Array, packed: LaneArray, label: IntArray
) -> None:
    """Fill plain labels from those of all lanes.

    Parameters
    ----------
    shift, beyond
        How the labels of each lane are packed, see :func:`search_lanes`.
    ptr, facility
        Facility rows of lane ``k`` stand from ``ptr[k]`` to before ``ptr[k + 1]``.
    packed
        Labels of all lanes, shape (nodes, 16).
    label
        The answer: cost_ms << 32 | facility row, NONE beyond the bound, shape (lanes, nodes).
    """
    for low in range(0, packed.shape[0], _READ_AT_ONCE):
        high = min(low + _READ_AT_ONCE, packed.shape[0])
        for lane in range(label.shape[0]):
            bits = np.int64(shift[lane])
            limit = np.int64(beyond[lane]) << bits
            mask = (np.int64(1) << bits) - 1
            # plain rows and unsigned places: the compiler makes vectors of this loop
            rows, column, answer = facility[ptr[lane] :], packed[low:high, lane], label[lane, low:high]
            for i in range(answer.shape[0]):
                key = np.int64(column[i])
                known = ((key >> bits) << 32) | np.int64(rows[np.uint64(key & mask)])
                answer[i] = known if key < limit else NONE
