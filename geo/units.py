"""Integer units of the walking engine.

Lengths are whole millimetres and walking costs whole milliseconds, so the same input gives the same bytes on every
machine and thread count (design rule "Exactness").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
UInt32Array = npt.NDArray[np.uint32]
ObjectArray = npt.NDArray[np.object_]

MM_PER_M = 1000
MS_PER_S = 1000
NO_COST = int(np.iinfo(np.uint32).max)
"""A walking cost no one can pay: the way is closed, or nothing is within the bound."""

LONGEST_MS = 2**30
"""Cost of an arc at most: longer than any bound, and short enough to be added to a label without leaving 64 bits."""


def to_mm(metres: FloatArray) -> IntArray:
    """Return whole millimetres, halves to the even neighbour.

    Parameters
    ----------
    metres
        Lengths in metres.
    """
    return np.rint(np.asarray(metres, dtype=np.float64) * MM_PER_M).astype(np.int64)


def to_pace_mm_s(pace_m_s: float) -> int:
    """Return the pace in whole millimetres per second, at least 1.

    Parameters
    ----------
    pace_m_s
        Walking pace in metres per second, above 0.
    """
    return max(1, round(pace_m_s * MM_PER_M))


def walk_ms(length_mm: IntArray, pace_mm_s: int) -> IntArray:
    """Return the milliseconds it takes to walk each length, rounded half up.

    Parameters
    ----------
    length_mm
        Lengths in millimetres.
    pace_mm_s
        Pace in millimetres per second.
    """
    return (np.asarray(length_mm, dtype=np.int64) * MS_PER_S + pace_mm_s // 2) // pace_mm_s
