"""Turn bans and one-way streets, held against Dijkstra over pairs of edges, which knows no split nodes."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from geo.costs import WalkProfile
from geo.driving_turns import Drive, TurnBans, TurnRules, prepare_drive, resolve_rules
from geo.link import Entrances, Links
from geo.reach import Homes, find_reach
from geo.units import NO_COST
from tests.gridcity import GridCity, objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geo.network import Network
    from geo.units import UInt32Array

CREW = WalkProfile("driving", 2.0)
METRE_MS = 100
"""Ten metres a second on every street of the invented grid."""


@dataclass
class Case:
    """A network with one-way streets and bans, and the pairs-of-edges engine over it."""

    network: Network
    drive_ab: UInt32Array
    drive_ba: UInt32Array
    bans: TurnBans

    def drive(self) -> Drive:
        """Return the network laid out by the engine under test."""
        return prepare_drive(self.network, CREW, self.drive_ab, self.drive_ba, bans=self.bans)

    def leave(self, node: int) -> Iterator[tuple[int, int, int]]:
        """Yield edge, node reached and cost of every way out of a node."""
        for edge in range(self.network.edge_count):
            a, b = int(self.network.edge_a[edge]), int(self.network.edge_b[edge])
            if a == node and self.drive_ab[edge] != NO_COST:
                yield edge, b, int(self.drive_ab[edge])
            if b == node and self.drive_ba[edge] != NO_COST:
                yield edge, a, int(self.drive_ba[edge])

    def arrivals(self, edge: int, place: int) -> dict[tuple[int, int], int]:
        """Return the least cost of every (edge, node arrived at) from a place on an edge."""
        banned = set(
            zip(self.bans.from_edge.tolist(), self.bans.via_node.tolist(), self.bans.to_edge.tolist(), strict=True)
        )
        length = int(self.network.edge_mm[edge])
        queue: list[tuple[int, int, int]] = []
        if self.drive_ab[edge] != NO_COST:
            queue.append((_part(self.drive_ab[edge], length - place, length), edge, int(self.network.edge_b[edge])))
        if self.drive_ba[edge] != NO_COST:
            queue.append((_part(self.drive_ba[edge], place, length), edge, int(self.network.edge_a[edge])))
        heapq.heapify(queue)
        settled: dict[tuple[int, int], int] = {}
        while queue:
            cost, came, node = heapq.heappop(queue)
            if (came, node) in settled:
                continue
            settled[came, node] = cost
            for way, head, more in self.leave(node):
                if (came, node, way) not in banned:
                    heapq.heappush(queue, (cost + more, way, head))
        return settled

    def respond(self, site: tuple[int, int], home: tuple[int, int]) -> int | None:
        """Return the milliseconds of the drive from a site to a home, both (edge, place in mm), None for no way."""
        banned = set(
            zip(self.bans.from_edge.tolist(), self.bans.via_node.tolist(), self.bans.to_edge.tolist(), strict=True)
        )
        edge, place = home
        length = int(self.network.edge_mm[edge])
        found = []
        if site[0] == edge:
            ways = {-1: self.drive_ba[edge], 0: min(self.drive_ab[edge], self.drive_ba[edge]), 1: self.drive_ab[edge]}
            along = ways[int(np.sign(place - site[1]))]
            if along != NO_COST:
                found.append(_part(along, abs(place - site[1]), length))
        ends = (
            (int(self.network.edge_a[edge]), self.drive_ab[edge], place),
            (int(self.network.edge_b[edge]), self.drive_ba[edge], length - place),
        )
        for (came, node), cost in self.arrivals(*site).items():
            for end, way, rest in ends:
                if node == end and way != NO_COST and (came, node, edge) not in banned:
                    found.append(cost + _part(way, rest, length))
        return min(found, default=None)


def _part(cost: int | np.uint32, place: int, length: int) -> int:
    return (int(cost) * place + length // 2) // length if length else 0


def make_case(seed: int, *, columns: int = 4, rows: int = 3) -> Case:
    """Return a random grid: streets of several lengths, some one-way or closed, many turns banned."""
    draw = np.random.default_rng(seed)
    network = GridCity.grid(columns, rows, spacing_m=float(draw.integers(20, 120))).network()
    whole = (network.edge_mm * draw.integers(50, 400, network.edge_count) // 1000).astype(np.uint32)
    forward, backward = whole.copy(), whole.copy()
    kind = draw.random(network.edge_count)
    forward[kind < 0.15] = NO_COST
    backward[(kind > 0.85) | (kind < 0.03)] = NO_COST
    bans = []
    for node in range(network.node_count):
        edges = network.adj_edge[network.indptr[node] : network.indptr[node + 1]].tolist()
        bans += [(e, node, f) for e in edges for f in edges if draw.random() < 0.25]
    table = np.array(bans, dtype=np.int64).reshape(-1, 3)
    return Case(network, forward, backward, TurnBans(table[:, 0], table[:, 1], table[:, 2]))


def at(places: list[tuple[int, int]]) -> Links:
    """Return links at places (edge, millimetres along) with nothing off the street."""
    edge = np.array([p[0] for p in places], dtype=np.int32)
    place = np.array([p[1] for p in places], dtype=np.int64)
    return Links(edge, place, np.zeros(len(places), dtype=np.int64))


def compare(case: Case, draw: np.random.Generator) -> int:
    """Return how many answers of the engine differ from the pairs of edges, over random homes and sites."""

    def places(count: int) -> list[tuple[int, int]]:
        edges = draw.integers(0, case.network.edge_count, count).tolist()
        return [(edge, int(draw.integers(0, case.network.edge_mm[edge] + 1))) for edge in edges]

    sites, homes = places(3), places(12)
    drive = case.drive()
    entrances = Entrances(np.arange(len(sites), dtype=np.int64), at(sites))
    (reach,) = find_reach(
        drive,
        Homes(at(homes), np.full(len(homes), -1, dtype=np.int32)),
        entrances,
        facilities=[np.arange(len(sites), dtype=np.int32)],
        bounds_s=[3600.0],
    )
    wrong = 0
    for number, home in enumerate(homes):
        answers = [(ms, row) for row, site in enumerate(sites) if (ms := case.respond(site, home)) is not None]
        expected = min(answers, default=(-1, -1))
        wrong += expected != (int(reach.reach_ms[number]), int(reach.facility[number]))
    return wrong


@pytest.mark.parametrize("seed", range(25))
def test_random_grids_agree_with_pairs_of_edges(seed: int) -> None:
    assert compare(make_case(seed), np.random.default_rng(seed + 10_000)) == 0


@pytest.mark.long
def test_thousands_of_random_grids_agree_with_pairs_of_edges() -> None:
    wrong = [
        seed
        for seed in range(25, 2025)
        if compare(make_case(seed, columns=2 + seed % 4, rows=1 + seed % 3), np.random.default_rng(seed + 10_000))
    ]
    assert wrong == []


@pytest.mark.parametrize("seed", range(5))
def test_driving_back_is_the_same_drive_the_other_way_round(seed: int) -> None:
    case = make_case(seed)
    mirrored = Case(case.network, case.drive_ba, case.drive_ab, case.bans.reversed)
    there, back = mirrored.drive(), case.drive().reversed
    for name in ("cost_ab", "cost_ba", "exit_a", "exit_b", "seed_a", "seed_b"):
        assert np.array_equal(getattr(there, name), getattr(back, name)), name
    assert np.array_equal(there.graph.arc_ms, back.graph.arc_ms)


class TestOnPaper:
    """A plus of four streets of 100 m; ten metres a second."""

    CITY = GridCity().street((0, 0), (100, 0)).street((100, 0), (200, 0)).street((100, 0), (100, 100))
    CITY.street((100, 0), (100, -100))
    WEST, EAST, NORTH, SOUTH = range(4)

    def case(self, *bans: tuple[int, int]) -> Case:
        network = self.CITY.network()
        middle = int(network.edge_b[self.WEST])
        cost = (network.edge_mm * METRE_MS // 1000).astype(np.uint32)
        table = np.array([(e, middle, f) for e, f in bans], dtype=np.int64).reshape(-1, 3)
        return Case(network, cost, cost.copy(), TurnBans(table[:, 0], table[:, 1], table[:, 2]))

    def seconds(self, case: Case, site: tuple[int, int], home: tuple[int, int]) -> float:
        entrances = Entrances(np.zeros(1, dtype=np.int64), at([site]))
        rows = np.zeros(1, dtype=np.int32)
        homes = Homes(at([home]), np.full(1, -1, dtype=np.int32))
        (reach,) = find_reach(case.drive(), homes, entrances, facilities=[rows], bounds_s=[600.0])
        return float(reach.reach_ms[0]) / 1000

    def test_without_bans_the_drive_is_the_shortest_way(self) -> None:
        assert self.seconds(self.case(), (self.WEST, 0), (self.NORTH, 50_000)) == 15.0

    def test_a_banned_left_turn_is_driven_round_by_the_next_dead_end(self) -> None:
        case = self.case((self.WEST, self.NORTH))
        # on to the east end, round, back, and right into the north: 100 + 100 + 100 + 50 m
        assert self.seconds(case, (self.WEST, 0), (self.NORTH, 50_000)) == 35.0

    def test_the_ban_holds_for_a_site_on_the_banned_street_and_for_no_other(self) -> None:
        case = self.case((self.WEST, self.NORTH))
        assert self.seconds(case, (self.WEST, 40_000), (self.NORTH, 50_000)) == 6 + 20 + 5
        assert self.seconds(case, (self.SOUTH, 100_000), (self.NORTH, 50_000)) == 15.0
        assert self.seconds(case, (self.NORTH, 50_000), (self.WEST, 0)) == 15.0

    def test_turning_round_can_be_banned_too(self) -> None:
        case = self.case((self.WEST, self.NORTH), (self.EAST, self.NORTH), (self.SOUTH, self.NORTH))
        assert self.seconds(case, (self.WEST, 0), (self.NORTH, 50_000)) == -0.001

    def test_only_straight_on_bans_every_other_way_out_and_turning_round(self) -> None:
        network = self.CITY.network()
        lines = objects(self.CITY.lines)
        one = np.ones(1, dtype=np.int64)
        rules = TurnRules(one * self.WEST, one, one * self.EAST, one * 0, np.ones(1, dtype=bool))
        bans, found = resolve_rules(network, rules, street_id=np.arange(1, 5), line=lines)
        assert found.tolist() == [True]
        assert set(bans.to_edge.tolist()) == {self.WEST, self.NORTH, self.SOUTH}
        assert set(bans.from_edge.tolist()) == {self.WEST}

    def test_a_rule_between_streets_that_do_not_meet_finds_no_place(self) -> None:
        network = self.CITY.network()
        one = np.ones(1, dtype=np.int64)
        rules = TurnRules(one * self.WEST, one * 0, one * self.EAST, one * 0, np.zeros(1, dtype=bool))
        bans, found = resolve_rules(network, rules, street_id=np.arange(1, 5), line=objects(self.CITY.lines))
        assert found.tolist() == [False]
        assert bans.via_node.size == 0

    def test_closing_the_way_out_of_the_site_leaves_the_home_without_answer(self) -> None:
        case = self.case()
        case.drive_ab[self.WEST] = case.drive_ba[self.WEST] = NO_COST
        assert self.seconds(case, (self.WEST, 0), (self.NORTH, 50_000)) == -0.001


def test_a_street_back_to_its_own_start_gets_round_a_banned_turn() -> None:
    # in by the west, round the loop and on to the north, which is banned straight from the west
    city = GridCity().street((0, 0), (100, 0)).street((100, 0), (100, 100))
    city.street((100, 0), (140, 0), (140, -40), (100, 0))
    network = city.network()
    cost = (network.edge_mm * METRE_MS // 1000).astype(np.uint32)
    via = int(network.edge_b[0])
    table = np.array([[0, via, 1]], dtype=np.int64)
    case = Case(network, cost, cost.copy(), TurnBans(table[:, 0], table[:, 1], table[:, 2]))
    loop = int(network.edge_mm[2])
    expected = 10_000 + loop * METRE_MS // 1000 + 5_000
    assert case.respond((0, 0), (1, 50_000)) == expected
    entrances = Entrances(np.zeros(1, dtype=np.int64), at([(0, 0)]))
    homes = Homes(at([(1, 50_000)]), np.full(1, -1, dtype=np.int32))
    rows = np.zeros(1, dtype=np.int32)
    (reach,) = find_reach(case.drive(), homes, entrances, facilities=[rows], bounds_s=[600.0])
    assert reach.reach_ms.tolist() == [expected]
