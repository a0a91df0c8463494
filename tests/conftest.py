"""Fixtures: a real PostgreSQL cluster, migrated once, and a fresh clone of it for every module that asks."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from layers import cluster
from layers.engine import ROLE_NAMES, Role, database_url, make_engine
from layers.migrate import migrate, with_database
from layers.settings import Settings
from maps.build_hook import find_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "onemap_template_test"
# A test cluster may lose its files: nothing in it outlives the run.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB"}


@dataclass(frozen=True)
class Db:
    """A database of one's own, cloned from the migrated template."""

    settings: Settings
    owner: Engine
    writer: Engine
    reader: Engine

    def url(self, role: Role) -> str:
        """Return a libpq address of this database in one role, for psycopg and other programs."""
        url = database_url(self.settings, role=role).set(drivername="postgresql")
        if self.settings.is_private:
            address = cluster.find_address(self.settings)
            url = url.update_query_dict({"host": str(address.socket_dir), "port": str(address.port)})
        return url.render_as_string(hide_password=False)


# Playwright brings a Node that needs a library a small system lacks; ours, which builds the front end, does not.
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(find_node() / "node"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch of ``./onemap test --long``."""
    parser.addoption("--long", action="store_true", default=False, help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip long tests unless they are asked for."""
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long") is not None:
            item.add_marker(pytest.mark.skip(reason="takes minutes: ./onemap test --long"))


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Return settings of a server for tests: a private cluster that is thrown away, or ONEMAP_TEST_DATABASE_URL."""
    foreign = os.environ.get("ONEMAP_TEST_DATABASE_URL", "")
    if foreign:
        found = Settings.from_environment({"ONEMAP_HOME": tempfile.gettempdir(), "DATABASE_URL": foreign})
        refuse_other_database(make_name(found))
        yield found
        return
    # not pytest's own folder: its path is too long for a socket, and closed to the user PostgreSQL steps down to
    home = Path(tempfile.mkdtemp(prefix="omt-"))
    home.chmod(0o711)
    private = Settings(home=home)
    try:
        cluster.ensure_running(private, config=QUICK)
        yield private
    finally:
        cluster.stop(private)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def template_db(settings: Settings) -> Iterator[str]:
    """Return the name of a database that holds the real tables and no rows."""
    drop_database(settings, TEMPLATE)
    if not settings.is_private:
        create_database(settings, TEMPLATE, template="template0")
    migrate(with_database(settings, TEMPLATE))
    yield TEMPLATE
    drop_database(settings, TEMPLATE)


@pytest.fixture(scope="module")
def db(settings: Settings, template_db: str, request: pytest.FixtureRequest) -> Iterator[Db]:
    """Return a fresh clone of the template, dropped after the module."""
    module = re.sub(r"[^a-z0-9]+", "_", request.module.__name__.removeprefix("tests.").lower())
    yield from clone(settings, template_db, f"{module[:40]}_test")


@pytest.fixture
def fresh_db(settings: Settings, template_db: str) -> Iterator[Db]:
    """Return a fresh clone of the template for one test alone."""
    yield from clone(settings, template_db, "fresh_one_test")


def clone(settings: Settings, template: str, name: str) -> Iterator[Db]:
    """Clone a database, lend it, drop it."""
    drop_database(settings, name)
    create_database(settings, name, template=template)
    own = with_database(settings, name)
    found = Db(own, *(make_engine(own, role=role) for role in ROLE_NAMES))
    try:
        yield found
    finally:
        for engine in (found.owner, found.writer, found.reader):
            engine.dispose()
        drop_database(settings, name)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data, or skip."""
    folder = Path(os.environ.get("ONEMAP_REAL_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set ONEMAP_REAL_DATA")
    return folder


def make_name(settings: Settings) -> str:
    """Return the name of the database that settings point to."""
    return database_url(settings, role="owner").database or ""


def refuse_other_database(name: str) -> None:
    """Raise unless a database is meant for tests."""
    if not name.endswith("_test"):
        raise RuntimeError(f"refusing to test on the database {name!r}: its name must end in _test")


def admin_address(settings: Settings) -> str:
    """Return an address that may create databases."""
    if settings.is_private:
        return cluster.admin_conninfo(settings, database="postgres")
    return (settings.database_url or "").replace("+psycopg", "", 1)


def create_database(settings: Settings, name: str, *, template: str) -> None:
    """Create a test database from a template."""
    refuse_other_database(name)
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    if settings.is_private:
        statement += sql.SQL(" OWNER {}").format(sql.Identifier(ROLE_NAMES["owner"]))
    with psycopg.connect(admin_address(settings), autocommit=True) as connection:
        connection.execute(statement)


def drop_database(settings: Settings, name: str) -> None:
    """Drop a test database, connections and all."""
    refuse_other_database(name)
    with psycopg.connect(admin_address(settings), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
