"""``onemap demo`` and ``onemap serve`` as a newcomer meets them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from api.cli import demo, main
from geo.errors import Conflict, RequestError
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Db

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, db: Db) -> Db:
    """Point the environment at the database of this module."""
    for key in [key for key in os.environ if key.startswith(("ONEMAP_", "DATABASE_URL"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("ONEMAP_HOME", str(db.settings.home))
    if not db.settings.is_private:
        monkeypatch.setenv("DATABASE_URL", db.settings.database_url or "")
    monkeypatch.setenv("ONEMAP_DATABASE", db.settings.database)
    return db


@pytest.fixture
def busy_port() -> Iterator[int]:
    """Lend a port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def count_versions(db: Db) -> list[tuple[object, ...]]:
    with db.reader.connect() as connection:
        question = "SELECT layer, version, rows FROM onemap.layer_version ORDER BY layer"
        return [tuple(row) for row in connection.execute(text(question))]


def test_a_city_is_made_once(environment: Db, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["demo", "--no-serve"]) == 0
    first = capsys.readouterr().err
    assert "Making the sample city, size S" in first
    made = count_versions(environment)
    assert {"streets", "buildings", "facilities", "areas", "population"} <= {str(row[0]) for row in made}
    with environment.reader.connect() as connection:
        people = connection.execute(text("SELECT sum(people) FROM onemap.resident_group")).scalar_one()
        assert 15_000 < people < 25_000
        assert connection.execute(text("SELECT count(*) FROM onemap.run WHERE state = 'done'")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM onemap.quarantine")).scalar_one() == 0

    assert main.run(["demo", "--no-serve"]) == 0
    assert "are there already" in capsys.readouterr().err
    assert count_versions(environment) == made

    with environment.owner.begin() as connection:
        connection.execute(text("DELETE FROM onemap.run"))
    assert main.run(["demo", "--no-serve"]) == 0
    shown = capsys.readouterr().err
    assert "Walking" in shown
    assert "Loading" not in shown


def test_the_map_answers_and_stops_cleanly(environment: Db) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "api.cli.main", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = ""
        for line in server.stderr:
            said += line
            if "The map is at" in line:
                break
        assert f"http://127.0.0.1:{port}/" in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        rest = server.stderr.read()
        assert "Traceback" not in rest, rest
        assert server.wait(timeout=60) in {0, 130}


def test_data_of_ones_own_are_not_mixed_with_an_invented_city(fresh_db: Db) -> None:
    with fresh_db.writer.begin() as connection:
        factories.add_building(connection)
    with pytest.raises(Conflict, match="test") as caught:
        demo.make_demo(fresh_db.writer, fresh_db.settings, "S")
    assert "ONEMAP_HOME" in caught.value.hint
    assert demo.read_state(fresh_db.reader) == {}


def test_the_state_is_kept(fresh_db: Db) -> None:
    demo.save_state(fresh_db.writer, {"size": "S", "recipe": "a", "run": None})
    demo.save_state(fresh_db.writer, {"size": "M", "recipe": "a", "run": 3})
    assert demo.read_state(fresh_db.reader) == {"size": "M", "recipe": "a", "run": 3}
    assert not demo.has_run(fresh_db.reader, 3)


def test_the_recipe_has_a_stable_name() -> None:
    assert demo.hash_recipe() == demo.hash_recipe()
    assert len(demo.hash_recipe()) == 16


def test_the_next_free_port_is_taken_unless_one_was_asked_for(
    busy_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.choose_port(busy_port, exactly=False) != busy_port
    assert f"Port {busy_port} is taken" in capsys.readouterr().err
    with pytest.raises(RequestError, match="another program"):
        demo.choose_port(busy_port, exactly=True)


def test_a_busy_port_stops_the_demo_before_anything_is_made(environment: Db, busy_port: int) -> None:
    assert main.run(["demo", "--port", str(busy_port), "--size", "L"]) == 2
