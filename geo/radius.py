"""The radius test: straight-line distance to the nearest facility, what a standard's service radius asks."""

from __future__ import annotations

import numpy as np
import shapely

from geo.units import IntArray, ObjectArray, to_mm

NO_RADIUS = -1
"""Distance where there is no facility at all."""

_CHUNK = 65536


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
    distance = np.full(home.shape[0], NO_RADIUS, dtype=np.int64)
    if site.shape[0] == 0:
        return distance
    tree = shapely.STRtree(site)
    for start in range(0, home.shape[0], _CHUNK):
        found, metres = tree.query_nearest(home[start : start + _CHUNK], all_matches=False, return_distance=True)
        distance[start + found[0]] = to_mm(metres)
    return distance
