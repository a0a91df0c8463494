"""The catalogue: what is loaded, which types and levels there are, where the map opens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from layers import tables
from layers.catalog import LAYERS
from layers.query.layer import (
    LayerView,
    fetch_layer_states,
    fetch_reference_layers,
    view_core_layer,
    view_reference_layer,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

Extent = tuple[float, float, float, float]

# Layers whose extent is the study area: a single far incident must not open the map on an ocean.
EXTENT_LAYERS = ("buildings", "streets", "areas", "facilities")
# Width of the map a first screen shows, pixels; a tile is 512 pixels wide.
SCREEN_PIXELS = 900
TILE_PIXELS = 512
ZOOM_RANGE = (1, 16)
LEVEL_TITLES = {
    "city": ("市", "City"),
    "district": ("区县", "District"),
    "subdistrict": ("街道", "Subdistrict"),
    "unit": ("单元", "Unit"),
    "community": ("社区", "Community"),
    "grid": ("网格", "Grid"),
}


def fetch_layers(conn: Connection) -> list[LayerView]:
    """Return every loaded layer: core layers in the order they are loaded, then reference layers by name."""
    states = fetch_layer_states(conn)
    references = fetch_reference_layers(conn)
    core = [view_core_layer(states[name]) for name in LAYERS if name in states]
    others = [view_reference_layer(references[name], states[name]) for name in references if name in states]
    return [*core, *others]


def fetch_levels(conn: Connection) -> list[dict[str, Any]]:
    """Return the levels of the tree of areas from the root down, with the number of areas."""
    area = tables.area.c
    statement = (
        select(area.level, func.count().label("areas"))
        .where(area.valid_to.is_(None), area.level.is_not(None))
        .group_by(area.level)
        .order_by(func.min(area.depth), area.level)
    )
    return [
        {
            "level": row.level,
            "title_zh": LEVEL_TITLES.get(row.level, (row.level, row.level))[0],
            "title_en": LEVEL_TITLES.get(row.level, (row.level, row.level))[1],
            "areas": row.areas,
        }
        for row in conn.execute(statement)
    ]


def fetch_latest_run_id(conn: Connection) -> int | None:
    """Return the newest finished run; None before the first."""
    run = tables.run.c
    found: int | None = conn.execute(select(func.max(run.id)).where(run.state == "done")).scalar()
    return found


def find_extent(layers: Iterable[LayerView]) -> Extent | None:
    """Return the box of the study area, degrees; None before anything is loaded."""
    by_id = {layer.id: layer.state.extent for layer in layers if layer.state.extent is not None}
    chosen = [by_id[name] for name in EXTENT_LAYERS if name in by_id][:1] or list(by_id.values())
    if not chosen:
        return None
    wests, souths, easts, norths = zip(*chosen, strict=True)
    return min(wests), min(souths), max(easts), max(norths)


def find_zoom(extent: Extent) -> float:
    """Return the zoom at which an extent fills a screen, for tiles of 512 pixels."""
    west, south, east, north = extent
    # a degree of latitude is drawn 1/cos(latitude) times as tall as one of longitude is wide
    middle = math.radians(max(-85.0, min(85.0, (south + north) / 2)))
    width_deg = max(east - west, (north - south) / math.cos(middle), 1e-6)
    zoom = math.log2(360 / width_deg * SCREEN_PIXELS / TILE_PIXELS)
    return round(min(max(zoom, ZOOM_RANGE[0]), ZOOM_RANGE[1]), 2)
