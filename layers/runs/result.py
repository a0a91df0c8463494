"""What a gap run is asked and what it answers."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layers.runs.sums import ResultSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.gaps import PeopleBasis
    from geo.units import Int32Array, IntArray
    from layers.study import Study

DEFAULT_PROFILE = "adult"
EVERYBODY = "all"
NETWORK_COUNTS = ("nodes", "edges", "street_parts", "largest_part_permille", "gates_unattached")
"""What a run tells of the network it walked on."""


@dataclass(frozen=True, slots=True)
class GapRequest:
    """What a gap run is asked to judge.

    Attributes
    ----------
    types
        Pack codes; empty means every testable type.
    profiles
        Codes of walking profiles.
    minutes
        Limit for all types in minutes, instead of each type's own; None keeps those.
    area
        Code of the area whose buildings are judged; None means all. Facilities outside it still serve.
    at
        Local time at which facilities and gates must be open, ``YYYY-MM-DDTHH:MM``; None leaves hours out of account.
    name
        A name people will find the run by.
    """

    types: tuple[str, ...] = ()
    profiles: tuple[str, ...] = (DEFAULT_PROFILE,)
    minutes: float | None = None
    area: str | None = None
    at: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One type walked by one profile: a column of the result."""

    type: str
    profile: str
    limit_s: int
    radius_limit_m: float | None
    demand_group: str
    people_basis: PeopleBasis
    facilities: int
    facilities_unlinked: int


@dataclass(frozen=True)
class RunResult:
    """The result of a run before it is stored; matrices have one line a building and one column a `Column`.

    Matrices lie in memory column by column, because that is how they are made, stored and read.

    Attributes
    ----------
    rows
        Rows of the buildings judged in ``study.buildings``, ascending, shape (n,).
    is_linked, reach_ms, facility, radius_mm, people
        What was found; -1 stands for none in reach, facility (row of ``study.sites``) and radius. Shape (n, k).
    network_counts
        Nodes, edges, parts and the like of the network walked on.
    """

    study: Study
    columns: tuple[Column, ...]
    rows: IntArray
    is_linked: npt.NDArray[np.bool_]
    reach_ms: Int32Array
    facility: Int32Array
    radius_mm: Int32Array
    people: Int32Array
    network_counts: dict[str, int] = field(default_factory=dict)

    @property
    def building_id(self) -> IntArray:
        """Return the store ids of the buildings judged, ascending, shape (n,)."""
        return self.study.buildings.building_id[self.rows]

    @cached_property
    def sums(self) -> ResultSums:
        """Return what its homes add up to."""
        return ResultSums(self)

    @property
    def facility_id(self) -> IntArray:
        """Return the store ids of the facilities, -1 for none, shape (n, k)."""
        if not self.columns:
            return np.empty(self.facility.shape, dtype=np.int64)
        return lay_columns([self.find_facility_ids(number) for number in range(len(self.columns))])

    def find_facility_ids(self, number: int) -> IntArray:
        """Return the store ids of the facilities of one column, -1 for none, shape (n,)."""
        # the last entry is what row -1 reads
        ids = np.append(self.study.sites.facility_id, -1)
        return ids[self.facility[:, number]]

    def digest(self) -> str:
        """Return a hash of every figure of the result, the same on every machine and thread count."""
        found = hashlib.sha256(_bytes_of(self.building_id))
        weighed: set[str] = set()
        for number, column in enumerate(self.columns):
            found.update(repr(asdict(column)).encode())
            if column.demand_group not in weighed:
                weighed.add(column.demand_group)
                found.update(_bytes_of(self.people[:, number].astype(np.int32, copy=False)))
            one = hashlib.sha256(_bytes_of(self.is_linked[:, number]))
            for values in (self.reach_ms[:, number], self.radius_mm[:, number]):
                one.update(_bytes_of(values.astype(np.int32, copy=False)))
            one.update(_bytes_of(self.find_facility_ids(number)))
            found.update(one.digest())
        return found.hexdigest()


def lay_columns(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return columns of one length as a matrix that lies column by column in memory, shape (n, k).

    Columns that are those of one matrix already are not copied.
    """
    matrix = columns[0].base
    if isinstance(matrix, np.ndarray) and matrix.shape == (len(columns), columns[0].shape[0]):
        is_same = [
            one.base is matrix and one.dtype == row.dtype and one.__array_interface__ == row.__array_interface__
            for one, row in zip(columns, matrix, strict=True)
        ]
        if all(is_same):
            return matrix.T
    return np.stack(columns).T


def _bytes_of(values: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What the caller of a run is told.

    Attributes
    ----------
    id, name, duration_s
        The stored run.
    totals
        For each column people in all, covered, gap and unknown, and their share covered.
    counts
        Buildings, linked buildings, facilities and the like.
    not_judged
        Types that have no walk limit, with the reason.
    """

    id: int
    name: str | None
    duration_s: float
    totals: list[dict[str, Any]]
    counts: dict[str, int]
    not_judged: list[dict[str, str]] = field(default_factory=list)
