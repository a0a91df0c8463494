"""Kernels that lay out rows by node, and find the edges at nodes."""

from __future__ import annotations

from numba import njit

from geo.units import Int32Array, UInt32Array
from geo.whatif.repair import MarkArray


@njit(cache=True, nogil=True)
def find_edges_at(
    node: Int32Array,
    count: int,
    row_first: Int32Array,
    row_last: Int32Array,
    row_edge: Int32Array,
    edge_zone: Int32Array,
    edge_mark: MarkArray,
    zone_mark: MarkArray,
    edges: Int32Array,
) -> int:
    """List the public edges at some nodes once each, and mark the compounds of the others.

    Parameters
    ----------
    node, count
        Nodes, of which the first `count` are asked.
    row_first, row_last, row_edge
        Edges by node.
    edge_zone
        Compound number of each edge, -1 outside, shape (edges,).
    edge_mark
        Zero everywhere, before and after, shape (edges,).
    zone_mark
        Set to 1 for compounds with an edge at one of the nodes, shape (compounds,).
    edges
        The answer, shape (edges,).

    Returns
    -------
    int
        How many entries of `edges` are filled.
    """
    found = 0
    for i in range(count):
        for at in range(row_first[node[i]], row_last[node[i]]):
            edge = row_edge[at]
            if edge_zone[edge] >= 0:
                zone_mark[edge_zone[edge]] = 1
            elif edge_mark[edge] == 0:
                edge_mark[edge] = 1
                edges[found] = edge
                found += 1
    for i in range(found):
        edge_mark[edges[i]] = 0
    return found


@njit(cache=True, nogil=True)
def turn_rows(
    first: Int32Array,
    last: Int32Array,
    arc_node: Int32Array,
    arc_ms: UInt32Array,
    turned_first: Int32Array,
    turned_last: Int32Array,
    turned_node: Int32Array,
    turned_ms: UInt32Array,
) -> None:
    """Fill the rows of a graph turned round: each arc by the node it leads to.

    Parameters
    ----------
    first, last, arc_node, arc_ms
        The graph; every arc belongs to one row.
    turned_first, turned_last, turned_node, turned_ms
        The answer, shapes as given.
    """
    turned_first[:] = 0
    for node in range(first.shape[0]):
        for arc in range(first[node], last[node]):
            turned_first[arc_node[arc]] += 1
    total = 0
    for node in range(first.shape[0]):
        many = turned_first[node]
        turned_first[node] = total
        turned_last[node] = total
        total += many
    for node in range(first.shape[0]):
        for arc in range(first[node], last[node]):
            at = turned_last[arc_node[arc]]
            turned_node[at] = node
            turned_ms[at] = arc_ms[arc]
            turned_last[arc_node[arc]] += 1


@njit(cache=True, nogil=True)
def list_edges_by_node(
    end_a: Int32Array, end_b: Int32Array, row_first: Int32Array, row_last: Int32Array, row_edge: Int32Array
) -> None:
    """Fill the edges of every node; an edge that ends where it began stands there once.

    Parameters
    ----------
    end_a, end_b
        Nodes at both ends, shape (edges,).
    row_first, row_last
        Row of each node, zero on entry, shape (nodes,).
    row_edge
        The answer, shape (2 edges,).
    """
    for edge in range(end_a.shape[0]):
        row_last[end_a[edge]] += 1
        if end_b[edge] != end_a[edge]:
            row_last[end_b[edge]] += 1
    total = 0
    for node in range(row_first.shape[0]):
        many = row_last[node]
        row_first[node] = total
        row_last[node] = total
        total += many
    for edge in range(end_a.shape[0]):
        row_edge[row_last[end_a[edge]]] = edge
        row_last[end_a[edge]] += 1
        if end_b[edge] != end_a[edge]:
            row_edge[row_last[end_b[edge]]] = edge
            row_last[end_b[edge]] += 1
