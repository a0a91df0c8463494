"""Status, weights and sums over the tree of areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.gaps import (
    COVERED,
    GAP,
    UNKNOWN,
    AreaTree,
    find_status,
    list_area_rows,
    split_by_status,
    sum_up_tree,
    take_area_rows,
    weigh_people,
)


def test_the_exact_second_counts_as_covered() -> None:
    reach = np.array([0, 300_000, 300_001, -1, 5], dtype=np.int32)
    linked = np.array([True, True, True, True, False])
    assert find_status(reach, linked, 300).tolist() == [COVERED, COVERED, GAP, GAP, UNKNOWN]


@pytest.mark.parametrize(
    ("groups", "weight", "basis"),
    [
        (("all",), [10, 20, 0], "all"),
        (("households",), [10, 20, 0], "all"),
        (("a06_11",), [3, 20, 0], "mixed"),
        (("a06_11", "a12_14"), [5, 20, 0], "mixed"),
        (("a80_up",), [10, 20, 0], "all"),
        (("floating",), [1, 2, 0], "group"),
        ((), [10, 20, 0], "all"),
    ],
)
def test_people_weigh_by_demand_group(groups: tuple[str, ...], weight: list[int], basis: str) -> None:
    counts = {
        "people": np.array([10, 20, -1]),
        "a06_11": np.array([3, -1, -1]),
        "a12_14": np.array([2, -1, -1]),
        "a80_up": np.array([-1, -1, -1]),
        "floating": np.array([1, 2, -1]),
    }
    found, how = weigh_people(counts, groups)
    assert (found.tolist(), how) == (weight, basis)


def tree_of(parents: list[int]) -> AreaTree:
    """Return a tree whose node i hangs below `parents[i]`."""
    depth: list[int] = []
    for parent in parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    names = tuple(f"{row:02}" for row in range(len(parents)))
    return AreaTree(names, names, tuple(f"level {d}" for d in depth), np.array(parents), np.array(depth))


@given(st.data())
def test_everything_adds_up_at_every_level(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    tree = tree_of([-1, *(data.draw(st.integers(-1, row - 1)) for row in range(1, size))])
    homes = data.draw(st.integers(0, 30))
    deepest = np.array([data.draw(st.integers(-1, size - 1)) for _ in range(homes)], dtype=np.int32)
    weight = np.array([data.draw(st.integers(0, 99)) for _ in range(homes)], dtype=np.int64)
    status = np.array([data.draw(st.integers(0, 2)) for _ in range(homes)], dtype=np.uint8)
    values = np.column_stack([weight, split_by_status(weight, status)])
    own = np.bincount(np.where(deepest < 0, size, deepest), minlength=size + 1) > 0
    rows = list_area_rows(tree, own)
    table = take_area_rows(sum_up_tree(values, deepest, tree), rows)
    assert (table[:, 0] == table[:, 1:].sum(axis=1)).all()
    for row in range(size):
        children = [n for n, p in enumerate(rows.parent_code) if p == tree.code[row]]
        if children:
            assert table[children].sum(axis=0).tolist() == table[rows.code.index(tree.code[row])].tolist()
    roots = [n for n, p in enumerate(rows.parent_code) if p is None]
    assert table[roots, 0].sum() == weight.sum()
