"""From the ledger to layers on the ground: buildings, compounds, gates, land use, water, railway."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city.ledger import SHAPES, Box, Shape
from data.sample_city.plane import MAX_BEND_STEP_M, Board, plane_to_degrees
from data.sample_city.streams import Purpose, stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from data.sample_city.plan import Plan

CRS = "EPSG:4326"
POND = (
    (1.0, 0.0), (0.92, 0.38), (0.71, 0.71), (0.38, 0.92), (0.0, 1.0), (-0.38, 0.92), (-0.71, 0.71), (-0.92, 0.38),
    (-1.0, 0.0), (-0.92, -0.38), (-0.71, -0.71), (-0.38, -0.92), (0.0, -1.0), (0.38, -0.92), (0.71, -0.71),
    (0.92, -0.38),
)  # fmt: skip
"""Points around a circle of radius 1."""
BANK_M = 23.0
"""From the centre line of the riverside street to the water at least, metres."""


def make_footprints(board: Board, houses: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return footprints as polygons with right angles, and entrance points (None where a building has no door)."""
    u, v = houses["u"].to_numpy(), houses["v"].to_numpy()
    x, y, along_x, along_y, across_x, across_y, stretch_u, stretch_v = board.frame_at(u, v)
    # houses face south along the board's `u`; rows of shops along a north-south street follow that street
    faces_side = houses["door"].isin([3, 4]).to_numpy()
    along_x, along_y = np.where(faces_side, across_y, along_x), np.where(faces_side, -across_x, along_y)
    # a little smaller than the stretched land, so that neighbours never touch where the board is sheared
    wide = houses["wide"].to_numpy() * np.minimum(stretch_u, 1.05) * 0.985
    deep = houses["deep"].to_numpy() * np.minimum(stretch_v, 1.05) * 0.985
    shape = houses["shape"].to_numpy()
    polygons = np.empty(len(houses), dtype=object)

    def place(rows: NDArray[Any], du: NDArray[np.float64], dv: NDArray[np.float64]) -> NDArray[np.float64]:
        east, north = along_x[rows], along_y[rows]
        if du.ndim == 2:
            east, north = east[:, None], north[:, None]
        px = (x[rows][:, None] if du.ndim == 2 else x[rows]) + du * east - dv * north
        py = (y[rows][:, None] if du.ndim == 2 else y[rows]) + du * north + dv * east
        return plane_to_degrees(np.round(px, 2), np.round(py, 2))

    for kind, outline in SHAPES.items():
        rows = np.flatnonzero(shape == int(kind))
        if rows.size:
            corners = np.array([*outline, outline[0]])
            degrees = place(rows, wide[rows][:, None] * corners[:, 0], deep[rows][:, None] * corners[:, 1])
            polygons[rows] = shapely.polygons(degrees)
    door = houses["door"].to_numpy()
    du = np.select([door == 3, door == 4], [-wide / 2, wide / 2], default=0.0)
    dv = np.select([door == 1, door == 2], [deep / 2, -deep / 2], default=0.0)
    du = np.where((shape == int(Shape.CROSS)) & (door > 2), du * 0.9, du)
    entrances = np.asarray(shapely.points(place(np.arange(len(houses)), du, dv)), dtype=object)
    entrances[door == 0] = None
    return polygons, entrances


def outline_of_box(box: Box, extra: Iterable[tuple[float, float]] = ()) -> NDArray[np.float64]:
    """Return the closed outline of a board rectangle, counter-clockwise, with bends and extra points on it."""
    u0, v0, u1, v1 = box
    us = {u0, u1, *_bends(u0, u1)}
    vs = {v0, v1, *_bends(v0, v1)}
    on = list(extra)
    south = sorted(us | {u for u, v in on if v == v0})
    north = sorted(us | {u for u, v in on if v == v1}, reverse=True)
    east = sorted(vs | {v for u, v in on if u == u1})
    west = sorted(vs | {v for u, v in on if u == u0}, reverse=True)
    ring = [(u, v0) for u in south] + [(u1, v) for v in east[1:]] + [(u, v1) for u in north[1:]]
    ring += [(u0, v) for v in west[1:]]
    return np.array(ring, dtype=np.float64)


