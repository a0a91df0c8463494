"""What changed streets and gates change in a compiled network, found among their surroundings alone.

Streets are drafted anew by the functions that compile a whole network, on a table that holds what can matter: what
becomes of a street depends on the walls it meets and the gates within 20 m, what becomes of a gate on the streets
within 20 m, and which line ends are one junction on the ends within 1 cm or with the same node id. Streets whose edges
come out as they are stay; of the others the old edges die and new ones are appended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.errors import DataError
from geo.network import GATE_REACH_M, Draft, Gates, draft_edges
from geo.units import Int32Array, IntArray, ObjectArray, to_mm
from geo.walls import Walls
from geo.whatif.edits import mark_gates
from geo.whatif.patch_ends import NOTHING_TIED, Tie, tie_ends
from geo.whatif.patch_work import DEAD, Anything, Arcs, Patchwork

if TYPE_CHECKING:
    from geo.whatif.edits import Plan

_SLACK_M = 0.01
"""Distances that decide are taken again exactly; what is gathered for that may lie this much farther."""


@dataclass(frozen=True)
class Patched:
    """What a patch changed.

    Attributes
    ----------
    gone, new
        Ways a label could go before, and can go now.
    lost
        Edges nothing may link to any more: dead or closed, shape (x,).
    found
        Edges that may be linked to now and could not before, shape (y,).
    changed
        All edges whose ends or costs are not what they were, dead and new ones included, shape (c,).
    zones
        Compounds whose residents' gates changed.
    """

    gone: Arcs
    new: Arcs
    lost: IntArray
    found: IntArray
    changed: IntArray
    zones: frozenset[int]


@dataclass(frozen=True)
class _Redraft:
    """Edges as they come out now, in the order of a whole network."""

    draft: Draft
    gate_row: IntArray
    """Row of the gate of each connector in the plan, -1 for streets."""


def _rows(gates: Gates, rows: IntArray, zone: Int32Array) -> Gates:
    return Gates(gates.gate_id[rows], gates.point[rows], zone, gates.opens_to_all[rows])


def _gates_near(gates: Gates, line: ObjectArray) -> IntArray:
    """Return the rows of the gates that could open onto some lines."""
    if gates.gate_id.shape[0] == 0 or line.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    found = shapely.STRtree(line).query(gates.point, predicate="dwithin", distance=GATE_REACH_M + _SLACK_M)[0]
    return np.unique(found)


def _take_walls(walls: Walls, line: ObjectArray, zones: IntArray) -> IntArray:
    """Return the numbers of the compounds that lines could meet, and those asked for."""
    if walls.polygon.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    bounds = shapely.bounds(line)
    near = shapely.STRtree(shapely.box(*bounds.T)).query(walls.polygon)[0]
    return np.union1d(near, zones).astype(np.int64)


def _redraft(plan: Plan, streets: set[int], gates: IntArray) -> _Redraft:
    """Return the edges of some streets and gates; what else lies near is drafted along and left out."""
    lines = plan.book.take(streets).line
    asked = np.union1d(_gates_near(plan.gates, lines), gates).astype(np.int64)
    around = streets | plan.book.find_near(plan.gates.point[asked], GATE_REACH_M + _SLACK_M)
    table = plan.book.take(around)
    walls = plan.town.walls
    zones = _take_walls(walls, table.line, plan.gates.zone[asked].astype(np.int64))
    few_gates = _rows(plan.gates, asked, np.searchsorted(zones, plan.gates.zone[asked]).astype(np.int32))
    few_walls = Walls(walls.compound_id[zones], walls.polygon[zones])
    draft = draft_edges(table, walls=few_walls, gates=few_gates)
    is_connector = draft.gate >= 0
    gate_row = np.full(draft.gate.shape[0], -1, dtype=np.int64)
    gate_row[is_connector] = asked[draft.gate[is_connector]]
    keep = np.isin(draft.street, list(streets)) & ~is_connector
    keep |= np.isin(gate_row, gates) & is_connector
    zone = draft.zone.astype(np.int32)
    inside = zone >= 0
    zone[inside] = zones[zone[inside]]
    made = Draft(
        line=draft.line[keep],
        street=draft.street[keep],
        zone=zone[keep],
        flags=draft.flags[keep],
        gate=gate_row[keep].astype(np.int32),
        node_a=draft.node_a[keep],
        node_b=draft.node_b[keep],
    )
    return _Redraft(made, gate_row[keep])


def _close_gates(draft: Draft, plan: Plan) -> None:
    """Mark connectors through gates nobody may pass."""
    connector = np.flatnonzero(draft.gate >= 0)
    draft.flags[connector] = mark_gates(draft.flags[connector], plan.gates.gate_id[draft.gate[connector]], plan)


def _find_touched_gates(before: Plan, after: Plan, changed: set[int]) -> IntArray:
    """Return the gates that may open onto another way than they did: new ones, and those near changed streets."""
    lines = np.concatenate([before.book.take(changed).line, after.book.take(changed).line])
    new = np.arange(before.gates.gate_id.shape[0], after.gates.gate_id.shape[0])
    return np.union1d(_gates_near(after.gates, lines), new).astype(np.int64)


def _find_switched_gates(before: Plan, after: Plan) -> IntArray:
    """Return the gates that let others pass than they did."""
    count = before.gates.gate_id.shape[0]
    switched = before.gates.opens_to_all != after.gates.opens_to_all[:count]
    other = (before.closed_gates ^ after.closed_gates) | (before.shut_gates ^ after.shut_gates)
    return np.flatnonzero(switched | np.isin(before.gates.gate_id, list(other)))


@dataclass(frozen=True)
class _Match:
    """Which edges stay, by comparing what is there with what comes out now."""

    dead: IntArray
    kept: IntArray
    kept_flags: Anything
    made: IntArray
    """Rows of the draft that become new edges."""


def _group(old: IntArray, key_old: IntArray, key_new: IntArray) -> list[tuple[IntArray, IntArray]]:
    """Return for every key the old edges and the rows of the draft that have it."""
    keys = np.union1d(key_old, key_new)
    return [(old[key_old == key], np.flatnonzero(key_new == key)) for key in keys]


def _compare(work: Patchwork, old: IntArray, draft: Draft) -> _Match:
    """Compare edges street by street and gate by gate; edges of one street stay together or not at all."""
    gate, street = work["edge_gate"][old].astype(np.int64), work["edge_street"][old]
    # a street has a positive id, a gate is known by its row
    key_old = np.where(gate >= 0, -1 - gate, street)
    key_new = np.where(draft.gate >= 0, -1 - draft.gate.astype(np.int64), draft.street)
    dead: list[IntArray] = []
    kept: list[IntArray] = []
    flags: list[Anything] = []
    made: list[IntArray] = []
    for edges, rows in _group(old, key_old, key_new):
        same = edges.size == rows.size and np.array_equal(work["edge_zone"][edges], draft.zone[rows])
        if same and bool(shapely.equals_exact(work.lines_of(edges), draft.line[rows]).all()):
            kept.append(edges)
            flags.append(draft.flags[rows])
        else:
            dead.append(edges)
            made.append(rows)
    nothing = np.empty(0, dtype=np.int64)
    return _Match(
        dead=np.concatenate([nothing, *dead]),
        kept=np.concatenate([nothing, *kept]),
        kept_flags=np.concatenate([np.empty(0, dtype=np.uint8), *flags]),
        # in the order of the draft, so that edges of one street keep theirs
        made=np.sort(np.concatenate([nothing, *made])),
    )


def _take_draft(draft: Draft, rows: IntArray) -> Draft:
    return Draft(
        draft.line[rows],
        draft.street[rows],
        draft.zone[rows],
        draft.flags[rows],
        draft.gate[rows],
        draft.node_a[rows],
        draft.node_b[rows],
    )


def prepare_node_ids(work: Patchwork, plan: Plan) -> None:
    """Fill in the source's node ids at the ends of all edges; nothing where streets carry none.

    Parameters
    ----------
    work
        The walk before any patch.
    plan
        The town before any edit.

    Raises
    ------
    DataError
        The network was not made from these streets, walls and gates.
    """
    streets = plan.book.shelf.streets
    known = np.unique(work.network.edge_street)
    if not np.isin(known[known > 0], streets.street_id).all():
        raise DataError("trying edits: the network was not made from the streets given with it")
    if not plan.book.shelf.has_node_ids:
        return
    draft = draft_edges(streets, walls=plan.town.walls, gates=plan.town.gates)
    if not np.array_equal(draft.street, work.network.edge_street):
        raise DataError("trying edits: the network was not made from the streets given with it")
    everywhere = np.arange(draft.street.shape[0])
    work.set("id_a", everywhere, draft.node_a)
    work.set("id_b", everywhere, draft.node_b)


def _write_edges(work: Patchwork, plan: Plan, draft: Draft, tie: Tie) -> IntArray:
    """Append new edges and return their numbers."""
    count = draft.line.shape[0]
    edge = work.counts["edges"] + np.arange(count)
    work.add_lines(list(draft.line))
    gate = draft.gate.astype(np.int64)
    residents = np.zeros(count, dtype=bool)
    residents[gate >= 0] = work.find_residents(plan.gates.opens_to_all[gate[gate >= 0]])
    values: dict[str, Anything] = {
        "exit_a": tie.new_a,
        "exit_b": tie.new_b,
        "edge_mm": to_mm(shapely.length(draft.line)),
        "edge_zone": draft.zone,
        "edge_flags": draft.flags,
        "edge_gate": draft.gate,
        "edge_street": draft.street,
        "is_residents": residents,
        "id_a": draft.node_a,
        "id_b": draft.node_b,
    }
    for name, content in values.items():
        work.set(name, edge, content)
    return edge


def _write_costs(work: Patchwork, edge: IntArray) -> None:
    """Take the costs of edges anew."""
    if edge.size == 0:
        return
    cost_ab, cost_ba, is_open = work.rules.cost(work.take(edge))
    work.set("cost_ab", edge, cost_ab)
    work.set("cost_ba", edge, cost_ba)
    work.set("is_walkable", edge, is_open)


def _write_gates(work: Patchwork, zones: frozenset[int]) -> None:
    """List the residents' gates of some compounds anew; to a vehicle they are open or closed, never theirs."""
    if work.rules.is_vehicle:
        return
    connector = work.connectors()
    connector = connector[work["is_residents"][connector] != 0]
    for zone in sorted(zones):
        mine = connector[work["edge_zone"][connector] == zone]
        a, b = work["exit_a"][mine], work["exit_b"][mine]
        ms = np.concatenate([work["cost_ab"][mine], work["cost_ba"][mine]])
        keep = ms != np.uint32(0xFFFFFFFF)
        work.set_gates(zone, (np.concatenate([b, a])[keep], np.concatenate([a, b])[keep], ms[keep]))


