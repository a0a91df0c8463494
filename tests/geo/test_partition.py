"""Cutting a study area into parts: cells, boxes, the fence that proves a part, and figures about the whole network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from geo.errors import RequestError
from geo.link import link_sites
from geo.partition import (
    absorb_boxes,
    add_up,
    count_own,
    find_inner_box,
    find_inside,
    find_unproved,
    grow_boxes,
    join_boxes,
    make_fence,
    split_cells,
    spread_boxes,
)
from geo.reach import Reach, find_reach, prepare_walk
from tests.gridcity import ORIGIN, PAPER, GridCity, box, objects, point

if TYPE_CHECKING:
    from geo.network import Network
    from geo.units import FloatArray

EARTH = Geod(ellps="WGS84")


@given(
    xy=st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), max_size=60),
    parts=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_every_point_lies_in_one_cell_whatever_the_order(xy: list[tuple[int, int]], parts: int, seed: int) -> None:
    x, y = np.array(xy, dtype=np.float64).reshape(-1, 2).T
    cells = split_cells(x, y, parts)
    assert cells.shape == (parts, 4)
    # also far beyond all points
    probes = np.concatenate([np.stack([x, y], axis=1), [[-1e9, -1e9], [1e9, 1e9], [-1e9, 1e9], [0.5, 0.5]]])
    boxes = np.concatenate([probes, probes], axis=1)
    held = np.sum([find_inside(boxes, cell) for cell in cells], axis=0)
    assert (held == 1).all()
    order = np.random.default_rng(seed).permutation(x.shape[0])
    np.testing.assert_array_equal(split_cells(x[order], y[order], parts), cells)


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8, 13])
def test_cells_hold_equally_many(parts: int) -> None:
    places = np.random.default_rng(1).normal(size=(1000, 2))
    boxes = np.concatenate([places, places], axis=1)
    counts = [int(find_inside(boxes, cell).sum()) for cell in split_cells(places[:, 0], places[:, 1], parts)]
    assert max(counts) - min(counts) <= parts
    assert sum(counts) == 1000


@pytest.mark.parametrize("parts", [0, -1, 100_001])
def test_an_absurd_number_of_parts_is_refused(parts: int) -> None:
    with pytest.raises(RequestError, match="parts"):
        split_cells(np.zeros(3), np.zeros(3), parts)


@given(lon=st.floats(-170, 170), lat=st.floats(-75, 75), metres=st.floats(1, 200_000))
def test_boxes_grow_by_no_less_than_asked(lon: float, lat: float, metres: float) -> None:
    ((west, south, east, north),) = grow_boxes(np.array([[lon, lat, lon, lat]]), metres)
    for x, y in ((west, lat), (east, lat), (lon, south), (lon, north)):
        assert EARTH.inv(lon, lat, x, y)[2] >= metres


def test_near_boxes_are_absorbed_and_far_ones_kept() -> None:
    main = np.array([[112.0, 28.0, 112.1, 28.1]])
    near = np.array([[112.05, 28.05, 112.101, 28.06]])
    far = np.array([[112.0, 28.0, 113.0, 28.01]])
    covered = absorb_boxes(main, np.concatenate([near, far]))
    np.testing.assert_array_equal(covered, [[112.0, 28.0, 112.101, 28.1], [112.0, 28.0, 113.0, 28.01]])


def test_streets_that_stick_out_are_followed() -> None:
    """A long street leads to others that decide how it is cut, those to compounds."""
    streets = np.array([[112.0, 28.0, 112.5, 28.0], [112.5, 27.9, 112.5, 28.0], [112.5, 27.0, 112.5, 27.9]])

    def find(boxes: FloatArray) -> FloatArray:
        return streets[[any(meets(one, other) for other in boxes) for one in streets]]

    def meets(a: FloatArray, b: FloatArray) -> bool:
        return bool((a[:2] <= b[2:]).all() and (b[:2] <= a[2:]).all())

    boxes, compounds = spread_boxes(np.array([[112.0, 28.0, 112.01, 28.01]]), find)
    assert any(meets(streets[1], other) for other in boxes)
    assert not any(meets(np.array([112.5, 27.0, 112.5, 27.5]), other) for other in boxes)
    assert any(meets(np.array([112.5, 27.0, 112.5, 27.5]), other) for other in compounds)


# --- networks cut by hand -------------------------------------------------------------------------------------------


def draw_city(seed: int) -> tuple[GridCity, list[object], list[object]]:
    """Return a grid with missing streets, an estate or two, and homes and sites beside the streets."""
    rng = np.random.default_rng(seed)
    city = GridCity()
    columns, rows = 12, 5
    for row in range(rows + 1):
        for column in range(columns + 1):
            if column < columns and rng.random() < 0.85:
                city.street((column * 100.0, row * 100.0), ((column + 1) * 100.0, row * 100.0))
            if row < rows and rng.random() < 0.85:
                city.street((column * 100.0, row * 100.0), (column * 100.0, (row + 1) * 100.0))
    for number, column in enumerate(rng.choice(columns, 2, replace=False).tolist()):
        west = column * 100.0 + 10
        city.wall(west, 110, west + 80, 190).street((west + 40, 120), (west + 40, 180), private=True)
        city.gate(west + 40, 110, of=number, opens_to_all=bool(rng.random() < 0.3))
    homes = [point(*xy) for xy in rng.uniform((0, 0), (1200, 500), (40, 2)).tolist()]
    sites = [point(*xy) for xy in rng.uniform((0, 0), (1200, 500), (5, 2)).tolist()]
    return city, homes, sites


def cut_city(city: GridCity, low: float, high: float) -> GridCity:
    """Return the city with only the streets that meet a strip between two eastings; walls and gates stay."""
    part = GridCity()
    strip = box(low, -1e4, high, 1e4)
    for number, line in enumerate(city.lines):
        if line.intersects(strip):
            part.lines.append(line)
            part.flags.append(city.flags[number])
            part.private.append(city.private[number])
            part.nodes.append(city.nodes[number])
    part.walls, part.gates = list(city.walls), list(city.gates)
    return part


def reach_of(city: GridCity, network: Network, homes: list[object], sites: list[object], rows: list[int]) -> Reach:
    """Return the reach of homes to those of the sites that lie in a part, under their own numbers."""
    geometry = objects(sites)
    zone = city.walls_table().find_zones(geometry)
    entrances = link_sites(
        geometry, zone, ways=city.ways(network), gate_point=objects([gate[0] for gate in city.gates])
    )
    (reach,) = find_reach(
        prepare_walk(network, PAPER),
        city.link(homes, network),
        entrances,
        facilities=[np.array(rows, dtype=np.int32)],
        bounds_s=[900],
    )
    return reach


def fence_of(city: GridCity, network: Network, homes: list[object], inner: tuple[float, ...]) -> Reach:
    """Return the reach of the fence."""
    (reach,) = find_reach(
        prepare_walk(network, PAPER),
        city.link(homes, network),
        make_fence(network, inner),
        facilities=[np.zeros(1, dtype=np.int32)],
        bounds_s=[900],
    )
    return reach


@pytest.mark.parametrize("seed", range(12))
def test_what_the_fence_proves_is_what_the_whole_says(seed: int) -> None:
    city, homes, sites = draw_city(seed)
    whole = reach_of(city, city.network(), homes, sites, list(range(len(sites))))
    low, high = 250.0, 950.0
    part = cut_city(city, low - 50, high + 50)
    network = part.network()
    inner = (ORIGIN[0] + low, ORIGIN[1] - 1e4, ORIGIN[0] + high, ORIGIN[1] + 1e4)
    here = [row for row, site in enumerate(sites) if inner[0] - 50 <= shapely.get_x(site) <= inner[2] + 50]
    found = reach_of(part, network, homes, sites, here)
    fence = fence_of(part, network, homes, inner)
    links = part.link(homes, network).links
    # homes whose way and its neighbours lie inside
    x = shapely.get_x(objects(homes))
    deep = (x > inner[0] + 100) & (x < inner[2] - 100) & links.is_linked
    proved = deep & ~find_unproved(found, fence, 900)
    np.testing.assert_array_equal(found.reach_ms[proved], whole.reach_ms[proved])
    np.testing.assert_array_equal(found.facility[proved], whole.facility[proved])
    # the proof is worth something: most of the deep homes have it, and what lies beyond did change others
    assert proved.sum() >= deep.sum() // 3
    assert fence.reach_ms[deep].max() > 0


def test_a_fence_stands_where_edges_leave_the_box_also_twice_on_one_edge() -> None:
    city = GridCity().street((0, 0), (1000, 0)).street((0, 50), (100, 50))
    network = city.network()
    fence = make_fence(network, (ORIGIN[0] + 200, ORIGIN[1] - 10, ORIGIN[0] + 600, ORIGIN[1] + 10))
    assert sorted(fence.links.place_mm.tolist()) == [200_000, 600_000]
    assert set(network.edge_street[fence.links.edge].tolist()) == {1}
    assert fence.facility.tolist() == [0, 0]


def test_answers_as_good_as_the_fence_are_not_proved() -> None:
    reach = Reach(np.array([5, 6, 7, -1, -1, 5], np.int32), np.zeros(6, np.int32))
    fence = Reach(np.array([6, 6, 6, 6, -1, -1], np.int32), np.zeros(6, np.int32))
    assert find_unproved(reach, fence, 1).tolist() == [False, True, True, True, False, False]
    # a fence beyond the bound proves everything
    far = Reach(np.full(6, 2_000, np.int32), np.zeros(6, np.int32))
    assert not find_unproved(reach, far, 1).any()


def test_the_inner_box_keeps_its_distance_from_a_bent_rim() -> None:
    bend = np.array([0.0, 3.0, 0.0])
    along = np.array([0.0, 50.0, 100.0])
    rim = np.stack(
        [
            np.stack([bend, along], axis=1),
            np.stack([along, bend], axis=1),
            np.stack([100.0 - bend, along], axis=1),
            np.stack([along, 100.0 - bend], axis=1),
        ]
    )
    assert find_inner_box(rim, 10.0) == (13.0, 13.0, 87.0, 87.0)


@given(seed=st.integers(0, 10_000), parts=st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_figures_about_the_network_add_up(seed: int, parts: int) -> None:
    city, homes, _ = draw_city(seed)
    network = city.network()
    x, y = shapely.get_coordinates(objects(homes)).T
    cells = split_cells(x, y, parts)
    boxes = shapely.bounds(np.array(city.lines, dtype=object))
    gate_boxes = shapely.bounds(objects([gate[0] for gate in city.gates]))
    counts = []
    for cell in cells:
        own_street = np.flatnonzero(find_inside(boxes, cell)) + 1
        own_gate = np.flatnonzero(find_inside(gate_boxes, cell)) + 1
        gate = np.append(network.gate_id, 0)[network.edge_gate]
        is_own = np.where(network.edge_gate >= 0, np.isin(gate, own_gate), np.isin(network.edge_street, own_street))
        counts.append(count_own(network, is_own))
    whole = add_up(counts)
    assert (whole.nodes, whole.edges) == (network.node_count, network.edge_count)
    assert (whole.street_parts, whole.largest_share) == network.measure_parts()


def test_boxes_around_nothing() -> None:
    assert join_boxes(np.empty((0, 4))).shape == (0, 4)
    main = np.array([[0.0, 0.0, 1.0, 1.0]])
    np.testing.assert_array_equal(absorb_boxes(main, np.empty((0, 4))), main)
