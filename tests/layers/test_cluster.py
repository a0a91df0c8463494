"""The private cluster: made, started, stopped, killed and refused, for real."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from geo.errors import StoreError
from layers import cluster, programs
from layers.settings import Settings
from tests.conftest import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="omc-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def own(home: Path) -> Iterator[Settings]:
    settings = Settings(home=home / "home")
    cluster.ensure_running(settings, config=QUICK)
    yield settings
    cluster.stop(settings)


def ask(settings: Settings, question: str) -> str:
    with psycopg.connect(cluster.admin_conninfo(settings, database="postgres")) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def kill(settings: Settings) -> None:
    """Kill the server as a power cut would and wait until its children are gone."""
    server = psutil.Process(cluster.find_address(settings).pid)
    children = server.children()
    server.kill()
    psutil.wait_procs(children, timeout=30)


def test_it_is_made_as_promised(own: Settings) -> None:
    assert ask(own, "SHOW data_checksums") == "on"
    assert ask(own, "SHOW server_encoding") == "UTF8"
    assert ask(own, "SELECT datcollate FROM pg_database WHERE datname = 'template1'") == "C.UTF-8"
    assert ask(own, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(own, "SHOW client_connection_check_interval") == "1s"


def test_only_its_user_may_look_into_it(own: Settings) -> None:
    found = own.pg_dir.stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert (found.st_uid != 0) == AS_ROOT or not AS_ROOT
    assert own.home.stat().st_uid == os.geteuid()


def test_nobody_is_trusted(own: Settings) -> None:
    lines = (programs.data_dir(own) / "pg_hba.conf").read_text(encoding="utf-8")
    assert "trust" not in lines
    assert "peer map=onemap" in lines


def test_starting_twice_is_starting_once(own: Settings) -> None:
    before = cluster.find_address(own)
    cluster.ensure_running(own)
    assert cluster.start(own) == before


def test_many_starts_at_once_start_one(home: Path) -> None:
    settings = Settings(home=home / "many")
    found: list[cluster.Address] = []
    threads = [threading.Thread(target=lambda: found.append(cluster.start(settings, config=QUICK))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert cluster.stop(settings)


def test_it_stops_and_keeps_its_port(own: Settings) -> None:
    port = cluster.find_address(own).port
    assert cluster.stop(own)
    assert not cluster.stop(own)
    assert cluster.read_status(own).state == "stopped"
    assert cluster.start(own, config=QUICK).port == port


def test_it_comes_back_after_a_kill(own: Settings) -> None:
    kill(own)
    assert cluster.read_status(own).state == "unclean"
    with pytest.raises(StoreError, match="not running"):
        cluster.find_address(own)
    cluster.ensure_running(own, config=QUICK)
    assert ask(own, "SELECT 1") == "1"


def test_a_pid_file_that_names_another_process_is_stale(own: Settings) -> None:
    cluster.stop(own)
    account = programs.find_account(own)
    sleeper = subprocess.Popen(["sleep", "60"], user=account.uid)
    try:
        pid_file = programs.data_dir(own) / "postmaster.pid"
        pid_file.write_text(f"{sleeper.pid}\n{programs.data_dir(own)}\n1\n5432\n/tmp\nlocalhost\n1 1\nready   \n")
        if account.uid is not None:
            os.chown(pid_file, account.uid, account.gid or 0)
        assert cluster.read_status(own).state == "unclean"
        cluster.start(own, config=QUICK)
        assert ask(own, "SELECT 1") == "1"
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_taken_port_is_left_to_its_owner(own: Settings) -> None:
    port = cluster.find_address(own).port
    cluster.stop(own)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert cluster.start(own, config=QUICK).port != port
    assert ask(own, "SELECT 1") == "1"


def test_a_half_made_cluster_is_made_again(home: Path) -> None:
    settings = Settings(home=home / "half")
    cluster.start(settings, config=QUICK)
    cluster.stop(settings)
    left_over = settings.pg_dir / "data.new-99999"
    programs.data_dir(settings).rename(left_over)
    cluster.start(settings, config=QUICK)
    assert not left_over.exists()
    cluster.stop(settings)


def test_a_long_path_gets_a_short_socket(home: Path) -> None:
    settings = Settings(home=home / ("long-" * 18))
    address = cluster.start(settings, config=QUICK)
    try:
        assert len(os.fsencode(address.socket_dir)) <= cluster.SOCKET_DIR_LENGTH_MAX
        assert settings.home not in address.socket_dir.parents
        assert ask(settings, "SELECT 1") == "1"
    finally:
        cluster.stop(settings)
        shutil.rmtree(address.socket_dir)


@pytest.mark.skipif(not AS_ROOT, reason="only root steps down")
def test_a_closed_home_is_opened_to_the_group_only(home: Path) -> None:
    settings = Settings(home=home / "closed")
    settings.home.mkdir(mode=0o700)
    cluster.start(settings, config=QUICK)
    cluster.stop(settings)
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o710


@pytest.mark.skipif(not AS_ROOT, reason="only root steps down")
def test_a_home_below_a_closed_folder_is_refused(home: Path) -> None:
    closed = home / "private"
    closed.mkdir(mode=0o700)
    with pytest.raises(StoreError, match="may not pass") as caught:
        cluster.start(Settings(home=closed / "home"))
    assert "ONEMAP_HOME" in caught.value.hint


def test_missing_programs_are_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not installed") as caught:
        cluster.start(Settings(home=home / "none", pg_bin=tmp_path))
    assert "apt-get install postgresql" in caught.value.hint


def test_data_of_another_version_are_left_alone(home: Path) -> None:
    settings = Settings(home=home / "old")
    data = settings.pg_dir / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(StoreError, match="made by PostgreSQL 9"):
        cluster.start(settings)


def test_a_foreign_folder_is_left_alone(home: Path) -> None:
    settings = Settings(home=home / "foreign")
    (settings.pg_dir / "data").mkdir(parents=True)
    with pytest.raises(StoreError, match="holds no database"):
        cluster.start(settings)


def test_a_full_disk_is_refused_before_anything_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage._replace(free=10 * 1024**2))
    settings = Settings(home=home / "full")
    with pytest.raises(StoreError, match="10 MiB free") as caught:
        cluster.start(settings)
    assert "Nothing was changed" in caught.value.hint
    assert not programs.is_made(settings)


def test_a_disk_that_fills_up_leaves_nothing_half_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not AS_ROOT:
        pytest.skip("only root mounts a small disk")
    small = home / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0711", "tmpfs", small], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        monkeypatch.setattr(cluster, "FREE_BYTES_MIN", 0)
        settings = Settings(home=small / "home")
        with pytest.raises(StoreError, match="No space left") as caught:
            cluster.start(settings)
        assert "disk is full" in caught.value.hint
        assert not programs.is_made(settings)
        assert not list(settings.pg_dir.glob("data*"))
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    with pytest.raises(StoreError, match="cannot be made"):
        cluster.start(Settings(home=blocker / "home"))


def test_a_broken_configuration_is_told_with_its_cause(home: Path) -> None:
    settings = Settings(home=home / "broken")
    with pytest.raises(StoreError, match=r"does not start: .*shared_buffers"):
        cluster.start(settings, config={**QUICK, "shared_buffers": "lots"})
    cluster.start(settings, config=QUICK)
    cluster.stop(settings)


@pytest.mark.parametrize("action", [cluster.start, cluster.stop, cluster.read_status])
def test_a_database_of_ones_own_is_not_touched(tmp_path: Path, action: object) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql+psycopg://host/name")
    with pytest.raises(StoreError, match="of your own"):
        action(settings)  # type: ignore[operator] # one of three functions of settings
    cluster.ensure_running(settings)


def test_the_tuning_fits_the_machine() -> None:
    tuned = cluster.tune()
    assert int(tuned["shared_buffers"].removesuffix("MB")) <= 2048
    assert tuned["jit"] == "off"
