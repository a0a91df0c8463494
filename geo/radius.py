"""The radius test: straight-line distance to the nearest facility, what a standard's service radius asks."""

from __future__ import annotations

import numpy as np
import shapely
from numba import njit

from geo.units import FloatArray, IntArray, ObjectArray, to_mm

NO_RADIUS = -1
"""Distance where there is no facility at all."""

SITES_PER_CELL = 2.0
_SLACK_M = 1e-6
POINT = 0

_CHUNK = 65536


@njit(cache=True, nogil=True)
def _nearest(
    home: FloatArray,
    site: FloatArray,
    cell_ptr: IntArray,
    corner: FloatArray,
    columns: int,
    rows: int,
    cell_m: float,
    out: FloatArray,
) -> None:
    """Fill `out` with the distance of each home to the nearest site; sites are sorted by cell of the raster.

    Distances are taken between the coordinates as given: were they counted from the corner, one more site elsewhere
    could change the last digit of all of them.
    """
    for h in range(home.shape[0]):
        x = home[h, 0] - corner[0]
        y = home[h, 1] - corner[1]
        column = int(np.floor(x / cell_m))
        row = int(np.floor(y / cell_m))
        # homes may lie outside the raster: the first ring that meets it is this far out
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
                        dx = site[s, 0] - home[h, 0]
                        dy = site[s, 1] - home[h, 1]
                        best = min(best, dx * dx + dy * dy)
            # whatever lies in farther rings is at least this far away
            beyond = min(
                x - (column - ring) * cell_m,
                (column + ring + 1) * cell_m - x,
                y - (row - ring) * cell_m,
                (row + ring + 1) * cell_m - y,
            )
            covers = column - ring <= 0 and column + ring >= columns - 1 and row - ring <= 0 and row + ring >= rows - 1
            # places in the raster are rounded, distances are not
            safe = max(beyond - _SLACK_M, 0.0)
            if best <= safe * safe or covers:
                break
            ring += 1
        out[h] = np.sqrt(best)


def _find_between_points(home: FloatArray, site: FloatArray) -> FloatArray:
    """Return the distance of each home to the nearest site by a raster of the sites, both (n, 2) in metres."""
    corner = site.min(axis=0)
    span = np.maximum(site.max(axis=0) - corner, 1.0)
    cell_m = max(float(np.sqrt(span[0] * span[1] * SITES_PER_CELL / site.shape[0])), 1.0, float(span.max()) / 4096)
    columns, rows = (np.floor(span / cell_m).astype(np.int64) + 1).tolist()
    place = np.floor((site - corner) / cell_m).astype(np.int64)
    cell = place[:, 1] * columns + place[:, 0]
    order = np.argsort(cell, kind="stable")
    cell_ptr = np.searchsorted(cell[order], np.arange(columns * rows + 1)).astype(np.int64)
    out = np.empty(home.shape[0])
    _nearest(home, site[order], cell_ptr, corner, columns, rows, cell_m, out)
    return out


def _find_between_shapes(home: ObjectArray, site: ObjectArray) -> FloatArray:
    """Return the distance of each home to the nearest site, whatever their shapes."""
    distance = np.empty(home.shape[0])
    tree = shapely.STRtree(site)
    for start in range(0, home.shape[0], _CHUNK):
        found, metres = tree.query_nearest(home[start : start + _CHUNK], all_matches=False, return_distance=True)
        distance[start + found[0]] = metres
    return distance


def find_radius(home: ObjectArray, site: ObjectArray) -> IntArray:
    """Return the straight-line distance of every home to the nearest site, -1 where there are no sites.

    Parameters
    ----------
    home
        Entrances, points or footprints in the metric CRS, shape (n,).
    site
        Points or outlines in the metric CRS, shape (f,); inside an outline the distance is 0.

    Returns
    -------
    IntArray
        Millimetres, shape (n,).
    """
    if site.shape[0] == 0:
        return np.full(home.shape[0], NO_RADIUS, dtype=np.int64)
    home_is_point = shapely.get_type_id(home) == POINT
    site_is_point = shapely.get_type_id(site) == POINT
    distance = np.full(home.shape[0], np.inf)
    if home_is_point.any() and site_is_point.any():
        places = shapely.get_coordinates(home[home_is_point])
        distance[home_is_point] = _find_between_points(places, shapely.get_coordinates(site[site_is_point]))
    if home_is_point.any() and not site_is_point.all():
        shaped = _find_between_shapes(home[home_is_point], site[~site_is_point])
        distance[home_is_point] = np.minimum(distance[home_is_point], shaped)
    if not home_is_point.all():
        distance[~home_is_point] = _find_between_shapes(home[~home_is_point], site)
    return to_mm(distance)
