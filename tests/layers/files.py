"""Small files made on the fly, one function a kind."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import rasterio
import shapely
from rasterio.transform import Affine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SQUARE = shapely.box(114.30, 30.59, 114.31, 30.60)


def feature(properties: dict[str, Any], geometry: Any, **more: Any) -> dict[str, Any]:
    """Return a GeoJSON feature; a shapely geometry is written out, a dict is taken as it is."""
    mapped = json.loads(shapely.to_geojson(geometry)) if isinstance(geometry, shapely.Geometry) else geometry
    return {"type": "Feature", **more, "properties": properties, "geometry": mapped}


def write_geojson(path: Path, features: Sequence[dict[str, Any]], **more: Any) -> Path:
    """Write a feature collection."""
    path.write_text(
        json.dumps({"type": "FeatureCollection", **more, "features": list(features)}, ensure_ascii=False),
        encoding="utf-8",
    )
    return path


def write_layer(path: Path, columns: dict[str, list[Any]], geometry: Sequence[Any], **options: Any) -> Path:
    """Write a layer with pyogrio; the driver follows the name."""
    frame = gpd.GeoDataFrame(columns, geometry=list(geometry), crs=options.pop("crs", "EPSG:4326"))
    pyogrio.write_dataframe(frame, path, **options)
    return path


def write_sheet(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    """Write an Excel workbook."""
    book = openpyxl.Workbook()
    for sheet in list(book.worksheets):
        book.remove(sheet)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def write_parquet(path: Path, columns: dict[str, Any], geo: dict[str, Any] | None = None) -> Path:
    """Write a Parquet table, with a GeoParquet description where one is given."""
    table = pa.table(columns)
    if geo is not None:
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path)
    return path


def write_raster(path: Path, values: Any, *, crs: str | None = "EPSG:4326", nodata: float = -9999.0) -> Path:
    """Write a GeoTIFF of 0.01° cells whose north-west corner is 114.30 E 30.60 N."""
    array = np.asarray(values, dtype=np.float32)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=array.shape[0],
        width=array.shape[1],
        count=1,
        dtype="float32",
        crs=crs,
        transform=Affine(0.01, 0.0, 114.30, 0.0, -0.01, 30.60),
        nodata=nodata,
    ) as raster:
        raster.write(array, 1)
    return path


def open_ring() -> bytes:
    """Return the WKB of a triangle whose ring is not closed."""
    points = [(114.30, 30.59), (114.31, 30.59), (114.31, 30.60)]
    body = b"".join(struct.pack("<2d", *point) for point in points)
    return struct.pack("<BIII", 1, 3, 1, len(points)) + body
