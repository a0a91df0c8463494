"""GeoParquet, and plain Parquet with WKB, WKT or longitude and latitude."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj

from geo.errors import DataError
from layers.read.arrow import frame_from_arrow, geometry_from_wkb, raw_of, reject_broken
from layers.read.points import build_geometry, check_geometry_columns, find_geometry_columns
from layers.read.source import ROWS_PER_BATCH, Batch, Source, SourceInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WKB_NAMES = ("geometry", "geom", "wkb", "wkb_geometry", "the_geom", "shape")


class ParquetSource(Source):
    """A Parquet file, row group by row group."""

    is_read_ahead = True

    def __init__(self, path: Path, *, geometry_columns: tuple[str, ...] | None = None) -> None:
        self.path = path
        file = self._open()
        schema = file.schema_arrow
        geo = _geo_metadata(schema, path)
        self.wkb = _wkb_column(schema, geo, path) if geometry_columns is None else None
        self.from_table: tuple[str, ...] = ()
        if self.wkb is None:
            self.from_table = self._find_in_table(file, geometry_columns)
        others = {name for name, column in geo.get("columns", {}).items() if name != self.wkb} if geo else set()
        columns = tuple(name for name in schema.names if name not in {self.wkb, *others, *self.from_table})
        notes = tuple(f"further geometry column {name!r} is not read" for name in sorted(others))
        self.info = SourceInfo(
            path=path,
            driver="Parquet",
            layer=None,
            rows=file.metadata.num_rows,
            columns=columns,
            crs=_crs(geo, self.wkb) if geo and self.wkb else None,
            encoding=None,
            geometry_columns=self.from_table or ((self.wkb,) if self.wkb else ()),
            notes=notes,
            has_geometry=self.wkb is not None or bool(self.from_table),
        )
        file.close()

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as fault:
            raise DataError(
                f"Reading {self.path.name}: it is no readable Parquet file ({str(fault).splitlines()[0][:160]}).",
                hint="the file is damaged or cut short; export or copy it again",
            ) from fault

    def _find_in_table(self, file: pq.ParquetFile, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
        names = list(file.schema_arrow.names)
        if wanted is not None:
            return check_geometry_columns(names, wanted, what=self.path.name)
        first = next(file.iter_batches(batch_size=50), None)
        rows = [list(row.values()) for row in first.to_pylist()] if first is not None else []
        return find_geometry_columns(names, rows)

    def batches(self, *, rows: int = ROWS_PER_BATCH) -> Iterator[Batch]:
        """Yield the rows in file order, at most ``rows`` at a time."""
        wanted = [*self.info.columns, *([self.wkb] if self.wkb else self.from_table)]
        done = 0
        file = self._open()
        try:
            for batch in file.iter_batches(batch_size=rows, columns=wanted):
                if batch.num_rows:
                    yield self._build(batch, done)
                done += batch.num_rows
        except (pa.ArrowException, OSError) as fault:
            raise DataError(
                f"Reading {self.path.name}: after {done:,} rows the file could not be read on.",
                hint="the file is damaged or cut short; export or copy it again",
            ) from fault
        finally:
            file.close()

    def _build(self, batch: pa.RecordBatch, done: int) -> Batch:
        frame, broken = frame_from_arrow(batch, self.info.columns)
        line = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
        faults: dict[int, tuple[str, str]] = {}
        closed: tuple[int, ...] = ()
        geometry = None
        if self.wkb is not None:
            geometry, faults, closed = geometry_from_wkb(batch.column(batch.schema.get_field_index(self.wkb)))
        elif self.from_table:
            cells, _ = frame_from_arrow(batch, self.from_table)
            geometry, faults = build_geometry([cells[name].tolist() for name in self.from_table])
        return reject_broken(Batch(frame, geometry, line, raw_of(frame, geometry), [], faults, closed), broken)


def _geo_metadata(schema: pa.Schema, path: Path) -> dict[str, Any]:
    raw = (schema.metadata or {}).get(b"geo")
    if raw is None:
        return {}
    try:
        meta = json.loads(raw)
    except ValueError:
        meta = None
    if not isinstance(meta, dict) or not isinstance(meta.get("columns"), dict):
        raise DataError(f"Reading {path.name}: its GeoParquet description is broken.", hint="write the file again")
    return meta


def _wkb_column(schema: pa.Schema, geo: dict[str, Any], path: Path) -> str | None:
    if geo:
        name = str(geo.get("primary_column", ""))
        column = geo["columns"].get(name)
        if column is None or name not in schema.names:
            raise DataError(f"Reading {path.name}: its geometry column {name!r} is missing.", hint="write it again")
        encoding = str(column.get("encoding", "WKB"))
        if encoding.upper() != "WKB":
            raise DataError(
                f"Reading {path.name}: its geometry is stored as {encoding!r}; expected WKB.",
                hint='write it with geometry_encoding="WKB"',
            )
        return name
    binary = {field.name.lower(): field.name for field in schema if _is_binary(field.type)}
    return next((binary[name] for name in _WKB_NAMES if name in binary), None)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _crs(geo: dict[str, Any], name: str) -> str | None:
    """Return the declared CRS; GeoParquet says that an absent one is WGS-84 and an explicit null is unknown."""
    column = geo["columns"][name]
    if "crs" not in column:
        return "EPSG:4326"
    if column["crs"] is None:
        return None
    crs = pyproj.CRS.from_user_input(column["crs"])
    number = crs.to_epsg()
    return f"EPSG:{number}" if number else str(crs.to_wkt())
