"""What-if answers on real streets, held against full runs on the edited data byte for byte.

Walls are real outlines of city blocks and parks with gates where chance puts them: nobody has published real ones.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geo.errors import RequestError
from geo.joins import join_streets
from geo.linking.barriers import split_long_barriers
from geo.network import Gates, Streets
from geo.walls import Walls
from geo.whatif.edits import Town
from geo.whatif.engine import WhatIf
from tests.geo.test_real_networks import read_osm
from tests.geo.test_whatif import check_step
from tests.gridcity import ORIGIN, objects
from tests.whatifcity import RandomCity, make_base

if TYPE_CHECKING:
    from pathlib import Path

    from geo.units import ObjectArray

pytestmark = pytest.mark.real

HOMES = 1_500
STEPS = 6
WALLS = 40


def wall_in(streets: Streets, outline: ObjectArray, rng: np.random.Generator, crs: str) -> Town:
    """Return a town whose compounds are some outlines, each with one to three gates on its border."""
    fair = outline[(shapely.area(outline) > 2_000) & (shapely.get_type_id(outline) == 3)]
    polygon = rng.choice(fair, min(WALLS, fair.shape[0]), replace=False)
    zone = np.repeat(np.arange(polygon.shape[0]), rng.integers(1, 4, polygon.shape[0]))
    ring = shapely.get_exterior_ring(polygon[zone])
    gate = np.asarray(shapely.line_interpolate_point(ring, rng.random(zone.shape[0]), normalized=True), dtype=object)
    gate_id = np.arange(zone.shape[0], dtype=np.int64) + 1
    walls = Walls(np.arange(polygon.shape[0], dtype=np.int64) + 1, polygon)
    return Town(
        streets=streets,
        walls=walls,
        gates=Gates(gate_id, gate, zone.astype(np.int32), rng.random(zone.shape[0]) < 0.3),
        gate_point_id=gate_id,
        gate_point=gate,
        barriers=split_long_barriers(walls.lines()),
        metric_crs=crs,
    )


def people(town: Town, sites: ObjectArray, rng: np.random.Generator) -> RandomCity:
    """Return a town with homes scattered beside its streets."""
    spot = shapely.line_interpolate_point(rng.choice(town.streets.line, HOMES), rng.random(HOMES), normalized=True)
    homes = shapely.points(shapely.get_coordinates(spot) + rng.normal(0, 25, (HOMES, 2)))
    serves = [[row for row in range(sites.shape[0]) if rng.random() < 0.4] for _ in range(3)]
    west, south, east, north = shapely.total_bounds(town.streets.line)
    base = make_base(town, np.asarray(homes, dtype=object), sites, serves, bounds_s=[600.0, 1_800.0, 3_600.0])
    return RandomCity(base, east - west, north - south, True, west - ORIGIN[0], south - ORIGIN[1])


def read_cambridge(folder: Path) -> RandomCity:
    rng = np.random.default_rng(1)
    here = folder / "cambridge_ma"
    crs = "EPSG:32619"
    lines = gpd.read_file(here / "sidewalk_centerlines_decoded.gpkg").to_crs(crs).geometry.to_numpy()
    lines = shapely.force_2d(shapely.get_parts(lines))
    lines = lines[(shapely.get_type_id(lines) == 1) & (shapely.length(lines) > 0)]
    none = np.zeros(lines.shape[0], dtype=np.int64)
    streets = Streets(none + np.arange(none.size) + 1, lines, none.astype(np.uint8), none.astype(bool), none, none)
    streets, _ = join_streets(streets, tolerance_m=2.0)
    blocks = gpd.read_file(here / "DEMOGRAPHICS_Blocks2000.geojson").to_crs(crs).geometry.to_numpy()
    parks = gpd.read_file(here / "RECREATION_Playgrounds.geojson").to_crs(crs).geometry.to_numpy()
    schools = gpd.read_file(here / "LANDMARK_PublicSchools.geojson").to_crs(crs).geometry.to_numpy()
    sites = shapely.force_2d(np.concatenate([parks, schools]))
    sites = sites[np.isin(shapely.get_type_id(sites), (0, 3, 6)) & shapely.is_valid(sites)]
    return people(wall_in(streets, shapely.force_2d(blocks), rng, crs), objects(list(sites)), rng)


def read_helsinki(folder: Path) -> RandomCity:
    rng = np.random.default_rng(2)
    crs = "EPSG:32635"
    streets = read_osm(folder / "helsinki" / "Helsinki.osm.pbf", crs)
    west, south, east, north = shapely.total_bounds(streets.line)
    x, y = rng.uniform(west, east, 200), rng.uniform(south, north, 200)
    blocks = np.asarray(shapely.box(x, y, x + 120, y + 90), dtype=object)
    xy = np.column_stack([rng.uniform(west, east, 60), rng.uniform(south, north, 60)])
    sites = [*shapely.points(xy[:40]), *shapely.box(xy[40:, 0], xy[40:, 1], xy[40:, 0] + 90, xy[40:, 1] + 60)]
    return people(wall_in(streets, blocks, rng, crs), objects(sites), rng)


@cache
def read_city(name: str, folder: Path) -> RandomCity:
    return {"cambridge": read_cambridge, "helsinki": read_helsinki}[name](folder)


@pytest.mark.parametrize("name", ["cambridge", "helsinki"])
@pytest.mark.parametrize("seed", [1, 2])
def test_edits_of_real_streets_agree_with_a_full_run(name: str, seed: int, real_data: Path) -> None:
    city = read_city(name, real_data)
    rng = np.random.default_rng(seed)
    step = WhatIf(city.base).start
    changed = 0
    for _ in range(STEPS):
        try:
            after = step.apply([city.draw_edit(rng, step) for _ in range(4)])
        except RequestError:
            continue
        check_step(city.base, after)
        changed += sum(column.rows.size for column in after.answer.columns)
        step = after.undo() if rng.random() < 0.3 else after
    assert changed > 0
