"""Tables as files: GeoJSON, GeoPackage, Parquet, CSV and XLSX, written batch by batch.

A writer takes rows as mappings and bytes go out as they come, so an export of any length needs little memory. Texts
that a spreadsheet would run as formulas are neutralised.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, cast

from geo.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from openpyxl import Workbook

Kind = Literal["text", "integer", "number", "boolean", "timestamp"]

BATCH_ROWS = 5_000
# References: ECMA-376 / Excel specifications: 1,048,576 rows a sheet, of which one holds the names.
SHEET_ROWS_MAX = 1_048_575
# A cell that starts so is run as a formula by spreadsheets.
# References: OWASP, "CSV Injection".
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
GEOMETRY = "geometry"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a table to write."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a table and where its geometry comes from.

    Attributes
    ----------
    columns
        In the order they are written.
    point
        Names of the longitude and latitude columns, degrees EPSG:4326, that make the geometry.
    has_geometry
        Whether rows carry GeoJSON text under ``geometry``.
    """

    columns: tuple[TableColumn, ...]
    point: tuple[str, str] | None = None
    has_geometry: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def geojson_of(self, row: Mapping[str, Any]) -> str | None:
        """Return a row's geometry as GeoJSON text; None where it has none."""
        if self.has_geometry:
            text = row.get(GEOMETRY)
            return None if text is None else str(text)
        if self.point is None or row[self.point[0]] is None:
            return None
        lon, lat = (row[name] for name in self.point)
        return f'{{"type":"Point","coordinates":[{lon!r},{lat!r}]}}'


class TableWriter(Protocol):
    """Takes rows until it is closed."""

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows."""

    def close(self) -> None:
        """Write what is left."""


def neutralise(value: Any) -> Any:
    """Return a text that no spreadsheet runs as a formula; other values unchanged."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


class CsvWriter:
    """CSV after RFC 4180 in UTF-8."""

    def __init__(self, target: IO[bytes], layout: Layout, *, bom: bool = False) -> None:
        self.target = target
        self.names = layout.names
        if bom:
            target.write(b"\xef\xbb\xbf")
        self._put([self.names])

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows."""
        self._put([[neutralise(to_text(row[name])) for name in self.names] for row in rows])

    def close(self) -> None:
        """Write what is left: nothing."""

    def _put(self, rows: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self.target.write(text.getvalue().encode())


class GeoJsonWriter:
    """A GeoJSON feature collection after RFC 7946."""

    def __init__(self, target: IO[bytes], layout: Layout) -> None:
        self.target = target
        self.layout = layout
        self.between = b""
        target.write(b'{"type":"FeatureCollection","features":[')

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows."""
        for row in rows:
            properties = json.dumps({name: row[name] for name in self.layout.names}, ensure_ascii=False, default=str)
            geometry = self.layout.geojson_of(row) or "null"
            feature = f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'
            self.target.write(self.between + feature.encode())
            self.between = b",\n"

    def close(self) -> None:
        """Close the collection."""
        self.target.write(b"]}\n")


class ParquetWriter:
    """Parquet with the column types of the layout."""

    def __init__(self, target: IO[bytes], layout: Layout) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
            "timestamp": pa.timestamp("us", tz="UTC"),
        }
        self.schema = pa.schema([(column.name, kinds[column.kind]) for column in layout.columns])
        self.make_batch = pa.RecordBatch.from_pylist
        self.writer = pq.ParquetWriter(target, self.schema, compression="zstd")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows."""
        self.writer.write_batch(self.make_batch([dict(row) for row in rows], schema=self.schema))

    def close(self) -> None:
        """Write the footer."""
        self.writer.close()


class XlsxWriter:
    """XLSX in write-only mode; rows beyond one sheet go on to the next."""

    def __init__(self, target: IO[bytes], layout: Layout, *, sheet_rows_max: int = SHEET_ROWS_MAX) -> None:
        from openpyxl import Workbook

        self.target = target
        self.names = layout.names
        self.sheet_rows_max = sheet_rows_max
        self.book: Workbook = Workbook(write_only=True)
        self._open_sheet()

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows."""
        for row in rows:
            if self.left == 0:
                self._open_sheet()
            self.sheet.append([self._cell(row[name]) for name in self.names])
            self.left -= 1

    def close(self) -> None:
        """Write the workbook."""
        self.book.save(self.target)

    def _open_sheet(self) -> None:
        self.sheet = self.book.create_sheet(f"{len(self.book.worksheets) + 1}")
        self.sheet.append(list(self.names))
        self.left = self.sheet_rows_max

    def _cell(self, value: Any) -> Any:
        """Return a cell; texts stay texts whatever they start with, moments lose their zone (they are UTC)."""
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

        if isinstance(value, datetime):
            return value.replace(tzinfo=None)
        if not isinstance(value, str):
            return value if value is None or isinstance(value, int | float | date) else to_text(value)
        cell = WriteOnlyCell(self.sheet, value=None)
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", neutralise(value))
        cell.data_type = "s"
        return cell


