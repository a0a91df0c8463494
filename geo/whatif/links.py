"""Links of homes and entrances of facilities after an edit: only those it can have moved are linked anew.

A link goes to the nearest way it can go to, so it moves only where its way is gone or a way came that is as near or
nearer. Linking itself is :mod:`geo.link`, asked on the few edges around.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.link import Entrances, Links, Ways, link_points, link_sites
from geo.places import Places
from geo.units import MM_PER_M, BoolArray, FloatArray, Int32Array, IntArray, ObjectArray
from geo.whatif.edits import Facilities
from geo.whatif.overlay import take_all
from geo.whatif.patch import order_edges
from geo.whatif.patch_index import BoxGrid, grow
from geo.whatif.straight import take_places

if TYPE_CHECKING:
    from geo.linking.barriers import Barriers
    from geo.whatif.overlay import EntranceBook
    from geo.whatif.patch import Patched
    from geo.whatif.patch_work import Patchwork

FIRST_LOOK_M = 60.0
"""Most links are shorter; only what is not linked within it is asked again up to the full link distance."""

_SLACK_MM = 2
_SLACK_M = 0.01
_AREAS = (3, 6)


@dataclass(frozen=True)
class LinkRules:
    """How far links reach and what stops them."""

    barriers: Barriers
    max_link_m: float
    outline_reach_m: float


@dataclass(frozen=True)
class Moved:
    """Homes whose link is not the base's, by row.

    Attributes
    ----------
    rows
        Rows of the homes, ascending, shape (k,).
    links
        Their links now, shape (k,).
    """

    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    links: Links = field(
        default_factory=lambda: Links(
            np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        )
    )

    def look_up(self, rows: IntArray, base: Links) -> Links:
        """Return the links of some homes as they are now.

        Parameters
        ----------
        rows
            Rows of homes.
        base
            Links of all homes in the base.
        """
        edge, place, off = base.edge[rows], base.place_mm[rows], base.off_mm[rows]
        if self.rows.size:
            at = np.minimum(np.searchsorted(self.rows, rows), self.rows.size - 1)
            mine = self.rows[at] == rows
            edge[mine] = self.links.edge[at[mine]]
            place[mine] = self.links.place_mm[at[mine]]
            off[mine] = self.links.off_mm[at[mine]]
        return Links(edge, place, off)

    def put(self, rows: IntArray, links: Links) -> Moved:
        """Return these with some more, which count for more.

        Parameters
        ----------
        rows
            Rows of homes, ascending.
        links
            Their links.
        """
        stay = np.isin(self.rows, rows, invert=True)
        every = np.concatenate([self.rows[stay], rows])
        order = np.argsort(every)
        return Moved(every[order], _take(_concatenate(_take(self.links, np.flatnonzero(stay)), links), order))


def _take(links: Links, at: IntArray) -> Links:
    return Links(links.edge[at], links.place_mm[at], links.off_mm[at])


def _concatenate(one: Links, other: Links) -> Links:
    return Links(
        np.concatenate([one.edge, other.edge]).astype(np.int32),
        np.concatenate([one.place_mm, other.place_mm]),
        np.concatenate([one.off_mm, other.off_mm]),
    )


def measure_bounds(geometry: ObjectArray | Places) -> FloatArray:
    """Return the boxes around geometries, shape (n, 4)."""
    if not isinstance(geometry, Places):
        return np.asarray(shapely.bounds(geometry), dtype=np.float64).reshape(-1, 4)
    bounds = np.concatenate([geometry.xy, geometry.xy], axis=1)
    bounds[geometry.shape_row] = shapely.bounds(geometry.shape).reshape(-1, 4)
    return bounds


def _ways(work: Patchwork, edges: IntArray, rules: LinkRules) -> Ways:
    """Return some edges as ways to link to; they must stand in the order of the whole network."""
    return Ways(
        work.take(edges),
        np.ones(edges.shape[0], dtype=bool),
        rules.barriers,
        rules.max_link_m,
        rules.outline_reach_m,
    )


def _find_ways(work: Patchwork, geometry: ObjectArray, within_m: float) -> IntArray:
    """Return the edges that may be walked within a distance of any of some places, and some more."""
    return order_edges(work, work.find_in_boxes(grow(measure_bounds(geometry), within_m + _SLACK_M)))


def _link_among(work: Patchwork, geometry: ObjectArray, zone: Int32Array, edges: IntArray, rules: LinkRules) -> Links:
    if edges.size == 0 or geometry.shape[0] == 0:
        nothing = np.zeros(geometry.shape[0], dtype=np.int64)
        return Links(np.full(geometry.shape[0], -1, dtype=np.int32), nothing, nothing.copy())
    links = link_points(geometry, zone, ways=_ways(work, edges, rules))
    edge = np.where(links.edge >= 0, edges[np.maximum(links.edge, 0)], -1).astype(np.int32)
    return Links(edge, links.place_mm, links.off_mm)


def _link_anew(work: Patchwork, geometry: ObjectArray, zone: Int32Array, rules: LinkRules) -> Links:
    """Return the links of places by asking all ways around."""
    near_m = min(FIRST_LOOK_M, rules.max_link_m)
    links = _link_among(work, geometry, zone, _find_ways(work, geometry, near_m), rules)
    again = np.flatnonzero((links.edge < 0) | (links.off_mm >= near_m * MM_PER_M))
    if again.size == 0 or near_m == rules.max_link_m:
        return links
    far = _link_among(work, geometry[again], zone[again], _find_ways(work, geometry[again], rules.max_link_m), rules)
    links.edge[again], links.place_mm[again], links.off_mm[again] = far.edge, far.place_mm, far.off_mm
    return links


def _is_nearer(
    work: Patchwork, found: IntArray, geometry: ObjectArray, zone: Int32Array, off_mm: IntArray
) -> BoolArray:
    """Return for which places one of some edges of their zone lies within their off-street millimetres."""
    near = np.zeros(geometry.shape[0], dtype=bool)
    edge_zone = work["edge_zone"][found]
    lines = work.lines_of(found)
    for value in np.unique(edge_zone):
        mine = np.flatnonzero(zone == value)
        if mine.size == 0:
            continue
        tree = shapely.STRtree(lines[edge_zone == value])
        reach_m = (float(off_mm[mine].max()) + _SLACK_MM) / MM_PER_M
        (at, _), metres = tree.query_nearest(
            geometry[mine], max_distance=reach_m, all_matches=False, return_distance=True
        )
        near[mine[at]] = metres * MM_PER_M <= off_mm[mine[at]] + _SLACK_MM
    return near


@dataclass(frozen=True)
class HomeBook:
    """The homes of a base, by place and by edge.

    Attributes
    ----------
    places, zone, links
        Where walks start, and as in :class:`geo.whatif.base.Base`.
    grid
        The homes by place.
    edge_ptr, row
        Rows of the homes by edge: those of edge ``e`` are ``row[edge_ptr[e]:edge_ptr[e + 1]]``.
    """

    places: Places
    zone: Int32Array
    links: Links
    grid: BoxGrid
    edge_ptr: Int32Array
    row: Int32Array

    def take(self, rows: IntArray) -> ObjectArray:
        """Return where the walks of some homes start."""
        return take_places(self.places, rows).make_geometry()

    def rows_on(self, edges: IntArray) -> IntArray:
        """Return the rows of the homes the base links to some edges."""
        known = edges[edges < self.edge_ptr.shape[0] - 1]
        parts = [self.row[self.edge_ptr[e] : self.edge_ptr[e + 1]] for e in known.tolist()]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)


def relink_homes(
    work: Patchwork, book: HomeBook, moved: Moved, patched: Patched, rules: LinkRules
) -> tuple[Moved, IntArray]:
    """Return the links of homes after a patch, and the rows of those whose link it changed.

    Parameters
    ----------
    work
        The walk after the patch.
    book
        The homes.
    moved
        Links before the patch where they are not the base's.
    patched
        What the patch changed.
    rules
        How far links reach.
    """
    left = np.setdiff1d(book.rows_on(patched.lost), moved.rows)
    left = np.union1d(left, moved.rows[np.isin(moved.links.edge, patched.lost)]).astype(np.int64)
    near = np.empty(0, dtype=np.int64)
    if patched.found.size:
        boxes = grow(measure_bounds(work.lines_of(patched.found)), rules.max_link_m + _SLACK_M)
        near = np.setdiff1d(book.grid.find(boxes), left)
        now = moved.look_up(near, book.links)
        off_mm = np.where(now.edge >= 0, now.off_mm, round(rules.max_link_m * MM_PER_M))
        near = near[_is_nearer(work, patched.found, book.take(near), book.zone[near], off_mm)]
    anew = _link_anew(work, book.take(left), book.zone[left], rules)
    now = moved.look_up(near, book.links)
    edges = order_edges(work, np.union1d(patched.found, now.edge[now.edge >= 0]).astype(np.int64))
    better = _link_among(work, book.take(near), book.zone[near], edges, rules)
    rows = np.concatenate([left, near])
    order = np.argsort(rows)
    rows, links = rows[order], _take(_concatenate(anew, better), order)
    was = moved.look_up(rows, book.links)
    differs = (was.edge != links.edge) | (was.place_mm != links.place_mm) | (was.off_mm != links.off_mm)
    changed = np.flatnonzero(differs)
    if changed.size == 0:
        return moved, changed
    return moved.put(rows[changed], _take(links, changed)), rows[changed]


@dataclass(frozen=True)
class SiteBook:
    """The facilities of a base by place."""

    grid: BoxGrid
    count: int


def _find_near_sites(
    work: Patchwork,
    book: SiteBook,
    facilities: Facilities,
    entrances: EntranceBook,
    patched: Patched,
    rules: LinkRules,
) -> IntArray:
    """Return the rows of the facilities that could be entered from edges that came."""
    if patched.found.size == 0:
        return np.empty(0, dtype=np.int64)
    reach_m = rules.max_link_m + rules.outline_reach_m + _SLACK_M
    boxes = grow(measure_bounds(work.lines_of(patched.found)), reach_m)
    count = facilities.zone.shape[0]
    # rows that were moved or added are not where the grid has them: ask them all
    elsewhere = np.concatenate([np.array(sorted(facilities.moved), dtype=np.int64), np.arange(book.count, count)])
    rows = np.union1d(book.grid.find(boxes), elsewhere).astype(np.int64)
    geometry = facilities.geometry[rows]
    off_mm = np.full(rows.size, round(rules.max_link_m * MM_PER_M), dtype=np.int64)
    entered = entrances.take(rows)
    off_mm[np.searchsorted(rows, entered.facility)] = entered.links.off_mm
    off_mm[np.isin(shapely.get_type_id(geometry), _AREAS)] = round(reach_m * MM_PER_M)
    return rows[_is_nearer(work, patched.found, geometry, facilities.zone[rows], off_mm)]


def relink_sites(
    work: Patchwork, book: SiteBook, facilities: Facilities, entrances: EntranceBook, patched: Patched, rules: LinkRules
) -> IntArray:
    """Return the rows of the facilities whose entrances a patch can have moved.

    Parameters
    ----------
    work
        The walk after the patch.
    book
        The facilities of the base.
    facilities
        The facilities after the edits.
    entrances
        Their entrances before the patch.
    patched
        What the patch changed.
    rules
        How far links reach.
    """
    left = entrances.find_on(np.unique(patched.lost))
    return np.union1d(left, _find_near_sites(work, book, facilities, entrances, patched, rules)).astype(np.int64)


def find_sites_at(facilities: Facilities, gate_point: ObjectArray, rules: LinkRules) -> IntArray:
    """Return the rows of the outlines on which any of some gates stand.

    Parameters
    ----------
    facilities
        The facilities.
    gate_point
        Gates, metric CRS.
    rules
        How far links reach.
    """
    if gate_point.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    geometry = take_all(facilities.geometry)
    sites = np.flatnonzero(np.isin(shapely.get_type_id(geometry), _AREAS))
    if sites.size == 0:
        return sites
    outline = shapely.boundary(geometry[sites])
    found = shapely.STRtree(gate_point).query(outline, predicate="dwithin", distance=rules.outline_reach_m + _SLACK_M)
    return np.unique(sites[found[0]])


def enter_sites(
    work: Patchwork, facilities: Facilities, rows: IntArray, gate_point: ObjectArray, rules: LinkRules
) -> Entrances:
    """Return the entrances of some facilities as they are now.

    Parameters
    ----------
    work
        The walk as it is.
    facilities
        The facilities.
    rows
        Rows of those to enter.
    gate_point
        Gates by which sites may be entered.
    rules
        How far links reach.
    """
    if rows.size == 0:
        return Entrances(rows, Links(np.empty(0, dtype=np.int32), rows, rows))
    is_area = np.isin(shapely.get_type_id(facilities.geometry[rows]), _AREAS)
    if not is_area.any():
        links = _link_anew(work, facilities.geometry[rows], facilities.zone[rows], rules)
        at = np.flatnonzero(links.edge >= 0)
        return Entrances(rows[at], _take(links, at))
    near_m = min(FIRST_LOOK_M, rules.max_link_m)
    first = _enter(work, facilities, rows, gate_point, replace(rules, max_link_m=near_m))
    at_gates = find_sites_at(replace(facilities, geometry=facilities.geometry[rows]), gate_point, rules)
    settled = np.isin(rows, first.facility)
    settled[at_gates] = False
    settled[np.isin(rows, first.facility[first.links.off_mm >= near_m * MM_PER_M])] = False
    again = rows[~settled]
    if again.size == 0:
        return first
    far = _enter(work, facilities, again, gate_point, rules)
    keep = np.flatnonzero(np.isin(first.facility, again, invert=True))
    return Entrances(
        np.concatenate([first.facility[keep], far.facility]), _concatenate(_take(first.links, keep), far.links)
    )


def _enter(
    work: Patchwork, facilities: Facilities, rows: IntArray, gate_point: ObjectArray, rules: LinkRules
) -> Entrances:
    geometry = facilities.geometry[rows]
    edges = _find_ways(work, geometry, rules.max_link_m + rules.outline_reach_m)
    if edges.size == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Entrances(nothing, Links(np.empty(0, dtype=np.int32), nothing, nothing))
    made = link_sites(geometry, facilities.zone[rows], ways=_ways(work, edges, rules), gate_point=gate_point)
    links = made.links
    return Entrances(rows[made.facility], Links(edges[links.edge].astype(np.int32), links.place_mm, links.off_mm))
