"""Ground areas of buildings as they are loaded, equal to what the database measures."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer

from layers import metric

if TYPE_CHECKING:
    from geo.frames import Geometries

Floats = npt.NDArray[np.float64]
_POLYGON = 3


def measure_footprints(shapes: Geometries, crs: str | None) -> Floats:
    """Return the ground areas of polygons in square metres.

    Parameters
    ----------
    shapes
        Geometries in EPSG:4326.
    crs
        Metric grid; None where the store has none.

    Returns
    -------
    One value a row; NaN for points and lines, and without a grid.
    """
    flat = shapely.get_dimensions(shapes) == 2
    area_m2 = np.full(len(shapes), np.nan)
    if crs is None or not flat.any():
        return area_m2
    plain = flat & (shapely.get_type_id(shapes) == _POLYGON) & (shapely.get_num_interior_rings(shapes) == 0)
    east, north = _project(shapes[plain], crs)
    area_m2[plain] = add_up_rings(east, north, shapely.get_num_coordinates(shapes[plain]))
    other = flat & ~plain
    if other.any():
        grid = np.column_stack(_project(shapes[other], crs))
        area_m2[other] = shapely.area(shapely.set_coordinates(shapes[other].copy(), grid))
    return area_m2


def _project(shapes: Geometries, crs: str) -> tuple[Floats, Floats]:
    xy = shapely.get_coordinates(shapes)
    east, north = _make_way(metric.grid_srid(crs)).transform(xy[:, 0], xy[:, 1])
    return east, north


@lru_cache(maxsize=4)
def _make_way(srid: int) -> Transformer:
    return Transformer.from_crs("EPSG:4326", f"EPSG:{srid}", always_xy=True)


def add_up_rings(x: Floats, y: Floats, size: npt.NDArray[np.integer[Any]]) -> Floats:
    """Return the areas of closed rings, each the same to the bit as Shapely's and the database's.

    Parameters
    ----------
    x, y
        Vertices of all rings, one ring after the other, metres.
    size
        Vertices of each ring, at least 4.

    References
    ----------
    GEOS, ``src/algorithm/Area.cpp``: shoelace formula from the first vertex, added up in the order of the vertices.
    """
    if not len(size):
        return np.empty(0)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    part = np.zeros(len(x))
    part[1:-1] = (x - np.repeat(x[start], size))[1:-1] * (y[:-2] - y[2:])
    # vertex by vertex over all rings that have one more: sums in another order differ in the last bits
    order = np.argsort(-size, kind="stable")
    start, inner = start[order], (size - 2)[order]
    total = np.zeros(len(size))
    for step in range(1, int(inner[0]) + 1):
        rings = int(np.searchsorted(-inner, -step, side="right"))
        total[:rings] += part[start[:rings] + step]
    out = np.empty(len(size))
    out[order] = np.abs(total) / 2.0
    return out
