"""One row of the standards pack and the rules for a single row."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, Final

from layers.catalog.bands import BANDS, DEMAND_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

# Pace that turns a service radius into a walk, m/s: 1,000 m in 15 minutes.
# References: GB 50180-2018 table 3.0.4; design/numbers.md, "Limits".
RADIUS_PACE_M_S: Final = Decimal("1.11")

# Seconds from the order to the moment the first engine leaves; the rest of the time to arrival is driven.
# References: 建标152-2017, explanation of the 15 minutes of fire protection (1 min turn-out, 4 min drive; seen in
# press, not on paper).
TURN_OUT_S: Final = 60

CHOICES: Final[Mapping[str, frozenset[str]]] = types.MappingProxyType(
    {
        "circle": frozenset({"5min", "10min", "15min", "block", "city", "other"}),
        "kind": frozenset({"point", "area", "aggregate", "indicator"}),
        "mode": frozenset({"walk", "drive", "none"}),
        "limit_rule": frozenset({"minutes", "radius", "none"}),
        "obligation": frozenset({"required", "optional", "advised"}),
        "certainty": frozenset({"sure", "likely", "unverified"}),
        "norm_certainty": frozenset({"", "sure", "likely", "unverified"}),
        "osm_unique": frozenset({"", "yes", "no"}),
    }
)
"""Words a column may hold; the empty word means "not stated"."""

NOT_JUDGED: Final[Mapping[str, tuple[str, str]]] = types.MappingProxyType(
    {
        "aggregate": ("总量指标,不是一处设施", "a total over many places, not a place to walk to"),
        "indicator": ("评价指标,不是一处设施", "an indicator, not a place to walk to"),
        "driven": ("车行到达,由车行模式评价", "reached by vehicle; judged by the profile driving, not by a walk"),
        "drive": ("车行到达,标准未给出行车时间", "reached by vehicle; the standard gives no driving time"),
        "not_walked": ("居民不步行前往", "residents do not walk to it"),
        "block": ("街坊级配套,无步行时限", "belongs to every housing block; no walking limit"),
        "no_limit": ("标准未给出步行时限或服务半径", "the standard gives no walking time and no radius"),
    }
)
"""Why a type is not judged: key to (Chinese, English) wording."""


@dataclass(frozen=True, slots=True)
class FacilityType:
    """One row of the standards pack.

    Attributes
    ----------
    code
        Identity, e.g. ``EDU_KINDER``.
    category, name_zh, name_en
        Group and names for people.
    circle
        Tier whose list holds the type; sets no limit.
    walk_minutes
        Walk the tier allows, minutes; None where the standard names none.
    radius_m
        Service radius as a straight line, metres; None where the document gives none (never filled silently).
    radius_kind
        What the radius measures; only ``service`` and ``evacuation`` are walks.
    capacity_unit, norm_low, norm_high, norm_unit, norm_certainty
        Provision norm in words; ``norm_quantity / norm_per / norm_base`` spell it out, ``norm_group`` joins types that
        share one norm.
    demand_group, demand_group_code
        Whom it is for, in words and as resident groups joined by ``+``.
    scale_min, scale_max, scale_unit
        Size of one site in ``scale_unit``.
    serves_pop_min, serves_pop_max
        People one site serves.
    floor_m2_min, floor_m2_max, land_m2_min, land_m2_max
        Size of one site, square metres.
    obligation, basis
        ``required``, ``optional`` or ``advised``, and what that rests on.
    source, certainty, evidence, notes
        Clause shown beside every result, how sure the figures are, and where they were seen.
    osm_tags, osm_unique
        OpenStreetMap tag sets (alternatives ``|``, conjunction ``+``); whether they fit this type alone.
    kind, mode, testable, limit_rule
        Our classification: what is measured, how it is reached, whether a walk limit judges it, what sets the limit.
    arrive_minutes
        Minutes from the order to arrival, for fire stations.
    counts_for
        Types a site of this type also serves, in function but not in area.
    overridden
        Columns a city file changed; empty for the national pack.

    References
    ----------
    GB 50180-2018 appendices B and C and the documents named in ``source``.
    """

    code: str
    category: str
    name_zh: str
    name_en: str
    circle: str
    walk_minutes: float | None
    radius_m: float | None
    radius_kind: str
    capacity_unit: str
    norm_low: float | None
    norm_high: float | None
    norm_unit: str
    norm_certainty: str
    demand_group: str
    scale_min: float | None
    scale_max: float | None
    scale_unit: str
    serves_pop_min: float | None
    serves_pop_max: float | None
    floor_m2_min: float | None
    floor_m2_max: float | None
    land_m2_min: float | None
    land_m2_max: float | None
    obligation: str
    source: str
    certainty: str
    evidence: str
    notes: str
    osm_tags: str
    kind: str
    mode: str
    testable: bool
    limit_rule: str
    arrive_minutes: float | None
    demand_group_code: str
    norm_quantity: str
    norm_per: float | None
    norm_base: str
    norm_group: str
    counts_for: str
    basis: str
    osm_unique: str
    overridden: tuple[str, ...] = ()

    @property
    def demand_groups(self) -> tuple[str, ...]:
        """Resident groups the type is for, e.g. ``("a60_64", "a65_79", "a80_up")`` or ``("all",)``."""
        return tuple(self.demand_group_code.split("+"))

    @property
    def serves(self) -> tuple[str, ...]:
        """Codes of the types a site of this type serves: itself first, then those it counts for."""
        return (self.code, *(code for code in self.counts_for.split("|") if code))

    @property
    def limit_s(self) -> int | None:
        """Seconds a walk may take; None where no walk limit judges the type.

        The same seconds hold for every profile. Minutes go before the radius; a radius is walked at 1.11 m/s and
        rounded up to a second.
        """
        if not self.testable:
            return None
        if self.walk_minutes is not None:
            return math.ceil(self.walk_minutes * 60)
        if self.radius_m is None:
            return None
        # decimal: 1110 / 1.11 must be 1000, not one second more by a rounding of binary fractions
        return int((Decimal(str(self.radius_m)) / RADIUS_PACE_M_S).to_integral_value(ROUND_CEILING))

    @property
    def is_driven(self) -> bool:
        """Whether the standard gives a time in which a vehicle must arrive, which the profile driving judges."""
        return self.mode == "drive" and self.kind in ("point", "area") and self.arrive_minutes is not None

    @property
    def drive_limit_s(self) -> int | None:
        """Seconds a drive from the facility may take: the time to arrival less the turn-out; None where none is given.

        It is never less than a second: a city that asks for arrival within the turn-out asks for what cannot be.
        """
        if not self.is_driven or self.arrive_minutes is None:
            return None
        return max(math.ceil(self.arrive_minutes * 60) - TURN_OUT_S, 1)

    @property
    def not_judged_reason(self) -> str | None:
        """Key of :data:`NOT_JUDGED` that says why no walk limit judges the type; None for a testable type."""
        if self.testable:
            return None
        if self.kind in ("aggregate", "indicator"):
            return self.kind
        if self.mode == "drive":
            return "driven" if self.is_driven else "drive"
        if self.mode != "walk":
            return "not_walked"
        return "block" if self.circle == "block" else "no_limit"

    @property
    def tag_sets(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """OpenStreetMap tag sets: any one set of (key, value) pairs, all of its pairs together."""
        return parse_tag_sets(self.osm_tags)

    def as_row(self) -> dict[str, Any]:
        """Return the type as plain JSON-able values: empty words become None, tuples become lists."""
        row = {field.name: getattr(self, field.name) or None for field in fields(self)}
        row |= {name: getattr(self, name) for name in NUMBER_COLUMNS}
        return row | {
            "testable": self.testable,
            "overridden": list(self.overridden),
            "demand_groups": list(self.demand_groups),
            "limit_s": self.limit_s,
            "drive_limit_s": self.drive_limit_s,
            "not_judged_reason": self.not_judged_reason,
        }


COLUMNS: Final = tuple(field.name for field in fields(FacilityType) if field.name != "overridden")
"""Columns of ``standards.csv`` in order."""

NUMBER_COLUMNS: Final = frozenset(field.name for field in fields(FacilityType) if field.type == "float | None")
"""Columns that hold a number or nothing."""

REQUIRED_COLUMNS: Final = ("code", "category", "name_zh", "name_en", "capacity_unit", "demand_group_code", "source")

_RANGES: Final = (
    ("norm_low", "norm_high"),
    ("scale_min", "scale_max"),
    ("serves_pop_min", "serves_pop_max"),
    ("floor_m2_min", "floor_m2_max"),
    ("land_m2_min", "land_m2_max"),
)


def parse_tag_sets(text: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Split ``a=b+c=d|e=f`` into its alternatives of (key, value) pairs.

    Raises
    ------
    ValueError
        A part is not ``key=value``.
    """
    sets = []
    for alternative in filter(None, text.split("|")):
        pairs = tuple(tuple(map(str.strip, pair.partition("=")[::2])) for pair in alternative.split("+"))
        if not all(len(pair) == 2 and all(pair) for pair in pairs):
            raise ValueError(f"{alternative!r} is not key=value joined by +")
        sets.append(tuple((key, value) for key, value in pairs))
    return tuple(sets)


