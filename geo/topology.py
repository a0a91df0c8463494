"""Which line ends are the same junction.

Lines connect where their ends coincide within the snapping tolerance (1 cm) and lie in the same zone; ends that carry
node ids of their source (OpenStreetMap) connect by id, because two roads may cross at one coordinate on two levels.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.units import Int32Array, IntArray

SNAP_MM = 10
"""Ends nearer than this are one junction (design rule "Walking": 1 cm)."""


@njit(cache=True, nogil=True)
def _find(parent: IntArray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _union(parent: IntArray, i: int, j: int) -> None:
    a = _find(parent, i)
    b = _find(parent, j)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@njit(cache=True, nogil=True)
def _join_cells(
    parent: IntArray,
    key: IntArray,
    order: IntArray,
    x_mm: IntArray,
    y_mm: IntArray,
    zone: Int32Array,
    node_id: IntArray,
    cell_mm: int,
    stride: int,
) -> None:
    """Join every pair of ends within one cell edge; `key` is sorted, `order` says whose key it is."""
    for position in range(key.shape[0]):
        i = order[position]
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                wanted = (x_mm[i] // cell_mm + dx) * stride + y_mm[i] // cell_mm + dy
                at = np.searchsorted(key, wanted)
                while at < key.shape[0] and key[at] == wanted:
                    j = order[at]
                    at += 1
                    if j >= i or zone[i] != zone[j]:
                        continue
                    if node_id[i] > 0 and node_id[j] > 0:
                        continue
                    ddx = x_mm[i] - x_mm[j]
                    ddy = y_mm[i] - y_mm[j]
                    if ddx * ddx + ddy * ddy <= cell_mm * cell_mm:
                        _union(parent, i, j)


@njit(cache=True, nogil=True)
def _flatten(parent: IntArray) -> None:
    for i in range(parent.shape[0]):
        parent[i] = _find(parent, i)


@njit(cache=True, nogil=True)
def _join_pairs(parent: IntArray, tail: Int32Array, head: Int32Array) -> None:
    for i in range(tail.shape[0]):
        _union(parent, tail[i], head[i])
    _flatten(parent)


def join_edges(tail: Int32Array, head: Int32Array, node_count: int) -> IntArray:
    """Return for each node the lowest node it is connected with.

    Parameters
    ----------
    tail, head
        End nodes of the edges, shape (m,).
    node_count
        How many nodes there are.
    """
    parent = np.arange(node_count, dtype=np.int64)
    _join_pairs(parent, tail, head)
    return parent


def join_ends(
    x_mm: IntArray, y_mm: IntArray, *, zone: Int32Array, node_id: IntArray, snap_mm: int = SNAP_MM
) -> IntArray:
    """Return for each line end the number of the junction it belongs to.

    Parameters
    ----------
    x_mm, y_mm
        Position of each end in millimetres of the metric CRS, shape (n,).
    zone
        Zone of each end's line; ends of different zones never join, shape (n,).
    node_id
        Node id of the source, 0 where there is none, shape (n,). Two ends that both carry an id join by id alone.
    snap_mm
        Ends at most this far apart join.

    Returns
    -------
    IntArray
        Junction numbers 0..k-1 in the order of each junction's first end, shape (n,).
    """
    count = x_mm.shape[0]
    if count == 0:
        return np.empty(0, dtype=np.int64)
    x0, y0 = x_mm - x_mm.min(), y_mm - y_mm.min()
    # few distinct points carry many ends: join equals by sorting first, then only the distinct ones by distance
    rows = np.stack([x0, y0, zone.astype(np.int64), node_id], axis=1)
    rows[node_id > 0, :2] = 0  # a node id is an identity of its own, whatever its coordinates
    distinct, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    px, py = x0[first], y0[first]
    parent = np.arange(distinct.shape[0], dtype=np.int64)
    stride = int(py.max()) // snap_mm + 4
    key = (px // snap_mm) * stride + py // snap_mm
    order = np.argsort(key, kind="stable")
    _join_cells(parent, key[order], order, px, py, zone[first].astype(np.int32), node_id[first], snap_mm, stride)
    _flatten(parent)
    root = parent[inverse]
    _, first_end, number = np.unique(root, return_index=True, return_inverse=True)
    rank = np.empty(first_end.shape[0], dtype=np.int64)
    rank[np.argsort(first_end, kind="stable")] = np.arange(first_end.shape[0])
    return rank[number.reshape(-1)]


@njit(cache=True, nogil=True)
def _spread_bits(value: int) -> int:
    value &= 0xFFFFFFFF
    value = (value | (value << 16)) & 0x0000FFFF0000FFFF
    value = (value | (value << 8)) & 0x00FF00FF00FF00FF
    value = (value | (value << 4)) & 0x0F0F0F0F0F0F0F0F
    value = (value | (value << 2)) & 0x3333333333333333
    return (value | (value << 1)) & 0x5555555555555555


@njit(cache=True, nogil=True)
def _morton(x: IntArray, y: IntArray, out: IntArray) -> None:
    for i in range(x.shape[0]):
        out[i] = _spread_bits(x[i]) | (_spread_bits(y[i]) << 1)


def morton_order(x_mm: IntArray, y_mm: IntArray) -> IntArray:
    """Return the order that puts neighbours in space near each other in memory.

    Parameters
    ----------
    x_mm, y_mm
        Positions in millimetres, shape (n,).

    References
    ----------
    Morton, G. M. (1966). A computer oriented geodetic data base and a new technique in file sequencing. IBM.
    """
    if x_mm.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    code = np.empty(x_mm.shape[0], dtype=np.int64)
    # 4 m cells: finer bits would not change which cache line a node falls on
    _morton((x_mm - x_mm.min()) >> 12, (y_mm - y_mm.min()) >> 12, code)
    return np.argsort(code, kind="stable")
