"""From an extract to the drive: one-way streets, turn bans and private ways; a real city against another engine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import pytest
from osmium.osm.mutable import Node, Relation, Way
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from sqlalchemy import select

from geo.driving_turns import Drive
from geo.errors import NothingLinked, RequestError
from geo.link import Entrances, Links
from geo.reach import Homes, find_reach
from geo.units import NO_COST
from layers import tables
from layers.catalog import read_pack, read_profiles
from layers.circle import find_circles
from layers.driving import fetch_turns, load_drive
from layers.loading.options import LoadOptions
from layers.loading.reference import load_osm
from layers.network import load_streetscape
from layers.run import run_gaps
from layers.runs.load import load_figures
from layers.runs.result import GapRequest
from layers.study import load_study
from layers.tables import run_column
from tests.factories import add_building, add_facility
from tests.gridcity import GridCity, point
from tests.gridstore import raise_version, save_grid, save_home, save_site

if TYPE_CHECKING:
    from pathlib import Path

    from layers.settings import Settings
    from tests.conftest import Db

LON, LAT, STEP = 114.30, 30.59, 0.001
# a plus around node 2; north of it a private way with a gate, and a roundabout to the east
PLACES = {
    1: (-1, 0), 2: (0, 0), 3: (1, 0), 4: (0, 1), 5: (0, -1), 6: (0, 2),
    7: (1.5, 0.5), 8: (2, 0), 9: (1.5, -0.5), 10: (3, 0),
}  # fmt: skip
WAYS: dict[int, tuple[list[int], dict[str, str]]] = {
    1: ([1, 2], {"highway": "residential"}),
    2: ([2, 3], {"highway": "residential"}),
    3: ([2, 4], {"highway": "residential"}),
    4: ([5, 2], {"highway": "residential", "oneway": "yes"}),
    5: ([4, 6], {"highway": "service", "access": "private"}),
    6: ([3, 9, 8, 7, 3], {"highway": "residential", "junction": "roundabout"}),
    7: ([8, 10], {"highway": "footway"}),
}
BANS = {
    20: ([("w", 1, "from"), ("n", 2, "via"), ("w", 3, "to")], {"type": "restriction", "restriction": "no_left_turn"}),
    21: (
        [("w", 2, "from"), ("n", 2, "via"), ("w", 1, "to")],
        {"type": "restriction", "restriction": "no_straight_on", "except": "emergency"},
    ),
}


def write_plus(path: Path) -> None:
    """Write the plus as an OpenStreetMap extract."""
    with osmium.SimpleWriter(str(path)) as writer:
        for number, (x, y) in PLACES.items():
            writer.add_node(Node(id=number, location=(LON + x * STEP, LAT + y * STEP)))
        for number, (nodes, tags) in WAYS.items():
            writer.add_way(Way(id=number, nodes=nodes, tags=tags))
        for number, (members, tags) in BANS.items():
            writer.add_relation(Relation(id=number, members=members, tags=tags))


@pytest.fixture(scope="module")
def town(db: Db, tmp_path_factory: pytest.TempPathFactory) -> tuple[Db, Settings]:
    """Return a database with the plus in it."""
    folder = tmp_path_factory.mktemp("drive")
    path = folder / "plus.osm.pbf"
    write_plus(path)
    load_osm(db.owner, path, LoadOptions())
    return db, replace(db.settings, home=folder)


def open_drive(town: tuple[Db, Settings], vehicle: str = "emergency") -> tuple[Drive, dict[str, int]]:
    """Return the drive, and the first edge of each street by its source id."""
    db, settings = town
    profile = replace(read_profiles()["driving"], vehicle=vehicle)
    with db.reader.connect() as connection:
        scape = load_streetscape(connection, settings.cache_dir)
        drive, _ = load_drive(connection, scape, profile, settings.cache_dir)
        streets = connection.execute(select(tables.street.c.id, tables.street.c.source_id)).all()
    row = {row.id: row.source_id for row in streets}
    return drive, {row[street]: edge for edge, street in enumerate(drive.network.edge_street.tolist()) if street}


def seconds(drive: Drive, site: tuple[int, float], home: tuple[int, float]) -> float:
    """Return the seconds of the drive between places (edge, share of its length), -0.001 for no way."""

    def at(place: tuple[int, float]) -> Links:
        mm = round(float(drive.network.edge_mm[place[0]]) * place[1])
        return Links(np.array([place[0]], dtype=np.int32), np.array([mm]), np.zeros(1, dtype=np.int64))

    entrances = Entrances(np.zeros(1, dtype=np.int64), at(site))
    homes = Homes(at(home), np.full(1, -1, dtype=np.int32))
    rows = np.zeros(1, dtype=np.int32)
    (reach,) = find_reach(drive, homes, entrances, facilities=[rows], bounds_s=[3_600.0])
    return float(reach.reach_ms[0]) / 1000


def length_m(drive: Drive, edge: int) -> float:
    """Return the length of an edge."""
    return float(drive.network.edge_mm[edge]) / 1000


def test_the_banned_left_turn_is_driven_round(town: tuple[Db, Settings]) -> None:
    drive, edge = open_drive(town)
    west, east, north = (edge[name] for name in ("way/1", "way/2", "way/3"))
    metres = length_m(drive, west) + 2 * length_m(drive, east) + length_m(drive, north) / 2
    # 20 km/h on residential streets; round at the end of the street, which is a junction
    assert seconds(drive, (west, 0.0), (north, 0.5)) == pytest.approx(metres / 20 * 3.6, abs=0.01)
    back = length_m(drive, north) / 2 + length_m(drive, west)
    assert seconds(drive, (north, 0.5), (west, 0.0)) == pytest.approx(back / 20 * 3.6, abs=0.01)


def test_a_ban_that_spares_emergency_vehicles_binds_the_others(town: tuple[Db, Settings]) -> None:
    drive, edge = open_drive(town)
    others, _ = open_drive(town, "traffic")
    assert drive.bans.via_node.size == 1
    assert others.bans.via_node.size == 2
    straight = seconds(drive, (edge["way/2"], 0.5), (edge["way/1"], 0.5))
    assert straight * 20 == pytest.approx(length_m(drive, edge["way/1"]) * 3.6, rel=0.01)
    assert seconds(others, (edge["way/2"], 0.5), (edge["way/1"], 0.5)) > straight * 2


def test_one_way_streets_and_roundabouts_are_kept_to(town: tuple[Db, Settings]) -> None:
    drive, edge = open_drive(town)
    south = edge["way/4"]
    assert seconds(drive, (south, 0.0), (edge["way/1"], 0.5)) > 0
    assert seconds(drive, (edge["way/1"], 0.5), (south, 0.5)) == -0.001
    ring = edge["way/6/1"]
    assert {drive.cost_ab[ring] == NO_COST, drive.cost_ba[ring] == NO_COST} == {True, False}
    a_third_on, back = seconds(drive, (ring, 0.2), (ring, 0.4)), seconds(drive, (ring, 0.4), (ring, 0.2))
    assert back > 2 * a_third_on


def test_private_ways_are_passed_by_emergency_vehicles_alone_and_footways_by_none(town: tuple[Db, Settings]) -> None:
    drive, edge = open_drive(town)
    others, _ = open_drive(town, "traffic")
    assert seconds(drive, (edge["way/3"], 1.0), (edge["way/5"], 1.0)) > 0
    assert seconds(others, (edge["way/3"], 1.0), (edge["way/5"], 1.0)) == -0.001
    assert drive.cost_ab[edge["way/7"]] == drive.cost_ba[edge["way/7"]] == NO_COST


def test_what_is_compiled_is_found_again_and_the_same(town: tuple[Db, Settings]) -> None:
    first, _ = open_drive(town)
    again, _ = open_drive(town)
    assert isinstance(again.graph.arc_ms.base, np.memmap)
    assert np.array_equal(first.graph.arc_ms, again.graph.arc_ms)
    assert np.array_equal(first.exit_a, again.exit_a)


def test_a_circle_is_what_a_vehicle_reaches_that_sets_out_at_its_place(town: tuple[Db, Settings]) -> None:
    db, settings = town
    with db.writer.begin() as connection:
        east = add_building(connection, lon=LON + 0.5 * STEP, lat=LAT)
        south = add_building(connection, lon=LON, lat=LAT - 0.5 * STEP)
        station = add_facility(connection, lon=LON - STEP, lat=LAT, type="SAF_FIRE1")
        raise_version(connection, "buildings", "facilities")
    with db.reader.connect() as connection:
        study = load_study(connection, settings)
        inside = [
            find_circles(connection, study, lon=lon, lat=lat, minutes=[3], profile="driving").areas[0]
            for lon, lat in ((LON - STEP, LAT), (LON, LAT - 0.9 * STEP))
        ]
    # the street from the south is one-way towards the middle
    assert inside[0].building_id.tolist() == [east]
    assert inside[1].building_id.tolist() == [east, south]
    assert [area.facility_id.tolist() for area in inside] == [[station], [station]]


@pytest.fixture
def city(fresh_db: Db, tmp_path: Path) -> tuple[Db, Settings, dict[str, int]]:
    """Return a database with a street of 3 km, a fire station at its start, and homes along it."""
    settings = replace(fresh_db.settings, home=tmp_path)
    with fresh_db.writer.begin() as connection:
        streets = GridCity().street((0, 0), (1_000, 0)).street((1_000, 0), (3_000, 0))
        save_grid(connection, streets.wall(1_050, 10, 1_150, 110).street((1_100, 20), (1_100, 100)).gate(1_100, 10))
        ids = {
            "near": save_home(connection, point(500, 0), people=10),
            "far": save_home(connection, point(2_900, 0), people=20),
            "gated": save_home(connection, point(1_100, 100), people=5),
            "station": save_site(connection, point(0, 0), "SAF_FIRE1"),
            "school": save_site(connection, point(600, 0), "EDU_PRIMARY"),
        }
        raise_version(connection, "population")
    return fresh_db, settings, ids


def test_a_run_with_driving_judges_fire_stations_by_the_drive_from_them(
    city: tuple[Db, Settings, dict[str, int]],
) -> None:
    db, settings, ids = city
    pack = read_pack()
    assert len(run_gaps(db.writer, settings, GapRequest()).totals) == len(pack.testable)
    summary = run_gaps(db.writer, settings, GapRequest(profiles=("adult", "driving")))
    totals = {(row["type"], row["profile"]): row for row in summary.totals}
    assert len(totals) == len(pack.testable) + len(pack.driven)
    assert {profile for _, profile in totals} == {"adult", "driving"}
    fire = totals["SAF_FIRE1", "driving"]
    # 240 s at 20 km/h are 1,333 m; the gate of the estate opens to the engine
    assert (fire["limit_s"], fire["covered"], fire["gap"], fire["unknown"]) == (240, 15, 20, 0)
    with db.reader.connect() as connection:
        columns = select(run_column.c.position).where(
            run_column.c.run_id == summary.id, run_column.c.type == "SAF_FIRE1"
        )
        position = connection.execute(columns).scalar_one()
        stored = load_figures(connection, summary.id)
    reach = dict(zip(stored.building_id.tolist(), stored.reach_ms[:, position - 1].tolist(), strict=True))
    assert reach[ids["near"]] == pytest.approx(500 * 180, abs=500)
    # the way through the gate is driven at 12 km/h
    assert reach[ids["gated"]] == pytest.approx((1_100 + 80) * 180 + 20 * 300, abs=1_000)
    assert reach[ids["far"]] == -1 or reach[ids["far"]] > 480_000


def test_driving_alone_judges_what_is_driven_to_and_minutes_open_the_rest(
    city: tuple[Db, Settings, dict[str, int]],
) -> None:
    db, settings, _ = city
    alone = run_gaps(db.writer, settings, GapRequest(profiles=("driving",)))
    assert {row["type"] for row in alone.totals} == {"SAF_FIRE1", "SAF_FIRE2", "SAF_FIRES"}
    given = run_gaps(db.writer, settings, GapRequest(types=("MED_EMS",), minutes=10))
    assert [(row["type"], row["profile"], row["limit_s"]) for row in given.totals] == [("MED_EMS", "driving", 600)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (GapRequest(types=("EDU_PRIMARY",), profiles=("driving",)), "is walked to"),
        (GapRequest(types=("MED_EMS",)), "cannot be judged by its standard: reached by vehicle"),
    ],
)
def test_what_cannot_be_judged_by_a_drive_says_so(
    city: tuple[Db, Settings, dict[str, int]], request_: GapRequest, expected: str
) -> None:
    db, settings, _ = city
    with pytest.raises(RequestError, match=expected) as refused:
        run_gaps(db.writer, settings, request_)
    assert refused.value.parameter == "types"
    assert refused.value.hint


def test_streets_nobody_drives_leave_a_walking_run_whole_and_a_driving_one_refused(
    city: tuple[Db, Settings, dict[str, int]],
) -> None:
    db, settings, _ = city
    with db.writer.begin() as connection:
        connection.execute(tables.street.update().values(highway="footway"))
        connection.execute(tables.gate.delete())
        raise_version(connection, "streets", "gates")
    assert len(run_gaps(db.writer, settings, GapRequest()).totals) == len(read_pack().testable)
    with pytest.raises(NothingLinked, match="profile driving"):
        run_gaps(db.writer, settings, GapRequest(profiles=("driving",)))


class Pairs:
    """SciPy's Dijkstra over pairs of edges: a state is an edge driven in a direction, and knows no split nodes."""

    def __init__(self, drive: Drive) -> None:
        network = drive.network
        self.count = network.edge_count
        self.cost = np.concatenate([drive.cost_ba, drive.cost_ab]).astype(np.int64)
        self.start = np.concatenate([network.edge_a, network.edge_b])
        self.end = np.concatenate([network.edge_b, network.edge_a])
        bans = drive.bans
        self.banned = set(zip(bans.from_edge.tolist(), bans.via_node.tolist(), bans.to_edge.tolist(), strict=True))
        self.open = np.flatnonzero(self.cost != NO_COST).tolist()
        self.leaving: dict[int, list[int]] = defaultdict(list)
        self.arriving: dict[int, list[int]] = defaultdict(list)
        for state in self.open:
            self.leaving[int(self.start[state])].append(state)
            self.arriving[int(self.end[state])].append(state)
        turns = [(s, t) for s in self.open for t in self.leaving[int(self.end[s])] if self.may_turn(s, t)]
        rows, columns = np.array(turns).T
        # what a street costs is paid on entering it; the small change keeps SciPy from taking a free one for none
        weights = self.cost[columns] + 1e-6
        self.graph = csr_array((weights, (rows, columns)), shape=(2 * self.count, 2 * self.count))

    def may_turn(self, state: int, following: int) -> bool:
        """Tell whether one may go on over a street."""
        return (state % self.count, int(self.end[state]), following % self.count) not in self.banned

    def arrive(self, edge: int) -> np.ndarray[Any, Any]:
        """Return the cost of having driven every state, from the first end of an edge."""
        onward, round_about = dijkstra(self.graph, indices=[edge, edge + self.count])
        onward = onward + self.cost[edge] if self.cost[edge] != NO_COST else onward * np.inf
        backward_open = self.cost[edge + self.count] != NO_COST
        return np.asarray(np.fmin(onward, round_about if backward_open else np.inf))

    def at_last_end(self, arrived: np.ndarray[Any, Any], edge: int) -> float:
        """Return the cost of reaching the last end of an edge: over it, or from beyond it where one may turn in."""
        found = [float(arrived[edge])] if self.cost[edge] != NO_COST else []
        back = edge + self.count
        if self.cost[back] != NO_COST:
            found += [float(arrived[s]) for s in self.arriving[int(self.end[edge])] if self.may_turn(s, back)]
        return min(found, default=np.inf)


