"""An engine that shares nothing with ours but the rule of rounding: SciPy's Dijkstra, homes and doors as nodes.

A part of an edge costs what the whole edge costs times its share, rounded half up to a millisecond; every other cost is
a sum of whole milliseconds. So answers are equal or one of the engines is wrong: no tolerance is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.units import NO_COST

if TYPE_CHECKING:
    from geo.link import Entrances, Links
    from geo.reach import Walk
    from geo.units import IntArray, UInt32Array

AnyArray = npt.NDArray[Any]

STEPS_MAX = 1 << 17
"""Ways are told apart by milliseconds, then by arcs: SciPy drops arcs of weight 0, so each arc weighs one more."""


def share_ms(cost: UInt32Array, part_mm: IntArray, whole_mm: IntArray) -> IntArray:
    """Return what parts of edges cost, rounded half up; nothing on edges without length."""
    doubled = 2 * cost.astype(np.int64) * part_mm + whole_mm
    return np.where(whole_mm == 0, 0, doubled // np.maximum(2 * whole_mm, 1))


@dataclass
class SplitGraph:
    """A walk with homes and facilities as nodes of their own, numbered behind those of the network."""

    walk: Walk
    homes: Links
    doors: Entrances
    facilities: int

    def list_arcs(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return tail, head and milliseconds of every arc, walked from homes to facilities."""
        net, walk = self.walk.network, self.walk
        nodes = net.node_count
        tails: list[AnyArray] = [net.edge_a, net.edge_b]
        heads: list[AnyArray] = [net.edge_b, net.edge_a]
        costs: list[AnyArray] = [walk.cost_ab, walk.cost_ba]
        home = np.flatnonzero(self.homes.edge >= 0)
        edge, place = self.homes.edge[home], self.homes.place_mm[home]
        off = walk.off_ms(self.homes.off_mm[home])
        whole = net.edge_mm[edge]
        for node, cost, part in (
            (net.edge_a[edge], walk.cost_ba[edge], place),
            (net.edge_b[edge], walk.cost_ab[edge], whole - place),
        ):
            tails.append(nodes + home)
            heads.append(node)
            costs.append(np.where(cost == NO_COST, NO_COST, share_ms(cost, part, whole) + off))
        first = nodes + self.homes.edge.shape[0]
        door = self.doors.links
        door_off = walk.off_ms(door.off_mm)
        length = net.edge_mm[door.edge]
        for node, cost, part in (
            (net.edge_a[door.edge], walk.cost_ab[door.edge], door.place_mm),
            (net.edge_b[door.edge], walk.cost_ba[door.edge], length - door.place_mm),
        ):
            tails.append(node)
            heads.append(first + self.doors.facility)
            costs.append(np.where(cost == NO_COST, NO_COST, share_ms(cost, part, length) + door_off))
        # both on one edge: along it
        one, other = np.nonzero(edge[:, None] == door.edge[None, :])
        along = door.place_mm[other] - place[one]
        ab, ba = walk.cost_ab[edge[one]], walk.cost_ba[edge[one]]
        cost = np.where(along == 0, np.minimum(ab, ba), np.where(along > 0, ab, ba)).astype(np.uint32)
        tails.append(nodes + home[one])
        heads.append(first + self.doors.facility[other])
        straight = share_ms(cost, np.abs(along), whole[one]) + off[one] + door_off[other]
        costs.append(np.where(cost == NO_COST, NO_COST, straight))
        tail, head, ms = (np.concatenate(x).astype(np.int64) for x in (tails, heads, costs))
        is_open = ms < NO_COST
        return tail[is_open], head[is_open], ms[is_open]

    def matrix_ms(self, bound_ms: int) -> IntArray:
        """Return milliseconds from every home to every facility, -1 beyond the bound, shape (facilities, homes)."""
        tail, head, ms = self.list_arcs()
        weight = ms * STEPS_MAX + 1
        # of arcs between the same nodes only the cheapest counts; SciPy would add them up
        order = np.lexsort((weight, head, tail))
        tail, head, weight = tail[order], head[order], weight[order]
        keep = np.r_[True, (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])] & (tail != head)
        first = self.walk.network.node_count
        last = first + self.homes.edge.shape[0]
        size = last + self.facilities
        turned = csr_array((weight[keep].astype(np.float64), (head[keep], tail[keep])), shape=(size, size))
        limit = float(bound_ms * STEPS_MAX + STEPS_MAX - 1)
        found = dijkstra(turned, indices=np.arange(last, size), limit=limit)[:, first:last]
        reached = np.isfinite(found)
        answer = np.full(found.shape, -1, dtype=np.int64)
        answer[reached] = found[reached] // STEPS_MAX
        return answer


def nearest_of(matrix_ms: IntArray) -> tuple[IntArray, IntArray]:
    """Return the least milliseconds of each home and the lowest facility that has them, -1 for none."""
    far = np.where(matrix_ms < 0, np.iinfo(np.int64).max, matrix_ms)
    row = far.argmin(axis=0)
    ms = far[row, np.arange(far.shape[1])]
    none = ms == np.iinfo(np.int64).max
    return np.where(none, -1, ms), np.where(none, -1, row)
