"""Turn bans, and the network laid out so that an ordinary search keeps them.

A ban says: who comes over this edge to this node may not go on over that edge. For every edge with a ban at its end the
node is split: who arrives over that edge arrives at a node of its own, from which only the allowed edges leave. So the
graph stays a plain one and the search is exact. Homes read a third kind of node, without ways of its own, that gathers
the arrivals which may turn into the home's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geo.reach import Walk
from geo.search.graph import GateArcs, Graph, find_residents_gates
from geo.units import NO_COST

if TYPE_CHECKING:
    from geo.costs import WalkProfile
    from geo.network import Network
    from geo.units import BoolArray, Int32Array, IntArray, ObjectArray, UInt32Array


@dataclass(frozen=True, slots=True)
class TurnBans:
    """Turns that may not be made.

    Attributes
    ----------
    from_edge, via_node, to_edge
        Who comes over `from_edge` to `via_node` may not go on over `to_edge`, shape (k,). Where both edges are the same
        one, no turning round.
    """

    from_edge: IntArray
    via_node: IntArray
    to_edge: IntArray

    @classmethod
    def none(cls) -> TurnBans:
        """Return no ban at all."""
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, empty)

    @property
    def reversed(self) -> TurnBans:
        """Return the bans of the network driven backwards."""
        return TurnBans(self.to_edge, self.via_node, self.from_edge)


@dataclass(frozen=True, slots=True)
class TurnRules:
    """Turn rules between streets, as they are signed.

    Attributes
    ----------
    from_street, to_street
        Rows of the streets, shape (k,).
    from_end, to_end
        The end of each that lies at the junction: 0 its line's first, 1 its last, shape (k,).
    is_only
        True where nothing but this turn may be made, False where this turn may not be made, shape (k,).
    """

    from_street: IntArray
    from_end: IntArray
    to_street: IntArray
    to_end: IntArray
    is_only: BoolArray


def resolve_rules(
    network: Network, rules: TurnRules, *, street_id: IntArray, line: ObjectArray
) -> tuple[TurnBans, BoolArray]:
    """Return the bans that turn rules between streets mean on the network, and which rules found their place.

    A rule finds none where its streets do not meet in one junction of the network.

    Parameters
    ----------
    network
        The compiled network.
    rules
        Turn rules between streets.
    street_id
        Store id of each street, ascending, shape (n,).
    line
        Lines of the streets in the metric CRS as the network was built from them, shape (n,).
    """
    order = np.argsort(network.edge_street, kind="stable")
    sorted_street = network.edge_street[order]
    found = np.zeros(rules.is_only.shape[0], dtype=bool)
    bans: set[tuple[int, int, int]] = set()

    def locate(street: int, end: int) -> tuple[int, int]:
        """Return the edge of a street that holds an end of its line, and the node there."""
        wanted = street_id[street]
        mine = order[np.searchsorted(sorted_street, wanted) : np.searchsorted(sorted_street, wanted, side="right")]
        if mine.size == 0:
            return -1, -1
        xy = line[street].coords[-1 if end else 0]
        first = network.geom_xy[network.geom_ptr[mine]]
        last = network.geom_xy[network.geom_ptr[mine + 1] - 1]
        apart = np.stack([((first - xy) ** 2).sum(axis=1), ((last - xy) ** 2).sum(axis=1)])
        side, which = np.unravel_index(int(apart.argmin()), apart.shape)
        edge = int(mine[which])
        return edge, int(network.edge_b[edge] if side else network.edge_a[edge])

    for number in range(rules.is_only.shape[0]):
        from_edge, via = locate(int(rules.from_street[number]), int(rules.from_end[number]))
        to_edge, start = locate(int(rules.to_street[number]), int(rules.to_end[number]))
        if via < 0 or via != start:
            continue
        found[number] = True
        if rules.is_only[number]:
            leaving = network.adj_edge[network.indptr[via] : network.indptr[via + 1]]
            bans |= {(from_edge, via, int(other)) for other in leaving if other != to_edge}
        else:
            bans.add((from_edge, via, to_edge))
    rows = np.array(sorted(bans), dtype=np.int64).reshape(-1, 3)
    return TurnBans(rows[:, 0], rows[:, 1], rows[:, 2]), found


@dataclass(frozen=True, slots=True)
class _Split:
    """Nodes split at turn bans."""

    graph: Graph
    exit_a: Int32Array
    exit_b: Int32Array
    seed_a: Int32Array
    seed_b: Int32Array


@dataclass(frozen=True, slots=True)
class _Arcs:
    """Directed ways: over `edge` from `tail` to `head`."""

    tail: IntArray
    head: IntArray
    edge: IntArray
    ms: IntArray


def _drive_arcs(network: Network, cost_ab: UInt32Array, cost_ba: UInt32Array) -> _Arcs:
    """Return every way open to all by the node it leaves; costs as a :class:`Walk` has them, the search's step back."""
    edges = np.arange(network.edge_count)
    tail = np.concatenate([network.edge_a, network.edge_b]).astype(np.int64)
    head = np.concatenate([network.edge_b, network.edge_a]).astype(np.int64)
    edge = np.concatenate([edges, edges])
    ms = np.concatenate([cost_ba, cost_ab]).astype(np.int64)
    keep = np.flatnonzero((ms != NO_COST) & ~np.concatenate([find_residents_gates(network)] * 2))
    order = keep[np.lexsort((head[keep], edge[keep], tail[keep]))]
    return _Arcs(tail[order], head[order], edge[order], ms[order])


