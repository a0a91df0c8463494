"""The tree of areas: city, district, subdistrict, community, grid. Polygons tile without gaps or overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city.ground import outline_of_box, polygons_of_outlines
from data.sample_city.names import CITY_NAME, COUNTY_PREFIX, DISTRICTS, SUBDISTRICTS, community_name, pair_name
from data.sample_city.plan import BOTH, RAIL, RIVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data.sample_city.blocks import Layout
    from data.sample_city.plan import Plan

GRID_HOUSEHOLDS = (300, 500)
"""Households of one grid (网格): common practice, GB/T 34300-2017 in words."""
CRS = "EPSG:4326"


@dataclass(slots=True)
class _Unit:
    """A rectangle of the board that belongs to one grid as a whole."""

    box: tuple[int, int, int, int]
    quarter: int
    households: float
    group: int = -1


def make_areas(
    plan: Plan, layout: Layout, houses: pd.DataFrame, households: NDArray[np.float64]
) -> tuple[gpd.GeoDataFrame, NDArray[np.int64]]:
    """Return the areas layer and the row number of the grid each building lies in.

    Parameters
    ----------
    houses
        Buildings of the ledger (board coordinates and block).
    households
        Households of each building.
    """
    units, unit_of_house = _cut_units(layout, houses, households)
    units.extend(_band_units(plan, layout))
    groups = _group_units(units)
    geometry = _unit_polygons(plan, units)
    tree = _Tree(plan, layout, units, groups)
    return tree.frame(geometry), tree.grid_row[np.array([units[k].group for k in unit_of_house], dtype=np.int64)]


def _cut_units(
    layout: Layout, houses: pd.DataFrame, households: NDArray[np.float64]
) -> tuple[list[_Unit], NDArray[np.int64]]:
    """Cut each block into pieces of about 400 households; return the pieces and the piece of each building."""
    units: list[_Unit] = []
    unit_of_house = np.zeros(len(houses), dtype=np.int64)
    rows_of_block = houses.groupby("block").indices
    u, v = houses["u"].to_numpy(), houses["v"].to_numpy()
    for block in layout.blocks:
        rows = rows_of_block.get(block.number, np.empty(0, dtype=np.int64))
        todo = [((block.u0, block.v0, block.u1, block.v1), np.asarray(rows, dtype=np.int64))]
        while todo:
            box, inside = todo.pop(0)
            total = float(households[inside].sum())
            parts = max(1, round(total / 400.0))
            cut = _halve(box, (u[inside], v[inside], households[inside]), parts) if parts > 1 else None
            if cut is None:
                unit_of_house[inside] = len(units)
                units.append(_Unit(box, block.quarter, total))
                continue
            first, second, is_first = cut
            todo[0:0] = [(first, inside[is_first]), (second, inside[~is_first])]
    return units, unit_of_house


def _halve(
    box: tuple[int, int, int, int],
    held: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    parts: int,
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int], NDArray[np.bool_]] | None:
    """Cut a box between buildings so that households split as (parts // 2) : rest; None where it cannot be cut."""
    u, v, weight = held
    goal = (parts // 2) / parts
    across_u = _best_cut(u, weight, (box[0], box[2]), goal)
    across_v = _best_cut(v, weight, (box[1], box[3]), goal)
    # the shorter border is the better one unless it splits the households badly
    slack = 0.12 if box[2] - box[0] >= box[3] - box[1] else -0.12
    if across_u is None and across_v is None:
        return None
    if across_v is None or (across_u is not None and across_u[1] <= across_v[1] + slack):
        cut = across_u[0] if across_u is not None else 0
        return (box[0], box[1], cut, box[3]), (cut, box[1], box[2], box[3]), u < cut
    cut = across_v[0]
    return (box[0], box[1], box[2], cut), (box[0], cut, box[2], box[3]), v < cut


def _best_cut(
    at: NDArray[np.float64], weight: NDArray[np.float64], ends: tuple[int, int], goal: float
) -> tuple[int, float] | None:
    """Return the cut between two buildings that comes nearest to a share of households, and how far off it is."""
    order = np.argsort(at, kind="stable")
    place, shares = at[order], np.cumsum(weight[order]) / weight.sum()
    cuts = np.round((place[:-1] + place[1:]) / 2.0)
    usable = (place[1:] - place[:-1] > 4.0) & (cuts > ends[0] + 10) & (cuts < ends[1] - 10)
    if not usable.any():
        return None
    off = np.where(usable, np.abs(shares[:-1] - goal), np.inf)
    best = int(np.argmin(off))
    return int(cuts[best]), float(off[best])


def _band_units(plan: Plan, layout: Layout) -> list[_Unit]:
    """Return pieces of river and railway, cut along their middle, each given to the quarter beside it."""
    corner_of = _corner_quarters(plan, layout)
    at_corner = {(cell.u0, cell.v0): cell for cell in plan.cells}
    at_end = {(cell.u1, cell.v0): cell for cell in plan.cells}
    units = []
    for cell in plan.cells:
        u0, v0, u1, v1 = cell.u0, cell.v0, cell.u1, cell.v1
        mu, mv = (u0 + u1) // 2, (v0 + v1) // 2
        if cell.zone == RIVER:
            units.append(_Unit((u0, v0, u1, mv), corner_of[(u0, v0, 0, 1)], 0.0))
            units.append(_Unit((u0, mv, u1, v1), corner_of[(u0, v1, 0, 0)], 0.0))
        elif cell.zone == RAIL:
            units.append(_Unit((u0, v0, mu, v1), corner_of[(u0, v0, 1, 0)], 0.0))
            units.append(_Unit((mu, v0, u1, v1), corner_of[(u1, v0, 0, 0)], 0.0))
        elif cell.zone == BOTH:
            # where river and railway meet, the land goes with the river pieces to the west and to the east
            west, east = at_end[(u0, v0)], at_corner[(u1, v0)]
            units.append(_Unit((u0, v0, mu, mv), corner_of[(west.u0, v0, 0, 1)], 0.0))
            units.append(_Unit((mu, v0, u1, mv), corner_of[(east.u0, v0, 0, 1)], 0.0))
            units.append(_Unit((u0, mv, mu, v1), corner_of[(west.u0, v1, 0, 0)], 0.0))
            units.append(_Unit((mu, mv, u1, v1), corner_of[(east.u0, v1, 0, 0)], 0.0))
    return units


def _corner_quarters(plan: Plan, layout: Layout) -> dict[tuple[int, int, int, int], int]:
    """Return the quarter at each corner of each cell: (u, v, whether it is the east corner, the north corner)."""
    found: dict[tuple[int, int, int, int], int] = {}
    for block in layout.blocks:
        cell = plan.cells[block.cell]
        for east in (0, 1):
            for north in (0, 1):
                corner = (cell.u1 if east else cell.u0, cell.v1 if north else cell.v0)
                if corner == (block.u1 if east else block.u0, block.v1 if north else block.v0):
                    found[(*corner, east, north)] = block.quarter
    return found


def _group_units(units: list[_Unit]) -> list[list[int]]:
    """Join pieces with few households to their neighbours in the same quarter; return the grids as lists of pieces."""
    by_quarter: dict[int, list[int]] = {}
    for number, unit in enumerate(units):
        by_quarter.setdefault(unit.quarter, []).append(number)
    groups: list[list[int]] = []
    for quarter in sorted(by_quarter):
        for members in _join_small(units, by_quarter[quarter]):
            for number in members:
                units[number].group = len(groups)
            groups.append(members)
    return groups


def _join_small(units: list[_Unit], members: list[int]) -> list[list[int]]:
    """Join the smallest group to its smallest neighbour until all have enough households or stand alone."""
    groups = {k: [number] for k, number in enumerate(members)}
    total = {k: units[number].households for k, number in enumerate(members)}
    beside: dict[int, set[int]] = {k: set() for k in groups}
    for a in groups:
        for b in range(a):
            if _touch(units[members[a]].box, units[members[b]].box):
                beside[a].add(b)
                beside[b].add(a)
    while True:
        small = [k for k in groups if total[k] < GRID_HOUSEHOLDS[0] and beside[k]]
        if not small:
            break
        k = min(small, key=lambda key: (total[key], key))
        other = min(beside[k], key=lambda key: (total[key], key))
        if total[k] > 0.0 and total[k] + total[other] > 1.2 * GRID_HOUSEHOLDS[1]:
            beside[k].clear()
            continue
        groups[other].extend(groups.pop(k))
        total[other] += total.pop(k)
        for near in beside.pop(k):
            beside[near].discard(k)
            if near != other:
                beside[near].add(other)
                beside[other].add(near)
        beside[other].discard(other)
    return list(groups.values())


def _touch(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Return whether two boxes share a piece of border longer than a point."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return (wide == 0 and high > 0) or (high == 0 and wide > 0)


def _unit_polygons(plan: Plan, units: list[_Unit]) -> NDArray[Any]:
    """Return the pieces as polygons that carry every corner of their neighbours, so that borders are the same."""
    on_u: dict[int, set[int]] = {}
    on_v: dict[int, set[int]] = {}
    for unit in units:
        for u in (unit.box[0], unit.box[2]):
            for v in (unit.box[1], unit.box[3]):
                on_u.setdefault(u, set()).add(v)
                on_v.setdefault(v, set()).add(u)
    sorted_u = {u: np.array(sorted(vs)) for u, vs in on_u.items()}
    sorted_v = {v: np.array(sorted(us)) for v, us in on_v.items()}
    outlines = []
    for unit in units:
        u0, v0, u1, v1 = unit.box
        extra = [(float(u), float(v)) for u in (u0, u1) for v in _between(sorted_u[u], v0, v1)]
        extra += [(float(u), float(v)) for v in (v0, v1) for u in _between(sorted_v[v], u0, u1)]
        outlines.append(outline_of_box((float(u0), float(v0), float(u1), float(v1)), extra))
    return polygons_of_outlines(plan.board, outlines)


def _between(at: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """Return the sorted positions strictly between two others."""
    return at[np.searchsorted(at, low, "right") : np.searchsorted(at, high, "left")]


class _Tree:
    """Codes, names and polygons of all levels, from the grids upward."""

    def __init__(self, plan: Plan, layout: Layout, units: list[_Unit], groups: list[list[int]]) -> None:
        self.plan, self.units, self.groups = plan, units, groups
        subdistrict_of = {block.quarter: block.subdistrict for block in layout.blocks}
        zone_of = {block.quarter: block.zone for block in layout.blocks}
        self.rows: list[tuple[str, str, str, str | None]] = []
        self.members: list[list[int]] = []
        self.grid_row = np.zeros(len(groups), dtype=np.int64)
        city = COUNTY_PREFIX + "00000000"
        self._add(city, CITY_NAME, "city", None, list(range(len(units))))
        quarters: dict[int, list[int]] = {}
        for number, members in enumerate(groups):
            quarters.setdefault(units[members[0]].quarter, []).append(number)
        for district in sorted(set(plan.district_of)):
            code = f"{COUNTY_PREFIX}{district + 1:02d}000000"
            inside = {s for s, d in enumerate(plan.district_of) if d == district}
            all_units = [k for k, unit in enumerate(units) if subdistrict_of[unit.quarter] in inside]
            self._add(code, DISTRICTS[district], "district", city, all_units)
            for order, subdistrict in enumerate(sorted(inside), start=1):
                mine = [quarter for quarter in sorted(quarters) if subdistrict_of[quarter] == subdistrict]
                self._add_subdistrict((code, order, subdistrict), mine, quarters, zone_of)

    def _add(self, code: str, name: str, level: str, parent: str | None, members: list[int]) -> None:
        self.rows.append((code, name, level, parent))
        self.members.append(members)

    def _add_subdistrict(
        self,
        place: tuple[str, int, int],
        mine: list[int],
        quarters: dict[int, list[int]],
        zone_of: dict[int, str],
    ) -> None:
        """Add a subdistrict with its communities and grids."""
        parent, order, subdistrict = place
        code = f"{parent[:6]}{order:03d}000"
        inside = [k for quarter in mine for group in quarters[quarter] for k in self.groups[group]]
        name = SUBDISTRICTS[subdistrict] if subdistrict < len(SUBDISTRICTS) else pair_name(subdistrict)
        self._add(code, f"{name}街道", "subdistrict", parent, inside)
        for turn, quarter in enumerate(mine, start=1):
            community = f"{code[:9]}{turn:03d}"
            grids = quarters[quarter]
            title = community_name(quarter, zone_of[quarter])
            self._add(community, title, "community", code, [k for group in grids for k in self.groups[group]])
            for last, group in enumerate(grids, start=1):
                self.grid_row[group] = len(self.rows)
                self._add(f"{community}{last:03d}", f"{title}第{last}网格", "grid", community, self.groups[group])

    def frame(self, geometry: NDArray[Any]) -> gpd.GeoDataFrame:
        """Return the areas layer."""
        polygons = [
            geometry[members[0]] if len(members) == 1 else shapely.coverage_union_all(geometry[members])
            for members in self.members
        ]
        frame = pd.DataFrame(self.rows, columns=["code", "name", "level", "parent_code"])
        return gpd.GeoDataFrame(frame, geometry=polygons, crs=CRS)
