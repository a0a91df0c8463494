"""A run as what scenarios are set on: its figures as arrays, and an engine for every way of moving."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geo.edits import Facilities
from geo.errors import Conflict
from geo.gaps import NO_COUNT, STATUS_NAMES, AreaRows, find_status, list_area_rows
from geo.units import MM_PER_M
from geo.whatif import Base, WhatIf
from geo.whatif import Column as EngineColumn
from layers.query.scenarios import find_changed_layers
from layers.run_result import EVERYBODY
from layers.run_store import AREA_FIGURES
from layers.scenario_edits import Ground
from layers.scenario_plan import load_plan
from layers.scenario_town import TownSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine, Row

    from geo.gaps import AreaTree
    from geo.units import BoolArray, Int32Array, IntArray
    from layers.run_result import Column, RunResult
    from layers.scenario_plan import Part, RunPlan
    from layers.study import Study

Sums = np.ndarray[Any, np.dtype[np.int64]]
Supply = tuple[int, float | None]
"""Facilities that serve a type, and their capacity together where any is known."""

REBASE_HINT = "Rebase the scenario on a newer run, or order one: `onemap gaps run`."


@dataclass(frozen=True)
class ScenarioBase:
    """One run, ready for edits.

    Attributes
    ----------
    run_id, run_sha256, versions
        Which run, its figures and the layer versions they were made from.
    study, result
        The store it was made from, and its figures as arrays.
    engines
        One a profile of the run.
    numbers
        For each profile the columns of the result that its engine holds, in order.
    ground
        What edits are read against.
    supply
        For each column the facilities that serve it.
    """

    run_id: int
    run_sha256: str
    versions: Mapping[str, int]
    study: Study
    result: RunResult
    engines: Mapping[str, WhatIf]
    numbers: Mapping[str, list[int]]
    ground: Ground
    supply: list[Supply]
    _sums: dict[tuple[int, str], tuple[Sums, Sums]] = field(default_factory=dict)

    @property
    def tree(self) -> AreaTree:
        """Return the tree of areas."""
        return self.study.areas.tree

    @cached_property
    def area_rows(self) -> AreaRows:
        """Return the rows of the table of areas."""
        areas = len(self.tree.code)
        own = np.bincount(self._place, minlength=areas + 1) > 0
        return list_area_rows(self.tree, own)

    @cached_property
    def row_of(self) -> dict[tuple[int, bool], int]:
        """Return which row shows an area: its own sums alone, or with all areas below it."""
        rows = self.area_rows
        keys = zip(rows.source.tolist(), rows.is_unassigned.tolist(), strict=True)
        return {key: row for row, key in enumerate(keys)}

    @cached_property
    def _place(self) -> IntArray:
        """Return the row of each building's deepest area, behind all areas where none holds it."""
        deepest = self.study.buildings.deepest[self.result.rows]
        return np.where(deepest < 0, len(self.tree.code), deepest).astype(np.int64)

    def find_sums(self, number: int, group: str) -> tuple[Sums, Sums]:
        """Return the figures of a column and demand group for every row of areas, and those over all buildings.

        Summed when first asked for and kept: a facility touches one type of many.
        """
        if (number, group) not in self._sums:
            rows = np.arange(self.result.rows.shape[0])
            weight = weigh_group(self.result, number, group, rows)
            own = self._sum_own(number, weight)
            self._sums[number, group] = self._take_rows(own), own.sum(axis=0)
        return self._sums[number, group]

    def _sum_own(self, number: int, weight: IntArray) -> Sums:
        """Return the figures of every area without those below it, and of no area, shape (areas + 1, figures)."""
        result = self.result
        column = result.columns[number]
        status = find_status(result.reach_ms[:, number], result.is_linked[:, number], column.limit_s)
        inside = is_inside(column, result.radius_mm[:, number])
        counts = self.study.buildings.counts[result.rows]
        dwellings = self.study.buildings.dwellings[result.rows]
        areas = len(self.tree.code) + 1
        states = len(STATUS_NAMES)
        cell = self._place * states + status

        def add(values: IntArray | None) -> Sums:
            # whole numbers below 2 ** 53 are exact as doubles
            sums: Sums = np.bincount(cell, weights=values, minlength=areas * states).astype(np.int64)
            return sums.reshape(areas, states)

        def add_plain(values: IntArray | BoolArray) -> Sums:
            sums: Sums = np.bincount(self._place, weights=values, minlength=areas).astype(np.int64)
            return sums

        parts = {"radius_covered": add_plain(np.where(inside, weight, 0))}
        parts["buildings_without_counts"] = add_plain((counts == NO_COUNT).all(axis=1))
        for prefix, total, values in (("", "people", weight), ("dwellings_", "dwellings", dwellings)):
            split = add(values)
            parts |= {f"{prefix}{name}": split[:, state] for state, name in enumerate(STATUS_NAMES)}
            parts[total] = split.sum(axis=1)
        split = add(None)
        parts |= {f"buildings_{name}": split[:, state] for state, name in enumerate(STATUS_NAMES)}
        parts["buildings"] = split.sum(axis=1)
        return np.column_stack([parts[name] for name in AREA_FIGURES])

    def _take_rows(self, own: Sums) -> Sums:
        total = own.copy()
        for row in np.argsort(-self.tree.depth, kind="stable"):
            if self.tree.parent[row] >= 0:
                total[self.tree.parent[row]] += total[row]
        rows = self.area_rows
        return np.where(rows.is_unassigned[:, None], own[rows.source], total[rows.source])


