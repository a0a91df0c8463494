"""Forty broken files: each says what was found, what was expected and what to do, and tells no folder."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from geo.errors import DataError
from layers.read import open_source
from tests.layers import files

if TYPE_CHECKING:
    from collections.abc import Callable

POINT = shapely.Point(114.30, 30.59)


def _geo(**column_: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", **column_}}}


def _text(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _vrt(folder: Path) -> Path:
    inner = files.write_geojson(folder / "secret.geojson", [files.feature({"id": 1}, POINT)])
    layer = f'<OGRVRTLayer name="secret"><SrcDataSource>{inner}</SrcDataSource></OGRVRTLayer>'
    return _text("a.geojson", f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")(folder)


def _cut(suffix: str, share: float) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / f"a{suffix}"
        if suffix == ".parquet":
            files.write_parquet(path, {"n": list(range(5_000)), "lon": [1.0] * 5_000, "lat": [1.0] * 5_000})
        elif suffix == ".tif":
            files.write_raster(path, np.ones((200, 200)))
        elif suffix == ".xlsx":
            files.write_sheet(path, {"a": [["id"], [1]]})
        else:
            files.write_layer(path, {"n": list(range(3_000))}, [POINT] * 3_000)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return write


def _shp_alone(folder: Path) -> Path:
    path = files.write_layer(folder / "a.shp", {"n": [1]}, [POINT])
    path.with_suffix(".shx").unlink()
    return path


def _zip(folder: Path) -> Path:
    path = folder / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "no workbook")
    return path


def _no_place_raster(folder: Path) -> Path:
    path = folder / "a.tif"
    import rasterio

    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="GTiff", height=2, width=2, count=1, dtype="float32") as raster,
    ):
        raster.write(np.ones((1, 2, 2), dtype=np.float32))
    return path


BAD_FILES: dict[str, tuple[Callable[[Path], Path | str], str]] = {
    "missing": (lambda folder: folder / "nothing.gpkg", "no such file"),
    "folder": (lambda folder: folder, "a folder or a device"),
    "empty": (_text("a.geojson", ""), "0 bytes"),
    "url": (lambda _folder: "https://example.org/a.geojson", "only files on this machine"),
    "vsicurl": (lambda _folder: "/vsicurl/http://example.org/a.gpkg", "only files on this machine"),
    "vsizip": (lambda _folder: "/vsizip/a.zip/a.shp", "only files on this machine"),
    "virtual dataset as geojson": (_vrt, "content is something else"),
    "text as gpkg": (_text("a.gpkg", "hello"), "content is something else"),
    "sqlite without gpkg id": (_text("a.gpkg", b"SQLite format 3\x00" + b"\x00" * 200), "content is something else"),
    "geojson as gpkg": (_text("a.gpkg", '{"type":"FeatureCollection","features":[]}'), "content is"),
    "json of something else": (_text("a.json", '{"hello": 1}'), "no readable GeoJSON"),
    "json list": (_text("a.json", "[1, 2]"), "content is something else"),
    "html as csv": (_text("a.csv", "<html><body>404</body></html>"), "content is something else"),
    "pdf as csv": (_text("a.csv", "%PDF-1.4 hello"), "content is something else"),
    "binary as csv": (_text("a.csv", bytes(range(256)) + b"\x00" * 400), "content is something else"),
    "csv as xlsx": (_text("a.xlsx", "id,name\n1,a\n"), "content is something else"),
    "zip as xlsx": (_zip, "content is something else"),
    "old excel": (_text("a.xls", b"\xd0\xcf\x11\xe0 old"), "files named .xls are not read"),
    "kml": (_text("a.kml", "<kml/>"), "files named .kml are not read"),
    "zip": (_text("a.zip", b"PK\x03\x04"), "files named .zip are not read"),
    "no ending": (_text("data", "id\n1\n"), "without an ending"),
    "dbf alone": (_text("a.dbf", b"\x03"), "files named .dbf are not read"),
    "shapefile without index": (_shp_alone, "no readable Shapefile"),
    "geojson cut short": (_cut(".geojson", 0.6), "no readable GeoJSON"),
    "geopackage cut short": (_cut(".gpkg", 0.4), "could not be read|no readable GPKG"),
    "parquet cut short": (_cut(".parquet", 0.5), "no readable Parquet"),
    "xlsx cut short": (_cut(".xlsx", 0.5), "content is something else"),
    "raster cut short": (_cut(".tif", 0.5), "no readable GeoTIFF|could not be read"),
    "raster without a place": (_no_place_raster, "where it lies"),
    "csv without rows": (_text("a.csv", "\n\n\n"), "there is no row"),
    "csv without header": (_text("a.csv", "1,2,3\n4,5,6\n"), "only numbers"),
    "quote never closed": (_text("a.csv", 'id,name\n1,"a\n2,b\n3,c\n'), "from line 2 on"),
    "unknown encoding": (_text("a.csv", "id\n1\n"), "no text encoding"),
    "bad geoparquet text": (
        lambda folder: files.write_parquet(folder / "a.parquet", {"geometry": [b""]}, {"columns": 3}),
        "description is broken",
    ),
    "geoparquet without its column": (
        lambda folder: files.write_parquet(folder / "a.parquet", {"n": [1]}, _geo()),
        "'geometry' is missing",
    ),
    "geoparquet in another encoding": (
        lambda folder: files.write_parquet(
            folder / "a.parquet", {"geometry": [b""]}, _geo() | {"columns": {"geometry": {"encoding": "point"}}}
        ),
        "expected WKB",
    ),
    "osm extract": (_text("a.osm.pbf", b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18"), "holds many layers"),
    "geometry column not there": (_text("a.csv", "id,x1\n1,2\n"), "were asked for"),
    "exclamation mark": (
        _text("a!b.geojson", '{"type":"FeatureCollection","features":[]}'),
        "cannot be handed to GDAL",
    ),
    "empty workbook": (lambda folder: files.write_sheet(folder / "a.xlsx", {"a": []}), "every sheet is empty"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_say_what_is_wrong(tmp_path: Path, kind: str) -> None:
    make, expected = BAD_FILES[kind]
    path = make(tmp_path)
    options: dict[str, Any] = {}
    if kind == "unknown encoding":
        options["encoding"] = "klingon"
    if kind == "geometry column not there":
        options["geometry_columns"] = ("e", "n")
    with pytest.raises(DataError, match=expected) as fault, open_source(path, **options) as source:
        list(source.batches())
    assert fault.value.hint
    assert str(tmp_path) not in fault.value.message
