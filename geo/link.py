"""The reversible snap of a point to an edge.

A link is the foot of the perpendicular on the nearest edge one may walk, at most `max_link_m` away; the network itself
is not changed. No link crosses a wall, a river or a railway: where the nearest edge lies behind one, the next nearest
that does not is taken. Inside a compound only its own ways and gates are linked to, outside only public ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.arrays import group_rows, join_runs
from geo.linking.barriers import Barriers
from geo.linking.footprint_links import APART, DOUBTFUL, MEETS, find_nearest_ways
from geo.linking.footprints import can_lay_out
from geo.linking.segments import SegmentGrid, find_feet, find_nearest_lines, find_places
from geo.network import CONNECTOR, Network
from geo.places import Places, order_near, stands_near
from geo.units import BoolArray, FloatArray, Int32Array, IntArray, ObjectArray, to_mm

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINK_M = 300.0
"""Farthest a point may lie from the way it is linked to (design rule "Walking")."""

OUTLINE_REACH_M = 10.0
"""A way this near to the outline of a large site enters it (design rule "Walking")."""

_CHUNK = 4096
_SIDES = np.array([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Links:
    """Where points meet the network.

    Attributes
    ----------
    edge
        Edge of each link, -1 for a point that could not be linked, shape (n,).
    place_mm
        Millimetres along the edge from its first node to the foot, shape (n,).
    off_mm
        Millimetres from the point to the foot, shape (n,).
    """

    edge: Int32Array
    place_mm: IntArray
    off_mm: IntArray

    @property
    def is_linked(self) -> BoolArray:
        """Return which points are linked."""
        return np.asarray(self.edge >= 0)


@dataclass(frozen=True)
class Ways:
    """What may be linked to, and how far.

    Attributes
    ----------
    network
        The compiled network.
    is_walkable
        Edges the profile may walk, shape (edges,).
    barriers
        Lines no link may cross, walls included.
    max_link_m
        Farthest a point may lie from its way, metres.
    outline_reach_m
        A way this near to the outline of a large site enters it, metres.
    """

    network: Network
    is_walkable: BoolArray
    barriers: Barriers
    max_link_m: float = MAX_LINK_M
    outline_reach_m: float = OUTLINE_REACH_M

    @cached_property
    def grid(self) -> SegmentGrid:
        """Return the segments of the edges that may be walked in a raster."""
        return SegmentGrid.build(self.network.geom_xy, self.network.geom_ptr, np.flatnonzero(self.is_walkable))


@dataclass(slots=True)
class _Best:
    """The best link of every point found so far."""

    edge: Int32Array
    place_m: np.ndarray[tuple[int], np.dtype[np.float64]]
    off_m: np.ndarray[tuple[int], np.dtype[np.float64]]


def _foot(geometry: ObjectArray, line: ObjectArray) -> tuple[ObjectArray, ObjectArray]:
    """Return the shortest segments from geometries to lines and their feet on the lines."""
    segment = np.asarray(shapely.shortest_line(geometry, line), dtype=object)
    return segment, np.asarray(shapely.get_point(segment, -1), dtype=object)


def _link_by_tree(geometry: ObjectArray, rows: IntArray, ways: Ways, edges: IntArray, best: _Best) -> None:
    """Fill `best` of `rows` with the nearest of `edges`; the lowest edge where several are equally near."""
    tree = shapely.STRtree(ways.network.edge_line[edges])
    for start in range(0, rows.shape[0], _CHUNK):
        mine = slice(start, start + _CHUNK)
        found = tree.query_nearest(geometry[mine], max_distance=ways.max_link_m, all_matches=True)
        lowest = np.full(rows[mine].shape[0], edges.shape[0], dtype=np.int64)
        np.minimum.at(lowest, found[0], found[1])
        hit = np.flatnonzero(lowest < edges.shape[0])
        _store(geometry[mine][hit], rows[mine][hit], ways.network, edges[lowest[hit]], best)


def _make_lines(network: Network, edge: IntArray) -> ObjectArray:
    """Return some edges as lines: few are asked for, so not all are made."""
    few, number = np.unique(edge, return_inverse=True)
    vertices = join_runs(network.geom_ptr[few], network.geom_ptr[few + 1])
    owner = np.repeat(np.arange(few.shape[0]), network.geom_ptr[few + 1] - network.geom_ptr[few])
    line = np.asarray(shapely.linestrings(network.geom_xy[vertices], indices=owner), dtype=object)
    return np.asarray(line[number])


def _store(geometry: ObjectArray, rows: IntArray, network: Network, edge: IntArray, best: _Best) -> None:
    line = _make_lines(network, edge)
    _, foot = _foot(geometry, line)
    best.edge[rows] = edge
    best.place_m[rows] = shapely.line_locate_point(line, foot)
    best.off_m[rows] = shapely.distance(geometry, line)


def _relink_blocked(geometry: ObjectArray, rows: IntArray, zone: Int32Array, ways: Ways, best: _Best) -> None:
    """Give every row of `rows` the nearest edge of its zone it can reach without crossing a barrier, or none."""
    network = ways.network
    for start in range(0, rows.shape[0], 256):
        mine, here = rows[start : start + 256], geometry[start : start + 256]
        point, nearby = _list_around(here, ways)
        same_zone = network.edge_zone[nearby] == zone[start + point]
        point, nearby = point[same_zone], nearby[same_zone]
        line = _make_lines(network, nearby)
        off_m = shapely.distance(here[point], line)
        near = np.flatnonzero(off_m <= ways.max_link_m)
        point, nearby, off_m = point[near], nearby[near], off_m[near]
        segment, _ = _foot(here[point], line[near])
        ends = shapely.get_coordinates(segment).reshape(-1, 2, 2)
        free = ~ways.barriers.find_crossing_between(ends[:, 0], ends[:, 1]) | _is_connector(network, nearby)
        point, nearby, off_m = point[free], nearby[free], off_m[free]
        order = np.lexsort((nearby, off_m, point))
        which, first = np.unique(point[order], return_index=True)
        best.edge[mine] = -1
        _store(here[which], mine[which], network, nearby[order][first], best)


def _list_around(geometry: ObjectArray, ways: Ways) -> tuple[IntArray, IntArray]:
    """Return pairs of a place and an edge that may be walked: all those within the link distance, and some more."""
    around = [ways.grid.list_lines(*box) for box in shapely.bounds(geometry) + _SIDES * (ways.max_link_m + 1.0)]
    point = np.repeat(np.arange(geometry.shape[0]), [len(lines) for lines in around])
    return point, np.concatenate([np.empty(0, dtype=np.int64), *around])


def _is_connector(network: Network, edge: IntArray) -> BoolArray:
    """Return which edges lead through a gate: the gate is the opening in the wall, so no wall bars the way to it."""
    return np.asarray((network.edge_flags[edge] & CONNECTOR) != 0)


def link_points(geometry: ObjectArray | Places, zone: Int32Array, *, ways: Ways) -> Links:
    """Return the link of each point or footprint to the nearest edge that may be walked.

    Parameters
    ----------
    geometry
        Points or polygons in the metric CRS, shape (n,); of a polygon the point nearest to the way counts.
    zone
        Compound number each lies in, -1 outside, shape (n,).
    ways
        What may be linked to.

    Returns
    -------
    Links
        Points with no way within reach have edge -1.
    """
    places = Places.of(geometry)
    count = places.count
    best = _Best(np.full(count, -1, dtype=np.int32), np.zeros(count), np.zeros(count))
    blocked = [_link_xy(places, zone, ways, best), _link_shapes(places, zone, ways, best)]
    rows = np.sort(np.concatenate(blocked))
    if rows.size:
        again = places.take(rows).make_geometry()
        _relink_blocked(again, rows, zone[rows], ways, best)
    return _to_links(best, ways.network)


def _by_zone(zone: Int32Array, ways: Ways) -> Iterator[tuple[IntArray, Int32Array]]:
    """Yield the edges that may be walked in each zone and the rows that lie in it; zones without edges are left out."""
    network = ways.network
    edge_order = np.argsort(network.edge_zone, kind="stable")
    edge_zones = network.edge_zone[edge_order]
    for value, rows in group_rows(zone):
        first, last = np.searchsorted(edge_zones, [value, value + 1])
        edges = np.sort(edge_order[first:last])
        edges = edges[ways.is_walkable[edges]]
        if edges.size:
            yield edges, rows


def _link_xy(places: Places, zone: Int32Array, ways: Ways, best: _Best) -> IntArray:
    """Fill `best` of the points, and return those whose way to the nearest edge is barred."""
    network, grid = ways.network, ways.grid
    rows, xy = _line_up(places.xy)
    if xy.shape[0] == 0 or network.edge_count == 0:
        return np.empty(0, dtype=np.int64)
    edge = np.empty(xy.shape[0], dtype=np.int32)
    off_m, place_m, foot = np.empty(xy.shape[0]), np.zeros(xy.shape[0]), np.zeros_like(xy)
    find_nearest_lines(
        xy,
        np.ascontiguousarray(zone if rows is None else zone[rows], dtype=np.int32),
        network.edge_zone,
        grid.corner,
        grid.cell_m,
        grid.columns,
        grid.rows,
        grid.cell_ptr,
        grid.ends,
        grid.owner,
        float(ways.max_link_m),
        edge,
        off_m,
    )
    find_feet(xy, edge, network.geom_xy, network.geom_ptr, foot, place_m)
    mine = slice(None) if rows is None else rows
    best.edge[mine], best.place_m[mine], best.off_m[mine] = edge, place_m, off_m
    if ways.barriers.line.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    linked = np.flatnonzero(edge >= 0)
    barred = linked[ways.barriers.find_crossing_between(xy[linked], foot[linked])]
    barred = barred[~_is_connector(network, edge[barred].astype(np.int64))]
    return barred if rows is None else rows[barred]


def _line_up(xy: FloatArray) -> tuple[IntArray | None, FloatArray]:
    """Return the rows of the points in an order in which neighbours stand together, and the points in it.

    Rows are None where all are there and stand so already, as they do when they come from a sorted store.
    """
    finite = np.isfinite(xy[:, 0]) & np.isfinite(xy[:, 1])
    if finite.all():
        if stands_near(xy):
            return None, np.ascontiguousarray(xy)
        rows = order_near(xy)[0]
    else:
        rows = np.flatnonzero(finite)
        rows = rows[order_near(xy[rows])[0]]
    return rows, xy[rows]


def _link_shapes(places: Places, zone: Int32Array, ways: Ways, best: _Best) -> IntArray:
    """Fill `best` of the footprints, and return those whose way to the nearest edge is barred."""
    shape_row, shape = places.shape_row, places.shape
    if shape_row.size == 0:
        return np.empty(0, dtype=np.int64)
    plain = can_lay_out(shape)
    barred, left = _link_outlines(shape[plain], shape_row[plain], zone, ways, best)
    # what has no place, or none with finite coordinates, is near to nothing
    plain[plain] = ~left
    other = ~plain & np.isfinite(shapely.bounds(shape)).all(axis=1)
    return np.concatenate([barred, _link_others(shape[other], shape_row[other], zone, ways, best)])


def _link_outlines(
    shape: ObjectArray, rows: IntArray, zone: Int32Array, ways: Ways, best: _Best
) -> tuple[IntArray, BoolArray]:
    """Fill `best` of polygons; return the rows whose way is barred, and which of the polygons are left to Shapely."""
    network = ways.network
    found = find_nearest_ways(shape, zone[rows], network=network, grid=ways.grid, max_m=ways.max_link_m)
    apart, meets = np.flatnonzero(found.state == APART), np.flatnonzero(found.state == MEETS)
    edge, start, foot = found.edge[apart], found.start[apart], found.foot[apart]
    place_m = np.empty(apart.shape[0])
    find_places(foot, edge, network.geom_xy, network.geom_ptr, place_m)
    best.edge[rows[apart]], best.place_m[rows[apart]], best.off_m[rows[apart]] = edge, place_m, found.off_m[apart]
    _store(shape[meets], rows[meets], network, found.edge[meets].astype(np.int64), best)
    barred = ways.barriers.find_crossing_between(start, foot) & ~_is_connector(network, edge.astype(np.int64))
    return rows[apart[barred]], np.asarray(found.state == DOUBTFUL)


def _link_others(shape: ObjectArray, rows: IntArray, zone: Int32Array, ways: Ways, best: _Best) -> IntArray:
    """Fill `best` of whatever is no plain polygon, and return those whose way to the nearest edge is barred."""
    network = ways.network
    for edges, mine in _by_zone(zone[rows], ways):
        _link_by_tree(shape[mine], rows[mine], ways, edges, best)
    number = np.flatnonzero(best.edge[rows] >= 0)
    chosen = best.edge[rows[number]].astype(np.int64)
    segment, _ = _foot(shape[number], _make_lines(network, chosen))
    barred: IntArray = rows[number[ways.barriers.find_crossing(segment) & ~_is_connector(network, chosen)]]
    return barred


def _to_links(best: _Best, network: Network) -> Links:
    length = network.edge_mm[np.maximum(best.edge, 0)] if network.edge_count else np.zeros_like(best.edge)
    place = np.clip(to_mm(best.place_m), 0, length)
    return Links(best.edge, np.where(best.edge >= 0, place, 0), np.where(best.edge >= 0, to_mm(best.off_m), 0))


@dataclass(frozen=True, slots=True)
class Entrances:
    """The ways into facilities: one row an entrance, a facility may have several.

    Attributes
    ----------
    facility
        Row of the facility, shape (k,).
    links
        Where each entrance meets the network, shape (k,).
    """

    facility: IntArray
    links: Links


_NO_ENTRANCES = Entrances(
    np.empty(0, dtype=np.int64),
    Links(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)),
)


def link_sites(geometry: ObjectArray, zone: Int32Array, *, ways: Ways, gate_point: ObjectArray) -> Entrances:
    """Return the entrances of facilities given as points or as outlines.

    A point is entered at the point. An outline is entered at the gates on it; else where a way crosses it or comes
    within 10 m of it; else at its point nearest to a way.

    Parameters
    ----------
    geometry
        Points or polygons in the metric CRS, shape (n,).
    zone
        Compound number each lies in, -1 outside, shape (n,).
    ways
        What may be linked to.
    gate_point
        All loaded gates as points in the metric CRS; those within 10 m of an outline are its gates.

    Returns
    -------
    Entrances
        Unlinked facilities have no row.
    """
    is_site = np.isin(shapely.get_type_id(geometry), (3, 6))
    points = np.flatnonzero(~is_site)
    sites = np.flatnonzero(is_site)
    site, gates = _gates_of(geometry[sites], gate_point, ways.outline_reach_m)
    owner = np.concatenate([points, sites[site]])
    entrance = np.concatenate([geometry[points], gate_point[gates]])
    at_points = _entrances(owner, link_points(entrance, zone[owner], ways=ways))
    rest = np.setdiff1d(sites, sites[site])
    crossed = _cross_outlines(geometry, rest, zone, ways)
    rest = np.setdiff1d(rest, crossed.facility)
    nearest = _entrances(rest, link_points(geometry[rest], zone[rest], ways=ways))
    return _join([at_points, crossed, nearest])


def _gates_of(site: ObjectArray, gate_point: ObjectArray, reach_m: float) -> tuple[IntArray, IntArray]:
    if site.shape[0] == 0 or gate_point.shape[0] == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    outline = shapely.boundary(site)
    found = shapely.STRtree(gate_point).query(outline, predicate="dwithin", distance=reach_m)
    return found[0], found[1]


def _entrances(owner: IntArray, links: Links) -> Entrances:
    ok = links.is_linked
    return Entrances(owner[ok].astype(np.int64), Links(links.edge[ok], links.place_mm[ok], links.off_mm[ok]))


def _cross_outlines(geometry: ObjectArray, sites: IntArray, zone: Int32Array, ways: Ways) -> Entrances:
    """Return the entrances where ways cross the outlines of `sites` or come within 10 m of them."""
    network = ways.network
    edges = np.flatnonzero(ways.is_walkable & ((network.edge_flags & CONNECTOR) == 0))
    if sites.size == 0 or edges.size == 0:
        return _NO_ENTRANCES
    outline = np.asarray(shapely.boundary(geometry[sites]), dtype=object)
    tree = shapely.STRtree(network.edge_line[edges])
    which, near = tree.query(outline, predicate="dwithin", distance=ways.outline_reach_m)
    same_zone = network.edge_zone[edges[near]] == zone[sites[which]]
    which, near = which[same_zone], near[same_zone]
    line = network.edge_line[edges[near]]
    cut = np.asarray(shapely.intersection(outline[which], line), dtype=object)
    _, foot = _foot(outline[which], line)
    # a way that runs along the outline meets it in lines: their ends are the entrances
    cut = np.where(shapely.is_empty(cut), foot, cut)
    point_xy, row = shapely.get_coordinates(cut, return_index=True)
    at = shapely.points(point_xy)
    place_m = shapely.line_locate_point(line[row], at)
    off_m = shapely.distance(outline[which[row]], at)
    edge = edges[near[row]].astype(np.int32)
    place = np.clip(to_mm(place_m), 0, network.edge_mm[edge])
    return Entrances(sites[which[row]], Links(edge, place, to_mm(off_m)))


def _join(parts: list[Entrances]) -> Entrances:
    facility = np.concatenate([p.facility for p in parts])
    edge = np.concatenate([p.links.edge for p in parts])
    place = np.concatenate([p.links.place_mm for p in parts])
    off = np.concatenate([p.links.off_mm for p in parts])
    order = np.lexsort((off, place, edge, facility))
    return Entrances(facility[order], Links(edge[order], place[order], off[order]))
