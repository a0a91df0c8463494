"""Joining streets on the store: listed, stated, reversible, and part of what a run records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from geo.errors import NotReady, RequestError
from layers.network import fetch_versions
from layers.run import run_gaps
from layers.runs.replay import replay_run
from layers.runs.result import GapRequest
from layers.street_joins import change_join, list_joins
from tests.gridcity import GridCity, point
from tests.gridstore import save_grid, save_home, save_site

if TYPE_CHECKING:
    from pathlib import Path

    from layers.settings import Settings
    from tests.conftest import Db


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> tuple[Db, Settings]:
    """Return a database with a side street that ends on the middle of another one."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity().street((0, 0), (200, 0)).street((80, 0), (80, 100)))
        save_home(connection, point(80, 100), people=10)
        save_site(connection, point(0, 0), "MED_CHS")
    return fresh_db, replace(fresh_db.settings, home=tmp_path)


def test_joining_is_listed_then_done_then_undone(store: tuple[Db, Settings]) -> None:
    db, settings = store
    apart = run_gaps(db.writer, settings, GapRequest(types=("MED_CHS",)))
    assert (apart.totals[0]["covered"], apart.counts["street_parts"]) == (0, 2)
    assert apart.counts["largest_part_permille"] == 667
    with db.reader.connect() as connection:
        before = fetch_versions(connection)
        (place,) = list_joins(connection, 0.1)
    assert (place["street"], place["other"], place["gap_m"]) == ("test street 1", "test street 0", 0.0)
    assert change_join(db.writer, 0.1)
    assert not change_join(db.writer, 0.1)
    with db.reader.connect() as connection:
        assert fetch_versions(connection)["streets"] == before["streets"] + 1
        replayed = replay_run(connection, settings, apart.id)
    assert not replayed.is_same
    assert set(replayed.changes) == {"layer streets", "streets joined within m"}
    joined = run_gaps(db.writer, settings, GapRequest(types=("MED_CHS",)))
    assert (joined.totals[0]["covered"], joined.counts["street_parts"]) == (10, 1)
    assert change_join(db.writer, 0)
    assert run_gaps(db.writer, settings, GapRequest(types=("MED_CHS",))).totals[0]["covered"] == 0


@pytest.mark.parametrize("metres", [-1.0, 20.1, float("nan")])
def test_a_distance_out_of_range_changes_nothing(store: tuple[Db, Settings], metres: float) -> None:
    db, _ = store
    with pytest.raises(RequestError, match="above 0"):
        change_join(db.writer, metres)
    with db.reader.connect() as connection, pytest.raises(RequestError, match="above 0"):
        list_joins(connection, metres)


def test_without_streets_there_is_nothing_to_join(fresh_db: Db) -> None:
    with fresh_db.reader.connect() as connection, pytest.raises(NotReady):
        list_joins(connection, 0.5)
