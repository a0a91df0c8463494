"""Whole people put on buildings: totals of areas and grid cells, spread by largest remainder.

Every count is an integer and every total is kept exactly, for each column and jointly: where the age bands of an area
sum to its people they do so in every building too. The answer depends on the numbers and on the buildings' keys, never
on the order of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Counts = dict[str, IntArray]

MISSING = -1
"""In every array of counts: nothing was given (which is not zero)."""

PEOPLE = "people"
BANDS = ("a00_02", "a03_05", "a06_11", "a12_14", "a15_17", "a18_59", "a60_64", "a65_79", "a80_up")
BANDS_60_UP = ("a60_64", "a65_79", "a80_up")
# "of which" count -> the columns it is a part of, when those are known
PARENTS: Mapping[str, tuple[str, ...]] = {
    "floating": (PEOPLE,),
    "living_alone_60_up": BANDS_60_UP,
    "new_employment": ("a18_59",),
    "households": (PEOPLE,),
    "dual_earner_households": ("households",),
}
COLUMNS = (PEOPLE, *BANDS, *PARENTS)

WEIGHT_MAX = 2**31 - 1
# a measure weighs the buildings of an area when at least this share of them has it
KNOWN_SHARE_MIN = 0.5


def spread_totals(totals: IntArray, weights: IntArray, group: IntArray, keys: IntArray, *, salt: int = 0) -> IntArray:
    """Return whole shares of each group's total, proportional to the weights by largest remainder.

    Equal remainders are settled by a fixed mixture of key and salt, so that no end of the list is favoured.

    Parameters
    ----------
    totals
        What each group has to give, shape (groups,), not negative.
    weights
        Weight of each member, shape (members,), from 0 to ``WEIGHT_MAX``.
    group
        Position of each member's group in ``totals``, shape (members,).
    keys
        A stable number of each member (its building), shape (members,).
    salt
        Another number for another column, so that ties do not always fall to the same building.

    Returns
    -------
    Shares, shape (members,); those of a group sum to its total.

    Raises
    ------
    DataError
        A group has something to give and no member with a weight.

    References
    ----------
    Hamilton's method (largest remainder), Balinski and Young, Fair Representation, 1982.
    """
    weight_sums = np.zeros(len(totals), dtype=np.int64)
    np.add.at(weight_sums, group, weights)
    if np.any((totals > 0) & (weight_sums == 0)):
        raise DataError(
            f"Spreading people over buildings: {int(np.sum((totals > 0) & (weight_sums == 0)))} areas have people "
            "and no building to put them on"
        )
    divisors = np.maximum(weight_sums, 1)[group]
    products = totals[group] * weights
    shares = products // divisors
    given = np.zeros(len(totals), dtype=np.int64)
    np.add.at(given, group, shares)
    left = totals - given
    order = np.lexsort((_mix(keys, salt), -(products % divisors), group))
    starts = np.searchsorted(group[order], np.arange(len(totals)))
    rank = np.arange(len(group)) - starts[group[order]]
    shares[order[rank < left[group[order]]]] += 1
    return shares


def _mix(keys: IntArray, salt: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return the finaliser of SplitMix64 over key and salt: a fixed shuffle.

    References
    ----------
    Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def spread_counts(counts: Mapping[str, IntArray], weights: IntArray, group: IntArray, keys: IntArray) -> Counts:
    """Return every column of every group spread over the group's members.

    People go by weight. Age bands fill those people, band after band, so that a building's bands never exceed its
    people and sum to them where the group's do. "Of which" counts follow the columns they are part of.

    Parameters
    ----------
    counts
        Column of ``COLUMNS`` to totals, shape (groups,); ``MISSING`` where not given. Absent columns are missing.
    weights, group, keys
        As in :func:`spread_totals`.

    Returns
    -------
    The same columns, shape (members,), ``MISSING`` where the group's total is.
    """
    given = complete_people(counts)
    spread: Counts = {}
    people = given[PEOPLE]
    spread[PEOPLE] = _spread_column(people, weights, group, keys, salt=0)
    bands = _sum_given(given, BANDS)
    fills = (people != MISSING) & (bands <= people)
    capacity = np.where(fills[group], spread[PEOPLE], weights)
    for salt, name in enumerate(BANDS, start=1):
        spread[name] = _spread_column(given[name], capacity, group, keys, salt=salt)
        capacity = np.where(fills[group], capacity - np.maximum(spread[name], 0), capacity)
    for salt, (name, parents) in enumerate(PARENTS.items(), start=len(BANDS) + 1):
        base = _part_weights(given[name], given, spread, parents, group, weights)
        spread[name] = _spread_column(given[name], base, group, keys, salt=salt)
    return spread


def complete_people(counts: Mapping[str, IntArray]) -> Counts:
    """Return all columns, with people summed from the bands where only a full set of bands was given."""
    size = len(next(iter(counts.values())))
    given = {name: np.asarray(counts.get(name, np.full(size, MISSING)), dtype=np.int64) for name in COLUMNS}
    is_full = np.all([given[name] != MISSING for name in BANDS], axis=0)
    given[PEOPLE] = np.where((given[PEOPLE] == MISSING) & is_full, _sum_given(given, BANDS), given[PEOPLE])
    return given


def _sum_given(counts: Mapping[str, IntArray], names: tuple[str, ...]) -> IntArray:
    total: IntArray = np.sum([np.maximum(counts[name], 0) for name in names], axis=0, dtype=np.int64)
    return total


def _spread_column(totals: IntArray, weights: IntArray, group: IntArray, keys: IntArray, *, salt: int) -> IntArray:
    shares = spread_totals(np.maximum(totals, 0), weights, group, keys, salt=salt)
    return np.where(totals[group] == MISSING, MISSING, shares)


def _part_weights(
    totals: IntArray,
    given: Counts,
    spread: Counts,
    parents: tuple[str, ...],
    group: IntArray,
    weights: IntArray,
) -> IntArray:
    """Return the members' counts that a part is part of; the next wider ones where those are unknown or too few."""
    result = weights
    for names in ((PEOPLE,), parents):
        is_known = np.all([given[name] != MISSING for name in names], axis=0)
        fits = is_known & (_sum_given(given, names) >= totals)
        result = np.where(fits[group], _sum_given(spread, names), result)
    return result


