"""One network with homes and facilities, and the question at its nodes that every peer understands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from geo.link import Entrances, Links
from geo.reach import Homes, Walk
from geo.search.labels import NONE
from geo.units import NO_COST
from tests.bench.store import open_store

if TYPE_CHECKING:
    from geo.search.graph import Graph
    from geo.units import Int32Array, IntArray, UInt32Array
    from layers.study import Study
    from tests.bench.store import Store

TYPES = 20
BOUND_S = 900
BOUND_MS = BOUND_S * 1000
SEED = 20260101
NODES_PER_SITE = 1500
"""Where a city has fewer than 20 types, invented ones stand at so many nodes each."""

TITLES = {
    "real-cambridge": "Cambridge MA, sidewalks",
    "real-helsinki": "Helsinki centre, OpenStreetMap",
    "S": "sample city S",
    "M": "sample city M",
    "L": "sample city L",
    "million": "a million buildings",
}


@dataclass(frozen=True)
class Ground:
    """One network as an adult walks it, with homes, facilities and types.

    Attributes
    ----------
    size
        Name of the set.
    walk, homes, entrances
        As the engine takes them.
    types
        For each type the rows of its facilities.
    study, store
        Where they came from; None on an invented grid.
    """

    size: str
    walk: Walk
    homes: Homes
    entrances: Entrances
    types: tuple[Int32Array, ...]
    study: Study | None = None
    store: Store | None = None

    @property
    def graph(self) -> Graph:
        """Return the ways anybody may walk."""
        return self.walk.graph

    @cached_property
    def kept(self) -> dict[str, Any]:
        """Return what peers made of this ground and want to use again."""
        return {}

    @cached_property
    def facility_node(self) -> Int32Array:
        """Return the node each facility stands nearest to along its edge, -1 where it is not linked."""
        links, network = self.entrances.links, self.walk.network
        near_a = 2 * links.place_mm <= network.edge_mm[links.edge]
        node = np.where(near_a, network.edge_a[links.edge], network.edge_b[links.edge]).astype(np.int32)
        found = np.full(int(self.entrances.facility.max(initial=-1)) + 1, -1, dtype=np.int32)
        found[self.entrances.facility[::-1]] = node[::-1]
        return found

    @cached_property
    def sources(self) -> tuple[Int32Array, ...]:
        """Return for each of 20 types the nodes of its facilities, ascending; invented where there are fewer types."""
        found = []
        for rows in self.types[:TYPES]:
            nodes = self.facility_node[rows[rows < self.facility_node.shape[0]]]
            found.append(np.unique(nodes[nodes >= 0]))
        random = np.random.default_rng(SEED)
        count = max(self.graph.node_count // NODES_PER_SITE, 5)
        while len(found) < TYPES:
            found.append(np.unique(random.choice(self.graph.node_count, count)).astype(np.int32))
        return tuple(found)

    @cached_property
    def arcs(self) -> tuple[Int32Array, Int32Array, UInt32Array]:
        """Return tail, head and milliseconds of every open arc, row by row, as a search from facilities walks them."""
        graph = self.graph
        counts = graph.last - graph.first
        tail = np.repeat(np.arange(graph.node_count, dtype=np.int32), counts)
        at = np.repeat(graph.first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(tail.shape[0])
        return tail, graph.arc_node[at], graph.arc_ms[at]

    @cached_property
    def node_links(self) -> Links:
        """Return a link for every node: it stands at one end of an open way; -1 where no way is open."""
        network, walk = self.walk.network, self.walk
        edge = np.full(network.node_count, -1, dtype=np.int32)
        place = np.zeros(network.node_count, dtype=np.int64)
        ok = np.flatnonzero((walk.cost_ab != NO_COST) & (walk.cost_ba != NO_COST) & (network.edge_gate < 0))
        # written last wins: a node is put at the first end of an edge where it is one
        edge[network.edge_b[ok]], place[network.edge_b[ok]] = ok, network.edge_mm[ok]
        edge[network.edge_a[ok]], place[network.edge_a[ok]] = ok, 0
        return Links(edge, place, np.zeros_like(place))

    def take_nodes(self, nodes: IntArray | Int32Array) -> Links:
        """Return the links of some nodes."""
        links = self.node_links
        return Links(links.edge[nodes], links.place_mm[nodes], links.off_mm[nodes])

    def node_homes(self) -> Homes:
        """Return every node as a home outside all compounds."""
        return Homes(self.node_links, np.full(self.graph.node_count, -1, dtype=np.int32))

    def count_bytes(self) -> dict[str, float]:
        """Return what the engine holds: bytes a node for network, graph and desk, bytes a building for its link."""
        network, graph = self.walk.network, self.graph
        shape = network.geom_xy.nbytes + network.geom_ptr.nbytes
        arrays = sum(array.nbytes for array in network.arrays().values()) - shape
        arcs = sum(array.nbytes for array in (graph.first, graph.last, graph.arc_node, graph.arc_ms))
        links = self.homes.links
        home = links.edge.nbytes + links.place_mm.nbytes + links.off_mm.nbytes + self.homes.zone.nbytes
        nodes, homes = max(network.node_count, 1), max(self.homes.zone.shape[0], 1)
        return {
            "nodes": network.node_count,
            "edges": network.edge_count,
            "buildings": int(self.homes.zone.shape[0]),
            "facilities": int(self.facility_node.shape[0]),
            "graph_bytes_per_node": round(arcs / nodes, 1),
            "network_bytes_per_node": round((arrays + arcs) / nodes, 1),
            "shapes_bytes_per_node": round(shape / nodes, 1),
            "link_bytes_per_building": round(home / homes, 1),
        }


@lru_cache(maxsize=1)
def open_ground(size: str) -> Ground:
    """Return the ground of a size from its store.

    Raises
    ------
    Skip
        There is no database or no data.
    """
    from layers.study import load_study, load_tread

    store = open_store(size)
    with store.engine.connect() as connection:
        study = load_study(connection, store.settings)
        tread = load_tread(connection, study, study.profiles["adult"])
    rows = [study.sites.rows_of(kind.code, study.pack) for kind in study.pack.testable if kind.mode == "walk"]
    types = tuple(sorted((mine for mine in rows if mine.size), key=len, reverse=True))
    return Ground(size, tread.walk, tread.homes, tread.entrances, types[: 2 * TYPES], study, store)


def split_labels(label: IntArray) -> tuple[IntArray, IntArray]:
    """Return milliseconds and facility of labels, -1 where there is none."""
    none = label == NONE
    return np.where(none, -1, label >> 32), np.where(none, -1, label & 0xFFFFFFFF)


def make_grid(blocks: int = 12, homes: int = 300, sites: int = 40) -> Ground:
    """Return an invented grid with homes and sites at random places, for the bench's own tests."""
    import shapely

    from geo.link import link_points, link_sites
    from geo.reach import prepare_walk
    from tests.gridcity import ORIGIN, PAPER, GridCity, objects

    city = GridCity.grid(blocks, blocks)
    network = city.network()
    random = np.random.default_rng(SEED)
    places = random.uniform(1.0, blocks * 100.0 - 1.0, (homes + sites, 2)) + ORIGIN
    points = objects(list(shapely.points(places)))
    outside = np.full(homes, -1, dtype=np.int32)
    ways = city.ways(network)
    return Ground(
        "grid",
        prepare_walk(network, PAPER),
        Homes(link_points(points[:homes], outside, ways=ways), outside),
        link_sites(points[homes:], outside[:sites], ways=ways, gate_point=objects([])),
        (np.arange(sites, dtype=np.int32), np.arange(0, sites, 5, dtype=np.int32)),
    )