def is_inside(column: Column, radius_mm: IntArray) -> BoolArray:
    """Return who has a facility within the service radius as a straight line."""
    limit_mm = (column.radius_limit_m or 0) * MM_PER_M
    return np.asarray((radius_mm >= 0) & (radius_mm <= limit_mm))


def list_groups(column: Column) -> list[str]:
    """Return the demand groups that a table of areas shows for a column: everybody, and the type's own."""
    return list(dict.fromkeys((EVERYBODY, column.demand_group)))


def weigh_group(result: RunResult, number: int, group: str, rows: IntArray | Int32Array) -> IntArray:
    """Return the people of a demand group in some buildings of a run, shape of `rows`."""
    if group == EVERYBODY:
        weight: IntArray = np.maximum(result.study.buildings.counts[result.rows[rows], 0], 0)
    else:
        weight = result.people[rows, number]
    return weight.astype(np.int64)


def sum_capacity(capacity: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    """Return the sum of known capacities, None where none is known."""
    known = capacity[~np.isnan(capacity)]
    return float(known.sum()) if known.size else None


def check_is_current(connection: Connection, run: Row[Any]) -> None:
    """Refuse a run whose layers have changed since it was made.

    Raises
    ------
    Conflict
        Names the layers.
    """
    changed = find_changed_layers(connection, run.versions)
    if changed:
        raise Conflict(
            f"Setting edits on run {run.id}: {', '.join(changed)} changed since it was made",
            hint=REBASE_HINT,
            parameter="run",
        )


def load_base(connection: Connection, study: Study, run: Row[Any], *, engine: Engine) -> ScenarioBase:
    """Return a stored run as what scenarios are set on.

    Parameters
    ----------
    connection
        An open connection that sees the state `study` was made from.
    study
        The store as arrays.
    run
        The stored run.
    engine
        Reader for the streets, which are read when the first edit of a street needs them.

    Raises
    ------
    Conflict
        A layer has changed since the run was made, or its figures are not those of this store and release.
    """
    check_is_current(connection, run)
    plan = load_plan(connection, study, run)
    result = plan.result
    town = TownSource(engine, study)
    engines, numbers = {}, {}
    for part in plan.parts:
        engines[part.profile] = WhatIf(_make_engine_base(study, plan, part, town))
        numbers[part.profile] = list(part.numbers)
    ground = Ground(
        pack=study.pack,
        judged=frozenset(column.type for column in result.columns),
        sites=study.sites,
        network=study.streetscape.network,
        find_street_max=lambda: int(town().streets.street_id[-1]),
    )
    return ScenarioBase(
        run_id=run.id,
        run_sha256=run.result_sha256,
        versions=dict(run.versions),
        study=study,
        result=result,
        engines=engines,
        numbers=numbers,
        ground=ground,
        supply=[(int(rows.shape[0]), sum_capacity(study.sites.capacity[rows])) for rows in plan.site_rows],
    )


def _make_engine_base(study: Study, plan: RunPlan, part: Part, town: TownSource) -> Base:
    """Return what one engine starts from: the inputs of the run's own search, and what it found."""
    sites, scape, result = study.sites, study.streetscape, plan.result
    tread = part.tread
    columns = tuple(
        EngineColumn(
            bound_s=plan.bounds_s[number],
            limit_s=result.columns[number].limit_s,
            reach_ms=result.reach_ms[:, number],
            facility=result.facility[:, number],
            radius_mm=result.radius_mm[:, number],
        )
        for number in part.numbers
    )
    return Base(
        town=town,
        walls=scape.walls,
        barriers=scape.barriers,
        walk=tread.walk,
        home=study.buildings.start[result.rows],
        homes=tread.homes,
        facilities=Facilities(
            geometry=sites.geometry,
            zone=sites.zone,
            capacity=sites.capacity,
            serves=tuple(plan.site_rows[number] for number in part.numbers),
        ),
        entrances=tread.entrances,
        columns=columns,
        gate_point=scape.gate_point,
        max_link_m=study.settings.link_max_m,
        outline_reach_m=study.settings.entrance_within_m,
    )
