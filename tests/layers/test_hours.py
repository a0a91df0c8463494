"""Opening hours: what is closed at a moment serves nobody and lets nobody pass; what has no hours is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from geo.errors import RequestError
from layers.hours import find_closed, parse_at, write_at
from layers.parts.run import run_in_parts
from layers.run import compute_run, run_gaps
from layers.runs.replay import replay_run
from layers.runs.result import GapRequest
from layers.study import load_study
from layers.tables import facility, gate, run
from tests.gridcity import GridCity, point
from tests.gridstore import raise_version, save_grid, save_home, save_site

if TYPE_CHECKING:
    from pathlib import Path

    from layers.settings import Settings
    from tests.conftest import Db

CLINIC = "MED_CHS"
MONDAY_NOON, MONDAY_NIGHT = "2026-11-23T12:00", "2026-11-23T23:00"
NATIONAL_DAY = "2026-10-01T12:00"


def at(text: str) -> datetime:
    """Return a moment."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("hours", "moment", "is_closed"),
    [
        ("Mo-Fr 08:00-18:00", MONDAY_NOON, False),
        ("Mo-Fr 08:00-18:00", MONDAY_NIGHT, True),
        ("Mo-Fr 08:00-18:00", "2026-11-22T12:00", True),
        ("Mo-Fr 08:00-18:00", "2026-11-23T18:00", True),
        ("Mo-Su 20:00-02:00", "2026-11-24T01:00", False),
        ("24/7", MONDAY_NIGHT, False),
        ("off", MONDAY_NOON, True),
        ("Mo-Su 08:00-18:00; PH off", NATIONAL_DAY, True),
        ("Mo-Su 08:00-18:00", NATIONAL_DAY, False),
        ("08:00-18:00 unknown", MONDAY_NOON, False),
        ("周一至周五 8 点", MONDAY_NIGHT, False),
        (None, MONDAY_NIGHT, False),
        ("", MONDAY_NIGHT, False),
    ],
)
def test_closed(hours: str | None, moment: str, is_closed: bool) -> None:
    """Only hours that say so close a door."""
    found = find_closed([hours], at(moment), country="CN")
    assert found.is_closed.tolist() == [is_closed]
    assert found.is_unreadable.tolist() == [hours is not None and "周" in hours]


@pytest.mark.parametrize(
    "text", ["", "noon", "20:00", "2026-11-23", "2026-13-01T10:00", "2026-11-23T20:00Z", "2026-11-23T20:00+08:00",
             "1989-01-01T10:00", "2100-01-01T00:00", "2026-11-23T25:00"],
)  # fmt: skip
def test_no_moment(text: str) -> None:
    """A time that cannot be understood is refused by name."""
    with pytest.raises(RequestError, match="local time") as caught:
        parse_at(text)
    assert caught.value.parameter == "at"


def test_moment_is_written_one_way() -> None:
    """Requests keep a moment to the minute."""
    assert write_at("2026-11-23 20:00:30") == write_at("2026-11-23T20:00") == "2026-11-23T20:00"
    assert write_at(None) is None


@pytest.fixture
def town(fresh_db: Db, tmp_path: Path) -> tuple[Db, Settings]:
    """Return a street of 500 m with a home at its start, a clinic by day at 100 m and one without hours at 400 m."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity().street((0, 0), (500, 0)))
        save_home(connection, point(0, 0), people=10)
        save_site(connection, point(100, 0), CLINIC, opening_hours="Mo-Fr 08:00-18:00")
        save_site(connection, point(400, 0), CLINIC)
        save_site(connection, point(450, 0), CLINIC, opening_hours="nobody knows")
        raise_version(connection, "population")
    return fresh_db, replace(fresh_db.settings, home=tmp_path)


def reach_s(town: tuple[Db, Settings], moment: str | None) -> list[int]:
    """Return whole seconds from the home to the nearest clinic."""
    db, settings = town
    with db.writer.connect() as connection:
        study = load_study(connection, settings)
        result = compute_run(connection, study, GapRequest(types=(CLINIC,), at=moment))
    return [round(value / 1000) for value in result.reach_ms[:, 0].tolist()]


def test_closed_facility_serves_nobody(town: tuple[Db, Settings]) -> None:
    """At night the walk goes on to the next one; 100 m at 1.11 m/s are 90 s, 400 m are 360 s."""
    assert reach_s(town, None) == [90]
    assert reach_s(town, MONDAY_NOON) == [90]
    assert reach_s(town, MONDAY_NIGHT) == [360]


def test_run_says_what_was_closed(town: tuple[Db, Settings]) -> None:
    """The stored run keeps the moment and the counts, replays, and is the same in parts."""
    db, settings = town
    request = GapRequest(types=(CLINIC,), at=MONDAY_NIGHT)
    summary = run_gaps(db.writer, settings, request)
    wanted = {"facilities_closed": 1, "facilities_without_hours": 1, "gates_closed": 0, "hours_unreadable": 1}
    assert {name: summary.counts[name] for name in wanted} == wanted
    assert summary.totals[0]["facilities"] == 2
    by_day = run_gaps(db.writer, settings, replace(request, at=MONDAY_NOON))
    assert by_day.totals[0]["facilities"] == 3
    in_parts = run_in_parts(db.writer, db.settings, request, parts=2, may_repeat=False)
    with db.writer.connect() as connection:
        assert replay_run(connection, settings, summary.id).is_same
        digest = {row.id: row.result_sha256 for row in connection.execute(run.select())}
        asked = connection.execute(run.select().where(run.c.id == summary.id)).one().request
    assert asked["at"] == MONDAY_NIGHT
    assert digest[in_parts.id] == digest[summary.id] != digest[by_day.id]
    assert in_parts.counts == summary.counts


def test_closed_gate_lets_nobody_pass(fresh_db: Db, tmp_path: Path) -> None:
    """Residents go round by the other gate when theirs is shut: 100 m by day, 300 m at night."""
    city = GridCity().street((-100, 0), (400, 0)).street((0, 10), (0, 100), (200, 100), (200, 10))
    city = city.wall(-5, 5, 205, 150).gate(0, 5).gate(200, 5)
    with fresh_db.writer.begin() as connection:
        save_grid(connection, city)
        save_home(connection, point(0, 50), people=4)
        save_site(connection, point(-50, 0), CLINIC)
        raise_version(connection, "population")
        first = connection.execute(gate.select().order_by(gate.c.id)).first()
        assert first is not None
        connection.execute(gate.update().where(gate.c.id == first.id).values(hours="06:00-22:00"))
        connection.execute(facility.update().values(opening_hours="24/7"))
        raise_version(connection, "gates")
    town = fresh_db, replace(fresh_db.settings, home=tmp_path)
    (open_s,), (day_s,), (night_s,) = (reach_s(town, moment) for moment in (None, MONDAY_NOON, MONDAY_NIGHT))
    assert open_s == day_s == 90
    # up and along and down to the other gate, back along the street
    assert night_s == round((50 + 200 + 100 + 250) / 1.11)
