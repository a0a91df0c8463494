"""Land of large facilities: schools, parks, hospitals, sports grounds, markets, stations."""

from __future__ import annotations

from dataclasses import dataclass

from data.sample_city.estates import EAST, NORTH, SOUTH, WEST
from data.sample_city.ledger import Box, Pen, Shape, Site

ZONE_LETTERS = "ODRNCIPE"
CELL_REFERENCE_M2 = 800_000.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What one type of large facility needs.

    Parameters
    ----------
    area_m2
        Smallest and largest site.
    per_cell
        Expected number in 0.8 km2 of each zone, in the order O D R N C I P E. Few on the new edge (N).
    use
        Land use of the site.
    look
        How it is built: school, nursery, hospital, hall, park, court, house.
    """

    area_m2: tuple[float, float]
    per_cell: tuple[float, ...]
    use: str
    look: str


GROUNDS = {
    "EDU_KINDER": Ground((3600, 5600), (4.4, 4.8, 2.0, 4.0, 1.0, 0.3, 0.4, 0.2), "education", "nursery"),
    "EDU_PRIMARY": Ground((14000, 23000), (1.5, 1.4, 0.5, 0.7, 0.5, 0.0, 0.5, 0.1), "education", "school"),
    "EDU_JUNIOR": Ground((20000, 30000), (0.7, 0.6, 0.2, 0.25, 0.2, 0.0, 0.5, 0.0), "education", "school"),
    "EDU_NINEYEAR": Ground((26000, 38000), (0.0, 0.15, 0.15, 0.3, 0.0, 0.0, 0.4, 0.05), "education", "school"),
    "EDU_SENIOR": Ground((36000, 52000), (0.1, 0.1, 0.0, 0.06, 0.0, 0.0, 0.8, 0.0), "education", "school"),
    "MED_HOSPITAL": Ground((16000, 40000), (0.2, 0.12, 0.0, 0.05, 0.3, 0.0, 0.8, 0.0), "healthcare", "hospital"),
    "MED_CHC": Ground((1800, 3000), (0.8, 0.6, 0.4, 0.25, 0.4, 0.1, 0.3, 0.1), "healthcare", "house"),
    "SPO_LARGE": Ground((8000, 13000), (0.3, 0.3, 0.1, 0.2, 0.2, 0.1, 1.0, 0.0), "sport", "court"),
    "SPO_MEDIUM": Ground((2600, 4200), (1.0, 0.8, 0.3, 0.45, 0.3, 0.1, 1.0, 0.0), "sport", "court"),
    "SPO_SMALL": Ground((800, 1400), (5.0, 5.0, 1.6, 2.8, 1.0, 0.3, 1.0, 0.2), "sport", "court"),
    "SPO_OUTDOOR": Ground((1100, 2200), (5.0, 4.6, 1.6, 2.4, 1.0, 0.3, 1.5, 0.2), "sport", "court"),
    "GRN_PARK15": Ground((50000, 90000), (0.1, 0.1, 0.0, 0.12, 0.0, 0.0, 2.2, 0.0), "park", "park"),
    "GRN_PARK10": Ground((10000, 20000), (0.6, 0.6, 0.2, 0.5, 0.4, 0.0, 0.8, 0.0), "park", "park"),
    "GRN_PARK5": Ground((4000, 8000), (3.2, 3.4, 1.0, 2.8, 1.4, 0.3, 0.8, 0.1), "park", "park"),
    "GRN_POCKET": Ground((2000, 3600), (5.0, 4.8, 1.8, 2.2, 1.6, 0.3, 0.5, 0.1), "park", "park"),
    "COM_MALL": Ground((6000, 13000), (0.7, 0.5, 0.2, 0.5, 2.2, 0.0, 0.1, 0.0), "commercial", "hall"),
    "COM_MARKET": Ground((1600, 3400), (1.6, 1.2, 0.9, 0.6, 0.3, 0.1, 0.1, 0.2), "commercial", "hall"),
    "ELD_HOME": Ground((3200, 6000), (0.4, 0.4, 0.05, 0.12, 0.0, 0.0, 0.4, 0.15), "healthcare", "nursery"),
    "ELD_NURSING": Ground((3000, 5200), (0.25, 0.25, 0.05, 0.08, 0.0, 0.0, 0.4, 0.05), "healthcare", "nursery"),
    "CUL_CENTER": Ground((2400, 4600), (0.5, 0.35, 0.1, 0.15, 0.5, 0.0, 0.4, 0.0), "civic", "hall"),
    "SPO_FITNESS": Ground((5000, 9000), (0.3, 0.25, 0.05, 0.12, 0.3, 0.0, 0.8, 0.0), "sport", "hall"),
    "ADM_STREET": Ground((1500, 2600), (0.5, 0.3, 0.15, 0.12, 0.2, 0.1, 0.2, 0.08), "civic", "house"),
    "ADM_POLICE": Ground((1200, 2200), (0.5, 0.3, 0.2, 0.16, 0.2, 0.1, 0.1, 0.05), "civic", "house"),
    "TRA_TERMINAL": Ground((2400, 4600), (0.2, 0.2, 0.2, 0.25, 0.4, 0.2, 0.2, 0.1), "transport", "yard"),
    "SAF_FIRE1": Ground((3000, 4800), (0.06, 0.08, 0.05, 0.08, 0.1, 0.1, 0.1, 0.03), "civic", "house"),
    "SAF_FIRE2": Ground((2000, 3400), (0.1, 0.1, 0.08, 0.08, 0.1, 0.1, 0.1, 0.03), "civic", "house"),
    "MUN_TRANSFER": Ground((900, 1800), (0.12, 0.15, 0.12, 0.12, 0.1, 0.3, 0.1, 0.1), "utility", "house"),
}
PARK_INSET_M = 9
SCALE = {"O": 0.6, "R": 0.65}
"""Sites are smaller than the standard asks where land is short."""
EVERY_SUBDISTRICT = ("ADM_STREET", "ADM_POLICE", "MED_CHC", "CUL_CENTER")
"""Large facilities that no subdistrict goes without."""


def expected_grounds(zone: str, area_m2: float) -> list[tuple[str, float]]:
    """Return the types of large facilities of a cell with their expected numbers."""
    letter = ZONE_LETTERS.index(zone)
    return [(code, ground.per_cell[letter] * area_m2 / CELL_REFERENCE_M2) for code, ground in GROUNDS.items()]


def stack_grounds(pen: Pen, box: Box, side: int, queue: list[str]) -> Box | None:
    """Fill a strip along one street side with large facilities from a queue; return what is left over."""
    is_flat = side in (SOUTH, NORTH)
    start, end = (box[0], box[2]) if is_flat else (box[1], box[3])
    depth = (box[3] - box[1]) if is_flat else (box[2] - box[0])
    at = start
    for code in list(queue):
        low, high = (limit * SCALE.get(pen.block.zone, 1.0) for limit in GROUNDS[code].area_m2)
        length = float(round((low + (high - low) * pen.rng.random()) / depth))
        if length < 16.0 or length > 6.0 * depth:
            length = max(16.0, min(length, 6.0 * depth))
        if length > end - at and (end - at) * depth >= 0.85 * low:
            length = float(int(end - at))
        if length > end - at:
            continue
        queue.remove(code)
        part = (at, box[1], at + length, box[3]) if is_flat else (box[0], at, box[2], at + length)
        place_ground(pen, part, code, (side,))
        at += length + 4.0
        if end - at < 26.0:
            break
    if end - at < 12.0:
        return None
    return (at, box[1], end, box[3]) if is_flat else (box[0], at, box[2], end)


def place_ground(pen: Pen, box: Box, code: str, sides: tuple[int, ...]) -> None:
    """Put one large facility on its land, with an entrance from each street side."""
    ground = GROUNDS[code]
    whole = (int(box[0]), int(box[1]), int(box[2]), int(box[3]))
    pen.parcel(whole, ground.use)
    entries = [_entry(whole, side) for side in sides]
    pen.ledger.specials.add(
        {"u0": whole[0], "v0": whole[1], "u1": whole[2], "v1": whole[3]},
        gate_u=entries[0][0],
        gate_v=entries[0][1],
        code=code,
        block=pen.block.number,
        zone=pen.block.zone,
    )
    _open_to_streets(pen, sides, entries, "footway" if ground.look in ("park", "court") else "service")
    if ground.look == "park":
        _add_park_paths(pen, whole, sides, entries)
    else:
        _add_buildings(pen, whole, ground.look)


def plant_wood(pen: Pen, box: Box, sides: tuple[int, ...]) -> None:
    """Fill land with trees and a round path, open to the streets on the given sides."""
    whole = (int(box[0]), int(box[1]), int(box[2]), int(box[3]))
    pen.parcel(whole, "forest")
    entries = [_entry(whole, side) for side in sides]
    _open_to_streets(pen, sides, entries, "footway")
    _add_park_paths(pen, whole, sides, entries)


def _open_to_streets(pen: Pen, sides: tuple[int, ...], entries: list[tuple[int, int]], highway: str) -> None:
    """Write the way from each entrance to the street before it."""
    for side, entry in zip(sides, entries, strict=True):
        street = _street_point(pen, entry, side)
        pen.ledger.joins.add(street)
        pen.ledger.paths.add(
            {"ua": street[0], "va": street[1], "ub": entry[0], "vb": entry[1]}, highway=highway, access="", compound=-1
        )


def _entry(box: tuple[int, int, int, int], side: int) -> tuple[int, int]:
    """Return the middle of one side."""
    u, v = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    return {WEST: (box[0], v), EAST: (box[2], v), SOUTH: (u, box[1]), NORTH: (u, box[3])}[side]


def _street_point(pen: Pen, entry: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the point on the street's centre line in front of an entrance."""
    block = pen.block
    u, v = entry
    return {WEST: (block.u0, v), EAST: (block.u1, v), SOUTH: (u, block.v0), NORTH: (u, block.v1)}[side]


