"""Segments of lines in a raster, so that what lies near a point is found by looking into a few cells.

Distances, feet and places along a line are computed with the operations of GEOS in their order, so the answers are
those of Shapely to the last bit.

References
----------
GEOS, ``algorithm/Distance.cpp``, ``geom/LineSegment.cpp``, ``linearref/LengthIndexOfPoint.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from geo.units import BoolArray, FloatArray, Int32Array, IntArray

SEGMENTS_PER_CELL = 2.0
SMALLEST_CELL_M = 1.0
MOST_CELLS = 1 << 24
HAIR_M = 1e-6
"""Left for rounding wherever distances decide what need not be looked at, metres."""
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class SegmentGrid:
    """Segments by the cells of a raster that their boxes touch; a segment stands in each of them.

    Attributes
    ----------
    corner
        Lower left corner of the raster, metres, shape (2,).
    cell_m
        Width of a cell, metres.
    columns, rows
        Size of the raster.
    cell_ptr
        Entries of cell ``c`` are ``cell_ptr[c]`` to ``cell_ptr[c + 1]``, shape (cells + 1,).
    ends
        Both ends of each entry: x, y, x, y in metres, shape (entries, 4).
    owner
        Line of each entry, shape (entries,).
    """

    corner: FloatArray
    cell_m: float
    columns: int
    rows: int
    cell_ptr: IntArray
    ends: FloatArray
    owner: Int32Array

    @classmethod
    def build(cls, xy: FloatArray, ptr: IntArray, lines: IntArray) -> SegmentGrid:
        """Return the raster of some lines.

        Parameters
        ----------
        xy, ptr
            Vertices of line ``e`` are ``xy[ptr[e]:ptr[e + 1]]``, metres; a line has at least two.
        lines
            Which lines, ascending.
        """
        ends, owner, box, size = _list_segments(xy, ptr, lines)
        if ends.shape[0] == 0:
            return cls(np.zeros(2), 1.0, 1, 1, np.zeros(2, dtype=np.int64), ends, owner)
        corner = box[:2]
        span = np.maximum(box[2:] - corner, SMALLEST_CELL_M)
        cell_m = max(
            float(np.sqrt(span[0] * span[1] * SEGMENTS_PER_CELL / ends.shape[0])),
            # a cell no smaller than a usual segment: else every one stands in many
            float(np.median(size[:: max(size.shape[0] // _SAMPLE, 1)])),
            float(np.sqrt(span[0] * span[1] / MOST_CELLS)),
            float(span.max()) / MOST_CELLS,
            SMALLEST_CELL_M,
        )
        columns, rows = (np.floor(span / cell_m).astype(np.int64) + 1).tolist()
        cell_ptr, cell_ends, cell_owner = _fill_cells(ends, owner, corner, cell_m, columns, rows)
        return cls(corner, cell_m, columns, rows, cell_ptr, cell_ends, cell_owner)

    def list_lines(self, west: float, south: float, east: float, north: float) -> IntArray:
        """Return the lines with a segment in one of the cells that meet a box, ascending.

        Parameters
        ----------
        west, south, east, north
            The box in metres.
        """
        low_c, low_r = (max(int(v), 0) for v in (np.array([west, south]) - self.corner) // self.cell_m)
        high_c, high_r = ((np.array([east, north]) - self.corner) // self.cell_m).astype(np.int64).tolist()
        high_c, high_r = min(high_c, self.columns - 1), min(high_r, self.rows - 1)
        if low_c > high_c or low_r > high_r:
            return np.empty(0, dtype=np.int64)
        lines = [
            self.owner[self.cell_ptr[r * self.columns + low_c] : self.cell_ptr[r * self.columns + high_c + 1]]
            for r in range(low_r, high_r + 1)
        ]
        return np.unique(np.concatenate(lines)).astype(np.int64)


@njit(cache=True, nogil=True)
def _list_segments(
    xy: FloatArray, ptr: IntArray, lines: IntArray
) -> tuple[FloatArray, Int32Array, FloatArray, FloatArray]:
    """Return the ends and the line of every segment, the box around all, and the larger side of the box of each."""
    count = 0
    for i in range(lines.shape[0]):
        count += ptr[lines[i] + 1] - ptr[lines[i]] - 1
    ends = np.empty((count, 4))
    owner = np.empty(count, dtype=np.int32)
    size = np.empty(count)
    west = south = np.inf
    east = north = -np.inf
    s = 0
    for i in range(lines.shape[0]):
        for v in range(ptr[lines[i]], ptr[lines[i] + 1] - 1):
            ax, ay, bx, by = xy[v, 0], xy[v, 1], xy[v + 1, 0], xy[v + 1, 1]
            ends[s, 0], ends[s, 1], ends[s, 2], ends[s, 3] = ax, ay, bx, by
            owner[s] = lines[i]
            size[s] = max(abs(bx - ax), abs(by - ay))
            west, east = min(west, ax, bx), max(east, ax, bx)
            south, north = min(south, ay, by), max(north, ay, by)
            s += 1
    return ends, owner, np.array([west, south, east, north]), size


@njit(cache=True, nogil=True)
def _fill_cells(
    ends: FloatArray, owner: Int32Array, corner: FloatArray, cell_m: float, columns: int, rows: int
) -> tuple[IntArray, FloatArray, Int32Array]:
    """Return the cells' pointers and the ends and lines of the segments in them, in order within a cell."""
    cell_ptr = np.zeros(columns * rows + 1, dtype=np.int64)
    span = np.empty((ends.shape[0], 4), dtype=np.int32)
    for s in range(ends.shape[0]):
        ax, ay, bx, by = ends[s, 0], ends[s, 1], ends[s, 2], ends[s, 3]
        span[s, 0] = int((min(ax, bx) - corner[0]) / cell_m)
        span[s, 1] = int((min(ay, by) - corner[1]) / cell_m)
        span[s, 2] = int((max(ax, bx) - corner[0]) / cell_m)
        span[s, 3] = int((max(ay, by) - corner[1]) / cell_m)
        for r in range(span[s, 1], span[s, 3] + 1):
            for c in range(span[s, 0], span[s, 2] + 1):
                cell_ptr[r * columns + c + 1] += 1
    for cell in range(columns * rows):
        cell_ptr[cell + 1] += cell_ptr[cell]
    free = cell_ptr[:-1].copy()
    cell_ends = np.empty((cell_ptr[-1], 4))
    cell_owner = np.empty(cell_ptr[-1], dtype=np.int32)
    for s in range(ends.shape[0]):
        for r in range(span[s, 1], span[s, 3] + 1):
            for c in range(span[s, 0], span[s, 2] + 1):
                at = free[r * columns + c]
                free[r * columns + c] += 1
                for k in range(4):
                    cell_ends[at, k] = ends[s, k]
                cell_owner[at] = owner[s]
    return cell_ptr, cell_ends, cell_owner