@pytest.mark.real
def test_a_real_city_agrees_with_pairs_of_edges(fresh_db: Db, real_data: Path, tmp_path: Path) -> None:
    settings = replace(fresh_db.settings, home=tmp_path)
    load_osm(fresh_db.owner, real_data / "helsinki" / "Helsinki.osm.pbf", LoadOptions())
    drive, _ = open_drive((fresh_db, settings))
    with fresh_db.reader.connect() as connection:
        stored = len(fetch_turns(connection))
    assert drive.bans.via_node.size >= stored > 40
    network, pairs = drive.network, Pairs(drive)
    drivable = np.flatnonzero((drive.cost_ab != NO_COST) | (drive.cost_ba != NO_COST))
    homes = Homes(
        Links(drivable.astype(np.int32), network.edge_mm[drivable], np.zeros(drivable.shape[0], dtype=np.int64)),
        np.full(drivable.shape[0], -1, dtype=np.int32),
    )
    one = np.zeros(1, dtype=np.int64)
    reached = 0
    for source in np.random.default_rng(7).choice(drivable, 10, replace=False).tolist():
        entrances = Entrances(one, Links(np.array([source], dtype=np.int32), one, one))
        (reach,) = find_reach(drive, homes, entrances, facilities=[one.astype(np.int32)], bounds_s=[24 * 3600.0])
        arrived = pairs.arrive(source)
        expected = np.array([pairs.at_last_end(arrived, edge) for edge in drivable.tolist()])
        expected = np.where(np.isfinite(expected), np.floor(np.where(np.isfinite(expected), expected, 0) + 0.5), -1)
        assert np.array_equal(reach.reach_ms, expected.astype(np.int64))
        reached += int((expected > 0).sum())
    assert reached > drivable.shape[0]