def _add_park_paths(
    pen: Pen, box: tuple[int, int, int, int], sides: tuple[int, ...], entries: list[tuple[int, int]]
) -> None:
    """Write the round path of a park and the ways from its entrances to it."""
    u0, v0, u1, v1 = box[0] + PARK_INSET_M, box[1] + PARK_INSET_M, box[2] - PARK_INSET_M, box[3] - PARK_INSET_M
    if u1 - u0 < 12 or v1 - v0 < 12:
        return
    stops: list[tuple[int, int]] = [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
    for side, entry in zip(sides, entries, strict=True):
        point = {WEST: (u0, entry[1]), EAST: (u1, entry[1]), SOUTH: (entry[0], v0), NORTH: (entry[0], v1)}[side]
        stops.insert(stops.index({SOUTH: (u1, v0), EAST: (u1, v1), NORTH: (u0, v1), WEST: (u0, v0)}[side]), point)
        pen.ledger.paths.add(
            {"ua": entry[0], "va": entry[1], "ub": point[0], "vb": point[1]}, highway="footway", access="", compound=-1
        )
    if WEST in sides:
        # the round path closes at its first corner, so a western entrance lies on the last side
        first = stops.index((u0, v0))
        stops = stops[first:] + stops[:first]
    following = stops[1:] + stops[:1]
    pen.ledger.paths.add(
        {
            "ua": [stop[0] for stop in stops], "va": [stop[1] for stop in stops],
            "ub": [stop[0] for stop in following], "vb": [stop[1] for stop in following],
        },
        highway="footway", access="", compound=-1,
    )  # fmt: skip
    pen.site((u0 + u1) / 2.0, (v0 + v1) / 2.0, Site.FIT)
    if (u1 - u0) * (v1 - v0) > 12000:
        pen.parcel((u0 + 0.3 * (u1 - u0), v0 + 0.3 * (v1 - v0), u0 + 0.7 * (u1 - u0), v0 + 0.65 * (v1 - v0)), "pond")


def _add_buildings(pen: Pen, box: tuple[int, int, int, int], look: str) -> None:
    """Write the buildings of a large facility; sports grounds and yards have none."""
    u, v = (box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0
    wide, high = float(box[2] - box[0]), float(box[3] - box[1])
    if look == "school":
        pen.house(
            {"u": u, "v": box[3] - 0.24 * high, "wide": min(96.0, 0.8 * wide), "deep": min(58.0, 0.38 * high)},
            floors=5, shape=int(Shape.COMB), use="school", compound=-1, door=2,
        )  # fmt: skip
        pen.parcel((box[0] + 0.12 * wide, box[1] + 0.06 * high, box[2] - 0.12 * wide, box[1] + 0.45 * high), "pitch")
    elif look == "nursery":
        pen.house(
            {"u": u, "v": v + 0.12 * high, "wide": min(46.0, 0.72 * wide), "deep": min(30.0, 0.5 * high)},
            floors=3, shape=int(Shape.YOU), use="school", compound=-1, door=2,
        )  # fmt: skip
    elif look == "hospital":
        pen.house(
            {"u": [u, u - 0.22 * wide], "v": [v + 0.18 * high, v - 0.24 * high],
             "wide": [min(90.0, 0.66 * wide), min(50.0, 0.4 * wide)],
             "deep": [min(56.0, 0.34 * high), min(34.0, 0.3 * high)],
             "floors": [14, 5], "shape": [int(Shape.CROSS), int(Shape.ELL)]},
            use="hospital", compound=-1, door=2,
        )  # fmt: skip
    elif look in ("hall", "house"):
        pen.house(
            {"u": u, "v": v, "wide": min(110.0, 0.74 * wide), "deep": min(80.0, 0.66 * high)},
            floors=4 if look == "hall" else 3, shape=int(Shape.BOX if look == "hall" else Shape.ELL),
            use="commercial" if look == "hall" else "civic", compound=-1, door=2,
        )  # fmt: skip
