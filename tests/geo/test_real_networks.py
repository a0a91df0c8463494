"""Real street networks held against SciPy's Dijkstra: nearest facilities, circles, both directions, no mismatch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import osmium
import pytest
import shapely
from pyproj import Transformer

from geo.catchments import find_catchments, find_matrix, spread_from
from geo.circles.circle import find_circle, find_place, survey
from geo.circles.near import index_ways
from geo.costs import WalkProfile, cost_edges, find_walkable
from geo.joins import join_streets
from geo.link import Entrances, Links, Ways, link_points, link_sites
from geo.linking.barriers import Barriers
from geo.network import Gates, Network, Streets, build_network
from geo.reach import Homes, Walk, find_reach, lay_out_walk
from geo.units import NO_COST
from geo.walkable import classify_streets
from geo.walls import OUTSIDE, Walls
from tests.geo.split_graph import SplitGraph, nearest_of
from tests.gridcity import objects

if TYPE_CHECKING:
    from pathlib import Path

    from geo.units import ObjectArray, UInt32Array

pytestmark = pytest.mark.real

ADULT = WalkProfile("adult", 1.11)
HOMES = 1_500
SITES = 40
BOUND_S = 1_800.0
PLACES = ("cambridge", "cambridge-joined", "helsinki", "portoalegre", "wuhan", "losangeles-centre", "shanghai")
SEED = 20261122


def read_osm(path: Path, crs: str) -> Streets:
    """Return the ways of an extract that people may walk, cut at the nodes they share."""
    ways = []
    with_tags = osmium.filter.KeyFilter("highway")
    for way in osmium.FileProcessor(str(path)).with_locations().with_filter(with_tags):
        if not isinstance(way, osmium.osm.Way):
            continue
        nodes = [(node.ref, node.lon, node.lat) for node in way.nodes if node.location.valid()]
        if len(nodes) > 1:
            ways.append((nodes, {tag.k: tag.v for tag in way.tags}))
    seen: dict[int, int] = {}
    for nodes, _ in ways:
        for ref in [nodes[0][0], nodes[-1][0], *(node[0] for node in nodes)]:
            seen[ref] = seen.get(ref, 0) + 1
    lines, ends, tags = [], [], []
    for nodes, tag in ways:
        start = 0
        for stop in range(1, len(nodes)):
            if seen[nodes[stop][0]] > 1:
                lines.append(shapely.LineString([node[1:] for node in nodes[start : stop + 1]]))
                ends.append((nodes[start][0], nodes[stop][0]))
                tags.append(tag)
                start = stop
    highway, foot, access, wheelchair = (
        np.array([tag.get(key) for tag in tags], dtype=object) for key in ("highway", "foot", "access", "wheelchair")
    )
    steps = np.zeros(len(tags), dtype=bool)
    flags, private = classify_streets(highway, foot=foot, access=access, steps=steps, wheelchair=wheelchair)
    node = np.array(ends, dtype=np.int64)
    return Streets(np.arange(len(lines)) + 1, project(objects(lines), crs), flags, private, node[:, 0], node[:, 1])


def project(geometry: ObjectArray, crs: str) -> ObjectArray:
    """Return WGS-84 geometries in a metric CRS."""
    move = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    return np.asarray(shapely.transform(geometry, lambda xy: np.column_stack(move(*xy.T))), dtype=object)


def read_lines(path: Path, crs: str, *, bbox: tuple[float, float, float, float] | None = None) -> Streets:
    """Return the lines of a file as streets anybody may walk."""
    if path.suffix == ".geojson":
        found = json.loads(path.read_text(encoding="utf-8"))["features"]
        frame = gpd.GeoDataFrame(geometry=[shapely.geometry.shape(one["geometry"]) for one in found], crs="EPSG:4326")
    else:
        frame = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    if bbox is not None:
        frame = frame.cx[bbox[0] : bbox[2], bbox[1] : bbox[3]]
    line = shapely.force_2d(frame.to_crs(crs).explode().geometry.to_numpy())
    line = np.asarray(line[shapely.length(line) > 0], dtype=object)
    none = np.zeros(line.shape[0], dtype=np.int64)
    return Streets(np.arange(line.shape[0]) + 1, line, none.astype(np.uint8), none.astype(bool), none, none)


def read_streets(name: str, folder: Path) -> tuple[Streets, str]:
    """Return the streets of a place and their metric CRS."""
    if name.startswith("cambridge"):
        streets = read_lines(folder / "cambridge_ma" / "sidewalk_centerlines_decoded.gpkg", "EPSG:32619")
        return (join_streets(streets, tolerance_m=3.0)[0] if name.endswith("joined") else streets), "EPSG:32619"
    if name == "helsinki":
        return read_osm(folder / "helsinki" / "Helsinki.osm.pbf", "EPSG:32635"), "EPSG:32635"
    if name == "portoalegre":
        return read_osm(folder / "portoalegre" / "poa_osm.pbf", "EPSG:32722"), "EPSG:32722"
    if name == "wuhan":
        return read_lines(folder / "wuhan" / "wuhan_roads_original.parquet", "EPSG:32650"), "EPSG:32650"
    if name == "shanghai":
        return read_lines(folder / "shanghai" / "shanghai_roads.geojson", "EPSG:32651"), "EPSG:32651"
    box = (-118.32, 34.0, -118.2, 34.1)
    return read_lines(folder / "losangeles" / "la_roads.parquet", "EPSG:32611", bbox=box), "EPSG:32611"


@dataclass(frozen=True)
class Town:
    """A real network with homes and facilities at random places."""

    network: Network
    ways: Ways
    homes: Homes
    doors: Entrances

    def walk(self, *, hilly: bool) -> Walk:
        """Return the network as walked; on hills directions cost differently, and one way in ten is one-way."""
        cost, _ = cost_edges(self.network, ADULT)
        if not hilly:
            return lay_out_walk(self.network, ADULT, cost, cost)
        rng = np.random.default_rng(SEED)
        return lay_out_walk(self.network, ADULT, *(self.tilt(cost, rng) for _ in range(2)))

    def tilt(self, cost: UInt32Array, rng: np.random.Generator) -> UInt32Array:
        """Return costs up to twice as high, some of them closed."""
        steep = np.where(cost == NO_COST, NO_COST, np.minimum(cost * rng.uniform(0.7, 2.0, cost.shape[0]), NO_COST - 1))
        return np.where(rng.random(cost.shape[0]) < 0.05, NO_COST, steep).astype(np.uint32)


@cache
def make_town(name: str, folder: Path) -> Town:
    """Return a real network with homes and facilities, a third of them sites with several doors."""
    streets, crs = read_streets(name, folder)
    walls = Walls(np.empty(0, dtype=np.int64), objects([]))
    gates = Gates(np.empty(0, dtype=np.int64), objects([]), np.empty(0, dtype=np.int32), np.empty(0, dtype=bool))
    network = build_network(streets, walls=walls, gates=gates, metric_crs=crs)
    ways = Ways(network, find_walkable(network, ADULT), Barriers(objects([])))
    rng = np.random.default_rng(SEED)
    # near random junctions, so that homes stand where streets are
    around = np.stack([network.node_x_mm, network.node_y_mm], axis=1)[
        rng.integers(network.node_count, size=HOMES + SITES)
    ]
    spot = shapely.points(around / 1000 + rng.normal(0, 60, around.shape))
    site = np.where(np.arange(SITES) % 3 == 0, shapely.buffer(spot[HOMES:], 80, quad_segs=2), spot[HOMES:])
    zone = np.full(HOMES, OUTSIDE, dtype=np.int32)
    doors = link_sites(objects(list(site)), zone[:SITES], ways=ways, gate_point=objects([]))
    return Town(network, ways, Homes(link_points(objects(list(spot[:HOMES])), zone, ways=ways), zone), doors)


@pytest.fixture(params=PLACES)
def town(request: pytest.FixtureRequest, real_data: Path) -> Town:
    return make_town(request.param, real_data)


@pytest.mark.parametrize("hilly", [False, True])
def test_nearest_facilities_are_those_of_an_independent_engine(town: Town, hilly: bool) -> None:
    walk = town.walk(hilly=hilly)
    matrix = SplitGraph(walk, town.homes.links, town.doors, SITES).matrix_ms(round(BOUND_S * 1000))
    assert (matrix >= 0).any(axis=0).mean() > 0.1
    kinds = [np.arange(SITES, dtype=np.int32), np.arange(0, SITES, 7, dtype=np.int32)]
    found = find_reach(walk, town.homes, town.doors, facilities=kinds, bounds_s=[BOUND_S] * 2, threads=2)
    for kind, reach in zip(kinds, found, strict=True):
        ms, row = nearest_of(matrix[kind])
        assert int((reach.reach_ms != ms).sum()) == 0
        assert int((reach.facility != np.where(row < 0, -1, kind[row])).sum()) == 0


@pytest.mark.parametrize("hilly", [False, True])
def test_catchments_and_many_to_many_are_those_of_an_independent_engine(town: Town, hilly: bool) -> None:
    walk = town.walk(hilly=hilly)
    asked = np.arange(SITES, dtype=np.int32)[::-1].copy()
    matrix = SplitGraph(walk, town.homes.links, town.doors, SITES).matrix_ms(round(BOUND_S * 1000))[asked]
    caught = find_catchments(walk, town.homes, town.doors, facilities=asked, bound_s=BOUND_S, threads=2)
    owner, home = np.nonzero(matrix >= 0)
    assert caught.ptr.tolist() == np.searchsorted(owner, np.arange(SITES + 1)).tolist()
    assert caught.home.tolist() == home.tolist()
    assert caught.ms.tolist() == matrix[owner, home].tolist()
    many = find_matrix(walk, town.homes, town.doors, facilities=asked, bound_s=BOUND_S)
    home, facility = np.nonzero(matrix.T >= 0)
    assert many.ptr.tolist() == np.searchsorted(home, np.arange(HOMES + 1)).tolist()
    assert many.facility.tolist() == facility.tolist()
    assert many.ms.tolist() == matrix[facility, home].tolist()


@pytest.mark.parametrize("hilly", [False, True])
def test_one_to_all_is_that_of_an_independent_engine(town: Town, hilly: bool) -> None:
    walk = town.walk(hilly=hilly)
    # every node as a home that stands on it: at either end of its first edge
    network = town.network
    edge = network.adj_edge[network.indptr[:-1]]
    at_a = network.edge_a[edge] == np.arange(network.node_count)
    nodes = Links(edge, np.where(at_a, 0, network.edge_mm[edge]), np.zeros(network.node_count, dtype=np.int64))
    few = np.arange(3, dtype=np.int32)
    ms = spread_from(walk, town.doors, facilities=few, bound_s=BOUND_S).astype(np.int64)
    expected, _ = nearest_of(SplitGraph(walk, nodes, town.doors, SITES).matrix_ms(round(BOUND_S * 1000))[few])
    open_both_ways = (walk.cost_ab[edge] != NO_COST) & (walk.cost_ba[edge] != NO_COST)
    assert open_both_ways.mean() > 0.5
    wanted = np.where(expected < 0, NO_COST, expected)
    assert np.flatnonzero((ms != wanted) & open_both_ways).tolist() == []


@pytest.mark.parametrize("hilly", [False, True])
def test_circles_count_as_an_independent_engine(town: Town, hilly: bool) -> None:
    walk = town.walk(hilly=hilly)
    surroundings = survey(walk, town.homes, town.doors)
    near = index_ways(town.ways)
    rng = np.random.default_rng(SEED + 1)
    for node in rng.integers(town.network.node_count, size=8).tolist():
        x, y = town.network.node_x_mm[node] / 1000, town.network.node_y_mm[node] / 1000
        place = find_place(shapely.Point(x + 11, y - 17), OUTSIDE, near=near)
        bound_s = float(rng.uniform(300, 1_500))
        circle = find_circle(surroundings, place=place, bound_s=bound_s)
        as_site = Entrances(np.zeros(1, dtype=np.int64), place.links)
        (toward,) = SplitGraph(walk, town.homes.links, as_site, 1).matrix_ms(round(bound_s * 1000))
        assert circle.home.tolist() == np.flatnonzero(toward >= 0).tolist()
        assert circle.home_ms.tolist() == toward[toward >= 0].tolist()
        away = SplitGraph(walk, place.links, town.doors, SITES).matrix_ms(round(bound_s * 1000))[:, 0]
        assert circle.facility.tolist() == np.flatnonzero(away >= 0).tolist()
        assert circle.facility_ms.tolist() == away[away >= 0].tolist()
