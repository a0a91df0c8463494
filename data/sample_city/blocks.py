"""Cut the cells of the plan into quarters and blocks; every cut is a street."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from data.sample_city.names import street_name
from data.sample_city.plan import BOTH, RAIL, RIVER, Cell, Plan, column_class, row_class
from data.sample_city.streams import Purpose, stream

if TYPE_CHECKING:
    import numpy as np

HALF_M = {
    "trunk": 34, "primary": 22, "secondary": 17, "tertiary": 12, "residential": 8, "living_street": 4, "footway": 3,
}  # fmt: skip
"""From a street's centre line to the building land beside it, metres: carriageways, trees and pavement."""

BLOCK_M = {"O": 135, "D": 265, "R": 92, "N": 480, "C": 235, "I": 430, "P": 480, "E": 520}
"""Longest side a block may have before it is cut again, by zone, metres."""

PROMENADE_M = 17
"""The path along the river runs this far from the centre line of the riverside street, metres."""

RING_OFFSET_M = 16
"""The elevated ring road runs beside the centre line of the street below it, metres."""


@dataclass(frozen=True, slots=True)
class Side:
    """The street along one side of a block."""

    highway: str
    name: str


@dataclass(frozen=True, slots=True)
class Block:
    """The land between streets.

    Parameters
    ----------
    u0, v0, u1, v1
        Centre lines of the streets around it, metres on the board.
    sides
        Streets on the west, east, south and north side.
    cell, quarter
        Numbers of the cell and of the quarter (community) it belongs to; quarters are numbered across the city.
    """

    number: int
    u0: int
    v0: int
    u1: int
    v1: int
    sides: tuple[Side, Side, Side, Side]
    zone: str
    cell: int
    quarter: int
    subdistrict: int

    @property
    def land(self) -> tuple[int, int, int, int]:
        """Building land: the block without its half streets."""
        west, east, south, north = (HALF_M[side.highway] for side in self.sides)
        return self.u0 + west, self.v0 + south, self.u1 - east, self.v1 - north


@dataclass(frozen=True, slots=True)
class Way:
    """One straight street of the board, from crossing to crossing or longer."""

    is_horizontal: bool
    at: int
    start: int
    end: int
    highway: str
    name: str
    bridge: bool = False
    tunnel: bool = False


@dataclass(slots=True)
class Layout:
    """Streets and blocks of a city."""

    ways: list[Way] = field(default_factory=list)
    joins: set[tuple[int, int]] = field(default_factory=set)
    blocks: list[Block] = field(default_factory=list)
    quarters: int = 0
    names: int = 0

    def next_name(self, highway: str, *, is_horizontal: bool) -> str:
        """Return an unused street name."""
        self.names += 1
        return street_name(self.names, highway, is_east_west=is_horizontal)

    def add_way(self, way: Way) -> None:
        """Add a street and join its two ends to whatever it meets there."""
        self.ways.append(way)
        for end in (way.start, way.end):
            self.joins.add((end, way.at) if way.is_horizontal else (way.at, end))


def lay_out(plan: Plan) -> Layout:
    """Return all public streets on the board and the blocks between them."""
    layout = Layout()
    columns, rows = _arterials(plan, layout)
    for cell in plan.cells:
        if cell.zone in (RIVER, RAIL, BOTH):
            continue
        i, j = plan.columns.index(cell.u0), plan.rows.index(cell.v0)
        names = (columns[i], columns[i + 1], rows[j], rows[j + 1])
        sides = tuple(Side(highway, name) for highway, name in zip(cell.sides, names, strict=True))
        rng = stream(plan.seed, Purpose.CELL, cell.number)
        _cut_quarters(layout, cell, (sides[0], sides[1], sides[2], sides[3]), plan.quarter_cuts, rng)
    return layout


def _arterials(plan: Plan, layout: Layout) -> tuple[list[str], list[str]]:
    """Add the arterials between all crossings and return the names of columns and rows."""
    columns = []
    for i, at in enumerate(plan.columns):
        highway = column_class(plan, i)
        columns.append(layout.next_name(highway, is_horizontal=False))
        for j, (start, end) in enumerate(pairwise(plan.rows)):
            is_bridge = j == plan.river_row
            if not is_bridge or i in plan.bridges:
                layout.add_way(Way(False, at, start, end, highway, columns[-1], bridge=is_bridge))
    rows = []
    for j, at in enumerate(plan.rows):
        highway = row_class(plan, j)
        rows.append(layout.next_name(highway, is_horizontal=True))
        for i, (start, end) in enumerate(pairwise(plan.columns)):
            is_tunnel = i == plan.rail_column
            if not is_tunnel or j in plan.underpasses:
                layout.add_way(Way(True, at, start, end, highway, rows[-1], tunnel=is_tunnel))
    _promenades(plan, layout)
    return columns, rows


