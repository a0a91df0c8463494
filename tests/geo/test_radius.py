"""The straight-line test against distances computed pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.radius import NO_RADIUS, find_radius
from tests.gridcity import objects

PLACE = st.tuples(st.floats(-5_000, 5_000), st.floats(-5_000, 5_000))


def shapes(places: list[tuple[float, float]], kinds: list[int]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Return points, and squares of 40 m where the kind says so."""
    return objects(
        [
            shapely.Point(x, y) if kind else shapely.box(x, y, x + 40, y + 40)
            for (x, y), kind in zip(places, kinds, strict=True)
        ]
    )


@settings(max_examples=60, deadline=None)
@given(homes=st.lists(PLACE, min_size=1, max_size=30), sites=st.lists(PLACE, min_size=1, max_size=30), data=st.data())
def test_the_nearest_of_all_is_found(
    homes: list[tuple[float, float]], sites: list[tuple[float, float]], data: st.DataObject
) -> None:
    home = shapes(homes, [data.draw(st.integers(0, 1)) for _ in homes])
    site = shapes(sites, [data.draw(st.integers(0, 1)) for _ in sites])
    wanted = shapely.distance(home[:, None], site[None, :]).min(axis=1) * 1000
    assert np.abs(find_radius(home, site) - wanted).max() <= 0.501


@pytest.mark.parametrize("count", [1, 3, 500])
def test_rows_and_heaps_of_sites(count: int) -> None:
    rng = np.random.default_rng(count)
    home = shapely.points(rng.uniform(-3_000, 9_000, (200, 2)))
    for xy in (np.zeros((count, 2)), np.column_stack([np.arange(count) * 7.0, np.zeros(count)])):
        site = shapely.points(xy)
        wanted = np.rint(shapely.distance(home[:, None], site[None, :]).min(axis=1) * 1000)
        assert np.abs(find_radius(home, site) - wanted).max() <= 1


def test_without_sites_there_is_no_distance() -> None:
    assert find_radius(objects([shapely.Point(0, 0)]), objects([])).tolist() == [NO_RADIUS]
    assert find_radius(objects([]), objects([shapely.Point(0, 0)])).tolist() == []


def test_one_more_site_elsewhere_changes_no_digit() -> None:
    # half millimetres between rounded coordinates: the least noise would round some of them the other way
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, 3_000)
    home = shapely.points(np.column_stack([x, np.zeros(3_000)]))
    site = shapely.points(np.column_stack([x + 100.0005, np.zeros(3_000)]))
    more = np.concatenate([site, [shapely.Point(-600_123.4567, 0)]])
    for one in range(0, 3_000, 7):
        alone = find_radius(home[one : one + 1], np.array([site[one], more[-1]], dtype=object))
        assert find_radius(home[one : one + 1], site[one : one + 1]) == alone
