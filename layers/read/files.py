"""Know a file by its first bytes before any library is let near it.

GDAL opens whatever it recognises, also a virtual dataset renamed ``.geojson`` that reads another local file or the
network. So only local regular files are taken, the format is told from the content, and only drivers named here run.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final, Literal

from geo.errors import DataError

Format = Literal["GPKG", "GeoJSON", "GeoJSONSeq", "TopoJSON", "Shapefile", "Parquet", "CSV", "XLSX", "GeoTIFF", "PBF"]

SUPPORTED: Final = (
    "GeoPackage (.gpkg), GeoJSON (.geojson .json .geojsonl), TopoJSON (.topojson), Shapefile (.shp), "
    "GeoParquet (.parquet), CSV (.csv), Excel (.xlsx), GeoTIFF (.tif)"
)
_HEAD_BYTES = 65_536
_TEXT_SUFFIXES = {".csv", ".tsv", ".txt"}
_JSON_SUFFIXES = {".geojson", ".json", ".topojson", ".geojsonl", ".geojsons", ".ndjson", ".jsonl"}
_SUFFIXES: dict[str, tuple[Format, ...]] = {
    ".gpkg": ("GPKG",),
    ".shp": ("Shapefile",),
    ".parquet": ("Parquet",),
    ".geoparquet": ("Parquet",),
    ".pq": ("Parquet",),
    ".xlsx": ("XLSX",),
    ".xlsm": ("XLSX",),
    ".tif": ("GeoTIFF",),
    ".tiff": ("GeoTIFF",),
    ".pbf": ("PBF",),
    **dict.fromkeys(_TEXT_SUFFIXES, ("CSV",)),
    **dict.fromkeys(_JSON_SUFFIXES, ("GeoJSON", "GeoJSONSeq", "TopoJSON")),
}
_MAGIC: tuple[tuple[tuple[bytes, ...], Format], ...] = (
    ((b"\x00\x00\x27\x0a",), "Shapefile"),
    ((b"PAR1",), "Parquet"),
    ((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), "GeoTIFF"),
)
# application ids of GeoPackage 1.2 and later, 1.0, 1.1
_GPKG_IDS = {b"GPKG", b"GP10", b"GP11"}
_KNOWN_BUT_UNREAD: dict[str, str] = {
    ".xls": "save it as .xlsx or .csv",
    ".zip": "unpack it and load the file inside",
    ".rar": "unpack it and load the file inside",
    ".7z": "unpack it and load the file inside",
    ".gz": "unpack it and load the file inside",
    ".gdb": "export the layer as GeoPackage",
    ".mdb": "export the layer as GeoPackage",
    ".kml": "convert it to GeoPackage or GeoJSON",
    ".kmz": "convert it to GeoPackage or GeoJSON",
    ".gml": "convert it to GeoPackage or GeoJSON",
    ".dwg": "export the layer as GeoPackage or Shapefile",
    ".dxf": "export the layer as GeoPackage or Shapefile",
    ".vrt": "load the data themselves, not a virtual dataset",
    ".dbf": "load the .shp beside it, or save the table as .csv",
    ".shx": "load the .shp beside it",
    ".prj": "load the .shp beside it",
    ".xml": "convert it to GeoPackage or GeoJSON",
    ".osm": "convert it to .osm.pbf (osmium cat)",
}


def check_file(path: str | Path) -> Path:
    """Return the path of a local, regular, non-empty file.

    Raises
    ------
    DataError
        It is a URL or a GDAL virtual path, does not exist, is a folder, cannot be read or holds nothing.
    """
    text = str(path)
    if "://" in text or text.startswith("/vsi"):
        raise DataError(
            f"Reading {text[:120]!r}: only files on this machine are read, not addresses or virtual paths.",
            hint="download the file first and give its path",
        )
    local = Path(path).absolute()  # so that no library takes a name like `http:a.gpkg` for an address
    if not local.exists():
        raise DataError(
            f"Reading {local.name}: there is no such file.", hint="check the spelling and the folder of the path"
        )
    if not local.is_file():
        hint = _KNOWN_BUT_UNREAD.get(local.suffix.lower(), "give one file, not a folder")
        raise DataError(f"Reading {local.name}: this is a folder or a device; expected a file.", hint=hint)
    try:
        size = local.stat().st_size
        with local.open("rb"):
            pass
    except OSError as fault:
        raise DataError(
            f"Reading {local.name}: the file cannot be opened ({fault.strerror}).", hint="check who may read it"
        ) from fault
    if size == 0:
        raise DataError(f"Reading {local.name}: the file is empty (0 bytes).", hint="export or copy it again")
    return local


def identify(path: Path) -> Format:
    """Tell the format of a file from its name and first bytes.

    Raises
    ------
    DataError
        The format is not one that is read, or the content is not what the name says.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = _by_content(path, head)
    expected = _SUFFIXES.get(suffix)
    if expected is None:
        raise DataError(
            f"Reading {path.name}: files named {suffix or 'without an ending'} are not read; expected {SUPPORTED}.",
            hint=_KNOWN_BUT_UNREAD.get(suffix, "convert it to one of these, GeoPackage by preference"),
        )
    if found not in expected:
        raise DataError(
            f"Reading {path.name}: the name says {' or '.join(expected)} but the content is {found or 'something else'}"
            f" (it starts with {_show(head)}).",
            hint="rename the file to what it is, or export it again",
        )
    return found


def _show(head: bytes) -> str:
    text = head[:24].decode("ascii", "replace")
    return repr("".join(letter if letter.isprintable() else "·" for letter in text))


def _by_content(path: Path, head: bytes) -> Format | None:
    for marks, name in _MAGIC:
        if head.startswith(marks):
            return name
    if head.startswith(b"SQLite format 3\x00"):
        return "GPKG" if head[68:72] in _GPKG_IDS else None
    if head.startswith(b"PK\x03\x04"):
        return "XLSX" if _is_workbook(path) else None
    return "PBF" if b"OSMHeader" in head[:64] else _text_format(path, head)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _text_format(path: Path, head: bytes) -> Format | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if path.suffix.lower() in _JSON_SUFFIXES:
        return _json_format(start)
    if path.suffix.lower() not in _TEXT_SUFFIXES:
        return None
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    is_foreign = start.startswith((b"<", b"{", b"%PDF", b"\xd0\xcf\x11\xe0", b"Rar!", b"7z\xbc\xaf"))
    # a stray NUL inside a field is a broken row, a file full of them is no text
    is_binary = not is_utf16 and head.count(b"\x00") * 20 > len(head)
    return None if is_foreign or is_binary else "CSV"


def _json_format(start: bytes) -> Format | None:
    if start.startswith(b"\x1e"):
        return "GeoJSONSeq"
    if not start.startswith(b"{"):
        return None
    if b'"Topology"' in start:
        return "TopoJSON"
    if b'"FeatureCollection"' in start or b'"features"' in start:
        return "GeoJSON"
    first, separator, rest = start.partition(b"\n")
    is_one_feature_a_line = b'"Feature"' in first and first.rstrip().endswith(b"}")
    if is_one_feature_a_line and separator and rest.lstrip().startswith(b"{"):
        return "GeoJSONSeq"
    return "GeoJSON"
