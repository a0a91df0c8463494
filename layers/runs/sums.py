"""What the homes of a run add up to, by area and by facility, worked out once a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geo.area_sums import HomeSums
from geo.gaps import NO_COUNT
from geo.units import MM_PER_M
from layers.tables import COUNT_COLUMNS

if TYPE_CHECKING:
    from geo.area_sums import ColumnSums
    from geo.units import BoolArray, Int32Array
    from layers.runs.result import RunResult


def find_uncounted(result: RunResult) -> BoolArray:
    """Return which buildings have no people count of any kind, shape (n,)."""
    counts = result.study.buildings.counts
    none = np.ones(result.rows.shape[0], dtype=bool)
    for number in range(counts.shape[1]):
        none &= counts[:, number][result.rows] == NO_COUNT
    return none


def count_everybody(result: RunResult) -> Int32Array:
    """Return everybody present in each building, 0 where not counted, shape (n,)."""
    people = result.study.buildings.counts[:, COUNT_COLUMNS.index("people")][result.rows]
    return np.maximum(people, 0).astype(np.int32)


def start_sums(result: RunResult) -> HomeSums:
    """Return what the sums of all columns share."""
    buildings = result.study.buildings
    return HomeSums(
        buildings.deepest[result.rows],
        len(result.study.areas.tree.code),
        dwellings=buildings.dwellings[result.rows],
        is_uncounted=find_uncounted(result),
    )


class ResultSums:
    """The sums of a result; a column is added up when it is first asked for.

    Parameters
    ----------
    result
        The run.
    """

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._columns: dict[int, ColumnSums] = {}
        self.homes = start_sums(result)
        self.everybody = count_everybody(result)

    def take(self, number: int) -> ColumnSums:
        """Return the sums of one column.

        Parameters
        ----------
        number
            Which column, from 0.
        """
        if number not in self._columns:
            result = self._result
            column = result.columns[number]
            self._columns[number] = self.homes.add_column(
                self.everybody,
                result.people[:, number],
                reach_ms=result.reach_ms[:, number],
                is_linked=result.is_linked[:, number],
                limit_s=column.limit_s,
                radius_mm=result.radius_mm[:, number],
                radius_limit_mm=(column.radius_limit_m or 0) * MM_PER_M,
                facility=result.facility[:, number],
                facilities=result.study.sites.facility_id.shape[0],
            )
        return self._columns[number]
