"""Columns of raw cells into typed columns.

A wrong value in a column that is required, or that counts people, dwellings or households, refuses the row: a wrong
count would change totals. A wrong value in a column that only describes is left empty and logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from layers.read import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from layers.catalog import Column

Values = list[Any]

_LARGEST_INTEGER = 2**31 - 1
_ISO_YEARS = (np.datetime64("1000-01-01"), np.datetime64("2999-12-31"))
_LARGEST = {"floors": 250.0, "capacity": 1e7}
_COUNT_UNITS = frozenset({"people", "dwellings", "households"})
_WHOLE = 1e-6
_PLAIN = frozenset({int, float, type(None)})


@dataclass(slots=True)
class Findings:
    """What was found wrong with the rows of a batch and what was done about it.

    Attributes
    ----------
    faults
        By row: reason code and detail; the first fault of a row stands.
    repairs
        Row, kind and detail of each change.
    """

    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    repairs: list[tuple[int, str, str]] = field(default_factory=list)

    def refuse(self, row: int, code: str, detail: str) -> None:
        """Refuse a row; a row refused before keeps its first reason."""
        self.faults.setdefault(row, (code, detail))

    def repair(self, row: int, kind: str, detail: str) -> None:
        """Log a change to a row."""
        self.repairs.append((row, kind, detail))


def read_column(raw: Sequence[object], column: Column, findings: Findings, *, zone: timezone = UTC) -> Values:
    """Read one column.

    Parameters
    ----------
    raw
        Cells as the file has them.
    column
        What they should be.
    findings
        Takes what is wrong.
    zone
        Local time of timestamps without a zone.

    Returns
    -------
    One value per row, None where missing or not readable.
    """
    kinds = set(map(type, raw))
    if kinds <= {type(None)} and not column.required:
        return [None] * len(raw)
    if column.type in {"integer", "number"}:
        return _read_plain_numbers(raw, column, findings) if kinds <= _PLAIN else _read_numbers(raw, column, findings)
    if column.type in {"text", "point"}:
        return _read_texts(raw, column, findings)
    if column.type == "date" and kinds <= {str} and (days := read_iso_days(raw)) is not None:
        return days
    return _read_each(raw, column, _reader(column, raw, zone), findings)


def _reader(column: Column, raw: Sequence[object], zone: timezone) -> Callable[[object], Any]:
    if column.type == "boolean":
        return cells.read_boolean
    if column.type == "choice":
        return lambda value: cells.read_choice(value, column.name, column.values)
    is_day_first = cells.is_day_first(list(raw))
    if column.type == "date":
        return lambda value: cells.read_date(value, day_first=is_day_first)
    return lambda value: cells.read_timestamp(value, zone=zone, day_first=is_day_first)


_CODES = {"boolean": "not-a-boolean", "choice": "not-a-choice", "date": "not-a-date", "timestamp": "not-a-date"}


def _read_each(raw: Sequence[object], column: Column, read: Callable[[object], Any], findings: Findings) -> Values:
    known: dict[object, Any] = {}
    out: Values = [None] * len(raw)
    for row, value in enumerate(raw):
        if cells.is_nothing(value):
            _missing(row, column, findings)
            continue
        key = (type(value), value) if isinstance(value, (str, int, float, date, datetime)) else None
        if key is None or key not in known:
            try:
                found = read(value)
            except (ValueError, OverflowError):
                _wrong(row, column, _CODES[column.type], value, findings)
                continue
            if key is not None:
                known[key] = found
        out[row] = found if key is None else known[key]
    return out


def read_iso_days(raw: Sequence[object]) -> Values | None:
    """Return the dates of texts that are all written like 2024-01-31, None where some text is not."""
    try:
        days = pa.array(raw, pa.string()).cast(pa.date32())
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    numbers = days.to_numpy(zero_copy_only=False)
    if bool((numbers < _ISO_YEARS[0]).any() or (numbers > _ISO_YEARS[1]).any()):
        return None
    found: Values = numbers.astype(object).tolist()
    return found


def _missing(row: int, column: Column, findings: Findings) -> None:
    if column.required:
        findings.refuse(row, "value-missing", f"{column.name} is empty")


def _wrong(row: int, column: Column, code: str, value: object, findings: Findings) -> None:
    detail = f"{column.name} = {str(value)[:60]!r}"
    if column.required or column.unit in _COUNT_UNITS:
        findings.refuse(row, code, detail)
    else:
        findings.repair(row, "value-dropped", detail)


def _read_texts(raw: Sequence[object], column: Column, findings: Findings) -> Values:
    if cells.are_clean(raw):
        return list(raw)
    out: Values = [cells.read_text(value) for value in raw]
    for row, value in enumerate(raw):
        if isinstance(value, str) and not value.isprintable() and cells.has_control(value):
            findings.repair(row, "text-cleaned", f"{column.name}: control characters taken out")
    return out


def _read_numbers(raw: Sequence[object], column: Column, findings: Findings) -> Values:
    out: Values = [None] * len(raw)
    for row, value in enumerate(raw):
        if cells.is_nothing(value):
            _missing(row, column, findings)
            continue
        try:
            number = cells.read_number(value)
        except (ValueError, OverflowError):
            _wrong(row, column, "not-a-number", value, findings)
            continue
        code = _range_fault(number, column)
        if code is None:
            out[row] = number
        else:
            _wrong(row, column, code, value, findings)
    return _whole(out, column, findings) if column.type == "integer" else out


def _read_plain_numbers(raw: Sequence[object], column: Column, findings: Findings) -> Values:
    """Read a column that holds numbers and nothing else: what :func:`_read_numbers` does, without a loop over rows."""
    exact = np.array(raw, dtype=np.float64)
    known = ~np.isnan(exact)
    if column.required and not known.all():
        for row in np.flatnonzero(~known).tolist():
            _missing(row, column, findings)
    largest = _LARGEST.get(column.name, float(_LARGEST_INTEGER))
    for row in np.flatnonzero(known & ~((exact >= 0.0) & (exact <= largest))).tolist():
        code = "not-a-number" if np.isinf(exact[row]) else _range_fault(float(exact[row]), column)
        _wrong(row, column, str(code), raw[row], findings)
        known[row] = False
    if column.type != "integer":
        return _list_known(exact, known)
    if bool((np.abs(exact[known] - np.rint(exact[known])) > _WHOLE).any()):
        return _whole(_list_known(exact, known), column, findings)
    return _list_known(np.rint(np.where(known, exact, 0.0)).astype(np.int64), known)


def _list_known(numbers: np.ndarray[Any, Any], known: np.ndarray[Any, np.dtype[np.bool_]]) -> Values:
    """Return numbers as Python's own, None where not known."""
    out = numbers.astype(object)
    out[~known] = None
    found: Values = out.tolist()
    return found


