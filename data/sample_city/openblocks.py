"""Blocks without walls: courtyard houses, villages in the city, old slabs, offices, factories, hamlets."""

from __future__ import annotations

import numpy as np

from data.sample_city.estates import EAST, NORTH, SOUTH, WEST, add_shop_row
from data.sample_city.ledger import Box, Kind, Pen, Shape, Site

DOOR_OF_SIDE = {NORTH: 1, SOUTH: 2, WEST: 3, EAST: 4}


def build_courtyards(pen: Pen, box: Box) -> None:
    """Fill a block of the old centre with low houses around yards; the outer ones are shops below."""
    _build_houses(pen, box, Kind.COURTYARD, lot=(15.5, 17.0), gap_m=2.2)


def build_village(pen: Pen, box: Box) -> None:
    """Fill a block of a village in the city with rented houses that nearly touch."""
    _build_houses(pen, box, Kind.VILLAGE, lot=(14.5, 16.0), gap_m=2.6)


def _build_houses(pen: Pen, box: Box, kind: Kind, *, lot: tuple[float, float], gap_m: float) -> None:
    """Fill a box with houses on small lots."""
    rng = pen.rng
    wide, high = box[2] - box[0], box[3] - box[1]
    nu, nv = max(1, int(wide / lot[0])), max(1, int(high / lot[1]))
    i, j = (part.ravel() for part in np.meshgrid(np.arange(nu), np.arange(nv), indexing="ij"))
    side = np.select([j == 0, j == nv - 1, i == 0, i == nu - 1], [2, 1, 3, 4], default=0)
    keep = (rng.random(i.size) < 0.9) | ((side > 0) & (rng.random(i.size) < 0.6))
    i, j, side = i[keep], j[keep], side[keep]
    if i.size == 0:
        pen.parcel(box, "residential")
        return
    count = i.size
    is_village = kind == Kind.VILLAGE
    w = wide / nu - gap_m - 2.5 * rng.random(count)
    d = high / nv - gap_m - 2.5 * rng.random(count)
    u = box[0] + (i + 0.5) * wide / nu + (rng.random(count) - 0.5) * 1.6
    v = box[1] + (j + 0.5) * high / nv + (rng.random(count) - 0.5) * 1.6
    floors = rng.integers(4, 8, count) if is_village else 1 + rng.integers(0, 3, count) * (rng.random(count) < 0.6)
    dwellings = (
        floors * rng.integers(2, 4, count) - 1 if is_village else np.maximum(1, floors + rng.integers(0, 3, count))
    )
    is_shop = (side > 0) & (rng.random(count) < (0.5 if is_village else 0.62))
    shape = np.where(rng.random(count) < 0.45, int(Shape.BOX), rng.integers(1, 3, count))
    pen.house(
        {"u": u, "v": v, "wide": w, "deep": d, "floors": floors, "dwellings": dwellings, "door": np.maximum(side, 1)},
        shape=0 if is_village else shape, kind=int(kind), compound=-1, number=np.arange(1, count + 1),
        use=np.where(is_shop, "mixed", "residential").astype(object),
    )  # fmt: skip
    pen.parcel(box, "residential")
    _add_front_sites(pen, (u, v, w, d), side, is_shop)
    inner = (side == 0) & (rng.random(count) < 0.09)
    pen.site(u[inner] + w[inner] / 2 + 1.0, v[inner], Site.BIN)
    pen.site(u[inner] - w[inner] / 2 - 1.0, v[inner], Site.BIKE)


def _add_front_sites(pen: Pen, found: tuple[np.ndarray, ...], side: np.ndarray, is_shop: np.ndarray) -> None:
    """Write the street fronts of houses with shops as places for small facilities."""
    u, v, w, d = (part[is_shop] for part in found)
    side = side[is_shop]
    du = np.select([side == 3, side == 4], [-w / 2 + 1.0, w / 2 - 1.0], default=0.0)
    dv = np.select([side == 2, side == 1], [-d / 2 + 1.0, d / 2 - 1.0], default=0.0)
    pen.site(u + du, v + dv, Site.SHOP)


def build_old_slabs(pen: Pen, box: Box) -> None:
    """Fill a block with old slabs without a wall, shops along the south side."""
    rng = pen.rng
    _slab_rows(pen, (box[0], box[1] + 22, box[2], box[3]), Kind.OLD_SLAB)
    add_shop_row(pen, (box[0], box[1], box[2], box[1] + 17), SOUTH, [])
    pen.parcel(box, "residential")
    middle = (box[0] + box[2]) / 2.0
    pen.site(middle, box[3] - 2.0, Site.BIN)
    pen.site(middle + 9.0, box[3] - 2.0, Site.BIKE)
    if rng.random() < 0.5:
        pen.site(middle - 14.0, box[3] - 2.0, Site.PARKING)


def _slab_rows(pen: Pen, box: Box, kind: Kind) -> None:
    """Fill a box with rows of slabs facing south."""
    rng = pen.rng
    deep, pitch = 12.0, 29.0
    count_v = max(1, int((box[3] - box[1]) / pitch))
    wide = 36.0 + 24.0 * rng.random()
    count_u = max(1, int((box[2] - box[0] + 8.0) / (wide + 8.0)))
    wide = min(wide, box[2] - box[0])
    i, j = (part.ravel() for part in np.meshgrid(np.arange(count_u), np.arange(count_v), indexing="ij"))
    u = box[0] + (i + 0.5) * (box[2] - box[0]) / count_u
    v = box[1] + (j + 1) * (box[3] - box[1]) / count_v - deep / 2.0 - 2.0
    floors = rng.integers(4, 8, i.size)
    per_floor = max(2, round(wide / 8.5))
    pen.house(
        {"u": u, "v": v, "floors": floors, "dwellings": floors * per_floor, "number": np.arange(1, i.size + 1)},
        wide=wide, deep=deep, kind=int(kind), use="residential", compound=-1, door=1,
    )  # fmt: skip


