"""Slopes and crossings of the streets: what the ground asks of a walker beyond metres.

Heights are read every 20 m along an edge, bilinear between the cells of an elevation grid, and turned into whole
millimetres of climb both ways. Bridges and tunnels do not follow the ground: they run straight from end to end.
Where no grid reaches, a street's own ``incline`` counts; where there is none, a street is level.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.network import CONNECTOR
from geo.units import MM_PER_M, BoolArray, FloatArray, Int32Array, IntArray

if TYPE_CHECKING:
    from geo.network import Network

SAMPLE_M = 20.0
"""Heights are read at least this often along an edge."""

SHORTEST_GRADE_M = 1.0
"""An edge shorter than this has no grade worth the name: it is the noise of two heights."""

GRADE_UNIT = 10_000
"""Grades are whole ten-thousandths, rise over run."""

STEEPEST = 1.0
"""An ``incline`` above 100 % is a slip of the data."""

RIGHT_ANGLE_DEG = 90.0

_INCLINE = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(%|°)?")


@dataclass(frozen=True, slots=True)
class Ground:
    """What the ground asks of who walks an edge.

    Attributes
    ----------
    up_ab_mm, up_ba_mm
        Millimetres climbed from a to b and from b to a, shape (edges,).
    grade
        Steepest part of the edge either way, in ten-thousandths, shape (edges,).
    crossing_mm
        Length in millimetres of the whole marked crossing the edge is part of, 0 elsewhere, shape (edges,).
    """

    up_ab_mm: IntArray
    up_ba_mm: IntArray
    grade: Int32Array
    crossing_mm: IntArray

    @classmethod
    def level(cls, edges: int) -> Ground:
        """Return ground without slopes or crossings."""
        zero = np.zeros(edges, dtype=np.int64)
        return cls(zero, zero, np.zeros(edges, dtype=np.int32), zero)

    @property
    def is_level(self) -> bool:
        """Whether there is nothing but level ways without crossings."""
        return not (self.up_ab_mm.any() or self.up_ba_mm.any() or self.grade.any() or self.crossing_mm.any())


@dataclass(frozen=True, slots=True)
class Samples:
    """Places at which heights are asked for.

    Attributes
    ----------
    xy
        Metric CRS, shape (k, 2).
    ptr
        Places of edge ``e`` are ``xy[ptr[e]:ptr[e + 1]]``, from a to b and equally far apart, shape (edges + 1,).
    """

    xy: FloatArray
    ptr: IntArray


def place_samples(network: Network, *, is_straight: BoolArray) -> Samples:
    """Return where heights along each edge are read: both ends, and between them at least every 20 m.

    Parameters
    ----------
    network
        The compiled network.
    is_straight
        Edges that do not follow the ground (bridges, tunnels): only their ends are read, shape (edges,).
    """
    length_m = network.edge_mm / MM_PER_M
    parts = np.maximum(np.ceil(length_m / SAMPLE_M).astype(np.int64), 1)
    parts[is_straight] = 1
    ptr = np.concatenate([[0], np.cumsum(parts + 1)]).astype(np.int64)
    edge = np.repeat(np.arange(network.edge_count), parts + 1)
    share = (np.arange(ptr[-1]) - ptr[edge]) / parts[edge]
    points = shapely.line_interpolate_point(network.edge_line[edge], share, normalized=True)
    return Samples(shapely.get_coordinates(points), ptr)


def measure_climb(
    samples: Samples, height_m: FloatArray, *, edge_mm: IntArray
) -> tuple[IntArray, IntArray, Int32Array]:
    """Return the climb from a to b and from b to a in millimetres, and the steepest grade, of each edge.

    Parameters
    ----------
    samples
        Where heights were read.
    height_m
        Height at each place in metres, not a number where unknown: the parts beside such a place count as level.
    edge_mm
        Length of each edge in millimetres, shape (edges,).
    """
    edges = edge_mm.shape[0]
    edge = np.repeat(np.arange(edges), np.diff(samples.ptr))
    is_step = edge[1:] == edge[:-1]
    rise = np.diff(height_m)[is_step]
    owner = edge[1:][is_step]
    rise = np.where(np.isfinite(rise), rise, 0.0)
    rise_mm = np.rint(rise * MM_PER_M).astype(np.int64)
    up = np.bincount(owner, weights=np.maximum(rise_mm, 0), minlength=edges).astype(np.int64)
    down = np.bincount(owner, weights=np.maximum(-rise_mm, 0), minlength=edges).astype(np.int64)
    parts = np.diff(samples.ptr) - 1
    run_m = edge_mm / MM_PER_M / np.maximum(parts, 1)
    grade = np.zeros(edges)
    np.maximum.at(grade, owner, np.abs(rise) / np.maximum(run_m[owner], SHORTEST_GRADE_M))
    grade[edge_mm < SHORTEST_GRADE_M * MM_PER_M] = 0.0
    return up, down, np.minimum(np.rint(grade * GRADE_UNIT), np.iinfo(np.int32).max).astype(np.int32)


@dataclass(frozen=True, slots=True)
class GridTile:
    """Part of an elevation grid: heights at the middles of its cells.

    Attributes
    ----------
    height_m
        Metres, not a number where there is none, shape (rows, columns).
    row, column
        Row and column of the whole grid at which the part begins.
    """

    height_m: FloatArray
    row: int
    column: int


def sample_tile(tile: GridTile, row: FloatArray, column: FloatArray) -> FloatArray:
    """Return the height at places of a grid, bilinear between the four middles around; the nearest where one has none.

    Parameters
    ----------
    tile
        The part of the grid that holds those middles.
    row, column
        Places in rows and columns of the whole grid, a cell's middle being a whole number, shape (n,).
    """
    height = tile.height_m
    last_row, last_column = height.shape[0] - 1, height.shape[1] - 1
    r = np.clip(row - tile.row, 0, last_row)
    c = np.clip(column - tile.column, 0, last_column)
    r0 = np.minimum(r.astype(np.int64), max(last_row - 1, 0))
    c0 = np.minimum(c.astype(np.int64), max(last_column - 1, 0))
    r1, c1 = np.minimum(r0 + 1, last_row), np.minimum(c0 + 1, last_column)
    dr, dc = r - r0, c - c0
    top = height[r0, c0] * (1 - dc) + height[r0, c1] * dc
    bottom = height[r1, c0] * (1 - dc) + height[r1, c1] * dc
    between = top * (1 - dr) + bottom * dr
    nearest = height[np.where(dr < 0.5, r0, r1), np.where(dc < 0.5, c0, c1)]
    return np.where(np.isfinite(between), between, nearest)


def parse_incline(text: object) -> float | None:
    """Return the grade an ``incline`` value states, rise over run in the street's direction; None where it states none.

    Parameters
    ----------
    text
        For example ``10%``, ``-5.5 %``, ``3°``; ``up`` and ``steep`` say nothing that could be reckoned with.
    """
    if not isinstance(text, str):
        return None
    match = _INCLINE.fullmatch(text.strip().replace(",", "."))
    if match is None or (match[2] is None and float(match[1]) != 0):
        return None
    value = float(match[1])
    if match[2] == "°":
        grade = math.tan(math.radians(value)) if abs(value) < RIGHT_ANGLE_DEG else math.inf
    else:
        grade = value / 100
    return grade if abs(grade) <= STEEPEST else None


def climb_inclines(network: Network, incline: FloatArray, *, along: BoolArray) -> tuple[IntArray, IntArray, Int32Array]:
    """Return climb both ways and grade of each edge as its street's incline states them; level where it states none.

    Parameters
    ----------
    network
        The compiled network.
    incline
        Grade of each edge's street in the direction of its line, not a number where not given, shape (edges,).
    along
        Edges that run the way their street's line was drawn, shape (edges,).
    """
    known = np.isfinite(incline) & ((network.edge_flags & CONNECTOR) == 0)
    grade = np.where(known, incline, 0.0) * np.where(along, 1, -1)
    # the length of a street is its run on the map
    rise_mm = np.rint(network.edge_mm * grade).astype(np.int64)
    steep = np.rint(np.abs(grade) * GRADE_UNIT).astype(np.int32)
    return np.maximum(rise_mm, 0), np.maximum(-rise_mm, 0), steep
