"""GeoPackage, GeoJSON, TopoJSON and Shapefile, streamed through GDAL as Arrow batches."""

from __future__ import annotations

import re
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from geo.errors import DataError
from layers.read.arrow import frame_from_arrow, geometry_from_wkb, raw_of, reject_broken
from layers.read.geojson_ids import has_whole_number_ids, iter_ids
from layers.read.source import ROWS_PER_BATCH, Batch, Source, SourceInfo
from layers.read.text import find_encoding_of, name_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from layers.read.files import Format

_GDAL_DRIVERS: dict[str, tuple[str, ...]] = {
    "GPKG": ("GPKG",),
    "GeoJSON": ("GeoJSON", "GeoJSONSeq"),  # a first line longer than what is looked at decides only in GDAL
    "GeoJSONSeq": ("GeoJSONSeq",),
    "TopoJSON": ("TopoJSON",),
    "Shapefile": ("ESRI Shapefile",),
}
# pyogrio takes these for parts of an address
_SPECIAL = re.compile(r"[!;]")
_FAULTS = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, pa.ArrowException, OSError)


class VectorSource(Source):
    """A layer of a file that GDAL reads."""

    def __init__(self, path: Path, form: Format, *, layer: str | None, encoding: str | None) -> None:
        if _SPECIAL.search(str(path)):
            raise DataError(
                f"Reading {path.name}: a path with one of ! ; in it cannot be handed to GDAL.", hint="rename it"
            )
        self.path = path
        self.form = form
        self.layer = _choose_layer(path, form, layer)
        self.encoding = _dbf_encoding(path, encoding) if form == "Shapefile" else None
        meta = _read_info(path, form, layer=self.layer, encoding=self.encoding)
        self.fields = tuple(str(name) for name in meta["fields"])
        self.fid_name = _fid_name(path, form, meta)
        self.has_geometry = meta["geometry_type"] is not None
        rows = int(meta["features"])
        self.info = SourceInfo(
            path=path,
            driver="GeoJSONSeq" if meta["driver"] == "GeoJSONSeq" else form,
            layer=self.layer,
            rows=rows if rows >= 0 else None,
            columns=((self.fid_name,) if self.fid_name else ()) + self.fields,
            crs=None if form == "TopoJSON" else meta["crs"],
            encoding=self.encoding,
            notes=("TopoJSON does not say what its coordinates are",) if form == "TopoJSON" else (),
            has_geometry=self.has_geometry,
        )

    def batches(self, *, rows: int = ROWS_PER_BATCH) -> Iterator[Batch]:
        """Yield the features in file order, at most ``rows`` at a time."""
        done = 0
        try:
            with ExitStack() as stack:
                meta, reader = self._open_stream(stack, rows)
                stream = iter(reader)
                ids = iter_ids(self.path) if self.fid_name and self.form != "GPKG" else None
                while (batch := _next_quietly(stream)) is not None:
                    if batch.num_rows:
                        yield self._build(batch, meta, done, ids)
                    done += batch.num_rows
        except _FAULTS as fault:
            why = _short(fault, self.path)
            raise DataError(
                f"Reading {self.path.name}: after {done:,} rows the file could not be read on ({why}).",
                hint="the file is damaged or cut short; export or copy it again",
            ) from fault

    def _open_stream(self, stack: ExitStack, rows: int) -> tuple[dict[str, Any], pa.RecordBatchReader]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened: tuple[dict[str, Any], pa.RecordBatchReader] = stack.enter_context(
                pyogrio.open_arrow(
                    self.path,
                    layer=self.layer,
                    encoding=self.encoding,
                    batch_size=rows,
                    use_pyarrow=True,
                    return_fids=True,
                    datetime_as_string=True,
                )
            )
        return opened

    def _build(self, batch: pa.RecordBatch, meta: dict[str, Any], done: int, ids: Iterator[Any] | None) -> Batch:
        # the first column is the feature id; a field may have the same name
        attributes = batch.select(range(1, batch.num_columns))
        frame, broken = frame_from_arrow(attributes, self.fields)
        if self.fid_name:
            own = batch.column(0).to_pylist() if ids is None else [next(ids, None) for _ in range(batch.num_rows)]
            frame.insert(0, self.fid_name, pd.Series(own, index=frame.index, dtype=object))
        line = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
        if not self.has_geometry:
            return reject_broken(Batch(frame, None, line, raw_of(frame, None)), broken)
        wkb = attributes.column(attributes.schema.names.index(meta["geometry_name"] or "wkb_geometry"))
        geometry, faults, closed = geometry_from_wkb(wkb)
        return reject_broken(Batch(frame, geometry, line, raw_of(frame, geometry), [], faults, closed), broken)


