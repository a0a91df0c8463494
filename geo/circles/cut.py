"""Kernels of circles: which edges are reached, who lives along them, and the reached parts cut at each limit.

Times are those at both ends of an edge. From there a point of the edge is reached over its part of the way, at the
edge's own cost in that direction. Everything is in proportion to the edges reached.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.labels import FACILITY_BITS, NONE, Whole, part_ms, pick_cost
from geo.units import FloatArray, Int32Array, IntArray, UInt32Array

_NO_COST = np.int64(0xFFFFFFFF)

PIECE_M = 100.0
"""Longer straight pieces are cut, because the raster around a slanting one is mostly far from it."""


@njit(cache=True, nogil=True)
def collect_edges(
    node: Int32Array,
    node_ptr: IntArray,
    node_edge: Int32Array,
    mark: Int32Array,
    turn: int,
    edge: Int32Array,
    count: int,
) -> int:
    """Append the edges at some nodes that are not marked yet, and return how many there are.

    Parameters
    ----------
    node
        Nodes whose edges are wanted.
    node_ptr, node_edge
        Edges by node.
    mark, turn
        Edges marked with this turn's number are in `edge` already, shape (edges,).
    edge
        Edges found, filled from the front, shape (edges,).
    count
        How many are in it on entry.
    """
    for n in range(node.shape[0]):
        for at in range(node_ptr[node[n]], node_ptr[node[n] + 1]):
            found = node_edge[at]
            if mark[found] != turn:
                mark[found] = turn
                edge[count] = found
                count += 1
    return count


@njit(cache=True, nogil=True)
def read_ends(
    edge: Int32Array,
    exit_a: Int32Array,
    exit_b: Int32Array,
    label: IntArray,
    own: IntArray,
    a_ms: IntArray,
    b_ms: IntArray,
) -> None:
    """Fill the times at both ends of edges.

    Parameters
    ----------
    edge
        Which edges.
    exit_a, exit_b
        Nodes whose labels count at their ends, shape (edges,).
    label, own
        Public labels and those of one compound.
    a_ms, b_ms
        The answer, NONE where an end is not reached, shape of `edge`.
    """
    for e in range(edge.shape[0]):
        a = min(label[exit_a[edge[e]]], own[exit_a[edge[e]]])
        b = min(label[exit_b[edge[e]]], own[exit_b[edge[e]]])
        a_ms[e] = NONE if a == NONE else a >> FACILITY_BITS
        b_ms[e] = NONE if b == NONE else b >> FACILITY_BITS


@njit(cache=True, nogil=True)
def read_points(
    edge: Int32Array,
    a_ms: IntArray,
    b_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    point_ptr: IntArray,
    point_place_mm: Int32Array,
    point_off_ms: Int32Array,
    bound_ms: int,
    point: IntArray,
    ms: IntArray,
) -> int:
    """List the points along edges that are reached over an end of their edge, and return how many there are.

    Parameters
    ----------
    edge, a_ms, b_ms
        Edges and the times at their ends, NONE where not reached.
    edge_mm, cost_ab, cost_ba
        All edges: lengths and costs both ways.
    point_ptr, point_place_mm, point_off_ms
        Points by edge: those of edge e stand at ``point_ptr[e]:point_ptr[e + 1]``.
    bound_ms
        Longest walk of interest.
    point, ms
        The answer: number of the point in that order, and its time; long enough for all points of the edges.
    """
    count = 0
    for e in range(edge.shape[0]):
        here = edge[e]
        length = edge_mm[here]
        for p in range(point_ptr[here], point_ptr[here + 1]):
            best = NONE
            if a_ms[e] != NONE and cost_ba[here] != _NO_COST:
                best = a_ms[e] + part_ms(cost_ba[here], point_place_mm[p], length)
            if b_ms[e] != NONE and cost_ab[here] != _NO_COST:
                best = min(best, b_ms[e] + part_ms(cost_ab[here], length - np.int64(point_place_mm[p]), length))
            if best <= bound_ms - point_off_ms[p]:
                point[count] = p
                ms[count] = best + point_off_ms[p]
                count += 1
    return count


@njit(cache=True, nogil=True)
def read_along(
    start_edge: Int32Array,
    start_mm: IntArray,
    start_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    point_ptr: IntArray,
    point_place_mm: Int32Array,
    point_off_ms: Int32Array,
    bound_ms: int,
    point: IntArray,
    ms: IntArray,
) -> int:
    """List the points on the starts' own edges that are reached along them, and return how many there are.

    Parameters
    ----------
    start_edge, start_mm, start_ms
        Where the circle starts: edges, places along them, and time spent off the street.
    edge_mm, cost_ab, cost_ba, point_ptr, point_place_mm, point_off_ms, bound_ms, point, ms
        As in :func:`read_points`; a point may be listed once for each start on its edge.
    """
    count = 0
    for s in range(start_edge.shape[0]):
        here = start_edge[s]
        for p in range(point_ptr[here], point_ptr[here + 1]):
            along = start_mm[s] - np.int64(point_place_mm[p])
            cost = pick_cost(along, cost_ab[here], cost_ba[here])
            if cost == _NO_COST:
                continue
            total = part_ms(cost, abs(along), edge_mm[here]) + start_ms[s] + point_off_ms[p]
            if total <= bound_ms:
                point[count] = p
                ms[count] = total
                count += 1
    return count


@njit(cache=True, nogil=True)
def _reach_mm(limit_ms: Whole, spent_ms: Whole, cost: Whole, length: Whole) -> float:
    """Return how far along an edge one gets from its end, below 0 where not even to the end."""
    if spent_ms == NONE or cost == _NO_COST or spent_ms > limit_ms:
        return -1.0
    if cost == 0:
        return float(length)
    return min(float(limit_ms - spent_ms) * float(length) / float(cost), float(length))


@njit(cache=True, nogil=True)
def cut_edges(
    edge: Int32Array,
    a_ms: IntArray,
    b_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    limit_ms: IntArray,
    part_edge: Int32Array,
    part_mm: FloatArray,
    part_layer: Int32Array,
) -> int:
    """List the parts of edges each limit reaches beyond the limit before, and return how many there are.

    Parameters
    ----------
    edge, a_ms, b_ms
        Edges and the times at their ends, NONE where not reached.
    edge_mm, cost_ab, cost_ba
        All edges: lengths and costs both ways.
    limit_ms
        Limits in milliseconds, ascending.
    part_edge, part_mm, part_layer
        The answer: edge, both ends in millimetres along it, number of the limit; room for two parts an edge and limit.
    """
    count = 0
    for e in range(edge.shape[0]):
        here = edge[e]
        length = float(edge_mm[here])
        low, high = -1.0, length + 1.0
        for b in range(limit_ms.shape[0]):
            from_a = _reach_mm(limit_ms[b], a_ms[e], cost_ba[here], edge_mm[here])
            from_b = _reach_mm(limit_ms[b], b_ms[e], cost_ab[here], edge_mm[here])
            to = length + 1.0 if from_b < 0 else length - from_b
            is_whole = from_a >= to or from_a == length or to == 0.0
            if is_whole:
                from_a, to = min(high, length), length + 1.0
            if from_a > low:
                part_edge[count] = here
                part_mm[count, 0], part_mm[count, 1] = max(low, 0.0), from_a
                part_layer[count] = b
                count += 1
            if to < high and not is_whole:
                part_edge[count] = here
                part_mm[count, 0], part_mm[count, 1] = to, min(high, length)
                part_layer[count] = b
                count += 1
            if is_whole:
                break
            low, high = from_a, to
    return count


@njit(cache=True, nogil=True)
def cut_starts(
    start_edge: Int32Array,
    start_mm: IntArray,
    start_ms: IntArray,
    edge_mm: IntArray,
    cost_ab: UInt32Array,
    cost_ba: UInt32Array,
    limit_ms: IntArray,
    part_edge: Int32Array,
    part_mm: FloatArray,
    part_layer: Int32Array,
    count: int,
) -> int:
    """Append the parts of the starts' own edges that are reached along them, and return how many parts there are.

    Parameters
    ----------
    start_edge, start_mm, start_ms
        Where the circle starts: edges, places along them, and time spent off the street.
    edge_mm, cost_ab, cost_ba, limit_ms, part_edge, part_mm, part_layer
        As in :func:`cut_edges`.
    count
        How many parts there are on entry.
    """
    for s in range(start_edge.shape[0]):
        here = start_edge[s]
        low, high = 0.0, -1.0
        for b in range(limit_ms.shape[0]):
            if start_ms[s] > limit_ms[b]:
                continue
            # who stands before the start walks with the edge, who stands behind it against it
            before = _reach_mm(limit_ms[b], start_ms[s], cost_ab[here], edge_mm[here])
            behind = _reach_mm(limit_ms[b], start_ms[s], cost_ba[here], edge_mm[here])
            first = max(start_mm[s] - max(before, 0.0), 0.0)
            last = min(start_mm[s] + max(behind, 0.0), float(edge_mm[here]))
            if high < 0:
                low = high = float(start_mm[s])
            part_edge[count], part_edge[count + 1] = here, here
            part_mm[count, 0], part_mm[count, 1] = first, low
            part_mm[count + 1, 0], part_mm[count + 1, 1] = high, last
            part_layer[count], part_layer[count + 1] = b, b
            count += 2
            low, high = first, last
    return count


@njit(cache=True, nogil=True)
def _lay(
    segment: FloatArray, layer: Int32Array, count: int, a: tuple[float, float], b: tuple[float, float], number: Whole
) -> int:
    """Append a straight piece, cut where it is long, and return how many pieces there are."""
    # the lesser end first: which way a street was drawn leaves no trace
    if b < a:
        a, b = b, a
    dx, dy = b[0] - a[0], b[1] - a[1]
    pieces = int(np.sqrt(dx * dx + dy * dy) / PIECE_M) + 1
    for k in range(pieces):
        segment[count, 0] = a[0] + dx * k / pieces
        segment[count, 1] = a[1] + dy * k / pieces
        segment[count, 2] = a[0] + dx * (k + 1) / pieces
        segment[count, 3] = a[1] + dy * (k + 1) / pieces
        layer[count] = number
        count += 1
    return count


@njit(cache=True, nogil=True)
def _list_vertices(xy: FloatArray, length_mm: float, low_mm: float, high_mm: float, points: FloatArray) -> int:
    """Fill in the vertices of part of a line, its ends included, and return how many there are."""
    drawn = 0.0
    for v in range(xy.shape[0] - 1):
        dx, dy = xy[v + 1, 0] - xy[v, 0], xy[v + 1, 1] - xy[v, 1]
        drawn += np.sqrt(dx * dx + dy * dy)
    # lengths are whole millimetres: places along the edge are brought to the length of the drawing
    scale = drawn / length_mm if length_mm > 0 else 0.0
    low, high = low_mm * scale, high_mm * scale
    at = 0.0
    count = 0
    for v in range(xy.shape[0] - 1):
        dx, dy = xy[v + 1, 0] - xy[v, 0], xy[v + 1, 1] - xy[v, 1]
        size = np.sqrt(dx * dx + dy * dy)
        # the last piece ends at the length itself, whatever rounding left of it
        stop = at + size if v < xy.shape[0] - 2 else drawn
        if max(low, at) <= min(high, stop):
            if count == 0:
                share = max(low - at, 0.0) / size if size > 0 else 0.0
                points[0, 0], points[0, 1] = xy[v, 0] + share * dx, xy[v, 1] + share * dy
                count = 1
            share = (min(high, stop) - at) / size if size > 0 else 0.0
            points[count, 0], points[count, 1] = xy[v, 0] + share * dx, xy[v, 1] + share * dy
            count += 1
        at += size
    return count


@njit(cache=True, nogil=True)
def _find_straight(points: FloatArray, first: int, count: int, off_m: float) -> int:
    """Return the farthest point to which a line from the first passes all between nearly.

    The directions in which each point is passed within the distance make a wedge; where the next point lies outside
    what is left of it, or the line turns back, the point before is the last (Williams, "Cartographic line
    generalization", 1978).
    """
    ax, ay = points[first, 0], points[first, 1]
    # unit vectors at the right and left side of the wedge; none yet
    rx = ry = lx = ly = 0.0
    is_open = False
    farthest = 0.0
    for p in range(first + 1, count):
        dx, dy = points[p, 0] - ax, points[p, 1] - ay
        size = np.sqrt(dx * dx + dy * dy)
        if size < farthest - off_m:
            return p - 1
        farthest = max(farthest, size)
        if size <= off_m:
            continue
        ux, uy = dx / size, dy / size
        if is_open and (rx * uy - ry * ux < 0.0 or ux * ly - uy * lx < 0.0):
            return p - 1
        sine = off_m / size
        cosine = np.sqrt(1.0 - sine * sine)
        nrx, nry = ux * cosine + uy * sine, uy * cosine - ux * sine
        nlx, nly = ux * cosine - uy * sine, uy * cosine + ux * sine
        if not is_open or rx * nry - ry * nrx > 0.0:
            rx, ry = nrx, nry
        if not is_open or nlx * ly - nly * lx > 0.0:
            lx, ly = nlx, nly
        is_open = True
    return count - 1


@njit(cache=True, nogil=True)
def lay_parts(
    part_edge: Int32Array,
    part_mm: FloatArray,
    part_layer: Int32Array,
    edge_mm: IntArray,
    geom_ptr: IntArray,
    geom_xy: FloatArray,
    off_m: float,
    points: FloatArray,
    segment: FloatArray,
    layer: Int32Array,
) -> int:
    """Fill in the straight pieces of parts of edges and return how many there are.

    Parameters
    ----------
    part_edge, part_mm, part_layer
        Parts: edge, both ends in millimetres along it, number of the limit.
    edge_mm, geom_ptr, geom_xy
        All edges: lengths, and vertices in metres.
    off_m
        Vertices are passed over where a straight line stays this near to them; the ends of a part never are.
    points
        Work array, longer than any edge has vertices, shape (n, 2).
    segment, layer
        The answer, see :class:`geo.circles.outline.Parts`; room for every vertex of the edges, two more a part, and one
        more for each 100 m.
    """
    count = 0
    for p in range(part_edge.shape[0]):
        here = part_edge[p]
        xy = geom_xy[geom_ptr[here] : geom_ptr[here + 1]]
        size = _list_vertices(xy, float(edge_mm[here]), part_mm[p, 0], part_mm[p, 1], points)
        first = 0
        while first < size - 1:
            last = _find_straight(points, first, size, off_m)
            a, b = (points[first, 0], points[first, 1]), (points[last, 0], points[last, 1])
            count = _lay(segment, layer, count, a, b, part_layer[p])
            first = last
    return count
