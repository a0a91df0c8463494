"""The routable whole: streets, walls and gates compiled into compressed sparse rows.

The compiled network is a bundle of plain arrays, written once per street version and memory-mapped by every worker.
Nodes stand in Morton order, edges in the order of their streets. Costs are not stored: each walking profile derives
its own from edge lengths and flags (:mod:`geo.costs`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from geo.errors import DataError
from geo.topology import join_edges, join_ends, morton_order
from geo.units import BoolArray, FloatArray, Int32Array, IntArray, ObjectArray, to_mm
from geo.walls import OUTSIDE, Pieces, Walls, cut_at_walls

GATE_REACH_M = 20.0
"""A gate opens onto a way at most this far from it; farther ones are listed as unattached (setting of the run)."""

CLOSED_ON_FOOT = 1
STEPS = 2
NO_WHEELCHAIR = 4
CONNECTOR = 8
"""Edge flags; a connector is the way through a gate, from outside (`edge_a`) to inside (`edge_b`)."""

SHUT = 16
UNBARRED = 32
"""What edits make of a way beside the flags above: closed to vehicles too, or open to all its class is for."""

SNAP_SPLIT_M = 0.01
"""A cut nearer than this to an end of the line is that end."""

LARGEST_DEGREE = 360.0
"""No metric CRS in use has a whole street network this near to its origin."""

FARTHEST_M = 1e8
"""No metric CRS in use has a place this far from its origin; zone numbers before the easting included."""

LINE = int(shapely.GeometryType.LINESTRING)

MAX_EDGE_M = 1_000_000.0
"""A longer street is a broken coordinate, not a street."""


@dataclass(frozen=True, slots=True)
class Streets:
    """Street lines in the metric CRS, before they are tied together.

    Attributes
    ----------
    street_id
        Store id of each street, ascending, shape (n,).
    line
        LineStrings in the metric CRS, shape (n,).
    flags
        Edge flags of each street, shape (n,).
    is_private
        True where only people who live inside may walk; outside a compound that closes the way, shape (n,).
    node_a, node_b
        Node ids of the source at both ends, 0 where there are none, shape (n,).
    """

    street_id: IntArray
    line: ObjectArray
    flags: npt.NDArray[np.uint8]
    is_private: BoolArray
    node_a: IntArray
    node_b: IntArray


@dataclass(frozen=True, slots=True)
class Gates:
    """Ways into compounds.

    Attributes
    ----------
    gate_id
        Store id of each gate, ascending, shape (g,).
    point
        Points in the metric CRS, shape (g,).
    zone
        Number of the gate's compound in :class:`geo.walls.Walls`, shape (g,).
    opens_to_all
        True where anybody may pass, False where only residents of the compound may, shape (g,).
    """

    gate_id: IntArray
    point: ObjectArray
    zone: Int32Array
    opens_to_all: BoolArray


@dataclass(frozen=True)
class Network:
    """A compiled street network; every array may be memory-mapped and must not be written to.

    Attributes
    ----------
    metric_crs
        CRS of all coordinates, for example ``EPSG:4547``.
    node_x_mm, node_y_mm
        Node positions in millimetres, shape (n,).
    indptr, adj_node, adj_edge
        Compressed sparse rows: neighbours of node ``u`` are ``adj_node[indptr[u]:indptr[u + 1]]`` over edges
        ``adj_edge``; every edge stands in two rows.
    edge_a, edge_b, edge_mm
        End nodes and length in millimetres of each edge, shape (m,).
    edge_street
        Store id of the street an edge belongs to, 0 for a connector, shape (m,).
    edge_zone
        Compound number the edge lies in, -1 outside, shape (m,).
    edge_flags
        Bits of :data:`CLOSED_ON_FOOT`, :data:`STEPS`, :data:`NO_WHEELCHAIR`, :data:`CONNECTOR`, shape (m,).
    edge_gate
        Row of the gate a connector passes, -1 for streets, shape (m,).
    geom_ptr, geom_xy
        Vertices of edge ``e`` are ``geom_xy[geom_ptr[e]:geom_ptr[e + 1]]`` in metres of the metric CRS.
    compound_id
        Store id of each enforced compound, shape (c,).
    gate_id, gate_zone, gate_open_to_all
        The gates, shape (g,); an unattached gate has no connector.
    """

    metric_crs: str
    node_x_mm: IntArray
    node_y_mm: IntArray
    indptr: IntArray
    adj_node: Int32Array
    adj_edge: Int32Array
    edge_a: Int32Array
    edge_b: Int32Array
    edge_mm: IntArray
    edge_street: IntArray
    edge_zone: Int32Array
    edge_flags: npt.NDArray[np.uint8]
    edge_gate: Int32Array
    geom_ptr: IntArray
    geom_xy: FloatArray
    compound_id: IntArray
    gate_id: IntArray
    gate_zone: Int32Array
    gate_open_to_all: BoolArray

    @property
    def node_count(self) -> int:
        """Return how many nodes there are."""
        return int(self.node_x_mm.shape[0])

    @property
    def edge_count(self) -> int:
        """Return how many edges there are, connectors included."""
        return int(self.edge_a.shape[0])

    @cached_property
    def edge_line(self) -> ObjectArray:
        """Return the edges as LineStrings in the metric CRS, shape (m,)."""
        index = np.repeat(np.arange(self.edge_count), np.diff(self.geom_ptr))
        return np.asarray(shapely.linestrings(self.geom_xy, indices=index), dtype=object)

    @cached_property
    def node_zone(self) -> Int32Array:
        """Return the compound number each node lies in, -1 outside, shape (n,)."""
        zone = np.full(self.node_count, OUTSIDE, dtype=np.int32)
        street = self.edge_gate < 0
        zone[self.edge_a[street]] = self.edge_zone[street]
        zone[self.edge_b] = self.edge_zone
        return zone

    def measure_parts(self) -> tuple[int, float]:
        """Return how many parts do not connect on foot, gates included, and the share of length of the largest."""
        parent = join_edges(self.edge_a, self.edge_b, self.node_count)
        length = np.bincount(parent[self.edge_a], weights=self.edge_mm, minlength=self.node_count)
        parts = int((np.bincount(parent[self.edge_a], minlength=self.node_count) > 0).sum())
        total = float(length.sum())
        return parts, float(length.max()) / total if total else 1.0

    def find_unattached_gates(self) -> IntArray:
        """Return the store ids of gates that open onto no way."""
        attached = np.zeros(self.gate_id.shape[0], dtype=bool)
        attached[self.edge_gate[self.edge_gate >= 0]] = True
        return self.gate_id[~attached]

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return every array by name, for writing to disk."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "metric_crs"}


@dataclass(slots=True)
class Draft:
    """Edges on their way into the network, before their ends are joined; each operation returns a new set of arrays.

    Attributes
    ----------
    line, street, zone, flags, gate
        As ``edge_line``, ``edge_street``, ``edge_zone``, ``edge_flags`` and ``edge_gate`` of :class:`Network`.
    node_a, node_b
        Node ids of the source at both ends, 0 where there are none, shape (m,).
    """

    line: ObjectArray
    street: IntArray
    zone: Int32Array
    flags: npt.NDArray[np.uint8]
    gate: Int32Array
    node_a: IntArray
    node_b: IntArray


def _check(streets: Streets) -> None:
    if streets.line.shape[0] == 0:
        raise DataError(
            "compiling the street network: there are no streets",
            hint="load streets first: onemap load streets FILE",
        )
    odd = np.flatnonzero((shapely.get_type_id(streets.line) != LINE) | shapely.is_empty(streets.line))
    if odd.size:
        raise DataError(f"compiling the street network: street {streets.street_id[odd[0]]} is no line")
    xy, row = shapely.get_coordinates(streets.line, return_index=True)
    finite = np.isfinite(xy).all(axis=1)
    if not finite.all():
        bad = streets.street_id[row[~finite][0]]
        raise DataError(f"compiling the street network: street {bad} has no finite coordinates in the metric CRS")
    bounds = shapely.bounds(streets.line)
    size_m = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    if float(size_m.max()) > MAX_EDGE_M:
        bad = streets.street_id[int(size_m.argmax())]
        raise DataError(
            f"compiling the street network: street {bad} is {size_m.max() / 1000:.0f} km long, expected under 1,000 km",
            hint="check the datum the streets were loaded with",
        )
    if float(np.abs(xy).max()) > FARTHEST_M:
        raise DataError("compiling the street network: coordinates lie off the earth, expected metres")
    if float(np.abs(xy).max()) <= LARGEST_DEGREE:
        raise DataError(
            "compiling the street network: coordinates look like degrees, expected metres",
            hint="project the streets to the store's metric CRS first",
        )


def _pieces_to_draft(streets: Streets, pieces: Pieces) -> Draft:
    origin = pieces.origin
    flags = streets.flags[origin].copy()
    flags[streets.is_private[origin] & (pieces.zone == OUTSIDE)] |= CLOSED_ON_FOOT
    whole = pieces.is_whole
    return Draft(
        line=pieces.line,
        street=streets.street_id[origin],
        zone=pieces.zone,
        flags=flags,
        gate=np.full(origin.shape[0], -1, dtype=np.int32),
        node_a=np.where(whole, streets.node_a[origin], 0),
        node_b=np.where(whole, streets.node_b[origin], 0),
    )


def _nearest_edge(draft: Draft, rows: IntArray, gates: Gates, wanted: IntArray) -> tuple[IntArray, FloatArray]:
    """Return for each wanted gate the draft edge among `rows` to attach to (-1 for none) and the place along it."""
    edge = np.full(wanted.shape[0], -1, dtype=np.int64)
    place_m = np.zeros(wanted.shape[0])
    if rows.size == 0 or wanted.size == 0:
        return edge, place_m
    tree = shapely.STRtree(draft.line[rows])
    found = tree.query_nearest(gates.point[wanted], max_distance=GATE_REACH_M, all_matches=True)
    which = np.unique(found[0])
    # found pairs come in no promised order: take the lowest edge among equals
    lowest = np.full(wanted.shape[0], np.iinfo(np.int64).max)
    np.minimum.at(lowest, found[0], found[1])
    edge[which] = rows[lowest[which]]
    place_m[which] = shapely.line_locate_point(draft.line[edge[which]], gates.point[wanted[which]])
    return edge, place_m


def _attach(draft: Draft, gates: Gates) -> tuple[IntArray, FloatArray, IntArray, FloatArray]:
    """Return for every gate its outer and inner edge (-1 for none) and the places along them in metres."""
    everyone = np.arange(gates.gate_id.shape[0])
    walkable = (draft.flags & CLOSED_ON_FOOT) == 0
    outer, outer_m = _nearest_edge(draft, np.flatnonzero(walkable & (draft.zone == OUTSIDE)), gates, everyone)
    inner = np.full(everyone.shape[0], -1, dtype=np.int64)
    inner_m = np.zeros(everyone.shape[0])
    order = np.argsort(draft.zone, kind="stable")
    order = order[walkable[order]]
    zones = draft.zone[order]
    for zone in np.unique(gates.zone):
        rows = order[np.searchsorted(zones, zone) : np.searchsorted(zones, zone, side="right")]
        mine = np.flatnonzero(gates.zone == zone)
        inner[mine], inner_m[mine] = _nearest_edge(draft, np.sort(rows), gates, mine)
    return outer, outer_m, inner, inner_m


def _split(draft: Draft, edge: IntArray, place_m: FloatArray) -> Draft:
    """Return the draft with the given edges cut at the given places (metres along each)."""
    length_m = shapely.length(draft.line[edge])
    inner = (place_m > SNAP_SPLIT_M) & (place_m < length_m - SNAP_SPLIT_M)
    edge, place_m = edge[inner], place_m[inner]
    if edge.size == 0:
        return draft
    cut_edges = np.unique(edge)
    keep = np.ones(draft.line.shape[0], dtype=bool)
    keep[cut_edges] = False
    lines: list[object] = []
    origin: list[int] = []
    ends: list[tuple[bool, bool]] = []
    for row in cut_edges:
        parts = cut_line(draft.line[row], place_m[edge == row].tolist())
        lines += parts
        origin += [int(row)] * len(parts)
        ends += [(number == 0, number == len(parts) - 1) for number in range(len(parts))]
    rows = np.concatenate([np.flatnonzero(keep), np.array(origin, dtype=np.int64)])
    is_first = np.concatenate([np.ones(int(keep.sum()), dtype=bool), np.array([e[0] for e in ends])])
    is_last = np.concatenate([np.ones(int(keep.sum()), dtype=bool), np.array([e[1] for e in ends])])
    line = np.concatenate([draft.line[keep], np.array(lines, dtype=object)])
    order = np.argsort(rows, kind="stable")
    rows, is_first, is_last, line = rows[order], is_first[order], is_last[order], line[order]
    return Draft(
        line=line,
        street=draft.street[rows],
        zone=draft.zone[rows],
        flags=draft.flags[rows],
        gate=draft.gate[rows],
        node_a=np.where(is_first, draft.node_a[rows], 0),
        node_b=np.where(is_last, draft.node_b[rows], 0),
    )


def cut_line(line: object, places_m: list[float]) -> list[object]:
    """Return the parts of a line cut at places along it; places at its ends or nearly equal cut nothing.

    Parameters
    ----------
    line
        A LineString.
    places_m
        Metres along the line.
    """
    length_m = float(shapely.length(line))
    stops = [0.0]
    for place in sorted(places_m):
        if place - stops[-1] > SNAP_SPLIT_M and length_m - place > SNAP_SPLIT_M:
            stops.append(place)
    if len(stops) == 1:
        return [line]
    return [_substring(line, start, end) for start, end in pairwise([*stops, length_m])]


def _substring(line: object, start_m: float, end_m: float) -> object:
    """Return the part of a line between two places along it."""
    xy = shapely.get_coordinates(line)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    inside = (along > start_m) & (along < end_m)
    first = np.array([np.interp(start_m, along, xy[:, 0]), np.interp(start_m, along, xy[:, 1])])
    last = np.array([np.interp(end_m, along, xy[:, 0]), np.interp(end_m, along, xy[:, 1])])
    return shapely.linestrings(np.vstack([first, xy[inside], last]))


def _add_connectors(draft: Draft, gates: Gates) -> Draft:
    """Return the draft with one connector edge for every gate that opens onto an outside way."""
    if gates.gate_id.shape[0] == 0:
        return draft
    outer, outer_m, inner, inner_m = _attach(draft, gates)
    ok = np.flatnonzero(outer >= 0)
    foot_out = shapely.line_interpolate_point(draft.line[outer[ok]], outer_m[ok])
    has_inner = inner[ok] >= 0
    foot_in = gates.point[ok].copy()
    foot_in[has_inner] = shapely.line_interpolate_point(draft.line[inner[ok][has_inner]], inner_m[ok][has_inner])
    coordinates = np.stack(
        [shapely.get_coordinates(foot_out), shapely.get_coordinates(gates.point[ok]), shapely.get_coordinates(foot_in)],
        axis=1,
    )
    connector = np.asarray(shapely.linestrings(coordinates), dtype=object)
    edge = np.concatenate([outer[ok], inner[ok][has_inner]])
    place = np.concatenate([outer_m[ok], inner_m[ok][has_inner]])
    draft = _split(draft, edge, place)
    count = ok.shape[0]
    return Draft(
        line=np.concatenate([draft.line, connector]),
        street=np.concatenate([draft.street, np.zeros(count, dtype=np.int64)]),
        zone=np.concatenate([draft.zone, gates.zone[ok]]),
        flags=np.concatenate([draft.flags, np.full(count, CONNECTOR, dtype=np.uint8)]),
        gate=np.concatenate([draft.gate, ok.astype(np.int32)]),
        node_a=np.concatenate([draft.node_a, np.zeros(count, dtype=np.int64)]),
        node_b=np.concatenate([draft.node_b, np.zeros(count, dtype=np.int64)]),
    )


def draft_edges(streets: Streets, *, walls: Walls, gates: Gates) -> Draft:
    """Return the edges of the streets: cut at walls, split at gates, then one connector for each gate with a way.

    What becomes of a street depends on the walls it meets and the gates within 20 m of it, and what becomes of a gate
    on the streets within 20 m of it, on nothing else; so a few streets can be drafted anew among their surroundings.

    Parameters
    ----------
    streets, walls, gates
        As for :func:`build_network`.
    """
    return _add_connectors(_pieces_to_draft(streets, cut_at_walls(streets.line, walls)), gates)


def find_ends(draft: Draft) -> tuple[IntArray, IntArray, Int32Array, IntArray]:
    """Return position in millimetres, zone and source node id of all line ends: first ends, then last ends.

    Parameters
    ----------
    draft
        The edges, shape (m,); every answer has shape (2 m,).
    """
    xy, line = shapely.get_coordinates(draft.line, return_index=True)
    first, last = np.ones((2, line.shape[0]), dtype=bool)
    first[1:] = last[:-1] = line[1:] != line[:-1]
    xy_mm = to_mm(np.concatenate([xy[first], xy[last]]))
    # a connector starts outside and ends inside: its first end joins outside ways, its last end ways of the compound
    zone_a = np.where(draft.gate >= 0, OUTSIDE, draft.zone)
    zone = np.concatenate([zone_a, draft.zone]).astype(np.int32)
    return xy_mm[:, 0], xy_mm[:, 1], zone, np.concatenate([draft.node_a, draft.node_b])


def build_network(streets: Streets, *, walls: Walls, gates: Gates, metric_crs: str) -> Network:
    """Return the compiled network of the streets, walls and gates.

    Streets are cut where they cross the wall of a compound; pieces on both sides stay apart but for a connector edge at
    each gate. The streets themselves may already be cut at junctions or not: lines connect at their ends alone.

    Parameters
    ----------
    streets
        The streets in the metric CRS.
    walls
        Enforced compounds, those with at least one gate.
    gates
        Their gates.
    metric_crs
        CRS the coordinates are in, recorded with every run.

    Returns
    -------
    Network
        Nodes in Morton order; same input, same bytes.

    Raises
    ------
    DataError
        There are no streets, a coordinate is not finite, or the coordinates are degrees.
    """
    _check(streets)
    draft = draft_edges(streets, walls=walls, gates=gates)
    x, y, zone, node_id = find_ends(draft)
    junction = join_ends(x, y, zone=zone, node_id=node_id)
    count = int(junction.max()) + 1
    edges = draft.line.shape[0]
    first_end = np.full(count, x.shape[0], dtype=np.int64)
    np.minimum.at(first_end, junction, np.arange(x.shape[0]))
    order = morton_order(x[first_end], y[first_end])
    number = np.empty(count, dtype=np.int64)
    number[order] = np.arange(count)
    edge_a, edge_b = number[junction[:edges]], number[junction[edges:]]
    xy, index = shapely.get_coordinates(draft.line, return_index=True)
    indptr, adj_node, adj_edge = _rows(edge_a, edge_b, count)
    return Network(
        metric_crs=metric_crs,
        node_x_mm=x[first_end][order],
        node_y_mm=y[first_end][order],
        indptr=indptr,
        adj_node=adj_node,
        adj_edge=adj_edge,
        edge_a=edge_a.astype(np.int32),
        edge_b=edge_b.astype(np.int32),
        edge_mm=to_mm(shapely.length(draft.line)),
        edge_street=draft.street,
        edge_zone=draft.zone.astype(np.int32),
        edge_flags=draft.flags,
        edge_gate=draft.gate,
        geom_ptr=np.searchsorted(index, np.arange(edges + 1)).astype(np.int64),
        geom_xy=xy,
        compound_id=walls.compound_id,
        gate_id=gates.gate_id,
        gate_zone=gates.zone,
        gate_open_to_all=gates.opens_to_all,
    )


def _rows(edge_a: IntArray, edge_b: IntArray, node_count: int) -> tuple[IntArray, Int32Array, Int32Array]:
    """Return the compressed sparse rows of an undirected edge list; neighbours stand in edge order."""
    edges = np.arange(edge_a.shape[0])
    tail = np.concatenate([edge_a, edge_b])
    head = np.concatenate([edge_b, edge_a])
    edge = np.concatenate([edges, edges])
    order = np.lexsort((edge, tail))
    indptr = np.searchsorted(tail[order], np.arange(node_count + 1)).astype(np.int64)
    return indptr, head[order].astype(np.int32), edge[order].astype(np.int32)
