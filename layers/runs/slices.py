"""Figures of buildings packed in slices: four bytes a building, a fixed number of buildings by store id to a slice.

The slice of a building is its store id divided by :data:`SLICE_BUILDINGS`, its place there the remainder; so nothing
has to be looked up to find a figure, and a page of the table holds five rows. Whole slices are laid out, sent and read
as arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

from layers.copy_binary import copy_pieces, lay_out_fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Table

    from geo.units import BoolArray, Int32Array, IntArray

SLICE_BITS = 7
SLICE_BUILDINGS = 1 << SLICE_BITS
"""Buildings to a slice: three figures of them fill a fifth of a PostgreSQL page, below where it would compress them."""

NOTHING = -1
"""No facility within the bound, no facility at all, no area."""

NOT_LINKED = -2
"""In place of a reach: the building is tied to no way."""

ABSENT = -3
"""The run did not judge this building, or there is none with this id."""

Slices = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Slots:
    """Where buildings stand in slices.

    Attributes
    ----------
    number
        Numbers of the slices that hold any of them, ascending, shape (s,).
    place
        Place of each building in those slices laid end to end, shape (n,).
    """

    number: Int32Array
    place: IntArray

    @classmethod
    def find(cls, building_id: IntArray) -> Slots:
        """Return the slots of buildings.

        Parameters
        ----------
        building_id
            Store ids, ascending, shape (n,).
        """
        slice_of = building_id >> SLICE_BITS
        is_first = np.ones(slice_of.shape[0], dtype=bool)
        is_first[1:] = slice_of[1:] != slice_of[:-1]
        row = np.cumsum(is_first) - 1
        place = (row << SLICE_BITS) + (building_id & (SLICE_BUILDINGS - 1))
        return cls(slice_of[is_first].astype(np.int32), place)


def encode_reach(reach_ms: Int32Array, is_linked: BoolArray) -> Int32Array:
    """Return reach as it is stored: :data:`NOT_LINKED` where the building is tied to no way."""
    return np.where(is_linked, reach_ms, np.int32(NOT_LINKED))


def from_bytes(data: bytes | memoryview, columns: int) -> tuple[Int32Array, npt.NDArray[np.int32]]:
    """Return slice numbers and slices of rows read by :func:`fetch_slices`.

    Parameters
    ----------
    data
        For each row the number of the slice, then its columns.
    columns
        Slices a row.

    Returns
    -------
    number
        Shape (s,).
    slices
        Shape (s, columns, SLICE_BUILDINGS).
    """
    found = np.frombuffer(data, dtype=">i4").astype(np.int32).reshape(-1, 1 + columns * SLICE_BUILDINGS)
    return found[:, 0].copy(), found[:, 1:].reshape(-1, columns, SLICE_BUILDINGS)


@njit(cache=True, nogil=True)
def _fill(values: Int32Array, place: IntArray, out: Int32Array) -> None:
    """Write values high byte first to their places in slices."""
    for i in range(values.shape[0]):
        v = values[i]
        turned = ((v & 0xFF) << 24) | ((v & 0xFF00) << 8) | ((v >> 8) & 0xFF00) | ((v >> 24) & 0xFF)
        out[place[i] >> SLICE_BITS, place[i] & (SLICE_BUILDINGS - 1)] = turned


def pack_slices(slots: Slots, same: Mapping[str, bytes], values: Mapping[str, npt.NDArray[Any]]) -> memoryview:
    """Return the slices of some values of all buildings as the rows of a binary COPY stream.

    Parameters
    ----------
    slots
        Where the buildings stand; there is at least one. Other places are :data:`ABSENT`.
    same
        What every row begins with, as it goes over the wire; the number of the slice follows.
    values
        For each column one whole number a building, shape (n,).
    """
    count = slots.number.shape[0]
    kinds = [np.dtype(("<i4", (SLICE_BUILDINGS,)))] * len(values)
    rows = lay_out_fixed(count, [*same.values(), slots.number.astype(">i4"), *kinds])
    is_full = slots.place.shape[0] == count * SLICE_BUILDINGS
    for number, column in enumerate(values.values(), start=len(same) + 1):
        out = rows[f"value {number}"]
        if not is_full:
            out[:] = np.array(ABSENT, dtype=np.int32).byteswap()
        _fill(np.ascontiguousarray(column, dtype=np.int32), slots.place, out)
    return rows.view(np.uint8).data


def save_slices(
    connection: Connection,
    table: Table,
    slots: Slots,
    groups: Iterable[tuple[Mapping[str, bytes], Mapping[str, npt.NDArray[Any]]]],
) -> None:
    """Write slices by one binary COPY, in the connection's transaction.

    Parameters
    ----------
    connection
        An open connection that may write.
    table
        Where to.
    slots
        Where the buildings stand.
    groups
        What :func:`pack_slices` takes, with the same columns in every group.
    """
    found = iter(groups)
    first = next(found, None) if slots.number.shape[0] else None
    if first is None:
        return
    same, values = first
    pieces = (pack_slices(slots, *group) for group in chain([first], found))
    copy_pieces(connection, table, (*same, "slice", *values), pieces)
