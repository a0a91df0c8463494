"""Put a sample city together and write it to files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city.areas import make_areas
from data.sample_city.blocks import Layout, lay_out
from data.sample_city.facilities import make_facilities, metro_stations
from data.sample_city.fill import fill_blocks
from data.sample_city.ground import make_footprints, make_landuse, make_railway, make_walls, make_water
from data.sample_city.incidents import make_incidents
from data.sample_city.ledger import Kind
from data.sample_city.names import CITY_NAME, compound_name, number_repeats, pair_name, village_name
from data.sample_city.people import count_people
from data.sample_city.plan import Plan, Size, make_plan
from data.sample_city.streams import Purpose, stream
from data.sample_city.streets import make_streets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RECIPE_VERSION = "1"
"""Raised whenever the recipe gives other bytes for the same size and seed."""
CRS = "EPSG:4326"
USES = {
    "residential": "residential", "mixed": "mixed", "commercial": "commercial", "office": "office",
    "industrial": "industrial", "school": "school", "hospital": "hospital", "civic": "civic",
}  # fmt: skip
BUILT = {
    Kind.NONE: (1985, 2024), Kind.COURTYARD: (1935, 1975), Kind.OLD_SLAB: (1974, 1994), Kind.VILLAGE: (1994, 2010),
    Kind.RURAL: (1982, 2012), Kind.RENTAL_TOWER: (2012, 2023),
}  # fmt: skip
"""Years of handing over where no estate gives one."""


@dataclass(frozen=True)
class City:
    """A finished sample city; everything in it is invented.

    Parameters
    ----------
    layers
        The core layers by name with the columns of the loading contract, EPSG:4326. `population` has no geometry.
    reference
        landuse, water, railway, transit and large-community; water and railway are barriers to people on foot.
    estates
        One row per building: source_id, kind of estate, zone, compound; for the figures, never loaded.
    """

    size: Size
    seed: int
    recipe_version: str
    layers: dict[str, gpd.GeoDataFrame | pd.DataFrame]
    reference: dict[str, gpd.GeoDataFrame]
    estates: pd.DataFrame


def make_city(size: Size, *, seed: int = 20260101) -> City:
    """Return the invented sample city: S about 20,000 people, M about 400,000, L about 5 million.

    The same size, seed and recipe version give the same city on every machine.

    Raises
    ------
    ValueError
        If the size is not S, M or L.
    """
    if size not in ("S", "M", "L"):
        raise ValueError(f"size of the sample city must be S, M or L, not {size!r}")
    plan = make_plan(size, seed)
    layout = lay_out(plan)
    ledger = fill_blocks(plan, layout)
    streets, public = make_streets(plan, layout, ledger)
    houses, parcels = ledger.houses.frame(), ledger.parcels.frame()
    people = count_people(seed, houses)
    areas, grid_row = make_areas(plan, layout, houses, people["households"].to_numpy(dtype=float))
    compounds = _compounds(plan, layout, ledger.compounds.frame(), ledger.gates.frame())
    buildings = _buildings(plan, layout, houses, people, compounds)
    places = houses[["u", "v"]].assign(people=people["people"], name=buildings["name"])
    transit = _transit(plan)
    return City(
        size=size,
        seed=seed,
        recipe_version=RECIPE_VERSION,
        layers={
            "areas": areas,
            "compounds": compounds[["source_id", "name", "geometry"]],
            "gates": _gates(plan, ledger.gates.frame()),
            "buildings": buildings,
            "population": _population(buildings, people),
            "facilities": make_facilities(plan, ledger, public, areas),
            "incidents": make_incidents(plan, places, public, people=int(people["people"].sum())),
            "streets": streets,
        },
        reference={
            "landuse": make_landuse(plan, parcels),
            "water": make_water(plan, parcels),
            "railway": make_railway(plan),
            "transit": transit,
            "large-community": _large_community(plan, areas, layout),
        },
        estates=_estates(layout, houses, buildings, areas, grid_row),
    )


def write_city(city: City, folder: Path | str) -> dict[str, Path]:
    """Write every layer of a city as a file of its own and return the paths."""
    return write_layers({**city.layers, **city.reference}, folder)


def write_layers(layers: Mapping[str, gpd.GeoDataFrame | pd.DataFrame], folder: Path | str) -> dict[str, Path]:
    """Write layers as GeoParquet, those without geometry as Parquet, and return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, frame in layers.items():
        written[name] = folder / f"{name}.parquet"
        frame.to_parquet(written[name], index=False)
    return written


