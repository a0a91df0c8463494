"""The figures of a run carried over to the present layers, with what was touched searched again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.link import Links
from geo.radius import find_radius
from geo.reach import Homes, find_reach
from geo.units import MM_PER_M, NO_COST
from layers.runs.plan import count_network
from layers.runs.result import RunResult, lay_columns

if TYPE_CHECKING:
    from geo.places import Places
    from geo.reach import Walk
    from geo.units import BoolArray, FloatArray, IntArray
    from layers.runs.follow_changes import Changes
    from layers.runs.load import StoredFigures
    from layers.runs.plan import Part, RunPlan

SLACK_M = 60.0
"""A gate within 10 m of an outline enters it, and boxes are a little wide: nobody farther off is touched."""

NONE = -1

ROUNDING = 1.01
"""Every way is rounded to milliseconds; a street of many short ones may be that much quicker."""


def _find_bounds(places: Places) -> FloatArray:
    """Return the boxes around places, shape (n, 4)."""
    bounds = np.hstack([places.xy, places.xy])
    bounds[places.shape_row] = shapely.bounds(places.shape)
    return bounds


def find_fastest(walk: Walk) -> float:
    """Return how fast the quickest way is got along, or the way to the street, metres a second.

    Parameters
    ----------
    walk
        A network as somebody walks or drives it.
    """
    length, pace = walk.network.edge_mm, walk.profile.pace_m_s
    # of shorter ones the rounding to milliseconds is too much of the whole
    long = length >= MM_PER_M
    for cost in (walk.cost_ab, walk.cost_ba):
        mine = long & (cost != NO_COST)
        if mine.any():
            pace = max(pace, float((length[mine] / np.maximum(cost[mine], 1)).max()))
    return pace * ROUNDING


class Carried:
    """Stored figures on the buildings as they are now.

    Parameters
    ----------
    plan
        What a full run would walk now; of a run of one moment what is shut then is left out, and what opens or shuts
        by new hours is a facility or gate that changed.
    stored
        The figures of the run.
    changes
        What was committed since.
    """

    def __init__(self, plan: RunPlan, stored: StoredFigures, changes: Changes) -> None:
        study = plan.study
        self.study = study
        self.plan = plan
        self.stored = stored
        self.changes = changes
        self.building_id = study.buildings.building_id[plan.rows]
        place = np.searchsorted(stored.building_id, self.building_id)
        place = np.minimum(place, max(stored.building_id.shape[0] - 1, 0))
        self._has_stored = np.zeros(self.building_id.shape[0], dtype=bool)
        if stored.building_id.shape[0]:
            self._has_stored = stored.building_id[place] == self.building_id
        self._place = place
        self._start = study.buildings.places.take(plan.rows)
        self._box = _find_bounds(self._start)
        self._pace_m_s: dict[str, float] = {}
        self._is_new = ~self._has_stored | np.isin(self.building_id, changes.buildings)

    def take(self, matrix: npt.NDArray[Any], missing: int) -> npt.NDArray[Any]:
        """Return a stored matrix by present building, with `missing` for buildings that are new."""
        taken = np.full((self.building_id.shape[0], matrix.shape[1]), missing, dtype=matrix.dtype, order="F")
        taken[self._has_stored] = matrix[self._place[self._has_stored]]
        return taken

    def find_touched(self) -> list[IntArray]:
        """Return for every column the buildings that must be searched again, rows of the plan."""
        facility_id = self.take(self.stored.facility_id, NONE)
        return [np.flatnonzero(self._is_touched(number, facility_id[:, number])) for number in range(self._width)]

    @property
    def _width(self) -> int:
        return len(self.plan.columns)

    def _is_touched(self, number: int, facility_id: IntArray) -> BoolArray:
        touched = self._is_new.copy()
        changes = self.changes
        if changes.facilities.size:
            touched |= np.isin(facility_id, changes.facilities)
        if changes.place is not None:
            touched |= self._measure(changes.place.bounds) <= self._find_reach_m(number)
        for box in self._find_changed_sites(number):
            touched |= self._measure(box) <= self._find_reach_m(number)
        return touched

    def _find_changed_sites(self, number: int) -> list[tuple[float, float, float, float]]:
        """Return the boxes of the facilities of a column that changed, or may be entered elsewhere now."""
        rows = self.plan.site_rows[number]
        site = self.study.sites.geometry[rows]
        changed = np.isin(self.study.sites.facility_id[rows], self.changes.facilities)
        if self.changes.place is not None:
            near_m = self.study.settings.link_max_m + SLACK_M
            changed |= shapely.dwithin(site, self.changes.place, near_m)
        return [tuple(box) for box in shapely.bounds(site[changed]).tolist()]

    def _find_reach_m(self, number: int) -> float:
        """Return how far as a straight line a change can touch somebody of a column."""
        part = self._part_of(number)
        if part.profile not in self._pace_m_s:
            self._pace_m_s[part.profile] = find_fastest(part.tread.walk)
        way_m = self.plan.bounds_s[number] * self._pace_m_s[part.profile]
        return float(way_m + self.study.settings.link_max_m + SLACK_M)

    def _part_of(self, number: int) -> Part:
        return next(part for part in self.plan.parts if number in part.numbers)

    def _measure(self, box: tuple[float, float, float, float]) -> FloatArray:
        """Return how far each building's box is at least from a box, metres."""
        west, south, east, north = box
        dx = np.maximum(np.maximum(west - self._box[:, 2], self._box[:, 0] - east), 0)
        dy = np.maximum(np.maximum(south - self._box[:, 3], self._box[:, 1] - north), 0)
        return np.hypot(dx, dy)

    def compute(self, touched: list[IntArray]) -> RunResult:
        """Return the result of a full run, searching only for the buildings touched.

        Parameters
        ----------
        touched
            For every column the buildings to search for.
        """
        stored, plan = self.stored, self.plan
        linked: dict[int, BoolArray] = {}
        reach_ms = self.take(stored.reach_ms, NONE)
        facility = self._find_rows(self.take(stored.facility_id, NONE))
        for part in plan.parts:
            for number in part.numbers:
                self._search(part, number, touched[number], reach_ms, facility)
                linked[number] = part.tread.homes.links.is_linked
        return RunResult(
            study=self.study,
            columns=plan.columns,
            rows=plan.rows,
            is_linked=lay_columns([linked[number] for number in range(self._width)]),
            reach_ms=reach_ms,
            facility=facility,
            radius_mm=self._measure_radius(),
            people=lay_columns(plan.weights),
            network_counts=count_network(self.study.streetscape.network),
        )

    def _find_rows(self, facility_id: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return facility rows of store ids; those that are gone were searched for again."""
        ids = self.study.sites.facility_id
        row = np.minimum(np.searchsorted(ids, facility_id), ids.shape[0] - 1)
        return np.asfortranarray(np.where(ids[row] == facility_id, row, NONE).astype(np.int32))

    def _search(
        self,
        part: Part,
        number: int,
        rows: IntArray,
        reach_ms: npt.NDArray[np.int32],
        facility: npt.NDArray[np.int32],
    ) -> None:
        if rows.size == 0:
            return
        homes = part.tread.homes
        links = Links(homes.links.edge[rows], homes.links.place_mm[rows], homes.links.off_mm[rows])
        (found,) = find_reach(
            part.tread.walk,
            Homes(links, homes.zone[rows]),
            part.tread.entrances,
            facilities=[self._find_near(number, rows)],
            bounds_s=[self.plan.bounds_s[number]],
        )
        reach_ms[rows, number] = found.reach_ms
        facility[rows, number] = found.facility

    def _find_near(self, number: int, rows: IntArray) -> npt.NDArray[np.int32]:
        """Return the facilities of a column that somebody in these rows could walk to."""
        site_rows = self.plan.site_rows[number]
        west, south = self._box[rows, :2].min(axis=0) - self._find_reach_m(number)
        east, north = self._box[rows, 2:].max(axis=0) + self._find_reach_m(number)
        bounds = shapely.bounds(self.study.sites.geometry[site_rows])
        near = (bounds[:, 0] <= east) & (bounds[:, 2] >= west) & (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
        rows_near: npt.NDArray[np.int32] = site_rows[near]
        return rows_near

    def _measure_radius(self) -> npt.NDArray[np.int32]:
        """Return straight lines to the nearest facilities, measured again where a changed one is or was as near."""
        radius = self.take(self.stored.radius_mm, NONE)
        box = self.changes.site_box
        least_mm = np.full(self._start.count, np.inf) if box is None else self._measure(box.bounds) * MM_PER_M
        done: dict[bytes, npt.NDArray[Any]] = {}
        for number in range(self._width):
            sites = self.plan.site_rows[number]
            key = sites.tobytes()
            if key not in done:
                column = radius[:, number].copy()
                again = self._is_new | (least_mm <= column + MM_PER_M) | ((column == NONE) & (box is not None))
                rows = np.flatnonzero(again)
                column[rows] = find_radius(self._start.take(rows), self.study.sites.places.take(sites.astype(np.int64)))
                done[key] = column
            radius[:, number] = done[key]
        return radius

    def find_different(self, result: RunResult) -> BoolArray:
        """Return which buildings have a figure that differs from what is stored, or are new."""
        different = ~self._has_stored
        stored = self.stored
        pairs = (
            (result.is_linked, self.take(stored.is_linked, 0)),
            (result.reach_ms, self.take(stored.reach_ms, NONE)),
            (result.facility_id, self.take(stored.facility_id, NONE)),
            (result.radius_mm, self.take(stored.radius_mm, NONE)),
            (result.people, self.take(stored.people, 0)),
        )
        for now, before in pairs:
            different |= (now != before).any(axis=1)
        return different
