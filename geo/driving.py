"""Which streets a vehicle may drive, which way, how fast, and what that costs.

One profile, for fire engines, ambulances and dispatch. The rules a planner could dispute:

- A street is driven at the speed of its class, an average over junctions and lights. A speed limit lowers it and never
  raises it: a limit is no average.
- One-way streets are kept to, also by vehicles with a siren.
- An emergency vehicle passes gates and private ways; it does not pass ``access=no`` unless the way says
  ``emergency=yes``. General traffic passes neither.
- A vehicle may turn round at any junction and dead end unless a ban says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo.costs import finish_costs
from geo.network import CONNECTOR, SHUT, UNBARRED
from geo.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo.network import Network
    from geo.units import BoolArray, IntArray, ObjectArray, UInt32Array

Int8Array = npt.NDArray[np.int8]

UNKNOWN_CLASS = "road"
"""Class of streets whose own is missing or in no table."""

GATE_CLASS = "service"
"""Class at whose speed the way through a gate is driven."""

EMERGENCY_CLASS = "service"
"""Class at whose speed a way that is none for vehicles is driven where it says ``emergency=yes``."""

NEVER_DRIVEN = frozenset({"steps", "corridor", "via_ferrata", "platform", "bus_guideway", "construction", "proposed"})
"""Classes that stay closed whatever else the way says."""

WALKING_KMH = 7.0
"""What ``maxspeed=walk`` stands for.

References
----------
OpenStreetMap wiki, "Key:maxspeed": walking pace, 4 to 7 km/h by German case law; the upper end is taken.
"""

ZONE_KMH: Mapping[str, float] = {"urban": 50.0, "living_street": 20.0, "walk": WALKING_KMH, "school": 30.0}
"""Limits that words such as ``CN:urban`` stand for; rural roads and motorways have none below a class speed.

