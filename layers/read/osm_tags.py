"""What OpenStreetMap tags mean for each layer. Pure rules, one object at a time.

References
----------
OpenStreetMap wiki, pages of the keys named here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Tags = dict[str, str]
Shape = Literal["node", "line", "area"]

# ways that cannot be walked or driven because they are not there, or are no ways but surfaces to stand on
_NO_STREET: Final = frozenset(
    {"proposed", "planned", "construction", "abandoned", "disused", "razed", "demolished", "platform", "no"}
    | {"bus_stop", "rest_area", "services", "elevator", "traffic_island"}
)
_NO_BUILDING: Final = frozenset({"no", "entrance", "proposed", "construction", "demolished", "razed", "collapsed"})
_GATES: Final = frozenset(
    {"gate", "lift_gate", "swing_gate", "sliding_gate", "wicket_gate", "entrance", "turnstile", "hampshire_gate"}
    | {"full-height_turnstile", "kissing_gate", "sally_port", "security_gate"}
)
_WALLS: Final = frozenset({"wall", "fence", "city_wall", "hedge"})
_WATER_LINES: Final = frozenset({"river", "canal"})
_WATER_AREAS: Final = frozenset({"riverbank", "dock", "canal", "river"})
_RAILS: Final = frozenset({"rail", "light_rail", "subway", "narrow_gauge", "monorail"})
_BELOW: Final = frozenset({"yes", "culvert", "building_passage", "covered"})
# who is let in by an access word; everything else says nothing
_RESIDENTS: Final = frozenset({"private", "residents", "no", "permit", "customers", "key", "delivery"})
_EVERYBODY: Final = frozenset({"yes", "public", "permissive", "designated", "destination"})
_SUPPLY: Final = {"public": "public", "government": "public", "private": "market", "business": "market"}
# the front door first; doors for cars, goods and flight never
_DOORS: Final = {"main": 0, "home": 1, "staircase": 1, "yes": 2, "secondary": 3, "shop": 4}
FACILITY_KEYS: Final = (
    "amenity",
    "shop",
    "leisure",
    "healthcare",
    "emergency",
    "office",
    "public_transport",
    "railway",
    "tourism",
    "craft",
    "man_made",
    "power",
    "social_facility",
    "community_centre",
)
STREET_TAGS: Final = ("highway", "foot", "access", "incline", "wheelchair", "oneway", "maxspeed")
INTERESTING_KEYS: Final = (
    *FACILITY_KEYS,
    "highway",
    "building",
    "boundary",
    "landuse",
    "place",
    "natural",
    "waterway",
    "barrier",
    "entrance",
)


def is_street(tags: Mapping[str, str]) -> bool:
    """Tell whether a way is kept as a street; who may walk on it is decided later."""
    highway = tags.get("highway")
    return highway is not None and highway not in _NO_STREET


def street_columns(tags: Tags) -> dict[str, object]:
    """Return the columns of a street; ``steps`` is true for stairs and false for everything else."""
    return {**{name: tags.get(name) for name in STREET_TAGS}, "steps": tags["highway"] == "steps"}


def is_building(tags: Mapping[str, str]) -> bool:
    """Tell whether an object is a whole building (parts of buildings are not)."""
    return tags.get("building", "no") not in _NO_BUILDING


def building_columns(tags: Tags) -> dict[str, object]:
    """Return the columns of a building."""
    return {
        "name": tags.get("name"),
        "use": tags.get("building:use") or tags.get("building"),
        "floors": tags.get("building:levels"),
        "dwellings": tags.get("building:flats"),
        "address": join_address(tags),
    }


def join_address(tags: Mapping[str, str]) -> str | None:
    """Return the address in one line, None where there is none."""
    if "addr:full" in tags:
        return tags["addr:full"]
    street = tags.get("addr:street") or tags.get("addr:place")
    parts = [part for part in (street, tags.get("addr:housenumber"), tags.get("addr:unit")) if part]
    city = tags.get("addr:city")
    return None if not parts else " ".join(parts) + (f", {city}" if city else "")


def door_rank(tags: Mapping[str, str]) -> int | None:
    """Return how good an entrance is to walk in by, 0 best; None for doors of cars, goods and emergencies."""
    return _DOORS.get(tags.get("entrance", ""))


def is_facility_candidate(tags: Mapping[str, str]) -> bool:
    """Tell whether the standards pack should be asked about an object."""
    return any(key in tags for key in FACILITY_KEYS) or tags.get("highway") == "bus_stop" or "landuse" in tags


def facility_columns(tags: Tags) -> dict[str, object]:
    """Return the columns of a facility but its type."""
    return {
        "name": tags.get("name") or tags.get("name:zh") or tags.get("operator"),
        "capacity": tags.get("capacity") or tags.get("beds"),
        "supply": _SUPPLY.get(tags.get("operator:type", "")),
        "opening_hours": tags.get("opening_hours"),
        "address": join_address(tags),
    }


def is_gate(tags: Mapping[str, str]) -> bool:
    """Tell whether a node is a way through a wall or fence."""
    return tags.get("barrier") in _GATES


def is_wall(tags: Mapping[str, str]) -> bool:
    """Tell whether a way is a wall or fence that people do not climb."""
    return tags.get("barrier") in _WALLS


def opens_to(tags: Mapping[str, str]) -> str | None:
    """Return ``all`` or ``residents`` where the tags of a gate say so: on foot before in general."""
    for key in ("foot", "access"):
        word = tags.get(key)
        if word in _EVERYBODY:
            return "all"
        if word in _RESIDENTS:
            return "residents"
    return None


def is_estate(tags: Mapping[str, str]) -> bool:
    """Tell whether an area is housing that may be a compound, if something closes it off."""
    return tags.get("landuse") == "residential" or tags.get("place") == "neighbourhood"


def is_closed_off(tags: Mapping[str, str]) -> bool:
    """Tell whether an estate's own tags say that it is walled or gated."""
    return (
        tags.get("barrier") in _WALLS
        or tags.get("gated") == "yes"
        or tags.get("residential") in {"gated", "gated_community"}
        or tags.get("access") in {"private", "residents", "permit"}
    )


