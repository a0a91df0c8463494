"""Colours and class breaks of pages and pictures made by the server; the same as the planner map's day theme."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

COVERED: Final = "#8fb6cf"
GAP: Final = "#e4572e"
UNKNOWN: Final = "#aeb4bb"
NOBODY: Final = "#e3e6ea"
LAND: Final = "#f3f4f4"

PEOPLE_COLOURS: Final = ("#fff0c9", "#fed08a", "#f99b4f", "#e25a33", "#a8162f")
"""People in the gap, from few to many."""

SHARE_BREAKS: Final = (0.5, 0.7, 0.85, 0.95)
SHARE_COLOURS: Final = ("#a8162f", "#e25a33", "#f99b4f", "#fed08a", COVERED)
"""Share covered: below the first break, between the breaks, from the last break on."""

BASE_STYLES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "water": {"color": "#93bfdd", "weight": 1, "fillColor": "#b4d4ea", "fillOpacity": 1.0},
        "railway": {"color": "#8d97a3", "weight": 1.5, "dashArray": "6 4", "fill": False},
        "compounds": {"color": "#b3b9ab", "weight": 1, "fillColor": "#fafaf7", "fillOpacity": 0.8},
        "streets-major": {"color": "#e3c489", "weight": 3, "fill": False},
        "streets-mid": {"color": "#c3cbd4", "weight": 1.5, "fill": False},
        "streets-minor": {"color": "#d3d9df", "weight": 0.8, "fill": False},
    }
)
"""Looks of the layers below the figures, as Leaflet's path options."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Breaks between classes and one colour a class.

    Attributes
    ----------
    breaks
        Ascending lower bounds of every class but the first.
    colours
        One more than breaks.
    """

    breaks: tuple[float, ...]
    colours: tuple[str, ...]

    def colour_of(self, value: float) -> str:
        """Return the colour of a value; a value on a break belongs to the class above it."""
        return self.colours[sum(value >= bound for bound in self.breaks)]


def share_classes() -> Classes:
    """Return the classes of the share of people covered."""
    return Classes(SHARE_BREAKS, SHARE_COLOURS)


def people_classes(most: float) -> Classes:
    """Return classes for people in the gap, with round breaks up to the largest count.

    Parameters
    ----------
    most
        Largest count to be shown.
    """
    breaks: list[float] = []
    for part in (0.05, 0.15, 0.35, 0.65):
        bound = round_number(most * part)
        if bound >= 1 and (not breaks or bound > breaks[-1]):
            breaks.append(bound)
    return Classes(tuple(breaks), PEOPLE_COLOURS[: len(breaks) + 1])


def round_number(value: float) -> float:
    """Return the largest of 1, 2, 3, 5 times a power of ten that is not above a value; 0 for values below 1."""
    if value < 1:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(max(step for step in (1, 2, 3, 5) if step * power <= value) * power)
