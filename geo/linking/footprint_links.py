"""The street nearest to a footprint, found in the raster of segments instead of a tree of geometries.

First the raster gives the few lines that can be nearest, by distances good to a hair; those are then measured as GEOS
measures them. Where a line meets the footprint, or rounding could hide on which side of its outline a line begins, the
footprint is left to Shapely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.linking.footprints import Footprints, do_meet, find_gap, holds_point, join_segments, measure_footprint
from geo.linking.segments import HAIR_M
from geo.units import FloatArray, Int32Array, IntArray, ObjectArray

if TYPE_CHECKING:
    from geo.linking.segments import SegmentGrid
    from geo.network import Network

StateArray = npt.NDArray[np.uint8]

NOTHING = 0
"""No line within reach."""
APART = 1
"""The nearest line lies beside the footprint; distance and feet are known."""
MEETS = 2
"""The nearest line meets the footprint; where, is left to Shapely."""
DOUBTFUL = 3
"""All is left to Shapely."""

_TINY_M = 1e-12
_ROOM = 64
"""Lines that may be as near as the nearest one; a node with more of them is left to Shapely."""


@dataclass(frozen=True, slots=True)
class NearestWays:
    """The edge nearest to each footprint.

    Attributes
    ----------
    edge, off_m
        The edge and metres to it, known where APART or MEETS, shape (n,).
    start, foot
        The points of footprint and edge nearest to each other, known where APART, shape (n, 2).
    state
        NOTHING, APART, MEETS or DOUBTFUL, shape (n,).
    """

    edge: Int32Array
    off_m: FloatArray
    start: FloatArray
    foot: FloatArray
    state: StateArray


def find_nearest_ways(
    shape: ObjectArray, zone: Int32Array, *, network: Network, grid: SegmentGrid, max_m: float
) -> NearestWays:
    """Return the edge nearest to each footprint; the lowest where several are equally near.

    Parameters
    ----------
    shape
        Polygons and multipolygons in the metric CRS, none empty, shape (n,).
    zone
        Compound number each lies in, -1 outside; only edges of the same count, shape (n,).
    network, grid
        The network, and the segments of the edges to choose from.
    max_m
        Farthest an edge may lie, metres.
    """
    count = shape.shape[0]
    start, foot = np.zeros((2, count, 2))
    found = NearestWays(
        np.full(count, -1, dtype=np.int32), np.zeros(count), start, foot, np.zeros(count, dtype=np.uint8)
    )
    laid = Footprints.of(shape)
    _find_nearest(
        laid.box,
        laid.piece_first,
        laid.piece_from,
        laid.piece_to,
        laid.piece_box,
        laid.xy,
        np.ascontiguousarray(zone, dtype=np.int32),
        network.edge_zone,
        grid.corner,
        grid.cell_m,
        grid.columns,
        grid.rows,
        grid.cell_ptr,
        grid.ends,
        grid.owner,
        network.geom_ptr,
        network.geom_xy,
        float(max_m),
        found.edge,
        found.off_m,
        found.start,
        found.foot,
        found.state,
    )
    return found


@njit(cache=True, nogil=True)
def _look_near(
    low: int,
    high: int,
    piece_from: IntArray,
    piece_to: IntArray,
    piece_box: FloatArray,
    ring_xy: FloatArray,
    cx: float,
    cy: float,
    dx: float,
    dy: float,
    best: float,
) -> float:
    """Return the distance of an outline to a segment to a hair, infinite where it is farther than `best`."""
    along_x, along_y = dx - cx, dy - cy
    squared = along_x * along_x + along_y * along_y
    share = 1.0 / squared if squared > 0 else 0.0
    west, east = min(cx, dx), max(cx, dx)
    south, north = min(cy, dy), max(cy, dy)
    limit = (best + HAIR_M) * (best + HAIR_M)
    least = limit
    for k in range(low, high):
        gap_x = find_gap(piece_box[k, 0], piece_box[k, 2], west, east)
        gap_y = find_gap(piece_box[k, 1], piece_box[k, 3], south, north)
        if gap_x * gap_x + gap_y * gap_y > least:
            continue
        for v in range(piece_from[k], piece_to[k]):
            ax, ay, bx, by = ring_xy[v, 0], ring_xy[v, 1], ring_xy[v + 1, 0], ring_xy[v + 1, 1]
            gap_x = find_gap(min(ax, bx), max(ax, bx), west, east)
            gap_y = find_gap(min(ay, by), max(ay, by), south, north)
            if gap_x * gap_x + gap_y * gap_y > least:
                continue
            if gap_x == 0 and gap_y == 0 and do_meet(ax, ay, bx, by, cx, cy, dx, dy):
                return 0.0
            t = min(max(((ax - cx) * along_x + (ay - cy) * along_y) * share, 0.0), 1.0)
            x, y = ax - (cx + t * along_x), ay - (cy + t * along_y)
            least = min(least, x * x + y * y)
            side_x, side_y = bx - ax, by - ay
            length = side_x * side_x + side_y * side_y
            part = 1.0 / length if length > 0 else 0.0
            t = min(max(((cx - ax) * side_x + (cy - ay) * side_y) * part, 0.0), 1.0)
            x, y = cx - (ax + t * side_x), cy - (ay + t * side_y)
            least = min(least, x * x + y * y)
            t = min(max(((dx - ax) * side_x + (dy - ay) * side_y) * part, 0.0), 1.0)
            x, y = dx - (ax + t * side_x), dy - (ay + t * side_y)
            least = min(least, x * x + y * y)
    # whether what only touches is 0 or almost so is for GEOS to say
    return max(float(np.sqrt(least)), _TINY_M) if least < limit else np.inf


@njit(cache=True, nogil=True)
def _keep(line: int, far: float, best: float, kept: Int32Array, how_far: FloatArray, count: int) -> int:
    """Note a line that may be nearest and return how many there are; one more than there is room for if too many."""
    for k in range(count):
        if kept[k] == line:
            how_far[k] = min(how_far[k], far)
            return count
    if count == kept.shape[0]:
        left = 0
        for k in range(count):
            if how_far[k] <= best + HAIR_M:
                kept[left] = kept[k]
                how_far[left] = how_far[k]
                left += 1
        count = left
        if count == kept.shape[0]:
            return count + 1
    kept[count] = line
    how_far[count] = far
    return count + 1


@njit(cache=True, nogil=True)
def _look_at(
    cx: float,
    cy: float,
    dx: float,
    dy: float,
    begins: bool,
    box: FloatArray,
    low: int,
    high: int,
    piece_from: IntArray,
    piece_to: IntArray,
    piece_box: FloatArray,
    ring_xy: FloatArray,
    best: float,
) -> float:
    """Return the distance of an outline to a segment to a hair; 0 only where it surely meets or lies inside.

    -1 where rounding hides whether its line begins inside, infinite where it is farther than `best`.
    """
    gap_x = find_gap(box[0], box[2], min(cx, dx), max(cx, dx))
    gap_y = find_gap(box[1], box[3], min(cy, dy), max(cy, dy))
    if gap_x * gap_x + gap_y * gap_y > (best + HAIR_M) * (best + HAIR_M):
        return float(np.inf)
    # GEOS looks for lines inside an outline by their first vertex
    if begins and box[0] <= cx <= box[2] and box[1] <= cy <= box[3]:
        inside = holds_point(cx, cy, low, high, piece_from, piece_to, piece_box, ring_xy)
        if inside != 0:
            return -1.0 if inside < 0 else 0.0
    return float(_look_near(low, high, piece_from, piece_to, piece_box, ring_xy, cx, cy, dx, dy, best))


@njit(cache=True, nogil=True)
def _look_around(
    box: FloatArray,
    low: int,
    high: int,
    piece_from: IntArray,
    piece_to: IntArray,
    piece_box: FloatArray,
    ring_xy: FloatArray,
    corner: FloatArray,
    cell_m: float,
    columns: int,
    rows: int,
    cell_ptr: IntArray,
    ends: FloatArray,
    owner: Int32Array,
    line_zone: Int32Array,
    zone: int,
    ptr: IntArray,
    xy: FloatArray,
    max_m: float,
    kept: Int32Array,
    how_far: FloatArray,
) -> tuple[float, int]:
    """Note the lines that may be nearest to an outline; return how near to a hair, and how many, -1 for doubtful."""
    west, south, east, north = box[0] - corner[0], box[1] - corner[1], box[2] - corner[0], box[3] - corner[1]
    from_c, to_c = int(np.floor(west / cell_m)), int(np.floor(east / cell_m))
    from_r, to_r = int(np.floor(south / cell_m)), int(np.floor(north / cell_m))
    ring = max(0, -to_c, from_c - columns + 1, -to_r, from_r - rows + 1)
    best = np.inf
    count = 0
    # of the lines that meet the outline only the lowest counts
    lowest = np.int64(1 << 62)
    while True:
        for r in range(max(from_r - ring, 0), min(to_r + ring, rows - 1) + 1):
            gap_y = find_gap(south, north, r * cell_m, (r + 1) * cell_m)
            is_rim = ring == 0 or r in (from_r - ring, to_r + ring)
            for c in range(from_c - ring, to_c + ring + 1, 1 if is_rim else to_c - from_c + 2 * ring):
                gap_x = find_gap(west, east, c * cell_m, (c + 1) * cell_m)
                if c < 0 or c >= columns or gap_x * gap_x + gap_y * gap_y > (best + HAIR_M) * (best + HAIR_M):
                    continue
                for e in range(cell_ptr[r * columns + c], cell_ptr[r * columns + c + 1]):
                    who = owner[e]
                    if who >= lowest or line_zone[who] != zone:
                        continue
                    cx, cy = ends[e, 0], ends[e, 1]
                    begins = cx == xy[ptr[who], 0] and cy == xy[ptr[who], 1]
                    far = _look_at(
                        cx,
                        cy,
                        ends[e, 2],
                        ends[e, 3],
                        begins,
                        box,
                        low,
                        high,
                        piece_from,
                        piece_to,
                        piece_box,
                        ring_xy,
                        best,
                    )
                    if far <= best + HAIR_M:
                        best = min(best, far)
                        lowest = np.int64(who) if far == 0.0 else lowest
                        count = _keep(who, far, best, kept, how_far, count)
                        if count > kept.shape[0] or far < 0:
                            return best, -1
        # whatever stands only in farther rings is at least this far away; a hair is left for rounding
        beyond = min(
            west - (from_c - ring) * cell_m,
            (to_c + ring + 1) * cell_m - east,
            south - (from_r - ring) * cell_m,
            (to_r + ring + 1) * cell_m - north,
        )
        beyond -= HAIR_M
        covers = from_c - ring <= 0 and to_c + ring >= columns - 1 and from_r - ring <= 0 and to_r + ring >= rows - 1
        if best + HAIR_M <= beyond or beyond > max_m or covers:
            return best, count
        ring += 1


@njit(cache=True, nogil=True)
def _find_nearest(
    box: FloatArray,
    piece_first: IntArray,
    piece_from: IntArray,
    piece_to: IntArray,
    piece_box: FloatArray,
    ring_xy: FloatArray,
    zone: Int32Array,
    line_zone: Int32Array,
    corner: FloatArray,
    cell_m: float,
    columns: int,
    rows: int,
    cell_ptr: IntArray,
    ends: FloatArray,
    owner: Int32Array,
    ptr: IntArray,
    xy: FloatArray,
    max_m: float,
    line: Int32Array,
    distance_m: FloatArray,
    start: FloatArray,
    foot: FloatArray,
    state: StateArray,
) -> None:
    """Fill the nearest line of each outline's zone within `max_m`, the lowest where several are equally near.

    Parameters
    ----------
    box, piece_first, piece_from, piece_to, piece_box, ring_xy
        See :class:`geo.linking.footprints.Footprints`.
    zone, line_zone
        Zone of each outline and line.
    corner, cell_m, columns, rows, cell_ptr, ends, owner
        See :class:`geo.linking.segments.SegmentGrid`.
    ptr, xy
        Vertices of line ``e`` are ``xy[ptr[e]:ptr[e + 1]]``.
    max_m
        Farthest a line may lie.
    line, distance_m, start, foot
        The answer: line, metres to it, and the points of outline and line nearest to each other.
    state
        NOTHING, APART, MEETS or DOUBTFUL; line and distance are known where APART or MEETS, the points where APART.
    """
    kept = np.empty(_ROOM, dtype=np.int32)
    how_far = np.empty(_ROOM)
    for p in range(box.shape[0]):
        low, high = piece_first[p], piece_first[p + 1]
        near, count = _look_around(
            box[p],
            low,
            high,
            piece_from,
            piece_to,
            piece_box,
            ring_xy,
            corner,
            cell_m,
            columns,
            rows,
            cell_ptr,
            ends,
            owner,
            line_zone,
            zone[p],
            ptr,
            xy,
            max_m,
            kept,
            how_far,
        )
        line[p] = -1
        state[p] = DOUBTFUL if count < 0 else NOTHING
        best = np.inf
        on_ring = on_line = -1
        for k in range(count):
            if how_far[k] > near + HAIR_M:
                continue
            who = kept[k]
            far, v, w = 0.0, -1, -1
            if how_far[k] > 0:
                far, v, w = measure_footprint(
                    low,
                    high,
                    piece_from,
                    piece_to,
                    piece_box,
                    ring_xy,
                    ptr[who],
                    ptr[who + 1] - 1,
                    xy,
                    how_far[k] + HAIR_M,
                )
            if far < best or (far == best and who < line[p]):
                best = far
                line[p] = who
                on_ring = v
                on_line = w
        if count <= 0 or best > max_m:
            line[p] = -1
            continue
        distance_m[p] = best
        # so near the two may touch: how GEOS finds the point they share is left to it
        state[p] = MEETS if best < HAIR_M else APART
        if state[p] == APART:
            ax, ay, bx, by = join_segments(
                ring_xy[on_ring, 0],
                ring_xy[on_ring, 1],
                ring_xy[on_ring + 1, 0],
                ring_xy[on_ring + 1, 1],
                xy[on_line, 0],
                xy[on_line, 1],
                xy[on_line + 1, 0],
                xy[on_line + 1, 1],
            )
            start[p, 0] = ax
            start[p, 1] = ay
            foot[p, 0] = bx
            foot[p, 1] = by
