"""Profiles: how someone moves. They are data; whoever runs an analysis can add one."""

from __future__ import annotations

from dataclasses import dataclass

from geo.errors import DataError
from layers.catalog import resources
from layers.catalog.facility_type import parse_number


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
    notes: str = ""


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
        pace_m_s = parse_number("pace_m_s", row["pace_m_s"])
        steps_factor = parse_number("steps_factor", row["steps_factor"])
        max_slope = parse_number("max_slope", row["max_slope"])
    except ValueError as error:
        raise DataError(f"Reading profile {row['code']!r}: {error}") from error
    if not pace_m_s or not steps_factor or row["steps"] not in ("yes", "no"):
        raise DataError(f"Reading profile {row['code']!r}: pace, steps and steps_factor must be given and above 0")
    return Profile(
        code=row["code"],
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        pace_m_s=pace_m_s,
        steps=row["steps"] == "yes",
        steps_factor=steps_factor,
        max_slope=max_slope,
        notes=row["notes"],
    )
