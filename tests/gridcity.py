"""An invented street grid whose answers are known on paper: streets every so many metres, one metre a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.costs import WalkProfile, find_walkable
from geo.link import Links, Ways, link_points, link_sites
from geo.linking.barriers import Barriers, split_long_barriers
from geo.network import Gates, Network, Streets, build_network
from geo.reach import Homes, Reach, find_reach, prepare_walk
from geo.walls import OUTSIDE, Walls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.units import IntArray, ObjectArray

PAPER = WalkProfile("paper", 1.0)
"""A metre a second: seconds are metres."""

Xy = tuple[float, float]
# away from 0 so that coordinates cannot be taken for degrees
ORIGIN = (500_000.0, 3_400_000.0)


def point(x: float, y: float) -> shapely.Point:
    """Return a point of the grid."""
    return shapely.Point(ORIGIN[0] + x, ORIGIN[1] + y)


def line(*places: Xy) -> shapely.LineString:
    """Return a line through places of the grid."""
    return shapely.LineString([(ORIGIN[0] + x, ORIGIN[1] + y) for x, y in places])


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """Return a rectangle of the grid."""
    return shapely.box(ORIGIN[0] + west, ORIGIN[1] + south, ORIGIN[0] + east, ORIGIN[1] + north)


def objects(values: Sequence[object]) -> ObjectArray:
    """Return an object array, empty ones included."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@dataclass
class GridCity:
    """Streets, walls and gates put together line by line."""

    lines: list[shapely.LineString] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    private: list[bool] = field(default_factory=list)
    nodes: list[tuple[int, int]] = field(default_factory=list)
    walls: list[shapely.Polygon] = field(default_factory=list)
    gates: list[tuple[shapely.Point, int, bool]] = field(default_factory=list)
    barriers: list[shapely.Geometry] = field(default_factory=list)

    @classmethod
    def grid(cls, columns: int, rows: int, *, spacing_m: float = 100.0) -> GridCity:
        """Return a grid of so many blocks; streets are cut at every crossing."""
        city = cls()
        for row in range(rows + 1):
            for column in range(columns):
                city.street((column * spacing_m, row * spacing_m), ((column + 1) * spacing_m, row * spacing_m))
        for column in range(columns + 1):
            for row in range(rows):
                city.street((column * spacing_m, row * spacing_m), (column * spacing_m, (row + 1) * spacing_m))
        return city

    def street(self, *places: Xy, flags: int = 0, private: bool = False, nodes: tuple[int, int] = (0, 0)) -> GridCity:
        """Add a street."""
        self.lines.append(line(*places))
        self.flags.append(flags)
        self.private.append(private)
        self.nodes.append(nodes)
        return self

    def wall(self, west: float, south: float, east: float, north: float) -> GridCity:
        """Add a walled compound."""
        self.walls.append(box(west, south, east, north))
        return self

    def gate(self, x: float, y: float, *, of: int = 0, opens_to_all: bool = False) -> GridCity:
        """Add a gate of compound number `of`."""
        self.gates.append((point(x, y), of, opens_to_all))
        return self

    def walls_table(self) -> Walls:
        """Return the walls."""
        return Walls(np.arange(len(self.walls), dtype=np.int64) + 1, objects(self.walls))

    def network(self, *, order: IntArray | None = None) -> Network:
        """Return the compiled network; `order` shuffles the streets."""
        rows = np.arange(len(self.lines)) if order is None else order
        streets = Streets(
            street_id=np.arange(len(self.lines), dtype=np.int64)[rows] + 1,
            line=objects(self.lines)[rows],
            flags=np.array(self.flags, dtype=np.uint8)[rows],
            is_private=np.array(self.private, dtype=bool)[rows],
            node_a=np.array([n[0] for n in self.nodes], dtype=np.int64)[rows],
            node_b=np.array([n[1] for n in self.nodes], dtype=np.int64)[rows],
        )
        walls = self.walls_table()
        return build_network(streets, walls=walls, gates=self.gates_table(), metric_crs="EPSG:4547")

    def gates_table(self) -> Gates:
        """Return the gates."""
        return Gates(
            gate_id=np.arange(len(self.gates), dtype=np.int64) + 1,
            point=objects([g[0] for g in self.gates]),
            zone=np.array([g[1] for g in self.gates], dtype=np.int32),
            opens_to_all=np.array([g[2] for g in self.gates], dtype=bool),
        )

    def ways(self, network: Network, profile: WalkProfile = PAPER) -> Ways:
        """Return what points link to."""
        barriers = objects([*self.walls_table().lines(), *self.barriers])
        made = split_long_barriers(barriers) if len(barriers) else Barriers(barriers)
        return Ways(network, find_walkable(network, profile), made)

    def link(self, places: Sequence[object], network: Network, profile: WalkProfile = PAPER) -> Homes:
        """Return homes linked to the network."""
        geometry = objects(list(places))
        inside = objects([g.representative_point() for g in geometry])
        zone = self.walls_table().find_zones(inside)
        return Homes(link_points(geometry, zone, ways=self.ways(network, profile)), zone)

    def reach(
        self,
        homes: Sequence[object],
        sites: Sequence[object],
        *,
        profile: WalkProfile = PAPER,
        bound_s: float = 5_000,
        network: Network | None = None,
    ) -> Reach:
        """Return the reach of homes to the nearest of the sites."""
        net = network or self.network()
        geometry = objects(list(sites))
        zone = self.walls_table().find_zones(objects([g.representative_point() for g in geometry]))
        gate_point = objects([g[0] for g in self.gates])
        entrances = link_sites(geometry, zone, ways=self.ways(net, profile), gate_point=gate_point)
        (reach,) = find_reach(
            prepare_walk(net, profile),
            self.link(homes, net, profile),
            entrances,
            facilities=[np.arange(len(geometry), dtype=np.int32)],
            bounds_s=[bound_s],
        )
        return reach

    def seconds(self, home: Xy, site: Xy, *, profile: WalkProfile = PAPER) -> float | None:
        """Return the seconds from one place to another, None where there is no way."""
        found = int(self.reach([point(*home)], [point(*site)], profile=profile).reach_ms[0])
        return None if found < 0 else found / 1000


def is_outside(links: Links, network: Network) -> bool:
    """Return whether all links go to public ways."""
    return bool((network.edge_zone[links.edge] == OUTSIDE).all())
