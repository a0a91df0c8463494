"""What is measured: the input, our way and the peer's way to the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.link import link_points, link_sites
from geo.reach import Homes, find_reach, prepare_walk
from tests.gridcity import ORIGIN, PAPER, GridCity, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from geo.link import Entrances, Ways
    from geo.network import Network
    from geo.units import ObjectArray

Answer = npt.NDArray[np.int64]
BLOCK_M = 100.0
BOUND_S = 1800.0
SEED = 20260101


@dataclass(frozen=True)
class Case:
    """One comparison; ``make`` prepares input that neither side is timed for."""

    name: str
    size: str
    peer: str
    goal: float
    make: Callable[[], tuple[Callable[[], Answer], Callable[[], Answer]]]
    tolerance: int = 0

    def compare(self, ours: Answer, peer: Answer) -> int:
        """Return how many answers differ by more than the tolerance."""
        return int((np.abs(ours - peer) > self.tolerance).sum())


@dataclass(frozen=True)
class Place:
    """An invented grid with homes and sites at random places."""

    network: Network
    ways: Ways
    homes: ObjectArray
    sites: ObjectArray


@cache
def make_place(blocks: int, homes: int, sites: int) -> Place:
    """Return a grid of so many blocks a side."""
    city = GridCity.grid(blocks, blocks, spacing_m=BLOCK_M)
    network = city.network()
    random = np.random.default_rng(SEED)
    places = random.uniform(1.0, blocks * BLOCK_M - 1.0, (homes + sites, 2)) + ORIGIN
    points = objects(list(shapely.points(places)))
    return Place(network, city.ways(network), points[:homes], points[homes:])


def make_link(blocks: int, homes: int) -> tuple[Callable[[], Answer], Callable[[], Answer]]:
    """Return both ways to the off-street millimetres of every home."""
    place = make_place(blocks, homes, 1)
    zone = np.full(homes, -1, dtype=np.int32)
    lines = objects(GridCity.grid(blocks, blocks, spacing_m=BLOCK_M).lines)

    def ours() -> Answer:
        return link_points(place.homes, zone, ways=place.ways).off_mm.astype(np.int64)

    def peer() -> Answer:
        tree = shapely.STRtree(lines)
        rows, found = tree.query_nearest(place.homes, max_distance=300.0, all_matches=False)
        shapely.line_locate_point(lines[found], place.homes[rows])
        metres: npt.NDArray[np.float64] = shapely.distance(place.homes[rows], lines[found])
        return np.rint(metres * 1000).astype(np.int64)

    return ours, peer


def make_nearest(blocks: int, homes: int, sites: int) -> tuple[Callable[[], Answer], Callable[[], Answer]]:
    """Return both ways to the milliseconds from every home to its nearest site; -1 beyond the bound."""
    place = make_place(blocks, homes, sites)
    outside = np.full(homes, -1, dtype=np.int32)
    linked = Homes(link_points(place.homes, outside, ways=place.ways), outside)
    entrances = link_sites(place.sites, outside[:sites], ways=place.ways, gate_point=objects([]))
    walk = prepare_walk(place.network, PAPER)
    rows = np.arange(sites, dtype=np.int32)

    def ours() -> Answer:
        (reach,) = find_reach(walk, linked, entrances, facilities=[rows], bounds_s=[BOUND_S])
        return reach.reach_ms.astype(np.int64)

    return ours, partial(search_with_scipy, place.network, linked, entrances)


def search_with_scipy(network: Network, homes: Homes, entrances: Entrances) -> Answer:
    """Return milliseconds at a metre a second by SciPy's Dijkstra from one source that stands before every site."""
    count = network.node_x_mm.shape[0]
    site = entrances.links
    length = network.edge_mm.astype(np.int64)
    heads = np.concatenate([network.edge_a[site.edge], network.edge_b[site.edge]])
    costs = np.concatenate([site.off_mm + site.place_mm, site.off_mm + length[site.edge] - site.place_mm])
    order = np.lexsort((costs, heads))
    first = order[np.unique(heads[order], return_index=True)[1]]
    tails = np.full(first.shape[0], count)
    a, b = network.edge_a, network.edge_b
    weight = np.concatenate([length, length, np.maximum(costs[first], 1e-6)])
    ends = (np.concatenate([a, b, tails]), np.concatenate([b, a, heads[first]]))
    graph = csr_array((weight, ends), shape=(count + 1, count + 1))
    metres = dijkstra(graph, directed=True, indices=count, limit=BOUND_S * 1000)
    home = homes.links
    by_a = metres[a[home.edge]] + home.place_mm
    by_b = metres[b[home.edge]] + length[home.edge] - home.place_mm
    best = np.minimum(by_a, by_b) + home.off_mm
    for edge in np.intersect1d(home.edge, site.edge):
        mine, theirs = np.flatnonzero(home.edge == edge), np.flatnonzero(site.edge == edge)
        along = np.abs(home.place_mm[mine, None] - site.place_mm[None, theirs]) + site.off_mm[None, theirs]
        best[mine] = np.minimum(best[mine], along.min(axis=1) + home.off_mm[mine])
    return np.where(best <= BOUND_S * 1000, np.rint(best), -1).astype(np.int64)


CASES = (
    Case("link", "20k points", "shapely STRtree", 1.0, partial(make_link, 150, 20_000), tolerance=1),
    Case("nearest", "45k edges", "scipy dijkstra", 1.0, partial(make_nearest, 150, 20_000, 200), tolerance=2),
    Case("nearest", "180k edges", "scipy dijkstra", 1.0, partial(make_nearest, 300, 20_000, 800), tolerance=2),
)
