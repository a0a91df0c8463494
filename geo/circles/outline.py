"""Outlines of reached parts: polygons grown by a width, nested, with few vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geo.circles import raster as circles_raster
from geo.circles import simplify as circles_simplify
from geo.errors import RequestError
from geo.units import MM_PER_M, BoolArray, FloatArray, Int32Array, IntArray, ObjectArray

WIDTH_M = 30.0
"""Reached ways are drawn this wide to each side."""

MIN_WIDTH_M, MAX_WIDTH_M = 10.0, 300.0
"""A narrower band would fall through the raster, a wider one says nothing about ways."""

CELLS_PER_WIDTH = 3
CELLS_PER_WIDTH_AT_LEAST = 1.5
MIN_CELL_M, MAX_CELL_M = 4, 10
"""Raster step of the outline, whole metres; reach itself is exact. Large circles take up to twice that and more."""

TOLERANCE_CELLS = 0.25
"""Simplifying moves the outline by at most this share of a cell."""

STRAIGHT_CELLS = 0.05
"""Vertices of a way are passed over where a straight line stays within this share of a cell of them."""

MARGIN_CELLS = 0.004
"""Outlines that do not run together stay this far apart: more than rounding to seven decimals moves them."""

LONGEST_SIDE_M = 250.0
"""The map bends straight lines of the metric grid by L²·tan(latitude)/8R: 2 mm for this length."""

MIN_HOLE_M2 = 2_000.0
"""Holes smaller than this are noise between parallel ways; superblocks that cannot be entered are larger."""

MAX_CELLS = 16_000_000
"""Most raster cells of one drawing, all limits together: 64 MB."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Straight pieces of reached ways in the metric CRS.

    Attributes
    ----------
    segment
        Both ends, metres: x, y, x, y, shape (n, 4).
    layer
        Number of the first limit that reaches each, shape (n,).
    """

    segment: FloatArray
    layer: Int32Array


@dataclass(frozen=True, slots=True)
class _Contours:
    """Contours of all limits on one raster; see :func:`geo.circles.raster.trace`."""

    spot_xy: IntArray
    spot_knot: Int32Array
    knot_spot: Int32Array
    knot_next: Int32Array
    ring_first: Int32Array
    ring_layer: Int32Array
    ring_area_mm2: FloatArray
    head: Int32Array
    chain: Int32Array


@dataclass(frozen=True, slots=True)
class _Rings:
    """Rings on their way into polygons, vertices one after the other."""

    xy: IntArray
    size: IntArray
    layer: Int32Array
    area_mm2: FloatArray


def check_width(width_m: float) -> int:
    """Return the raster step in millimetres for a drawn width.

    Parameters
    ----------
    width_m
        How far to each side of a reached way the outline extends, metres.

    Raises
    ------
    RequestError
        The width is not between 10 and 300 m.
    """
    if not MIN_WIDTH_M <= width_m <= MAX_WIDTH_M:
        raise RequestError(
            f"drawing a circle: found a width of {width_m} m, expected {MIN_WIDTH_M:g} to {MAX_WIDTH_M:g} m",
            parameter="width",
        )
    return min(max(int(width_m / CELLS_PER_WIDTH), MIN_CELL_M), MAX_CELL_M) * MM_PER_M


def draw_parts(parts: Parts, *, limits: int, width_m: float = WIDTH_M) -> ObjectArray:
    """Return one valid polygon a limit, in the metric CRS; each lies within the next.

    Outer rings run counter-clockwise, holes clockwise. Same parts, same bytes: the raster is tied to the CRS.

    Parameters
    ----------
    parts
        Reached parts of ways.
    limits
        How many limits there are.
    width_m
        How far to each side of a reached way the outline extends, metres.

    Returns
    -------
    ObjectArray
        Polygons and multipolygons, an empty one where nothing is reached, shape (limits,).

    Raises
    ------
    RequestError
        The width is out of range, or the parts cover more ground than one picture holds.
    """
    least_mm = check_width(width_m)
    if parts.segment.shape[0] == 0:
        return np.array([shapely.MultiPolygon()] * limits, dtype=object)
    cell_mm, corner, columns, rows = _frame(parts.segment, width_m, least_mm, limits)
    cell_m = cell_mm / MM_PER_M
    far_m = width_m + 1.01 * cell_m
    field = np.full((limits, rows, columns), np.float32((width_m + 2 * cell_m) ** 2), dtype=np.float32)
    x0, y0 = corner[0] * cell_m, corner[1] * cell_m
    circles_raster.stamp(field, parts.segment, parts.layer, x0, y0, cell_m, far_m)
    contours = _trace(field, width_m**2, cell_mm)
    rings = _find_rings(contours, columns, cell_mm)
    return _to_polygons(rings, limits, corner * cell_mm)


def _frame(segment: FloatArray, width_m: float, least_mm: int, limits: int) -> tuple[int, IntArray, int, int]:
    """Return the cell of the raster, the number of its first corner in the CRS, its columns and its rows."""
    ends = segment.reshape(-1, 2)
    low, high = ends.min(axis=0), ends.max(axis=0)
    # what is driven to may need coarse cells, but still two to the width
    for cell_mm in (least_mm, int(width_m / CELLS_PER_WIDTH_AT_LEAST) * MM_PER_M):
        cell_m = cell_mm / MM_PER_M
        margin = width_m + 2 * cell_m
        # numbered from the origin of the CRS: what else is drawn does not move the raster
        first = np.floor((low - margin) / cell_m)
        size = np.ceil((high + margin) / cell_m) - first + 1
        if float(size.prod()) * limits <= MAX_CELLS:
            return cell_mm, first.astype(np.int64), int(size[0]), int(size[1])
    raise RequestError(
        f"drawing a circle: it would cover {size[0] * cell_m / 1000:.0f} × {size[1] * cell_m / 1000:.0f} km",
        hint="ask for fewer minutes, or for a greater width",
        parameter="minutes",
    )


def _trace(field: circles_raster.Field, level: float, cell_mm: int) -> _Contours:
    limits = field.shape[0]
    room = circles_raster.count_crossings(field, level)
    head = np.full(2 * field.shape[1] * field.shape[2], -1, dtype=np.int32)
    chain, notch, knot_spot, knot_next = np.empty((4, room), dtype=np.int32)
    spot_xy = np.empty((room, 2), dtype=np.int64)
    spot_knot = np.full((room, limits), -1, dtype=np.int32)
    # a ring has at least four knots
    ring_first, ring_layer = np.empty((2, room // 4 + 1), dtype=np.int32)
    ring_area = np.empty(room // 4 + 1)
    spots, knots, rings = circles_raster.trace(
        field,
        level,
        cell_mm,
        head,
        chain,
        notch,
        spot_xy,
        spot_knot,
        knot_spot,
        knot_next,
        ring_first,
        ring_layer,
        ring_area,
    )
    return _Contours(
        spot_xy[:spots],
        spot_knot[:spots],
        knot_spot[:knots],
        knot_next[:knots],
        ring_first[:rings],
        ring_layer[:rings],
        ring_area[:rings],
        head,
        chain,
    )


def _find_rings(contours: _Contours, columns: int, cell_mm: int) -> _Rings:
    """Return the simplified rings worth drawing."""
    bounds = np.append(contours.ring_first, contours.knot_spot.shape[0])
    sizes = np.diff(bounds).astype(np.int32)
    knot_ring = np.repeat(np.arange(sizes.shape[0], dtype=np.int32), sizes)
    dropped = _find_dropped(contours, bounds)
    gone = dropped[knot_ring]
    contours.spot_knot[contours.knot_spot[gone], contours.ring_layer[knot_ring[gone]]] = -1
    is_kept = np.asarray((contours.spot_knot >= 0).any(axis=1))
    follow = np.empty_like(contours.knot_next)
    circles_simplify.simplify(
        contours.spot_xy,
        contours.spot_knot,
        contours.knot_spot,
        contours.knot_next,
        knot_ring,
        sizes,
        contours.head,
        contours.chain,
        columns,
        cell_mm,
        TOLERANCE_CELLS * cell_mm,
        MARGIN_CELLS * cell_mm,
        LONGEST_SIDE_M * MM_PER_M,
        is_kept,
        follow,
    )
    # knots of a ring follow each other in the arrays, so what is left of them is in order
    left = is_kept[contours.knot_spot] & ~gone
    kept = np.flatnonzero(~dropped)
    return _Rings(
        contours.spot_xy[contours.knot_spot[left]],
        sizes[kept].astype(np.int64),
        contours.ring_layer[kept],
        contours.ring_area_mm2[kept],
    )


def _find_dropped(contours: _Contours, bounds: Int32Array) -> BoolArray:
    """Return which rings are noise: holes that are too small, and whatever stands in them."""
    area, layer = contours.ring_area_mm2, contours.ring_layer
    dropped = (area < 0) & (area > -MIN_HOLE_M2 * MM_PER_M**2)
    # what is drawn narrowly may stand in a hole that is dropped; at 30 m to each side nothing fits in
    least = np.full(int(layer.max(initial=0)) + 1, np.inf)
    np.minimum.at(least, layer[area > 0], area[area > 0])
    for hole in np.flatnonzero(dropped & (-area > least[layer])).tolist():
        ring = contours.spot_xy[contours.knot_spot[bounds[hole] : bounds[hole + 1]]].astype(np.float64)
        for island in np.flatnonzero((layer == layer[hole]) & (np.abs(area) < -area[hole])).tolist():
            x, y = contours.spot_xy[contours.knot_spot[bounds[island]]].tolist()
            dropped[island] |= circles_simplify.holds(ring, x, y)
    return dropped


def _to_polygons(rings: _Rings, limits: int, corner_mm: IntArray) -> ObjectArray:
    """Return the rings as one geometry a limit."""
    start = np.cumsum(rings.size) - rings.size
    owner = _find_owners(rings, start)
    order = np.lexsort((rings.area_mm2 < 0, owner, rings.layer))
    # the first vertex once more at the end of each ring
    size = rings.size[order] + 1
    ring_ptr = np.concatenate([[0], np.cumsum(size)])
    place = np.arange(ring_ptr[-1]) - np.repeat(ring_ptr[:-1], size)
    row = np.repeat(start[order], size) + np.where(place == np.repeat(size - 1, size), 0, place)
    is_outer = np.flatnonzero(rings.area_mm2[order] > 0)
    layer_ptr = np.searchsorted(rings.layer[order][is_outer], np.arange(limits + 1))
    xy = (rings.xy[row] + corner_mm) / MM_PER_M
    offsets = (ring_ptr, np.append(is_outer, order.shape[0]), layer_ptr)
    many = shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, xy, offsets)
    return np.asarray(np.where(np.diff(layer_ptr) == 1, shapely.get_geometry(many, 0), many), dtype=object)


def _find_owners(rings: _Rings, start: IntArray) -> IntArray:
    """Return for each ring the outer ring it belongs to: the smallest that holds it, itself if it is one."""
    owner = np.arange(rings.size.shape[0])
    for layer in np.unique(rings.layer).tolist():
        mine = rings.layer == layer
        outer = np.flatnonzero(mine & (rings.area_mm2 > 0))
        holes = np.flatnonzero(mine & (rings.area_mm2 < 0))
        owner[holes] = outer[0]
        if outer.shape[0] > 1:
            shapes = {n: rings.xy[start[n] : start[n] + rings.size[n]].astype(np.float64) for n in outer.tolist()}
            for hole in holes.tolist():
                x, y = rings.xy[start[hole]].tolist()
                holders = [n for n, shape in shapes.items() if circles_simplify.holds(shape, x, y)]
                owner[hole] = min(holders, key=lambda n: float(rings.area_mm2[n]))
    return owner