def subtract_used(counts: Mapping[str, int], used: Mapping[str, int]) -> dict[str, int]:
    """Return what an area has left after what its given buildings and finer areas already hold.

    People are the difference, not below zero. Bands are scaled to the people left where they summed to all people
    before, so that buildings known by their people only do not tear the bands apart.

    Parameters
    ----------
    counts
        One area's totals by column, ``MISSING`` where not given.
    used
        Sums already placed inside it, by column; absent columns count as 0.
    """
    left = {
        name: MISSING if total == MISSING else max(0, total - max(0, used.get(name, 0)))
        for name, total in counts.items()
    }
    people = counts.get(PEOPLE, MISSING)
    bands = [name for name in BANDS if counts.get(name, MISSING) != MISSING]
    if people == MISSING:
        return left
    if sum(counts[name] for name in bands) == people and bands:
        basis = left if sum(left[name] for name in bands) else counts
        weights = np.array([basis[name] for name in bands], dtype=np.int64)
        zeros = np.zeros(len(bands), dtype=np.int64)
        total = np.array([left[PEOPLE] if weights.sum() else 0], dtype=np.int64)
        shares = spread_totals(total, weights, zeros, np.arange(len(bands)))
        left.update(zip(bands, map(int, shares), strict=True))
    for name in PARENTS:
        if left.get(name, MISSING) != MISSING and counts[name] <= people:
            left[name] = min(left[name], left[PEOPLE])
    return left


def choose_weights(dwellings: FloatArray, floor_area_m2: FloatArray, footprint_m2: FloatArray) -> tuple[IntArray, str]:
    """Return whole weights of an area's buildings and the name of the measure they were taken from.

    The first measure that at least half of the buildings have, and that is not zero everywhere, decides: dwellings,
    floor area (footprint × floors), footprint; else all are equal. A building without the measure weighs as the
    mean of those that have it.

    Parameters
    ----------
    dwellings
        Dwellings of each building, NaN where unknown.
    floor_area_m2
        Footprint × floors in square metres, NaN where unknown.
    footprint_m2
        Ground area in square metres, NaN where unknown.

    Returns
    -------
    Weights from 0 to ``WEIGHT_MAX`` and one of ``dwellings floor_area footprint equal``.
    """
    measures = (("dwellings", dwellings, 1), ("floor_area", floor_area_m2, 10), ("footprint", footprint_m2, 10))
    for name, values, per_unit in measures:
        is_known = np.isfinite(values)
        if not len(values) or is_known.mean() < KNOWN_SHARE_MIN or not values[is_known].sum() > 0:
            continue
        filled = np.where(is_known, values, values[is_known].mean())
        scaled = np.rint(filled * min(per_unit, WEIGHT_MAX / max(filled.max(), 1))).astype(np.int64)
        if scaled.sum() > 0:
            return scaled, name
    return np.ones(len(dwellings), dtype=np.int64), "equal"
