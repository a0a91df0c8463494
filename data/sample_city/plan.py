"""The plan of a city: arterials, river, railway, ring road and what each quarter is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from data.sample_city.plane import Board, make_board
from data.sample_city.streams import Purpose, stream

Size = Literal["S", "M", "L"]

RIVER, RAIL, BOTH = "~", "=", "#"
"""Bands of the plan that are no building land: the river, the railway, and where they meet."""

# Zones, north at the top. O old centre, D work-unit estates, R villages swallowed by the city, N new edge, C offices
# and shops, I industry, P parks and campuses, E outskirts. The second map names the subdistrict of each cell.
ZONES_S = ("ONN", "DRP")
SUBDISTRICTS_S = ("abb", "abb")
ZONES_M = (
    "EDNNNNE",
    "EDNNNNE",
    "IDNNPNE",
    "DOCDNDE",
    "IDDRPDI",
    "EIRDDIE",
)
SUBDISTRICTS_M = (
    "aaaaaaa",
    "bbbbbbb",
    "ccccccc",
    "ddeeeee",
    "fffgggg",
    "fffgggg",
)
LARGE_COMMUNITY_M = frozenset("abc")


@dataclass(frozen=True, slots=True)
class Cell:
    """The land between four arterials, or a piece of river or railway.

    Parameters
    ----------
    number
        Number of the cell; names its random stream.
    u0, v0, u1, v1
        Centre lines of the arterials around it, metres on the board.
    zone
        One letter: what the cell is for.
    subdistrict
        Number of the subdistrict it belongs to.
    sides
        Street class on the west, east, south and north side.
    """

    number: int
    u0: int
    v0: int
    u1: int
    v1: int
    zone: str
    subdistrict: int
    sides: tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one city.

    Parameters
    ----------
    columns, rows
        Positions of the north-south and east-west arterials, metres on the board.
    river_row, rail_column
        Number of the row and of the column of cells that are river and railway.
    bridges, underpasses
        Numbers of the columns that cross the river and of the rows that cross the railway.
    ring
        Column and row numbers (west, east, south, north) over which the elevated ring road runs.
    quarter_cuts
        How often a cell is cut into quarters (communities) before it is cut into blocks.
    district_of
        District number of each subdistrict.
    large_community
        Subdistricts over which the very large community spreads.
    """

    size: Size
    seed: int
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    river_row: int
    rail_column: int
    bridges: frozenset[int]
    underpasses: frozenset[int]
    ring: tuple[int, int, int, int]
    quarter_cuts: int
    cells: tuple[Cell, ...]
    district_of: tuple[int, ...]
    large_community: frozenset[int]
    board: Board

    @property
    def width_m(self) -> int:
        """Width of the board, metres."""
        return self.columns[-1]

    @property
    def height_m(self) -> int:
        """Height of the board, metres."""
        return self.rows[-1]


def make_plan(size: Size, seed: int) -> Plan:
    """Return the plan of a city of the given size."""
    if size == "S":
        return _from_maps("S", seed, ZONES_S, SUBDISTRICTS_S)
    if size == "M":
        return _from_maps("M", seed, ZONES_M, SUBDISTRICTS_M)
    zones, subdistricts = _large_maps(seed)
    return _from_maps("L", seed, zones, subdistricts)


@dataclass(frozen=True, slots=True)
class _Sketch:
    """Where the special lines of a size lie: numbers of cells from the west and from the south, without the bands."""

    cell_m: tuple[int, int]
    river_after: int
    rail_after: int
    river_m: int
    ring: tuple[int, int, int, int]
    bend_m: float
    old_radius_m: float


SKETCHES = {
    "S": _Sketch((405, 445), 1, 1, 100, (3, 3, 0, 2), 45.0, 460.0),
    "M": _Sketch((800, 930), 2, 2, 165, (1, 6, 1, 5), 120.0, 1050.0),
    "L": _Sketch((890, 1030), 9, 7, 210, (4, 17, 4, 17), 150.0, 1500.0),
}


