"""Who is covered, who is in the gap, and whom we know nothing about.

Status comes from reach alone: covered is reach within the limit (the exact second counts), gap is linked and farther or
none, unknown is not linked. People are a weight. The three always add up to the total, at every level of the area tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from geo.units import MS_PER_S, BoolArray, Int32Array, IntArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Status = npt.NDArray[np.uint8]
COVERED, GAP, UNKNOWN = 0, 1, 2
STATUS_NAMES = ("covered", "gap", "unknown")

NO_COUNT = -1
"""A count that was not given."""

PeopleBasis = Literal["group", "mixed", "all"]


def find_status(reach_ms: Int32Array, is_linked: BoolArray, limit_s: int) -> Status:
    """Return covered, gap or unknown for every home.

    Parameters
    ----------
    reach_ms
        Milliseconds to the nearest facility, -1 for none, shape (n,).
    is_linked
        Whether the home is tied to a way, shape (n,).
    limit_s
        Longest walk that counts as covered, in seconds; the exact second counts.
    """
    status = np.full(reach_ms.shape[0], GAP, dtype=np.uint8)
    status[(reach_ms >= 0) & (reach_ms <= limit_s * MS_PER_S)] = COVERED
    status[~is_linked] = UNKNOWN
    return status


def weigh_people(counts: Mapping[str, IntArray], groups: Sequence[str]) -> tuple[IntArray, PeopleBasis]:
    """Return how many people of the demand group live in each home.

    Where the bands of the group are not given the weight is everybody present; where no count exists it is 0.

    Parameters
    ----------
    counts
        ``people`` and its bands as whole numbers of people, -1 where not given, each of shape (n,).
    groups
        Names of the bands that make up the demand group; names that are no band (``all``, ``households``) stand for
        everybody, because the weight is people.

    Returns
    -------
    weight
        People, shape (n,).
    basis
        ``group`` where bands answered for every home with counts, ``all`` where for none, ``mixed`` between.
    """
    people = np.maximum(counts["people"], 0)
    bands = [counts[g] for g in groups if g in counts and g != "people"]
    if len(bands) != len(groups) or not bands:
        return people, "all"
    known = np.logical_and.reduce([band != NO_COUNT for band in bands])
    weight = np.where(known, np.sum(bands, axis=0), people)
    counted = (counts["people"] != NO_COUNT) | known
    if not counted.any() or not known.any():
        return weight, "all"
    return weight, "group" if bool(known[counted].all()) else "mixed"


@dataclass(frozen=True, slots=True)
class AreaTree:
    """The tree of areas, parents before children.

    Attributes
    ----------
    code, name, level
        Code, name and level of each area, shape (a,).
    parent
        Row of the parent, -1 for a root, shape (a,).
    depth
        Steps from the root, shape (a,).
    """

    code: tuple[str, ...]
    name: tuple[str | None, ...]
    level: tuple[str, ...]
    parent: IntArray
    depth: IntArray

    def find_child_level(self) -> dict[int, str]:
        """Return for each area with children the level of its children (the first child's); -1 stands for the root."""
        levels: dict[int, str] = {}
        for row, parent in enumerate(self.parent.tolist()):
            levels.setdefault(parent, self.level[row])
        return levels


def sum_up_tree(values: npt.NDArray[np.int64], deepest: Int32Array, tree: AreaTree) -> npt.NDArray[np.int64]:
    """Return the sums of home values for every area, children included.

    Parameters
    ----------
    values
        Values of the homes, shape (n, k).
    deepest
        Row of the deepest area each home lies in, -1 for none, shape (n,).
    tree
        The areas.

    Returns
    -------
    npt.NDArray[np.int64]
        Own sums of each area (homes in it and in none of its children), then sums with all descendants: shape
        (2, areas + 1, k). The last row stands for homes in no area.
    """
    areas = len(tree.code)
    own = np.zeros((areas + 1, values.shape[1]), dtype=np.int64)
    place = np.where(deepest < 0, areas, deepest)
    order = np.argsort(place, kind="stable")
    present, starts = np.unique(place[order], return_index=True)
    if present.size:
        own[present] = np.add.reduceat(values[order], starts, axis=0)
    total = own.copy()
    for row in np.argsort(-tree.depth, kind="stable"):
        if tree.parent[row] >= 0:
            total[tree.parent[row]] += total[row]
    return np.stack([own, total])


@dataclass(frozen=True, slots=True)
class AreaRows:
    """Which rows an area table has: one an area, and one for what lies in a parent but in none of its children.

    Attributes
    ----------
    source
        Row of the sums to take: an area, or `areas` for homes in no area, shape (r,).
    is_unassigned
        True where the area's own sums are taken, False where those with all descendants, shape (r,).
    code, parent_code, level, name
        What to show; the code of an unassigned row is None.
    """

    source: IntArray
    is_unassigned: BoolArray
    code: tuple[str | None, ...]
    parent_code: tuple[str | None, ...]
    level: tuple[str, ...]
    name: tuple[str | None, ...]


def list_area_rows(tree: AreaTree, has_own_homes: BoolArray) -> AreaRows:
    """Return the rows of an area table, so that the rows of a level sum to their parents.

    Parameters
    ----------
    tree
        The areas.
    has_own_homes
        Whether any home has this area as its deepest; the last entry stands for homes in no area, shape (areas + 1,).
    """
    areas = len(tree.code)
    child_level = tree.find_child_level()
    parents = [tree.code[p] if p >= 0 else None for p in tree.parent.tolist()]
    rows: list[tuple[int, bool, str | None, str | None, str, str | None]] = [
        (row, False, tree.code[row], parents[row], tree.level[row], tree.name[row]) for row in range(areas)
    ]
    rows += [
        (row, True, None, tree.code[row], child_level[row], None)
        for row in range(areas)
        if row in child_level and has_own_homes[row]
    ]
    if areas and has_own_homes[areas]:
        rows.append((areas, True, None, None, child_level[-1], None))
    source, unassigned, code, parent_code, level, name = zip(*rows, strict=True) if rows else ((),) * 6
    return AreaRows(np.array(source, dtype=np.int64), np.array(unassigned, dtype=bool), code, parent_code, level, name)


def take_area_rows(sums: npt.NDArray[np.int64], rows: AreaRows) -> npt.NDArray[np.int64]:
    """Return the sums of each area row, shape (rows, k).

    Parameters
    ----------
    sums
        As :func:`sum_up_tree` gives them, shape (2, areas + 1, k).
    rows
        The rows wanted.
    """
    return sums[np.where(rows.is_unassigned, 0, 1), rows.source]


def split_by_status(weight: IntArray, status: Status) -> npt.NDArray[np.int64]:
    """Return the weight in three columns: covered, gap, unknown; their sum is the weight.

    Parameters
    ----------
    weight
        People, dwellings or ones, shape (n,).
    status
        Status of each home, shape (n,).
    """
    return np.stack([np.where(status == s, weight, 0) for s in (COVERED, GAP, UNKNOWN)], axis=1).astype(np.int64)
