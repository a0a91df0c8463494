"""Geometry out of table columns: longitude and latitude, or well-known text."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from layers.read.source import Geometries

# a column called lng_gcj02 or 经度(WGS84) says what its numbers are
_DATUM_WORD = re.compile(r"[\s_\-(\[【]*(wgs-?84|gcj-?02|bd-?09(?:ll)?|cgcs-?2000)[\s_\-)\]】]*")
_DATUM_NAMES = {"wgs84": "wgs84", "gcj02": "gcj02", "bd09": "bd09", "bd09ll": "bd09", "cgcs2000": "cgcs2000"}

Faults = dict[int, tuple[str, str]]

_LON = (
    "lon",
    "lng",
    "long",
    "longitude",
    "x",
    "point_x",
    "经度",
    "东经",
    "x坐标",
    "横坐标",
    "经度坐标",
)
_LAT = ("lat", "latitude", "y", "point_y", "纬度", "北纬", "y坐标", "纵坐标", "纬度坐标")
_WKT = (
    "wkt",
    "geom",
    "geometry",
    "the_geom",
    "wkt_geom",
    "shape",
    "geom_wkt",
    "geometry_wkt",
    "几何",
    "空间信息",
    "坐标串",
)
_WKT_WORDS = ("POINT", "LINESTRING", "POLYGON", "MULTI", "GEOMETRYCOLLECTION", "SRID=")


def plain_name(name: object) -> str:
    """Return a column name for comparing: half-width, lower case, without blanks around it."""
    return unicodedata.normalize("NFKC", str(name)).strip().lower()


def _without_datum(name: object) -> str:
    return _DATUM_WORD.sub("", plain_name(name))


def find_declared_datum(columns: Sequence[str]) -> str | None:
    """Return the datum that the names of coordinate columns say, None where they say nothing or disagree."""
    found = {match.group(1).replace("-", "") for name in columns if (match := _DATUM_WORD.search(plain_name(name)))}
    return _DATUM_NAMES[found.pop()] if len(found) == 1 else None


def find_geometry_columns(header: Sequence[str], first_rows: Sequence[Sequence[object]]) -> tuple[str, ...]:
    """Find the columns a table keeps its geometry in.

    Parameters
    ----------
    header
        Column names.
    first_rows
        A few rows, to tell a WKT column from one that only has its name.

    Returns
    -------
    ``(lon, lat)``, ``(wkt,)`` or ``()``. Longitude and latitude win over WKT only where both are numbers' names;
    between several candidates the earlier alias wins.
    """
    by_name = {_without_datum(name): name for name in reversed(header)}
    for alias in _WKT:
        name = by_name.get(alias)
        if name is not None and _looks_like_wkt(row[list(header).index(name)] for row in first_rows):
            return (name,)
    lon = next((by_name[alias] for alias in _LON if alias in by_name), None)
    lat = next((by_name[alias] for alias in _LAT if alias in by_name), None)
    return (lon, lat) if lon is not None and lat is not None else ()


def check_geometry_columns(header: Sequence[str], wanted: tuple[str, ...], *, what: str) -> tuple[str, ...]:
    """Return the geometry columns the caller named, spelled as in the header.

    Raises
    ------
    DataError
        The file lacks one of them, or there are neither one (WKT) nor two (longitude, latitude).
    """
    missing = [name for name in wanted if name not in header]
    if missing or len(wanted) not in {1, 2}:
        raise DataError(
            f"Reading {what}: the geometry columns {', '.join(wanted)} were asked for; "
            f"the file has {', '.join(header)[:400]}.",
            hint="name one WKT column, or the longitude and then the latitude column",
            parameter="map",
        )
    return wanted


def _looks_like_wkt(values: Iterable[object]) -> bool:
    texts = [text.strip().upper() for text in values if isinstance(text, str) and text.strip()]
    return any(text.startswith(_WKT_WORDS) for text in texts)


def build_geometry(columns: Sequence[Sequence[object]]) -> tuple[Geometries, Faults]:
    """Make geometries from one WKT column or from longitude and latitude.

    Parameters
    ----------
    columns
        One sequence of WKT texts (EWKT accepted), or two of numbers or numbers as text.

    Returns
    -------
    The geometries (None where there is none) and the reason for each row that has none.
    """
    return _from_wkt(columns[0]) if len(columns) == 1 else _from_lon_lat(columns[0], columns[1])


def _from_wkt(texts: Sequence[object]) -> tuple[Geometries, Faults]:
    faults: Faults = {}
    clean = np.empty(len(texts), dtype=object)
    for row, text in enumerate(texts):
        word = text.strip() if isinstance(text, str) else ""
        clean[row] = word.partition(";")[2] if word[:5].upper() == "SRID=" else word or None
        if clean[row] is None:
            faults[row] = ("geometry-missing", "no WKT")
    made = np.asarray(shapely.from_wkt(clean, on_invalid="ignore"), dtype=object)
    for row in np.flatnonzero(shapely.is_missing(made)).tolist():
        faults.setdefault(row, ("geometry-unreadable", f"WKT {str(texts[row])[:60]!r}"))
    return made, faults


def _from_lon_lat(lons: Sequence[object], lats: Sequence[object]) -> tuple[Geometries, Faults]:
    faults: Faults = {}
    x, y = read_numbers(lons), read_numbers(lats)
    for row in np.flatnonzero(~(np.isfinite(x) & np.isfinite(y))).tolist():
        faults[row] = _why_no_point(lons[row], lats[row])
    made = np.full(len(x), None, dtype=object)
    good = np.isfinite(x) & np.isfinite(y)
    made[good] = shapely.points(x[good], y[good])
    return made, faults


def _why_no_point(lon: object, lat: object) -> tuple[str, str]:
    found = f"{str(lon)[:40]!r}, {str(lat)[:40]!r}"
    if is_blank(lon) or is_blank(lat):
        return "coordinate-missing", found
    try:
        float(plain_name(lon)), float(plain_name(lat))
    except ValueError:
        return "coordinate-not-a-number", found
    return "coordinate-not-finite", found


def is_blank(value: object) -> bool:
    """Tell whether a cell holds nothing: None, a float NaN from a typed source, or only blanks."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and np.isnan(value))


def read_numbers(values: Sequence[object]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Read numbers from text or typed cells; NaN where there is none."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: object) -> float:
    if isinstance(value, bool) or value is None:
        return float("nan")
    try:
        return float(value if isinstance(value, (int, float)) else plain_name(value))
    except ValueError:
        return float("nan")
