"""Vector tiles of a scenario: the changed buildings before and after, and the edits themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, and_, cast, func, literal

from layers import tables
from layers.query.runs import fetch_columns, find_column
from layers.query.scenarios import change_status, unnest_changes
from layers.scenarios.tables import scenario_edit
from layers.tiles import COVERAGE_SHAPE_ZOOM, TileSource

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

    from layers.query.runs import RunColumn
    from layers.tiles import TileAddress


def find_changed_column(conn: Connection, row: Row[Any], type_code: str | None, profile: str | None) -> RunColumn:
    """Return the column of a type and profile; without a type the first one that the scenario changes.

    Parameters
    ----------
    conn
        Where to read.
    row
        A scenario.
    type_code, profile
        What is asked for.

    Raises
    ------
    NotFound
        The base run did not judge this type or profile.
    """
    columns = fetch_columns(conn, row.run_id)
    if type_code is None and profile is None and row.totals:
        position = row.totals[0]["position"]
        return next(column for column in columns if column.position == position)
    return find_column(columns, type_code, profile)


def scenario_source(row: Row[Any], column: RunColumn, address: TileAddress) -> TileSource:
    """Return the changed buildings of one type with status and seconds before and after.

    Parameters
    ----------
    row
        A scenario.
    column
        Which type and profile.
    address
        The tile.
    """
    building, limit_s = tables.building, literal(column.limit_s)
    changed = unnest_changes(row.id, position=column.position)
    one = changed.c
    return TileSource(
        name="scenario",
        rows=building.join(changed, one.building_id == building.c.id),
        key=building.c.id,
        geom=building.c.geom if address.z >= COVERAGE_SHAPE_ZOOM else func.ST_Centroid(building.c.geom),
        columns={
            "status_before": change_status(one.linked_before, one.ms_before, limit_s),
            "status_after": change_status(one.linked_after, one.ms_after, limit_s),
            "reach_s_before": _seconds(one.ms_before),
            "reach_s_after": _seconds(one.ms_after),
            "facility_id_before": one.facility_before,
            "facility_id_after": one.facility_after,
            "limit_s": limit_s,
            "people": one.people,
            "name": building.c.name,
        },
        where=and_(building.c.valid_to.is_(None), building.c.geom.op("&&")(_envelope(address))),
        first=(func.hashint8(building.c.id), building.c.id),
    )


def edit_source(scenario_id: int, address: TileAddress) -> TileSource:
    """Return the edits in effect as they are drawn: places, gates, streets and paths."""
    edit = scenario_edit.c
    return TileSource(
        name="scenario_edits",
        rows=scenario_edit,
        key=edit.number,
        geom=edit.geom,
        columns={
            "op": edit.op,
            "type": edit.properties["type"].astext,
            "name": edit.properties["name"].astext,
            "capacity": cast(edit.properties["capacity"].astext, Double),
        },
        where=and_(edit.scenario_id == scenario_id, edit.geom.op("&&")(_envelope(address))),
        first=(edit.number,),
    )


def _seconds(ms: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(ms, Double) / literal(1000)


def _envelope(address: TileAddress) -> ColumnElement[Any]:
    return func.ST_MakeEnvelope(*address.box(), tables.SRID)
