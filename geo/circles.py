"""Circles: everything within some minutes of a place along the network (isochrones).

People inside are counted by reach, never by polygon: those who can walk to the place. Facilities inside are those the
place's own people can walk to. The polygon is for eyes: reached parts of ways, cut at the second, grown by a width.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import contourpy
import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

from geo import search
from geo.errors import RequestError
from geo.link import Entrances, Links, Ways, link_points
from geo.reach import Desk, Homes, Seeds, Walk, check_bound, search_homes, seed_sites
from geo.search import FACILITY_BITS, NONE
from geo.units import MM_PER_M, MS_PER_S, NO_COST, FloatArray, IntArray, ObjectArray, UInt32Array
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence


CELL_M = 10.0
"""Raster step of the drawn outline; reach itself is exact."""

WIDTH_M = 30.0
"""Reached ways are drawn this wide to each side."""

MIN_HOLE_M2 = 2_000.0
"""Holes smaller than this are noise between parallel ways; superblocks that cannot be entered are larger."""

MAX_CELLS = 16_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a circle starts: a point, or a facility with one or more entrances.

    Attributes
    ----------
    links
        Where it meets the network, one row an entrance.
    zone
        Compound number the place lies in, -1 outside.
    """

    links: Links
    zone: int

    def seed(self, walk: Walk) -> Seeds:
        """Return the seeds of a search that starts here."""
        owner = np.zeros(self.links.edge.shape[0], dtype=np.int64)
        return seed_sites(walk, Entrances(owner, self.links), np.zeros(1, dtype=np.int32))


@dataclass(frozen=True, slots=True)
class Circle:
    """What lies within reach of a place.

    Attributes
    ----------
    home_ms
        Milliseconds from each home to the place, -1 beyond the bound, shape (homes,).
    facility_ms
        Milliseconds from the place to each facility, -1 beyond the bound, shape (facilities,).
    node_ms
        Milliseconds between the place and each node, the larger value of uint32 beyond the bound, shape (nodes,).
    """

    home_ms: npt.NDArray[np.int32]
    facility_ms: IntArray
    node_ms: UInt32Array


def find_place(point: shapely.Point, zone: int, *, ways: Ways) -> Place:
    """Return the place linked to the network.

    Parameters
    ----------
    point
        Point in the metric CRS.
    zone
        Compound number it lies in, -1 outside.
    ways
        What may be linked to.

    Raises
    ------
    RequestError
        No way lies within the link distance.
    """
    geometry = np.array([point], dtype=object)
    links = link_points(geometry, np.array([zone], dtype=np.int32), ways=ways)
    if not links.is_linked[0]:
        raise RequestError(
            f"drawing a circle: no street open to people on foot within {ways.max_link_m:g} m of the place",
            hint="choose a place nearer to a street, or load the streets of this place",
            parameter="lon",
        )
    return Place(links, zone)


def find_circle(walk: Walk, homes: Homes, entrances: Entrances, *, place: Place, bound_s: float) -> Circle:
    """Return who can walk to the place and what can be walked to from it.

    Parameters
    ----------
    walk
        The network as one profile walks it.
    homes
        Homes of people.
    entrances
        Entrances of all facilities.
    place
        Where the circle starts.
    bound_s
        Longest walk in seconds.

    Raises
    ------
    RequestError
        The bound is not above 0 and at most a day.
    """
    bound_ms = check_bound(bound_s)
    seeds = place.seed(walk)
    desk = Desk.make(walk, seeds.node.shape[0])
    node_label = np.full(walk.graph.node_count, NONE, dtype=np.int64)
    reach = search_homes(walk, homes, seeds, bound_ms, desk, seen=node_label)
    facility_ms = _search_facilities(walk, entrances, place, bound_ms, desk, node_label)
    node_ms = np.where(node_label == NONE, NO_COST, node_label >> FACILITY_BITS).astype(np.uint32)
    return Circle(reach.reach_ms, facility_ms, node_ms)


