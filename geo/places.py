"""Points and outlines in one list: points as plain coordinates, the few that are shapes beside them.

A million points as objects take longer to make than to link; as coordinates they come straight from the store and go
straight into the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.units import BoolArray, FloatArray, IntArray, ObjectArray

if TYPE_CHECKING:
    from collections.abc import Callable

_POINT = 0
_PLACES_PER_BLOCK = 64
_MOST_BLOCKS = 1 << 16
_LOOKED_AT = 4096


@dataclass(frozen=True)
class Places:
    """Where things are, in one CRS.

    Attributes
    ----------
    xy
        Coordinates of the points, not a number for shapes, shape (n, 2).
    shape_row
        Rows that are no points, ascending, shape (s,).
    shape
        Their geometries, shape (s,).
    """

    xy: FloatArray
    shape_row: IntArray
    shape: ObjectArray

    @classmethod
    def of(cls, geometry: ObjectArray | Places) -> Places:
        """Return geometries as places.

        Parameters
        ----------
        geometry
            Points or shapes, none missing, shape (n,); places are returned as they are.
        """
        if isinstance(geometry, Places):
            return geometry
        # an empty point has no coordinates to stand for it
        is_point = np.asarray((shapely.get_type_id(geometry) == _POINT) & ~shapely.is_empty(geometry))
        xy = np.full((geometry.shape[0], 2), np.nan)
        xy[is_point, 0] = shapely.get_x(geometry[is_point])
        xy[is_point, 1] = shapely.get_y(geometry[is_point])
        rows = np.flatnonzero(~is_point)
        return cls(xy, rows, geometry[rows])

    @property
    def count(self) -> int:
        """Return how many there are."""
        return int(self.xy.shape[0])

    @property
    def is_point(self) -> BoolArray:
        """Return which are points, shape (n,)."""
        found = np.ones(self.count, dtype=bool)
        found[self.shape_row] = False
        return found

    def take(self, rows: IntArray) -> Places:
        """Return some of them in the order given.

        Parameters
        ----------
        rows
            Which, shape (m,).
        """
        if rows.shape[0] == self.count and (self.count == 0 or bool((np.diff(rows) == 1).all())):
            return self
        if self.shape_row.shape[0] == 0:
            return Places(self.xy[rows], self.shape_row, self.shape)
        number = np.full(self.count, -1, dtype=np.int64)
        number[self.shape_row] = np.arange(self.shape_row.shape[0])
        mine = number[rows]
        shapes = np.flatnonzero(mine >= 0)
        return Places(self.xy[rows], shapes, self.shape[mine[shapes]])

    def find_inner_points(self) -> FloatArray:
        """Return a point on each: the point itself, or one on the surface of a shape, shape (n, 2)."""
        xy = self.xy.copy()
        inner = shapely.point_on_surface(self.shape)
        xy[self.shape_row] = np.column_stack([_get_xy(inner, shapely.get_x), _get_xy(inner, shapely.get_y)])
        return xy

    def make_geometry(self) -> ObjectArray:
        """Return them as geometries, shape (n,)."""
        made = np.empty(self.count, dtype=object)
        points = np.flatnonzero(self.is_point)
        made[points] = shapely.points(self.xy[points])
        made[self.shape_row] = self.shape
        return made


def _get_xy(point: ObjectArray, get: Callable[[ObjectArray], FloatArray]) -> FloatArray:
    """Return a coordinate of points, not a number for what is missing or empty."""
    found = np.full(point.shape[0], np.nan)
    here = ~(shapely.is_missing(point) | shapely.is_empty(point))
    found[here] = get(point[here])
    return found


def stands_near(xy: FloatArray) -> bool:
    """Return whether neighbours stand together already, as near as :func:`order_near` would bring them.

    Parameters
    ----------
    xy
        Metres, all finite, shape (n, 2).
    """
    count = xy.shape[0]
    if count < _PLACES_PER_BLOCK:
        return True
    some = np.arange(0, count - 1, max(count // _LOOKED_AT, 1))
    step = np.abs(xy[some + 1] - xy[some]).max(axis=1)
    span = (float(np.ptp(xy[:, 0])), float(np.ptp(xy[:, 1])))
    return bool(np.median(step) <= max(span) / np.sqrt(count / _PLACES_PER_BLOCK))


def order_near(xy: FloatArray) -> tuple[IntArray, IntArray]:
    """Return an order in which neighbours stand together, and where each block of neighbours starts in it.

    Whoever asks about one place after the other finds what the last one looked at still at hand.

    Parameters
    ----------
    xy
        Metres, all finite, shape (n, 2).

    Returns
    -------
    order
        Rows of `xy`, shape (n,).
    starts
        Block ``b`` holds ``order[starts[b]:starts[b + 1]]``; blocks may be empty.
    """
    count = xy.shape[0]
    if count == 0:
        return np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    corner = xy.min(axis=0)
    side = int(np.sqrt(np.clip(count // _PLACES_PER_BLOCK, 1, _MOST_BLOCKS)))
    step = np.maximum(xy.max(axis=0) - corner, 1.0) / side
    place = np.minimum(((xy - corner) / step).astype(np.int64), side - 1)
    # sixteen bits are sorted by their digits, not by comparing
    block = (place[:, 1] * side + place[:, 0]).astype(np.uint16)
    starts = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=side * side))])
    return np.argsort(block, kind="stable"), starts.astype(np.int64)
