"""The edits a planner can try out, and how a bad one is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely

from geo.errors import RequestError

MAX_EDITS = 200
"""A longer list is a data load, not a question."""

PATH_SNAP_M = 5.0
"""An end of a drawn path joins a street this near to it unless told otherwise."""

MAX_SNAP_M = 20.0
MAX_PATH_M = 100_000.0
MAX_CAPACITY = 1e9
MAX_COORDINATE_M = 1e8
"""Beyond any metric CRS of the Earth."""

SITE_TYPES = ("Point", "Polygon", "MultiPolygon")


@dataclass(frozen=True, slots=True)
class FacilityAdded:
    """A facility that is not there yet.

    Attributes
    ----------
    geometry
        Point or outline in the metric CRS.
    serves
        Columns it counts for, 0-based; none where another profile judges its type.
    capacity
        Its capacity; None where it is not known.
    """

    geometry: shapely.Geometry
    serves: tuple[int, ...]
    capacity: float | None = None


@dataclass(frozen=True, slots=True)
class FacilityMoved:
    """A facility at another place, metric CRS."""

    facility: int
    geometry: shapely.Geometry


@dataclass(frozen=True, slots=True)
class FacilityClosed:
    """A facility that is given up."""

    facility: int


@dataclass(frozen=True, slots=True)
class FacilityResized:
    """A facility with another capacity."""

    facility: int
    capacity: float


@dataclass(frozen=True, slots=True)
class StreetClosed:
    """A street nobody may walk or drive; all rows of the store id."""

    street_id: int


@dataclass(frozen=True, slots=True)
class StreetOpened:
    """A street everybody may walk, and vehicles of its class may drive; all rows of the store id."""

    street_id: int


@dataclass(frozen=True, slots=True)
class GateClosed:
    """A gate nobody may pass."""

    gate_id: int


@dataclass(frozen=True, slots=True)
class GateOpened:
    """A gate anybody may pass, or residents only; also one that was closed."""

    gate_id: int
    opens_to_all: bool = True


@dataclass(frozen=True, slots=True)
class GateAdded:
    """A new gate in the wall of an enforced compound, attached to the ways at both sides as any gate is."""

    point: shapely.Point
    compound_id: int
    opens_to_all: bool = True


@dataclass(frozen=True, slots=True)
class PathDrawn:
    """A new way.

    Attributes
    ----------
    line
        LineString in the metric CRS.
    flags
        Bits of :data:`geo.network.STEPS` and :data:`geo.network.NO_WHEELCHAIR`.
    snap_m
        How far its ends may move to join a street, metres.
    """

    line: shapely.LineString
    flags: int = 0
    snap_m: float = PATH_SNAP_M


Edit = (
    FacilityAdded
    | FacilityMoved
    | FacilityClosed
    | FacilityResized
    | StreetClosed
    | StreetOpened
    | GateClosed
    | GateOpened
    | GateAdded
    | PathDrawn
)
FACILITY_EDITS = (FacilityAdded, FacilityMoved, FacilityClosed, FacilityResized)


@dataclass(frozen=True)
class Place:
    """Number and name of an edit, for messages."""

    number: int
    what: str = field(default="")

    def refuse(self, why: str, *, hint: str = "") -> RequestError:
        """Return the error that names the edit."""
        return RequestError(f"edit {self.number + 1} ({self.what}): {why}", hint=hint, parameter=self.parameter)

    @property
    def parameter(self) -> str:
        """Return the name of the edit in a request."""
        return f"edits[{self.number}]"


NAMES: dict[type, str] = {
    FacilityAdded: "facility added",
    FacilityMoved: "facility moved",
    FacilityClosed: "facility closed",
    FacilityResized: "facility resized",
    StreetClosed: "street closed",
    StreetOpened: "street opened",
    GateClosed: "gate closed",
    GateOpened: "gate opened",
    GateAdded: "gate added",
    PathDrawn: "path drawn",
}


def check_count(count: int) -> None:
    """Refuse a list of edits that is too long.

    Parameters
    ----------
    count
        How many edits there are in all.

    Raises
    ------
    RequestError
        There are more than 200.
    """
    if count > MAX_EDITS:
        raise RequestError(
            f"{count} edits on one base: expected at most {MAX_EDITS}",
            hint="load the changed layers instead",
            parameter="edits",
        )


def check_geometry(geometry: object, kinds: tuple[str, ...], place: Place) -> None:
    """Refuse a geometry of another kind, an empty or invalid one, and coordinates that are no place.

    Parameters
    ----------
    geometry
        What was given.
    kinds
        Names of the kinds expected.
    place
        The edit it belongs to.

    Raises
    ------
    RequestError
        It is none of these.
    """
    kind = getattr(geometry, "geom_type", type(geometry).__name__)
    if kind not in kinds:
        raise place.refuse(f"geometry {kind}, expected {' or '.join(kinds)}")
    xy = shapely.get_coordinates(geometry)
    if xy.shape[0] == 0:
        raise place.refuse("the geometry is empty")
    if not np.isfinite(xy).all() or float(np.abs(xy).max()) > MAX_COORDINATE_M:
        raise place.refuse("coordinates that are no place on the Earth", hint="give metres of the metric CRS")
    if kind != "LineString" and not shapely.is_valid(geometry):
        raise place.refuse(f"the outline is not valid: {shapely.is_valid_reason(geometry)}")