def parse_row(row: Mapping[str, str], *, overridden: tuple[str, ...] = ()) -> FacilityType:
    """Return the facility type of one row of text.

    Parameters
    ----------
    row
        Every column of :data:`COLUMNS` as text; empty means "not given".
    overridden
        Columns a city file changed.

    Raises
    ------
    ValueError
        A number is not a number, not finite or negative, or ``testable`` is neither yes nor no.
    """
    values: dict[str, Any] = {
        name: parse_number(name, row[name]) if name in NUMBER_COLUMNS else row[name] for name in COLUMNS
    }
    if row["testable"] not in ("yes", "no"):
        raise ValueError(f"testable is {row['testable']!r}, expected yes or no")
    values["testable"] = row["testable"] == "yes"
    return FacilityType(**values, overridden=overridden)


def parse_number(column: str, text: str) -> float | None:
    """Return a finite number that is not negative, or None for an empty cell.

    Raises
    ------
    ValueError
        Anything else.
    """
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{column} is {text!r}, expected a number") from None
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{column} is {text!r}, expected a finite number not below 0")
    return number


def find_faults(row: FacilityType, *, codes: frozenset[str]) -> list[str]:
    """Return what is wrong with one type, in words; empty when all is well.

    Parameters
    ----------
    row
        The type.
    codes
        Every code of the pack, for ``counts_for``.
    """
    faults = [f"{name} is empty" for name in REQUIRED_COLUMNS if not getattr(row, name)]
    faults += [
        f"{name} is {getattr(row, name)!r}, expected one of {', '.join(sorted(filter(None, words)))}"
        for name, words in CHOICES.items()
        if getattr(row, name) not in words
    ]
    faults += [
        f"demand_group_code names {part!r}, expected resident groups joined by +"
        for part in row.demand_groups
        if part not in BANDS and part not in DEMAND_WORDS
    ]
    faults += [f"counts_for names {code!r}, which is no type" for code in row.serves if code not in codes]
    try:
        parse_tag_sets(row.osm_tags)
    except ValueError as error:
        faults.append(f"osm_tags: {error}")
    return faults + _find_range_faults(row) + _find_limit_faults(row) + _find_norm_faults(row)


