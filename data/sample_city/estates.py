"""Walled estates: walls, gates, inner paths, rows of slabs and towers facing south."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.sample_city.ledger import Box, Kind, Pen, Shape, Site

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data.sample_city.blocks import Block

WEST, EAST, SOUTH, NORTH = range(4)
FRONT_DEPTH_M = 20
"""Depth of the row of shops between a wall and the street, metres."""


@dataclass(frozen=True, slots=True)
class Style:
    """How an estate of one kind is built.

    Parameters
    ----------
    pitch_m
        From one row of buildings to the next; what the sun angle asks for.
    gap_m
        Between neighbours in a row.
    wide_m, deep_m
        Range of building widths, and depth.
    floors
        Lowest and highest number of floors.
    dwellings_per_floor
        By metre of width: dwellings on one floor = width x this, rounded.
    gate_every_m
        Wall length per gate.
    open_share
        Share of gates that let everybody in.
    front_share
        Share of street sides with a row of shops before the wall.
    built
        First and last year of handing over.
    """

    pitch_m: float
    gap_m: float
    wide_m: tuple[float, float]
    deep_m: float
    floors: tuple[int, int]
    dwellings_per_floor: float
    gate_every_m: float
    open_share: float
    front_share: float
    spine_every_m: float
    built: tuple[int, int]
    shape: Shape


STYLES = {
    Kind.DANWEI: Style(28.5, 7.0, (44.0, 64.0), 12.0, (5, 7), 1 / 8.5, 300.0, 0.6, 0.6, 125.0, (1978, 1999), Shape.BOX),
    Kind.RESETTLE: Style(
        50.0, 14.0, (38.0, 54.0), 15.5, (11, 18), 1 / 7.5, 480.0, 0.25, 0.5, 150.0, (2006, 2016), Shape.NOTCHED
    ),
    Kind.NEW_TOWER: Style(
        76.0, 26.0, (30.0, 36.0), 21.0, (22, 33), 1 / 8.2, 620.0, 0.04, 0.45, 165.0, (2010, 2024), Shape.CROSS
    ),
    Kind.NEW_GARDEN: Style(
        42.0, 13.0, (40.0, 56.0), 14.0, (8, 11), 1 / 12.0, 620.0, 0.04, 0.35, 165.0, (2012, 2024), Shape.NOTCHED
    ),
    Kind.DORM: Style(34.0, 9.0, (40.0, 56.0), 14.0, (5, 6), 1 / 5.0, 420.0, 0.3, 0.3, 140.0, (2004, 2019), Shape.BOX),
}
RING_M = 8
"""The ring path runs this far inside the wall, metres."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Land for one estate and the sides on which it meets a street."""

    u0: int
    v0: int
    u1: int
    v1: int
    street_sides: tuple[int, ...]


def build_estate(pen: Pen, plot: Plot, kind: Kind, *, serial: int) -> None:
    """Build one walled estate on a plot."""
    style, rng, ledger = STYLES[kind], pen.rng, pen.ledger
    fronts = tuple(side for side in plot.street_sides if rng.random() < style.front_share)
    wall = _wall(plot, fronts)
    number = ledger.compounds.count
    built = int(rng.integers(style.built[0], style.built[1] + 1))
    ledger.compounds.add(
        {"u0": wall.u0, "v0": wall.v0, "u1": wall.u1, "v1": wall.v1},
        kind=int(kind), block=pen.block.number, serial=serial, built=built,
    )  # fmt: skip
    pen.parcel((wall.u0, wall.v0, wall.u1, wall.v1), "residential", compound=number)
    spines, rows = _inner_lines(wall, style, rng)
    gates = _choose_gates(wall, style, spines, rows, rng)
    _add_gates(pen, wall, style, gates)
    _add_paths(pen, spines, rows)
    _add_rows(pen, kind, spines, rows)
    _add_sites(pen, wall, (spines, rows), gates[0])
    for side in fronts:
        taken = [at for gate_side, at in gates if gate_side == side]
        add_shop_row(pen, front_box(plot, side), side, taken)


