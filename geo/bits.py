"""Bits of a machine word, for kernels that keep sets of nodes as bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


def _trailing_zeros(_context: Any, _word: Any) -> Any:
    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


_count: Any = intrinsic(_trailing_zeros)


@njit(cache=True, nogil=True)
def lowest_bit(word: np.uint64) -> int:
    """Return the place of the lowest bit set in a word that is not 0 (one machine instruction).

    Parameters
    ----------
    word
        An unsigned 64-bit whole number.
    """
    return int(_count(word))
