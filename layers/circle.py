"""Circles on the store: from a clicked place to polygons, buildings and facilities inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer

from geo.circles.circle import Place, draw_circles, find_circle, find_place
from geo.circles.outline import WIDTH_M, check_width
from geo.errors import NotFound, RequestError
from geo.gaps import NO_COUNT
from geo.units import MM_PER_M, MS_PER_S, IntArray
from layers.network import project
from layers.study import load_tread
from layers.tables import COUNT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from geo.network import Network
    from layers.study import Study, Tread

MAX_MINUTES = 60.0
"""Longest circle that is drawn; farther is no walk."""

DECIMALS = 7

HALF_TURN = 180.0

PEOPLE = COUNT_COLUMNS.index("people")


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
    people, dwellings
        Those in the buildings inside.
    people_basis
        ``counted`` where every building has a count of people, ``partly`` where some have none, ``none`` where no
        building has one.
    facilities
        Number of facilities inside and the sum of their capacities by type; None where no capacity is known.
    """

    minutes: float
    polygon: shapely.Geometry
    building_id: IntArray
    facility_id: IntArray
    people: int
    dwellings: int
    people_basis: str
    facilities: dict[str, tuple[int, float | None]]


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


def _check(lon: float, lat: float, minutes: Sequence[float], width_m: float) -> None:
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise RequestError(
            f"drawing a circle: found longitude {lon}, latitude {lat}, expected degrees", parameter="lon"
        )
    if not minutes or not all(0 < m <= MAX_MINUTES for m in minutes):
        raise RequestError(
            f"drawing a circle: found minutes {list(minutes)}, expected above 0 and at most {MAX_MINUTES:g}",
            parameter="minutes",
        )
    check_width(width_m)


