"""The invented sample city and the recipe that makes it.

Everything in it is made up: places, names, codes, people and reports.
"""

from __future__ import annotations

from data.sample_city.city import RECIPE_VERSION, City, make_city, write_city, write_layers
from data.sample_city.figures import Figures, describe_city
from data.sample_city.million import Million, make_million

__all__ = [
    "RECIPE_VERSION",
    "City",
    "Figures",
    "Million",
    "describe_city",
    "make_city",
    "make_million",
    "write_city",
    "write_layers",
]
