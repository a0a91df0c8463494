"""The command line's frame: help, exit codes, and a table of things that go wrong."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from api.cli import check, context, main, serve
from geo import errors
from layers.engine import database_url

if TYPE_CHECKING:
    from tests.conftest import Db

EVERYWHERE = "0.0.0.0"  # noqa: S104 - to be refused
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Point the environment at an installation where nothing was made yet."""
    for key in [key for key in os.environ if key.startswith(("ONEMAP_", "DATABASE_URL"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, db: Db) -> Db:
    """Point the environment at the database of this module."""
    for key in [key for key in os.environ if key.startswith(("ONEMAP_", "DATABASE_URL"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("ONEMAP_HOME", str(db.settings.home))
    if db.settings.is_private:
        monkeypatch.setenv("ONEMAP_DATABASE", db.settings.database)
    else:
        monkeypatch.setenv(
            "DATABASE_URL", database_url(db.settings, role="owner").render_as_string(hide_password=False)
        )
    return db


def test_help_teaches_and_loads_nothing_heavy() -> None:
    program = "import sys; from api.cli.main import run; code = run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; sys.exit(code)"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in ("onemap demo", "onemap load streets", "Exit codes", "DATABASE_URL"):
        assert word in done.stdout
    assert {"numpy", "pandas", "sqlalchemy", "fastapi", "numba"}.isdisjoint(done.stderr.split())


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    def walk(command: click.Command, words: list[str]) -> None:
        assert main.run([*words, "--help"]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("Usage: onemap"), words
        assert command.help, words
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                walk(child, [*words, name])

    top = click.Context(main.cli)
    for name in main.cli.list_commands(top):
        found = main.cli.get_command(top, name)
        assert found is not None
        walk(found, [name])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "No such command"),
        (["db"], 2, "Usage"),
        (["db", "nonsense"], 2, "No such command"),
        (["db", "start", "--fast"], 2, "No such option"),
        (["db", "status"], 3, "onemap db start"),
        (["db", "backup"], 2, "Missing argument"),
        (["db", "restore", "/no/such/file"], 2, "does not exist"),
        (["db", "psql", "--role", "postgres"], 2, "Invalid value"),
        (["serve", "--port", "0"], 2, "not in the range"),
        (["serve", "--port", "http"], 2, "not a valid integer"),
        (["serve", "--workers", "0"], 2, "not in the range"),
        (["serve", "--host", EVERYWHERE], 2, "--allow-open"),
        (["serve", "--host", "192.168.1.4"], 2, "--allow-open"),
        (["serve", "--host", "::"], 2, "--allow-open"),
        (["serve", "--host", "example.com"], 2, "not an address"),
        (["demo", "--size", "XXL"], 2, "Invalid value"),
    ],
)
def test_bad_commands(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert main.run(arguments) == code
    assert said in capsys.readouterr().err
    assert not (home / "pg").exists()


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://li:secret@127.0.0.1:1/city", 3, "cannot be reached"),
        ("mysql://li:secret@127.0.0.1/city", 2, "expected postgresql"),
        ("postgresql://li:secret@127.0.0.1", 2, "names no database"),
    ],
)
def test_a_bad_database_address(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, code: int, said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    for arguments in (["db", "status"], ["db", "migrate"], ["serve", "--port", "65111"]):
        assert main.run(arguments) == code
        shown = capsys.readouterr().err
        assert said in shown
        assert "secret" not in shown


@pytest.mark.parametrize("action", ["start", "stop"])
def test_a_database_of_ones_own_is_neither_started_nor_stopped(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/city")
    assert main.run(["db", action]) == 3
    assert "of your own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (errors.RequestError("asked badly", hint="ask well"), 2, "ask well"),
        (errors.NotReady("no run yet", hint="onemap gaps run"), 4, "onemap gaps run"),
        (errors.StoreError("gone"), 3, "gone"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (click.Abort(), 130, "Interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "out.gpkg"), 2, "out.gpkg: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/out.csv"), 2, "Permission denied"),
        (ZeroDivisionError("an oversight"), 1, "This is a bug"),
        (OSError(errno.EBADF, "Bad file descriptor"), 1, "This is a bug"),
    ],
)
def test_every_fault_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: BaseException, code: int, said: str
) -> None:
    def fail(**_arguments: object) -> None:
        raise fault

    monkeypatch.setattr(main.cli, "main", fail)
    assert main.run([]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("is_told", [True, False])
def test_what_follows_from_an_interruption_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_told: bool
) -> None:
    import psycopg

    def fail(**_arguments: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as cause:
            busy = psycopg.OperationalError("sending query failed: another command is already in progress")
            logger = logging.Logger("library")  # noqa: LOG001 - one that no handler of pytest's hears
            try:
                raise busy
            except psycopg.OperationalError:
                logger.exception("putting a connection away")
            raise errors.StoreError("The database cannot be reached.") from (cause if is_told else busy)

    monkeypatch.setattr(main.cli, "main", fail)
    assert main.run(["load"]) == 130
    shown = capsys.readouterr().err
    assert shown.strip() == "Interrupted; what was not finished was not stored."


def test_a_fault_that_holds_itself_is_no_interruption() -> None:
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    assert not main.is_interruption(one)


def test_faults_for_machines_are_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["db", "status", "--json"]) == 3
    shown = capsys.readouterr()
    assert json.loads(shown.out)["state"] == "absent"
    fault = json.loads(shown.err)
    assert fault["exit_code"] == 3
    assert "onemap db start" in fault["error"]["hint"]


def test_unknown_settings_are_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONEMAP_PROT", "1")
    assert main.run(["db", "status"]) == 2
    assert "ONEMAP_PROT" in capsys.readouterr().err


def test_status_and_migrate(environment: Db, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["db", "status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["state"] == "running"
    assert facts["revision"] == facts["revision_wanted"]
    assert main.run(["db", "migrate"]) == 0
    assert "up to date" in capsys.readouterr().err


def test_a_busy_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main.run(["serve", "--port", str(port)]) == 2
    shown = capsys.readouterr().err
    assert "another program uses it" in shown
    assert "--port" in shown


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_leave(host: str) -> None:
    serve.refuse_open_host(host, allow_open=False)


def test_the_server_is_told_which_names_are_its_own(environment: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[object, object]] = []
    monkeypatch.setattr("uvicorn.run", lambda *_, host, **__: told.append((host, os.environ.get(serve.HOSTS_KEY))))
    monkeypatch.setattr(serve, "announce", lambda *_: None)
    monkeypatch.setenv(serve.HOSTS_KEY, "to be put back")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    assert main.run(["serve", "--port", port]) == 130
    app = serve.make_app()
    assert {kind.kwargs["hosts"] for kind in app.user_middleware if "hosts" in kind.kwargs} == {
        frozenset(serve.LOOPBACK)
    }
    assert main.run(["serve", "--port", port, "--allow-open"]) == 130
    assert told == [("127.0.0.1", "localhost 127.0.0.1 ::1 127.0.0.1"), ("127.0.0.1", None)]
    assert not any("hosts" in kind.kwargs for kind in serve.make_app().user_middleware)


def test_an_open_address_needs_leave_and_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    serve.refuse_open_host(EVERYWHERE, allow_open=True)
    assert "whoever reaches it" in capsys.readouterr().err


def test_check_finds_a_database_that_is_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["check", "--json"]) == 3
    found = {one["title"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert found["Database server"]["state"] == "wrong"
    assert "onemap db start" in found["Database server"]["hint"]
    assert "PostGIS in the database" not in found
    assert not home.exists() or not (home / "pg").exists()


def test_check_of_a_healthy_installation(environment: Db, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.run(["check", "--json"])
    assert code in {0, 4}
    found = {one["title"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    for title in (
        "Database server",
        "PostGIS in the database",
        "Tables of this version",
        "Time-out of reading statements",
    ):
        assert found[title]["state"] == "ok", found[title]
    assert found["Layers a gap run needs"]["state"] == "look"
    if environment.settings.is_private:
        assert found["Reader role cannot write"] == {
            "title": "Reader role cannot write",
            "state": "ok",
            "text": "reads as onemap_reader",
            "hint": "",
        }


def test_every_check_has_a_title() -> None:
    for one in check.CHECKS:
        title = (one.__doc__ or "").strip()
        assert title, one
        assert "\n" not in title, one


def test_the_reader_who_may_write_is_noticed(environment: Db) -> None:
    from sqlalchemy import text

    with environment.owner.begin() as connection:
        connection.execute(text("GRANT INSERT ON onemap.building TO onemap_reader"))
    try:
        assert check.check_reader(environment.settings).state == "look"
    finally:
        with environment.owner.begin() as connection:
            connection.execute(text("REVOKE INSERT ON onemap.building FROM onemap_reader"))


def test_backup_and_restore_are_verified(environment: Db, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sqlalchemy import text

    from tests.factories import add_building

    with environment.writer.begin() as connection:
        add_building(connection, lon=0.5, lat=0.5, people=3, name="楼")
    file = tmp_path / "store.backup"
    assert main.run(["db", "backup", str(file)]) == 0
    assert main.run(["db", "backup", str(file)]) == 2
    with environment.writer.begin() as connection:
        connection.execute(text("DELETE FROM onemap.building"))
    assert main.run(["db", "restore", "--yes", str(file)]) == 0
    assert "verified" in capsys.readouterr().err
    with environment.reader.connect() as connection:
        assert connection.execute(text("SELECT name, people FROM onemap.building")).one() == ("楼", 3)
    with environment.writer.begin() as connection:
        connection.execute(text("UPDATE onemap.building SET people = 4"))
    assert [path.name for path in tmp_path.iterdir()] == ["store.backup"]


def test_a_damaged_backup_changes_nothing(environment: Db, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sqlalchemy import text

    file = tmp_path / "store.backup"
    assert main.run(["db", "backup", str(file)]) == 0
    whole = file.read_bytes()
    with environment.owner.begin() as connection:
        connection.execute(text("INSERT INTO onemap.setting (key, value) VALUES ('kept', '1')"))
    for damaged in (b"", b"not a backup", whole[: len(whole) // 2], whole.replace(b"PGDMP", b"XXDMP")):
        file.write_bytes(damaged)
        assert main.run(["db", "restore", "--yes", str(file)]) in {2, 3}
    with environment.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.setting WHERE key = 'kept'")).scalar_one() == 1
    assert "Nothing was changed" in capsys.readouterr().err


def test_restore_asks_first(environment: Db, tmp_path: Path) -> None:
    file = tmp_path / "store.backup"
    assert main.run(["db", "backup", str(file)]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "db", "restore", str(file)],
        cwd=ROOT,
        input="n\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130


def test_psql_reads_as_the_reader(environment: Db) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "api.cli.main",
            "db",
            "psql",
            "--",
            "-Atc",
            "SELECT current_user, count(*) FROM setting",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("onemap_reader|")


def test_an_engine_is_lent_migrated_and_given_back(environment: Db) -> None:
    from sqlalchemy import text

    with context.open_engine(environment.settings, role="reader") as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.run")).scalar_one() == 0
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined] # QueuePool counts, its base does not
