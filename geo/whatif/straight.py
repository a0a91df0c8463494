"""The straight-line test after an edit: only homes near enough to what came, or nearest to what went, are measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely

from geo.places import Places
from geo.radius import find_radius
from geo.units import FloatArray, IntArray, ObjectArray, to_mm
from geo.whatif import repair_cells
from geo.whatif.patch_index import BoxGrid, join_sorted, spread_ranges

_SLACK_MM = 2
_FEW_SITES = 4
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
        cell = np.empty(self.bounds.shape[0], dtype=np.int64)
        boxes = np.asarray(shapely.bounds(site)).reshape(-1, 4)
        count = repair_cells.find_cells(self.bounds, farthest_mm, boxes, _SLACK_MM, cell)
        place, _ = spread_ranges(self.ptr[cell[:count]], self.ptr[cell[:count] + 1])
        return self.row[place]


def take_places(places: Places, rows: IntArray) -> Places:
    """Return some places in the order given; costs what is taken, however many there are.

    Parameters
    ----------
    places
        All places.
    rows
        Which.
    """
    if places.shape_row.size == 0:
        return Places(places.xy[rows], places.shape_row, places.shape)
    at = np.minimum(np.searchsorted(places.shape_row, rows), places.shape_row.size - 1)
    shapes = np.flatnonzero(places.shape_row[at] == rows)
    return Places(places.xy[rows], shapes, places.shape[at[shapes]])


def _measure(places: Places, rows: IntArray, site: ObjectArray) -> IntArray:
    """Return the distance of some homes to the nearest of some sites, -1 where there are none."""
    if site.shape[0] == 0:
        return np.full(rows.shape[0], -1, dtype=np.int64)
    few = Places.of(site)
    if few.count > _FEW_SITES or few.shape.size or np.isnan(places.xy[rows, 0]).any():
        return find_radius(take_places(places, rows), few).astype(np.int64)
    metres = np.empty(rows.shape[0])
    repair_cells.measure_points(places.xy, rows, few.xy, metres)
    return np.minimum(to_mm(metres), np.iinfo(np.int32).max)


def _nearer(one: IntArray, other: IntArray) -> IntArray:
    """Return the smaller of distances of which -1 is none."""
    return np.where(one < 0, other, np.where(other < 0, one, np.minimum(one, other)))


def measure_anew(  # noqa: PLR0913 - what was, what went, what came, what there is
    cells: Cells,
    farthest_mm: IntArray,
    before: Measured,
    *,
    base_mm: npt.NDArray[np.integer],
    home: Places,
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
    rows = join_sorted(np.sort(cells.find_near(farthest_mm, np.concatenate([gone, new]))), before.rows)
    now = np.asarray(base_mm[rows], dtype=np.int64)
    now[np.searchsorted(rows, before.rows)] = before.radius_mm
    was = _measure(home, rows, gone)
    lost = (was >= 0) & (was <= now)
    found = _nearer(now, _measure(home, rows, new))
    if lost.any():
        found[lost] = _measure(home, rows[lost], site)
    differs = found != base_mm[rows]
    return Measured(rows[differs], found[differs])
