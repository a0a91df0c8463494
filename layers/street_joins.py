"""The stated tolerance within which streets are joined, kept with the store, and the list of what it joins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from geo.joins import check_tolerance, join_streets
from layers.circle import to_lonlat
from layers.metric import fetch_metric_crs
from layers.network import SETTING_JOIN_M, fetch_join_m, fetch_streets
from layers.store import lock_layers, raise_version
from layers.tables import setting, street

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def change_join(engine: Engine, metres: float) -> bool:
    """Join streets within a distance from now on, 0 for never; return whether that is new.

    The streets stay as they are loaded; the compiled network, and so every later run, follows.

    Parameters
    ----------
    engine
        Of a role that may write.
    metres
        Longest missing piece, 0 or up to 20.

    Raises
    ------
    RequestError
        The distance is out of range.
    """
    if metres != 0:
        check_tolerance(metres)
    with engine.begin() as conn:
        lock_layers(conn, ("streets",))
        if (fetch_join_m(conn) or 0.0) == metres:
            return False
        conn.execute(delete(setting).where(setting.c.key == SETTING_JOIN_M))
        if metres:
            conn.execute(insert(setting).values(key=SETTING_JOIN_M, value=metres))
        raise_version(conn, street, "streets", box=None, load_id=None, kind="join")
    return True


def list_joins(connection: Connection, metres: float) -> list[dict[str, Any]]:
    """Return what a tolerance joins: both streets, the missing metres and the place.

    Parameters
    ----------
    connection
        An open connection; reads only.
    metres
        Longest missing piece, above 0 and up to 20.

    Raises
    ------
    NotReady
        No streets are loaded.
    RequestError
        The distance is out of range.
    """
    check_tolerance(metres)
    crs = fetch_metric_crs(connection)
    streets = fetch_streets(connection, crs)
    _, joins = join_streets(streets, tolerance_m=metres)
    rows = connection.execute(select(street.c.id, func.concat(street.c.source, " ", street.c.source_id)))
    names: dict[int, str] = {int(key): str(name) for key, name in rows}
    place = shapely.get_coordinates(to_lonlat(np.asarray(shapely.points(joins.xy), dtype=object).reshape(-1), crs))
    order = np.lexsort((joins.street, -joins.gap_m))
    return [
        {
            "street": names[int(streets.street_id[joins.street[row]])],
            "other": names[int(streets.street_id[joins.other[row]])],
            "gap_m": round(float(joins.gap_m[row]), 3),
            "lon": float(place[row, 0]),
            "lat": float(place[row, 1]),
        }
        for row in order.tolist()
    ]
