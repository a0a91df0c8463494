"""A run as what scenarios are set on: its figures as arrays, and an engine for every way of moving."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geo.area_sums import add_children
from geo.errors import Conflict
from geo.gaps import take_area_rows
from geo.units import MM_PER_M
from geo.whatif.edits import Facilities
from geo.whatif.engine import Base, WhatIf
from geo.whatif.engine import Column as EngineColumn
from layers.driving import TURN_LAYER
from layers.ground import GroundSource, load_ground
from layers.network import fetch_stamps
from layers.query.scenarios import find_changed_layers
from layers.runs.areas import list_rows
from layers.runs.load import load_result
from layers.runs.plan import prepare_run
from layers.runs.replay import read_request
from layers.runs.result import EVERYBODY
from layers.scenarios.edits import Ground
from layers.scenarios.town import TownSource, VehicleSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine, Row

    from geo.gaps import AreaRows, AreaTree
    from geo.units import BoolArray, Int32Array, IntArray
    from layers.runs.plan import Part, RunPlan
    from layers.runs.result import Column, RunResult
    from layers.study import Study

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
        The store it was made from, at the moment it looks at, and its figures as arrays.
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
    _sums: dict[tuple[int, str], tuple[IntArray, IntArray]] = field(default_factory=dict)

    @property
    def at(self) -> str | None:
        """Return the moment the run looks at, in local time; None where hours do not count."""
        return None if self.study.clock is None else self.study.clock.at

    @property
    def tree(self) -> AreaTree:
        """Return the tree of areas."""
        return self.study.areas.tree

    @cached_property
    def area_rows(self) -> AreaRows:
        """Return the rows of the table of areas."""
        return list_rows(self.result)

    @cached_property
    def row_of(self) -> dict[tuple[int, bool], int]:
        """Return which row shows an area: its own sums alone, or with all areas below it."""
        rows = self.area_rows
        keys = zip(rows.source.tolist(), rows.is_unassigned.tolist(), strict=True)
        return {key: row for row, key in enumerate(keys)}

    def find_sums(self, number: int, group: str) -> tuple[IntArray, IntArray]:
        """Return the figures of a column and demand group for every row of areas, and those over all buildings."""
        if (number, group) not in self._sums:
            found = self.result.sums.take(number)
            own = found.everybody if group == EVERYBODY else found.own
            rows = take_area_rows(np.stack([own, add_children(own, self.tree)]), self.area_rows)
            self._sums[number, group] = rows, own.sum(axis=0)
        return self._sums[number, group]

    def add_up(self) -> None:
        """Add up all columns once, so that nobody who drags a facility of another type has to wait for its sums."""
        for number, column in enumerate(self.result.columns):
            for group in name_groups(column):
                self.find_sums(number, group)


def is_inside(column: Column, radius_mm: IntArray | Int32Array) -> BoolArray:
    """Return who has a facility within the service radius as a straight line."""
    limit_mm = (column.radius_limit_m or 0) * MM_PER_M
    return np.asarray((radius_mm >= 0) & (radius_mm <= limit_mm))


def weigh_group(result: RunResult, number: int, group: str, rows: IntArray | Int32Array) -> IntArray:
    """Return the people of a demand group in some buildings of a run, shape of `rows`."""
    if group == EVERYBODY:
        weight: IntArray = np.maximum(result.study.buildings.counts[result.rows[rows], 0], 0)
    else:
        weight = result.people[rows, number]
    return weight.astype(np.int64)


def name_groups(column: Column) -> list[str]:
    """Return the demand groups that a table of areas shows for a column: everybody, and the type's own."""
    return list(dict.fromkeys((EVERYBODY, column.demand_group)))


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
        The store as arrays, at any hour.
    run
        The stored run; of one that looks at a moment, what is closed then serves nobody and lets nobody pass.
    engine
        Reader for the streets, which are read when the first edit of a street needs them.

    Raises
    ------
    Conflict
        A layer has changed since the run was made, or its figures are not those of this store and release.
    """
    check_is_current(connection, run)
    plan = prepare_run(connection, study, read_request(run.request))
    # as it is at the moment that the run looks at, where it looks at one
    study = plan.study
    result = load_result(connection, study, run.id)
    if [_key(column) for column in result.columns] != [_key(column) for column in plan.columns]:
        raise Conflict(
            f"Setting edits on run {run.id}: the standards pack judges other types or limits today",
            hint=REBASE_HINT,
            parameter="run",
        )
    town = TownSource(engine, study)
    turns = fetch_stamps(connection).get(TURN_LAYER)
    land, _ = load_ground(connection, study.streetscape, study.settings.cache_dir)
    make_ground = None if land is None else GroundSource(engine, study.streetscape.network.metric_crs)
    engines, numbers = {}, {}
    for part in plan.parts:
        base = _make_engine_base(result, plan, part, town)
        profile = study.profiles[part.profile]
        if profile.is_vehicle:
            vehicle = VehicleSource(engine, study, town, profile, turns=turns)
            engines[part.profile] = WhatIf(replace(base, load_vehicle=vehicle))
        else:
            engines[part.profile] = WhatIf(replace(base, make_ground=make_ground))
        numbers[part.profile] = list(part.numbers)
    ground = Ground(
        pack=study.pack,
        judged=frozenset(column.type for column in result.columns),
        sites=study.sites,
        network=study.streetscape.network,
        find_street_max=lambda: int(town().streets.street_id[-1]),
    )
    made = ScenarioBase(
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
    made.add_up()
    return made


def _key(column: Column) -> tuple[str, str, int]:
    return column.type, column.profile, column.limit_s


def _make_engine_base(result: RunResult, plan: RunPlan, part: Part, town: TownSource) -> Base:
    """Return what one engine starts from: the inputs of the run's own search, and what it found."""
    study = result.study
    sites, scape = study.sites, study.streetscape
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
        home=study.buildings.places.take(result.rows).make_geometry(),
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
