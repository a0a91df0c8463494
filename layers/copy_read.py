"""Rows of a query as columns of numbers, points and shapes, without a Python object a row.

The database sends its rows in blocks: each block is one value that holds many rows one after the other in the binary
form of a record, so that neither the protocol nor the driver touches single rows. The fields are then found and turned
into arrays by kernels.

References
----------
PostgreSQL source, ``src/backend/utils/adt/rowtypes.c``, ``record_send``: the number of columns, then for each its type,
its length (-1 for null) and its bytes. OGC 06-103r4, section 8.2: well-known binary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numba import njit
from psycopg import sql

from geo.errors import NotReady
from geo.places import Places
from geo.units import BoolArray, FloatArray, Int32Array, IntArray, ObjectArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import LiteralString

    import numpy.typing as npt
    from sqlalchemy import Connection

    Bytes = npt.NDArray[np.uint8]

BLOCK_IDS = 20_000
"""Store ids to a block: some megabytes, far below what PostgreSQL holds in one value."""

MOST_BLOCKS = 512
"""More ids are sent in wider blocks."""


_NUMBERS = frozenset({16, 20, 21, 23, 701})
"""Object ids of the types read as numbers: boolean, bigint, smallint, integer, double precision (its bits).

References
----------
PostgreSQL source, ``src/include/catalog/pg_type.dat``.
"""

_EIGHT_BYTES = frozenset({20, 701})

_HEAD, _FIELD_HEAD = 4, 8


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows, column by column; what came with them is let go.

    Attributes
    ----------
    numbers
        By column that holds numbers their values, of four or eight bytes, and which are null (None where none is).
    pieces
        By any other column its bytes, where those of each row start, and how many there are, -1 for null.
    """

    numbers: dict[int, tuple[npt.NDArray[Any], BoolArray | None]]
    pieces: dict[int, tuple[Bytes, IntArray, Int32Array]]


@njit(cache=True, nogil=True)
def _big(data: Bytes, at: int) -> int:
    high = (np.int64(data[at]) << 24) | (np.int64(data[at + 1]) << 16)
    return int(high | (np.int64(data[at + 2]) << 8) | np.int64(data[at + 3]))


@njit(cache=True, nogil=True)
def _read_number(data: Bytes, at: int, size: int) -> int:
    """Return a whole number of two, four or eight bytes, high byte first; one byte is a truth value."""
    if size == 4:
        low = _big(data, at)
        return low - ((low & 0x80000000) << 1)
    if size == 8:
        return (_big(data, at) << 32) | _big(data, at + 4)
    # signed throughout: with an unsigned branch the kernel would return floating-point numbers
    if size == 2:
        low = int((np.int64(data[at]) << 8) | np.int64(data[at + 1]))
        return low - ((low & 0x8000) << 1)
    return int(np.int64(data[at]))


@njit(cache=True, nogil=True)
def _find_fields(data: Bytes, is_number: BoolArray, field: IntArray, length: Int32Array) -> int:
    """Fill number or place and length of every field, and return how many rows there are."""
    at = 0
    row = 0
    while at < data.shape[0]:
        at += _HEAD
        for column in range(is_number.shape[0]):
            size = _big(data, at + 4)
            at += _FIELD_HEAD
            if size >= 0x80000000:
                field[column, row] = 0
                length[column, row] = -1
                continue
            field[column, row] = _read_number(data, at, size) if is_number[column] else at
            length[column, row] = size
            at += size
        row += 1
    return row


@njit(cache=True, nogil=True)
def _move_bytes(data: Bytes, start: IntArray, length: Int32Array, out: Bytes, moved: IntArray) -> None:
    """Copy the bytes of a column one after the other, and fill where those of each row start now."""
    to = 0
    for row in range(start.shape[0]):
        at = start[row]
        moved[row] = to
        for k in range(max(length[row], 0)):
            out[to + k] = data[at + k]
        to += max(length[row], 0)


