"""Figures of a sample city, to hold it against what real cities look like before using it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from data.sample_city.people import BANDS

if TYPE_CHECKING:
    from data.sample_city.city import City

METRIC_CRS = "EPSG:4547"
"""CGCS2000, 3-degree Gauss-Krüger, central meridian 114 degrees east."""


NO_STREET = ("motorway", "motorway_link", "service", "footway", "steps")


@dataclass(frozen=True)
class Figures:
    """What a sample city measures.

    Parameters
    ----------
    people, dwellings, buildings, area_km2
        Totals.
    people_per_km2, street_km_per_km2
        Densities over the whole city; streets are those for all, without expressways, paths and ways to a door.
    gated_share
        Share of people who live in a compound.
    gate_spacing_m
        Wall length per gate, middle one of all compounds.
    to_gate_m
        Straight distance from home to the nearest own gate, middle one of all buildings in compounds: a hint at the
        detour that walls cause.
    wall_length_m
        Wall length around one compound, middle one.
    by_kind
        One row per kind of estate: buildings, dwellings, people, dwellings_per_building, buildings_per_ha (inside the
        walls; missing for open blocks), people_per_dwelling, and the shares of the nine age bands.
    facilities_per_1000
        Facilities per thousand people by type.
    """

    people: int
    dwellings: int
    buildings: int
    area_km2: float
    people_per_km2: float
    street_km_per_km2: float
    gated_share: float
    gate_spacing_m: float
    to_gate_m: float
    wall_length_m: float
    by_kind: pd.DataFrame
    facilities_per_1000: pd.Series


def describe_city(city: City) -> Figures:
    """Return the figures of a sample city."""
    buildings = city.layers["buildings"]
    homes = city.estates.assign(people=buildings["people"].to_numpy(), dwellings=buildings["dwellings"].to_numpy())
    homes = homes[homes["dwellings"] > 0]
    areas = city.layers["areas"]
    area_km2 = float(areas[areas["level"] == "city"].to_crs(METRIC_CRS).area.sum()) / 1e6
    streets = city.layers["streets"]
    public = streets[~streets["highway"].isin(NO_STREET)].to_crs(METRIC_CRS)
    walls = city.layers["compounds"].to_crs(METRIC_CRS)
    gates = city.layers["gates"]["compound_id"].value_counts()
    around = walls.length.to_numpy()
    people = int(homes["people"].sum())
    kinds = city.layers["facilities"]["type"].value_counts().sort_index()
    return Figures(
        people=people,
        dwellings=int(homes["dwellings"].sum()),
        buildings=len(buildings),
        area_km2=area_km2,
        people_per_km2=people / area_km2,
        street_km_per_km2=float(public.length.sum()) / 1000.0 / area_km2,
        gated_share=float(homes.loc[homes["compound"] >= 0, "people"].sum()) / people,
        gate_spacing_m=float(np.median(around / walls["source_id"].map(gates).to_numpy())),
        to_gate_m=_to_gate(city, homes),
        wall_length_m=float(np.median(around)),
        by_kind=_by_kind(city, homes, walls.area.to_numpy() / 1e4),
        facilities_per_1000=kinds * 1000.0 / people,
    )


def _to_gate(city: City, homes: pd.DataFrame) -> float:
    """Return the middle straight distance from buildings in compounds to their nearest own gate, metres."""
    walled = homes[homes["compound"] >= 0]
    at = shapely.centroid(city.layers["buildings"].to_crs(METRIC_CRS).geometry.to_numpy()[walled.index])
    gates = city.layers["gates"].to_crs(METRIC_CRS)
    number = {name: k for k, name in enumerate(city.layers["compounds"]["source_id"])}
    doors = pd.DataFrame({"compound": gates["compound_id"].map(number), "gate": gates.geometry.to_numpy()})
    pairs = pd.DataFrame({"compound": walled["compound"], "row": np.arange(len(at))}).merge(doors, on="compound")
    far = shapely.distance(at[pairs["row"]], pairs["gate"].to_numpy())
    return float(np.median(pd.Series(far).groupby(pairs["row"]).min()))


def _by_kind(city: City, homes: pd.DataFrame, compound_ha: np.ndarray) -> pd.DataFrame:
    """Return the figures by kind of estate."""
    groups = homes.groupby("kind")
    table = groups[["people", "dwellings"]].sum()
    table.insert(0, "buildings", groups.size())
    table["dwellings_per_building"] = table["dwellings"] / table["buildings"]
    table["people_per_dwelling"] = table["people"] / table["dwellings"]
    walled = homes[homes["compound"] >= 0]
    land = walled.drop_duplicates("compound").assign(ha=lambda frame: compound_ha[frame["compound"]])
    table["buildings_per_ha"] = walled.groupby("kind").size() / land.groupby("kind")["ha"].sum()
    groups_of = city.layers["population"].merge(homes, left_on="building_id", right_on="source_id")
    bands = groups_of.groupby("kind")[list(BANDS)].sum()
    shares = bands.div(bands.sum(axis=1), axis=0)
    return table.join(shares)