def _from_maps(size: Size, seed: int, zones: tuple[str, ...], subdistricts: tuple[str, ...]) -> Plan:
    """Lay out the lines of a plan from its two letter maps (north first)."""
    sketch = SKETCHES[size]
    zones, subdistricts = zones[::-1], subdistricts[::-1]
    rng = stream(seed, Purpose.PLAN)
    columns = _positions(rng, len(zones[0]), sketch, after=sketch.rail_after, band_m=60)
    rows = _positions(rng, len(zones), sketch, after=sketch.river_after, band_m=sketch.river_m)
    ring = _shift_ring(sketch)
    bridges = frozenset(
        number
        for number in range(len(columns))
        if number not in (sketch.rail_after, sketch.rail_after + 1)
        and (number % 3 == 0 if size == "S" else number % 2 == 1 or number in ring[:2])
    )
    underpasses = frozenset(
        number
        for number in range(len(rows))
        if number not in (sketch.river_after, sketch.river_after + 1)
        and (number % 2 == (1 if size == "M" else 0) or number in ring[2:])
    )
    letters = sorted({letter for line in subdistricts for letter in line})
    order = {letter: number for number, letter in enumerate(letters)}
    grid = _Grid(columns, rows, sketch.rail_after, sketch.river_after, ring)
    cells = _make_cells(grid, zones, subdistricts, order)
    old = tuple(
        ((cell.u0 + cell.u1) / 2.0, (cell.v0 + cell.v1) / 2.0, sketch.old_radius_m)
        for cell in cells
        if cell.zone == "O"
    )
    return Plan(
        size=size,
        seed=seed,
        columns=columns,
        rows=rows,
        river_row=sketch.river_after,
        rail_column=sketch.rail_after,
        bridges=bridges,
        underpasses=underpasses,
        ring=ring,
        quarter_cuts=1 if size == "S" else 2,
        cells=cells,
        district_of=_districts(size, letters),
        large_community=frozenset(order[letter] for letter in LARGE_COMMUNITY_M) if size == "M" else frozenset({1}),
        board=make_board(
            seed,
            width_m=float(columns[-1]),
            height_m=float(rows[-1]),
            old_centres=_apart(old, sketch.old_radius_m),
            bend_m=sketch.bend_m,
        ),
    )


def _apart(centres: tuple[tuple[float, float, float], ...], radius_m: float) -> tuple[tuple[float, float, float], ...]:
    """Keep centres that lie at least two radii from those before, so that twists never add up."""
    kept: list[tuple[float, float, float]] = []
    for centre in centres:
        if all((centre[0] - u) ** 2 + (centre[1] - v) ** 2 >= 4.0 * radius_m * radius_m for u, v, _ in kept):
            kept.append(centre)
    return tuple(kept)


