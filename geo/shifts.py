"""Notice a layer that sits a GCJ-02 or BD-09 shift away from what is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import Transformer

from geo.metric import choose_metric_crs
from geo.shifted import bd09_to_wgs84, gcj02_to_wgs84, is_shifted_region, wgs84_to_bd09, wgs84_to_gcj02

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

Geometries = np.ndarray[Any, np.dtype[np.object_]]
Metres = np.ndarray[Any, np.dtype[np.float64]]

FARTHEST_M = 1_000.0  # distances are cut here, so that a few stray rows do not decide
LEAST_POINTS = 12
LEAST_SIGMA = 4.0
LARGEST_SHARE = 0.8  # the better fit must leave at most this share of the distance

_POSSIBILITIES: tuple[tuple[str, str, Callable[[ArrayLike, ArrayLike], tuple[Any, Any]]], ...] = (
    ("none", "as declared", lambda lon, lat: (lon, lat)),
    ("was-gcj02", "this file is GCJ-02", gcj02_to_wgs84),
    ("was-bd09", "this file is BD-09", bd09_to_wgs84),
    ("loaded-was-gcj02", "what is loaded is GCJ-02, this file is not", wgs84_to_gcj02),
    ("loaded-was-bd09", "what is loaded is BD-09, this file is not", wgs84_to_bd09),
)


@dataclass(frozen=True, slots=True)
class Shift:
    """How well a layer fits the loaded one under one assumption.

    Attributes
    ----------
    name
        ``none``, ``was-gcj02``, ``was-bd09``, ``loaded-was-gcj02`` or ``loaded-was-bd09``.
    title
        The assumption in words.
    mean_m
        Mean distance of the sample to the nearest reference geometry, metres, each cut at 1,000 m.
    sigma
        By how many standard errors it fits better than ``none`` (paired by point); 0 for ``none`` itself.
    is_best
        Whether it has the least mean distance.
    """

    name: str
    title: str
    mean_m: float
    sigma: float
    is_best: bool


def compare_shifts(
    lon: ArrayLike, lat: ArrayLike, reference: Geometries, *, metric_crs: str | None = None, sample: int = 2_000
) -> tuple[Shift, ...]:
    """Compare how well points fit a loaded layer as they are and under the four shifts ±GCJ-02 and ±BD-09.

    Parameters
    ----------
    lon, lat
        Points of the new layer in degrees, already brought to what was declared to be WGS-84.
    reference
        Geometries loaded before (streets, buildings …), EPSG:4326.
    metric_crs
        Grid to measure in; chosen from the points where absent.
    sample
        At most so many points are measured, evenly spaced in the given order.

    Returns
    -------
    Five possibilities, ``none`` first; empty where nothing can be told: outside the region GCJ-02 is defined for, no
    reference, or fewer than 12 points. The assumption that can be disputed: things stand near things of the
    reference layer, so the true position has the least mean nearest distance.
    """
    x, y = np.ravel(np.asarray(lon, dtype=np.float64)), np.ravel(np.asarray(lat, dtype=np.float64))
    good = np.flatnonzero(is_shifted_region(x, y))
    known = reference[~(shapely.is_missing(reference) | shapely.is_empty(reference))]
    if len(good) < LEAST_POINTS or len(known) == 0:
        return ()
    take = good[np.linspace(0, len(good) - 1, min(sample, len(good))).astype(int)]
    x, y = x[take], y[take]
    project = Transformer.from_crs("EPSG:4326", metric_crs or choose_metric_crs(x, y), always_xy=True)
    tree = shapely.STRtree(shapely.transform(known, lambda xy: np.column_stack(project.transform(xy[:, 0], xy[:, 1]))))
    distances = [_nearest_m(tree, *project.transform(*shift(x, y))) for _, _, shift in _POSSIBILITIES]
    best = int(np.argmin([distance.mean() for distance in distances]))
    return tuple(
        Shift(name, title, float(distance.mean()), _sigma(distances[0] - distance), number == best)
        for number, ((name, title, _), distance) in enumerate(zip(_POSSIBILITIES, distances, strict=True))
    )


def is_axis_swapped(
    lon: ArrayLike, lat: ArrayLike, bounds: tuple[float, float, float, float], *, margin_deg: float = 0.5
) -> bool:
    """Tell whether points lie beside what is loaded as they are, but inside it with longitude and latitude exchanged.

    Parameters
    ----------
    lon, lat
        Points of the new layer, degrees.
    bounds
        West, south, east, north of what is loaded, degrees.
    margin_deg
        How far outside still counts as inside.

    Returns
    -------
    True where over half of the points lie inside when exchanged and under a tenth as they are.
    """
    x, y = np.ravel(np.asarray(lon, dtype=np.float64)), np.ravel(np.asarray(lat, dtype=np.float64))
    west, south, east, north = bounds
    low_x, high_x, low_y, high_y = west - margin_deg, east + margin_deg, south - margin_deg, north + margin_deg
    as_is = (x >= low_x) & (x <= high_x) & (y >= low_y) & (y <= high_y)
    exchanged = (y >= low_x) & (y <= high_x) & (x >= low_y) & (x <= high_y)
    return len(x) > 0 and bool(exchanged.mean() > 0.5 and as_is.mean() < 0.1)


def find_suspicion(shifts: tuple[Shift, ...]) -> Shift | None:
    """Return the shift that fits clearly better than the declared datum, None where the declared one stands.

    Clearly: at most 80 % of the mean distance, four standard errors apart, and alone in that. Rivers and rails keep
    away from streets, so any shift brings them nearer; only the true one beats the other shifts as well.
    """
    if not shifts:
        return None
    best = next(shift for shift in shifts if shift.is_best)
    others = float(np.median([shift.mean_m for shift in shifts if shift is not best]))
    clear = best.sigma >= LEAST_SIGMA and best.mean_m <= LARGEST_SHARE * min(shifts[0].mean_m, others)
    return best if clear and best.name != "none" else None


def _nearest_m(tree: shapely.STRtree, x: Metres, y: Metres) -> Metres:
    points = shapely.points(x, y)
    found, distance = tree.query_nearest(points, return_distance=True, all_matches=False)
    out = np.full(len(points), FARTHEST_M)
    out[found[0]] = np.minimum(distance, FARTHEST_M)
    return out


def _sigma(gain: Metres) -> float:
    spread = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    if spread > 0.0:
        return float(gain.mean()) / float(spread)
    return 0.0 if gain.mean() == 0.0 else float(np.copysign(np.inf, gain.mean()))
