"""How someone moves over a town whatever edits make of it: what costs, gates and turns are made from again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geo.costs import WalkProfile, cost_edges, find_walkable
from geo.driving import Roads, cost_driving, find_along
from geo.driving_turns import Drive, TurnRules, prepare_drive, resolve_rules
from geo.reach import Walk, prepare_walk
from geo.units import NO_COST

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.network import Network
    from geo.slope import Ground
    from geo.units import BoolArray, IntArray, ObjectArray, UInt32Array

    Costs = tuple[UInt32Array, UInt32Array, BoolArray]


class Rules(Protocol):
    """What a way costs, and who passes gates."""

    @property
    def is_vehicle(self) -> bool:
        """Whether residents pass their gates as everybody does, or not at all."""

    @property
    def passes_gates(self) -> bool:
        """Whether every gate counts as open to all."""

    @property
    def can_patch(self) -> bool:
        """Whether what an edit changes can be found from the ways it touches."""

    def cost(self, network: Network) -> Costs:
        """Return what edges cost both ways, as a walk has it, and which of them may be linked to."""

    def lay_out(self, network: Network) -> Walk:
        """Return a network laid out as a full run does."""


@dataclass(frozen=True)
class OnFoot:
    """Rules of a walking profile.

    Attributes
    ----------
    profile
        Who walks.
    make_ground
        Gives the slopes and crossings of a network's edges, or of a few of them; None where all streets are level.
    """

    profile: WalkProfile
    make_ground: Callable[[Network], Ground | None] | None = None

    is_vehicle = False
    passes_gates = False
    can_patch = True

    def _ground(self, network: Network) -> Ground | None:
        return None if self.make_ground is None else self.make_ground(network)

    def cost(self, network: Network) -> Costs:
        """Return what edges cost both ways, and which of them may be walked."""
        ground = self._ground(network)
        cost_ab, cost_ba = cost_edges(network, self.profile, ground)
        return cost_ab, cost_ba, find_walkable(network, self.profile, ground)

    def lay_out(self, network: Network) -> Walk:
        """Return a network as the profile walks it."""
        return prepare_walk(network, self.profile, self._ground(network))


@dataclass(frozen=True)
class ByVehicle:
    """Rules of a vehicle, of the streets as loaded: edits leave their marks on the edges.

    Attributes
    ----------
    profile
        Code, and the pace off the street.
    street_id, line
        Streets as loaded, ids ascending, lines in the metric CRS, shape (n,).
    roads, unbarred
        How each of them is driven, and how where an edit opens it, shape (n,).
    turns
        Turn rules between their rows.
    gate_mm_s
        Speed through gates in millimetres per second.
    passes_gates
        Whether the vehicle passes gates that are not open to all.
    """

    profile: WalkProfile
    street_id: IntArray
    line: ObjectArray
    roads: Roads
    unbarred: Roads
    turns: TurnRules
    gate_mm_s: int
    passes_gates: bool

    is_vehicle = True

    @property
    def can_patch(self) -> bool:
        """Whether no junction is split by turn rules."""
        return bool(self.turns.is_only.shape[0] == 0)

    def _drive(self, network: Network) -> tuple[UInt32Array, UInt32Array]:
        row = np.minimum(np.searchsorted(self.street_id, network.edge_street), max(self.street_id.shape[0] - 1, 0))
        known = (network.edge_gate < 0) & (self.street_id[row] == network.edge_street)
        along = find_along(network, self.street_id, self.line, edges=np.flatnonzero(known))
        return cost_driving(network, self.roads, along=along, gate_mm_s=self.gate_mm_s, unbarred=self.unbarred)

    def cost(self, network: Network) -> Costs:
        """Return what edges cost both ways from building to facility, and which of them may be driven."""
        ab, ba = self._drive(network)
        return ba, ab, (ab != NO_COST) | (ba != NO_COST)

    def lay_out(self, network: Network) -> Drive:
        """Return a network as the vehicle drives it."""
        if self.passes_gates:
            network = replace(network, gate_open_to_all=np.ones_like(network.gate_open_to_all))
        ab, ba = self._drive(network)
        bans, _ = resolve_rules(network, self.turns, street_id=self.street_id, line=self.line)
        return prepare_drive(network, self.profile, ab, ba, bans=bans)