def _search_facilities(
    walk: Walk, entrances: Entrances, place: Place, bound_ms: int, desk: Desk, seen: IntArray
) -> IntArray:
    """Return the milliseconds from the place to every facility, as somebody who lives at the place walks."""
    network = walk.network
    outward = walk.reversed
    start = place.seed(outward)
    count = desk.search(outward, start, bound_ms)
    touched = desk.search_compound(outward, place.zone, bound_ms) if place.zone != OUTSIDE else 0
    links = entrances.links
    answer = np.full(links.edge.shape[0], NONE, dtype=np.int64)
    search.read_homes(
        np.arange(links.edge.shape[0], dtype=np.int32),
        links.edge,
        links.place_mm,
        walk.off_ms(links.off_mm),
        outward.exit_a,
        outward.exit_b,
        network.edge_mm,
        outward.cost_ab,
        outward.cost_ba,
        desk.label,
        desk.own,
        start.site_ptr,
        start.site_place_mm,
        start.site_off_ms,
        start.site_facility,
        bound_ms,
        answer,
    )
    np.minimum(seen, np.minimum(desk.label, desk.own), out=seen)
    desk.wipe_own(touched)
    desk.wipe(count)
    facilities = int(entrances.facility.max(initial=-1)) + 1
    best = np.full(facilities, np.iinfo(np.int64).max)
    np.minimum.at(best, entrances.facility, answer >> FACILITY_BITS)
    return np.where(best > bound_ms, -1, best)


@njit(cache=True, nogil=True)
def _stamp(field: FloatArray, x: float, y: float, reach_cells: int, cell_m: float) -> None:
    """Lower the field around a point to the distance from that point, in metres."""
    row = int(y / cell_m)
    column = int(x / cell_m)
    for r in range(max(row - reach_cells, 0), min(row + reach_cells + 2, field.shape[0])):
        for c in range(max(column - reach_cells, 0), min(column + reach_cells + 2, field.shape[1])):
            dx = c * cell_m - x
            dy = r * cell_m - y
            distance = np.sqrt(dx * dx + dy * dy)
            field[r, c] = min(field[r, c], distance)


@njit(cache=True, nogil=True)
def _stamp_edges(
    field: FloatArray,
    limit_ms: int,
    edges: IntArray,
    edge_a: npt.NDArray[np.int32],
    edge_b: npt.NDArray[np.int32],
    edge_mm: IntArray,
    cost: UInt32Array,
    node_ms: UInt32Array,
    geom_ptr: IntArray,
    geom_xy: FloatArray,
    x0: float,
    y0: float,
    start_edge: npt.NDArray[np.int32],
    start_m: FloatArray,
    start_ms: IntArray,
    cell_m: float,
    reach_cells: int,
) -> None:
    """Stamp the reached parts of all edges, a point every half cell."""
    step = cell_m / 2
    for e in range(edges.shape[0]):
        edge = edges[e]
        length = edge_mm[edge] / 1000.0
        pace = cost[edge] / max(length, 0.001)
        from_a = float(node_ms[edge_a[edge]])
        from_b = float(node_ms[edge_b[edge]])
        at = 0.0
        for v in range(geom_ptr[edge], geom_ptr[edge + 1] - 1):
            dx = geom_xy[v + 1, 0] - geom_xy[v, 0]
            dy = geom_xy[v + 1, 1] - geom_xy[v, 1]
            piece = np.sqrt(dx * dx + dy * dy)
            stops = max(int(piece / step), 1)
            for s in range(stops + 1):
                share = s / stops
                along = at + share * piece
                when = min(from_a + along * pace, from_b + (length - along) * pace)
                for p in range(start_edge.shape[0]):
                    if edge == start_edge[p]:
                        when = min(when, start_ms[p] + abs(along - start_m[p]) * pace)
                if when <= limit_ms:
                    x = geom_xy[v, 0] + share * dx - x0
                    y = geom_xy[v, 1] + share * dy - y0
                    _stamp(field, x, y, reach_cells, cell_m)
            at += piece


