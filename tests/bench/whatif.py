"""What-if: one facility or one street changed on top of a run, in the engine, beside running anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.edits import Edit, Facilities, FacilityAdded, StreetClosed
from geo.reach import find_reach, prepare_walk
from geo.whatif import Base, Column, Figures, Step, WhatIf, run_in_full
from layers.run import find_radii
from layers.run_plan import prepare_run
from layers.run_result import GapRequest
from layers.scenario_town import TownSource
from tests.bench.ground import SEED
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.runs import choose_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.ground import Ground

FACILITY_S, STREET_S = 0.010, 0.050
TURNS = 15
FULL_TURNS = 3
FULL_GOAL = {"L": 20.0, "million": 100.0}
"""What does not depend on the size of a city weighs most in a small one."""

RULE = "all figures of all buildings and types equal those of a full run on the edited data"


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    goal = FULL_GOAL.get(size, 5.0)
    return [
        Case("what-if", size, "budget 10 ms, one facility", 1.0, lambda: on_budget(open_ground(), add, FACILITY_S)),
        Case("what-if", size, "budget 50 ms, one street", 1.0, lambda: on_budget(open_ground(), close, STREET_S)),
        Case("what-if", size, "our own full run, one facility", goal, lambda: against_full(open_ground(), add)),
    ]


@dataclass(frozen=True)
class Desk:
    """A base run and the engine that edits it."""

    base: Base
    engine: WhatIf


def open_desk(ground: Ground) -> Desk:
    """Return the base run of 20 types, ready for edits.

    Raises
    ------
    Skip
        The ground has no store.
    """
    if ground.store is None or ground.study is None:
        raise Skip("no database on an invented grid")
    study, store = ground.study, ground.store
    request = GapRequest(types=choose_codes(store))
    with store.engine.connect() as connection:
        plan = prepare_run(connection, study, request)
    (part,) = plan.parts
    sites, scape, tread = study.sites, study.streetscape, part.tread
    # on level ground, so that streets may be edited too: the few crossings that cost time do not change the work
    walk = prepare_walk(scape.network, tread.walk.profile)
    reaches = find_reach(
        walk, tread.homes, tread.entrances, facilities=plan.site_rows, bounds_s=[float(one) for one in plan.bounds_s]
    )
    radius = find_radii(study, plan)
    base = Base(
        town=TownSource(store.engine, study),
        walls=scape.walls,
        barriers=scape.barriers,
        walk=walk,
        home=study.buildings.start,
        homes=tread.homes,
        facilities=Facilities(
            geometry=sites.geometry, zone=sites.zone, capacity=sites.capacity, serves=tuple(plan.site_rows)
        ),
        entrances=tread.entrances,
        columns=tuple(
            Column(
                bound_s=plan.bounds_s[number],
                limit_s=judged.limit_s,
                reach_ms=reach.reach_ms,
                facility=reach.facility,
                radius_mm=radius[judged.kind.code],
            )
            for number, (judged, reach) in enumerate(zip(plan.judged, reaches, strict=True))
        ),
        gate_point=scape.gate_point,
        max_link_m=study.settings.link_max_m,
        outline_reach_m=study.settings.entrance_within_m,
    )
    return Desk(base, WhatIf(base))


def add(ground: Ground, turn: int) -> Edit:
    """Return another facility of a type at another building every turn."""
    assert ground.study is not None
    start = ground.study.buildings.start
    at = int(np.random.default_rng(SEED + turn).integers(start.shape[0]))
    return FacilityAdded(geometry=shapely.centroid(start[at]), serves=(turn % 20,))


def close(ground: Ground, turn: int) -> Edit:
    """Return another street closed every turn."""
    streets = np.unique(ground.walk.network.edge_street)
    streets = streets[streets > 0]
    at = int(np.random.default_rng(SEED + turn).integers(streets.shape[0]))
    return StreetClosed(street_id=int(streets[at]))


def count_wrong(desk: Desk, step: Step, full: list[Figures]) -> tuple[int, int]:
    """Return how many buildings of how many differ in any figure from a full run, over all types."""
    wrong = compared = 0
    for number, wanted in enumerate(full):
        found = step.answer.apply_to(desk.base, number)
        differs = (found.reach_ms != wanted.reach_ms) | (found.facility != wanted.facility)
        differs |= (found.radius_mm != wanted.radius_mm) | (found.is_linked != wanted.is_linked)
        wrong += int(differs.sum())
        compared += differs.shape[0]
    return wrong, compared


def on_budget(ground: Ground, make: Callable[[Ground, int], Edit], budget_s: float) -> Pair:
    """Return one edit a turn beside a budget."""
    desk = open_desk(ground)
    todo = [make(ground, turn) for turn in range(TURNS + 1)]
    # the first street edit reads the streets; the next ones are what a planner waits for
    desk.engine.run([make(ground, TURNS + 1)])

    def check(step: Step, _peer: None) -> Agreement:
        return Agreement(*count_wrong(desk, step, run_in_full(desk.base, [todo[0]])), None, RULE)

    return Pair(
        lambda turn: desk.engine.run([todo[turn]]),
        budget_s,
        check,
        timed="one edit in the engine, another one every turn",
        turns=TURNS,
    )


def against_full(ground: Ground, make: Callable[[Ground, int], Edit]) -> Pair:
    """Return one edit a turn beside a full run on the edited data."""
    desk = open_desk(ground)
    todo = [make(ground, turn) for turn in range(FULL_TURNS + 1)]

    def check(step: Step, full: list[Figures]) -> Agreement:
        return Agreement(*count_wrong(desk, step, full), None, RULE)

    return Pair(
        lambda turn: desk.engine.run([todo[turn]]),
        lambda turn: run_in_full(desk.base, [todo[turn]]),
        check,
        timed="one edit in the engine; peer: everything computed anew on the edited data",
        turns=FULL_TURNS,
    )
