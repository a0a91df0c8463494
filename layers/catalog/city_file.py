"""City override files: what a city changes in the national pack, checked before anything is used."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from geo.errors import DataError
from layers.catalog import resources
from layers.catalog.facility_type import COLUMNS, FacilityType, expected_limit_rule, find_faults, parse_row

if TYPE_CHECKING:
    from pathlib import Path

CLEAR: Final = "-"
"""Cell that empties a column; an empty cell changes nothing."""

_MAX_BYTES: Final = 1_000_000
_FAULTS_SHOWN: Final = 20
_NAME: Final = re.compile(r"[^0-9a-z\u4e00-\u9fff]+")
_LIMIT_COLUMNS: Final = frozenset({"walk_minutes", "radius_m", "testable", "mode", "limit_rule", "circle"})
_NORM_COLUMNS: Final = frozenset({"norm_low", "norm_high", "norm_per", "norm_base", "norm_quantity", "norm_unit"})
_SIZE_COLUMNS: Final = frozenset(name for name in COLUMNS if name.startswith(("scale_", "floor_", "land_", "serves_")))


@dataclass(frozen=True, slots=True)
class CityFile:
    """What a city changes.

    Attributes
    ----------
    name
        Short name from the file (``name`` in TOML, else the file's name).
    changes
        Code to column to new text; an empty text clears the column.
    version
        ``<name>@<hash8>``; the hash is over the changes, so CSV and TOML with the same changes share it.
    """

    name: str
    changes: dict[str, dict[str, str]]

    @property
    def version(self) -> str:
        """Name and hash of the changes."""
        text = json.dumps(self.changes, ensure_ascii=False, sort_keys=True)
        return f"{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def read_city_file(path: Path, *, codes: frozenset[str]) -> CityFile:
    """Return what a city file changes, with its columns and codes checked.

    Parameters
    ----------
    path
        A ``.csv`` or ``.toml`` file, UTF-8 or GB 18030, at most 1 MB.
    codes
        Codes of the national pack.

    Raises
    ------
    DataError
        The file cannot be read, is of another kind, or names unknown columns or codes.
    """
    label = f"city file {path.name}"
    text = _read_text(path, label=label)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        name, table = path.stem, _changes_of_csv(text, label=label)
    elif suffix == ".toml":
        name, table = _changes_of_toml(text, label=label, stem=path.stem)
    else:
        raise DataError(f"Reading {label}: kind {suffix or 'without ending'!r} found, .csv or .toml expected")
    _check_names(table, codes=codes, label=label)
    changes = {code: row for code, row in table if row}
    if not changes:
        raise DataError(f"Reading {label}: it changes nothing", hint="Give at least one code and one value.")
    short = _NAME.sub("-", name.lower()).strip("-")
    if not short:
        raise DataError(f"Reading {label}: its name {name!r} has no letter or digit to record in the version")
    return CityFile(name=short, changes=changes)


def _read_text(path: Path, *, label: str) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"Reading {label}: larger than 1 MB, expected a table of at most some hundred rows")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Reading {label}: {error.strerror or 'it cannot be opened'}") from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise DataError(f"Reading {label}: not a text file in UTF-8 or GB 18030")


def _changes_of_csv(text: str, *, label: str) -> list[tuple[str, dict[str, str]]]:
    rows = resources.parse_csv(text, label=label)
    if rows and "code" not in rows[0]:
        raise DataError(
            f"Reading {label}: no column code; found {', '.join(rows[0])}", hint="The first line names the columns."
        )
    return [
        (row["code"], {name: _clear(cell) for name, cell in row.items() if name != "code" and cell}) for row in rows
    ]


def _changes_of_toml(text: str, *, label: str, stem: str) -> tuple[str, list[tuple[str, dict[str, str]]]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"Reading {label}: not TOML ({error})") from error
    unknown = sorted(set(document) - {"name", "types"})
    types = document.get("types", {})
    name = document.get("name", stem)
    if unknown or not isinstance(types, dict) or not all(isinstance(row, dict) for row in types.values()):
        what = f"key {unknown[0]!r}" if unknown else "types that are not tables"
        raise DataError(f"Reading {label}: {what} found, `name` and tables [types.CODE] expected")
    if not isinstance(name, str):
        raise DataError(f"Reading {label}: name is {name!r}, expected a text")
    rows = [
        (code, {column: _cell_of_toml(value, f"{code}: {column}", label) for column, value in row.items()})
        for code, row in types.items()
    ]
    return name, rows


def _cell_of_toml(value: Any, where: str, label: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return repr(value) if isinstance(value, int) else f"{value:.12g}"
    if isinstance(value, str) and value.strip():
        return _clear(value.strip())
    raise DataError(
        f"Reading {label}: {where} is {value!r}, expected a text, a number, true or false ({CLEAR!r} clears)"
    )


def _clear(cell: str) -> str:
    return "" if cell == CLEAR else cell


def _check_names(table: list[tuple[str, dict[str, str]]], *, codes: frozenset[str], label: str) -> None:
    seen: set[str] = set()
    faults = []
    for code, row in table:
        if code not in codes:
            faults.append(f"unknown code {code!r}")
        elif code in seen:
            faults.append(f"code {code} stands twice")
        seen.add(code)
        faults += [f"{code}: unknown column {name!r}" for name in row if name not in COLUMNS or name == "code"]
    _raise_all(faults, label=label)


def apply_city_file(table: list[dict[str, str]], city: CityFile) -> tuple[FacilityType, ...]:
    """Return the types of the national table as a city file changes them.

    Parameters
    ----------
    table
        Rows of the national pack as text.
    city
        The changes.

    Raises
    ------
    DataError
        A changed row is impossible; every fault is named.
    """
    types = []
    faults = []
    codes = frozenset(row["code"] for row in table)
    for row in table:
        changes = city.changes.get(row["code"], {})
        try:
            changed = _change_row(row, changes, name=city.name)
        except ValueError as error:
            faults.append(f"{row['code']}: {error}")
            continue
        faults += [f"{row['code']}: {fault}" for fault in find_faults(changed, codes=codes)]
        types.append(changed)
    _raise_all(faults, label=f"city file {city.name}")
    return tuple(types)


def _change_row(row: dict[str, str], changes: dict[str, str], *, name: str) -> FacilityType:
    if not changes:
        return parse_row(row)
    changed = row | changes
    touched = {column for column in changes if changes[column] != row[column]}
    if touched & _LIMIT_COLUMNS and "limit_rule" not in changes:
        changed["limit_rule"] = expected_limit_rule(parse_row(changed))
    figures = touched & (_LIMIT_COLUMNS | _NORM_COLUMNS | _SIZE_COLUMNS)
    if figures and "source" not in changes:
        # the national clause must not stand beside a figure it does not hold
        changed["source"] = f"city file {name}: {', '.join(sorted(figures))}; else {row['source']}"
    if touched & (_LIMIT_COLUMNS | _SIZE_COLUMNS) and "certainty" not in changes:
        changed["certainty"] = "unverified"
    has_norm = changed["norm_low"] or changed["norm_high"]
    if touched & _NORM_COLUMNS and "norm_certainty" not in changes:
        changed["norm_certainty"] = "unverified" if has_norm else ""
    return parse_row(changed, overridden=tuple(sorted(touched)))


def _raise_all(faults: list[str], *, label: str) -> None:
    if not faults:
        return
    more = f" and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
    raise DataError(
        f"Reading {label}: {'; '.join(faults[:_FAULTS_SHOWN])}{more}; nothing was changed",
        hint="`onemap standards list` shows every code, `onemap standards show CODE` the columns of one.",
    )
