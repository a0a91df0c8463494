"""What a question starts from and what its answer looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geo.errors import DataError
from geo.gaps import Status, find_status
from geo.link import MAX_LINK_M, OUTLINE_REACH_M, Entrances, Ways, link_points, link_sites
from geo.linking.barriers import Barriers
from geo.places import Places
from geo.radius import find_radius
from geo.reach import Homes, Walk, find_reach
from geo.units import NO_COST, BoolArray, Int32Array, ObjectArray
from geo.walls import Walls
from geo.whatif.edits import Edit, Facilities, Town, apply_edits, build_town
from geo.whatif.overlay import take_all
from geo.whatif.rules import OnFoot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geo.network import Network
    from geo.slope import Ground
    from geo.whatif.rules import ByVehicle, Rules


@dataclass(frozen=True)
class Column:
    """One type of the base run.

    Attributes
    ----------
    bound_s
        Longest walk searched for, seconds.
    limit_s
        Longest walk that counts as covered, seconds.
    reach_ms, facility
        The base's answer: milliseconds and facility row of every home, -1 for none, shape (homes,).
    radius_mm
        The base's straight distance of every home, -1 for none, shape (homes,).
    """

    bound_s: float
    limit_s: int
    reach_ms: Int32Array
    facility: Int32Array
    radius_mm: Int32Array


@dataclass(frozen=True)
class Base:
    """Everything the answer of a run was made from, for one profile.

    Attributes
    ----------
    town
        What the network was made from, or a function that returns it: streets are slow to read, and only edits of
        streets, gates and paths ask for them.
    walls, barriers
        Those of the town.
    walk
        The town's network as the profile walks it.
    home
        Where walks start: points or footprints in the metric CRS, shape (homes,).
    homes
        Their links and compounds.
    facilities
        The facilities.
    entrances
        Their entrances.
    columns
        The types, as many as ``facilities.serves``.
    gate_point
        Gates by which sites may be entered, metric CRS.
    max_link_m, outline_reach_m
        Link distances, see :class:`geo.link.Ways`.
    make_ground
        Gives the slopes and crossings of a network's edges, or of a few of them; None where all streets are level.
    load_vehicle
        Gives the rules of a vehicle, asked for by the first edit of a street or gate; None for who goes on foot.
    """

    town: Town | Callable[[], Town]
    walls: Walls
    barriers: Barriers
    walk: Walk
    home: ObjectArray | Places
    homes: Homes
    facilities: Facilities
    entrances: Entrances
    columns: tuple[Column, ...]
    gate_point: ObjectArray
    max_link_m: float = MAX_LINK_M
    outline_reach_m: float = OUTLINE_REACH_M
    make_ground: Callable[[Network], Ground | None] | None = None
    load_vehicle: Callable[[], ByVehicle] | None = None

    def load_rules(self) -> Rules:
        """Return how the profile moves over any town."""
        if self.load_vehicle is not None:
            return self.load_vehicle()
        return OnFoot(self.walk.profile, self.make_ground)

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together.

        Raises
        ------
        DataError
            Arrays of homes, facilities or columns differ in length.
        """
        count = self.homes.zone.shape[0]
        sizes = {"places": Places.of(self.home).count, "links": self.homes.links.edge.shape[0]}
        for number, column in enumerate(self.columns):
            sizes[f"reach of column {number}"] = column.reach_ms.shape[0]
            sizes[f"facilities of column {number}"] = column.facility.shape[0]
            sizes[f"radius of column {number}"] = column.radius_mm.shape[0]
        wrong = [f"{name} {size}" for name, size in sizes.items() if size != count]
        if wrong:
            raise DataError(f"starting what-if on {count} homes: found {', '.join(wrong)}, expected {count} of each")
        if len(self.facilities.serves) != len(self.columns):
            raise DataError(
                f"starting what-if: {len(self.columns)} columns, but facilities by {len(self.facilities.serves)}"
            )
        if self.entrances.facility.size and self.entrances.facility.max() >= self.facilities.zone.shape[0]:
            raise DataError("starting what-if: an entrance names a facility that is not there")

    def load_town(self) -> Town:
        """Return the town."""
        return self.town() if callable(self.town) else self.town


@dataclass(frozen=True)
class Change:
    """One column; only homes whose figures differ from the base.

    Attributes
    ----------
    rows
        Rows of the homes, ascending, shape (k,).
    reach_ms, facility, radius_mm, is_linked
        Their figures now, -1 for none, shape (k,).
    """

    rows: Int32Array
    reach_ms: Int32Array
    facility: Int32Array
    radius_mm: Int32Array
    is_linked: BoolArray

    def find_status(self, limit_s: int) -> Status:
        """Return whether each of the rows is covered, in the gap or unknown now.

        Parameters
        ----------
        limit_s
            Longest walk that counts as covered, seconds.
        """
        return find_status(self.reach_ms, self.is_linked, limit_s)


@dataclass(frozen=True)
class Figures:
    """All figures of one column, -1 for none, shape (homes,)."""

    reach_ms: Int32Array
    facility: Int32Array
    radius_mm: Int32Array
    is_linked: BoolArray


@dataclass(frozen=True)
class Answer:
    """What some edits change.

    Attributes
    ----------
    columns
        The changes by column.
    relinked
        Rows of the homes that are tied to another place of the streets, or to none, ascending.
    """

    columns: tuple[Change, ...]
    relinked: Int32Array

    def apply_to(self, base: Base, number: int) -> Figures:
        """Return all figures of one column, those that did not change included.

        Parameters
        ----------
        base
            What was asked of.
        number
            Which column.
        """
        column, change = base.columns[number], self.columns[number]
        figures = Figures(
            np.array(column.reach_ms, dtype=np.int32),
            np.array(column.facility, dtype=np.int32),
            np.array(column.radius_mm, dtype=np.int32),
            np.array(base.homes.links.is_linked),
        )
        figures.reach_ms[change.rows] = change.reach_ms
        figures.facility[change.rows] = change.facility
        figures.radius_mm[change.rows] = change.radius_mm
        figures.is_linked[change.rows] = change.is_linked
        return figures


def run_in_full(base: Base, edits: Sequence[Edit], *, threads: int = 1) -> list[Figures]:
    """Return the figures of every column from a full run on the edited data: slow, and what all answers are held to.

    Parameters
    ----------
    base
        The data before; its own answer is not looked at.
    edits
        The edits, one after the other.
    threads
        Searches at the same time; the answer does not depend on it.

    Raises
    ------
    RequestError
        An edit makes no sense; ``parameter`` names it.
    """
    town, facilities = apply_edits(base.load_town(), base.facilities, edits)
    network = build_town(town)
    walk = base.load_rules().lay_out(network)
    is_walkable = (walk.cost_ab != NO_COST) | (walk.cost_ba != NO_COST)
    ways = Ways(network, is_walkable, town.barriers, town.max_link_m, town.outline_reach_m)
    links = link_points(base.home, base.homes.zone, ways=ways)
    entrances = link_sites(
        take_all(facilities.geometry), take_all(facilities.zone), ways=ways, gate_point=town.open_gate_point
    )
    reach = find_reach(
        walk,
        Homes(links, base.homes.zone),
        entrances,
        facilities=facilities.serves,
        bounds_s=[c.bound_s for c in base.columns],
        threads=threads,
    )
    return [
        Figures(r.reach_ms, r.facility, find_radius(base.home, facilities.geometry[rows]), links.is_linked)
        for r, rows in zip(reach, facilities.serves, strict=True)
    ]