def _promenades(plan: Plan, layout: Layout) -> None:
    """Add a path along each bank, reached at every arterial: over the bridge's ramp, by a slope or by steps."""
    south, north = plan.rows[plan.river_row], plan.rows[plan.river_row + 1]
    for bank, (street, path) in enumerate(((south, south + PROMENADE_M), (north, north - PROMENADE_M))):
        name = ("栖江南岸步道", "栖江北岸步道")[bank]
        for i, at in enumerate(plan.columns):
            if i in plan.bridges:
                layout.joins.add((at, path))
            else:
                way = Way(
                    False, at, min(street, path), max(street, path), "steps" if (i + bank) % 2 else "footway", name
                )
                layout.add_way(way)
        for i, (start, end) in enumerate(pairwise(plan.columns)):
            if i != plan.rail_column:
                layout.add_way(Way(True, path, start, end, "footway", name))


def _cut_quarters(
    layout: Layout, cell: Cell, sides: tuple[Side, Side, Side, Side], cuts: int, rng: np.random.Generator
) -> None:
    """Cut a cell into quarters and each quarter into blocks."""
    todo = [(Block(0, cell.u0, cell.v0, cell.u1, cell.v1, sides, cell.zone, cell.number, 0, cell.subdistrict), cuts)]
    while todo:
        piece, left = todo.pop(0)
        if left:
            todo.extend((part, left - 1) for part in _cut(layout, piece, rng))
        else:
            _cut_blocks(layout, piece, layout.quarters, rng)
            layout.quarters += 1


def _cut_blocks(layout: Layout, quarter: Block, number: int, rng: np.random.Generator) -> None:
    """Cut a quarter until no side is longer than the zone's blocks."""
    todo = [quarter]
    while todo:
        piece = todo.pop(0)
        longest = max(piece.u1 - piece.u0, piece.v1 - piece.v0)
        limit = BLOCK_M[piece.zone] * (0.85 + 0.3 * rng.random())
        if longest > limit:
            todo.extend(_cut(layout, piece, rng))
            continue
        layout.blocks.append(replace(piece, number=len(layout.blocks), quarter=number))


def _cut(layout: Layout, piece: Block, rng: np.random.Generator) -> tuple[Block, Block]:
    """Cut a piece across its longer side by a new street."""
    wide, high = piece.u1 - piece.u0, piece.v1 - piece.v0
    share = 0.41 + 0.18 * rng.random()
    highway = _class_of_cut(piece.zone, max(wide, high))
    west, east, south, north = piece.sides
    if wide >= high:
        at = piece.u0 + int(wide * share)
        side = Side(highway, layout.next_name(highway, is_horizontal=False))
        layout.add_way(Way(False, at, piece.v0, piece.v1, highway, side.name))
        return (
            _part(piece, (piece.u0, piece.v0, at, piece.v1), (west, side, south, north)),
            _part(piece, (at, piece.v0, piece.u1, piece.v1), (side, east, south, north)),
        )
    at = piece.v0 + int(high * share)
    side = Side(highway, layout.next_name(highway, is_horizontal=True))
    layout.add_way(Way(True, at, piece.u0, piece.u1, highway, side.name))
    return (
        _part(piece, (piece.u0, piece.v0, piece.u1, at), (west, east, south, side)),
        _part(piece, (piece.u0, at, piece.u1, piece.v1), (west, east, side, north)),
    )


def _part(piece: Block, box: tuple[int, int, int, int], sides: tuple[Side, Side, Side, Side]) -> Block:
    """Return a part of a piece with its own box and sides."""
    return Block(0, *box, sides, piece.zone, piece.cell, piece.quarter, piece.subdistrict)


def _class_of_cut(zone: str, longest_m: int) -> str:
    """Return the class of the street that cuts a piece of this length."""
    if longest_m > 640:
        return "secondary" if zone in "NC" else "tertiary"
    if longest_m > 330:
        return "tertiary" if zone in "NCP" else "residential"
    if longest_m > 150 or zone != "R":
        return "residential"
    return "living_street"
