"""Compute one part of the study area: read what it needs, run it as the whole is run, prove that nothing is missing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.errors import DataError
from geo.link import Links
from geo.partition import (
    DEGREE_M,
    MARGIN_SLACK,
    NEAR_M,
    Census,
    absorb_boxes,
    count_own,
    find_inner_box,
    find_unproved,
    grow_boxes,
    join_boxes,
    make_fence,
    spread_boxes,
)
from geo.radius import find_radius_of_many
from geo.reach import Homes, Reach, find_reach
from geo.units import MM_PER_M
from layers.network import project
from layers.parts.within import BARRIERS, Within
from layers.runs.plan import BOUND_FACTOR, choose_judged
from layers.sites import list_serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geo.units import BoolArray, FloatArray, Int32Array, IntArray
    from layers.parts.source import PartSource
    from layers.runs.result import Column, GapRequest, RunResult
    from layers.settings import Settings
    from layers.study import Study

GROWTH = 1.6
"""How much larger a margin is tried where a part could not prove its answer."""

RIM_POINTS = 33
"""Places along each side of a box in degrees at which its bend in the metric CRS is looked at."""

ROUNDING_M = 2.0
"""Far more than the boxes of indexes are rounded by."""

MAX_SPREAD_M = 1_000.0
"""Line ends with one node id that lie farther apart than this are a slip of the data, not a moved junction."""


@dataclass(frozen=True, slots=True)
class PartRules:
    """What is the same for every part of a run.

    Attributes
    ----------
    request
        What to judge.
    bounds
        Box around everything in degrees, shape (1, 4).
    types
        How many facilities of each type there are.
    junctions_m
        How far apart line ends lie that carry the same node id, metres.
    margin_m
        Margin to begin with: how far one can get within the longest bound.
    """

    request: GapRequest
    bounds: FloatArray
    types: dict[str, int]
    junctions_m: float
    margin_m: float


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part found: plain arrays, with store ids instead of rows, so that parts can be laid side by side.

    Attributes
    ----------
    building_id, deepest, counts, dwellings
        The buildings of the cell, as in :class:`layers.homes.Buildings`; areas are rows of the whole tree.
    rows
        Which of them were judged.
    is_linked, reach_ms, facility_id, radius_mm
        Figures of those, one column a type and profile; -1 for none.
    columns
        What each column judges; the figures in it about people and facilities are the part's own.
    facilities, facilities_unlinked
        Facilities in the cell that serve each column, and those of them tied to no way, shape (columns,).
    census
        What the cell's streets add to the figures about the network.
    gates_unattached
        Gates in the cell that open onto no way.
    margin_m
        The margin that was enough.
    nodes_read
        Nodes of the network that was compiled for it, margin included.
    """

    building_id: IntArray
    deepest: Int32Array
    counts: Int32Array
    dwellings: IntArray
    rows: IntArray
    is_linked: BoolArray
    reach_ms: Int32Array
    facility_id: IntArray
    radius_mm: Int32Array
    columns: tuple[Column, ...]
    facilities: IntArray
    facilities_unlinked: IntArray
    census: Census
    gates_unattached: int
    margin_m: float
    nodes_read: int


@dataclass(frozen=True, slots=True)
class _Region:
    """A part on its way: the rows to read, and the box within which it must be right."""

    within: Within
    box: FloatArray
    holds_all: bool


def compute_part(
    source: PartSource,
    settings: Settings,
    *,
    cell: tuple[float, float, float, float],
    rules: PartRules,
    threads: int = 1,
) -> PartResult:
    """Return the figures of the buildings in a cell, equal to the last bit to those of the whole.

    Parameters
    ----------
    source
        Where the part is read from.
    settings
        Link distances and the city file.
    cell
        West, south, east, north in degrees, infinite where there is no bound.
    rules
        What is the same for every part.
    threads
        Searches at the same time; the result does not depend on it.

    Raises
    ------
    DataError
        Node ids of the streets stand for places far apart.
    """
    if rules.junctions_m > MAX_SPREAD_M:
        raise DataError(
            f"cutting the study area into parts: streets that carry the same node id end {rules.junctions_m:,.0f} m "
            f"apart, expected at most {MAX_SPREAD_M:,.0f} m",
            hint="load the streets anew, or compute the run in one piece",
        )
    margin_m = rules.margin_m
    while True:
        region = _find_region(source, settings, cell=cell, rules=rules, margin_m=margin_m)
        # nothing a part compiles is of use to another: it leaves no cache behind
        with tempfile.TemporaryDirectory(prefix="onemap-part-") as folder:
            study = source.load(replace(settings, home=Path(folder)), region.within)
            study = source.set_clock(study, rules.request.at)
            study = _widen_sites(source, study, region, rules)
            result = source.compute(study, rules.request, threads=threads)
            if region.holds_all or _is_proved(study, result, region, rules, threads):
                return _pack(source, study, result, region.within, margin_m)
        margin_m *= GROWTH


