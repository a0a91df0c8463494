"""Invented cities to ask "what if" of: random streets, compounds, gates, barriers, islands, homes, sites and edits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.costs import WalkProfile
from geo.driving import Roads
from geo.driving_turns import TurnRules
from geo.link import Ways, link_points, link_sites
from geo.linking.barriers import Barriers, split_long_barriers
from geo.network import CLOSED_ON_FOOT, STEPS, Gates, Streets
from geo.radius import find_radius
from geo.reach import Homes, find_reach
from geo.slope import GRADE_UNIT, Ground
from geo.units import NO_COST, to_mm
from geo.whatif.edits import (
    Edit,
    Facilities,
    FacilityAdded,
    FacilityClosed,
    FacilityMoved,
    FacilityResized,
    GateAdded,
    GateClosed,
    GateOpened,
    PathDrawn,
    StreetClosed,
    StreetOpened,
    Town,
    build_town,
)
from geo.whatif.engine import Base, Column, Figures, Step
from geo.whatif.rules import ByVehicle, OnFoot
from tests.gridcity import ORIGIN, GridCity, box, line, objects, point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geo.network import Network
    from geo.units import ObjectArray

Rng = np.random.Generator
PACE = WalkProfile("pace", 1.11)
SLOW = WalkProfile("slow", 0.8, steps_factor=1.7)
WHEELS = WalkProfile("wheels", 0.9, steps=False)
CLIMBER = WalkProfile("climber", 1.0, climb_factor=8.0, max_slope=0.0601, crossing_s=7.0)
"""Uphill takes longer than downhill."""


def make_base(
    town: Town,
    homes: ObjectArray,
    sites: ObjectArray,
    serves: Sequence[Sequence[int]],
    *,
    bounds_s: Sequence[float],
    profile: WalkProfile = PACE,
    vehicle: ByVehicle | None = None,
    make_ground: Callable[[Network], Ground | None] | None = None,
) -> Base:
    """Return the base of a full run."""
    network = build_town(town)
    walk = (OnFoot(profile, make_ground) if vehicle is None else vehicle).lay_out(network)
    is_open = (walk.cost_ab != NO_COST) | (walk.cost_ba != NO_COST)
    ways = Ways(network, is_open, town.barriers, town.max_link_m, town.outline_reach_m)
    zone = town.walls.find_zones(np.asarray(shapely.point_on_surface(homes), dtype=object))
    site_zone = town.walls.find_zones(np.asarray(shapely.point_on_surface(sites), dtype=object))
    linked = Homes(link_points(homes, zone, ways=ways), zone)
    entrances = link_sites(sites, site_zone, ways=ways, gate_point=town.open_gate_point)
    rows = tuple(np.array(sorted(s), dtype=np.int32) for s in serves)
    reach = find_reach(walk, linked, entrances, facilities=rows, bounds_s=bounds_s)
    return Base(
        town=town,
        walls=town.walls,
        barriers=town.barriers,
        walk=walk,
        home=homes,
        homes=linked,
        facilities=Facilities(sites, site_zone, np.full(sites.shape[0], np.nan), rows),
        entrances=entrances,
        columns=tuple(
            Column(bound, round(bound / 2), r.reach_ms, r.facility, find_radius(homes, sites[mine]))
            for r, bound, mine in zip(reach, bounds_s, rows, strict=True)
        ),
        gate_point=town.open_gate_point,
        max_link_m=town.max_link_m,
        outline_reach_m=town.outline_reach_m,
        make_ground=make_ground,
        load_vehicle=None if vehicle is None else lambda: vehicle,
    )


def make_vehicle(rng: Rng, town: Town, *, turns: int) -> ByVehicle:
    """Return a vehicle with speeds, one-way streets and at most so many turn rules where chance puts them."""
    streets = town.streets
    count = streets.street_id.shape[0]

    def draw() -> Roads:
        speed = rng.choice([0, 4_000, 7_500, 11_111], count, p=[0.15, 0.4, 0.3, 0.15]).astype(np.int64)
        way = rng.choice([0, 0, 0, 1, -1], count)
        return Roads(streets.street_id, speed, np.where(speed == 0, 0, way).astype(np.int8))

    end = to_mm(shapely.get_coordinates(shapely.get_point(np.repeat(streets.line, 2), [0, -1] * count)))
    pairs = [
        (i, j)
        for i in range(end.shape[0])
        for j in np.flatnonzero((np.abs(end - end[i]) <= 20).all(axis=1)).tolist()
        if i // 2 != j // 2 or rng.random() < 0.1
    ]
    few = np.array([pairs[int(k)] for k in rng.permutation(len(pairs))[:turns]], dtype=np.int64).reshape(-1, 2)
    return ByVehicle(
        profile=WalkProfile("driving", 2.0),
        street_id=streets.street_id,
        line=streets.line,
        roads=draw(),
        unbarred=draw(),
        turns=TurnRules(few[:, 0] // 2, few[:, 0] % 2, few[:, 1] // 2, few[:, 1] % 2, rng.random(few.shape[0]) < 0.3),
        gate_mm_s=3_333,
        passes_gates=bool(rng.random() < 0.5),
    )


def make_hill(network: Network) -> Ground:
    """Return a hillside that rises to the east, with a crossing on every fifth street."""
    ends = [network.geom_xy[network.geom_ptr[:-1]], network.geom_xy[network.geom_ptr[1:] - 1]]
    rise_mm = to_mm((ends[1][:, 0] - ends[0][:, 0]) * 0.06)
    grade = (np.abs(rise_mm) * GRADE_UNIT // np.maximum(network.edge_mm, 1)).astype(np.int32)
    crossing_mm = np.where(network.edge_street % 5 == 0, 30_000, 0)
    return Ground(np.maximum(rise_mm, 0), np.maximum(-rise_mm, 0), grade, crossing_mm)


def make_town(city: GridCity) -> Town:
    """Return a grid city as the data it was made from."""
    count = len(city.lines)
    walls = city.walls_table()
    barriers = objects([*walls.lines(), *city.barriers])
    gates = city.gates_table()
    return Town(
        streets=Streets(
            street_id=np.arange(count, dtype=np.int64) + 1,
            line=objects(city.lines),
            flags=np.array(city.flags, dtype=np.uint8),
            is_private=np.array(city.private, dtype=bool),
            node_a=np.array([n[0] for n in city.nodes], dtype=np.int64),
            node_b=np.array([n[1] for n in city.nodes], dtype=np.int64),
        ),
        walls=walls,
        gates=Gates(gates.gate_id, gates.point, gates.zone, gates.opens_to_all),
        gate_point_id=gates.gate_id,
        gate_point=gates.point,
        barriers=split_long_barriers(barriers) if len(barriers) else Barriers(barriers),
        metric_crs="EPSG:4547",
    )


@dataclass
class RandomCity:
    """A base and what edits can name in it."""

    base: Base
    width_m: float
    height_m: float
    with_shapes: bool
    west_m: float = 0.0
    south_m: float = 0.0

    def draw_edit(self, rng: Rng, step: Step) -> Edit:
        """Return a random edit that makes sense after a step."""
        while True:
            edit = self._try_edit(rng, step)
            if edit is not None:
                return edit

    def _place(self, rng: Rng) -> tuple[float, float]:
        x, y = rng.uniform(-30, self.width_m + 30), rng.uniform(-30, self.height_m + 30)
        # round places make ties, odd ones do not
        x, y = (round(x / 10) * 10, round(y / 10) * 10) if rng.random() < 0.5 else (x, y)
        return self.west_m + x, self.south_m + y

    def _site(self, rng: Rng) -> shapely.Geometry:
        x, y = self._place(rng)
        if self.with_shapes and rng.random() < 0.25:
            return box(x, y, x + rng.uniform(10, 120), y + rng.uniform(10, 120))
        return point(x, y)

    def _try_edit(self, rng: Rng, step: Step) -> Edit | None:
        kind = int(rng.integers(0, 12))
        if kind <= 4:
            return self._edit_facility(rng, step, kind)
        if kind <= 7:
            drawn = step.plan.book.changed if step.plan else {}
            street = int(rng.choice([*self._town().streets.street_id.tolist(), *drawn]))
            return StreetOpened(street) if kind == 7 else StreetClosed(street)
        return self._draw_path(rng) if kind <= 9 else self._edit_gate(rng, step)

    def _edit_facility(self, rng: Rng, step: Step, kind: int) -> Edit | None:
        facilities = step.facilities
        if kind <= 1:
            serves = tuple(c for c in range(len(facilities.serves)) if rng.random() < 0.6)
            return FacilityAdded(self._site(rng), serves) if serves else None
        there = sorted(set(range(facilities.zone.shape[0])) - facilities.closed)
        if not there:
            return None
        row = int(rng.choice(there))
        if kind == 2:
            return FacilityMoved(row, self._site(rng))
        return FacilityClosed(row) if kind == 3 else FacilityResized(row, float(rng.integers(0, 500)))

    def _edit_gate(self, rng: Rng, step: Step) -> Edit | None:
        gates = step.plan.gates.gate_id if step.plan else self._town().gates.gate_id
        if gates.shape[0] == 0:
            return None
        gate = int(rng.choice(gates))
        if rng.random() < 0.4:
            return self._add_gate(rng)
        return GateClosed(gate) if rng.random() < 0.5 else GateOpened(gate, bool(rng.random() < 0.6))

    def _town(self) -> Town:
        town = self.base.town
        assert isinstance(town, Town)
        return town

    def _draw_path(self, rng: Rng) -> Edit | None:
        streets = self._town().streets
        start = shapely.line_interpolate_point(
            rng.choice(streets.line), rng.choice([0.0, 0.5, rng.random()]), normalized=True
        )
        near = streets.line[shapely.dwithin(streets.line, start, 400.0)]
        middle = shapely.Point(start.x + rng.uniform(-200, 200), start.y + rng.uniform(-200, 200))
        kind = rng.integers(0, 3)
        end = middle
        if kind:
            end = shapely.line_interpolate_point(rng.choice(near), rng.random(), normalized=True)
        places = [start, end] if kind == 1 else [start, middle, end]
        made = shapely.LineString([(p.x + rng.uniform(-2, 2) * (kind == 2), p.y) for p in places])
        return PathDrawn(made, flags=int(rng.choice([0, 0, STEPS]))) if 1.0 < made.length < 2_000 else None

    def _add_gate(self, rng: Rng) -> Edit:
        walls = self._town().walls
        zone = int(rng.integers(0, walls.polygon.shape[0]))
        spot = shapely.line_interpolate_point(
            shapely.get_parts(walls.polygon[zone])[0].exterior, rng.random(), normalized=True
        )
        return GateAdded(spot, int(walls.compound_id[zone]), bool(rng.random() < 0.5))


def _build_streets(rng: Rng, columns: int, rows: int, spacing: float) -> GridCity:
    city = GridCity()
    cut = rng.random() < 0.7
    with_ids = rng.random() < 0.4
    for row in range(rows + 1):
        for column in range(columns):
            a, b = (column * spacing, row * spacing), ((column + 1) * spacing, row * spacing)
            _add_street(city, rng, a, b, (columns, spacing) if with_ids else None)
    for column in range(columns + 1):
        if not cut:
            city.street((column * spacing, 0), *[(column * spacing, r * spacing) for r in range(1, rows + 1)])
            continue
        for row in range(rows):
            a, b = (column * spacing, row * spacing), (column * spacing, (row + 1) * spacing)
            _add_street(city, rng, a, b, (columns, spacing) if with_ids else None)
    return city


def _add_street(
    city: GridCity, rng: Rng, a: tuple[float, float], b: tuple[float, float], ids: tuple[int, float] | None
) -> None:
    draw = rng.random()
    if draw < 0.06:
        return
    flags = CLOSED_ON_FOOT if draw > 0.93 else STEPS if draw > 0.88 else 0
    nodes = (0, 0)
    if ids is not None and rng.random() < 0.8:
        number = [1 + round(x / ids[1]) + (ids[0] + 1) * round(y / ids[1]) for x, y in (a, b)]
        nodes = (number[0], number[1])
    gap = rng.choice([0.0, 0.0, 0.0, 0.004, 0.012])
    city.street(a, (b[0] + gap, b[1]), flags=flags, private=bool(rng.random() < 0.05), nodes=nodes)


def _build_walls(city: GridCity, rng: Rng, columns: int, rows: int, spacing: float) -> None:
    for _ in range(int(rng.integers(0, 4))):
        column, row = int(rng.integers(0, columns)), int(rng.integers(0, rows))
        west, south = column * spacing + 8, row * spacing + 8
        east, north = west + spacing - 16, south + spacing - 16
        if rng.random() < 0.3:
            east += spacing  # a wall across a street
        if rng.random() < 0.2:
            west -= 30
        number = len(city.walls)
        city.wall(west, south, east, north)
        x, y = (west + east) / 2, (south + north) / 2
        if rng.random() < 0.8:
            city.street((x, south), (x, y), private=bool(rng.random() < 0.5)).street((x, y), (x, north))
        if rng.random() < 0.5:
            city.street((west + 3, y), (x, y)).street((x, y), (east - 3, y))
        spots = [(x, south), (x, north), (west, y), (east, y)]
        for place in [spots[int(rng.integers(0, 4))], *(s for s in spots if rng.random() < 0.4)]:
            city.gate(*place, of=number, opens_to_all=bool(rng.random() < 0.3))
    if city.gates:
        order = np.argsort([g[1] for g in city.gates], kind="stable") if rng.random() < 0.5 else range(len(city.gates))
        city.gates = [city.gates[int(i)] for i in order]


def random_city(rng: Rng, *, with_shapes: bool = True, homes: int = 60, turns: int | None = None) -> RandomCity:
    """Return a small city with everything that can go wrong in it, driven where a number of turn rules is given."""
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    spacing = float(rng.choice([100.0, 130.7]))
    width, height = columns * spacing, rows * spacing
    city = _build_streets(rng, columns, rows, spacing)
    _build_walls(city, rng, columns, rows, spacing)
    if rng.random() < 0.4:
        city.street((width + 60, 0), (width + 60, height))  # an island
    if rng.random() < 0.4:
        y = rng.uniform(0, height)
        city.barriers.append(line((-50, y), (width * 0.7, y)))
    if rng.random() < 0.3:
        city.street((50, 0), (50, 0))
    maker = RandomCity.__new__(RandomCity)
    maker.width_m, maker.height_m, maker.with_shapes = width, height, with_shapes
    maker.west_m = maker.south_m = 0.0
    places: list[shapely.Geometry] = []
    for _ in range(homes):
        x, y = maker._place(rng)
        if with_shapes and rng.random() < 0.3:
            places.append(box(x, y, x + rng.uniform(5, 40), y + rng.uniform(5, 40)))
        else:
            places.append(point(x, y))
    sites = [maker._site(rng) for _ in range(int(rng.integers(1, 9)))]
    serves = [[row for row in range(len(sites)) if rng.random() < 0.5] for _ in range(3)]
    profile = [PACE, SLOW, WHEELS, CLIMBER][int(rng.integers(0, 4))]
    town = make_town(city)
    if turns is not None and rng.random() < 0.5:
        # shut at the hour asked for: to people on foot alone
        town = replace(town, closed_gates=frozenset(g for g in town.gates.gate_id.tolist() if rng.random() < 0.4))
    maker.base = make_base(
        town,
        objects(places),
        objects(sites),
        serves,
        bounds_s=[150.0, 400.0, float(rng.integers(100, 3000))] if turns is None else [20.0, 60.0, 400.0],
        profile=profile,
        vehicle=None if turns is None else make_vehicle(rng, town, turns=turns),
        make_ground=make_hill if turns is None and profile is CLIMBER else None,
    )
    return maker


def show_difference(got: Figures, wanted: Figures) -> str:
    """Return where two answers differ, empty where they do not."""
    told = []
    for name in ("reach_ms", "facility", "radius_mm", "is_linked"):
        one, other = getattr(got, name), getattr(wanted, name)
        if one.shape != other.shape or not np.array_equal(one, other):
            row = int(np.flatnonzero(one != other)[0])
            told.append(f"{name} of home {row}: {one[row]}, expected {other[row]} ({(one != other).sum()} in all)")
    return "; ".join(told)


__all__ = ["ORIGIN", "RandomCity", "make_base", "make_town", "random_city", "show_difference"]
