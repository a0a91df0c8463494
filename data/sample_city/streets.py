"""Public streets and inner paths as lines whose ends coincide exactly where they meet."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city.blocks import RING_OFFSET_M, Layout, Way
from data.sample_city.plane import MAX_BEND_STEP_M, Board

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data.sample_city.ledger import Ledger
    from data.sample_city.plan import Plan

CRS = "EPSG:4326"
MAXSPEED_KM_H = {"motorway": "80", "motorway_link": "50", "trunk": "70", "primary": "60", "secondary": "50",
                 "tertiary": "40", "residential": "30", "living_street": "20", "service": "15"}  # fmt: skip
RAMP_M = 140
CORNER_M = 22
"""How far the elevated ring road cuts its corners, metres; more would run over the estates there."""


def node_ways(layout: Layout, joins: set[tuple[int, int]]) -> pd.DataFrame:
    """Return public streets cut at every point where something joins them.

    Returns
    -------
    frame with columns ua, va, ub, vb (board metres, ends of each piece), highway, name, bridge, tunnel
    """
    along_u, along_v = _by_line(joins, first=1), _by_line(joins, first=0)
    pieces: list[tuple[int, int, int, int, Way]] = []
    for way in layout.ways:
        stops = (along_u if way.is_horizontal else along_v).get(way.at, np.empty(0, dtype=np.int64))
        low, high = np.searchsorted(stops, way.start, "right"), np.searchsorted(stops, way.end, "left")
        cuts = [way.start, *(int(stop) for stop in stops[low:high]), way.end]
        for start, end in pairwise(cuts):
            ends = (start, way.at, end, way.at) if way.is_horizontal else (way.at, start, way.at, end)
            pieces.append((*ends, way))
    return pd.DataFrame(
        {
            "ua": [piece[0] for piece in pieces],
            "va": [piece[1] for piece in pieces],
            "ub": [piece[2] for piece in pieces],
            "vb": [piece[3] for piece in pieces],
            "highway": [piece[4].highway for piece in pieces],
            "name": [piece[4].name for piece in pieces],
            "bridge": [piece[4].bridge for piece in pieces],
            "tunnel": [piece[4].tunnel for piece in pieces],
        }
    )


def _by_line(joins: set[tuple[int, int]], *, first: int) -> dict[int, NDArray[np.int64]]:
    """Return joins grouped by the line they lie on, each group sorted along the line."""
    points = np.array(sorted(joins), dtype=np.int64).reshape(-1, 2)
    line, along = points[:, first], points[:, 1 - first]
    order = np.lexsort((along, line))
    line, along = line[order], along[order]
    found, starts = np.unique(line, return_index=True)
    groups = np.split(along, starts[1:])
    return {int(at): group for at, group in zip(found, groups, strict=True)}


def bend_lines(board: Board, ends: NDArray[np.int64]) -> NDArray[Any]:
    """Return lines along the board, bent and carried to degrees.

    Parameters
    ----------
    ends
        Axis-parallel segments ua, va, ub, vb with ua <= ub and va <= vb, shape (n, 4), metres on the board.
    """
    along = np.where((ends[:, 2] > ends[:, 0])[:, None], ends[:, [0, 2]], ends[:, [1, 3]])
    step = MAX_BEND_STEP_M
    first = along[:, 0] // step + 1
    inner = np.maximum(0, (along[:, 1] - 1) // step - first + 1)
    count = inner + 2
    line = np.repeat(np.arange(len(ends)), count)
    place = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    at = (first[line] + place - 1) * step
    at = np.where(place == 0, along[line, 0], np.where(place == count[line] - 1, along[line, 1], at))
    is_flat = (ends[:, 2] > ends[:, 0])[line]
    u = np.where(is_flat, at, ends[line, 0])
    v = np.where(is_flat, ends[line, 1], at)
    return np.asarray(shapely.linestrings(board.to_degrees(u, v), indices=line))


def ring_road(plan: Plan) -> tuple[list[tuple[str, list[tuple[int, int]]]], set[tuple[int, int]]]:
    """Return the elevated ring road as (class, board points) and the points where its ramps join the streets below.

    The road crosses streets, river and railway without meeting them.
    """
    west, east, south, north = plan.ring
    u0, u1 = plan.columns[west] + RING_OFFSET_M, plan.columns[east] - RING_OFFSET_M
    v0, v1 = plan.rows[south] + RING_OFFSET_M, plan.rows[north] - RING_OFFSET_M
    joins: set[tuple[int, int]] = set()
    lines: list[tuple[str, list[tuple[int, int]]]] = []
    sides = [(False, u1, plan.columns[east], plan.rows[south : north + 1])]
    if west != east:
        sides.append((False, u0, plan.columns[west], plan.rows[south : north + 1]))
        sides.append((True, v0, plan.rows[south], plan.columns[west : east + 1]))
        sides.append((True, v1, plan.rows[north], plan.columns[west : east + 1]))
        cut = CORNER_M
        for u, du in ((u0, cut), (u1, -cut)):
            for v, dv in ((v0, cut), (v1, -cut)):
                lines.append(("motorway", [(u + du, v), (u, v + dv)]))
    for is_flat, at, below, stops in sides:
        margin = CORNER_M + RING_OFFSET_M if west != east else 0
        nodes = [stops[0] + margin]
        for turn, (start, end) in enumerate(pairwise(stops)):
            if end - start < 400 or turn % 2:
                continue
            node = (start + end) // 2
            nodes.append(node)
            foot = node + RAMP_M
            ramp = [(node, at), (foot, below)] if is_flat else [(at, node), (below, foot)]
            joins.add(ramp[1])
            lines.append(("motorway_link", ramp))
        nodes.append(stops[-1] - margin)
        for start, end in pairwise(nodes):
            inner = [*range(start, end, MAX_BEND_STEP_M), end]
            lines.append(("motorway", [(part, at) if is_flat else (at, part) for part in inner]))
    return lines, joins


def make_streets(plan: Plan, layout: Layout, ledger: Ledger) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Return the streets layer, and the public pieces on the board (for places beside the street)."""
    elevated, ramps = ring_road(plan)
    public = node_ways(layout, layout.joins | ledger.joins | ramps)
    paths = _ordered(ledger.paths.frame())
    public["access"], public["steps"], public["compound"] = "", False, -1
    paths["name"], paths["bridge"], paths["tunnel"] = "", False, False
    rows = pd.concat([public, paths[public.columns]], ignore_index=True)
    ends = rows[["ua", "va", "ub", "vb"]].to_numpy(dtype=np.int64)
    geometry = list(bend_lines(plan.board, ends))
    for _, points in elevated:
        at = np.array(points, dtype=np.float64)
        geometry.append(shapely.linestrings(plan.board.to_degrees(at[:, 0], at[:, 1])))
    high = pd.DataFrame({"highway": [highway for highway, _ in elevated]})
    high["name"], high["bridge"], high["tunnel"], high["access"], high["steps"] = "云栖环线高架", True, False, "", False
    table = pd.concat([rows, high], ignore_index=True)
    return _finish(table, geometry), public


