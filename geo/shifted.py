"""The two shifted Chinese datums, GCJ-02 and BD-09, forward and back.

The forward formulas are the public, reverse-engineered ones; the vendors' own engines may differ from them by a few
metres. The inverses iterate the forward formula and agree with it to far below a centimetre.

References
----------
``eviltransform`` (public domain) for the GCJ-02 and BD-09 formulas and their constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Degrees = np.ndarray[Any, np.dtype[np.float64]]
Pair = tuple[Degrees, Degrees]

# Krasovsky ellipsoid as the public formula writes it
_A_M = 6378245.0
_EE = 0.00669342162296594323
# outside this box the public formula leaves coordinates as they are
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
_BD_K = np.pi * 3000.0 / 180.0
_BD_LON, _BD_LAT = 0.0065, 0.006
_GCJ_STEPS = 6  # three steps reach 0.2 mm, five reach 10 nm
_BD_STEPS = 6  # four steps reach 0.02 mm


def is_shifted_region(lon: ArrayLike, lat: ArrayLike) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which points the GCJ-02 formula moves.

    Parameters
    ----------
    lon, lat
        Degrees, any shape.

    Returns
    -------
    Boolean array; False for NaN. The box is the one of the public formula and is wider than China: data that lie in
    a neighbouring country must not be declared GCJ-02.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    return np.asarray((x >= _WEST) & (x <= _EAST) & (y >= _SOUTH) & (y <= _NORTH))


def _gcj_delta(lon: Degrees, lat: Degrees) -> Pair:
    """Return the GCJ-02 shift in degrees at WGS-84 points."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    wave = (20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)) * 2.0 / 3.0
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    d_lat += (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi * y / 3.0)) * 2.0 / 3.0
    d_lat += (160.0 * np.sin(np.pi * y / 12.0) + 320.0 * np.sin(np.pi * y / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    d_lon += (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi * x / 3.0)) * 2.0 / 3.0
    d_lon += (150.0 * np.sin(np.pi * x / 12.0) + 300.0 * np.sin(np.pi * x / 30.0)) * 2.0 / 3.0
    phi = np.radians(lat)
    magic = 1.0 - _EE * np.sin(phi) ** 2
    meridian_m = _A_M * (1.0 - _EE) / (magic * np.sqrt(magic))
    parallel_m = _A_M / np.sqrt(magic) * np.cos(phi)
    return np.degrees(d_lon / parallel_m), np.degrees(d_lat / meridian_m)


def wgs84_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Shift WGS-84 degrees to GCJ-02.

    Parameters
    ----------
    lon, lat
        WGS-84 degrees, any equal shapes.

    Returns
    -------
    Longitude and latitude in GCJ-02 degrees, same shape; points outside the formula's box and NaN unchanged.

    References
    ----------
    Public formula as in ``eviltransform``; a = 6378245 m, e² = 0.00669342162296594323.
    """
    x, y = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    inside = is_shifted_region(x, y)
    d_lon, d_lat = _gcj_delta(np.where(inside, x, 105.0), np.where(inside, y, 35.0))
    return np.where(inside, x + d_lon, x), np.where(inside, y + d_lat, y)


def gcj02_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Shift GCJ-02 degrees back to WGS-84 by fixed-point iteration.

    Parameters
    ----------
    lon, lat
        GCJ-02 degrees, any equal shapes.

    Returns
    -------
    Longitude and latitude in WGS-84 degrees, same shape; within 1e-9 degrees of the forward formula's inverse.
    Points outside the formula's box and NaN unchanged.
    """
    x, y = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    inside = is_shifted_region(x, y)
    to_x, to_y = np.where(inside, x, 105.0), np.where(inside, y, 35.0)
    at_x, at_y = to_x, to_y
    for _ in range(_GCJ_STEPS):
        d_lon, d_lat = _gcj_delta(at_x, at_y)
        at_x, at_y = to_x - d_lon, to_y - d_lat
    return np.where(inside, at_x, x), np.where(inside, at_y, y)


def _bd_delta(lon: Degrees, lat: Degrees) -> Pair:
    """Return the BD-09 shift in degrees at GCJ-02 points."""
    z = np.hypot(lon, lat) + 2e-5 * np.sin(lat * _BD_K)
    theta = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * _BD_K)
    return z * np.cos(theta) + _BD_LON - lon, z * np.sin(theta) + _BD_LAT - lat


def gcj02_to_bd09(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Shift GCJ-02 degrees to BD-09 (``bd09ll``) degrees.

    Parameters
    ----------
    lon, lat
        GCJ-02 degrees, any equal shapes.

    Returns
    -------
    Longitude and latitude in BD-09 degrees; points outside the GCJ-02 box and NaN unchanged.
    """
    x, y = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    inside = is_shifted_region(x, y)
    d_lon, d_lat = _bd_delta(np.where(inside, x, 105.0), np.where(inside, y, 35.0))
    return np.where(inside, x + d_lon, x), np.where(inside, y + d_lat, y)


def bd09_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Shift BD-09 degrees back to GCJ-02 by fixed-point iteration.

    Parameters
    ----------
    lon, lat
        BD-09 (``bd09ll``) degrees, any equal shapes.

    Returns
    -------
    Longitude and latitude in GCJ-02 degrees, within 1e-9 degrees of the forward formula's inverse (the usual closed
    inverse is wrong by up to 22 cm).
    """
    x, y = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    inside = is_shifted_region(x, y)
    to_x, to_y = np.where(inside, x, 105.0), np.where(inside, y, 35.0)
    at_x, at_y = to_x - _BD_LON, to_y - _BD_LAT
    for _ in range(_BD_STEPS):
        d_lon, d_lat = _bd_delta(at_x, at_y)
        at_x, at_y = to_x - d_lon, to_y - d_lat
    return np.where(inside, at_x, x), np.where(inside, at_y, y)


def bd09_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Shift BD-09 degrees to WGS-84, by way of GCJ-02."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def wgs84_to_bd09(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Shift WGS-84 degrees to BD-09, by way of GCJ-02."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))
