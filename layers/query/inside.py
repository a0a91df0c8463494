"""Who and what is inside a circle: people and dwellings of buildings, facilities by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from layers import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, Connection


def fetch_people_inside(conn: Connection, building_ids: Sequence[int]) -> dict[str, Any]:
    """Return people, dwellings and number of some buildings, and on what the people rest.

    Buildings are chosen by reach, never by a drawn outline. ``people_basis`` is ``counted`` where every building has a
    count, ``partly`` where some have none, ``none`` where no building has one.
    """
    building, group = tables.building, tables.resident_group
    people = func.coalesce(group.c.people, building.c.people)
    statement = (
        select(
            func.coalesce(func.sum(people), 0).label("people"),
            func.coalesce(func.sum(building.c.dwellings), 0).label("dwellings"),
            func.count().label("buildings"),
            func.count(people).label("counted"),
        )
        .select_from(building.outerjoin(group, group.c.building_id == building.c.id))
        .where(building.c.id == func.any(_keys(building_ids)))
    )
    row = conn.execute(statement).one()
    basis = "none" if row.counted == 0 else "counted" if row.counted == row.buildings else "partly"
    return {"people": row.people, "dwellings": row.dwellings, "buildings": row.buildings, "people_basis": basis}


def fetch_facilities_inside(conn: Connection, facility_ids: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Return number and capacity of some facilities by type; capacity is null where none is known."""
    facility = tables.facility.c
    statement = (
        select(facility.type, func.count().label("count"), func.sum(facility.capacity).label("capacity"))
        .where(facility.id == func.any(_keys(facility_ids)), facility.type.is_not(None))
        .group_by(facility.type)
        .order_by(facility.type)
    )
    return {row.type: {"count": row[1], "capacity": row.capacity} for row in conn.execute(statement)}


def _keys(values: Sequence[int]) -> BindParameter[Any]:
    return bindparam(None, [int(value) for value in values], type_=ARRAY(BigInteger))
