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

from layers.copy_binary import copy_pieces, pack_fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Table

    from geo.units import BoolArray, Int32Array, IntArray

SLICE_BITS = 7
SLICE_BUILDINGS = 1 << SLICE_BITS
"""Buildings to a slice: three figures of them fill a fifth of a PostgreSQL page, below where it would compress them."""

VALUE_BYTES = 4

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

    def lay_out(self, values: npt.NDArray[np.integer[Any]]) -> Slices:
        """Return values of the buildings as slices, shape (s, SLICE_BUILDINGS); other places are :data:`ABSENT`."""
        laid = np.full(self.number.shape[0] << SLICE_BITS, ABSENT, dtype=np.int32)
        laid[self.place] = values
        return laid.reshape(-1, SLICE_BUILDINGS)

    def find_ids(self) -> IntArray:
        """Return the store ids of the buildings, shape (n,)."""
        first = self.number.astype(np.int64)[self.place >> SLICE_BITS] << SLICE_BITS
        found: IntArray = first + (self.place & (SLICE_BUILDINGS - 1))
        return found


def encode_reach(reach_ms: Int32Array, is_linked: BoolArray) -> Int32Array:
    """Return reach as it is stored: :data:`NOT_LINKED` where the building is tied to no way."""
    return np.where(is_linked, reach_ms, np.int32(NOT_LINKED))


def to_bytes(slices: Slices) -> npt.NDArray[np.void]:
    """Return each slice as the bytes that are stored, shape (s,)."""
    return slices.astype(">i4").view(f"V{SLICE_BUILDINGS * VALUE_BYTES}").reshape(-1)


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


def save_slices(
    connection: Connection,
    table: Table,
    number: Int32Array,
    groups: Iterable[tuple[Mapping[str, bytes], Mapping[str, Slices]]],
) -> None:
    """Write slices by one binary COPY, in the connection's transaction.

    Parameters
    ----------
    connection
        An open connection that may write.
    table
        Where to.
    number
        Numbers of the slices, shape (s,).
    groups
        Groups of slices with the same columns: those equal in every row as they go over the wire, then the slices,
        each of shape (s, SLICE_BUILDINGS).
    """
    if number.shape[0] == 0:
        return
    numbers = number.astype(">i4")
    found = iter(groups)
    first = next(found, None)
    if first is None:
        return
    names = (*first[0], "slice", *first[1])
    pieces = (
        pack_fixed(number.shape[0], [*same.values(), numbers, *map(to_bytes, slices.values())])
        for same, slices in chain([first], found)
    )
    copy_pieces(connection, table, names, pieces)
