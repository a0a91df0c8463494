"""The states between edits: what each holds, and how one leads to another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geo.search.labels import NONE
from geo.units import IntArray, ObjectArray
from geo.whatif.base import Answer, Base, Change, Figures
from geo.whatif.columns import ColumnStep, to_answers, to_keys
from geo.whatif.edits import Edit, Facilities, FacilityAdded, FacilityClosed, FacilityMoved, Plan
from geo.whatif.links import Moved
from geo.whatif.overlay import EntranceBook
from geo.whatif.patch_index import is_among, join_sorted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geo.whatif.engine import WhatIf
    from geo.whatif.patch import Patched
    from geo.whatif.patch_work import Diff

_NOTHING = np.empty(0, dtype=np.int64)
_NOBODY = np.empty(0, dtype=np.int32)
_NO_CHANGE = Change(_NOBODY, _NOBODY, _NOBODY, _NOBODY, np.empty(0, dtype=bool))


@dataclass(frozen=True, eq=False)
class Step:
    """The state after some edits.

    Attributes
    ----------
    edits
        All edits on the base, one after the other.
    parent
        The step before; None for the base itself.
    facilities
        The facilities as edited.
    """

    engine: WhatIf
    edits: tuple[Edit, ...]
    parent: Step | None
    facilities: Facilities
    plan: Plan | None
    entrances: EntranceBook
    moved: Moved
    columns: list[ColumnStep]
    diff: Diff | None
    full: tuple[Figures, ...] | None

    def apply(self, edits: Sequence[Edit], *, threads: int = 1) -> Step:
        """Return the state after some more edits; several at once are one step.

        Parameters
        ----------
        edits
            The edits, one after the other.
        threads
            Types searched at the same time; the answer does not depend on it.

        Raises
        ------
        RequestError
            An edit makes no sense; ``parameter`` names it.
        """
        return self.engine.extend(self, tuple(edits), threads=threads)

    def undo(self) -> Step:
        """Return the state before this step; the base itself has none before it and is returned."""
        return self if self.parent is None else self.parent

    @cached_property
    def answer(self) -> Answer:
        """Return what all the edits change."""
        base = self.engine.base
        if self.full is not None:
            changes = tuple(_compare(base, number, figures) for number, figures in enumerate(self.full))
            rows = np.flatnonzero(self.full[0].is_linked != base.homes.links.is_linked) if self.full else _NOTHING
            return Answer(changes, rows.astype(np.int32))
        moved, links = self.moved, base.homes.links
        was_linked, is_linked = links.edge[moved.rows] >= 0, moved.links.edge >= 0
        other = (was_linked != is_linked) | (is_linked & (links.off_mm[moved.rows] != moved.links.off_mm))
        switched = moved.rows[was_linked != is_linked]
        return Answer(
            tuple(self._change(number, switched) for number in range(len(self.columns))),
            moved.rows[other].astype(np.int32),
        )

    def _change(self, number: int, switched: IntArray) -> Change:
        base, column = self.engine.base.columns[number], self.columns[number]
        if column.rows.size == 0 and column.measured.rows.size == 0 and switched.size == 0:
            return _NO_CHANGE
        rows = join_sorted(join_sorted(column.rows, column.measured.rows), switched)
        key = to_keys(base.reach_ms[rows], base.facility[rows])
        key[np.searchsorted(rows, column.rows)] = column.key
        radius = np.array(base.radius_mm[rows], dtype=np.int32)
        radius[np.searchsorted(rows, column.measured.rows)] = column.measured.radius_mm
        links = self.moved.look_up(rows, self.engine.base.homes.links)
        reach_ms, facility = to_answers(key)
        return Change(rows.astype(np.int32), reach_ms, facility, radius, links.is_linked)


def _compare(base: Base, number: int, figures: Figures) -> Change:
    """Return the rows in which all figures of a column differ from the base."""
    column = base.columns[number]
    differs = (
        (figures.reach_ms != column.reach_ms)
        | (figures.facility != column.facility)
        | (figures.radius_mm != column.radius_mm)
        | (figures.is_linked != base.homes.links.is_linked)
    )
    rows = np.flatnonzero(differs)
    return Change(
        rows.astype(np.int32),
        figures.reach_ms[rows],
        figures.facility[rows],
        figures.radius_mm[rows],
        figures.is_linked[rows],
    )


@dataclass(frozen=True)
class Draft:
    """A step on its way: what is edited and where it links, before the columns are solved."""

    facilities: Facilities
    plan: Plan | None
    patched: Patched
    entrances: EntranceBook
    moved: Moved
    relinked: IntArray
    reentered: IntArray
    """Facilities whose entrances are not what they were, or that are gone."""


def find_way(one: Step, other: Step) -> tuple[list[Step], list[Step]]:
    """Return the steps to take back and the steps to take, in order, on the way from one step to another."""
    mine = list(_trace(one))
    known = {id(step): place for place, step in enumerate(mine)}
    down: list[Step] = []
    for step in _trace(other):
        if id(step) in known:
            return mine[: known[id(step)]], down[::-1]
        down.append(step)
    return mine, down[::-1]


def _trace(step: Step) -> Iterator[Step]:
    at: Step | None = step
    while at is not None:
        yield at
        at = at.parent


def unchanged(column: ColumnStep) -> ColumnStep:
    """Return a column after a step that did not touch it."""
    return replace(column, node=_NOTHING, old=_NOTHING, new=_NOTHING)


def grow(label: IntArray, nodes: int) -> IntArray:
    """Return labels with room for at least so many nodes."""
    if label.shape[0] >= nodes:
        return label
    grown = np.full(nodes + nodes // 8, NONE, dtype=np.int64)
    grown[: label.shape[0]] = label
    return grown


def list_placed(edits: tuple[Edit, ...], before: Facilities, after: Facilities) -> IntArray:
    """Return the rows of facilities that stand where they did not."""
    moved = [e.facility for e in edits if isinstance(e, FacilityMoved)]
    added = np.arange(before.zone.shape[0], after.zone.shape[0])
    return np.union1d(np.array(moved, dtype=np.int64), added).astype(np.int64)


def find_columns(before: Facilities, after: Facilities, edits: tuple[Edit, ...]) -> list[int]:
    """Return the columns whose facilities came, went or moved."""
    kinds = FacilityAdded | FacilityMoved | FacilityClosed
    placed = list_placed(edits, before, after)
    rows = np.union1d(placed, np.array([e.facility for e in edits if isinstance(e, FacilityClosed)], dtype=np.int64))
    if not any(isinstance(e, kinds) for e in edits):
        return []
    return [
        number
        for number, (was, now) in enumerate(zip(before.serves, after.serves, strict=True))
        if is_among(was, rows).any() or is_among(now, rows).any()
    ]


def find_gate_changes(before: Plan, after: Plan) -> ObjectArray:
    """Return the gates by which sites may be entered in one plan alone."""
    count = before.gate_point.shape[0]
    switched = before.closed_gates ^ after.closed_gates
    changed = np.isin(after.gate_point_id, list(switched))
    changed[count:] = True
    return after.gate_point[changed]