References
----------
道路交通安全法实施条例 (2004), article 45: 50 km/h on city roads with one lane a direction.
"""

LIMIT_RANGE_KMH = (3.0, 200.0)
"""A limit outside is a slip of the data and is not used."""

KMH_OF_UNIT: Mapping[str, float] = {"": 1.0, "km/h": 1.0, "kmh": 1.0, "kph": 1.0, "mph": 1.609344, "knots": 1.852}

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(km/h|kmh|kph|mph|knots)?")
_ZONE = re.compile(r"[A-Za-z]{2}(?:-[A-Za-z]{2,3})?:(?:zone:?)?([a-z_]+|\d+)")
_BARE_ZONE = re.compile(r"zone:?(\d+)")

_YES = frozenset({"yes", "designated", "permissive", "official", "destination"})
_CLOSED = frozenset({"no", "military"})
_PRIVATE = frozenset({"private", "residents", "customers", "permit", "delivery"})
_ONE_WAY: Mapping[str, int] = {"yes": 1, "true": 1, "1": 1, "-1": -1, "reverse": -1}
_TWO_WAY = frozenset({"no", "false", "0", "alternating"})
_ROUND = frozenset({"roundabout", "circular"})

REVERSIBLE = 2
"""The direction changes by the hour: nobody can count on such a street, so it is closed."""

ROAD_COLUMNS = (
    "highway",
    "access",
    "steps",
    "oneway",
    "maxspeed",
    "junction",
    "motor_vehicle",
    "emergency",
    "oneway_emergency",
)
"""Columns that say how a street is driven, as OpenStreetMap writes them; missing values are None."""


@dataclass(frozen=True, slots=True)
class Roads:
    """How each street is driven.

    Attributes
    ----------
    street_id
        Store id of each street, ascending, shape (n,).
    speed_mm_s
        Millimetres per second, 0 where the street is closed to vehicles, shape (n,).
    one_way
        1 with the line only, -1 against it only, 0 both ways, shape (n,).
    """

    street_id: IntArray
    speed_mm_s: IntArray
    one_way: Int8Array


def parse_limit(text: object) -> float | None:
    """Return the limit in km/h that a ``maxspeed`` value states, None where it states none that can be used.

    Of several values (lanes, hours) the lowest counts.

    Parameters
    ----------
    text
        For example ``50``, ``30 mph``, ``CN:urban``, ``walk``, ``none``, ``50;30``.
    """
    if not isinstance(text, str):
        return None
    found = [_parse_one(part.strip().lower()) for part in re.split(r"[;|,]", text)]
    usable = [kmh for kmh in found if kmh is not None and LIMIT_RANGE_KMH[0] <= kmh <= LIMIT_RANGE_KMH[1]]
    return min(usable, default=None)


def _parse_one(word: str) -> float | None:
    if match := _LIMIT.fullmatch(word):
        return float(match[1]) * KMH_OF_UNIT[match[2] or ""]
    if word == "walk":
        return WALKING_KMH
    if match := _BARE_ZONE.fullmatch(word) or _ZONE.fullmatch(word):
        return float(match[1]) if match[1].isdigit() else ZONE_KMH.get(match[1])
    return None


def to_mm_s(kmh: float) -> int:
    """Return a speed in whole millimetres per second."""
    return round(kmh * 1_000_000 / 3600)


def find_one_way(tags: pd.DataFrame) -> Int8Array:
    """Return which way each street may be driven: 1 with the line, -1 against, 0 both, :data:`REVERSIBLE` neither.

    Roundabouts and motorways are one-way unless they say otherwise.

    Parameters
    ----------
    tags
        Columns of :data:`ROAD_COLUMNS`, shape (n,).

    References
    ----------
    OpenStreetMap wiki, "Key:oneway", implied values.
    """
    word = tags["oneway"].map(lambda value: value.strip().lower() if isinstance(value, str) else None)
    way = np.array([_ONE_WAY.get(value, 0) for value in word], dtype=np.int8)
    implied = (tags["junction"].isin(_ROUND) | (tags["highway"] == "motorway")).to_numpy(dtype=bool)
    way[implied & (way == 0) & ~word.isin(_TWO_WAY).to_numpy(dtype=bool)] = 1
    way[(word == "reversible").to_numpy(dtype=bool)] = REVERSIBLE
    return way


def classify_roads(
    street_id: IntArray, tags: pd.DataFrame, *, speeds_kmh: Mapping[str, float], is_emergency: bool
) -> Roads:
    """Return how each street is driven.

    Parameters
    ----------
    street_id
        Store id of each street, ascending, shape (n,).
    tags
        Columns of :data:`ROAD_COLUMNS`, shape (n,).
    speeds_kmh
        Speed of each class in km/h, 0 where it is not driven; holds :data:`UNKNOWN_CLASS` and :data:`GATE_CLASS`.
    is_emergency
        True for a vehicle that passes gates, private ways and streets without cars; False for general traffic.
    """
    kind = tags["highway"].where(tags["highway"].isin(list(speeds_kmh)), UNKNOWN_CLASS)
    kmh = kind.map(speeds_kmh).to_numpy(dtype=np.float64)
    never = (kind.isin(NEVER_DRIVEN) | tags["steps"].isin([True])).to_numpy(dtype=bool)
    motor = tags["motor_vehicle"]
    if is_emergency:
        word = tags["emergency"]
        invited = word.isin(_YES).to_numpy(dtype=bool)
        kmh = np.where(invited & (kmh == 0), speeds_kmh[EMERGENCY_CLASS], kmh)
        closed = tags["access"].isin(_CLOSED).to_numpy(dtype=bool) & ~motor.isin(_YES).to_numpy(dtype=bool)
        closed = (closed & ~invited) | (word == "no").to_numpy(dtype=bool)
    else:
        shut = _CLOSED | _PRIVATE
        barred = (tags["access"].isin(shut) & ~motor.isin(_YES)) | motor.isin(shut)
        closed = barred.to_numpy(dtype=bool)
    limits = {text: parse_limit(text) for text in tags["maxspeed"].dropna().unique()}
    limit = tags["maxspeed"].map(limits).to_numpy(dtype=np.float64)
    kmh = np.fmin(kmh, limit)
    way = find_one_way(tags)
    if is_emergency:
        way[tags["oneway_emergency"].isin(_TWO_WAY).to_numpy(dtype=bool)] = 0
    kmh[never | closed | (way == REVERSIBLE)] = 0.0
    speed = np.rint(kmh * 1_000_000 / 3600).astype(np.int64)
    return Roads(street_id, speed, np.where(speed == 0, 0, way).astype(np.int8))


def find_along(network: Network, street_id: IntArray, line: ObjectArray, *, edges: IntArray | None = None) -> BoolArray:
    """Return which edges run the way their street's line was drawn, shape (edges,); connectors count as such.

    Cutting a line at walls may turn its pieces round, so this is looked up and not assumed.

    Parameters
    ----------
    network
        The compiled network.
    street_id
        Store id of each street, ascending, shape (n,).
    line
        The streets' lines in the metric CRS, shape (n,).
    edges
        Edges to look up, of these streets alone; all edges where absent, others count as running that way.
    """
    along = np.ones(network.edge_count, dtype=bool)
    street = np.flatnonzero(network.edge_gate < 0) if edges is None else edges
    row = np.searchsorted(street_id, network.edge_street[street])
    first = network.geom_xy[network.geom_ptr[street]]
    last = network.geom_xy[network.geom_ptr[street + 1] - 1]
    start = shapely.get_coordinates(shapely.get_point(line[row], 0))
    end = shapely.get_coordinates(shapely.get_point(line[row], -1))
    whole = (first == start).all(axis=1) & (last == end).all(axis=1)
    for edge, which in zip(street[~whole].tolist(), row[~whole].tolist(), strict=True):
        xy = network.geom_xy[network.geom_ptr[edge] : network.geom_ptr[edge + 1]]
        along[edge] = _runs_along(xy, shapely.get_coordinates(line[which]))
    return along


def _runs_along(piece: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> bool:
    """Tell whether a piece of a line has the line's direction, by its longest segment."""
    step = np.diff(piece, axis=0)
    longest = int(np.hypot(step[:, 0], step[:, 1]).argmax())
    middle = (piece[longest] + piece[longest + 1]) / 2
    base, stride = whole[:-1], np.diff(whole, axis=0)
    length2 = np.maximum((stride**2).sum(axis=1), 1e-12)
    share = np.clip(((middle - base) * stride).sum(axis=1) / length2, 0.0, 1.0)
    apart = base + share[:, None] * stride - middle
    nearest = int((apart**2).sum(axis=1).argmin())
    return bool((step[longest] * stride[nearest]).sum() >= 0)


