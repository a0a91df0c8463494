"""The tables of ``gaps export``: what each holds and the statement behind it, for files and for routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_

from geo.errors import RequestError
from layers import tables
from layers.export import Layout, TableColumn, write_table
from layers.query.features import geojson_of
from layers.query.results import (
    AREA_COLUMNS,
    BUILDING_COLUMNS,
    FACILITY_COLUMNS,
    build_run_buildings,
    build_run_facilities,
)
from layers.query.runs import build_run_areas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Select

    from layers.export import Kind

FETCH_ROWS = 5_000
TEXTS = frozenset(
    {"area_code", "parent_code", "level", "name", "type", "profile", "demand_group", "source_id", "facility_source_id"}
    | {"status"}
)
NUMBERS = frozenset(
    {"lon", "lat", "reach_s", "radius_m", "share_covered", "required", "present", "balance", "accessibility"}
    | {"capacity"}
)


def lay_out(names: Iterable[str]) -> tuple[TableColumn, ...]:
    """Return columns of tables by their names; a figure before and after an edit is of the kind of the figure."""

    def kind_of(name: str) -> Kind:
        plain = name.removesuffix("_before").removesuffix("_after")
        return "text" if plain in TEXTS else "number" if plain in NUMBERS else "integer"

    return tuple(TableColumn(name, kind_of(name)) for name in names)


LAYOUTS = {
    "buildings": Layout(lay_out(BUILDING_COLUMNS), point=("lon", "lat")),
    "areas": Layout(lay_out(AREA_COLUMNS), has_geometry=True),
    "facilities": Layout(lay_out(FACILITY_COLUMNS), point=("lon", "lat")),
}


def with_area_geometry(statement: Select[Any]) -> Select[Any]:
    """Return the rows of areas with the outline as GeoJSON text; null for what lies in no area."""
    area, figures = tables.area, tables.run_area
    live = and_(area.c.code == figures.c.area_code, area.c.valid_to.is_(None))
    return statement.add_columns(geojson_of(area.c.geom).label("geometry")).join_from(figures, area, live, isouter=True)


def build_export(run_id: int, what: str, *, with_geometry: bool = True) -> Select[Any]:
    """Return the statement behind one export of a run.

    Raises
    ------
    RequestError
        There is no such export.
    """
    if what == "buildings":
        return build_run_buildings(run_id)
    if what == "facilities":
        return build_run_facilities(run_id)
    if what == "areas":
        statement = build_run_areas(run_id)
        return with_area_geometry(statement) if with_geometry else statement
    raise RequestError(f"Exporting {what!r} of a run: expected one of {', '.join(LAYOUTS)}", parameter="--what")


def stream_rows(conn: Connection, statement: Select[Any]) -> Iterator[Any]:
    """Yield the rows of a statement without holding them all; needs a transaction that lasts as long."""
    result = conn.execution_options(stream_results=True, max_row_buffer=FETCH_ROWS).execute(statement)
    yield from result.mappings()


def export_run(conn: Connection, run_id: int, *, what: str, path: Path, bom: bool = False) -> int:
    """Write one table of a run to a file and return the number of rows.

    Parameters
    ----------
    conn
        Where to read.
    run_id
        Which run.
    what
        ``buildings``, ``areas`` or ``facilities``.
    path
        File to write; its ending chooses the format.
    bom
        Start a CSV with a byte order mark for Excel.

    Raises
    ------
    RequestError
        There is no such table or format.
    """
    outlines = path.suffix.lower() in {".geojson", ".gpkg"}
    statement = build_export(run_id, what, with_geometry=outlines)
    return write_table(stream_rows(conn, statement), path, layout=LAYOUTS[what], layer=what, bom=bom)
