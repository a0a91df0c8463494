"""Circles: everything within some minutes of a place along the network (isochrones).

People inside are counted by reach, never by polygon: those who can walk to the place. Facilities inside are those the
place's own people can walk to. The polygon is for eyes: reached parts of ways, cut where the time is up, grown by a
width. All work is in proportion to what is reached: nothing here looks at the whole network or at all homes but
:func:`survey`, which is made once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from geo import circles_cut
from geo.circles_near import NearIndex, link_place
from geo.circles_outline import WIDTH_M, Parts, check_width, draw_parts
from geo.desk import Desk
from geo.errors import RequestError
from geo.graph import find_residents_gates
from geo.link import Entrances, Links
from geo.reach import Homes, Seeds, Walk, check_bound, seed_sites
from geo.units import MS_PER_S, BoolArray, FloatArray, Int32Array, IntArray, ObjectArray
from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence


DESKS = 4
"""Circles searched at the same time: each takes work arrays of the size of the network."""


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


@dataclass(frozen=True)
class _Points:
    """Points by edge.

    Attributes
    ----------
    ptr
        Points of edge ``e`` are those from ``ptr[e]`` up to but not including ``ptr[e + 1]``, shape (edges + 1,).
    owner
        Row of the home or facility each point belongs to, shape (points,).
    place_mm, off_ms
        Place along the edge, and time spent off the street, shape (points,).
    """

    ptr: IntArray
    owner: Int32Array
    place_mm: Int32Array
    off_ms: Int32Array


@dataclass(frozen=True)
class _EdgesByNode:
    """Edges of node ``u`` are ``edge[ptr[u]:ptr[u + 1]]``."""

    ptr: IntArray
    edge: Int32Array


@dataclass(slots=True)
class _CircleDesk:
    """Work arrays of one thread."""

    desk: Desk
    mark: Int32Array
    edge: Int32Array
    turn: int = 0


def _queue_desks(count: int) -> SimpleQueue[_CircleDesk | None]:
    """Return places for so many desks; they are made when first taken."""
    desks: SimpleQueue[_CircleDesk | None] = SimpleQueue()
    for _ in range(count):
        desks.put(None)
    return desks


@dataclass(frozen=True)
class Surroundings:
    """A walked network with everything along it, ready for circles; made by :func:`survey`.

    Attributes
    ----------
    walk
        The network as one profile walks it.
    homes, entrances
        Homes and entrances of facilities by edge.
    edges_toward, edges_away
        Edges by the nodes whose labels count at their ends, walking towards a place and from it.
    zone_ptr, zone_edge
        Edges by compound.
    is_gate_node, gate_node, gate_zone
        Which nodes have a residents' gate, shape (nodes,); these nodes ascending and the gates' compounds.
    both_ways
        Whether facilities are those that can be walked to from the place; else everything is as `walk` walks.
    """

    walk: Walk
    homes: _Points
    entrances: _Points
    edges_toward: _EdgesByNode
    edges_away: _EdgesByNode
    zone_ptr: IntArray
    zone_edge: Int32Array
    is_gate_node: BoolArray
    gate_node: Int32Array
    gate_zone: Int32Array
    both_ways: bool
    desks: SimpleQueue[_CircleDesk | None] = field(default_factory=lambda: _queue_desks(DESKS))

    def take_desk(self) -> _CircleDesk:
        """Return work arrays nobody uses, as soon as there are any; put them back into ``desks``."""
        desk = self.desks.get()
        if desk is None:
            edges = self.walk.network.edge_count
            desk = _CircleDesk(
                Desk.make(self.walk, 0), np.zeros(edges, dtype=np.int32), np.empty(edges, dtype=np.int32)
            )
        return desk

    def find_zones(self, node: Int32Array) -> list[int]:
        """Return the compounds with a residents' gate at one of the nodes, ascending."""
        at = np.unique(node[self.is_gate_node[node]])
        first, last = np.searchsorted(self.gate_node, at), np.searchsorted(self.gate_node, at, side="right")
        return [int(zone) for zone in np.unique(self.gate_zone[_join_ranges(first, last)])]


