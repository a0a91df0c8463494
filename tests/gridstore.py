"""Put the invented grid into a real database, row by row, at a place in central China."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import Transformer
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from layers.metric import save_metric_crs
from layers.tables import layer_version
from tests.factories import _add, add_facility
from tests.gridcity import GridCity

if TYPE_CHECKING:
    from sqlalchemy import Connection

from layers import tables

METRIC_CRS = "EPSG:4547"
BACK = Transformer.from_crs(METRIC_CRS, "EPSG:4326", always_xy=True)


def wkt(geometry: shapely.Geometry) -> str:
    """Return a geometry of the grid as WKT in degrees."""
    moved = shapely.transform(geometry, lambda xy: np.column_stack(BACK.transform(xy[:, 0], xy[:, 1])))
    return str(shapely.to_wkt(moved, rounding_precision=-1))


def raise_version(connection: Connection, *layers: str) -> None:
    """Raise the version of layers, as a load does."""
    for layer in layers:
        row = insert(layer_version).values(layer=layer, version=1, rows=0, changed_at=func.clock_timestamp())
        connection.execute(
            row.on_conflict_do_update(
                index_elements=["layer"],
                set_={"version": layer_version.c.version + 1, "changed_at": func.clock_timestamp()},
            )
        )


def save_grid(connection: Connection, city: GridCity) -> None:
    """Store the streets, walls and gates of a grid."""
    save_metric_crs(connection, METRIC_CRS, basis="streets")
    for number, one in enumerate(city.lines):
        values: dict[str, Any] = {"highway": "residential", "source_id": f"street {number}"}
        if city.private[number]:
            values["access"] = "private"
        _add(connection, tables.street, values, wkt=wkt(one))
    for number, wall in enumerate(city.walls):
        outline = shapely.MultiPolygon([wall])
        _add(connection, tables.compound, {"source_id": f"compound {number}"}, wkt=wkt(outline))
    for gate, of, opens_to_all in city.gates:
        values = {"compound_id": f"compound {of}", "opens_to": "all" if opens_to_all else "residents"}
        _add(connection, tables.gate, values, wkt=wkt(gate))
    raise_version(connection, "streets", "compounds", "gates")


def save_home(connection: Connection, geometry: shapely.Geometry, **values: Any) -> int:
    """Store a building with the people in it."""
    counts = {name: values.pop(name) for name in tuple(values) if name in tables.COUNT_COLUMNS}
    home = _add(connection, tables.building, {"people": counts.get("people"), **values}, wkt=wkt(geometry))
    if counts:
        connection.execute(tables.resident_group.insert().values(building_id=home, method="given", **counts))
    raise_version(connection, "buildings")
    return home


def save_site(connection: Connection, geometry: shapely.Geometry, code: str, **values: Any) -> int:
    """Store a facility of a type."""
    site = add_facility(connection, type=code, geom=wkt(geometry), **values)
    raise_version(connection, "facilities")
    return site


def save_area(
    connection: Connection, geometry: shapely.Polygon, code: str, *, level: str, parent: str | None, depth: int
) -> int:
    """Store an area of the tree."""
    values = {"code": code, "source_id": code, "name": f"area {code}", "level": level, "parent_code": parent}
    area = _add(connection, tables.area, {**values, "depth": depth}, wkt=wkt(shapely.MultiPolygon([geometry])))
    raise_version(connection, "areas")
    return area
