"""Spreading keeps every total, every band and every building's inner sums, whatever the input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import DataError
from geo.population import (
    BANDS,
    BANDS_60_UP,
    COLUMNS,
    MISSING,
    PEOPLE,
    choose_weights,
    spread_counts,
    spread_totals,
    subtract_used,
)

COUNT = st.integers(0, 5_000)
WEIGHTS = st.lists(st.integers(0, 100_000), min_size=1, max_size=30).filter(any)


def whole(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def one_group(size: int) -> np.ndarray:
    return np.zeros(size, dtype=np.int64)


@given(total=st.integers(0, 2**31 - 1), weights=WEIGHTS, salt=st.integers(0, 20))
def test_shares_sum_to_the_total_and_stay_within_one_of_the_quota(total: int, weights: list[int], salt: int) -> None:
    w = whole(*weights)
    shares = spread_totals(whole(total), w, one_group(len(w)), np.arange(len(w)), salt=salt)
    assert shares.sum() == total
    for share, weight in zip(shares.tolist(), weights, strict=True):
        floor = total * weight // sum(weights)
        assert floor <= share <= floor + 1
        assert weight or share == 0


@given(weights=WEIGHTS, total=COUNT, seed=st.integers(0, 2**32 - 1))
def test_row_order_never_matters(weights: list[int], total: int, seed: int) -> None:
    w, keys = whole(*weights), np.arange(len(weights)) * 7 + 3
    order = np.random.default_rng(seed).permutation(len(w))
    straight = spread_totals(whole(total), w, one_group(len(w)), keys)
    shuffled = spread_totals(whole(total), w[order], one_group(len(w)), keys[order])
    assert np.array_equal(straight[order], shuffled)


def test_largest_remainder_on_paper() -> None:
    # 10 people by 5 : 3 : 1 → 5.56, 3.33, 1.11; the one left over goes to the largest fraction
    assert spread_totals(whole(10), whole(5, 3, 1), one_group(3), whole(1, 2, 3)).tolist() == [6, 3, 1]


def test_groups_do_not_mix() -> None:
    shares = spread_totals(whole(10, 0, 7), whole(1, 1, 4, 2, 2), whole(0, 2, 1, 0, 2), whole(1, 2, 3, 4, 5))
    assert shares[2] == 0
    assert shares[0] + shares[3] == 10
    assert shares[1] + shares[4] == 7


def test_ties_do_not_always_fall_to_the_first_building() -> None:
    first = [
        int(spread_totals(whole(1), whole(1, 1, 1, 1), one_group(4), whole(1, 2, 3, 4), salt=salt).argmax())
        for salt in range(20)
    ]
    assert len(set(first)) > 1


def test_people_without_a_building_are_an_error() -> None:
    with pytest.raises(DataError, match="no building"):
        spread_totals(whole(3), whole(0, 0), one_group(2), whole(1, 2))


@st.composite
def areas(draw: st.DrawFn) -> dict[str, int]:
    """One area: bands that sum to people, parts that fit, any column missing."""
    counts = {name: draw(COUNT) for name in BANDS}
    counts[PEOPLE] = sum(counts.values())
    counts["floating"] = draw(st.integers(0, counts[PEOPLE]))
    counts["living_alone_60_up"] = draw(st.integers(0, sum(counts[name] for name in BANDS_60_UP)))
    counts["new_employment"] = draw(st.integers(0, counts["a18_59"]))
    counts["households"] = draw(st.integers(0, counts[PEOPLE]))
    counts["dual_earner_households"] = draw(st.integers(0, counts["households"]))
    return counts


@given(area=areas(), weights=WEIGHTS)
def test_bands_sum_to_people_in_every_building(area: dict[str, int], weights: list[int]) -> None:
    size = len(weights)
    spread = spread_counts(
        {name: whole(value) for name, value in area.items()}, whole(*weights), one_group(size), np.arange(size)
    )
    for name in COLUMNS:
        assert spread[name].sum() == area[name], name
        assert (spread[name] >= 0).all(), name
    assert np.array_equal(sum(spread[name] for name in BANDS), spread[PEOPLE])
    assert (spread["floating"] <= spread[PEOPLE]).all()
    assert (spread["living_alone_60_up"] <= sum(spread[name] for name in BANDS_60_UP)).all()
    assert (spread["new_employment"] <= spread["a18_59"]).all()
    assert (spread["households"] <= spread[PEOPLE]).all()
    assert (spread["dual_earner_households"] <= spread["households"]).all()


@given(
    counts=st.dictionaries(st.sampled_from(COLUMNS), COUNT, min_size=1),
    weights=WEIGHTS,
)
def test_any_mixture_of_given_and_missing_columns_keeps_its_totals(counts: dict[str, int], weights: list[int]) -> None:
    size = len(weights)
    spread = spread_counts(
        {name: whole(value) for name, value in counts.items()}, whole(*weights), one_group(size), np.arange(size)
    )
    for name in COLUMNS:
        if name in counts:
            assert spread[name].sum() == counts[name], name
        elif name != PEOPLE:
            assert (spread[name] == MISSING).all(), name


def test_bands_alone_give_the_people() -> None:
    spread = spread_counts({name: whole(2) for name in BANDS}, whole(1, 1), one_group(2), whole(1, 2))
    assert spread[PEOPLE].sum() == 18


def test_some_bands_alone_do_not_give_people() -> None:
    spread = spread_counts({"a00_02": whole(4)}, whole(1, 1), one_group(2), whole(1, 2))
    assert spread[PEOPLE].tolist() == [MISSING, MISSING]
    assert spread["a00_02"].sum() == 4


@given(area=areas(), used=st.dictionaries(st.sampled_from(COLUMNS), COUNT))
def test_what_is_left_keeps_bands_and_people_consistent(area: dict[str, int], used: dict[str, int]) -> None:
    left = subtract_used(area, used)
    assert left[PEOPLE] == max(0, area[PEOPLE] - used.get(PEOPLE, 0))
    assert sum(left[name] for name in BANDS) == left[PEOPLE]
    assert all(value >= 0 for value in left.values())
    assert left["households"] <= left[PEOPLE]


def test_nothing_used_leaves_everything() -> None:
    area = {PEOPLE: 9, "a00_02": 4, "a03_05": 5, "households": MISSING}
    assert subtract_used(area, {}) == area


NAN = float("nan")


@pytest.mark.parametrize(
    ("dwellings", "floor_area", "footprint", "expected"),
    [
        ([4, 2], [10, 10], [1, 1], ([4, 2], "dwellings")),
        ([4, NAN], [10, 10], [1, 1], ([4, 4], "dwellings")),
        ([NAN, NAN, 3], [10, NAN, 30], [1, 1, 1], ([100, 200, 300], "floor_area")),
        ([0, 0], [NAN, NAN], [2, 6], ([20, 60], "footprint")),
        ([NAN, NAN], [NAN, NAN], [NAN, NAN], ([1, 1], "equal")),
        ([0, 0], [0, 0], [0, 0], ([1, 1], "equal")),
    ],
)
def test_the_first_measure_most_buildings_have_decides(
    dwellings: list[float], floor_area: list[float], footprint: list[float], expected: tuple[list[int], str]
) -> None:
    weights, method = choose_weights(
        np.array(dwellings, float), np.array(floor_area, float), np.array(footprint, float)
    )
    assert (weights.tolist(), method) == expected


def test_huge_floor_areas_stay_within_exact_arithmetic() -> None:
    weights, _ = choose_weights(np.array([NAN]), np.array([1e12]), np.array([NAN]))
    assert spread_totals(whole(2**31 - 1), weights, one_group(1), whole(1)).tolist() == [2**31 - 1]
