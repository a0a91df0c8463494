"""Rows as PostgreSQL's binary COPY format takes them, whole columns at a time.

Every column becomes an Arrow array of bytes: each value with its length before it. The arrays are laid side by side
row for row by Arrow, so that no row is ever a Python object. What a row is told apart by is hashed in the same form,
so a row has the same hash whatever kind of file it came from and whichever way it goes into the store.

References
----------
PostgreSQL documentation, "COPY", section "Binary Format".
"""

from __future__ import annotations

import hashlib
import json
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from geoalchemy2 import Geometry
from sqlalchemy import ARRAY, BigInteger, Boolean, Date, DateTime, Float, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from geo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt
    from sqlalchemy.types import TypeEngine

    Pieces = list[pa.LargeBinaryArray]
    Mask = npt.NDArray[np.bool_]

HASH_BYTES = 16
TEXT_OID = 25
# PostgreSQL counts days and microseconds from the year 2000
_FIRST_DAY = np.datetime64("2000-01-01", "D").astype(np.int64)
_FIRST_MOMENT = np.datetime64("2000-01-01", "us").astype(np.int64)
_NULL = struct.pack(">i", -1)
# what is handed to the driver at a time
SEND_BYTES = 1 << 18


class RawGeometry(UserDefinedType[bytes]):
    """A PostGIS geometry that is moved as it is, without the conversions GeoAlchemy2 adds for readers."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """Return the type's name in SQL."""
        return "geometry"


def encode_column(values: Sequence[Any] | pd.Series, kind: TypeEngine[Any]) -> Pieces:
    """Return one column as pieces that stand one after the other in every row.

    Parameters
    ----------
    values
        Python values as cleaning leaves them, None or NaN where missing; geometry as WKB bytes.
    kind
        Type of the column of the table.

    Raises
    ------
    DataError
        A number does not fit the column; cleaning should have refused it.
    """
    series = pd.Series(values, dtype=object) if not isinstance(values, pd.Series) else values
    encode = next(encode for types, encode in _WAYS if isinstance(kind, types))
    return encode(series, kind)


def encode_constant(value: bytes, count: int) -> Pieces:
    """Return a value that every row repeats, given as its bytes on the wire."""
    return [_repeat(struct.pack(">i", len(value)) + value, count)]


def encode_numbers(numbers: npt.NDArray[Any], missing: Mask | None, wire: str) -> Pieces:
    """Return numbers of a fixed width; those marked missing are null."""
    kind = np.dtype(wire)
    rows = np.empty(len(numbers), dtype=[("length", ">i4"), ("value", kind)])
    rows["length"] = kind.itemsize
    rows["value"] = numbers
    if missing is None or not missing.any():
        return [_fixed(rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize))]
    rows["length"][missing] = -1
    width = np.where(missing, 4, rows.dtype.itemsize)
    data = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
    keep = np.arange(rows.dtype.itemsize) < width[:, None]
    return [_binary(data[keep], np.concatenate([[0], np.cumsum(width)]))]


def _integers(series: pd.Series, kind: TypeEngine[Any]) -> Pieces:
    wire = ">i2" if isinstance(kind, SmallInteger) else ">i8" if isinstance(kind, BigInteger) else ">i4"
    missing = _find_missing(series)
    numbers = series.mask(missing, 0).to_numpy(dtype=object).astype(np.int64)
    limits = np.iinfo(np.dtype(wire))
    if len(numbers) and (numbers.min() < limits.min or numbers.max() > limits.max):
        raise DataError(
            f"Storing a column of whole numbers: found {int(np.abs(numbers).max())}, expected at most {limits.max}.",
            hint="This is a bug in onemap; nothing was changed. Please report it with the file.",
        )
    return encode_numbers(numbers, missing, wire)


