"""A walk that can be patched: the arrays of a search with room for more, and what each patch changed.

One set of large arrays stands for every state a planner tries out: going from one state to the next writes only what
differs, and a journal leads back. Rows of nodes whose ways changed move to the end, as :mod:`geo.search.graph` allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.network import Network
from geo.search.graph import GateArcs, find_residents_gates
from geo.units import NO_COST, BoolArray, FloatArray, Int32Array, IntArray, ObjectArray, UInt32Array
from geo.whatif import repair_rows
from geo.whatif.patch_index import BoxGrid

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.reach import Walk
    from geo.whatif.rules import Rules

Anything = npt.NDArray[Any]

NODES = ("first", "last", "pull_first", "pull_last", "row_first", "row_last")
EDGES = (
    "exit_a",
    "exit_b",
    "edge_mm",
    "cost_ab",
    "cost_ba",
    "edge_zone",
    "edge_flags",
    "edge_gate",
    "edge_street",
    "is_residents",
    "is_walkable",
    "id_a",
    "id_b",
)
ARCS = ("arc_node", "arc_ms")
PULLS = ("pull_node", "pull_ms")
SLOTS = ("row_edge",)
_COUNT_OF = {
    **dict.fromkeys(NODES, "nodes"),
    **dict.fromkeys(EDGES, "edges"),
    **dict.fromkeys(ARCS, "arcs"),
    **dict.fromkeys(PULLS, "pulls"),
    **dict.fromkeys(SLOTS, "slots"),
}
DEAD = -1
"""Street id of an edge that is no more."""

GateRow = tuple[Int32Array, Int32Array, UInt32Array]
"""From, to and milliseconds of a compound's residents' gates, see :class:`geo.search.graph.GateArcs`."""


@dataclass(frozen=True)
class Arcs:
    """Ways a label can go, shape (k,): from `source` to `target` at `ms`."""

    source: Int32Array
    target: Int32Array
    ms: UInt32Array


NO_ARCS = Arcs(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint32))


@dataclass
class Diff:
    """What one patch wrote, to be taken back or written again."""

    entries: list[tuple[str, IntArray, Anything, Anything]] = field(default_factory=list)
    counts: tuple[dict[str, int], dict[str, int]] = field(default_factory=lambda: ({}, {}))
    lines: list[object] = field(default_factory=list)
    gates: list[tuple[int, GateRow, GateRow]] = field(default_factory=list)


class Patchwork:
    """The arrays of one walk as they are in one state."""

    def __init__(self, walk: Walk, load_rules: Callable[[], Rules]) -> None:
        network = walk.network
        self._load_rules = load_rules
        self.network = network
        self.is_plain = bool(
            walk.graph.node_count == network.node_count
            and np.array_equal(walk.exit_a, network.edge_a)
            and np.array_equal(walk.exit_b, network.edge_b)
            and np.array_equal(walk.seed_a, network.edge_a)
            and np.array_equal(walk.seed_b, network.edge_b)
        )
        self.seeds_at = None if self.is_plain else (np.array(walk.seed_a), np.array(walk.seed_b))
        self.base_edges = network.edge_count
        self._base_connectors = np.flatnonzero(network.edge_gate >= 0)
        self.lines: list[object] = []
        self.counts = {
            "nodes": walk.graph.node_count,
            "edges": network.edge_count,
            "arcs": walk.graph.arc_count,
            "pulls": walk.graph.arc_count,
            "slots": 2 * network.edge_count,
        }
        self.gates: dict[int, GateRow] = {}
        self._gate_arcs = walk.gates
        self._journal: Diff | None = None
        self._arrays = {name: _with_room(values) for name, values in _lay_out(walk).items()}

    def __getitem__(self, name: str) -> Anything:
        """Return one array as it is now, spare room included."""
        return self._arrays[name]

    @cached_property
    def rules(self) -> Rules:
        """Return how the profile moves, asked for at the first edit of a street or gate."""
        return self._load_rules()

    @property
    def can_patch(self) -> bool:
        """Return whether what edited streets change can be found from the ways they touch."""
        return self.is_plain and self.rules.can_patch

    def find_residents(self, opens_to_all: BoolArray) -> BoolArray:
        """Return which of some gates only residents may pass.

        Parameters
        ----------
        opens_to_all
            Whether each gate is open to all.
        """
        return np.zeros_like(opens_to_all) if self.rules.passes_gates else ~opens_to_all

    @property
    def seed_a(self) -> Int32Array:
        """Return the node a facility seeds at the first end of each edge."""
        return self._arrays["exit_a"] if self.seeds_at is None else self.seeds_at[0]

    @property
    def seed_b(self) -> Int32Array:
        """Return the node a facility seeds at the last end of each edge."""
        return self._arrays["exit_b"] if self.seeds_at is None else self.seeds_at[1]

    def gates_of(self, zone: int) -> GateRow:
        """Return the residents' gates of a compound."""
        if zone in self.gates:
            return self.gates[zone]
        arcs = self._gate_arcs
        mine = slice(arcs.ptr[zone], arcs.ptr[zone + 1])
        return np.array(arcs.from_node[mine]), np.array(arcs.to_node[mine]), np.array(arcs.ms[mine])

    def list_gates(self) -> GateArcs:
        """Return the residents' gates of all compounds."""
        base = self._gate_arcs
        if not self.gates:
            # plain copies: what is mapped from a file would be another type to a kernel
            return GateArcs(np.array(base.ptr), np.array(base.from_node), np.array(base.to_node), np.array(base.ms))
        rows = [self.gates_of(zone) for zone in range(base.ptr.shape[0] - 1)]
        ptr = np.cumsum([0, *(row[0].shape[0] for row in rows)])
        return GateArcs(ptr, *(np.concatenate([row[part] for row in rows]) for part in range(3)))

    def edges_of(self, street_id: IntArray) -> IntArray:
        """Return the edges of streets that are there now, by edge.

        Parameters
        ----------
        street_id
            Store ids, ascending.
        """
        base = self.network.edge_street[: self.base_edges - self._base_connectors.size]
        first, last = np.searchsorted(base, street_id), np.searchsorted(base, street_id, side="right")
        parts = [np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        now = self._arrays["edge_street"]
        new = now[self.base_edges : self.counts["edges"]]
        parts.append(self.base_edges + np.flatnonzero(np.isin(new, street_id)))
        found = np.concatenate(parts).astype(np.int64)
        there: IntArray = found[(now[found] != DEAD) & (self._arrays["edge_gate"][found] < 0)]
        return there

    @cached_property
    def _grid(self) -> BoxGrid:
        xy, ptr = self.network.geom_xy, self.network.geom_ptr[:-1]
        low, high = np.minimum.reduceat(xy, ptr, axis=0), np.maximum.reduceat(xy, ptr, axis=0)
        return BoxGrid(np.concatenate([low, high], axis=1))

    def find_in_boxes(self, boxes: FloatArray) -> IntArray:
        """Return the edges that may be walked and could meet any of some boxes.

        Parameters
        ----------
        boxes
            West, south, east and north in metres, shape (k, 4).
        """
        found = [self._grid.find(boxes)]
        if self.lines:
            new = BoxGrid(np.asarray(shapely.bounds(np.array(self.lines, dtype=object))))
            found.append(self.base_edges + new.find(boxes))
        edge = np.concatenate(found)
        there: IntArray = edge[self._arrays["is_walkable"][edge] != 0]
        return there

    def connectors(self) -> IntArray:
        """Return all edges that lead through a gate and are there now."""
        gate = self._arrays["edge_gate"][: self.counts["edges"]]
        found = np.concatenate(
            [
                self._base_connectors,
                self.base_edges + np.flatnonzero(gate[self.base_edges :] >= 0),
            ]
        )
        there: IntArray = found[self._arrays["edge_street"][found] != DEAD]
        return there

    def edges_at(self, node: IntArray) -> tuple[IntArray, IntArray]:
        """Return the edges at some nodes, with the node each was found at.

        Parameters
        ----------
        node
            Nodes, each once.
        """
        first, last = self._arrays["row_first"][node], self._arrays["row_last"][node]
        at = np.repeat(node, last - first)
        place = np.concatenate(
            [
                np.empty(0, dtype=np.int64),
                *(np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)),
            ]
        )
        return self._arrays["row_edge"][place].astype(np.int64), at

    def lines_of(self, edge: IntArray) -> ObjectArray:
        """Return edges as LineStrings in the metric CRS."""
        made = np.empty(edge.shape[0], dtype=object)
        old = np.flatnonzero(edge < self.base_edges)
        if old.size:
            ptr = self.network.geom_ptr
            counts = ptr[edge[old] + 1] - ptr[edge[old]]
            index = np.repeat(np.arange(old.size), counts)
            place = np.arange(index.size) + np.repeat(ptr[edge[old]] - (np.cumsum(counts) - counts), counts)
            made[old] = shapely.linestrings(self.network.geom_xy[place], indices=index)
        for at in np.flatnonzero(edge >= self.base_edges).tolist():
            made[at] = self.lines[int(edge[at]) - self.base_edges]
        return made

    def take(self, edge: IntArray) -> Network:
        """Return some edges as a network of their own, for what needs edges alone: costs and links.

        Parameters
        ----------
        edge
            Edges in the order the whole network has them.
        """
        line = self.lines_of(edge)
        xy, index = shapely.get_coordinates(line, return_index=True)
        nothing = np.empty(0, dtype=np.int64)
        count = edge.shape[0]
        return Network(
            metric_crs=self.network.metric_crs,
            node_x_mm=nothing,
            node_y_mm=nothing,
            indptr=np.zeros(1, dtype=np.int64),
            adj_node=np.empty(0, dtype=np.int32),
            adj_edge=np.empty(0, dtype=np.int32),
            edge_a=self._arrays["exit_a"][edge],
            edge_b=self._arrays["exit_b"][edge],
            edge_mm=self._arrays["edge_mm"][edge],
            edge_street=self._arrays["edge_street"][edge],
            edge_zone=self._arrays["edge_zone"][edge],
            edge_flags=self._arrays["edge_flags"][edge],
            edge_gate=self._arrays["edge_gate"][edge],
            geom_ptr=np.searchsorted(index, np.arange(count + 1)).astype(np.int64),
            geom_xy=xy,
            compound_id=self.network.compound_id,
            gate_id=self.network.gate_id,
            gate_zone=self.network.gate_zone,
            gate_open_to_all=self.network.gate_open_to_all,
        )

    def arcs_of(self, edge: IntArray) -> Arcs:
        """Return the ways labels can go over some edges now, residents' gates left out."""
        edge = edge[self._arrays["is_residents"][edge] == 0]
        a, b = self._arrays["exit_a"][edge], self._arrays["exit_b"][edge]
        ab, ba = self._arrays["cost_ab"][edge], self._arrays["cost_ba"][edge]
        source, target, ms = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([ba, ab])
        keep = (ms != NO_COST) & (source != target)
        return Arcs(source[keep], target[keep], ms[keep])

    def set(self, name: str, at: IntArray, values: Anything) -> None:
        """Write values into an array, with a note of what stood there.

        Parameters
        ----------
        name
            Which array.
        at
            Where, shape (n,).
        values
            What, shape (n,).
        """
        if at.size == 0:
            return
        needed = int(at.max()) + 1
        array = self._arrays[name]
        if needed > array.shape[0]:
            grown = np.zeros(needed + needed // 4, dtype=array.dtype)
            grown[: array.shape[0]] = array
            self._arrays[name] = array = grown
        if self._journal is not None:
            self._journal.entries.append((name, at, array[at], np.asarray(values, dtype=array.dtype)))
        array[at] = values
        count = _COUNT_OF[name]
        self.counts[count] = max(self.counts[count], needed)

    def add_lines(self, line: list[object]) -> None:
        """Append the geometry of new edges."""
        self.lines += line
        if self._journal is not None:
            self._journal.lines += line

    def set_gates(self, zone: int, row: GateRow) -> None:
        """Write the residents' gates of a compound."""
        if self._journal is not None:
            self._journal.gates.append((zone, self.gates_of(zone), row))
        self.gates[zone] = row

    def begin(self) -> None:
        """Start to write down what changes."""
        self._journal = Diff(counts=(dict(self.counts), {}))

    def end(self) -> Diff:
        """Return what changed since :meth:`begin`."""
        diff = self._journal or Diff()
        diff.counts = (diff.counts[0], dict(self.counts))
        self._journal = None
        return diff

    def take_back(self, diff: Diff) -> None:
        """Undo a patch; the latest first."""
        for name, at, old, _ in reversed(diff.entries):
            self._arrays[name][at] = old
        for zone, old_row, _ in reversed(diff.gates):
            self.gates[zone] = old_row
        if diff.lines:
            del self.lines[-len(diff.lines) :]
        self.counts = dict(diff.counts[0])

    def redo(self, diff: Diff) -> None:
        """Write a patch again that was taken back."""
        for name, at, _, new in diff.entries:
            self._arrays[name][at] = new
        for zone, _, new_row in diff.gates:
            self.gates[zone] = new_row
        self.lines += diff.lines
        self.counts = dict(diff.counts[1])

    def lay_rows(self, node: IntArray, edge: IntArray, at: IntArray) -> None:
        """Write the rows of some nodes anew, at the end.

        Parameters
        ----------
        node
            Nodes, ascending, each once.
        edge, at
            All edges at these nodes and the node each stands at, shape (k,).
        """
        order = np.lexsort((edge, at))
        edge, at = edge[order], at[order]
        self._lay(("row_first", "row_last"), node, at, {"row_edge": edge})
        a, b = self._arrays["exit_a"][edge], self._arrays["exit_b"][edge]
        ab, ba = self._arrays["cost_ab"][edge], self._arrays["cost_ba"][edge]
        other = np.where(at == a, b, a)
        public = (self._arrays["is_residents"][edge] == 0) & (other != at)
        inward = np.where(at == a, ba, ab)
        outward = np.where(at == a, ab, ba)
        keep = public & (inward != NO_COST)
        self._lay(("first", "last"), node, at[keep], {"arc_node": other[keep], "arc_ms": inward[keep]})
        keep = public & (outward != NO_COST)
        self._lay(("pull_first", "pull_last"), node, at[keep], {"pull_node": other[keep], "pull_ms": outward[keep]})

    def _lay(self, ends: tuple[str, str], node: IntArray, at: IntArray, values: dict[str, Anything]) -> None:
        start = self.counts[_COUNT_OF[next(iter(values))]]
        self.set(ends[0], node, start + np.searchsorted(at, node))
        self.set(ends[1], node, start + np.searchsorted(at, node, side="right"))
        for name, content in values.items():
            self.set(name, start + np.arange(content.shape[0]), content)

    def room(self) -> int:
        """Return how many entries the queue of a search may need, seeds apart."""
        return self.counts["arcs"] + 2 * self.counts["nodes"] + 1


def _with_room(values: Anything) -> Anything:
    array = np.zeros(values.shape[0] + values.shape[0] // 8 + 1024, dtype=values.dtype)
    array[: values.shape[0]] = values
    return array


def _lay_out(walk: Walk) -> dict[str, Anything]:
    """Return all arrays of a walk by name, copied: they may be mapped from a file and must not be written to."""
    network, graph = walk.network, walk.graph
    nodes, edges = graph.node_count, network.edge_count
    first, last = np.array(graph.first), np.array(graph.last)
    arc_node, arc_ms = np.array(graph.arc_node), np.array(graph.arc_ms)
    turned = (
        np.zeros(nodes, dtype=np.int32),
        np.zeros(nodes, dtype=np.int32),
        np.zeros(arc_node.shape[0], dtype=np.int32),
        np.zeros(arc_node.shape[0], dtype=np.uint32),
    )
    repair_rows.turn_rows(first, last, arc_node, arc_ms, *turned)
    exit_a, exit_b = np.array(walk.exit_a), np.array(walk.exit_b)
    rows = (np.zeros(nodes, dtype=np.int32), np.zeros(nodes, dtype=np.int32), np.zeros(2 * edges, dtype=np.int32))
    repair_rows.list_edges_by_node(exit_a, exit_b, *rows)
    return {
        "first": first,
        "last": last,
        "arc_node": arc_node,
        "arc_ms": arc_ms,
        "pull_first": turned[0],
        "pull_last": turned[1],
        "pull_node": turned[2],
        "pull_ms": turned[3],
        "row_first": rows[0],
        "row_last": rows[1],
        "row_edge": rows[2],
        "exit_a": exit_a,
        "exit_b": exit_b,
        "edge_mm": network.edge_mm,
        "cost_ab": walk.cost_ab,
        "cost_ba": walk.cost_ba,
        "edge_zone": network.edge_zone,
        "edge_flags": network.edge_flags,
        "edge_gate": network.edge_gate,
        "edge_street": network.edge_street,
        "is_residents": find_residents_gates(network).astype(np.uint8),
        "is_walkable": ((walk.cost_ab != NO_COST) | (walk.cost_ba != NO_COST)).astype(np.uint8),
        "id_a": np.zeros(edges, dtype=np.int64),
        "id_b": np.zeros(edges, dtype=np.int64),
    }


def find_ends_of(line: ObjectArray) -> tuple[FloatArray, FloatArray]:
    """Return the coordinates of the first and the last point of lines, both (n, 2).

    Parameters
    ----------
    line
        LineStrings.
    """
    first = shapely.get_coordinates(shapely.get_point(line, 0)).reshape(-1, 2)
    last = shapely.get_coordinates(shapely.get_point(line, -1)).reshape(-1, 2)
    return first, last
