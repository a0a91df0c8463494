"""Edits a planner tries out, and what they make of the data.

An edit changes the data as somebody editing the store would: the answer to "what if" is the answer of a full run on the
edited data. Edits apply one after the other, so a path may join a path drawn before it.

- Facility rows are stable: one that is added gets the next row, one that is moved keeps its own, one that is closed
  leaves all types and its row stays a hole. So ties go to the older facility.
- A street that is closed is closed to people on foot and to vehicles. Opening it lets everybody walk, private ways
  included, and vehicles drive it as its class, direction and limit say.
- A gate that is closed lets nobody pass and no site is entered by it; the wall stays a wall, also when it was the last
  gate. Others are passed by vehicles as any gate is: by some all of them, by some those open to all.
- A path is for people on foot: no vehicle drives it.
- Both ends of a path that is drawn move to the nearest place within the snapping distance on a street open on foot, not
  across a wall, and split the street there. A path whose ends both join nothing is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from geo.link import MAX_LINK_M, OUTLINE_REACH_M
from geo.linking.barriers import Barriers
from geo.network import (
    CLOSED_ON_FOOT,
    NO_WHEELCHAIR,
    SHUT,
    STEPS,
    UNBARRED,
    Gates,
    Network,
    Streets,
    build_network,
    cut_line,
)
from geo.units import FloatArray, IntArray, ObjectArray
from geo.walls import OUTSIDE, Walls
from geo.whatif.edits_facilities import Facilities, append_object, edit_facilities, find_zone
from geo.whatif.edits_kinds import (
    FACILITY_EDITS,
    MAX_EDITS,
    MAX_PATH_M,
    MAX_SNAP_M,
    NAMES,
    PATH_SNAP_M,
    Edit,
    FacilityAdded,
    FacilityClosed,
    FacilityMoved,
    FacilityResized,
    GateAdded,
    GateClosed,
    GateOpened,
    PathDrawn,
    Place,
    StreetClosed,
    StreetOpened,
    check_count,
    check_geometry,
)
from geo.whatif.edits_streets import StreetBook, StreetShelf, is_end, split_row

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FACILITY_EDITS", "MAX_EDITS", "PATH_SNAP_M", "Edit", "Facilities", "FacilityAdded", "FacilityClosed",
    "FacilityMoved", "FacilityResized", "GateAdded", "GateClosed", "GateOpened", "PathDrawn", "Plan", "StreetClosed",
    "StreetOpened", "Town", "apply_edits", "build_town", "check_count", "edit_facilities", "edit_plan",
    "mark_gates", "start_plan",
]  # fmt: skip


FlagArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Town:
    """What a network is made from and links keep to.

    Attributes
    ----------
    streets
        Streets as :func:`geo.network.build_network` gets them, ids ascending.
    walls, gates
        Enforced compounds and their gates, ids ascending.
    gate_point_id, gate_point
        Store ids and points of all gates, those of no enforced compound included, shape (g,).
    barriers
        Lines no link may cross, walls included.
    metric_crs
        CRS of all coordinates.
    closed_gates
        Ids of gates nobody may walk through: shut at the hour asked for, or by an edit.
    shut_gates
        Those of them that an edit shut, to vehicles too.
    max_link_m, outline_reach_m
        Link distances, see :class:`geo.link.Ways`.
    """

    streets: Streets
    walls: Walls
    gates: Gates
    gate_point_id: IntArray
    gate_point: ObjectArray
    barriers: Barriers
    metric_crs: str
    closed_gates: frozenset[int] = frozenset()
    shut_gates: frozenset[int] = frozenset()
    max_link_m: float = MAX_LINK_M
    outline_reach_m: float = OUTLINE_REACH_M

    @property
    def open_gate_point(self) -> ObjectArray:
        """Return the gates by which sites may be entered."""
        return self.gate_point[~np.isin(self.gate_point_id, list(self.closed_gates))]

    @cached_property
    def shelf(self) -> StreetShelf:
        """Return the streets with the means to find them; one for all who edit this town."""
        return StreetShelf(self.streets)


@dataclass(frozen=True)
class Plan:
    """A town with edits on top; what is not changed is shared with the town.

    Attributes
    ----------
    town
        The town before; its streets are in `book`.
    book
        Streets as edited.
    gates, closed_gates, shut_gates, gate_point_id, gate_point
        As in :class:`Town`, as edited.
    """

    town: Town
    book: StreetBook
    gates: Gates
    gate_point_id: IntArray
    gate_point: ObjectArray
    closed_gates: frozenset[int]
    shut_gates: frozenset[int]

    @cached_property
    def open_gate_point(self) -> ObjectArray:
        """Return the gates by which sites may be entered."""
        return self.gate_point[~np.isin(self.gate_point_id, list(self.closed_gates))]

    def to_town(self) -> Town:
        """Return the edited town as one whole."""
        return replace(
            self.town,
            streets=self.book.to_streets(),
            gates=self.gates,
            gate_point_id=self.gate_point_id,
            gate_point=self.gate_point,
            closed_gates=self.closed_gates,
            shut_gates=self.shut_gates,
        )


def start_plan(town: Town) -> Plan:
    """Return a town without edits.

    Parameters
    ----------
    town
        The town.
    """
    book = StreetBook(town.shelf, {})
    return Plan(town, book, town.gates, town.gate_point_id, town.gate_point, town.closed_gates, town.shut_gates)


def _edit_street(plan: Plan, edit: StreetClosed | StreetOpened, place: Place) -> Plan:
    if not plan.book.has(edit.street_id):
        raise place.refuse(f"there is no street {edit.street_id}")
    rows = plan.book.take([edit.street_id])
    if isinstance(edit, StreetClosed):
        rows = replace(rows, flags=np.asarray(rows.flags | np.uint8(CLOSED_ON_FOOT | SHUT)))
    else:
        flags = (rows.flags & np.uint8(0xFF ^ (CLOSED_ON_FOOT | SHUT))) | np.uint8(UNBARRED)
        rows = replace(rows, flags=flags, is_private=np.zeros_like(rows.is_private))
    return replace(plan, book=plan.book.put(rows))


def _edit_gate(plan: Plan, edit: GateClosed | GateOpened, place: Place) -> Plan:
    row = np.flatnonzero(plan.gates.gate_id == edit.gate_id)
    if row.size == 0:
        raise place.refuse(f"there is no gate {edit.gate_id} of a compound")
    if isinstance(edit, GateClosed):
        shut = {edit.gate_id}
        return replace(plan, closed_gates=plan.closed_gates | shut, shut_gates=plan.shut_gates | shut)
    opens_to_all = plan.gates.opens_to_all.copy()
    opens_to_all[row] = edit.opens_to_all
    gates = Gates(plan.gates.gate_id, plan.gates.point, plan.gates.zone, opens_to_all)
    is_open = {edit.gate_id}
    return replace(plan, gates=gates, closed_gates=plan.closed_gates - is_open, shut_gates=plan.shut_gates - is_open)


def _add_gate(plan: Plan, edit: GateAdded, place: Place) -> Plan:
    check_geometry(edit.point, ("Point",), place)
    zone = np.flatnonzero(plan.town.walls.compound_id == edit.compound_id)
    if zone.size == 0:
        raise place.refuse(
            f"compound {edit.compound_id} is not walled", hint="only compounds with a loaded gate are enforced"
        )
    gates = plan.gates
    known = np.concatenate([gates.gate_id, plan.gate_point_id])
    gate_id = int(known.max(initial=0)) + 1
    made = Gates(
        gate_id=np.append(gates.gate_id, gate_id),
        point=append_object(gates.point, edit.point),
        zone=np.append(gates.zone, np.int32(zone[0])),
        opens_to_all=np.append(gates.opens_to_all, edit.opens_to_all),
    )
    return replace(
        plan,
        gates=made,
        gate_point_id=np.append(plan.gate_point_id, gate_id),
        gate_point=append_object(plan.gate_point, edit.point),
    )


def _join_end(
    book: StreetBook, xy: FloatArray, walls: Walls, snap_m: float
) -> tuple[StreetBook, FloatArray, int] | None:
    """Return the book with the street nearest to a place split there, the place on it and its node id."""
    end = shapely.points(xy)
    rows = book.take(book.find_near(np.array([end], dtype=object), snap_m))
    distance = shapely.distance(rows.line, end)
    for row in np.argsort(distance, kind="stable").tolist():
        line = rows.line[row]
        place_m = float(shapely.line_locate_point(line, end))
        foot = shapely.line_interpolate_point(line, place_m)
        if distance[row] > snap_m or (rows.flags[row] & CLOSED_ON_FOOT):
            continue
        if rows.is_private[row] and find_zone(walls, foot) == OUTSIDE:
            continue
        if distance[row] > 0 and _crosses_wall(walls, shapely.linestrings([xy, shapely.get_coordinates(foot)[0]])):
            continue
        ends = shapely.get_coordinates(line)
        length_m = float(shapely.length(line))
        if is_end(place_m, length_m):
            at = 0 if place_m <= length_m - place_m else -1
            node_id = int(rows.node_a[row] if at == 0 else rows.node_b[row])
            return book, ends[at], node_id
        street = book.take([int(rows.street_id[row])])
        number = row - int(np.searchsorted(rows.street_id, rows.street_id[row]))
        parts = cut_line(line, [place_m])
        return book.put(split_row(street, number, parts)), shapely.get_coordinates(parts[0])[-1], 0
    return None


def _crosses_wall(walls: Walls, segment: shapely.LineString) -> bool:
    near = shapely.intersects(walls.polygon, segment)
    return bool(shapely.crosses(shapely.boundary(walls.polygon[near]), segment).any())


def _draw_path(plan: Plan, edit: PathDrawn, place: Place) -> Plan:
    check_geometry(edit.line, ("LineString",), place)
    if not 0.0 <= edit.snap_m <= MAX_SNAP_M:
        raise place.refuse(f"its ends may move {edit.snap_m} m, expected 0 to {MAX_SNAP_M:g} m")
    if edit.flags & ~(STEPS | NO_WHEELCHAIR):
        raise place.refuse(f"flags {edit.flags}, expected {STEPS} for steps and {NO_WHEELCHAIR} for no wheelchairs")
    xy = shapely.get_coordinates(edit.line)
    book = plan.book
    ids = [0, 0]
    joined = 0
    for end in (0, -1):
        found = _join_end(book, xy[end], plan.town.walls, edit.snap_m)
        if found is not None:
            book, xy[end], ids[end] = found
            joined += 1
    if not joined:
        raise place.refuse(
            f"neither end lies within {edit.snap_m:g} m of a street open on foot", hint="start or end it at a street"
        )
    line = shapely.linestrings(xy)
    length_m = float(shapely.length(line))
    if not 0.0 < length_m <= MAX_PATH_M:
        raise place.refuse(f"the path is {length_m:g} m long, expected above 0 and at most {MAX_PATH_M:g} m")
    drawn = Streets(
        street_id=np.array([book.next_id], dtype=np.int64),
        line=np.array([line], dtype=object),
        flags=np.array([edit.flags], dtype=np.uint8),
        is_private=np.zeros(1, dtype=bool),
        node_a=np.array([ids[0]], dtype=np.int64),
        node_b=np.array([ids[-1]], dtype=np.int64),
    )
    return replace(plan, book=book.put(drawn))


def edit_plan(plan: Plan, edit: Edit, *, number: int) -> Plan:
    """Return the town after one edit.

    Parameters
    ----------
    plan
        The town before.
    edit
        One that changes streets or gates; others change nothing here.
    number
        Place of the edit in its list, for messages.

    Raises
    ------
    RequestError
        There is no such street, gate or walled compound, or a path has no length or joins nothing.
    """
    place = Place(number, NAMES[type(edit)])
    if isinstance(edit, StreetClosed | StreetOpened):
        return _edit_street(plan, edit, place)
    if isinstance(edit, GateClosed | GateOpened):
        return _edit_gate(plan, edit, place)
    if isinstance(edit, GateAdded):
        return _add_gate(plan, edit, place)
    if isinstance(edit, PathDrawn):
        return _draw_path(plan, edit, place)
    return plan


def apply_edits(town: Town, facilities: Facilities, edits: Sequence[Edit]) -> tuple[Town, Facilities]:
    """Return the data after some edits, as somebody who edits the store would leave them.

    Parameters
    ----------
    town, facilities
        The data before.
    edits
        The edits, one after the other.

    Raises
    ------
    RequestError
        An edit makes no sense; ``parameter`` names it.
    """
    check_count(len(edits))
    plan = start_plan(town)
    for number, edit in enumerate(edits):
        plan = edit_plan(plan, edit, number=number)
        facilities = edit_facilities(facilities, edit, walls=town.walls, number=number)
    return plan.to_town(), facilities


def build_town(town: Town) -> Network:
    """Return the compiled network of a town; ways through closed gates are closed on foot.

    Parameters
    ----------
    town
        The town.

    Raises
    ------
    DataError
        The streets cannot be tied into a network.
    """
    network = build_network(town.streets, walls=town.walls, gates=town.gates, metric_crs=town.metric_crs)
    if not town.closed_gates:
        return network
    connector = np.flatnonzero(network.edge_gate >= 0)
    flags = network.edge_flags.copy()
    flags[connector] = mark_gates(flags[connector], network.gate_id[network.edge_gate[connector]], town)
    return replace(network, edge_flags=flags)


def mark_gates(flags: FlagArray, gate_id: IntArray, town: Town | Plan) -> FlagArray:
    """Return the flags of the ways through some gates as a town has them.

    Parameters
    ----------
    flags
        Flags of the ways, shape (n,).
    gate_id
        Ids of their gates, shape (n,).
    town
        The town, or one with edits on top.
    """
    closed = np.isin(gate_id, list(town.closed_gates))
    shut = np.isin(gate_id, list(town.shut_gates))
    marked = np.where(closed, flags | np.uint8(CLOSED_ON_FOOT), flags & np.uint8(0xFF ^ CLOSED_ON_FOOT))
    return np.where(shut, marked | np.uint8(SHUT), marked & np.uint8(0xFF ^ SHUT)).astype(np.uint8)
