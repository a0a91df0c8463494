"""The tables of a fresh database are those of the code, and each role may do its own work only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from geo.errors import NotReady, StoreError, StoreTimeout
from layers import tables
from layers.migrate import head_revision, migrate, read_revision, with_database
from tests import factories
from tests.conftest import create_database, drop_database

if TYPE_CHECKING:
    from tests.conftest import Db

BOX = (0.0, 0.0, 0.01, 0.01)


def test_migrating_twice_changes_nothing(db: Db) -> None:
    report = migrate(db.settings)
    assert (report.before, report.after) == (head_revision(), head_revision())
    assert report.administrator_sql == ()


def test_tables_match_the_code(db: Db) -> None:
    with db.owner.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table_schema": tables.SCHEMA,
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: kind != "schema" or name == tables.SCHEMA,
            },
        )
        assert compare_metadata(context, tables.metadata) == []


def test_every_factory_adds_a_row(db: Db) -> None:
    with db.writer.begin() as connection:
        factories.add_building(connection, lon=0.001, lat=0.002, people=12, entrance="POINT(0.001 0.0021)")
        factories.add_facility(connection, lon=0.003, lat=0.002, type="hospital")
        factories.add_street(connection, (0.0, 0.0), (0.01, 0.0))
        factories.add_compound(connection, box=BOX)
        factories.add_gate(connection, lon=0.0, lat=0.005, compound_id="1")
        factories.add_area(connection, code="110101", box=BOX)
        factories.add_population(connection, area_code="110101", people=40)
        factories.add_incident(connection, lon=0.001, lat=0.001)
    with db.reader.connect() as connection:
        for table in tables.LAYER_TABLES.values():
            assert connection.execute(select(text("count(*)")).select_from(table)).scalar_one() == 1, table.name


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM onemap.building",
        "INSERT INTO onemap.setting (key, value) VALUES ('a', '1')",
        "UPDATE onemap.layer_version SET version = 9",
        "TRUNCATE onemap.building",
        "DROP TABLE onemap.building",
        "CREATE TABLE onemap.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY onemap.setting TO PROGRAM 'cat'",
    ],
)
def test_the_reader_only_reads(db: Db, statement: str) -> None:
    with db.reader.connect() as connection, pytest.raises(StoreError, match="may not"):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE onemap.building",
        "DROP TABLE onemap.building",
        "CREATE TABLE onemap.mine (id int)",
        "UPDATE onemap.alembic_version SET version_num = 'x'",
        "ALTER ROLE onemap_reader SUPERUSER",
    ],
)
def test_the_writer_only_changes_rows(db: Db, statement: str) -> None:
    with db.writer.connect() as connection, pytest.raises(StoreError, match="may not"):
        connection.execute(text(statement))


def test_new_tables_are_open_to_both_roles(db: Db) -> None:
    with db.owner.begin() as connection:
        connection.execute(text("CREATE TABLE onemap.later (id bigint GENERATED ALWAYS AS IDENTITY, name text)"))
    with db.writer.begin() as connection:
        connection.execute(text("INSERT INTO onemap.later (name) VALUES ('a')"))
    with db.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.later")).scalar_one() == 1


def test_an_empty_database_is_not_ready(db: Db) -> None:
    empty = with_database(db.settings, "empty_one_test")
    drop_database(db.settings, "empty_one_test")
    create_database(db.settings, "empty_one_test", template="template0")
    from layers.engine import make_engine

    engine = make_engine(empty, role="owner")
    try:
        with engine.connect() as connection:
            assert read_revision(connection) is None
            with pytest.raises(NotReady, match="lacks") as caught:
                connection.execute(text("SELECT * FROM onemap.building"))
        assert "db migrate" in caught.value.hint
    finally:
        engine.dispose()
        drop_database(db.settings, "empty_one_test")


def test_a_long_statement_of_the_reader_times_out(db: Db) -> None:
    with db.reader.connect() as connection:
        connection.execute(text("SET statement_timeout = 50"))
        with pytest.raises(StoreTimeout, match="longer"):
            connection.execute(text("SELECT pg_sleep(20)"))
