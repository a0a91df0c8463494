"""Runs on a Dask cluster of this machine: the same bytes, also when a worker is killed; clear words for what fails."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from geo.errors import Conflict, NotFound, NotReady, OneMapError, RequestError
from layers.parts import dask as run_dask
from layers.parts.dask import (
    check_code,
    check_workers,
    compute_on,
    describe_code,
    open_client,
    read_target,
    run_on_dask,
)
from layers.run import run_gaps
from layers.runs.result import GapRequest
from tests.gridcity import point
from tests.gridstore import save_home, save_site
from tests.layers.test_parts import read_run
from tests.layers.test_run import Town

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from layers.settings import Settings
    from tests.conftest import Db

REQUEST = GapRequest(profiles=("adult", "older"))


@pytest.fixture(scope="module")
def town(db: Db) -> Db:
    """Return a database with a small town in it."""
    with db.writer.begin() as connection:
        Town(connection)
        save_site(connection, point(9_000, 0), "EDU_JUNIOR")
        save_home(connection, point(3_000, 0), people=7)
    return db


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    """Return a client of two worker processes."""
    with open_client("local:2", settings) as found:
        yield found


@pytest.fixture
def address(client: Client) -> str:
    """Return the address of their scheduler."""
    return str(client.scheduler.address)


def test_a_cluster_gives_what_one_machine_gives(town: Db, address: str) -> None:
    whole = run_gaps(town.writer, town.settings, REQUEST)
    told: list[tuple[float, str]] = []
    found = run_on_dask(
        town.writer,
        town.settings,
        REQUEST,
        address=address,
        parts=3,
        may_repeat=False,
        progress=lambda *words: told.append(words),
    )
    assert read_run(town, found.id) == read_run(town, whole.id)
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any("2 of 3 parts" in message for _, message in told)


def test_a_worker_killed_in_the_middle_changes_nothing(town: Db, client: Client, address: str) -> None:
    whole = run_gaps(town.writer, town.settings, REQUEST)
    killed: list[int] = []

    def kill(_share: float, message: str) -> None:
        if message.startswith("1 of") and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    found = run_on_dask(town.writer, town.settings, REQUEST, address=address, parts=5, progress=kill, may_repeat=False)
    assert killed
    assert read_run(town, found.id) == read_run(town, whole.id)
    client.wait_for_workers(2, timeout=60)
    assert killed[0] not in client.run(os.getpid).values()


def test_faults_of_a_part_are_told_as_they_are(town: Db, address: str) -> None:
    with pytest.raises(NotFound, match="99"):
        run_on_dask(town.writer, town.settings, replace(REQUEST, area="99"), address=address, parts=2)


def test_who_gives_up_leaves_no_work_behind(town: Db, client: Client, address: str) -> None:
    def stop(_share: float, message: str) -> None:
        if " of 4 parts" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_dask(town.writer, town.settings, REQUEST, address=address, parts=4, progress=stop, may_repeat=False)
    assert not any(client.processing().values())


class Cluster:
    """Workers that say what code they run."""

    def __init__(self, *told: dict[str, str] | Exception) -> None:
        self.told = told

    def run(self, _function: object, *, on_error: str) -> dict[str, object]:
        assert on_error == "return"
        return {f"tcp://10.0.0.{number}:1": told for number, told in enumerate(self.told)}

    def nthreads(self) -> dict[str, int]:
        return {"one": 4, "two": 2}


def test_other_code_is_refused() -> None:
    same, other = describe_code(), {**describe_code(), "sources": "0123"}
    assert check_workers(Cluster(same, same)) == 6
    with pytest.raises(Conflict, match=r"worker tcp://10.0.0.1:1 runs other code: sources 0123 instead of"):
        check_workers(Cluster(same, other))
    with pytest.raises(Conflict, match="other code or none: ModuleNotFoundError"):
        check_workers(Cluster(ModuleNotFoundError("layers.parts.dask")))


def test_other_code_of_a_late_worker_is_refused(town: Db, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_dask, "describe_code", lambda: {"sources": "0123"})
    compute = compute_on(client, town.settings)
    from layers.parts.run import plan_parts

    with town.writer.connect() as connection, pytest.raises(Conflict, match="other code"):
        list(compute(plan_parts(connection, town.settings, REQUEST, parts=1)))


def test_the_code_tells_what_differs() -> None:
    with pytest.raises(Conflict, match="worker there runs other code: numba 2 instead of 1") as caught:
        check_code({"numba": "1", "numpy": "3"}, {"numba": "2", "numpy": "3"}, "there")
    assert "same version" in caught.value.hint
    assert len(describe_code()["sources"]) == 16


@pytest.mark.parametrize(
    ("address", "workers"), [("local:3", 3), ("local", os.cpu_count()), ("tcp://10.0.0.7:8786", None)]
)
def test_addresses(address: str, workers: int | None) -> None:
    assert read_target(address) == workers


@pytest.mark.parametrize("address", ["", "local:0", "local:-1", "local:x", "local:9999", "10.0.0.7", "file:///etc"])
def test_addresses_that_mean_nothing(address: str) -> None:
    with pytest.raises(RequestError, match="expected local") as caught:
        read_target(address)
    assert caught.value.parameter == "dask"


def test_a_scheduler_that_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_dask, "CONNECT_TIMEOUT_S", 1)
    # somebody listens there, but says nothing
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with (
            pytest.raises(NotReady, match="did not answer within 1 s"),
            open_client(f"tcp://127.0.0.1:{port}", settings),
        ):
            pass
    with pytest.raises(NotReady, match="did not answer"), open_client(f"tcp://127.0.0.1:{port}", settings):
        pass


def test_a_scheduler_without_workers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(run_dask, "WORKER_TIMEOUT_S", 0.2)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty,
        pytest.raises(NotReady, match="no workers"),
        open_client(empty.scheduler_address, settings),
    ):
        pass


def test_without_dask_the_command_that_installs_it_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(NotReady, match="not installed") as caught, open_client("local:1", settings):
        pass
    assert caught.value.hint == "pip install 'onemap[dask]'"


def test_no_password_travels(town: Db) -> None:
    secret = replace(town.settings, database_url="postgresql://me:hunter2@db/onemap")
    sent: list[Any] = []

    class Listener:
        def map(self, _function: object, tasks: list[object], **_options: object) -> list[object]:
            sent.extend(tasks)
            return []

        def cancel(self, _futures: list[object]) -> None:
            pass

    from layers.parts.run import plan_parts

    with town.writer.connect() as connection:
        tasks = plan_parts(connection, town.settings, REQUEST, parts=1)
    list(compute_on(Listener(), secret)([replace(task, settings=secret) for task in tasks]))
    assert sent
    assert sent[0].has_own_database
    assert b"hunter2" not in pickle.dumps(sent)


def test_a_worker_that_does_not_know_the_database(town: Db, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from layers.parts.run import plan_parts

    with town.writer.connect() as connection:
        (task,) = plan_parts(connection, town.settings, REQUEST, parts=1)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    remote = run_dask.RemoteTask(task, has_own_database=True, city_file=None, code=describe_code())
    with pytest.raises(NotReady, match="no DATABASE_URL"):
        run_dask.run_remote(remote)
    elsewhere = replace(task, settings=replace(task.settings, home=tmp_path, database_url=None))
    with pytest.raises(NotReady, match="private database"):
        run_dask.run_remote(replace(remote, part=elsewhere, has_own_database=False))


def test_errors_keep_their_words_on_the_way() -> None:
    error = NotFound("there is no area 9", hint="look", parameter="area")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(back, OneMapError)
    assert (back.message, back.hint, back.parameter) == (error.message, error.hint, error.parameter)
