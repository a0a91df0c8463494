"""Profiles: how someone moves. They are data; whoever runs an analysis can add one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from geo.driving import GATE_CLASS, UNKNOWN_CLASS
from geo.errors import DataError
from layers.catalog import resources
from layers.catalog.facility_type import parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layers.catalog.facility_type import FacilityType

DRIVING: Final = "driving"
"""Profile that judges types reached by vehicle where no other vehicle is asked for."""

VEHICLES: Final = frozenset({"", "emergency", "traffic"})
"""Words of the column `vehicle`; the empty word is nobody's."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How someone moves.

    Attributes
    ----------
    code, name_zh, name_en
        Identity and names.
    pace_m_s
        Walking pace on the level, metres per second, on and off the street.
    steps
        Whether steps can be used; False stops wheels.
    steps_factor
        What a metre of steps costs against a metre of street; 1 is no extra time.
    max_slope
        Steepest gradient that can be used, rise over run; None sets no bound.
    climb_factor
        Metres on the level that a metre of climb costs; 0 leaves slopes free.
    crossing_s
        Seconds a marked crossing costs.
    vehicle
        ``emergency`` or ``traffic`` for who drives, empty for who walks.
    notes
        What a reader should know.

    References
    ----------
    design/numbers.md, "Walking": paces as shipped.
    """

    code: str
    name_zh: str
    name_en: str
    pace_m_s: float
    steps: bool
    steps_factor: float = 1.0
    max_slope: float | None = None
    climb_factor: float = 0.0
    crossing_s: float = 0.0
    vehicle: str = ""
    notes: str = ""

    @property
    def is_vehicle(self) -> bool:
        """Whether this drives instead of walking."""
        return bool(self.vehicle)


def read_profiles() -> dict[str, Profile]:
    """Return the shipped profiles by code, the default one (``adult``) first.

    Raises
    ------
    DataError
        A row of the shipped table cannot be used.
    """
    return {row["code"]: _parse(row) for row in resources.read_csv("profiles.csv")}


def _parse(row: dict[str, str]) -> Profile:
    try:
        pace_m_s, steps_factor, max_slope, climb_factor, crossing_s = (
            parse_number(name, row[name])
            for name in ("pace_m_s", "steps_factor", "max_slope", "climb_factor", "crossing_s")
        )
    except ValueError as error:
        raise DataError(f"Reading profile {row['code']!r}: {error}") from error
    if not pace_m_s or not steps_factor or row["steps"] not in ("yes", "no"):
        raise DataError(f"Reading profile {row['code']!r}: pace, steps and steps_factor must be given and above 0")
    if row["vehicle"] not in VEHICLES:
        raise DataError(
            f"Reading profile {row['code']!r}: vehicle is {row['vehicle']!r}, expected emergency or traffic"
        )
    return Profile(
        code=row["code"],
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        pace_m_s=pace_m_s,
        steps=row["steps"] == "yes",
        steps_factor=steps_factor,
        max_slope=max_slope,
        climb_factor=climb_factor or 0.0,
        crossing_s=crossing_s or 0.0,
        vehicle=row["vehicle"],
        notes=row["notes"],
    )


def read_speeds(vehicle: str) -> dict[str, float]:
    """Return the speed of each class of street in km/h, 0 where it is not driven; other names of a class included.

    Parameters
    ----------
    vehicle
        ``emergency`` or ``traffic``.

    Raises
    ------
    DataError
        A row of the shipped table cannot be used, or a class everything rests on is missing.
    """
    speeds: dict[str, float] = {}
    for row in resources.read_csv("speeds.csv"):
        try:
            kmh = parse_number(f"{vehicle}_kmh", row[f"{vehicle}_kmh"])
        except ValueError as error:
            raise DataError(f"Reading the speed of {row['highway']!r}: {error}") from error
        if kmh is None:
            raise DataError(f"Reading the speed of {row['highway']!r}: {vehicle}_kmh is empty; write 0 for not driven")
        speeds |= dict.fromkeys((row["highway"], *filter(None, row["aliases"].split("|"))), kmh)
    for needed in (UNKNOWN_CLASS, GATE_CLASS):
        if not speeds.get(needed):
            raise DataError(f"Reading speeds: class {needed!r} must be driven, it stands in for others")
    return speeds


def choose_profiles(kind: FacilityType, asked: Sequence[str], profiles: Mapping[str, Profile]) -> tuple[str, ...]:
    """Return the profiles that judge a type, in the order asked: walkers or, for types reached by vehicle, vehicles.

    A type reached by vehicle is judged by the profile ``driving`` where no vehicle is asked for. Nobody drives to what
    is walked to: asked for vehicles alone, such a type has no profile.

    Parameters
    ----------
    kind
        The type.
    asked
        Codes of the profiles asked for.
    profiles
        Every profile by code.
    """
    mine = tuple(code for code in asked if profiles[code].is_vehicle == (kind.mode == "drive"))
    return mine or ((DRIVING,) if kind.mode == "drive" else ())