def _range_fault(number: float, column: Column) -> str | None:
    if number < 0.0:
        return "negative"
    largest = _LARGEST.get(column.name, float(_LARGEST_INTEGER))
    return "too-large" if number > largest else None


def _whole(values: Values, column: Column, findings: Findings) -> Values:
    """Round fractional counts, carrying what is left to the next row, so that the total moves by less than one."""
    known = [row for row, value in enumerate(values) if value is not None]
    exact = np.array([values[row] for row in known], dtype=np.float64)
    is_fraction = np.abs(exact - np.rint(exact)) > _WHOLE
    if is_fraction.any():
        running = np.rint(np.cumsum(exact[is_fraction]))
        whole = np.rint(exact)
        whole[is_fraction] = np.diff(running, prepend=0.0)
    else:
        whole = np.rint(exact)
    out: Values = [None] * len(values)
    for place, row in enumerate(known):
        out[row] = int(whole[place])
        if is_fraction[place]:
            findings.repair(row, "value-rounded", f"{column.name} {exact[place]:.6g} → {out[row]}")
    return out


def json_value(value: object) -> Any:
    """Return a raw cell as it can be written to JSON; None where it says nothing."""
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if np.isfinite(number) else None
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, (bool, int)) or value is None:
        return value
    return cells.read_text(value.isoformat() if isinstance(value, (date, datetime)) else str(value))
