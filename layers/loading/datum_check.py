"""Tell before a layer is published whether it sits beside the others or a GCJ-02 or BD-09 shift away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from sqlalchemy import exists, func, select

from geo.errors import DatumUnknown
from geo.shifts import compare_shifts, find_suspicion
from layers.metric import find_metric_crs
from layers.tables import LAYER_TABLES, building, street

if TYPE_CHECKING:
    from geo.shifts import Shift
    from layers.loading.staging import Stage

SAMPLE_ROWS = 1_000
REFERENCE_ROWS = 200_000
# the reference is cut to the sample's box grown by this much, so that BD-09's 1.2 km fit in
MARGIN_DEG = 0.02

# a layer mostly beside what is loaded (the next district) cannot be judged by it
INSIDE_SHARE_MIN = 0.5
# a fit this much better stops a load, a lesser one is mentioned: layers of another kind need not lie close.
# True shifts left 7 to 50 % of the distance for roads, buildings and places of Shanghai and Wuhan.
STOP_SHARE_MAX = 0.65
# a handful of rivers or parks lies where it lies: too few to stop a load by
STOP_ROWS_MIN = 30

Objects = np.ndarray[Any, np.dtype[np.object_]]


def check_datum(stage: Stage, *, name: str, declared: str, has_decided: bool) -> str | None:
    """Compare a sample of staged rows with what is loaded.

    Buildings are compared with buildings, then streets; everything else with streets, then buildings. Rows of the same
    identity are left out: a file corrected for its datum must load.

    Parameters
    ----------
    stage
        Sealed rows.
    name
        The file, for messages.
    declared
        The datum the rows were read in.
    has_decided
        Whether the caller gave the datum or accepted the risk: then a suspicion is a note.

    Returns
    -------
    A sentence about a suspicion that does not stop the load; None where nothing is suspicious.

    Raises
    ------
    DatumUnknown
        The layer fits what is loaded clearly better one shift away; all possibilities are named.
    """
    with stage.transact():
        lon, lat = _sample(stage)
        if not len(lon):
            return None
        reference = _fetch_reference(stage, lon, lat)
        if not len(reference) or find_inside(lon, lat, reference).mean() < INSIDE_SHARE_MIN:
            return None
        shifts = compare_shifts(lon, lat, reference, metric_crs=find_metric_crs(stage.conn), sample=SAMPLE_ROWS)
    suspicion = find_suspicion(shifts)
    if suspicion is None:
        return None
    is_clear = len(lon) >= STOP_ROWS_MIN and suspicion.mean_m <= STOP_SHARE_MAX * shifts[0].mean_m
    sentence = (
        f"read as {declared} the layer sits {shifts[0].mean_m:.0f} m from what is loaded, "
        f"but {suspicion.mean_m:.0f} m if {suspicion.title} ({list_shifts(shifts)})"
    )
    if has_decided or not is_clear:
        return f"the datum may be wrong: {sentence}"
    raise DatumUnknown(
        f"Loading {stage.target.layer} from {name}: {sentence}. Nothing was changed.",
        hint=f"Say what they are with --datum, or load them as they are with --accept-datum. {_advise(suspicion)}",
        parameter="datum",
    )


def find_inside(lon: Any, lat: Any, reference: Objects) -> Any:
    """Return which points lie in the hull of the reference: beside it nothing can be told, only that it ends there."""
    hull = shapely.convex_hull(shapely.multipoints(shapely.get_coordinates(reference)))
    return np.asarray(shapely.intersects_xy(hull, lon, lat))


def list_shifts(shifts: tuple[Shift, ...]) -> str:
    """Return every possibility with its mean distance."""
    return "; ".join(f"{shift.title}: {shift.mean_m:.0f} m" for shift in shifts)


def _advise(suspicion: Shift) -> str:
    if suspicion.name.startswith("was-"):
        return f"Likely: --datum {suspicion.name.removeprefix('was-')}."
    return "Likely the layer loaded before was read with the wrong datum; load that one again."


def _sample(stage: Stage) -> tuple[Any, Any]:
    ready = stage.ready
    point = func.ST_PointOnSurface(ready.c.geom)
    count = stage.conn.execute(select(func.count()).where(ready.c.geom.is_not(None))).scalar_one()
    step = max(1, count // SAMPLE_ROWS)
    numbered = select(ready.c.geom, func.row_number().over(order_by=(ready.c.line, ready.c.source_id)).label("n"))
    rows = numbered.where(ready.c.geom.is_not(None)).subquery()
    point = func.ST_PointOnSurface(rows.c.geom)
    found = stage.conn.execute(
        select(func.ST_X(point), func.ST_Y(point)).where(rows.c.n % step == 0).limit(SAMPLE_ROWS)
    ).all()
    xy = np.array([tuple(row) for row in found], dtype=np.float64).reshape(-1, 2)
    return xy[:, 0], xy[:, 1]


def _fetch_reference(stage: Stage, lon: Any, lat: Any) -> Objects:
    """Return what is loaded around the sample."""
    own = LAYER_TABLES.get(stage.target.layer)
    beside = [street, building] if own is not building else [building, street]
    for table in beside:
        box = func.ST_MakeEnvelope(
            float(lon.min()) - MARGIN_DEG,
            float(lat.min()) - MARGIN_DEG,
            float(lon.max()) + MARGIN_DEG,
            float(lat.max()) + MARGIN_DEG,
            4326,
        )
        rows = select(func.ST_AsBinary(table.c.geom)).where(table.c.valid_to.is_(None), table.c.geom.intersects(box))
        if table is own:
            rows = rows.where(~exists().where(stage.ready.c.source_id == table.c.source_id))
        found = stage.conn.execute(rows.limit(REFERENCE_ROWS)).scalars().all()
        if len(found):
            return np.asarray(shapely.from_wkb([bytes(wkb) for wkb in found]), dtype=object)
    return np.array([], dtype=object)
