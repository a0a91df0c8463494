"""Small operations on arrays that several engines share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo.units import Int32Array, IntArray


def group_rows(value: npt.NDArray[np.integer]) -> list[tuple[int, Int32Array]]:
    """Return the rows of every value that occurs, values ascending, rows in order.

    Parameters
    ----------
    value
        Whole numbers, shape (n,).
    """
    if value.shape[0] == 0:
        return []
    order = np.argsort(value, kind="stable").astype(np.int32)
    found, starts = np.unique(value[order], return_index=True)
    return [(int(v), rows) for v, rows in zip(found, np.split(order, starts[1:]), strict=True)]


def join_runs(first: IntArray, last: IntArray) -> IntArray:
    """Return the numbers of the runs ``first[i]:last[i]`` one after the other.

    Parameters
    ----------
    first, last
        Where each run begins and before what it ends, shape (n,).
    """
    counts = last - first
    return np.repeat(last - np.cumsum(counts), counts) + np.arange(int(counts.sum()))
