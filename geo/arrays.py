"""Small operations on arrays that several engines share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo.units import Int32Array


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
