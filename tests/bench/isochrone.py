"""Isochrone polygons of 5, 10 and 15 minutes around a place, everything warm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geo.circles.circle import Place, draw_circles, find_circle, survey
from geo.search.labels import NONE
from geo.walls import OUTSIDE
from tests.bench.ground import BOUND_MS, BOUND_S, SEED
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.peers import find_truth, make_networkx, need

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.circles.circle import Circle
    from geo.units import Int32Array, IntArray, ObjectArray
    from tests.bench.ground import Ground

BANDS_S = (300.0, 600.0, 900.0)
PLACES = 12
TURNS = 10
LEAST_REACHED = 100
"""A place from which fewer nodes are reached is a backyard, not a place to draw a circle around."""

BUDGET_S = 0.005
EDGE_BUFFER_M = 25.0
NODE_BUFFER_M = 50.0
"""The widths of the recipe."""


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    return [
        Case("isochrone", size, "budget 5 ms", 1.0, lambda: against_budget(open_ground())),
        Case("isochrone", size, "OSMnx recipe (ego_graph, buffers)", 50.0, lambda: against_recipe(open_ground())),
    ]


@dataclass(frozen=True)
class Question:
    """Places to draw around, and our side."""

    ground: Ground
    nodes: Int32Array
    truth: tuple[IntArray, ...]
    draw: Callable[[int], tuple[Circle, ObjectArray]]


def ask(ground: Ground) -> Question:
    """Return some places outside compounds from which much is reached, and what draws around them.

    Raises
    ------
    Skip
        There are no such places.
    """
    network = ground.walk.network
    ok = np.flatnonzero((ground.node_links.edge >= 0) & (network.node_zone == OUTSIDE))
    ok = ok[network.edge_zone[ground.node_links.edge[ok]] == OUTSIDE]
    nodes, truth = [], []
    for node in np.random.default_rng(SEED).permutation(ok)[: 20 * PLACES].astype(np.int32):
        label = find_truth(ground, np.array([node], dtype=np.int32), BOUND_MS)
        if int((label != NONE).sum()) >= LEAST_REACHED:
            nodes.append(node)
            truth.append(label)
        if len(nodes) == PLACES:
            break
    if not nodes:
        raise Skip(f"no place from which {LEAST_REACHED} nodes are reached")
    surroundings = survey(ground.walk, ground.homes, ground.entrances)
    places = [Place(ground.take_nodes(np.array([node])), OUTSIDE) for node in nodes]

    def draw(turn: int) -> tuple[Circle, ObjectArray]:
        circle = find_circle(surroundings, place=places[turn % len(places)], bound_s=float(BOUND_S))
        return circle, draw_circles(circle, limits_s=BANDS_S)

    return Question(ground, np.array(nodes), tuple(truth), draw)


def count_wrong(question: Question, turn: int, circle: Circle, polygon: shapely.Geometry) -> tuple[int, int]:
    """Return at how many nodes outside compounds our time differs, or the polygon leaves a reached one out."""
    network = question.ground.walk.network
    found = np.full(network.node_count, NONE, dtype=np.int64)
    # the walk towards the place; where hills make a difference the walk from it stands behind
    for ends in circle.reached[:1]:
        # at the gates of compounds their residents have times of their own
        public = network.edge_zone[ends.edge] == OUTSIDE
        edge = ends.edge[public]
        np.minimum.at(found, ends.walk.exit_a[edge], ends.a_ms[public])
        np.minimum.at(found, ends.walk.exit_b[edge], ends.b_ms[public])
    label = question.truth[turn % len(question.truth)]
    truth = np.where(label == NONE, NONE, label >> 32)
    found = np.where(found <= BOUND_MS, found, NONE)
    outside = (network.node_zone == OUTSIDE) & (ground_edges(question.ground) > 0)
    wrong = int((found[outside] != truth[outside]).sum())
    inside = np.flatnonzero(label != NONE)
    points = shapely.points(network.node_x_mm[inside] / 1000, network.node_y_mm[inside] / 1000)
    shapely.prepare(polygon)
    return wrong + int((~shapely.intersects(polygon, points)).sum()), int(outside.sum()) + inside.shape[0]


def ground_edges(ground: Ground) -> IntArray:
    """Return how many edges outside compounds end at each node."""
    network = ground.walk.network
    edge = np.flatnonzero(network.edge_zone == OUTSIDE)
    ends = np.concatenate([network.edge_a[edge], network.edge_b[edge]])
    return np.bincount(ends, minlength=network.node_count)


def _check_ours(question: Question) -> tuple[int, int]:
    wrong = compared = 0
    for turn in range(len(question.nodes)):
        circle, polygons = question.draw(turn)
        more, among = count_wrong(question, turn, circle, polygons[-1])
        wrong, compared = wrong + more, compared + among
    return wrong, compared


RULE = "node times exact, every reached node inside the polygon"


def against_budget(ground: Ground) -> Pair:
    """Return the budget of five milliseconds."""
    question = ask(ground)

    def check(_ours: Any, _peer: None) -> Agreement:
        return Agreement(*_check_ours(question), None, RULE)

    timed = "search, buildings and facilities inside, three polygons; another place every turn"
    return Pair(question.draw, BUDGET_S, check, timed=timed, turns=4 * TURNS)


def against_recipe(ground: Ground) -> Pair:
    """Return the recipe of OSMnx's examples: ego graphs by travel time, nodes and edges grown and united.

    References
    ----------
    G. Boeing, osmnx-examples, notebook "Isoline maps with OSMnx", `make_iso_polys`.
    """
    networkx = need("networkx")
    gpd = need("geopandas")
    question = ask(ground)
    network = ground.walk.network
    graph = make_networkx(ground)
    x, y = network.node_x_mm / 1000, network.node_y_mm / 1000
    networkx.set_node_attributes(graph, dict(enumerate(shapely.points(x, y))), "point")
    lines = network.edge_line
    shape = dict(zip(zip(network.edge_a.tolist(), network.edge_b.tolist(), strict=True), lines, strict=True))

    def peer(turn: int) -> tuple[set[int], list[shapely.Geometry]]:
        centre = int(question.nodes[turn % len(question.nodes)])
        polygons = []
        reached: set[int] = set()
        for limit_s in sorted(BANDS_S, reverse=True):
            part = networkx.ego_graph(graph, centre, radius=round(limit_s * 1000), distance="ms")
            reached = reached or set(part.nodes)
            points = gpd.GeoSeries([point for _, point in part.nodes(data="point")])
            edges = gpd.GeoSeries([shape[u, v] if (u, v) in shape else shape[v, u] for u, v in part.edges()])
            grown = [*points.buffer(NODE_BUFFER_M), *edges.buffer(EDGE_BUFFER_M)]
            polygons.append(gpd.GeoSeries(grown).union_all())
        return reached, polygons

    def check(_ours: Any, answer: tuple[set[int], list[shapely.Geometry]]) -> Agreement:
        wrong, compared = _check_ours(question)
        truth = set(np.flatnonzero(question.truth[0] != NONE).tolist())
        return Agreement(wrong, compared, len(truth ^ answer[0]), f"{RULE}; peer: reached nodes")

    timed = "ours: search, buildings and facilities inside, three polygons; peer: search and three polygons"
    return Pair(question.draw, peer, check, timed=timed, turns=TURNS)
