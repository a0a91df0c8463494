"""The reversible snap of a point to an edge.

A link is the foot of the perpendicular on the nearest edge one may walk, at most `max_link_m` away; the network itself
is not changed. No link crosses a wall, a river or a railway: where the nearest edge lies behind one, the next nearest
that does not is taken. Inside a compound only its own ways and gates are linked to, outside only public ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from geo.arrays import group_rows
from geo.network import CONNECTOR, Network
from geo.units import BoolArray, Int32Array, IntArray, ObjectArray, to_mm
from geo.walls import OUTSIDE

MAX_LINK_M = 300.0
"""Farthest a point may lie from the way it is linked to (design rule "Walking")."""

OUTLINE_REACH_M = 10.0
"""A way this near to the outline of a large site enters it (design rule "Walking")."""

_CHUNK = 4096


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
class Barriers:
    """Lines no link may cross: walls, banks of rivers, railways; metric CRS, shape (b,)."""

    line: ObjectArray

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Return the index over the lines."""
        return shapely.STRtree(self.line)

    def find_crossing(self, segment: ObjectArray) -> BoolArray:
        """Return which segments cross a barrier; touching one is not crossing it.

        Parameters
        ----------
        segment
            Two-point LineStrings in the metric CRS, shape (n,).
        """
        crosses = np.zeros(segment.shape[0], dtype=bool)
        if self.line.shape[0] and segment.shape[0]:
            which, _ = self.tree.query(segment, predicate="crosses")
            crosses[which] = True
        return crosses


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class _Best:
    """The best link of every point found so far."""

    edge: Int32Array
    place_m: np.ndarray[tuple[int], np.dtype[np.float64]]
    off_m: np.ndarray[tuple[int], np.dtype[np.float64]]


def split_long_barriers(line: ObjectArray, *, max_vertices: int = 64) -> Barriers:
    """Return barriers cut into short lines, so that an index finds the few that matter.

    Parameters
    ----------
    line
        Lines or polygons in the metric CRS; of polygons the outline counts.
    max_vertices
        Longest line to keep in one piece.
    """
    geometry = np.asarray(line, dtype=object)
    polygon = np.isin(shapely.get_type_id(geometry), (3, 6))
    geometry = np.where(polygon, shapely.boundary(geometry), geometry)
    part = shapely.get_parts(geometry)
    part = shapely.get_parts(part)
    pieces: list[object] = []
    for one in part[shapely.get_type_id(part) >= 1]:
        xy = shapely.get_coordinates(one)
        pieces.extend(
            shapely.linestrings(xy[start : start + max_vertices])
            for start in range(0, max(len(xy) - 1, 0), max_vertices - 1)
        )
    return Barriers(np.array(pieces, dtype=object))


def _foot(geometry: ObjectArray, line: ObjectArray) -> tuple[ObjectArray, ObjectArray]:
    """Return the shortest segments from geometries to lines and their feet on the lines."""
    segment = np.asarray(shapely.shortest_line(geometry, line), dtype=object)
    return segment, np.asarray(shapely.get_point(segment, -1), dtype=object)


def _link_nearest(geometry: ObjectArray, rows: Int32Array, ways: Ways, edges: IntArray, best: _Best) -> None:
    """Fill `best` of `rows` with the nearest of `edges`; the lowest edge where several are equally near."""
    tree = shapely.STRtree(ways.network.edge_line[edges])
    for start in range(0, rows.shape[0], _CHUNK):
        mine = rows[start : start + _CHUNK]
        found = tree.query_nearest(geometry[mine], max_distance=ways.max_link_m, all_matches=True)
        lowest = np.full(mine.shape[0], edges.shape[0], dtype=np.int64)
        np.minimum.at(lowest, found[0], found[1])
        hit = np.flatnonzero(lowest < edges.shape[0])
        _store(geometry, mine[hit], ways.network, edges[lowest[hit]], best)


def _store(geometry: ObjectArray, rows: Int32Array, network: Network, edge: IntArray, best: _Best) -> None:
    line = network.edge_line[edge]
    _, foot = _foot(geometry[rows], line)
    best.edge[rows] = edge
    best.place_m[rows] = shapely.line_locate_point(line, foot)
    best.off_m[rows] = shapely.distance(geometry[rows], line)


def _relink_blocked(geometry: ObjectArray, rows: Int32Array, ways: Ways, edges: IntArray, best: _Best) -> None:
    """Give every row of `rows` the nearest of `edges` it can reach without crossing a barrier, or none."""
    network = ways.network
    tree = shapely.STRtree(network.edge_line[edges])
    for start in range(0, rows.shape[0], 256):
        mine = rows[start : start + 256]
        point, nearby = tree.query(geometry[mine], predicate="dwithin", distance=ways.max_link_m)
        segment, _ = _foot(geometry[mine[point]], network.edge_line[edges[nearby]])
        free = ~ways.barriers.find_crossing(segment) | _is_connector(network, edges[nearby])
        point, nearby = point[free], nearby[free]
        off_m = shapely.distance(geometry[mine[point]], network.edge_line[edges[nearby]])
        order = np.lexsort((nearby, off_m, point))
        which, first = np.unique(point[order], return_index=True)
        best.edge[mine] = -1
        _store(geometry, mine[which], network, edges[nearby[order][first]], best)


def _is_connector(network: Network, edge: IntArray) -> BoolArray:
    """Return which edges lead through a gate: the gate is the opening in the wall, so no wall bars the way to it."""
    return np.asarray((network.edge_flags[edge] & CONNECTOR) != 0)


def link_points(geometry: ObjectArray, zone: Int32Array, *, ways: Ways) -> Links:
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
    network = ways.network
    count = geometry.shape[0]
    best = _Best(np.full(count, -1, dtype=np.int32), np.zeros(count), np.zeros(count))
    # what has no place, or none with finite coordinates, is near to nothing
    is_somewhere = np.isfinite(shapely.bounds(geometry)).all(axis=1)
    edge_order = np.argsort(network.edge_zone, kind="stable")
    edge_zones = network.edge_zone[edge_order]
    for value, members in group_rows(zone):
        first, last = np.searchsorted(edge_zones, [value, value + 1])
        edges = np.sort(edge_order[first:last])
        edges = edges[ways.is_walkable[edges]]
        rows = members[is_somewhere[members]]
        if edges.size == 0 or rows.size == 0:
            continue
        _link_nearest(geometry, rows, ways, edges, best)
        linked = rows[best.edge[rows] >= 0]
        chosen = best.edge[linked].astype(np.int64)
        segment, _ = _foot(geometry[linked], network.edge_line[chosen])
        blocked = linked[ways.barriers.find_crossing(segment) & ~_is_connector(network, chosen)]
        if blocked.size:
            _relink_blocked(geometry, blocked, ways, edges, best)
    return _to_links(best, network)


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


def find_zone_of(network: Network, edge: Int32Array) -> Int32Array:
    """Return the compound number of linked edges, -1 outside and for unlinked points.

    Parameters
    ----------
    network
        The compiled network.
    edge
        Edges of links, -1 for none, shape (n,).
    """
    return np.where(edge >= 0, network.edge_zone[np.maximum(edge, 0)], OUTSIDE).astype(np.int32)
