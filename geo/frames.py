"""The gate and the workshop for geometry: what cannot lie on the Earth is refused, what is bent is straightened.

PostGIS accepts NaN, infinities and points at 1e300 without a word, so nothing goes there that has not passed here.
Every change is returned with its effect; nothing is changed silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Iterator

Geometries = np.ndarray[Any, np.dtype[np.object_]]
Rows = np.ndarray[Any, np.dtype[np.intp]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

POINT_TYPES, LINE_TYPES, POLYGON_TYPES = (0, 4), (1, 2, 5), (3, 6)
_FAMILY_TYPES: dict[str, tuple[int, ...]] = {"point": POINT_TYPES, "line": LINE_TYPES, "polygon": POLYGON_TYPES}
_COLLECTION = 7
_METRE_LIKE = 1_000.0  # no longitude or latitude is that large, every map grid is
_FARTHEST_M = 1e8  # no map grid is that large
# metres of a degree of latitude on the sphere of WGS-84's mean radius, for telling the size of a repair
_DEGREE_M = 111_195.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the geometry of a row cannot be used: a reason code and what was found."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Mend:
    """A change made to the geometry of a row: its kind and its effect."""

    row: int
    kind: str
    detail: str


@dataclass(slots=True)
class Mended:
    """Geometries after repair.

    Attributes
    ----------
    geometry
        One geometry per row in EPSG:4326, 2D, valid, of a wanted family; None where there is none or it has a fault.
    faults
        By row, why it has none.
    mends
        What was changed, in row order.
    """

    geometry: Geometries
    faults: dict[int, Fault] = field(default_factory=dict)
    mends: list[Mend] = field(default_factory=list)


def find_coordinate_faults(geometry: Geometries, *, is_geographic: bool) -> dict[int, Fault]:
    """Find geometries whose coordinates cannot be what they were declared to be.

    Parameters
    ----------
    geometry
        Shapely geometries as read, None allowed; east before north.
    is_geographic
        Whether the coordinates were declared degrees; else they are metres of a map grid.

    Returns
    -------
    By row: not finite, exactly 0, 0 at a vertex, metres declared degrees, swapped axes or out of range. Axes swapped
    where both orders are possible (longitudes within ±90°) cannot be seen here.
    """
    xy, rows = shapely.get_coordinates(geometry, return_index=True)
    faults: dict[int, Fault] = {}
    finite = np.isfinite(xy).all(axis=1)
    for row, own in _by_row(xy, rows, ~finite):
        faults[row] = Fault("coordinate-not-finite", _show(own))
    x, y = np.abs(np.where(finite, xy[:, 0], 0.0)), np.abs(np.where(finite, xy[:, 1], 0.0))
    wrong = (x > 180.0) | (y > 90.0) if is_geographic else (np.maximum(x, y) > _FARTHEST_M)
    for row, own in _by_row(xy, rows, wrong & finite):
        if row not in faults:
            faults[row] = _out_of_range(own, is_geographic=is_geographic)
    zero = finite & (xy[:, 0] == 0.0) & (xy[:, 1] == 0.0)
    for row in np.unique(rows[zero]).tolist():
        faults.setdefault(row, Fault("coordinate-zero", "a vertex at 0, 0"))
    if not is_geographic:
        degrees = _all_in_degrees(x, y, rows, len(geometry))
        for row, own in _by_row(xy, rows, np.isin(rows, degrees)):
            faults.setdefault(row, Fault("coordinate-out-of-range", f"degrees declared metres: {_show(own)}"))
    return faults


def _by_row(xy: Floats, rows: Rows, chosen: Flags) -> Iterator[tuple[int, Floats]]:
    """Yield each row that has a chosen vertex, with all its vertices; ``rows`` is sorted."""
    for row in np.unique(rows[chosen]).tolist():
        first, last = np.searchsorted(rows, [row, row + 1])
        yield row, xy[first:last]


def _all_in_degrees(x: Floats, y: Floats, rows: Rows, count: int) -> Rows:
    """Return the rows of which every vertex could be a longitude and latitude."""
    most_x, most_y = np.zeros(count), np.zeros(count)
    np.maximum.at(most_x, rows, x)
    np.maximum.at(most_y, rows, y)
    has = np.bincount(rows, minlength=count) > 0
    return np.flatnonzero(has & (most_x <= 180.0) & (most_y <= 90.0))


def _out_of_range(xy: Floats, *, is_geographic: bool) -> Fault:
    x, y = np.abs(xy[:, 0]), np.abs(xy[:, 1])
    most = float(max(x.max(), y.max()))
    if is_geographic and _METRE_LIKE < most <= _FARTHEST_M:
        return Fault("coordinate-metres-as-degrees", _show(xy))
    if is_geographic and x.max() <= 90.0 and y.max() <= 180.0:
        return Fault("coordinate-swapped", _show(xy))
    return Fault("coordinate-out-of-range", _show(xy))


def _show(xy: Floats) -> str:
    return ", ".join(f"{value:.10g}" for value in xy[0])


def find_place_faults(
    geometry: Geometries, *, bounds: tuple[float, float, float, float] | None = None
) -> dict[int, Fault]:
    """Find geometries that after transformation do not lie on the Earth, or not where their system is meant for.

    Parameters
    ----------
    geometry
        EPSG:4326 geometries, None allowed.
    bounds
        West, south, east, north in degrees outside of which the declared system makes no sense; None for no limit.

    Returns
    -------
    By row, ``coordinate-out-of-range``.
    """
    xy, rows = shapely.get_coordinates(geometry, return_index=True)
    west, south, east, north = bounds or (-180.0, -90.0, 180.0, 90.0)
    with np.errstate(invalid="ignore"):
        good = (xy[:, 0] >= west) & (xy[:, 0] <= east) & (xy[:, 1] >= south) & (xy[:, 1] <= north)
    good &= (np.abs(xy[:, 0]) <= 180.0) & (np.abs(xy[:, 1]) <= 90.0)
    return {
        row: Fault("coordinate-out-of-range", f"lands at {_show(own)}, outside where its system is used")
        for row, own in _by_row(xy, rows, ~good)
    }


def mend_geometries(geometry: Geometries, families: tuple[str, ...], *, is_multipoint_kept: bool = False) -> Mended:
    """Make geometries valid, 2D and of the wanted family, and say what was done.

    Parameters
    ----------
    geometry
        EPSG:4326 geometries that passed the gate, None allowed.
    families
        ``point``, ``line``, ``polygon``: what the layer takes. Single points are taken out of multi-points of one;
        closed lines become polygons where no lines are wanted; invalid polygons are rebuilt from their rings.
    is_multipoint_kept
        Whether a multi-point of several points may stand; else it is refused.

    Returns
    -------
    The geometries with their faults (empty, other kind, no length, nothing left after repair) and mends. Areas in
    details are good to a percent: they tell the size of a repair, they are no measurement.
    """
    out = Mended(drop_heights(geometry))
    _note_heights(geometry, out)
    present = ~shapely.is_missing(out.geometry)
    for row in np.flatnonzero(present & shapely.is_empty(out.geometry)).tolist():
        _refuse(out, row, Fault("geometry-empty", shapely.to_wkt(geometry[row])[:60]))
    _drop_repeated(out)
    _mend_invalid(out, families)
    _fit_family(out, families)
    _take_single_points(out, is_multipoint_kept=is_multipoint_kept)
    out.mends.sort(key=lambda mend: mend.row)
    return out


def drop_heights(geometry: Geometries) -> Geometries:
    """Return a copy without third coordinates; geometries that have none are not built anew."""
    out = np.array(geometry, dtype=object)
    high = shapely.get_coordinate_dimension(out) > 2
    if high.any():
        out[high] = shapely.force_2d(out[high])
    return out


def _refuse(out: Mended, row: int, fault: Fault) -> None:
    out.geometry[row] = None
    out.faults[row] = fault


def _note_heights(geometry: Geometries, out: Mended) -> None:
    out.mends.extend(
        Mend(row, "z-dropped", "heights left out") for row in np.flatnonzero(shapely.has_z(geometry)).tolist()
    )


def _drop_repeated(out: Mended) -> None:
    for row in _find_repeated(out.geometry):
        found = out.geometry[row]
        thinned = _thin(found)
        count = int(shapely.get_num_coordinates(found) - shapely.get_num_coordinates(thinned))
        if count > 0 and shapely.length(thinned) > 0.0:
            out.geometry[row] = thinned
            out.mends.append(Mend(row, "points-removed", f"{count} repeated points"))


def _find_repeated(geometry: Geometries) -> list[int]:
    """Return the rows of lines and polygons in which a vertex equals the one before it, be it of another part."""
    xy, rows = shapely.get_coordinates(geometry, return_index=True)
    again = (rows[1:] == rows[:-1]) & (xy[1:, 0] == xy[:-1, 0]) & (xy[1:, 1] == xy[:-1, 1])
    found = np.unique(rows[1:][again])
    return [int(row) for row in found[~np.isin(shapely.get_type_id(geometry[found]), POINT_TYPES)]]


def _thin(geometry: Any) -> Any:
    try:
        return shapely.remove_repeated_points(geometry)
    except shapely.errors.GEOSException:  # a ring of one place has nothing left to thin; it is refused later
        return geometry


def _mend_invalid(out: Mended, families: tuple[str, ...]) -> None:
    present = ~shapely.is_missing(out.geometry)
    kinds = shapely.get_type_id(out.geometry)
    no_length = present & np.isin(kinds, LINE_TYPES) & (shapely.length(out.geometry) == 0.0)
    for row in np.flatnonzero(no_length).tolist():
        _refuse(out, row, Fault("line-too-short", "all points of the line are the same"))
    invalid = present & ~no_length & ~shapely.is_valid(out.geometry)
    for row in np.flatnonzero(invalid).tolist():
        _make_valid(out, row, families)


def _make_valid(out: Mended, row: int, families: tuple[str, ...]) -> None:
    broken = out.geometry[row]
    why = shapely.is_valid_reason(broken)
    whole = shapely.make_valid(broken, method="structure", keep_collapsed=False)
    usable = _take_families(whole, families if shapely.get_type_id(broken) == _COLLECTION else _families_of(broken))
    if usable is None:
        _refuse(out, row, Fault("geometry-unrepairable", f"{why}; nothing is left after repair"))
        return
    out.geometry[row] = usable
    out.mends.append(Mend(row, "made-valid", f"{why}; {_size(broken)} → {_size(usable)}"))


def _families_of(geometry: Any) -> tuple[str, ...]:
    kind = int(shapely.get_type_id(geometry))
    return tuple(name for name, kinds in _FAMILY_TYPES.items() if kind in kinds)


def _take_families(geometry: Any, families: tuple[str, ...]) -> Any:
    """Return the parts of the first family that has any, as one geometry; None where nothing is left."""
    parts = shapely.get_parts(shapely.get_parts(np.array([geometry], dtype=object)))
    parts = parts[~shapely.is_empty(parts)]
    for family in families:
        wanted = parts[np.isin(shapely.get_type_id(parts), _FAMILY_TYPES[family])]
        if len(wanted) == 1:
            return wanted[0]
        if len(wanted):
            return _join(wanted, family)
    return None


def _join(parts: Geometries, family: str) -> Any:
    make = {"point": shapely.multipoints, "line": shapely.multilinestrings, "polygon": shapely.multipolygons}[family]
    joined = make(parts)
    return joined if shapely.is_valid(joined) else shapely.union_all(parts)


def approximate_area_m2(geometry: Geometries) -> Floats:
    """Return areas good to a percent, for telling sizes apart; never a measurement.

    Parameters
    ----------
    geometry
        EPSG:4326 geometries, None allowed.

    Returns
    -------
    Square metres; 0 for points, lines and None.
    """
    bounds = shapely.bounds(geometry)
    middle = np.nan_to_num((bounds[:, 1] + bounds[:, 3]) / 2.0)
    degrees = np.nan_to_num(shapely.area(geometry))
    return np.asarray(degrees * _DEGREE_M**2 * np.cos(np.radians(middle)), dtype=np.float64)


def _size(geometry: Any) -> str:
    """Return the area or length of a geometry in degrees, in words of metres."""
    if shapely.get_dimensions(geometry) == 2:
        return f"area {approximate_area_m2(np.array([geometry], dtype=object))[0]:.1f} m²"
    narrow = np.cos(np.radians(float(np.nanmean(shapely.get_coordinates(geometry)[:, 1]))))
    return f"length {shapely.length(geometry) * _DEGREE_M * np.sqrt(narrow):.1f} m"


def _fit_family(out: Mended, families: tuple[str, ...]) -> None:
    """Refuse geometries of another family, taking usable parts out of collections first."""
    allowed = [kind for family in families for kind in _FAMILY_TYPES[family]]
    kinds = shapely.get_type_id(out.geometry)
    strange = ~shapely.is_missing(out.geometry) & ~np.isin(kinds, allowed)
    for row in np.flatnonzero(strange).tolist():
        _convert(out, row, families)
    kinds = shapely.get_type_id(out.geometry)
    for row in np.flatnonzero(kinds == 2).tolist():
        out.geometry[row] = shapely.LineString(out.geometry[row])


def _take_single_points(out: Mended, *, is_multipoint_kept: bool) -> None:
    for row in np.flatnonzero(shapely.get_type_id(out.geometry) == 4).tolist():
        parts = shapely.get_parts(out.geometry[row])
        if len(parts) == 1:
            out.geometry[row] = parts[0]
        elif not is_multipoint_kept:
            _refuse(out, row, Fault("geometry-kind", f"a MultiPoint of {len(parts)} points, expected one"))


def _convert(out: Mended, row: int, families: tuple[str, ...]) -> None:
    found = out.geometry[row]
    kind = int(shapely.get_type_id(found))
    if kind == _COLLECTION and (usable := _take_families(found, families)) is not None:
        out.geometry[row] = usable
        parts = int(shapely.get_num_geometries(found)) - int(shapely.get_num_geometries(usable))
        out.mends.append(Mend(row, "parts-dropped", f"{max(parts, 0)} parts of another kind; {_size(usable)} kept"))
        return
    if "polygon" in families and "line" not in families and kind == 1 and shapely.is_closed(found):
        ring = shapely.polygons(shapely.get_coordinates(found)) if shapely.get_num_points(found) > 3 else None
        if ring is not None and shapely.is_valid(ring) and shapely.area(ring) > 0.0:
            out.geometry[row] = ring
            out.mends.append(Mend(row, "line-to-polygon", f"a closed line became its area, {_size(ring)}"))
            return
    wanted = " or ".join(families)
    _refuse(out, row, Fault("geometry-kind", f"a {found.geom_type}, expected a {wanted}"))


def split_lines(geometry: Geometries) -> tuple[Geometries, Rows]:
    """Join multi-lines whose parts meet end to end, and split the rest into single lines.

    Parameters
    ----------
    geometry
        Lines and multi-lines, no None.

    Returns
    -------
    Single lines in order, and for each the row it came from.
    """
    merged = geometry.copy()
    multi = shapely.get_type_id(geometry) == 5
    # directed: a part must never be turned round, one-way streets and slopes have a direction
    merged[multi] = shapely.line_merge(geometry[multi], directed=True)
    single = multi & (shapely.get_type_id(merged) == 1)
    chosen = np.where(single, merged, geometry)
    parts, rows = shapely.get_parts(chosen, return_index=True)
    return np.asarray(parts, dtype=object), rows