def _bends(low: float, high: float) -> list[float]:
    """Return the multiples of the bend step strictly inside a range."""
    step = MAX_BEND_STEP_M
    first = int(low // step) + 1
    return [float(k * step) for k in range(first, int(-(-high // step)))]


def polygons_of_outlines(board: Board, outlines: list[NDArray[np.float64]]) -> NDArray[Any]:
    """Return polygons of closed board outlines, in degrees."""
    if not outlines:
        return np.empty(0, dtype=object)
    all_points = np.concatenate(outlines)
    index = np.repeat(np.arange(len(outlines)), [len(outline) for outline in outlines])
    degrees = board.to_degrees(all_points[:, 0], all_points[:, 1])
    return np.asarray(shapely.polygons(shapely.linearrings(degrees, indices=index)))


def polygons_of_boxes(board: Board, table: pd.DataFrame) -> NDArray[Any]:
    """Return polygons of the board rectangles u0, v0, u1, v1 of a table."""
    boxes = table[["u0", "v0", "u1", "v1"]].to_numpy(dtype=np.float64)
    return polygons_of_outlines(
        board, [outline_of_box((float(a), float(b), float(c), float(d))) for a, b, c, d in boxes]
    )


def make_walls(board: Board, compounds: pd.DataFrame, gates: pd.DataFrame) -> NDArray[Any]:
    """Return the compounds as polygons that carry each gate as a vertex."""
    of_compound: dict[int, list[tuple[float, float]]] = {}
    for u, v, compound in zip(gates["u"], gates["v"], gates["compound"], strict=True):
        of_compound.setdefault(int(compound), []).append((float(u), float(v)))
    outlines = [
        outline_of_box((float(row.u0), float(row.v0), float(row.u1), float(row.v1)), of_compound.get(number, ()))
        for number, row in enumerate(compounds.itertuples(index=False))
    ]
    return polygons_of_outlines(board, outlines)


def make_water(plan: Plan, parcels: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return the river and the ponds."""
    south, north = plan.rows[plan.river_row], plan.rows[plan.river_row + 1]
    at = np.arange(0, plan.width_m + 1, 20, dtype=np.float64)
    rng = stream(plan.seed, Purpose.REFERENCE, 1)
    banks = []
    for edge, sign in ((south, 1.0), (north, -1.0)):
        knots = rng.random(int(plan.width_m / 260) + 3) * 0.11 * (north - south)
        place = at / 260.0
        k = place.astype(np.int64)
        t = place - k
        t = t * t * (3.0 - 2.0 * t)
        banks.append(edge + sign * (BANK_M + knots[k] * (1.0 - t) + knots[k + 1] * t))
    lower = np.stack([at, banks[0]], axis=1)
    upper = np.stack([at, banks[1]], axis=1)[::-1]
    river = polygons_of_outlines(plan.board, [np.concatenate([lower, upper, lower[:1]])])
    ponds = parcels[parcels["use"] == "pond"]
    geometry = np.concatenate([river, _pond_polygons(plan, ponds)])
    names = ["栖江（虚构）", *[f"{number}号塘（虚构）" for number in range(1, len(ponds) + 1)]]
    return gpd.GeoDataFrame(
        {
            "source_id": [f"water-{number:04d}" for number in range(1, len(geometry) + 1)],
            "name": names,
            "water": ["river"] + ["pond"] * len(ponds),
        },
        geometry=geometry,
        crs=CRS,
    )


def _pond_polygons(plan: Plan, ponds: pd.DataFrame) -> NDArray[Any]:
    """Return ponds with a bowed shore inside their boxes."""
    rng = stream(plan.seed, Purpose.REFERENCE, 2)
    outlines = []
    for u0, v0, u1, v1 in ponds[["u0", "v0", "u1", "v1"]].to_numpy(dtype=np.float64):
        shore = np.array(POND) * (0.78 + 0.22 * rng.random((len(POND), 1)))
        ring = np.array([(u0 + u1) / 2.0, (v0 + v1) / 2.0]) + shore * np.array([(u1 - u0) / 2.0, (v1 - v0) / 2.0])
        outlines.append(np.concatenate([ring, ring[:1]]))
    return polygons_of_outlines(plan.board, outlines)


def make_railway(plan: Plan) -> gpd.GeoDataFrame:
    """Return the two tracks of the railway."""
    middle = (plan.columns[plan.rail_column] + plan.columns[plan.rail_column + 1]) / 2.0
    at = np.unique(np.append(np.arange(0, plan.height_m, 30), plan.height_m)).astype(np.float64)
    lines = [shapely.linestrings(plan.board.to_degrees(np.full_like(at, middle + side), at)) for side in (-3.0, 3.0)]
    return gpd.GeoDataFrame(
        {
            "source_id": ["rail-1", "rail-2"],
            "name": ["栖澄铁路下行线（虚构）", "栖澄铁路上行线（虚构）"],
            "railway": "rail",
        },
        geometry=lines,
        crs=CRS,
    )


def _river_greens(plan: Plan) -> pd.DataFrame:
    """Return the green between the riverside streets and the water."""
    south, north = plan.rows[plan.river_row], plan.rows[plan.river_row + 1]
    rows = [
        {"u0": start + 24.0, "v0": low, "u1": end - 24.0, "v1": high, "use": "grass", "block": -1, "compound": -1}
        for i, (start, end) in enumerate(pairwise(plan.columns))
        for low, high in ((south + 9.0, south + BANK_M - 1.0), (north - BANK_M + 1.0, north - 9.0))
        if i != plan.rail_column
    ]
    return pd.DataFrame(rows)


def make_landuse(plan: Plan, parcels: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return land by its use."""
    parcels = pd.concat([parcels[parcels["use"] != "pond"], _river_greens(plan)], ignore_index=True)
    kept = parcels[(parcels["u1"] - parcels["u0"] > 3) & (parcels["v1"] - parcels["v0"] > 3)].reset_index(drop=True)
    return gpd.GeoDataFrame(
        {
            "source_id": [f"land-{number:06d}" for number in range(1, len(kept) + 1)],
            "landuse": kept["use"].to_numpy(dtype=object),
        },
        geometry=polygons_of_boxes(plan.board, kept),
        crs=CRS,
    )