class GeoPackageWriter:
    """GeoPackage through pyogrio, batch after batch."""

    def __init__(self, path: Path, layout: Layout, *, layer: str) -> None:
        self.path = path
        self.layout = layout
        self.layer = layer
        self.written = False

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take some rows."""
        import geopandas
        import shapely

        if not rows and self.written:
            return
        data = {column.name: [row[column.name] for row in rows] for column in self.layout.columns}
        shapes = [self.layout.geojson_of(row) for row in rows]
        geometry = shapely.from_geojson(shapes)
        frame = geopandas.GeoDataFrame(data, geometry=geometry, crs="EPSG:4326")
        frame = frame.astype({column.name: _PANDAS_KINDS[column.kind] for column in self.layout.columns})
        kind = "Point" if self.layout.point is not None else "Unknown"
        frame.to_file(
            self.path,
            driver="GPKG",
            layer=self.layer,
            engine="pyogrio",
            mode="a" if self.written else "w",
            geometry_type=kind,
        )
        self.written = True

    def close(self) -> None:
        """Write an empty layer where no row came."""
        if not self.written:
            self.write([])


_PANDAS_KINDS = {
    "text": "object",
    "integer": "Int64",
    "number": "float64",
    "boolean": "boolean",
    "timestamp": "datetime64[us, UTC]",
}

# what a caller may stream; a GeoPackage is a database and needs a file
STREAM_FORMATS: dict[str, tuple[str, Callable[[IO[bytes], Layout], TableWriter]]] = {
    "csv": ("text/csv; charset=utf-8", CsvWriter),
    "geojson": ("application/geo+json", GeoJsonWriter),
    "parquet": ("application/vnd.apache.parquet", ParquetWriter),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", XlsxWriter),
}
FILE_FORMATS = (".csv", ".geojson", ".gpkg", ".parquet", ".xlsx")


def to_text(value: Any) -> Any:
    """Return lists and objects as JSON text, moments in ISO form, everything else unchanged."""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


class Drain(io.RawIOBase):
    """A file whose bytes are taken away as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.length = 0

    def writable(self) -> bool:
        """Return that one may write."""
        return True

    def tell(self) -> int:
        """Return the bytes written so far, taken away or not."""
        return self.length

    def write(self, data: Any) -> int:
        """Take some bytes."""
        self.parts.append(bytes(data))
        self.length += len(self.parts[-1])
        return len(self.parts[-1])

    def take(self) -> bytes:
        """Return and forget what was written since the last call."""
        taken = b"".join(self.parts)
        self.parts.clear()
        return taken


def open_stream(format_name: str, layout: Layout) -> tuple[Drain, TableWriter]:
    """Return a writer of one of ``STREAM_FORMATS`` and the drain its bytes come out of."""
    drain = Drain()
    _, make = STREAM_FORMATS[format_name]
    return drain, make(cast("IO[bytes]", drain), layout)


def check_format(path: Path) -> str:
    """Return the format a file name asks for.

    Raises
    ------
    RequestError
        The name ends in none of the known formats.
    """
    suffix = path.suffix.lower()
    if suffix not in FILE_FORMATS:
        raise RequestError(
            f"Writing {path.name}: found the ending {suffix or 'none'}, expected one of {', '.join(FILE_FORMATS)}",
            parameter="--out",
        )
    return suffix


def write_table(
    rows: Iterable[Mapping[str, Any]], path: Path, *, layout: Layout, layer: str = "onemap", bom: bool = False
) -> int:
    """Write rows to a file in the format of its name and return how many; a fault leaves the old file.

    Parameters
    ----------
    rows
        Mappings with at least the layout's columns.
    path
        File to write; its ending chooses the format.
    layout
        Columns, in order, and the geometry.
    layer
        Name of the layer inside a GeoPackage.
    bom
        Start a CSV with a byte order mark, without which Excel takes Chinese for something else.

    Raises
    ------
    RequestError
        The name ends in none of the known formats.
    """
    suffix = check_format(path)
    count = 0
    with _write_beside(path) as draft, _open_writer(draft, suffix, layout, layer=layer, bom=bom) as writer:
        source = iter(rows)
        while batch := list(islice(source, BATCH_ROWS)):
            writer.write(batch)
            count += len(batch)
    return count


@contextmanager
def _write_beside(path: Path) -> Iterator[Path]:
    """Lend a new file in the same folder that takes the place of the old one only when all went well."""
    with tempfile.TemporaryDirectory(prefix=".onemap-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        yield draft
        draft.replace(path)


@contextmanager
def _open_writer(path: Path, suffix: str, layout: Layout, *, layer: str, bom: bool) -> Iterator[TableWriter]:
    writer: TableWriter
    if suffix == ".gpkg":
        writer = GeoPackageWriter(path, layout, layer=layer)
        yield writer
        writer.close()
        return
    with path.open("wb") as target:
        if suffix == ".csv":
            writer = CsvWriter(target, layout, bom=bom)
        else:
            writer = STREAM_FORMATS[suffix.removeprefix(".")][1](target, layout)
        yield writer
        writer.close()
