"""A server that is killed around a due follow: the next one does what is due, once, and nobody waits without end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from sqlalchemy import func, select, text

from api.app import make_executor
from api.job_runner import WORKS, JobRunner
from layers import tables
from layers.jobs import DIED, create_job, fetch_job
from layers.runs.follow import JOB_KIND, LOCK_CLASS, find_behind, set_following
from tests.gridcity import point
from tests.gridstore import save_site
from tests.layers.scenario_town import CLINIC, Store

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator

    from sqlalchemy import Row

    from tests.conftest import Db

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 180.0
"""Bounds what would otherwise hang; on a fresh machine a server compiles its kernels first."""

COMMAND = [sys.executable, "-m", "api.cli.main"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, fresh_db: Db) -> Store:
    """Return a town with one run that follows, to which the environment points."""
    for key in [key for key in os.environ if key.startswith(("ONEMAP_", "DATABASE_URL"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("ONEMAP_HOME", str(fresh_db.settings.home))
    if not fresh_db.settings.is_private:
        monkeypatch.setenv("DATABASE_URL", fresh_db.settings.database_url or "")
    monkeypatch.setenv("ONEMAP_DATABASE", fresh_db.settings.database)
    # kernels as this process compiled them, not anew in a home that is thrown away
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    store = Store(fresh_db, fresh_db.settings)
    with fresh_db.writer.begin() as connection:
        set_following(connection, store.run_id, follows=True)
    return store


@contextmanager
def serve() -> Iterator[psutil.Process]:
    """Lend a server that answers; it is killed afterwards, if it lives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([*COMMAND, "serve", "--port", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        try:
            assert wait_until(lambda: answers(port)), "the server did not start"
            yield psutil.Process(server.pid)
        finally:
            server.kill()


def answers(port: int) -> bool:
    """Return whether a server says that it is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Return whether something comes true in time."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def kill(server: psutil.Process) -> None:
    """Kill a server as `kill -9` does, and wait for what it had started to be gone, too."""
    started = server.children(recursive=True)
    server.kill()
    gone, alive = psutil.wait_procs([server, *started], timeout=PATIENCE_S)
    assert alive == [], "a killed server leaves a process behind"
    assert gone


def count_jobs(store: Store) -> dict[str, int]:
    """Return the jobs that follow, by state."""
    job = tables.job.c
    with store.db.reader.connect() as connection:
        rows = connection.execute(
            select(job.state, func.count().label("jobs")).where(job.kind == JOB_KIND).group_by(job.state)
        )
        return {row.state: row.jobs for row in rows}


def is_behind(store: Store) -> bool:
    """Return whether a run that follows is not up to date."""
    with store.db.reader.connect() as connection:
        return find_behind(connection) != []


def change(store: Store) -> None:
    """Store one more clinic."""
    with store.db.writer.begin() as connection:
        save_site(connection, point(480, 260), CLINIC)


def check_by_hand() -> bool:
    """Return whether `gaps follow --check` finds the figures of a full run, beside the server."""
    done = subprocess.run(
        [*COMMAND, "gaps", "follow", "latest", "--check", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return bool(json.loads(done.stdout)["is_same"])


def test_killed_before_it_saw_the_change(store: Store) -> None:
    with serve() as server:
        change(store)
        kill(server)
    with serve():
        assert wait_until(lambda: not is_behind(store)), "the run was not brought up to date"
        assert check_by_hand()
    assert count_jobs(store) == {"done": 1}


def test_killed_while_it_follows(store: Store) -> None:
    keys = {"kind": LOCK_CLASS, "run": store.run_id}
    with store.db.writer.connect() as other:
        # somebody else brings the run up to date by hand: the job of the server waits
        other.execute(text("SELECT pg_advisory_lock(:kind, :run)"), keys)
        with serve() as server:
            change(store)
            assert wait_until(lambda: count_jobs(store) == {"running": 1}), "nothing was ordered"
            kill(server)
        with serve():
            assert wait_until(lambda: count_jobs(store).get("failed") == 1), "the killed job still counts as running"
            other.execute(text("SELECT pg_advisory_unlock_all()"))
            assert wait_until(lambda: not is_behind(store)), "the run was not brought up to date"
            assert check_by_hand()
    assert count_jobs(store) == {"failed": 1, "done": 1}


def be_killed(_engine: Any, _settings: Any, _request: dict[str, Any], _progress: Any) -> dict[str, Any]:
    """End as a process ends that the system kills for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still there")


def say_where(_engine: Any, _settings: Any, _request: dict[str, Any], _progress: Any) -> dict[str, Any]:
    """Return the process that did the work."""
    return {"pid": os.getpid()}


def test_a_killed_process_of_jobs_fails_its_job_alone(fresh_db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORKS, "deadly", be_killed)
    monkeypatch.setitem(WORKS, "harmless", say_where)
    runner = JobRunner(fresh_db.settings, fresh_db.writer, make_executor)

    def order(*kinds: str) -> list[uuid.UUID]:
        with fresh_db.writer.begin() as connection:
            ordered = [create_job(connection, kind=kind, request={}) for kind in kinds]
        for job_id, kind in zip(ordered, kinds, strict=True):
            runner.submit(job_id, kind)
        return ordered

    def fetch(ordered: list[uuid.UUID]) -> list[Row[Any]]:
        with fresh_db.reader.connect() as connection:
            return [fetch_job(connection, job_id) for job_id in ordered]

    try:
        # the second waits behind the one that ends its process
        ordered = order("deadly", "harmless")
        assert wait_until(lambda: {job.state for job in fetch(ordered)} == {"failed", "done"})
        deadly, harmless = fetch(ordered)
        assert deadly.error == DIED
        later = order("harmless")
        assert wait_until(lambda: fetch(later)[0].state == "done")
        # by the same new process
        assert fetch(later)[0].result == harmless.result
    finally:
        runner.close()
