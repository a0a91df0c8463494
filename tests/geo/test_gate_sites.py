"""Facilities that stand on the way through a residents' gate, held against one plain Dijkstra for every home."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.catchments import find_catchments
from geo.circles.circle import Place, find_circle, survey
from geo.link import Entrances, Links, link_sites
from geo.reach import Homes, Walk, find_reach, lay_out_walk, prepare_walk
from geo.search.graph import find_residents_gates
from geo.units import MS_PER_S, NO_COST
from geo.whatif.edits import Edit, FacilityAdded, FacilityClosed, FacilityMoved, GateClosed, GateOpened, StreetClosed
from geo.whatif.engine import WhatIf, run_in_full
from tests.gridcity import PAPER, GridCity, objects, point
from tests.whatifcity import CLIMBER, PACE, make_base, make_hill, make_town, show_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

Arcs = list[list[tuple[int, int]]]
Stop = tuple[int, int, int]
"""Edge, millimetres along it and milliseconds off the street."""

BOUND_S = 5000.0


def part_of(cost: int, walked_mm: int, length_mm: int) -> int:
    """Return the milliseconds of part of an edge, rounded half up."""
    return (cost * walked_mm + length_mm // 2) // length_mm if length_mm else 0


def list_stops(walk: Walk, links: Links) -> list[Stop]:
    """Return links as plain numbers."""
    off_ms = walk.off_ms(links.off_mm).tolist()
    return list(zip(links.edge.tolist(), links.place_mm.tolist(), off_ms, strict=True))


class Walker:
    """The ways people of one compound may walk, and the times from their homes."""

    def __init__(self, walk: Walk, zone: int) -> None:
        network = walk.network
        self.may = (~find_residents_gates(network) | (network.edge_zone == zone)).tolist()
        self.a, self.b, self.mm = network.edge_a.tolist(), network.edge_b.tolist(), network.edge_mm.tolist()
        self.ab, self.ba = walk.cost_ab.tolist(), walk.cost_ba.tolist()
        self.arcs: Arcs = [[] for _ in range(network.node_count)]
        for e, may in enumerate(self.may):
            if may and self.ab[e] != NO_COST:
                self.arcs[self.a[e]].append((self.b[e], self.ab[e]))
            if may and self.ba[e] != NO_COST:
                self.arcs[self.b[e]].append((self.a[e], self.ba[e]))

    def leave(self, home: Stop) -> dict[int, int]:
        """Return the milliseconds from a home to every node it gets to."""
        edge, place, off = home
        queue: list[tuple[int, int]] = []
        if self.ba[edge] != NO_COST:
            heappush(queue, (off + part_of(self.ba[edge], place, self.mm[edge]), self.a[edge]))
        if self.ab[edge] != NO_COST:
            heappush(queue, (off + part_of(self.ab[edge], self.mm[edge] - place, self.mm[edge]), self.b[edge]))
        known: dict[int, int] = {}
        while queue:
            ms, node = heappop(queue)
            if node not in known:
                known[node] = ms
                for neighbour, cost in self.arcs[node]:
                    heappush(queue, (ms + cost, neighbour))
        return known

    def arrive(self, home: Stop, known: dict[int, int], site: Stop) -> float:
        """Return the milliseconds from a home to an entrance, infinite where there is no way."""
        edge, place, off = site
        ways = [np.inf]
        # who may not pass the gate comes to what stands on it from inside alone
        if self.may[edge] and self.ab[edge] != NO_COST and self.a[edge] in known:
            ways.append(known[self.a[edge]] + part_of(self.ab[edge], place, self.mm[edge]) + off)
        if self.ba[edge] != NO_COST and self.b[edge] in known:
            ways.append(known[self.b[edge]] + part_of(self.ba[edge], self.mm[edge] - place, self.mm[edge]) + off)
        if edge == home[0]:
            along = place - home[1]
            cost = (self.ab[edge] if along > 0 else self.ba[edge]) if along else min(self.ab[edge], self.ba[edge])
            if cost != NO_COST:
                ways.append(home[2] + off + part_of(cost, abs(along), self.mm[edge]))
        return min(ways)


def find_times(walk: Walk, homes: Homes, entrances: Entrances, count: int) -> list[list[float]]:
    """Return the milliseconds from every home to every facility, infinite beyond the bound."""
    times = [[float("inf")] * count for _ in range(homes.zone.shape[0])]
    sites = list(zip(entrances.facility.tolist(), list_stops(walk, entrances.links), strict=True))
    walkers: dict[int, Walker] = {}
    for row, home in enumerate(list_stops(walk, homes.links)):
        if home[0] < 0:
            continue
        zone = int(homes.zone[row])
        walker = walkers.setdefault(zone, Walker(walk, zone))
        known = walker.leave(home)
        for facility, site in sites:
            ms = walker.arrive(home, known, site)
            times[row][facility] = min(times[row][facility], ms if ms <= BOUND_S * MS_PER_S else np.inf)
    return times


def draw_estates(rng: np.random.Generator) -> tuple[GridCity, list[shapely.Point]]:
    """Return estates whose paths begin some way behind their gates, and places along the ways through the gates."""
    city = GridCity.grid(3, 2, spacing_m=200)
    spots = []
    for number in range(4):
        west, south = 200 * (number % 3), 200 * (number // 3)
        city.wall(west + 10, south + 10, west + 190, south + 190)
        for side in rng.permutation(4)[: int(rng.integers(1, 5))].tolist():
            inner = float(rng.integers(10, 30))
            gate, path, end = [
                ((100, 10), (100, inner), (100, 80)),
                ((100, 190), (100, 200 - inner), (100, 120)),
                ((10, 100), (inner, 100), (80, 100)),
                ((190, 100), (200 - inner, 100), (120, 100)),
            ][side]
            # some paths meet in the middle, the others only over the street
            end = (100, 100) if rng.random() < 0.6 else end
            city.street((west + path[0], south + path[1]), (west + end[0], south + end[1]), private=True)
            city.gate(west + gate[0], south + gate[1], of=number, opens_to_all=bool(rng.random() < 0.25))
            for _ in range(2):
                share, aside = rng.random(), rng.uniform(-6, 6)
                x, y = gate[0] + share * (path[0] - gate[0]), gate[1] + share * (path[1] - gate[1])
                x, y = (x + aside, y) if side < 2 else (x, y + aside)
                spots.append(point(west + x, south + y))
    return city, spots


def draw_places(rng: np.random.Generator, spots: Sequence[shapely.Point], most: int) -> list[shapely.Point]:
    """Return places at gates and elsewhere."""
    count = int(rng.integers(1, most))
    anywhere = [point(*(float(v) for v in xy)) for xy in rng.uniform(-20, 620, (count, 2)) * (1.0, 0.7)]
    return [spots[int(rng.integers(len(spots)))] if rng.random() < 0.6 else place for place in anywhere]


def draw_costs(walk: Walk, rng: np.random.Generator) -> Walk:
    """Return the walk with slopes and ways closed one way, gates above all."""
    is_gate = walk.network.edge_gate >= 0
    steep = rng.integers(1, 4, walk.cost_ab.shape)
    shut_ab = rng.random(steep.shape) < np.where(is_gate, 0.2, 0.05)
    shut_ba = rng.random(steep.shape) < np.where(is_gate, 0.3, 0.05)
    cost_ab = np.where(shut_ab, NO_COST, walk.cost_ab * steep).astype(np.uint32)
    cost_ba = np.where(shut_ba, NO_COST, walk.cost_ba).astype(np.uint32)
    return lay_out_walk(walk.network, walk.profile, cost_ab, cost_ba)


def check_circle(walk: Walk, homes: Homes, entrances: Entrances, times: list[list[float]], facility: int) -> None:
    """Hold the circle around a facility against the times to it, and against those of people who live there."""
    mine = entrances.facility == facility
    links = Links(entrances.links.edge[mine], entrances.links.place_mm[mine], entrances.links.off_mm[mine])
    zone = int(walk.network.edge_zone[links.edge[0]])
    circle = find_circle(survey(walk, homes, entrances), place=Place(links, zone), bound_s=BOUND_S)
    there = {row: of[facility] for row, of in enumerate(times) if np.isfinite(of[facility])}
    assert dict(zip(circle.home.tolist(), circle.home_ms.tolist(), strict=True)) == there
    living = Homes(links, np.full(links.edge.shape[0], zone, dtype=np.int32))
    away = np.min(find_times(walk, living, entrances, len(times[0])), axis=0)
    around = {number: ms for number, ms in enumerate(away.tolist()) if np.isfinite(ms)}
    assert dict(zip(circle.facility.tolist(), circle.facility_ms.tolist(), strict=True)) == around


def check_case(seed: int) -> int:
    """Hold reach, catchments and a circle of one random city against the plain search; return how many sit on gates."""
    rng = np.random.default_rng(seed)
    city, spots = draw_estates(rng)
    network = city.network()
    places, sites = draw_places(rng, spots, 30), objects(draw_places(rng, spots, 12))
    entrances = link_sites(sites, city.walls_table().find_zones(sites), ways=city.ways(network), gate_point=objects([]))
    homes, walk = city.link(places, network), prepare_walk(network, PAPER)
    if seed % 3:
        walk = draw_costs(walk, rng)
    count = sites.shape[0]
    times = find_times(walk, homes, entrances, count)
    rows = np.arange(count, dtype=np.int32)
    types = [rows, rows[::2], *(rows[number : number + 1] for number in range(min(count, 3)))]
    found = find_reach(walk, homes, entrances, facilities=types, bounds_s=[BOUND_S] * len(types))
    for mine, reach in zip(types, found, strict=True):
        for home, of in enumerate(times):
            # the lowest row among equals
            ms, facility = min((of[row], row) for row in mine.tolist())
            wanted = (ms, facility) if np.isfinite(ms) else (-1, -1)
            assert (reach.reach_ms[home], reach.facility[home]) == wanted, (seed, home)
    caught = find_catchments(walk, homes, entrances, facilities=rows, bound_s=BOUND_S)
    for row in rows.tolist():
        part = slice(int(caught.ptr[row]), int(caught.ptr[row + 1]))
        near = [(home, of[row]) for home, of in enumerate(times) if np.isfinite(of[row])]
        assert list(zip(caught.home[part].tolist(), caught.ms[part].tolist(), strict=True)) == near, (seed, row)
    if entrances.facility.size:
        check_circle(walk, homes, entrances, times, int(rng.choice(entrances.facility)))
    place, length = entrances.links.place_mm, network.edge_mm[entrances.links.edge]
    on_gates = find_residents_gates(network)[entrances.links.edge]
    return int((on_gates & (place > 0) & (place < length)).sum())


@pytest.mark.parametrize("share", range(6))
def test_facilities_on_gates_agree_with_a_dijkstra_for_every_home(share: int) -> None:
    assert sum(check_case(seed) for seed in range(25 * share, 25 * share + 25)) > 20


@pytest.mark.long
@pytest.mark.parametrize("share", range(10))
def test_thousands_of_facilities_on_gates(share: int) -> None:
    assert sum(check_case(seed) for seed in range(1000 + 400 * share, 1400 + 400 * share)) > 500


def draw_edit(rng: np.random.Generator, spots: Sequence[shapely.Point], count: int, gates: int, streets: int) -> Edit:
    """Return an edit of what stands at gates, of a gate, or of a street."""
    kind = int(rng.integers(6))
    spot, facility = spots[int(rng.integers(len(spots)))], int(rng.integers(count))
    if kind == 0:
        return FacilityAdded(spot, (0, 1))
    if kind <= 2:
        return FacilityMoved(facility, spot)
    if kind == 3:
        return GateClosed(int(rng.integers(gates)) + 1)
    if kind == 4:
        return GateOpened(int(rng.integers(gates)) + 1, opens_to_all=bool(rng.integers(2)))
    return StreetClosed(int(rng.integers(streets)) + 1)


def check_edits(seed: int, steps: int) -> None:
    """Hold edits on top of each other against full runs on the edited data."""
    rng = np.random.default_rng(seed)
    city, spots = draw_estates(rng)
    places, sites = draw_places(rng, spots, 30), draw_places(rng, spots, 8)
    base = make_base(
        make_town(city),
        objects(places),
        objects(sites),
        [range(len(sites)), range(0, len(sites), 2)],
        bounds_s=[BOUND_S, 300.0],
        profile=PACE if seed % 2 else CLIMBER,
        make_ground=None if seed % 2 else make_hill,
    )
    engine = WhatIf(base)
    edits = [draw_edit(rng, spots, len(sites), len(city.gates), len(city.lines)) for _ in range(steps)]
    shut: set[tuple[str, int]] = set()
    kept = []
    for edit in edits:
        # what is closed cannot be closed again
        name = ("street", edit.street_id) if isinstance(edit, StreetClosed) else None
        name = ("gate", edit.gate_id) if isinstance(edit, GateClosed | GateOpened) else name
        if name is None or name not in shut:
            kept.append(edit)
            shut |= {name} if name and not isinstance(edit, GateOpened) else set()
    kept.append(FacilityClosed(0))
    step = engine.start
    for edit in kept:
        step = step.apply([edit])
        for number, wanted in enumerate(run_in_full(base, step.edits)):
            assert not show_difference(step.answer.apply_to(base, number), wanted), (seed, step.edits)


@pytest.mark.parametrize("seed", range(12))
def test_edits_of_facilities_on_gates_agree_with_full_runs(seed: int) -> None:
    check_edits(seed, 6)


@pytest.mark.long
@pytest.mark.parametrize("share", range(10))
def test_thousands_of_edits_of_facilities_on_gates(share: int) -> None:
    for seed in range(100 + 40 * share, 140 + 40 * share):
        check_edits(seed, 8)


class TestOnPaper:
    """One metre a second."""

    def estate(self) -> GridCity:
        """Return an estate with two paths that meet only over the street, the second some way behind its gate."""
        city = GridCity.grid(1, 1, spacing_m=200).wall(10, 10, 190, 190)
        city.street((50, 10), (50, 60)).street((150, 25), (150, 60))
        return city.gate(50, 10).gate(150, 10)

    def test_residents_come_from_the_street(self) -> None:
        # 50 m of path, 10 through the first gate, 100 of street, 18 into the second: not 25 in and 7 back
        assert self.estate().seconds((50, 60), (150, 18)) == 50 + 10 + 100 + 18

    def test_others_do_not(self) -> None:
        assert self.estate().seconds((0, 0), (150, 18)) is None

    def test_home_and_facility_on_one_gate(self) -> None:
        assert self.estate().seconds((150, 13), (150, 18)) == 5

    def test_a_gate_one_can_only_come_in_by(self) -> None:
        city = self.estate()
        network = city.network()
        plain = prepare_walk(network, PAPER)
        (gate,) = np.flatnonzero((network.edge_gate >= 0) & (network.edge_mm == 25_000))
        cost_ba = plain.cost_ba.copy()
        cost_ba[gate] = NO_COST
        walk = lay_out_walk(network, PAPER, plain.cost_ab, cost_ba)
        site = objects([point(150, 18)])
        entrances = link_sites(site, np.zeros(1, dtype=np.int32), ways=city.ways(network), gate_point=objects([]))
        homes = city.link([point(50, 60), point(150, 60)], network)
        nobody = np.zeros(1, dtype=np.int32)
        (reach,) = find_reach(walk, homes, entrances, facilities=[nobody], bounds_s=[BOUND_S])
        # the second home lies behind the facility and cannot walk back to it
        assert reach.reach_ms.tolist() == [178_000, -1]
        caught = find_catchments(walk, homes, entrances, facilities=nobody, bound_s=BOUND_S)
        assert (caught.home.tolist(), caught.ms.tolist()) == ([0], [178_000])
