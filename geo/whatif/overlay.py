"""Tables with edits on top: what is changed stands apart, so that one more edit costs what it touches."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geo.link import Entrances, Links
from geo.units import BoolArray, Int32Array, IntArray
from geo.whatif.patch_index import spread_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Anything = npt.NDArray[Any]

_NO_ROWS = np.empty(0, dtype=np.int64)


class Layered:
    """A column of a table, with values of some rows and of rows behind its end on top.

    Parameters
    ----------
    base
        The column as it was, shape (n,).
    changed
        Values that count instead, by row; rows from n on without a gap.
    """

    def __init__(self, base: Anything, changed: Mapping[int, Any]) -> None:
        self._base = base
        self._changed = changed
        self.shape = (max(base.shape[0], max(changed, default=-1) + 1),)

    def __getitem__(self, rows: npt.NDArray[np.integer[Any]]) -> Anything:
        """Return the values of some rows."""
        count = self._base.shape[0]
        if count:
            found: Anything = self._base[np.minimum(rows, count - 1)]
        else:
            found = np.empty(rows.shape[0], dtype=self._base.dtype)
        mine = np.flatnonzero(np.isin(rows, np.fromiter(self._changed, dtype=np.int64, count=len(self._changed))))
        for at, row in zip(mine.tolist(), rows[mine].tolist(), strict=True):
            found[at] = self._changed[row]
        return found

    @property
    def changed(self) -> Iterable[int]:
        """Return the rows whose values count instead of the base's, those behind its end included."""
        return self._changed.keys()

    def put(self, row: int, value: Any) -> Layered:
        """Return the column with another value in one row."""
        return Layered(self._base, {**self._changed, row: value})


def put_value(values: Anything | Layered, row: int, value: Any) -> Layered:
    """Return a column with another value in one row, which may be the next behind its end.

    Parameters
    ----------
    values
        The column.
    row, value
        Which row, and what stands there from now on.
    """
    return (values if isinstance(values, Layered) else Layered(values, {})).put(row, value)


def take_all(values: Anything | Layered) -> Anything:
    """Return all values of a column."""
    return values[np.arange(values.shape[0])] if isinstance(values, Layered) else values


def take_entrances(entrances: Entrances, at: IntArray) -> Entrances:
    """Return some of the entrances."""
    links = entrances.links
    return Entrances(entrances.facility[at], Links(links.edge[at], links.place_mm[at], links.off_mm[at]))


def _join(one: Entrances, other: Entrances) -> Entrances:
    return Entrances(
        np.concatenate([one.facility, other.facility]),
        Links(
            np.concatenate([one.links.edge, other.links.edge]).astype(np.int32),
            np.concatenate([one.links.place_mm, other.links.place_mm]),
            np.concatenate([one.links.off_mm, other.links.off_mm]),
        ),
    )


class EntranceShelf:
    """Entrances that stay as they are, with the means to find them by facility and edge; made when first needed."""

    def __init__(self, entrances: Entrances) -> None:
        self.entrances = entrances

    @cached_property
    def _by_facility(self) -> tuple[IntArray, IntArray]:
        order = np.argsort(self.entrances.facility, kind="stable")
        return np.asarray(self.entrances.facility[order], dtype=np.int64), order

    @cached_property
    def _by_edge(self) -> tuple[Int32Array, IntArray]:
        order = np.argsort(self.entrances.links.edge, kind="stable")
        return self.entrances.links.edge[order], order

    def find_of(self, rows: IntArray) -> IntArray:
        """Return which entrances are those of some facilities, each row once."""
        return _find(*self._by_facility, rows)

    def find_on(self, edges: IntArray) -> IntArray:
        """Return which entrances stand on some edges, each edge once."""
        return _find(*self._by_edge, edges)


def _find(key: npt.NDArray[np.integer[Any]], order: IntArray, wanted: IntArray) -> IntArray:
    place, _ = spread_ranges(np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right"))
    return order[place]


@dataclass(frozen=True)
class EntranceBook:
    """Entrances as they are after some edits.

    Attributes
    ----------
    shelf
        The entrances before.
    rows
        Facilities whose entrances are not those before, ascending.
    entered
        Their entrances now.
    """

    shelf: EntranceShelf
    rows: IntArray = field(default_factory=lambda: _NO_ROWS)
    entered: Entrances = field(
        default_factory=lambda: Entrances(_NO_ROWS, Links(np.empty(0, dtype=np.int32), _NO_ROWS, _NO_ROWS))
    )

    def _is_changed(self, facility: npt.NDArray[np.integer[Any]]) -> BoolArray:
        return np.isin(facility, self.rows)

    def take(self, rows: IntArray) -> Entrances:
        """Return the entrances of some facilities.

        Parameters
        ----------
        rows
            Facilities, each once.
        """
        kept = take_entrances(self.shelf.entrances, self.shelf.find_of(rows[~self._is_changed(rows)]))
        return _join(kept, take_entrances(self.entered, np.flatnonzero(np.isin(self.entered.facility, rows))))

    def find_on(self, edges: IntArray) -> IntArray:
        """Return the facilities that are entered from some edges; one with several entrances may come several times.

        Parameters
        ----------
        edges
            Edges, each once.
        """
        facility = self.shelf.entrances.facility[self.shelf.find_on(edges)]
        return np.concatenate(
            [facility[~self._is_changed(facility)], self.entered.facility[np.isin(self.entered.links.edge, edges)]]
        ).astype(np.int64)

    def put(self, rows: IntArray, entered: Entrances) -> EntranceBook:
        """Return the book with the entrances of some facilities written anew.

        Parameters
        ----------
        rows
            Facilities, ascending; those without any entrance now are among them.
        entered
            Their entrances.
        """
        kept = take_entrances(self.entered, np.flatnonzero(~np.isin(self.entered.facility, rows)))
        return EntranceBook(self.shelf, np.union1d(self.rows, rows).astype(np.int64), _join(kept, entered))