@njit(cache=True, nogil=True)
def _read_points(data: Bytes, start: IntArray, length: Int32Array, raw: Bytes, is_point: BoolArray) -> None:
    """Copy the coordinates of what is a point with two of them, low byte first, not both not a number."""
    for row in range(start.shape[0]):
        at = start[row]
        good = length[row] == 21 and data[at] == 1 and data[at + 1] == 1
        for k in range(2, 5):
            good = good and data[at + k] == 0
        is_point[row] = good
        if good:
            for k in range(16):
                raw[row, k] = data[at + 5 + k]


@njit(cache=True, nogil=True)
def _number_words(data: Bytes, start: IntArray, length: Int32Array, table: IntArray, out: Int32Array) -> int:
    """Fill the number of each different text, in the order they first appear, and return how many there are.

    `table` is an open hash of first rows, -1 where free. Returns -1 when it is too full.
    """
    words = 0
    size = table.shape[0]
    for row in range(start.shape[0]):
        count = length[row]
        if count < 0:
            out[row] = -1
            continue
        at = start[row]
        code = 2166136261
        for k in range(count):
            code = ((code ^ int(data[at + k])) * 16777619) & 0xFFFFFFFF
        slot = code % size
        while True:
            first = table[slot]
            if first < 0:
                if 2 * words >= size:
                    return -1
                table[slot] = row
                out[row] = words
                words += 1
                break
            same = length[first] == count
            k = 0
            while same and k < count:
                same = data[start[first] + k] == data[at + k]
                k += 1
            if same:
                out[row] = out[first]
                break
            slot = (slot + 1) % size
    return words


@njit(cache=True, nogil=True)
def _count_corners(data: Bytes, start: IntArray, length: Int32Array, corners: IntArray) -> bool:
    """Fill how many corners each line has, and return whether all are plain lines, low byte first."""
    for row in range(start.shape[0]):
        at = start[row]
        if length[row] < 9 or data[at] != 1 or data[at + 1] != 2:
            return False
        for k in range(2, 5):
            if data[at + k] != 0:
                return False
        corners[row] = (length[row] - 9) // 16
    return True


@njit(cache=True, nogil=True)
def _copy_corners(data: Bytes, start: IntArray, corners: IntArray, raw: Bytes) -> None:
    to = 0
    for row in range(start.shape[0]):
        at = start[row] + 9
        for k in range(16 * corners[row]):
            raw[to + k] = data[at + k]
        to += 16 * corners[row]


