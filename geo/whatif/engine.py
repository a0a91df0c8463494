"""What if: the answer of a run after edits, re-computed only where the edits can reach.

The answer equals a full run on the edited data byte for byte (:func:`geo.whatif.base.run_in_full` is that run). One
engine stands for the answer of one profile to all its types. A step is the state after some edits; it holds only what
differs from the step before, so steps are cheap to keep, going on from any of them is quick, and undoing is taking the
parent. The large arrays exist once and are led from step to step by journals of what each one wrote.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from geo.link import Links
from geo.places import Places
from geo.reach import check_bound, find_labels
from geo.search.seeds import seed_sites
from geo.units import IntArray
from geo.whatif.base import Answer, Base, Change, Column, Figures, run_in_full
from geo.whatif.columns import (
    Census,
    ColumnStep,
    Reader,
    Task,
    make_table,
    solve,
    to_keys,
)
from geo.whatif.edits import (
    FACILITY_EDITS,
    Edit,
    Facilities,
    FacilityClosed,
    Plan,
    check_count,
    edit_facilities,
    edit_plan,
    start_plan,
)
from geo.whatif.labels import RepairDesk, lay_sites
from geo.whatif.leaks import Leaks, search_leaks
from geo.whatif.links import (
    HomeBook,
    LinkRules,
    Moved,
    SiteBook,
    enter_sites,
    find_sites_at,
    measure_bounds,
    relink_homes,
    relink_sites,
)
from geo.whatif.overlay import EntranceBook, EntranceShelf, take_all
from geo.whatif.patch import Patched, patch_streets, prepare_node_ids
from geo.whatif.patch_index import BoxGrid, is_among
from geo.whatif.patch_work import NO_ARCS, Patchwork
from geo.whatif.steps import (
    Draft,
    Step,
    find_columns,
    find_gate_changes,
    find_way,
    grow,
    list_placed,
    unchanged,
)
from geo.whatif.straight import Cells, Measured, measure_anew

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Answer", "Base", "Change", "Column", "Figures", "Step", "WhatIf", "run_in_full"]

LABELS_KEPT = 64
"""Types whose labels are kept at hand; one of them takes 8 bytes a node."""

STEPS_KEPT = 32
"""Steps that :meth:`WhatIf.run` can go on from."""

_NOTHING = np.empty(0, dtype=np.int64)
_NOTHING_PATCHED = Patched(NO_ARCS, NO_ARCS, _NOTHING, _NOTHING, _NOTHING, frozenset())


@dataclass(eq=False)
class _Labels:
    """Public labels of one column, and the step they are of."""

    label: IntArray
    at: Step


class WhatIf:
    """Answers questions on one base; keep it as long as the base holds. Safe to ask from several threads.

    Parameters
    ----------
    base
        What the answers start from.
    labels_kept
        Types whose labels are kept at hand.
    """

    def __init__(self, base: Base, *, labels_kept: int = LABELS_KEPT) -> None:
        self.base = base
        self._labels_kept = max(labels_kept, 1)
        self._lock = RLock()
        self._work = Patchwork(base.walk, base.load_rules)
        self._desk = RepairDesk()
        self._rules = LinkRules(base.barriers, base.max_link_m, base.outline_reach_m)
        self._bounds_ms = [check_bound(column.bound_s) for column in base.columns]
        self._labels: OrderedDict[int, _Labels] = OrderedDict()
        self._farthest: dict[int, IntArray] = {}
        self._known: OrderedDict[tuple[Edit, ...], Step] = OrderedDict()
        self._home_off_ms = base.walk.off_ms(base.homes.links.off_mm)
        self._lay_out_homes()
        self._site_book = SiteBook(
            BoxGrid(measure_bounds(take_all(base.facilities.geometry))), base.facilities.zone.shape[0]
        )
        off_ms = base.walk.off_ms(base.entrances.links.off_mm)
        columns = [
            ColumnStep(lay_sites(self._work, base.entrances, rows, off_ms, bound_ms))
            for rows, bound_ms in zip(base.facilities.serves, self._bounds_ms, strict=True)
        ]
        book = EntranceBook(EntranceShelf(base.entrances))
        self.start = Step(self, (), None, base.facilities, None, book, Moved(), columns, None, None)
        self._at = self.start

    def _lay_out_homes(self) -> None:
        """Sort the homes by edge and by compound."""
        homes = self.base.homes
        order = np.argsort(homes.links.edge, kind="stable")
        links = Links(homes.links.edge[order], homes.links.place_mm[order], homes.links.off_mm[order])
        self._table = make_table(order.astype(np.int64), homes.zone, links, self._home_off_ms[order])
        edges = self.base.walk.network.edge_count
        edge_ptr = np.searchsorted(links.edge, np.arange(edges + 1, dtype=np.int32)).astype(np.int32)
        zones = self.base.walls.compound_id.shape[0]
        inside = np.flatnonzero(self._table.zone >= 0)
        inside = inside[np.argsort(self._table.zone[inside], kind="stable")].astype(np.int32)
        self._zone_place = np.asarray(inside, dtype=np.int32)
        self._zone_ptr = np.searchsorted(self._table.zone[inside], np.arange(zones + 1))
        places = Places.of(self.base.home)
        self._homes = HomeBook(
            places,
            homes.zone,
            homes.links,
            BoxGrid(measure_bounds(places)),
            edge_ptr,
            order.astype(np.int32),
        )

    @cached_property
    def _cells(self) -> Cells:
        return Cells.make(self._homes.grid)

    @cached_property
    def _plan(self) -> Plan:
        plan = start_plan(self.base.load_town())
        prepare_node_ids(self._work, plan)
        return plan

    def warm_up(self) -> None:
        """Prepare what the first edit of a facility would have to wait for, for every type."""
        with self._lock:
            self._search_labels(list(range(len(self.base.columns))))
            for number in range(len(self.base.columns)):
                self._find_farthest(number)
            self._trim()

    def run(self, edits: Sequence[Edit], *, threads: int = 1) -> Step:
        """Return the state after a list of edits; steps that began with the same edits are gone on from.

        Parameters
        ----------
        edits
            All edits on the base.
        threads
            Types searched at the same time; the answer does not depend on it.

        Raises
        ------
        RequestError
            An edit makes no sense; ``parameter`` names it.
        """
        wanted = tuple(edits)
        with self._lock:
            step = self.start
            for count in range(len(wanted), 0, -1):
                known = self._known.get(wanted[:count])
                if known is not None:
                    step = known
                    break
            if len(step.edits) < len(wanted):
                step = step.apply(wanted[len(step.edits) :], threads=threads)
            self._known[wanted] = step
            self._known.move_to_end(wanted)
            while len(self._known) > STEPS_KEPT:
                self._known.popitem(last=False)
            return step

    def extend(self, parent: Step, edits: tuple[Edit, ...], *, threads: int = 1) -> Step:
        """Return the state after some edits on top of a step, see :meth:`Step.apply`.

        Parameters
        ----------
        parent
            The step before.
        edits
            The edits.
        threads
            Types searched at the same time.
        """
        check_count(len(parent.edits) + len(edits))
        with self._lock:
            facilities = parent.facilities
            numbered = list(enumerate(edits, start=len(parent.edits)))
            for number, edit in numbered:
                facilities = edit_facilities(facilities, edit, walls=self.base.walls, number=number)
            on_streets = [(number, edit) for number, edit in numbered if not isinstance(edit, FACILITY_EDITS)]
            plan = parent.plan
            if on_streets:
                self._go_to(self.start if plan is None else parent)
                plan = self._plan if plan is None else plan
                for number, edit in on_streets:
                    plan = edit_plan(plan, edit, number=number)
            if parent.full is not None or (on_streets and not self._work.can_patch):
                return self._run_in_full(parent, edits, facilities, plan)
            return self._solve(parent, edits, facilities, plan, threads=threads)

    def _run_in_full(self, parent: Step, edits: tuple[Edit, ...], facilities: Facilities, plan: Plan | None) -> Step:
        every = parent.edits + edits
        figures = tuple(run_in_full(self.base, every))
        return Step(
            self, every, parent, facilities, plan, parent.entrances, parent.moved, parent.columns, None, figures
        )

    # from step to step

    def _go_to(self, step: Step) -> None:
        """Lead the walk to a step."""
        up, down = find_way(self._at, step)
        for one in up:
            if one.diff is not None:
                self._work.take_back(one.diff)
        for one in down:
            if one.diff is not None:
                self._work.redo(one.diff)
        self._at = step

    def _search_labels(self, numbers: list[int]) -> None:
        """Search the base for columns whose labels are not at hand."""
        missing = [number for number in numbers if number not in self._labels]
        if not missing:
            return
        base, room = self.base, self._work["first"].shape[0]
        seeds = [seed_sites(base.walk, base.entrances, base.facilities.serves[number]) for number in missing]
        found = find_labels(base.walk, seeds, bounds_ms=[self._bounds_ms[number] for number in missing])
        for number, label in zip(missing, found, strict=True):
            self._labels[number] = _Labels(grow(label, room), self.start)

    def _find_labels(self, number: int, step: Step) -> _Labels:
        """Return the public labels of a column at a step; the walk may be led elsewhere."""
        self._search_labels([number])
        kept = self._labels[number]
        up, down = find_way(kept.at, step)
        for one in up:
            column = one.columns[number]
            kept.label[column.node] = column.old
        for one in down:
            column = one.columns[number]
            kept.label = grow(kept.label, int(column.node.max(initial=-1)) + 1)
            kept.label[column.node] = column.new
        kept.at = step
        self._labels.move_to_end(number)
        return kept

    def _trim(self) -> None:
        while len(self._labels) > self._labels_kept:
            self._labels.popitem(last=False)

    def _know_leaks(self, step: Step, numbers: list[int]) -> None:
        """Find where the own labels of compounds lead out of them, for columns nobody asked it for yet."""
        for number in numbers:
            column = step.columns[number]
            if column.leaks is not None:
                continue
            if self._work.rules.is_vehicle:
                step.columns[number] = replace(column, leaks=Leaks())
                continue
            label = self._find_labels(number, step).label
            self._go_to(step)
            leaks = search_leaks(self._work, self._desk, column.sites.at_gates, label, self._bounds_ms[number])
            step.columns[number] = replace(column, leaks=leaks)

    def _find_farthest(self, number: int) -> IntArray:
        if number not in self._farthest:
            self._farthest[number] = self._cells.find_farthest(self.base.columns[number].radius_mm)
        return self._farthest[number]

    # one step

    def _solve(
        self, parent: Step, edits: tuple[Edit, ...], facilities: Facilities, plan: Plan | None, *, threads: int
    ) -> Step:
        on_streets = plan is not parent.plan
        everything = list(range(len(self.base.columns)))
        touched = everything if on_streets else find_columns(parent.facilities, facilities, edits)
        self._search_labels(touched)
        labels = {number: self._find_labels(number, parent) for number in touched}
        if on_streets:
            self._know_leaks(parent, touched)
        self._go_to(parent)
        self._work.begin()
        try:
            draft = self._draft(parent, edits, facilities, plan)
            solved = self._solve_columns(parent, draft, labels, threads)
            for number in touched:
                measured = self._measure(number, parent, facilities, edits)
                solved[number] = replace(solved[number], measured=measured)
        except BaseException:
            # labels half put right are of no step: they are made anew when next asked for
            for number in touched:
                self._labels.pop(number, None)
            self._work.take_back(self._work.end())
            raise
        columns = [solved.get(number, unchanged(parent.columns[number])) for number in everything]
        step = Step(
            self,
            parent.edits + edits,
            parent,
            facilities,
            plan,
            draft.entrances,
            draft.moved,
            columns,
            self._work.end(),
            None,
        )
        self._at = step
        for kept in labels.values():
            kept.at = step
        self._trim()
        return step

    def _draft(self, parent: Step, edits: tuple[Edit, ...], facilities: Facilities, plan: Plan | None) -> Draft:
        """Patch the streets and link what they moved."""
        work, rules = self._work, self._rules
        patched, moved, relinked = _NOTHING_PATCHED, parent.moved, _NOTHING
        gate_point = self.base.gate_point if plan is None else plan.open_gate_point
        again = [list_placed(edits, parent.facilities, facilities)]
        if plan is not None and plan is not parent.plan:
            before = self._plan if parent.plan is None else parent.plan
            patched = patch_streets(work, before, plan)
            moved, relinked = relink_homes(work, self._homes, moved, patched, rules)
            again.append(relink_sites(work, self._site_book, facilities, parent.entrances, patched, rules))
            again.append(find_sites_at(facilities, find_gate_changes(before, plan), rules))
        rows = np.setdiff1d(np.concatenate(again), np.array(list(facilities.closed), dtype=np.int64))
        closed = np.array([e.facility for e in edits if isinstance(e, FacilityClosed)], dtype=np.int64)
        entered = enter_sites(work, facilities, rows, gate_point, rules)
        without = np.union1d(rows, closed).astype(np.int64)
        entrances = parent.entrances.put(without, entered)
        beside = entrances.find_on(np.unique(patched.changed)) if patched.changed.size else _NOTHING
        return Draft(
            facilities, plan, patched, entrances, moved, relinked, np.union1d(without, beside).astype(np.int64)
        )

    def _solve_columns(
        self, parent: Step, draft: Draft, labels: dict[int, _Labels], threads: int
    ) -> dict[int, ColumnStep]:
        work, walk = self._work, self.base.walk
        census = self._count(draft)
        entered = draft.entrances.take(draft.reentered)
        off_ms = walk.off_ms(entered.links.off_mm)
        zones = draft.patched.zones | {int(z) for z in np.unique(self.base.homes.zone[draft.relinked]) if z >= 0}

        def solve_one(number: int, desk: RepairDesk) -> ColumnStep:
            before, column = parent.columns[number], self.base.columns[number]
            kept = labels[number]
            kept.label = grow(kept.label, work.counts["nodes"])
            bound_ms = self._bounds_ms[number]
            serves = draft.facilities.serves[number]
            new = lay_sites(work, entered, serves[is_among(serves, draft.reentered)], off_ms, bound_ms)
            patched = draft.patched
            task = Task(draft.reentered, new, patched.gone, patched.new, patched.changed, zones)
            reader = Reader(work, desk, kept.label, bound_ms)
            return solve(
                reader, before, census, task, base=lambda rows: to_keys(column.reach_ms[rows], column.facility[rows])
            )

        if threads <= 1 or len(labels) <= 1:
            return {number: solve_one(number, self._desk) for number in labels}
        with ThreadPoolExecutor(min(threads, len(labels))) as pool:
            shares = [list(labels)[start::threads] for start in range(min(threads, len(labels)))]
            desks = [self._desk, *(RepairDesk() for _ in shares[1:])]
            done = pool.map(lambda s, b: [(n, solve_one(n, b)) for n in s], shares, desks)
            return {number: column for share in done for number, column in share}

    def _count(self, draft: Draft) -> Census:
        """Return the homes as they are linked now."""
        moved = draft.moved
        table = make_table(moved.rows, self.base.homes.zone, moved.links, self.base.walk.off_ms(moved.links.off_mm))
        return Census(self._table, self._homes.edge_ptr, self._zone_place, self._zone_ptr, table)

    def _measure(self, number: int, parent: Step, facilities: Facilities, edits: tuple[Edit, ...]) -> Measured:
        """Return the straight distances of a column."""
        before = parent.columns[number].measured
        was, now = parent.facilities, facilities
        served, serves = was.serves[number], now.serves[number]
        placed = list_placed(edits, was, now)
        closed = [e.facility for e in edits if isinstance(e, FacilityClosed)]
        gone = served[is_among(served, np.concatenate([placed, np.array(closed, dtype=np.int64)]))]
        new = serves[is_among(serves, placed)]
        if gone.size == 0 and new.size == 0:
            return before
        return measure_anew(
            self._cells,
            self._find_farthest(number),
            before,
            base_mm=self.base.columns[number].radius_mm,
            home=self._homes.places,
            gone=was.geometry[gone],
            new=now.geometry[new],
            site=now.geometry[serves],
        )
