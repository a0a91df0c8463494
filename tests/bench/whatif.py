"""What-if: one facility or one street changed on top of a run, in the engine, beside running anew."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import Transformer

from api.app import create_app
from geo.whatif.edits import Edit, FacilityAdded, StreetClosed
from geo.whatif.engine import Base, Figures, Step, WhatIf, run_in_full
from layers.network import project
from layers.query.runs import fetch_run
from layers.run import run_gaps
from layers.runs.result import GapRequest
from layers.scenarios.base import load_base
from tests.api.client import open_client
from tests.bench.ground import SEED
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.runs import choose_codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.ground import Ground

FACILITY_S, STREET_S, HTTP_S = 0.010, 0.050, 0.030
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
        Case("what-if", size, "budget 30 ms, one facility, over HTTP", 1.0, lambda: over_http(open_ground())),
        Case("what-if", size, "our own full run, one facility", goal, lambda: against_full(open_ground(), add)),
    ]


@dataclass(frozen=True)
class Desk:
    """A stored run and the engine that edits it, as scenarios use them."""

    run_id: int
    engine: WhatIf
    codes: tuple[str, ...]

    @property
    def base(self) -> Base:
        """Return what edits are applied to."""
        return self.engine.base


def open_desk(ground: Ground) -> Desk:
    """Return a run of 20 types, stored and ready for edits.

    Raises
    ------
    Skip
        The ground has no store.
    """
    if ground.store is None or ground.study is None:
        raise Skip("no database on an invented grid")
    store = ground.store
    summary = run_gaps(store.engine, store.settings, GapRequest(types=choose_codes(store)))
    with store.engine.connect() as connection:
        run = fetch_run(connection, str(summary.id))
        base = load_base(connection, ground.study, run, engine=store.engine)
    codes = tuple(base.result.columns[number].type for number in base.numbers["adult"])
    return Desk(summary.id, base.engines["adult"], codes)


def add(ground: Ground, turn: int) -> FacilityAdded:
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
    # as a server does when it reads a run; the first street edit reads the streets: planners wait for what follows
    desk.engine.warm_up()
    desk.engine.run([make(ground, TURNS + 1)])

    def check(step: Step, _peer: None) -> Agreement:
        return Agreement(*count_wrong(desk, step, run_in_full(desk.base, [todo[0]])), None, RULE)

    return Pair(
        lambda turn: desk.engine.run([todo[turn]]),
        budget_s,
        check,
        timed="one edit in the engine, all types prepared as a server prepares them; another edit every turn",
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


def over_http(ground: Ground) -> Pair:
    """Return one facility a turn, asked of the application in this process as a browser asks."""
    desk = open_desk(ground)
    assert ground.store is not None
    assert ground.study is not None
    open_for_now = ExitStack()
    app = create_app(ground.store.settings, executor=lambda: ThreadPoolExecutor(max_workers=1))
    client = open_for_now.enter_context(open_client(app))
    back = Transformer.from_crs(ground.walk.network.metric_crs, "EPSG:4326", always_xy=True)
    pack = ground.study.pack
    todo, expected = [], []
    for turn in range(TURNS + 2):
        code = desk.codes[turn % len(desk.codes)]
        edit = add(ground, turn)
        lon, lat = back.transform(edit.geometry.x, edit.geometry.y)
        place = {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]}
        todo.append({"op": "add_facility", "type": code, "geometry": place})
        if turn == 0:
            served = {code, *pack[code].counts_for.split("|")}
            columns = tuple(number for number, one in enumerate(desk.codes) if one in served)
            at = project(np.array([shapely.Point(place["coordinates"])], dtype=object), ground.walk.network.metric_crs)
            expected.append(FacilityAdded(geometry=at[0], serves=columns))

    def ours(turn: int) -> dict[str, Any]:
        answer = client.post("/scenarios?dry=true", json={"run": str(desk.run_id), "edits": [todo[turn]]})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def check(found: dict[str, Any], _peer: None) -> Agreement:
        changed = 0
        for column, figures in zip(desk.base.columns, run_in_full(desk.base, expected), strict=True):
            # a straight distance alone is no change the answer tells of
            changed += int(((figures.reach_ms != column.reach_ms) | (figures.facility != column.facility)).sum())
        wrong = abs(changed - int(found["difference"]["buildings_changed"]))
        return Agreement(wrong, changed, None, "as many buildings change as by a full run")

    ours(TURNS + 1)
    timed = "POST /scenarios?dry=true in one process, answer parsed; another facility every turn"
    return Pair(ours, HTTP_S, check, timed=timed, turns=TURNS, after=open_for_now.close)
