"""Who lives in the buildings: age bands, households and groups that differ by kind of estate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.sample_city.ledger import Kind
from data.sample_city.streams import Purpose, round_shares, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

BANDS = ("a00_02", "a03_05", "a06_11", "a12_14", "a15_17", "a18_59", "a60_64", "a65_79", "a80_up")
"""Age bands of the resident group; written out here because `data` may not import `layers`."""


@dataclass(frozen=True, slots=True)
class Life:
    """Who lives in one kind of estate.

    Parameters
    ----------
    occupied
        Share of dwellings with people in them.
    household
        People per household.
    ages
        Shares of the nine age bands, per cent.
    floating, new_employment
        Shares of people who moved in from elsewhere, and of couriers, drivers and the like.
    alone
        Share of those aged 60 and over who live alone.
    dual_earner
        Share of households in which both partners work.
    """

    occupied: float
    household: float
    ages: tuple[float, ...]
    floating: float
    new_employment: float
    alone: float
    dual_earner: float


LIVES = {
    Kind.COURTYARD: Life(0.86, 2.35, (1.6, 1.8, 4.0, 2.1, 2.2, 52.0, 9.6, 19.5, 7.2), 0.18, 0.02, 0.19, 0.20),
    Kind.OLD_SLAB: Life(0.92, 2.40, (1.8, 2.0, 4.6, 2.4, 2.3, 54.4, 9.0, 17.5, 6.0), 0.16, 0.02, 0.17, 0.24),
    Kind.DANWEI: Life(0.93, 2.42, (1.7, 1.9, 4.3, 2.2, 2.2, 51.7, 9.8, 19.4, 6.8), 0.11, 0.01, 0.18, 0.22),
    Kind.VILLAGE: Life(0.90, 1.75, (2.2, 2.3, 4.0, 1.6, 1.6, 79.8, 3.2, 4.3, 1.0), 0.78, 0.13, 0.08, 0.30),
    Kind.RESETTLE: Life(0.94, 3.05, (3.4, 3.6, 7.6, 3.5, 3.1, 58.6, 7.2, 10.6, 2.4), 0.20, 0.03, 0.09, 0.34),
    Kind.NEW_TOWER: Life(0.90, 2.95, (5.6, 6.0, 10.6, 4.0, 2.7, 61.2, 4.4, 4.7, 0.8), 0.32, 0.02, 0.06, 0.52),
    Kind.NEW_GARDEN: Life(0.91, 2.95, (5.0, 5.4, 10.0, 4.2, 3.0, 59.6, 5.2, 6.4, 1.2), 0.24, 0.01, 0.07, 0.50),
    Kind.DORM: Life(0.90, 2.05, (1.2, 1.1, 1.8, 0.8, 1.6, 92.2, 0.8, 0.5, 0.0), 0.72, 0.07, 0.05, 0.26),
    Kind.RURAL: Life(0.80, 2.70, (2.0, 2.2, 5.2, 2.6, 2.4, 48.6, 10.4, 20.4, 6.2), 0.04, 0.01, 0.15, 0.18),
    Kind.RENTAL_TOWER: Life(0.90, 1.55, (2.0, 1.6, 2.2, 0.9, 1.0, 89.9, 1.1, 1.1, 0.2), 0.81, 0.10, 0.09, 0.30),
}


def count_people(seed: int, houses: pd.DataFrame) -> pd.DataFrame:
    """Return one row per building: households, people, bands and groups; zeros where nobody lives."""
    rng = stream(seed, Purpose.PEOPLE)
    count = len(houses)
    kind = houses["kind"].to_numpy()
    table = np.zeros((max(Kind) + 1, 15))
    for key, life in LIVES.items():
        groups = (life.floating, life.new_employment, life.alone, life.dual_earner)
        table[int(key), :15] = (life.occupied, life.household, *np.array(life.ages) / sum(life.ages), *groups)
    row = table[kind]
    spread = rng.random((count, 4))
    occupied = row[:, 0] * (0.92 + 0.16 * spread[:, 0])
    households = np.floor(houses["dwellings"].to_numpy() * np.minimum(occupied, 1.0) + spread[:, 1])
    people = np.floor(households * row[:, 1] * (0.93 + 0.14 * spread[:, 2]) + spread[:, 3])
    people = np.where(households > 0, np.maximum(people, households), 0.0)
    shares = row[:, 2:11] * (0.75 + 0.5 * rng.random((count, len(BANDS))))
    shares = shares / np.maximum(shares.sum(axis=1), 1e-9)[:, None]
    bands = round_shares(people[:, None] * shares, rng.random(count))
    bands[:, 5] += people.astype(np.int64) - bands.sum(axis=1)
    frame = pd.DataFrame(bands, columns=list(BANDS))
    frame.insert(0, "people", people.astype(np.int64))
    old = bands[:, 6:].sum(axis=1)
    working = bands[:, 5]
    frame["floating"] = _some(people, row[:, 11], rng)
    frame["living_alone_60_up"] = _some(old, row[:, 13], rng)
    frame["new_employment"] = np.minimum(_some(people, row[:, 12], rng), working)
    frame["households"] = households.astype(np.int64)
    frame["dual_earner_households"] = _some(households, row[:, 14], rng)
    return frame


def _some(
    total: NDArray[np.float64] | NDArray[np.int64], share: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return whole numbers near total x share, never more than the total."""
    found = np.floor(total * share * (0.8 + 0.4 * rng.random(len(share))) + rng.random(len(share)))
    return np.minimum(found, total).astype(np.int64)