def _find_region(
    source: PartSource,
    settings: Settings,
    *,
    cell: tuple[float, float, float, float],
    rules: PartRules,
    margin_m: float,
) -> _Region:
    """Return the rows a part needs with a margin."""
    core = _clip(cell, rules.bounds)
    homes = source.find_home_bounds(Within(cell, {}))
    core = join_boxes(np.concatenate([core, homes]))
    rim_m = _rim_m(settings, rules)
    box = grow_boxes(core, margin_m * MARGIN_SLACK + settings.link_max_m + rim_m)
    # a facility is entered from at most so far away: what its entrances depend on must be read with it
    link_m = settings.link_max_m + settings.entrance_within_m + ROUNDING_M
    outlines = source.find_outlines(box)
    first = absorb_boxes(grow_boxes(box, link_m), grow_boxes(outlines, link_m))
    near_m = NEAR_M + rules.junctions_m
    streets, compounds = spread_boxes(first, source.find_streets, near_m=near_m)
    if not source.has_streets(streets):
        # a network cannot be empty; one far street changes nothing
        streets = np.concatenate([streets, source.find_any_street()])
    boxes = {
        "streets": streets,
        "gates": streets,
        "compounds": compounds,
        BARRIERS: first,
        "facilities": box,
        "areas": core,
    }
    return _Region(Within(cell, boxes), box, _holds(box, rules.bounds))


def _rim_m(settings: Settings, rules: PartRules) -> float:
    """Return how near to the rim of its box a part may be wrong: facilities beyond it link to ways inside."""
    return settings.link_max_m + settings.entrance_within_m + rules.junctions_m + ROUNDING_M


def _clip(cell: tuple[float, float, float, float], bounds: FloatArray) -> FloatArray:
    low = np.clip(cell[:2], bounds[0, :2], bounds[0, 2:])
    high = np.clip(cell[2:], bounds[0, :2], bounds[0, 2:])
    return np.concatenate([low, high])[None, :]


def _widen_sites(source: PartSource, study: Study, region: _Region, rules: PartRules) -> Study:
    """Return the study with the facilities that the straight-line distances of its buildings ask for.

    The radius test looks at the nearest facility however far it is; a part holds those near its cell.
    """
    if study.buildings.places.count == 0 or region.holds_all:
        return study
    around = region.within.boxes["areas"]
    judged = choose_judged(study.pack, study.profiles, rules.request)
    serving = {one.kind.code: list_serving(one.kind.code, study.pack) for one in judged}
    waiting = {code: region.box for code, kinds in serving.items() if any(rules.types.get(kind) for kind in kinds)}
    types: dict[str, FloatArray] = {}
    while waiting:
        is_wider = False
        radius_mm = _find_farthest(study, waiting)
        for code, read in list(waiting.items()):
            if code in radius_mm:
                needed = grow_boxes(around, radius_mm[code] / MM_PER_M + ROUNDING_M)
                del waiting[code]
            elif _holds(read, rules.bounds):
                needed = read
                del waiting[code]
            else:
                needed = waiting[code] = grow_boxes(read, max(rules.margin_m, _span_m(read)))
            if not _holds(read, needed):
                is_wider = True
                for kind in serving[code]:
                    types[kind] = join_boxes(np.concatenate([types.get(kind, needed), needed]))
        if is_wider:
            study = source.load_sites(study, replace(region.within, types=types))
    return study


def _find_farthest(study: Study, codes: Iterable[str]) -> dict[str, int]:
    """Return by type how far the building lies that is farthest from the nearest facility of it, millimetres."""
    rows = {code: study.sites.rows_of(code, study.pack).astype(np.int64) for code in codes}
    rows = {code: mine for code, mine in rows.items() if mine.shape[0]}
    found = find_radius_of_many(study.buildings.places, [study.sites.places.take(mine) for mine in rows.values()])
    return {code: int(radius_mm.max()) for code, radius_mm in zip(rows, found, strict=True)}


