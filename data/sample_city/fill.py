"""Decide what stands on each block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data.sample_city.blocks import Block, Layout
from data.sample_city.campus import (
    EVERY_SUBDISTRICT,
    GROUNDS,
    expected_grounds,
    place_ground,
    plant_wood,
    stack_grounds,
)
from data.sample_city.estates import EAST, NORTH, SOUTH, WEST, Plot, build_estate
from data.sample_city.ledger import Box, Kind, Ledger, Pen, Site
from data.sample_city.openblocks import (
    build_courtyards,
    build_factories,
    build_farmland,
    build_offices,
    build_old_slabs,
    build_rental_towers,
    build_village,
)
from data.sample_city.streams import Purpose, pick_index, stream

if TYPE_CHECKING:
    from data.sample_city.plan import Plan

ALL_SIDES = (WEST, EAST, SOUTH, NORTH)
OPPOSITE = {WEST: EAST, EAST: WEST, SOUTH: NORTH, NORTH: SOUTH}
BIG_M2 = 34_000.0
"""A large facility of at least this size takes a block of its own where it can."""

BUILDING_SITE_M2 = 62_000.0
"""Only superblocks of at least this size still lie waiting to be built upon."""
MIN_LAND_M = 14.0
"""Land narrower than this stays a verge."""

ESTATES_BY_ZONE: dict[str, tuple[tuple[Kind, float], ...]] = {
    "D": ((Kind.DANWEI, 0.78), (Kind.RESETTLE, 0.14), (Kind.NEW_GARDEN, 0.08)),
    "N": ((Kind.NEW_TOWER, 0.44), (Kind.NEW_GARDEN, 0.28), (Kind.RESETTLE, 0.28)),
    "O": ((Kind.DANWEI, 1.0),),
    "R": ((Kind.RESETTLE, 0.7), (Kind.DANWEI, 0.3)),
    "C": ((Kind.NEW_TOWER, 0.5), (Kind.NEW_GARDEN, 0.5)),
    "I": ((Kind.DORM, 1.0),),
    "P": ((Kind.NEW_GARDEN, 1.0),),
    "E": ((Kind.RESETTLE, 1.0),),
}


@dataclass(slots=True)
class _Serials:
    """Running numbers of estates by kind, for their names."""

    used: dict[Kind, int] = field(default_factory=dict)

    def next(self, kind: Kind) -> int:
        number = self.used.get(kind, 0)
        self.used[kind] = number + 1
        return number


def fill_blocks(plan: Plan, layout: Layout) -> Ledger:
    """Return what stands on all blocks of a city."""
    ledger, serials = Ledger(), _Serials()
    by_cell: dict[int, list[Block]] = {}
    for block in layout.blocks:
        by_cell.setdefault(block.cell, []).append(block)
    seats = _seat_cells(by_cell)
    for cell, blocks in by_cell.items():
        rng = stream(plan.seed, Purpose.SPECIALS, cell)
        area = float(sum((block.u1 - block.u0) * (block.v1 - block.v0) for block in blocks))
        queue = []
        for code, expected in expected_grounds(blocks[0].zone, area):
            queue.extend([code] * int(expected + rng.random()))
        if cell in seats:
            queue.extend(code for code in EVERY_SUBDISTRICT if code not in queue)
        queue = [queue[k] for k in rng.permutation(len(queue))]
        queue.sort(key=lambda code: GROUNDS[code].area_m2[0] < BIG_M2)
        order = [blocks[k] for k in rng.permutation(len(blocks))]
        for turn, block in enumerate(order):
            pen = Pen(ledger, block, stream(plan.seed, Purpose.BLOCK, block.number))
            _fill_block(pen, queue, len(order) - turn, serials)
    return ledger


def _seat_cells(by_cell: dict[int, list[Block]]) -> set[int]:
    """Return one built-up cell of each subdistrict, the middle one, where its offices are."""
    built: dict[int, list[int]] = {}
    for cell, blocks in by_cell.items():
        if blocks[0].zone in "ODRNC":
            built.setdefault(blocks[0].subdistrict, []).append(cell)
    return {cells[len(cells) // 2] for cells in built.values()}


def _fill_block(pen: Pen, queue: list[str], blocks_left: int, serials: _Serials) -> None:
    """Fill one block; takes large facilities from the queue of its cell."""
    land = pen.block.land
    box: Box = (float(land[0]), float(land[1]), float(land[2]), float(land[3]))
    area = (box[2] - box[0]) * (box[3] - box[1])
    zone = pen.block.zone
    if min(box[2] - box[0], box[3] - box[1]) < MIN_LAND_M:
        return
    if queue and GROUNDS[queue[0]].area_m2[0] >= BIG_M2 and area > 0.5 * GROUNDS[queue[0]].area_m2[0]:
        _big_ground(pen, box, queue)
        return
    if zone in "ORC" and queue and pen.rng.random() * blocks_left < _blocks_needed(queue, area):
        side = _longest_side(pen, box)
        _fill_rest(pen, stack_grounds(pen, box, side, queue))
        return
    if zone == "P":
        _fill_campus(pen, box, queue, serials)
    elif zone in "ORC":
        _fill_open(pen, box, serials)
    elif zone == "E":
        if pen.rng.random() < 0.12:
            build_factories(pen, box)
        else:
            build_farmland(pen, box, with_hamlet=pen.rng.random() < 0.5)
    else:
        _fill_super(pen, box, queue, blocks_left, serials)


def _fill_rest(pen: Pen, box: Box | None) -> None:
    """Build on what a strip of large facilities leaves over, as its zone does."""
    if box is None:
        return
    zone, rng = pen.block.zone, pen.rng
    wide, high = box[2] - box[0], box[3] - box[1]
    if zone == "O" and min(wide, high) > 20:
        build_courtyards(pen, box)
    elif zone == "R" and min(wide, high) > 18:
        build_village(pen, box)
    elif zone == "D" and wide > 45 and high > 60:
        build_old_slabs(pen, box)
    elif zone in "CN" and min(wide, high) > 60 and rng.random() < 0.5:
        build_offices(pen, box)
    else:
        pen.parcel(box, "parking" if rng.random() < 0.25 else "grass")
        pen.site((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, Site.FIT if max(wide, high) < 70 else Site.PARKING)


def _blocks_needed(queue: list[str], area_m2: float) -> float:
    """Return how many small blocks the queue fills."""
    return sum(GROUNDS[code].area_m2[0] for code in queue) * 1.35 / max(area_m2, 1.0)


def _longest_side(pen: Pen, box: Box) -> int:
    """Return a street side along which the block is longest."""
    flat = box[2] - box[0] >= box[3] - box[1]
    return (SOUTH, NORTH)[int(pen.rng.integers(2))] if flat else (WEST, EAST)[int(pen.rng.integers(2))]


def _big_ground(pen: Pen, box: Box, queue: list[str]) -> None:
    """Give the block to the large facility first in the queue, and what it does not need to smaller ones."""
    code = queue.pop(0)
    high = GROUNDS[code].area_m2[1]
    wide = box[2] - box[0]
    need = high / (box[3] - box[1])
    if wide - need < 60.0:
        place_ground(pen, box, code, ALL_SIDES if GROUNDS[code].look == "park" else (SOUTH, EAST))
        return
    place_ground(pen, (box[0], box[1], box[0] + need, box[3]), code, (WEST, SOUTH, NORTH))
    _fill_rest(pen, stack_grounds(pen, (box[0] + need + 5.0, box[1], box[2], box[3]), EAST, queue))


def _fill_campus(pen: Pen, box: Box, queue: list[str], serials: _Serials) -> None:
    """Fill a block of a park and campus cell: what is left of the queue, else green or homes."""
    sides: tuple[int, ...] = ALL_SIDES
    if queue:
        middle = float(int((box[0] + box[2]) / 2))
        _fill_rest(pen, stack_grounds(pen, (box[0], box[1], middle - 3.0, box[3]), WEST, queue))
        if queue:
            _fill_rest(pen, stack_grounds(pen, (middle + 3.0, box[1], box[2], box[3]), EAST, queue))
            return
        box, sides = (middle + 3.0, box[1], box[2], box[3]), (EAST, SOUTH, NORTH)
    if pen.rng.random() < 0.35:
        _estates(pen, box, sides, serials)
    else:
        plant_wood(pen, box, sides)


def _fill_open(pen: Pen, box: Box, serials: _Serials) -> None:
    """Fill a block of the old centre, a village or an office quarter."""
    zone, small = pen.block.zone, min(box[2] - box[0], box[3] - box[1])
    draw = pen.rng.random()
    if zone == "O":
        if draw < 0.44:
            build_courtyards(pen, box)
        elif draw < 0.88 or small < 85:
            build_old_slabs(pen, box)
        else:
            _estates(pen, box, ALL_SIDES, serials)
    elif zone == "R":
        if draw < 0.62:
            build_village(pen, box)
        elif draw < 0.72:
            build_rental_towers(pen, box)
        elif draw < 0.9:
            build_old_slabs(pen, box)
        else:
            build_factories(pen, box)
    elif draw < 0.55:
        build_offices(pen, box)
    elif draw < 0.75:
        build_rental_towers(pen, box)
    else:
        _estates(pen, box, ALL_SIDES, serials)


def _fill_super(pen: Pen, box: Box, queue: list[str], blocks_left: int, serials: _Serials) -> None:
    """Fill a superblock: a strip of large facilities along one street, estates on the rest."""
    rng, zone = pen.rng, pen.block.zone
    sides: tuple[int, ...] = ALL_SIDES
    wide, high = box[2] - box[0], box[3] - box[1]
    if queue and rng.random() < min(1.0, 0.35 + len(queue) / (2.0 * blocks_left)) and min(wide, high) > 130:
        side = ALL_SIDES[int(rng.integers(4))]
        ask = max(GROUNDS[code].area_m2[1] for code in queue[:4])
        across = wide if side in (WEST, EAST) else high
        depth = float(int(min(max(42.0, (ask * 0.8) ** 0.5), 0.42 * across)))
        strip, box = _cut_strip(box, side, depth)
        _fill_rest(pen, stack_grounds(pen, strip, side, queue))
        sides = tuple(other for other in ALL_SIDES if other != side)
    if zone == "I" and rng.random() < 0.8:
        build_factories(pen, box)
    elif zone == "N" and wide * high > BUILDING_SITE_M2 and rng.random() < 0.1:
        pen.parcel(box, "construction")
    elif zone == "D" and rng.random() < 0.06:
        build_offices(pen, box)
    else:
        _estates(pen, box, sides, serials)


def _cut_strip(box: Box, side: int, depth: float) -> tuple[Box, Box]:
    """Cut a strip off one side of a box; return the strip and the rest, five metres apart."""
    u0, v0, u1, v1 = box
    if side == WEST:
        return (u0, v0, u0 + depth, v1), (u0 + depth + 5, v0, u1, v1)
    if side == EAST:
        return (u1 - depth, v0, u1, v1), (u0, v0, u1 - depth - 5, v1)
    if side == SOUTH:
        return (u0, v0, u1, v0 + depth), (u0, v0 + depth + 5, u1, v1)
    return (u0, v1 - depth, u1, v1), (u0, v0, u1, v1 - depth - 5)


def _estates(pen: Pen, box: Box, sides: tuple[int, ...], serials: _Serials) -> None:
    """Put one estate on a box, or two beside each other where it is large."""
    wide, high = box[2] - box[0], box[3] - box[1]
    if wide < 75 or high < 70:
        build_old_slabs(pen, box) if pen.block.zone in "DOR" and wide > 40 else pen.parcel(box, "grass")
        return
    kinds = ESTATES_BY_ZONE[pen.block.zone]
    first = kinds[pick_index(pen.rng, [share for _, share in kinds])][0]
    parts = [(box, sides)]
    if max(wide, high) > 300 and pen.rng.random() < 0.6:
        parts = _halves(box, sides, pen.rng.random())
    for part, open_sides in parts:
        kind = first if pen.rng.random() < 0.7 else kinds[pick_index(pen.rng, [share for _, share in kinds])][0]
        plot = Plot(int(part[0]), int(part[1]), int(part[2]), int(part[3]), open_sides)
        build_estate(pen, plot, kind, serial=serials.next(kind))


def _halves(box: Box, sides: tuple[int, ...], draw: float) -> list[tuple[Box, tuple[int, ...]]]:
    """Cut a box across its longer side into two that lie four metres apart."""
    share = 0.42 + 0.16 * draw
    if box[2] - box[0] >= box[3] - box[1]:
        at = float(int(box[0] + share * (box[2] - box[0])))
        parts = [((box[0], box[1], at, box[3]), EAST), ((at + 4, box[1], box[2], box[3]), WEST)]
    else:
        at = float(int(box[1] + share * (box[3] - box[1])))
        parts = [((box[0], box[1], box[2], at), NORTH), ((box[0], at + 4, box[2], box[3]), SOUTH)]
    return [(part, tuple(side for side in sides if side != closed)) for part, closed in parts]
