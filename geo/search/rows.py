"""Kernels that write sparse rows: homes by node, homes by facility."""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.lanes import LANES, LaneArray
from geo.units import Int32Array, IntArray


@njit(cache=True, nogil=True)
def write_rows(
    count: int,
    row: Int32Array,
    best_home: Int32Array,
    best: LaneArray,
    beyond: int,
    at: IntArray,
    spare: int,
    home: Int32Array,
    ms: Int32Array,
) -> None:
    """Write the homes of a group down, facility after facility; what is beyond the bound goes to a spare place.

    Parameters
    ----------
    count, row, best_home, best, beyond
        How many homes a group has, the rows of all homes, which these are, their milliseconds, shape (count, 16), and
        from what on they do not count.
    at
        Where the homes of each facility begin; moved on to their ends, shape (16,).
    spare
        A place that may be written to.
    home, ms
        The answer.
    """
    for k in range(count):
        number = row[best_home[k]]
        for lane in range(LANES):
            inside = np.int64(best[k, lane]) < beyond
            to = at[lane] if inside else spare
            home[to] = number
            ms[to] = best[k, lane]
            at[lane] += np.int64(inside)


@njit(cache=True, nogil=True)
def list_homes(node_a: Int32Array, node_b: Int32Array, home_ptr: Int32Array, home_at: Int32Array) -> None:
    """List homes by the nodes they leave to.

    Parameters
    ----------
    node_a, node_b
        Where each home leaves to, shape (n,).
    home_ptr
        0 on entry; the answer: homes of node ``u`` stand from ``home_ptr[u]`` to before ``home_ptr[u + 1]``,
        shape (nodes + 1,).
    home_at
        The answer: places of homes, each home at both of its nodes, shape (2 n,).
    """
    for i in range(node_a.shape[0]):
        home_ptr[node_a[i]] += 1
        home_ptr[node_b[i]] += 1
    for node in range(1, home_ptr.shape[0]):
        home_ptr[node] += home_ptr[node - 1]
    # filled from the back, so that each row ends up where it begins
    for i in range(node_a.shape[0] - 1, -1, -1):
        home_ptr[node_b[i]] -= 1
        home_at[home_ptr[node_b[i]]] = i
        home_ptr[node_a[i]] -= 1
        home_at[home_ptr[node_a[i]]] = i


@njit(cache=True, nogil=True)
def place_rows(
    size: IntArray,
    number: IntArray,
    part_home: Int32Array,
    part_ms: Int32Array,
    to: IntArray,
    home: Int32Array,
    ms: Int32Array,
) -> None:
    """Copy the rows of a part to where they belong.

    Parameters
    ----------
    size, part_home, part_ms
        How long each row is, and the rows one after the other.
    number
        Which row of the whole each of them is.
    to
        Where each row of the whole begins.
    home, ms
        The whole.
    """
    since = 0
    for i in range(number.shape[0]):
        at = to[number[i]]
        for k in range(size[i]):
            home[at + k] = part_home[since + k]
            ms[at + k] = part_ms[since + k]
        since += size[i]
