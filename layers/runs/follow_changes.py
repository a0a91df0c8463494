"""What the change log says of the layers a run was made from: which rows, which places, or that all must be redone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from sqlalchemy import and_, func, or_, select

from layers.network import fetch_barrier_names, fetch_versions, project
from layers.query.scenarios import find_changed_layers
from layers.tables import LAYER_TABLES, change_log, compound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from geo.units import IntArray

PLACE_LAYERS = frozenset({"streets", "gates", "compounds"})
"""A change of these touches everybody whose walk may pass the changed place."""

ROW_LAYERS = frozenset({"facilities", "buildings", "population"})
LOAD = "load"
NEAR_WALL_DEG = 0.0005
"""A compound this near to a changed gate may be the gate's, degrees; about 50 m."""


@dataclass(frozen=True)
class Changes:
    """What was committed since a run was made.

    Attributes
    ----------
    layers
        Layers that changed, by name.
    why_all
        Why everything must be computed anew; None where the rest says what was touched.
    facilities, buildings
        Store ids of rows that came, changed or went.
    site_box
        Box of all places where facilities are or were, metric CRS; None where none changed.
    place
        Box of changed streets, gates and compounds, before and after, metric CRS; None where none changed.
    """

    layers: tuple[str, ...]
    why_all: str | None
    facilities: IntArray
    buildings: IntArray
    site_box: shapely.Geometry | None
    place: shapely.Geometry | None


STEPS = 9
"""Places along each side of a box that are projected."""

_NO_IDS = np.empty(0, dtype=np.int64)


def find_changes(connection: Connection, versions: Mapping[str, int], metric_crs: str) -> Changes:
    """Return what was committed since the given versions.

    Parameters
    ----------
    connection
        An open connection that sees one state of all layers.
    versions
        Versions a run was made from.
    metric_crs
        CRS for the boxes.
    """
    layers = tuple(find_changed_layers(connection, versions))
    logged = {layer: _fetch_log(connection, layer, versions.get(layer, 0)) for layer in layers}
    why = _find_reason(connection, logged, versions)
    if why is not None:
        return Changes(layers, why, _NO_IDS, _NO_IDS, None, None)
    moments = {layer: [row.changed_at for row in rows if row.kind == LOAD] for layer, rows in logged.items()}
    place = [_box(row) for layer in layers if layer in PLACE_LAYERS for row in logged[layer]]
    if "gates" in layers:
        place += _fetch_walls_near(connection, place)
    sites = [_box(row) for row in logged.get("facilities", [])]
    return Changes(
        layers,
        None,
        _fetch_ids(connection, "facilities", moments.get("facilities", [])),
        _fetch_ids(connection, "buildings", moments.get("buildings", [])),
        _unite(sites, metric_crs),
        _unite(place, metric_crs),
    )


def _fetch_log(connection: Connection, layer: str, version: int) -> Sequence[Row[Any]]:
    log = change_log.c
    edges = (f(log.box) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax))
    statement = select(log.version, log.kind, log.changed_at, log.box.is_(None).label("is_nowhere"), *edges)
    return connection.execute(statement.where(log.layer == layer, log.version > version).order_by(log.version)).all()


def _find_reason(
    connection: Connection, logged: Mapping[str, Sequence[Row[Any]]], versions: Mapping[str, int]
) -> str | None:
    """Return why everything must be computed anew, None where the log tells what was touched."""
    now = fetch_versions(connection)
    barriers = set(fetch_barrier_names(connection))
    for layer, rows in logged.items():
        if layer in barriers or layer not in PLACE_LAYERS | ROW_LAYERS:
            return f"{layer} changed"
        if layer not in versions or layer not in now:
            return f"{layer} were not loaded both then and now"
        if {row.version for row in rows} != set(range(versions[layer] + 1, now[layer] + 1)):
            return f"the change log does not tell every change of {layer}"
        if layer != "population" and any(row.kind != LOAD or row.is_nowhere for row in rows):
            return f"{layer} were changed in another way than by a load"
    return None


def _fetch_ids(connection: Connection, layer: str, moments: Sequence[datetime]) -> IntArray:
    """Return the rows that a load wrote: it stamps every row it opens, changes or closes with its own moment."""
    if not moments:
        return _NO_IDS
    row = LAYER_TABLES[layer].c
    statement = select(row.id).where(or_(row.valid_from.in_(moments), row.valid_to.in_(moments))).order_by(row.id)
    return np.array(connection.execute(statement).scalars().all(), dtype=np.int64)


def _box(row: Row[Any]) -> shapely.Geometry:
    return shapely.box(*row[4:8])


def _fetch_walls_near(connection: Connection, boxes: Sequence[shapely.Geometry]) -> list[shapely.Geometry]:
    """Return the boxes of the compounds that a changed gate may belong to: it opens or closes the whole wall."""
    edges = (f(compound.c.geom) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax))
    walls = list(edges)
    found = []
    for box in boxes:
        near = func.ST_MakeEnvelope(*box.buffer(NEAR_WALL_DEG).bounds, 4326)
        statement = select(*walls).where(and_(compound.c.valid_to.is_(None), compound.c.geom.op("&&")(near)))
        found += [shapely.box(*row) for row in connection.execute(statement)]
    return found


def _unite(boxes: Sequence[shapely.Geometry], metric_crs: str) -> shapely.Geometry | None:
    """Return the box around all boxes in the metric CRS, a little wider for what the projection bends."""
    if not boxes:
        return None
    west, south, east, north = shapely.total_bounds(np.array(boxes, dtype=object))
    # corners alone would cut what bulges between them
    x, y = np.meshgrid(np.linspace(west, east, STEPS), np.linspace(south, north, STEPS))
    inside = project(shapely.points(x.ravel(), y.ravel()), metric_crs)
    west, south, east, north = shapely.total_bounds(inside)
    return shapely.box(west - 1, south - 1, east + 1, north + 1)
