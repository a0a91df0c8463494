"""What every reader hands on: a description of the file and a stream of batches of raw rows.

A batch holds the rows as the file spells them. Types, column names, datum and geometry are the business of
``layers.loading.clean``; a reader only refuses what cannot be a row at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    import pandas as pd

Geometries = np.ndarray[Any, np.dtype[np.object_]]
Lines = np.ndarray[Any, np.dtype[np.int64]]

ROWS_PER_BATCH = 50_000
RAW_TEXT_LIMIT = 2_000  # characters of a rejected row kept for the quarantine


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a file before its rows are read.

    Attributes
    ----------
    path
        The file (for a Shapefile its ``.shp``).
    driver
        One of ``GPKG GeoJSON GeoJSONSeq TopoJSON Shapefile Parquet CSV XLSX GeoTIFF``.
    layer
        Layer, sheet or band that is read; None where the format has only one.
    rows
        Number of rows, None where it is known only after reading.
    columns
        Attribute names in the file's order, without the geometry.
    crs
        Coordinate reference system the file or its format declares (``EPSG:n`` or WKT), None if it says nothing.
    encoding
        Text encoding used, None where the format fixes it.
    geometry_columns
        Columns the geometry was made of (``("lon", "lat")``, ``("wkt",)``), not among ``columns``; empty where the
        format has its own.
    notes
        What was noticed on opening, in plain English, for the person loading.
    has_geometry
        Whether rows may have a geometry at all; a table without coordinates has none and needs no datum.
    """

    path: Path
    driver: str
    layer: str | None
    rows: int | None
    columns: tuple[str, ...]
    crs: str | None
    encoding: str | None
    geometry_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    has_geometry: bool = True


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not kept, for the quarantine.

    Attributes
    ----------
    line
        Line (text formats) or 1-based feature number in the file.
    source_id
        Identity of the row where it could be read.
    reason_code
        A key of ``layers.read.reasons.REASONS``.
    detail
        What was found, in English, short.
    raw
        The row as the file has it, cut after ``RAW_TEXT_LIMIT`` characters.
    """

    line: int
    source_id: str | None
    reason_code: str
    detail: str
    raw: str


@dataclass(slots=True)
class Batch:
    """A run of consecutive rows.

    Attributes
    ----------
    frame
        Raw columns under the file's names; text where the format has no types. RangeIndex.
    geometry
        One shapely geometry (or None) per row in the file's own coordinates; None where the file has no geometry.
    line
        Line or 1-based feature number of each row, int64, same length.
    raw
        Gives the text of row ``i`` of this batch for the quarantine.
    rejected
        Rows the reader itself had to refuse (wrong number of fields, undecodable text); not part of ``frame``.
    geometry_faults
        Why a geometry could not be read, by row of this batch: reason code and what was found.
    closed_rings
        Rows of this batch whose polygon had to be closed on reading.
    """

    frame: pd.DataFrame
    geometry: Geometries | None
    line: Lines
    raw: Callable[[int], str]
    rejected: list[Reject] = field(default_factory=list)
    geometry_faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    closed_rings: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def cut(self, rows: int) -> Iterator[Batch]:
        """Yield the batch in pieces of at most ``rows`` rows; what the reader rejected comes with the first."""
        for start in range(0, max(len(self), 1), rows):
            stop = min(start + rows, len(self))
            yield Batch(
                frame=self.frame.iloc[start:stop].reset_index(drop=True),
                geometry=None if self.geometry is None else self.geometry[start:stop],
                line=self.line[start:stop],
                raw=_shift(self.raw, start),
                rejected=[] if start else self.rejected,
                geometry_faults={
                    row - start: fault for row, fault in self.geometry_faults.items() if start <= row < stop
                },
                closed_rings=tuple(row - start for row in self.closed_rings if start <= row < stop),
            )


def _shift(raw: Callable[[int], str], by: int) -> Callable[[int], str]:
    return lambda row: raw(by + row)


class Source(ABC):
    """An opened file: ``info`` and a stream of batches that can be started again from the top."""

    info: SourceInfo
    is_read_ahead: ClassVar[bool] = False
    """Whether batches may be read in a thread of their own, beside one that works on another."""

    @abstractmethod
    def batches(self, *, rows: int = ROWS_PER_BATCH) -> Iterator[Batch]:
        """Yield the rows in file order, at most ``rows`` at a time."""

    def close(self) -> None:  # noqa: B027 - most readers hold nothing open between batches
        """Give back what the reader holds open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def cut_raw(text: str) -> str:
    """Return ``text`` cut to ``RAW_TEXT_LIMIT`` characters, without NUL (PostgreSQL text cannot hold it)."""
    clean = text.replace("\x00", "\\0")
    return clean if len(clean) <= RAW_TEXT_LIMIT else clean[: RAW_TEXT_LIMIT - 1] + "…"
