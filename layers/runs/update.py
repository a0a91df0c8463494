"""Bring a stored run up to date: only what changed is written, and the whole is as if it had been stored anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import and_, delete, func, insert, literal, select, tuple_, update

from geo.errors import NotFound
from layers.query.runs import fetch_columns
from layers.runs.areas import list_groups, list_rows, save_areas, save_facilities
from layers.runs.load import fetch_slices
from layers.runs.slices import ABSENT, SLICE_BITS, Slots
from layers.runs.store import describe_result, find_facility_base, list_columns, save_area_codes, save_buildings
from layers.runs.tables import run_area_code, run_facility, run_home, run_people, run_reach, run_result
from layers.tables import run, run_area, run_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from geo.units import IntArray
    from layers.runs.result import RunResult

RESULT_TABLES = (run_area_code, run_home, run_people, run_reach, run_area, run_facility)
_NO_IDS: IntArray = np.empty(0, dtype=np.int64)


def update_run(  # noqa: PLR0913 - the run, its new figures, and which of them are new
    connection: Connection,
    run_id: int,
    result: RunResult,
    rows: IntArray,
    *,
    columns: Sequence[int] | None = None,
    gone: IntArray = _NO_IDS,
    key: str | None = None,
) -> str:
    """Write what changed of a run, in the connection's transaction, and return the new digest.

    Afterwards the store holds what storing `result` anew would have put there. Another run that shares the figures
    keeps the old ones.

    Parameters
    ----------
    connection
        An open connection that may write.
    run_id
        Which run.
    result
        All its figures as they are now.
    rows
        Lines of the result whose figures changed or whose building is new.
    columns
        Columns in which they changed, from 0; None for all. Where buildings came or went all are written.
    gone
        Store ids of buildings that are judged no more.
    key
        Hash of everything the result is made from now, by which the same question finds it; None for never.

    Raises
    ------
    NotFound
        There is no such run.
    """
    stored = connection.execute(select(run.c.result_id).where(run.c.id == run_id).with_for_update()).one_or_none()
    if stored is None:
        raise NotFound(f"Bringing run {run_id} up to date: there is no such run", parameter="run")
    result_id = _own_result(connection, run_id, stored.result_id)
    before = fetch_columns(connection, run_id)
    base = find_facility_base(result)
    is_same_table = [(c.type, c.profile, c.facility_base) for c in before] == [
        (c.type, c.profile, base) for c in result.columns
    ]
    described = describe_result(result)
    connection.execute(delete(run_column).where(run_column.c.run_id == run_id))
    connection.execute(insert(run_column), list_columns(result, run_id, base))
    if is_same_table:
        _write_touched(connection, result, result_id, rows=rows, columns=columns, gone=gone)
    else:
        _write_all(connection, result, result_id)
    connection.execute(update(run).where(run.c.id == run_id).values(**described))
    connection.execute(update(run_result).where(run_result.c.id == result_id).values(key=key))
    return str(described["result_sha256"])


def _own_result(connection: Connection, run_id: int, result_id: int) -> int:
    """Return the id of a result that no other run shares, a copy where one does."""
    shared = select(func.count()).select_from(run).where(run.c.result_id == result_id, run.c.id != run_id)
    # whoever deletes the last other run waits for this one
    connection.execute(select(run_result.c.id).where(run_result.c.id == result_id).with_for_update())
    if not connection.execute(shared).scalar_one():
        return result_id
    mine: int = connection.execute(insert(run_result).values(key=None).returning(run_result.c.id)).scalar_one()
    for table in RESULT_TABLES:
        names = [column.name for column in table.c if column.name not in {"id", "result_id"}]
        rows = select(literal(mine), *(table.c[name] for name in names)).where(table.c.result_id == result_id)
        ordered = rows.order_by(table.c.id) if "id" in table.c else rows
        connection.execute(insert(table).from_select(["result_id", *names], ordered))
    connection.execute(update(run).where(run.c.id == run_id).values(result_id=mine))
    return mine


def _write_all(connection: Connection, result: RunResult, result_id: int) -> None:
    for table in RESULT_TABLES:
        connection.execute(delete(table).where(table.c.result_id == result_id))
    numbers = range(len(result.columns))
    save_area_codes(connection, result, result_id)
    save_buildings(connection, result, result_id, numbers, base=find_facility_base(result))
    save_areas(connection, result, result_id, numbers)
    save_facilities(connection, result, result_id, numbers)


def _write_touched(
    connection: Connection,
    result: RunResult,
    result_id: int,
    *,
    rows: IntArray,
    columns: Sequence[int] | None,
    gone: IntArray,
) -> None:
    ids = result.building_id
    touched = np.unique(np.concatenate([ids[rows] >> SLICE_BITS, gone >> SLICE_BITS]))
    lines = np.flatnonzero(np.isin(ids >> SLICE_BITS, touched))
    numbers = list(range(len(result.columns)) if columns is None else columns)
    if columns is not None and not _holds_same(connection, result_id, touched, ids[lines]):
        numbers = list(range(len(result.columns)))
    positions = [number + 1 for number in numbers]
    slices = touched.tolist()
    for table in (run_home, run_people, run_reach):
        where = and_(table.c.result_id == result_id, table.c.slice.in_(slices))
        if table is run_reach:
            where = and_(where, table.c.position.in_(positions))
        connection.execute(delete(table).where(where))
    save_buildings(connection, result, result_id, numbers, base=find_facility_base(result), rows=lines)
    connection.execute(
        delete(run_facility).where(run_facility.c.result_id == result_id, run_facility.c.position.in_(positions))
    )
    save_facilities(connection, result, result_id, numbers)
    _rewrite(connection, run_area_code, result_id)
    save_area_codes(connection, result, result_id)
    _write_areas(connection, result, result_id, numbers)


def _rewrite(connection: Connection, table: Table, result_id: int) -> None:
    connection.execute(delete(table).where(table.c.result_id == result_id))


def _holds_same(connection: Connection, result_id: int, touched: IntArray, ids: IntArray) -> bool:
    """Return whether the stored slices hold just these buildings."""
    number, home = fetch_slices(
        connection, "run_home", ("area",), {"result_id": result_id, "slice": [int(one) for one in touched]}
    )
    slots = Slots.find(ids)
    if not np.array_equal(number, slots.number):
        return False
    here = np.zeros(home[:, 0].shape, dtype=bool).reshape(-1)
    here[slots.place] = True
    return bool(np.array_equal(here, home[:, 0].reshape(-1) != ABSENT))


def _write_areas(connection: Connection, result: RunResult, result_id: int, numbers: list[int]) -> None:
    """Write the area rows of some columns in the places of the old ones; all of them where their number differs."""
    keys = [(result.columns[n].type, result.columns[n].profile) for n in numbers]
    mine = and_(run_area.c.result_id == result_id, tuple_(run_area.c.type, run_area.c.profile).in_(keys))
    ids = np.array(connection.execute(select(run_area.c.id).where(mine).order_by(run_area.c.id)).scalars().all())
    rows = len(list_rows(result).code)
    wanted = rows * sum(len(list_groups(result, number)) for number in numbers)
    if ids.shape[0] == wanted:
        connection.execute(delete(run_area).where(mine))
        save_areas(connection, result, result_id, sorted(numbers), ids=ids)
    else:
        _rewrite(connection, run_area, result_id)
        save_areas(connection, result, result_id, range(len(result.columns)))
