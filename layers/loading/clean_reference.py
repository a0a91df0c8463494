"""Any other layer a planner brings: its columns keep their names and get types by looking at all values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import shapely

from geo.errors import MissingColumn
from layers.loading.clean import Clean, Reject, Repair, make_id
from layers.loading.clean_geometry import clean_geometry
from layers.loading.clean_values import Findings, json_value
from layers.read import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from geo.datum import Datum
    from layers.read.source import Batch, Source

Kind = Literal["boolean", "integer", "number", "date", "timestamp", "text"]

FAMILIES = ("polygon", "line", "point")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d+)?(?:[eE][+-]?\d+)?")
# what every layer's table and every cleaned frame has already
_OWN_NAMES = frozenset(
    {"id", "source", "source_id", "load_id", "valid_from", "valid_to", "content_hash", "properties", "geom", "line"}
)
_LONGEST_NAME_BYTES = 58  # PostgreSQL takes 63; room for a number behind
# narrowest first: a column gets the first kind that fits all its values
_KINDS: tuple[Kind, ...] = ("boolean", "integer", "number", "date", "timestamp", "text")


@dataclass(frozen=True, slots=True)
class ReferenceColumn:
    """A column of a reference layer.

    Attributes
    ----------
    name
        Its name in the file.
    column
        Its name in frames and tables: the same, unless the store keeps that name for itself, it is longer than
        PostgreSQL takes, or another column has it already.
    type
        The narrowest type that fits every value.
    """

    name: str
    column: str
    type: Kind


def find_reference_columns(source: Source) -> tuple[ReferenceColumn, ...]:
    """Look through a whole file for the type of each column.

    Parameters
    ----------
    source
        An opened file; it is read once.

    Returns
    -------
    The columns in file order. Digits with a leading zero are text (codes), ``2024-01-02`` is a date, ``yes`` is text;
    a column without any value is text.
    """
    possible: dict[str, set[Kind]] = {name: set(_KINDS) for name in source.info.columns}
    seen: set[str] = set()
    for batch in source.batches():
        for name, kinds in possible.items():
            values = {plain for value in batch.frame[name].tolist() if (plain := _plain(value)) is not None}
            if values:
                seen.add(name)
            kinds &= {kind for kind in kinds if all(_FITS[kind](value) for value in values)}
    names = _name_columns(source.info.columns)
    return tuple(
        ReferenceColumn(name, names[name], next(kind for kind in _KINDS if kind in kinds) if name in seen else "text")
        for name, kinds in possible.items()
    )


def _name_columns(names: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    taken = set(_OWN_NAMES)
    for name in names:
        base = name.encode("utf-8")[:_LONGEST_NAME_BYTES].decode("utf-8", "ignore").strip() or "column"
        unique, copy = base, 2
        while unique.lower() in taken:
            unique, copy = f"{base}_{copy}", copy + 1
        taken.add(unique.lower())
        out[name] = unique
    return out


def _plain(value: object) -> object:
    """Return a hashable form of a cell, None where it says nothing."""
    if cells.is_nothing(value):
        return None
    return value if isinstance(value, (bool, int, float, str, date, datetime)) else str(value)


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return bool(text) and any(letter.isdigit() for letter in text) and _NUMBER.fullmatch(text) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _is_integer(value: object) -> bool:
    if isinstance(value, str):
        return _INTEGER.fullmatch(value.strip()) is not None
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_date(value: object) -> bool:
    if isinstance(value, str):
        return _ISO_DATE.fullmatch(value.strip()) is not None and _reads(cells.read_date, value)
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_moment(value: object) -> bool:
    if isinstance(value, str):
        return _ISO_MOMENT.fullmatch(value.strip()) is not None and _reads(cells.read_timestamp, value)
    return isinstance(value, datetime)


def _reads(read: Callable[[object], object], value: object) -> bool:
    try:
        read(value)
    except (ValueError, OverflowError):
        return False
    return True


_FITS: dict[Kind, Callable[[object], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "date": _is_date,
    "timestamp": _is_moment,
    "text": lambda _value: True,
}


def clean_reference_batch(
    batch: Batch, columns: Sequence[ReferenceColumn], *, datum: Datum, identity: str | None = None
) -> Clean:
    """Type, place and repair the rows of a reference layer.

    Parameters
    ----------
    batch
        Raw rows.
    columns
        As found by :func:`find_reference_columns`.
    datum
        What the coordinates are.
    identity
        Column of the file that tells rows apart; without one the geometry does.

    Returns
    -------
    ``source_id``, the columns under their own names, ``geom`` (WKB in EPSG:4326), ``line`` and empty ``properties``.

    Raises
    ------
    MissingColumn
        The file has no geometry.
    """
    if batch.geometry is None:
        raise MissingColumn(
            "Loading a reference layer: the file has no geometry; expected longitude and latitude, or WKT.",
            hint="name the columns with --map THEIRS=lon --map THEIRS=lat, or --map THEIRS=wkt",
            parameter="map",
        )
    findings = Findings()
    geometry = clean_geometry(batch, FAMILIES, datum, findings, is_multipoint_kept=True)
    wkb = shapely.to_wkb(geometry, output_dimension=2)
    ids = [None if one is None else make_id(one) for one in wkb]
    if identity is not None:
        ids = [cells.read_identity(value) for value in batch.frame[identity]]
    for row, name in enumerate(ids):
        if name is None:
            findings.refuse(row, "id-missing", "the identity is empty")
    for row in np.flatnonzero(shapely.is_missing(geometry)).tolist():
        findings.refuse(row, "geometry-missing", "no geometry")
    kept = [row for row in range(len(batch)) if row not in findings.faults]
    data = {"source_id": _take(ids, kept)}
    for column in columns:
        data[column.column] = _take([_read(value, column.type) for value in batch.frame[column.name]], kept)
    data["geom"] = _take(wkb.tolist(), kept)
    frame = pd.DataFrame(data, index=pd.RangeIndex(len(kept)), dtype=object)
    frame["line"] = batch.line[kept]
    frame["properties"] = _take([{} for _ in ids], kept)
    rejected = [
        Reject(int(batch.line[row]), ids[row], *findings.faults[row], batch.raw(row)) for row in sorted(findings.faults)
    ]
    repairs = [
        Repair(int(batch.line[row]), ids[row], kind, detail)
        for row, kind, detail in sorted(findings.repairs)
        if row not in findings.faults
    ]
    return Clean(frame, [*batch.rejected, *rejected], repairs, rows_read=len(batch) + len(batch.rejected))


def _take(values: Sequence[object], rows: list[int]) -> np.ndarray[Any, np.dtype[np.object_]]:
    out = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        out[place] = values[row]
    return out


def _read(value: object, kind: Kind) -> object:
    if cells.is_nothing(value):
        return None
    if kind == "integer":
        return int(str(value))
    if kind == "number":
        return cells.read_number(value)
    if kind == "date":
        return cells.read_date(value)
    if kind == "timestamp":
        return cells.read_timestamp(value, zone=UTC)
    found = json_value(value)
    return (
        found
        if kind == "boolean" or found is None
        else cells.read_text(found if isinstance(found, str) else str(found))
    )
