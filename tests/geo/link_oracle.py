"""Linking with nothing but Shapely, pair by pair: what the kernels are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.link import Links
from geo.network import CONNECTOR
from geo.units import to_mm

if TYPE_CHECKING:
    from geo.link import Ways
    from geo.units import Int32Array, ObjectArray


def link_pairwise(geometry: ObjectArray, zone: Int32Array, ways: Ways) -> Links:
    """Return the link of each geometry to the nearest edge of its zone that no barrier bars; lowest edge on a tie."""
    network = ways.network
    found = []
    for one, own in zip(geometry, zone, strict=True):
        edges = np.flatnonzero(ways.is_walkable & (network.edge_zone == own))
        far = shapely.distance(one, network.edge_line[edges])
        near = far <= ways.max_link_m
        edges, far = edges[near], far[near]
        ways_there = shapely.shortest_line(one, network.edge_line[edges])
        barred = np.array([bool(shapely.crosses(w, ways.barriers.line).any()) for w in ways_there], dtype=bool)
        barred &= (network.edge_flags[edges] & CONNECTOR) == 0
        edges, far, ways_there = edges[~barred], far[~barred], ways_there[~barred]
        if edges.size == 0:
            found.append((-1, 0, 0))
            continue
        best = np.lexsort((edges, far))[0]
        line = network.edge_line[edges[best]]
        place_m = shapely.line_locate_point(line, shapely.get_point(ways_there[best], -1))
        place = min(int(to_mm(place_m)), int(network.edge_mm[edges[best]]))
        found.append((int(edges[best]), place, int(to_mm(far[best]))))
    edge, place_mm, off_mm = (np.array(column) for column in zip(*found, strict=True))
    return Links(edge.astype(np.int32), place_mm.astype(np.int64), off_mm.astype(np.int64))
