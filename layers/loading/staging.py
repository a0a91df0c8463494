"""Rows on their way into the store: copied into temporary tables outside the transaction that publishes them.

A temporary table is unlogged and private to its connection, so a load that dies leaves nothing behind, whoever killed
it. Memory stays bounded: a batch is copied and forgotten.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from geoalchemy2 import Geometry
from psycopg import sql
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from layers.copy_binary import copy_pieces
from layers.loading.wire import (
    RawGeometry,
    encode_column,
    encode_hashes,
    encode_numbers,
    finish_rows,
    hash_rows,
    join_rows,
    split_stream,
)
from layers.tables import SRID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import psycopg
    import pyarrow as pa
    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.types import TypeEngine

    from layers.loading.clean import Clean, Reject, Repair
    from layers.loading.target import Target

# rows a quarantine may take back into memory at once
DUPLICATES_PER_PASS = 20_000


_ROW: dict[str, TypeEngine[Any]] = {"line": BigInteger(), "source_id": Text(), "geom": RawGeometry()}

# how psycopg sends a value of each column type in a binary COPY; geometry_recv reads plain WKB bytes
_SENT_AS: tuple[tuple[type[Any], str], ...] = (
    (RawGeometry, "bytea"),
    (LargeBinary, "bytea"),
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Float, "float8"),
    (Boolean, "bool"),
    (DateTime, "timestamptz"),
    (Date, "date"),
    (Text, "text"),
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A cleaned batch as it goes over the wire.

    Attributes
    ----------
    rows
        Its rows in the binary form of COPY.
    rejected, repairs
        As cleaning left them.
    """

    rows: pa.LargeBinaryArray
    rejected: list[Reject]
    repairs: list[Repair]


