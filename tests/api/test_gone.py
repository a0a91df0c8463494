"""A caller who has gone frees the database: on a real server, with a real socket."""

from __future__ import annotations

import gc
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvicorn
from sqlalchemy import text

from api.app import create_app
from tests import seed
from tests.api.conftest import make_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Db

# the cursor of a download that was cut goes with its connection; the driver remarks on it when it is collected
pytestmark = pytest.mark.filterwarnings("ignore:.*ServerCursorMixin:pytest.PytestUnraisableExceptionWarning")

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE NOT granted AND datname = current_database()
"""
# far below the time-out of a statement, far above what a busy machine needs
PATIENCE_S = 5.0


@pytest.fixture(scope="module")
def port(db: Db, place: seed.Seed) -> Iterator[int]:
    """Return the port of a real server in a thread."""
    number = find_free_port()
    app = create_app(db.settings, executor=make_threads)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=number, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield number
    server.should_exit = True
    thread.join(timeout=30)


def find_free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> bool:
    """Return whether something comes true before patience ends."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    "path",
    [
        "/tiles/buildings/16/53939/24824.mvt",
        "/ogc/collections/buildings/items",
        "/gaps/runs/latest/buildings",
        "/gaps/runs/latest/buildings?f=csv",
        "/search?q=x",
    ],
)
def test_the_statement_of_a_caller_who_left_is_cancelled(db: Db, port: int, path: str) -> None:
    def count_waiting() -> int:
        with db.owner.connect() as conn:
            return int(conn.execute(text(WAITING)).scalar_one())

    blocker = db.owner.connect()
    blocker.execute(text("LOCK TABLE onemap.building IN ACCESS EXCLUSIVE MODE"))
    try:
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert wait_until(lambda: count_waiting() == 1), "the statement never began"
        assert wait_until(lambda: count_waiting() == 0), "the statement outlived its caller"
        gc.collect()
    finally:
        blocker.rollback()
        blocker.close()


def test_the_server_still_answers_afterwards(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"GET /gaps/runs/latest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := caller.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
