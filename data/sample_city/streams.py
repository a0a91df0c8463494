"""Random numbers that are the same on every machine and in every order of work.

Each block, compound or layer draws from its own stream, named by a purpose and a number. Only `random`, `integers` and
`permutation` of PCG64 are used: all are plain integer arithmetic, so no mathematics library can change a byte.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Purpose(IntEnum):
    """What a stream is for; part of its name, so numbers are never shared between purposes."""

    PLAN = 1
    WARP = 2
    ZONES = 3
    CELL = 4
    BLOCK = 5
    SPECIALS = 6
    PEOPLE = 7
    FACILITIES = 8
    INCIDENTS = 9
    NAMES = 10
    REFERENCE = 11
    MILLION = 12


def stream(seed: int, purpose: Purpose, *number: int) -> np.random.Generator:
    """Return the random stream of one purpose and number."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(purpose), *number])))


def pick_index(rng: np.random.Generator, weights: Sequence[float]) -> int:
    """Return one index drawn by weight."""
    draw = rng.random() * sum(weights)
    for index, weight in enumerate(weights):
        draw -= weight
        if draw < 0:
            return index
    return len(weights) - 1


def pick_many(rng: np.random.Generator, weights: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Return indices drawn by weight, with replacement."""
    steps = np.cumsum(weights)
    found = np.searchsorted(steps, rng.random(size) * steps[-1], side="right")
    return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)


def round_shares(expected: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round each row of expected counts to whole numbers whose sum is the rounded sum of the row.

    Parameters
    ----------
    expected
        Expected counts, shape (rows, bands).
    offset
        One draw in [0, 1) per row, which decides who gets the fractions.
    """
    steps = np.floor(np.cumsum(expected, axis=1) + offset[:, None])
    return np.diff(steps, axis=1, prepend=np.floor(offset)[:, None]).astype(np.int64)