def _join_ranges(first: IntArray, last: IntArray) -> IntArray:
    """Return the whole numbers of several ranges one after the other."""
    size = last - first
    return np.asarray(np.arange(int(size.sum())) + np.repeat(first - np.cumsum(size) + size, size))


def _group(value: npt.NDArray[np.integer], count: int) -> tuple[IntArray, IntArray]:
    """Return the rows by value: those of value v stand at ``ptr[v]:ptr[v + 1]``, values below 0 nowhere."""
    order = np.argsort(value, kind="stable")
    ptr = np.searchsorted(value[order], np.arange(count + 1))
    return ptr - ptr[0], order[ptr[0] :]


def survey(walk: Walk, homes: Homes, entrances: Entrances, *, both_ways: bool = True) -> Surroundings:
    """Return a walked network with homes and facilities by edge; keep it, every circle uses it.

    Parameters
    ----------
    walk
        The network as one profile walks it.
    homes
        Homes of people.
    entrances
        Entrances of all facilities.
    both_ways
        Whether people walk to the place and facilities are walked to from it. False for vehicles: they set out from the
        place, and `walk` is given reversed.
    """
    network = walk.network
    is_same = not both_ways or walk.cost_ab is walk.cost_ba
    toward = _list_exits(walk)
    zone_ptr, zone_edge = _group(network.edge_zone, network.compound_id.shape[0])
    residents = np.flatnonzero(find_residents_gates(network))
    gate_node = np.concatenate([network.edge_a[residents], network.edge_b[residents]])
    order = np.argsort(gate_node, kind="stable")
    is_gate_node = np.zeros(walk.graph.node_count, dtype=bool)
    is_gate_node[gate_node] = True
    return Surroundings(
        walk=walk,
        homes=_by_edge(walk, homes.links, np.arange(homes.links.edge.shape[0])),
        entrances=_by_edge(walk, entrances.links, entrances.facility),
        edges_toward=toward,
        edges_away=toward if is_same else _list_exits(walk.reversed),
        zone_ptr=zone_ptr,
        zone_edge=zone_edge.astype(np.int32),
        is_gate_node=is_gate_node,
        gate_node=gate_node[order],
        gate_zone=np.concatenate([network.edge_zone[residents]] * 2)[order],
        both_ways=both_ways,
    )


def _list_exits(walk: Walk) -> _EdgesByNode:
    """Return the edges by the nodes whose labels count at their ends."""
    network = walk.network
    if walk.exit_a is network.edge_a and walk.exit_b is network.edge_b:
        return _EdgesByNode(network.indptr, network.adj_edge)
    # where turns are banned a junction has several nodes
    ptr, row = _group(np.concatenate([walk.exit_a, walk.exit_b]), walk.graph.node_count)
    return _EdgesByNode(ptr, (row % network.edge_count).astype(np.int32))


def _by_edge(walk: Walk, links: Links, owner: IntArray) -> _Points:
    ptr, row = _group(links.edge, walk.network.edge_count)
    # edges are shorter than 2,147 km, links than 24 days
    columns = (owner[row], links.place_mm[row], walk.off_ms(links.off_mm[row]))
    return _Points(ptr, *(column.astype(np.int32) for column in columns))


