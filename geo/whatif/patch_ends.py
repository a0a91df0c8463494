"""Which line ends are one junction after some edges died and others came, among those it can have changed for.

A junction is a set of ends tied together end by end (:mod:`geo.topology`). One that lost an end can fall apart, one
that a new end lies near can grow; all others stay. So the ends of these junctions and the new ends are tied anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.network import GATE_REACH_M, Draft, find_ends
from geo.topology import SNAP_MM, join_ends
from geo.units import MM_PER_M, BoolArray, Int32Array, IntArray, to_mm
from geo.walls import OUTSIDE
from geo.whatif.patch_work import Patchwork, find_ends_of

if TYPE_CHECKING:
    from geo.whatif.edits import Plan

_NEAR_MM = 2 * SNAP_MM


@dataclass(frozen=True)
class _Ends:
    """Line ends that may be one junction, shape (n,): of edges that stay (their node given) or new ones (-1)."""

    x_mm: IntArray
    y_mm: IntArray
    zone: Int32Array
    node_id: IntArray
    node: IntArray
    edge: IntArray
    is_last: BoolArray


def _ends_of(work: Patchwork, edge: IntArray) -> _Ends:
    """Return both ends of edges that are there, first ends first."""
    first, last = find_ends_of(work.lines_of(edge))
    xy = to_mm(np.concatenate([first, last]))
    zone = work["edge_zone"][edge]
    zone_a = np.where(work["edge_gate"][edge] >= 0, OUTSIDE, zone)
    return _Ends(
        x_mm=xy[:, 0],
        y_mm=xy[:, 1],
        zone=np.concatenate([zone_a, zone]).astype(np.int32),
        node_id=np.concatenate([work["id_a"][edge], work["id_b"][edge]]),
        node=np.concatenate([work["exit_a"][edge], work["exit_b"][edge]]).astype(np.int64),
        edge=np.concatenate([edge, edge]),
        is_last=np.repeat([False, True], edge.shape[0]),
    )


def _nodes_near(
    work: Patchwork, plan: Plan, dead: IntArray, *, x_mm: IntArray, y_mm: IntArray, node_id: IntArray
) -> IntArray:
    """Return the nodes whose junction a line end at one of some places, or with one of some node ids, could join."""
    if x_mm.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    points = np.asarray(shapely.points(x_mm / MM_PER_M, y_mm / MM_PER_M), dtype=object)
    near = plan.book.find_near(points, _NEAR_MM / MM_PER_M)
    wanted = np.unique(node_id[node_id > 0])
    if wanted.size:
        near |= plan.book.find_by_node(wanted)
    tree = shapely.STRtree(points)
    edges = np.concatenate([work.edges_of(np.array(sorted(near), dtype=np.int64)), _connectors_near(work, plan, tree)])
    edges = edges[np.isin(edges, dead, invert=True)]
    ends = _ends_of(work, edges)
    places = shapely.points(ends.x_mm / MM_PER_M, ends.y_mm / MM_PER_M)
    close = tree.query(places, predicate="dwithin", distance=_NEAR_MM / MM_PER_M)[0]
    same_id = np.isin(ends.node_id, wanted) & (ends.node_id > 0)
    return np.unique(np.concatenate([ends.node[close], ends.node[same_id]]))


def _connectors_near(work: Patchwork, plan: Plan, tree: shapely.STRtree) -> IntArray:
    """Return the ways through gates that could end at one of some places."""
    connector = work.connectors()
    point = plan.gates.point[work["edge_gate"][connector]]
    reach_m = GATE_REACH_M + 2 * _NEAR_MM / MM_PER_M
    near: IntArray = connector[np.unique(tree.query(point, predicate="dwithin", distance=reach_m)[0])]
    return near


def _number_nodes(junction: IntArray, node: IntArray, next_node: int) -> IntArray:
    """Return the node of every end: junctions keep a node they had where they can, others get new numbers."""
    number = np.full(int(junction.max(initial=-1)) + 1, -1, dtype=np.int64)
    taken: set[int] = set()
    for j, old in zip(junction.tolist(), node.tolist(), strict=True):
        if old >= 0 and number[j] < 0 and old not in taken:
            number[j] = old
            taken.add(old)
    fresh = np.flatnonzero(number < 0)
    number[fresh] = next_node + np.arange(fresh.size)
    return number[junction]


@dataclass(frozen=True)
class Tie:
    """Nodes of the new edges, and ends of old edges that get another node."""

    new_a: IntArray
    new_b: IntArray
    moved_edge: IntArray
    moved_is_last: BoolArray
    moved_node: IntArray


def _ends_at(work: Patchwork, nodes: IntArray, dead: IntArray) -> _Ends:
    """Return the ends of all edges at some nodes but those that will be no more; their other ends are among them."""
    return _ends_of(work, np.setdiff1d(work.edges_at(nodes)[0], dead))


def tie_ends(work: Patchwork, plan: Plan, dead: IntArray, draft: Draft) -> Tie:
    """Return which ends are one junction now, asked of those it can have changed for.

    Parameters
    ----------
    work
        The walk, still as it was before.
    plan
        The town with the edits.
    dead
        Edges that will be no more.
    draft
        Edges that will be appended.
    """
    x, y, zone, node_id = find_ends(draft)
    gone = np.concatenate([work["exit_a"][dead], work["exit_b"][dead]]).astype(np.int64)
    nodes = np.union1d(gone, _nodes_near(work, plan, dead, x_mm=x, y_mm=y, node_id=node_id)).astype(np.int64)
    ends = _ends_at(work, nodes, dead)
    named = np.flatnonzero(ends.node_id > 0)
    if named.size:
        # ends of one node id stand where the first of them does; where that one went they stand elsewhere now
        more = _nodes_near(work, plan, dead, x_mm=ends.x_mm[named], y_mm=ends.y_mm[named], node_id=ends.node_id[named])
        nodes = np.union1d(nodes, more).astype(np.int64)
        ends = _ends_at(work, nodes, dead)
    mine = np.flatnonzero(np.isin(ends.node, nodes))
    count = draft.line.shape[0]
    gate = np.concatenate([work["edge_gate"][ends.edge[mine]], draft.gate, draft.gate]).astype(np.int64)
    street = np.concatenate([work["edge_street"][ends.edge[mine]], draft.street, draft.street])
    edge = np.concatenate([ends.edge[mine], *[work.counts["edges"] + np.arange(count)] * 2])
    is_last = np.concatenate([ends.is_last[mine], np.repeat([False, True], count)])
    # ends of one node id stand where the first of them does: so they must come as in a whole network
    order = np.lexsort((edge, np.where(gate >= 0, gate, street), gate >= 0, is_last))
    junction = join_ends(
        np.concatenate([ends.x_mm[mine], x])[order],
        np.concatenate([ends.y_mm[mine], y])[order],
        zone=np.concatenate([ends.zone[mine], zone]).astype(np.int32)[order],
        node_id=np.concatenate([ends.node_id[mine], node_id])[order],
    )
    old = np.concatenate([ends.node[mine], np.full(2 * count, -1)])
    node = np.empty_like(old)
    node[order] = _number_nodes(junction, old[order], work.counts["nodes"])
    moved = np.flatnonzero((old >= 0) & (node != old))
    new = node[mine.size :]
    return Tie(new[:count], new[count:], edge[moved], is_last[moved], node[moved])


_NOTHING = np.empty(0, dtype=np.int64)
NOTHING_TIED = Tie(_NOTHING, _NOTHING, _NOTHING, np.empty(0, dtype=bool), _NOTHING)
