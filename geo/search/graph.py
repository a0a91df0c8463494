"""The network as one walker may use it, laid out for searching.

A search runs from facilities backwards, so the row of a node lists the neighbours a walk can come from. Closed ways,
residents' gates and ways that end where they began are not in it: nothing has to be tested in the loop. The gates of
a compound stand apart (:class:`GateArcs`), because only the homes inside may pass them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from geo.network import Network
from geo.units import LONGEST_MS, NO_COST, BoolArray, Int32Array, IntArray, UInt32Array

_SAMPLE = 4096


@dataclass(frozen=True)
class Graph:
    """Ways anybody may walk, by the node they lead to.

    Attributes
    ----------
    first, last
        Arcs of node ``u`` are those from ``first[u]`` up to but not including ``last[u]``, shape (nodes,). Rows may
        stand in any order and apart from each other.
    arc_node
        Neighbour the walk comes from, shape (arcs,).
    arc_ms
        Milliseconds to walk from that neighbour to the node whose row the arc stands in, at most LONGEST_MS,
        shape (arcs,).
    """

    first: Int32Array
    last: Int32Array
    arc_node: Int32Array
    arc_ms: UInt32Array

    @property
    def node_count(self) -> int:
        """Return how many nodes there are."""
        return int(self.first.shape[0])

    @property
    def arc_count(self) -> int:
        """Return how many arcs there is room for; some may belong to no row."""
        return int(self.arc_node.shape[0])

    @cached_property
    def typical_ms(self) -> int:
        """Return the median milliseconds of some arcs, at least 1: how far a step leads, not a figure to show."""
        some = self.arc_ms[:: max(self.arc_count // _SAMPLE, 1)]
        return max(int(np.median(some)), 1) if some.size else 1


@dataclass(frozen=True)
class GateArcs:
    """Residents' gates by compound: what is known at one side counts at the other, for homes of that compound only.

    Attributes
    ----------
    ptr
        Arcs of compound ``c`` are those from ``ptr[c]`` up to but not including ``ptr[c + 1]``, shape (compounds + 1,).
    from_node, to_node
        The label of ``from_node`` extends to ``to_node``: walks go the other way, shape (k,).
    ms
        Milliseconds to walk from ``to_node`` to ``from_node``, shape (k,).
    """

    ptr: IntArray
    from_node: Int32Array
    to_node: Int32Array
    ms: UInt32Array


def find_residents_gates(network: Network) -> BoolArray:
    """Return which edges are gates that only residents may pass, shape (edges,).

    Parameters
    ----------
    network
        The compiled network.
    """
    gate = network.edge_gate
    closed = np.zeros(gate.shape[0], dtype=bool)
    passes = gate >= 0
    closed[passes] = ~network.gate_open_to_all[gate[passes]]
    return closed


def build_graph(network: Network, cost_ab: UInt32Array, cost_ba: UInt32Array) -> Graph:
    """Return the ways anybody may walk; arcs of a row stand in the order of their edges.

    Parameters
    ----------
    network
        The compiled network.
    cost_ab, cost_ba
        Milliseconds of each edge both ways, NO_COST where closed, shape (edges,).
    """
    edge = network.adj_edge
    tail = np.repeat(np.arange(network.node_count, dtype=np.int32), np.diff(network.indptr))
    from_a = network.edge_a[edge] == network.adj_node
    arc_ms = np.where(from_a, cost_ab[edge], cost_ba[edge]).astype(np.uint32)
    keep = (arc_ms != NO_COST) & ~find_residents_gates(network)[edge] & (tail != network.adj_node)
    ends = np.cumsum(np.bincount(tail[keep], minlength=network.node_count)).astype(np.int32)
    first = np.concatenate([np.zeros(1, dtype=np.int32), ends[:-1]])
    return Graph(first, ends, np.ascontiguousarray(network.adj_node[keep]), np.minimum(arc_ms[keep], LONGEST_MS))


def build_gate_arcs(network: Network, cost_ab: UInt32Array, cost_ba: UInt32Array) -> GateArcs:
    """Return the residents' gates by compound, in the order of their edges.

    Parameters
    ----------
    network
        The compiled network.
    cost_ab, cost_ba
        Milliseconds of each edge both ways, NO_COST where closed, shape (edges,).
    """
    gates = np.flatnonzero(find_residents_gates(network))
    a, b = network.edge_a[gates], network.edge_b[gates]
    zone = np.concatenate([network.edge_zone[gates]] * 2)
    from_node, to_node = np.concatenate([b, a]), np.concatenate([a, b])
    ms = np.concatenate([cost_ab[gates], cost_ba[gates]])
    keep = np.flatnonzero(ms != NO_COST)
    keep = keep[np.lexsort((np.concatenate([gates, gates])[keep], zone[keep]))]
    ptr = np.searchsorted(zone[keep], np.arange(network.compound_id.shape[0] + 1)).astype(np.int64)
    return GateArcs(ptr, from_node[keep].astype(np.int32), to_node[keep].astype(np.int32), ms[keep].astype(np.uint32))
