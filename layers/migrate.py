"""Brings a database to the tables, roles and rights this version of the product needs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from geo.errors import StoreError
from layers import cluster
from layers.engine import ROLE_NAMES, Role, libpq_parameters, make_engine, timeout_ms, translate_errors
from layers.tables import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from layers.settings import Settings

EXTENSIONS = ("postgis",)
LOCK_TIMEOUT = "10s"
# Any number will do as long as nobody else uses it: the letters "onemap" in hexadecimal.
MIGRATE_LOCK_KEY = 0x6F6E656D6170

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MigrateReport:
    """What a migration did.

    Attributes
    ----------
    before
        Revision found, None for an empty database.
    after
        Revision now.
    administrator_sql
        Statements only the database's administrator may run; empty when all is in place.
    """

    before: str | None
    after: str
    administrator_sql: tuple[str, ...]


def migrate(settings: Settings, *, config: Mapping[str, str] | None = None) -> MigrateReport:
    """Make roles, extension, tables and rights; an up-to-date database is left as it is.

    Runs in one transaction: after a fault the database is as it was.

    Parameters
    ----------
    settings
        The installation; its private cluster is started when it does not run.
    config
        Lines for the private cluster's configuration that win over ours.

    Raises
    ------
    StoreError
        The database cannot be reached, or lacks what only its administrator may add.
    """
    if settings.is_private:
        cluster.ensure_running(settings, config=config)
        _prepare_private(settings)
    engine = make_engine(settings, role="owner")
    try:
        missing = [] if settings.is_private else _prepare_foreign(settings)
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATE_LOCK_KEY})
            before = read_revision(connection)
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            command.upgrade(_alembic_config(connection), "head")
            grant_rights(connection)
    finally:
        engine.dispose()
    return MigrateReport(before, head_revision(), tuple(missing))


def head_revision() -> str:
    """Return the revision this version of the product works with."""
    head = ScriptDirectory.from_config(_alembic_config(None)).get_current_head()
    if head is None:
        raise StoreError("The product carries no migrations.", hint="Install it again.")
    return head


def read_revision(connection: Connection) -> str | None:
    """Return the revision a database is at, None when it was never migrated."""
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


def grant_rights(connection: Connection) -> None:
    """Give the reader SELECT and the writer DML on everything in the schema, now and later; neither may define.

    Roles that do not exist are passed over: :func:`migrate` has listed them for the administrator.
    """
    found = set(connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'onemap%'")).scalars())
    rights: dict[Role, str] = {"reader": "SELECT", "writer": "SELECT, INSERT, UPDATE, DELETE"}
    for role, tables in rights.items():
        name = ROLE_NAMES[role]
        if name not in found:
            continue
        sequences = "USAGE, SELECT" if role == "writer" else "SELECT"
        for statement in (
            f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
            f"GRANT {tables} ON ALL TABLES IN SCHEMA {SCHEMA} TO {name}",
            f"GRANT {sequences} ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {name}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT {tables} ON TABLES TO {name}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT {sequences} ON SEQUENCES TO {name}",
        ):
            connection.execute(text(statement))
        if role == "writer":
            connection.execute(text(f"REVOKE ALL ON {SCHEMA}.alembic_version FROM {name}"))
            connection.execute(text(f"GRANT SELECT ON {SCHEMA}.alembic_version TO {name}"))


def _alembic_config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("layers").joinpath("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _prepare_private(settings: Settings) -> None:
    """Make roles, database and extension as the superuser of the private cluster."""
    with translate_errors():
        with psycopg.connect(cluster.admin_conninfo(settings, database="postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATE_LOCK_KEY,))
            for role, name in ROLE_NAMES.items():
                _make_role(connection, name, timeout_ms(settings, role), login=True)
            make_database(connection, settings.database)
        with psycopg.connect(cluster.admin_conninfo(settings, database=settings.database)) as connection:
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            for extension in EXTENSIONS:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))


def make_database(connection: psycopg.Connection, name: str) -> None:
    """Create a database of the owner role unless it exists."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(ROLE_NAMES["owner"])))


def _make_role(connection: psycopg.Connection, name: str, timeout: int, *, login: bool) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
        kind = sql.SQL("LOGIN" if login else "NOLOGIN")
        connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), kind))
    statement = sql.SQL("ALTER ROLE {} SET statement_timeout = {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(f"{timeout}ms")))


def _prepare_foreign(settings: Settings) -> list[str]:
    """Make extension and roles where the owner of a foreign database may; return what its administrator must run.

    Raises
    ------
    StoreError
        PostGIS is absent and the owner may not add it: without it nothing can be stored.
    """
    parameters = make_conninfo(connect_timeout=5, **libpq_parameters(settings, role="owner"))
    with translate_errors(private=False), psycopg.connect(parameters, autocommit=True) as connection:
        for extension in EXTENSIONS:
            _make_extension(connection, extension)
        missing: list[str] = []
        for role in ("writer", "reader"):
            missing += _make_foreign_role(connection, settings, role)
    return missing


def _make_extension(connection: psycopg.Connection, extension: str) -> None:
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = %s", (extension,)).fetchone() is not None:
        return
    try:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
        raise StoreError(
            f"The database lacks the extension {extension} and this user may not add it. Nothing was changed.",
            hint=f"Have the administrator run in this database: CREATE EXTENSION {extension};",
        ) from None


def _make_foreign_role(connection: psycopg.Connection, settings: Settings, role: Role) -> list[str]:
    name = ROLE_NAMES[role]
    try:
        with connection.transaction():
            _make_role(connection, name, timeout_ms(settings, role), login=False)
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        owner = connection.info.user
        row = connection.execute(
            "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (name,)
        ).fetchone()
        statements = [] if row is not None else [f"CREATE ROLE {name} NOLOGIN;"]
        return statements if row is not None and row[0] else [*statements, f'GRANT {name} TO "{owner}";']
    return []


def with_database(settings: Settings, name: str) -> Settings:
    """Return settings that point to another database of the same server."""
    if settings.database_url is None:
        return replace(settings, database=name)
    from sqlalchemy.engine import make_url

    url = make_url(settings.database_url).set(database=name)
    return replace(settings, database_url=url.render_as_string(hide_password=False), database_url_read=None)
