"""Every comparison by name and size."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tests.bench.ground import Ground, make_grid
from tests.bench.ground import open_ground as open_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.measure import Case

MODULES = {
    "nearest": "nearest",
    "catchments": "catchments",
    "isochrone": "isochrone",
    "full-run": "runs",
    "rerun": "runs",
    "what-if": "whatif",
    "load": "load",
    "link": "link",
}
"""Names of the contract and the modules that make them."""

GRID = "grid"
"""An invented grid without a database, for the bench's own tests."""

SIZES = {
    "real": ("real-cambridge", "real-helsinki"),
    "S": ("S",),
    "M": ("M",),
    "L": ("L",),
    "million": ("million",),
    GRID: (GRID,),
}
"""What a size stands for."""

GROUPS = (
    ("nearest", "catchments"),
    ("isochrone",),
    ("full-run", "rerun"),
    ("what-if",),
    ("load",),
    ("link",),
)
"""Names measured in one process, because they share what is slow to make."""

DEFAULT_SIZES = ("real", "L", "million")


def open_ground(size: str) -> Ground:
    """Return the ground of a size.

    Raises
    ------
    Skip
        There is no database or no data.
    """
    return make_grid() if size == GRID else open_stored(size)


def list_cases(name: str, size: str, ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a name and size."""
    module = importlib.import_module(f"tests.bench.{MODULES[name]}")
    found: list[Case] = module.list_cases(size, ground)
    return [case for case in found if case.name == name]
