"""Fewer vertices for outlines that share parts and lie within each other, without a change of which lies in which.

A vertex is left out where everything it stood for stays within a tolerance of the new side, and where the triangle that
goes with it holds no other vertex, nor the new side's neighbourhood. Then no two outlines can cross, and where several
run together they lose the same vertices. This is Visvalingam and Whyatt's removal with the emptiness test of de Berg,
van Kreveld and Schirra for subdivisions of the plane.

References
----------
M. Visvalingam, J. D. Whyatt, "Line generalisation by repeated elimination of points", The Cartographic Journal 30
(1993). M. de Berg, M. van Kreveld, S. Schirra, "Topologically correct subdivision simplification using the bandwidth
criterion", Cartography and Geographic Information Systems 25 (1998).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.search.labels import Whole
from geo.units import BoolArray, FloatArray, Int32Array, IntArray

FEWEST = 4
"""A ring keeps so many vertices."""

_ROUNDS = 12


@njit(cache=True, nogil=True)
def _squared_to_side(xy: IntArray, p: Whole, u: Whole, w: Whole) -> float:
    """Return the squared distance of a spot from the side between two others."""
    dx, dy = float(xy[w, 0] - xy[u, 0]), float(xy[w, 1] - xy[u, 1])
    px, py = float(xy[p, 0] - xy[u, 0]), float(xy[p, 1] - xy[u, 1])
    square = dx * dx + dy * dy
    share = min(max((px * dx + py * dy) / square, 0.0), 1.0) if square > 0 else 0.0
    ox, oy = px - share * dx, py - share * dy
    return ox * ox + oy * oy


@njit(cache=True, nogil=True)
def _turn(xy: IntArray, a: Whole, b: Whole, c: Whole) -> int:
    """Return which way three spots turn: 1 left, -1 right, 0 neither."""
    cross = (xy[b, 0] - xy[a, 0]) * (xy[c, 1] - xy[a, 1]) - (xy[b, 1] - xy[a, 1]) * (xy[c, 0] - xy[a, 0])
    return int(cross > 0) - int(cross < 0)


@njit(cache=True, nogil=True)
def _is_free(
    u: Whole,
    v: Whole,
    w: Whole,
    xy: IntArray,
    is_kept: BoolArray,
    head: Int32Array,
    chain: Int32Array,
    columns: int,
    cell_mm: int,
    margin_mm: float,
) -> bool:
    """Return whether no other spot lies in the triangle or nearer than the margin to its side from `u` to `w`."""
    rows = head.shape[0] // (2 * columns)
    reach = int(margin_mm) + 1
    low_c = max((min(xy[u, 0], xy[v, 0], xy[w, 0]) - reach) // cell_mm, 0)
    high_c = min((max(xy[u, 0], xy[v, 0], xy[w, 0]) + reach) // cell_mm, columns - 1)
    low_r = max((min(xy[u, 1], xy[v, 1], xy[w, 1]) - reach) // cell_mm, 0)
    high_r = min((max(xy[u, 1], xy[v, 1], xy[w, 1]) + reach) // cell_mm, rows - 1)
    around = _turn(xy, u, v, w)
    for r in range(low_r, high_r + 1):
        for number in range(2 * (r * columns + low_c), 2 * (r * columns + high_c) + 2):
            spot = head[number]
            while spot >= 0:
                if is_kept[spot] and spot not in (u, v, w):
                    if _squared_to_side(xy, spot, u, w) < margin_mm * margin_mm:
                        return False
                    if (
                        around != 0
                        and _turn(xy, u, v, spot) == around
                        and _turn(xy, v, w, spot) == around
                        and _turn(xy, w, u, spot) == around
                    ):
                        return False
                spot = chain[spot]
    return True


@njit(cache=True, nogil=True)
def _find_neighbours(
    spot: Whole,
    spot_knot: Int32Array,
    knot_spot: Int32Array,
    follow: Int32Array,
    before: Int32Array,
    knot_ring: Int32Array,
    ring_size: Int32Array,
) -> tuple[int, int]:
    """Return the spots before and after a spot, -1 and -1 where contours part at it or a ring would vanish."""
    u = w = -1
    for b in range(spot_knot.shape[1]):
        knot = spot_knot[spot, b]
        if knot < 0:
            continue
        ahead, behind = knot_spot[follow[knot]], knot_spot[before[knot]]
        if ring_size[knot_ring[knot]] <= FEWEST or (u >= 0 and (u != behind or w != ahead)):
            return -1, -1
        u, w = behind, ahead
    return u, w


@njit(cache=True, nogil=True)
def _stays_near(
    spot: Whole,
    u: Whole,
    w: Whole,
    xy: IntArray,
    spot_knot: Int32Array,
    knot_spot: Int32Array,
    knot_next: Int32Array,
    follow: Int32Array,
    before: Int32Array,
    tolerance_mm: float,
) -> bool:
    """Return whether all spots once between `u` and `w` lie within the tolerance of the side between them."""
    for b in range(spot_knot.shape[1]):
        knot = spot_knot[spot, b]
        if knot < 0:
            continue
        last = follow[knot]
        at = knot_next[before[knot]]
        while at != last:
            if _squared_to_side(xy, knot_spot[at], u, w) > tolerance_mm * tolerance_mm:
                return False
            at = knot_next[at]
    return True


@njit(cache=True, nogil=True)
def _take_out(
    spot: Whole,
    spot_knot: Int32Array,
    follow: Int32Array,
    before: Int32Array,
    knot_ring: Int32Array,
    ring_size: Int32Array,
) -> None:
    """Link the neighbours of a spot to each other in all rings that visit it."""
    for b in range(spot_knot.shape[1]):
        knot = spot_knot[spot, b]
        if knot >= 0:
            follow[before[knot]] = follow[knot]
            before[follow[knot]] = before[knot]
            ring_size[knot_ring[knot]] -= 1


@njit(cache=True, nogil=True)
def simplify(
    xy: IntArray,
    spot_knot: Int32Array,
    knot_spot: Int32Array,
    knot_next: Int32Array,
    knot_ring: Int32Array,
    ring_size: Int32Array,
    head: Int32Array,
    chain: Int32Array,
    columns: int,
    cell_mm: int,
    tolerance_mm: float,
    margin_mm: float,
    longest_mm: float,
    is_kept: BoolArray,
    follow: Int32Array,
) -> None:
    """Leave out spots; the rest are linked by `follow`.

    Parameters
    ----------
    xy, spot_knot, knot_spot, knot_next, head, chain
        Contours as :func:`geo.circles.raster.trace` gives them.
    knot_ring, ring_size
        Ring of each knot, and how many knots each ring has; counted down here.
    columns, cell_mm
        Columns of the raster and size of its cells in millimetres.
    tolerance_mm
        How far the outline may move.
    margin_mm
        How near a new side may pass by another vertex.
    longest_mm
        Longest side that may be made: a straight line here is not quite one in degrees.
    is_kept
        Which spots are in use; on return, which are left, shape (spots,).
    follow
        On return the next knot of each that is left, shape (knots,).
    """
    follow[:] = knot_next
    before = np.empty_like(follow)
    for knot in range(knot_next.shape[0]):
        before[knot_next[knot]] = knot
    for step in (0.25, 0.5, 1.0):
        for _ in range(_ROUNDS):
            removed = 0
            skip = -1
            for spot in range(xy.shape[0]):
                if not is_kept[spot] or spot == skip:
                    continue
                u, w = _find_neighbours(spot, spot_knot, knot_spot, follow, before, knot_ring, ring_size)
                if u < 0 or u == w or _squared_to_side(xy, u, w, w) > longest_mm * longest_mm:
                    continue
                if not _stays_near(
                    spot, u, w, xy, spot_knot, knot_spot, knot_next, follow, before, tolerance_mm * step
                ) or not _is_free(u, spot, w, xy, is_kept, head, chain, columns, cell_mm, margin_mm):
                    continue
                is_kept[spot] = False
                _take_out(spot, spot_knot, follow, before, knot_ring, ring_size)
                # every other one first: a row of vertices is thinned evenly
                skip = w
                removed += 1
            if removed == 0:
                break


@njit(cache=True, nogil=True)
def holds(ring_xy: FloatArray, x: float, y: float) -> bool:
    """Return whether a ring holds a point that is not on it.

    Parameters
    ----------
    ring_xy
        Vertices of the ring, the first not repeated, shape (n, 2).
    x, y
        The point.
    """
    inside = False
    j = ring_xy.shape[0] - 1
    for i in range(ring_xy.shape[0]):
        if (ring_xy[i, 1] > y) != (ring_xy[j, 1] > y):
            at = ring_xy[i, 0] + (y - ring_xy[i, 1]) / (ring_xy[j, 1] - ring_xy[i, 1]) * (ring_xy[j, 0] - ring_xy[i, 0])
            if x < at:
                inside = not inside
        j = i
    return inside
