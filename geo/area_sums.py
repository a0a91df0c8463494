"""Figures of homes summed over the areas they lie in: people, dwellings and homes by status, in one pass a column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.units import MS_PER_S, Int32Array, IntArray

if TYPE_CHECKING:
    from geo.gaps import AreaTree
    from geo.units import BoolArray

AREA_FIGURES = (
    "people",
    "covered",
    "gap",
    "unknown",
    "radius_covered",
    "dwellings",
    "dwellings_covered",
    "dwellings_gap",
    "dwellings_unknown",
    "buildings",
    "buildings_covered",
    "buildings_gap",
    "buildings_unknown",
    "buildings_without_counts",
)
"""What is summed, in order."""


@njit(cache=True, nogil=True)
def _add_column(
    place: Int32Array,
    reach_ms: Int32Array,
    is_linked: BoolArray,
    limit_ms: int,
    radius_mm: Int32Array,
    radius_limit_mm: float,
    facility: Int32Array,
    everybody: Int32Array,
    own: Int32Array,
    dwellings: Int32Array,
    out: IntArray,
    served: IntArray,
) -> None:
    """Add every home that is covered or unknown to the line of `out` at its place, and to its facility if covered.

    Of a status people of all groups, people of the own group, dwellings and homes stand side by side: covered from 0,
    unknown from 4; then people of both kinds within the radius, and people of the own group in all.
    """
    for h in range(place.shape[0]):
        p = place[h]
        people = everybody[h]
        mine = own[h]
        out[p, 10] += mine
        if not is_linked[h]:
            out[p, 4] += people
            out[p, 5] += mine
            out[p, 6] += dwellings[h]
            out[p, 7] += 1
        elif 0 <= reach_ms[h] <= limit_ms:
            out[p, 0] += people
            out[p, 1] += mine
            out[p, 2] += dwellings[h]
            out[p, 3] += 1
            served[facility[h], 0] += 1
            served[facility[h], 1] += mine
        if 0 <= radius_mm[h] <= radius_limit_mm:
            out[p, 8] += people
            out[p, 9] += mine


@dataclass(frozen=True, slots=True)
class ColumnSums:
    """What the homes of one column add up to.

    Attributes
    ----------
    everybody, own
        Figures of each area, its own homes alone, with the people of all groups and those of the column's demand group,
        shape (areas + 1, figures).
    buildings, people
        Homes covered by each facility, and the people of the demand group in them, shape (facilities,).
    """

    everybody: IntArray
    own: IntArray
    buildings: IntArray
    people: IntArray


class HomeSums:
    """Sums over areas of homes whose places, dwellings and counts stay the same for all columns.

    Parameters
    ----------
    deepest
        Row of the deepest area each home lies in, -1 for none, shape (n,).
    areas
        Number of areas.
    dwellings
        Dwellings of each home, shape (n,).
    is_uncounted
        Whether no people count of any kind is given, shape (n,).
    """

    def __init__(
        self, deepest: Int32Array, areas: int, *, dwellings: IntArray | Int32Array, is_uncounted: BoolArray
    ) -> None:
        self.place = np.where(deepest < 0, areas, deepest).astype(np.int32)
        self.areas = areas
        self.dwellings = dwellings.astype(np.int32, copy=False)
        self.is_uncounted = is_uncounted
        self._counted: tuple[Int32Array | None, IntArray] = None, np.empty(0, dtype=np.int64)

    def add_column(
        self,
        everybody: Int32Array,
        own: Int32Array,
        *,
        reach_ms: Int32Array,
        is_linked: BoolArray,
        limit_s: int,
        radius_mm: Int32Array,
        radius_limit_mm: float,
        facility: Int32Array,
        facilities: int,
    ) -> ColumnSums:
        """Return the sums of the homes in each area and in none of its children, and those by facility, in one pass.

        Parameters
        ----------
        everybody, own
            People of all groups and of the column's demand group, shape (n,).
        reach_ms
            Milliseconds to the nearest facility, -1 for none, shape (n,).
        is_linked
            Whether the home is tied to a way, shape (n,).
        limit_s
            Longest walk that counts as covered, in seconds; the exact second counts.
        radius_mm
            Straight-line millimetres to the nearest facility, -1 for none, shape (n,).
        radius_limit_mm
            Service radius, 0 where the standard gives none.
        facility
            Row of the nearest facility of each home, shape (n,).
        facilities
            How many facilities there are.

        Returns
        -------
        ColumnSums
            Figures in the order of :data:`AREA_FIGURES`; the last row stands for homes in no area.
        """
        out = np.zeros((self.areas + 1, 11), dtype=np.int64)
        served = np.zeros((facilities, 2), dtype=np.int64)
        _add_column(
            self.place,
            np.ascontiguousarray(reach_ms, dtype=np.int32),
            np.ascontiguousarray(is_linked),
            limit_s * MS_PER_S,
            np.ascontiguousarray(radius_mm, dtype=np.int32),
            float(radius_limit_mm),
            np.ascontiguousarray(facility, dtype=np.int32),
            np.ascontiguousarray(everybody, dtype=np.int32),
            np.ascontiguousarray(own, dtype=np.int32),
            self.dwellings,
            out,
            served,
        )
        if everybody is not self._counted[0]:
            # the same for every column of a run
            self._counted = everybody, self._count(everybody)
        figures = [
            np.column_stack([*_split(total, out[:, kind], out[:, 4 + kind]), out[:, 8 + kind], *self._homes(out)])
            for kind, total in enumerate((self._counted[1], out[:, 10]))
        ]
        return ColumnSums(figures[0], figures[1], served[:, 0], served[:, 1])

    def _count(self, weight: npt.NDArray[np.integer | np.bool_]) -> IntArray:
        """Return the sums of a weight over places; whole numbers below 2 ** 53 are exact as doubles."""
        return np.bincount(self.place, weights=weight, minlength=self.areas + 1).astype(np.int64)

    @cached_property
    def _totals(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return dwellings, homes and homes without counts by place."""
        homes = np.bincount(self.place, minlength=self.areas + 1).astype(np.int64)
        return self._count(self.dwellings), homes, self._count(self.is_uncounted)

    def _homes(self, out: IntArray) -> list[IntArray]:
        """Return the figures of dwellings and homes."""
        dwellings, homes, uncounted = self._totals
        return [*_split(dwellings, out[:, 2], out[:, 6]), *_split(homes, out[:, 3], out[:, 7]), uncounted]


def _split(total: IntArray, covered: IntArray, unknown: IntArray) -> list[IntArray]:
    """Return a figure in all, covered, in the gap and unknown."""
    return [total, covered, total - covered - unknown, unknown]


def add_children(own: npt.NDArray[np.int64], tree: AreaTree) -> npt.NDArray[np.int64]:
    """Return the sums of every area with all its descendants.

    Parameters
    ----------
    own
        Sums of the homes in each area and in none of its children, shape (areas + 1, k).
    tree
        The areas.
    """
    total = own.copy()
    for depth in range(int(tree.depth.max(initial=0)), 0, -1):
        rows = np.flatnonzero((tree.depth == depth) & (tree.parent >= 0))
        np.add.at(total, tree.parent[rows], total[rows])
    return total
