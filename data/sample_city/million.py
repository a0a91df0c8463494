"""A million buildings on a plain street grid, for work on scale: nothing to look at, quick to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city.names import CITY_NAME, COUNTY_PREFIX, pair_name
from data.sample_city.people import BANDS
from data.sample_city.plane import plane_to_degrees
from data.sample_city.streams import Purpose, pick_many, round_shares, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

CRS = "EPSG:4326"
BUILDINGS = 1_000_000
NODES_PER_SIDE = 652
"""652 x 652 = 425,104 street nodes."""
STEP_M = 60.0
CLOSED_SHARE = 0.12
"""Share of north-south pieces left out, so that detours exist; east-west streets are whole, so all hangs together."""
COMMUNITIES = (25, 20)
TYPES_KM2 = {
    "EDU_NURSERY": 1.6, "EDU_KINDER": 1.2, "EDU_PRIMARY": 0.45, "EDU_JUNIOR": 0.2, "EDU_AFTERSCHOOL": 2.0,
    "MED_CHC": 0.15, "MED_CHS": 1.5, "MED_PHARMACY": 3.0, "ELD_DAYCARE": 1.0, "ELD_STATION": 1.2, "ELD_MEAL": 1.4,
    "CUL_STATION": 1.2, "SPO_OUTDOOR": 1.5, "ADM_STATION": 1.3, "COM_MARKET": 0.7, "COM_SHOPS": 5.0, "TRA_BUS": 4.0,
    "MUN_TOILET": 3.0, "GRN_PARK5": 1.0, "SAF_SHELTER_E": 1.2,
}  # fmt: skip
"""Facilities per square kilometre of 20 types, all given as points."""
AGES = (2.6, 2.9, 6.0, 2.9, 2.6, 60.0, 7.0, 12.4, 3.6)
"""Shares of the nine age bands, per cent."""


@dataclass(frozen=True)
class Million:
    """A generated set of one million buildings.

    Parameters
    ----------
    layers
        areas, buildings (points), population, facilities (points) and streets with the columns of the loading contract.
    node_xy_m
        Street nodes, metres in EPSG:4547 east and north of the anchor, shape (425104, 2).
    edge_nodes
        Node numbers of both ends of each street piece, in the order of the streets layer, shape (n, 2).
    """

    seed: int
    layers: dict[str, gpd.GeoDataFrame | pd.DataFrame]
    node_xy_m: NDArray[np.float64]
    edge_nodes: NDArray[np.int64]


def make_million(seed: int = 20260101) -> Million:
    """Return one million buildings on 425,104 street nodes with 500 communities and facilities of 20 types."""
    rng = stream(seed, Purpose.MILLION, 1)
    nodes, edges = _make_grid(rng)
    streets = _make_streets(nodes, edges)
    buildings, population = _make_buildings(nodes, edges, seed)
    return Million(
        seed=seed,
        layers={
            "areas": _make_areas(),
            "streets": streets,
            "buildings": buildings,
            "population": population,
            "facilities": _make_facilities(nodes, edges, seed),
        },
        node_xy_m=nodes,
        edge_nodes=edges,
    )


def _make_grid(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return street nodes on a shaken grid and the pieces between them."""
    n = NODES_PER_SIDE
    i, j = (part.ravel() for part in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    shake = (rng.random((n * n, 2)) - 0.5) * 0.4 * STEP_M
    middle = (n - 1) / 2.0
    nodes = np.round(np.stack([(i - middle) * STEP_M, (j - middle) * STEP_M], axis=1) + shake, 2)
    number = np.arange(n * n).reshape(n, n)
    flat = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    upright = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    is_open = (rng.random(len(upright)) >= CLOSED_SHARE) | (upright[:, 0] < n)
    return nodes, np.concatenate([flat, upright[is_open]]).astype(np.int64)


def _make_streets(nodes: NDArray[np.float64], edges: NDArray[np.int64]) -> gpd.GeoDataFrame:
    """Return the pieces as streets; every eighth line is an arterial."""
    degrees = plane_to_degrees(nodes[:, 0], nodes[:, 1])
    is_flat = edges[:, 1] - edges[:, 0] == NODES_PER_SIDE
    line = np.where(is_flat, edges[:, 0] % NODES_PER_SIDE, edges[:, 0] // NODES_PER_SIDE)
    return gpd.GeoDataFrame(
        {
            "source_id": _ids("street", len(edges)),
            "highway": np.where(line % 8 == 0, "secondary", "residential").astype(object),
            "foot": "yes",
            "access": pd.Series([None] * len(edges), dtype=object),
            "steps": False,
            "oneway": "no",
        },
        geometry=shapely.linestrings(degrees[edges]),
        crs=CRS,
    )


def _make_buildings(
    nodes: NDArray[np.float64], edges: NDArray[np.int64], seed: int
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Return buildings as points beside streets, denser towards the middle, and who lives in them."""
    rng = stream(seed, Purpose.MILLION, 2)
    half = NODES_PER_SIDE * STEP_M / 2.0
    middle = (nodes[edges[:, 0]] + nodes[edges[:, 1]]) / 2.0
    far2 = (middle[:, 0] ** 2 + middle[:, 1] ** 2) / (half * half)
    edge = pick_many(rng, 0.25 + 1.0 / (1.0 + 3.0 * far2), BUILDINGS)
    xy = _beside(nodes, edges, edge, rng)
    tall = rng.random(BUILDINGS)
    floors = (2 + 4 * rng.random(BUILDINGS) + 26 * (tall > 0.94) * rng.random(BUILDINGS)).astype(np.int64)
    dwellings = floors * rng.integers(1, 4, BUILDINGS)
    households = np.floor(dwellings * 0.85 + rng.random(BUILDINGS)).astype(np.int64)
    people = np.floor(households * (2.0 + rng.random(BUILDINGS))).astype(np.int64)
    ids = _ids("bld", BUILDINGS)
    buildings = gpd.GeoDataFrame(
        {
            "source_id": ids,
            "use": "residential",
            "floors": floors,
            "dwellings": dwellings,
            "people": people,
            "households": households,
        },
        geometry=shapely.points(xy),
        crs=CRS,
    )
    shares = np.array(AGES) / sum(AGES)
    bands = round_shares(people[:, None] * shares[None, :], rng.random(BUILDINGS))
    bands[:, 5] += people - bands.sum(axis=1)
    population = pd.DataFrame(bands, columns=list(BANDS))
    population.insert(0, "people", people)
    population.insert(0, "building_id", ids)
    population["households"] = households
    return buildings, population


def _make_facilities(nodes: NDArray[np.float64], edges: NDArray[np.int64], seed: int) -> gpd.GeoDataFrame:
    """Return facilities of 20 types beside streets."""
    side_km = NODES_PER_SIDE * STEP_M / 1000.0
    types, places = [], []
    for turn, (code, per_km2) in enumerate(TYPES_KM2.items()):
        rng = stream(seed, Purpose.MILLION, 3, turn)
        count = round(per_km2 * side_km * side_km)
        types.append(np.full(count, code, dtype=object))
        places.append(_beside(nodes, edges, rng.integers(0, len(edges), count), rng))
    kinds = np.concatenate(types)
    return gpd.GeoDataFrame(
        {"source_id": _ids("fac", len(kinds)), "type": kinds, "capacity": 1.0, "supply": "public"},
        geometry=shapely.points(np.concatenate(places)),
        crs=CRS,
    )


def _beside(
    nodes: NDArray[np.float64], edges: NDArray[np.int64], edge: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return one place 8 to 26 m beside each of the given pieces, in degrees."""
    a, b = nodes[edges[edge, 0]], nodes[edges[edge, 1]]
    share = 0.08 + 0.84 * rng.random(len(edge))
    along = b - a
    length = np.sqrt((along * along).sum(axis=1))
    off = (8.0 + 18.0 * rng.random(len(edge))) * np.where(rng.random(len(edge)) < 0.5, 1.0, -1.0) / length
    x = a[:, 0] + share * along[:, 0] - off * along[:, 1]
    y = a[:, 1] + share * along[:, 1] + off * along[:, 0]
    return plane_to_degrees(np.round(x, 2), np.round(y, 2))


def _make_areas() -> gpd.GeoDataFrame:
    """Return the city and its 500 communities, a plain tiling that covers all buildings."""
    wide, high = COMMUNITIES
    half = NODES_PER_SIDE * STEP_M / 2.0 + STEP_M
    x, y = np.meshgrid(np.linspace(-half, half, wide + 1), np.linspace(-half, half, high + 1), indexing="ij")
    corner = plane_to_degrees(np.round(x, 2), np.round(y, 2))
    rings = np.stack([corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:], corner[:-1, :-1]], axis=2)
    polygons: NDArray[Any] = np.asarray(shapely.polygons(rings.reshape(-1, 5, 2)))
    city = f"{COUNTY_PREFIX}00000000"
    codes = [f"{COUNTY_PREFIX}01{k // 25 + 1:03d}{k % 25 + 1:03d}" for k in range(wide * high)]
    return gpd.GeoDataFrame(
        {
            "code": [city, *codes],
            "name": [f"百万栋{CITY_NAME}", *[f"{pair_name(k)}社区" for k in range(wide * high)]],
            "level": ["city", *["community"] * (wide * high)],
            "parent_code": pd.Series([None, *[city] * (wide * high)], dtype=object),
        },
        geometry=[shapely.coverage_union_all(polygons), *polygons],
        crs=CRS,
    )


def _ids(prefix: str, count: int) -> NDArray[np.object_]:
    """Return source ids with seven digits."""
    digits = np.char.zfill(np.arange(1, count + 1).astype(str), 7)
    return np.char.add(f"{prefix}-", digits).astype(object)
