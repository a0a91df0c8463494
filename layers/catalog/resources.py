"""Read what ships in the package ``data``: the same way from a clone and from a wheel."""

from __future__ import annotations

import csv
import io
import tomllib
from importlib import resources
from typing import Any

from geo.errors import DataError


def read_text(name: str) -> str:
    """Return the text of one shipped file.

    Parameters
    ----------
    name
        File name inside the package ``data``.

    Returns
    -------
    str
        Text without a byte-order mark.

    Raises
    ------
    DataError
        The installation lacks the file.
    """
    try:
        return resources.files("data").joinpath(name).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(
            f"Reading the shipped data: {name} is not part of this installation",
            hint="Install onemap again; the wheel carries its data files.",
        ) from error


def read_csv(name: str) -> list[dict[str, str]]:
    """Return the rows of one shipped table as text, keyed by column, blanks stripped.

    Raises
    ------
    DataError
        The file is absent, or a row does not have as many cells as the header.
    """
    return parse_csv(read_text(name), label=name)


def parse_csv(text: str, *, label: str) -> list[dict[str, str]]:
    """Return the rows of a CSV text keyed by column, blanks stripped and empty lines left out.

    Parameters
    ----------
    text
        The table with one header line.
    label
        How messages name the table.

    Raises
    ------
    DataError
        No header, a column twice or without a name, or a row with more or fewer cells than the header.
    """
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if any(map(str.strip, line))]
    except csv.Error as error:
        raise DataError(f"Reading {label}: not a CSV table ({error})") from error
    if not lines:
        raise DataError(f"Reading {label}: the file is empty, expected a header line and rows")
    header = [cell.strip() for cell in lines[0]]
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled or "" in header:
        what = f"column {doubled[0]!r} stands twice in the header" if doubled and doubled[0] else "a column has no name"
        raise DataError(f"Reading {label}: {what}")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise DataError(f"Reading {label}, row {number}: {len(line)} cells, expected {len(header)}")
    return [dict(zip(header, map(str.strip, line), strict=True)) for line in lines[1:]]


def read_toml(name: str) -> dict[str, Any]:
    """Return one shipped TOML file as a dictionary."""
    return tomllib.loads(read_text(name))
