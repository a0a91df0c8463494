"""Footprints as plain coordinates, and their distance to lines with the operations of GEOS in their order.

So the answers are those of Shapely to the last bit, without a geometry for every line.

References
----------
GEOS, ``operation/distance/DistanceOp.cpp``, ``algorithm/Distance.cpp``, ``geom/LineSegment.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

from geo.arrays import join_runs
from geo.linking.segments import find_distance, find_side, project
from geo.units import FloatArray, IntArray, ObjectArray

_AREAS = (3, 6)
_PIECE = 16
"""Segments of a ring that are looked at together."""


@dataclass(frozen=True, slots=True)
class Footprints:
    """Polygons as plain coordinates, their rings cut into short pieces: most pieces are passed over by their boxes.

    Attributes
    ----------
    box
        West, south, east, north of each, shape (n, 4).
    piece_first
        Pieces of polygon ``i`` are those from ``piece_first[i]`` to before ``piece_first[i + 1]``, ring after ring.
    piece_from, piece_to, piece_box
        Segments of piece ``k`` begin at the vertices from ``piece_from[k]`` to before ``piece_to[k]``; and its box.
    xy
        Vertices, the first one of a ring again at its end, metres.
    """

    box: FloatArray
    piece_first: IntArray
    piece_from: IntArray
    piece_to: IntArray
    piece_box: FloatArray
    xy: FloatArray

    @classmethod
    def of(cls, shape: ObjectArray) -> Footprints:
        """Return polygons as plain coordinates.

        Parameters
        ----------
        shape
            Polygons and multipolygons, none empty, shape (n,).
        """
        part, of_part = shapely.get_parts(shape, return_index=True)
        ring, of_ring = shapely.get_rings(part, return_index=True)
        xy = np.ascontiguousarray(shapely.get_coordinates(ring))
        size = shapely.get_num_coordinates(ring).astype(np.int64)
        first = np.cumsum(size) - size
        count = -(-(size - 1) // _PIECE)
        piece_from = join_runs(np.zeros_like(count), count) * _PIECE + np.repeat(first, count)
        piece_to = np.minimum(piece_from + _PIECE, np.repeat(first + size - 1, count))
        owner = np.repeat(of_part[of_ring], count)
        piece_first = np.searchsorted(owner, np.arange(shape.shape[0] + 1)).astype(np.int64)
        box, piece_box = np.empty((shape.shape[0], 4)), np.empty((owner.shape[0], 4))
        _find_boxes(piece_first, piece_from, piece_to, xy, box, piece_box)
        return cls(box, piece_first, piece_from, piece_to, piece_box, xy)


@njit(cache=True, nogil=True)
def _find_boxes(
    piece_first: IntArray,
    piece_from: IntArray,
    piece_to: IntArray,
    xy: FloatArray,
    box: FloatArray,
    piece_box: FloatArray,
) -> None:
    """Fill the boxes of outlines and of their pieces."""
    for p in range(box.shape[0]):
        box[p, 0] = box[p, 1] = np.inf
        box[p, 2] = box[p, 3] = -np.inf
        for k in range(piece_first[p], piece_first[p + 1]):
            piece_box[k, 0] = piece_box[k, 1] = np.inf
            piece_box[k, 2] = piece_box[k, 3] = -np.inf
            for v in range(piece_from[k], piece_to[k] + 1):
                piece_box[k, 0] = min(piece_box[k, 0], xy[v, 0])
                piece_box[k, 1] = min(piece_box[k, 1], xy[v, 1])
                piece_box[k, 2] = max(piece_box[k, 2], xy[v, 0])
                piece_box[k, 3] = max(piece_box[k, 3], xy[v, 1])
            box[p, 0] = min(box[p, 0], piece_box[k, 0])
            box[p, 1] = min(box[p, 1], piece_box[k, 1])
            box[p, 2] = max(box[p, 2], piece_box[k, 2])
            box[p, 3] = max(box[p, 3], piece_box[k, 3])


def can_lay_out(shape: ObjectArray) -> npt.NDArray[np.bool_]:
    """Return which geometries are polygons that kernels can take: not empty, and with finite coordinates.

    Parameters
    ----------
    shape
        Geometries, shape (n,).
    """
    is_area = np.isin(shapely.get_type_id(shape), _AREAS)
    return np.asarray(is_area & np.isfinite(shapely.bounds(shape)).all(axis=-1))


@njit(cache=True, nogil=True)
def do_meet(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> bool:
    """Return whether two segments have a point in common, as GEOS works it out for distances."""
    if max(ax, bx) < min(cx, dx) or min(ax, bx) > max(cx, dx) or max(ay, by) < min(cy, dy) or min(ay, by) > max(cy, dy):
        return False
    denominator = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if denominator == 0:
        return False
    r = ((ay - cy) * (dx - cx) - (ax - cx) * (dy - cy)) / denominator
    s = ((ay - cy) * (bx - ax) - (ax - cx) * (by - ay)) / denominator
    return not (r < 0 or r > 1 or s < 0 or s > 1)


@njit(cache=True, nogil=True)
def _find_between(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> float:
    """Return the distance of two segments as GEOS computes it."""
    if ax == bx and ay == by:
        return float(find_distance(ax, ay, cx, cy, dx, dy))
    if cx == dx and cy == dy:
        return float(find_distance(dx, dy, ax, ay, bx, by))
    if do_meet(ax, ay, bx, by, cx, cy, dx, dy):
        return 0.0
    one = min(find_distance(ax, ay, cx, cy, dx, dy), find_distance(bx, by, cx, cy, dx, dy))
    other = min(find_distance(cx, cy, ax, ay, bx, by), find_distance(dx, dy, ax, ay, bx, by))
    return float(min(one, other))


@njit(cache=True, nogil=True)
def find_gap(a0: float, a1: float, b0: float, b1: float) -> float:
    """Return how far two ranges lie apart, 0 where they overlap."""
    return float(max(0.0, b0 - a1, a0 - b1))


@njit(cache=True, nogil=True)
def _find_closest(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """Return the point of a segment nearest to a point."""
    r = project(x, y, ax, ay, bx, by)
    if 0.0 < r < 1.0:
        return ax + r * (bx - ax), ay + r * (by - ay)
    if np.sqrt((ax - x) * (ax - x) + (ay - y) * (ay - y)) < np.sqrt((bx - x) * (bx - x) + (by - y) * (by - y)):
        return ax, ay
    return bx, by


@njit(cache=True, nogil=True)
def join_segments(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> tuple[float, float, float, float]:
    """Return the points of two segments, which do not meet, that are nearest to each other."""
    x, y = _find_closest(cx, cy, ax, ay, bx, by)
    best = np.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy))
    found = (x, y, cx, cy)
    x, y = _find_closest(dx, dy, ax, ay, bx, by)
    far = np.sqrt((x - dx) * (x - dx) + (y - dy) * (y - dy))
    if far < best:
        best = far
        found = (x, y, dx, dy)
    x, y = _find_closest(ax, ay, cx, cy, dx, dy)
    far = np.sqrt((x - ax) * (x - ax) + (y - ay) * (y - ay))
    if far < best:
        best = far
        found = (ax, ay, x, y)
    x, y = _find_closest(bx, by, cx, cy, dx, dy)
    far = np.sqrt((x - bx) * (x - bx) + (y - by) * (y - by))
    if far < best:
        found = (bx, by, x, y)
    return found


@njit(cache=True, nogil=True)
def measure_footprint(
    low: int,
    high: int,
    piece_from: IntArray,
    piece_to: IntArray,
    piece_box: FloatArray,
    ring_xy: FloatArray,
    first: int,
    last: int,
    xy: FloatArray,
    bound: float,
) -> tuple[float, int, int]:
    """Return the distance of an outline to a line, and which vertices begin the segments between which it is taken.

    What lies beyond `bound`, which is at least the distance, is passed over.
    """
    west = south = np.inf
    east = north = -np.inf
    for w in range(first, last + 1):
        west, east = min(west, xy[w, 0]), max(east, xy[w, 0])
        south, north = min(south, xy[w, 1]), max(north, xy[w, 1])
    best = np.inf
    on_ring = on_line = -1
    for k in range(low, high):
        gap_x = find_gap(piece_box[k, 0], piece_box[k, 2], west, east)
        gap_y = find_gap(piece_box[k, 1], piece_box[k, 3], south, north)
        if gap_x * gap_x + gap_y * gap_y > bound * bound:
            continue
        for v in range(piece_from[k], piece_to[k]):
            ax, ay, bx, by = ring_xy[v, 0], ring_xy[v, 1], ring_xy[v + 1, 0], ring_xy[v + 1, 1]
            gap_x = find_gap(min(ax, bx), max(ax, bx), west, east)
            gap_y = find_gap(min(ay, by), max(ay, by), south, north)
            if gap_x * gap_x + gap_y * gap_y > bound * bound:
                continue
            for w in range(first, last):
                cx, cy, dx, dy = xy[w, 0], xy[w, 1], xy[w + 1, 0], xy[w + 1, 1]
                gap_x = find_gap(min(ax, bx), max(ax, bx), min(cx, dx), max(cx, dx))
                gap_y = find_gap(min(ay, by), max(ay, by), min(cy, dy), max(cy, dy))
                if gap_x * gap_x + gap_y * gap_y > bound * bound:
                    continue
                far = _find_between(ax, ay, bx, by, cx, cy, dx, dy)
                if far < best:
                    best = far
                    bound = min(bound, far)
                    on_ring = v
                    on_line = w
    return best, on_ring, on_line


@njit(cache=True, nogil=True)
def holds_point(
    x: float,
    y: float,
    low: int,
    high: int,
    piece_from: IntArray,
    piece_to: IntArray,
    piece_box: FloatArray,
    ring_xy: FloatArray,
) -> int:
    """Return 1 where a point lies inside an outline, 0 outside, -1 where rounding hides it."""
    inside = 0
    for k in range(low, high):
        # a ray is cast to the east
        if y < piece_box[k, 1] or y > piece_box[k, 3] or x > piece_box[k, 2]:
            continue
        for v in range(piece_from[k], piece_to[k]):
            ax, ay, bx, by = ring_xy[v, 0], ring_xy[v, 1], ring_xy[v + 1, 0], ring_xy[v + 1, 1]
            if (ay > y) == (by > y):
                if y == ay and y == by and min(ax, bx) <= x <= max(ax, bx):
                    return -1
                if (x == ax and y == ay) or (x == bx and y == by):
                    return -1
                continue
            side = find_side(ax, ay, bx, by, x, y)
            if side == 0:
                return -1
            if (side > 0) == (by > ay):
                inside ^= 1
    return inside
