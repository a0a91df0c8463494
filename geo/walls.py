"""Walled compounds: which piece of which street lies inside which wall.

A compound with at least one gate is enforced: its wall is closed but at the gates. A compound without a loaded gate is
left open, because an estate without any way in is a hole in the data, not a fact about the place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geo.inside import find_holding
from geo.units import BoolArray, FloatArray, Int32Array, IntArray, ObjectArray

OUTSIDE = -1
"""Zone of everything that lies in no enforced compound."""

WALL_TOLERANCE_M = 0.05
"""A street this near to a wall runs along it and counts as outside (digitising noise of shared outlines)."""

SLIVER_M = 0.01
"""A cut piece shorter than this is rounding noise of the cut, not a street."""


@dataclass(frozen=True, slots=True)
class Walls:
    """Enforced compounds in the metric CRS.

    Attributes
    ----------
    compound_id
        Store id of each compound, ascending, shape (c,).
    polygon
        Polygon or multipolygon of each compound, metric CRS, shape (c,).
    """

    compound_id: IntArray
    polygon: ObjectArray

    def find_zones(self, points: ObjectArray) -> Int32Array:
        """Return the zone of each point: the number of its compound, or -1 outside.

        Parameters
        ----------
        points
            Points in the metric CRS, shape (n,). Where compounds overlap the lowest store id wins.
        """
        zone = np.full(points.shape[0], OUTSIDE, dtype=np.int32)
        if self.polygon.shape[0] == 0 or points.shape[0] == 0:
            return zone
        # the few polygons are asked, because what is asked is what gets prepared
        compound, point = shapely.STRtree(points).query(self.polygon, predicate="contains")
        # written from the highest compound down, so the lowest is what stays
        order = np.argsort(-compound, kind="stable")
        zone[point[order]] = compound[order]
        return zone

    def find_zones_at(self, xy: FloatArray) -> Int32Array:
        """Return the same as :meth:`find_zones` for coordinates in the metric CRS, shape (n, 2)."""
        return find_holding(xy, self.polygon, np.arange(self.polygon.shape[0]), exactly=self.find_zones)

    def lines(self) -> ObjectArray:
        """Return the walls as linework, one geometry a compound."""
        return np.asarray(shapely.boundary(self.polygon), dtype=object)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Streets cut at the walls.

    Attributes
    ----------
    line
        LineStrings in the metric CRS, shape (m,).
    origin
        Row of the street each piece was cut from, shape (m,).
    zone
        Zone of each piece, shape (m,).
    is_whole
        True where the piece is the uncut street, whose ends keep their source node ids, shape (m,).
    """

    line: ObjectArray
    origin: IntArray
    zone: Int32Array
    is_whole: BoolArray


def _merge(parts: list[tuple[ObjectArray, IntArray, Int32Array, bool]]) -> Pieces:
    line = np.concatenate([p[0] for p in parts])
    origin = np.concatenate([p[1] for p in parts]).astype(np.int64)
    zone = np.concatenate([p[2] for p in parts]).astype(np.int32)
    is_whole = np.concatenate([np.full(p[0].shape[0], p[3]) for p in parts])
    order = np.argsort(origin, kind="stable")
    return Pieces(line[order], origin[order], zone[order], is_whole[order])


def _explode(geometry: ObjectArray, origin: IntArray, zone: Int32Array) -> tuple[ObjectArray, IntArray, Int32Array]:
    part, index = shapely.get_parts(geometry, return_index=True)
    keep = (shapely.get_type_id(part) == 1) & (shapely.length(part) > SLIVER_M)
    return part[keep], origin[index[keep]], zone[index[keep]]


def cut_at_walls(line: ObjectArray, walls: Walls) -> Pieces:
    """Return the streets cut where they cross a wall, each piece with its zone.

    Parameters
    ----------
    line
        Street LineStrings in the metric CRS, shape (n,).
    walls
        The enforced compounds.
    """
    count = line.shape[0]
    everything = np.arange(count, dtype=np.int64)
    outside = np.full(count, OUTSIDE, dtype=np.int32)
    if walls.polygon.shape[0] == 0 or count == 0:
        return _merge([(line, everything, outside, True)])
    shapely.prepare(walls.polygon)
    compound, street = shapely.STRtree(line).query(walls.polygon, predicate="intersects")
    # a street that merely touches or follows the wall from outside is not inside
    inner = np.asarray(shapely.buffer(walls.polygon, -WALL_TOLERANCE_M), dtype=object)
    shapely.prepare(inner)
    enters = shapely.intersects(inner[compound], line[street])
    compound, street = compound[enters], street[enters]
    within = shapely.covers(walls.polygon[compound], line[street])
    whole_street, first = np.unique(street[within], return_index=True)
    zone = outside.copy()
    zone[whole_street] = _lowest_compound(street[within], compound[within], whole_street, first)
    crossing = ~within & ~np.isin(street, whole_street)
    cut_street, cut_compound = street[crossing], compound[crossing]
    cut = np.unique(cut_street)
    untouched = np.setdiff1d(everything, cut, assume_unique=True)
    parts = [(line[untouched], untouched, zone[untouched], True)]
    if cut.size:
        inside = np.asarray(shapely.intersection(line[cut_street], walls.polygon[cut_compound]), dtype=object)
        parts.append((*_explode(inside, cut_street, cut_compound.astype(np.int32)), False))
        order = np.argsort(cut_street, kind="stable")
        starts = np.searchsorted(cut_street[order], cut)
        groups = np.split(walls.polygon[cut_compound[order]], starts[1:])
        union = np.array([group[0] if group.size == 1 else shapely.union_all(group) for group in groups], dtype=object)
        rest = np.asarray(shapely.difference(line[cut], union), dtype=object)
        parts.append((*_explode(rest, cut, outside[cut]), False))
    return _merge(parts)


def _lowest_compound(street: IntArray, compound: IntArray, wanted: IntArray, first: IntArray) -> Int32Array:
    lowest = compound[first].astype(np.int64)
    np.minimum.at(lowest, np.searchsorted(wanted, street), compound)
    return lowest.astype(np.int32)
