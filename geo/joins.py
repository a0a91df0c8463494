"""Join streets that meet without sharing an end: a repair, never done unasked, stated with its tolerance and listed.

Many files draw a side street up to the middle of another one, or stop it a hand's breadth short. By rule such lines do
not connect (they might be a bridge over a road). Where the owner of the data says they do, within a stated distance,
the other street is split there and a piece of way bridges what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geo.errors import RequestError
from geo.network import SNAP_SPLIT_M, Streets, cut_line
from geo.units import MM_PER_M, FloatArray, IntArray, ObjectArray

MAX_JOIN_M = 20.0
"""Beyond this the gap between two streets is a fact about the place, not a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Joins:
    """What was repaired.

    Attributes
    ----------
    street
        Row of the street whose end or vertex was joined, shape (j,).
    other
        Row of the street it was joined to, shape (j,).
    gap_m
        Metres that were missing, 0 where the streets touch, shape (j,).
    xy
        Where, metric CRS, shape (j, 2).
    """

    street: IntArray
    other: IntArray
    gap_m: FloatArray
    xy: FloatArray


def check_tolerance(tolerance_m: float) -> None:
    """Refuse a tolerance that would join what is apart.

    Parameters
    ----------
    tolerance_m
        Metres, above 0 and at most 20.

    Raises
    ------
    RequestError
        It is out of range.
    """
    if not 0.0 < tolerance_m <= MAX_JOIN_M:
        raise RequestError(
            f"joining streets within {tolerance_m} m: expected above 0 and at most {MAX_JOIN_M:g} m",
            parameter="metres",
        )


def _find_crossings(line: ObjectArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return pairs of lines that share a vertex (to the millimetre) which is an end of neither, and where."""
    xy, row = shapely.get_coordinates(line, return_index=True)
    is_end = np.ones(row.shape[0], dtype=bool)
    is_end[1:-1] = (row[1:-1] != row[:-2]) | (row[1:-1] != row[2:])
    xy, row = xy[~is_end], row[~is_end]
    _, spot = np.unique(np.rint(xy * MM_PER_M).astype(np.int64), axis=0, return_inverse=True)
    order = np.lexsort((row, spot.reshape(-1)))
    spot, row, xy = spot.reshape(-1)[order], row[order], xy[order]
    at = np.flatnonzero((spot[1:] == spot[:-1]) & (row[1:] != row[:-1]))
    return row[at], row[at + 1], xy[at]


@dataclass(frozen=True, slots=True)
class _Ends:
    """Ends of lines that lie near another line they do not share an end with."""

    owner: IntArray
    xy: FloatArray
    other: IntArray
    foot: FloatArray
    gap_m: FloatArray


def _find_ends(line: ObjectArray, tolerance_m: float) -> _Ends:
    """Return for every end that no other line shares the nearest other line within the tolerance."""
    count = line.shape[0]
    points = np.concatenate([shapely.get_point(line, 0), shapely.get_point(line, -1)])
    owner = np.concatenate([np.arange(count)] * 2)
    end, other = shapely.STRtree(line).query(points, predicate="dwithin", distance=tolerance_m)
    foreign = owner[end] != other
    end, other = end[foreign], other[foreign]
    gap = shapely.distance(points[end], line[other])
    first = shapely.distance(points[end], shapely.get_point(line[other], 0))
    last = shapely.distance(points[end], shapely.get_point(line[other], -1))
    # an end that meets an end is a junction already
    settled = np.unique(end[np.minimum(first, last) <= SNAP_SPLIT_M])
    open_ = ~np.isin(end, settled)
    end, other, gap = end[open_], other[open_], gap[open_]
    order = np.lexsort((other, gap, end))
    chosen = order[np.unique(end[order], return_index=True)[1]]
    end, other = end[chosen], other[chosen]
    place = shapely.line_locate_point(line[other], points[end])
    foot = shapely.get_coordinates(shapely.line_interpolate_point(line[other], place)).reshape(-1, 2)
    return _Ends(owner[end], shapely.get_coordinates(points[end]).reshape(-1, 2), other, foot, gap[chosen])


def join_streets(streets: Streets, *, tolerance_m: float) -> tuple[Streets, Joins]:
    """Return the streets joined where they meet within a distance, and the list of what was done.

    An end on or near another street splits that street at its nearest point; a missing piece becomes a way of its own
    with the tags of the street that ends. Vertices two streets have in common become junctions. Streets that carry node
    ids of their source are left alone: their junctions are known.

    Parameters
    ----------
    streets
        Streets in the metric CRS.
    tolerance_m
        Longest missing piece, metres, above 0 and at most 20.

    Raises
    ------
    RequestError
        The tolerance is out of range.
    """
    check_tolerance(tolerance_m)
    free = np.flatnonzero((streets.node_a == 0) & (streets.node_b == 0))
    line = streets.line[free]
    one, two, crossing = _find_crossings(line)
    ends = _find_ends(line, tolerance_m)
    stops: dict[int, list[float]] = {}
    for row, xy in ((one, crossing), (two, crossing), (ends.other, ends.foot)):
        for number, place in zip(row.tolist(), shapely.line_locate_point(line[row], shapely.points(xy)), strict=True):
            stops.setdefault(number, []).append(float(place))
    pieces: list[object] = []
    origin: list[int] = []
    for number in range(line.shape[0]):
        parts = cut_line(line[number], stops.get(number, []))
        pieces += parts
        origin += [number] * len(parts)
    missing = ends.gap_m > SNAP_SPLIT_M
    pieces += list(shapely.linestrings(np.stack([ends.xy[missing], ends.foot[missing]], axis=1)))
    origin += ends.owner[missing].tolist()
    joined = _replace(streets, free, pieces, np.array(origin, dtype=np.int64))
    return joined, Joins(
        street=free[np.concatenate([one, ends.owner])],
        other=free[np.concatenate([two, ends.other])],
        gap_m=np.concatenate([np.zeros(one.shape[0]), ends.gap_m]),
        xy=np.concatenate([crossing.reshape(-1, 2), ends.foot]),
    )


def _replace(streets: Streets, free: IntArray, pieces: list[object], origin: IntArray) -> Streets:
    """Return the streets with the rows `free` replaced by pieces, each with the tags of the row it came from."""
    made = np.empty(len(pieces), dtype=object)
    made[:] = pieces
    kept = np.setdiff1d(np.arange(streets.line.shape[0]), free)
    rows = np.concatenate([kept, free[origin]])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    return Streets(
        street_id=streets.street_id[rows],
        line=np.concatenate([streets.line[kept], made])[order],
        flags=streets.flags[rows],
        is_private=streets.is_private[rows],
        node_a=streets.node_a[rows],
        node_b=streets.node_b[rows],
    )