def _positions(rng: np.random.Generator, count: int, sketch: _Sketch, *, after: int, band_m: int) -> tuple[int, ...]:
    """Return line positions with a band put in after some cells, metres."""
    low, high = sketch.cell_m
    position, found = 0, [0]
    for number in range(count):
        if number == after:
            position += band_m
            found.append(position)
        position += 10 * int(rng.integers(low // 10, high // 10 + 1))
        found.append(position)
    return tuple(found)


def _shift_ring(sketch: _Sketch) -> tuple[int, int, int, int]:
    """Return ring lines as line numbers with the bands counted."""
    west, east, south, north = sketch.ring
    return (
        west + (west > sketch.rail_after),
        east + (east > sketch.rail_after),
        south + (south > sketch.river_after),
        north + (north > sketch.river_after),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Lines of the plan while its cells are made."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]
    rail_column: int
    river_row: int
    ring: tuple[int, int, int, int]

    def column_class(self, number: int) -> str:
        """Return the street class of a north-south line."""
        if number in self.ring[:2]:
            return "trunk"
        if number in (self.rail_column, self.rail_column + 1):
            return "tertiary"
        return "secondary" if number in (0, len(self.columns) - 1) else "primary"

    def row_class(self, number: int) -> str:
        """Return the street class of an east-west line."""
        if number in self.ring[2:] and self.ring[0] != self.ring[1]:
            return "trunk"
        if number in (self.river_row, self.river_row + 1):
            return "tertiary"
        return "secondary" if number in (0, len(self.rows) - 1) else "primary"


def column_class(plan: Plan, number: int) -> str:
    """Return the street class of a north-south arterial."""
    return _Grid(plan.columns, plan.rows, plan.rail_column, plan.river_row, plan.ring).column_class(number)


def row_class(plan: Plan, number: int) -> str:
    """Return the street class of an east-west arterial."""
    return _Grid(plan.columns, plan.rows, plan.rail_column, plan.river_row, plan.ring).row_class(number)


def _make_cells(
    grid: _Grid, zones: tuple[str, ...], subdistricts: tuple[str, ...], order: dict[str, int]
) -> tuple[Cell, ...]:
    """Return the cells row by row from the south-west; bands belong to the subdistrict south or west of them."""
    cells: list[Cell] = []
    for j in range(len(grid.rows) - 1):
        for i in range(len(grid.columns) - 1):
            rail, river = i == grid.rail_column, j == grid.river_row
            ii = i - (i > grid.rail_column or rail)
            jj = j - (j > grid.river_row or river)
            zone = zones[jj][ii]
            if rail or river:
                zone = BOTH if rail and river else RAIL if rail else RIVER
            cells.append(
                Cell(
                    number=len(cells),
                    u0=grid.columns[i],
                    v0=grid.rows[j],
                    u1=grid.columns[i + 1],
                    v1=grid.rows[j + 1],
                    zone=zone,
                    subdistrict=order[subdistricts[jj][ii]],
                    sides=(
                        grid.column_class(i),
                        grid.column_class(i + 1),
                        grid.row_class(j),
                        grid.row_class(j + 1),
                    ),
                )
            )
    return tuple(cells)


def _districts(size: Size, letters: list[str]) -> tuple[int, ...]:
    """Return the district number of each subdistrict."""
    if size == "S":
        return tuple(0 for _ in letters)
    if size == "M":
        return tuple(0 if letter in "abcde" else 1 for letter in letters)
    return tuple(min(number // 7 // 2, 2) * 3 + number % 7 * 3 // 7 for number in range(len(letters)))


def _large_maps(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return zones and subdistricts of a city of five million, north first."""
    wide, high = 21, 21
    rng = stream(seed, Purpose.ZONES)
    draws = rng.random((high, wide))
    centres = ((8.0, 11.0), (15.0, 6.0), (14.0, 16.0))
    zones = []
    for j in range(high):
        line = ""
        for i in range(wide):
            far = min(abs(i - ci) + abs(j - cj) + (2.0 if n else 0.0) for n, (ci, cj) in enumerate(centres))
            line += _zone_by_distance(far, float(draws[j, i]), edge=i in (0, wide - 1) or j in (0, high - 1))
        zones.append(line)
    subdistricts = tuple(
        "".join(chr(0x4E00 + (high - 1 - j) // 3 * (wide // 3) + i // 3) for i in range(wide)) for j in range(high)
    )
    return tuple(zones), subdistricts


def _zone_by_distance(far: float, draw: float, *, edge: bool) -> str:
    """Return the zone of a cell by its distance from the nearest centre, in cells."""
    if far <= 1.0:
        return "O" if draw < 0.8 else "C"
    if far <= 3.0:
        return "DDDDOCRDPD"[int(draw * 10)]
    if far <= 6.0:
        return "DDDRNNDPCI"[int(draw * 10)]
    if edge:
        return "EEENIEENEE"[int(draw * 10)]
    return "NNNNRNIPEN"[int(draw * 10)]
