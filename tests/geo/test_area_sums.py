"""Sums of a column in one pass against those worked out figure by figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geo.area_sums import AREA_FIGURES, HomeSums
from geo.gaps import COVERED, GAP, UNKNOWN, find_status, split_by_status


@pytest.mark.parametrize("seed", range(40))
def test_one_pass_gives_the_sums_by_area_group_and_facility(seed: int) -> None:
    """Unlinked homes, none within the bound, exact limits, homes in no area, facilities nobody goes to."""
    rng = np.random.default_rng(seed)
    homes, areas, facilities = int(rng.integers(0, 300)), int(rng.integers(0, 9)), int(rng.integers(1, 12))
    deepest = rng.integers(-1, areas, homes).astype(np.int32) if areas else np.full(homes, -1, dtype=np.int32)
    everybody, own, dwellings = rng.integers(0, 2**20, (3, homes)).astype(np.int32)
    is_uncounted = rng.random(homes) < 0.2
    is_linked = rng.random(homes) < 0.8
    reach_ms = np.where(is_linked, rng.choice([-1, 0, 299_999, 300_000, 300_001, 599_000], homes), -1).astype(np.int32)
    radius_mm = rng.choice([-1, 0, 500_000, 500_001], homes).astype(np.int32)
    facility = np.where(reach_ms >= 0, rng.integers(0, facilities, homes), -1).astype(np.int32)
    sums = HomeSums(deepest, areas, dwellings=dwellings, is_uncounted=is_uncounted)
    column: dict[str, Any] = {
        "reach_ms": reach_ms,
        "is_linked": is_linked,
        "limit_s": 300,
        "radius_mm": radius_mm,
        "radius_limit_mm": float(rng.choice([0, 500_000])),
    }
    found = sums.add_column(everybody, own, **column, facility=facility, facilities=facilities)
    for figures, weight in ((found.everybody, everybody), (found.own, own)):
        status = find_status(reach_ms, is_linked, 300)
        in_radius = (radius_mm >= 0) & (radius_mm <= column["radius_limit_mm"])
        by_status = [status == one for one in (COVERED, GAP, UNKNOWN)]
        by_home = [weight, *(weight * one for one in by_status), weight * in_radius]
        by_home += [dwellings, *(dwellings * one for one in by_status), np.ones(homes), *by_status, is_uncounted]
        place = np.where(deepest < 0, areas, deepest)
        wanted = [np.bincount(place, weights=one, minlength=areas + 1).astype(np.int64) for one in by_home]
        np.testing.assert_array_equal(figures, np.column_stack(wanted))
        people = figures.sum(axis=0)[AREA_FIGURES.index("covered") : AREA_FIGURES.index("unknown") + 1]
        np.testing.assert_array_equal(people, split_by_status(weight.astype(np.int64), status).sum(axis=0))
    served = facility[status == COVERED]
    np.testing.assert_array_equal(found.buildings, np.bincount(served, minlength=facilities))
    np.testing.assert_array_equal(
        found.people, np.bincount(served, weights=own[status == COVERED], minlength=facilities).astype(np.int64)
    )