@njit(cache=True, nogil=True)
def find_distance(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Return the distance of a point to a segment as GEOS computes it."""
    if ax == bx and ay == by:
        return float(np.sqrt((x - ax) * (x - ax) + (y - ay) * (y - ay)))
    squared = (bx - ax) * (bx - ax) + (by - ay) * (by - ay)
    r = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / squared
    if r <= 0.0:
        return float(np.sqrt((x - ax) * (x - ax) + (y - ay) * (y - ay)))
    if r >= 1.0:
        return float(np.sqrt((x - bx) * (x - bx) + (y - by) * (y - by)))
    s = ((ay - y) * (bx - ax) - (ax - x) * (by - ay)) / squared
    return float(abs(s) * np.sqrt(squared))


@njit(cache=True, nogil=True)
def _is_beyond(x: float, y: float, ax: float, ay: float, bx: float, by: float, limit: float) -> bool:
    """Return whether a point lies farther from a segment than the root of a limit that leaves room for rounding."""
    dx, dy, px, py = bx - ax, by - ay, x - ax, y - ay
    squared = dx * dx + dy * dy
    along = px * dx + py * dy
    if along <= 0.0:
        return bool(px * px + py * py > limit)
    if along >= squared:
        return bool((x - bx) * (x - bx) + (y - by) * (y - by) > limit)
    across = px * dy - py * dx
    return bool(across * across > limit * squared)


@njit(cache=True, nogil=True)
def find_nearest_line(
    x: float,
    y: float,
    zone: int,
    line_zone: Int32Array,
    corner: FloatArray,
    cell_m: float,
    columns: int,
    rows: int,
    cell_ptr: IntArray,
    ends: FloatArray,
    owner: Int32Array,
    max_m: float,
) -> tuple[float, int]:
    """Return the distance of a point to the nearest line of a zone and that line, the lowest where several are as near.

    Both are those of a line farther than `max_m`, or infinite and -1, where none is nearer than that.
    """
    at_x = x - corner[0]
    at_y = y - corner[1]
    column = int(np.floor(at_x / cell_m))
    row = int(np.floor(at_y / cell_m))
    ring = max(0, -column, column - columns + 1, -row, row - rows + 1)
    best = limit = np.inf
    found = -1
    while True:
        for r in range(max(row - ring, 0), min(row + ring, rows - 1) + 1):
            gap_y = max(0.0, r * cell_m - at_y, at_y - (r + 1) * cell_m)
            step = 1 if r in (row - ring, row + ring) else max(2 * ring, 1)
            for c in range(column - ring, column + ring + 1, step):
                gap_x = max(0.0, c * cell_m - at_x, at_x - (c + 1) * cell_m)
                if c < 0 or c >= columns or gap_x * gap_x + gap_y * gap_y > limit:
                    continue
                for e in range(cell_ptr[r * columns + c], cell_ptr[r * columns + c + 1]):
                    ax, ay, bx, by = ends[e, 0], ends[e, 1], ends[e, 2], ends[e, 3]
                    who = owner[e]
                    # most are passed over before anything is divided
                    if line_zone[who] != zone or _is_beyond(x, y, ax, ay, bx, by, limit):
                        continue
                    far = find_distance(x, y, ax, ay, bx, by)
                    if far < best or (far == best and who < found):
                        best = far
                        found = who
                        # a hair is left for rounding, here and below
                        limit = (best + HAIR_M) * (best + HAIR_M)
        # whatever stands only in farther rings is at least this far away
        beyond = min(
            at_x - (column - ring) * cell_m,
            (column + ring + 1) * cell_m - at_x,
            at_y - (row - ring) * cell_m,
            (row + ring + 1) * cell_m - at_y,
        )
        beyond -= HAIR_M
        covers = column - ring <= 0 and column + ring >= columns - 1 and row - ring <= 0 and row + ring >= rows - 1
        if best <= beyond or beyond > max_m or covers:
            return best, found
        ring += 1


@njit(cache=True, nogil=True)
def find_nearest_lines(
    point: FloatArray,
    zone: Int32Array,
    line_zone: Int32Array,
    corner: FloatArray,
    cell_m: float,
    columns: int,
    rows: int,
    cell_ptr: IntArray,
    ends: FloatArray,
    owner: Int32Array,
    max_m: float,
    line: Int32Array,
    distance_m: FloatArray,
) -> None:
    """Fill the nearest line of each point's zone within `max_m` and how far it is; -1 and 0 where there is none."""
    for p in range(point.shape[0]):
        best, found = find_nearest_line(
            point[p, 0],
            point[p, 1],
            zone[p],
            line_zone,
            corner,
            cell_m,
            columns,
            rows,
            cell_ptr,
            ends,
            owner,
            max_m,
        )
        line[p] = found if best <= max_m else -1
        distance_m[p] = best if best <= max_m else 0.0


@njit(cache=True, nogil=True)
def project(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Return where on a segment the perpendicular from a point falls, 0 at its first end and 1 at its second."""
    if x == ax and y == ay:
        return 0.0
    if x == bx and y == by:
        return 1.0
    dx = bx - ax
    dy = by - ay
    squared = dx * dx + dy * dy
    if squared <= 0.0:
        return np.nan
    return ((x - ax) * dx + (y - ay) * dy) / squared


@njit(cache=True, nogil=True)
def _find_foot(x: float, y: float, first: int, last: int, xy: FloatArray) -> tuple[float, float]:
    """Return the point of a line nearest to a point; the line's vertices are those from `first` to `last`."""
    best = np.inf
    fx = fy = 0.0
    for v in range(first, last):
        ax, ay, bx, by = xy[v, 0], xy[v, 1], xy[v + 1, 0], xy[v + 1, 1]
        far = find_distance(x, y, ax, ay, bx, by)
        if far < best:
            best = far
            r = project(x, y, ax, ay, bx, by)
            if 0.0 < r < 1.0:
                fx, fy = ax + r * (bx - ax), ay + r * (by - ay)
            elif np.sqrt((ax - x) * (ax - x) + (ay - y) * (ay - y)) < np.sqrt(
                (bx - x) * (bx - x) + (by - y) * (by - y)
            ):
                fx, fy = ax, ay
            else:
                fx, fy = bx, by
    return fx, fy


@njit(cache=True, nogil=True)
def _find_along(x: float, y: float, first: int, last: int, xy: FloatArray) -> float:
    """Return how far along a line the point of it lies that is nearest to a point, metres."""
    best = np.inf
    before = along = 0.0
    for v in range(first, last):
        ax, ay, bx, by = xy[v, 0], xy[v, 1], xy[v + 1, 0], xy[v + 1, 1]
        length = np.sqrt((ax - bx) * (ax - bx) + (ay - by) * (ay - by))
        far = find_distance(x, y, ax, ay, bx, by)
        if far < best:
            best = far
            r = project(x, y, ax, ay, bx, by)
            along = before + (0.0 if r <= 0.0 else r * length if r <= 1.0 else length)
        before += length
    return along


@njit(cache=True, nogil=True)
def find_feet(
    point: FloatArray, line: Int32Array, xy: FloatArray, ptr: IntArray, foot: FloatArray, place_m: FloatArray
) -> None:
    """Fill the point of each line nearest to a point, and how far along the line that is; lines below 0 are left."""
    for p in range(point.shape[0]):
        if line[p] >= 0:
            first, last = ptr[line[p]], ptr[line[p] + 1] - 1
            x, y = _find_foot(point[p, 0], point[p, 1], first, last, xy)
            foot[p, 0] = x
            foot[p, 1] = y
            # how far along is asked of the foot, which is itself rounded
            place_m[p] = _find_along(x, y, first, last, xy)


@njit(cache=True, nogil=True)
def find_places(foot: FloatArray, line: Int32Array, xy: FloatArray, ptr: IntArray, place_m: FloatArray) -> None:
    """Fill how far along its line each foot lies."""
    for p in range(foot.shape[0]):
        place_m[p] = _find_along(foot[p, 0], foot[p, 1], ptr[line[p]], ptr[line[p] + 1] - 1, xy)


@njit(cache=True, nogil=True)
def may_cross(
    start: FloatArray,
    end: FloatArray,
    corner: FloatArray,
    cell_m: float,
    columns: int,
    rows: int,
    cell_ptr: IntArray,
    ends: FloatArray,
    out: BoolArray,
) -> None:
    """Fill whether a segment might meet a line of the raster; where it surely does not, False."""
    for p in range(start.shape[0]):
        px = start[p, 0]
        py = start[p, 1]
        qx = end[p, 0]
        qy = end[p, 1]
        left = min(px, qx)
        right = max(px, qx)
        low = min(py, qy)
        high = max(py, qy)
        out[p] = False
        for r in range(
            max(int(np.floor((low - corner[1]) / cell_m)), 0),
            min(int(np.floor((high - corner[1]) / cell_m)), rows - 1) + 1,
        ):
            for c in range(
                max(int(np.floor((left - corner[0]) / cell_m)), 0),
                min(int(np.floor((right - corner[0]) / cell_m)), columns - 1) + 1,
            ):
                cell = r * columns + c
                for e in range(cell_ptr[cell], cell_ptr[cell + 1]):
                    ax = ends[e, 0]
                    ay = ends[e, 1]
                    bx = ends[e, 2]
                    by = ends[e, 3]
                    if max(ax, bx) < left or min(ax, bx) > right or max(ay, by) < low or min(ay, by) > high:
                        continue
                    one = find_side(px, py, qx, qy, ax, ay)
                    if one != 0 and one == find_side(px, py, qx, qy, bx, by):
                        continue
                    one = find_side(ax, ay, bx, by, px, py)
                    if one != 0 and one == find_side(ax, ay, bx, by, qx, qy):
                        continue
                    out[p] = True
                    break
                if out[p]:
                    break
            if out[p]:
                break


_ROUNDING = 3.3306690738754716e-16
"""Relative error of the determinant below, (3 + 16 ε) ε.

References
----------
Shewchuk (1997), Adaptive precision floating-point arithmetic and fast robust geometric predicates.
"""


@njit(cache=True, nogil=True)
def find_side(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> int:
    """Return 1 where a point surely lies left of the line from a to b, -1 right of it, 0 where rounding hides it."""
    left = (ax - x) * (by - y)
    right = (ay - y) * (bx - x)
    side = left - right
    doubt = _ROUNDING * (abs(left) + abs(right))
    if side > doubt:
        return 1
    if side < -doubt:
        return -1
    return 0
