"""The geometry of a batch: gate, datum, repair. One way for every layer and every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo.datum import detect_gauss_kruger, find_bounds, to_wgs84
from geo.frames import drop_heights, find_coordinate_faults, find_place_faults, mend_geometries
from geo.hexagons import outline_cells, read_resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo.datum import Datum
    from geo.frames import Fault, Geometries
    from layers.loading.clean_values import Findings
    from layers.read.source import Batch

_PLAIN_POINT = r"^POINT \((?P<x>-?[0-9]{1,9}\.?[0-9]{0,15}) (?P<y>-?[0-9]{1,9}\.?[0-9]{0,15})\)$"
_METRE_CODES = {"coordinate-metres-as-degrees", "coordinate-out-of-range"}


def clean_geometry(
    batch: Batch, families: tuple[str, ...], datum: Datum, findings: Findings, *, is_multipoint_kept: bool = False
) -> Geometries:
    """Bring a batch's geometry to EPSG:4326, valid and of the wanted families.

    Parameters
    ----------
    batch
        Raw rows; without geometry every row gets None.
    families
        ``point``, ``line``, ``polygon`` the layer takes, and ``none`` where rows may have no geometry.
    datum
        What the coordinates are.
    findings
        Takes the faults and repairs.
    is_multipoint_kept
        Whether multi-points of several points may stand.

    Returns
    -------
    One geometry per row; None where it is missing or the row was refused.
    """
    if batch.geometry is None:
        return np.full(len(batch), None, dtype=object)
    geometry = batch.geometry.copy()
    _take_read_faults(batch, findings, is_optional="none" in families)
    _refuse_curves(geometry, findings)
    raw = geometry.copy()
    _refuse(geometry, find_coordinate_faults(geometry, is_geographic=datum.is_geographic_at(geometry)), raw, findings)
    geometry = to_wgs84(geometry, datum)
    if datum.kind != "wgs84":
        # else every coordinate was looked at already and stayed as it was
        _refuse(geometry, find_place_faults(geometry, bounds=find_bounds(datum)), raw, findings)
    shapes = tuple(family for family in families if family != "none")
    mended = mend_geometries(geometry, shapes, is_multipoint_kept=is_multipoint_kept)
    for row, fault in mended.faults.items():
        findings.refuse(row, fault.code, fault.detail)
    if "none" not in families:
        for row in np.flatnonzero(shapely.is_missing(mended.geometry)).tolist():
            findings.refuse(row, "geometry-missing", "no geometry")  # stands only where there is no other reason
    for row in np.flatnonzero(shapely.has_z(raw)).tolist():
        findings.repair(row, "z-dropped", "heights left out")
    for row in batch.closed_rings:
        findings.repair(row, "ring-closed", "the first point was added at the end")
    for mend in mended.mends:
        findings.repair(mend.row, mend.kind, mend.detail)
    return mended.geometry


def _take_read_faults(batch: Batch, findings: Findings, *, is_optional: bool) -> None:
    for row, (code, detail) in batch.geometry_faults.items():
        if not (is_optional and code in {"geometry-missing", "coordinate-missing"}):
            findings.refuse(row, code, detail)


def _refuse_curves(geometry: Geometries, findings: Findings) -> None:
    for row in np.flatnonzero(shapely.get_type_id(geometry) > 7).tolist():
        findings.refuse(row, "geometry-kind", f"a {geometry[row].geom_type}; arcs are not read")
        geometry[row] = None


def _refuse(geometry: Geometries, faults: dict[int, Fault], raw: Geometries, findings: Findings) -> None:
    hint = _grid_hint(raw[[row for row, fault in faults.items() if fault.code in _METRE_CODES]])
    for row, fault in faults.items():
        geometry[row] = None
        findings.refuse(row, fault.code, fault.detail + (f"; {hint}" if hint and fault.code in _METRE_CODES else ""))


def _grid_hint(raw: Geometries) -> str | None:
    xy = shapely.get_coordinates(raw)
    return detect_gauss_kruger(xy[:, 0], xy[:, 1]) if len(xy) else None


def read_plain_points(texts: Sequence[str | None], datum: Datum) -> list[bytes] | None:
    """Return points as WKB in EPSG:4326 where every text is a good one and written ``POINT (x y)`` in degrees.

    Returns
    -------
    What :func:`read_points` would find, without making a geometry of each; None where some text is not of this kind.
    """
    cells = pa.array(texts, pa.string())
    if datum.kind != "wgs84" or cells.null_count:
        return None
    found = pc.extract_regex(cells, _PLAIN_POINT)
    if found.null_count:
        return None
    x, y = (pc.cast(found.field(name), pa.float64()).to_numpy() for name in "xy")
    if bool(((np.abs(x) > 180.0) | (np.abs(y) > 90.0) | ((x == 0.0) & (y == 0.0))).any()):
        return None
    rows = np.empty(len(cells), dtype=[("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
    rows["order"], rows["type"], rows["x"], rows["y"] = 1, 1, x, y
    wkb: list[bytes] = rows.view(f"V{rows.itemsize}").tolist()
    return wkb


def read_points(texts: Sequence[str | None], datum: Datum) -> Geometries:
    """Read points written in cells as WKT or ``lon lat``, in the file's datum.

    Returns
    -------
    Points in EPSG:4326; None where there is no text, or it is no point that lies where its datum makes sense.
    """
    points = _parse_points(texts)
    for row in find_coordinate_faults(points, is_geographic=datum.is_geographic_at(points)):
        points[row] = None
    if datum.kind == "wgs84":
        return drop_heights(points)
    points = to_wgs84(points, datum)
    for row in find_place_faults(points, bounds=find_bounds(datum)):
        points[row] = None
    return points


def _parse_points(texts: Sequence[str | None]) -> Geometries:
    points = np.full(len(texts), None, dtype=object)
    is_wkt = np.array([text is not None and text[:1].isalpha() for text in texts], dtype=bool)
    found = np.asarray(shapely.from_wkt(np.array(texts, dtype=object)[is_wkt], on_invalid="ignore"), dtype=object)
    found[(shapely.get_type_id(found) != 0) | shapely.is_empty(found)] = None
    points[is_wkt] = found
    for row in np.flatnonzero(~is_wkt).tolist():
        points[row] = _parse_pair(texts[row])
    return points


def _parse_pair(text: str | None) -> Any:
    if text is None:
        return None
    parts = text.replace(",", " ").replace("，", " ").replace(";", " ").split()
    try:
        return shapely.Point(float(parts[0]), float(parts[1])) if len(parts) == 2 else None
    except ValueError:
        return None


def outline_grid_cells(batch: Batch, geometry: Geometries, findings: Findings) -> Geometries:
    """Give counts on H3 cells their hexagon, where the file has the cells' ids and their centres as points.

    Parameters
    ----------
    batch
        Raw rows; a column whose every value is an H3 cell id of one resolution tells that they are cells.
    geometry
        Cleaned geometry, EPSG:4326.
    findings
        Takes a note on every row that got an outline.

    Returns
    -------
    The geometry, with hexagons in place of the points that are centres of cells; everything else as it was.
    """
    is_point = shapely.get_type_id(geometry) == 0
    resolution = _find_resolution(batch) if is_point.any() else None
    if resolution is None:
        return geometry
    rows = np.flatnonzero(is_point)
    cells = outline_cells(shapely.get_x(geometry[rows]), shapely.get_y(geometry[rows]), resolution)
    out = geometry.copy()
    for row, cell in zip(rows.tolist(), cells, strict=True):
        if cell is not None:
            out[row] = cell
            findings.repair(row, "cell-outlined", f"H3 cell of resolution {resolution}")
    return out


def _find_resolution(batch: Batch) -> int | None:
    for name in batch.frame.columns:
        values = batch.frame[name].tolist()
        first = read_resolution(values[0]) if values else None
        if first is not None and all(read_resolution(value) == first for value in values):
            return first
    return None
