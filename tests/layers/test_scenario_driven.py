"""Scenarios of runs with a vehicle on an extract with one-way streets and turn bans, held against edited data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from layers import tables
from layers.loading.options import LoadOptions
from layers.loading.reference import load_osm
from layers.run import run_gaps
from layers.runs.result import GapRequest
from layers.scenario import Scenarios
from layers.scenarios.result import describe_difference
from tests.factories import add_building, add_facility
from tests.gridstore import raise_version
from tests.layers.scenario_town import RawEdits, Store, check_against_full_run
from tests.layers.test_driving import LAT, LON, STEP, write_plus

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

FIRE = "SAF_FIRE1"
REQUEST = GapRequest(types=(FIRE, "EDU_PRIMARY"), profiles=("adult", "driving"))


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> Store:
    """Return the plus of streets with a fire station in the west, a school in the east, homes everywhere and a run."""
    path = tmp_path / "plus.osm.pbf"
    write_plus(path)
    load_osm(fresh_db.owner, path, LoadOptions())
    settings = replace(fresh_db.settings, home=tmp_path)
    with fresh_db.writer.begin() as connection:
        for x, y in ((0.02, 0.5), (-0.5, 0.1), (0.5, -0.1), (0.1, 1.5), (0, -0.6), (1.9, 0.4), (2.5, 0.02)):
            add_building(connection, lon=LON + x * STEP, lat=LAT + y * STEP, people=10)
        add_facility(connection, lon=LON - 0.9 * STEP, lat=LAT + 0.1 * STEP, type=FIRE)
        add_facility(connection, lon=LON + STEP, lat=LAT + 0.1 * STEP, type="EDU_PRIMARY")
        raise_version(connection, "buildings", "population", "facilities")
    made = Store.__new__(Store)
    made.db, made.settings = fresh_db, settings
    made.run_id = run_gaps(fresh_db.writer, settings, REQUEST).id
    made.scenarios = Scenarios(reader=fresh_db.reader, writer=fresh_db.writer, settings=settings)
    return made


def spot(x: float, y: float) -> list[float]:
    return [LON + x * STEP, LAT + y * STEP]


def draw(*places: tuple[float, float]) -> dict[str, Any]:
    return {"op": "draw_path", "geometry": {"type": "LineString", "coordinates": [spot(*xy) for xy in places]}}


@pytest.mark.parametrize(
    ("name", "changes_fire"),
    [("a way to turn round closed", True), ("a path", False), ("a station behind the ban", True), ("all", True)],
)
def test_edits_of_a_driven_extract_are_a_full_run_on_edited_data(store: Store, name: str, changes_fire: bool) -> None:
    with store.db.reader.connect() as connection:
        found = connection.execute(select(tables.street.c.source_id, tables.street.c.id)).all()
    street = {str(source).split("/")[1]: key for source, key in found}
    station = {"op": "add_facility", "type": FIRE, "geometry": {"type": "Point", "coordinates": spot(0.1, 1.9)}}
    lists: dict[str, RawEdits] = {
        # who may not turn left at the crossing drives on and comes back: over way 2
        "a way to turn round closed": [{"op": "close_street", "street_id": street["2"]}],
        "a path": [draw((-1, 0), (0, 1))],
        "a station behind the ban": [station, {"op": "open_street", "street_id": street["5"]}],
    }
    edits = lists.get(name) or [edit for one in lists.values() for edit in one]
    difference = describe_difference(store.scenarios.draft("latest", edits), buildings=10_000)
    assert ((FIRE, "driving") in {(one["type"], one["profile"]) for one in difference["types"]}) == changes_fire
    check_against_full_run(store, edits, difference, REQUEST)
