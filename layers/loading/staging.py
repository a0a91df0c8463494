"""Rows on their way into the store: copied into temporary tables outside the transaction that publishes them.

A temporary table is unlogged and private to its connection, so a load that dies leaves nothing behind, whoever killed
it. Memory stays bounded: a batch is copied and forgotten.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
from sqlalchemy.types import UserDefinedType

from layers.tables import SRID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd
    import psycopg
    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.types import TypeEngine

    from layers.loading.clean import Clean
    from layers.loading.target import Target

HASH_BYTES = 16
# rows a quarantine may take back into memory at once
DUPLICATES_PER_PASS = 20_000


class RawGeometry(UserDefinedType[bytes]):
    """A PostGIS geometry that is moved as it is, without the conversions GeoAlchemy2 adds for readers."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """Return the type's name in SQL."""
        return "geometry"


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
    """

    conn: Connection
    target: Target
    number: int = 0
    rows_read: int = 0
    rows: Table = field(init=False)
    ready: Table = field(init=False)
    rejects: Table = field(init=False)
    repairs: Table = field(init=False)

    def __post_init__(self) -> None:
        inputs = {column.name: _stage_type(column) for column in self.target.columns}
        self.rows = self._table(
            "rows", {"position": BigInteger(), **_ROW, "properties": Text(), "content_hash": LargeBinary(), **inputs}
        )
        self.ready = self._table("ready", {**_ROW, "properties": JSONB(), "content_hash": LargeBinary(), **inputs})
        found: dict[str, TypeEngine[Any]] = {"line": BigInteger(), "source_id": Text()}
        self.rejects = self._table("rejects", {**found, **dict.fromkeys(("reason", "detail", "raw"), Text())})
        self.repairs = self._table("repairs", {**found, **dict.fromkeys(("kind", "detail"), Text())})

    def _table(self, name: str, columns: dict[str, TypeEngine[Any]]) -> Table:
        made = [Column(column, kind) for column, kind in columns.items()]
        return Table(f"stage_{name}_{self.number}", MetaData(), *made, prefixes=["TEMPORARY"])

    def create(self) -> None:
        """Make the tables rows are copied into."""
        with self.conn.begin():
            for table in (self.rows, self.rejects, self.repairs):
                table.create(self.conn)

    def add(self, clean: Clean) -> None:
        """Copy one cleaned batch; all of it or, after a fault, nothing."""
        with self.conn.begin():
            if len(clean.frame):
                copy_rows(self.conn, self.rows, self._iterate(clean.frame))
            self.reject((r.line, r.source_id, r.reason_code, r.detail, r.raw) for r in clean.rejected)
            copy_rows(self.conn, self.repairs, ((r.line, r.source_id, r.kind, r.detail) for r in clean.repairs))
        self.rows_read += len(clean.frame) + len(clean.rejected)

    def reject(self, rows: Iterable[tuple[int, str | None, str, str, str]]) -> None:
        """Copy rows that will be quarantined; the caller holds the transaction."""
        copy_rows(self.conn, self.rejects, rows)

    def _iterate(self, frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
        positions = range(self.rows_read, self.rows_read + len(frame))
        absent = [None] * len(frame)
        inputs = [
            list_values(frame[column.name], column) if column.name in frame else absent
            for column in self.target.columns
        ]
        properties = (
            [_dump_json(value) for value in frame["properties"]] if "properties" in frame else ["{}"] * len(frame)
        )
        lines = [int(line) for line in frame["line"]]
        geometries = list_values(frame["geom"], self.rows.c.geom)
        identities = list_values(frame["source_id"], self.rows.c.source_id)
        hashes = map(hash_row, geometries, properties, zip(*inputs, strict=True))
        return zip(positions, lines, identities, geometries, properties, hashes, *inputs, strict=True)

    def quarantine_duplicates(self, find_raw: Callable[[Sequence[int]], dict[int, str]]) -> int:
        """Move every later row of an identity that the file holds twice to the rejects; return how many.

        Parameters
        ----------
        find_raw
            Gives the raw text of lines of the file; a line it does not know is quarantined as its cleaned row.
        """
        rows = self.rows
        with self.conn.begin():
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
            cast(rows.c.properties, JSONB).label("properties"),
            rows.c.content_hash,
            *(value.label(name) for name, value in zip(names, values, strict=True)),
        )
        query = selected.compile(self.conn, compile_kwargs={"literal_binds": True})
        with self.conn.begin():
            # whatever the planner believes of tables this new, no join with them is worse than a look-up a row
            for table in (rows, self.rejects):
                self.conn.execute(text(f"CREATE INDEX ON {table.name} (source_id)"))
                self.conn.execute(text(f"ANALYZE {table.name}"))
            self.conn.exec_driver_sql(f"CREATE TEMPORARY VIEW {ready.name} AS {query}")

    def count_kept(self) -> int:
        """Return how many rows are ready to be merged."""
        with self.conn.begin():
            return int(self.conn.execute(select(func.count()).select_from(self.ready)).scalar_one())

    def count_reasons(self) -> dict[str, int]:
        """Return how many rows will be quarantined, by reason."""
        reason = self.rejects.c.reason
        with self.conn.begin():
            found = self.conn.execute(
                select(reason, func.count()).group_by(reason).order_by(func.count().desc(), reason)
            )
            return {row[0]: row[1] for row in found}

    def count_repairs(self) -> dict[str, int]:
        """Return how many rows were repaired, by kind."""
        kind = self.repairs.c.kind
        with self.conn.begin():
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


def list_values(series: pd.Series, column: Column[Any]) -> list[Any]:
    """Return a column of a frame as plain Python values, None where missing."""
    values: list[Any] = series.astype(object).where(series.notna(), None).tolist()
    if isinstance(column.type, BigInteger | Integer | SmallInteger):
        return [None if value is None else int(value) for value in values]
    if isinstance(column.type, Float):
        return [None if value is None else float(value) for value in values]
    return values


def _sent_as(column: Column[Any]) -> str:
    if isinstance(column.type, ARRAY):
        return f"{next(name for kind, name in _SENT_AS if isinstance(column.type.item_type, kind))}[]"
    return next(name for kind, name in _SENT_AS if isinstance(column.type, kind))


def hash_row(geometry: bytes | None, properties: str, inputs: tuple[Any, ...]) -> bytes:
    """Return what tells a row from another state of itself.

    Parameters
    ----------
    geometry
        WKB in EPSG:4326.
    properties
        JSON text, keys in order.
    inputs
        Values of the layer's columns.
    """
    digest = hashlib.blake2b(repr((properties, inputs)).encode(errors="backslashreplace"), digest_size=HASH_BYTES)
    digest.update(geometry or b"")
    return digest.digest()


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


def _dump_json(value: Any) -> str:
    # keys in order: the same properties are the same row, however a file orders them
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True) if value else "{}"
