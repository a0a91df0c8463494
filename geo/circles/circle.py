"""Circles: everything within some minutes of a place along the network (isochrones).

People inside are counted by reach, never by polygon: those who can walk to the place. Facilities inside are those the
place's own people can walk to. The polygon is for eyes: reached parts of ways, cut where the time is up, grown by a
width. All work is in proportion to what is reached: nothing here looks at the whole network or at all homes but
:func:`survey`, which is made once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.circles import cut as circles_cut
from geo.circles.near import NearIndex, link_place
from geo.circles.outline import STRAIGHT_CELLS, WIDTH_M, Parts, check_width, draw_parts
from geo.circles.survey import CircleDesk, EdgesByNode, Points, Surroundings, survey
from geo.errors import RequestError
from geo.link import Entrances, Links
from geo.reach import Seeds, Walk, check_bound, seed_sites
from geo.search.labels import NONE
from geo.units import MM_PER_M, MS_PER_S, FloatArray, Int32Array, IntArray, ObjectArray
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Circle",
    "Ends",
    "Place",
    "Surroundings",
    "cut_parts",
    "draw_circles",
    "find_circle",
    "find_place",
    "survey",
]


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
class Ends:
    """Edges reached in one direction, with the times at their ends.

    Attributes
    ----------
    walk
        The network walked towards the place; reversed where the walk leads from it.
    edge
        Edges, shape (n,); one may stand more than once.
    a_ms, b_ms
        Milliseconds between the place and each end, the largest int64 where it is not reached, shape (n,).
    """

    walk: Walk
    edge: Int32Array
    a_ms: IntArray
    b_ms: IntArray


@dataclass(frozen=True, slots=True)
class Circle:
    """What lies within reach of a place.

    Attributes
    ----------
    home, home_ms
        Rows of the homes that can walk to the place, ascending, and the milliseconds it takes, shape (n,).
    facility, facility_ms
        Rows of the facilities that can be walked to from the place, ascending, and the milliseconds, shape (m,).
    reached
        Reached edges towards the place and, where that differs, from it.
    bound_ms
        How far was searched.
    """

    home: IntArray
    home_ms: IntArray
    facility: IntArray
    facility_ms: IntArray
    place: Place
    reached: tuple[Ends, ...]
    bound_ms: int


def find_place(point: shapely.Point, zone: int, *, near: NearIndex) -> Place:
    """Return the place linked to the network.

    Parameters
    ----------
    point
        Point in the metric CRS.
    zone
        Compound number it lies in, -1 outside.
    near
        What may be linked to, see :func:`geo.circles.near.index_ways`.

    Raises
    ------
    RequestError
        The point has no finite coordinates, or no way lies within the link distance.
    """
    if not np.isfinite(shapely.bounds(point)).all():
        raise RequestError("drawing a circle: the place has no finite coordinates", parameter="lon")
    links = link_place(near, point, zone)
    if not links.is_linked[0]:
        raise RequestError(
            f"drawing a circle: no street this profile may use within {near.ways.max_link_m:g} m of the place",
            hint="choose a place nearer to a street, or load the streets of this place",
            parameter="lon",
        )
    return Place(links, zone)


def find_circle(surroundings: Surroundings, *, place: Place, bound_s: float) -> Circle:
    """Return who can walk to the place and what can be walked to from it.

    Parameters
    ----------
    surroundings
        What to walk.
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
    desk = surroundings.take_desk()
    try:
        toward, away = _search(surroundings, place, bound_ms, desk)
    finally:
        surroundings.desks.put(desk)
    home, home_ms = _read(surroundings.homes, toward, place, bound_ms)
    facility, facility_ms = _read(surroundings.entrances, _shut_gates(away, place.zone), place, bound_ms)
    # outside compounds, and where costs are equal both ways, one gets no farther than people come from
    reached = (toward,) if away.walk is toward.walk else (toward, away)
    return Circle(home, home_ms, facility, facility_ms, place, reached, bound_ms)


