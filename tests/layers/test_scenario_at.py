"""Scenarios on a run of one moment: the difference is that of a full run of the same moment on edited data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import func, select, update

from layers import tables
from layers.query.scenarios import describe_scenario, fetch_difference, fetch_scenario
from layers.run import run_gaps
from layers.scenario import Scenarios
from layers.scenarios.result import describe_difference
from tests.gridstore import raise_version
from tests.layers.scenario_town import (
    CLINIC,
    NINE,
    PRIMARY,
    REQUEST,
    RawEdits,
    Store,
    at,
    check_against_full_run,
    find_street,
    way,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.conftest import Db

NOON, NIGHT = "2026-11-23T12:00", "2026-11-23T23:00"
DAYTIME = "Mo-Fr 08:00-18:00"


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> Store:
    """Return a town where a clinic, a school and a gate of the estate are open by day only."""
    store = Store(fresh_db, replace(fresh_db.settings, home=tmp_path))
    facility, gate = tables.facility, tables.gate
    clinic, other, _, nine = store.town.sites
    with fresh_db.writer.begin() as connection:
        first = select(func.min(gate.c.id)).scalar_subquery()
        connection.execute(update(facility).where(facility.c.id.in_([clinic, nine])).values(opening_hours=DAYTIME))
        connection.execute(update(facility).where(facility.c.id == other).values(opening_hours="24/7"))
        connection.execute(update(gate).where(gate.c.id == first).values(hours="06:00-22:00"))
        raise_version(connection, "facilities", "gates")
    return store


def list_edits(store: Store, connection: Connection) -> dict[str, RawEdits]:
    """Return lists of edits by what they try."""
    clinic, other, _, nine = store.town.sites
    first, second = connection.execute(select(tables.gate.c.id).order_by(tables.gate.c.id)).scalars()
    add = {"op": "add_facility", "type": CLINIC, "geometry": at(480, 260), "capacity": 25.0}
    return {
        "added, open at any hour": [add],
        "moved with its hours": [
            {"op": "move_facility", "facility_id": clinic, "geometry": at(450, 300)},
            {"op": "move_facility", "facility_id": other, "geometry": at(640, 440)},
        ],
        "closed": [{"op": "close_facility", "facility_id": one} for one in (other, nine)],
        "resized": [{"op": "resize_facility", "facility_id": other, "capacity": 77.0}, add],
        # without it, those in the estate leave by the gate on the other side
        "the gate shut by night opened": [
            {**add, "geometry": at(300, 60)},
            {"op": "open_gate", "gate_id": first, "opens_to": "residents"},
        ],
        "the other gate closed": [{**add, "geometry": at(255, 90)}, {"op": "close_gate", "gate_id": second}],
        "a gate opened to everybody": [{**add, "geometry": at(255, 150)}, {"op": "open_gate", "gate_id": first}],
        "everything": [
            {"op": "close_street", "street_id": find_street(connection, 150, 100)},
            add,
            {"op": "open_gate", "gate_id": first},
            {"op": "close_gate", "gate_id": second},
            {"op": "move_facility", "facility_id": nine, "geometry": at(640, 440)},
            {"op": "draw_path", "geometry": way((400, 300), (600, 400))},
            {"op": "open_street", "street_id": find_street(connection, 1200, 0)},
        ],
    }


@pytest.mark.parametrize(
    "name",
    [
        "added, open at any hour",
        "moved with its hours",
        "closed",
        "resized",
        "the gate shut by night opened",
        "the other gate closed",
        "a gate opened to everybody",
        "everything",
    ],
)
def test_a_scenario_of_a_moment_is_a_full_run_of_it_on_edited_data(store: Store, name: str) -> None:
    request = replace(REQUEST, at=NIGHT)
    store.run_id = run_gaps(store.db.writer, store.settings, request).id
    with store.db.reader.connect() as connection:
        edits = list_edits(store, connection)[name]
    # the newest run, though it looks at a moment
    made = store.scenarios.create("latest", edits, name=name)
    assert made.result.base.run_id == store.run_id
    difference = describe_difference(made.result, buildings=10_000)
    with store.db.reader.connect() as connection:
        row = fetch_scenario(connection, made.id)
        assert fetch_difference(connection, row, buildings=10_000) == difference
        told = describe_scenario(connection, row)
    assert (told["stale"], told["at"]) == (False, NIGHT)
    assert bool(difference["types"]), "these edits change nothing: nothing is tested"
    check_against_full_run(store, edits, difference, request)


def test_hours_are_those_of_the_moment(store: Store) -> None:
    """By day the clinic that is moved serves whom it serves; by night it is closed here and there."""
    move = [{"op": "move_facility", "facility_id": store.town.sites[0], "geometry": at(450, 300)}]
    told = {}
    for moment in (NOON, NIGHT, None):
        run = run_gaps(store.db.writer, store.settings, replace(REQUEST, at=moment))
        result = store.scenarios.draft(str(run.id), move)
        assert result.base.at == moment
        told[moment] = describe_difference(result)["types"]
    assert told[NIGHT] == []
    assert told[NOON] == told[None] != []


def test_a_scenario_moves_between_moments(store: Store) -> None:
    """Set on the run of another moment it tells what it changes then; back again it tells what it told first."""
    gate = store.scenarios
    night, noon = (run_gaps(store.db.writer, store.settings, replace(REQUEST, at=one)).id for one in (NIGHT, NOON))
    edits = [{"op": "close_facility", "facility_id": store.town.sites[0]}]
    made = gate.create(str(noon), edits)
    by_day = describe_difference(made.result)
    assert by_day["types"] != []
    assert describe_difference(gate.rebase(made.id, str(night)).result)["types"] == []
    added = gate.append(made.id, [{"op": "add_facility", "type": CLINIC, "geometry": at(480, 260)}])
    assert describe_difference(added.result)["types"] != []
    gate.undo(made.id)
    assert describe_difference(gate.rebase(made.id, str(noon)).result) == by_day


class Planner:
    """Tries random edits on a town."""

    def __init__(self, store: Store, rng: np.random.Generator) -> None:
        self.store = store
        self.rng = rng

    def list_edits(self, *, with_hours: bool) -> RawEdits:
        """Return a few edits that can be carried out on the data as they are.

        A gate is closed in the data by its hours, which only runs of a moment look at.
        """
        with self.store.db.reader.connect() as connection:
            facility = tables.facility.c
            live = connection.execute(
                select(facility.id).where(facility.valid_to.is_(None), facility.type.in_([CLINIC, NINE, PRIMARY]))
            ).scalars()
            sites = [int(one) for one in self.rng.permutation(list(live))]
            gates = list(connection.execute(select(tables.gate.c.id)).scalars())
            streets = list(connection.execute(select(tables.street.c.id)).scalars())
        edits = [self._add() for _ in range(int(self.rng.integers(1, 3)))]
        if len(sites) > 1:
            edits.append({"op": "move_facility", "facility_id": sites[0], "geometry": at(*self._place())})
            edits.append({"op": "close_facility", "facility_id": sites[1]})
        gate = int(self.rng.choice(gates))
        opening = {"op": "open_gate", "gate_id": gate, "opens_to": str(self.rng.choice(["all", "residents"]))}
        edits.append({"op": "close_gate", "gate_id": gate} if with_hours and self.rng.random() < 0.5 else opening)
        op = str(self.rng.choice(["close_street", "open_street"]))
        edits.append({"op": op, "street_id": int(self.rng.choice(streets))})
        x, y = int(self.rng.integers(3, 9)), int(self.rng.integers(0, 4))
        edits.append({"op": "draw_path", "geometry": way((100 * x, 100 * y), (100 * x + 100, 100 * y + 100))})
        keep = self.rng.random(len(edits)) < 0.6
        return [edits[one] for one in self.rng.permutation(np.flatnonzero(keep))] or edits[:1]

    def _add(self) -> dict[str, Any]:
        code = str(self.rng.choice([CLINIC, NINE, PRIMARY]))
        return {"op": "add_facility", "type": code, "geometry": at(*self._place())}

    def _place(self) -> tuple[float, float]:
        return float(self.rng.uniform(-50, 1050)), float(self.rng.uniform(-50, 550))


def try_random_edits(store: Store, *, seed: int, turns: int) -> None:
    """Edit a town again and again, at moments of day and night, and compare each time with a full run."""
    rng = np.random.default_rng(seed)
    planner = Planner(store, rng)
    for turn in range(turns):
        request = replace(REQUEST, at=(NIGHT, NOON, None)[turn % 3])
        store.run_id = run_gaps(store.db.writer, store.settings, request).id
        edits = planner.list_edits(with_hours=request.at is not None)
        scenarios = Scenarios(reader=store.db.reader, writer=store.db.writer, settings=store.settings)
        difference = describe_difference(scenarios.draft(str(store.run_id), edits), buildings=10_000)
        check_against_full_run(store, edits, difference, request)


def test_random_edits_at_random_hours(store: Store) -> None:
    try_random_edits(store, seed=11, turns=6)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_many_random_edits_at_random_hours(store: Store, seed: int) -> None:
    try_random_edits(store, seed=seed, turns=30)
