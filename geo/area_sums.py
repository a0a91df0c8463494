"""Figures of homes summed over the areas they lie in: people, dwellings and homes by status, in one pass a column."""

from __future__ import annotations

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
def _add_homes(
    place: Int32Array,
    reach_ms: Int32Array,
    is_linked: BoolArray,
    limit_ms: int,
    radius_mm: Int32Array,
    radius_limit_mm: float,
    weight: Int32Array,
    dwellings: Int32Array,
    is_uncounted: BoolArray,
    out: IntArray,
) -> None:
    """Add every home's figures to the line of `out` at its place."""
    for h in range(place.shape[0]):
        p = place[h]
        if not is_linked[h]:
            status = 2
        elif 0 <= reach_ms[h] <= limit_ms:
            status = 0
        else:
            status = 1
        people = weight[h]
        out[p, 0] += people
        out[p, 1 + status] += people
        if 0 <= radius_mm[h] <= radius_limit_mm:
            out[p, 4] += people
        out[p, 5] += dwellings[h]
        out[p, 6 + status] += dwellings[h]
        out[p, 9] += 1
        out[p, 10 + status] += 1
        out[p, 13] += is_uncounted[h]


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

    def __init__(self, deepest: Int32Array, areas: int, *, dwellings: IntArray, is_uncounted: BoolArray) -> None:
        self.place = np.where(deepest < 0, areas, deepest).astype(np.int32)
        self.areas = areas
        self.dwellings = dwellings.astype(np.int32)
        self.is_uncounted = is_uncounted

    def add_up(
        self,
        weight: Int32Array,
        *,
        reach_ms: Int32Array,
        is_linked: BoolArray,
        limit_s: int,
        radius_mm: Int32Array,
        radius_limit_mm: float,
    ) -> IntArray:
        """Return the sums of the homes in each area and in none of its children, shape (areas + 1, figures).

        Parameters
        ----------
        weight
            People of the demand group, shape (n,).
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

        Returns
        -------
        IntArray
            Figures in the order of :data:`AREA_FIGURES`; the last row stands for homes in no area.
        """
        out = np.zeros((self.areas + 1, len(AREA_FIGURES)), dtype=np.int64)
        _add_homes(
            self.place,
            np.ascontiguousarray(reach_ms, dtype=np.int32),
            np.ascontiguousarray(is_linked),
            limit_s * MS_PER_S,
            np.ascontiguousarray(radius_mm, dtype=np.int32),
            float(radius_limit_mm),
            np.ascontiguousarray(weight, dtype=np.int32),
            self.dwellings,
            self.is_uncounted,
            out,
        )
        return out


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
