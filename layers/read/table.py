"""CSV and Excel: rows of cells, with the line each came from."""

from __future__ import annotations

import csv
import warnings
import zipfile
from abc import abstractmethod
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from geo.errors import DataError
from layers.read.points import (
    build_geometry,
    check_geometry_columns,
    find_declared_datum,
    find_geometry_columns,
    is_blank,
)
from layers.read.source import Batch, Reject, Source, SourceInfo, cut_raw
from layers.read.text import find_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from layers.read.source import Geometries

Cells = list[Any]

_FIELD_LIMIT = 32 << 20  # characters of one cell; a city's boundary as WKT has a few million
_UNCOMPRESSED_LIMIT = 4 << 30  # bytes an Excel file may unpack to
_LOOK_AHEAD = 50
_DELIMITERS = (",", "\t", ";", "|")


@dataclass(slots=True)
class Row:
    """One record of a table: its cells, the line it starts on and its text."""

    line: int
    cells: Cells
    raw: str


@dataclass(slots=True)
class _Header:
    names: tuple[str, ...]
    geometry: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


class TableSource(Source):
    """Rows of a CSV or Excel file."""

    def __init__(self, path: Path, *, geometry_columns: tuple[str, ...] | None) -> None:
        self.path = path
        head = list(islice(self.rows(), _LOOK_AHEAD + 1))
        if not head:
            raise DataError(f"Reading {path.name}: there is no row in it.", hint="expected a header line and rows")
        self.header = _read_header(head[0].cells, path.name)
        width = len(self.header.names)
        first = [row.cells for row in head[1:] if len(row.cells) == width]
        self.header.geometry = (
            find_geometry_columns(self.header.names, first)
            if geometry_columns is None
            else check_geometry_columns(self.header.names, geometry_columns, what=path.name)
        )

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield the header and every row that is not blank."""

    def batches(self, *, rows: int = 50_000) -> Iterator[Batch]:
        """Yield the rows in file order, at most ``rows`` at a time."""
        stream = self.rows()
        next(stream, None)
        while chunk := list(islice(stream, rows)):
            yield _build_batch(chunk, self.header)


class CsvSource(TableSource):
    """A CSV file in any encoding, delimited by comma, tab, semicolon or bar."""

    def __init__(
        self, path: Path, *, encoding: str | None = None, geometry_columns: tuple[str, ...] | None = None
    ) -> None:
        self.encoding = find_encoding(path, given=encoding)
        self.delimiter = _find_delimiter(path, self.encoding)
        super().__init__(path, geometry_columns=geometry_columns)
        self.info = SourceInfo(
            path=path,
            driver="CSV",
            layer=None,
            rows=None,
            columns=tuple(name for name in self.header.names if name not in self.header.geometry),
            crs=find_declared_datum(self.header.geometry),
            encoding=self.encoding,
            geometry_columns=self.header.geometry,
            notes=tuple(self.header.notes),
            has_geometry=bool(self.header.geometry),
        )

    def rows(self) -> Iterator[Row]:
        """Yield the header and every row that is not blank, with the physical line it starts on."""
        csv.field_size_limit(_FIELD_LIMIT)
        taken: list[str] = []
        with self.path.open(encoding=self.encoding, errors="surrogateescape", newline="") as file:

            def remember() -> Iterator[str]:
                for text in file:
                    taken.append(text)
                    yield text

            reader = csv.reader(remember(), delimiter=self.delimiter)
            line = 1
            try:
                for cells in reader:
                    raw = "".join(taken).rstrip("\r\n")
                    taken.clear()
                    if reader.line_num > line and raw.count('"') % 2:
                        raise csv.Error("a quote is never closed")
                    if any(cell.strip() for cell in cells):
                        yield Row(line, cells, raw)
                    line = reader.line_num + 1
            except (csv.Error, UnicodeError) as fault:
                raise DataError(
                    f"Reading {self.path.name}: from line {line} on the file cannot be split into fields ({fault}).",
                    hint='look for an opened quote (") that is never closed, or another --encoding',
                ) from fault


class XlsxSource(TableSource):
    """One sheet of an Excel workbook."""

    def __init__(
        self, path: Path, *, layer: str | None = None, geometry_columns: tuple[str, ...] | None = None
    ) -> None:
        _check_unpacked_size(path)
        self.sheet = _choose_sheet(path, layer)
        self.titles = _count_titles(path, self.sheet)
        super().__init__(path, geometry_columns=geometry_columns)
        self.info = SourceInfo(
            path=path,
            driver="XLSX",
            layer=self.sheet,
            rows=None,
            columns=tuple(name for name in self.header.names if name not in self.header.geometry),
            crs=find_declared_datum(self.header.geometry),
            encoding=None,
            geometry_columns=self.header.geometry,
            notes=(*_describe_titles(self.titles), *self.header.notes),
            has_geometry=bool(self.header.geometry),
        )

    def rows(self) -> Iterator[Row]:
        """Yield the header and every row that is not blank; formulas give their stored value."""
        book = _open_book(self.path)
        try:
            sheet = book[self.sheet]
            sheet.reset_dimensions()  # some writers claim A1:A1
            width = 0
            for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
                cells = list(values)
                if line <= self.titles or all(is_blank(cell) for cell in cells):
                    continue
                width = width or len(_strip_end(cells))
                cells = cells + [None] * (width - len(cells))
                yield Row(line, cells, "")
        finally:
            book.close()


def list_sheets(path: Path) -> tuple[str, ...]:
    """Return the names of the sheets that hold anything."""
    book = _open_book(path)
    try:
        return tuple(
            sheet.title
            for sheet in book.worksheets
            if any(any(cell is not None for cell in row) for row in sheet.iter_rows(max_row=20, values_only=True))
        )
    finally:
        book.close()


def _count_titles(path: Path, name: str) -> int:
    """Return how many rows stand above the header: titles fill a cell or two, a header nearly all."""
    book = _open_book(path)
    try:
        rows = list(islice(book[name].iter_rows(values_only=True), _LOOK_AHEAD))
    finally:
        book.close()
    filled = [sum(not is_blank(cell) for cell in row) for row in rows]
    widest = max(filled, default=0)
    return next((line for line, count in enumerate(filled) if count * 2 > widest), 0)


def _describe_titles(count: int) -> tuple[str, ...]:
    return (f"the header is on row {count + 1}; what stands above it is not read",) if count else ()


def _open_book(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and extensions that do not matter for the values
            return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as fault:
        raise DataError(
            f"Reading {path.name}: this is no readable Excel workbook ({type(fault).__name__}).",
            hint="open it in Excel and save it again as .xlsx, or save it as .csv",
        ) from fault


def _check_unpacked_size(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _UNCOMPRESSED_LIMIT:
        raise DataError(
            f"Reading {path.name}: it unpacks to {size / 1e9:.1f} GB; at most {_UNCOMPRESSED_LIMIT >> 30} GB is read.",
            hint="save it as .csv",
        )


def _choose_sheet(path: Path, wanted: str | None) -> str:
    sheets = list_sheets(path)
    if wanted is not None and wanted in sheets:
        return wanted
    if wanted is None and len(sheets) == 1:
        return sheets[0]
    if not sheets:
        raise DataError(f"Reading {path.name}: every sheet is empty.", hint="expected a header line and rows")
    problem = f"there is no sheet {wanted!r}" if wanted is not None else "it has several sheets"
    raise DataError(
        f"Reading {path.name}: {problem}; found {', '.join(sheets)}.",
        hint=f"choose one, e.g. --layer {sheets[0]!r}",
        parameter="layer",
    )


def _find_delimiter(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        first = next((line for line in file if line.strip()), "")
    outside = "".join(first.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _strip_end(cells: Cells) -> Cells:
    end = len(cells)
    while end and is_blank(cells[end - 1]):
        end -= 1
    return cells[:end]


def _read_header(cells: Cells, name: str) -> _Header:
    cells = _strip_end(cells)
    if cells and all(_is_number(cell) for cell in cells):
        raise DataError(
            f"Reading {name}: the first line holds only numbers ({', '.join(map(str, cells))[:80]}); "
            "expected the names of the columns.",
            hint="add a header line",
        )
    names: list[str] = []
    notes: list[str] = []
    for number, cell in enumerate(cells, start=1):
        wanted = str(cell).replace("\x00", "").strip() if not is_blank(cell) else f"column_{number}"
        unique, copy = wanted, 2
        while unique in names:
            unique, copy = f"{wanted}_{copy}", copy + 1
        if unique != wanted:
            notes.append(f"column {wanted!r} occurs twice; the later one is read as {unique!r}")
        names.append(unique)
    return _Header(tuple(names), (), notes)


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def _build_batch(chunk: list[Row], header: _Header) -> Batch:
    width = len(header.names)
    kept: list[Row] = []
    rejected: list[Reject] = []
    for row in chunk:
        fault = _row_fault(row, width)
        if fault is None:
            kept.append(row)
        else:
            rejected.append(Reject(row.line, None, *fault, cut_raw(_raw(row).encode("utf-8", "replace").decode())))
    columns = list(zip(*(row.cells for row in kept), strict=True)) if kept else [() for _ in range(width)]
    frame = pd.DataFrame(
        {
            name: _object_array(column)
            for name, column in zip(header.names, columns, strict=True)
            if name not in header.geometry
        },
        index=pd.RangeIndex(len(kept)),
        dtype=object,
    )
    geometry: Geometries | None = None
    faults: dict[int, tuple[str, str]] = {}
    if header.geometry:
        geometry, faults = build_geometry([columns[header.names.index(name)] for name in header.geometry])
    line = np.array([row.line for row in kept], dtype=np.int64)
    return Batch(frame, geometry, line, lambda row: cut_raw(_raw(kept[row])), rejected, faults)


def _object_array(values: tuple[object, ...]) -> np.ndarray[Any, np.dtype[np.object_]]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _row_fault(row: Row, width: int) -> tuple[str, str] | None:
    """Say why a row cannot be used, after dropping blank cells beyond the header."""
    if len(row.cells) > width and not any(not is_blank(cell) for cell in row.cells[width:]):
        del row.cells[width:]
    if len(row.cells) != width:
        return "row-width", f"{len(row.cells)} fields, the header has {width}"
    if row.raw.isascii():
        return None
    try:
        row.raw.encode("utf-8")
    except UnicodeEncodeError:  # undecodable bytes came in as lone surrogates
        return "text-undecodable", "bytes that are no text in the file's encoding"
    return None


def _raw(row: Row) -> str:
    return row.raw or "\t".join("" if cell is None else str(cell) for cell in row.cells)
