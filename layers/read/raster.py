"""A population raster: every cell with people becomes a row with the cell's outline."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio
import shapely
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geo.errors import DataError
from layers.read.arrow import raw_of
from layers.read.source import ROWS_PER_BATCH, Batch, Source, SourceInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMN = "people"


class RasterSource(Source):
    """One band of a GeoTIFF, read a strip of rows at a time.

    Cells without data and cells of exactly 0 are no rows. The number of a row is its cell: row × width + column,
    counted from 1. Fractions of people are rounded with what is left carried on to the next cell, west to east and
    north to south: the total moves by less than one, and a person by a cell or so.
    """

    def __init__(self, path: Path, *, layer: str | None = None) -> None:
        self.path = path
        with self._open() as raster:
            self.band = _choose_band(path, raster.count, layer)
            crs = raster.crs
            self.info = SourceInfo(
                path=path,
                driver="GeoTIFF",
                layer=str(self.band),
                rows=None,
                columns=("cell", COLUMN),
                crs=None if crs is None else (f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.to_wkt()),
                encoding=None,
            )
            if raster.transform.is_identity:
                raise DataError(
                    f"Reading {path.name}: the raster does not say where it lies.", hint="export it as GeoTIFF again"
                )

    def _open(self) -> rasterio.DatasetReader:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return rasterio.open(self.path, driver="GTiff")
        except RasterioError as fault:
            raise DataError(
                f"Reading {self.path.name}: it is no readable GeoTIFF.", hint="export or copy it again"
            ) from fault

    def batches(self, *, rows: int = ROWS_PER_BATCH) -> Iterator[Batch]:
        """Yield the cells with people from north-west to south-east, at most about ``rows`` at a time."""
        with self._open() as raster:
            strip = max(1, rows // raster.width)
            carry = 0.0
            for top in range(0, raster.height, strip):
                window = Window(0, top, raster.width, min(strip, raster.height - top))
                try:
                    values = raster.read(self.band, window=window, masked=True).astype(np.float64)
                except RasterioError as fault:
                    raise DataError(
                        f"Reading {self.path.name}: from row {top + 1} on the raster could not be read.",
                        hint="the file is damaged or cut short; export or copy it again",
                    ) from fault
                people, carry = _round(values, carry)
                batch = _build(people, top, raster)
                if len(batch):
                    yield batch


def _choose_band(path: Path, count: int, wanted: str | None) -> int:
    bands = [str(number) for number in range(1, count + 1)]
    if wanted is None and count == 1:
        return 1
    if wanted in bands:
        return int(wanted)
    raise DataError(
        f"Reading {path.name}: it has the bands {', '.join(bands)}" + (f", not {wanted!r}." if wanted else "."),
        hint="choose one, e.g. --layer 1",
        parameter="layer",
    )


def _round(values: np.ma.MaskedArray, carry: float) -> tuple[np.ndarray, float]:
    """Round a strip of counts, handing on what is left; cells that cannot be counts stay as they are."""
    filled = np.asarray(values.filled(0.0), dtype=np.float64)
    usable = np.isfinite(filled) & (filled >= 0.0)
    exact = filled[usable]
    out = np.where(np.isnan(filled), 0.0, filled)
    if (exact == np.rint(exact)).all():
        return out, carry
    running = carry + np.cumsum(exact)
    whole = np.floor(running + 0.5)
    out[usable] = np.diff(whole, prepend=0.0)
    return out, float(running[-1] - whole[-1])


def _build(values: np.ndarray, top: int, raster: rasterio.DatasetReader) -> Batch:
    row, column = np.nonzero(values)
    people = values[row, column]
    row = row + top
    a, b, west, d, e, north = raster.transform[:6]
    offsets = ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))
    corners = [
        (a * (column + dx) + b * (row + dy) + west, d * (column + dx) + e * (row + dy) + north) for dx, dy in offsets
    ]
    rings = np.stack([np.column_stack(corner) for corner in corners], axis=1)
    geometry = np.asarray(shapely.polygons(rings), dtype=object)
    line = (row.astype(np.int64) * raster.width + column + 1).astype(np.int64)
    frame = pd.DataFrame({"cell": line.astype(object), COLUMN: people.astype(object)}, dtype=object)
    return Batch(frame, geometry, line, raw_of(frame, geometry))
