"""Database faults become ours at one seam, with a hint and without secrets."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from geo.errors import Busy, Conflict, NotReady, OneMapError, StoreError, StoreTimeout
from layers.engine import database_url, make_async_engine, make_engine, translate_error, translate_errors
from layers.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from tests.conftest import Db


WRONG = "wrong-one"


def find_closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    finally:
        engine.dispose()


def test_each_role_is_itself(db: Db) -> None:
    for role, engine in (("owner", db.owner), ("writer", db.writer), ("reader", db.reader)):
        with engine.connect() as connection:
            name, path, zone = connection.execute(
                text("SELECT current_user, current_setting('search_path'), current_setting('timezone')")
            ).one()
        assert path == "onemap, public"
        assert zone == "UTC"
        if db.settings.is_private:
            assert name == f"onemap_{role}"


def test_the_async_engine_reads_as_the_reader(db: Db) -> None:
    async def ask() -> str:
        engine = make_async_engine(db.settings)
        try:
            async with engine.connect() as connection:
                return str((await connection.execute(text("SELECT current_user"))).scalar_one())
        finally:
            await engine.dispose()

    assert asyncio.run(ask()) == "onemap_reader"


def test_the_async_engine_translates_faults(db: Db) -> None:
    async def write() -> None:
        engine = make_async_engine(db.settings)
        try:
            async with engine.connect() as connection:
                await connection.execute(text("DELETE FROM onemap.building"))
        finally:
            await engine.dispose()

    with pytest.raises(StoreError, match="may not"):
        asyncio.run(write())


def test_nobody_listens(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://li:secret@127.0.0.1:{find_closed_port()}/city"
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        connect(make_engine(Settings(home=tmp_path, database_url=url), role="reader"))
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    assert "DATABASE_URL" in caught.value.hint


def test_the_private_database_is_down(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not running") as caught:
        connect(make_engine(Settings(home=tmp_path), role="reader"))
    assert "onemap db start" in caught.value.hint


def tcp_url(db: Db, *, user: str, password: str, database: str | None = None) -> str:
    with psycopg.connect(db.url("owner")) as connection:
        port = connection.info.port
        name = connection.info.dbname
    return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{port}/{database or name}"


def test_a_wrong_password(db: Db, tmp_path: Path) -> None:
    url = tcp_url(db, user="onemap_owner", password=WRONG)
    with pytest.raises(StoreError, match="password") as caught:
        connect(make_engine(Settings(home=tmp_path, database_url=url), role="owner"))
    assert WRONG not in str(caught.value)


def test_a_dead_replica_is_passed_over(db: Db, tmp_path: Path) -> None:
    with psycopg.connect(db.url("owner")) as connection:
        folder, port, name = connection.info.host, connection.info.port, connection.info.dbname
    hosts = f"host=127.0.0.1:{find_closed_port()}&host={folder}:{port}"
    url = f"postgresql+psycopg://onemap_owner@/{name}?{hosts}"
    connect(make_engine(Settings(home=tmp_path, database_url=url), role="owner"))


def test_roles_without_a_password_cannot_come_in_over_tcp(db: Db, tmp_path: Path) -> None:
    for user in ("postgres", "onemap_owner", "onemap_writer", "onemap_reader"):
        url = tcp_url(db, user=user, password="")
        with pytest.raises(StoreError):
            connect(make_engine(Settings(home=tmp_path, database_url=url), role="owner"))


def test_a_database_that_is_not_there(db: Db) -> None:
    with pytest.raises(StoreError, match="no database of that name"):
        connect(make_engine(replace(db.settings, database="nowhere_test"), role="owner"))


def test_a_query_ends_when_its_time_is_over(db: Db) -> None:
    engine = make_engine(replace(db.settings, reader_timeout_s=0.1), role="reader")
    try:
        with engine.connect() as connection, pytest.raises(StoreTimeout):
            connection.execute(text("SELECT pg_sleep(30)"))
    finally:
        engine.dispose()


def test_a_killed_backend_is_told_and_replaced(db: Db) -> None:
    with db.reader.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with db.owner.connect() as killer, psycopg.connect(db.url("reader"), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
            killer.rollback()
        with pytest.raises(StoreError):
            connection.execute(text("SELECT 1"))
    with db.reader.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_locked_table_is_told(db: Db) -> None:
    with db.owner.begin() as holder, db.owner.connect() as waiter:
        holder.execute(text("LOCK TABLE onemap.setting IN ACCESS EXCLUSIVE MODE"))
        waiter.execute(text("SET lock_timeout = '50ms'"))
        with pytest.raises(StoreTimeout, match="holds"):
            waiter.execute(text("SELECT * FROM onemap.setting"))


def test_all_connections_in_use(db: Db) -> None:
    engine = make_engine(replace(db.settings, pool_size=1), role="reader")
    engine.pool._timeout = 0.05  # type: ignore[attr-defined] # the wait is a constant of the engine
    try:
        with engine.connect(), engine.connect(), pytest.raises(Busy), translate_errors():
            engine.connect()
    finally:
        engine.dispose()


def test_our_own_mistakes_stay_bugs(db: Db) -> None:
    with db.reader.connect() as connection, pytest.raises(ProgrammingError):
        connection.execute(text("SELECT no_such_column FROM onemap.building"))
    with db.writer.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO onemap.gate (source) VALUES ('a')"))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (psycopg.errors.DiskFull, StoreError),
        (psycopg.errors.OutOfMemory, StoreError),
        (psycopg.errors.TooManyConnections, StoreError),
        (psycopg.errors.AdminShutdown, StoreError),
        (psycopg.errors.CannotConnectNow, StoreError),
        (psycopg.errors.IoError, StoreError),
        (psycopg.errors.QueryCanceled, StoreTimeout),
        (psycopg.errors.LockNotAvailable, StoreTimeout),
        (psycopg.errors.SerializationFailure, Conflict),
        (psycopg.errors.DeadlockDetected, Conflict),
        (psycopg.errors.UndefinedTable, NotReady),
        (psycopg.errors.InvalidSchemaName, NotReady),
        (psycopg.errors.InsufficientPrivilege, StoreError),
        (psycopg.errors.ReadOnlySqlTransaction, StoreError),
        (psycopg.errors.ConnectionException, StoreError),
        (psycopg.OperationalError, StoreError),
        (psycopg.InterfaceError, StoreError),
    ],
)
def test_every_known_fault_says_what_to_do(fault: type[psycopg.Error], kind: type[OneMapError]) -> None:
    ours = translate_error(fault("SELECT secret FROM somewhere"), private=True)
    assert type(ours) is kind
    assert ours.hint
    assert "secret" not in str(ours)


@pytest.mark.parametrize("fault", [psycopg.errors.SyntaxError, psycopg.errors.UniqueViolation, ValueError])
def test_unknown_faults_are_not_hidden(fault: type[Exception]) -> None:
    assert translate_error(fault("x"), private=True) is None


def test_a_reading_address_serves_the_reader_only(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        database_url="postgresql+psycopg://main/city",
        database_url_read="postgresql+psycopg://replica/city",
    )
    assert database_url(settings, role="reader").host == "replica"
    assert database_url(settings, role="writer").host == "main"
