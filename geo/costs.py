"""What walking an edge costs, by profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.errors import RequestError
from geo.network import CLOSED_ON_FOOT, NO_WHEELCHAIR, STEPS, Network
from geo.units import NO_COST, BoolArray, UInt32Array, to_pace_mm_s, walk_ms

MAX_STEPS_FACTOR = 100.0
"""Beyond this a stair is closed, which `steps=False` says better."""

MAX_PACE_M_S = 60.0
"""Faster than any vehicle on a city street: a pace above it is a typing error."""


@dataclass(frozen=True, slots=True)
class WalkProfile:
    """How someone moves on foot or on wheels.

    Attributes
    ----------
    code
        Name of the profile, for example ``adult``.
    pace_m_s
        Pace on the level in metres per second.
    steps
        Whether steps can be used; False stops wheels.
    steps_factor
        What a metre of steps costs against a metre of street, at least 1; 1 is no extra time.
    needs_wheelchair
        True where ways tagged unfit for wheelchairs are closed.
    """

    code: str
    pace_m_s: float
    steps: bool = True
    steps_factor: float = 1.0
    needs_wheelchair: bool = False

    def __post_init__(self) -> None:
        """Refuse a pace nobody walks.

        Raises
        ------
        RequestError
            The pace is not a number above 0 and up to 60 m/s, or the steps factor lies outside 1 to 100.
        """
        if not 0.0 < self.pace_m_s <= MAX_PACE_M_S:
            raise RequestError(
                f"profile {self.code}: pace {self.pace_m_s} m/s, expected above 0 and at most {MAX_PACE_M_S:g}",
                parameter="profile",
            )
        if not 1.0 <= self.steps_factor <= MAX_STEPS_FACTOR:
            raise RequestError(
                f"profile {self.code}: steps factor {self.steps_factor}, expected 1 to {MAX_STEPS_FACTOR:g}",
                parameter="profile",
            )

    @property
    def pace_mm_s(self) -> int:
        """Return the pace in millimetres per second."""
        return to_pace_mm_s(self.pace_m_s)


def find_walkable(network: Network, profile: WalkProfile) -> BoolArray:
    """Return which edges a profile may walk, shape (edges,)."""
    closed = CLOSED_ON_FOOT
    if not profile.steps:
        closed |= STEPS
    if profile.needs_wheelchair:
        closed |= NO_WHEELCHAIR
    return np.asarray((network.edge_flags & closed) == 0)


def cost_edges(network: Network, profile: WalkProfile) -> tuple[UInt32Array, UInt32Array]:
    """Return the milliseconds of every edge walked from a to b and from b to a; closed edges cost NO_COST.

    Parameters
    ----------
    network
        The compiled network.
    profile
        Who walks.
    """
    cost = walk_ms(network.edge_mm, profile.pace_mm_s)
    if profile.steps_factor > 1.0:
        is_steps = (network.edge_flags & STEPS) != 0
        slow = walk_ms(network.edge_mm, to_pace_mm_s(profile.pace_m_s / profile.steps_factor))
        cost = np.where(is_steps, slow, cost)
    cost = np.minimum(cost, NO_COST - 1)
    cost[~find_walkable(network, profile)] = NO_COST
    forward = cost.astype(np.uint32)
    # level ways cost the same both ways; slopes will tell them apart
    return forward, forward
