"""Jobs: ordered, followed, cancelled, failed and taken on again; and one real run from order to result."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import shapely
from sqlalchemy import delete, update

from api import job_runner
from geo.errors import Conflict, NotReady
from layers import jobs, tables
from tests.api.test_gone import wait_until
from tests.seed import LAT, LON, STEP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests import seed
    from tests.api.client import Client
    from tests.conftest import Db


class Work:
    """Stands for long work: waits until it is let go, then does as told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.fault: Exception | None = None
        self.asked: dict[str, Any] = {}
        self.is_stored = False

    def __call__(self, _engine: Any, _settings: Any, request: dict[str, Any], progress: Any) -> dict[str, Any]:
        """Do the work."""
        self.asked = request
        progress(0.25, "half way there")
        self.started.set()
        assert self.go.wait(20)
        time.sleep(jobs.PROGRESS_EVERY_S * 1.1)
        progress(*((1.0, "done") if self.is_stored else (0.5, "further")))
        if self.fault is not None:
            raise self.fault
        return {"run_id": 42}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Return work that replaces the real run."""
    found = Work()
    monkeypatch.setitem(job_runner.WORKS, "gap-run", found)
    yield found
    found.go.set()


def order(client: Client, **asked: Any) -> str:
    """Order a run and return the job's address."""
    answer = client.post("/gaps/runs", json=asked)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{answer.json()['job']['id']}"
    return str(answer.headers["location"])


def wait_for(client: Client, address: str, *states: str) -> dict[str, Any]:
    """Return the job once it is in one of some states."""
    job: dict[str, Any] = {}

    def look() -> bool:
        job.update(client.get(address).json())
        return job["state"] in states

    # a real run may have to compile first
    assert wait_until(look, patience_s=120), job
    return job


def test_a_job_tells_how_far_it_is_and_what_came_of_it(client: Client, work: Work) -> None:
    address = order(client, types=["EDU_KINDER"], minutes=10, name="try")
    assert work.started.wait(20)
    job = wait_for(client, address, "running")
    assert (job["progress"], job["message"], job["result"]) == (0.25, "half way there", None)
    asked = {"types": ["EDU_KINDER"], "minutes": 10.0, "profiles": ["adult"], "area": None, "name": "try"}
    assert work.asked == {**asked, "at": None, "follow": False}
    work.go.set()
    job = wait_for(client, address, "done")
    assert (job["progress"], job["result"]) == (1.0, {"run_id": 42})


def test_a_cancelled_job_stops_at_its_next_word(client: Client, work: Work) -> None:
    address = order(client)
    assert work.started.wait(20)
    assert client.delete(address).json()["state"] == "cancelled"
    work.go.set()
    assert wait_for(client, address, "cancelled")["result"] is None
    follow = order(client)
    assert wait_for(client, follow, "done")["state"] == "done", "the next job runs"
    assert client.get(address).json()["state"] == "cancelled"


def test_a_job_cancelled_once_all_is_stored_is_done(client: Client, work: Work) -> None:
    work.is_stored = True
    address = order(client)
    assert work.started.wait(20)
    assert client.delete(address).json()["state"] == "cancelled"
    work.go.set()
    assert wait_for(client, address, "done")["result"] == {"run_id": 42}


def test_a_job_cancelled_before_its_turn_never_begins(client: Client, work: Work) -> None:
    first, second = order(client), order(client)
    assert work.started.wait(20)
    client.delete(second)
    work.started.clear()
    work.go.set()
    wait_for(client, first, "done")
    third = order(client)
    wait_for(client, third, "done")
    assert client.get(second).json()["state"] == "cancelled"


def test_our_errors_are_told_and_bugs_are_not(client: Client, work: Work) -> None:
    work.go.set()
    work.fault = NotReady("no streets are loaded", hint="onemap load streets FILE")
    job = wait_for(client, order(client), "failed")
    assert (job["error"]["detail"], job["error"]["hint"]) == ("no streets are loaded", "onemap load streets FILE")
    work.fault = ValueError("SELECT secret FROM /root")
    job = wait_for(client, order(client), "failed")
    assert "secret" not in json.dumps(job)
    assert job["error"]["title"] == "Job failed"


