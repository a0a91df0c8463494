"""A folder of GeoParquet files as a store that can be read in parts, without a database.

The files are those the loader takes, one a layer, in WGS-84, cleaned already: rows keep their places in the file as
numbers. Row groups that hold nothing of a part are not read. Who walks is judged, on level streets: turn bans,
elevation, opening hours and the repair of streets that miss each other belong to the database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from geo.costs import find_walkable
from geo.errors import DataError, MissingColumn, NotReady, RequestError
from geo.gaps import NO_COUNT, AreaTree
from geo.link import Ways, link_points, link_sites
from geo.linking.barriers import split_long_barriers
from geo.metric import choose_metric_crs
from geo.network import Gates, Streets, build_network
from geo.partition import find_inside, find_middles, join_boxes
from geo.places import Places
from geo.reach import Homes, prepare_walk
from geo.walkable import classify_streets
from geo.walls import Walls
from layers.bundle import pack_geometry
from layers.catalog import read_pack, read_profiles
from layers.homes import Areas, Buildings, find_deepest
from layers.network import Streetscape, from_wkb, project, project_xy, whole_numbers
from layers.parts.source import WholeStore
from layers.parts.within import BARRIERS, NO_POLYGONS
from layers.run import compute_run
from layers.runs.plan import choose_judged
from layers.sites import Sites
from layers.study import Study, Tread, make_walk_profile
from layers.tables import COUNT_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from geo.units import BoolArray, FloatArray, IntArray, ObjectArray
    from layers.hours import Clock
    from layers.parts.within import Within
    from layers.runs.result import GapRequest, RunResult
    from layers.settings import Settings

BARRIER_FILES = ("railway", "water")
"""Reference layers that no link may cross, as the loader takes them."""

STREET_COLUMNS = ("highway", "foot", "access", "steps", "wheelchair", "node_a", "node_b")


@dataclass(frozen=True)
class LayerFile:
    """One GeoParquet file and the box of each of its rows."""

    path: Path
    box: FloatArray

    @cached_property
    def group_ptr(self) -> IntArray:
        """Return where the row groups start, shape (groups + 1,)."""
        meta = pq.read_metadata(self.path)
        return np.cumsum([0, *(meta.row_group(number).num_rows for number in range(meta.num_row_groups))])

    def meets(self, boxes: FloatArray) -> BoolArray:
        """Return which rows meet one of the boxes, shape (n,)."""
        found = np.zeros(self.box.shape[0], dtype=bool)
        for west, south, east, north in boxes.tolist():
            found |= (
                (self.box[:, 0] <= east)
                & (self.box[:, 2] >= west)
                & (self.box[:, 1] <= north)
                & (self.box[:, 3] >= south)
            )
        return found

    def read(self, names: tuple[str, ...], rows: IntArray) -> dict[str, NDArray[np.object_]]:
        """Return columns of some rows as object arrays, None where a column is absent; ``geometry`` as WKB."""
        there = set(pq.read_schema(self.path).names)
        group = np.unique(np.searchsorted(self.group_ptr, rows, side="right") - 1)
        columns = {name: np.full(rows.shape[0], None, dtype=object) for name in names}
        wanted = [name for name in names if name in there]
        if rows.shape[0] == 0 or not wanted:
            return columns
        table = pq.ParquetFile(self.path).read_row_groups(group.tolist(), columns=wanted)
        place = np.concatenate([np.arange(self.group_ptr[one], self.group_ptr[one + 1]) for one in group])
        taken = table.take(pa.array(np.searchsorted(place, rows)))
        for name in wanted:
            columns[name][:] = taken.column(name).to_pylist()
        return columns


@lru_cache(maxsize=64)
def _open(path: Path, _changed_ns: int) -> LayerFile:
    """Return a file with the boxes of its rows, from its covering column where it has one."""
    schema = pq.read_schema(path)
    geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    columns = geo.get("columns", {})
    about = columns.get(geo.get("primary_column"), {})
    if geo.get("primary_column") != "geometry" or about.get("encoding") != "WKB":
        raise DataError(f"reading {path.name}: expected GeoParquet with a column geometry in WKB")
    crs = about.get("crs") or {}
    if crs and crs.get("id", {}).get("code") not in {4326, "CRS84"}:
        raise DataError(
            f"reading {path.name}: expected longitude and latitude in WGS-84", hint="onemap load takes others"
        )
    if "covering" in about:
        bbox = pq.read_table(path, columns=["bbox"]).column("bbox").combine_chunks()
        sides = [
            pc.struct_field(bbox, name).to_numpy(zero_copy_only=False) for name in ("xmin", "ymin", "xmax", "ymax")
        ]
        # kept in single precision by some writers: rounded outwards
        return LayerFile(path, np.stack(sides, axis=1) + np.array([-1, -1, 1, 1]) * 1e-5)
    wkb = pq.read_table(path, columns=["geometry"]).column("geometry").to_numpy()
    return LayerFile(path, shapely.bounds(from_wkb(wkb)).reshape(-1, 4))


class FolderSource:
    """A folder of GeoParquet files, one a layer; see :class:`layers.parts.source.PartSource`.

    Parameters
    ----------
    folder
        Holds ``streets.parquet``, ``buildings.parquet``, ``facilities.parquet`` and files of the other layers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for layer in ("streets", "buildings", "facilities"):
            if self.find(layer) is None:
                raise NotReady(f"reading the folder {folder.name}: it holds no {layer}.parquet")

    def find(self, layer: str) -> LayerFile | None:
        """Return the file of a layer, None where there is none."""
        path = self.folder / f"{layer}.parquet"
        return _open(path, path.stat().st_mtime_ns) if path.is_file() else None

    def open_layer(self, layer: str) -> LayerFile:
        """Return the file of a layer.

        Raises
        ------
        NotReady
            There is none.
        """
        found = self.find(layer)
        if found is None:
            raise NotReady(f"reading the folder {self.folder.name}: it holds no {layer}.parquet")
        return found

    @cached_property
    def metric_crs(self) -> str:
        """Return the grid lengths are taken in, chosen by the streets."""
        return choose_metric_crs(*find_middles(self.open_layer("streets").box))

    def count_homes(self) -> int:
        """Return how many buildings there are."""
        return int(np.isfinite(self.open_layer("buildings").box[:, 0]).sum())

    def sample_homes(self) -> tuple[FloatArray, FloatArray]:
        """Return longitudes and latitudes of the middles of all buildings."""
        box = self.open_layer("buildings").box
        return find_middles(box[np.isfinite(box[:, 0])])

    def find_bounds(self) -> FloatArray:
        """Return the box around everything in degrees, shape (1, 4)."""
        files = [self.find(layer) for layer in ("streets", "buildings", "facilities", "gates", "compounds")]
        boxes = np.concatenate([one.box for one in files if one is not None])
        return join_boxes(boxes[np.isfinite(boxes[:, 0])])

    def find_home_bounds(self, within: Within) -> FloatArray:
        """Return the box around the buildings of a cell and their entrances in degrees, shape (1, 4) or (0, 4)."""
        file = self.open_layer("buildings")
        rows = np.flatnonzero(find_inside(file.box, within.cell))
        entrance = shapely.bounds(_geometries(file.read(("entrance",), rows)["entrance"]))
        boxes = np.concatenate([file.box[rows], entrance[np.isfinite(entrance[:, 0])]])
        return join_boxes(boxes)

    def find_streets(self, boxes: FloatArray) -> FloatArray:
        """Return the boxes of the streets that meet any of the boxes but are not held by the first, shape (k, 4)."""
        return self._find_sticking(self.open_layer("streets"), boxes)

    def find_outlines(self, boxes: FloatArray) -> FloatArray:
        """Return the boxes of facilities with an outline that meet any of the boxes but are not held by the first."""
        found = self._find_sticking(self.open_layer("facilities"), boxes)
        return found[(found[:, 0] < found[:, 2]) | (found[:, 1] < found[:, 3])]

    @staticmethod
    def _find_sticking(file: LayerFile, boxes: FloatArray) -> FloatArray:
        held = (file.box[:, :2] >= boxes[0, :2]).all(axis=1) & (file.box[:, 2:] <= boxes[0, 2:]).all(axis=1)
        return file.box[file.meets(boxes) & ~held]

    def find_any_street(self) -> FloatArray:
        """Return the box of one street, shape (1, 4)."""
        return self.open_layer("streets").box[:1]

    def has_streets(self, boxes: FloatArray) -> bool:
        """Return whether any street meets the boxes."""
        return bool(self.open_layer("streets").meets(boxes).any())

    def list_own(self, layer: str, within: Within) -> IntArray:
        """Return the numbers of the rows of a layer whose middle lies in the cell, ascending."""
        file = self.find(layer)
        return np.empty(0, dtype=np.int64) if file is None else np.flatnonzero(find_inside(file.box, within.cell)) + 1

    def count_types(self) -> dict[str, int]:
        """Return how many facilities of each type there are."""
        counts = pq.read_table(self.open_layer("facilities").path, columns=["type"]).column("type").value_counts()
        return {str(one["values"]): int(one["counts"]) for one in counts.to_pylist() if one["values"] is not None}

    def measure_junctions_m(self) -> float:
        """Return how far apart line ends are that carry the same node id: lines of files join by coordinates."""
        return 0.0

    def load(self, settings: Settings, within: Within) -> Study:
        """Return a part as arrays."""
        walls, gates, gate_point = self._read_walls(within)
        network = build_network(self._read_streets(within), walls=walls, gates=gates, metric_crs=self.metric_crs)
        scape = Streetscape(network, walls, gate_point, self._read_barriers(within, walls), self.made_from)
        areas = self.read_areas(within)
        return Study(
            settings=settings,
            versions={},
            pack=read_pack(city_file=settings.city_file),
            profiles=read_profiles(),
            streetscape=scape,
            buildings=self._read_buildings(within, scape, areas),
            sites=self._read_sites(within, scape),
            areas=areas,
            within=within,
        )

    @property
    def made_from(self) -> dict[str, Any]:
        """Return the settings of the network."""
        return {"metric_crs": self.metric_crs, "join_m": None}

    def load_sites(self, study: Study, within: Within) -> Study:
        """Return a part with its facilities read anew."""
        return replace(study, sites=self._read_sites(within, study.streetscape))

    def read_clock(self, at: str | None) -> Clock | None:  # noqa: ARG002 - a moment is refused before
        """Return None: hours do not count."""
        return None

    def set_clock(self, study: Study, at: str | None) -> Study:
        """Return a part as it is at a moment.

        Raises
        ------
        RequestError
            A moment is asked for.
        """
        if at is not None:
            raise RequestError(
                f"judging a folder of files at {at[:40]}: opening hours are kept by the database",
                hint="load the files, or leave out --at",
                parameter="at",
            )
        return study

    def compute(self, study: Study, request: GapRequest, *, threads: int) -> RunResult:
        """Return the result of a part.

        Raises
        ------
        RequestError
            The request asks for vehicles.
        """
        for code in dict.fromkeys(one.profile for one in choose_judged(study.pack, study.profiles, request)):
            if code not in study.treads:
                study.treads[code] = self._make_tread(study, code)
        # every tread is there: nothing is asked of a database
        return compute_run(cast("Connection", None), study, request, threads=threads, must_link=False)

    @staticmethod
    def _make_tread(study: Study, code: str) -> Tread:
        if study.profiles[code].is_vehicle:
            raise RequestError(
                f"judging by profile {code} from a folder of files: turn bans and directions are kept by the database",
                hint="load the files, or name types that are walked to with --type",
                parameter="profile",
            )
        walker = make_walk_profile(study.profiles[code])
        scape, settings = study.streetscape, study.settings
        is_open = find_walkable(scape.network, walker)
        ways = Ways(scape.network, is_open, scape.barriers, settings.link_max_m, settings.entrance_within_m)
        zone = study.buildings.zone
        homes = Homes(link_points(study.buildings.places, zone, ways=ways), zone)
        entrances = link_sites(study.sites.geometry, study.sites.zone, ways=ways, gate_point=scape.gate_point)
        return Tread(prepare_walk(scape.network, walker), homes, entrances, ways)

    def read_whole(self) -> WholeStore:
        """Return what is known about the whole without reading it."""
        count = self.open_layer("facilities").box.shape[0]
        return WholeStore({}, self.made_from, np.arange(1, count + 1), self.read_areas(NO_POLYGONS))

    def _rows(self, layer: str, within: Within) -> tuple[LayerFile | None, IntArray]:
        file = self.find(layer)
        if file is None:
            return None, np.empty(0, dtype=np.int64)
        return file, np.flatnonzero(file.meets(within.boxes[layer]))

    def _read_streets(self, within: Within) -> Streets:
        file = self.open_layer("streets")
        rows = np.flatnonzero(file.meets(within.boxes["streets"]))
        found = file.read((*STREET_COLUMNS, "geometry"), rows)
        tags = {name: found[name] for name in ("foot", "access", "steps", "wheelchair")}
        flags, is_private = classify_streets(found["highway"], **tags)
        nothing = np.zeros(rows.shape[0], dtype=np.int64)
        line = project(from_wkb(found["geometry"]), self.metric_crs)
        return Streets(rows + 1, line, flags, is_private, nothing, nothing)

    def _read_walls(self, within: Within) -> tuple[Walls, Gates, ObjectArray]:
        file, rows = self._rows("gates", within)
        owners = self._gate_owners
        compound_file = self.find("compounds")
        owner = owners[rows] if file is not None else rows
        compounds = np.empty(0, dtype=np.int64)
        if compound_file is not None:
            here = np.flatnonzero(compound_file.meets(within.boxes["compounds"]))
            enforced = np.unique(owners[owners >= 0])
            compounds = np.union1d(np.intersect1d(here, enforced), owner[owner >= 0])
        outline = _geometries(compound_file.read(("geometry",), compounds)["geometry"]) if compound_file else _NO_SHAPES
        walls = Walls(compounds + 1, project(outline, self.metric_crs))
        found = file.read(("geometry", "opens_to"), rows) if file else {"geometry": _NO_SHAPES, "opens_to": _NO_SHAPES}
        point = project(_geometries(found["geometry"]), self.metric_crs)
        mine = owner >= 0
        gates = Gates(
            gate_id=(rows + 1)[mine],
            point=point[mine],
            zone=np.searchsorted(compounds, owner[mine]).astype(np.int32),
            opens_to_all=np.asarray(found["opens_to"] == "all", dtype=bool)[mine],
        )
        return walls, gates, point

    @cached_property
    def _gate_owners(self) -> IntArray:
        """Return for every gate the row of its compound, -1 where there is none, shape (gates,)."""
        gates, compounds = self.find("gates"), self.find("compounds")
        if gates is None or compounds is None:
            return np.full(0 if gates is None else gates.box.shape[0], -1, dtype=np.int64)
        names = compounds.read(("source_id",), np.arange(compounds.box.shape[0]))["source_id"]
        row_of = {name: row for row, name in reversed(list(enumerate(names)))}
        wanted = gates.read(("compound_id",), np.arange(gates.box.shape[0]))["compound_id"]
        return np.array([row_of.get(name, -1) for name in wanted], dtype=np.int64)

    def _read_barriers(self, within: Within, walls: Walls) -> ObjectArray:
        lines = [walls.lines()]
        for name in BARRIER_FILES:
            file = self.find(name)
            if file is not None:
                rows = np.flatnonzero(file.meets(within.boxes[BARRIERS]))
                lines.append(project(_geometries(file.read(("geometry",), rows)["geometry"]), self.metric_crs))
        return split_long_barriers(np.concatenate(lines)).line

    def _read_sites(self, within: Within, scape: Streetscape) -> Sites:
        file = self.open_layer("facilities")
        chosen = file.meets(within.boxes["facilities"])
        if within.types:
            kinds = np.array(pq.read_table(file.path, columns=["type"]).column("type").to_pylist(), dtype=object)
            for kind, boxes in within.types.items():
                chosen |= (kinds == kind) & file.meets(boxes)
        rows = np.flatnonzero(chosen)
        found = file.read(("type", "name", "capacity", "geometry"), rows)
        geometry = project(_geometries(found["geometry"]), self.metric_crs)
        return Sites(
            facility_id=rows + 1,
            type=found["type"],
            name=found["name"],
            capacity=np.array([np.nan if one is None else float(one) for one in found["capacity"]]),
            geometry=geometry,
            zone=scape.walls.find_zones_at(Places.of(geometry).find_inner_points()),
        )

    def _read_buildings(self, within: Within, scape: Streetscape, areas: Areas) -> Buildings:
        file = self.open_layer("buildings")
        rows = np.flatnonzero(find_inside(file.box, within.cell))
        names = ("source_id", "geometry", "entrance", "dwellings", "people", "households")
        found = file.read(names, rows)
        geometry, entrance = _geometries(found["geometry"]), _geometries(found["entrance"])
        inside = Places.of(geometry).find_inner_points()
        start = np.where(shapely.is_missing(entrance), geometry, entrance)
        places = Places.of(project(start, self.metric_crs))
        packed = pack_geometry(places.shape)
        return Buildings(
            building_id=rows + 1,
            zone=scape.walls.find_zones_at(project_xy(inside, self.metric_crs)),
            deepest=find_deepest(inside, areas),
            dwellings=whole_numbers(found["dwellings"]).astype(np.int32),
            counts=self._count_people(found),
            start_xy=places.xy,
            shape_row=places.shape_row,
            shape_wkb=packed["wkb"],
            shape_wkb_ptr=packed["wkb_ptr"],
            key="",
        )

    def _count_people(self, found: dict[str, NDArray[np.object_]]) -> NDArray[np.int32]:
        """Return the people columns of some buildings, -1 where not given."""
        count = found["source_id"].shape[0]
        counts = np.full((count, len(COUNT_COLUMNS)), NO_COUNT, dtype=np.int32)
        path = self.folder / "population.parquet"
        if path.is_file():
            there = pq.read_schema(path).names
            if "building_id" not in there:
                raise MissingColumn(
                    f"reading {path.name}: people are not given by building",
                    hint="load the files into a database: there they are spread over buildings",
                )
            table = pq.read_table(path, columns=[name for name in ("building_id", *COUNT_COLUMNS) if name in there])
            table = table.filter(pc.is_in(table.column("building_id"), pa.array(found["source_id"], pa.string())))
            row_of = {name: row for row, name in enumerate(found["source_id"])}
            row = np.array([row_of[name] for name in table.column("building_id").to_pylist()], dtype=np.int64)
            for number, name in enumerate(COUNT_COLUMNS):
                if name in there:
                    counts[row, number] = whole_numbers(_objects(table.column(name).to_pylist()), missing=NO_COUNT)
        for name in ("people", "households"):
            column = counts[:, COUNT_COLUMNS.index(name)]
            column[:] = np.where(column == NO_COUNT, whole_numbers(found[name], missing=NO_COUNT), column)
        return counts

    def read_areas(self, within: Within) -> Areas:
        """Return the tree of areas with the polygons a part meets."""
        file = self.find("areas")
        if file is None:
            none = np.empty(0, dtype=np.int64)
            return Areas(AreaTree((), (), (), none, none), _NO_SHAPES)
        count = file.box.shape[0]
        found = file.read(("code", "name", "level", "parent_code"), np.arange(count))
        depth = _count_steps(found["code"], found["parent_code"])
        order = np.lexsort((found["code"].astype(str), depth))
        codes = tuple(str(one) for one in found["code"][order])
        row_of = {one: row for row, one in reversed(list(enumerate(codes)))}
        level = found["level"][order]
        tree = AreaTree(
            code=codes,
            name=tuple(found["name"][order]),
            level=tuple(f"level {d}" if v is None else str(v) for v, d in zip(level, depth[order], strict=True)),
            parent=np.array([row_of.get(str(one), -1) for one in found["parent_code"][order]], dtype=np.int64),
            depth=depth[order],
        )
        polygon = np.full(count, None, dtype=object)
        here = np.flatnonzero(file.meets(within.boxes["areas"])[order])
        rows = order[here]
        back = np.argsort(np.argsort(rows))
        polygon[here] = _geometries(file.read(("geometry",), np.sort(rows))["geometry"])[back]
        return Areas(tree, polygon)


def _count_steps(code: NDArray[np.object_], parent: NDArray[np.object_]) -> IntArray:
    """Return how many steps each area lies below its root; an area whose parent is not there is a root."""
    parent_of = dict(zip(code.tolist(), parent.tolist(), strict=True))
    steps = np.zeros(code.shape[0], dtype=np.int64)
    for row, one in enumerate(code.tolist()):
        above = parent_of[one]
        while above in parent_of and steps[row] <= code.shape[0]:
            steps[row] += 1
            above = parent_of[above]
    return steps


_NO_SHAPES = np.empty(0, dtype=object)


def _objects(values: list[Any]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _geometries(column: NDArray[np.object_]) -> ObjectArray:
    """Return geometries of WKB, or of text as some files keep a second geometry."""
    if any(isinstance(one, str) for one in column):
        return np.asarray(shapely.from_wkt(column), dtype=object).reshape(-1)
    return from_wkb(column)
