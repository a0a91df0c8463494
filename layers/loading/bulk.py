"""Empty tables filled at once: indexes and references are made for all rows together, as a restore does.

All of it happens in the caller's transaction, so a load that dies leaves the table as it was. It takes a table for
itself, and so is done only where the role owns the table, nobody reads it at the moment, and there is nothing in it to
be read: who comes meanwhile waits for the load. One transaction at a time may do so, or two could wait for each other.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, literal, select, text
from sqlalchemy.exc import DBAPIError

from geo.errors import StoreTimeout
from layers.store import LOCK_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Table

LOCK = "filled at once"
_OWNED = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:table)"
_INDEX = "SELECT pg_get_indexdef(to_regclass(:index))"
_REFERENCES = """
SELECT conname, pg_get_constraintdef(oid), confrelid::regclass::text FROM pg_constraint
WHERE conrelid = to_regclass(:table) AND contype = 'f' ORDER BY conname
"""


@contextmanager
def build_index_after(conn: Connection, table: Table) -> Iterator[None]:
    """Build an empty table's index of places once its rows are in: half the work of adding them one by one."""
    index = f"{table.schema}.ix_{table.name}_geom"
    definition = None
    if _take(conn, table, ()):
        definition = conn.execute(text(_INDEX), {"index": index}).scalar()
    if definition is not None:
        conn.exec_driver_sql(f"DROP INDEX {index}")
    yield
    if definition is not None:
        conn.exec_driver_sql(str(definition))


@contextmanager
def check_references_after(conn: Connection, table: Table) -> Iterator[None]:
    """Check the references of an empty table once its rows are in: a tenth of the work of looking each up."""
    name = f"{table.schema}.{table.name}"
    found = conn.execute(text(_REFERENCES), {"table": name}).all()
    if not found or not _take(conn, table, [row[2] for row in found]):
        yield
        return
    for constraint, *_ in found:
        conn.exec_driver_sql(f'ALTER TABLE {name} DROP CONSTRAINT "{constraint}"')
    yield
    for constraint, definition, _ in found:
        conn.exec_driver_sql(f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {definition}')


def _take(conn: Connection, table: Table, others: Iterator[str] | tuple[str, ...] | list[str]) -> bool:
    """Take an empty table, and others it refers to, for this transaction alone; return whether that could be done."""
    name = f"{table.schema}.{table.name}"
    is_alone = func.pg_try_advisory_xact_lock(LOCK_CLASS, func.hashtext(LOCK))
    if _has_rows(conn, table) or not conn.execute(text(_OWNED), {"table": name}).scalar():
        return False
    if not conn.execute(select(is_alone)).scalar_one():
        return False
    try:
        with conn.begin_nested():
            conn.exec_driver_sql(f"LOCK TABLE {', '.join([name, *others])} IN ACCESS EXCLUSIVE MODE NOWAIT")
    except (StoreTimeout, DBAPIError):
        return False
    # somebody may have filled it just before
    return not _has_rows(conn, table)


def _has_rows(conn: Connection, table: Table) -> bool:
    return bool(conn.execute(select(exists(select(literal(1)).select_from(table)))).scalar_one())