@dataclass(slots=True)
class Stage:
    """The temporary tables of one layer of one load.

    Attributes
    ----------
    conn
        Connection that owns the tables; closing it removes them.
    target
        Where the rows will go.
    rows
        Rows as cleaned, in file order, with their hash.
    ready
        The same rows as the target holds them: a view, so that they are copied once.
    rejects, repairs
        What the quarantine and the repair log will take over.
    rows_read
        Rows kept + rows rejected so far; pieces of a split geometry count as rows.
    is_prepared
        Whether :meth:`prepare` need not be called any more.
    """

    conn: Connection
    target: Target
    number: int = 0
    rows_read: int = 0
    is_prepared: bool = True
    rows: Table = field(init=False)
    ready: Table = field(init=False)
    rejects: Table = field(init=False)
    repairs: Table = field(init=False)

    def __post_init__(self) -> None:
        inputs = {column.name: _stage_type(column) for column in self.target.columns}
        self.rows = self._table(
            "rows",
            {
                "position": BigInteger(),
                "line": BigInteger(),
                "source_id": Text(),
                "content_hash": LargeBinary(),
                "geom": RawGeometry(),
                "properties": JSONB(),
                **inputs,
            },
        )
        self.ready = self._table("ready", {**_ROW, "properties": JSONB(), "content_hash": LargeBinary(), **inputs})
        found: dict[str, TypeEngine[Any]] = {"line": BigInteger(), "source_id": Text()}
        self.rejects = self._table("rejects", {**found, **dict.fromkeys(("reason", "detail", "raw"), Text())})
        self.repairs = self._table("repairs", {**found, **dict.fromkeys(("kind", "detail"), Text())})

    def _table(self, name: str, columns: dict[str, TypeEngine[Any]]) -> Table:
        made = [Column(column, kind) for column, kind in columns.items()]
        return Table(f"stage_{name}_{self.number}", MetaData(), *made, prefixes=["TEMPORARY"])

    def transact(self) -> AbstractContextManager[Any]:
        """Return the transaction that one step of staging takes."""
        return self.conn.begin()

    def create(self) -> None:
        """Make the tables rows are copied into."""
        with self.transact():
            for table in (self.rows, self.rejects, self.repairs):
                table.create(self.conn)

    def prepare(self, clean: Clean) -> None:
        """Settle with the database what must be known before the first rows are encoded: here nothing."""

    def add(self, clean: Clean) -> None:
        """Copy one cleaned batch; all of it or, after a fault, nothing."""
        self.write(self.encode(clean, self.count(clean)))

    def count(self, clean: Clean) -> int:
        """Count a batch's rows; return how many were read before it."""
        before = self.rows_read
        self.rows_read += len(clean.frame) + len(clean.rejected)
        return before

    def encode(self, clean: Clean, before: int) -> Encoded:
        """Return a batch as it is copied; neither the connection nor a count is touched.

        Parameters
        ----------
        clean
            The batch.
        before
            Rows read before it.
        """
        frame = clean.frame
        positions = np.arange(before, before + len(frame))
        content = self.encode_content(frame)
        # content holds geometry, properties and inputs: it is told apart by them alone
        pieces = [
            *encode_numbers(positions, None, ">i8"),
            *encode_column(frame["line"], BigInteger()),
            *encode_column(frame["source_id"], Text()),
            *encode_hashes(hash_rows(content)),
            content,
        ]
        return Encoded(finish_rows(len(self.rows.columns), pieces), clean.rejected, clean.repairs)

    def encode_content(self, frame: pd.DataFrame) -> pa.LargeBinaryArray:
        """Return the bytes of geometry, properties and input columns of each row, in this order."""
        absent = pd.Series([None] * len(frame), dtype=object)
        empty = pd.Series([{}] * len(frame), dtype=object)
        pieces = encode_column(frame["geom"], RawGeometry())
        pieces += encode_column(frame.get("properties", empty), JSONB())
        for column in self.target.columns:
            pieces += encode_column(frame.get(column.name, absent), _stage_type(column))
        return join_rows(pieces)

    def write(self, batch: Encoded) -> None:
        """Copy an encoded batch; all of it or, after a fault, nothing."""
        with self.transact():
            if len(batch.rows):
                names = [column.name for column in self.rows.columns]
                copy_pieces(self.conn, self.rows, names, split_stream(batch.rows))
            self.reject((r.line, r.source_id, r.reason_code, r.detail, r.raw) for r in batch.rejected)
            copy_rows(self.conn, self.repairs, ((r.line, r.source_id, r.kind, r.detail) for r in batch.repairs))

    def reject(self, rows: Iterable[tuple[int, str | None, str, str, str]]) -> None:
        """Copy rows that will be quarantined; the caller holds the transaction."""
        copy_rows(self.conn, self.rejects, rows)

    def quarantine_duplicates(self, find_raw: Callable[[Sequence[int]], dict[int, str]]) -> int:
        """Move every later row of an identity that the file holds twice to the rejects; return how many.

        Parameters
        ----------
        find_raw
            Gives the raw text of lines of the file; a line it does not know is quarantined as its cleaned row.
        """
        rows = self.rows
        with self.transact():
            twice = select(rows.c.source_id).group_by(rows.c.source_id).having(func.count() > 1)
            first = func.min(rows.c.line).over(partition_by=rows.c.source_id, order_by=rows.c.position)
            number = func.row_number().over(partition_by=rows.c.source_id, order_by=rows.c.position)
            numbered = (
                select(rows.c.position, rows.c.line, rows.c.source_id, first.label("first"), number.label("number"))
                .where(rows.c.source_id.in_(twice))
                .subquery()
            )
            later = self.conn.execute(select(numbered).where(numbered.c.number > 1).order_by(numbered.c.position)).all()
            for start in range(0, len(later), DUPLICATES_PER_PASS):
                self._quarantine_later(later[start : start + DUPLICATES_PER_PASS], find_raw)
        return len(later)

    def _quarantine_later(self, later: Sequence[Any], find_raw: Callable[[Sequence[int]], dict[int, str]]) -> None:
        raw = find_raw([row.line for row in later])
        positions = [row.position for row in later]
        if missing := [row.position for row in later if row.line not in raw]:
            raw |= self._dump_rows(missing)
        self.reject(
            (
                row.line,
                row.source_id,
                "duplicate-id",
                f"found {row.source_id!r} again, first on line {row.first}",
                raw[row.line],
            )
            for row in later
        )
        self.conn.execute(
            delete(self.rows).where(self.rows.c.position == func.any(literal(positions, ARRAY(BigInteger))))
        )

    def _dump_rows(self, positions: list[int]) -> dict[int, str]:
        found = select(self.rows.c.line, self._as_json().label("raw")).where(
            self.rows.c.position == func.any(literal(positions, ARRAY(BigInteger)))
        )
        return {row.line: json.dumps(row.raw, ensure_ascii=False) for row in self.conn.execute(found)}

    def _as_json(self) -> ColumnElement[Any]:
        """Return a staged row as JSON, without what only the loader knows."""
        whole = func.to_jsonb(text(f'"{self.rows.name}".*'))
        return whole.op("-", return_type=JSONB())(literal("content_hash"))

    def quarantine_where(self, condition: ColumnElement[bool], *, reason: str, detail: ColumnElement[Any]) -> int:
        """Move rows that break a rule across rows to the rejects; the caller holds the transaction.

        Parameters
        ----------
        condition
            Over the columns of ``rows``.
        reason
            A key of ``layers.read.reasons.REASONS``.
        detail
            What was found, as an expression over ``rows``.
        """
        rows = self.rows
        raw = cast(self._as_json(), Text)
        moved = select(rows.c.line, rows.c.source_id, literal(reason), detail, raw).where(condition)
        self.conn.execute(insert(self.rejects).from_select(["line", "source_id", "reason", "detail", "raw"], moved))
        return int(self.conn.execute(delete(rows).where(condition)).rowcount)

    def seal(self) -> None:
        """Make the rows ready for the merge, outside the publishing transaction."""
        rows, ready = self.rows, self.ready
        names = [column.name for column in self.target.columns]
        values = [_ready_value(rows.c[column.name], column) for column in self.target.columns]
        selected = select(
            rows.c.line,
            rows.c.source_id,
            _ready_value(rows.c.geom, self.target.table.c.geom).label("geom"),
            rows.c.properties,
            rows.c.content_hash,
            *(value.label(name) for name, value in zip(names, values, strict=True)),
        )
        query = selected.compile(self.conn, compile_kwargs={"literal_binds": True})
        with self.transact():
            # whatever the planner believes of tables this new, no join with them is worse than a look-up a row
            for table in (rows, self.rejects):
                self.conn.execute(text(f"CREATE INDEX ON {table.name} (source_id)"))
                self.conn.execute(text(f"ANALYZE {table.name}"))
            self.conn.exec_driver_sql(f"CREATE TEMPORARY VIEW {ready.name} AS {query}")

    def count_kept(self) -> int:
        """Return how many rows are ready to be merged."""
        with self.transact():
            return int(self.conn.execute(select(func.count()).select_from(self.ready)).scalar_one())

    def count_reasons(self) -> dict[str, int]:
        """Return how many rows will be quarantined, by reason."""
        reason = self.rejects.c.reason
        with self.transact():
            found = self.conn.execute(
                select(reason, func.count()).group_by(reason).order_by(func.count().desc(), reason)
            )
            return {row[0]: row[1] for row in found}

    def count_repairs(self) -> dict[str, int]:
        """Return how many rows were repaired, by kind."""
        kind = self.repairs.c.kind
        with self.transact():
            found = self.conn.execute(select(kind, func.count()).group_by(kind).order_by(func.count().desc(), kind))
            return {row[0]: row[1] for row in found}