def draw_circles(
    walk: Walk, circle: Circle, *, place: Place, limits_s: Sequence[float], width_m: float = WIDTH_M
) -> ObjectArray:
    """Return one polygon a limit, in the metric CRS: the reached parts of ways grown by a width.

    Parameters
    ----------
    walk
        The network as walked.
    circle
        Its reach.
    place
        Where it starts.
    limits_s
        Limits in seconds.
    width_m
        How far to each side of a reached way the polygon extends, metres.

    Raises
    ------
    RequestError
        The circle covers more ground than one picture holds.
    """
    network = walk.network
    longest = max(limits_s) * MS_PER_S
    reached = circle.node_ms <= longest
    touches = (reached[network.edge_a] | reached[network.edge_b]) & (walk.cost_ab != np.iinfo(np.uint32).max)
    touches[place.links.edge] = True
    edges = np.flatnonzero(touches)
    start_m = place.links.place_mm / MM_PER_M
    start_ms = walk.off_ms(place.links.off_mm)
    x0, y0, columns, rows = _frame(network.geom_xy, network.geom_ptr, edges, width_m)
    reach_cells = int(width_m / CELL_M) + 2
    polygons = []
    for limit_s in limits_s:
        # off the ways the field says "far": the contour then runs exactly at the width
        field = np.full((rows, columns), width_m + 2 * CELL_M)
        _stamp_edges(
            field,
            round(limit_s * MS_PER_S),
            edges,
            network.edge_a,
            network.edge_b,
            network.edge_mm,
            walk.cost_ab,
            circle.node_ms,
            network.geom_ptr,
            network.geom_xy,
            x0,
            y0,
            place.links.edge,
            start_m,
            start_ms,
            CELL_M,
            reach_cells,
        )
        polygons.append(_outline(field, x0, y0, width_m))
    return np.array(polygons, dtype=object)


def _frame(geom_xy: FloatArray, geom_ptr: IntArray, edges: IntArray, width_m: float) -> tuple[float, float, int, int]:
    """Return the corner and size of a raster around the edges."""
    starts = geom_ptr[edges]
    sizes = geom_ptr[edges + 1] - starts
    rows = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(int(sizes.sum()))
    xy = geom_xy[rows]
    margin = width_m + 3 * CELL_M
    x0, y0 = xy.min(axis=0) - margin
    columns, lines = (np.ceil((xy.max(axis=0) + margin - (x0, y0)) / CELL_M) + 1).astype(int)
    if int(columns) * int(lines) > MAX_CELLS:
        raise RequestError(
            f"drawing a circle: it would cover {columns * CELL_M / 1000:.0f} × {lines * CELL_M / 1000:.0f} km",
            hint="ask for fewer minutes",
            parameter="minutes",
        )
    return float(x0), float(y0), int(columns), int(lines)


def _outline(field: FloatArray, x0: float, y0: float, width_m: float) -> shapely.Geometry:
    """Return the area where the field is at most the width, as a valid (multi)polygon."""
    filled = contourpy.contour_generator(z=field, name="serial", fill_type=contourpy.FillType.OuterOffset).filled(
        -1.0, width_m
    )
    polygons = []
    for points, offsets in zip(*filled, strict=True):
        rings = [points[a:b] * CELL_M + (x0, y0) for a, b in pairwise(offsets)]
        holes = [ring for ring in rings[1:] if shapely.polygons(ring).area >= MIN_HOLE_M2]
        polygons.append(shapely.Polygon(rings[0], holes))
    merged = shapely.multipolygons(polygons) if len(polygons) != 1 else polygons[0]
    simple = shapely.simplify(merged, CELL_M / 4, preserve_topology=True)
    return simple if shapely.is_valid(simple) else shapely.make_valid(simple)
