"""Raw batches become typed rows of one layer; what cannot be kept is rejected with a reason.

Rows read = rows kept + rows rejected, for every batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layers.read.source import Reject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Clean", "Reject", "Repair"]


@dataclass(frozen=True, slots=True)
class Repair:
    """A change made to a row so that it could be kept.

    Attributes
    ----------
    line
        Line or 1-based feature number in the file.
    source_id
        Identity of the row.
    kind
        A key of ``layers.read.reasons.REPAIRS``.
    detail
        The effect, e.g. ``area 812.4 m² → 806.1 m²``.
    """

    line: int
    source_id: str | None
    kind: str
    detail: str


@dataclass(slots=True)
class Clean:
    """A cleaned batch.

    Attributes
    ----------
    frame
        Exactly the layer's input columns, typed; then ``geom`` (WKB bytes in EPSG:4326, 2D, None where the layer may
        lack it), ``line`` (int64) and ``properties`` (a dict that can be written as JSON).
    rejected
        Rows that were not kept.
    repairs
        Changes made to rows that were kept.
    rows_read
        Rows of the file this batch stands for: rows kept that come from distinct lines + rejected.
    """

    frame: pd.DataFrame
    rejected: list[Reject] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    rows_read: int = 0
