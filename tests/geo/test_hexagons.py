"""Outlines of H3 cells: a published cell, tiling, and refusal of points that are no centres."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.hexagons import outline_cells, read_resolution

# the example of the H3 documentation: cell 8928308280fffff, its centre and corners (latitude, longitude)
CENTRE = (-122.41845932318311, 37.77670234943567)
CORNERS = [
    (37.775197782893386, -122.41719971841658),
    (37.77688044840226, -122.41612835779266),
    (37.778385004930925, -122.41738797617619),
    (37.77820687262237, -122.41971895414808),
    (37.77652420699321, -122.42079024541876),
    (37.775019673792606, -122.4195306280734),
]


def test_the_documented_cell() -> None:
    (cell,) = outline_cells([CENTRE[0]], [CENTRE[1]], 9)
    expected = shapely.Polygon([(lon, lat) for lat, lon in CORNERS])
    assert shapely.equals_exact(cell.normalize(), expected.normalize(), tolerance=1e-12)
    assert cell.exterior.is_ccw


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8928308280fffff", 9),
        ("89A901291ABFFFF", 9),
        (" 8a28308280f7fff ", 10),
        ("8928308280ffff", None),
        ("7928308280fffff", None),
        ("hello", None),
        (9, None),
    ],
)
def test_cell_ids(text: object, expected: int | None) -> None:
    assert read_resolution(text) == expected


def test_points_between_centres_get_nothing() -> None:
    cells = outline_cells([CENTRE[0], CENTRE[0] + 0.001, np.nan], [CENTRE[1], CENTRE[1], 0.0], 9)
    assert [cell is None for cell in cells] == [False, True, True]
    assert outline_cells([CENTRE[0]], [CENTRE[1]], 8)[0] is None
    assert len(outline_cells([], [], 9)) == 0


@settings(deadline=None)
@given(st.integers(0, 5))
def test_neighbours_share_an_edge(side: int) -> None:
    """The mirror image of the centre over an edge is (nearly) the neighbour's centre; both hexagons meet there."""
    a, b = CORNERS[side], CORNERS[(side + 1) % 6]
    lon, lat = a[1] + b[1] - CENTRE[0], a[0] + b[0] - CENTRE[1]
    cells = outline_cells([CENTRE[0], lon], [CENTRE[1], lat], 9)
    shared = shapely.intersection(*cells, grid_size=1e-10)
    edge = math.dist(a, b)
    assert shared.geom_type == "LineString"
    assert shared.length == pytest.approx(edge, rel=1e-3)