def _wall(plot: Plot, fronts: tuple[int, ...]) -> Plot:
    """Return the plot without its rows of shops."""
    depth = [FRONT_DEPTH_M if side in fronts else 0 for side in range(4)]
    return Plot(
        plot.u0 + depth[WEST], plot.v0 + depth[SOUTH], plot.u1 - depth[EAST], plot.v1 - depth[NORTH], plot.street_sides
    )


def _inner_lines(wall: Plot, style: Style, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Return the north-south and the east-west inner paths, with the ring path as first and last."""
    wide, high = wall.u1 - wall.u0 - 2 * RING_M, wall.v1 - wall.v0 - 2 * RING_M
    bays = max(1, round(wide / style.spine_every_m))
    shift = [int(rng.integers(-9, 10)) for _ in range(bays - 1)]
    spines = [wall.u0 + RING_M + wide * k // bays + (shift[k - 1] if 0 < k < bays else 0) for k in range(bays + 1)]
    count = max(1, int(high / style.pitch_m))
    rows = [wall.v0 + RING_M + high * k // count for k in range(count + 1)]
    return spines, rows


def _choose_gates(
    wall: Plot, style: Style, spines: list[int], rows: list[int], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return gates as (side, position along the side): few, spread over the street sides."""
    lengths = {side: (wall.u1 - wall.u0 if side in (SOUTH, NORTH) else wall.v1 - wall.v0) for side in wall.street_sides}
    around = 2 * (wall.u1 - wall.u0 + wall.v1 - wall.v0)
    wanted = max(1 if around < 500 else 2, round(around / style.gate_every_m * (0.85 + 0.3 * rng.random())))
    order = sorted(wall.street_sides, key=lambda side: -lengths[side] * (0.7 + 0.6 * rng.random()))
    gates: list[tuple[int, int]] = []
    for turn in range(wanted):
        side = order[turn % len(order)]
        lines = spines if side in (SOUTH, NORTH) else rows
        inner = lines[1:-1] or lines[:1]
        free = [at for at in inner if (side, at) not in gates]
        if free:
            gates.append((side, free[int(rng.integers(len(free)))]))
    return gates


def _add_gates(pen: Pen, wall: Plot, style: Style, gates: list[tuple[int, int]]) -> None:
    """Write the gates, the way from each gate to its street, and the way from each gate to the ring path."""
    ledger, rng, number = pen.ledger, pen.rng, pen.ledger.compounds.count - 1
    for order, (side, at) in enumerate(gates):
        gate, ring, street = _gate_points(pen.block, wall, side, at)
        is_open = rng.random() < style.open_share
        hours = "24/7" if order == 0 or rng.random() < 0.35 else "Mo-Su 06:00-22:00"
        ledger.gates.add(
            {"u": gate[0], "v": gate[1]},
            compound=number,
            opens="all" if is_open else "residents",
            hours=hours,
            side=side,
        )
        ledger.paths.add(
            {
                "ua": np.array([ring[0], gate[0]]), "va": np.array([ring[1], gate[1]]),
                "ub": np.array([gate[0], street[0]]), "vb": np.array([gate[1], street[1]]),
            },
            highway="service",
            access=np.array(["private", ""], dtype=object),
            compound=np.array([number, -1]),
        )  # fmt: skip
        ledger.joins.add(street)


def _gate_points(
    block: Block, wall: Plot, side: int, at: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return gate, point on the ring path and point on the street, in one straight line."""
    if side == WEST:
        return (wall.u0, at), (wall.u0 + RING_M, at), (block.u0, at)
    if side == EAST:
        return (wall.u1, at), (wall.u1 - RING_M, at), (block.u1, at)
    if side == SOUTH:
        return (at, wall.v0), (at, wall.v0 + RING_M), (at, block.v0)
    return (at, wall.v1), (at, wall.v1 - RING_M), (at, block.v1)


def _add_paths(pen: Pen, spines: list[int], rows: list[int]) -> None:
    """Write the inner paths as segments between crossings; every second row path stops at the middle of the estate."""
    u, v = np.array(spines), np.array(rows)
    across_u, across_v = np.meshgrid(u[:-1], v, indexing="ij")
    next_u = np.broadcast_to(u[1:, None], across_u.shape)
    keep = np.ones(across_u.shape, dtype=bool)
    if len(u) > 3 and len(v) > 5:
        keep[1:-1, 2:-1:4] = False
    along_u, along_v = np.meshgrid(u, v[:-1], indexing="ij")
    next_v = np.broadcast_to(v[None, 1:], along_u.shape)
    is_ring = (across_v == v[0]) | (across_v == v[-1])
    pen.ledger.paths.add(
        {
            "ua": np.concatenate([across_u[keep], along_u.ravel()]),
            "va": np.concatenate([across_v[keep], along_v.ravel()]),
            "ub": np.concatenate([next_u[keep], along_u.ravel()]),
            "vb": np.concatenate([across_v[keep], next_v.ravel()]),
            "highway": np.concatenate(
                [
                    np.where(is_ring[keep], "service", "footway").astype(object),
                    np.full(along_u.size, "service", dtype=object),
                ]
            ),
        },
        access="private",
        compound=pen.ledger.compounds.count - 1,
    )


def _add_rows(pen: Pen, kind: Kind, spines: list[int], rows: list[int]) -> None:
    """Write the buildings: one row south of every east-west path, its doors to the path."""
    style, rng = STYLES[kind], pen.rng
    lawn = (int(rng.integers(len(spines) - 1)), int(rng.integers(1, len(rows)))) if len(rows) > 4 else None
    parts: list[NDArray[np.float64]] = []
    for k in range(1, len(rows)):
        for i in range(len(spines) - 1):
            if (i, k) == lawn:
                _add_lawn(pen, (spines[i], rows[k - 1], spines[i + 1], rows[k]))
                continue
            parts.append(_one_bay(style, spines[i], spines[i + 1], rows[k], rows[k] - rows[k - 1], rng))
    found = np.concatenate(parts, axis=1)
    wide, floors = found[2], found[3]
    per_floor = np.maximum(2.0, np.round(wide * style.dwellings_per_floor))
    pen.house(
        {
            "u": found[0], "v": found[1], "wide": wide, "floors": floors.astype(np.int64),
            "dwellings": (per_floor * floors).astype(np.int64), "number": np.arange(1, found.shape[1] + 1),
        },
        deep=style.deep_m, shape=int(style.shape), kind=int(kind), use="residential",
        compound=pen.ledger.compounds.count - 1, door=1,
    )  # fmt: skip


def _one_bay(
    style: Style, west: int, east: int, path: int, room_m: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the buildings of one row between two spines: u, v, width, floors, shape (4, n)."""
    low_m, high_m = style.wide_m
    room = east - west - 12.0
    wish = low_m + (high_m - low_m) * rng.random()
    count = max(1, round((room + style.gap_m) / (wish + style.gap_m)))
    if (room - (count - 1) * style.gap_m) / count < low_m and count > 1:
        count -= 1
    wide = min(high_m, (room - (count - 1) * style.gap_m) / count)
    pitch = room / count
    shift = (rng.random() - 0.5) * max(0.0, pitch - wide - 0.7 * style.gap_m)
    u = west + 6.0 + pitch * (np.arange(count) + 0.5) + shift
    spare = max(0.0, room_m - style.deep_m - 14.0)
    v = path - 6.0 - style.deep_m / 2.0 - spare * 0.25 * rng.random(count)
    low, high = style.floors
    floors = np.full(count, rng.integers(low, high + 1), dtype=np.float64)
    return np.stack([u, v, np.full(count, wide), floors])


def _add_lawn(pen: Pen, box: tuple[int, int, int, int]) -> None:
    """Write the green of an estate with its playground."""
    u0, v0, u1, v1 = box[0] + 7, box[1] + 5, box[2] - 7, box[3] - 5
    number = pen.ledger.compounds.count - 1
    pen.parcel((u0, v0, u1, v1), "garden", compound=number)
    pen.site((u0 + u1) / 2.0, (v0 + v1) / 2.0, Site.LAWN, compound=number)
    pen.site(u0 + 6.0 + 4.0 * pen.rng.random(), v0 + 4.0, Site.FIT, compound=number)


def _add_sites(pen: Pen, wall: Plot, lines: tuple[list[int], list[int]], main_gate: tuple[int, int]) -> None:
    """Write the places inside an estate where bins, bicycles, lockers, cars and the property office can be."""
    spines, rows = lines
    number = pen.ledger.compounds.count - 1
    u, v = np.meshgrid(np.array(spines, dtype=float), np.array(rows, dtype=float), indexing="ij")
    turn = np.add.outer(np.arange(len(spines)), np.arange(len(rows)))
    step = 2 if rows[1] - rows[0] > 40 else 3
    bins = turn % step == 0
    pen.site(u[bins] + 2.5, v[bins] - 2.5, Site.BIN, compound=number)
    bikes = turn % (2 * step) == 1
    pen.site(u[bikes] - 3.0, v[bikes] - 3.0, Site.BIKE, compound=number)
    parking = turn % (2 * step + 1) == 2
    pen.site(u[parking] + 4.0, v[parking] + 2.5, Site.PARKING, compound=number)
    side, at = main_gate
    gate, ring, _ = _gate_points(pen.block, wall, side, at)
    mid = ((gate[0] + ring[0]) / 2.0, (gate[1] + ring[1]) / 2.0)
    off = (4.0, 0.0) if side in (SOUTH, NORTH) else (0.0, 4.0)
    pen.site(mid[0] + off[0], mid[1] + off[1], Site.OFFICE, compound=number)
    pen.site(mid[0] - off[0], mid[1] - off[1], Site.LOCKER, compound=number)


def front_box(plot: Plot, side: int) -> Box:
    """Return the strip of a plot along one side where shops stand."""
    depth = FRONT_DEPTH_M - 3.0
    if side == WEST:
        return plot.u0, plot.v0, plot.u0 + depth, plot.v1
    if side == EAST:
        return plot.u1 - depth, plot.v0, plot.u1, plot.v1
    if side == SOUTH:
        return plot.u0, plot.v0, plot.u1, plot.v0 + depth
    return plot.u0, plot.v1 - depth, plot.u1, plot.v1


def add_shop_row(pen: Pen, box: Box, side: int, taken: list[int]) -> None:
    """Write a row of low shop buildings along a street, open where gates are."""
    is_flat, rng = side in (SOUTH, NORTH), pen.rng
    start, end = (box[0], box[2]) if is_flat else (box[1], box[3])
    inset = FRONT_DEPTH_M if end - start > 120 else 2
    start, end = start + inset, end - inset
    length = 22.0 + 24.0 * rng.random()
    count = int((end - start) / (length + 5.0))
    if count <= 0:
        return
    step = (end - start) / count
    middle = start + step * (np.arange(count) + 0.5)
    keep = rng.random(count) < 0.86
    for at in taken:
        keep &= np.abs(middle - at) > length / 2.0 + 7.0
    middle = middle[keep]
    centre = (box[1] + box[3]) / 2.0 if is_flat else (box[0] + box[2]) / 2.0
    fixed = np.full(middle.size, centre)
    u, v = (middle, fixed) if is_flat else (fixed, middle)
    across = 13.0
    pen.house(
        {"u": u, "v": v, "floors": rng.integers(1, 4, middle.size)},
        wide=length if is_flat else across, deep=across if is_flat else length, shape=int(Shape.BOX), use="commercial",
        compound=-1, door={WEST: 3, EAST: 4, SOUTH: 2, NORTH: 1}[side],
    )  # fmt: skip
    reach = across / 2.0 - 1.0
    du, dv = {WEST: (-reach, 0.0), EAST: (reach, 0.0), SOUTH: (0.0, -reach), NORTH: (0.0, reach)}[side]
    pen.site(u + du, v + dv, Site.SHOP)