def find_circles(  # noqa: PLR0913 - where from, how far, by whom, how wide
    connection: Connection,
    study: Study,
    *,
    lon: float,
    lat: float,
    minutes: Sequence[float],
    profile: str = "adult",
    width_m: float = WIDTH_M,
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
    width_m
        How far to each side of a reached way the polygon extends, metres.

    Raises
    ------
    RequestError
        A value is out of range, or no street is near the place.
    NotFound
        There is no such profile.
    """
    _check(lon, lat, minutes, width_m)
    scape = study.streetscape
    tread = prepare_circles(connection, study, profile=profile)
    point = project(np.array([shapely.Point(lon, lat)], dtype=object), scape.network.metric_crs)
    place = find_place(point[0], int(scape.walls.find_zones(point)[0]), near=tread.near)
    areas = draw_place(study, tread, place, minutes=minutes, width_m=width_m)
    foot = _find_foot(scape.network, place)
    start = to_lonlat(np.array([foot], dtype=object), scape.network.metric_crs)[0]
    return Circles(start.x, start.y, float(place.links.off_mm[0]) / MM_PER_M, areas)


def prepare_circles(connection: Connection, study: Study, *, profile: str) -> Tread:
    """Return one profile with all that its circles need laid out, which the study keeps.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        The store as arrays.
    profile
        Code of the profile.

    Raises
    ------
    NotFound
        There is no such profile.
    """
    if profile not in study.profiles:
        raise NotFound(f"there is no profile {profile}", parameter="profile")
    tread = load_tread(connection, study, study.profiles[profile])
    # laid out by being asked for
    _ = tread.surroundings, tread.near
    return tread


def _find_foot(network: Network, place: Place) -> shapely.Point:
    """Return where the place meets the network."""
    edge = int(place.links.edge[0])
    line = shapely.LineString(network.geom_xy[network.geom_ptr[edge] : network.geom_ptr[edge + 1]])
    return line.interpolate(float(place.links.place_mm[0]) / MM_PER_M)


def draw_place(
    study: Study, tread: Tread, place: Place, *, minutes: Sequence[float], width_m: float = WIDTH_M
) -> tuple[CircleArea, ...]:
    """Return what lies within each number of minutes of a linked place.

    Parameters
    ----------
    study
        The store as arrays.
    tread
        Who walks.
    place
        Where the circles start.
    minutes, width_m
        As for :func:`find_circles`.

    Raises
    ------
    RequestError
        The width is out of range, or the circles cover more ground than one picture holds.
    """
    circle = find_circle(tread.surroundings, place=place, bound_s=max(minutes) * 60)
    drawn = draw_circles(circle, limits_s=[m * 60 for m in minutes], width_m=width_m)
    areas = []
    for limit, polygon in zip(minutes, to_lonlat(drawn, study.streetscape.network.metric_crs), strict=True):
        limit_ms = round(limit * 60 * MS_PER_S)
        home = circle.home[circle.home_ms <= limit_ms]
        site = circle.facility[circle.facility_ms <= limit_ms]
        areas.append(count_inside(study, limit, polygon, home, site))
    return tuple(areas)


def count_inside(study: Study, minutes: float, polygon: shapely.Geometry, home: IntArray, site: IntArray) -> CircleArea:
    """Return one circle with who and what is in the buildings and facilities of some rows.

    Parameters
    ----------
    study
        The store as arrays.
    minutes, polygon
        The circle's limit and outline.
    home, site
        Rows of buildings and of facilities inside, ascending.
    """
    people = study.buildings.counts[home, PEOPLE]
    is_counted = people != NO_COUNT
    counted = int(is_counted.sum())
    basis = "none" if counted == 0 else "counted" if counted == home.shape[0] else "partly"
    facilities: dict[str, tuple[int, float | None]] = {}
    for code, capacity in zip(study.sites.type[site], study.sites.capacity[site].tolist(), strict=True):
        if code is not None:
            number, total = facilities.get(code, (0, None))
            known = total if math.isnan(capacity) else capacity + (total or 0.0)
            facilities[code] = (number + 1, known)
    return CircleArea(
        minutes=minutes,
        polygon=polygon,
        building_id=study.buildings.building_id[home],
        facility_id=study.sites.facility_id[site],
        people=int(people[is_counted].sum(dtype=np.int64)),
        dwellings=int(study.buildings.dwellings[home].sum()),
        people_basis=basis,
        facilities=dict(sorted(facilities.items())),
    )


def to_lonlat(geometry: npt.NDArray[np.object_], metric_crs: str) -> npt.NDArray[np.object_]:
    """Return metric geometries in WGS-84, seven decimals; rings run as they ran, cut at the antimeridian.

    Parameters
    ----------
    geometry
        Geometries in the metric CRS.
    metric_crs
        That CRS.

    References
    ----------
    RFC 7946, sections 3.1.6 and 3.1.9.
    """
    back = _transformer(metric_crs)

    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.round(np.column_stack(back.transform(xy[:, 0], xy[:, 1])), DECIMALS)

    moved = np.asarray(shapely.transform(geometry, move), dtype=object)
    west, _, east, _ = shapely.bounds(moved).T
    for row in np.flatnonzero(east - west > HALF_TURN).tolist():
        moved[row] = _cut_at_antimeridian(moved[row])
    return moved


def _cut_at_antimeridian(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return a geometry on both sides of 180° as parts that each lie on one."""

    def turn(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 2 * HALF_TURN, xy[:, 0]), xy[:, 1]])

    whole = shapely.transform(geometry, turn)
    east = shapely.intersection(whole, shapely.box(0, -90, HALF_TURN, 90))
    west = shapely.intersection(whole, shapely.box(HALF_TURN, -90, 2 * HALF_TURN, 90))
    west = shapely.transform(west, lambda xy: np.round(xy - (2 * HALF_TURN, 0), DECIMALS))
    return shapely.orient_polygons(shapely.multipolygons([*shapely.get_parts(east), *shapely.get_parts(west)]))


@lru_cache(maxsize=8)
def _transformer(metric_crs: str) -> Transformer:
    return Transformer.from_crs(metric_crs, "EPSG:4326", always_xy=True)
