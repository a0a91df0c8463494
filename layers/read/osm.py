"""Every layer that one OpenStreetMap extract holds.

The file is read three times, each pass streaming: first relations and tagged nodes, then the nodes streets share, then
everything with geometry. Memory holds node locations (16 bytes each), ids of street nodes (8 bytes each), the few
tagged nodes and one batch of rows a layer.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import shapely
from osmium.osm import NODE, RELATION, WAY

from geo.errors import DataError, RequestError
from layers.catalog import read_pack
from layers.loading.clean import Repair
from layers.read import osm_tags as rules
from layers.read.files import check_file, identify
from layers.read.osm_rows import (
    BARRIER_LAYERS,
    CORE_LAYERS,
    REFERENCE_LAYERS,
    TURN_BANS,
    BBox,
    Collector,
    Row,
    Tags,
    raw_text,
    reference_columns,
)
from layers.read.osm_turns import Turns, is_turn
from layers.read.source import Reject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from layers.catalog import Pack
    from layers.loading.clean import Clean

__all__ = ["BARRIER_LAYERS", "CORE_LAYERS", "REFERENCE_LAYERS", "read_osm", "reference_columns"]

Ids = np.ndarray[Any, np.dtype[np.int64]]
ROWS_PER_BATCH = 20_000
_IDS_AT_ONCE = 1_000_000
# share of an estate's outline that must lie on walls to close it off without a gate
_WALLED_SHARE = 0.5


@dataclass(slots=True)
class _Prepared:
    """What the first passes found.

    Attributes
    ----------
    shared
        Sorted ids of nodes at which streets are cut: used twice, or a gate.
    walls
        Sorted ids of nodes of walls and fences.
    gates
        Node id → tags of every gate.
    doors
        Node id → tags of every entrance.
    waiting
        Ways and relations that should become areas and have not yet: id → layers and tags.
    turns
        Turn restrictions.
    """

    shared: Ids
    walls: Ids
    gates: dict[int, Tags] = field(default_factory=dict)
    doors: dict[int, Tags] = field(default_factory=dict)
    waiting: dict[str, tuple[tuple[str, ...], Tags]] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)


def read_osm(
    path: str | Path,
    *,
    bbox: BBox | None = None,
    layers: Collection[str] | None = None,
    pack: Pack | None = None,
    rows: int = ROWS_PER_BATCH,
) -> Iterator[tuple[str, Clean]]:
    """Yield the layers of an OpenStreetMap extract in batches.

    Parameters
    ----------
    path
        A ``.osm.pbf`` file.
    bbox
        West, south, east, north in degrees; objects that do not touch it are left out.
    layers
        Which of ``CORE_LAYERS`` and ``REFERENCE_LAYERS``; all where absent.
    pack
        Standards pack to recognise facilities by; the shipped one where absent.
    rows
        Rows of a layer in one batch, at most.

    Yields
    ------
    The layer and a cleaned batch. Identities are ``node/1``, ``way/1``, ``relation/1``; a street cut at shared nodes
    has pieces ``way/1/1``, ``way/1/2`` in the way's direction with the node ids of both ends. Reference layers have the
    columns of ``reference_columns``. A building or other area that cannot be put together from the extract is rejected.

    Raises
    ------
    DataError
        The file is missing, damaged, or no OpenStreetMap extract.
    RequestError
        A layer that an extract does not hold, or a box that is none.
    """
    local = check_file(path)
    if identify(local) != "PBF":
        raise DataError(
            f"Reading {local.name}: expected an OpenStreetMap extract (.osm.pbf).", hint="onemap load LAYER FILE"
        )
    wanted = _check_layers(layers)
    box = _check_box(bbox)
    collector = Collector(wanted, box, pack or read_pack(), rows)
    try:
        prepared = _prepare(local, wanted)
        yield from _read_objects(local, prepared, collector)
    except (RuntimeError, osmium.InvalidLocationError) as fault:
        raise DataError(
            f"Reading {local.name}: the extract cannot be read on ({str(fault)[:160]}).",
            hint="the file is damaged or cut short; download it again",
        ) from fault
    collector.finish(prepared.waiting)
    prepared.turns.finish(collector)
    yield from collector.flush_all()


def _check_layers(layers: Collection[str] | None) -> frozenset[str]:
    known = {*CORE_LAYERS, *REFERENCE_LAYERS}
    wanted = known if layers is None else set(layers)
    if unknown := sorted(wanted - known):
        raise RequestError(
            f"Reading an OpenStreetMap extract: it holds no layer {', '.join(unknown)}.",
            hint=f"choose from {', '.join((*CORE_LAYERS, *REFERENCE_LAYERS))}",
            parameter="layer",
        )
    return frozenset(wanted)


def _check_box(bbox: BBox | None) -> BBox | None:
    if bbox is None:
        return None
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise RequestError(
            f"Cutting an OpenStreetMap extract: {west},{south},{east},{north} is no box in degrees.",
            hint="write --bbox WEST,SOUTH,EAST,NORTH",
            parameter="bbox",
        )
    return bbox


def _prepare(path: Path, wanted: frozenset[str]) -> _Prepared:
    out = _Prepared(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    item: Any
    for item in osmium.FileProcessor(path, NODE).with_filter(osmium.filter.KeyFilter("barrier", "entrance")):
        tags = dict(item.tags)
        if rules.is_gate(tags):
            out.gates[item.id] = tags
        if "entrance" in tags:
            out.doors[item.id] = tags
    out.shared, out.walls = _find_shared(path, out.gates)
    for item in osmium.FileProcessor(path, RELATION).with_filter(osmium.filter.KeyFilter("type")):
        tags = dict(item.tags)
        if tags.get("type") in {"multipolygon", "boundary"} and (names := _area_layers(tags) & wanted):
            out.waiting[f"relation/{item.id}"] = (tuple(sorted(names)), tags)
        if is_turn(tags) and TURN_BANS in wanted:
            out.turns.add(item, tags)
    return out


def _find_shared(path: Path, gates: dict[int, Tags]) -> tuple[Ids, Ids]:
    """Return the sorted ids of nodes that two street ways, or one twice, run through, and of nodes of walls."""
    seen: Ids = np.empty(0, dtype=np.int64)
    shared: Ids = np.fromiter(gates, dtype=np.int64, count=len(gates))
    chunk: list[int] = []
    walls: list[int] = []
    way: Any
    for way in osmium.FileProcessor(path, WAY).with_filter(osmium.filter.KeyFilter("highway", "barrier")):
        tags = dict(way.tags)
        if rules.is_street(tags):
            chunk.extend(node.ref for node in way.nodes)
        if rules.is_wall(tags):
            walls.extend(node.ref for node in way.nodes)
        if len(chunk) > _IDS_AT_ONCE:
            seen, shared = _merge_ids(seen, shared, chunk)
            chunk = []
    return _merge_ids(seen, shared, chunk)[1], np.unique(np.array(walls, dtype=np.int64))


def _merge_ids(seen: Ids, shared: Ids, chunk: list[int]) -> tuple[Ids, Ids]:
    ids, count = np.unique(np.array(chunk, dtype=np.int64), return_counts=True)
    again = ids[(count > 1) | np.isin(ids, seen, assume_unique=True)]
    return np.union1d(seen, ids), np.union1d(shared, again)


def _area_layers(tags: Tags) -> set[str]:
    """Return the layers for which a closed way or multipolygon is expected to become an area."""
    out: set[str] = set()
    if rules.is_building(tags):
        out.add("buildings")
    if rules.is_area_level(tags):
        out.add("areas")
    return out | (rules.reference_kind(tags, shape="area").keys() & {"water", "landuse"})


def _read_objects(path: Path, prepared: _Prepared, collector: Collector) -> Iterator[tuple[str, Clean]]:
    keys = osmium.filter.KeyFilter(*rules.INTERESTING_KEYS)
    factory = osmium.geom.WKBFactory()
    # the filter of with_areas only chooses relations; ways are looked up whatever their tags
    item: Any
    for item in osmium.FileProcessor(path).with_areas(keys).with_filter(keys):
        tags = dict(item.tags)
        if item.is_node():
            _add_node(collector, item, tags)
        elif item.is_way():
            _add_way(collector, prepared, item, tags)
        elif item.is_area():
            _add_area(collector, prepared, item, factory)
        yield from collector.flush_full()


def _add_node(collector: Collector, node: Any, tags: Tags) -> None:
    if not node.location.valid():
        return
    place = (f"node/{node.id}", node.id, shapely.Point(node.lon, node.lat))
    if rules.is_building(tags):
        collector.add("buildings", Row(*place, rules.building_columns(tags), tags))
    if rules.is_facility_candidate(tags):
        collector.add("facilities", Row(*place, rules.facility_columns(tags), tags))
    if rules.is_gate(tags) or "entrance" in tags:
        collector.gates.append(Row(*place, {}, tags))
    collector.add_reference(place, tags, shape="node")


def _add_way(collector: Collector, prepared: _Prepared, way: Any, tags: Tags) -> None:
    name = f"way/{way.id}"
    if rules.is_street(tags) and not collector.wanted.isdisjoint({"streets", TURN_BANS}):
        _add_street(collector, prepared, way, tags)
    names = _area_layers(tags) & collector.wanted
    if not way.is_closed():
        names -= {"areas"}  # one of the lines around an area, which is a relation
    if names and "highway" not in tags:
        prepared.waiting[name] = (tuple(sorted(names)), tags)
    if rules.reference_kind(tags, shape="line"):
        lines = [shapely.LineString([(node[1], node[2]) for node in run]) for run in _valid_runs(way)]
        if lines:
            shape = lines[0] if len(lines) == 1 else shapely.MultiLineString(lines)
            collector.add_reference((name, way.id, shape), tags, shape="line")


def _valid_runs(way: Any) -> list[list[tuple[int, float, float]]]:
    """Return the stretches of a way whose nodes are all in the extract: node id, longitude, latitude."""
    runs: list[list[tuple[int, float, float]]] = [[]]
    for node in way.nodes:
        if node.location.valid():
            runs[-1].append((node.ref, node.lon, node.lat))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def _add_street(collector: Collector, prepared: _Prepared, way: Any, tags: Tags) -> None:
    runs = _valid_runs(way)
    pieces = [piece for run in runs for piece in cut_at_nodes(run, prepared.shared)]
    name = f"way/{way.id}"
    if not pieces:
        detail = "fewer than two of its nodes are in the extract"
        collector.reject("streets", Reject(way.id, name, "geometry-missing", detail, raw_text(name, tags)))
        return
    known = sum(len(run) for run in runs)
    if known < len(way.nodes):
        detail = f"{len(way.nodes) - known} of {len(way.nodes)} nodes are not in the extract"
        collector.repair("streets", Repair(way.id, name, "parts-dropped", detail))
    columns = rules.street_columns(tags)
    for number, piece in enumerate(pieces, start=1):
        line = shapely.LineString([(node[1], node[2]) for node in piece])
        ends = {"node_a": piece[0][0], "node_b": piece[-1][0]}
        prepared.turns.see(way.id, piece)
        own = name if len(pieces) == 1 else f"{name}/{number}"
        collector.add("streets", Row(own, way.id, line, {**columns, **ends}, tags))


def cut_at_nodes(
    run: list[tuple[int, float, float]], shared: np.ndarray[Any, np.dtype[np.int64]]
) -> list[list[tuple[int, float, float]]]:
    """Cut a stretch of a way at its inner nodes that are shared.

    Parameters
    ----------
    run
        Node id, longitude, latitude along the way.
    shared
        Sorted node ids.

    Returns
    -------
    Pieces in the way's direction; neighbours have their cut node in common.
    """
    ids = np.array([node[0] for node in run[1:-1]], dtype=np.int64)
    place = np.searchsorted(shared, ids)
    hit = place < len(shared)
    hit[hit] = shared[place[hit]] == ids[hit]
    cuts = [0, *(np.flatnonzero(hit) + 1).tolist(), len(run) - 1]
    return [run[first : last + 1] for first, last in itertools.pairwise(cuts)]


def _add_area(collector: Collector, prepared: _Prepared, area: Any, factory: Any) -> None:
    tags = dict(area.tags)
    kind = "way" if area.from_way() else "relation"
    name = f"{kind}/{area.orig_id()}"
    try:
        shape = shapely.from_wkb(factory.create_multipolygon(area))
    except (RuntimeError, shapely.errors.GEOSException):
        return  # stays among those that wait, and is rejected at the end
    prepared.waiting.pop(name, None)
    if shapely.get_num_geometries(shape) == 1:
        shape = shapely.get_geometry(shape, 0)
    place = (name, area.orig_id(), shape)
    if rules.is_building(tags):
        columns = {**rules.building_columns(tags), "entrance": _find_door(area, prepared.doors)}
        collector.add("buildings", Row(*place, columns, tags))
    if rules.is_facility_candidate(tags):
        collector.add("facilities", Row(*place, rules.facility_columns(tags), tags))
    if rules.is_area_level(tags):
        collector.areas.append(Row(*place, {"name": tags.get("name"), "level": tags["admin_level"]}, tags))
    if rules.is_estate(tags):
        _add_compound(collector, prepared, area, Row(*place, {"name": tags.get("name")}, tags))
    collector.add_reference(place, tags, shape="area")


def _outline(area: Any) -> Iterator[Any]:
    for ring in area.outer_rings():
        yield from ring


def _find_door(area: Any, doors: dict[int, Tags]) -> str | None:
    """Return the best entrance on an outline as WKT: by kind of door, then the lowest node id."""
    found = [
        (rank, node.ref, f"POINT ({node.lon:.7f} {node.lat:.7f})")
        for node in _outline(area)
        if node.ref in doors and (rank := rules.door_rank(doors[node.ref])) is not None
    ]
    return min(found)[2] if found else None


def _add_compound(collector: Collector, prepared: _Prepared, area: Any, row: Row) -> None:
    """Keep housing as a compound where its tags, a wall along it or a gate in a wall say that it is closed off."""
    nodes = {node.ref for node in _outline(area)}
    gates = nodes & prepared.gates.keys()
    ids = np.fromiter(nodes, dtype=np.int64, count=len(nodes))
    walled = int(np.isin(ids, prepared.walls).sum())
    is_gated = bool(gates) and walled > len(gates)
    if not (is_gated or rules.is_closed_off(row.tags) or walled >= _WALLED_SHARE * len(nodes)):
        return
    if not collector.touches(row.geometry):
        return
    collector.add("compounds", row)
    mains = {ref for ref in nodes & prepared.doors.keys() if prepared.doors[ref]["entrance"] == "main"}
    for ref in sorted(gates | mains):
        collector.compound_of.setdefault(ref, row.source_id)