def test_events_tell_every_change_and_end_with_the_job(client: Client, work: Work) -> None:
    work.go.set()
    answer = client.get(order(client) + "/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [block.split("\n") for block in answer.text.strip().split("\n\n") if block.startswith("event")]
    names = [block[0].removeprefix("event: ") for block in events]
    assert names[-1] == "done"
    assert set(names[:-1]) <= {"progress"}
    assert json.loads(events[-1][1].removeprefix("data: "))["result"] == {"run_id": 42}


def test_head_of_a_stream_does_not_wait_for_its_end(client: Client, work: Work) -> None:
    address = order(client)
    assert work.started.wait(20)
    answer = client.head(address + "/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.get(address).json()["state"] == "running"
    work.go.set()
    wait_for(client, address, "done")


def test_an_unknown_job_is_not_found(client: Client) -> None:
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/jobs/{uuid.uuid4()}").status_code == 404
    assert client.get(f"/jobs/{uuid.uuid4()}/events").status_code == 404


def test_lost_jobs_fail_and_waiting_ones_are_taken_on(db: Db, client: Client, work: Work) -> None:
    with db.writer.begin() as conn:
        lost, waiting = (jobs.create_job(conn, kind="gap-run", request={}) for _ in range(2))
        conn.execute(update(tables.job).where(tables.job.c.id == lost).values(state="running"))
    work.go.set()
    services: Any = client.asked._transport
    services.app.state.services.jobs.take_on_waiting()
    assert wait_for(client, f"/jobs/{lost}", "failed")["error"]["title"] == "Job failed"
    assert wait_for(client, f"/jobs/{waiting}", "done")["state"] == "done"


def test_a_job_at_work_is_not_lost(db: Db, client: Client, work: Work) -> None:
    address = order(client)
    assert work.started.wait(20)
    with db.writer.begin() as conn:
        assert jobs.fail_lost_jobs(conn) == 0
    work.go.set()
    wait_for(client, address, "done")


def test_too_many_waiting_jobs_are_refused(db: Db) -> None:
    with db.writer.begin() as conn:
        for _ in range(jobs.WAITING_MAX):
            jobs.create_job(conn, kind="gap-run", request={})
        with pytest.raises(Conflict):
            jobs.create_job(conn, kind="gap-run", request={})
        conn.execute(delete(tables.job))


@pytest.fixture
def walkable(db: Db) -> None:
    """Choose the grid in which lengths are taken, as the first load of streets does."""
    with db.owner.begin() as conn:
        conn.execute(delete(tables.setting))
        conn.execute(tables.setting.insert().values(key="metric_crs", value="EPSG:4548"))


def test_a_real_run_from_order_to_result(client: Client, db: Db, place: seed.Seed, walkable: None) -> None:
    job = wait_for(client, order(client, types=["EDU_KINDER"], name="real"), "done", "failed")
    assert job["state"] == "done", job["error"]
    run_id = job["result"]["run_id"]
    run = client.get("/gaps/runs/latest").json()
    assert (run["id"], run["name"], run["types"]) == (run_id, "real", ["EDU_KINDER"])
    (total,) = run["totals"]
    assert total["people"] == total["covered"] + total["gap"] + total["unknown"] == 5
    rows = client.get(f"/gaps/runs/{run_id}/buildings").json()["rows"]
    assert [row["building_id"] for row in rows] == place.buildings
    for status in ("covered", "gap", "unknown"):
        assert sum(row["people"] for row in rows if row["status"] == status) == total[status]


def test_circles_count_who_and_what_is_inside_by_reach(client: Client, walkable: None) -> None:
    # between the last two homes
    answer = client.get("/circles", params={"lon": LON + 3.5 * STEP, "lat": LAT, "minutes": "1,15"})
    assert answer.status_code == 200, answer.text
    near, far = (feature["properties"] for feature in answer.json()["features"])
    assert (near["minutes"], near["buildings"], near["people"], near["dwellings"]) == (1, 2, 20, 8)
    assert (far["minutes"], far["buildings"], far["people"], far["people_basis"]) == (15, 5, 50, "counted")
    assert set(far["facilities"]) <= {"EDU_KINDER", "EDU_PRIMARY"}
    assert answer.json()["start"]["edge_m"] == pytest.approx(0, abs=0.5)
    for feature in answer.json()["features"]:
        assert shapely.LinearRing(feature["geometry"]["coordinates"][0]).is_ccw


def test_a_circle_is_drawn_as_wide_as_asked(client: Client, walkable: None) -> None:
    asked = {"lon": LON, "lat": LAT, "minutes": "5"}
    narrow, usual, wide = (
        shapely.geometry.shape(client.get("/circles", params={**asked, **width}).json()["features"][0]["geometry"])
        for width in ({"width": "15"}, {}, {"width": "60"})
    )
    assert 1.5 < usual.area / narrow.area < 2.5
    assert 1.5 < wide.area / usual.area < 2.8
    for width in ("9", "301", "nan", "wide"):
        answer = client.get("/circles", params={**asked, "width": width})
        assert (answer.status_code, answer.json()["parameter"]) == (422, "width")


def test_a_circle_far_from_any_street_is_refused_by_name(client: Client, walkable: None) -> None:
    answer = client.get("/circles", params={"lon": LON + 1, "lat": LAT})
    assert (answer.status_code, answer.json()["parameter"]) == (422, "lon")


def test_the_process_of_jobs_ends_with_a_server_that_was_killed() -> None:
    program = (
        "import os, time\nfrom api.app import make_executor\nif __name__ == '__main__':\n"
        "    print(make_executor().submit(os.getpid).result(), flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        worker = psutil.Process(int(server.stdout.readline()))
        server.kill()
        worker.wait(timeout=30)
    assert not worker.is_running()