def split_nodes(network: Network, cost_ab: UInt32Array, cost_ba: UInt32Array, bans: TurnBans) -> _Split:
    """Return the graph of a search that keeps turn bans, and the nodes that homes read and facilities seed.

    Parameters
    ----------
    network
        The compiled network.
    cost_ab, cost_ba
        Costs as a :class:`geo.reach.Walk` has them: the search steps from b to a at `cost_ab`, shape (edges,).
    bans
        Turns the search may not make.
    """
    nodes, edges = network.node_count, network.edge_count
    arcs = _drive_arcs(network, cost_ab, cost_ba)
    arrival = np.unique(bans.via_node * edges + bans.from_edge)
    via, came_over = arrival // max(edges, 1), arrival % max(edges, 1)
    split = np.arange(arrival.shape[0]) + nodes

    def arrive(edge: IntArray, node: IntArray) -> IntArray:
        """Return where one arrives who comes over an edge to a node."""
        if arrival.size == 0:
            return node
        key = node * edges + edge
        at = np.minimum(np.searchsorted(arrival, key), arrival.shape[0] - 1)
        return np.where(arrival[at] == key, split[at], node)

    # every split node has the ways of its junction but those banned to who came over its edge
    first = np.searchsorted(arcs.tail, via)
    count = np.searchsorted(arcs.tail, via, side="right") - first
    owner = np.repeat(np.arange(arrival.shape[0]), count)
    copy = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    is_banned = _is_banned(bans, came_over[owner], via[owner], arcs.edge[copy], edges)
    owner, copy = owner[~is_banned], copy[~is_banned]
    # an edge at a split junction is read where those arrivals meet that may turn into it
    junction = np.unique(via)
    is_junction = np.zeros(nodes, dtype=bool)
    is_junction[junction] = True
    reader = np.unique(
        np.concatenate(
            [
                end[is_junction[end]].astype(np.int64) * edges + np.flatnonzero(is_junction[end])
                for end in (network.edge_a, network.edge_b)
            ]
        )
    )
    read_node, read_edge = reader // max(edges, 1), reader % max(edges, 1)
    read = np.arange(reader.shape[0]) + nodes + arrival.shape[0]
    first = np.searchsorted(via, read_node)
    count = np.searchsorted(via, read_node, side="right") - first
    which = np.repeat(np.arange(reader.shape[0]), count)
    source = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    allowed = ~_is_banned(bans, came_over[source], via[source], read_edge[which], edges)
    which, source = which[allowed], source[allowed]
    tail = np.concatenate([arcs.tail, split[owner], read_node, split[source]])
    head = np.concatenate([arrive(arcs.edge, arcs.head), arrive(arcs.edge[copy], arcs.head[copy]), read, read[which]])
    free = np.zeros(read.shape[0] + which.shape[0], dtype=np.int64)
    ms = np.concatenate([arcs.ms, arcs.ms[copy], free])
    # ways back to where one stands lead nowhere, except out of a split node
    keep = tail != head
    graph = _to_graph(tail[keep], head[keep], ms[keep], nodes + arrival.shape[0] + reader.shape[0])
    own = np.arange(edges, dtype=np.int64)

    def gather(end: Int32Array) -> Int32Array:
        key = end.astype(np.int64) * edges + own
        at = np.minimum(np.searchsorted(reader, key), max(reader.shape[0] - 1, 0))
        return np.where(is_junction[end], read[at] if reader.size else 0, end).astype(np.int32)

    return _Split(
        graph,
        gather(network.edge_a),
        gather(network.edge_b),
        arrive(own, network.edge_a.astype(np.int64)).astype(np.int32),
        arrive(own, network.edge_b.astype(np.int64)).astype(np.int32),
    )


