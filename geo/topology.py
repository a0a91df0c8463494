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
def _mix(a: int, b: int) -> int:
    """Return a number below 2 ** 63 that differs for most pairs."""
    code = a * 7046029254386353131 + b * 1609587929392839161
    return int(code ^ (code >> 29)) & 0x7FFFFFFFFFFFFFFF


@njit(cache=True, nogil=True)
def _read_slot(held: int) -> int:
    """Return the place that a slot holds, -1 for none."""
    return int(held & 0xFFFFFFFF) if held >= 0 else -1


@njit(cache=True, nogil=True)
def _find_slot(table: IntArray, key: IntArray, a: int, b: int) -> int:
    """Return the slot of a key in an open hash of places, the free one where it has none yet.

    A slot holds some bits of its key before the number of a place that has it, so that few others are looked at.
    """
    code = _mix(a, b)
    last = table.shape[0] - 1
    slot = code & last
    mark = code >> 32
    while table[slot] >= 0:
        if table[slot] >> 32 == mark:
            d = _read_slot(table[slot])
            if key[d, 0] == a and key[d, 1] == b:
                break
        slot = (slot + 1) & last
    return int(slot)


@njit(cache=True, nogil=True)
def _find_same(d: int, x: int, y: int, zone: int, spot: IntArray, ident: IntArray, before: Int32Array) -> int:
    """Return the place without a node id at a point, among those that `before` leads to from `d`; -1 for none."""
    while d >= 0:
        if spot[d, 0] == x and spot[d, 1] == y and ident[d, 1] == zone and ident[d, 0] <= 0:
            break
        d = before[d]
    return d


@njit(cache=True, nogil=True)
def _join_near(
    own: int, d: int, snap_mm: int, spot: IntArray, ident: IntArray, before: Int32Array, parent: IntArray
) -> None:
    """Join a place to the near ones among those that `before` leads to from `d`."""
    while d >= 0:
        if ident[d, 1] == ident[own, 1] and (ident[d, 0] <= 0 or ident[own, 0] <= 0):
            dx = spot[d, 0] - spot[own, 0]
            dy = spot[d, 1] - spot[own, 1]
            if dx * dx + dy * dy <= snap_mm * snap_mm:
                _union(parent, own, d)
        d = before[d]


@njit(cache=True, nogil=True)
def _join_places(
    x_mm: IntArray,
    y_mm: IntArray,
    zone: Int32Array,
    node_id: IntArray,
    snap_mm: int,
    bits: int,
    cells: IntArray,
    cell: IntArray,
    ids: IntArray,
    ident: IntArray,
    spot: IntArray,
    before: Int32Array,
    parent: IntArray,
    place: Int32Array,
) -> int:
    """Fill the place of every end, join places within `snap_mm`, and return how many places there are.

    Ends at one point, or with one node id, are one place; it stands where its first end does. Places are numbered by
    their first ends. Cells are squares of 2 ** `bits` mm, at least `snap_mm` wide; `before` leads from a place to the
    one found before it in the same cell.
    """
    count = 0
    for i in range(x_mm.shape[0]):
        x = x_mm[i]
        y = y_mm[i]
        in_cell = _find_slot(cells, cell, x >> bits, y >> bits)
        by_id = 0
        if node_id[i] > 0:
            by_id = _find_slot(ids, ident, node_id[i], zone[i])
            found = _read_slot(ids[by_id])
        else:
            found = _find_same(_read_slot(cells[in_cell]), x, y, zone[i], spot, ident, before)
        if found >= 0:
            place[i] = found
            continue
        place[i] = count
        spot[count, 0] = x
        spot[count, 1] = y
        ident[count, 0] = node_id[i]
        ident[count, 1] = zone[i]
        for cx in range((x - snap_mm) >> bits, ((x + snap_mm) >> bits) + 1):
            for cy in range((y - snap_mm) >> bits, ((y + snap_mm) >> bits) + 1):
                is_own = cx == x >> bits and cy == y >> bits
                near = in_cell if is_own else _find_slot(cells, cell, cx, cy)
                _join_near(count, _read_slot(cells[near]), snap_mm, spot, ident, before, parent)
        cell[count, 0] = x >> bits
        cell[count, 1] = y >> bits
        before[count] = _read_slot(cells[in_cell])
        cells[in_cell] = (_mix(x >> bits, y >> bits) >> 32 << 32) | count
        if node_id[i] > 0:
            ids[by_id] = (_mix(node_id[i], zone[i]) >> 32 << 32) | count
        count += 1
    return count


@njit(cache=True, nogil=True)
def _number_roots(parent: IntArray, place: Int32Array, number: IntArray, out: IntArray) -> None:
    """Fill the junction of every end: the lowest place joined to an end's, counted from 0."""
    count = 0
    for d in range(parent.shape[0]):
        root = _find(parent, d)
        if root == d:
            number[d] = count
            count += 1
        else:
            # roots are the lowest of theirs, so this one has its number
            number[d] = number[root]
    for i in range(place.shape[0]):
        out[i] = number[place[i]]


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
    # a place lies near the border of its cell seldom enough, and few places share a cell
    bits = (8 * snap_mm - 1).bit_length()
    slots = 1 << (count + count // 3).bit_length()
    place, before = np.empty((2, count), dtype=np.int32)
    cell, ident, spot = np.empty((3, count, 2), dtype=np.int64)
    parent = np.arange(count)
    places = _join_places(
        x_mm - x_mm.min(),
        y_mm - y_mm.min(),
        zone.astype(np.int32, copy=False),
        node_id,
        snap_mm,
        bits,
        np.full(slots, -1, dtype=np.int64),
        cell,
        np.full(slots if bool((node_id > 0).any()) else 1, -1, dtype=np.int64),
        ident,
        spot,
        before,
        parent,
        place,
    )
    junction = np.empty(count, dtype=np.int64)
    _number_roots(parent[:places], place, np.empty(places, dtype=np.int64), junction)
    return junction


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


@njit(cache=True, nogil=True)
def _fill_rows(
    edge_a: Int32Array, edge_b: Int32Array, indptr: IntArray, adj_node: Int32Array, adj_edge: Int32Array
) -> None:
    """Fill compressed sparse rows; `indptr` comes with where each row starts, one place on, and leaves complete."""
    for e in range(edge_a.shape[0]):
        at = indptr[edge_a[e] + 1]
        adj_node[at] = edge_b[e]
        adj_edge[at] = e
        indptr[edge_a[e] + 1] += 1
        at = indptr[edge_b[e] + 1]
        adj_node[at] = edge_a[e]
        adj_edge[at] = e
        indptr[edge_b[e] + 1] += 1


def lay_out_rows(edge_a: Int32Array, edge_b: Int32Array, node_count: int) -> tuple[IntArray, Int32Array, Int32Array]:
    """Return the compressed sparse rows of an undirected edge list: pointers, neighbours, edges, in edge order.

    Parameters
    ----------
    edge_a, edge_b
        End nodes of the edges, shape (m,).
    node_count
        How many nodes there are.
    """
    degree = np.bincount(edge_a, minlength=node_count) + np.bincount(edge_b, minlength=node_count)
    indptr = np.concatenate([[0, 0], np.cumsum(degree)[:-1]]).astype(np.int64)[: node_count + 1]
    adj_node, adj_edge = np.empty((2, 2 * edge_a.shape[0]), dtype=np.int32)
    _fill_rows(edge_a, edge_b, indptr, adj_node, adj_edge)
    return indptr, adj_node, adj_edge
