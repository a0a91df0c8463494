"""The catalogue: what is loaded, which types and levels there are, where the map opens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, func, literal, select

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

    from sqlalchemy import ColumnElement, Connection

Extent = tuple[float, float, float, float]

# Layers whose extent is the study area: a single far incident must not open the map on an ocean.
EXTENT_LAYERS = ("buildings", "streets", "areas", "facilities")
# Width of the map a first screen shows, pixels; a tile is 512 pixels wide.
SCREEN_PIXELS = 900
TILE_PIXELS = 512
ZOOM_RANGE = (1, 16)
# what layers.homes calls the level of areas that were loaded without one, before the depth
UNNAMED_LEVEL = "level "
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


def name_level() -> ColumnElement[str]:
    """Return the level of an area in the words a run uses: its own, else ``level`` and the depth in the tree."""
    area = tables.area.c
    return func.coalesce(area.level, literal(UNNAMED_LEVEL).concat(area.depth.cast(Text)))


def title_level(level: str) -> tuple[str, str]:
    """Return the title of a level in Chinese and English; an unknown word is its own title."""
    if level.startswith(UNNAMED_LEVEL):
        depth = level.removeprefix(UNNAMED_LEVEL)
        return f"级别 {depth}", f"Level {depth}"
    return LEVEL_TITLES.get(level, (level, level))


def fetch_levels(conn: Connection) -> list[dict[str, Any]]:
    """Return the levels of the tree of areas from the root down, with the number of areas."""
    area = tables.area.c
    named = (
        select(name_level().label("level"), area.depth)
        .where(area.valid_to.is_(None), area.depth.is_not(None))
        .subquery()
    )
    level = named.c.level
    statement = select(level, func.count().label("areas")).group_by(level).order_by(func.min(named.c.depth), level)
    return [
        {
            "level": row.level,
            "title_zh": title_level(row.level)[0],
            "title_en": title_level(row.level)[1],
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
