"""The radius test: straight-line distance to the nearest facility, what a standard's service radius asks.

Homes are taken block by block: what is nearest to any of them lies within a circle around the block, so the few
facilities in that circle are measured to all homes of the block in one sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

from geo.places import Places, order_near
from geo.units import MM_PER_M, FloatArray, Int32Array, IntArray, ObjectArray, to_mm

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_RADIUS = -1
"""Distance where there is no facility at all."""

SITES_PER_CELL = 2.0
HOMES_PER_BLOCK = 64
MOST_BLOCKS = 1 << 16
_SLACK_M = 1e-6
FARTHEST_MM = int(np.iinfo(np.int32).max)
"""Nothing measured in one grid is farther: 2,147 km."""

_CHUNK = 65536


@njit(cache=True, nogil=True)
def _find_center(
    x: float,
    y: float,
    site: FloatArray,
    cell_ptr: IntArray,
    corner: FloatArray,
    columns: int,
    rows: int,
    cell_m: float,
) -> float:
    """Return the distance of one place to the nearest site; sites are sorted by cell of the raster."""
    at_x = x - corner[0]
    at_y = y - corner[1]
    column = int(np.floor(at_x / cell_m))
    row = int(np.floor(at_y / cell_m))
    # the place may lie outside the raster: the first ring that meets it is this far out
    ring = max(0, -column, column - columns + 1, -row, row - rows + 1)
    best = np.inf
    while True:
        for r in range(max(row - ring, 0), min(row + ring, rows - 1) + 1):
            edge_row = r in (row - ring, row + ring)
            step = 1 if edge_row else max(2 * ring, 1)
            for c in range(column - ring, column + ring + 1, step):
                if c < 0 or c >= columns:
                    continue
                cell = r * columns + c
                for s in range(cell_ptr[cell], cell_ptr[cell + 1]):
                    dx = site[s, 0] - x
                    dy = site[s, 1] - y
                    best = min(best, dx * dx + dy * dy)
        # whatever lies in farther rings is at least this far away
        beyond = min(
            at_x - (column - ring) * cell_m,
            (column + ring + 1) * cell_m - at_x,
            at_y - (row - ring) * cell_m,
            (row + ring + 1) * cell_m - at_y,
        )
        covers = column - ring <= 0 and column + ring >= columns - 1 and row - ring <= 0 and row + ring >= rows - 1
        if best <= beyond * beyond or covers:
            return float(np.sqrt(best))
        ring += 1


@njit(cache=True, nogil=True)
def _nearest(
    home: FloatArray,
    block_ptr: IntArray,
    site: FloatArray,
    cell_ptr: IntArray,
    corner: FloatArray,
    columns: int,
    rows: int,
    cell_m: float,
    work: FloatArray,
    row: IntArray,
    out: Int32Array,
) -> None:
    """Fill the rows of `out` with the millimetres from each home to the nearest site; homes stand block by block.

    Distances are taken between the coordinates as given: were they counted from the corner, one more site elsewhere
    could change the last digit of all of them.
    """
    for b in range(block_ptr.shape[0] - 1):
        first = block_ptr[b]
        last = block_ptr[b + 1]
        if first == last:
            continue
        left = right = home[first, 0]
        low = high = home[first, 1]
        for h in range(first, last):
            left = min(left, home[h, 0])
            right = max(right, home[h, 0])
            low = min(low, home[h, 1])
            high = max(high, home[h, 1])
            work[h] = np.inf
        x = (left + right) / 2
        y = (low + high) / 2
        # as far as the nearest from the middle, and once to a corner and back again
        reach = _find_center(x, y, site, cell_ptr, corner, columns, rows, cell_m)
        reach += np.hypot(right - left, high - low) + _SLACK_M
        from_row = max(int(np.floor((y - reach - corner[1]) / cell_m)), 0)
        to_row = min(int(np.floor((y + reach - corner[1]) / cell_m)), rows - 1)
        from_column = max(int(np.floor((x - reach - corner[0]) / cell_m)), 0)
        to_column = min(int(np.floor((x + reach - corner[0]) / cell_m)), columns - 1)
        for r in range(from_row, to_row + 1):
            for s in range(cell_ptr[r * columns + from_column], cell_ptr[r * columns + to_column + 1]):
                if (site[s, 0] - x) ** 2 + (site[s, 1] - y) ** 2 > reach * reach:
                    continue
                for h in range(first, last):
                    dx = site[s, 0] - home[h, 0]
                    dy = site[s, 1] - home[h, 1]
                    work[h] = min(work[h], dx * dx + dy * dy)
        for h in range(first, last):
            out[row[h]] = int(min(np.rint(np.sqrt(work[h]) * MM_PER_M), FARTHEST_MM))


def _fill_between_points(near: _Near, site: FloatArray, work: FloatArray, out: Int32Array) -> None:
    """Fill the millimetres from each home to the nearest site by a raster of the sites, shape (n, 2), metres."""
    corner = site.min(axis=0)
    span = np.maximum(site.max(axis=0) - corner, 1.0)
    cell_m = max(float(np.sqrt(span[0] * span[1] * SITES_PER_CELL / site.shape[0])), 1.0, float(span.max()) / 4096)
    columns, rows = (np.floor(span / cell_m).astype(np.int64) + 1).tolist()
    place = np.floor((site - corner) / cell_m).astype(np.int64)
    cell = place[:, 1] * columns + place[:, 0]
    order = np.argsort(cell, kind="stable")
    cell_ptr = np.searchsorted(cell[order], np.arange(columns * rows + 1)).astype(np.int64)
    _nearest(near.xy, near.block_ptr, site[order], cell_ptr, corner, columns, rows, cell_m, work, near.rows, out)


def _find_between_shapes(home: npt.NDArray[np.object_], site: ObjectArray) -> Int32Array:
    """Return the millimetres from each home to the nearest site, whatever their shapes."""
    # what has no place is far from everything
    distance = np.full(home.shape[0], FARTHEST_MM / MM_PER_M)
    tree = shapely.STRtree(site)
    for start in range(0, home.shape[0], _CHUNK):
        found, metres = tree.query_nearest(home[start : start + _CHUNK], all_matches=False, return_distance=True)
        distance[start + found[0]] = metres
    return np.minimum(to_mm(distance), FARTHEST_MM).astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Near:
    """The homes that are points, block by block: their rows, their coordinates and where each block starts."""

    rows: IntArray
    xy: FloatArray
    block_ptr: IntArray


def find_radius_of_many(home: ObjectArray | Places, sites: Sequence[ObjectArray | Places]) -> list[Int32Array]:
    """Return the straight-line distance of every home to the nearest site of each type, -1 where there are no sites.

    Parameters
    ----------
    home
        Entrances, points or footprints in the metric CRS, shape (n,).
    sites
        For each type points or outlines in the metric CRS; inside an outline the distance is 0.

    Returns
    -------
    list of Int32Array
        Millimetres, one array a type, each of shape (n,).
    """
    homes = Places.of(home)
    points = np.flatnonzero(homes.is_point)
    # neighbours one after the other, so that what one of them looked at is still at hand for the next
    order, block_ptr = order_near(homes.xy[points])
    near = _Near(points[order], np.ascontiguousarray(homes.xy[points[order]]), block_ptr)
    # the columns of one matrix, which nobody need copy to have them side by side
    found = np.empty((len(sites), homes.count), dtype=np.int32)
    work = np.empty(near.rows.shape[0])
    for site, out in zip(sites, found, strict=True):
        _fill_one(homes, near, Places.of(site), work, out)
    return list(found)


def _fill_one(homes: Places, near: _Near, site: Places, work: FloatArray, out: Int32Array) -> None:
    out.fill(FARTHEST_MM if site.count else NO_RADIUS)
    if site.count == 0:
        return
    site_xy = np.ascontiguousarray(site.xy[site.is_point])
    if near.rows.shape[0] and site_xy.shape[0]:
        _fill_between_points(near, site_xy, work, out)
    if near.rows.shape[0] and site.shape.shape[0]:
        out[near.rows] = np.minimum(out[near.rows], _find_between_shapes(shapely.points(near.xy), site.shape))
    if homes.shape.shape[0]:
        out[homes.shape_row] = _find_between_shapes(homes.shape, site.make_geometry())


def find_radius(home: ObjectArray | Places, site: ObjectArray | Places) -> Int32Array:
    """Return :func:`find_radius_of_many` for one type."""
    (found,) = find_radius_of_many(home, [site])
    return found
