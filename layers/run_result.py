"""What a gap run is asked and what it answers."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from geo.gaps import PeopleBasis
    from geo.units import Int32Array, IntArray
    from layers.study import Study

DEFAULT_PROFILE = "adult"
EVERYBODY = "all"


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
    name
        A name people will find the run by.
    """

    types: tuple[str, ...] = ()
    profiles: tuple[str, ...] = (DEFAULT_PROFILE,)
    minutes: float | None = None
    area: str | None = None
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

    Attributes
    ----------
    rows
        Rows of the buildings judged in ``study.buildings``, shape (n,).
    is_linked, reach_ms, facility, radius_mm, people
        What was found; -1 stands for none in reach, facility (row of ``study.sites``) and radius. Shape (n, k).
    network_counts
        Size of the network and of what is wrong with it, by :func:`layers.run.count_network`.
    """

    study: Study
    columns: tuple[Column, ...]
    rows: IntArray
    is_linked: npt.NDArray[np.bool_]
    reach_ms: Int32Array
    facility: Int32Array
    radius_mm: IntArray
    people: Int32Array
    network_counts: dict[str, int]

    @property
    def facility_id(self) -> IntArray:
        """Return the store ids of the facilities, -1 for none, shape (n, k)."""
        return np.where(self.facility >= 0, self.study.sites.facility_id[np.maximum(self.facility, 0)], -1)

    def digest(self) -> str:
        """Return a hash of every figure of the result, the same on every machine and thread count."""
        found = hashlib.sha256()
        for column in self.columns:
            found.update(repr(asdict(column)).encode())
        for array in (
            self.study.buildings.building_id[self.rows],
            self.is_linked,
            self.reach_ms,
            self.facility_id,
            self.radius_mm,
            self.people,
        ):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


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
