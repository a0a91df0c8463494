"""Streets with edits on top: what is changed stands apart, so that one more edit costs what it touches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.network import SNAP_SPLIT_M, Streets
from geo.units import IntArray, ObjectArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def take_streets(streets: Streets, rows: IntArray) -> Streets:
    """Return some rows of a table of streets.

    Parameters
    ----------
    streets
        The table.
    rows
        Rows wanted, in the order wanted.
    """
    return Streets(
        street_id=streets.street_id[rows],
        line=streets.line[rows],
        flags=streets.flags[rows],
        is_private=streets.is_private[rows],
        node_a=streets.node_a[rows],
        node_b=streets.node_b[rows],
    )


def join_tables(parts: list[Streets]) -> Streets:
    """Return several tables of streets as one, by street id; rows of one street keep their order.

    Parameters
    ----------
    parts
        At least one table; a street stands in one of them alone.
    """
    street_id = np.concatenate([p.street_id for p in parts])
    order = np.argsort(street_id, kind="stable")
    return Streets(
        street_id=street_id[order],
        line=np.concatenate([p.line for p in parts])[order],
        flags=np.concatenate([p.flags for p in parts])[order],
        is_private=np.concatenate([p.is_private for p in parts])[order],
        node_a=np.concatenate([p.node_a for p in parts])[order],
        node_b=np.concatenate([p.node_b for p in parts])[order],
    )


class StreetShelf:
    """A table of streets that stays as it is, with the means to find rows by place and id; made when first needed."""

    def __init__(self, streets: Streets) -> None:
        self.streets = streets

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Return the index over the lines."""
        return shapely.STRtree(self.streets.line)

    @cached_property
    def has_node_ids(self) -> bool:
        """Return whether any street carries node ids of its source."""
        return bool(self.streets.node_a.any() or self.streets.node_b.any())

    @cached_property
    def _streets_by_node(self) -> tuple[IntArray, IntArray]:
        node = np.concatenate([self.streets.node_a, self.streets.node_b])
        street = np.concatenate([self.streets.street_id, self.streets.street_id])
        order = np.argsort(node, kind="stable")
        return node[order], street[order]

    def find_by_node(self, node_id: IntArray) -> set[int]:
        """Return the ids of the streets that end at nodes of the source.

        Parameters
        ----------
        node_id
            Node ids above 0, ascending.
        """
        node, street = self._streets_by_node
        first, last = np.searchsorted(node, node_id), np.searchsorted(node, node_id, side="right")
        return {int(s) for a, b in zip(first, last, strict=True) for s in street[a:b]}

    def find_rows(self, street_id: IntArray) -> IntArray:
        """Return the rows of streets, by id.

        Parameters
        ----------
        street_id
            Ids, ascending; those that are not here have no row.
        """
        all_ids = self.streets.street_id
        first, last = np.searchsorted(all_ids, street_id), np.searchsorted(all_ids, street_id, side="right")
        parts = [np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])


@dataclass(frozen=True)
class StreetBook:
    """Streets as they are after some edits.

    Attributes
    ----------
    shelf
        The streets before.
    changed
        Rows that stand for a street now, by its id; streets drawn new are among them.
    """

    shelf: StreetShelf
    changed: Mapping[int, Streets]

    @property
    def next_id(self) -> int:
        """Return the id the next new street gets."""
        known = self.shelf.streets.street_id
        return max(int(known[-1]) if known.size else 0, *self.changed.keys(), 0) + 1

    def has(self, street_id: int) -> bool:
        """Return whether there is such a street."""
        if street_id in self.changed:
            return True
        return self.shelf.find_rows(np.array([street_id])).size > 0

    def take(self, street_id: Iterable[int]) -> Streets:
        """Return all rows of some streets, by id.

        Parameters
        ----------
        street_id
            Ids wanted; those that are not here have no row.
        """
        wanted = sorted(set(street_id))
        kept = np.array([i for i in wanted if i not in self.changed], dtype=np.int64)
        base = take_streets(self.shelf.streets, self.shelf.find_rows(kept))
        return join_tables([base, *(self.changed[i] for i in wanted if i in self.changed)])

    def find_near(self, geometry: ObjectArray, within_m: float) -> set[int]:
        """Return the ids of the streets within a distance of any of some places.

        Parameters
        ----------
        geometry
            Places in the metric CRS, shape (n,).
        within_m
            Metres.
        """
        if geometry.shape[0] == 0:
            return set()
        _, row = self.shelf.tree.query(geometry, predicate="dwithin", distance=within_m)
        near = {int(i) for i in self.shelf.streets.street_id[row]} - self.changed.keys()
        for street_id, rows in self.changed.items():
            _, at = shapely.STRtree(rows.line).query(geometry, predicate="dwithin", distance=within_m)
            if at.size:
                near.add(street_id)
        return near

    def find_by_node(self, node_id: IntArray) -> set[int]:
        """Return the ids of the streets that end at nodes of the source.

        Parameters
        ----------
        node_id
            Node ids above 0, ascending.
        """
        near = self.shelf.find_by_node(node_id) - self.changed.keys()
        for street_id, rows in self.changed.items():
            if np.isin(rows.node_a, node_id).any() or np.isin(rows.node_b, node_id).any():
                near.add(street_id)
        return near

    def put(self, rows: Streets) -> StreetBook:
        """Return the book with one street written anew.

        Parameters
        ----------
        rows
            All rows of one street.
        """
        return replace(self, changed={**self.changed, int(rows.street_id[0]): rows})

    def list_changes(self, before: StreetBook) -> set[int]:
        """Return the ids of the streets that are not as they were in an earlier state of this book."""
        return {i for i, rows in self.changed.items() if before.changed.get(i) is not rows}

    def to_streets(self) -> Streets:
        """Return all streets as one table."""
        kept = np.flatnonzero(~np.isin(self.shelf.streets.street_id, np.array(list(self.changed), dtype=np.int64)))
        return join_tables([take_streets(self.shelf.streets, kept), *self.changed.values()])


def split_row(rows: Streets, row: int, parts: list[object]) -> Streets:
    """Return the rows of a street with one of them cut into parts; only its old ends keep their node ids.

    Parameters
    ----------
    rows
        All rows of the street.
    row
        The one that was cut.
    parts
        Its parts in order.
    """
    count = len(parts)
    taken = np.concatenate([np.arange(row), np.full(count, row), np.arange(row + 1, rows.line.shape[0])])
    made = take_streets(rows, taken)
    made.line[row : row + count] = parts
    made.node_a[row + 1 : row + count] = 0
    made.node_b[row : row + count - 1] = 0
    return made


def is_end(place_m: float, length_m: float) -> bool:
    """Return whether a place along a line is one of its ends (within 1 cm).

    Parameters
    ----------
    place_m, length_m
        Metres along the line and its whole length.
    """
    return place_m <= SNAP_SPLIT_M or place_m >= length_m - SNAP_SPLIT_M
