"""The figures of a run by area and by facility, as rows to store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geo.area_sums import AREA_FIGURES, add_children
from geo.gaps import list_area_rows, take_area_rows
from layers.copy_binary import OID_INT2, OID_INT4, OID_INT8, CodedText, Number, TextColumn, copy_rows
from layers.runs.result import EVERYBODY
from layers.runs.sums import count_everybody
from layers.runs.tables import run_facility
from layers.tables import run_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from geo.gaps import AreaRows
    from geo.units import Int32Array, IntArray
    from layers.runs.result import RunResult

NO_FIGURE = -1


def list_groups(result: RunResult, number: int) -> list[tuple[str, Int32Array]]:
    """Return the demand groups an area table shows for a column, with people: everybody, and the type's own."""
    groups = [(EVERYBODY, count_everybody(result))]
    own = result.columns[number].demand_group
    if own != EVERYBODY:
        groups.append((own, result.people[:, number]))
    return groups


def list_rows(result: RunResult) -> AreaRows:
    """Return the rows of the area table of a run."""
    tree = result.study.areas.tree
    deepest = result.study.buildings.deepest[result.rows]
    own = np.bincount(np.where(deepest < 0, len(tree.code), deepest), minlength=len(tree.code) + 1) > 0
    return list_area_rows(tree, own)


def save_areas(
    connection: Connection, result: RunResult, result_id: int, numbers: Sequence[int], *, ids: IntArray | None = None
) -> None:
    """Write the figures of some columns by area, in the connection's transaction.

    Parameters
    ----------
    connection
        An open connection that may write.
    result
        The run.
    result_id
        Result they belong to.
    numbers
        Which columns, from 0.
    ids
        Keys of the rows, so that they keep their place in listings; None for new ones.
    """
    tree = result.study.areas.tree
    if not tree.code or not numbers:
        return
    rows = list_rows(result)
    blocks: list[IntArray] = []
    heads: list[tuple[str, str, str]] = []
    for number in numbers:
        column = result.columns[number]
        found = result.sums.take(number)
        groups = [(EVERYBODY, found.everybody)]
        if column.demand_group != EVERYBODY:
            groups.append((column.demand_group, found.own))
        for group, own in groups:
            figures = take_area_rows(np.stack([own, add_children(own, tree)]), rows)
            if column.radius_limit_m is None:
                figures[:, AREA_FIGURES.index("radius_covered")] = NO_FIGURE
            blocks.append(figures)
            heads.append((column.type, column.profile, group))
    own_ids: dict[str, Any] = {} if ids is None else {"id": Number(ids, OID_INT8)}
    columns = own_ids | _lay_out(rows, heads, np.concatenate(blocks), result_id)
    copy_rows(connection, run_area, columns, len(heads) * len(rows.code))


def _lay_out(rows: AreaRows, heads: list[tuple[str, str, str]], values: IntArray, result_id: int) -> dict[str, Any]:
    """Return the columns of table ``run_area``."""
    count = values.shape[0]
    area = np.tile(np.arange(len(rows.code)), len(heads))
    head = np.repeat(np.arange(len(heads)), len(rows.code))
    columns: dict[str, Any] = {
        "result_id": Number(np.full(count, result_id), OID_INT8),
        "area_code": CodedText(TextColumn(rows.code), area),
        "parent_code": CodedText(TextColumn(rows.parent_code), area),
        "level": CodedText(TextColumn(rows.level), area),
        "name": CodedText(TextColumn(rows.name), area),
    }
    for name, words in zip(("type", "profile", "demand_group"), zip(*heads, strict=True), strict=True):
        columns[name] = CodedText(TextColumn(words), head)
    for number, name in enumerate(AREA_FIGURES):
        wide = OID_INT4 if name.startswith("buildings") else OID_INT8
        columns[name] = Number(values[:, number], wide, NO_FIGURE if name == "radius_covered" else None)
    return columns


def save_facilities(connection: Connection, result: RunResult, result_id: int, numbers: Sequence[int]) -> None:
    """Write for some columns the buildings nearest to each facility within the limit, and the people in them.

    Parameters
    ----------
    connection
        An open connection that may write.
    result
        The run.
    result_id
        Result they belong to.
    numbers
        Which columns, from 0.
    """
    ids = result.study.sites.facility_id
    found: list[tuple[int, IntArray, IntArray, IntArray]] = []
    for number in numbers:
        sums = result.sums.take(number)
        served = np.flatnonzero(sums.buildings)
        found.append((number + 1, ids[served], sums.buildings[served], sums.people[served]))
    positions = np.concatenate([np.full(one[1].shape[0], one[0]) for one in found]) if found else np.empty(0)
    count = positions.shape[0]
    if count == 0:
        return
    facility_id, buildings, people = (np.concatenate([one[part] for one in found]) for part in (1, 2, 3))
    copy_rows(
        connection,
        run_facility,
        {
            "result_id": Number(np.full(count, result_id), OID_INT8),
            "position": Number(positions, OID_INT2),
            "facility_id": Number(facility_id, OID_INT8),
            "buildings_covered": Number(buildings, OID_INT4),
            "people_covered": Number(people, OID_INT8),
        },
        count,
    )
