"""What walking an edge costs, by profile.

cost = metres at the profile's pace (steps by their factor) + climb + crossings

A metre of climb costs as much as `climb_factor` metres on the level; going down costs nothing and saves nothing. So
nobody is ever faster than on the level, and without slopes and crossings the cost is that of the level way to the bit.
Each is a function of the edge alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geo.errors import DataError, RequestError
from geo.network import CLOSED_ON_FOOT, NO_WHEELCHAIR, STEPS, Network
from geo.slope import GRADE_UNIT
from geo.units import LONGEST_MS, MS_PER_S, NO_COST, BoolArray, IntArray, UInt32Array, to_pace_mm_s, walk_ms

if TYPE_CHECKING:
    from geo.slope import Ground

MAX_STEPS_FACTOR = 100.0
"""Beyond this a stair is closed, which `steps=False` says better."""

MIN_PACE_M_S = 0.1
"""Slower than anybody moves: a pace below it is a typing error, and costs would no longer fit."""

MAX_PACE_M_S = 60.0
"""Faster than any vehicle on a city street: a pace above it is a typing error."""

CLIMB_FACTOR = 7.92
"""Metres on the level that a metre of climb costs, the factor the shipped profiles use.

Naismith's rule: an hour for three miles and an hour for every 2,000 feet of ascent.

References
----------
Scarf, P. (2007). Route choice in mountain navigation, Naismith's rule, and the equivalence of distance and climb.
Journal of Sports Sciences 25(6), 719-726.
"""

MAX_CLIMB_FACTOR = 100.0
MAX_CROSSING_S = 600.0
"""Ten minutes at one crossing is a typing error."""

_THOUSANDTHS = 1000


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
    max_slope
        Steepest grade that can be used, rise over run; None sets no bound.
    climb_factor
        Metres on the level that a metre of climb costs; 0 leaves slopes free.
    crossing_s
        Seconds a marked crossing costs; 0 leaves crossings free.
    """

    code: str
    pace_m_s: float
    steps: bool = True
    steps_factor: float = 1.0
    needs_wheelchair: bool = False
    max_slope: float | None = None
    climb_factor: float = 0.0
    crossing_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a pace nobody walks.

        Raises
        ------
        RequestError
            The pace is not a number from 0.1 to 60 m/s, the steps factor lies outside 1 to 100, the climb factor
            outside 0 to 100, the seconds at a crossing outside 0 to 600, or the steepest grade is not above 0.
        """
        if not MIN_PACE_M_S <= self.pace_m_s <= MAX_PACE_M_S:
            raise self._refuse(f"pace {self.pace_m_s} m/s, expected {MIN_PACE_M_S:g} to {MAX_PACE_M_S:g}")
        if not 1.0 <= self.steps_factor <= MAX_STEPS_FACTOR:
            raise self._refuse(f"steps factor {self.steps_factor}, expected 1 to {MAX_STEPS_FACTOR:g}")
        if not 0.0 <= self.climb_factor <= MAX_CLIMB_FACTOR:
            raise self._refuse(f"climb factor {self.climb_factor}, expected 0 to {MAX_CLIMB_FACTOR:g}")
        if not 0.0 <= self.crossing_s <= MAX_CROSSING_S:
            raise self._refuse(f"{self.crossing_s} s at a crossing, expected 0 to {MAX_CROSSING_S:g}")
        if self.max_slope is not None and not self.max_slope > 0.0:
            raise self._refuse(f"steepest grade {self.max_slope}, expected above 0")

    def _refuse(self, found: str) -> RequestError:
        return RequestError(f"profile {self.code}: {found}", parameter="profile")

    @property
    def pace_mm_s(self) -> int:
        """Return the pace in millimetres per second."""
        return to_pace_mm_s(self.pace_m_s)


def find_walkable(network: Network, profile: WalkProfile, ground: Ground | None = None) -> BoolArray:
    """Return which edges a profile may walk, shape (edges,).

    Parameters
    ----------
    network
        The compiled network.
    profile
        Who walks.
    ground
        Slopes; None where nothing is known of them.
    """
    closed = CLOSED_ON_FOOT
    if not profile.steps:
        closed |= STEPS
    if profile.needs_wheelchair:
        closed |= NO_WHEELCHAIR
    walkable = np.asarray((network.edge_flags & closed) == 0)
    if ground is None or profile.max_slope is None:
        return walkable
    return np.asarray(walkable & (ground.grade <= round(profile.max_slope * GRADE_UNIT)))


def cost_edges(network: Network, profile: WalkProfile, ground: Ground | None = None) -> tuple[UInt32Array, UInt32Array]:
    """Return the milliseconds of every edge walked from a to b and from b to a; closed edges cost NO_COST.

    Parameters
    ----------
    network
        The compiled network.
    profile
        Who walks.
    ground
        Slopes and crossings; None where nothing is known of them.

    Raises
    ------
    DataError
        An edge has a length below 0, or is so long that walking it takes longer than twelve days.
    """
    cost = walk_ms(network.edge_mm, profile.pace_mm_s)
    if profile.steps_factor > 1.0:
        is_steps = (network.edge_flags & STEPS) != 0
        slow = walk_ms(network.edge_mm, to_pace_mm_s(profile.pace_m_s / profile.steps_factor))
        cost = np.where(is_steps, slow, cost)
    closed = ~find_walkable(network, profile, ground)
    if ground is None:
        forward = finish_costs(network, cost, closed)
        return forward, forward
    cost = cost + _cost_crossings(network.edge_mm, ground.crossing_mm, profile)
    return (
        finish_costs(network, cost + _cost_climb(ground.up_ab_mm, profile), closed),
        finish_costs(network, cost + _cost_climb(ground.up_ba_mm, profile), closed),
    )


def finish_costs(network: Network, cost: IntArray, closed: BoolArray) -> UInt32Array:
    """Return costs as the engine takes them, closed edges at NO_COST.

    Parameters
    ----------
    network
        The compiled network.
    cost
        Milliseconds of each edge, shape (edges,).
    closed
        Edges that may not be used, shape (edges,).

    Raises
    ------
    DataError
        An open edge has a length below 0, or takes longer than twelve days.
    """
    # a cost cut short would make the parts of the edge too quick
    odd = np.flatnonzero(((cost > LONGEST_MS) | (cost < 0)) & ~closed)
    if odd.size:
        length_km = network.edge_mm[odd[0]] / 1e6
        raise DataError(
            f"costing streets: street {network.edge_street[odd[0]]} has a length of {length_km:g} km in one piece,"
            " expected one that can be passed in twelve days",
            hint="check the datum the streets were loaded with",
        )
    return np.where(closed, NO_COST, cost).astype(np.uint32)


def _cost_climb(up_mm: IntArray, profile: WalkProfile) -> IntArray:
    factor = round(profile.climb_factor * _THOUSANDTHS)
    level_mm = (up_mm * factor + _THOUSANDTHS // 2) // _THOUSANDTHS
    return walk_ms(level_mm, profile.pace_mm_s)


def _cost_crossings(edge_mm: IntArray, crossing_mm: IntArray, profile: WalkProfile) -> IntArray:
    """Return each edge's share of the time at the crossing it is part of, by length."""
    whole = np.maximum(crossing_mm, 1)
    share = (round(profile.crossing_s * MS_PER_S) * edge_mm + whole // 2) // whole
    return np.where(crossing_mm > 0, share, 0)
