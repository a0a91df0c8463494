"""A database of one's own, whose owner may not make roles or extensions: fall back, and say what is missing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from geo.errors import StoreError
from layers import cluster
from layers.engine import make_engine
from layers.migrate import head_revision, migrate
from layers.settings import Settings
from tests.conftest import drop_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER = "city_owner_test"
DATABASE = "city_test"
WORD = "not-a-secret"


def ask(settings: Settings, *, role: str, question: str) -> object:
    engine = make_engine(settings, role=role)  # type: ignore[arg-type] # one of the three
    try:
        with engine.connect() as connection:
            return connection.execute(text(question)).scalar_one()
    finally:
        engine.dispose()


@contextmanager
def own_database(server: Settings, home: Path, *, rights: str = "", postgis: bool = True) -> Iterator[Settings]:
    """Lend a database whose owner has just the rights given."""
    if not server.is_private:
        pytest.skip("needs a server where roles can be made")
    drop_database(server, DATABASE)
    address = cluster.find_address(server)
    with psycopg.connect(cluster.admin_conninfo(server, database="postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(OWNER)))
        make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + rights)
        admin.execute(make.format(sql.Identifier(OWNER), sql.Literal(WORD)))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
        try:
            if postgis:
                with psycopg.connect(cluster.admin_conninfo(server, database=DATABASE)) as inside:
                    inside.execute("CREATE EXTENSION postgis")
            url = f"postgresql+psycopg://{OWNER}:{WORD}@127.0.0.1:{address.port}/{DATABASE}"
            yield Settings(home=home, database_url=url)
        finally:
            drop_database(server, DATABASE)
            admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(OWNER)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(OWNER)))


def test_an_owner_who_may_not_give_roles_falls_back(settings: Settings, template_db: str, tmp_path: Path) -> None:
    with own_database(settings, tmp_path) as own:
        report = migrate(own)
        assert (report.before, report.after) == (None, head_revision())
        assert report.administrator_sql == (
            f'GRANT onemap_writer TO "{OWNER}";',
            f'GRANT onemap_reader TO "{OWNER}";',
        )
        assert ask(own, role="reader", question="SELECT current_user") == OWNER
        with pytest.raises(StoreError, match="only read"):
            ask(own, role="reader", question="DELETE FROM onemap.building RETURNING id")
        assert ask(own, role="writer", question="SELECT count(*) FROM onemap.building") == 0


def test_once_the_administrator_ran_the_statements_roles_are_taken(
    settings: Settings, template_db: str, tmp_path: Path
) -> None:
    with own_database(settings, tmp_path) as own:
        report = migrate(own)
        with psycopg.connect(cluster.admin_conninfo(settings, database=DATABASE), autocommit=True) as admin:
            for statement in report.administrator_sql:
                admin.execute(statement.encode())
        assert migrate(own).administrator_sql == ()
        assert ask(own, role="reader", question="SELECT current_user") == "onemap_reader"
        assert ask(own, role="writer", question="SELECT current_user") == "onemap_writer"
        with pytest.raises(StoreError, match="may not"):
            ask(own, role="reader", question="DELETE FROM onemap.building RETURNING id")
        timeout = "SELECT current_setting('statement_timeout')"
        assert ask(own, role="reader", question=timeout) == "30s"


def test_an_owner_who_may_makes_what_is_missing(settings: Settings, template_db: str, tmp_path: Path) -> None:
    with own_database(settings, tmp_path, rights="SUPERUSER", postgis=False) as own:
        assert migrate(own).administrator_sql == ()
        assert ask(own, role="reader", question="SELECT current_user") == "onemap_reader"


def test_a_database_without_postgis_is_refused_unchanged(settings: Settings, template_db: str, tmp_path: Path) -> None:
    with own_database(settings, tmp_path, postgis=False) as own:
        with pytest.raises(StoreError, match="lacks the extension postgis") as caught:
            migrate(own)
        assert "CREATE EXTENSION postgis" in caught.value.hint
        schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'onemap'"
        assert ask(own, role="owner", question=schemas) == 0


def test_a_failing_migration_leaves_nothing(settings: Settings, template_db: str, tmp_path: Path) -> None:
    with own_database(settings, tmp_path) as own:
        with psycopg.connect(cluster.admin_conninfo(settings, database=DATABASE)) as admin:
            admin.execute("CREATE SCHEMA onemap AUTHORIZATION CURRENT_USER")
            admin.execute(sql.SQL("GRANT ALL ON SCHEMA onemap TO {}").format(sql.Identifier(OWNER)))
            admin.execute("CREATE TABLE onemap.street (mine int)")
        with pytest.raises(ProgrammingError, match="street"):
            migrate(own)
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'onemap'"
        assert ask(own, role="owner", question=tables) == 1
