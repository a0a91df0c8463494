"""Resident groups: the columns every people table shares, and what a demand group may name."""

from __future__ import annotations

from typing import Final

BANDS: Final = ("a00_02", "a03_05", "a06_11", "a12_14", "a15_17", "a18_59", "a60_64", "a65_79", "a80_up")
"""Age bands in years; together they are everybody present."""

OF_WHICH: Final = ("floating", "living_alone_60_up", "new_employment")
"""Counts inside the people present; they overlap each other and the bands."""

HOUSEHOLD_COLUMNS: Final = ("households", "dual_earner_households")

COUNT_COLUMNS: Final = ("people", *BANDS, *OF_WHICH, *HOUSEHOLD_COLUMNS)
"""Every count a population row may hold, in the order of the tables."""

DEMAND_WORDS: Final = frozenset({"all", *OF_WHICH, *HOUSEHOLD_COLUMNS, "residential_land", "area"})
"""What a demand group may name besides age bands: everybody, of-which counts, households, or land."""
