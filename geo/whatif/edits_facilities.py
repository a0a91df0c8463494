"""Facilities with edits on top; rows are stable, see :mod:`geo.whatif.edits`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely

from geo.units import FloatArray, Int32Array, ObjectArray
from geo.walls import OUTSIDE, Walls
from geo.whatif.edits_kinds import (
    MAX_CAPACITY,
    NAMES,
    SITE_TYPES,
    Edit,
    FacilityAdded,
    FacilityClosed,
    FacilityMoved,
    FacilityResized,
    Place,
    check_geometry,
)
from geo.whatif.overlay import Layered, put_value


@dataclass(frozen=True)
class Facilities:
    """Facilities by row.

    Attributes
    ----------
    geometry
        Points or outlines in the metric CRS, shape (f,).
    zone
        Compound number each lies in, -1 outside, shape (f,).
    capacity
        Capacities, not a number where not known, shape (f,).
    serves
        For each column the rows of its facilities, ascending.
    closed
        Rows that are given up.
    moved
        Rows that stand where the base has them not.
    """

    geometry: ObjectArray | Layered
    zone: Int32Array | Layered
    capacity: FloatArray | Layered
    serves: tuple[Int32Array, ...]
    closed: frozenset[int] = frozenset()
    moved: frozenset[int] = frozenset()


def _check_capacity(capacity: float, place: Place) -> None:
    if not 0.0 <= capacity <= MAX_CAPACITY:
        raise place.refuse(f"capacity {capacity}, expected 0 to {MAX_CAPACITY:g}")


def _check_facility(facilities: Facilities, row: int, place: Place) -> None:
    if not 0 <= row < facilities.zone.shape[0]:
        raise place.refuse(f"there is no facility {row}; there are {facilities.zone.shape[0]}")
    if row in facilities.closed:
        raise place.refuse(f"facility {row} is closed already")


def find_zone(walls: Walls, geometry: shapely.Geometry) -> int:
    """Return the number of the compound a geometry lies in, -1 outside."""
    place = shapely.point_on_surface(geometry)
    if walls.polygon.shape[0] == 0:
        return OUTSIDE
    x, y = shapely.get_x(place), shapely.get_y(place)
    west, south, east, north = shapely.bounds(walls.polygon).T
    near = np.flatnonzero((west <= x) & (x <= east) & (south <= y) & (y <= north))
    # as geo.walls has it: where compounds overlap the lowest counts
    inside = near[shapely.contains(walls.polygon[near], place)]
    return int(inside[0]) if inside.size else OUTSIDE


def append_object(values: ObjectArray, value: object) -> ObjectArray:
    """Return an array of objects with one more."""
    longer = np.empty(values.shape[0] + 1, dtype=object)
    longer[:-1] = values
    longer[-1] = value
    return longer


def _add_facility(facilities: Facilities, edit: FacilityAdded, walls: Walls, place: Place) -> Facilities:
    check_geometry(edit.geometry, SITE_TYPES, place)
    columns = len(facilities.serves)
    unknown = [c for c in edit.serves if not 0 <= c < columns]
    if unknown:
        raise place.refuse(f"it serves column {unknown[0]}, expected some of 0 to {columns - 1}")
    if edit.capacity is not None:
        _check_capacity(edit.capacity, place)
    row = facilities.zone.shape[0]
    capacity = np.nan if edit.capacity is None else edit.capacity
    return replace(
        facilities,
        geometry=put_value(facilities.geometry, row, edit.geometry),
        zone=put_value(facilities.zone, row, find_zone(walls, edit.geometry)),
        capacity=put_value(facilities.capacity, row, capacity),
        serves=tuple(
            np.append(rows, np.int32(row)) if column in edit.serves else rows
            for column, rows in enumerate(facilities.serves)
        ),
    )


def edit_facilities(facilities: Facilities, edit: Edit, *, walls: Walls, number: int) -> Facilities:
    """Return the facilities after one edit.

    Parameters
    ----------
    facilities
        The facilities before.
    edit
        One that changes a facility.
    walls
        Enforced compounds, which say where a place lies.
    number
        Place of the edit in its list, for messages.

    Raises
    ------
    RequestError
        There is no such facility or column, it is closed already, or a place or capacity makes no sense.
    """
    place = Place(number, NAMES[type(edit)])
    if isinstance(edit, FacilityAdded):
        return _add_facility(facilities, edit, walls, place)
    if not isinstance(edit, FacilityMoved | FacilityClosed | FacilityResized):
        return facilities
    _check_facility(facilities, edit.facility, place)
    if isinstance(edit, FacilityResized):
        _check_capacity(edit.capacity, place)
        return replace(facilities, capacity=put_value(facilities.capacity, edit.facility, edit.capacity))
    if isinstance(edit, FacilityClosed):
        return replace(
            facilities,
            serves=tuple(rows[rows != edit.facility] for rows in facilities.serves),
            closed=facilities.closed | {edit.facility},
        )
    check_geometry(edit.geometry, SITE_TYPES, place)
    return replace(
        facilities,
        geometry=put_value(facilities.geometry, edit.facility, edit.geometry),
        zone=put_value(facilities.zone, edit.facility, find_zone(walls, edit.geometry)),
        moved=facilities.moved | {edit.facility},
    )
