"""Batches as a reader would make them, cleaned, with the promise that no row is lost checked every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import shapely

from geo.datum import parse_datum
from layers.loading.clean import Clean, clean_batch
from layers.read import REASONS, REPAIRS, Batch
from layers.read.columns import guess_columns

WGS84 = parse_datum("wgs84")
HOME = shapely.box(114.30, 30.59, 114.3003, 30.5902)
DOOR = shapely.Point(114.30, 30.59)
STREET = shapely.LineString([(114.30, 30.59), (114.31, 30.59)])
SHAPES = {
    "areas": HOME,
    "compounds": HOME,
    "gates": DOOR,
    "buildings": HOME,
    "population": HOME,
    "facilities": DOOR,
    "incidents": DOOR,
    "streets": STREET,
}
REQUIRED: dict[str, dict[str, object]] = {
    "areas": {"code": "420111"},
    "population": {"people": 10},
    "facilities": {"source_id": "1", "type": "EDU_PRIMARY"},
    "incidents": {"source_id": "1", "reported_at": "2024-01-02 03:04:05"},
}


def make_batch(rows: list[dict[str, object]], shapes: list[Any] | None) -> Batch:
    """Return a batch as a reader would make it."""
    frame = pd.DataFrame(rows, dtype=object)
    geometry = None
    if shapes is not None:
        geometry = np.empty(len(shapes), dtype=object)
        geometry[:] = shapes
    return Batch(frame, geometry, np.arange(2, len(rows) + 2), lambda row: f"raw {rows[row]}")


def clean_rows(layer: str, rows: list[dict[str, object]], shapes: list[Any] | None, **options: Any) -> Clean:
    """Clean rows whose columns carry our own names, and check that none is lost."""
    batch = make_batch(rows, shapes)
    columns = guess_columns([str(name) for name in batch.frame.columns], layer)
    out = clean_batch(batch, layer, columns=columns, datum=options.pop("datum", WGS84), **options)
    assert out.rows_read == len(rows)
    assert out.frame["line"].nunique() + len(out.rejected) == len(rows)
    for reject in out.rejected:
        assert reject.reason_code in REASONS
        assert reject.detail
        assert reject.raw.startswith("raw ")
    for repair in out.repairs:
        assert repair.kind in REPAIRS
        assert repair.detail
    return out


def clean_one(layer: str, shape: Any = None, datum: str = "wgs84", **values: Any) -> Clean:
    """Clean one otherwise good row with these values and this geometry."""
    row = {**REQUIRED.get(layer, {"source_id": "1"}), **values}
    return clean_rows(layer, [row], [SHAPES[layer] if shape is None else shape], datum=parse_datum(datum))
