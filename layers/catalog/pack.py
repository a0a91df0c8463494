"""The standards pack: which facilities a life circle needs, how near, how many, and by which clause."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from geo.errors import DataError, NotFound
from layers.catalog import resources
from layers.catalog.city_file import apply_city_file, read_city_file
from layers.catalog.facility_type import COLUMNS, FacilityType, find_faults, parse_number, parse_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TIER_NUMBERS = frozenset(
    {"walk_minutes", "walk_m_min", "walk_m_max", "people_min", "people_max", "dwellings_min", "dwellings_max"}
)


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of the standard: how far, and for how many people.

    Attributes
    ----------
    tier
        ``15min``, ``10min``, ``5min`` or ``block``. Tiers add, they do not nest.
    walk_minutes, walk_m_min, walk_m_max
        Walk the tier stands for, minutes and metres; None for the block.
    people_min, people_max, dwellings_min, dwellings_max
        Size of one circle.
    certainty, dwellings_certainty
        How sure the figures, and those for dwellings, are.

    References
    ----------
    GB 50180-2018 table 3.0.4.
    """

    tier: str
    name_zh: str
    name_en: str
    walk_minutes: float | None
    walk_m_min: float | None
    walk_m_max: float | None
    people_min: float | None
    people_max: float | None
    dwellings_min: float | None
    dwellings_max: float | None
    certainty: str
    dwellings_certainty: str
    source: str


@dataclass(frozen=True, slots=True)
class Pack:
    """The standards pack in force: the national one, or that one as a city file changed it.

    Attributes
    ----------
    name, version
        ``cn`` and ``cn-2026.1``; with a city file ``cn-2026.1+<name>@<hash8>``, the hash over what the file changes.
    types
        Every row, in the order of the file.
    tiers
        The standard's tiers, widest first.
    meta
        Editions, notes, what is still to be checked on paper, and what evidence codes stand for; JSON-able.
    """

    name: str
    version: str
    types: tuple[FacilityType, ...]
    tiers: tuple[Tier, ...]
    meta: Mapping[str, Any]
    _by_code: dict[str, FacilityType] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_code", {row.code: row for row in self.types})

    def __hash__(self) -> int:
        # equal packs have equal versions; hashing 91 rows for every object that is recognised would cost more
        return hash((self.name, self.version))

    def __getitem__(self, code: str) -> FacilityType:
        """Return the type with this code.

        Raises
        ------
        NotFound
            The pack has no such type.
        """
        try:
            return self._by_code[code]
        except KeyError:
            raise NotFound(
                f"Looking up facility type {code!r}: pack {self.version} has no such code",
                hint="`onemap standards list` shows every code.",
                parameter="type",
            ) from None

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __iter__(self) -> Iterator[FacilityType]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)

    @property
    def codes(self) -> frozenset[str]:
        """Every code of the pack."""
        return frozenset(self._by_code)

    @property
    def facility_types(self) -> tuple[FacilityType, ...]:
        """Types a single object can have: all rows but aggregates and indicators."""
        return tuple(row for row in self.types if row.kind in ("point", "area"))

    @property
    def testable(self) -> tuple[FacilityType, ...]:
        """Types a walk limit judges."""
        return tuple(row for row in self.types if row.testable)

    @property
    def driven(self) -> tuple[FacilityType, ...]:
        """Types that the profile driving judges: reached by vehicle, and the standard says in what time."""
        return tuple(row for row in self.types if row.is_driven)

    @property
    def not_judged(self) -> tuple[tuple[str, str], ...]:
        """(code, reason) of every row no walk limit judges; the reason is a key of ``NOT_JUDGED``."""
        return tuple((row.code, row.not_judged_reason) for row in self.types if row.not_judged_reason)

    def rows(self) -> list[dict[str, Any]]:
        """Return every type as plain JSON-able values, with ``limit_s``, ``demand_groups`` and ``pack_version``."""
        return [row.as_row() | {"pack_version": self.version} for row in self.types]


def read_pack(*, city_file: Path | None = None) -> Pack:
    """Return the standards pack that ships with the product, changed by a city file where one is given.

    A city file changes columns of rows; it adds no types. Where it changes a limit or a norm without naming its own
    clause, the clause shown says so and the certainty falls to ``unverified``.

    Parameters
    ----------
    city_file
        CSV (a ``code`` column and any columns of the pack; an empty cell changes nothing, ``-`` clears) or TOML
        (``name = "…"`` and one table ``[types.CODE]`` per type).

    Returns
    -------
    Pack
        The pack with its version.

    Raises
    ------
    DataError
        The city file cannot be read, or holds unknown columns, unknown codes or impossible values; all are named.
    """
    meta = resources.read_toml("pack.toml")
    table = resources.read_csv("standards.csv")
    name, version = meta.pop("name"), meta.pop("version")
    if city_file is None:
        types = parse_types(table)
    else:
        city = read_city_file(city_file, codes=frozenset(row["code"] for row in table))
        types = apply_city_file(table, city)
        version = f"{version}+{city.version}"
    return Pack(name=name, version=version, types=types, tiers=_read_tiers(), meta=_to_json(meta))


def parse_types(table: list[dict[str, str]]) -> tuple[FacilityType, ...]:
    """Return the facility types of a complete table, checked row by row.

    Raises
    ------
    DataError
        The table breaks its contract; every fault is named.
    """
    codes = [row.get("code", "") for row in table]
    if not table or set(table[0]) != set(COLUMNS) or len(set(codes)) != len(codes):
        raise DataError("Reading the standards pack: its columns or codes are not those of this version")
    types = []
    faults = []
    for row in table:
        try:
            types.append(parse_row(row))
        except ValueError as error:
            faults.append(f"{row['code']}: {error}")
    known = frozenset(codes)
    faults += [f"{row.code}: {fault}" for row in types for fault in find_faults(row, codes=known)]
    if faults:
        raise DataError(f"Reading the standards pack: {'; '.join(faults[:5])} ({len(faults)} faults)")
    return tuple(types)


def _read_tiers() -> tuple[Tier, ...]:
    names = [item.name for item in fields(Tier)]
    tiers = []
    for row in resources.read_csv("tiers.csv"):
        values: dict[str, Any] = {
            name: parse_number(name, row[name]) if name in _TIER_NUMBERS else row[name] for name in names
        }
        tiers.append(Tier(**values))
    return tuple(tiers)


def _to_json(value: Any) -> Any:
    """Return TOML values as JSON-able ones: dates become ISO text."""
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
