"""What holds of every run, whatever it asks: parts make the whole, and its tables tell the same people."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from layers import tables
from layers.parts.run import run_in_parts
from layers.query.exports import export_run
from layers.query.runs import result_of
from layers.run import run_gaps
from layers.runs.result import GapRequest
from tests.gridcity import point
from tests.gridstore import raise_version, save_site
from tests.layers.scenario_town import CLINIC, PRIMARY, ScenarioTown
from tests.layers.test_parts import read_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

FIRE = "SAF_FIRE1"
NIGHT = "2026-11-23T23:00"
DAYTIME = "Mo-Fr 08:00-18:00"
BOTH = ("adult", "wheelchair")
REQUESTS = {
    "any hour": GapRequest(types=(CLINIC, PRIMARY), profiles=BOTH),
    "at night": GapRequest(types=(CLINIC, PRIMARY), profiles=BOTH, minutes=2, at=NIGHT),
    "driving": GapRequest(profiles=("driving",), minutes=0.5),
    "driving at night": GapRequest(types=(FIRE, CLINIC), profiles=("driving", "adult"), minutes=1, at=NIGHT),
    "one area at night": GapRequest(types=(CLINIC, PRIMARY), area="4201", at=NIGHT),
}
STATES = ("people", "covered", "gap", "unknown")


@pytest.fixture(scope="module")
def town(db: Db) -> Db:
    """Return a town where some facilities and a gate are shut at night."""
    with db.writer.begin() as connection:
        town = ScenarioTown(connection)
        facility, gate = tables.facility, tables.gate
        fires = [save_site(connection, point(x, y), FIRE) for x, y in ((150, 20), (850, 480))]
        shut = [town.sites[0], fires[0]]
        connection.execute(update(facility).where(facility.c.id.in_(shut)).values(opening_hours=DAYTIME))
        first = select(gate.c.id).order_by(gate.c.id).limit(1).scalar_subquery()
        connection.execute(update(gate).where(gate.c.id == first).values(hours="06:00-22:00"))
        raise_version(connection, "facilities", "gates")
    return db


@pytest.mark.parametrize("name", REQUESTS)
def test_four_parts_are_the_whole(town: Db, name: str) -> None:
    request = REQUESTS[name]
    whole = run_gaps(town.writer, town.settings, request)
    parts = run_in_parts(town.writer, town.settings, request, parts=4, may_repeat=False)
    assert read_run(town, parts.id) == read_run(town, whole.id)
    assert 0 < sum(total["covered"] for total in whole.totals) < sum(total["people"] for total in whole.totals)
    if request.at is not None:
        assert whole.counts["facilities_closed"] == 2


def export(town: Db, run_id: int, what: str, folder: Path) -> list[dict[str, str]]:
    """Return the rows of one export as a file holds them."""
    path = folder / f"{what}.csv"
    with town.reader.connect() as connection:
        export_run(connection, run_id, what=what, path=path)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fetch_parents(town: Db) -> dict[str, str | None]:
    """Return the parent of every area."""
    area = tables.area.c
    with town.reader.connect() as connection:
        rows = connection.execute(select(area.code, area.parent_code).where(area.valid_to.is_(None)))
        return {row.code: row.parent_code for row in rows}


@pytest.mark.parametrize("name", REQUESTS)
def test_all_tables_tell_the_same_people(town: Db, tmp_path: Path, name: str) -> None:
    run = run_gaps(town.writer, town.settings, REQUESTS[name])
    parents = fetch_parents(town)
    homes = export(town, run.id, "buildings", tmp_path)
    # by type, profile and area with all areas above it; the rest of an area in none of its children stands as code None
    sums: Counter[tuple[Any, ...]] = Counter()
    served: Counter[tuple[str, ...]] = Counter()
    for home in homes:
        people, column = int(home["people"]), (home["type"], home["profile"])
        code: str | None = home["area_code"] or None
        keys = [("all",), ("rest", code)]
        while code is not None:
            keys.append(("in", code))
            code = parents[code]
        for key in keys:
            sums[*column, *key, "people"] += people
            sums[*column, *key, home["status"]] += people
        if home["status"] == "covered":
            served[*column, home["facility_id"], "people"] += people
            served[*column, home["facility_id"], "buildings"] += 1
    for total in run.totals:
        for state in STATES:
            assert sums[total["type"], total["profile"], "all", state] == total[state]
    areas = tables.run_area.c
    with town.reader.connect() as connection:
        stored = connection.execute(select(tables.run_area).where(areas.result_id == result_of(run.id))).all()
    groups = {(total["type"], total["profile"]): total["demand_group"] for total in run.totals}
    own = [row for row in stored if row.demand_group == groups[row.type, row.profile]]
    assert own
    for row in own:
        place = ("in", row.area_code) if row.area_code else ("rest", row.parent_code)
        for state in STATES:
            assert sums[row.type, row.profile, *place, state] == getattr(row, state), (row, state)
    told = export(town, run.id, "areas", tmp_path)
    assert sorted(tuple(row[key] for key in ("area_code", "type", "demand_group", *STATES)) for row in told) == sorted(
        (row.area_code or "", row.type, row.demand_group, *(str(getattr(row, state)) for state in STATES))
        for row in stored
    )
    for site in export(town, run.id, "facilities", tmp_path):
        key = (site["type"], site["profile"], site["facility_id"])
        assert int(site["people_covered"]) == served.pop((*key, "people"), 0), site
        assert int(site["buildings_covered"]) == served.pop((*key, "buildings"), 0), site
    # nobody is served by a facility that is not listed
    assert not served
