"""Rows of a reference layer: geometry through the same gate as everywhere, values as text until their type is known."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from geo.errors import MissingColumn
from layers.catalog import column_key
from layers.clean import Clean, Reject, Repair, make_id
from layers.clean_geometry import clean_geometry
from layers.clean_values import Findings
from layers.read.cells import read_identity, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geo.datum import Datum
    from layers.read import Batch

ID_NAMES = (
    "source_id", "id", "fid", "objectid", "gid", "ogc_fid", "osm_id", "uid", "uuid", "globalid", "feature_id",
    "编号", "编码", "代码", "标识", "唯一标识",
)  # fmt: skip
FAMILIES = ("point", "line", "polygon", "none")
# formats in which every cell is text, so that a column of digits may be a number
TEXT_DRIVERS = frozenset({"CSV"})

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INT8_MAX = 2**63 - 1


def find_id_column(columns: Sequence[str], given: Mapping[str, str], *, id_from_geometry: bool) -> str | None:
    """Return the column that holds the identity; None where it is made from the geometry.

    Raises
    ------
    MissingColumn
        The file has no such column and identities are not to be made from the geometry.
    """
    if id_from_geometry:
        return None
    for theirs, ours in given.items():
        if ours == "source_id":
            if theirs not in columns:
                raise MissingColumn(
                    f"Mapping {theirs}={ours}: the file has no column {theirs!r}; it has {', '.join(columns)[:400]}.",
                    parameter="map",
                )
            return theirs
    keys = {column_key(name): name for name in reversed(columns)}
    for name in ID_NAMES:
        if column_key(name) in keys:
            return keys[column_key(name)]
    raise MissingColumn(
        f"Loading a reference layer: no column looks like an identity; the file has {', '.join(columns)[:400]}.",
        hint="Name it with --map THEIRS=source_id, or make identities from the geometry with --id-from-geometry.",
        parameter="source_id",
    )


@dataclass(slots=True)
class TypeGuess:
    """What every value of a column so far could be.

    Attributes
    ----------
    is_text_driver
        Whether the format keeps everything as text.
    type
        Type word; None before any value.
    """

    is_text_driver: bool
    type: str | None = None

    def look(self, value: Any) -> None:
        """Take one value that is not missing into account."""
        if self.type == "text":
            return
        found = self._guess(value)
        if self.type is None or self.type == found:
            self.type = found
        else:
            self.type = "number" if {self.type, found} == {"integer", "number"} else "text"

    def _guess(self, value: Any) -> str:
        if isinstance(value, bool | np.bool_):
            return "boolean"
        if isinstance(value, int | np.integer):
            return "integer" if abs(int(value)) <= _INT8_MAX else "text"
        if isinstance(value, float | np.floating):
            return "number"
        if isinstance(value, datetime):
            # a time without a zone could be any moment; it stays as written
            return "timestamp" if value.tzinfo is not None else "text"
        if isinstance(value, date):
            return "date"
        return self._guess_text(str(value)) if self.is_text_driver else "text"

    @staticmethod
    def _guess_text(value: str) -> str:
        if _INTEGER.fullmatch(value):
            return "integer"
        if _NUMBER.fullmatch(value):
            return "number" if np.isfinite(float(value)) else "text"
        if value in ("true", "false"):
            return "boolean"
        if _DATE.fullmatch(value):
            try:
                date.fromisoformat(value)
            except ValueError:
                return "text"
            return "date"
        return "text"


@dataclass(slots=True)
class ReferenceCleaner:
    """Cleans batches of a reference layer and learns the types of its columns.

    Attributes
    ----------
    columns
        The file's name → the table's.
    id_column
        The file's column with the identity, None to make it from the geometry.
    datum
        What the coordinates are.
    guesses
        By the file's name.
    """

    columns: Mapping[str, str]
    id_column: str | None
    datum: Datum
    is_text_driver: bool
    guesses: dict[str, TypeGuess] = field(default_factory=dict)

    def clean(self, batch: Batch) -> Clean:
        """Return rows with every value as text, and the rows refused."""
        findings = Findings()
        geometry = clean_geometry(batch, FAMILIES, self.datum, findings, is_multipoint_kept=True)
        wkb = shapely.to_wkb(geometry, output_dimension=2)
        identity = self._identify(batch, wkb, findings)
        data: dict[str, Any] = {"source_id": identity}
        for theirs, ours in self.columns.items():
            guess = self.guesses.setdefault(theirs, TypeGuess(self.is_text_driver))
            data[ours] = [_write(value, guess) for value in batch.frame[theirs]]
        kept = [row for row in range(len(batch)) if row not in findings.faults]
        frame = pd.DataFrame({name: _pick(values, kept) for name, values in data.items()}, dtype=object)
        frame["geom"], frame["line"] = _pick(wkb.tolist(), kept), batch.line[kept]
        rejected = list(batch.rejected)
        for row, (code, detail) in sorted(findings.faults.items()):
            rejected.append(Reject(int(batch.line[row]), identity[row], code, detail, batch.raw(row)))
        repairs = [
            Repair(int(batch.line[row]), identity[row], kind, detail)
            for row, kind, detail in sorted(findings.repairs)
            if row not in findings.faults
        ]
        return Clean(frame, rejected, repairs, len(batch) + len(batch.rejected))

    def _identify(self, batch: Batch, wkb: Any, findings: Findings) -> list[str | None]:
        make: Callable[[Any], str | None] = read_identity
        values = batch.frame[self.id_column] if self.id_column is not None else wkb
        if self.id_column is None:
            make = _id_of
        identity = [make(value) for value in values]
        for row, value in enumerate(identity):
            if value is None:
                findings.refuse(row, "id-missing", "the identity is empty")
        return identity

    def find_type(self, theirs: str) -> str:
        """Return the type word of a column; a column without any value is text."""
        guess = self.guesses.get(theirs)
        return "text" if guess is None or guess.type is None else guess.type


def _id_of(wkb: bytes | None) -> str | None:
    return None if wkb is None else make_id(wkb)


def _write(value: Any, guess: TypeGuess) -> str | None:
    """Return a value as text that its PostgreSQL type reads, None where missing."""
    if value is None or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, str):
        value = read_text(value)
        if value is None:
            return None
    guess.look(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def _pick(values: Sequence[Any], rows: Sequence[int]) -> np.ndarray[Any, np.dtype[np.object_]]:
    out = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        out[place] = values[row]
    return out
