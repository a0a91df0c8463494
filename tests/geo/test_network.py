"""Streets compiled as plain coordinates are those compiled as geometries."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import shapely

import geo.network
from geo.corners import Corners, find_near
from geo.errors import DataError
from geo.joins import join_streets
from geo.network import Network, StreetCorners, Streets, build_network
from geo.topology import lay_out_rows
from tests.gridcity import ORIGIN, GridCity


def make_city(seed: int) -> GridCity:
    """Return a grid with crooked and private streets, compounds that may overlap, and gates here and there."""
    rng = np.random.default_rng(seed)
    city = GridCity.grid(int(rng.integers(2, 7)), int(rng.integers(2, 7)))
    for _ in range(int(rng.integers(0, 12))):
        places = rng.uniform(-50, 700, (int(rng.integers(2, 6)), 2)).round(2)
        private = bool(rng.random() < 0.4)
        city.street(*map(tuple, places.tolist()), flags=int(rng.integers(0, 4)), private=private)
    for _ in range(int(rng.integers(0, 4))):
        west, south = rng.uniform(0, 500, 2)
        width, height = rng.uniform(20, 260, 2)
        city.wall(west, south, west + width, south + height)
        for _ in range(int(rng.integers(0, 4))):
            x, y = west + rng.choice([0.0, 0.5, 1.0]) * width, south + rng.choice([0.0, 0.3, 1.0]) * height
            city.gate(x, y, of=len(city.walls) - 1, opens_to_all=bool(rng.random() < 0.5))
    return city


def list_streets(city: GridCity) -> Streets:
    """Return the streets of a city."""
    count = len(city.lines)
    none = np.zeros(count, dtype=np.int64)
    line = np.array(city.lines, dtype=object)
    flags, private = np.array(city.flags, dtype=np.uint8), np.array(city.private, dtype=bool)
    return Streets(np.arange(count) + 1, line, flags, private, none, none)


def build(city: GridCity, streets: Streets | StreetCorners) -> Network:
    """Return the compiled network."""
    return build_network(streets, walls=city.walls_table(), gates=city.gates_table(), metric_crs="EPSG:4547")


def assert_same(one: Network, other: Network) -> None:
    """Compare every array, types included."""
    for field in fields(Network)[1:]:
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        assert mine.dtype == theirs.dtype, field.name
        np.testing.assert_array_equal(mine, theirs, err_msg=field.name)


@pytest.mark.parametrize("seed", range(60))
def test_only_streets_near_walls_and_gates_are_made_geometries(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them drafted as geometries make the same network; so do streets whose pieces share an id."""
    city = make_city(seed)
    streets = list_streets(city)
    if seed % 3 == 0:
        streets, _ = join_streets(streets, tolerance_m=2.0)
    found = build(city, StreetCorners.of(streets))
    assert_same(found, build(city, streets))
    monkeypatch.setattr(geo.network, "_find_bounded", lambda box, *_: np.arange(box.shape[0]))
    assert_same(found, build(city, streets))
    lines = found.edge_line
    np.testing.assert_array_equal(found.edge_mm, np.rint(shapely.length(lines) * 1000).astype(np.int64))


def test_lengths_and_boxes_are_those_of_shapely() -> None:
    """To the last bit, for lines of two corners and of many."""
    rng = np.random.default_rng(4)
    lines = np.array([shapely.LineString(rng.normal(0, 1e6, (k, 2))) for k in rng.integers(2, 40, 3000)], dtype=object)
    corners = Corners.of(lines)
    length, box = corners.measure()
    np.testing.assert_array_equal(length, shapely.length(lines))
    np.testing.assert_array_equal(box, shapely.bounds(lines))
    assert shapely.equals_identical(corners.make_lines(), lines).all()
    rows = rng.permutation(3000)[:500]
    assert shapely.equals_identical(corners.take(rows).make_lines(), lines[rows]).all()


def test_boxes_that_meet_are_always_found() -> None:
    """None is missed, those far away are passed over, and what is no number meets nothing."""
    rng = np.random.default_rng(5)
    for count in (1, 3, 40, 900):
        corner = rng.uniform(0, 5000, (count, 2))
        others = np.hstack([corner, corner + rng.exponential(40, (count, 2))])
        at = rng.uniform(-3000, 8000, (2000, 2))
        box = np.hstack([at, at + rng.exponential(30, (2000, 2))])
        # corner to corner counts
        box[:50, :2] = others[rng.integers(0, count, 50), 2:]
        box[:50, 2:] = box[:50, :2] + 1
        lacking = np.full((1, 4), np.nan)
        found = find_near(box, np.concatenate([others, lacking]))
        meets = shapely.STRtree(shapely.box(*others.T)).query(shapely.box(*box.T))[0]
        assert found[np.unique(meets)].all()
        assert found.mean() < 0.9
        assert not find_near(box + 1e6, others).any()
        assert not find_near(box, lacking).any()


def test_rows_list_neighbours_in_the_order_of_edges() -> None:
    """Loops stand twice in their row, nodes without edges have none."""
    indptr, node, edge = lay_out_rows(np.array([2, 0, 2], np.int32), np.array([0, 0, 3], np.int32), 5)
    assert indptr.tolist() == [0, 3, 3, 5, 6, 6]
    assert node.tolist() == [2, 0, 0, 0, 3, 2]
    assert edge.tolist() == [0, 1, 1, 0, 2, 2]


def test_what_is_no_line_is_named() -> None:
    """A point, an empty line and nothing at all among the streets."""
    for odd in (shapely.Point(ORIGIN), shapely.LineString(), None):
        city = GridCity.grid(2, 2)
        streets = list_streets(city)
        streets.line[4] = odd
        with pytest.raises(DataError, match="street 5 is no line"):
            build(city, streets)
