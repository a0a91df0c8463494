"""Which boxes meet which: a raster over many small boxes, light enough for a million of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo.units import BoolArray, FloatArray, IntArray

CELL_M = 128.0
"""Boxes wider than two cells stand in a list of their own, which every question looks through."""

_FEW = 8

_MOST_CELLS = 2**20
"""Cells along each side; beyond it cells grow, so that one far-off coordinate does no harm."""


def spread_ranges(first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """Return all whole numbers of some ranges, and which range each comes from.

    Parameters
    ----------
    first, last
        Ranges, the last number left out, shape (n,).
    """
    count = np.maximum(last - first, 0)
    owner = np.repeat(np.arange(first.shape[0]), count)
    start = np.repeat(first - (np.cumsum(count) - count), count)
    return np.arange(owner.shape[0]) + start, owner


class BoxGrid:
    """Boxes sorted by the cell their middle lies in.

    Parameters
    ----------
    bounds
        West, south, east and north of each box in metres, not a number for none, shape (n, 4).
    """

    def __init__(self, bounds: FloatArray) -> None:
        self.bounds = np.ascontiguousarray(bounds, dtype=np.float64).reshape(-1, 4)
        there = np.isfinite(self.bounds).all(axis=1)
        half = np.maximum(self.bounds[:, 2] - self.bounds[:, 0], self.bounds[:, 3] - self.bounds[:, 1]) / 2
        self._large = np.flatnonzero(there & (half > CELL_M))
        small = np.flatnonzero(there & (half <= CELL_M))
        middle = (self.bounds[small, :2] + self.bounds[small, 2:]) / 2
        self._corner = middle.min(axis=0) if small.size else np.zeros(2)
        span = middle.max(axis=0) - self._corner if small.size else np.zeros(2)
        self._cell_m = max(CELL_M, float(span.max()) / _MOST_CELLS)
        self._columns = int(span[0] / self._cell_m) + 1
        self._rows = int(span[1] / self._cell_m) + 1
        cell = np.floor((middle - self._corner) / self._cell_m).astype(np.int64)
        key = cell[:, 1] * self._columns + cell[:, 0]
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._row = small[order]

    def list_cells(self) -> tuple[IntArray, IntArray]:
        """Return the rows of all boxes cell by cell, and where each cell begins; a large box has a cell of its own."""
        starts = np.flatnonzero(np.diff(self._key, prepend=-1))
        alone = self._row.size + np.arange(self._large.size + 1)
        return np.concatenate([self._row, self._large]), np.concatenate([starts, alone])

    def find(self, boxes: FloatArray) -> IntArray:
        """Return the rows of the boxes that meet any of some others, ascending.

        Parameters
        ----------
        boxes
            West, south, east and north in metres, shape (k, 4).
        """
        asked = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        low = np.floor((asked[:, :2] - CELL_M - self._corner) / self._cell_m)
        high = np.floor((asked[:, 2:] + CELL_M - self._corner) / self._cell_m)
        limit = np.array([self._columns - 1, self._rows - 1], dtype=np.float64)
        # a box beside the raster meets no cell: its range ends before it begins
        low = np.clip(low, 0, limit + 1).astype(np.int64)
        high = np.clip(high, -1, limit).astype(np.int64)
        line, box = spread_ranges(low[:, 1], high[:, 1] + 1)
        wide = low[box, 0] <= high[box, 0]
        line, box = line[wide], box[wide]
        first = np.searchsorted(self._key, line * self._columns + low[box, 0])
        last = np.searchsorted(self._key, line * self._columns + high[box, 0], side="right")
        place, of = spread_ranges(first, last)
        row, mine = self._row[place], box[of]
        found = [row[_meet(self.bounds[row], asked[mine])]]
        if self._large.size:
            found += [self._large[_meet(self.bounds[self._large], box)] for box in asked]
        return np.unique(np.concatenate(found))


def _meet(one: FloatArray, other: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return whether boxes meet, row by row."""
    return np.asarray(
        (one[:, 0] <= other[..., 2])
        & (one[:, 2] >= other[..., 0])
        & (one[:, 1] <= other[..., 3])
        & (one[:, 3] >= other[..., 1])
    )


def grow(bounds: FloatArray, by_m: float) -> FloatArray:
    """Return boxes grown to all sides.

    Parameters
    ----------
    bounds
        Boxes, shape (n, 4).
    by_m
        Metres.
    """
    return np.asarray(bounds + np.array([-by_m, -by_m, by_m, by_m]))


def is_among(values: npt.NDArray[np.integer], few: npt.NDArray[np.integer]) -> BoolArray:
    """Return which values are among others; quick where the others are few.

    Parameters
    ----------
    values
        Whole numbers, shape (n,).
    few
        Whole numbers looked for.
    """
    if few.shape[0] > _FEW:
        return np.asarray(np.isin(values, few))
    found = np.zeros(values.shape[0], dtype=bool)
    for value in few.tolist():
        found |= values == value
    return found


def join_sorted(one: IntArray, other: IntArray) -> IntArray:
    """Return all numbers of two ascending lists once each, ascending.

    Parameters
    ----------
    one, other
        Whole numbers, ascending, each once in its list.
    """
    if one.shape[0] == 0 or other.shape[0] == 0:
        return other if one.shape[0] == 0 else one
    every = np.sort(np.concatenate([one, other]), kind="stable")
    first = np.ones(every.shape[0], dtype=bool)
    first[1:] = every[1:] != every[:-1]
    return np.asarray(every[first])