def is_area_level(tags: Mapping[str, str]) -> bool:
    """Tell whether an object is an administrative area with a level."""
    return tags.get("boundary") == "administrative" and tags.get("admin_level", "").isdigit()


def reference_kind(tags: Mapping[str, str], *, shape: Shape) -> dict[str, str]:
    """Return the reference layers an object belongs to, with what it is there.

    Parameters
    ----------
    tags
        Tags of the object.
    shape
        Whether it is a node, a line or a closed area.

    Returns
    -------
    Layer → kind. ``water`` and ``railway`` stop links, so water in pipes and rails in tunnels or on bridges are not
    among them.
    """
    out: dict[str, str] = {}
    if shape != "node" and (water := _water_kind(tags, is_area=shape == "area")):
        out["water"] = water
    if shape == "line" and tags.get("railway") in _RAILS and not _is_off_ground(tags):
        out["railway"] = tags["railway"]
    if shape == "area" and "landuse" in tags:
        out["landuse"] = tags["landuse"]
    if shape != "line" and (transit := _transit_kind(tags)):
        out["transit"] = transit
    return out


def _is_off_ground(tags: Mapping[str, str]) -> bool:
    is_bridge = tags.get("bridge", "no") != "no"
    return is_bridge or tags.get("tunnel", "no") != "no" or tags.get("covered") in _BELOW or _is_below(tags)


def _is_below(tags: Mapping[str, str]) -> bool:
    return tags.get("layer", "0").startswith("-") or tags.get("location") in {"underground", "underwater"}


def _water_kind(tags: Mapping[str, str], *, is_area: bool) -> str | None:
    if tags.get("tunnel", "no") != "no" or tags.get("covered") == "yes" or tags.get("intermittent") == "yes":
        return None
    if is_area:
        if tags.get("natural") == "water":
            return tags.get("water", "water")
        return tags.get("waterway") if tags.get("waterway") in _WATER_AREAS else None
    if tags.get("natural") == "coastline":
        return "coastline"
    return tags.get("waterway") if tags.get("waterway") in _WATER_LINES else None


def _transit_kind(tags: Mapping[str, str]) -> str | None:
    if tags.get("highway") == "bus_stop":
        return "bus_stop"
    if tags.get("railway") in {"station", "halt", "tram_stop", "subway_entrance"}:
        return tags["railway"]
    public = tags.get("public_transport")
    if public in {"station", "platform"}:
        return public
    return "bus_station" if tags.get("amenity") == "bus_station" else None
