"""The gate and the workshop for geometry, on shapes whose faults are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.frames import (
    approximate_area_m2,
    drop_heights,
    find_coordinate_faults,
    find_place_faults,
    mend_geometries,
    split_lines,
)

BOWTIE = shapely.Polygon([(0, 1), (2, 3), (2, 1), (0, 3)])


def array(*shapes: Any) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Return an array of geometries."""
    out = np.empty(len(shapes), dtype=object)
    out[:] = shapes
    return out


def test_each_row_is_judged_by_its_own_vertices() -> None:
    shapes = array(
        shapely.LineString([(114, 30), (115, 31)]),
        None,
        shapely.LineString([(114, 30), (114, 95)]),
        shapely.Point(),
        shapely.Point(30, 114),
        shapely.LineString([(38_528_000, 3_386_000), (38_528_001, 3_386_000)]),
        shapely.MultiPoint([(114, 30), (0, 0)]),
    )
    faults = find_coordinate_faults(shapes, is_geographic=True)
    assert {row: fault.code for row, fault in faults.items()} == {
        2: "coordinate-out-of-range",
        4: "coordinate-swapped",
        5: "coordinate-metres-as-degrees",
        6: "coordinate-zero",
    }
    assert faults[5].detail == "38528000, 3386000"


def test_a_grid_is_judged_in_metres() -> None:
    shapes = array(shapely.Point(528_000, 3_386_000), shapely.Point(114.3, 30.6), shapely.Point(1e9, 0.0), None)
    faults = find_coordinate_faults(shapes, is_geographic=False)
    assert {row: fault.code for row, fault in faults.items()} == dict.fromkeys((1, 2), "coordinate-out-of-range")


def test_a_place_outside_its_system_is_found() -> None:
    shapes = array(shapely.Point(114, 30), shapely.Point(2, 48), None)
    assert find_place_faults(shapes) == {}
    assert list(find_place_faults(shapes, bounds=(70.0, 0.0, 140.0, 58.0))) == [1]


@pytest.mark.parametrize(
    ("shape", "families", "kinds"),
    [
        (BOWTIE, ("polygon",), ["made-valid"]),
        (shapely.MultiPoint([(1, 2)]), ("point",), []),
        (shapely.LinearRing([(0, 1), (1, 1), (1, 2)]), ("line",), []),
        (shapely.LinearRing([(0, 1), (1, 1), (1, 2)]), ("polygon", "line"), []),
        (shapely.LineString([(0, 1), (1, 1), (1, 2), (0, 1)]), ("polygon",), ["line-to-polygon"]),
        (shapely.Point(1, 2, 3), ("point",), ["z-dropped"]),
    ],
)
def test_mends(shape: Any, families: tuple[str, ...], kinds: list[str]) -> None:
    out = mend_geometries(array(shape), families)
    assert not out.faults
    assert [mend.kind for mend in out.mends] == kinds
    assert shapely.is_valid(out.geometry).all()
    assert out.geometry[0].geom_type in {"Point", "LineString", "Polygon", "MultiPolygon"}


def test_a_valid_shape_is_left_as_it_is() -> None:
    shapes = array(shapely.box(0, 1, 2, 3), shapely.MultiPolygon([shapely.box(0, 1, 2, 3), shapely.box(5, 5, 6, 6)]))
    out = mend_geometries(shapes, ("polygon",))
    assert shapely.equals_exact(out.geometry, shapes).all()
    assert (out.faults, out.mends) == ({}, [])


def test_many_points_stay_only_where_they_may() -> None:
    shape = array(shapely.MultiPoint([(1, 2), (3, 4)]))
    assert mend_geometries(shape, ("point",)).faults[0].code == "geometry-kind"
    assert mend_geometries(shape, ("point",), is_multipoint_kept=True).geometry[0].geom_type == "MultiPoint"


def test_areas_are_good_to_a_percent() -> None:
    # 0.01° × 0.01° at 30.595° N on the ellipsoid: 958.7 m × 1108.6 m
    found = approximate_area_m2(array(shapely.box(114.30, 30.59, 114.31, 30.60), None, shapely.Point(1, 2)))
    assert found[0] == pytest.approx(1_062_800, rel=0.01)
    assert found[1:].tolist() == [0.0, 0.0]


def test_lines_are_never_turned_round() -> None:
    head_on = shapely.MultiLineString([[(0, 0), (1, 0)], [(2, 0), (1, 0)]])
    follow = shapely.MultiLineString([[(1, 0), (2, 0)], [(0, 0), (1, 0)]])
    parts, rows = split_lines(array(head_on, follow))
    assert rows.tolist() == [0, 0, 1]
    assert [shapely.get_coordinates(part)[0].tolist() for part in parts] == [[0, 0], [2, 0], [0, 0]]
    assert shapely.length(parts).tolist() == [1.0, 1.0, 2.0]


corners = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=3, max_size=9)


@settings(deadline=None)
@given(st.lists(corners, min_size=1, max_size=6))
def test_mending_leaves_valid_polygons_or_says_why_not(rings: list[list[tuple[int, int]]]) -> None:
    shapes = array(*(shapely.Polygon(ring) for ring in rings))
    out = mend_geometries(shapes, ("polygon",))
    for row, shape in enumerate(out.geometry):
        if shape is None:
            assert out.faults[row].code in {"geometry-unrepairable", "geometry-empty"}
        else:
            assert shape.is_valid
            assert shape.area > 0
            assert row not in out.faults


def test_repeated_points_go_only_where_something_is_left() -> None:
    shapes = array(
        shapely.LineString([(0, 1), (0, 1), (1, 1)]),
        shapely.MultiLineString([[(0, 1), (1, 1)], [(1, 1), (2, 2)]]),
        shapely.MultiPoint([(1, 1), (1, 1)]),
        shapely.LineString([(0, 1), (0, 1)]),
        None,
        shapely.Point(1, 1),
    )
    out = mend_geometries(shapes, ("line", "point"), is_multipoint_kept=True)
    assert [(mend.row, mend.kind, mend.detail) for mend in out.mends] == [(0, "points-removed", "1 repeated points")]
    assert shapely.get_num_coordinates(out.geometry).tolist() == [2, 4, 2, 0, 0, 1]
    assert list(out.faults) == [3]


def test_heights_go_and_flat_shapes_are_not_built_anew() -> None:
    shapes = array(shapely.Point(1, 2, 3), None, shapely.Point(4, 5))
    flat = drop_heights(shapes)
    assert shapely.has_z(shapes).tolist() == [True, False, False]
    assert not shapely.has_z(flat).any()
    assert flat[2] is shapes[2]
    assert flat[1] is None