def _next_quietly(stream: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GDAL's remarks on single features; what matters shows in the rows
        return next(stream, None)


def _read_info(path: Path, form: Format, *, layer: str | None, encoding: str | None) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta: dict[str, Any] = pyogrio.read_info(path, layer=layer, encoding=encoding)
    except (*_FAULTS, UnicodeDecodeError) as fault:
        raise DataError(
            f"Reading {path.name}: it is no readable {form} file ({_short(fault, path)}).",
            hint=_missing_part(path) if form == "Shapefile" else "export or copy it again",
        ) from fault
    if meta["driver"] not in _GDAL_DRIVERS[form]:
        raise DataError(
            f"Reading {path.name}: the name says {form} but it would be read as {meta['driver']}.",
            hint="rename the file to what it is",
        )
    return meta


def _short(fault: BaseException, path: Path) -> str:
    """Return the first sentence of a library's message, without the folder of the file."""
    text = re.split(r";|\n", str(fault))[0].replace(str(path.parent) + "/", "")
    return text[:200]


def _missing_part(path: Path) -> str:
    missing = [end for end in (".shx", ".dbf") if not _beside(path, end)]
    return f"the file {path.stem}{missing[0]} must lie beside it" if missing else "export or copy it again"


def _beside(path: Path, suffix: str) -> Path | None:
    return next((found for end in (suffix, suffix.upper()) if (found := path.with_suffix(end)).exists()), None)


def list_layers(path: Path, form: Format) -> tuple[tuple[str, bool], ...]:
    """Return the layers of a file: name, and whether it has geometry."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pyogrio.list_layers(path)
    except _FAULTS as fault:
        raise DataError(
            f"Reading {path.name}: it is no readable {form} file ({_short(fault, path)}).",
            hint=_missing_part(path) if form == "Shapefile" else "export or copy it again",
        ) from fault
    return tuple((str(name), kind is not None) for name, kind in found)


def _choose_layer(path: Path, form: Format, wanted: str | None) -> str:
    layers = list_layers(path, form)
    names = [name for name, _ in layers]
    if wanted is not None and wanted in names:
        return wanted
    spatial = [name for name, has_geometry in layers if has_geometry]
    if wanted is None and len(spatial or names) == 1:
        return (spatial or names)[0]
    if not names:
        raise DataError(f"Reading {path.name}: there is no layer in it.", hint="export it again")
    problem = f"there is no layer {wanted!r}" if wanted is not None else "it has several layers"
    raise DataError(
        f"Reading {path.name}: {problem}; found {', '.join(names)}.",
        hint=f"choose one, e.g. --layer {names[0]!r}",
        parameter="layer",
    )


def _dbf_encoding(path: Path, given: str | None) -> str | None:
    """Return the encoding of a Shapefile's attributes: said, in its .cpg, or found by reading the .dbf."""
    if given is not None:
        return name_encoding(given, what=path.name)
    page = _beside(path, ".cpg")
    if page is not None:
        text = page.read_text(encoding="ascii", errors="replace").strip()
        if text:
            return name_encoding(text, what=f"{path.stem}{page.suffix}")
    table = _beside(path, ".dbf")
    return find_encoding_of(lambda: _dbf_text(table), name=table.name) if table is not None else None


def _dbf_text(path: Path) -> Iterator[bytes]:
    """Yield the field names and records of a .dbf, without the numbers of its header."""
    with path.open("rb") as file:
        head = file.read(32)
        size = int.from_bytes(head[8:10], "little")
        names = file.read(max(size - 32, 0))
        yield b" ".join(names[at : at + 11].rstrip(b"\x00") for at in range(0, len(names) - 1, 32)) + b" "
        while chunk := file.read(1 << 20):
            yield chunk


def _fid_name(path: Path, form: Format, meta: dict[str, Any]) -> str | None:
    """Return the name under which the feature id is offered as a column, None where there is no real one."""
    fields = {str(name).lower() for name in meta["fields"]}
    if form == "GPKG":
        name = str(meta["fid_column"] or "")
        return name if name and name.lower() not in fields else None
    if form in {"GeoJSON", "GeoJSONSeq"} and "id" not in fields and has_whole_number_ids(path):
        return "id"
    return None