def open_cursor(conn: Connection) -> psycopg.Cursor[Any]:
    """Return a cursor of the connection's driver, for COPY."""
    driver: Any = conn.connection.dbapi_connection
    cursor: psycopg.Cursor[Any] = driver.cursor()
    return cursor


def copy_rows(conn: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Copy rows into a table by binary COPY; values in the order of the table's columns, geometry as WKB bytes.

    Faults of the database pass as psycopg's own: the caller translates them.
    """
    columns = list(table.columns)
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    schema = [table.schema] if table.schema else []
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(*schema, table.name), names)
    with open_cursor(conn) as cursor, cursor.copy(statement) as copy:
        copy.set_types([_sent_as(column) for column in columns])
        for row in rows:
            copy.write_row(row)


def _sent_as(column: Column[Any]) -> str:
    if isinstance(column.type, ARRAY):
        return f"{next(name for kind, name in _SENT_AS if isinstance(column.type.item_type, kind))}[]"
    return next(name for kind, name in _SENT_AS if isinstance(column.type, kind))


def _stage_type(column: Column[Any]) -> TypeEngine[Any]:
    """Return a target's column type as it is staged: geometry of any kind, the rest as it is."""
    return RawGeometry() if isinstance(column.type, Geometry) else column.type


def _ready_value(staged: ColumnElement[Any], column: Column[Any]) -> ColumnElement[Any]:
    """Return a staged value as the target holds it: geometry with its system and kind, defaults filled in."""
    if isinstance(column.type, Geometry):
        placed = func.ST_SetSRID(staged, SRID, type_=RawGeometry())
        is_multi = str(column.type.geometry_type).startswith("MULTI")
        return func.ST_Multi(placed, type_=RawGeometry()) if is_multi else placed
    default = column.server_default
    if column.nullable or default is None:
        return staged
    return func.coalesce(staged, literal(str(default.arg)))  # type: ignore[attr-defined]
