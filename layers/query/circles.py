"""Circles as GeoJSON: the polygon for eyes, with people and facilities inside counted by reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import shapely

from geo.errors import RequestError
from layers.circle import MAX_MINUTES

if TYPE_CHECKING:
    from layers.circle import Circles

LIMITS_MAX = 6


def describe_circles(circles: Circles) -> dict[str, Any]:
    """Return a GeoJSON feature collection with one feature a limit and the start as foreign member.

    Parameters
    ----------
    circles
        What was walked.
    """
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(area.polygon),
            "properties": {
                "minutes": area.minutes,
                "people": area.people,
                "dwellings": area.dwellings,
                "buildings": int(area.building_id.shape[0]),
                "people_basis": area.people_basis,
                "facilities": {
                    code: {"count": count, "capacity": capacity} for code, (count, capacity) in area.facilities.items()
                },
            },
        }
        for area in circles.areas
    ]
    start = {"lon": circles.lon, "lat": circles.lat, "edge_m": circles.off_m}
    return {"type": "FeatureCollection", "features": features, "start": start}


def parse_minutes(text: str) -> list[float]:
    """Return minutes from "5,10,15".

    Raises
    ------
    RequestError
        Not one to six numbers above 0 and at most an hour.
    """
    try:
        limits = [float(part) for part in text.split(",")]
    except ValueError:
        limits = []
    if not 0 < len(limits) <= LIMITS_MAX or not all(0 < limit <= MAX_MINUTES for limit in limits):
        raise RequestError(
            f"Reading minutes {text[:60]!r}: expected one to {LIMITS_MAX} numbers above 0 and at most {MAX_MINUTES:g},"
            " separated by commas",
            parameter="minutes",
        )
    return limits
