"""Elevation grids: GeoTIFF or ESRI ASCII, read a few rows at a time in parts that overlap by one cell."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import rasterio
import shapely
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geo.datum import resolve_datum
from geo.errors import DataError
from geo.units import MM_PER_M, FloatArray
from layers.read.files import check_file, identify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geo.datum import Datum

PART_CELLS: Final = 256
"""Rows and columns of a part, without those it shares with its neighbours."""

HEIGHT_RANGE_M: Final = (-500.0, 9_000.0)
"""No street lies lower or higher; such a cell is a slip of the data and counts as not known."""

ASCII_SUFFIXES: Final = frozenset({".asc", ".agr"})
METRES_PER_DEGREE: Final = 111_195.0

_UNKNOWN: Final = np.int32(np.iinfo(np.int32).min)
_SHAPE: Final = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Part:
    """Heights of part of a grid, packed; top and left are the row and column of the grid at which it begins."""

    top: int
    left: int
    heights: bytes
    lowest_m: float
    highest_m: float
    refused: int


@dataclass(frozen=True)
class ElevationFile:
    """An opened elevation grid.

    Attributes
    ----------
    datum
        What its coordinates are.
    transform
        x = a·column + b·row + c, y = d·column + e·row + f, from the corner of a cell, in the order a b c d e f.
    """

    path: Path
    raster: rasterio.DatasetReader
    band: int
    datum: Datum

    @property
    def transform(self) -> tuple[float, ...]:
        """Return the six numbers that lead from column and row to coordinates."""
        return tuple(float(value) for value in self.raster.transform[:6])

    @property
    def cell_m(self) -> float:
        """Return about how long a side of a cell is on the ground, metres."""
        a, b, _, d, e, _ = self.transform
        side = math.sqrt(abs(a * e - b * d))
        return side * METRES_PER_DEGREE if self.datum.is_geographic else side

    def outline(self) -> shapely.Polygon:
        """Return where the grid lies, WGS-84.

        Raises
        ------
        DataError
            The grid lies nowhere on earth: its coordinates are not what they are said to be.
        """
        a, b, west, d, e, north = self.transform
        column = np.array([0, 0.5, 1, 1, 1, 0.5, 0, 0]) * self.raster.width
        row = np.array([0, 0, 0, 0.5, 1, 1, 1, 0.5]) * self.raster.height
        x, y = a * column + b * row + west, d * column + e * row + north
        lon, lat = Transformer.from_crs(self.datum.crs, "EPSG:4326", always_xy=True).transform(x, y)
        if not (np.isfinite(lon).all() and (np.abs(lon) <= 180).all() and (np.abs(lat) <= 90).all()):
            raise DataError(
                f"Reading {self.path.name}: as {self.datum.code} the grid lies nowhere on earth "
                f"(corner {x[0]:.6g}, {y[0]:.6g}).",
                hint="say what its coordinates are with --datum EPSG:n",
                parameter="datum",
            )
        return shapely.Polygon(np.column_stack([lon, lat]))

    @property
    def part_count(self) -> int:
        """Return how many parts there are."""
        return math.prod(math.ceil(cells / PART_CELLS) for cells in (self.raster.width, self.raster.height))

    def parts(self) -> Iterator[Part]:
        """Yield the parts from north-west to south-east.

        Raises
        ------
        DataError
            The file is damaged.
        """
        width, height = self.raster.width, self.raster.height
        for top in range(0, height, PART_CELLS):
            strip = self._read(Window(0, top, width, min(PART_CELLS + 1, height - top)))
            for left in range(0, width, PART_CELLS):
                yield _pack(strip[:, left : left + PART_CELLS + 1], top, left)

    def _read(self, window: Window) -> FloatArray:
        try:
            read = self.raster.read(self.band, window=window, masked=True)
        except RasterioError as fault:
            raise DataError(
                f"Reading {self.path.name}: from row {window.row_off + 1} on the grid could not be read.",
                hint="the file is damaged or cut short; export or copy it again",
            ) from fault
        values = np.asarray(read.astype(np.float64).filled(np.nan))
        return values * float(self.raster.scales[self.band - 1]) + float(self.raster.offsets[self.band - 1])


def _pack(height_m: FloatArray, top: int, left: int) -> Part:
    known = np.isfinite(height_m)
    usable = known & (height_m >= HEIGHT_RANGE_M[0]) & (height_m <= HEIGHT_RANGE_M[1])
    millimetres = np.full(height_m.shape, _UNKNOWN, dtype="<i4")
    millimetres[usable] = np.rint(height_m[usable] * MM_PER_M)
    found = height_m[usable]
    packed = _SHAPE.pack(*height_m.shape) + zlib.compress(millimetres.tobytes(), 6)
    lowest, highest = (float(found.min()), float(found.max())) if found.size else (math.inf, -math.inf)
    # the shared row and column are counted by the neighbour
    refused = int((known & ~usable)[:PART_CELLS, :PART_CELLS].sum())
    return Part(top, left, packed, lowest, highest, refused)


def unpack_heights(packed: bytes) -> FloatArray:
    """Return the heights of a part in metres, not a number where there is none, shape (rows, columns)."""
    rows, columns = _SHAPE.unpack_from(packed)
    millimetres = np.frombuffer(zlib.decompress(packed[_SHAPE.size :]), dtype="<i4").reshape(rows, columns)
    return np.where(millimetres == _UNKNOWN, np.nan, millimetres / MM_PER_M)


@contextmanager
def open_elevation(path: Path, *, datum: str | None, band: str | None = None) -> Iterator[ElevationFile]:
    """Lend an opened elevation grid.

    Parameters
    ----------
    path
        A GeoTIFF or an ESRI ASCII grid (``.asc``).
    datum
        What its coordinates are; what the file declares where absent.
    band
        Number of the band with the heights; needed where there are several.

    Raises
    ------
    DataError
        The file is missing, damaged or no elevation grid, or does not say where it lies.
    DatumUnknown
        Nothing says what its coordinates are, or they are a shifted datum.
    """
    local = check_file(path)
    is_ascii = local.suffix.lower() in ASCII_SUFFIXES
    if not is_ascii and identify(local) != "GeoTIFF":
        raise DataError(
            f"Reading {local.name}: expected an elevation grid.", hint="export it as GeoTIFF or ESRI ASCII grid (.asc)"
        )
    with _open_raster(local, "AAIGrid" if is_ascii else "GTiff") as raster:
        if raster.transform.is_identity:
            raise DataError(
                f"Reading {local.name}: the grid does not say where it lies.", hint="export it as GeoTIFF again"
            )
        bands = [str(number) for number in range(1, raster.count + 1)]
        chosen = band or ("1" if len(bands) == 1 else "")
        if chosen not in bands:
            raise DataError(
                f"Reading {local.name}: it has the bands {', '.join(bands)}" + (f", not {band!r}." if band else "."),
                hint="choose the one with the heights, e.g. --layer 1",
                parameter="layer",
            )
        declared = None if raster.crs is None else raster.crs.to_wkt()
        settled = resolve_datum(given=datum, declared=declared, name=local.name)
        if settled.crs is None:
            raise DataError(
                f"Reading {local.name}: a grid cannot be in {settled.code}, whose shift bends it.",
                hint="get the grid in its original coordinates",
                parameter="datum",
            )
        yield ElevationFile(local, raster, int(chosen), settled)


@contextmanager
def _open_raster(path: Path, driver: str) -> Iterator[rasterio.DatasetReader]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raster = rasterio.open(path, driver=driver)
    except RasterioError as fault:
        raise DataError(
            f"Reading {path.name}: it is no readable elevation grid.", hint="export or copy it again"
        ) from fault
    with raster:
        yield raster