def patch_streets(work: Patchwork, before: Plan, after: Plan) -> Patched:
    """Write into a walk what changed streets and gates change, and return what that is.

    Parameters
    ----------
    work
        The walk as it is before; its changes can be taken back (:meth:`geo.whatif.patch_work.Patchwork.begin`).
    before, after
        The town without and with the edits.
    """
    streets = after.book.list_changes(before.book)
    gates = _find_touched_gates(before, after, streets) if streets or _has_new_gates(before, after) else _NOTHING
    around = streets | after.book.find_near(after.gates.point[gates], GATE_REACH_M + _SLACK_M)
    connector = work.connectors()
    gate_of = work["edge_gate"][connector].astype(np.int64)
    old = np.concatenate([work.edges_of(np.array(sorted(around), dtype=np.int64)), connector[np.isin(gate_of, gates)]])
    if around or gates.size:
        draft = _redraft(after, around, gates).draft
        _close_gates(draft, after)
    else:
        draft = _redraft_nothing()
    match = _compare(work, old, draft)
    switched = connector[np.isin(gate_of, _find_switched_gates(before, after))]
    switched = np.setdiff1d(switched, match.dead)
    made = _take_draft(draft, match.made)
    tie = tie_ends(work, after, match.dead, made) if match.dead.size or match.made.size else NOTHING_TIED
    other_flags = match.kept[work["edge_flags"][match.kept] != match.kept_flags]
    touched = np.unique(np.concatenate([other_flags, switched, tie.moved_edge]))
    gone = work.arcs_of(np.concatenate([match.dead, touched]))
    could = np.concatenate([match.dead, touched])
    could = could[work["is_walkable"][could] != 0]
    ends = [work["exit_a"], work["exit_b"]]
    at_old = [end[np.concatenate([match.dead, touched])] for end in ends]
    _write_kept(work, after, match, switched)
    work.set("exit_a", tie.moved_edge[~tie.moved_is_last], tie.moved_node[~tie.moved_is_last])
    work.set("exit_b", tie.moved_edge[tie.moved_is_last], tie.moved_node[tie.moved_is_last])
    new = _write_edges(work, after, made, tie)
    changed = np.concatenate([touched, new])
    _write_costs(work, changed)
    _bury(work, match.dead)
    at_new = [work[name][changed] for name in ("exit_a", "exit_b")]
    node = np.unique(np.concatenate([*at_old, *at_new])).astype(np.int64)
    _write_rows(work, node, np.concatenate([match.dead, touched]), changed)
    every = np.concatenate([match.dead, changed])
    passes = every[work["edge_gate"][every] >= 0]
    zones = frozenset(int(z) for z in np.unique(work["edge_zone"][passes]))
    _write_gates(work, zones)
    can = changed[work["is_walkable"][changed] != 0]
    return Patched(
        gone=gone,
        new=work.arcs_of(changed),
        lost=np.setdiff1d(could, can),
        found=np.setdiff1d(can, could),
        changed=every,
        zones=zones,
    )


