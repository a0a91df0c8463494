"""What the blocks of a city write down, row by row, before anything is bent and carried to the ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from data.sample_city.blocks import Block


Box = tuple[float, float, float, float]
"""West, south, east and north end of a rectangle on the board, metres."""


class Rows:
    """Columns gathered in pieces and joined once."""

    def __init__(self, **kinds: type | str) -> None:
        """Start an empty table with these columns and NumPy types."""
        self._kinds = kinds
        self._pieces: list[dict[str, NDArray[Any]]] = []
        self.count = 0

    def add(self, columns: Mapping[str, Any], **more: Any) -> range:
        """Add rows; scalars are repeated, columns not given are zero or empty. Return the numbers of the new rows."""
        given = {**columns, **more}
        length = max(np.size(value) for value in given.values())
        shortest = min(np.size(value) for value in given.values())
        if shortest == 0:
            return range(self.count, self.count)
        piece = {}
        for name, kind in self._kinds.items():
            value = given.pop(name, "" if kind == "object" else 0)
            piece[name] = np.broadcast_to(np.asarray(value, dtype=kind), (length,))
        if given:
            raise KeyError(f"no such columns: {sorted(given)}")
        self._pieces.append(piece)
        self.count += length
        return range(self.count - length, self.count)

    def frame(self) -> pd.DataFrame:
        """Return all rows as one frame."""
        return pd.DataFrame(
            {
                name: np.concatenate([piece[name] for piece in self._pieces])
                if self._pieces
                else np.empty(0, dtype=kind)
                for name, kind in self._kinds.items()
            }
        )


class Shape(IntEnum):
    """Footprint of a building, drawn in its own width and depth."""

    BOX = 0
    ELL = 1
    YOU = 2
    CROSS = 3
    COMB = 4
    NOTCHED = 5


SHAPES: dict[Shape, tuple[tuple[float, float], ...]] = {
    Shape.BOX: ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)),
    Shape.ELL: ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (0.1, 0.5), (0.1, -0.05), (-0.5, -0.05)),
    Shape.YOU: (
        (-0.5, -0.5), (-0.15, -0.5), (-0.15, 0.1), (0.15, 0.1), (0.15, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5),
    ),
    Shape.CROSS: (
        (-0.5, -0.28), (-0.2, -0.28), (-0.2, -0.5), (0.2, -0.5), (0.2, -0.28), (0.5, -0.28),
        (0.5, 0.3), (0.22, 0.3), (0.22, 0.5), (-0.22, 0.5), (-0.22, 0.3), (-0.5, 0.3),
    ),
    Shape.COMB: (
        (-0.5, -0.5), (-0.34, -0.5), (-0.34, 0.2), (-0.08, 0.2), (-0.08, -0.5), (0.08, -0.5), (0.08, 0.2), (0.34, 0.2),
        (0.34, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5),
    ),
    Shape.NOTCHED: (
        (-0.5, -0.5), (-0.04, -0.5), (-0.04, -0.34), (0.04, -0.34), (0.04, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5),
    ),
}  # fmt: skip


class Kind(IntEnum):
    """Kind of estate a building belongs to; sets who lives in it. NONE is no housing."""

    NONE = 0
    COURTYARD = 1
    OLD_SLAB = 2
    DANWEI = 3
    VILLAGE = 4
    RESETTLE = 5
    NEW_TOWER = 6
    NEW_GARDEN = 7
    DORM = 8
    RURAL = 9
    RENTAL_TOWER = 10


class Site(IntEnum):
    """Place where a small facility can be."""

    SHOP = 0
    OFFICE = 1
    BIN = 2
    BIKE = 3
    PARKING = 4
    LOCKER = 5
    LAWN = 6
    FIT = 7


def _houses() -> Rows:
    return Rows(
        u=float, v=float, wide=float, deep=float, shape="int8", floors="int16", dwellings="int32", kind="int8",
        use="object", block="int32", compound="int32", number="int32", door="int8",
    )  # fmt: skip


def _boxes() -> Rows:
    return Rows(u0=float, v0=float, u1=float, v1=float, use="object", block="int32", compound="int32")


@dataclass(slots=True)
class Ledger:
    """Everything the blocks of a city hold, on the board.

    Parameters
    ----------
    houses
        Buildings: middle, width along `u`, depth along `v`, metres; `door` is the side of the entrance (0 none,
        1 north, 2 south, 3 west, 4 east).
    parcels
        Land by use.
    compounds, gates
        Walled rectangles and their gates; `hours` in OSM syntax.
    paths
        Segments from node to node that are no public streets: inner paths, ways from gates to streets, park paths.
    specials
        Sites of large facilities by type.
    sites
        Places for small facilities.
    joins
        Points where paths meet public streets.
    """

    houses: Rows = field(default_factory=_houses)
    parcels: Rows = field(default_factory=_boxes)
    compounds: Rows = field(
        default_factory=lambda: Rows(
            u0=int, v0=int, u1=int, v1=int, kind="int8", block="int32", serial="int32", built="int16"
        )
    )
    gates: Rows = field(
        default_factory=lambda: Rows(u=int, v=int, compound="int32", opens="object", hours="object", side="int8")
    )
    paths: Rows = field(
        default_factory=lambda: Rows(
            ua=int, va=int, ub=int, vb=int, highway="object", access="object", compound="int32", steps=bool
        )
    )
    specials: Rows = field(
        default_factory=lambda: Rows(
            u0=int, v0=int, u1=int, v1=int, code="object", block="int32", zone="object", gate_u=int, gate_v=int
        )
    )
    sites: Rows = field(
        default_factory=lambda: Rows(u=float, v=float, site="int8", block="int32", compound="int32", zone="object")
    )
    joins: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes what one block holds: the city's ledger, the block, and the block's own random stream."""

    ledger: Ledger
    block: Block
    rng: np.random.Generator

    def house(self, columns: Mapping[str, Any], **more: Any) -> None:
        """Write buildings of this block."""
        self.ledger.houses.add(columns, block=self.block.number, **more)

    def parcel(self, box: Box, use: str, *, compound: int = -1) -> None:
        """Write a piece of land by its use."""
        self.ledger.parcels.add(
            {"u0": box[0], "v0": box[1], "u1": box[2], "v1": box[3]},
            use=use,
            block=self.block.number,
            compound=compound,
        )

    def site(self, u: Any, v: Any, site: Site, *, compound: int = -1) -> None:
        """Write places for small facilities."""
        self.ledger.sites.add(
            {"u": u, "v": v}, site=int(site), block=self.block.number, compound=compound, zone=self.block.zone
        )
