"""Rows of an OpenStreetMap extract gathered into batches and cleaned, layer by layer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
import shapely

from geo.datum import parse_datum
from geo.frames import approximate_area_m2
from layers.catalog import LAYERS
from layers.loading.clean import Clean, Repair, clean_batch
from layers.loading.clean_reference import ReferenceColumn, clean_reference_batch
from layers.loading.recognise import recognise_frame
from layers.read import osm_tags as rules
from layers.read.source import Batch, Reject, cut_raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from layers.catalog import Pack

BBox = tuple[float, float, float, float]
Tags = dict[str, str]
Place = tuple[str, int, Any]

CORE_LAYERS: Final = ("areas", "compounds", "gates", "buildings", "facilities", "streets")
TURN_BANS: Final = "turn-bans"
REFERENCE_LAYERS: Final = ("water", "railway", "landuse", "transit", TURN_BANS)
# no link between a building and a street may cross these
BARRIER_LAYERS: Final = frozenset({"water", "railway"})
REFERENCE_COLUMNS: Final = (
    ReferenceColumn("name", "name", "text"),
    ReferenceColumn("kind", "kind", "text"),
    ReferenceColumn("tags", "tags", "text"),
)
TURN_COLUMNS: Final = (
    ReferenceColumn("kind", "kind", "text"),
    ReferenceColumn("from_way", "from_way", "text"),
    ReferenceColumn("via_node", "via_node", "integer"),
    ReferenceColumn("to_way", "to_way", "text"),
    ReferenceColumn("except_for", "except_for", "text"),
)
_FURTHER = ("node_a", "node_b", "type_candidates", "type_basis")
_WGS84 = parse_datum("wgs84")


class Row(NamedTuple):
    """One row on its way to a layer: identity, object id, geometry, the layer's columns, all tags."""

    source_id: str
    line: int
    geometry: Any
    columns: Mapping[str, object]
    tags: Tags


def reference_columns(layer: str) -> tuple[ReferenceColumn, ...]:
    """Return the columns of a reference layer that an extract holds."""
    return TURN_COLUMNS if layer == TURN_BANS else REFERENCE_COLUMNS


def raw_text(name: str, tags: Tags) -> str:
    """Return an object as the quarantine keeps it."""
    return cut_raw(f"{name} {json.dumps(tags, ensure_ascii=False)}")


class Collector:
    """Rows waiting for a full batch, by layer."""

    def __init__(self, wanted: frozenset[str], box: BBox | None, pack: Pack, rows: int) -> None:
        self.wanted = wanted
        self.box = shapely.box(*box) if box else None
        self.pack = pack
        self.rows = rows
        self.waiting: dict[str, list[Row]] = {name: [] for name in wanted}
        self.rejected: dict[str, list[Reject]] = {name: [] for name in wanted}
        self.repairs: dict[str, list[Repair]] = {name: [] for name in wanted}
        self.gates: list[Row] = []
        self.areas: list[Row] = []
        self.compound_of: dict[int, str] = {}

    def touches(self, geometry: Any) -> bool:
        """Tell whether a geometry touches the box."""
        return self.box is None or bool(shapely.intersects(self.box, geometry))

    def add(self, layer: str, row: Row) -> None:
        """Keep a row for a layer, if it is wanted and touches the box."""
        if layer in self.wanted and self.touches(row.geometry):
            self.waiting[layer].append(row)

    def reject(self, layer: str, reject: Reject) -> None:
        """Keep a rejected object for a layer, if it is wanted."""
        if layer in self.wanted:
            self.rejected[layer].append(reject)

    def repair(self, layer: str, repair: Repair) -> None:
        """Log a change to an object of a layer, if it is wanted."""
        if layer in self.wanted:
            self.repairs[layer].append(repair)

    def add_reference(self, place: Place, tags: Tags, *, shape: rules.Shape) -> None:
        """Keep an object for every reference layer it belongs to."""
        for layer, kind in rules.reference_kind(tags, shape=shape).items():
            text = json.dumps(tags, ensure_ascii=False, sort_keys=True)
            self.add(layer, Row(*place, {"name": tags.get("name"), "kind": kind, "tags": text}, tags))

    def finish(self, unfinished: Mapping[str, tuple[tuple[str, ...], Tags]]) -> None:
        """Add what could only be told at the end: areas with their parents, gates with their compounds, remainders."""
        for row in name_parents(self.areas):
            self.add("areas", row)
        for row in self.gates:
            compound = self.compound_of.get(row.line)
            if compound is not None or rules.is_gate(row.tags):
                columns = {
                    "compound_id": compound,
                    "opens_to": rules.opens_to(row.tags),
                    "hours": row.tags.get("opening_hours"),
                }
                self.add("gates", row._replace(columns=columns))
        for name, (layers, tags) in unfinished.items():
            detail = "the extract does not hold a closed outline"
            reject = Reject(int(name.split("/")[1]), name, "geometry-unreadable", detail, raw_text(name, tags))
            for layer in set(layers) & self.wanted:
                self.reject(layer, reject)

    def flush_full(self) -> Iterator[tuple[str, Clean]]:
        """Yield the batches that are full."""
        for layer, rows in self.waiting.items():
            if len(rows) >= self.rows:
                yield layer, self._clean(layer)

    def flush_all(self) -> Iterator[tuple[str, Clean]]:
        """Yield what is left, layer by layer, so that areas come before what lies in them."""
        for layer in (*CORE_LAYERS, *REFERENCE_LAYERS):
            if layer in self.wanted and (self.waiting[layer] or self.rejected[layer]):
                yield layer, self._clean(layer)

    def _clean(self, layer: str) -> Clean:
        rows, self.waiting[layer] = self.waiting[layer], []
        rejected, self.rejected[layer] = self.rejected[layer], []
        if layer == "facilities":
            rows = self._recognise(rows)
        batch = _make_batch(layer, rows, rejected)
        if layer in REFERENCE_LAYERS:
            return clean_reference_batch(batch, reference_columns(layer), datum=_WGS84, identity="source_id")
        clean = _clean_core(layer, batch)
        clean.repairs, self.repairs[layer] = self.repairs[layer] + clean.repairs, []
        return clean

    def _recognise(self, rows: list[Row]) -> list[Row]:
        """Keep the objects that are, or may be, a facility of the pack."""
        if not rows:
            return rows
        sizes = approximate_area_m2(np.array([row.geometry for row in rows], dtype=object))
        frame = pd.DataFrame(
            {
                "name": [row.columns["name"] for row in rows],
                "tags": [row.tags for row in rows],
                "area_m2": [float(size) if size > 0 else None for size in sizes],
            },
            dtype=object,
        )
        found = recognise_frame(frame, self.pack)
        return [
            row._replace(columns={**row.columns, "type": kind, "type_candidates": candidates, "type_basis": basis})
            for row, kind, candidates, basis in zip(
                rows, found["type"], found["type_candidates"], found["type_basis"], strict=True
            )
            if kind is not None or candidates
        ]