_NOTHING = np.empty(0, dtype=np.int64)


def _has_new_gates(before: Plan, after: Plan) -> bool:
    return bool(after.gates.gate_id.shape[0] > before.gates.gate_id.shape[0])


def _redraft_nothing() -> Draft:
    return Draft(
        np.empty(0, dtype=object),
        _NOTHING,
        np.empty(0, dtype=np.int32),
        np.empty(0, dtype=np.uint8),
        np.empty(0, dtype=np.int32),
        _NOTHING,
        _NOTHING,
    )


def _write_kept(work: Patchwork, plan: Plan, match: _Match, switched: IntArray) -> None:
    """Write the flags of edges that stay, and who may pass gates that were switched."""
    work.set("edge_flags", match.kept, match.kept_flags)
    gate = work["edge_gate"][switched]
    work.set("edge_flags", switched, mark_gates(work["edge_flags"][switched], plan.gates.gate_id[gate], plan))
    work.set("is_residents", switched, work.find_residents(plan.gates.opens_to_all[gate]))


def _bury(work: Patchwork, dead: IntArray) -> None:
    """Close edges that are no more, for everybody and for good."""
    work.set("cost_ab", dead, np.full(dead.shape[0], 0xFFFFFFFF, dtype=np.uint32))
    work.set("cost_ba", dead, np.full(dead.shape[0], 0xFFFFFFFF, dtype=np.uint32))
    work.set("edge_street", dead, np.full(dead.shape[0], DEAD))
    work.set("is_walkable", dead, np.zeros(dead.shape[0]))


def _write_rows(work: Patchwork, node: IntArray, without: IntArray, edge: IntArray) -> None:
    """Write the rows of some nodes: what they held but for some edges, and the edges that are there now."""
    known = node[node < work.counts["nodes"]]
    held, at = work.edges_at(known)
    stay = np.isin(held, without, invert=True)
    a, b = work["exit_a"][edge].astype(np.int64), work["exit_b"][edge].astype(np.int64)
    both = a != b
    work.lay_rows(
        node,
        np.concatenate([held[stay], edge, edge[both]]),
        np.concatenate([at[stay], a, b[both]]),
    )


def order_edges(work: Patchwork, edge: IntArray) -> IntArray:
    """Return edges in the order a network compiled from the edited streets has them.

    Streets stand by id and connectors behind them by gate; the edges of one street are all of one draft, whose order
    they were appended in.

    Parameters
    ----------
    work
        The walk as it is.
    edge
        Edges, each once.
    """
    gate = work["edge_gate"][edge].astype(np.int64)
    is_connector = gate >= 0
    ordered: IntArray = edge[np.lexsort((edge, np.where(is_connector, gate, work["edge_street"][edge]), is_connector))]
    return ordered
