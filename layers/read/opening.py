"""Open any file that is read, by what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geo.errors import DataError
from layers.read.files import check_file, identify
from layers.read.parquet import ParquetSource
from layers.read.raster import RasterSource
from layers.read.table import CsvSource, XlsxSource
from layers.read.vector import VectorSource

if TYPE_CHECKING:
    from pathlib import Path

    from layers.read.source import Source


def open_source(
    path: str | Path,
    *,
    layer: str | None = None,
    encoding: str | None = None,
    geometry_columns: tuple[str, ...] | None = None,
) -> Source:
    """Open a file for reading in batches.

    Parameters
    ----------
    path
        A local file.
    layer
        Layer, sheet or band; needed where the file has several.
    encoding
        Text encoding of a CSV or Shapefile, where it is known better than it can be found.
    geometry_columns
        ``(lon, lat)`` or ``(wkt,)`` columns of a table; found by name where absent.

    Returns
    -------
    The source; nothing but the header has been read. ``info.rows`` may be None.

    Raises
    ------
    DataError
        The file is missing, empty, damaged, of another kind than its name says, or needs a layer to be chosen.
    """
    local = check_file(path)
    form = identify(local)
    if form == "CSV":
        return CsvSource(local, encoding=encoding, geometry_columns=geometry_columns)
    if form == "XLSX":
        return XlsxSource(local, layer=layer, geometry_columns=geometry_columns)
    if form == "Parquet":
        return ParquetSource(local, geometry_columns=geometry_columns)
    if form == "GeoTIFF":
        return RasterSource(local, layer=layer)
    if form == "PBF":
        raise DataError(
            f"Reading {local.name}: an OpenStreetMap extract holds many layers.", hint=f"onemap load osm {local.name}"
        )
    return VectorSource(local, form, layer=layer, encoding=encoding)
