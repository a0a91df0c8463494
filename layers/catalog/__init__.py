"""What the product knows before any data: standards pack, profiles, layer catalogue.

Everything is read from the package ``data`` by :mod:`importlib.resources`, so a wheel and a clone behave the same.
"""

from __future__ import annotations

from layers.catalog.bands import BANDS, COUNT_COLUMNS, DEMAND_WORDS, HOUSEHOLD_COLUMNS, OF_WHICH
from layers.catalog.core_layers import LAYERS, Column, Layer, column_key, find_layer, read_layers
from layers.catalog.facility_type import NOT_JUDGED, FacilityType
from layers.catalog.pack import Pack, Tier, read_pack
from layers.catalog.profiles import DRIVING, Profile, choose_profiles, read_profiles, read_speeds

__all__ = [
    "BANDS",
    "COUNT_COLUMNS",
    "DEMAND_WORDS",
    "DRIVING",
    "HOUSEHOLD_COLUMNS",
    "LAYERS",
    "NOT_JUDGED",
    "OF_WHICH",
    "Column",
    "FacilityType",
    "Layer",
    "Pack",
    "Profile",
    "Tier",
    "choose_profiles",
    "column_key",
    "find_layer",
    "read_layers",
    "read_pack",
    "read_profiles",
    "read_speeds",
]
