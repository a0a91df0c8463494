"""Search by buckets, for walks that stay near: Dial's queue with buckets some seconds wide.

Nodes wait in the bucket of their label's cost; buckets are emptied in order. Inside a bucket nodes come in any order
and are taken up again when their label got better, so the answer is the least (cost, facility) of every node whatever
the width. Nothing but what is reached is looked at.

References
----------
R. B. Dial (1969), Algorithm 360: shortest-path forest with topological ordering, Communications of the ACM 12 (11).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.labels import NONE
from geo.units import Int32Array, IntArray, UInt32Array

MAX_BUCKETS = 1 << 16
"""Most buckets of one search; longer bounds get wider buckets."""

_GIVE_UP = -1
_PATIENCE = 16
"""A network whose nodes are taken up this many times each on average is searched in strict order instead."""


def choose_width(typical_ms: int, bound_ms: int) -> int:
    """Return the width of a bucket as a power of two: an eighth to a quarter of a typical arc.

    Measured from 4 to 33 s on arcs of 72 s: the width hardly matters there.

    Parameters
    ----------
    typical_ms
        Milliseconds of a typical arc.
    bound_ms
        Longest walk of interest.
    """
    return int(max(typical_ms.bit_length() - 3, 4, (bound_ms // MAX_BUCKETS).bit_length()))


@njit(cache=True, nogil=True)
def _enter(
    seed_node: Int32Array,
    seed_ms: IntArray,
    seed_facility: Int32Array,
    bound_ms: int,
    width: int,
    label: IntArray,
    touched: Int32Array,
    head: Int32Array,
    following: Int32Array,
    waiting: Int32Array,
) -> tuple[int, int]:
    """Put the seeds into their buckets; return how many nodes are touched and how many entries used (-1: no room)."""
    count = 0
    used = 0
    for s in range(seed_node.shape[0]):
        key = (seed_ms[s] << 32) | np.int64(seed_facility[s])
        node = seed_node[s]
        old = label[node]
        if key >= old or seed_ms[s] > bound_ms:
            continue
        if old == NONE:
            touched[count] = node
            count += 1
        label[node] = key
        if used == waiting.shape[0]:
            return count, -1
        place = seed_ms[s] >> width
        waiting[used] = node
        following[used] = head[place]
        head[place] = used
        used += 1
    return count, used


@njit(cache=True, nogil=True)
def search_buckets(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    seed_node: Int32Array,
    seed_ms: IntArray,
    seed_facility: Int32Array,
    bound_ms: int,
    width: int,
    label: IntArray,
    touched: Int32Array,
    head: Int32Array,
    following: Int32Array,
    waiting: Int32Array,
) -> int:
    """Fill `label` with the least (cost, facility) of every node within the bound.

    Parameters
    ----------
    first, last, arc_node, arc_ms
        The graph, see :class:`geo.search.graph.Graph`.
    seed_node, seed_ms, seed_facility
        Where facilities enter the network, what it costs from there, and which facility, shape (s,).
    bound_ms
        Longest walk of interest.
    width
        Buckets are 2 to this power milliseconds wide.
    label
        NONE everywhere on entry; the answer: cost_ms << 32 | facility, NONE beyond the bound, shape (nodes,).
    touched
        Nodes whose label was set, to be wiped by the caller, shape (nodes + 1,).
    head
        Work array: first entry of each bucket, at least (bound_ms >> width) + 2 long.
    following, waiting
        Work arrays: the entries of all buckets, chained; both of one length. An entry is used once.

    Returns
    -------
    int
        How many entries of `touched` are filled; less than 0 where the entries ran out or nodes were taken up again
        and again (``-1 - count`` labels are to be wiped): search in strict order then.
    """
    limit = np.int64(bound_ms + 1) << 32
    shift = width + 32
    buckets = (bound_ms >> width) + 1
    room = waiting.shape[0]
    head[: buckets + 1] = -1
    count, used = _enter(seed_node, seed_ms, seed_facility, bound_ms, width, label, touched, head, following, waiting)
    if used < 0:
        return _GIVE_UP - count
    taken = 0
    for bucket in range(buckets):
        while head[bucket] >= 0:
            node = waiting[head[bucket]]
            head[bucket] = following[head[bucket]]
            key = label[node]
            taken += 1
            if key >> shift != bucket:
                continue  # it got better and was taken up in an earlier bucket
            if used + last[node] - first[node] > room or taken > _PATIENCE * (count + 256):
                return _GIVE_UP - count
            for arc in range(first[node], last[node]):
                # no branches: whether a label gets better cannot be predicted. What is written at `used` and `count`
                # counts only if they move on
                neighbour = arc_node[arc]
                better = key + (np.int64(arc_ms[arc]) << 32)
                old = label[neighbour]
                lower = better < min(old, limit)
                label[neighbour] = better if lower else old
                touched[count] = neighbour
                count += int(lower & (old == NONE))
                place = min(better, limit) >> shift
                # in a later bucket it may wait already
                joins = lower & ((place != old >> shift) | (place == bucket))
                waiting[used] = neighbour
                following[used] = head[place]
                head[place] = used if joins else head[place]
                used += int(joins)
    return count
