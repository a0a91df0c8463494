"""Cut a study area into parts that are computed alone and together give the same bytes as the whole.

The inputs are cut, not the compiled network: a part reads its cell with a margin, compiles, links and searches that,
and keeps what belongs to its cell. Nothing that is drawn is clipped: a street, compound, barrier or site that meets the
part is read whole, with whatever could change how it is cut, split or joined (:func:`spread_boxes`).

The margin follows from how far one can walk within the bound, but it is not trusted: every part proves its own answer.
A fence is put where ways leave the inner box; no walk from beyond it can reach a home sooner than a walk from the
fence. Where an answer is not better than that, the margin was too small and the part is read again with a larger one
(:func:`find_unproved`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.errors import RequestError
from geo.link import Entrances, Links
from geo.topology import join_edges
from geo.units import BoolArray, FloatArray, IntArray, to_mm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geo.network import Network
    from geo.reach import Reach

MAX_PARTS = 100_000
"""More parts than this are a typing error."""

DEGREE_M = 110_500.0
"""Metres of a degree of latitude, a little less than the shortest (110,574 m at the equator, WGS-84)."""

MARGIN_SLACK = 1.02
"""Costs are rounded to milliseconds edge by edge; a margin a little larger saves reading a part twice."""

NEAR_M = 100.0
"""How far the drawing of a street depends on what lies around it: gates attach within 20 m, ends are joined within
20 m, and the street a gate or an end prefers may itself depend on its own surroundings."""

ABSORB_M = 200.0
"""What sticks out of a box by less is covered by a larger box, what sticks out farther gets a box of its own."""

EMPTY_BOXES = np.empty((0, 4), dtype=np.float64)


def split_cells(x: FloatArray, y: FloatArray, parts: int) -> FloatArray:
    """Return cells that tile the plane and hold about equally many points each.

    Parameters
    ----------
    x, y
        Places of what is to be shared out evenly, shape (n,).
    parts
        How many cells.

    Returns
    -------
    FloatArray
        West, south, east, north, infinite at the outer sides, shape (parts, 4). A cell holds its west and south sides
        and not the others. The cut crosses the longer side; the order of the points does not matter.

    Raises
    ------
    RequestError
        The number of parts is out of range.
    """
    if not 1 <= parts <= MAX_PARTS:
        raise RequestError(f"cutting into {parts} parts: expected 1 to {MAX_PARTS:,}", parameter="parts")
    cells: list[tuple[float, float, float, float]] = []
    todo = [(np.stack([x, y]), (-np.inf, -np.inf, np.inf, np.inf), parts)]
    while todo:
        xy, cell, count = todo.pop()
        if count == 1:
            cells.append(cell)
            continue
        extent = np.ptp(xy, axis=1) if xy.shape[1] else np.zeros(2)
        axis = int(extent[1] > extent[0])
        low = count // 2
        rank = xy.shape[1] * low // count
        # a cell without points is cut anywhere within it
        anywhere = min(max(0.0, cell[axis]), cell[axis + 2])
        at = float(np.partition(xy[axis], rank)[rank]) if xy.shape[1] else anywhere
        right = xy[axis] >= at
        before, after = list(cell), list(cell)
        before[axis + 2] = after[axis] = at
        todo.append((xy[:, right], tuple(after), count - low))  # type: ignore[arg-type]
        todo.append((xy[:, ~right], tuple(before), low))  # type: ignore[arg-type]
    return np.array(cells)


def find_middles(boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the middle of each box, by which it belongs to a cell.

    Parameters
    ----------
    boxes
        West, south, east, north, shape (n, 4).
    """
    return (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2


def find_inside(boxes: FloatArray, cell: Sequence[float]) -> BoolArray:
    """Return which boxes have their middle in a cell, shape (n,).

    Parameters
    ----------
    boxes
        West, south, east, north, shape (n, 4).
    cell
        One row of :func:`split_cells`.
    """
    x, y = find_middles(boxes)
    return np.asarray((x >= cell[0]) & (y >= cell[1]) & (x < cell[2]) & (y < cell[3]))


def grow_boxes(boxes: FloatArray, metres: float) -> FloatArray:
    """Return boxes in degrees grown by at least so many metres on every side, shape (n, 4).

    Parameters
    ----------
    boxes
        West, south, east, north in degrees, shape (n, 4).
    metres
        How far.
    """
    high = metres / DEGREE_M
    widest = np.minimum(np.maximum(np.abs(boxes[:, 1]), np.abs(boxes[:, 3])) + high, 89.0)
    wide = high / np.cos(np.radians(widest))
    return np.stack([boxes[:, 0] - wide, boxes[:, 1] - high, boxes[:, 2] + wide, boxes[:, 3] + high], axis=1)


def join_boxes(boxes: FloatArray) -> FloatArray:
    """Return the box around boxes, shape (1, 4); none around none."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])[None, :] if boxes.size else boxes


def absorb_boxes(main: FloatArray, others: FloatArray) -> FloatArray:
    """Return boxes that cover a main box and others: the main one grown over what is near, and the far ones.

    Parameters
    ----------
    main
        Boxes in degrees, the first of them the main one, shape (k, 4).
    others
        Boxes that must be covered too, shape (n, 4).
    """
    if others.shape[0] == 0:
        return main
    room = grow_boxes(main[:1], ABSORB_M)[0]
    near = (others[:, :2] >= room[:2]).all(axis=1) & (others[:, 2:] <= room[2:]).all(axis=1)
    return np.concatenate([join_boxes(np.concatenate([main[:1], others[near]])), main[1:], others[~near]])


def spread_boxes(
    first: FloatArray, find_streets: Callable[[FloatArray], FloatArray], *, near_m: float = NEAR_M
) -> tuple[FloatArray, FloatArray]:
    """Return the boxes in which streets and gates, and those in which compounds must be read.

    Streets that meet `first` and streets that meet those shall come out exactly as in the whole. Each depends on the
    gates and streets near it, those on the compounds they meet.

    Parameters
    ----------
    first
        Boxes in degrees in which streets must be exact, the main one first, shape (k, 4).
    find_streets
        Returns the boxes of the streets that meet any of some boxes; those that lie within the first may be left out.
    near_m
        How far the drawing of a street depends on its surroundings, metres.
    """
    boxes = first
    for _ in range(2):
        boxes = absorb_boxes(grow_boxes(boxes, near_m), grow_boxes(find_streets(boxes), near_m))
    return boxes, absorb_boxes(boxes, grow_boxes(find_streets(boxes), near_m))


def find_inner_box(rim_xy: FloatArray, inset_m: float) -> tuple[float, float, float, float]:
    """Return the upright box in the metric CRS that keeps a distance from the rim of a box drawn in degrees.

    Parameters
    ----------
    rim_xy
        Points along the west, south, east and north side in metres of the metric CRS, shape (4, n, 2).
    inset_m
        Distance to keep, metres.
    """
    west, south, east, north = rim_xy
    return (
        float(west[:, 0].max()) + inset_m,
        float(south[:, 1].max()) + inset_m,
        float(east[:, 0].min()) - inset_m,
        float(north[:, 1].min()) - inset_m,
    )


def make_fence(network: Network, inner: Sequence[float]) -> Entrances:
    """Return a made-up facility (row 0) with an entrance wherever an edge leaves a box.

    Whatever lies beyond the box is at least as far from every home inside as the nearest of these entrances.

    Parameters
    ----------
    network
        A compiled network.
    inner
        West, south, east, north in metres of its CRS. Homes outside it are not fenced in at all.
    """
    x, y = network.geom_xy[:, 0], network.geom_xy[:, 1]
    outside = (x < inner[0]) | (y < inner[1]) | (x > inner[2]) | (y > inner[3])
    starts = network.geom_ptr[:-1]
    # a straight piece between two corners inside stays inside: boxes are convex
    leaves = np.flatnonzero(np.logical_or.reduceat(outside, starts)) if outside.size else np.empty(0, dtype=np.int64)
    line = network.edge_line[leaves]
    ring = shapely.boundary(shapely.box(*inner))
    cut = np.asarray(shapely.intersection(line, ring), dtype=object)
    xy, which = shapely.get_coordinates(cut, return_index=True)
    place = to_mm(shapely.line_locate_point(line[which], shapely.points(xy).reshape(-1)))
    edge = leaves[which]
    nothing = np.zeros(edge.shape[0], dtype=np.int64)
    return Entrances(nothing, Links(edge.astype(np.int32), np.clip(place, 0, network.edge_mm[edge]), nothing))


def find_unproved(reach: Reach, fence: Reach, bound_s: float) -> BoolArray:
    """Return which answers something beyond the fence could still change, shape (homes,).

    Parameters
    ----------
    reach
        Nearest facilities found in the part.
    fence
        Reach of the fence from the same homes, searched at least as far.
    bound_s
        Longest walk searched for `reach`, in seconds.
    """
    in_the_way = (fence.reach_ms >= 0) & (fence.reach_ms <= bound_s * 1000)
    # at equal cost a facility beyond might have the lower number
    better = (reach.reach_ms >= 0) & (reach.reach_ms < fence.reach_ms)
    return np.asarray(in_the_way & ~better)


@dataclass(frozen=True)
class Census:
    """What a part's own streets and gates add to the figures about the whole network.

    Attributes
    ----------
    nodes, edges
        Nodes and edges that count here and in no other part.
    piece_mm
        Length of each connected piece of own edges, shape (p,).
    joint_key
        Names of the nodes where own edges meet those of other parts: source id, ordinal and end of the first line end
        there; the same node has the same name in every part, shape (j, 3).
    joint_piece
        Piece each of them belongs to, shape (j,).
    """

    nodes: int
    edges: int
    piece_mm: IntArray
    joint_key: IntArray
    joint_piece: IntArray


def count_own(network: Network, is_own: BoolArray) -> Census:
    """Return what a part's own edges add to the whole.

    Parameters
    ----------
    network
        The part's network, exact at its own edges and those they meet.
    is_own
        Which edges are the part's own: every edge of the whole is the own edge of exactly one part, shape (edges,).
    """
    edges = np.arange(network.edge_count)
    first = np.full(network.node_count, 2 * network.edge_count, dtype=np.int64)
    np.minimum.at(first, network.edge_b, edges + network.edge_count)
    np.minimum.at(first, network.edge_a, edges)
    first_edge = first % max(network.edge_count, 1)
    own = np.flatnonzero(is_own)
    root = join_edges(network.edge_a[own], network.edge_b[own], network.node_count)
    roots, piece = np.unique(root[network.edge_a[own]], return_inverse=True)
    piece_mm = np.zeros(roots.shape[0], dtype=np.int64)
    np.add.at(piece_mm, piece.reshape(-1), network.edge_mm[own])
    touched = np.zeros((2, network.node_count), dtype=bool)
    for row, mine in enumerate((is_own, ~is_own)):
        touched[row, network.edge_a[mine]] = True
        touched[row, network.edge_b[mine]] = True
    joint = np.flatnonzero(touched.all(axis=0))
    gate_id = np.append(network.gate_id, 0)[network.edge_gate]
    source = np.where(network.edge_gate >= 0, -gate_id, network.edge_street)
    _, start, which = np.unique(source, return_index=True, return_inverse=True)
    ordinal = edges - start[which.reshape(-1)]
    at = first_edge[joint]
    return Census(
        nodes=int(is_own[first_edge].sum()),
        edges=int(own.shape[0]),
        piece_mm=piece_mm,
        joint_key=np.stack([source[at], ordinal[at], first[joint] >= network.edge_count], axis=1).astype(np.int64),
        joint_piece=np.searchsorted(roots, root[joint]).astype(np.int64),
    )


@dataclass(frozen=True, slots=True)
class WholeCount:
    """Figures about the whole network: as :meth:`geo.network.Network.measure_parts` gives them, and its size."""

    nodes: int
    edges: int
    street_parts: int
    largest_share: float


def add_up(parts: Sequence[Census]) -> WholeCount:
    """Return the figures about the whole network from those of all parts.

    Parameters
    ----------
    parts
        One for each part.
    """
    offset = np.concatenate([[0], np.cumsum([p.piece_mm.shape[0] for p in parts])]).astype(np.int64)
    key = np.concatenate([p.joint_key for p in parts])
    piece = np.concatenate([p.joint_piece + shift for p, shift in zip(parts, offset[:-1], strict=True)])
    order = np.lexsort(key.T)
    same = (key[order][1:] == key[order][:-1]).all(axis=1)
    tail, head = piece[order][:-1][same], piece[order][1:][same]
    count = int(offset[-1])
    root = join_edges(tail.astype(np.int32), head.astype(np.int32), count)
    length = np.zeros(count, dtype=np.int64)
    np.add.at(length, root, np.concatenate([p.piece_mm for p in parts]))
    total = float(length.sum())
    return WholeCount(
        nodes=sum(p.nodes for p in parts),
        edges=sum(p.edges for p in parts),
        street_parts=int(np.unique(root).shape[0]),
        largest_share=float(length.max()) / total if total else 1.0,
    )
