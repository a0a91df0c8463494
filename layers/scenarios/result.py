"""What a scenario changes: by building, by area of every level, and over all, against its base run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geo.area_sums import AREA_FIGURES
from geo.errors import RequestError
from geo.gaps import COVERED, NO_COUNT, STATUS_NAMES, find_status
from geo.units import MS_PER_S
from geo.whatif.overlay import Layered
from layers.query.scenarios import name_figures
from layers.runs.result import EVERYBODY
from layers.scenarios.base import is_inside, name_groups, sum_capacity, weigh_group
from layers.scenarios.edits import read_edits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.gaps import Status
    from geo.units import BoolArray, Int32Array, IntArray
    from geo.whatif.edits import Edit
    from geo.whatif.engine import Change, Step, WhatIf
    from layers.runs.result import Column
    from layers.scenarios.base import ScenarioBase
    from layers.scenarios.edits import RawEdit

BUILDINGS_SHOWN = 200
"""Changed buildings in an answer unless more are asked for; all of them can be read page by page."""

EDIT_NAME = re.compile(r"edits\[(\d+)\](.*)", re.DOTALL)


@dataclass(frozen=True)
class ColumnChange:
    """The buildings of one type and profile that a scenario changes.

    Attributes
    ----------
    number
        Which column of the base run, from 0.
    rows
        Rows of ``result.rows`` of the base, ascending, shape (m,).
    ms_before, ms_after
        Reach, -1 for none, shape (m,).
    facility_before, facility_after
        Store ids; None is 0, added ones are negative, shape (m,).
    linked_before, linked_after, status_before, status_after
        Shape (m,).
    people
        People of the column's demand group, shape (m,).
    """

    number: int
    rows: Int32Array
    ms_before: Int32Array
    ms_after: Int32Array
    facility_before: IntArray
    facility_after: IntArray
    linked_before: BoolArray
    linked_after: BoolArray
    status_before: Status
    status_after: Status
    people: Int32Array


@dataclass(frozen=True)
class AreaChange:
    """One row of the table of areas before and after, figures in the order of ``AREA_FIGURES``."""

    number: int
    group: str
    row: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class ScenarioResult:
    """What edits change against a base run.

    Attributes
    ----------
    base
        What they were set on.
    columns
        One an affected type and profile.
    areas
        Rows of the table of areas in which a figure differs.
    totals
        Over all buildings: before and after for every affected type and profile.
    """

    base: ScenarioBase
    columns: tuple[ColumnChange, ...]
    areas: tuple[AreaChange, ...]
    totals: tuple[dict[str, Any], ...]


def compute_scenario(base: ScenarioBase, edits: Sequence[RawEdit], *, offset: int = 0) -> ScenarioResult:
    """Return what edits change.

    Parameters
    ----------
    base
        The base run as arrays, with its engines.
    edits
        All edits in effect, in order.
    offset
        Edits before those that were just asked for; faults count from there.

    Raises
    ------
    RequestError
        An edit cannot be read or carried out; ``parameter`` names it.
    """
    columns: list[ColumnChange] = []
    areas: list[AreaChange] = []
    totals: list[dict[str, Any]] = []
    for profile, what_if in base.engines.items():
        numbers = base.numbers[profile]
        types = [base.result.columns[number].type for number in numbers]
        read = read_edits(base.ground, edits, columns=types, offset=offset)
        step = _run(what_if, read, offset)
        for place, number in enumerate(numbers):
            change = step.answer.columns[place]
            supply = _count_supply(base, step, place, number)
            if change.rows.shape[0] == 0 and supply[0] == supply[1]:
                continue
            found, inside = _compare(base, number, change)
            areas += _sum_areas(base, found, inside)
            kept = _differs(found)
            columns.append(kept)
            totals.append(_sum_total(base, kept, found, inside, supply))
    return ScenarioResult(base, tuple(columns), tuple(areas), tuple(totals))


def _run(what_if: WhatIf, edits: Sequence[Edit], offset: int) -> Step:
    """Return what an engine makes of edits; it counts all of them, a caller those just asked for."""
    try:
        return what_if.run(edits)
    except RequestError as error:
        found = EDIT_NAME.match(error.parameter or "")
        if found is None:
            raise
        name = f"edits[{int(found[1]) - offset}]{found[2]}"
        raise RequestError(error.message, hint=error.hint, parameter=name) from error


def _compare(base: ScenarioBase, number: int, change: Change) -> tuple[ColumnChange, tuple[BoolArray, BoolArray]]:
    """Return one column before and after, and who lies inside the radius before and after."""
    result, rows = base.result, change.rows
    column = result.columns[number]
    linked, ms = result.is_linked[rows, number], result.reach_ms[rows, number]
    found = ColumnChange(
        number=number,
        rows=rows,
        ms_before=ms,
        ms_after=change.reach_ms,
        facility_before=_name_facilities(base, result.facility[rows, number]),
        facility_after=_name_facilities(base, change.facility),
        linked_before=linked,
        linked_after=change.is_linked,
        status_before=find_status(ms, linked, column.limit_s),
        status_after=find_status(change.reach_ms, change.is_linked, column.limit_s),
        people=result.people[rows, number],
    )
    return found, (is_inside(column, result.radius_mm[rows, number]), is_inside(column, change.radius_mm))


def _name_facilities(base: ScenarioBase, rows: Int32Array) -> IntArray:
    """Return the store ids of facility rows: 0 for none, -1 for the first that the scenario adds."""
    ids = base.study.sites.facility_id
    count = ids.shape[0]
    stored = ids[np.clip(rows, 0, count - 1)]
    return np.where(rows < 0, 0, np.where(rows < count, stored, count - rows.astype(np.int64) - 1))


def _differs(found: ColumnChange) -> ColumnChange:
    """Return only the buildings that walk elsewhere, farther or less far: a radius alone is no change to name."""
    keep = (
        (found.ms_before != found.ms_after)
        | (found.facility_before != found.facility_after)
        | (found.linked_before != found.linked_after)
    )
    if keep.all():
        return found
    arrays = {name: getattr(found, name)[keep] for name in ColumnChange.__dataclass_fields__ if name != "number"}
    return ColumnChange(number=found.number, **arrays)


def _count_supply(base: ScenarioBase, step: Step, place: int, number: int) -> tuple[tuple[int, float | None], ...]:
    """Return how many facilities serve a column and their capacity together, before and after."""
    was, facilities = step.engine.base.facilities, step.facilities
    after = facilities.serves[place]
    resized = facilities.capacity.changed if isinstance(facilities.capacity, Layered) else ()
    if after is was.serves[place] and not any(row < was.zone.shape[0] for row in resized):
        return base.supply[number], base.supply[number]
    return base.supply[number], (int(after.shape[0]), sum_capacity(facilities.capacity[after]))


def _sum_areas(base: ScenarioBase, found: ColumnChange, inside: tuple[BoolArray, BoolArray]) -> list[AreaChange]:
    """Return the rows of areas in which a figure of one column differs, for every demand group shown."""
    moved = np.flatnonzero((found.status_before != found.status_after) | (inside[0] != inside[1]))
    if moved.size == 0 or not base.study.areas.tree.code:
        return []
    homes = base.result.rows[found.rows[moved]]
    deepest = base.study.buildings.deepest[homes]
    changes = []
    for group in name_groups(base.result.columns[found.number]):
        weight = weigh_group(base.result, found.number, group, found.rows[moved])
        before = _list_figures(base, homes, weight, found.status_before[moved], inside[0][moved])
        after = _list_figures(base, homes, weight, found.status_after[moved], inside[1][moved])
        sums, _ = base.find_sums(found.number, group)
        for row, difference in _climb(after - before, deepest, base):
            old = sums[row]
            changes.append(
                AreaChange(found.number, group, row, tuple(old.tolist()), tuple((old + difference).tolist()))
            )
    return sorted(changes, key=lambda change: (change.group != EVERYBODY, change.row))


def _list_figures(
    base: ScenarioBase, homes: IntArray, weight: IntArray, status: Status, inside: BoolArray
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the figures of some buildings in the order of ``AREA_FIGURES``, shape (m, figures)."""
    dwellings = base.study.buildings.dwellings[homes].astype(np.int64)
    without = (base.study.buildings.counts[homes] == NO_COUNT).all(axis=1)
    ones = np.ones_like(dwellings)
    parts = {"people": weight, "radius_covered": np.where(inside, weight, 0), "buildings_without_counts": without}
    for name, values in (("dwellings", dwellings), ("buildings", ones)):
        parts[name] = values
        for code, state in enumerate(STATUS_NAMES):
            parts[f"{name}_{state}"] = np.where(status == code, values, 0)
    for code, state in enumerate(STATUS_NAMES):
        parts[state] = np.where(status == code, weight, 0)
    return np.column_stack([parts[name] for name in AREA_FIGURES]).astype(np.int64)


