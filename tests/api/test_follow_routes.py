"""Following over HTTP and on the command line: asked for, done in the background after a load, left again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from api.app import create_app
from api.cli.follow import follow_command
from api.follower import Follower
from api.job_runner import WORKS, do_follow_run
from layers import tables
from layers.jobs import fail_lost_jobs, fetch_job, lock_key
from layers.runs.follow import JOB_KIND, find_behind, order_following, set_following
from tests.api.client import Client, open_client
from tests.api.conftest import make_threads
from tests.gridcity import point
from tests.gridstore import save_site
from tests.layers.scenario_town import CLINIC, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Db

PATIENCE_S = 60


@pytest.fixture
def store(fresh_db: Db) -> Store:
    """Return a town with one run."""
    return Store(fresh_db, fresh_db.settings)


@pytest.fixture
def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return a client of that town, whose server looks for changes all the time."""
    monkeypatch.setattr("api.follower.LOOK_S", 0.05)
    with open_client(create_app(store.settings, executor=make_threads)) as found:
        yield found


def wait_for_job(client: Client, job_id: str) -> dict[str, Any]:
    """Return a job that has ended."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_S:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
        if job["state"] in {"done", "failed", "cancelled"}:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} did not end")


def add_clinic(store: Store) -> None:
    """Store one more clinic, as a load does."""
    with store.db.writer.begin() as connection:
        save_site(connection, point(480, 260), CLINIC)


def fetch_sha(store: Store) -> str:
    with store.db.reader.connect() as connection:
        return str(connection.execute(select(tables.run.c.result_sha256)).scalar_one())


def test_a_run_that_follows_is_brought_up_to_date_in_the_background(store: Store, client: Client) -> None:
    path = f"/gaps/runs/{store.run_id}"
    assert client.get(path).json()["follows"] is False
    answer = client.post(f"{path}/follow")
    assert answer.status_code == 202
    job = wait_for_job(client, answer.json()["job"]["id"])
    assert (job["state"], job["result"]["how"]) == ("done", "current")
    assert client.get(path).json()["follows"] is True
    before = fetch_sha(store)
    add_clinic(store)
    started = time.monotonic()
    while fetch_sha(store) == before and time.monotonic() - started < PATIENCE_S:
        time.sleep(0.05)
    with store.db.reader.connect() as connection:
        assert find_behind(connection) == []
        jobs = connection.execute(select(func.count()).where(tables.job.c.kind == JOB_KIND)).scalar_one()
    assert jobs == 2
    assert client.delete(f"{path}/follow").status_code == 204
    after = fetch_sha(store)
    assert after != before
    add_clinic(store)
    time.sleep(0.3)
    assert fetch_sha(store) == after


def test_a_new_run_may_follow_from_the_start(store: Store, client: Client) -> None:
    body = {"types": [CLINIC], "name": "following", "follow": True}
    job = wait_for_job(client, client.post("/gaps/runs", json=body).json()["job"]["id"])
    assert client.get(f"/gaps/runs/{job['result']['run_id']}").json()["follows"] is True
    assert [run["follows"] for run in client.get("/gaps/runs").json()["runs"]] == [True, False]


def test_unknown_runs_are_named(client: Client) -> None:
    for method in ("POST", "DELETE"):
        answer = client.request(method, "/gaps/runs/no-such/follow")
        assert (answer.status_code, answer.json()["parameter"]) == (404, "run")
    answer = client.post("/gaps/runs", json={"follow": "perhaps"})
    assert (answer.status_code, answer.json()["parameter"]) == (422, "follow")


def test_one_job_a_run_is_enough(store: Store) -> None:
    with store.db.writer.begin() as connection:
        set_following(connection, store.run_id, follows=True)
        first, is_new = order_following(connection, store.run_id)
        assert is_new
        assert order_following(connection, store.run_id) == (first, False)
        assert fetch_job(connection, first).request == {"run": str(store.run_id)}
    assert WORKS[JOB_KIND] is do_follow_run


def test_a_job_that_died_while_a_server_started_is_ordered_again(store: Store) -> None:
    """Its lock is let go of a little later than the next server looks: nobody may wait for it without end."""
    with store.db.writer.begin() as connection:
        dead, _ = order_following(connection, store.run_id)
        connection.execute(tables.job.update().values(state="running"))
    with store.db.writer.connect() as dying:
        dying.execute(select(func.pg_advisory_lock(lock_key(dead))))
        with store.db.writer.begin() as connection:
            assert fail_lost_jobs(connection) == 0
            assert order_following(connection, store.run_id) == (dead, False)
        dying.execute(select(func.pg_advisory_unlock_all()))
    with store.db.writer.begin() as connection:
        job, is_new = order_following(connection, store.run_id)
        assert is_new
        assert [fetch_job(connection, one).state for one in (dead, job)] == ["failed", "queued"]


def test_a_look_orders_once_a_change(store: Store) -> None:
    follower = Follower(None, None)  # type: ignore[arg-type]
    with store.db.writer.begin() as connection:
        set_following(connection, store.run_id, follows=True)
        assert follower._order(connection) == []
    add_clinic(store)
    with store.db.writer.begin() as connection:
        (ordered,) = follower._order(connection)
        assert follower._order(connection) == []
        assert fetch_job(connection, ordered).kind == JOB_KIND
    # it changed again while the job waits: the next look must not forget
    add_clinic(store)
    with store.db.writer.begin() as connection:
        assert follower._order(connection) == []
        connection.execute(tables.job.update().values(state="done"))
        assert len(follower._order(connection)) == 1


def test_the_command_follows_checks_and_stops(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("api.cli.context.read_settings", lambda: store.settings)
    add_clinic(store)

    def run(*arguments: str) -> int:
        return int(follow_command.main([*arguments], standalone_mode=False) or 0)

    assert run("latest", "--check", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    # the factory writes no change log
    assert (report["how"], report["reason"]) == ("full", "the change log does not tell every change of facilities")
    assert report["is_same"] is True
    assert run("latest") == 0
    assert "nothing changed; current" in capsys.readouterr().out
    with store.db.reader.connect() as connection:
        assert connection.execute(select(tables.run.c.follows)).scalar_one() is True
    assert run("latest", "--stop") == 0
    with store.db.reader.connect() as connection:
        assert connection.execute(select(tables.run.c.follows)).scalar_one() is False