class Rows:
    """The rows of a query, column by column.

    Parameters
    ----------
    blocks
        The rows as they came.
    names
        Names of the columns; the first is the store id.
    """

    def __init__(self, blocks: Sequence[Block], names: tuple[str, ...]) -> None:
        self._blocks = blocks
        self._names = names
        self.id = self._join_numbers(names[0], missing=-1)
        is_sorted = self.id.shape[0] < 2 or bool((self.id[1:] > self.id[:-1]).all())
        # blocks come in order, rows of a block as they lie in the table
        self._order = None if is_sorted else np.argsort(self.id, kind="stable")
        self.id = self._sort(self.id)

    @property
    def count(self) -> int:
        """Return how many rows there are."""
        return int(self.id.shape[0])

    def _sort(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if self._order is None else values[self._order]

    def _join_numbers(self, name: str, *, missing: int) -> IntArray:
        parts = [np.empty(0, dtype=np.int64)]
        for value, is_null in self._numbers(name):
            parts.append(value if is_null is None else np.where(is_null, missing, value.astype(np.int64)))
        return np.concatenate(parts)

    def _numbers(self, name: str) -> Iterator[tuple[npt.NDArray[Any], BoolArray | None]]:
        number = self._names.index(name)
        for block in self._blocks:
            yield block.numbers[number]

    def _fields(self, name: str) -> Iterator[tuple[Bytes, IntArray, Int32Array]]:
        number = self._names.index(name)
        for block in self._blocks:
            yield block.pieces[number]

    def read_numbers(self, name: str, *, missing: int = 0) -> IntArray:
        """Return a column of whole numbers or truth values, with a value for null.

        Parameters
        ----------
        name
            Column of a whole number type or boolean.
        missing
            What stands for null.
        """
        return self._sort(self._join_numbers(name, missing=missing))

    def read_floats(self, name: str) -> FloatArray:
        """Return a column of type double precision; null is not a number."""
        parts = [np.empty(0)]
        for bits, is_null in self._numbers(name):
            values = bits.view(np.float64)
            parts.append(values if is_null is None else np.where(is_null, np.nan, values))
        return self._sort(np.concatenate(parts))

    def read_codes(self, name: str) -> tuple[Int32Array, ObjectArray]:
        """Return the number of each row's text and the different texts; the last of these is None and stands for null.

        Parameters
        ----------
        name
            Column of type text.
        """
        number: dict[str, int] = {}
        parts = [np.empty(0, dtype=np.int32)]
        for data, start, length in self._fields(name):
            out = np.empty(start.shape[0], dtype=np.int32)
            table = np.full(1024, -1, dtype=np.int64)
            while _number_words(data, start, length, table, out) < 0:
                table = np.full(table.shape[0] * 4, -1, dtype=np.int64)
            firsts = np.sort(table[table >= 0]).tolist()
            words = [bytes(data[start[row] : start[row] + length[row]]).decode() for row in firsts]
            # null is number -1, which reads the last entry
            parts.append(np.array([*(number.setdefault(word, len(number)) for word in words), -1], dtype=np.int32)[out])
        found = np.empty(len(number) + 1, dtype=object)
        found[:-1] = list(number)
        return self._sort(np.concatenate(parts)), found

    def read_words(self, name: str) -> ObjectArray:
        """Return a column of texts, None for null; each different text is one object, however many rows hold it."""
        code, words = self.read_codes(name)
        return words[code]

    def read_lines(self, name: str) -> tuple[FloatArray, IntArray] | None:
        """Return the corners of a column of lines and how many each has; None where something else is among them.

        Parameters
        ----------
        name
            Column of ``ST_AsBinary``, low byte first.
        """
        if self._order is not None:
            return None
        xy, counts = [np.empty((0, 2))], [np.empty(0, dtype=np.int64)]
        for data, start, length in self._fields(name):
            corners = np.empty(start.shape[0], dtype=np.int64)
            if not _count_corners(data, start, length, corners):
                return None
            raw = np.empty((int(corners.sum()), 2))
            _copy_corners(data, start, corners, raw.view(np.uint8).reshape(-1))
            xy.append(raw)
            counts.append(corners)
        return np.concatenate(xy), np.concatenate(counts)

    def read_places(self, name: str) -> tuple[Places, BoolArray]:
        """Return a column of geometries as well-known binary, and which of them are null.

        Parameters
        ----------
        name
            Column of ``ST_AsBinary``. A null is a point that is not a number.
        """
        xy, shapes, shape_rows, nulls = [np.empty((0, 2))], [np.empty(0, dtype=object)], [], [np.empty(0, dtype=bool)]
        before = 0
        for data, start, length in self._fields(name):
            raw = np.full((start.shape[0], 2), np.nan)
            is_point = np.empty(start.shape[0], dtype=bool)
            _read_points(data, start, length, raw.view(np.uint8).reshape(-1, 16), is_point)
            # an empty point is sent as one whose coordinates are not numbers
            rows = np.flatnonzero((~is_point | np.isnan(raw[:, 0])) & (length >= 0))
            shapes.append(_read_shapes(data, start[rows], length[rows]))
            raw[rows] = np.nan
            shape_rows.append(rows + before)
            xy.append(raw)
            nulls.append(length < 0)
            before += start.shape[0]
        places = Places(
            np.concatenate(xy), np.concatenate([np.empty(0, dtype=np.int64), *shape_rows]), np.concatenate(shapes)
        )
        return places if self._order is None else places.take(self._order), self._sort(np.concatenate(nulls))


def _read_shapes(data: Bytes, start: IntArray, length: Int32Array) -> ObjectArray:
    if start.shape[0] == 0:
        return np.empty(0, dtype=object)
    view = data.data
    parts = [view[at : at + size].tobytes() for at, size in zip(start.tolist(), length.tolist(), strict=True)]
    return np.asarray(shapely.from_wkb(np.array(parts, dtype=object)), dtype=object).reshape(-1)


class Room:
    """Work space that one block after the other is taken apart in: fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._field = np.empty((0, 0), dtype=np.int64)
        self._length = np.empty((0, 0), dtype=np.int32)

    def take(self, columns: int, rows: int) -> tuple[IntArray, Int32Array]:
        """Return two matrices of at least so many columns and rows."""
        if self._field.shape[0] < columns or self._field.shape[1] < rows:
            self._field = np.empty((columns, rows), dtype=np.int64)
            self._length = np.empty((columns, rows), dtype=np.int32)
        return self._field, self._length


def fetch_rows(
    connection: Connection,
    build: Callable[[sql.Composable, sql.Composable], sql.Composed],
    names: tuple[str, ...],
    *,
    bounds: LiteralString | sql.Composed,
) -> Rows:
    """Return the rows of a query, ascending by store id.

    Parameters
    ----------
    connection
        An open connection; reads only.
    build
        Makes the query for the rows whose store id is at least the one and below the other; the id comes first.
    names
        Names to give its columns.
    bounds
        A query for the least and the greatest id.
    """
    driver = connection.connection.driver_connection
    if driver is None:
        raise NotReady("the database connection was closed")
    whole = sql.SQL("SELECT string_agg(record_send(q), ''::bytea) FROM ({}) q")
    blocks: list[Block] = []
    room = Room()
    with driver.cursor(binary=True) as cursor:
        ((least, greatest),) = cursor.execute(bounds).fetchall()
        if least is None:
            return Rows([], names)
        step = max(BLOCK_IDS, -(-(greatest - least + 1) // MOST_BLOCKS))
        for low in range(least, greatest + 1, step):
            query = whole.format(build(sql.Literal(low), sql.Literal(low + step)))
            ((data,),) = cursor.execute(query).fetchall()
            if data:
                blocks.append(read_block(np.frombuffer(data, dtype=np.uint8), len(names), room))
    return Rows(blocks, names)


def read_block(data: Bytes, columns: int, room: Room | None = None) -> Block:
    """Return rows sent one after the other by column.

    Parameters
    ----------
    data
        Records in binary, at least one.
    columns
        Fields a record.
    room
        Work space of the block before; None makes some.
    """
    kinds = []
    at = _HEAD
    for _ in range(columns):
        kind, size = np.frombuffer(data[at : at + _FIELD_HEAD], dtype=">i4").tolist()
        kinds.append(kind)
        at += _FIELD_HEAD + max(size, 0)
    is_number = np.array([kind in _NUMBERS for kind in kinds])
    field, length = (room or Room()).take(columns, data.shape[0] // (_HEAD + _FIELD_HEAD * columns))
    rows = _find_fields(data, is_number, field, length)
    numbers: dict[int, tuple[npt.NDArray[Any], BoolArray | None]] = {}
    pieces: dict[int, tuple[Bytes, IntArray, Int32Array]] = {}
    for column, kind in enumerate(kinds):
        value, size = field[column, :rows], length[column, :rows]
        if is_number[column]:
            is_null = size < 0
            kept = value.astype(np.int64 if kind in _EIGHT_BYTES else np.int32)
            numbers[column] = kept, is_null if is_null.any() else None
        else:
            out = np.empty(int(np.maximum(size, 0).sum(dtype=np.int64)), dtype=np.uint8)
            moved = np.empty(rows, dtype=np.int64)
            _move_bytes(data, value, size, out, moved)
            pieces[column] = out, moved, size.copy()
    return Block(numbers, pieces)
