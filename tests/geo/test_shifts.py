"""Shifts on real places: none is suspected as it is, each is named when it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from geo import datum as d
from layers.read import open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIRS = [
    ("shanghai/shanghai_pois.geojson", "shanghai/shanghai_roads.geojson"),
    ("shanghai/shanghai_buildings.geojson", "shanghai/shanghai_roads.geojson"),
    ("wuhan/wuhan_guanggu_buildings.geojson", "wuhan/wuhan_guanggu_roads.geojson"),
]
MOVES = [
    (lambda lon, lat: (lon, lat), None),
    (d.wgs84_to_gcj02, "was-gcj02"),
    (d.wgs84_to_bd09, "was-bd09"),
    (d.gcj02_to_wgs84, "loaded-was-gcj02"),
]


def _geometry(path: Path) -> np.ndarray[Any, np.dtype[np.object_]]:
    with open_source(path) as source:
        return np.concatenate([batch.geometry for batch in source.batches() if batch.geometry is not None])


@pytest.mark.real
@pytest.mark.parametrize(("layer", "beside"), PAIRS)
@pytest.mark.parametrize(("move", "expected"), MOVES)
def test_real_layers(real_data: Path, layer: str, beside: str, move: Callable[..., Any], expected: str | None) -> None:
    middle = shapely.centroid(_geometry(real_data / layer))
    lon, lat = move(shapely.get_x(middle), shapely.get_y(middle))
    shifts = d.compare_shifts(lon, lat, _geometry(real_data / beside))
    suspicion = d.find_suspicion(shifts)
    assert (suspicion.name if suspicion else None) == expected
    best = next(shift for shift in shifts if shift.is_best)
    assert best.mean_m < 35


@pytest.mark.real
def test_nothing_is_told_outside_china(real_data: Path) -> None:
    middle = shapely.centroid(_geometry(real_data / "cambridge_ma" / "DEMOGRAPHICS_Blocks2000.geojson"))
    streets = _geometry(real_data / "cambridge_ma" / "TRANS_Centerlines.geojson")
    assert d.compare_shifts(shapely.get_x(middle), shapely.get_y(middle), streets) == ()