def _make_batch(layer: str, rows: list[Row], rejected: list[Reject]) -> Batch:
    names = dict.fromkeys(name for row in rows for name in row.columns)
    if layer in REFERENCE_LAYERS:
        names = dict.fromkeys(column.name for column in reference_columns(layer))
    data: dict[str, list[object]] = {"source_id": [row.source_id for row in rows]}
    if layer not in REFERENCE_LAYERS:
        data["tags"] = [row.tags for row in rows]
    data |= {name: [row.columns.get(name) for row in rows] for name in names}
    frame = pd.DataFrame(data, index=pd.RangeIndex(len(rows)), dtype=object)
    geometry = np.empty(len(rows), dtype=object)
    geometry[:] = [row.geometry for row in rows]
    line = np.array([row.line for row in rows], dtype=np.int64)
    return Batch(frame, geometry, line, lambda row: raw_text(rows[row].source_id, rows[row].tags), rejected)


def _clean_core(layer: str, batch: Batch) -> Clean:
    aside = [name for name in (*_FURTHER, "tags") if name in batch.frame]
    kept_aside = batch.frame[["source_id", *aside]].set_index("source_id")
    batch.frame = batch.frame.drop(columns=aside)
    if layer == "areas":
        batch.frame = batch.frame.rename(columns={"source_id": "code"})
    columns = {name: name for name in LAYERS[layer].column_names if name in batch.frame}
    clean = clean_batch(batch, layer, columns=columns, datum=_WGS84)
    kept_aside = kept_aside.reindex(clean.frame["source_id"])
    for name in aside:
        column = "properties" if name == "tags" else name
        clean.frame[column] = pd.Series(kept_aside[name].tolist(), index=clean.frame.index, dtype=object)
    return clean


def name_parents(rows: Iterable[Row]) -> list[Row]:
    """Give every administrative area the smallest area of a lower level number that holds its inner point.

    Returns
    -------
    The rows, largest areas first, with ``parent_code`` (None for the largest).
    """
    ordered = sorted(rows, key=lambda row: (int(str(row.columns["level"])), row.source_id))
    shapes = np.array([row.geometry for row in ordered], dtype=object)
    sizes = shapely.area(shapes)
    levels = [int(str(row.columns["level"])) for row in ordered]
    out = []
    for place, row in enumerate(ordered):
        inner = shapely.point_on_surface(row.geometry)
        holders = [
            above for above in range(place) if levels[above] < levels[place] and shapely.contains(shapes[above], inner)
        ]
        parent = min(holders, key=lambda above: (sizes[above], above), default=None)
        code = None if parent is None else ordered[parent].source_id
        out.append(row._replace(columns={**row.columns, "parent_code": code}))
    return out