def _floats(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    missing = _find_missing(series)
    return encode_numbers(series.mask(missing, 0.0).to_numpy(dtype=object).astype(np.float64), missing, ">f8")


def _booleans(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    missing = _find_missing(series)
    return encode_numbers(series.mask(missing, False).to_numpy(dtype=object).astype(np.bool_), missing, ">i1")


def _days(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    days = pa.array(series, pa.date32(), from_pandas=True)
    since = pc.fill_null(days.cast(pa.int32()), 0).to_numpy() - _FIRST_DAY
    return encode_numbers(since, days.is_null().to_numpy(zero_copy_only=False), ">i4")


def _moments(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    moments = pa.array(series, pa.timestamp("us", tz="UTC"), from_pandas=True)
    since = pc.fill_null(moments.cast(pa.int64()), 0).to_numpy() - _FIRST_MOMENT
    return encode_numbers(since, moments.is_null().to_numpy(zero_copy_only=False), ">i8")


def _texts(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    return _ragged(pa.array(series, pa.large_string(), from_pandas=True).view(pa.large_binary()))


def _bytes(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    return _ragged(pa.array(series, pa.large_binary(), from_pandas=True))


def _json(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    if not any(series):
        return encode_constant(b"\x01{}", len(series))
    # PostgreSQL's own version number stands before the text
    return _ragged(pa.array([b"\x01" + dump_json(value).encode() for value in series], pa.large_binary()))


def _text_lists(series: pd.Series, _kind: TypeEngine[Any]) -> Pieces:
    known: dict[tuple[str, ...] | None, bytes] = {}
    keys = [None if value is None else tuple(value) for value in series]
    for key in set(keys):
        known[key] = _NULL if key is None else _pack_list(key)
    return [pa.array([known[key] for key in keys], pa.large_binary())]


_WAYS: tuple[tuple[type[Any] | tuple[type[Any], ...], Callable[[pd.Series, TypeEngine[Any]], Pieces]], ...] = (
    ((RawGeometry, Geometry, LargeBinary), _bytes),
    # before Integer: both are kinds of it
    ((SmallInteger, BigInteger, Integer), _integers),
    (Float, _floats),
    (Boolean, _booleans),
    (DateTime, _moments),
    (Date, _days),
    (JSONB, _json),
    (ARRAY, _text_lists),
    (Text, _texts),
)


def dump_json(value: Any) -> str:
    """Return a row's properties as JSON; the same properties are the same text, however a file orders them."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True) if value else "{}"


def _pack_list(items: tuple[str, ...]) -> bytes:
    data = struct.pack(">iii", 1 if items else 0, 0, TEXT_OID)
    if items:
        data += struct.pack(">ii", len(items), 1)
    for item in items:
        data += struct.pack(">i", len(item.encode())) + item.encode()
    return struct.pack(">i", len(data)) + data


def _find_missing(series: pd.Series) -> Mask:
    return np.asarray(series.isna().to_numpy(), dtype=np.bool_)


def _binary(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.integer[Any]]) -> pa.LargeBinaryArray:
    ends = np.ascontiguousarray(offsets, dtype=np.int64)
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(data))]
    )


def _fixed(rows: npt.NDArray[np.uint8]) -> pa.LargeBinaryArray:
    """Return the lines of a matrix of bytes."""
    count, width = rows.shape
    return _binary(rows.reshape(-1), np.arange(count + 1) * width)


def _repeat(value: bytes, count: int) -> pa.LargeBinaryArray:
    return _fixed(np.tile(np.frombuffer(value, dtype=np.uint8), (count, 1)))


def _ragged(values: pa.LargeBinaryArray) -> Pieces:
    """Return values of any length with their lengths before them."""
    length = pc.fill_null(pc.binary_length(values), -1).to_numpy()
    heads = np.ascontiguousarray(length.astype(">i4")).view(np.uint8).reshape(len(values), 4)
    return [_fixed(heads), pc.fill_null(values, b"")]


def join_rows(pieces: Pieces) -> pa.LargeBinaryArray:
    """Return the rows: what the pieces hold for each, one after the other."""
    return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))


def hash_rows(content: pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    """Return what tells each row from another state of itself: a BLAKE2b hash of its bytes."""
    _, offsets, data = content.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[content.offset : content.offset + len(content) + 1].tolist()
    seen, make = memoryview(data), hashlib.blake2b
    digests = b"".join([make(seen[start:end], digest_size=HASH_BYTES).digest() for start, end in pairwise(ends)])
    return _fixed(np.frombuffer(digests, dtype=np.uint8).reshape(-1, HASH_BYTES))


def encode_hashes(hashes: pa.LargeBinaryArray) -> Pieces:
    """Return hashes as a column."""
    return [_repeat(struct.pack(">i", HASH_BYTES), len(hashes)), hashes]


def finish_rows(columns: int, pieces: Pieces) -> pa.LargeBinaryArray:
    """Return rows with the number of their columns in front, as the stream wants them."""
    return join_rows([_repeat(struct.pack(">h", columns), len(pieces[0])), *pieces])


def split_stream(rows: pa.LargeBinaryArray) -> Iterator[memoryview]:
    """Yield the bytes of rows in pieces the driver passes on at once."""
    _, offsets, data = rows.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)
    first, last = int(ends[rows.offset]), int(ends[rows.offset + len(rows)])
    seen = memoryview(data) if data is not None else memoryview(b"")
    for start in range(first, last, SEND_BYTES):
        yield seen[start : min(start + SEND_BYTES, last)]
