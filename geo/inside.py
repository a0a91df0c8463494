"""Which of many polygons a point lies in: surely, or to be looked at exactly.

A ray is cast along each polygon's band of height; where rounding could hide on which side of an edge a point lies, the
point is called doubtful and left to an exact test. So the sure answers are those of Shapely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numba import njit

from geo.linking.segments import find_side
from geo.units import FloatArray, Int32Array, IntArray, ObjectArray

if TYPE_CHECKING:
    from collections.abc import Callable

_CELLS_PER_POLYGON = 4
_MOST_CELLS_A_SIDE = 1024
_SEGMENTS_PER_BAND = 2
_MOST_BANDS = 8192
DOUBTFUL = -2


@dataclass(frozen=True, slots=True)
class Outlines:
    """Polygons laid out for asking about points; in the order given the first that holds a point answers.

    Attributes
    ----------
    row
        Row of each polygon, in the order of asking, shape (k,).
    box
        West, south, east, north of each, shape (k, 4).
    band_first
        Bands of polygon ``i`` are numbered from ``band_first[i]`` to ``band_first[i + 1]``, from south to north.
    band_ptr, ends
        Edges that reach into band ``b`` are ``ends[band_ptr[b]:band_ptr[b + 1]]``: x, y, x, y.
    corner, step, side
        Raster of the boxes: lower left corner, width and height of a cell, cells a side.
    cell_ptr, cell_polygon
        Polygons whose box meets a cell, in the order of asking.
    """

    row: Int32Array
    box: FloatArray
    band_first: IntArray
    band_ptr: IntArray
    ends: FloatArray
    corner: FloatArray
    step: FloatArray
    side: int
    cell_ptr: IntArray
    cell_polygon: Int32Array

    @classmethod
    def build(cls, polygon: ObjectArray, order: IntArray) -> Outlines:
        """Return polygons laid out.

        Parameters
        ----------
        polygon
            Valid polygons or multipolygons; missing ones hold nothing, shape (a,).
        order
            Rows to ask, the most wanted first.
        """
        rows = order[~(shapely.is_missing(polygon[order]) | shapely.is_empty(polygon[order]))]
        mine = polygon[rows]
        ring, owner = shapely.get_rings(shapely.get_parts(mine), return_index=True)
        part_owner = np.repeat(np.arange(rows.shape[0]), shapely.get_num_geometries(mine))
        xy, of_ring = shapely.get_coordinates(ring, return_index=True)
        is_edge = of_ring[1:] == of_ring[:-1]
        ends = np.hstack([xy[:-1], xy[1:]])[is_edge]
        of_polygon = part_owner[owner][of_ring[:-1][is_edge]]
        box = np.asarray(shapely.bounds(mine), dtype=np.float64).reshape(-1, 4)
        count = np.bincount(of_polygon, minlength=rows.shape[0])
        bands = np.clip(count // _SEGMENTS_PER_BAND, 1, _MOST_BANDS)
        band_first = np.concatenate([[0], np.cumsum(bands)]).astype(np.int64)
        band_ptr, entry = _fill_bands(ends, of_polygon.astype(np.int64), box, band_first)
        side = int(np.clip(np.sqrt(_CELLS_PER_POLYGON * rows.shape[0]), 1, _MOST_CELLS_A_SIDE))
        corner = box[:, :2].min(axis=0) if rows.size else np.zeros(2)
        span = box[:, 2:].max(axis=0) - corner if rows.size else np.ones(2)
        step = np.where(span > 0, span / side, 1.0)
        cell_ptr, cell_polygon = _fill_cells(box, corner, step, side)
        return cls(
            rows.astype(np.int32), box, band_first, band_ptr, ends[entry], corner, step, side, cell_ptr, cell_polygon
        )

    def find_first(self, xy: FloatArray) -> Int32Array:
        """Return the row of the first polygon that holds each point, -1 for none, :data:`DOUBTFUL` where not sure.

        Parameters
        ----------
        xy
            Points, shape (n, 2); what is no number is doubtful.
        """
        out = np.empty(xy.shape[0], dtype=np.int32)
        _find_first(
            np.ascontiguousarray(xy),
            self.row,
            self.box,
            self.band_first,
            self.band_ptr,
            self.ends,
            self.corner,
            self.step,
            self.side,
            self.cell_ptr,
            self.cell_polygon,
            out,
        )
        return out


def find_holding(
    xy: FloatArray, polygon: ObjectArray, order: IntArray, *, exactly: Callable[[ObjectArray], Int32Array]
) -> Int32Array:
    """Return the row of the first polygon that holds each point, -1 for none.

    Parameters
    ----------
    xy
        Points, shape (n, 2).
    polygon
        Valid polygons or multipolygons, shape (a,).
    order
        Rows to ask, the most wanted first.
    exactly
        Answers for a few points where rounding decides: those on an outline.
    """
    if order.size == 0:
        return np.full(xy.shape[0], -1, dtype=np.int32)
    found = Outlines.build(polygon, order).find_first(xy)
    doubtful = np.flatnonzero(found == DOUBTFUL)
    if doubtful.size:
        found[doubtful] = exactly(np.asarray(shapely.points(xy[doubtful]), dtype=object))
    return found


@njit(cache=True, nogil=True)
def _fill_bands(
    ends: FloatArray, of_polygon: IntArray, box: FloatArray, band_first: IntArray
) -> tuple[IntArray, IntArray]:
    """Return where each band starts and which edges reach into it."""
    ptr = np.zeros(band_first[-1] + 1, dtype=np.int64)
    low = np.empty(ends.shape[0], dtype=np.int64)
    high = np.empty(ends.shape[0], dtype=np.int64)
    for e in range(ends.shape[0]):
        k = of_polygon[e]
        low[e] = _find_band(min(ends[e, 1], ends[e, 3]), box, band_first, k)
        high[e] = _find_band(max(ends[e, 1], ends[e, 3]), box, band_first, k)
        for b in range(low[e], high[e] + 1):
            ptr[b + 1] += 1
    for b in range(ptr.shape[0] - 1):
        ptr[b + 1] += ptr[b]
    free = ptr[:-1].copy()
    entry = np.empty(ptr[-1], dtype=np.int64)
    for e in range(ends.shape[0]):
        for b in range(low[e], high[e] + 1):
            entry[free[b]] = e
            free[b] += 1
    return ptr, entry


@njit(cache=True, nogil=True)
def _find_band(y: float, box: FloatArray, band_first: IntArray, k: int) -> int:
    """Return the band of a polygon that a height lies in: rising with the height, so an edge is in all it reaches."""
    bands = band_first[k + 1] - band_first[k]
    height = box[k, 3] - box[k, 1]
    number = int((y - box[k, 1]) / height * bands) if height > 0 else 0
    return int(band_first[k] + min(max(number, 0), bands - 1))


@njit(cache=True, nogil=True)
def _fill_cells(box: FloatArray, corner: FloatArray, step: FloatArray, side: int) -> tuple[IntArray, Int32Array]:
    """Return where each cell starts and which boxes meet it, in order."""
    ptr = np.zeros(side * side + 1, dtype=np.int64)
    span = np.empty((box.shape[0], 4), dtype=np.int64)
    for k in range(box.shape[0]):
        for j in range(4):
            number = int((box[k, j] - corner[j % 2]) / step[j % 2])
            span[k, j] = min(max(number, 0), side - 1)
        for r in range(span[k, 1], span[k, 3] + 1):
            for c in range(span[k, 0], span[k, 2] + 1):
                ptr[r * side + c + 1] += 1
    for cell in range(side * side):
        ptr[cell + 1] += ptr[cell]
    free = ptr[:-1].copy()
    entry = np.empty(ptr[-1], dtype=np.int32)
    for k in range(box.shape[0]):
        for r in range(span[k, 1], span[k, 3] + 1):
            for c in range(span[k, 0], span[k, 2] + 1):
                entry[free[r * side + c]] = k
                free[r * side + c] += 1
    return ptr, entry


@njit(cache=True, nogil=True)
def _cast_ray(x: float, y: float, first: int, last: int, ends: FloatArray) -> int:
    """Return 1 where the point lies inside the edges from `first` to `last`, 0 outside, DOUBTFUL where not sure."""
    inside = 0
    for e in range(first, last):
        ax, ay, bx, by = ends[e, 0], ends[e, 1], ends[e, 2], ends[e, 3]
        if (ay > y) == (by > y):
            # an edge at the height of the point: on it, or at its end
            if ay == y and min(ax, bx) <= x <= max(ax, bx):
                return DOUBTFUL
            if by == y and bx == x:
                return DOUBTFUL
            continue
        if x > max(ax, bx):
            continue
        side = find_side(ax, ay, bx, by, x, y)
        if side == 0:
            return DOUBTFUL
        # the ray goes east: it meets a rising edge from its left, a falling one from its right
        if (side > 0) == (by > ay):
            inside ^= 1
    return inside


@njit(cache=True, nogil=True)
def _find_first(
    xy: FloatArray,
    row: Int32Array,
    box: FloatArray,
    band_first: IntArray,
    band_ptr: IntArray,
    ends: FloatArray,
    corner: FloatArray,
    step: FloatArray,
    side: int,
    cell_ptr: IntArray,
    cell_polygon: Int32Array,
    out: Int32Array,
) -> None:
    for p in range(xy.shape[0]):
        x = xy[p, 0]
        y = xy[p, 1]
        out[p] = -1
        if not (np.isfinite(x) and np.isfinite(y)):
            out[p] = DOUBTFUL
            continue
        column = (x - corner[0]) / step[0]
        line = (y - corner[1]) / step[1]
        # a hair beyond the raster may still be on its rim
        if column < -1 or line < -1 or column > side + 1 or line > side + 1:
            continue
        cell = min(max(int(line), 0), side - 1) * side + min(max(int(column), 0), side - 1)
        for n in range(cell_ptr[cell], cell_ptr[cell + 1]):
            k = cell_polygon[n]
            if x < box[k, 0] or x > box[k, 2] or y < box[k, 1] or y > box[k, 3]:
                continue
            band = _find_band(y, box, band_first, k)
            found = _cast_ray(x, y, band_ptr[band], band_ptr[band + 1], ends)
            if found != 0:
                out[p] = row[k] if found == 1 else DOUBTFUL
                break
