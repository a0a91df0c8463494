"""A binary heap of (key, node) in two work arrays, for kernels that take nodes up in strict order."""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.units import Int32Array, IntArray


@njit(cache=True, nogil=True)
def push(heap_key: IntArray, heap_node: Int32Array, size: int, key: np.int64, node: int) -> int:
    """Add an entry and return how many there are now.

    Parameters
    ----------
    heap_key, heap_node
        Work arrays: the entries, smallest key at place 0, with room for one more.
    size
        How many entries there are.
    key, node
        The new entry.
    """
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap_key[above] <= key:
            break
        heap_key[at] = heap_key[above]
        heap_node[at] = heap_node[above]
        at = above
    heap_key[at] = key
    heap_node[at] = node
    return size + 1


@njit(cache=True, nogil=True)
def pop(heap_key: IntArray, heap_node: Int32Array, size: int) -> int:
    """Drop the smallest entry, which the caller has read from place 0, and return how many are left.

    Parameters
    ----------
    heap_key, heap_node
        Work arrays: the entries.
    size
        How many entries there are, at least 1.
    """
    size -= 1
    key = heap_key[size]
    node = heap_node[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap_key[below + 1] < heap_key[below]:
            below += 1
        if heap_key[below] >= key:
            break
        heap_key[at] = heap_key[below]
        heap_node[at] = heap_node[below]
        at = below
    heap_key[at] = key
    heap_node[at] = node
    return size
