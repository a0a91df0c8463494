"""One type after an edit: its labels are repaired, and only homes at labels that changed are read again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geo.search.labels import FACILITY_BITS, FACILITY_MASK, NONE
from geo.units import BoolArray, Int32Array, IntArray
from geo.whatif import repair
from geo.whatif.labels import RepairDesk, SitesOn, swap_sites
from geo.whatif.leaks import Leaks
from geo.whatif.patch_index import is_among, spread_ranges
from geo.whatif.straight import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.link import Links
    from geo.whatif.patch_work import Arcs, Patchwork


@dataclass(frozen=True)
class ColumnStep:
    """One type in one state.

    Attributes
    ----------
    sites
        Its entrances.
    node, old, new
        Labels that the step changed, and from what to what.
    leaks
        Where own labels of compounds lead out of them; None where nobody asked yet.
    rows, key
        Homes whose answer is not the base's, ascending, and cost_ms << 32 | facility, NONE for none; cumulative.
    measured
        Straight distances that are not the base's; cumulative.
    """

    sites: SitesOn
    node: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    old: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    new: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    leaks: Leaks | None = None
    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    key: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    measured: Measured = field(default_factory=Measured)


@dataclass(frozen=True)
class LinkTable:
    """Links of homes in the order their edges have, with their rows and compounds."""

    row: IntArray
    zone: Int32Array
    edge: Int32Array
    mm: IntArray
    off_ms: IntArray


def make_table(rows: IntArray, zone: Int32Array, links: Links, off_ms: IntArray) -> LinkTable:
    """Return links as a table of their own.

    Parameters
    ----------
    rows
        Rows of the homes, shape (k,).
    zone
        Compound number of all homes.
    links, off_ms
        The links of these homes and what it costs to reach the street, shape (k,).
    """
    return LinkTable(
        rows,
        np.asarray(zone[rows]),
        np.ascontiguousarray(links.edge, dtype=np.int32),
        np.ascontiguousarray(links.place_mm),
        off_ms,
    )


@dataclass(frozen=True)
class Census:
    """The homes as a column reads them: those linked as in the base by edge and by compound, and the others.

    Attributes
    ----------
    table, edge_ptr
        All homes as the base links them: those of edge ``e`` stand at ``edge_ptr[e]:edge_ptr[e + 1]``.
    zone_place, zone_ptr
        Places in the table of the homes of each compound.
    moved
        Homes that are linked otherwise now.
    """

    table: LinkTable
    edge_ptr: Int32Array
    zone_place: Int32Array
    zone_ptr: IntArray
    moved: LinkTable

    def places_of(self, zone: int) -> Int32Array:
        """Return the places of the homes of a compound."""
        return self.zone_place[self.zone_ptr[zone] : self.zone_ptr[zone + 1]]

    def places_on(self, edges: IntArray) -> Int32Array:
        """Return the places of the homes outside compounds on some edges."""
        known = edges[edges < self.edge_ptr.shape[0] - 1]
        place, _ = spread_ranges(self.edge_ptr[known].astype(np.int64), self.edge_ptr[known + 1].astype(np.int64))
        return place.astype(np.int32)


@dataclass(frozen=True)
class Task:
    """What one step changes for one column.

    Attributes
    ----------
    without
        Facilities whose entrances are not what they were, or are gone.
    new
        Their entrances now.
    gone, came
        Ways a label could go before, and can go now.
    edges
        Edges whose homes must be read again whatever the labels.
    zones
        Compounds that must be read again.
    """

    without: IntArray
    new: SitesOn
    gone: Arcs
    came: Arcs
    edges: IntArray
    zones: frozenset[int]


@dataclass(frozen=True)
class Reader:
    """What homes are read with: the walk as it is, work arrays, the public labels of one column and its bound."""

    work: Patchwork
    desk: RepairDesk
    label: IntArray
    bound_ms: int

    def read(self, table: LinkTable, place: Int32Array, sites: SitesOn) -> IntArray:
        """Return the answers of homes at some places of a table, own labels of their compound included."""
        answer = np.empty(place.shape[0], dtype=np.int64)
        work = self.work
        repair.read_links(
            place,
            table.edge,
            table.mm,
            table.off_ms,
            work["exit_a"],
            work["exit_b"],
            work["edge_mm"],
            work["cost_ab"],
            work["cost_ba"],
            self.label,
            self.desk.own,
            sites.edge,
            sites.mm,
            sites.off_ms,
            sites.facility,
            self.bound_ms,
            answer,
        )
        return answer


@dataclass(frozen=True)
class _Reading:
    rows: list[IntArray]
    key: list[IntArray]

    def add(self, rows: IntArray, key: IntArray) -> None:
        self.rows.append(rows)
        self.key.append(key)


def _read_zones(
    reader: Reader, census: Census, sites: SitesOn, zones: set[int], reading: _Reading, *, with_leaks: bool
) -> dict[int, IntArray]:
    """Read the homes of some compounds and return where their own labels lead out of them if that is asked for."""
    work, desk = reader.work, reader.desk
    leaks = {}
    for zone in sorted(zones):
        found = desk.search_own(work, sites, reader.label, zone, reader.bound_ms)
        place = census.places_of(zone)
        reading.add(census.table.row[place], reader.read(census.table, place, sites))
        if census.moved.row.size:
            place = np.flatnonzero(census.moved.zone == zone).astype(np.int32)
            reading.add(census.moved.row[place], reader.read(census.moved, place, sites))
        if with_leaks:
            leaks[zone] = desk.find_leaks(work, zone, found)
        desk.wipe(found)
    return leaks


def solve(
    reader: Reader, before: ColumnStep, census: Census, task: Task, *, base: Callable[[IntArray], IntArray]
) -> ColumnStep:
    """Return one column after a step; the reader's labels are put right in place.

    Parameters
    ----------
    reader
        The walk as it is now and the public labels before.
    before
        The column before.
    census
        The homes as they are linked now.
    task
        What the step changes.
    base
        Gives the answers of some homes in the base.
    """
    work, desk, label = reader.work, reader.desk, reader.label
    mine = is_among(before.sites.seed_facility, task.without)
    sites = swap_sites(before.sites, task.without, task.new)
    gone = (before.sites.seed_node[mine], before.sites.seed_key[mine])
    count = desk.repair(work, label, gone, (task.gone, task.came), sites, reader.bound_ms)
    node, old = desk.touched[:count].astype(np.int64), desk.old[:count].copy()
    was_on = before.sites.edge[is_among(before.sites.facility, task.without)].astype(np.int64)
    edges, near = desk.find_edges(work, count, census.zone_ptr.shape[0] - 1)
    forced = np.concatenate([task.edges, was_on, task.new.edge.astype(np.int64)])
    forced_zone = work["edge_zone"][forced]
    edges = np.union1d(edges, forced[forced_zone < 0]).astype(np.int64)
    zones = set(task.zones)
    if before.leaks is not None:
        # where a public label rose an own one that came next to it may lead on now
        at, _ = spread_ranges(work["row_first"][node], work["row_last"][node])
        held = work["row_edge"][at]
        beside = [work["exit_a"][held], work["exit_b"][held]]
        zones |= before.leaks.find_zones(np.concatenate([task.gone.source, task.came.source, *beside]))
    zones |= set(near.tolist()) | set(np.unique(forced_zone[forced_zone >= 0]).tolist())
    reading = _Reading([], [])
    place = census.places_on(edges)
    reading.add(census.table.row[place], reader.read(census.table, place, sites))
    place = np.flatnonzero(census.moved.zone < 0).astype(np.int32)
    reading.add(census.moved.row[place], reader.read(census.moved, place, sites))
    leaks = before.leaks
    out = _read_zones(reader, census, sites, zones, reading, with_leaks=leaks is not None)
    leaks = leaks.put(out) if leaks is not None and out else leaks
    rows, key = _merge(before, reading, base)
    return ColumnStep(sites, node, old, label[node], leaks, rows, key, before.measured)


def _merge(before: ColumnStep, reading: _Reading, base: Callable[[IntArray], IntArray]) -> tuple[IntArray, IntArray]:
    """Return the homes whose answer is not the base's: of several readings of a home the last one counts."""
    rows, key = np.concatenate([before.rows, *reading.rows]), np.concatenate([before.key, *reading.key])
    order = np.argsort(rows, kind="stable")
    rows, key = rows[order], key[order]
    last = np.ones(rows.shape[0], dtype=bool)
    last[:-1] = rows[1:] != rows[:-1]
    rows, key = rows[last], key[last]
    differs = key != base(rows)
    return rows[differs], key[differs]


def to_keys(reach_ms: npt.NDArray[np.integer], facility: npt.NDArray[np.integer]) -> IntArray:
    """Return answers as labels.

    Parameters
    ----------
    reach_ms, facility
        Answers of homes, -1 for none, shape (n,).
    """
    key = (reach_ms.astype(np.int64) << FACILITY_BITS) | facility.astype(np.int64)
    return np.where(reach_ms < 0, NONE, key)


def to_answers(key: IntArray) -> tuple[Int32Array, Int32Array]:
    """Return labels as milliseconds and facility rows, -1 for none.

    Parameters
    ----------
    key
        Labels, shape (n,).
    """
    none: BoolArray = key == NONE
    return (
        np.where(none, -1, key >> FACILITY_BITS).astype(np.int32),
        np.where(none, -1, key & FACILITY_MASK).astype(np.int32),
    )
