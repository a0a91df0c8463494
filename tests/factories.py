"""One-line row factories: each adds one row with harmless defaults and returns its id."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from layers import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

SOURCE = "test"
_numbers = count(1)


def add_load(connection: Connection, layer: str, **values: Any) -> int:
    """Add the record of a load of nothing."""
    row = {
        "layer": layer,
        "source": SOURCE,
        "file_name": "factory",
        "datum": "wgs84",
        "mode": "update",
        "started_at": func.now(),
        **{f"rows_{name}": 0 for name in ("read", "inserted", "updated", "unchanged", "closed", "quarantined")},
        **values,
    }
    return _insert(connection, tables.load, row)


def add_building(connection: Connection, *, lon: float = 0.0, lat: float = 0.0, **values: Any) -> int:
    """Add a building at a point, or with ``geom`` as WKT of its own."""
    return _add(connection, tables.building, values, wkt=f"POINT({lon} {lat})")


def add_facility(connection: Connection, *, lon: float = 0.0, lat: float = 0.0, **values: Any) -> int:
    """Add a facility at a point; give it ``type``, a code of the standards pack."""
    return _add(connection, tables.facility, {"type_basis": "given", **values}, wkt=f"POINT({lon} {lat})")


def add_street(connection: Connection, *points: tuple[float, float], **values: Any) -> int:
    """Add a street through points given as longitude and latitude."""
    line = ", ".join(f"{lon} {lat}" for lon, lat in points)
    return _add(connection, tables.street, {"highway": "residential", **values}, wkt=f"LINESTRING({line})")


def add_compound(connection: Connection, *, box: tuple[float, float, float, float], **values: Any) -> int:
    """Add a compound that fills a box west, south, east, north."""
    return _add(connection, tables.compound, values, wkt=f"MULTIPOLYGON({_box(*box)})")


def add_gate(connection: Connection, *, lon: float, lat: float, compound_id: str | None = None, **values: Any) -> int:
    """Add a gate; ``compound_id`` is the source id of its compound."""
    return _add(connection, tables.gate, {"compound_id": compound_id, **values}, wkt=f"POINT({lon} {lat})")


def add_area(
    connection: Connection, *, code: str, box: tuple[float, float, float, float] = (-1.0, -1.0, 1.0, 1.0), **values: Any
) -> int:
    """Add an area that fills a box west, south, east, north."""
    return _add(connection, tables.area, {"code": code, "source_id": code, **values}, wkt=f"MULTIPOLYGON({_box(*box)})")


def add_population(connection: Connection, **values: Any) -> int:
    """Add a row of counts; ``geom`` as WKT is optional."""
    return _add(connection, tables.population, values, wkt=None)


def add_incident(connection: Connection, *, lon: float = 0.0, lat: float = 0.0, **values: Any) -> int:
    """Add an incident reported now."""
    return _add(connection, tables.incident, {"reported_at": func.now(), **values}, wkt=f"POINT({lon} {lat})")


def _box(west: float, south: float, east: float, north: float) -> str:
    return f"(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"


def _add(connection: Connection, table: Table, values: dict[str, Any], *, wkt: str | None) -> int:
    layer = next(name for name, found in tables.LAYER_TABLES.items() if found is table)
    number = next(_numbers)
    row = {
        "source": SOURCE,
        "source_id": str(number),
        "load_id": values.get("load_id") or _find_load(connection, layer),
        "content_hash": number.to_bytes(16),
        **values,
    }
    geometry = row.pop("geom", wkt)
    if geometry is not None:
        row["geom"] = func.ST_GeomFromText(geometry, tables.SRID)
    entrance = row.pop("entrance", None)
    if entrance is not None:
        row["entrance"] = func.ST_GeomFromText(entrance, tables.SRID)
    return _insert(connection, table, row)


def _find_load(connection: Connection, layer: str) -> int:
    found = connection.execute(
        select(func.max(tables.load.c.id)).where(tables.load.c.layer == layer, tables.load.c.file_name == "factory")
    ).scalar()
    return int(found) if found is not None else add_load(connection, layer)


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    return int(connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one())
