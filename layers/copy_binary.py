"""Columns of numbers and short texts as PostgreSQL's binary COPY format, built without a loop over rows.

Every column becomes a matrix of bytes, one line a row; bytes a row does not need (the data of a null, the tail of a
short text) are masked out when the matrices are laid side by side.

References
----------
PostgreSQL documentation, "COPY", section "Binary Format".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK_ROWS = 20_000

OID_INT2, OID_INT4, OID_INT8, OID_BOOL = 21, 23, 20, 16
_WIRE = {OID_INT2: ">i2", OID_INT4: ">i4", OID_INT8: ">i8", OID_BOOL: ">i1"}

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Number:
    """A column of whole numbers; `missing` marks nulls.

    Attributes
    ----------
    values
        Shape (n,).
    oid
        Type of the column: one of the OID constants.
    missing
        Value that stands for null; None where there are no nulls.
    """

    values: npt.NDArray[Any]
    oid: int
    missing: int | None = None

    def encode(self, rows: slice) -> tuple[Bytes, Mask]:
        """Return the bytes of the rows and which of them count."""
        return _encode_numbers(self.values[rows].reshape(-1, 1), self.oid, self.missing)


@dataclass(frozen=True, slots=True)
class NumberArray:
    """A column of one-dimensional arrays, all of one length; `missing` marks null elements.

    Attributes
    ----------
    values
        Shape (n, k).
    oid
        Type of the elements.
    missing
        Value that stands for null; None where there are no nulls.
    """

    values: npt.NDArray[Any]
    oid: int
    missing: int | None = None

    def encode(self, rows: slice) -> tuple[Bytes, Mask]:
        """Return the bytes of the rows and which of them count."""
        values = self.values[rows]
        count, width = values.shape
        data, keep = _encode_numbers(values, self.oid, self.missing)
        has_null = 0 if self.missing is None else int((values == self.missing).any())
        head = np.array([0, 1, has_null, self.oid, width, 1], dtype=">i4")
        lines = np.tile(head.view(np.uint8), (count, 1))
        lines[:, :4] = _big_endian(20 + keep.sum(axis=1), ">i4")
        return np.hstack([lines, data]), np.hstack([np.ones_like(lines, dtype=bool), keep])


@dataclass(frozen=True)
class TextColumn:
    """A column of texts; None is null. Each different text is encoded once, however many rows repeat it."""

    values: Sequence[str | None]

    @cached_property
    def _words(self) -> tuple[Bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the different texts as lines of bytes, their lengths (-1 for null), and the line of each row."""
        number: dict[str | None, int] = {}
        row = np.array([number.setdefault(value, len(number)) for value in self.values], dtype=np.int64)
        encoded = [None if word is None else word.encode() for word in number]
        length = np.array([-1 if word is None else len(word) for word in encoded], dtype=np.int64)
        width = max(int(length.max(initial=0)), 0)
        data = np.frombuffer(b"".join((word or b"").ljust(width, b"\0") for word in encoded), dtype=np.uint8)
        return data.reshape(len(encoded), width), length, row

    def encode(self, rows: slice) -> tuple[Bytes, Mask]:
        """Return the bytes of the rows and which of them count."""
        return self.take(np.arange(len(self.values))[rows])

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> tuple[Bytes, Mask]:
        """Return the bytes of any rows, which may repeat, and which of them count."""
        words, lengths, word = self._words
        length = lengths[word[rows]]
        head = _big_endian(length, ">i4")
        keep = np.arange(words.shape[1]) < length[:, None]
        return np.hstack([head, words[word[rows]]]), np.hstack([np.ones_like(head, dtype=bool), keep])


@dataclass(frozen=True, slots=True)
class CodedText:
    """A column of few different texts, given by number.

    Attributes
    ----------
    words
        The different texts; None is null.
    row
        Number of each row's text, shape (n,).
    """

    words: TextColumn
    row: npt.NDArray[np.integer[Any]]

    def encode(self, rows: slice) -> tuple[Bytes, Mask]:
        """Return the bytes of the rows and which of them count."""
        return self.words.take(self.row[rows])


Column = Number | NumberArray | TextColumn | CodedText


