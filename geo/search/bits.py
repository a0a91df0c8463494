"""Machine instructions that Numba has no name for: the lowest bit of a word, and sixteen whole numbers at once."""

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


def _point(context: Any, builder: Any, signature: Any, arguments: Any, which: int, row: Any) -> Any:
    """Return a pointer to a row of sixteen in one of the arguments."""
    array = context.make_array(signature.args[which])(context, builder, arguments[which])
    start = builder.shl(row, ir.Constant(_WORD, 4))
    return builder.bitcast(builder.gep(array.data, [start]), _WIDE.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    vector = builder.load(pointer)
    vector.align = 4
    return vector


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, pointer).align = 4


def _take_lower(builder: Any, one: Any, other: Any) -> tuple[Any, Any]:
    """Return the lower of two values lane by lane, and where the first one is lower."""
    is_lower = builder.icmp_unsigned("<", one, other)
    return builder.select(is_lower, one, other), is_lower


def _any(builder: Any, lanes: Any) -> Any:
    """Return 1 if a lane is set, else 0."""
    bits = builder.bitcast(lanes, ir.IntType(16))
    return builder.zext(builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(16), 0)), _WORD)


def _lower_sixteen(_context: Any, label: Any, _u: Any, _v: Any, _ms: Any, shift: Any, beyond: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = (context, builder, signature, arguments)
        start = ir.Constant(_WORD, 0)
        target = _point(*place, 0, arguments[2])
        known = _load(builder, target)
        most = _load(builder, _point(*place, 5, start))
        cost = _spread(builder, arguments[3])
        # an arc longer than the bound is as good as one just beyond it; so no sum leaves 32 bits
        cost = _take_lower(builder, cost, most)[0]
        cost = builder.shl(cost, _load(builder, _point(*place, 4, start)))
        better = builder.add(_load(builder, _point(*place, 0, arguments[1])), cost)
        least, is_lower = _take_lower(builder, better, known)
        _store(builder, least, target)
        return _any(builder, is_lower)

    return types.uint64(label, types.int64, types.int64, types.uint32, shift, beyond), generate


def _lower_costs(_context: Any, cost: Any, _u: Any, _v: Any, _ms: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = (context, builder, signature, arguments)
        target = _point(*place, 0, arguments[2])
        better = builder.add(_load(builder, _point(*place, 0, arguments[1])), _spread(builder, arguments[3]))
        least, is_lower = _take_lower(builder, better, _load(builder, target))
        _store(builder, least, target)
        return _any(builder, is_lower)

    return types.uint64(cost, types.int64, types.int64, types.uint32), generate


def _fill_sixteen(_context: Any, cost: Any, _row: Any, _value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target = _point(context, builder, signature, arguments, 0, arguments[1])
        _store(builder, _spread(builder, arguments[2]), target)
        return context.get_dummy_value()

    return types.void(cost, types.int64, types.uint32), generate


def _copy_sixteen(_context: Any, label: Any, _row: Any, other: Any, _at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = (context, builder, signature, arguments)
        _store(builder, _load(builder, _point(*place, 2, arguments[3])), _point(*place, 0, arguments[1]))
        return context.get_dummy_value()

    return types.void(label, types.int64, other, types.int64), generate


def _pull_sixteen(_context: Any, cost: Any, _a: Any, _b: Any, _to_a: Any, _to_b: Any, best: Any, _row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = (context, builder, signature, arguments)
        by_a = builder.add(_load(builder, _point(*place, 0, arguments[1])), _spread(builder, arguments[3]))
        by_b = builder.add(_load(builder, _point(*place, 0, arguments[2])), _spread(builder, arguments[4]))
        _store(builder, _take_lower(builder, by_a, by_b)[0], _point(*place, 5, arguments[6]))
        return context.get_dummy_value()

    return types.void(cost, types.int64, types.int64, types.uint32, types.uint32, best, types.int64), generate


def _sink_sixteen(_context: Any, best: Any, _row: Any, other: Any, _at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = (context, builder, signature, arguments)
        target = _point(*place, 0, arguments[1])
        known, more = _load(builder, target), _load(builder, _point(*place, 2, arguments[3]))
        _store(builder, _take_lower(builder, known, more)[0], target)
        return context.get_dummy_value()

    return types.void(best, types.int64, other, types.int64), generate


def _count_sixteen(_context: Any, best: Any, _row: Any, _beyond: Any, counts: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = (context, builder, signature, arguments)
        known = _load(builder, _point(*place, 0, arguments[1]))
        inside = builder.icmp_unsigned("<", known, _spread(builder, arguments[2]))
        target = _point(*place, 3, ir.Constant(_WORD, 0))
        _store(builder, builder.add(_load(builder, target), builder.zext(inside, _WIDE)), target)
        return _any(builder, inside)

    return types.uint64(best, types.int64, types.uint32, counts), generate


_lower: Any = intrinsic(_lower_sixteen)
_lower_all: Any = intrinsic(_lower_costs)
_fill: Any = intrinsic(_fill_sixteen)
_copy: Any = intrinsic(_copy_sixteen)
_pull: Any = intrinsic(_pull_sixteen)
_sink: Any = intrinsic(_sink_sixteen)
_tally: Any = intrinsic(_count_sixteen)


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


@njit(cache=True, nogil=True)
def lower_all(cost: UInt32Array, node: Whole, neighbour: Whole, ms: np.uint32) -> np.uint64:
    """Lower the sixteen costs of a neighbour to those of a node plus an arc; return 1 if any got lower, else 0.

    Parameters
    ----------
    cost
        Costs whose sum with an arc stays below 2^32, shape (nodes, 16).
    node, neighbour
        Two different nodes.
    ms
        Cost of the arc.
    """
    return np.uint64(_lower_all(cost, node, neighbour, ms))


@njit(cache=True, nogil=True)
def fill_lanes(cost: UInt32Array, row: Whole, value: np.uint32) -> None:
    """Set the sixteen costs of a row to one value.

    Parameters
    ----------
    cost
        Costs, shape (n, 16).
    row, value
        Which row, and what it is set to.
    """
    _fill(cost, row, value)


@njit(cache=True, nogil=True)
def copy_lanes(label: UInt32Array, row: Whole, other: UInt32Array, at: Whole) -> None:
    """Set a row to a row of another array.

    Parameters
    ----------
    label, row
        What is set, shape (n, 16), and which row of it.
    other, at
        What it is set to, shape (m, 16), and which row of it.
    """
    _copy(label, row, other, at)


@njit(cache=True, nogil=True)
def pull_lanes(
    cost: UInt32Array,
    node_a: Whole,
    node_b: Whole,
    add_a: np.uint32,
    add_b: np.uint32,
    best: UInt32Array,
    row: Whole,
) -> None:
    """Set a row to the lower of two nodes' costs, each with what it takes to come there.

    Parameters
    ----------
    cost
        Costs whose sum with what is added stays below 2^32, shape (nodes, 16).
    node_a, node_b, add_a, add_b
        The nodes, and what is added.
    best, row
        The answer, shape (n, 16), and which row of it.
    """
    _pull(cost, node_a, node_b, add_a, add_b, best, row)


@njit(cache=True, nogil=True)
def sink_lanes(best: UInt32Array, row: Whole, other: UInt32Array, at: Whole) -> None:
    """Lower the sixteen costs of a row to those of a row of another array.

    Parameters
    ----------
    best, row
        What is lowered, shape (n, 16), and which row of it.
    other, at
        What it is lowered to, shape (m, 16), and which row of it.
    """
    _sink(best, row, other, at)


@njit(cache=True, nogil=True)
def count_lanes(best: UInt32Array, row: Whole, beyond: np.uint32, counts: UInt32Array) -> np.uint64:
    """Count the lanes of a row that lie below a limit; return 1 if any does, else 0.

    Parameters
    ----------
    best, row
        Costs, shape (n, 16), and which row of them.
    beyond
        The limit.
    counts
        How many were below it so far, lane by lane, shape (1, 16).
    """
    return np.uint64(_tally(best, row, beyond, counts))
