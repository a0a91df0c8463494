"""The nearest way to one place, found among those around it: what :func:`geo.link.link_points` gives, for one point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit

from geo.link import Links, Ways
from geo.network import CONNECTOR
from geo.units import BoolArray, FloatArray, Int32Array, IntArray, to_mm

CELL_M = 100.0
"""Least size of the cells ways are listed by."""

CELLS_PER_EDGE = 2.0
"""At most so many cells an edge: a network that is thin or spread wide has larger cells."""

_FIRST_M = 50.0
_BARELY_M = 1e-6


@dataclass(frozen=True)
class NearIndex:
    """Ways by the cells of a grid they run through.

    Attributes
    ----------
    ways
        What may be linked to.
    corner, cell_m, columns
        First corner of the grid in the metric CRS, size of a cell, and cells in a row.
    ptr, edge
        Edges of cell ``c`` are ``edge[ptr[c]:ptr[c + 1]]``.
    """

    ways: Ways
    corner: FloatArray
    cell_m: float
    columns: int
    ptr: IntArray
    edge: Int32Array


@njit(cache=True, nogil=True)
def _list_cells(
    geom_ptr: IntArray,
    geom_xy: FloatArray,
    is_wanted: BoolArray,
    x0: float,
    y0: float,
    cell_m: float,
    columns: int,
    ptr: IntArray,
    edge: Int32Array,
) -> None:
    """Count the edges of each cell into `ptr` where `edge` is empty, else fill them in, moving `ptr` on."""
    for e in range(geom_ptr.shape[0] - 1):
        if not is_wanted[e]:
            continue
        previous = -1
        for v in range(geom_ptr[e], geom_ptr[e + 1] - 1):
            ax, ay, bx, by = geom_xy[v, 0], geom_xy[v, 1], geom_xy[v + 1, 0], geom_xy[v + 1, 1]
            low_c, high_c = int((min(ax, bx) - x0) / cell_m), int((max(ax, bx) - x0) / cell_m)
            for r in range(int((min(ay, by) - y0) / cell_m), int((max(ay, by) - y0) / cell_m) + 1):
                for c in range(low_c, high_c + 1):
                    cell = r * columns + c
                    if cell == previous:
                        continue
                    previous = cell
                    if edge.shape[0]:
                        edge[ptr[cell]] = e
                    ptr[cell] += 1


def index_ways(ways: Ways) -> NearIndex:
    """Return the ways that may be linked to by the cells they run through; keep it with the network.

    Parameters
    ----------
    ways
        What may be linked to.
    """
    xy, ptr = ways.network.geom_xy, ways.network.geom_ptr
    corner = xy.min(axis=0)
    size = xy.max(axis=0) - corner
    cell_m = max(CELL_M, float(np.sqrt(size.prod() / (CELLS_PER_EDGE * ways.network.edge_count))))
    columns, rows = (int(n) for n in size // cell_m + 1)
    grid = (ptr, xy, ways.is_walkable, float(corner[0]), float(corner[1]), cell_m, columns)
    count = np.zeros(columns * rows, dtype=np.int64)
    _list_cells(*grid, count, np.empty(0, dtype=np.int32))
    end = np.cumsum(count)
    edge = np.empty(int(end[-1]), dtype=np.int32)
    _list_cells(*grid, end - count, edge)
    return NearIndex(ways, corner, cell_m, columns, np.concatenate([[0], end]), edge)


def link_place(index: NearIndex, point: shapely.Point, zone: int) -> Links:
    """Return the link of one point to the nearest way that may be used and is not behind a barrier.

    Parameters
    ----------
    index
        The ways by cell.
    point
        Point in the metric CRS.
    zone
        Compound number it lies in, -1 outside.

    Returns
    -------
    Links
        One link, with edge -1 where no way lies within reach.
    """
    network, farthest_m = index.ways.network, index.ways.max_link_m
    radius_m = min(_FIRST_M, farthest_m)
    while True:
        near = _find_within(index, point, radius_m)
        near = near[network.edge_zone[near] == zone]
        found = _link_first(index.ways, point, near, radius_m)
        if found.is_linked[0] or radius_m >= farthest_m:
            return found
        radius_m = min(2 * radius_m, farthest_m)


def _find_within(index: NearIndex, point: shapely.Point, radius_m: float) -> IntArray:
    """Return the edges that may be used in the cells within a distance, ascending."""
    rows = (index.ptr.shape[0] - 1) // index.columns
    column, row = ((point.x, point.y) - index.corner) / index.cell_m
    reach = (radius_m + _BARELY_M) / index.cell_m
    low_c, high_c = max(int(np.floor(column - reach)), 0), min(int(np.floor(column + reach)), index.columns - 1)
    low_r, high_r = max(int(np.floor(row - reach)), 0), min(int(np.floor(row + reach)), rows - 1)
    if low_c > high_c or low_r > high_r:
        return np.empty(0, dtype=np.int64)
    lines = [
        index.edge[index.ptr[r * index.columns + low_c] : index.ptr[r * index.columns + high_c + 1]]
        for r in range(low_r, high_r + 1)
    ]
    return np.unique(np.concatenate(lines)).astype(np.int64)


def _link_first(ways: Ways, point: shapely.Point, edge: IntArray, radius_m: float) -> Links:
    """Return the link to the nearest of some edges that is not behind a barrier; the lowest edge among equals."""
    network = ways.network
    size = network.geom_ptr[edge + 1] - network.geom_ptr[edge]
    row = np.repeat(network.geom_ptr[edge] - np.cumsum(size) + size, size) + np.arange(int(size.sum()))
    line = shapely.linestrings(network.geom_xy[row], indices=np.repeat(np.arange(edge.shape[0]), size))
    off_m = shapely.distance(point, line)
    for n in np.lexsort((edge, off_m)).tolist():
        if off_m[n] > radius_m:
            break
        way = np.array([shapely.shortest_line(point, line[n])], dtype=object)
        if network.edge_flags[edge[n]] & CONNECTOR or not ways.barriers.find_crossing(way)[0]:
            place_m = shapely.line_locate_point(line[n], shapely.get_point(way, -1))
            place = np.clip(to_mm(place_m), 0, network.edge_mm[edge[n]])
            return Links(edge[n : n + 1].astype(np.int32), place, to_mm(off_m[n : n + 1]))
    return Links(np.array([-1], dtype=np.int32), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
