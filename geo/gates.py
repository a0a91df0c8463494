"""Where gates of compounds open onto ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.walls import OUTSIDE

if TYPE_CHECKING:
    from geo.units import BoolArray, FloatArray, Int32Array, IntArray, ObjectArray


def _find_nearest(line: ObjectArray, rows: IntArray, point: ObjectArray, reach_m: float) -> tuple[IntArray, FloatArray]:
    """Return for each gate the line among `rows` to attach it to (-1 for none) and the place along it."""
    edge = np.full(point.shape[0], -1, dtype=np.int64)
    place_m = np.zeros(point.shape[0])
    if rows.size == 0 or point.size == 0:
        return edge, place_m
    tree = shapely.STRtree(line[rows])
    found = tree.query_nearest(point, max_distance=reach_m, all_matches=True)
    which = np.unique(found[0])
    # found pairs come in no promised order: take the lowest edge among equals
    lowest = np.full(point.shape[0], np.iinfo(np.int64).max)
    np.minimum.at(lowest, found[0], found[1])
    edge[which] = rows[lowest[which]]
    place_m[which] = shapely.line_locate_point(line[edge[which]], point[which])
    return edge, place_m


def attach_gates(
    line: ObjectArray,
    zone: Int32Array,
    is_walkable: BoolArray,
    *,
    point: ObjectArray,
    gate_zone: Int32Array,
    reach_m: float,
) -> tuple[IntArray, FloatArray, IntArray, FloatArray]:
    """Return for every gate its outer and inner edge (-1 for none) and the places along them in metres.

    Parameters
    ----------
    line, zone, is_walkable
        Edges, the compound each lies in (-1 outside) and whether anybody may walk it, shape (m,).
    point, gate_zone
        The gates and the compound each leads into, shape (g,).
    reach_m
        A gate opens onto a way at most so far from it.
    """
    outer, outer_m = _find_nearest(line, np.flatnonzero(is_walkable & (zone == OUTSIDE)), point, reach_m)
    inner = np.full(point.shape[0], -1, dtype=np.int64)
    inner_m = np.zeros(point.shape[0])
    order = np.argsort(zone, kind="stable")
    order = order[is_walkable[order]]
    zones = zone[order]
    for one in np.unique(gate_zone):
        rows = order[np.searchsorted(zones, one) : np.searchsorted(zones, one, side="right")]
        mine = np.flatnonzero(gate_zone == one)
        inner[mine], inner_m[mine] = _find_nearest(line, np.sort(rows), point[mine], reach_m)
    return outer, outer_m, inner, inner_m
