"""Whole-number ids of GeoJSON features, read by ourselves.

GDAL keeps such an id as its row number and silently makes up another one where it occurs twice, so a duplicate would
become a new object instead of being noticed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_START = re.compile(r'"features"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,\x1e]*")
_LONGEST_START = 64


def iter_features(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the features of a GeoJSON file one by one, holding one and a piece of text in memory.

    Parameters
    ----------
    path
        A feature collection, or one feature a line.

    Yields
    ------
    Features as parsed; the stream ends where the text cannot be parsed on.
    """
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = _find_start(file.read(_CHUNK), file)
        place = 0
        while True:
            place = _end(text, place)
            try:
                found, place = decoder.raw_decode(text, place)
            except ValueError:
                more = file.read(_CHUNK)
                if not more or text[place : place + 1] == "]":
                    return
                text, place = text[place:] + more, 0
                continue
            if isinstance(found, dict):
                yield found


def _end(text: str, place: int) -> int:
    match = _BETWEEN.match(text, place)
    return match.end() if match else place


def _find_start(text: str, file: Any) -> str:
    """Return the text behind the opening bracket of the features; the whole text where there is one feature a line."""
    if "FeatureCollection" not in text and _START.search(text) is None:
        return text
    while (match := _START.search(text)) is None:
        more = file.read(_CHUNK)
        if not more:
            return ""
        text = text[-_LONGEST_START:] + more
    return text[match.end() :]


def iter_ids(path: Path) -> Iterator[Any]:
    """Yield the id of each feature, None where it has none."""
    for feature in iter_features(path):
        yield feature.get("id")


def has_whole_number_ids(path: Path) -> bool:
    """Tell whether the first feature carries a whole number as its id."""
    first = next(iter_ids(path), None)
    return isinstance(first, int) and not isinstance(first, bool)