def _search(surroundings: Surroundings, place: Place, bound_ms: int, desk: CircleDesk) -> tuple[Ends, Ends]:
    """Return the edges from which one can walk to the place, and those one can walk to from it.

    People inside a compound walk to the place by their own gates; from the place one walks as its own people do.
    """
    walk, work = surroundings.walk, desk.desk
    seeds = place.seed(walk)
    touched = work.search(walk, seeds, bound_ms)
    public = _read_touched(walk, surroundings.edges_toward, desk, work.touched[:touched])
    found = [public]
    for zone in np.union1d(surroundings.find_zones(work.touched[:touched]), seeds.at_gates.zone).astype(int).tolist():
        own = work.search_compound(walk, seeds.at_gates, zone, bound_ms)
        if own:
            edge = surroundings.zone_edge[surroundings.zone_ptr[zone] : surroundings.zone_ptr[zone + 1]]
            found.append(_read_ends(walk, edge, desk))
            work.wipe_own(own)
    work.wipe(touched)
    toward = Ends(walk, *(np.concatenate(column) for column in zip(*found, strict=True)))
    if not surroundings.both_ways or (place.zone == OUTSIDE and walk.cost_ab is walk.cost_ba):
        return toward, Ends(walk, *public)
    outward = walk.reversed
    seeds = place.seed(outward)
    touched = work.search(outward, seeds, bound_ms)
    own = work.search_compound(outward, seeds.at_gates, place.zone, bound_ms) if place.zone != OUTSIDE else 0
    nodes = (work.touched[:touched], work.own_touched[:own])
    away = Ends(outward, *_read_touched(outward, surroundings.edges_away, desk, *nodes))
    work.wipe_own(own)
    work.wipe(touched)
    return toward, away


def _shut_gates(ends: Ends, zone: int) -> Ends:
    """Return the edges without the outer ends of residents' gates of other compounds: behind them nobody is let in."""
    network = ends.walk.network
    gate = network.edge_gate[ends.edge]
    strange = np.flatnonzero((gate >= 0) & (network.edge_zone[ends.edge] != zone))
    shut = strange[~network.gate_open_to_all[gate[strange]]]
    if shut.size == 0:
        return ends
    a_ms = ends.a_ms.copy()
    a_ms[shut] = NONE
    return replace(ends, a_ms=a_ms)


def _read_touched(
    walk: Walk, edges: EdgesByNode, desk: CircleDesk, *nodes: Int32Array
) -> tuple[Int32Array, IntArray, IntArray]:
    """Return the edges at nodes with the times at their ends."""
    count = 0
    desk.turn += 1
    for node in nodes:
        count = circles_cut.collect_edges(node, edges.ptr, edges.edge, desk.mark, desk.turn, desk.edge, count)
    return _read_ends(walk, desk.edge[:count].copy(), desk)


def _read_ends(walk: Walk, edge: Int32Array, desk: CircleDesk) -> tuple[Int32Array, IntArray, IntArray]:
    """Return edges with the times at their ends."""
    a_ms, b_ms = np.empty((2, edge.shape[0]), dtype=np.int64)
    circles_cut.read_ends(edge, walk.exit_a, walk.exit_b, desk.desk.label, desk.desk.own, a_ms, b_ms)
    return edge, a_ms, b_ms


def _read(points: Points, ends: Ends, place: Place, bound_ms: int) -> tuple[IntArray, IntArray]:
    """Return the rows of homes or facilities within the bound, ascending, and the milliseconds to each."""
    walk, links = ends.walk, place.links
    network = walk.network
    room, own_room = (int((points.ptr[edge + 1] - points.ptr[edge]).sum()) for edge in (ends.edge, links.edge))
    point, ms = np.empty((2, room + own_room), dtype=np.int64)
    count = circles_cut.read_points(
        ends.edge,
        ends.a_ms,
        ends.b_ms,
        network.edge_mm,
        walk.cost_ab,
        walk.cost_ba,
        points.ptr,
        points.place_mm,
        points.off_ms,
        bound_ms,
        point,
        ms,
    )
    count += circles_cut.read_along(
        links.edge,
        links.place_mm,
        walk.off_ms(links.off_mm),
        network.edge_mm,
        walk.cost_ab,
        walk.cost_ba,
        points.ptr,
        points.place_mm,
        points.off_ms,
        bound_ms,
        point[count:],
        ms[count:],
    )
    # the least time of each owner: pairs as one number, in order
    pair = np.sort(points.owner[point[:count]].astype(np.int64) << 32 | ms[:count])
    owner = pair >> 32
    is_first = np.ones(count, dtype=bool)
    np.not_equal(owner[1:], owner[:-1], out=is_first[1:])
    return owner[is_first], pair[is_first] & 0xFFFFFFFF


