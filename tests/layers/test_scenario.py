"""Scenarios on a real store: their difference is that of a full run on data that were really edited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from geo.errors import Conflict, NotFound, NotReady
from layers import tables
from layers.query.scenarios import build_scenarios, describe_scenario, fetch_difference, fetch_scenario
from layers.run import run_gaps
from layers.runs.follow import follow_run
from layers.runs.result import GapRequest
from layers.scenario import Scenarios
from layers.scenarios.result import describe_difference
from layers.scenarios.store import delete_scenario, read_batches, rename_scenario, replace_scenario
from layers.scenarios.tables import scenario_area, scenario_change, scenario_edit
from layers.scenarios.town import TownSource, VehicleSource
from layers.study import load_study
from tests.gridcity import box, point
from tests.gridstore import raise_version, save_site
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
    lonlat,
    way,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.conftest import Db


FIRE = "SAF_FIRE1"


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> Store:
    """Return a town with one run."""
    return Store(fresh_db, replace(fresh_db.settings, home=tmp_path))


def list_edits(store: Store, connection: Connection) -> dict[str, RawEdits]:
    """Return lists of edits by what they try."""
    clinic, other, _, nine = store.town.sites
    gate = connection.execute(select(func.min(tables.gate.c.id))).scalar_one()
    add = {"op": "add_facility", "type": CLINIC, "geometry": at(480, 260), "capacity": 25.0}
    return {
        "a clinic": [add],
        "a clinic as an outline": [{**add, "geometry": lonlat(box(455, 215, 490, 285))}],
        "a school that counts for another type": [{"op": "add_facility", "type": NINE, "geometry": at(250, 400)}],
        "moved": [{"op": "move_facility", "facility_id": clinic, "geometry": at(450, 300)}],
        "closed": [{"op": "close_facility", "facility_id": nine}],
        "all of a type closed": [{"op": "close_facility", "facility_id": one} for one in (clinic, other)],
        "resized": [{"op": "resize_facility", "facility_id": clinic, "capacity": 77.0}],
        "added, moved, closed": [
            add,
            {**add, "geometry": at(700, 100)},
            {"op": "move_facility", "facility_id": -1, "geometry": at(20, 480)},
            {"op": "close_facility", "facility_id": -2},
            {"op": "close_facility", "facility_id": clinic},
        ],
        "a street closed": [{"op": "close_street", "street_id": find_street(connection, 50, 0)}],
        "a private way opened": [{"op": "open_street", "street_id": find_street(connection, 1200, 0)}],
        # a clinic inside a wall serves those outside only through a gate that lets them in
        "a gate opened": [{**add, "geometry": at(255, 150)}, {"op": "open_gate", "gate_id": gate}],
        "a path drawn": [{"op": "draw_path", "geometry": way((1000, 500), (1150, 200), (1300, 0))}],
        "steps drawn and closed again": [
            {"op": "draw_path", "geometry": way((0, 0), (100, 100)), "steps": True},
            {"op": "draw_path", "geometry": way((200, 0), (300, 100)), "steps": True},
            {"op": "close_street", "street_id": -1},
        ],
        "everything": [
            {"op": "close_street", "street_id": find_street(connection, 150, 100)},
            add,
            {"op": "open_gate", "gate_id": gate},
            {"op": "move_facility", "facility_id": other, "geometry": at(640, 440)},
            {"op": "draw_path", "geometry": way((400, 300), (600, 400))},
            {"op": "close_facility", "facility_id": nine},
        ],
    }


EDITS = (
    "a clinic",
    "a clinic as an outline",
    "a school that counts for another type",
    "moved",
    "closed",
    "all of a type closed",
    "resized",
    "added, moved, closed",
    "a street closed",
    "a private way opened",
    "a gate opened",
    "a path drawn",
    "steps drawn and closed again",
    "everything",
)


@pytest.mark.parametrize("name", EDITS)
def test_a_scenario_is_a_full_run_on_edited_data(store: Store, name: str) -> None:
    with store.db.reader.connect() as connection:
        edits = list_edits(store, connection)[name]
    made = store.scenarios.create("latest", edits, name=name)
    difference = describe_difference(made.result, buildings=10_000)
    with store.db.reader.connect() as connection:
        row = fetch_scenario(connection, made.id)
        # what is stored tells the same
        assert fetch_difference(connection, row, buildings=10_000) == difference
        assert describe_scenario(connection, row)["stale"] is False
    assert bool(difference["types"]), "these edits change nothing: nothing is tested"
    check_against_full_run(store, edits, difference)
    with store.db.reader.connect() as connection:
        told = describe_scenario(connection, fetch_scenario(connection, made.id))
    assert told["stale"] is True
    assert told["changed_layers"] == ["facilities", "gates", "streets"]


@pytest.mark.parametrize("name", ["streets and a facility", "a private way", "gates", "everything"])
def test_types_reached_by_vehicle_follow_all_edits(store: Store, name: str) -> None:
    request = GapRequest(types=(FIRE, PRIMARY), minutes=0.4)
    with store.db.writer.begin() as connection:
        for x, y in ((30, 30), (1240, 20)):
            save_site(connection, point(x, y), FIRE)
        connection.execute(update(tables.street).values(highway="residential"))
        private, bottom = find_street(connection, 1200, 0), find_street(connection, 50, 0)
        connection.execute(update(tables.street).where(tables.street.c.id == private).values(access="no"))
        connection.execute(update(tables.gate).values(opens_to="residents"))
        gate = connection.execute(select(func.min(tables.gate.c.id))).scalar_one()
        raise_version(connection, "facilities", "streets", "gates")
    store.run_id = run_gaps(store.db.writer, store.settings, request).id
    path = {"op": "draw_path", "geometry": way((1000, 500), (1150, 200), (1300, 0))}
    close = {"op": "close_street", "street_id": bottom}
    lists: dict[str, RawEdits] = {
        "streets and a facility": [close, path, {"op": "add_facility", "type": FIRE, "geometry": at(900, 480)}],
        "a private way": [{"op": "open_street", "street_id": private}],
        "gates": [{"op": "add_facility", "type": FIRE, "geometry": at(255, 150)}, {"op": "open_gate", "gate_id": gate}],
    }
    edits = lists.get(name) or [*lists["gates"], *lists["streets and a facility"], *lists["a private way"]]
    result = store.scenarios.draft("latest", edits)
    difference = describe_difference(result, buildings=10_000)
    assert (FIRE, "driving") in {(one["type"], one["profile"]) for one in difference["types"]}
    check_against_full_run(store, edits, difference, request)


def test_rules_of_vehicles_are_those_of_the_base_or_refused(store: Store) -> None:
    with store.db.reader.connect() as connection:
        study = load_study(connection, store.settings)
    town = TownSource(store.db.reader, study)
    profile = study.profiles["driving"]
    source = VehicleSource(store.db.reader, study, town, profile, turns=None)
    assert source() is source()
    other = VehicleSource(store.db.reader, study, town, profile, turns="7@never")
    with pytest.raises(Conflict, match="turn bans"):
        other()
    with store.db.writer.begin() as connection:
        raise_version(connection, "streets")
    with pytest.raises(Conflict, match="streets"):
        VehicleSource(store.db.reader, study, town, profile, turns=None)()


def test_a_run_of_one_area_changes_there_alone(store: Store) -> None:
    run = run_gaps(store.db.writer, store.settings, replace(REQUEST, area="420101"))
    result = store.scenarios.draft(str(run.id), [{"op": "add_facility", "type": CLINIC, "geometry": at(480, 200)}])
    areas = {row["area_code"] for row in describe_difference(result, buildings=10_000)["buildings"]}
    assert areas == {"420101"}


def test_two_who_change_a_scenario_at_once_are_told(store: Store) -> None:
    made = store.scenarios.create("latest", [{"op": "add_facility", "type": CLINIC, "geometry": at(480, 260)}])
    with store.db.writer.begin() as connection:
        row = fetch_scenario(connection, made.id)
        rename_scenario(connection, made.id, name="other")
    with store.db.writer.begin() as connection, pytest.raises(Conflict, match="revision 2") as fault:
        replace_scenario(connection, made.id, made.result, read_batches(row), revision=row.revision)
    assert "Read it again" in fault.value.hint
    with store.db.writer.begin() as connection:
        delete_scenario(connection, made.id)
    with store.db.writer.begin() as connection, pytest.raises(NotFound) as gone:
        replace_scenario(connection, made.id, made.result, read_batches(row), revision=row.revision)
    assert gone.value.parameter == "scenario_id"
    with store.db.reader.connect() as connection:
        for table in (scenario_edit, scenario_change, scenario_area):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_a_scenario_goes_with_its_run(store: Store) -> None:
    made = store.scenarios.create("latest", [{"op": "add_facility", "type": CLINIC, "geometry": at(480, 260)}])
    with store.db.writer.begin() as connection:
        connection.execute(tables.run.delete())
    with store.db.reader.connect() as connection:
        assert connection.execute(build_scenarios()).all() == []
    with pytest.raises(NotFound):
        store.scenarios.undo(made.id)
    with pytest.raises(NotReady):
        store.scenarios.draft("latest", [])


def test_a_followed_base_makes_a_scenario_stale(store: Store) -> None:
    made = store.scenarios.create("latest", [{"op": "add_facility", "type": CLINIC, "geometry": at(480, 260)}])
    with store.db.writer.begin() as connection:
        save_site(connection, point(700, 100), CLINIC)
    follow_run(store.db.writer, store.settings, str(store.run_id))
    with store.db.reader.connect() as connection:
        told = describe_scenario(connection, fetch_scenario(connection, made.id))
    assert (told["stale"], told["changed_layers"]) == (True, ["facilities"])
    with pytest.raises(Conflict, match="brought up to date"):
        store.scenarios.append(made.id, [{"op": "close_facility", "facility_id": -1}])
    store.scenarios.rebase(made.id, "latest")
    with store.db.reader.connect() as connection:
        assert describe_scenario(connection, fetch_scenario(connection, made.id))["stale"] is False


def test_the_newest_run_is_read_before_anybody_asks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Scenarios(reader=store.db.reader, writer=store.db.writer, settings=store.settings)
    monkeypatch.setattr("layers.scenario.WARM_FIGURES_MAX", 3)
    fresh.warm()
    assert fresh._bases == {}
    monkeypatch.undo()
    # nothing to try a street on
    fresh.warm_streets()
    fresh.warm()
    (base,) = fresh._bases.values()
    assert base.run_id == store.run_id
    fresh.warm_streets()
    # the streets are in memory now: they need not be read when somebody asks
    with store.db.writer.begin() as connection:
        raise_version(connection, "streets")
    assert all(engine.base.load_town() is not None for engine in base.engines.values())
    with store.db.writer.begin() as connection:
        raise_version(connection, "facilities")
    with pytest.raises(Conflict):
        fresh.warm()
    assert fresh._bases == {}
