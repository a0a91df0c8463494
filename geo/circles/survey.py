"""What circles are drawn from: a walked network with the homes and facilities along each edge, laid out once."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from geo.arrays import join_runs
from geo.link import Entrances, Links
from geo.reach import Homes, Walk
from geo.search.desk import Desk
from geo.search.graph import find_residents_gates
from geo.units import BoolArray, Int32Array, IntArray

DESKS = 4
"""Circles searched at the same time: each takes work arrays of the size of the network."""


@dataclass(frozen=True)
class Points:
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
class EdgesByNode:
    """Edges of node ``u`` are ``edge[ptr[u]:ptr[u + 1]]``."""

    ptr: IntArray
    edge: Int32Array


@dataclass(slots=True)
class CircleDesk:
    """Work arrays of one thread."""

    desk: Desk
    mark: Int32Array
    edge: Int32Array
    turn: int = 0


def _queue_desks(count: int) -> SimpleQueue[CircleDesk | None]:
    """Return places for so many desks; they are made when first taken."""
    desks: SimpleQueue[CircleDesk | None] = SimpleQueue()
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
    homes: Points
    entrances: Points
    edges_toward: EdgesByNode
    edges_away: EdgesByNode
    zone_ptr: IntArray
    zone_edge: Int32Array
    is_gate_node: BoolArray
    gate_node: Int32Array
    gate_zone: Int32Array
    both_ways: bool
    desks: SimpleQueue[CircleDesk | None] = field(default_factory=lambda: _queue_desks(DESKS))

    def take_desk(self) -> CircleDesk:
        """Return work arrays nobody uses, as soon as there are any; put them back into ``desks``."""
        desk = self.desks.get()
        if desk is None:
            edges = self.walk.network.edge_count
            desk = CircleDesk(Desk.make(self.walk, 0), np.zeros(edges, dtype=np.int32), np.empty(edges, dtype=np.int32))
        return desk

    def find_zones(self, node: Int32Array) -> list[int]:
        """Return the compounds with a residents' gate at one of the nodes, ascending."""
        at = np.unique(node[self.is_gate_node[node]])
        first, last = np.searchsorted(self.gate_node, at), np.searchsorted(self.gate_node, at, side="right")
        return [int(zone) for zone in np.unique(self.gate_zone[join_runs(first, last)])]


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


def _list_exits(walk: Walk) -> EdgesByNode:
    """Return the edges by the nodes whose labels count at their ends."""
    network = walk.network
    if walk.exit_a is network.edge_a and walk.exit_b is network.edge_b:
        return EdgesByNode(network.indptr, network.adj_edge)
    # where turns are banned a junction has several nodes
    ptr, row = _group(np.concatenate([walk.exit_a, walk.exit_b]), walk.graph.node_count)
    return EdgesByNode(ptr, (row % network.edge_count).astype(np.int32))


def _by_edge(walk: Walk, links: Links, owner: IntArray) -> Points:
    ptr, row = _group(links.edge, walk.network.edge_count)
    # edges are shorter than 2,147 km, links than 24 days
    columns = (owner[row], links.place_mm[row], walk.off_ms(links.off_mm[row]))
    return Points(ptr, *(column.astype(np.int32) for column in columns))
