"""Datums: what a file's coordinates mean, and the way from there to WGS-84 and to metres.

Storage is WGS-84 longitude, latitude (EPSG:4326). An input datum is declared, by the caller or by the file, and never
assumed. Axis order is always east before north (``always_xy``), whatever EPSG writes for the Chinese grids.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.crs import BoundCRS
from pyproj.crs.coordinate_operation import ToWGS84Transformation
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from geo.errors import DatumUnknown
from geo.frames import drop_heights
from geo.metric import choose_metric_crs
from geo.shifted import (
    bd09_to_gcj02,
    bd09_to_wgs84,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)
from geo.shifts import Shift, compare_shifts, find_suspicion, is_axis_swapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

__all__ = [
    "Datum",
    "Shift",
    "bd09_to_gcj02",
    "bd09_to_wgs84",
    "choose_metric_crs",
    "compare_shifts",
    "detect_gauss_kruger",
    "find_bounds",
    "find_suspicion",
    "gcj02_to_bd09",
    "gcj02_to_wgs84",
    "is_axis_swapped",
    "parse_datum",
    "resolve_datum",
    "to_wgs84",
    "wgs84_to_bd09",
    "wgs84_to_gcj02",
]

Coordinates = np.ndarray[Any, np.dtype[np.float64]]
Geometries = np.ndarray[Any, np.dtype[np.object_]]
Kind = Literal["wgs84", "cgcs2000", "gcj02", "bd09", "crs"]

ACCEPTED = "wgs84, cgcs2000, gcj02, bd09 or EPSG:n"
_PARAMETERS_HINT = (
    "ask the surveying office for the local parameters and give them: "
    "--datum EPSG:2343+towgs84=dx,dy,dz or …=dx,dy,dz,rx,ry,rz,s (metres, arc seconds, ppm)"
)
_OLD_CHINESE = re.compile(
    r"xi'?an[_ ]?(19)?80|beijing[_ ]?(19)?54|new[_ ]beijing|pulkovo[_ ]1942.*china", re.IGNORECASE
)
_CGCS2000 = re.compile(r"china[_ ]2000|cgcs[_ ]?2000|china[_ ]geodetic[_ ]coordinate[_ ]system[_ ]2000", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Datum:
    """What a pair of coordinates means.

    Attributes
    ----------
    code
        The name it is recorded by: ``wgs84``, ``cgcs2000``, ``gcj02``, ``bd09``, ``EPSG:n``, with ``+towgs84=…``
        where local parameters were given, or the name of a CRS that has no EPSG number.
    kind
        How it is brought to WGS-84.
    crs
        The coordinate system as WKT; None for the two shifted datums.
    """

    code: str
    kind: Kind
    crs: str | None = None

    @property
    def is_geographic(self) -> bool:
        """Whether the coordinates are degrees."""
        return self.crs is None or _is_geographic(self.crs)

    def is_geographic_at(self, geometries: Geometries) -> bool:
        """Tell whether these coordinates are to be degrees: ``cgcs2000`` also stands for its zoned grid metres."""
        if self.kind != "cgcs2000":
            return self.is_geographic
        east = np.abs(shapely.get_coordinates(geometries)[:, 0])
        east = east[np.isfinite(east)]
        return not (len(east) and _is_zoned(float(np.median(east))))


@lru_cache(maxsize=32)
def _is_geographic(crs: str) -> bool:
    return bool(CRS.from_user_input(crs).is_geographic)


_WGS84 = Datum("wgs84", "wgs84", "EPSG:4326")
_NAMED = {
    "wgs84": _WGS84,
    "wgs-84": _WGS84,
    "epsg:4326": _WGS84,
    "ogc:crs84": _WGS84,
    "cgcs2000": Datum("cgcs2000", "cgcs2000", "EPSG:4490"),
    "epsg:4490": Datum("cgcs2000", "cgcs2000", "EPSG:4490"),
    "gcj02": Datum("gcj02", "gcj02"),
    "gcj-02": Datum("gcj02", "gcj02"),
    "bd09": Datum("bd09", "bd09"),
    "bd-09": Datum("bd09", "bd09"),
    "bd09ll": Datum("bd09", "bd09"),
}


def parse_datum(text: str) -> Datum:
    """Read a datum as written on the command line or in a file.

    Parameters
    ----------
    text
        ``wgs84``, ``cgcs2000``, ``gcj02``, ``bd09`` (any case), ``EPSG:n`` or WKT; ``EPSG:n+towgs84=dx,dy,dz`` or with
        seven values for a system whose local parameters are known (metres, arc seconds, ppm; position vector).

    Raises
    ------
    DatumUnknown
        The text names no coordinate system, or one from which no way to WGS-84 is known: Xi'an 1980, Beijing 1954 and
        New Beijing without parameters (PROJ would silently shift them by nothing, an error of about 100 m), and local
        grids.
    """
    base, _, parameters = text.strip().partition("+towgs84=")
    named = _NAMED.get(base.strip().lower())
    if named is not None and not parameters:
        return named
    crs = _read_crs(base.strip())
    label = _label(crs, base.strip())
    if parameters:
        return Datum(f"{label}+towgs84={parameters}", "crs", _bind(crs, parameters).to_wkt())
    if crs.to_epsg() == 4326 or label.lower() in _NAMED:
        return _NAMED.get(label.lower(), _WGS84)
    _refuse_unknown(crs, label)
    return Datum(label, "crs", label if label.startswith("EPSG:") else crs.to_wkt())


def _read_crs(text: str) -> CRS:
    try:
        crs = CRS.from_user_input(text)
    except (CRSError, ProjError, TypeError) as fault:
        raise DatumUnknown(
            f"Reading the datum: {text[:80]!r} is no coordinate system; expected {ACCEPTED}.",
            hint="say what the coordinates are with --datum",
            parameter="datum",
        ) from fault
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    if not (crs.is_geographic or crs.is_projected or crs.is_bound):
        raise DatumUnknown(
            f"Reading the datum: {crs.name!r} is neither longitude and latitude nor a map grid.",
            hint=f"expected {ACCEPTED}",
            parameter="datum",
        )
    return crs


def _label(crs: CRS, text: str) -> str:
    number = re.fullmatch(r"epsg:(\d+)", text.lower())
    epsg = int(number.group(1)) if number else crs.to_epsg()
    return f"EPSG:{epsg}" if epsg else crs.name


def _bind(crs: CRS, parameters: str) -> CRS:
    try:
        values = [float(part) for part in parameters.split(",")]
    except ValueError:
        values = []
    if len(values) not in {3, 7} or not np.isfinite(values).all():
        raise DatumUnknown(
            f"Reading the datum: towgs84={parameters!r} should be 3 or 7 numbers.",
            hint="dx,dy,dz in metres, then rx,ry,rz in arc seconds and the scale in ppm",
            parameter="datum",
        )
    values += [0.0] * (7 - len(values))
    return BoundCRS(crs, CRS("EPSG:4326"), ToWGS84Transformation(crs.geodetic_crs, *values))


def _refuse_unknown(crs: CRS, label: str) -> None:
    """Raise where PROJ knows no operation to WGS-84 and would apply none."""
    geodetic = crs.geodetic_crs
    datum_name = geodetic.datum.name if geodetic is not None and geodetic.datum is not None else ""
    names = f"{crs.name} {geodetic.name if geodetic is not None else ''} {datum_name}"
    if _CGCS2000.search(names):
        return
    if _OLD_CHINESE.search(names):
        raise DatumUnknown(
            f"Reading the datum: {label} ({crs.name}) cannot be brought to WGS-84 without local parameters; "
            "a default would be wrong by about 100 m.",
            hint=_PARAMETERS_HINT,
            parameter="datum",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "best transformation not available": the next one is good enough to plan by
        operations = TransformerGroup(crs, CRS("EPSG:4326"), always_xy=True).transformers
    if not operations or all("allpark" in operation.description for operation in operations):
        raise DatumUnknown(
            f"Reading the datum: no transformation from {label} ({crs.name}) to WGS-84 is known.",
            hint=_PARAMETERS_HINT,
            parameter="datum",
        )


def resolve_datum(*, given: str | None, declared: str | None, name: str = "the file") -> Datum:
    """Settle what a file's coordinates are from what the caller and the file say.

    Parameters
    ----------
    given
        The caller's ``--datum``; wins where it does not contradict the file.
    declared
        The CRS the file or its format declares, None if it says nothing. A declared WGS-84 does not contradict a
        given ``gcj02``, ``bd09`` or ``cgcs2000``: GeoJSON cannot say anything else.
    name
        Name of the file for the message.

    Raises
    ------
    DatumUnknown
        Neither says what the coordinates are, or one says degrees and the other metres.
    """
    if given is None and declared is None:
        raise DatumUnknown(
            f"Loading {name}: nothing says which datum its coordinates are in.",
            hint=f"add --datum with one of {ACCEPTED}",
            parameter="datum",
        )
    if given is None:
        return parse_datum(declared or "")
    datum = parse_datum(given)
    if declared is None:
        return datum
    named = _NAMED.get(declared.lower())
    is_geographic = named.is_geographic if named is not None else _read_crs(declared).is_geographic
    if is_geographic != datum.is_geographic:
        raise DatumUnknown(
            f"Loading {name}: --datum {datum.code} does not fit the file, which declares {declared[:60]}.",
            hint="leave --datum out to use what the file declares, or correct the file",
            parameter="datum",
        )
    return datum


@lru_cache(maxsize=32)
def _transformer(crs: str, target: str) -> Transformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Transformer.from_crs(CRS.from_user_input(crs), CRS(target), always_xy=True)


def _by_crs(crs: str) -> Callable[[Coordinates], Coordinates]:
    transformer = _transformer(crs, "EPSG:4326")

    def apply(xy: Coordinates) -> Coordinates:
        x, y = transformer.transform(xy[:, 0], xy[:, 1])
        return np.column_stack([x, y])

    return apply


def _by_shift(shift: Callable[[ArrayLike, ArrayLike], tuple[Any, Any]]) -> Callable[[Coordinates], Coordinates]:
    return lambda xy: np.column_stack(shift(xy[:, 0], xy[:, 1]))


def _from_cgcs2000(xy: Coordinates) -> Coordinates:
    """Take degrees as they are and grid coordinates by the zone written in their easting."""
    out = xy.copy()
    zone = np.floor(np.where(np.isfinite(xy[:, 0]), xy[:, 0], 0.0) / 1e6).astype(int)
    for number in np.unique(zone[(zone >= 13) & (zone <= 45) & (zone != 24)]):
        rows = zone == number
        out[rows] = _by_crs(_zone_crs(int(number)))(xy[rows])
    return out


def _zone_crs(zone: int) -> str:
    """Return the CGCS2000 Gauss–Krüger system of a zone number: 13–23 are 6° zones, 25–45 are 3° zones."""
    return f"EPSG:{4491 + zone - 13}" if zone <= 23 else f"EPSG:{4513 + zone - 25}"


def to_wgs84(geometries: Geometries, datum: Datum) -> Geometries:
    """Bring geometries to WGS-84 longitude and latitude.

    Parameters
    ----------
    geometries
        Array of shapely geometries, None allowed; coordinates in ``datum``, east before north. Z is dropped.
    datum
        What the coordinates are. CGCS2000 counts as WGS-84 (apart by plate motion since 2000.0, below 1 m);
        ``cgcs2000`` grid coordinates must carry the zone in the easting (8 digits).

    Returns
    -------
    Array of the same length in EPSG:4326. Coordinates a system cannot express come back infinite; gate them after.
    """
    ways: dict[str, Callable[[Coordinates], Coordinates]] = {
        "gcj02": _by_shift(gcj02_to_wgs84),
        "bd09": _by_shift(bd09_to_wgs84),
        "cgcs2000": _from_cgcs2000,
    }
    if datum.kind == "wgs84":
        return drop_heights(geometries)
    way = ways.get(datum.kind) or _by_crs(datum.crs or "EPSG:4326")
    return np.asarray(shapely.transform(geometries, way, include_z=False), dtype=object)


_CHINA_BOUNDS = (70.0, 0.0, 140.0, 58.0)
_MARGIN_DEG = 3.0  # a grid is commonly used somewhat beyond the area it was defined for


@lru_cache(maxsize=32)
def find_bounds(datum: Datum) -> tuple[float, float, float, float] | None:
    """Return where a datum makes sense: west, south, east, north in WGS-84 degrees; None for anywhere.

    References
    ----------
    EPSG's area of use, widened by 3°; for the Chinese datums the box of the public GCJ-02 formula, rounded outwards.
    """
    if datum.kind == "wgs84":
        return None
    if datum.kind != "crs":
        return _CHINA_BOUNDS
    crs = CRS.from_user_input(datum.crs)
    # a projected system also has a source, the geographic one it is based on: wider than what it is meant for
    area = (crs.source_crs if crs.is_bound and crs.source_crs is not None else crs).area_of_use
    if area is None or area.west > area.east:
        return None
    return (
        area.west - _MARGIN_DEG,
        area.south - _MARGIN_DEG,
        area.east + _MARGIN_DEG,
        area.north + _MARGIN_DEG,
    )


def detect_gauss_kruger(x: ArrayLike, y: ArrayLike) -> str | None:
    """Guess which Chinese grid metre coordinates are on, for a hint.

    Parameters
    ----------
    x, y
        Coordinates as found, east before north.

    Returns
    -------
    A sentence naming the EPSG code where the easting carries its zone, or saying that the axes are swapped; None where
    the numbers do not look like a Chinese grid.
    """
    with np.errstate(over="ignore"):  # the mean of two huge values is no grid coordinate either
        east, north = float(np.nanmedian(np.asarray(x, np.float64))), float(np.nanmedian(np.asarray(y, np.float64)))
    if _is_zoned(north) and _is_northing(east):
        return f"X is north and Y is east here: swap the two columns and use {_zone_crs(int(north // 1e6))}"
    if _is_zoned(east) and _is_northing(north):
        return f"the eastings carry zone {int(east // 1e6)}: use --datum {_zone_crs(int(east // 1e6))} for CGCS2000"
    if 2e5 <= north <= 8e5 and _is_northing(east) and east > 1e6:
        return "X is north and Y is east here: swap the two columns and name the grid (EPSG:4534 to 4554 for CGCS2000)"
    if 2e5 <= east <= 8e5 and _is_northing(north) and north > 1e6:
        return "these look like grid metres without a zone: name the grid (EPSG:4534 to 4554 for CGCS2000 3° zones)"
    return None


def _is_zoned(value: float) -> bool:
    return 13e6 <= value < 46e6 and int(value // 1e6) != 24 and 1e5 <= value % 1e6 <= 9e5


def _is_northing(value: float) -> bool:
    return 4e5 <= value <= 6.2e6
