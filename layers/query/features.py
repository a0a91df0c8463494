"""Features of one layer: boxes, pages by key, GeoJSON geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import false, func, or_, select

from geo.errors import NotFound, RequestError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

    from layers.query.layer import LayerView

# Decimal places of a coordinate: 1e-7 degrees is about a centimetre.
# References: RFC 7946 section 11.2.
GEOJSON_DECIMALS = 7
PAGE_ROWS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list and the key to continue after; None at the end."""

    rows: list[dict[str, Any]]
    next_after: int | None


def parse_bbox(text: str, *, parameter: str = "bbox") -> tuple[float, float, float, float]:
    """Return west, south, east, north in degrees from "w,s,e,n"; west above east crosses the antimeridian.

    Six numbers carry heights, which are left out.

    Raises
    ------
    RequestError
        Not four or six numbers, or not degrees.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise RequestError(
            f"Reading {parameter} {text[:80]!r}: expected four numbers west,south,east,north in degrees",
            parameter=parameter,
        )
    west, south, east, north = numbers
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise RequestError(
            f"Reading {parameter} {text[:80]!r}: expected longitudes within ±180 and -90 ≤ south ≤ north ≤ 90",
            hint="The order is west,south,east,north (EPSG:4326).",
            parameter=parameter,
        )
    return west, south, east, north


def intersects_box(geom: ColumnElement[Any], box: tuple[float, float, float, float]) -> ColumnElement[bool]:
    """Return the condition that a geometry meets a box; uses the spatial index."""
    west, south, east, north = box
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    envelopes = [func.ST_MakeEnvelope(left, south, right, north, 4326) for left, right in spans]
    return or_(false(), *(func.ST_Intersects(geom, envelope) for envelope in envelopes))


def geojson_of(geom: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a geometry as GeoJSON text after RFC 7946: counter-clockwise outer rings, seven decimals."""
    return func.ST_AsGeoJSON(func.ST_ForcePolygonCCW(geom), GEOJSON_DECIMALS)


def build_features(
    layer: LayerView,
    *,
    box: tuple[float, float, float, float] | None = None,
    after: int | None = None,
    limit: int | None = None,
) -> Select[Any]:
    """Return the live rows of a layer in key order: ``id``, the visible columns, ``geometry`` as GeoJSON text.

    Parameters
    ----------
    layer
        What to read.
    box
        West, south, east, north in degrees; None for everywhere.
    after
        Only rows with a key above this one.
    limit
        Rows at most; None for all.
    """
    statement = (
        select(
            layer.key.label("id"),
            *(expression.label(f"p_{name}") for name, expression in layer.columns.items()),
            geojson_of(layer.geom).label("geometry"),
        )
        .select_from(layer.rows)
        .where(layer.is_live)
        .order_by(layer.key)
    )
    if box is not None:
        statement = statement.where(intersects_box(layer.geom, box))
    if after is not None:
        statement = statement.where(layer.key > after)
    return statement if limit is None else statement.limit(limit)


def fetch_page(
    conn: Connection,
    layer: LayerView,
    *,
    box: tuple[float, float, float, float] | None,
    after: int | None,
    limit: int,
) -> Page:
    """Return one page of features; keys only grow, so rows added meanwhile neither repeat nor hide others."""
    statement = build_features(layer, box=box, after=after, limit=limit + 1)
    rows = [_to_feature(layer, row._mapping) for row in conn.execute(statement)]  # noqa: SLF001 - SQLAlchemy's public name
    more = len(rows) > limit
    return Page(rows=rows[:limit], next_after=rows[limit - 1]["id"] if more else None)


def fetch_feature(conn: Connection, layer: LayerView, key: int) -> dict[str, Any]:
    """Return one live feature.

    Raises
    ------
    NotFound
        The layer has no live row with this key.
    """
    row = conn.execute(build_features(layer).where(layer.key == key)).one_or_none()
    if row is None:
        raise NotFound(f"Looking up feature {key} of layer {layer.id}: found none", parameter="fid")
    return _to_feature(layer, row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _to_feature(layer: LayerView, row: Any) -> dict[str, Any]:
    """Return id, properties and GeoJSON text of one row."""
    return {
        "id": row["id"],
        "properties": {name: row[f"p_{name}"] for name in layer.columns},
        "geometry": row["geometry"],
    }