def cost_driving(
    network: Network, roads: Roads, *, along: BoolArray, gate_mm_s: int, unbarred: Roads | None = None
) -> tuple[UInt32Array, UInt32Array]:
    """Return the milliseconds of every edge driven from a to b and from b to a; NO_COST where that is closed.

    A street that `roads` does not hold is none for vehicles: a path that an edit draws.

    Parameters
    ----------
    network
        The compiled network.
    roads
        How each street is driven.
    along
        Edges that run the way their street's line was drawn, shape (edges,).
    gate_mm_s
        Speed through gates in millimetres per second.
    unbarred
        The same streets as they are driven where an edit opens them; None where there are no edits.

    Raises
    ------
    DataError
        A street has a length below 0, or is so long that driving it takes longer than twelve days.
    """
    is_gate = (network.edge_flags & CONNECTOR) != 0
    row = np.searchsorted(roads.street_id, network.edge_street)
    row = np.minimum(row, roads.street_id.shape[0] - 1)
    speed, one_way = roads.speed_mm_s[row], roads.one_way[row]
    if unbarred is not None:
        is_open = (network.edge_flags & UNBARRED) != 0
        speed = np.where(is_open, unbarred.speed_mm_s[row], speed)
        one_way = np.where(is_open, unbarred.one_way[row], one_way)
    speed = np.where(is_gate, gate_mm_s, np.where(roads.street_id[row] == network.edge_street, speed, 0))
    speed = np.where((network.edge_flags & SHUT) != 0, 0, speed)
    way = np.where(is_gate, 0, one_way * np.where(along, 1, -1))
    whole = np.maximum(speed, 1)
    ms = (network.edge_mm * MS_PER_S + whole // 2) // whole
    return finish_costs(network, ms, (speed == 0) | (way < 0)), finish_costs(network, ms, (speed == 0) | (way > 0))
