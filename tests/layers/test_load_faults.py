"""Loads that are killed, interrupted, cut off or meet another load: the old version or the new one, never a mix."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import select, text

from geo.errors import StoreError
from layers import cluster, tables
from layers.load import load_layer
from layers.loading.options import LoadOptions
from tests.layers.loader_child import POINTS
from tests.layers.test_load import houses, square, versions, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import Db

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = 300
CHILD_TIMEOUT_S = 120

STATE = """
SELECT (SELECT md5(string_agg(b::text, '|' ORDER BY b.id)) FROM onemap.building b),
       (SELECT md5(string_agg(g::text, '|' ORDER BY g.building_id)) FROM onemap.resident_group g),
       (SELECT string_agg(v.layer || v.version || ' ' || v.rows, ',' ORDER BY v.layer) FROM onemap.layer_version v),
       (SELECT count(*) FROM onemap.change_log), (SELECT count(*) FROM onemap.load),
       (SELECT count(*) FROM onemap.quarantine)
"""


def some_of(points: Iterable[str], *always: str) -> list[Any]:
    """Return points as parameters; those not named take too long for every run."""
    return [point if point in always else pytest.param(point, marks=pytest.mark.long) for point in points]


def read_state(db: Db) -> tuple[Any, ...]:
    with db.owner.connect() as conn:
        return tuple(conn.execute(text(STATE)).one())


def wait_for_quiet(db: Db) -> list[str]:
    """Wait until no loader's connection is left; return the names of tables that should not be there."""
    deadline = time.monotonic() + CHILD_TIMEOUT_S
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'onemap'"
        " AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    with db.owner.connect() as conn:
        while conn.execute(text(query)).scalar_one() and time.monotonic() < deadline:
            time.sleep(0.05)
            conn.rollback()
        left = "SELECT relname FROM pg_class WHERE relname LIKE 'stage%' OR relname LIKE 'spread%'"
        return list(conn.execute(text(left)).scalars())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return an old file and a new one that changes, adds, closes and quarantines rows."""
    old = houses(tmp_path / "old.geojson", ROWS, people=2)
    shapes = [
        (square(114.3 + i / 1000, 30.6), {"source_id": f"B{i}", "use": "住宅", "people": 3 + i % 2})
        for i in range(10, ROWS + 40)
    ]
    new = write(tmp_path / "new.geojson", *shapes, (square(1, 1), {"source_id": "B10"}), (None, {"source_id": "x"}))
    return old, new


@pytest.fixture
def loaded(fresh_db: Db, files: tuple[Path, Path]) -> Db:
    load_layer(fresh_db.owner, "buildings", files[0], LoadOptions(datum="wgs84"))
    return fresh_db


def start(db: Db, point: str, path: Path) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ONEMAP_", "DATABASE_URL"))}
    environment |= {"ONEMAP_HOME": str(db.settings.home), "ONEMAP_DATABASE": db.settings.database}
    if not db.settings.is_private:
        environment["DATABASE_URL"] = db.settings.database_url or ""
    words = ["load", "buildings", str(path), "--replace", "--datum", "wgs84"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.layers.loader_child", point, *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_at(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    said = child.stdout.readline()
    assert said == "AT\n", (said, child.communicate())


def end(child: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = child.communicate(timeout=CHILD_TIMEOUT_S)
    return child.returncode, err


@pytest.mark.parametrize("point", some_of(POINTS, "before hashing", "rows merged", "residents written", "committed"))
def test_a_killed_load_leaves_the_old_version_or_the_new_one(loaded: Db, files: tuple[Path, Path], point: str) -> None:
    before = read_state(loaded)
    child = start(loaded, point, files[1])
    wait_at(child)
    child.send_signal(signal.SIGKILL)
    assert end(child)[0] == -signal.SIGKILL
    assert wait_for_quiet(loaded) == []
    after = read_state(loaded)
    if point == "committed":
        assert after[2] == f"buildings2 {ROWS + 30},population2 {ROWS + 30}"
    else:
        assert after == before
    report = load_layer(loaded.owner, "buildings", files[1], LoadOptions(mode="replace", datum="wgs84"))
    got = report.outcome
    assert got.version == 2
    assert (got.rows_live, got.rows_quarantined) == (ROWS + 30, 2)


@pytest.mark.parametrize("point", some_of(["first batch copied", "rows merged"], "rows merged"))
def test_an_interrupted_load_says_so_and_changes_nothing(loaded: Db, files: tuple[Path, Path], point: str) -> None:
    before = read_state(loaded)
    child = start(loaded, point, files[1])
    wait_at(child)
    child.send_signal(signal.SIGINT)
    code, err = end(child)
    assert code == 130
    assert "Interrupted" in err
    assert wait_for_quiet(loaded) == []
    assert read_state(loaded) == before


@pytest.mark.parametrize(
    "point",
    some_of(
        ["first batch copied", "before hashing", "rows merged", "residents written"], "before hashing", "rows merged"
    ),
)
def test_a_database_that_goes_away_is_told_and_changes_nothing(
    loaded: Db, files: tuple[Path, Path], point: str
) -> None:
    before = read_state(loaded)
    child = start(loaded, point, files[1])
    wait_at(child)
    terminate_loaders(loaded)
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    code, err = end(child)
    assert code == 3, err
    assert "database" in err.lower()
    assert "Traceback" not in err
    assert wait_for_quiet(loaded) == []
    assert read_state(loaded) == before


def terminate_loaders(db: Db) -> None:
    """End every connection of the database but our own, as a stopping server does."""
    address = (
        cluster.admin_conninfo(db.settings, database="postgres")
        if db.settings.is_private
        else (db.settings.database_url or "").replace("+psycopg", "", 1)
    )
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (db.settings.database if db.settings.is_private else db.owner.url.database,),
        )
    db.owner.dispose()


def test_a_full_disk_is_told_and_changes_nothing(loaded: Db, files: tuple[Path, Path]) -> None:
    # the server's own error at the moment rows are written, as a full disk gives it
    with loaded.owner.begin() as conn:
        conn.execute(
            text(
                "CREATE FUNCTION onemap.fill() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$"
            )
        )
        conn.execute(text("CREATE TRIGGER fill BEFORE INSERT ON onemap.building EXECUTE FUNCTION onemap.fill()"))
    before = read_state(loaded)
    with pytest.raises(StoreError, match="disk of the database is full"):
        load_layer(loaded.owner, "buildings", files[1], LoadOptions(mode="replace", datum="wgs84"))
    assert read_state(loaded) == before


def test_two_loads_of_one_layer_follow_each_other(fresh_db: Db, tmp_path: Path) -> None:
    ours = houses(tmp_path / "a.geojson", 200, people=1, name="a")
    theirs = houses(tmp_path / "b.geojson", 260, people=2, name="b")
    with ThreadPoolExecutor(4) as pool:
        loads = [
            pool.submit(load_layer, fresh_db.owner, "buildings", file, LoadOptions(datum="wgs84"))
            for file in (ours, theirs, ours, theirs)
        ]
        outcomes = [load.result().outcome for load in loads]
    assert sum(outcome.rows_inserted for outcome in outcomes) == 260
    assert versions(fresh_db)["buildings"] == sum(outcome.has_changed for outcome in outcomes)
    with fresh_db.reader.connect() as conn:
        names = conn.execute(select(tables.building.c.name).where(tables.building.c.people == 1)).scalars().all()
        first = conn.execute(select(tables.building.c.name).order_by(tables.building.c.source_id)).scalars().all()
    assert set(names) <= {"a"}
    # whoever came last wrote all of its rows
    assert len(set(first[:1])) == 1
    assert len(names) in (0, 200)


def test_layers_that_decide_residents_do_not_run_into_each_other(fresh_db: Db, tmp_path: Path) -> None:
    homes = houses(tmp_path / "b.geojson", 50, dwellings=3)
    cells = write(tmp_path / "p.geojson", (square(114.29, 30.49, 0.9), {"people": 1000}))
    with ThreadPoolExecutor(2) as pool:
        options = LoadOptions(datum="wgs84")
        jobs = [
            pool.submit(load_layer, fresh_db.owner, "buildings", homes, options),
            pool.submit(load_layer, fresh_db.owner, "population", cells, options),
        ]
        for job in jobs:
            job.result()
    with fresh_db.reader.connect() as conn:
        assert conn.execute(text("SELECT sum(people) FROM onemap.resident_group")).scalar_one() == 1000


@pytest.mark.long
def test_thirty_kills_at_any_moment(loaded: Db, files: tuple[Path, Path]) -> None:
    began = time.monotonic()
    assert end(start(loaded, "-", files[1]))[0] == 0
    whole_s = time.monotonic() - began
    dice = random.Random(20260101)  # noqa: S311 - moments to kill at, not secrets
    live = "SELECT count(*), sum(people), min(people) FROM onemap.building WHERE valid_to IS NULL"
    old, new = (ROWS, 2 * ROWS, 2), (ROWS + 30, sum(3 + i % 2 for i in range(10, ROWS + 40)), 3)
    for number in range(30):
        child = start(loaded, "-", files[number % 2])
        time.sleep(dice.uniform(0, whole_s))
        child.kill()
        end(child)
        assert wait_for_quiet(loaded) == []
        with loaded.owner.connect() as conn:
            found = tuple(conn.execute(text(live)).one())
            placed = conn.execute(text("SELECT sum(people) FROM onemap.resident_group")).scalar_one()
        assert found in {old, new}
        assert placed == found[1]
