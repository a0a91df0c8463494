"""People put on buildings: counts given by building are kept, counts given by area, grid cell or point are spread.

The rules, in order:

1. A population row that names a building gives that building's counts; several such rows add up. A building without
   one takes its own ``people`` and ``households``.
2. Every other population row is a region: its area, else its own geometry. Rows of one source with the same region add
   up; of several sources the one loaded last counts and the others are reported.
3. A building belongs to the smallest region its representative point lies in. A region spreads what its given
   buildings and the smaller regions inside it have not used.
4. It spreads over its residential buildings; without one over those of unknown use; without one over any.
5. A region without any building gives to the nearest building within ``NEAREST_MAX_M``, residential or of unknown use
   first; without one its people are reported as unplaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import ARRAY, BigInteger, Column, Integer, MetaData, Table, Text, func, select

from geo.population import COLUMNS, MISSING, PEOPLE, choose_weights, complete_people, spread_counts, subtract_used
from layers.loading.bulk import check_references_after
from layers.loading.spread_regions import (
    GIVEN,
    NEAREST_MAX_M,
    Regions,
    can_give_all,
    drop_scratch,
    fetch_regions,
    find_nearest,
    give_all,
    make_given,
    save_groups,
)
from layers.loading.staging import copy_rows
from layers.residential import CLASS_OF, judge_use
from layers.tables import building, resident_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

IntArray = np.ndarray[Any, np.dtype[np.int64]]

METHOD_NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class Unplaced:
    """People that no building could take, and why."""

    source: str
    source_id: str
    people: int
    reason: str


@dataclass(frozen=True, slots=True)
class SpreadReport:
    """How people came onto buildings.

    Attributes
    ----------
    people_given
        People of rows and columns that name their building.
    people_spread
        People of regions, put on buildings inside or near them.
    people_by_method
        People by ``given dwellings floor_area footprint equal nearest``.
    unplaced
        Rows whose people are on no building.
    superseded
        Rows another source's row for the same region took the place of.
    has_changed
        Whether any building's residents are others than before.
    """

    people_given: int
    people_spread: int
    people_by_method: dict[str, int]
    unplaced: tuple[Unplaced, ...]
    superseded: int
    has_changed: bool

    @property
    def people(self) -> int:
        """Everybody on buildings."""
        return self.people_given + self.people_spread

    @property
    def people_unplaced(self) -> int:
        """Everybody on none."""
        return sum(row.people for row in self.unplaced)

    def describe(self) -> list[str]:
        """Return sentences about where the people are."""
        if not self.people and not self.unplaced:
            return []
        ways = ", ".join(f"{method} {people:,}" for method, people in self.people_by_method.items())
        notes = [f"{self.people:,} people are on buildings ({ways})"]
        if self.unplaced:
            first = self.unplaced[0]
            notes.append(
                f"{self.people_unplaced:,} people of {len(self.unplaced):,} rows are on no building; "
                f"the largest, {first.source_id} of {first.source}: {first.reason}"
            )
        if self.superseded:
            notes.append(f"{self.superseded:,} population rows are replaced by another source's for the same place")
        return notes


@dataclass(slots=True)
class Shares:
    """Counts for buildings: one entry a building and region."""

    building: IntArray
    region: IntArray
    method: np.ndarray[Any, np.dtype[np.object_]]
    counts: dict[str, IntArray]


def spread_population(conn: Connection) -> SpreadReport:
    """Write who lives in each building, from everything loaded; the caller holds the transaction.

    Totals are kept exactly, for each column. The same store gives the same rows, whatever was loaded first.

    Parameters
    ----------
    conn
        A connection inside a transaction; temporary tables are made and dropped.
    """
    if can_give_all(conn):
        with check_references_after(conn, resident_group):
            given = give_all(conn)
        people = _count_methods(conn).get(GIVEN, 0)
        return SpreadReport(people, 0, {GIVEN: people} if given else {}, (), 0, has_changed=given > 0)
    make_given(conn)
    regions = fetch_regions(conn, _judge_uses(conn))
    unplaced = [Unplaced(*row) for row in regions.lost]
    shares: list[Shares] = []
    if len(regions):
        left = _find_left(regions)
        inside, full = _spread_inside(regions, left)
        near, lost = _spread_near(conn, regions, left, full)
        shares = [inside, near]
        unplaced += lost
    _copy_shares(conn, regions, shares)
    changed = save_groups(conn)
    by_method = _count_methods(conn)
    drop_scratch(conn)
    given = by_method.get(GIVEN, 0)
    return SpreadReport(
        people_given=given,
        people_spread=sum(by_method.values()) - given,
        people_by_method=by_method,
        unplaced=tuple(sorted(unplaced, key=lambda row: (-row.people, row.source, row.source_id))),
        superseded=regions.superseded,
        has_changed=changed > 0,
    )


def _judge_uses(conn: Connection) -> dict[str, int]:
    """Return the class of every use in the store."""
    uses = conn.execute(select(building.c.use).where(building.c.use.is_not(None)).distinct()).scalars()
    return {use: CLASS_OF[judge_use(use)] for use in uses}


def _find_left(regions: Regions) -> dict[str, IntArray]:
    """Return what each region has left after its given buildings and the smaller regions inside it."""
    counts = complete_people(regions.counts)
    used = {name: np.maximum(regions.given[name], 0).copy() for name in COLUMNS}
    left = {name: values.copy() for name, values in counts.items()}
    has_given = np.any([regions.given[name] > 0 for name in COLUMNS], axis=0)
    has_children = np.bincount(regions.parent[regions.parent >= 0], minlength=len(regions)) > 0
    for region in np.lexsort((np.arange(len(regions)), regions.size)).tolist():
        own = {name: int(counts[name][region]) for name in COLUMNS}
        if has_given[region] or has_children[region]:
            rest = subtract_used(own, {name: int(used[name][region]) for name in COLUMNS})
            for name, value in rest.items():
                left[name][region] = value
        parent = int(regions.parent[region])
        if parent >= 0:
            for name in COLUMNS:
                used[name][parent] += max(own[name], int(used[name][region]), 0)
    return left


def _spread_inside(regions: Regions, left: dict[str, IntArray]) -> tuple[Shares, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Spread over the buildings inside; also return which regions had any."""
    best = np.full(len(regions), -1, dtype=np.int64)
    np.maximum.at(best, regions.member_region, regions.member_class)
    keep = np.flatnonzero(regions.member_class == best[regions.member_region])
    keep = keep[np.lexsort((regions.member_building[keep], regions.member_region[keep]))]
    group = regions.member_region[keep]
    weights = np.ones(len(keep), dtype=np.int64)
    method = np.full(len(keep), "", dtype=object)
    floor_area = regions.member_footprint_m2 * regions.member_floors
    bounds = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        rows = keep[start:end]
        weights[start:end], method[start:end] = choose_weights(
            regions.member_dwellings[rows], floor_area[rows], regions.member_footprint_m2[rows]
        )
    has_members = best >= 0
    here = {name: np.where(has_members, values, MISSING) for name, values in left.items()}
    keys = regions.member_building[keep]
    return Shares(keys, group, method, spread_counts(here, weights, group, keys)), has_members


