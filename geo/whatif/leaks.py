"""Where the own labels of compounds lead out of them: what tells which compounds feel a street change outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geo.units import Int32Array, IntArray
from geo.whatif import repair_leaks
from geo.whatif.patch_index import spread_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo.search.seeds import GateSeeds
    from geo.whatif.labels import RepairDesk
    from geo.whatif.patch_work import Patchwork

_NOBODY = np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class Leaks:
    """Nodes outside compounds to which labels of their own homes lead.

    Attributes
    ----------
    node, zone
        Nodes, ascending, and whose labels lead there, shape (n,).
    written
        Compounds whose nodes are others now, by number; those above do not count for them.
    """

    node: Int32Array = field(default_factory=lambda: _NOBODY)
    zone: Int32Array = field(default_factory=lambda: _NOBODY)
    written: Mapping[int, IntArray] = field(default_factory=dict)

    def find_zones(self, nodes: IntArray) -> set[int]:
        """Return the compounds whose labels lead to any of some nodes."""
        wanted = np.unique(nodes)
        first, last = np.searchsorted(self.node, wanted), np.searchsorted(self.node, wanted, side="right")
        found = set(np.unique(self.zone[spread_ranges(first, last)[0]]).tolist()) - self.written.keys()
        return found | {zone for zone, mine in self.written.items() if np.isin(mine, wanted).any()}

    def put(self, nodes: Mapping[int, IntArray]) -> Leaks:
        """Return these with the nodes of some compounds written anew."""
        return Leaks(self.node, self.zone, {**self.written, **nodes})


def search_leaks(work: Patchwork, desk: RepairDesk, at_gates: GateSeeds, label: IntArray, bound_ms: int) -> Leaks:
    """Return where the own labels of all compounds lead out of them.

    Parameters
    ----------
    work, desk
        The walk as it is, and work arrays.
    at_gates
        Labels that start outside residents' gates.
    label
        Public labels.
    bound_ms
        Longest walk of interest.
    """
    desk.make_room(work, at_gates.zone.shape[0])
    gates = work.list_gates()
    zones = gates.ptr.shape[0] - 1
    seed_ptr = np.searchsorted(at_gates.zone, np.arange(zones + 1))
    nodes = [_NOBODY]
    owners = [_NOBODY]
    room = (
        np.empty(max(work.counts["nodes"], 1), dtype=np.int32),
        np.empty(max(work.counts["nodes"], 1), dtype=np.int32),
    )
    zone = 0
    while zone < zones:
        zone, count = repair_leaks.list_leaks(
            zone,
            work["first"],
            work["last"],
            work["arc_node"],
            work["arc_ms"],
            gates.ptr,
            gates.from_node,
            gates.to_node,
            gates.ms,
            seed_ptr,
            at_gates.node,
            at_gates.key,
            work["row_first"],
            work["row_last"],
            work["row_edge"],
            work["edge_zone"],
            bound_ms,
            label,
            desk.own,
            desk.touched,
            desk.heap_key,
            desk.heap_node,
            *room,
        )
        nodes.append(room[0][:count].copy())
        owners.append(room[1][:count].copy())
    node, owner = np.concatenate(nodes), np.concatenate(owners)
    order = np.argsort(node, kind="stable")
    return Leaks(node[order], owner[order])
