"""Everything measured again in another metric grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layers import metric
from layers.population import spread_population
from layers.store import lock_layers, raise_residents, raise_version
from layers.tables import building, street

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def change_metric_crs(engine: Engine, crs: str) -> bool:
    """Measure the store in another grid from now on; return whether it is another one than before.

    Footprints and what follows from them change at once; the layers get new versions, so that networks are compiled
    anew. Runs made before keep the grid they were made in.

    Parameters
    ----------
    engine
        Of a role that may write.
    crs
        A projected grid in metres, such as ``EPSG:4547``.

    Raises
    ------
    RequestError
        The text names no such grid.
    """
    code = f"EPSG:{metric.grid_srid(crs)}"
    with engine.begin() as conn:
        lock_layers(conn, ("buildings", "streets"))
        if not metric.save_metric_crs(conn, code, basis="command"):
            return False
        measure_again(conn, code)
        raise_version(conn, street, "streets", box=None, load_id=None, kind="measure")
        if spread_population(conn).has_changed:
            raise_residents(conn)
    return True


def measure_again(conn: Connection, crs: str) -> None:
    """Measure all buildings in another grid; a changed size is a new version of the layer."""
    if metric.measure_all_footprints(conn, crs):
        raise_version(conn, building, "buildings", box=None, load_id=None, kind="measure")