def _climb(
    difference: np.ndarray[Any, np.dtype[np.int64]], deepest: Int32Array, base: ScenarioBase
) -> list[tuple[int, np.ndarray[Any, np.dtype[np.int64]]]]:
    """Return the rows of the table of areas that differ, with the difference: own areas first, then their parents."""
    tree = base.tree
    areas = len(tree.code)
    place = np.where(deepest < 0, areas, deepest)
    own, which = np.unique(place, return_inverse=True)
    sums = np.zeros((own.shape[0], difference.shape[1]), dtype=np.int64)
    np.add.at(sums, which, difference)
    rows: dict[int, np.ndarray[Any, np.dtype[np.int64]]] = {}

    def add(key: tuple[int, bool], values: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        row = base.row_of.get(key)
        if row is not None:
            rows[row] = rows[row] + values if row in rows else values

    for area, values in zip(own.tolist(), sums, strict=True):
        add((area, True), values)
        above = area
        while 0 <= above < areas:
            add((above, False), values)
            above = int(tree.parent[above])
    return [(row, values) for row, values in sorted(rows.items()) if values.any()]


def _sum_total(
    base: ScenarioBase,
    kept: ColumnChange,
    found: ColumnChange,
    inside: tuple[BoolArray, BoolArray],
    supply: tuple[tuple[int, float | None], ...],
) -> dict[str, Any]:
    """Return people and buildings of one column over all buildings, before and after."""
    column = base.result.columns[found.number]
    homes = base.result.rows[found.rows]
    weight = found.people.astype(np.int64)
    _, before = base.find_sums(found.number, column.demand_group)
    change = (
        _list_figures(base, homes, weight, found.status_after, inside[1])
        - _list_figures(base, homes, weight, found.status_before, inside[0])
    ).sum(axis=0)
    after = before + change
    gained = (found.status_after == COVERED) & (found.status_before != COVERED)
    lost = (found.status_before == COVERED) & (found.status_after != COVERED)
    return {
        "position": found.number + 1,
        "type": column.type,
        "profile": column.profile,
        "limit_s": column.limit_s,
        "demand_group": column.demand_group,
        "people": int(before[AREA_FIGURES.index("people")]),
        "people_gained": int(weight[gained].sum()),
        "people_lost": int(weight[lost].sum()),
        "buildings_gained": int(gained.sum()),
        "buildings_lost": int(lost.sum()),
        "buildings_changed": int(kept.rows.shape[0]),
        "before": _describe_side(column, before, supply[0]),
        "after": _describe_side(column, after, supply[1]),
    }


def _describe_side(
    column: Column, figures: np.ndarray[Any, np.dtype[np.int64]], supply: tuple[int, float | None]
) -> dict[str, Any]:
    names = [name for name in AREA_FIGURES if name.endswith(STATUS_NAMES) and not name.startswith("dwellings")]
    told: dict[str, Any] = {name: int(figures[AREA_FIGURES.index(name)]) for name in names}
    if column.radius_limit_m is None:
        told["radius_covered"] = None
    return {**told, "facilities": supply[0], "capacity": supply[1]}


def describe_difference(result: ScenarioResult, *, buildings: int = BUILDINGS_SHOWN) -> dict[str, Any]:
    """Return the difference as an answer tells it, with so many of the changed buildings at most.

    Parameters
    ----------
    result
        What was computed.
    buildings
        Changed buildings to list: those whose status changes, most people first, then the others.
    """
    return {
        "types": [{name: value for name, value in total.items() if name != "position"} for total in result.totals],
        "areas": [describe_area(result.base, change) for change in result.areas],
        "buildings_changed": sum(int(column.rows.shape[0]) for column in result.columns),
        "buildings": _list_buildings(result, buildings),
    }


def describe_area(base: ScenarioBase, change: AreaChange) -> dict[str, Any]:
    """Return one changed row of the table of areas as an answer tells it."""
    column, rows = base.result.columns[change.number], base.area_rows
    return {
        "area_code": rows.code[change.row],
        "parent_code": rows.parent_code[change.row],
        "level": rows.level[change.row],
        "name": rows.name[change.row],
        "type": column.type,
        "profile": column.profile,
        "demand_group": change.group,
        "before": name_figures(change.before, has_radius=column.radius_limit_m is not None),
        "after": name_figures(change.after, has_radius=column.radius_limit_m is not None),
    }


def _list_buildings(result: ScenarioResult, limit: int) -> list[dict[str, Any]]:
    """Return the changed buildings that matter most: status first, then people, then the lowest id and column."""
    if not result.columns or limit == 0:
        return []
    columns = result.columns
    owner = np.repeat(np.arange(len(columns)), [c.rows.shape[0] for c in columns])
    place = np.concatenate([np.arange(c.rows.shape[0]) for c in columns])
    rows = np.concatenate([c.rows for c in columns])
    people = np.concatenate([c.people for c in columns])
    same = np.concatenate([c.status_before == c.status_after for c in columns])
    order = np.lexsort((owner, rows, -people.astype(np.int64), same))[:limit]
    return [_describe_building(result.base, columns[owner[one]], int(place[one])) for one in order.tolist()]


def _describe_building(base: ScenarioBase, column: ColumnChange, place: int) -> dict[str, Any]:
    kind = base.result.columns[column.number]
    home = int(base.result.rows[column.rows[place]])
    area = int(base.study.buildings.deepest[home])
    return {
        "building_id": int(base.study.buildings.building_id[home]),
        "area_code": base.study.areas.tree.code[area] if area >= 0 else None,
        "people": int(column.people[place]),
        "type": kind.type,
        "profile": kind.profile,
        "status_before": STATUS_NAMES[column.status_before[place]],
        "status_after": STATUS_NAMES[column.status_after[place]],
        "reach_s_before": _seconds(int(column.ms_before[place])),
        "reach_s_after": _seconds(int(column.ms_after[place])),
        "facility_id_before": int(column.facility_before[place]) or None,
        "facility_id_after": int(column.facility_after[place]) or None,
    }


def _seconds(ms: int) -> float | None:
    return None if ms < 0 else ms / MS_PER_S
