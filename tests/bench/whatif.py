"""What-if: one facility or one street changed on top of a run, in the engine, beside running anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from layers.run import BOUND_FACTOR, choose_types, compute_run
from layers.run_result import GapRequest
from layers.scenario_town import TownSource
from tests.bench.ground import SEED
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.peers import need
from tests.bench.runs import choose_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.ground import Ground

FACILITY_S, STREET_S = 0.010, 0.050
TURNS = 15
FULL_TURNS = 3
FULL_GOAL = 100.0
RULE = "all figures of all buildings and types equal those of a full run on the edited data"


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    return [
        Case("what-if", size, "budget 10 ms, one facility", 1.0, lambda: on_budget(open_ground(), add, FACILITY_S)),
        Case("what-if", size, "budget 50 ms, one street", 1.0, lambda: on_budget(open_ground(), close, STREET_S)),
        Case("what-if", size, "our own full run, one facility", FULL_GOAL, lambda: against_full(open_ground(), add)),
    ]


@dataclass(frozen=True)
class Desk:
    """A base run and the engine that edits it."""

    base: Any
    engine: Any
    is_linked: Any


def open_desk(ground: Ground) -> Desk:
    """Return the base run of 20 types, ready for edits.

    Raises
    ------
    Skip
        The ground has no store, or there is no engine for edits.
    """
    if ground.store is None or ground.study is None:
        raise Skip("no database on an invented grid")
    edits, whatif = need("geo.edits"), need("geo.whatif")
    study, store = ground.study, ground.store
    request = GapRequest(types=choose_codes(store))
    with store.engine.connect() as connection:
        result = compute_run(connection, study, request)
        chosen = choose_types(study, request)
    serves = tuple(study.sites.rows_of(kind.code, study.pack) for kind, _ in chosen)
    columns = tuple(
        whatif.Column(
            bound_s=limit * BOUND_FACTOR,
            limit_s=limit,
            reach_ms=result.reach_ms[:, number],
            facility=result.facility[:, number],
            radius_mm=result.radius_mm[:, number],
        )
        for number, (_, limit) in enumerate(chosen)
    )
    base = whatif.Base(
        town=TownSource(store.engine, study),
        walls=study.streetscape.walls,
        barriers=study.streetscape.barriers,
        walk=ground.walk,
        home=getattr(study.buildings, "places", None) or study.buildings.start,
        homes=ground.homes,
        facilities=edits.Facilities(
            geometry=study.sites.geometry, zone=study.sites.zone, capacity=study.sites.capacity, serves=serves
        ),
        entrances=ground.entrances,
        columns=columns,
        max_link_m=study.settings.link_max_m,
        outline_reach_m=study.settings.entrance_within_m,
    )
    return Desk(base, whatif.WhatIf(base), ground.homes.links.is_linked)


def add(ground: Ground, turn: int) -> Any:
    """Return another facility of a type at another building every turn."""
    assert ground.study is not None
    start = ground.study.buildings.start
    at = int(np.random.default_rng(SEED + turn).integers(start.shape[0]))
    return need("geo.edits").FacilityAdded(geometry=shapely.centroid(start[at]), serves=(turn % 20,))


def close(ground: Ground, turn: int) -> Any:
    """Return another street closed every turn."""
    streets = np.unique(ground.walk.network.edge_street)
    streets = streets[streets > 0]
    at = int(np.random.default_rng(SEED + turn).integers(streets.shape[0]))
    return need("geo.edits").StreetClosed(street_id=int(streets[at]))


def count_wrong(desk: Desk, step: Any, full: list[Any]) -> tuple[int, int]:
    """Return how many figures differ from those of a full run, and how many there are."""
    wrong = compared = 0
    for number, (column, wanted) in enumerate(zip(desk.base.columns, full, strict=True)):
        found = step.answer.apply_to(column, desk.is_linked, number)
        wrong += int(np.any([mine != theirs for mine, theirs in zip(found, wanted, strict=True)], axis=0).sum())
        compared += column.reach_ms.shape[0]
    return wrong, compared


def on_budget(ground: Ground, make: Callable[[Ground, int], Any], budget_s: float) -> Pair:
    """Return one edit a turn beside a budget."""
    desk = open_desk(ground)
    whatif = need("geo.whatif")
    todo = [make(ground, turn) for turn in range(TURNS + 1)]
    # the first street edit reads the streets; the next ones are what a planner waits for
    desk.engine.run([make(ground, TURNS + 1)])

    def check(step: Any, _peer: None) -> Agreement:
        return Agreement(*count_wrong(desk, step, whatif.run_in_full(desk.base, [todo[0]])), None, RULE)

    return Pair(
        lambda turn: desk.engine.run([todo[turn]]),
        budget_s,
        check,
        timed="one edit in the engine, another one every turn",
        turns=TURNS,
    )


def against_full(ground: Ground, make: Callable[[Ground, int], Any]) -> Pair:
    """Return one edit a turn beside a full run on the edited data."""
    desk = open_desk(ground)
    whatif = need("geo.whatif")
    todo = [make(ground, turn) for turn in range(FULL_TURNS + 1)]

    def check(step: Any, full: list[Any]) -> Agreement:
        return Agreement(*count_wrong(desk, step, full), None, RULE)

    return Pair(
        lambda turn: desk.engine.run([todo[turn]]),
        lambda turn: whatif.run_in_full(desk.base, [todo[turn]]),
        check,
        timed="one edit in the engine; peer: everything computed anew on the edited data",
        turns=FULL_TURNS,
    )