def _holds(box: FloatArray, other: FloatArray) -> bool:
    return bool((box[0, :2] <= other[0, :2]).all() and (box[0, 2:] >= other[0, 2:]).all())


def _span_m(box: FloatArray) -> float:
    return float(box[0, 3] - box[0, 1]) * DEGREE_M


def _is_proved(study: Study, result: RunResult, region: _Region, rules: PartRules, threads: int) -> bool:
    """Return whether nothing beyond the part's box could change a figure."""
    if result.rows.shape[0] == 0:
        return True
    network = study.streetscape.network
    inner = find_inner_box(_project_rim(region.box, network.metric_crs), _rim_m(study.settings, rules))
    reach_m = study.settings.link_max_m
    places = study.buildings.places.take(result.rows)
    corners = np.concatenate([places.xy[places.is_point], shapely.get_coordinates(places.shape)])
    if (corners - reach_m < inner[:2]).any() or (corners + reach_m > inner[2:]).any():
        return False
    fence = make_fence(network, inner)
    longest_s = max((column.limit_s for column in result.columns), default=1) * BOUND_FACTOR
    for code in dict.fromkeys(column.profile for column in result.columns):
        tread = study.treads[code]
        links = tread.homes.links
        homes = Homes(
            Links(links.edge[result.rows], links.place_mm[result.rows], links.off_mm[result.rows]),
            tread.homes.zone[result.rows],
        )
        (beyond,) = find_reach(
            tread.walk,
            homes,
            fence,
            facilities=[np.zeros(1, dtype=np.int32)],
            bounds_s=[longest_s],
            threads=threads,
        )
        for number, column in enumerate(result.columns):
            found = Reach(result.reach_ms[:, number], result.facility[:, number])
            if column.profile == code and find_unproved(found, beyond, column.limit_s * BOUND_FACTOR).any():
                return False
    return True


def _project_rim(box: FloatArray, metric_crs: str) -> FloatArray:
    """Return points along the west, south, east and north side of a box in the metric CRS, shape (4, n, 2)."""
    west, south, east, north = box[0].tolist()
    along = np.linspace(0.0, 1.0, RIM_POINTS)
    x = west + (east - west) * along
    y = south + (north - south) * along
    sides = [
        np.stack([np.full(RIM_POINTS, west), y], axis=1),
        np.stack([x, np.full(RIM_POINTS, south)], axis=1),
        np.stack([np.full(RIM_POINTS, east), y], axis=1),
        np.stack([x, np.full(RIM_POINTS, north)], axis=1),
    ]
    points = np.asarray(shapely.points(np.concatenate(sides)), dtype=object)
    xy: FloatArray = shapely.get_coordinates(project(points, metric_crs))
    return xy.reshape(4, RIM_POINTS, 2)


def _pack(source: PartSource, study: Study, result: RunResult, within: Within, margin_m: float) -> PartResult:
    """Return what a part found as plain arrays."""
    network = study.streetscape.network
    own_streets = source.list_own("streets", within)
    own_gates = source.list_own("gates", within)
    is_own_site = np.isin(study.sites.facility_id, source.list_own("facilities", within))
    serving = [study.sites.rows_of(column.type, study.pack) for column in result.columns]
    serving = [rows[is_own_site[rows]] for rows in serving]
    reached = [study.treads[column.profile].entrances.facility for column in result.columns]
    gate_id = np.append(network.gate_id, 0)[network.edge_gate]
    is_own = np.where(network.edge_gate >= 0, np.isin(gate_id, own_gates), np.isin(network.edge_street, own_streets))
    buildings = study.buildings
    return PartResult(
        building_id=np.array(buildings.building_id),
        deepest=np.array(buildings.deepest),
        counts=np.array(buildings.counts),
        dwellings=np.array(buildings.dwellings),
        rows=result.rows,
        is_linked=result.is_linked,
        reach_ms=result.reach_ms,
        facility_id=result.facility_id,
        radius_mm=result.radius_mm,
        columns=result.columns,
        facilities=np.array([rows.shape[0] for rows in serving], dtype=np.int64),
        facilities_unlinked=np.array(
            [(~np.isin(rows, linked)).sum() for rows, linked in zip(serving, reached, strict=True)], dtype=np.int64
        ),
        census=count_own(network, is_own),
        gates_unattached=int(np.isin(network.find_unattached_gates(), own_gates).sum()),
        margin_m=margin_m,
        nodes_read=network.node_count,
    )