def _is_banned(bans: TurnBans, from_edge: IntArray, via: IntArray, to_edge: IntArray, edges: int) -> BoolArray:
    """Return which turns are banned; a turn is told by its arrival and the edge it goes on over."""
    arrival = bans.via_node * edges + bans.from_edge
    known, number = np.unique(arrival, return_inverse=True)
    banned = np.unique(number.reshape(-1) * edges + bans.to_edge)
    at = np.searchsorted(known, via * edges + from_edge)
    return np.isin(at * edges + to_edge, banned)


def _to_graph(tail: IntArray, head: IntArray, ms: IntArray, nodes: int) -> Graph:
    order = np.argsort(tail, kind="stable")
    ends = np.cumsum(np.bincount(tail, minlength=nodes)).astype(np.int32)
    first = np.concatenate([np.zeros(1, dtype=np.int32), ends[:-1]])
    return Graph(first, ends, head[order].astype(np.int32), ms[order].astype(np.uint32))


@dataclass(frozen=True)
class Drive(Walk):
    """A network as a vehicle drives it; :func:`geo.reach.find_reach` answers it like a walk.

    Reach by vehicle is response: it is driven from the facility to the building. So, against a walk, costs and graph
    are laid out the other way round: `cost_ab` is what a home at a pays for a facility at b, the drive from b to a.

    Attributes
    ----------
    bans
        Turns the search may not make.
    """

    bans: TurnBans

    @cached_property
    def reversed(self) -> Drive:
        """Return the drive from the building to the facility."""
        return _lay_out(self.network, self.profile, self.cost_ba, self.cost_ab, self.bans.reversed)


def prepare_drive(
    network: Network,
    profile: WalkProfile,
    drive_ab: UInt32Array,
    drive_ba: UInt32Array,
    *,
    bans: TurnBans,
) -> Drive:
    """Return the network as a vehicle drives it from facilities to buildings.

    Parameters
    ----------
    network
        The compiled network; gates that are not open to all stay closed to vehicles.
    profile
        Code, and the pace at which metres off the street are covered.
    drive_ab, drive_ba
        Milliseconds of each edge driven from a to b and from b to a, NO_COST where closed, shape (edges,).
    bans
        Turns that may not be made.
    """
    return _lay_out(network, profile, drive_ba, drive_ab, bans)


def empty_gate_arcs(network: Network) -> GateArcs:
    """Return that no gate is for residents alone: a vehicle passes it for everybody or not at all.

    Parameters
    ----------
    network
        The compiled network.
    """
    empty = np.empty(0, dtype=np.int32)
    ptr = np.zeros(network.compound_id.shape[0] + 1, dtype=np.int64)
    return GateArcs(ptr, empty, empty, np.empty(0, dtype=np.uint32))


def _lay_out(
    network: Network, profile: WalkProfile, cost_ab: UInt32Array, cost_ba: UInt32Array, bans: TurnBans
) -> Drive:
    split = split_nodes(network, cost_ab, cost_ba, bans)
    return Drive(
        network=network,
        profile=profile,
        cost_ab=cost_ab,
        cost_ba=cost_ba,
        graph=split.graph,
        gates=empty_gate_arcs(network),
        exit_a=split.exit_a,
        exit_b=split.exit_b,
        seed_a=split.seed_a,
        seed_b=split.seed_b,
        bans=bans,
    )
