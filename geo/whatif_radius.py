"""The straight-line test after an edit: only homes near enough to what came, or nearest to what went, are measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely

from geo.patch_index import BoxGrid, spread_ranges
from geo.radius import find_radius
from geo.units import MM_PER_M, FloatArray, IntArray, ObjectArray

_SLACK_MM = 2
_FARTHEST_MM = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class Measured:
    """Homes whose straight distance is not the base's, by row: `rows` ascending, millimetres, shape (k,)."""

    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    radius_mm: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class Cells:
    """Homes by the cell they lie in.

    Attributes
    ----------
    row, ptr
        Homes of cell ``c`` are ``row[ptr[c]:ptr[c + 1]]``.
    bounds
        Box around the homes of each cell in metres, shape (cells, 4).
    """

    row: IntArray
    ptr: IntArray
    bounds: FloatArray

    @classmethod
    def make(cls, grid: BoxGrid) -> Cells:
        """Return the cells of a raster over homes."""
        row, ptr = grid.list_cells()
        if row.size == 0:
            return cls(row, ptr, np.empty((0, 4)))
        bounds = grid.bounds[row]
        low = np.minimum.reduceat(bounds[:, :2], ptr[:-1], axis=0)
        high = np.maximum.reduceat(bounds[:, 2:], ptr[:-1], axis=0)
        return cls(row, ptr, np.concatenate([low, high], axis=1))

    def find_farthest(self, radius_mm: npt.NDArray[np.integer]) -> IntArray:
        """Return the largest of the homes' distances by cell; without any site it is beyond all distances.

        Parameters
        ----------
        radius_mm
            Straight distance of every home, -1 for none, shape (homes,).
        """
        if self.row.size == 0:
            return np.empty(0, dtype=np.int64)
        here = np.asarray(radius_mm[self.row], dtype=np.int64)
        return np.asarray(np.maximum.reduceat(np.where(here < 0, _FARTHEST_MM, here), self.ptr[:-1]))

    def find_near(self, farthest_mm: IntArray, site: ObjectArray) -> IntArray:
        """Return the rows of the homes to which one of some sites could be as near as the nearest.

        Parameters
        ----------
        farthest_mm
            From :meth:`find_farthest`.
        site
            Points or outlines, metric CRS.
        """
        hit = np.zeros(self.bounds.shape[0], dtype=bool)
        for west, south, east, north in shapely.bounds(site):
            dx = np.maximum(np.maximum(west - self.bounds[:, 2], self.bounds[:, 0] - east), 0.0)
            dy = np.maximum(np.maximum(south - self.bounds[:, 3], self.bounds[:, 1] - north), 0.0)
            hit |= np.hypot(dx, dy) * MM_PER_M <= farthest_mm + _SLACK_MM
        cell = np.flatnonzero(hit)
        place, _ = spread_ranges(self.ptr[cell], self.ptr[cell + 1])
        return self.row[place]


def _nearer(one: IntArray, other: IntArray) -> IntArray:
    """Return the smaller of distances of which -1 is none."""
    return np.where(one < 0, other, np.where(other < 0, one, np.minimum(one, other)))


def measure_anew(  # noqa: PLR0913 - what was, what went, what came, what there is
    cells: Cells,
    farthest_mm: IntArray,
    before: Measured,
    *,
    base_mm: npt.NDArray[np.integer],
    home: ObjectArray,
    gone: ObjectArray,
    new: ObjectArray,
    site: ObjectArray,
) -> Measured:
    """Return the straight distances after sites came and went, where they are not the base's.

    Parameters
    ----------
    cells
        The homes by place.
    farthest_mm
        Largest distance in the base by cell.
    before
        Distances before where they are not the base's.
    base_mm
        Distances in the base, shape (homes,).
    home
        Where walks start, metric CRS, shape (homes,).
    gone, new
        Sites that went and came.
    site
        All sites there are now.
    """
    rows = np.union1d(cells.find_near(farthest_mm, np.concatenate([gone, new])), before.rows).astype(np.int64)
    now = np.asarray(base_mm[rows], dtype=np.int64)
    now[np.searchsorted(rows, before.rows)] = before.radius_mm
    was = find_radius(home[rows], gone).astype(np.int64)
    lost = (was >= 0) & (was <= now)
    found = _nearer(now, find_radius(home[rows], new).astype(np.int64))
    found[lost] = find_radius(home[rows[lost]], site)
    differs = found != base_mm[rows]
    return Measured(rows[differs], found[differs])
