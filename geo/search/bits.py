"""Machine instructions that Numba has no name for: the lowest bit of a word, and sixteen labels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from geo.search.labels import Whole
from geo.units import UInt32Array


def _trailing_zeros(_context: Any, _word: Any) -> Any:
    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


_count: Any = intrinsic(_trailing_zeros)


@njit(cache=True, nogil=True)
def lowest_bit(word: np.uint64 | Any) -> int:
    """Return the place of the lowest bit set in a word that is not 0 (one machine instruction).

    Parameters
    ----------
    word
        An unsigned 64-bit whole number.
    """
    return int(_count(word))


_WIDE = ir.VectorType(ir.IntType(32), 16)
_WORD = ir.IntType(64)


def _spread(builder: Any, value: Any) -> Any:
    """Return a vector that holds one value sixteen times."""
    empty = ir.Constant(_WIDE, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, empty, ir.Constant(_WIDE, [0] * 16))


def _lower_sixteen(_context: Any, label: Any, _u: Any, _v: Any, _ms: Any, shift: Any, beyond: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def point_to(which: int, row: Any) -> Any:
            array = context.make_array(signature.args[which])(context, builder, arguments[which])
            return builder.bitcast(builder.gep(array.data, [row]), _WIDE.as_pointer())

        def load(pointer: Any) -> Any:
            vector = builder.load(pointer)
            vector.align = 4
            return vector

        start = ir.Constant(_WORD, 0)
        four = ir.Constant(_WORD, 4)
        target = point_to(0, builder.shl(arguments[2], four))
        known = load(target)
        most = load(point_to(5, start))
        cost = _spread(builder, arguments[3])
        # an arc longer than the bound is as good as one just beyond it; so no sum leaves 32 bits
        cost = builder.select(builder.icmp_unsigned("<", cost, most), cost, most)
        cost = builder.shl(cost, load(point_to(4, start)))
        better = builder.add(load(point_to(0, builder.shl(arguments[1], four))), cost)
        is_lower = builder.icmp_unsigned("<", better, known)
        store = builder.store(builder.select(is_lower, better, known), target)
        store.align = 4
        lanes = builder.bitcast(is_lower, ir.IntType(16))
        return builder.zext(builder.icmp_unsigned("!=", lanes, ir.Constant(ir.IntType(16), 0)), _WORD)

    return types.uint64(label, types.int64, types.int64, types.uint32, shift, beyond), generate


_lower: Any = intrinsic(_lower_sixteen)


@njit(cache=True, nogil=True)
def lower_lanes(
    label: UInt32Array, node: Whole, neighbour: Whole, ms: np.uint32, shift: UInt32Array, beyond: UInt32Array
) -> np.uint64:
    """Lower the sixteen labels of a neighbour to those of a node plus an arc; return 1 if any got lower, else 0.

    Parameters
    ----------
    label
        Packed labels, rows of sixteen next to each other, shape (nodes, 16).
    node, neighbour
        Two different nodes.
    ms
        Cost of the arc.
    shift, beyond
        By lane the bits below the cost and the cost just above the bound, shape (16,).
    """
    return np.uint64(_lower(label, node, neighbour, ms, shift, beyond))
