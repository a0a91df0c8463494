"""Loads of real data: Cambridge's people, shifted layers of Shanghai and Wuhan, cells of Porto Alegre as buildings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from sqlalchemy import func, select

from geo.errors import DatumUnknown
from geo.shifted import wgs84_to_bd09, wgs84_to_gcj02
from layers import tables
from layers.load import load_layer
from layers.loading.options import Join, LoadOptions
from tests.layers.test_load import fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Db

pytestmark = pytest.mark.real

CAMBRIDGE_PEOPLE = 101_355
CAMBRIDGE_PARCELS = 13_116


def test_cambridge_people_sum_on_its_parcels(fresh_db: Db, real_data: Path) -> None:
    folder = real_data / "cambridge_ma"
    tax = Join(folder / "TaxFY14.csv", theirs="ML", key="ML")
    parcels = LoadOptions(
        datum="wgs84",
        joins=(tax,),
        columns={
            "id": "source_id",
            "UseDescription": "use",
            "BldgStories": "floors",
            "TaxFY14.records": "dwellings",
        },
    )
    loaded = load_layer(fresh_db.owner, "buildings", folder / "ASSESSING_ParcelsFY2014.topojson", parcels)
    assert loaded.outcome.rows_read == CAMBRIDGE_PARCELS
    assert loaded.outcome.rows_inserted >= CAMBRIDGE_PARCELS - 2
    assert any("12,982 of 13,116" in note for note in loaded.notes)
    blocks = folder / "DEMOGRAPHICS_Blocks2000.geojson"
    report = load_layer(fresh_db.owner, "population", blocks, LoadOptions(columns={"POP_LAB": "people"}))
    assert report.outcome.rows_quarantined == 0
    people = fetch(fresh_db, select(func.sum(tables.resident_group.c.people)))
    assert people == [(CAMBRIDGE_PEOPLE,)]
    by_method = dict(
        fetch(
            fresh_db,
            select(tables.resident_group.c.method, func.sum(tables.resident_group.c.people)).group_by(
                tables.resident_group.c.method
            ),
        )
    )
    # tax records are dwellings for nearly everybody; the rest live on parcels without a record
    assert by_method["dwellings"] > 0.98 * CAMBRIDGE_PEOPLE


def write_shifted(source: Path, path: Path, shift: Callable[[Any, Any], tuple[Any, Any]]) -> Path:
    """Write a layer as a map provider would hand it out."""
    frame = gpd.GeoDataFrame.from_features(json.loads(source.read_text())["features"], crs=4326)
    moved = shapely.transform(frame.geometry.to_numpy(), lambda xy: np.column_stack(shift(xy[:, 0], xy[:, 1])))
    gpd.GeoDataFrame({"id": range(len(moved))}, geometry=moved, crs=4326).to_parquet(path)
    return path


PLACES = {
    "shanghai": ("shanghai/shanghai_roads.geojson", "shanghai/shanghai_buildings.geojson"),
    "wuhan": ("wuhan/wuhan_guanggu_roads.geojson", "wuhan/wuhan_guanggu_buildings.geojson"),
}


@pytest.mark.parametrize(("datum", "shift"), [("gcj02", wgs84_to_gcj02), ("bd09", wgs84_to_bd09)])
@pytest.mark.parametrize("place", PLACES)
def test_a_shifted_layer_is_noticed_and_its_datum_cures_it(
    fresh_db: Db, real_data: Path, tmp_path: Path, place: str, datum: str, shift: Any
) -> None:
    roads, buildings = (real_data / name for name in PLACES[place])
    streets = write_shifted(roads, tmp_path / "roads.parquet", lambda lon, lat: (lon, lat))
    load_layer(fresh_db.owner, "streets", streets, LoadOptions())
    true = write_shifted(buildings, tmp_path / "true.parquet", lambda lon, lat: (lon, lat))
    assert not any(
        "datum" in note for note in load_layer(fresh_db.owner, "buildings", true, LoadOptions(dry_run=True)).notes
    )
    moved = write_shifted(buildings, tmp_path / "moved.parquet", shift)
    with pytest.raises(DatumUnknown, match=datum.upper().replace("0", "-0")) as stopped:
        load_layer(fresh_db.owner, "buildings", moved, LoadOptions())
    assert f"--datum {datum}" in stopped.value.hint
    for word in ("as declared", "this file is GCJ-02", "this file is BD-09", "what is loaded is GCJ-02"):
        assert word in stopped.value.message
    assert fetch(fresh_db, select(func.count()).select_from(tables.building)) == [(0,)]
    accepted = load_layer(fresh_db.owner, "buildings", moved, LoadOptions(accept_datum=True, dry_run=True))
    assert any("the datum may be wrong" in note for note in accepted.notes)
    cured = load_layer(fresh_db.owner, "buildings", moved, LoadOptions(datum=datum))
    assert not any("datum" in note for note in cured.notes)


def test_cells_load_as_buildings(fresh_db: Db, real_data: Path) -> None:
    cells = real_data / "portoalegre" / "poa_hexgrid.csv"
    report = load_layer(fresh_db.owner, "buildings", cells, LoadOptions(datum="wgs84"))
    assert report.outcome.rows_inserted == 1227
    assert report.columns["people"] == "population"