def _big_endian(values: npt.NDArray[Any], wire: str) -> Bytes:
    """Return each value's bytes as one line, shape (n, size)."""
    return np.ascontiguousarray(values.astype(wire)).view(np.uint8).reshape(values.shape[0], -1)


def _encode_numbers(values: npt.NDArray[Any], oid: int, missing: int | None) -> tuple[Bytes, Mask]:
    """Return length-prefixed numbers side by side; the data bytes of nulls are masked out."""
    count, width = values.shape
    wire = np.dtype(_WIRE[oid])
    null = np.zeros(values.shape, dtype=bool) if missing is None else values == missing
    field = np.zeros((count, width), dtype=[("length", ">i4"), ("value", wire)])
    field["length"] = np.where(null, -1, wire.itemsize)
    field["value"] = np.where(null, 0, values)
    size = 4 + wire.itemsize
    keep = np.ones((count, width, size), dtype=bool)
    keep[:, :, 4:] = ~null[:, :, None]
    return field.view(np.uint8).reshape(count, width * size), keep.reshape(count, width * size)


def encode_rows(columns: Sequence[Column], count: int) -> Iterator[bytes]:
    """Yield the binary COPY stream of the columns in pieces of bounded size.

    Parameters
    ----------
    columns
        All of one length.
    count
        That length.
    """
    yield HEADER
    for start in range(0, count, CHUNK_ROWS):
        rows = slice(start, min(start + CHUNK_ROWS, count))
        parts = [column.encode(rows) for column in columns]
        size = rows.stop - rows.start
        fields = np.tile(_big_endian(np.array([len(columns)]), ">i2"), (size, 1))
        data = np.hstack([fields, *(part[0] for part in parts)])
        keep = np.hstack([np.ones_like(fields, dtype=bool), *(part[1] for part in parts)])
        yield data[keep].tobytes()
    yield TRAILER


def lay_out_fixed(count: int, fields: Sequence[bytes | npt.NDArray[Any] | np.dtype[Any]]) -> npt.NDArray[Any]:
    """Return rows whose fields have one width each, as the binary COPY stream holds them between header and trailer.

    Parameters
    ----------
    count
        Number of rows, above 0.
    fields
        Bytes that every row repeats; or one value a row in the order of bytes that goes over the wire, shape (count,);
        or the type of a field that the caller fills: field number ``n`` is called ``value n``.
    """
    kinds = [
        np.dtype(f"V{len(one)}") if isinstance(one, bytes) else one if isinstance(one, np.dtype) else one.dtype
        for one in fields
    ]
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for number, kind in enumerate(kinds):
        layout += [(f"length {number}", ">i4"), (f"value {number}", kind)]
    rows = np.empty(count, dtype=layout)
    rows["fields"] = len(fields)
    for number, (kind, one) in enumerate(zip(kinds, fields, strict=True)):
        rows[f"length {number}"] = kind.itemsize
        if not isinstance(one, np.dtype):
            rows[f"value {number}"] = np.void(one) if isinstance(one, bytes) else one
    return rows


def copy_rows(connection: Connection, table: Table, columns: Mapping[str, Column], count: int) -> None:
    """Write rows into a table by binary COPY, in the connection's transaction.

    Parameters
    ----------
    connection
        An open connection that may write.
    table
        Where to.
    columns
        Column names of the table with their values.
    count
        Number of rows.
    """
    if count:
        _copy(connection, table, tuple(columns), encode_rows(list(columns.values()), count))


def copy_pieces(
    connection: Connection, table: Table, names: Sequence[str], pieces: Iterable[bytes | memoryview]
) -> None:
    """Write rows of :func:`lay_out_fixed` into a table by binary COPY, in the connection's transaction.

    Parameters
    ----------
    connection
        An open connection that may write.
    table
        Where to.
    names
        Columns of the table in the order of the fields.
    pieces
        The rows.
    """
    _copy(connection, table, names, chain([HEADER], pieces, [TRAILER]))


def _copy(connection: Connection, table: Table, names: Sequence[str], pieces: Iterable[bytes | memoryview]) -> None:
    # a detached connection has no other name for it
    driver: Any = connection.connection.dbapi_connection
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(*([table.schema] if table.schema else []), table.name),
        sql.SQL(", ").join(map(sql.Identifier, names)),
    )
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in pieces:
            copy.write(piece)
