"""Circles on the store: from a clicked place to polygons, buildings and facilities inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer

from geo.circles import Place, draw_circles, find_circle, find_place
from geo.costs import WalkProfile, find_walkable
from geo.errors import NotFound, RequestError
from geo.link import Ways
from geo.units import MM_PER_M, MS_PER_S, IntArray
from layers.network import project
from layers.study import Study, load_tread, make_walk_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

MAX_MINUTES = 60.0
"""Longest circle that is drawn; farther is no walk."""

DECIMALS = 7


@dataclass(frozen=True, slots=True)
class CircleArea:
    """One circle: what lies within some minutes of the place.

    Attributes
    ----------
    minutes
        Its limit.
    polygon
        Reached ways grown by a width, WGS-84, outer rings counter-clockwise.
    building_id, facility_id
        Store ids of what is inside by reach, ascending.
    """

    minutes: float
    polygon: shapely.Geometry
    building_id: IntArray
    facility_id: IntArray


@dataclass(frozen=True, slots=True)
class Circles:
    """Circles around one place.

    Attributes
    ----------
    lon, lat
        Where the place meets the network, degrees.
    off_m
        Metres from the place to there.
    areas
        One a limit, in the order asked.
    """

    lon: float
    lat: float
    off_m: float
    areas: tuple[CircleArea, ...]


def _check(lon: float, lat: float, minutes: Sequence[float]) -> None:
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise RequestError(
            f"drawing a circle: found longitude {lon}, latitude {lat}, expected degrees", parameter="lon"
        )
    if not minutes or not all(0 < m <= MAX_MINUTES for m in minutes):
        raise RequestError(
            f"drawing a circle: found minutes {list(minutes)}, expected above 0 and at most {MAX_MINUTES:g}",
            parameter="minutes",
        )


def find_circles(
    connection: Connection, study: Study, *, lon: float, lat: float, minutes: Sequence[float], profile: str = "adult"
) -> Circles:
    """Return what lies within each number of minutes of a place.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        The store as arrays; keep it between calls while ``study.versions`` are those of the store.
    lon, lat
        The place, degrees.
    minutes
        Limits, above 0 and at most 60.
    profile
        Code of the walking profile.

    Raises
    ------
    RequestError
        A value is out of range, or no street is near the place.
    NotFound
        There is no such profile.
    """
    _check(lon, lat, minutes)
    walker = _find_walker(study, profile)
    scape, settings = study.streetscape, study.settings
    point = project(np.array([shapely.Point(lon, lat)], dtype=object), scape.network.metric_crs)
    ways = Ways(
        scape.network,
        find_walkable(scape.network, walker),
        scape.barriers,
        settings.link_max_m,
        settings.entrance_within_m,
    )
    place = find_place(point[0], int(scape.walls.find_zones(point)[0]), ways=ways)
    areas = draw_place(connection, study, place, minutes=minutes, profile=profile)
    foot = scape.network.edge_line[int(place.links.edge[0])].interpolate(float(place.links.place_mm[0]) / MM_PER_M)
    start = to_lonlat(np.array([foot], dtype=object), scape.network.metric_crs)[0]
    return Circles(start.x, start.y, float(place.links.off_mm[0]) / MM_PER_M, areas)


def _find_walker(study: Study, profile: str) -> WalkProfile:
    if profile not in study.profiles:
        raise NotFound(f"there is no profile {profile}", parameter="profile")
    return make_walk_profile(study.profiles[profile])


def draw_place(
    connection: Connection, study: Study, place: Place, *, minutes: Sequence[float], profile: str
) -> tuple[CircleArea, ...]:
    """Return what lies within each number of minutes of a linked place; arguments as :func:`find_circles`."""
    tread = load_tread(connection, study, _find_walker(study, profile))
    circle = find_circle(tread.walk, tread.homes, tread.entrances, place=place, bound_s=max(minutes) * 60)
    drawn = draw_circles(tread.walk, circle, place=place, limits_s=[m * 60 for m in minutes])
    areas = []
    for limit, polygon in zip(minutes, to_lonlat(drawn, study.streetscape.network.metric_crs), strict=True):
        limit_ms = round(limit * 60 * MS_PER_S)
        home = (circle.home_ms >= 0) & (circle.home_ms <= limit_ms)
        site = np.flatnonzero((circle.facility_ms >= 0) & (circle.facility_ms <= limit_ms))
        areas.append(CircleArea(limit, polygon, study.buildings.building_id[home], study.sites.facility_id[site]))
    return tuple(areas)


def to_lonlat(geometry: npt.NDArray[np.object_], metric_crs: str) -> npt.NDArray[np.object_]:
    """Return metric geometries in WGS-84, seven decimals, rings as RFC 7946 wants them.

    Parameters
    ----------
    geometry
        Geometries in the metric CRS.
    metric_crs
        That CRS.
    """
    back = Transformer.from_crs(metric_crs, "EPSG:4326", always_xy=True)

    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.round(np.column_stack(back.transform(xy[:, 0], xy[:, 1])), DECIMALS)

    # counter-clockwise outer rings (RFC 7946, section 3.1.6)
    return np.asarray(shapely.orient_polygons(shapely.transform(geometry, move)), dtype=object)
