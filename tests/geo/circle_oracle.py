"""The simple circle the quick one is held against: every home and facility by the general engine, outlines by GEOS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely.ops import substring

from geo.link import Entrances, Links
from geo.reach import Homes, find_reach

if TYPE_CHECKING:
    from geo.circles.circle import Circle, Place
    from geo.reach import Walk
    from geo.units import FloatArray, Int32Array, IntArray


def walk_to(walk: Walk, homes: Homes, place: Place, bound_s: float) -> IntArray:
    """Return the milliseconds from each home to the place, -1 beyond the bound."""
    site = Entrances(np.zeros(place.links.edge.shape[0], dtype=np.int64), place.links)
    (reach,) = find_reach(walk, homes, site, facilities=[np.zeros(1, dtype=np.int32)], bounds_s=[bound_s])
    return reach.reach_ms.astype(np.int64)


def walk_from(walk: Walk, links: Links, place: Place, bound_s: float) -> IntArray:
    """Return the milliseconds from the place to each link as the place's own people walk, -1 beyond the bound."""
    zone = np.full(links.edge.shape[0], place.zone, dtype=np.int32)
    return walk_to(walk.reversed, Homes(links, zone), place, bound_s)


def check_counts(circle: Circle, walk: Walk, homes: Homes, entrances: Entrances, bound_s: float) -> None:
    """Assert that homes and facilities are those of the general engine, to the millisecond."""
    home_ms = walk_to(walk, homes, circle.place, bound_s)
    assert circle.home.tolist() == np.flatnonzero(home_ms >= 0).tolist()
    assert circle.home_ms.tolist() == home_ms[home_ms >= 0].tolist()
    entrance_ms = walk_from(walk, entrances.links, circle.place, bound_s)
    inside = entrance_ms >= 0
    least = {int(f): int(entrance_ms[inside & (entrances.facility == f)].min()) for f in entrances.facility[inside]}
    assert dict(zip(circle.facility.tolist(), circle.facility_ms.tolist(), strict=True)) == least


def time_places(walk: Walk, place: Place, bound_s: float, *, share: float) -> tuple[Links, IntArray]:
    """Return a place on every edge, and the milliseconds to or from it, whichever is less; -1 beyond the bound."""
    network = walk.network
    edge = np.arange(network.edge_count, dtype=np.int32)
    place_mm = np.rint(network.edge_mm * share).astype(np.int64)
    links = Links(edge, place_mm, np.zeros_like(place_mm))
    toward = walk_to(walk, Homes(links, network.edge_zone), place, bound_s)
    away = walk_from(walk, links, place, bound_s)
    return links, np.where((toward < 0) | ((away >= 0) & (away < toward)), away, toward)


def check_parts(
    parts: tuple[Int32Array, FloatArray, Int32Array], links: Links, ms: IntArray, limits_ms: list[int]
) -> None:
    """Assert that a place lies in the parts of the first limit not below its time; a millisecond is rounding."""
    edge, part_mm, layer = parts
    order = np.argsort(edge, kind="stable")
    ptr = np.searchsorted(edge[order], np.arange(links.edge.shape[0] + 1))
    for here, (at, when) in enumerate(zip(links.place_mm.tolist(), ms.tolist(), strict=True)):
        rows = order[ptr[here] : ptr[here + 1]]
        inside = rows[(part_mm[rows, 0] - 1 <= at) & (at <= part_mm[rows, 1] + 1)]
        found = int(layer[inside].min(initial=len(limits_ms)))
        wanted = next((n for n, limit in enumerate(limits_ms) if 0 <= when <= limit), len(limits_ms))
        if found != wanted:
            assert when >= 0
            assert min(abs(when - limit) for limit in limits_ms) <= 2, (here, at, when, found, wanted)


def grow_parts(
    walk: Walk, parts: tuple[Int32Array, FloatArray, Int32Array], *, layer: int, width_m: float
) -> shapely.Geometry:
    """Return the parts of the first limits grown by a width, by GEOS."""
    lines = []
    for edge, (low, high), number in zip(*parts, strict=True):
        if number <= layer:
            lines.append(substring(walk.network.edge_line[edge], low / 1000, high / 1000))
    return shapely.union_all(shapely.buffer(lines, width_m, quad_segs=32))
