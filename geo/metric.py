"""The grid a study area is measured in. Never Web Mercator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.errors import DatumUnknown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Mainland China and Hainan, longitude latitude, drawn by hand to about 50 km: it only decides which metric grid is
# used near a border, never what is inside a place. Hong Kong and Macao fall inside, Taiwan outside.
_CHINA_OUTLINE = shapely.Polygon(
    [
        (73.4, 39.5), (73.9, 40.1), (76.6, 40.6), (78.2, 41.3), (80.2, 42.1), (80.2, 44.0), (82.5, 45.2), (83.0, 47.2),
        (85.5, 47.2), (85.7, 48.4), (87.3, 49.2), (88.1, 49.1), (90.0, 47.9), (91.0, 46.6), (90.9, 45.3), (93.5, 45.0),
        (95.4, 44.3), (96.4, 42.8), (99.5, 42.7), (101.8, 42.6), (105.0, 41.7), (107.5, 42.5), (109.5, 42.5),
        (111.9, 43.7), (112.0, 45.1), (113.7, 44.9), (116.0, 45.8), (116.3, 46.4), (119.8, 46.8), (119.7, 47.3),
        (117.4, 47.7), (115.6, 48.0), (116.7, 49.9), (117.8, 49.6), (119.3, 50.3), (120.1, 51.7), (120.6, 52.5),
        (120.0, 52.8), (121.0, 53.4), (123.6, 53.6), (125.7, 53.1), (126.9, 51.3), (127.6, 49.8), (130.6, 48.9),
        (130.9, 47.8), (132.5, 47.8), (134.8, 48.4), (134.1, 47.1), (133.2, 45.1), (131.9, 45.3), (131.0, 44.8),
        (131.3, 43.4), (130.6, 42.4), (129.7, 42.4), (128.1, 42.0), (126.9, 41.8), (126.0, 40.9), (124.4, 40.0),
        (124.0, 39.6), (122.0, 38.5), (123.0, 37.5), (122.6, 36.6), (120.8, 35.4), (121.4, 33.0), (122.6, 31.6),
        (123.2, 30.5), (122.2, 28.4), (120.8, 26.8), (119.95, 25.3), (119.2, 24.8), (118.3, 24.2), (117.2, 23.2),
        (116.0, 22.4), (114.6, 21.9), (112.8, 21.3), (111.4, 20.6), (111.4, 19.5), (110.3, 18.0), (108.4, 18.2),
        (108.3, 19.3), (109.2, 20.4), (108.4, 21.4), (107.9, 21.5), (106.7, 22.0), (106.6, 22.9), (105.4, 23.3),
        (103.9, 22.5), (102.5, 22.7), (101.6, 22.2), (101.8, 21.1), (100.2, 21.4), (99.2, 22.1), (98.8, 23.8),
        (97.6, 23.9), (97.6, 24.9), (98.6, 26.0), (98.6, 27.5), (97.3, 28.1), (94.2, 27.4), (91.8, 26.9), (91.6, 27.8),
        (90.5, 28.1), (89.0, 27.4), (88.1, 27.9), (86.0, 27.9), (84.1, 28.7), (82.0, 30.2), (81.1, 30.1), (79.0, 31.2),
        (78.6, 32.2), (78.9, 33.3), (78.1, 34.6), (77.9, 35.5), (76.0, 36.0), (74.8, 37.1), (74.7, 38.4), (73.8, 38.7),
    ]
)  # fmt: skip
shapely.prepare(_CHINA_OUTLINE)


def is_in_china(lon: float, lat: float) -> bool:
    """Tell whether a WGS-84 point lies inside the coarse outline of mainland China (about 50 km)."""
    return bool(shapely.contains_xy(_CHINA_OUTLINE, lon, lat))


def choose_metric_crs(lon: ArrayLike, lat: ArrayLike) -> str:
    """Choose the grid in which a study area is measured.

    Parameters
    ----------
    lon, lat
        WGS-84 degrees of the area's points; the median point decides, so one stray row cannot.

    Returns
    -------
    ``EPSG:4534``–``EPSG:4554`` (CGCS2000 3° Gauss–Krüger by central meridian 75–135° E) inside mainland China, else
    WGS-84 UTM ``EPSG:326nn`` or ``EPSG:327nn``. The outline of China is drawn by hand to about 50 km.

    Raises
    ------
    DatumUnknown
        No point is finite and inside the range of degrees.
    """
    x, y = np.ravel(np.asarray(lon, dtype=np.float64)), np.ravel(np.asarray(lat, dtype=np.float64))
    good = np.isfinite(x) & np.isfinite(y) & (np.abs(x) <= 180.0) & (np.abs(y) <= 90.0)
    if not good.any():
        raise DatumUnknown(
            "Choosing the metric grid: no point has a usable longitude and latitude.",
            hint="check the datum of the layer",
        )
    at_x, at_y = float(np.median(x[good])), float(np.median(y[good]))
    if is_in_china(at_x, at_y):
        meridian = int(np.clip(np.floor(at_x / 3.0 + 0.5) * 3, 75, 135))
        return f"EPSG:{4534 + (meridian - 75) // 3}"
    zone = int(np.clip(np.floor((at_x + 180.0) / 6.0) + 1, 1, 60))
    return f"EPSG:{32600 + zone if at_y >= 0 else 32700 + zone}"
