"""Which polygon holds a point, against Shapely: holes, several parts, shared sides, points on corners and sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.inside import DOUBTFUL, Outlines, find_holding
from geo.walls import Walls
from tests.gridcity import objects

if TYPE_CHECKING:
    from geo.units import Int32Array, ObjectArray


def ask_all(points: ObjectArray, polygon: ObjectArray, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Int32Array:
    """Return the first polygon in order that intersects each point, pair by pair."""
    found = np.full(points.shape[0], -1, dtype=np.int32)
    for row in order[::-1]:
        found[shapely.intersects(polygon[row], points)] = row
    return found


def draw(rng: np.random.Generator) -> ObjectArray:
    """Return a partition, odd shapes over it, one with a hole, one in two parts, an empty and a missing one."""
    cells = [shapely.box(x, y, x + 25, y + 25) for x in range(0, 100, 25) for y in range(0, 100, 25)]
    blobs = [
        shapely.concave_hull(shapely.MultiPoint(rng.uniform(0, 100, (12, 2)).round(1)), ratio=0.4) for _ in range(6)
    ]
    blobs = [blob for blob in blobs if blob.geom_type == "Polygon"]
    hole = shapely.difference(shapely.box(10, 10, 60, 60), shapely.box(20, 20, 40, 45))
    parts = shapely.MultiPolygon([shapely.box(0, 0, 5, 5), shapely.box(90, 90, 99, 97)])
    return objects([*cells, *blobs, hole, parts, shapely.Polygon(), None])


@pytest.mark.parametrize("seed", range(8))
def test_the_first_polygon_in_order_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygon = draw(rng)
    order = rng.permutation(polygon.shape[0])
    corners = shapely.get_coordinates(polygon[:-1])
    xy = np.vstack(
        [rng.uniform(-10, 110, (400, 2)), rng.integers(-2, 22, (300, 2)) * 5.0, corners, [[1e9, 1e9], [np.nan, 1.0]]]
    )
    points = np.asarray(shapely.points(xy), dtype=object)
    wanted = ask_all(points, polygon, order)
    doubts: list[int] = []

    def exactly(some: ObjectArray) -> Int32Array:
        doubts.append(some.shape[0])
        return ask_all(some, polygon, order)

    found = find_holding(xy, polygon, order, exactly=exactly)
    assert found[:-1].tolist() == wanted[:-1].tolist()
    sure = Outlines.build(polygon, order).find_first(xy[:400])
    # off the outlines nothing is left to the exact test
    assert (sure != DOUBTFUL).all()
    assert doubts == [(Outlines.build(polygon, order).find_first(xy) == DOUBTFUL).sum()]


def test_zones_by_coordinates_are_those_by_points() -> None:
    rng = np.random.default_rng(5)
    polygon = draw(rng)[:-2]
    walls = Walls(np.arange(polygon.shape[0]), polygon)
    xy = np.vstack([rng.uniform(-10, 110, (500, 2)), shapely.get_coordinates(polygon)])
    by_points = walls.find_zones(np.asarray(shapely.points(xy), dtype=object))
    assert walls.find_zones_at(xy).tolist() == by_points.tolist()
    nothing = Walls(np.empty(0, dtype=np.int64), objects([]))
    assert nothing.find_zones_at(xy[:3]).tolist() == [-1, -1, -1]