def build_rental_towers(pen: Pen, box: Box) -> None:
    """Fill a block with rented flats of one room over shops, no wall."""
    rng = pen.rng
    wide, high = box[2] - box[0], box[3] - box[1]
    nu, nv = max(1, int(wide / 62.0)), max(1, int(high / 58.0))
    i, j = (part.ravel() for part in np.meshgrid(np.arange(nu), np.arange(nv), indexing="ij"))
    floors = rng.integers(9, 16, i.size)
    w, d = min(46.0, wide / nu - 6.0), 15.0
    u = box[0] + (i + 0.5) * wide / nu
    v = box[1] + (j + 0.5) * high / nv
    pen.house(
        {"u": u, "v": v, "floors": floors, "dwellings": floors * 9, "number": np.arange(1, i.size + 1)},
        wide=w, deep=d, shape=int(Shape.NOTCHED), kind=int(Kind.RENTAL_TOWER), use="residential", compound=-1, door=2,
    )  # fmt: skip
    pen.site(u + 8.0, v - d / 2.0 + 1.0, Site.SHOP)
    pen.site(u - 8.0, v + d / 2.0 + 2.0, Site.BIN)
    pen.site(u + 16.0, v + d / 2.0 + 2.0, Site.BIKE)
    pen.site(u[:1], v[:1] + d / 2.0 + 8.0, Site.PARKING)
    pen.parcel(box, "residential")


def build_offices(pen: Pen, box: Box) -> None:
    """Fill a block with office towers on low shopping floors."""
    rng = pen.rng
    wide, high = box[2] - box[0], box[3] - box[1]
    nu, nv = max(1, int(wide / 78.0)), max(1, int(high / 78.0))
    i, j = (part.ravel() for part in np.meshgrid(np.arange(nu), np.arange(nv), indexing="ij"))
    keep = rng.random(i.size) < 0.9
    keep[0] = True
    i, j = i[keep], j[keep]
    u = box[0] + (i + 0.5) * wide / nu
    v = box[1] + (j + 0.5) * high / nv
    w = (0.5 + 0.25 * rng.random(i.size)) * wide / nu
    d = (0.45 + 0.25 * rng.random(i.size)) * high / nv
    shape = np.array([Shape.BOX, Shape.ELL, Shape.CROSS, Shape.YOU])[rng.integers(0, 4, i.size)]
    pen.house(
        {"u": u, "v": v, "wide": w, "deep": d, "shape": shape, "floors": rng.integers(5, 32, i.size)},
        use=np.where(rng.random(i.size) < 0.6, "office", "commercial").astype(object), compound=-1, door=2,
    )  # fmt: skip
    pen.site(u, v - d / 2.0 + 2.0, Site.SHOP)
    pen.site(u + w / 2.0 - 2.0, v, Site.SHOP)
    pen.parcel(box, "commercial")


def build_factories(pen: Pen, box: Box) -> None:
    """Fill a block with sheds and one office building."""
    rng = pen.rng
    wide, high = box[2] - box[0], box[3] - box[1]
    nu, nv = max(1, int(wide / 105.0)), max(1, int(high / 62.0))
    i, j = (part.ravel() for part in np.meshgrid(np.arange(nu), np.arange(nv), indexing="ij"))
    keep = rng.random(i.size) < 0.78
    keep[0] = True
    i, j = i[keep], j[keep]
    pen.house(
        {
            "u": box[0] + (i + 0.5) * wide / nu, "v": box[1] + (j + 0.5) * high / nv,
            "wide": (0.6 + 0.25 * rng.random(i.size)) * wide / nu,
            "deep": (0.5 + 0.2 * rng.random(i.size)) * high / nv,
            "floors": rng.integers(1, 4, i.size),
            "shape": np.where(rng.random(i.size) < 0.75, int(Shape.BOX), int(Shape.ELL)),
        },
        use="industrial", compound=-1, door=2,
    )  # fmt: skip
    pen.parcel(box, "industrial")


def build_farmland(pen: Pen, box: Box, *, with_hamlet: bool) -> None:
    """Fill a block at the outskirts with fields, and perhaps a hamlet by the road."""
    rng = pen.rng
    wide, high = box[2] - box[0], box[3] - box[1]
    if not with_hamlet:
        use = ("farmland", "farmland", "orchard", "forest", "greenhouse")[int(rng.integers(5))]
        pen.parcel(box, use)
        return
    depth = min(high * 0.45, 46.0 + 44.0 * rng.random())
    length = min(wide, 120.0 + 120.0 * rng.random())
    hamlet = (box[0], box[1], box[0] + length, box[1] + depth)
    pen.parcel((box[0], box[1] + depth + 4, box[2], box[3]), "farmland")
    pen.parcel((box[0] + length + 4, box[1], box[2], box[1] + depth), "orchard")
    _build_houses(pen, hamlet, Kind.RURAL, lot=(19.0, 23.0), gap_m=6.0)
