"""Connections to the one database, and the one seam where its errors become ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from geo.errors import Busy, Conflict, NotReady, OneMapError, StoreError, StoreTimeout
from layers import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import ExceptionContext

    from layers.settings import Settings

Role = Literal["owner", "writer", "reader"]
ROLE_NAMES: dict[Role, str] = {"owner": "onemap_owner", "writer": "onemap_writer", "reader": "onemap_reader"}
CONNECT_TIMEOUT_S = 5
# Rows idle inside a transaction hold back vacuum and the change relay; a reader has no reason to sit there.
IDLE_TIMEOUT_S = 60
POOL_TIMEOUT_S = 10

START_HINT = "Start it with `onemap db start`; `onemap check` finds what is wrong."
FOREIGN_HINT = "Check DATABASE_URL and that the server runs; `onemap check` finds what is wrong."


def make_engine(settings: Settings, *, role: Role) -> Engine:
    """Return an engine whose connections act in one role; nothing is connected yet.

    Parameters
    ----------
    settings
        Which database; for the private cluster the address is looked up at every connect, so that an engine
        outlives a restart of the cluster.
    role
        ``owner`` defines tables, ``writer`` changes rows, ``reader`` only reads.
    """
    engine = create_engine(database_url(settings, role=role), **_options(settings))
    _prepare(engine, settings, role)
    return engine


def make_async_engine(settings: Settings, *, role: Role = "reader") -> AsyncEngine:
    """Return the engine of the routes; as :func:`make_engine`, for asyncio."""
    engine = create_async_engine(database_url(settings, role=role), **_options(settings))
    _prepare(engine.sync_engine, settings, role)
    return engine


def database_url(settings: Settings, *, role: Role) -> URL:
    """Return the address one role connects to, without a host for the private cluster."""
    if settings.database_url is None:
        return URL.create("postgresql+psycopg", username=ROLE_NAMES[role], database=settings.database)
    if role == "reader" and settings.database_url_read is not None:
        return make_url(settings.database_url_read)
    return make_url(settings.database_url)


def libpq_parameters(settings: Settings, *, role: Role) -> dict[str, str]:
    """Return what a bare connection or another PostgreSQL program needs, password included."""
    url = database_url(settings, role=role)
    if settings.is_private:
        address = cluster.find_address(settings)
        url = url.update_query_dict({"host": str(address.socket_dir), "port": str(address.port)})
    _, parameters = url.get_dialect()().create_connect_args(url)
    return {name: str(value) for name, value in parameters.items()}


def timeout_ms(settings: Settings, role: Role) -> int:
    """Return the longest statement of a role in milliseconds; 0 means no limit."""
    seconds = {"owner": 0.0, "writer": settings.writer_timeout_s, "reader": settings.reader_timeout_s}[role]
    return round(seconds * 1000)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_size,
        "pool_timeout": POOL_TIMEOUT_S,
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "onemap"},
    }


def _prepare(engine: Engine, settings: Settings, role: Role) -> None:
    if settings.is_private:

        @event.listens_for(engine, "do_connect")
        def find_server(_dialect: object, _record: object, _args: object, params: dict[str, Any]) -> None:
            address = cluster.find_address(settings)
            params["host"], params["port"] = str(address.socket_dir), address.port

    @event.listens_for(engine, "connect")
    def take_role(connection: Any, _record: object) -> None:
        _take_role(connection, settings, role)

    @event.listens_for(engine, "handle_error", retval=True)
    def translate(context: ExceptionContext) -> OneMapError | None:
        found = context.sqlalchemy_exception or context.original_exception
        return translate_error(found, private=settings.is_private)


def _take_role(connection: Any, settings: Settings, role: Role) -> None:
    """Set search path and time-outs, and step down from the owner where one address serves all roles."""
    cursor = connection.cursor()
    try:
        if not settings.is_private and role != "owner":
            _step_down(cursor, role)
        cursor.execute(
            "SELECT set_config('search_path', 'onemap, public', false),"
            " set_config('timezone', 'UTC', false),"
            " set_config('statement_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            (str(timeout_ms(settings, role)), str(IDLE_TIMEOUT_S * 1000 if role == "reader" else 0)),
        )
    finally:
        cursor.close()
    connection.commit()


def allow_computing(connection: Connection) -> None:
    """Let the open transaction wait while its reader computes: networks are laid out between two statements.

    Parameters
    ----------
    connection
        An open connection; from its next transaction on the usual limit holds again.
    """
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _step_down(cursor: Any, role: Role) -> None:
    """Become the role where that is allowed; else a reader at least may not write."""
    name = ROLE_NAMES[role]
    cursor.execute("SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (name,))
    row = cursor.fetchone()
    if row is not None and row[0]:
        cursor.execute(f"SET ROLE {name}")
    elif role == "reader":
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")


@contextmanager
def translate_errors(*, private: bool = True) -> Iterator[None]:
    """Turn database faults of the body into :class:`StoreError` and its kin; others pass unchanged.

    Engines made here do so by themselves; this is for bare psycopg connections and COPY.

    Parameters
    ----------
    private
        Whether the database is the private cluster; decides the hint.

    Raises
    ------
    OneMapError
        The database cannot be reached, is full, timed out, is locked or holds no tables yet.
    """
    try:
        yield
    except (psycopg.Error, DBAPIError, PoolTimeoutError) as error:
        ours = translate_error(error, private=private)
        if ours is None:
            raise
        raise ours from error


def translate_error(error: BaseException, *, private: bool) -> OneMapError | None:
    """Return our error for a database fault, or None where the fault is a bug of ours."""
    if isinstance(error, PoolTimeoutError):
        return Busy("All connections to the database are in use.", hint="Try again in a moment.")
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None) or ""
    hint = START_HINT if private else FOREIGN_HINT
    known = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if known is not None:
        kind, message, own_hint = known
        return kind(message, hint=own_hint or hint)
    if state:
        return None
    return _translate_stateless(error, original, hint)


def _translate_stateless(error: BaseException, original: object, hint: str) -> OneMapError | None:
    """Return our error for a fault the client library found by itself, which has no SQLSTATE."""
    text = str(original).lower()
    if "password authentication failed" in text or "no password supplied" in text:
        return StoreError("The database refused the user name or password.", hint=hint)
    if "does not exist" in text and "database" in text:
        return StoreError("The server has no database of that name.", hint=_MISSING_DATABASE_HINT)
    if "too many clients" in text or "remaining connection slots" in text:
        return StoreError("The database has no free connection.", hint=_CONNECTIONS_HINT)
    lost = isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
    if lost or isinstance(error, OperationalError | InterfaceError):
        return StoreError("The database cannot be reached.", hint=hint)
    return None


_MISSING_DATABASE_HINT = "Create it, or correct the name in DATABASE_URL; `onemap db migrate` then makes the tables."
_CONNECTIONS_HINT = "Stop other programs that use it, lower ONEMAP_POOL_SIZE or raise max_connections."
_FULL_HINT = "Free space on the disk that holds the database, then repeat; what was stored before is kept."

# SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html
_BY_STATE: dict[str, tuple[type[OneMapError], str, str]] = {
    "57014": (StoreTimeout, "The database took longer than the time allowed for one statement.", "Ask for less."),
    "55P03": (StoreTimeout, "Another change holds the rows or tables that are needed.", "Try again in a moment."),
    "25P03": (StoreTimeout, "The connection sat idle inside a transaction for too long.", "Try again."),
    "53100": (StoreError, "The disk of the database is full; the change was undone.", _FULL_HINT),
    "53200": (StoreError, "The database ran out of memory.", "Ask for less, or give the server more memory."),
    "53300": (StoreError, "The database has no free connection.", _CONNECTIONS_HINT),
    "28P01": (StoreError, "The database refused the user name or password.", ""),
    "28000": (StoreError, "The database refused this user.", ""),
    "3D000": (StoreError, "The server has no database of that name.", _MISSING_DATABASE_HINT),
    "42P01": (NotReady, "The database lacks a table that is needed.", "Run `onemap db migrate`."),
    "3F000": (NotReady, "The database lacks the schema onemap.", "Run `onemap db migrate`."),
    "42501": (
        StoreError,
        "The database role may not do this.",
        "Run `onemap db migrate`; it says which rights to grant.",
    ),
    "25006": (StoreError, "This connection to the database may only read.", "Use the owner's DATABASE_URL."),
    "40001": (Conflict, "Another change came first.", "Repeat the request."),
    "40P01": (Conflict, "Two changes waited for each other; this one was undone.", "Repeat the request."),
    "58030": (StoreError, "The database could not read or write its disk.", _FULL_HINT),
}
_BY_CLASS: dict[str, tuple[type[OneMapError], str, str]] = {
    "08": (StoreError, "The connection to the database broke.", ""),
    "57": (StoreError, "The database is starting, stopping or was restarted.", "Try again in a moment."),
}