def find_place(point: shapely.Point, zone: int, *, near: NearIndex) -> Place:
    """Return the place linked to the network.

    Parameters
    ----------
    point
        Point in the metric CRS.
    zone
        Compound number it lies in, -1 outside.
    near
        What may be linked to, see :func:`geo.circles_near.index_ways`.

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
    facility, facility_ms = _read(surroundings.entrances, away, place, bound_ms)
    # outside compounds, and where costs are equal both ways, one gets no farther than people come from
    reached = (toward,) if away.walk is toward.walk else (toward, away)
    return Circle(home, home_ms, facility, facility_ms, place, reached, bound_ms)


def _search(surroundings: Surroundings, place: Place, bound_ms: int, desk: _CircleDesk) -> tuple[Ends, Ends]:
    """Return the edges from which one can walk to the place, and those one can walk to from it.

    People inside a compound walk to the place by their own gates; from the place one walks as its own people do.
    """
    walk, work = surroundings.walk, desk.desk
    touched = work.search(walk, place.seed(walk), bound_ms)
    public = _read_touched(walk, surroundings.edges_toward, desk, work.touched[:touched])
    found = [public]
    for zone in surroundings.find_zones(work.touched[:touched]):
        own = work.search_compound(walk, zone, bound_ms)
        if own:
            edge = surroundings.zone_edge[surroundings.zone_ptr[zone] : surroundings.zone_ptr[zone + 1]]
            found.append(_read_ends(walk, edge, desk))
            work.wipe_own(own)
    work.wipe(touched)
    toward = Ends(walk, *(np.concatenate(column) for column in zip(*found, strict=True)))
    if not surroundings.both_ways or (place.zone == OUTSIDE and walk.cost_ab is walk.cost_ba):
        return toward, Ends(walk, *public)
    outward = walk.reversed
    touched = work.search(outward, place.seed(outward), bound_ms)
    own = work.search_compound(outward, place.zone, bound_ms) if place.zone != OUTSIDE else 0
    nodes = (work.touched[:touched], work.own_touched[:own])
    away = Ends(outward, *_read_touched(outward, surroundings.edges_away, desk, *nodes))
    work.wipe_own(own)
    work.wipe(touched)
    return toward, away


def _read_touched(
    walk: Walk, edges: _EdgesByNode, desk: _CircleDesk, *nodes: Int32Array
) -> tuple[Int32Array, IntArray, IntArray]:
    """Return the edges at nodes with the times at their ends."""
    count = 0
    desk.turn += 1
    for node in nodes:
        count = circles_cut.collect_edges(node, edges.ptr, edges.edge, desk.mark, desk.turn, desk.edge, count)
    return _read_ends(walk, desk.edge[:count].copy(), desk)


def _read_ends(walk: Walk, edge: Int32Array, desk: _CircleDesk) -> tuple[Int32Array, IntArray, IntArray]:
    """Return edges with the times at their ends."""
    a_ms, b_ms = np.empty((2, edge.shape[0]), dtype=np.int64)
    circles_cut.read_ends(edge, walk.exit_a, walk.exit_b, desk.desk.label, desk.desk.own, a_ms, b_ms)
    return edge, a_ms, b_ms


def _read(points: _Points, ends: Ends, place: Place, bound_ms: int) -> tuple[IntArray, IntArray]:
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
    check_width(width_m)
    order = sorted(set(limits_s))
    if not order or not (order[0] > 0 and order[-1] * MS_PER_S <= circle.bound_ms + 0.5):
        raise RequestError(
            f"drawing a circle: found limits {list(limits_s)}, expected seconds above 0 and at most"
            f" {circle.bound_ms / MS_PER_S:g}, which is how far was searched",
            parameter="minutes",
        )
    network = circle.reached[0].walk.network
    edge, part_mm, layer = cut_parts(circle, limits_s=order)
    pieces = network.geom_ptr[edge + 1] - network.geom_ptr[edge] + 1
    room = int(pieces.sum() + (part_mm[:, 1] - part_mm[:, 0]).sum() / circles_cut.PIECE_MM) + edge.shape[0]
    segment, segment_layer = np.empty((room, 4)), np.empty(room, dtype=np.int32)
    count = circles_cut.lay_parts(
        edge, part_mm, layer, network.edge_mm, network.geom_ptr, network.geom_xy, segment, segment_layer
    )
    polygons = draw_parts(Parts(segment[:count], segment_layer[:count]), limits=len(order), width_m=width_m)
    return polygons[np.searchsorted(order, limits_s)]
