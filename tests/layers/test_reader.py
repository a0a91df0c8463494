"""Batches are cut only where no row is read differently by what else the batch holds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import shapely

from geo.datum import parse_datum
from geo.errors import DataError
from layers.catalog import read_pack
from layers.loading import reader as reading
from layers.loading.clean_geometry import read_plain_points, read_points
from layers.loading.options import LoadOptions
from layers.loading.reader import Reader
from layers.loading.steps import read_batches
from layers.read.source import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_reader(layer: str, *names: str) -> Reader:
    return Reader(layer, {name: name for name in names}, parse_datum("wgs84"), LoadOptions(), read_pack(), [], None)


def make_batch(**columns: list[Any]) -> Batch:
    frame = pd.DataFrame(columns, dtype=object)
    return Batch(frame, None, np.arange(len(frame)) + 1, str)


@pytest.mark.parametrize(
    ("layer", "columns", "is_cut"),
    [
        ("buildings", {"people": [1, None, 3], "name": ["a", "b", None]}, True),
        ("buildings", {"people": [1, 2.5, 3]}, False),
        ("buildings", {"people": ["1", "2", "3"]}, False),
        ("buildings", {"floors": ["1", 2.5, None]}, True),
        ("buildings", {"handed_over_on": ["2024-01-31", "1999-12-01", "2000-01-01"]}, True),
        ("buildings", {"handed_over_on": [date(2024, 1, 31), None, None]}, True),
        ("buildings", {"handed_over_on": ["31/1/2024", "1/2/2024", "3/4/2024"]}, False),
        ("population", {"people": [1, 2, 3]}, False),
    ],
)
def test_only_plain_batches_are_cut(
    monkeypatch: pytest.MonkeyPatch, layer: str, columns: dict[str, list[Any]], is_cut: bool
) -> None:
    monkeypatch.setattr(reading, "PIECE_ROWS", 2)
    pieces = list(make_reader(layer, *columns).cut(make_batch(**columns)))
    assert [len(piece) for piece in pieces] == ([2, 1] if is_cut else [3])


def test_plain_points_are_read_as_all_points_are() -> None:
    datum = parse_datum("wgs84")
    good = ["POINT (114.5277242 31.0863845)", "POINT (-180 90)", "POINT (0.000000000000001 -7.)"]
    assert read_plain_points(good, datum) == shapely.to_wkb(read_points(good, datum)).tolist()
    for odd in (None, "POINT (181 3)", "POINT (0 -0)", "POINT (1e3 2)", "point(1 2)", "1 2", "POINT Z (1 2 3)", ""):
        assert read_plain_points([*good, odd], datum) is None
    assert read_plain_points(good, parse_datum("gcj02")) is None


class Counted(Source):
    """Five batches, each with its number as line; counts how many were asked for."""

    is_read_ahead = True

    def __init__(self, *, fails_at: int = 99) -> None:
        self.asked = 0
        self.fails_at = fails_at

    def batches(self, *, rows: int = 1) -> Iterator[Batch]:
        for number in range(5):
            self.asked += 1
            if number == self.fails_at:
                raise DataError(f"broken at {number}")
            batch = make_batch(n=[number] * rows)
            batch.line[:] = number
            yield batch


def test_reading_ahead_keeps_the_order_and_goes_one_batch_ahead() -> None:
    source = Counted()
    stream = read_batches(source)
    assert next(stream).line.tolist() == [0]
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert source.asked <= 2
    assert [batch.line[0] for batch in read_batches(Counted())] == [0, 1, 2, 3, 4]


def test_a_fault_of_reading_ahead_comes_after_what_was_read() -> None:
    stream = read_batches(Counted(fails_at=2))
    assert [next(stream).line[0], next(stream).line[0]] == [0, 1]
    with pytest.raises(DataError, match="broken at 2"):
        next(stream)
