"""Kernels of the straight-line test after an edit."""

from __future__ import annotations

import numpy as np
from numba import njit

from geo.units import FloatArray, IntArray

_MM_PER_M = 1000.0


@njit(cache=True, nogil=True)
def find_cells(bounds: FloatArray, farthest_mm: IntArray, boxes: FloatArray, slack_mm: int, cell: IntArray) -> int:
    """List the cells to which one of some sites could be as near as the farthest of their homes is served.

    Parameters
    ----------
    bounds
        Box around the homes of each cell in metres, shape (cells, 4).
    farthest_mm
        Largest distance of their homes, shape (cells,).
    boxes
        Boxes around the sites, shape (k, 4).
    slack_mm
        What rounding may hide.
    cell
        The answer, shape (cells,).

    Returns
    -------
    int
        How many entries of `cell` are filled.
    """
    count = 0
    for c in range(bounds.shape[0]):
        reach = (farthest_mm[c] + slack_mm) / _MM_PER_M
        for k in range(boxes.shape[0]):
            dx = max(boxes[k, 0] - bounds[c, 2], bounds[c, 0] - boxes[k, 2], 0.0)
            dy = max(boxes[k, 1] - bounds[c, 3], bounds[c, 1] - boxes[k, 3], 0.0)
            if dx <= reach and dy <= reach and dx * dx + dy * dy <= reach * reach:
                cell[count] = c
                count += 1
                break
    return count


@njit(cache=True, nogil=True)
def measure_points(home: FloatArray, rows: IntArray, site: FloatArray, out: FloatArray) -> None:
    """Fill `out` with the distance of some homes to the nearest of a few sites, as :mod:`geo.radius` takes it.

    Parameters
    ----------
    home
        Coordinates of all homes in metres, shape (homes, 2).
    rows
        Which homes.
    site
        Coordinates of the sites, at least one, shape (k, 2).
    out
        Metres, shape of `rows`.
    """
    for i in range(rows.shape[0]):
        best = np.inf
        for s in range(site.shape[0]):
            dx = site[s, 0] - home[rows[i], 0]
            dy = site[s, 1] - home[rows[i], 1]
            best = min(best, dx * dx + dy * dy)
        out[i] = np.sqrt(best)
