"""Lines as plain coordinates.

A million lines as objects take longer to make than to compile into a network; as coordinates they come straight from
the store and go straight into the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit

from geo.errors import DataError
from geo.units import BoolArray, FloatArray, IntArray, ObjectArray

LARGEST_DEGREE = 360.0
"""No metric CRS in use has a whole street network this near to its origin."""

FARTHEST_M = 1e8
"""No metric CRS in use has a place this far from its origin; zone numbers before the easting included."""

MAX_LINE_M = 1_000_000.0
"""A longer street is a broken coordinate, not a street."""

LINE = int(shapely.GeometryType.LINESTRING)

_MOST_CELLS_A_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Corners:
    """Lines in one CRS.

    Attributes
    ----------
    xy, ptr
        Corners of line ``e`` are ``xy[ptr[e]:ptr[e + 1]]``, metres of the metric CRS; a line has at least two, what has
        fewer is none.
    """

    xy: FloatArray
    ptr: IntArray

    @classmethod
    def of(cls, line: ObjectArray) -> Corners:
        """Return geometries as corners; what is no line has none.

        Parameters
        ----------
        line
            LineStrings, shape (n,).
        """
        xy, owner = shapely.get_coordinates(line, return_index=True)
        odd = np.flatnonzero(shapely.get_type_id(line) != LINE)
        if odd.size:
            kept = ~np.isin(owner, odd)
            xy, owner = xy[kept], owner[kept]
        return cls(xy, np.searchsorted(owner, np.arange(line.shape[0] + 1)).astype(np.int64))

    @property
    def count(self) -> int:
        """Return how many lines there are."""
        return int(self.ptr.shape[0]) - 1

    def take(self, rows: IntArray) -> Corners:
        """Return some of the lines in the order given.

        Parameters
        ----------
        rows
            Which, shape (m,).
        """
        count = np.diff(self.ptr)[rows]
        ptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return Corners(self.xy[np.repeat(self.ptr[rows] - ptr[:-1], count) + np.arange(ptr[-1])], ptr)

    def append(self, other: Corners) -> Corners:
        """Return these lines and then others."""
        return Corners(np.concatenate([self.xy, other.xy]), np.concatenate([self.ptr, other.ptr[1:] + self.ptr[-1]]))

    def make_lines(self) -> ObjectArray:
        """Return the lines as geometries, shape (n,)."""
        owner = np.repeat(np.arange(self.count), np.diff(self.ptr))
        return np.asarray(shapely.linestrings(self.xy, indices=owner), dtype=object).reshape(-1)

    def measure(self) -> tuple[FloatArray, FloatArray]:
        """Return the metres of every line, as GEOS adds them up, and its box: west, south, east, north."""
        length, box = np.empty(self.count), np.empty((self.count, 4))
        _measure(self.xy, self.ptr, length, box)
        return length, box


@njit(cache=True, nogil=True)
def _measure(xy: FloatArray, ptr: IntArray, length: FloatArray, box: FloatArray) -> None:
    for e in range(ptr.shape[0] - 1):
        if ptr[e] == ptr[e + 1]:
            length[e] = 0.0
            box[e] = np.nan
            continue
        x = xy[ptr[e], 0]
        y = xy[ptr[e], 1]
        west = east = x
        south = north = y
        along = 0.0
        for v in range(ptr[e] + 1, ptr[e + 1]):
            dx = xy[v, 0] - x
            dy = xy[v, 1] - y
            along += np.sqrt(dx * dx + dy * dy)
            x = xy[v, 0]
            y = xy[v, 1]
            west = min(west, x)
            east = max(east, x)
            south = min(south, y)
            north = max(north, y)
        length[e] = along
        box[e, 0] = west
        box[e, 1] = south
        box[e, 2] = east
        box[e, 3] = north


def check_lines(lines: Corners, box: FloatArray, street_id: IntArray) -> None:
    """Refuse streets that cannot be tied into a network.

    Parameters
    ----------
    lines
        The streets.
    box
        Their boxes, of :meth:`Corners.measure`; looked at where there are lines only.
    street_id
        Store id of each, shape (n,).

    Raises
    ------
    DataError
        There are no streets, one is no line, a coordinate is not finite, or the coordinates are degrees or broken.
    """
    if lines.count == 0:
        raise DataError(
            "compiling the street network: there are no streets",
            hint="load streets first: onemap load streets FILE",
        )
    odd = np.flatnonzero(np.diff(lines.ptr) < 2)
    if odd.size:
        raise DataError(f"compiling the street network: street {street_id[odd[0]]} is no line")
    finite = np.isfinite(lines.xy)
    if not finite.all():
        at = int(np.flatnonzero(~finite.all(axis=1))[0])
        bad = street_id[np.searchsorted(lines.ptr, at, side="right") - 1]
        raise DataError(f"compiling the street network: street {bad} has no finite coordinates in the metric CRS")
    size_m = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    if float(size_m.max()) > MAX_LINE_M:
        bad = street_id[int(size_m.argmax())]
        raise DataError(
            f"compiling the street network: street {bad} is {size_m.max() / 1000:.0f} km long, expected under 1,000 km",
            hint="check the datum the streets were loaded with",
        )
    farthest_m = float(np.abs(box).max())
    if farthest_m > FARTHEST_M:
        raise DataError("compiling the street network: coordinates lie off the earth, expected metres")
    if farthest_m <= LARGEST_DEGREE:
        raise DataError(
            "compiling the street network: coordinates look like degrees, expected metres",
            hint="project the streets to the store's metric CRS first",
        )


def find_near(box: FloatArray, others: FloatArray) -> BoolArray:
    """Return which boxes may meet any of some others; a few are named that do not.

    Parameters
    ----------
    box
        West, south, east, north, shape (n, 4).
    others
        The others; what is no number meets nothing, shape (m, 4).
    """
    others = others[np.isfinite(others).all(axis=1)]
    if box.shape[0] == 0 or others.shape[0] == 0:
        return np.zeros(box.shape[0], dtype=bool)
    low, high = others[:, :2].min(axis=0), others[:, 2:].max(axis=0)
    side = int(np.clip(4 * np.sqrt(others.shape[0]), 1, _MOST_CELLS_A_SIDE))
    # the greatest corner lies in the last cell, not on its far side
    step = np.maximum((high - low) / (side - 0.5), 1.0)

    def find_cells(corner: FloatArray) -> IntArray:
        # cells before and after the raster stand for all there
        cell: IntArray = np.clip(np.floor((corner - low) / step), -1, side).astype(np.int64) + 1
        return cell

    first, last = find_cells(others[:, :2]), find_cells(others[:, 2:]) + 1
    covered = np.zeros((side + 3, side + 3), dtype=np.int64)
    for x, y, sign in ((first, first, 1), (first, last, -1), (last, first, -1), (last, last, 1)):
        np.add.at(covered, (y[:, 1], x[:, 0]), sign)
    is_covered = covered.cumsum(axis=0).cumsum(axis=1) > 0
    # how many covered cells lie before each, so that any rectangle of them is four look-ups
    before = np.zeros((side + 4, side + 4), dtype=np.int64)
    before[1:, 1:] = is_covered.cumsum(axis=0).cumsum(axis=1)
    west, south = find_cells(box[:, :2]).T
    east, north = (find_cells(box[:, 2:]) + 1).T
    held = before[north, east] - before[north, west] - before[south, east] + before[south, west]
    return np.asarray(held > 0)
