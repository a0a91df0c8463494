"""The routable whole: streets, walls and gates compiled into compressed sparse rows.

The compiled network is a bundle of plain arrays, written once per street version and memory-mapped by every worker.
Nodes stand in Morton order, edges in the order of their streets. Costs are not stored: each walking profile derives
its own from edge lengths and flags (:mod:`geo.costs`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from geo.corners import Corners, check_lines, find_near
from geo.gates import attach_gates
from geo.topology import join_edges, join_ends, lay_out_rows, morton_order
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
class StreetCorners:
    """The same streets with their lines as plain coordinates; the other attributes as in :class:`Streets`."""

    street_id: IntArray
    lines: Corners
    flags: npt.NDArray[np.uint8]
    is_private: BoolArray
    node_a: IntArray
    node_b: IntArray

    @classmethod
    def of(cls, streets: Streets | StreetCorners) -> StreetCorners:
        """Return streets so; those that are so already as they are."""
        if isinstance(streets, StreetCorners):
            return streets
        rest = (streets.flags, streets.is_private, streets.node_a, streets.node_b)
        return cls(streets.street_id, Corners.of(streets.line), *rest)

    def make_streets(self, rows: IntArray | None = None) -> Streets:
        """Return the given rows, None for all, with lines as geometries."""
        every = np.arange(self.lines.count) if rows is None else rows
        return Streets(
            self.street_id[every],
            self.lines.take(every).make_lines(),
            self.flags[every],
            self.is_private[every],
            self.node_a[every],
            self.node_b[every],
        )


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
    is_walkable = (draft.flags & CLOSED_ON_FOOT) == 0
    outer, outer_m, inner, inner_m = attach_gates(
        draft.line, draft.zone, is_walkable, point=gates.point, gate_zone=gates.zone, reach_m=GATE_REACH_M
    )
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
    kept = (draft.street, draft.zone, draft.flags, draft.gate, draft.node_a, draft.node_b)
    return _place_ends(_Edges(Corners.of(draft.line), *kept))


def _place_ends(edges: _Edges) -> tuple[IntArray, IntArray, Int32Array, IntArray]:
    xy, ptr = edges.lines.xy, edges.lines.ptr
    corner = np.concatenate([ptr[:-1], ptr[1:] - 1])
    # a connector starts outside and ends inside: its first end joins outside ways, its last end ways of the compound
    zone_a = np.where(edges.gate >= 0, OUTSIDE, edges.zone)
    zone = np.concatenate([zone_a, edges.zone]).astype(np.int32)
    return to_mm(xy[corner, 0]), to_mm(xy[corner, 1]), zone, np.concatenate([edges.node_a, edges.node_b])


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges with plain coordinates; the other attributes as in :class:`Draft`."""

    lines: Corners
    street: IntArray
    zone: Int32Array
    flags: npt.NDArray[np.uint8]
    gate: Int32Array
    node_a: IntArray
    node_b: IntArray


def _find_bounded(box: FloatArray, walls: Walls, gates: Gates) -> IntArray:
    """Return the streets that a wall may cut or a gate may open onto, by their boxes; all others stay as they are."""
    around = np.tile(shapely.get_coordinates(gates.point), 2) + np.array([-1, -1, 1, 1]) * (GATE_REACH_M + 1)
    return np.flatnonzero(find_near(box, np.concatenate([shapely.bounds(walls.polygon).reshape(-1, 4), around])))


def _make_edges(streets: StreetCorners, box: FloatArray, walls: Walls, gates: Gates) -> _Edges:
    """Return the edges of :func:`draft_edges`, with geometries made only of streets that walls or gates may touch."""
    count = streets.lines.count
    flags = streets.flags | np.where(streets.is_private, CLOSED_ON_FOOT, 0).astype(np.uint8)
    nothing = np.full(count, -1, dtype=np.int32)
    plain = _Edges(streets.lines, streets.street_id, nothing, flags, nothing.copy(), streets.node_a, streets.node_b)
    bounded = _find_bounded(box, walls, gates)
    if bounded.size == 0:
        return plain
    few = streets.make_streets(bounded)
    # named by their rows, because joined streets share an id
    draft = draft_edges(replace(few, street_id=bounded), walls=walls, gates=gates)
    row = np.where(draft.gate >= 0, count, draft.street)
    made = _Edges(
        Corners.of(draft.line),
        np.where(draft.gate >= 0, 0, streets.street_id[draft.street]),
        draft.zone,
        draft.flags,
        draft.gate,
        draft.node_a,
        draft.node_b,
    )
    rest = np.delete(np.arange(count), bounded)
    # pieces stand where their street did, connectors at the end
    order = np.argsort(np.concatenate([rest, row]), kind="stable")
    both = [np.concatenate([getattr(plain, f.name)[rest], getattr(made, f.name)])[order] for f in fields(_Edges)[1:]]
    return _Edges(plain.lines.take(rest).append(made.lines).take(order), *both)


def build_network(streets: Streets | StreetCorners, *, walls: Walls, gates: Gates, metric_crs: str) -> Network:
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
    plain = StreetCorners.of(streets)
    length_m, box = plain.lines.measure()
    check_lines(plain.lines, box, plain.street_id)
    made = _make_edges(plain, box, walls, gates)
    if made.lines is not plain.lines:
        length_m, _ = made.lines.measure()
    x, y, zone, node_id = _place_ends(made)
    junction = join_ends(x, y, zone=zone, node_id=node_id)
    count = int(junction.max()) + 1
    edges = made.lines.count
    first_end = np.empty(count, dtype=np.int64)
    # of several ends at one junction the one written last stays: the first
    first_end[junction[::-1]] = np.arange(junction.shape[0])[::-1]
    order = morton_order(x[first_end], y[first_end])
    number = np.empty(count, dtype=np.int32)
    number[order] = np.arange(count, dtype=np.int32)
    edge_a, edge_b = number[junction[:edges]], number[junction[edges:]]
    indptr, adj_node, adj_edge = lay_out_rows(edge_a, edge_b, count)
    return Network(
        metric_crs=metric_crs,
        node_x_mm=x[first_end][order],
        node_y_mm=y[first_end][order],
        indptr=indptr,
        adj_node=adj_node,
        adj_edge=adj_edge,
        edge_a=edge_a,
        edge_b=edge_b,
        edge_mm=to_mm(length_m),
        edge_street=made.street,
        edge_zone=made.zone.astype(np.int32),
        edge_flags=made.flags,
        edge_gate=made.gate,
        geom_ptr=made.lines.ptr,
        geom_xy=made.lines.xy,
        compound_id=walls.compound_id,
        gate_id=gates.gate_id,
        gate_zone=gates.zone,
        gate_open_to_all=gates.opens_to_all,
    )