def _ordered(paths: pd.DataFrame) -> pd.DataFrame:
    """Return paths with their ends in ascending order."""
    low_u, high_u = np.minimum(paths["ua"], paths["ub"]), np.maximum(paths["ua"], paths["ub"])
    low_v, high_v = np.minimum(paths["va"], paths["vb"]), np.maximum(paths["va"], paths["vb"])
    return paths.assign(ua=low_u, ub=high_u, va=low_v, vb=high_v)


def _finish(table: pd.DataFrame, geometry: list[Any]) -> gpd.GeoDataFrame:
    """Return the streets layer with the columns of the loading contract."""
    highway = table["highway"].to_numpy(dtype=object)
    on_foot = ~np.isin(highway.astype(str), ["motorway", "motorway_link"])
    steps = table["steps"].to_numpy(dtype=bool) | (highway.astype(str) == "steps")
    count = len(table)
    frame = pd.DataFrame(
        {
            "source_id": [f"street-{number:07d}" for number in range(1, count + 1)],
            "highway": np.where(steps, "steps", highway.astype(str)).astype(object),
            "foot": np.where(on_foot, "yes", "no").astype(object),
            "access": _text_or_none(table["access"]),
            "steps": steps,
            "incline": ["4%" if below else None for below in table["tunnel"]],
            "wheelchair": ["no" if stepped else None for stepped in steps],
            "oneway": "no",
            "maxspeed": [MAXSPEED_KM_H.get(str(value)) for value in highway],
            "name": _text_or_none(table["name"]),
            "bridge": table["bridge"].to_numpy(dtype=bool),
            "tunnel": table["tunnel"].to_numpy(dtype=bool),
        }
    )
    return gpd.GeoDataFrame(frame, geometry=np.array(geometry, dtype=object), crs=CRS)


def _text_or_none(values: pd.Series) -> list[str | None]:
    """Return text with None for empty."""
    return [str(value) or None for value in values]
