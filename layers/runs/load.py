"""Read the figures of a stored run back into arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psycopg import sql
from sqlalchemy import select

from geo.errors import Conflict, NotFound, StoreError
from layers.query.runs import RunColumn, fetch_columns
from layers.runs.result import NETWORK_COUNTS, Column, RunResult, lay_columns
from layers.runs.slices import ABSENT, NOT_LINKED, NOTHING, SLICE_BITS, from_bytes
from layers.tables import SCHEMA, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from geo.units import BoolArray, Int32Array, IntArray
    from layers.runs.slices import Slices
    from layers.study import Study


@dataclass(frozen=True)
class StoredFigures:
    """The figures of a stored run by building; matrices lie column by column in memory.

    Attributes
    ----------
    building_id
        Store ids, ascending, shape (n,).
    columns
        What was judged.
    is_linked, reach_ms, facility_id, radius_mm, people
        -1 stands for none in reach, facility and radius; shape (n, k).
    """

    building_id: IntArray
    columns: tuple[RunColumn, ...]
    is_linked: BoolArray
    reach_ms: Int32Array
    facility_id: IntArray
    radius_mm: Int32Array
    people: Int32Array


def load_figures(connection: Connection, run_id: int) -> StoredFigures:
    """Return the figures of a stored run.

    Parameters
    ----------
    connection
        An open connection; reads only.
    run_id
        Which run.

    Raises
    ------
    NotFound
        There is no such run.
    """
    return _load(connection, _fetch(connection, run_id))


def _fetch(connection: Connection, run_id: int) -> Row[Any]:
    stored = connection.execute(select(run).where(run.c.id == run_id)).one_or_none()
    if stored is None:
        raise NotFound(f"Reading the figures of run {run_id}: there is no such run", parameter="run")
    return stored


def _load(connection: Connection, stored: Row[Any]) -> StoredFigures:
    result_id = stored.result_id
    columns = tuple(fetch_columns(connection, stored.id))
    number, home = fetch_slices(connection, "run_home", ("area",), {"result_id": result_id})
    is_here = home[:, 0] != ABSENT
    at, place = np.nonzero(is_here)
    building_id = (number.astype(np.int64)[at] << SLICE_BITS) + place

    def take(table: str, names: tuple[str, ...], where: Mapping[str, Any]) -> list[npt.NDArray[np.int32]]:
        found, slices = fetch_slices(connection, table, names, {"result_id": result_id, **where})
        if not np.array_equal(found, number):
            raise StoreError(
                f"Reading run {stored.id}: table {table} does not hold the slices of its buildings",
                hint="restore the database from a backup, or delete the run",
            )
        return [slices[:, part][is_here] for part in range(len(names))]

    figures = [take("run_reach", ("reach_ms", "facility", "radius_mm"), {"position": c.position}) for c in columns]
    weights = {
        group: take("run_people", ("people",), {"demand_group": group})[0]
        for group in dict.fromkeys(column.demand_group for column in columns)
    }
    facility_id = [
        np.where(facility == NOTHING, -1, facility.astype(np.int64) + column.facility_base)
        for column, (_, facility, _) in zip(columns, figures, strict=True)
    ]
    return StoredFigures(
        building_id=building_id,
        columns=columns,
        is_linked=lay_columns([reach != NOT_LINKED for reach, _, _ in figures]),
        reach_ms=lay_columns([np.maximum(reach, NOTHING) for reach, _, _ in figures]),
        facility_id=lay_columns(facility_id),
        radius_mm=lay_columns([radius for _, _, radius in figures]),
        people=lay_columns([weights[column.demand_group] for column in columns]),
    )


def fetch_slices(
    connection: Connection, table: str, names: tuple[str, ...], where: Mapping[str, Any]
) -> tuple[Int32Array, Slices]:
    """Return the slices of a table of figures, numbers ascending.

    Parameters
    ----------
    connection
        An open connection; reads only.
    table
        Which table.
    names
        Its columns to read.
    where
        Values that its other columns must have; several in a list.

    Returns
    -------
    number
        Shape (s,).
    slices
        Shape (s, columns, buildings a slice).
    """
    driver = connection.connection.driver_connection
    if driver is None:
        raise StoreError("the database connection was closed")
    wanted = sql.SQL(" AND ").join(
        sql.SQL("{} = ANY({})").format(sql.Identifier(name), value)
        if isinstance(value, list)
        else sql.SQL("{} = {}").format(sql.Identifier(name), value)
        for name, value in where.items()
    )
    query = sql.SQL("SELECT string_agg(int4send(slice) || {}, ''::bytea ORDER BY slice) FROM {} WHERE {}").format(
        sql.SQL(" || ").join(map(sql.Identifier, names)), sql.Identifier(SCHEMA, table), wanted
    )
    with driver.cursor(binary=True) as cursor:
        ((data,),) = cursor.execute(query).fetchall()
    return from_bytes(data or b"", len(names))


def load_result(connection: Connection, study: Study, run_id: int) -> RunResult:
    """Return a stored run as it was computed, on a study that holds its buildings and facilities.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        The store as arrays.
    run_id
        Which run.

    Raises
    ------
    NotFound
        There is no such run.
    Conflict
        A building or facility of the run is in the store no more.
    """
    stored = _fetch(connection, run_id)
    figures = _load(connection, stored)
    rows = _find_rows(figures.building_id, study.buildings.building_id, what="building", run_id=run_id)
    facility = [
        _find_rows(figures.facility_id[:, number], study.sites.facility_id, what="facility", run_id=run_id)
        for number in range(len(figures.columns))
    ]
    kept = [field.name for field in fields(Column)]
    return RunResult(
        study=study,
        columns=tuple(Column(**{name: getattr(column, name) for name in kept}) for column in figures.columns),
        rows=rows,
        is_linked=figures.is_linked,
        reach_ms=figures.reach_ms,
        facility=lay_columns([one.astype(np.int32) for one in facility]),
        radius_mm=figures.radius_mm,
        people=figures.people,
        network_counts={name: stored.counts[name] for name in NETWORK_COUNTS if name in stored.counts},
    )


def _find_rows(ids: IntArray, known: IntArray, *, what: str, run_id: int) -> IntArray:
    """Return the rows of store ids among those known, -1 for -1."""
    if known.shape[0] == 0:
        found = np.zeros(ids.shape[0], dtype=np.int64)
        missing = ids >= 0
    else:
        found = np.minimum(np.searchsorted(known, ids), known.shape[0] - 1)
        missing = (known[found] != ids) & (ids >= 0)
    if missing.any():
        raise Conflict(
            f"Reading run {run_id}: its {what} {int(ids[missing][0])} is in the store no more",
            hint="run it again: onemap gaps run",
        )
    return np.where(ids >= 0, found, -1)
