"""Arrow batches into raw frames, without changing what an identity looks like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from layers.read.source import Batch, Reject, cut_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from layers.read.source import Geometries

Objects = np.ndarray[Any, np.dtype[np.object_]]


def frame_from_arrow(batch: pa.RecordBatch, names: Sequence[str]) -> tuple[pd.DataFrame, set[int]]:
    """Return the named columns of a batch as Python values.

    Parameters
    ----------
    batch
        Any types; whole numbers with missing values stay whole (``12`` never becomes ``12.0``).
    names
        Columns to take, in this order.

    Returns
    -------
    A frame of object columns (None where missing), and the rows with text that is no UTF-8 (their letters replaced).
    """
    broken: set[int] = set()
    place = {name: number for number, name in reversed(list(enumerate(batch.schema.names)))}
    columns = {name: _column(batch.column(place[name]), broken) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows), dtype=object), broken


def _column(array: pa.Array, broken: set[int]) -> Objects:
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _objects([None if value is None else f"<{len(value)} bytes>" for value in array.to_pylist()])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            return np.asarray(array.to_numpy(zero_copy_only=False), dtype=object)
        except (UnicodeDecodeError, pa.ArrowException):
            return _decode(array.cast(pa.large_binary()), broken)
    if array.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.asarray(array.to_numpy().astype(object))
    return _objects(array.to_pylist())


def _decode(array: pa.Array, broken: set[int]) -> Objects:
    out: list[str | None] = []
    for row, value in enumerate(array.to_pylist()):
        text = None if value is None else value.decode("utf-8", "replace")
        if text is not None and "\ufffd" in text:
            broken.add(row)
        out.append(text)
    return _objects(out)


def _objects(values: Sequence[object]) -> Objects:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def geometry_from_wkb(array: pa.Array) -> tuple[Geometries, dict[int, tuple[str, str]], tuple[int, ...]]:
    """Read a WKB column.

    Returns
    -------
    Geometries (None where missing or unreadable), the reason for each that is None, and the rows whose rings had to
    be closed to be read.
    """
    raw = array.to_numpy(zero_copy_only=False)
    made = np.asarray(shapely.from_wkb(raw, on_invalid="ignore"), dtype=object)
    faults: dict[int, tuple[str, str]] = {}
    closed: list[int] = []
    for row in np.flatnonzero(shapely.is_missing(made)).tolist():
        if raw[row] is None:
            faults[row] = ("geometry-missing", "no geometry")
            continue
        fixed = _close(raw[row])
        if fixed is None:
            faults[row] = ("geometry-unreadable", f"{len(raw[row])} bytes that are no WKB")
        else:
            made[row] = fixed
            closed.append(row)
    return made, faults, tuple(closed)


def _close(wkb: bytes) -> Any:
    try:
        return shapely.from_wkb(wkb, on_invalid="fix")
    except shapely.errors.GEOSException:
        return None


def raw_of(frame: pd.DataFrame, geometry: Geometries | None) -> Callable[[int], str]:
    """Return a function that writes row ``i`` as JSON, for formats whose rows are not text."""

    def write(row: int) -> str:
        content = {str(name): value for name, value in frame.iloc[row].items()}
        if geometry is not None and geometry[row] is not None:
            content["geometry"] = shapely.to_wkt(geometry[row], rounding_precision=7)
        return cut_raw(json.dumps(content, ensure_ascii=False, default=str))

    return write


def reject_broken(batch: Batch, broken: set[int]) -> Batch:
    """Move the rows whose text could not be decoded to the batch's rejected rows."""
    if not broken:
        return batch
    detail = "text in another encoding than the rest"
    rejected = [
        Reject(int(batch.line[row]), None, "text-undecodable", detail, batch.raw(row)) for row in sorted(broken)
    ]
    keep = [row for row in range(len(batch)) if row not in broken]
    place = {old: new for new, old in enumerate(keep)}
    frame = batch.frame.iloc[keep].reset_index(drop=True)
    geometry = batch.geometry[keep] if batch.geometry is not None else None
    faults = {place[row]: fault for row, fault in batch.geometry_faults.items() if row in place}
    closed = tuple(place[row] for row in batch.closed_rings if row in place)
    return Batch(frame, geometry, batch.line[keep], raw_of(frame, geometry), rejected, faults, closed)
