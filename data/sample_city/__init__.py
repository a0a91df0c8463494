"""The invented sample city and the recipe that makes it.

Everything in it is made up: places, names, codes, people and reports.
"""

from __future__ import annotations

from data.sample_city.city import RECIPE_VERSION, City, make_city, write_city
from data.sample_city.figures import Figures, describe_city

__all__ = ["RECIPE_VERSION", "City", "Figures", "describe_city", "make_city", "write_city"]
