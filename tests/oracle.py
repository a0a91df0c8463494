"""The slow, obvious engine the fast one is held against: SciPy's Dijkstra on the graph split at every link.

Nothing of `geo` is used but its contract: lines join at ends within 1 cm, points link to the nearest line within reach,
every metre costs the same. Lengths are floats here, so answers agree to rounding, not to the bit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.units import FloatArray, ObjectArray


@dataclass
class SplitGraph:
    """A street graph in which every home and site is a node of its own."""

    lines: ObjectArray
    barriers: ObjectArray
    max_link_m: float = 300.0
    tails: list[int] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    metres: list[float] = field(default_factory=list)
    stops: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def __post_init__(self) -> None:
        """Give every junction a number; ends are compared by centimetre, over the seams of the raster too."""
        self.tree = shapely.STRtree(self.lines)
        self.walls = shapely.STRtree(self.barriers)
        ends = np.concatenate(
            [
                shapely.get_coordinates(shapely.get_point(self.lines, 0)),
                shapely.get_coordinates(shapely.get_point(self.lines, -1)),
            ]
        )
        points = shapely.points(ends)
        a, b = shapely.STRtree(points).query(points, predicate="dwithin", distance=0.0105)
        graph = csr_array((np.ones(a.shape[0]), (a, b)), shape=(ends.shape[0],) * 2)
        self.count, label = connected_components(graph, directed=False)
        for number, line in enumerate(self.lines):
            self.stops[number] += [
                (0.0, int(label[number])),
                (float(line.length), int(label[number + len(self.lines)])),
            ]

    def add(self, geometry: Any) -> int | None:
        """Tie a point or footprint to the nearest line not behind a barrier and return its node, None for none."""
        near = self.tree.query(geometry, predicate="dwithin", distance=self.max_link_m)
        order = np.lexsort((near, shapely.distance(geometry, self.lines[near])))
        for line in near[order].tolist():
            way = shapely.shortest_line(geometry, self.lines[line])
            if self.walls.query(way, predicate="crosses").size == 0:
                return self.tie([(line, shapely.get_point(way, -1), float(way.length))])
        return None

    def add_site(self, geometry: Any) -> int | None:
        """Tie a facility: a point as a home; an outline wherever a line crosses it or comes within 10 m."""
        if geometry.geom_type in {"Point", "LineString"}:
            return self.add(geometry)
        outline = geometry.boundary
        ways = []
        for line in self.tree.query(outline, predicate="dwithin", distance=10.0).tolist():
            cut = shapely.intersection(outline, self.lines[line])
            if cut.is_empty:
                way = shapely.shortest_line(outline, self.lines[line])
                ways.append((line, shapely.get_point(way, -1), float(way.length)))
            else:
                ways += [(line, shapely.Point(xy), 0.0) for xy in shapely.get_coordinates(cut)]
        return self.tie(ways) if ways else self.add(geometry)

    def tie(self, ways: list[tuple[int, Any, float]]) -> int:
        """Give a place a node and join it to lines: line, foot on it, metres off the street."""
        node = self.count
        self.count += 1 + len(ways)
        for number, (line, foot, off_m) in enumerate(ways):
            self.stops[line].append((float(self.lines[line].project(foot)), node + 1 + number))
            self.join(node, node + 1 + number, off_m)
        return node

    def join(self, tail: int, head: int, metres: float) -> None:
        """Add an edge that may be walked both ways."""
        self.tails += [tail, head]
        self.heads += [head, tail]
        # a stored zero would mean no edge
        self.metres += [max(metres, 1e-9)] * 2

    def nearest_m(self, sites: Sequence[int]) -> FloatArray:
        """Return metres from every node to the nearest of the sites, infinite where there is none."""
        for stops in self.stops.values():
            stops.sort()
            for (place, tail), (next_place, head) in pairwise(stops):
                self.join(tail, head, next_place - place)
        self.stops.clear()
        best: dict[tuple[int, int], float] = {}
        for tail, head, metres in zip(self.tails, self.heads, self.metres, strict=True):
            best[tail, head] = min(metres, best.get((tail, head), np.inf))
        keys = np.array(list(best))
        graph = csr_array((list(best.values()), (keys[:, 0], keys[:, 1])), shape=(self.count, self.count))
        return np.asarray(dijkstra(graph, indices=list(sites), min_only=True))
