"""Junctions against the rule itself: every pair of ends looked at."""

from __future__ import annotations

import numpy as np
import pytest

from geo.topology import join_ends, morton_order


def join_slowly(x: np.ndarray, y: np.ndarray, zone: np.ndarray, node_id: np.ndarray, snap_mm: int) -> list[int]:
    """Return junctions by looking at every pair; an end with a node id stands where the first of that id does."""
    count = x.shape[0]
    at = list(zip(x.tolist(), y.tolist(), strict=True))
    parent = list(range(count))

    def find(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[tuple[int, int], int] = {}
    for i in range(count):
        if node_id[i] > 0:
            j = first.setdefault((int(node_id[i]), int(zone[i])), i)
            parent[i], at[i] = j, at[j]
    for i in range(count):
        for j in range(i):
            far = (at[i][0] - at[j][0]) ** 2 + (at[i][1] - at[j][1]) ** 2
            if zone[i] == zone[j] and (node_id[i] <= 0 or node_id[j] <= 0) and far <= snap_mm**2:
                one, two = sorted((find(i), find(j)))
                parent[two] = one
    number: dict[int, int] = {}
    return [number.setdefault(find(i), len(number)) for i in range(count)]


@pytest.mark.parametrize("seed", range(120))
def test_ends_within_the_tolerance_are_one_junction(seed: int) -> None:
    """Chains of near ends, zones, node ids on both or one of two ends, any tolerance."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    size = int(rng.choice([2, 20, 60, 400, 10**11]))
    x, y = rng.integers(-size, size, (2, count))
    # ends at the very same place are what a network is made of
    x[count // 2 :], y[count // 2 :] = x[: count - count // 2], y[: count - count // 2]
    zone = rng.integers(-1, int(rng.integers(0, 3)), count).astype(np.int32)
    node_id = np.where(rng.random(count) < rng.choice([0.0, 0.5, 1.0]), rng.integers(-1, 12, count), 0)
    snap_mm = int(rng.choice([1, 10, 10, 37]))
    found = join_ends(x, y, zone=zone, node_id=node_id, snap_mm=snap_mm)
    assert found.dtype == np.int64
    assert found.tolist() == join_slowly(x, y, zone, node_id, snap_mm)


def test_exactly_a_centimetre_joins_and_a_millimetre_more_does_not() -> None:
    """The tolerance counts, over the border of any cell of the raster."""
    for start in range(0, 300, 7):
        x = np.array([0, start, start + 10, start + 21])
        found = join_ends(x + 5, np.zeros(4, dtype=np.int64), zone=np.zeros(4, np.int32), node_id=np.zeros(4, np.int64))
        assert found[1] == found[2] != found[3]


def test_a_million_ends_at_one_point_are_one_junction() -> None:
    """Nothing is compared pair by pair where all are the same."""
    nothing = np.zeros(1_000_000, dtype=np.int64)
    assert not join_ends(nothing, nothing, zone=nothing.astype(np.int32), node_id=nothing).any()


def test_no_ends_make_no_junctions() -> None:
    """An empty list is answered by one."""
    none = np.empty(0, dtype=np.int64)
    assert join_ends(none, none, zone=none.astype(np.int32), node_id=none).shape == (0,)
    assert morton_order(none, none).shape == (0,)