def cut_parts(circle: Circle, *, limits_s: Sequence[float]) -> tuple[Int32Array, FloatArray, Int32Array]:
    """Return the reached parts of edges, cut where the time of each limit is up.

    Parameters
    ----------
    circle
        What was reached.
    limits_s
        Limits in seconds, ascending.

    Returns
    -------
    edge
        Edge of each part, shape (n,).
    part_mm
        Both ends of each part, millimetres along its edge, shape (n, 2). Parts of the place's own edges may overlap.
    layer
        Number of the first limit that reaches the part, shape (n,).
    """
    limit_ms = np.array([round(limit * MS_PER_S) for limit in limits_s], dtype=np.int64)
    links = circle.place.links
    found = []
    for ends in circle.reached:
        walk = ends.walk
        room = 2 * limit_ms.shape[0] * (ends.edge.shape[0] + links.edge.shape[0])
        edge, layer = np.empty((2, room), dtype=np.int32)
        part_mm = np.empty((room, 2))
        costs = (walk.network.edge_mm, walk.cost_ab, walk.cost_ba, limit_ms, edge, part_mm, layer)
        count = circles_cut.cut_edges(ends.edge, ends.a_ms, ends.b_ms, *costs)
        count = circles_cut.cut_starts(links.edge, links.place_mm, walk.off_ms(links.off_mm), *costs, count)
        found.append((edge[:count], part_mm[:count], layer[:count]))
    edge, part_mm, layer = (np.concatenate(column) for column in zip(*found, strict=True))
    return edge, part_mm, layer


def draw_circles(circle: Circle, *, limits_s: Sequence[float], width_m: float = WIDTH_M) -> ObjectArray:
    """Return one polygon a limit, in the metric CRS: the reached parts of ways grown by a width.

    Polygons are valid, outer rings run counter-clockwise, and the polygon of a shorter limit lies within that of a
    longer one, vertex by vertex.

    Parameters
    ----------
    circle
        What was reached.
    limits_s
        Limits in seconds, in any order, none beyond what was searched.
    width_m
        How far to each side of a reached way the polygon extends, metres.

    Returns
    -------
    ObjectArray
        Polygons and multipolygons in the order of the limits; empty where not even a street is reached.

    Raises
    ------
    RequestError
        A limit lies beyond what was searched, the width is out of range, or the circle covers more ground than one
        picture holds.
    """
    cell_mm = check_width(width_m)
    order = sorted(set(limits_s))
    if not order or not (order[0] > 0 and order[-1] * MS_PER_S <= circle.bound_ms + 0.5):
        raise RequestError(
            f"drawing a circle: found limits {list(limits_s)}, expected seconds above 0 and at most"
            f" {circle.bound_ms / MS_PER_S:g}, which is how far was searched",
            parameter="minutes",
        )
    network = circle.reached[0].walk.network
    edge, part_mm, layer = cut_parts(circle, limits_s=order)
    vertices = network.geom_ptr[edge + 1] - network.geom_ptr[edge]
    long = (part_mm[:, 1] - part_mm[:, 0]).sum() / (circles_cut.PIECE_M * MM_PER_M)
    room = int(vertices.sum() + long) + 2 * edge.shape[0]
    segment, segment_layer = np.empty((room, 4)), np.empty(room, dtype=np.int32)
    count = circles_cut.lay_parts(
        edge,
        part_mm,
        layer,
        network.edge_mm,
        network.geom_ptr,
        network.geom_xy,
        STRAIGHT_CELLS * cell_mm / MM_PER_M,
        np.empty((int(vertices.max(initial=0)) + 1, 2)),
        segment,
        segment_layer,
    )
    polygons = draw_parts(Parts(segment[:count], segment_layer[:count]), limits=len(order), width_m=width_m)
    return polygons[np.searchsorted(order, limits_s)]