def _find_range_faults(row: FacilityType) -> list[str]:
    faults = []
    for low_name, high_name in _RANGES:
        low, high = getattr(row, low_name), getattr(row, high_name)
        if low is not None and high is not None and low > high:
            faults.append(f"{low_name} {low:g} is above {high_name} {high:g}")
    return faults


def expected_limit_rule(row: FacilityType) -> str:
    """Return what sets the walk limit of a type: ``minutes`` before ``radius``, ``none`` when it is not testable."""
    if not row.testable:
        return "none"
    return "minutes" if row.walk_minutes is not None else "radius"


def _find_limit_faults(row: FacilityType) -> list[str]:
    faults = [
        f"{name} is 0; leave it empty where there is none"
        for name in ("walk_minutes", "radius_m")
        if getattr(row, name) == 0
    ]
    if row.testable and row.limit_s is None:
        faults.append("testable is yes, but neither walk_minutes nor radius_m is given")
    if row.testable and (row.mode != "walk" or row.kind not in ("point", "area")):
        faults.append(f"testable is yes, but mode is {row.mode} and kind is {row.kind}")
    if row.limit_rule in CHOICES["limit_rule"] and row.limit_rule != expected_limit_rule(row):
        faults.append(f"limit_rule is {row.limit_rule}, but the row's limit comes from {expected_limit_rule(row)}")
    return faults


def _find_norm_faults(row: FacilityType) -> list[str]:
    parts = {
        "norm_quantity": row.norm_quantity,
        "norm_per": row.norm_per,
        "norm_base": row.norm_base,
        "norm_unit": row.norm_unit,
    }
    has_norm = row.norm_low is not None or row.norm_high is not None
    faults = [
        f"norm_low or norm_high is given without {name}" for name, value in parts.items() if has_norm and not value
    ]
    if has_norm and not row.norm_certainty:
        faults.append("norm_low or norm_high is given without norm_certainty")
    return faults
