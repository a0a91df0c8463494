"""The store's metric grid: chosen at the first load of streets, kept from then on, changed only by command.

Before streets exist a provisional grid is chosen from whatever is loaded first, so that footprints can be measured;
when the streets fix another one, everything is measured again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError
from sqlalchemy import case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from geo.errors import NotReady, RequestError
from geo.metric import choose_metric_crs
from layers.tables import building, setting

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, FromClause

KEY = "metric_crs"
BASIS_KEY = "metric_crs_basis"
Basis = Literal["provisional", "streets", "command"]
SAMPLE_ROWS = 10_000


def fetch_metric_crs(conn: Connection) -> str:
    """Return the grid lengths and areas are taken in, e.g. ``EPSG:4547``.

    Raises
    ------
    NotReady
        Nothing was loaded yet that could decide it.
    """
    found = find_metric_crs(conn)
    if found is None:
        raise NotReady(
            "Looking up the metric grid of the store: none is chosen yet",
            hint="It is chosen when streets are loaded: `onemap load streets FILE`.",
        )
    return found


def find_metric_crs(conn: Connection) -> str | None:
    """Return the store's grid, None before anything was loaded."""
    value = conn.execute(select(setting.c.value).where(setting.c.key == KEY)).scalar()
    return None if value is None else str(value)


def is_fixed(conn: Connection) -> bool:
    """Return whether streets or a command have decided the grid."""
    basis = conn.execute(select(setting.c.value).where(setting.c.key == BASIS_KEY)).scalar()
    return basis in ("streets", "command")


def choose_from_rows(conn: Connection, rows: FromClause, geom: ColumnElement[Any]) -> str | None:
    """Return the grid that suits the median of some rows, None where none has a geometry."""
    point = func.ST_Centroid(geom)
    found = conn.execute(
        select(func.ST_X(point), func.ST_Y(point)).select_from(rows).where(geom.is_not(None)).limit(SAMPLE_ROWS)
    ).all()
    if not found:
        return None
    lon, lat = np.array([tuple(row) for row in found], dtype=np.float64).T
    return choose_metric_crs(lon, lat)


def save_metric_crs(conn: Connection, crs: str, *, basis: Basis) -> bool:
    """Keep the store's grid; return whether it is another one than before. The caller measures again.

    Raises
    ------
    RequestError
        The text names no projected grid in metres with an EPSG code.
    """
    grid_srid(crs)
    before = find_metric_crs(conn)
    for key, value in ((KEY, crs), (BASIS_KEY, basis)):
        row = insert(setting).values(key=key, value=value)
        conn.execute(
            row.on_conflict_do_update(
                index_elements=[setting.c.key], set_={"value": row.excluded.value, "changed_at": func.now()}
            )
        )
    return before != crs


def grid_srid(crs: str) -> int:
    """Return the EPSG number of a metric grid.

    Raises
    ------
    RequestError
        The text names no projected grid in metres with an EPSG code.
    """
    code = crs.strip().upper().removeprefix("EPSG:")
    try:
        grid = CRS.from_epsg(int(code)) if code.isdecimal() else None
    except CRSError:
        grid = None
    if grid is None or not grid.is_projected or grid.axis_info[0].unit_conversion_factor != 1.0 or code == "3857":
        raise RequestError(
            f"Choosing the metric grid: found {crs[:80]!r}, expected a projected grid in metres such as EPSG:4547",
            parameter="metric_crs",
        )
    return int(code)


def measure_footprint(geom: ColumnElement[Any], crs: str) -> ColumnElement[Any]:
    """Return the ground area of a polygon in square metres; null for points and lines."""
    area = func.ST_Area(func.ST_Transform(geom, grid_srid(crs)))
    return case((func.ST_Dimension(geom) == literal(2), area), else_=None)


def measure_all_footprints(conn: Connection, crs: str) -> int:
    """Measure every building again; return how many changed."""
    measured = measure_footprint(building.c.geom, crs)
    changed = update(building).values(footprint_m2=measured).where(building.c.footprint_m2.is_distinct_from(measured))
    return int(conn.execute(changed).rowcount)
