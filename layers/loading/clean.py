"""Raw batches become typed rows of one layer; what cannot be kept is rejected with a reason.

Rows read = rows kept + rows rejected, for every batch: every row of the batch is in one of the two. A street of several
separate lines is kept as several rows of the same line of the file, with ``/1 /2 …`` behind its identity.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from geo.errors import MissingColumn
from geo.frames import split_lines
from geo.metric import is_in_china
from layers.catalog import BANDS, COUNT_COLUMNS, OF_WHICH, find_layer
from layers.loading.clean_geometry import clean_geometry, outline_grid_cells, read_plain_points, read_points
from layers.loading.clean_values import Findings, json_value, read_column
from layers.read import cells
from layers.read.columns import require_columns
from layers.read.source import Reject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geo.datum import Datum
    from geo.frames import Geometries
    from layers.catalog import Layer
    from layers.loading.clean_values import Values
    from layers.read.source import Batch

__all__ = ["Clean", "Reject", "Repair", "clean_batch", "make_id"]

# columns the tables have beyond what a file may bring; filled by the OpenStreetMap reader and by recognition
_FURTHER = {"streets": ("node_a", "node_b"), "facilities": ("type_candidates", "type_basis")}


@dataclass(frozen=True, slots=True)
class Repair:
    """A change made to a row so that it could be kept.

    Attributes
    ----------
    line
        Line or 1-based feature number in the file.
    source_id
        Identity of the row.
    kind
        A key of ``layers.read.reasons.REPAIRS``.
    detail
        The effect, e.g. ``area 812.4 m² → 806.1 m²``.
    """

    line: int
    source_id: str | None
    kind: str
    detail: str


@dataclass(slots=True)
class Clean:
    """A cleaned batch.

    Attributes
    ----------
    frame
        ``source_id``, then the layer's input columns, typed, as objects with None where missing; then ``geom`` (WKB
        bytes in EPSG:4326, 2D, None where the layer may lack it), ``line`` and ``properties`` (a dict that can be
        written as JSON). Streets also have ``node_a node_b``, facilities ``type_candidates type_basis``.
    rejected
        Rows that were not kept.
    repairs
        Changes made to rows that were kept.
    rows_read
        Rows of the file this batch stands for = distinct lines in ``frame`` + ``rejected``.
    shapes
        ``geom`` before it became bytes, where it is at hand.
    """

    frame: pd.DataFrame
    rejected: list[Reject] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    rows_read: int = 0
    shapes: Geometries | None = None


def clean_batch(
    batch: Batch, layer: str, *, columns: Mapping[str, str], datum: Datum, id_from_geometry: bool = False
) -> Clean:
    """Type, place and repair the rows of a batch.

    Parameters
    ----------
    batch
        Raw rows.
    layer
        A core layer.
    columns
        Ours → theirs, as ``layers.read.columns.guess_columns`` finds it. Columns of the file that are not in it end up
        in ``properties``.
    datum
        What the coordinates are.
    id_from_geometry
        Make each identity from the geometry, so that a row is the same row as long as it does not move.

    Returns
    -------
    The rows kept, the rows rejected and the repairs. Timestamps without a zone are taken as Chinese time inside China
    and as UTC elsewhere.

    Raises
    ------
    MissingColumn
        A required column is not in ``columns``, or the file has no geometry and the layer cannot do without.
    """
    wanted = find_layer(layer)
    require_columns(columns, list(batch.frame.columns), layer, id_from_geometry=id_from_geometry)
    _require_place(batch, wanted, columns)
    findings = Findings()
    geometry = clean_geometry(batch, wanted.geometries, datum, findings)
    if layer == "population":
        geometry = outline_grid_cells(batch, geometry, findings)
    values = _read_values(batch, wanted, columns, geometry, findings)
    _read_points(values, wanted, datum, findings)
    identity = _identify(wanted, values, columns, geometry, id_from_geometry=id_from_geometry)
    if layer == "population":
        _check_population(values, geometry, identity, findings)
    else:
        _require_identity(identity, findings)
    values["properties"] = _read_properties(batch, set(columns.values()))
    clean = _assemble(batch, values, geometry, identity, findings)
    return _split_streets(clean) if layer == "streets" else clean


def _require_place(batch: Batch, wanted: Layer, columns: Mapping[str, str]) -> None:
    """Refuse a file of which no row can ever be placed."""
    if batch.geometry is not None or not {"building_id", "area_code"}.isdisjoint(columns):
        return
    theirs = ", ".join(str(name) for name in batch.frame.columns)[:400]
    by_key = " or a building_id or area_code" if wanted.name == "population" else ""
    raise MissingColumn(
        f"Loading {wanted.name}: the file has no geometry, its columns are {theirs}; "
        f"expected longitude and latitude, or WKT{by_key}.",
        hint="name the columns with --map THEIRS=lon --map THEIRS=lat, or --map THEIRS=wkt",
        parameter="map",
    )


def _read_values(
    batch: Batch, wanted: Layer, columns: Mapping[str, str], geometry: Geometries, findings: Findings
) -> dict[str, Values]:
    xy = shapely.get_coordinates(geometry)
    is_chinese = len(xy) > 0 and is_in_china(float(np.median(xy[:, 0])), float(np.median(xy[:, 1])))
    zone = cells.CHINA_TIME if is_chinese else UTC
    values: dict[str, Values] = {}
    for column in wanted.columns:
        theirs = columns.get(column.name)
        if theirs is None:
            values[column.name] = [None] * len(batch)
        elif column.name == wanted.identity:
            values[column.name] = cells.read_identities(batch.frame[theirs].tolist())
        else:
            values[column.name] = read_column(batch.frame[theirs].tolist(), column, findings, zone=zone)
    for name in _FURTHER.get(wanted.name, ()):
        values[name] = [None] * len(batch)
    return values


def _read_points(values: dict[str, Values], wanted: Layer, datum: Datum, findings: Findings) -> None:
    """Turn texts of point columns into WKB in EPSG:4326."""
    for name in (column.name for column in wanted.columns if column.type == "point"):
        texts = values[name]
        if not any(texts):
            continue
        plain = read_plain_points(texts, datum)
        if plain is not None:
            values[name] = plain
            continue
        values[name] = shapely.to_wkb(read_points(texts, datum), output_dimension=2).tolist()
        for row, text in enumerate(texts):
            if text is not None and values[name][row] is None:
                findings.repair(row, "value-dropped", f"{name} = {text[:60]!r}")


def make_id(wkb: bytes) -> str:
    """Return the identity of a row that has none but its geometry (WKB in EPSG:4326, 2D)."""
    return f"geom:{hashlib.sha256(wkb).hexdigest()[:20]}"


def _identify(
    wanted: Layer,
    values: dict[str, Values],
    columns: Mapping[str, str],
    geometry: Geometries,
    *,
    id_from_geometry: bool,
) -> Values:
    if columns.get(wanted.identity) is not None and not id_from_geometry:
        # of its own: population names its rows by their place
        return list(values[wanted.identity])
    if id_from_geometry or wanted.name == "population":
        wkb = shapely.to_wkb(geometry, output_dimension=2)
        return [None if one is None else make_id(one) for one in wkb]
    return [None] * len(geometry)


def _require_identity(identity: Values, findings: Findings) -> None:
    if None not in identity:
        return
    for row, value in enumerate(identity):
        if value is None:
            findings.refuse(row, "id-missing", "the identity is empty")


def _check_population(values: dict[str, Values], geometry: Geometries, identity: Values, findings: Findings) -> None:
    """Ask every row for a place and a count, and name it by its place."""
    for row in range(len(identity)):
        building, area = values["building_id"][row], values["area_code"][row]
        if building is not None or area is not None:
            identity[row] = f"building:{building}" if building is not None else f"area:{area}"
        elif geometry[row] is None:
            findings.refuse(row, "place-missing", "neither building_id, area_code nor a geometry")
        if all(values[name][row] is None for name in COUNT_COLUMNS):
            findings.refuse(row, "value-missing", "no count at all")
    _sum_bands(values)
    _check_counts(values, findings)


def _sum_bands(values: dict[str, Values]) -> None:
    """Fill people from the bands where all are given and people are not: bands partition everybody present."""
    for row, people in enumerate(values["people"]):
        bands = [values[name][row] for name in BANDS]
        if people is None and None not in bands:
            values["people"][row] = sum(bands)


def _check_counts(values: dict[str, Values], findings: Findings) -> None:
    for row, people in enumerate(values["people"]):
        if people is None:
            continue
        bands = sum(values[name][row] or 0 for name in BANDS)
        parts = {"the age bands": bands, **{name: values[name][row] or 0 for name in OF_WHICH}}
        for name, part in parts.items():
            if part > people:
                findings.refuse(row, "parts-exceed-whole", f"{name} {part}, people {people}")


def _read_properties(batch: Batch, used: set[str]) -> Values:
    names = [str(name) for name in batch.frame.columns if name not in used]
    if not names:
        return [{} for _ in range(len(batch))]
    columns = [[json_value(value) for value in batch.frame[name]] for name in names]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _assemble(
    batch: Batch, values: dict[str, Values], geometry: Geometries, identity: Values, findings: Findings
) -> Clean:
    count = len(batch)
    kept = [row for row in range(count) if row not in findings.faults] if findings.faults else range(count)
    wkb = shapely.to_wkb(geometry, output_dimension=2)
    names = ["source_id", *(name for name in values if name not in {"source_id", "properties"})]
    data: dict[str, Any] = {"source_id": identity, **{name: values[name] for name in names[1:]}, "geom": wkb.tolist()}
    frame = pd.DataFrame({name: _pick(column, kept) for name, column in data.items()}, dtype=object)
    frame["line"] = batch.line if len(kept) == count else batch.line[kept]
    frame["properties"] = _pick(values["properties"], kept)
    rejected = list(batch.rejected)
    for row in sorted(findings.faults):
        code, detail = findings.faults[row]
        rejected.append(Reject(int(batch.line[row]), identity[row], code, detail, batch.raw(row)))
    repairs = [
        Repair(int(batch.line[row]), identity[row], kind, detail)
        for row, kind, detail in sorted(findings.repairs)
        if row not in findings.faults
    ]
    return Clean(frame, rejected, repairs, rows_read=count + len(batch.rejected), shapes=_pick_shapes(geometry, kept))


def _pick_shapes(geometry: Geometries, rows: Sequence[int]) -> Geometries:
    return geometry if len(rows) == len(geometry) else geometry[list(rows)]


def _pick(values: Values, rows: Sequence[int]) -> np.ndarray[Any, np.dtype[np.object_]]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out if len(rows) == len(values) else out[rows]


def _split_streets(clean: Clean) -> Clean:
    """Make one row of every separate line of a street."""
    lines = np.asarray(shapely.from_wkb(clean.frame["geom"].to_numpy()), dtype=object)
    parts, rows = split_lines(lines)
    if len(parts) == len(lines):
        clean.frame["geom"] = _pick(shapely.to_wkb(parts).tolist(), list(range(len(parts))))
        return clean
    count = np.bincount(rows, minlength=len(lines))
    number = np.arange(len(rows)) - np.searchsorted(rows, rows) + 1
    frame = clean.frame.iloc[rows].reset_index(drop=True)
    frame["geom"] = _pick(shapely.to_wkb(parts).tolist(), list(range(len(parts))))
    is_piece = count[rows] > 1
    identity = [
        f"{name}/{place}" if piece else name
        for name, place, piece in zip(frame["source_id"], number, is_piece, strict=True)
    ]
    frame["source_id"] = _pick(identity, list(range(len(identity))))
    split = [
        Repair(int(clean.frame["line"].iloc[row]), clean.frame["source_id"].iloc[row], "multi-split", f"{n} lines")
        for row, n in enumerate(count.tolist())
        if n > 1
    ]
    return Clean(frame, clean.rejected, clean.repairs + split, clean.rows_read)