def _spread_near(
    conn: Connection, regions: Regions, left: dict[str, IntArray], full: np.ndarray[Any, np.dtype[np.bool_]]
) -> tuple[Shares, list[Unplaced]]:
    """Give what regions without a building of their own have left to the nearest one, or report it."""
    homeless = np.flatnonzero(~full & np.any([left[name] > 0 for name in COLUMNS], axis=0))
    is_held = np.any([regions.given[name] > 0 for name in COLUMNS], axis=0)
    is_held[regions.parent[regions.parent >= 0]] = True
    nearest = find_nearest(conn, homeless[~is_held[homeless]])
    lost = [
        Unplaced(
            *regions.names[region],
            max(0, int(left[PEOPLE][region])),
            "its buildings already hold all they were given"
            if is_held[region]
            else f"no building inside or within {NEAREST_MAX_M:.0f} m",
        )
        for region in homeless.tolist()
        if region not in nearest
    ]
    found = np.array(sorted(nearest), dtype=np.int64)
    at = np.array([nearest[region] for region in found.tolist()], dtype=np.int64)
    counts = {name: left[name][found] for name in COLUMNS}
    return Shares(at, found, np.full(len(found), METHOD_NEAREST, dtype=object), counts), lost


def _copy_shares(conn: Connection, regions: Regions, shares: list[Shares]) -> None:
    """Copy the shares into a temporary table."""
    table = Table(
        "spread_share",
        MetaData(),
        Column("building_id", BigInteger),
        Column("population_ids", ARRAY(BigInteger)),
        Column("method", Text),
        *(Column(name, Integer) for name in COLUMNS),
        prefixes=["TEMPORARY"],
    )
    table.create(conn)
    for share in shares:
        copy_rows(conn, table, _list_rows(regions, share))


def _list_rows(regions: Regions, share: Shares) -> Iterator[tuple[Any, ...]]:
    counts = [[None if value == MISSING else value for value in share.counts[name].tolist()] for name in COLUMNS]
    ids = (regions.population_ids[region] for region in share.region.tolist())
    return zip(share.building.tolist(), ids, share.method.tolist(), *counts, strict=True)


def _count_methods(conn: Connection) -> dict[str, int]:
    """Return people on buildings by method."""
    method = resident_group.c.method
    people = func.coalesce(func.sum(resident_group.c.people), 0)
    found = conn.execute(select(method, people).group_by(method).order_by(people.desc(), method))
    return {row[0]: int(row[1]) for row in found}