def _compounds(plan: Plan, layout: Layout, table: pd.DataFrame, gates: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return the compounds layer, with the year of handing over."""
    large = [layout.blocks[block].subdistrict in plan.large_community for block in table["block"]]
    names = number_repeats(
        compound_name(int(serial), Kind(kind).name.lower(), large=is_large and layout.blocks[block].zone == "N")
        for serial, kind, block, is_large in zip(table["serial"], table["kind"], table["block"], large, strict=True)
    )
    return gpd.GeoDataFrame(
        {
            "source_id": _compound_ids(np.arange(len(table))),
            "name": names,
            "built": table["built"],
            "block": table["block"],
        },
        geometry=make_walls(plan.board, table, gates),
        crs=CRS,
    )


def _compound_ids(numbers: NDArray[np.int64]) -> list[str]:
    """Return source ids of compounds by their numbers."""
    return [f"cmp-{number + 1:05d}" for number in numbers]


def _gates(plan: Plan, gates: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return the gates layer."""
    return gpd.GeoDataFrame(
        {
            "source_id": [f"gate-{number:05d}" for number in range(1, len(gates) + 1)],
            "compound_id": _compound_ids(gates["compound"].to_numpy()),
            "opens_to": gates["opens"].to_numpy(dtype=object),
            "hours": gates["hours"].to_numpy(dtype=object),
        },
        geometry=shapely.points(plan.board.to_degrees(gates["u"].to_numpy(), gates["v"].to_numpy())),
        crs=CRS,
    )


def _buildings(
    plan: Plan, layout: Layout, houses: pd.DataFrame, people: pd.DataFrame, compounds: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Return the buildings layer."""
    footprints, entrances = make_footprints(plan.board, houses)
    rng = stream(plan.seed, Purpose.NAMES)
    years, draws = _years(houses, compounds, rng), rng.random((len(houses), 2))
    compound_names = compounds["name"].to_numpy(dtype=object)
    names, addresses = [], []
    for compound, kind, number, block, draw in zip(
        houses["compound"], houses["kind"], houses["number"], houses["block"], draws[:, 0], strict=True
    ):
        street = layout.blocks[block].sides[int(draw * 4)].name
        door = int(draw * 4000) % 400 + 1
        if compound >= 0:
            names.append(f"{compound_names[compound]}{number}号楼")
        elif kind in (Kind.RURAL, Kind.VILLAGE):
            names.append(f"{village_name(layout.blocks[block].quarter)}{number}号")
        elif kind:
            names.append(f"{street}{door}号{number}栋")
        else:
            names.append(f"{pair_name(int(draw * 1800))}楼")
        addresses.append(f"{CITY_NAME}{street}{door}号")
    frame = pd.DataFrame(
        {
            "source_id": [f"bld-{number:06d}" for number in range(1, len(houses) + 1)],
            "name": names,
            "use": houses["use"].to_numpy(dtype=object),
            "floors": houses["floors"].to_numpy(dtype=np.int64),
            "dwellings": houses["dwellings"].to_numpy(dtype=np.int64),
            "people": people["people"],
            "households": people["households"],
            "address": addresses,
            "handed_over_on": [
                f"{year}-{int(draw * 12) + 1:02d}-{int(draw * 336) % 28 + 1:02d}"
                for year, draw in zip(years, draws[:, 1], strict=True)
            ],
            "entrance": [None if point is None else shapely.to_wkt(point, rounding_precision=7) for point in entrances],
        }
    )
    return gpd.GeoDataFrame(frame, geometry=footprints, crs=CRS)


def _years(houses: pd.DataFrame, compounds: gpd.GeoDataFrame, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the year each building was handed over; those of one estate within two years."""
    kind, compound = houses["kind"].to_numpy(), houses["compound"].to_numpy()
    table = np.array([BUILT.get(Kind(number), (2000, 2020)) for number in range(max(Kind) + 1)])
    draw = rng.random(len(houses))
    low, high = table[kind, 0], table[kind, 1]
    alone = low + np.floor(draw * (high - low + 1)).astype(np.int64)
    of_estate = compounds["built"].to_numpy(dtype=np.int64)[np.maximum(compound, 0)] + (draw < 0.3)
    return np.asarray(np.where(compound >= 0, of_estate, alone), dtype=np.int64)


def _population(buildings: gpd.GeoDataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return the population layer: one row per building with people."""
    frame = people.copy()
    frame.insert(0, "building_id", buildings["source_id"])
    return frame[frame["people"] > 0].reset_index(drop=True)


def _transit(plan: Plan) -> gpd.GeoDataFrame:
    """Return metro stations as a reference layer."""
    stations = metro_stations(plan)
    at = plan.board.to_degrees(np.array([s[0] for s in stations]), np.array([s[1] for s in stations]))
    return gpd.GeoDataFrame(
        {
            "source_id": [f"stop-{number:03d}" for number in range(1, len(stations) + 1)],
            "name": [f"{pair_name(number * 11 + 60)}站（虚构）" for number in range(len(stations))],
            "transit": "metro",
            "line": [f"{station[2]}号线" for station in stations],
        },
        geometry=shapely.points(at),
        crs=CRS,
    )


def _large_community(plan: Plan, areas: gpd.GeoDataFrame, layout: Layout) -> gpd.GeoDataFrame:
    """Return the very large community as a polygon that follows communities across several subdistricts."""
    codes = areas.loc[areas["level"] == "community", ["code", "geometry"]]
    new_edge = {
        block.quarter for block in layout.blocks if block.zone == "N" and block.subdistrict in plan.large_community
    }
    order = _community_quarters(plan, layout)
    kept = codes[[quarter in new_edge for quarter in order]]
    return gpd.GeoDataFrame(
        {"source_id": ["large-1"], "name": ["云栖苑超大型社区（虚构）"], "communities": [len(kept)]},
        geometry=[shapely.coverage_union_all(kept.geometry.to_numpy())],
        crs=CRS,
    )


def _community_quarters(plan: Plan, layout: Layout) -> list[int]:
    """Return the quarter of each community in the order of the areas layer."""
    subdistrict_of = {block.quarter: block.subdistrict for block in layout.blocks}
    quarters = sorted(subdistrict_of)
    return [
        quarter
        for district in sorted(set(plan.district_of))
        for subdistrict in sorted(s for s, d in enumerate(plan.district_of) if d == district)
        for quarter in quarters
        if subdistrict_of[quarter] == subdistrict
    ]


def _estates(
    layout: Layout,
    houses: pd.DataFrame,
    buildings: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
    grid_row: NDArray[np.int64],
) -> pd.DataFrame:
    """Return kind of estate, zone, compound and grid of each building."""
    zones = np.array([block.zone for block in layout.blocks], dtype=object)
    kinds = np.array([Kind(number).name.lower() for number in range(max(Kind) + 1)], dtype=object)
    return pd.DataFrame(
        {
            "source_id": buildings["source_id"],
            "kind": kinds[houses["kind"].to_numpy()],
            "zone": zones[houses["block"].to_numpy()],
            "compound": houses["compound"],
            "grid": areas["code"].to_numpy(dtype=object)[grid_row],
        }
    )
