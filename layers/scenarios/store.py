"""Keep scenarios: make, append, undo, redo, rebase and delete them, each in the caller's transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, func, insert, select, update

from geo.errors import Conflict, NotFound
from layers.copy_binary import OID_BOOL, OID_INT4, OID_INT8, Number, NumberArray, TextColumn, copy_rows
from layers.query.scenarios import SCENARIO_HINT, fetch_scenario
from layers.scenarios.tables import scenario, scenario_area, scenario_change, scenario_edit
from layers.tables import facility, gate, street

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Table

    from geo.units import IntArray
    from layers.scenarios.edits import RawEdit
    from layers.scenarios.result import ColumnChange, ScenarioResult

NONE = 0
"""Stands for null in the arrays that are stored: no store id and no 1-based number is 0."""


@dataclass(frozen=True)
class Batches:
    """Batches of edits in order; those behind `done` are undone and can come back."""

    batches: tuple[tuple[RawEdit, ...], ...]
    done: int

    @property
    def edits(self) -> list[RawEdit]:
        """Return the edits in effect."""
        return [edit for batch in self.batches[: self.done] for edit in batch]

    def append(self, batch: Sequence[RawEdit]) -> Batches:
        """Return these with one more; what was undone can no longer come back."""
        return Batches((*self.batches[: self.done], tuple(batch)), self.done + 1)

    def undo(self) -> Batches:
        """Return these without the last one in effect.

        Raises
        ------
        Conflict
            None is in effect.
        """
        if self.done == 0:
            raise Conflict("Undoing the last edits of a scenario: none are in effect")
        return Batches(self.batches, self.done - 1)

    def redo(self) -> Batches:
        """Return these with the batch that was undone last.

        Raises
        ------
        Conflict
            Nothing was undone.
        """
        if self.done == len(self.batches):
            raise Conflict("Redoing edits of a scenario: none were undone")
        return Batches(self.batches, self.done + 1)


def read_batches(row: Row[Any]) -> Batches:
    """Return the batches of a stored scenario."""
    return Batches(tuple(tuple(batch) for batch in row.batches), row.done)


def insert_scenario(conn: Connection, result: ScenarioResult, batches: Batches, *, name: str | None) -> int:
    """Store a new scenario with what it changes and return its id.

    Parameters
    ----------
    conn
        An open connection that may write; its transaction is the caller's.
    result
        What the edits change.
    batches
        The edits.
    name
        A name people will find it by.
    """
    statement = insert(scenario).values(name=name, **_describe(result, batches)).returning(scenario.c.id)
    scenario_id = int(conn.execute(statement).scalar_one())
    _save_parts(conn, scenario_id, result, batches)
    return scenario_id


def replace_scenario(
    conn: Connection, scenario_id: int, result: ScenarioResult, batches: Batches, *, revision: int
) -> None:
    """Store what a scenario is after a change.

    Parameters
    ----------
    conn
        An open connection that may write; its transaction is the caller's.
    scenario_id
        Which scenario.
    result, batches
        What it is now.
    revision
        Its revision when it was read.

    Raises
    ------
    NotFound
        It was deleted meanwhile.
    Conflict
        Somebody else changed it meanwhile.
    """
    changed = conn.execute(
        update(scenario)
        .where(scenario.c.id == scenario_id, scenario.c.revision == revision)
        .values(**_describe(result, batches), revision=revision + 1, changed_at=func.now())
    ).rowcount
    if not changed:
        row = fetch_scenario(conn, scenario_id)
        raise Conflict(
            f"Changing scenario {scenario_id}: somebody else changed it meanwhile, it is at revision {row.revision}",
            hint="Read it again, then repeat the change.",
        )
    for table in (scenario_edit, scenario_change, scenario_area):
        conn.execute(delete(table).where(table.c.scenario_id == scenario_id))
    _save_parts(conn, scenario_id, result, batches)


def rename_scenario(conn: Connection, scenario_id: int, *, name: str | None) -> None:
    """Give a scenario another name.

    Raises
    ------
    NotFound
        There is no such scenario.
    """
    changed = conn.execute(
        update(scenario)
        .where(scenario.c.id == scenario_id)
        .values(name=name, revision=scenario.c.revision + 1, changed_at=func.now())
    ).rowcount
    _check_found(scenario_id, changed)


def delete_scenario(conn: Connection, scenario_id: int) -> None:
    """Delete a scenario with everything that was stored of it.

    Raises
    ------
    NotFound
        There is no such scenario.
    """
    _check_found(scenario_id, conn.execute(delete(scenario).where(scenario.c.id == scenario_id)).rowcount)


def _check_found(scenario_id: int, rows: int) -> None:
    if not rows:
        raise NotFound(f"Looking up scenario {scenario_id}: found none", hint=SCENARIO_HINT, parameter="scenario_id")


def _describe(result: ScenarioResult, batches: Batches) -> dict[str, Any]:
    return {
        "run_id": result.base.run_id,
        "run_sha256": result.base.run_sha256,
        "versions": dict(result.base.versions),
        "batches": [list(batch) for batch in batches.batches],
        "done": batches.done,
        "totals": list(result.totals),
        "area_codes": [result.base.tree.code[area] for area in _list_areas(result)],
    }


def _list_areas(result: ScenarioResult) -> IntArray:
    """Return the rows of the areas that hold a changed building, ascending."""
    base = result.base
    parts = [base.study.buildings.deepest[base.result.rows[column.rows]] for column in result.columns]
    areas = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *parts]))
    return areas[areas >= 0]


def _save_parts(conn: Connection, scenario_id: int, result: ScenarioResult, batches: Batches) -> None:
    areas = _list_areas(result)
    for column in result.columns:
        if column.rows.shape[0]:
            _copy_changes(conn, scenario_id, result, column, areas)
    _copy_areas(conn, scenario_id, result)
    _insert_edits(conn, scenario_id, batches.edits)


def _copy_changes(
    conn: Connection, scenario_id: int, result: ScenarioResult, column: ColumnChange, areas: IntArray
) -> None:
    base = result.base
    homes = base.result.rows[column.rows]
    deepest = base.study.buildings.deepest[homes]
    number = np.where(deepest < 0, NONE, np.searchsorted(areas, deepest) + 1)

    def one(values: Any) -> Any:
        return np.asarray(values).reshape(1, -1)

    copy_rows(
        conn,
        scenario_change,
        {
            "scenario_id": Number(np.array([scenario_id]), OID_INT8),
            "position": Number(np.array([column.number + 1]), OID_INT4),
            "building_id": NumberArray(one(base.study.buildings.building_id[homes]), OID_INT8),
            "area": NumberArray(one(number), OID_INT4, missing=NONE),
            "people": NumberArray(one(column.people), OID_INT4),
            "linked_before": NumberArray(one(column.linked_before), OID_BOOL),
            "linked_after": NumberArray(one(column.linked_after), OID_BOOL),
            "ms_before": NumberArray(one(column.ms_before), OID_INT4, missing=-1),
            "ms_after": NumberArray(one(column.ms_after), OID_INT4, missing=-1),
            "facility_before": NumberArray(one(column.facility_before), OID_INT8, missing=NONE),
            "facility_after": NumberArray(one(column.facility_after), OID_INT8, missing=NONE),
        },
        1,
    )


def _copy_areas(conn: Connection, scenario_id: int, result: ScenarioResult) -> None:
    rows, changes = result.base.area_rows, result.areas
    count = len(changes)
    if not count:
        return
    copy_rows(
        conn,
        scenario_area,
        {
            "scenario_id": Number(np.full(count, scenario_id), OID_INT8),
            "position": Number(np.array([change.number + 1 for change in changes]), OID_INT4),
            "demand_group": TextColumn([change.group for change in changes]),
            "area_code": TextColumn([rows.code[change.row] for change in changes]),
            "parent_code": TextColumn([rows.parent_code[change.row] for change in changes]),
            "level": TextColumn([rows.level[change.row] for change in changes]),
            "name": TextColumn([rows.name[change.row] for change in changes]),
            "before": NumberArray(np.array([change.before for change in changes]), OID_INT8),
            "after": NumberArray(np.array([change.after for change in changes]), OID_INT8),
        },
        count,
    )


def _insert_edits(conn: Connection, scenario_id: int, edits: Sequence[RawEdit]) -> None:
    """Write the edits with what is drawn of them: the geometry given, else that of the thing named."""
    made: dict[str, list[RawEdit]] = {"add_facility": [], "draw_path": []}
    for number, edit in enumerate(edits, start=1):
        op = edit["op"]
        if op in made:
            made[op].append(edit)
        values = {
            "scenario_id": scenario_id,
            "number": number,
            "op": op,
            "geom": _draw(edit, made),
            "properties": {name: value for name, value in edit.items() if name not in {"op", "geometry"}},
        }
        conn.execute(insert(scenario_edit).values(values))


def _draw(edit: RawEdit, made: dict[str, list[RawEdit]]) -> ColumnElement[Any]:
    """Return the geometry of an edit as an expression; null where there is none any more."""
    tables: tuple[tuple[str, Table, str], ...] = (
        ("facility_id", facility, "add_facility"),
        ("street_id", street, "draw_path"),
        ("gate_id", gate, ""),
    )
    given = edit.get("geometry")
    for name, table, maker in tables:
        key = edit.get(name)
        if given is None and key is not None and key >= 0:
            return select(table.c.geom).where(table.c.id == key).scalar_subquery()
        if given is None and key is not None:
            given = made[maker][-key - 1]["geometry"]
    return func.ST_Force2D(func.ST_GeomFromGeoJSON(json.dumps(given)))
