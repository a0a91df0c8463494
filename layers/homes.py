"""Carry buildings, residents and areas from the store into arrays, linked to the network.

Everything here is static between loads: it is written once per state of the layers it comes from and memory-mapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from psycopg import sql

from geo.errors import NotReady
from geo.gaps import NO_COUNT, AreaTree
from geo.inside import find_holding
from geo.link import Links, Ways, link_points
from geo.places import Places
from geo.units import BoolArray, FloatArray, Int32Array, IntArray, ObjectArray
from layers.bundle import Arrays, find_bundle, make_key, pack_geometry, save_bundle, unpack_geometry
from layers.copy_read import Rows, fetch_rows
from layers.network import Streetscape, fetch_columns, fetch_stamps, from_wkb, project, project_xy, whole_numbers
from layers.parts.within import pick_homes, pick_rows
from layers.tables import COUNT_COLUMNS, HOUSEHOLD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from layers.parts.within import Within

Counts = npt.NDArray[np.int16] | npt.NDArray[np.int32]

HOME_LAYERS = ("buildings", "population", "areas")

_LARGEST_SHORT = int(np.iinfo(np.int16).max)


@dataclass(frozen=True)
class Buildings:
    """The housing layer as arrays, in the order of store ids.

    Attributes
    ----------
    building_id
        Store ids, ascending, shape (n,).
    zone
        Compound number each lies in, -1 outside, shape (n,).
    deepest
        Row of the deepest area holding the representative point, -1 for none, shape (n,).
    dwellings
        Dwellings, 0 where not given, shape (n,).
    counts
        People columns as whole numbers of two or four bytes, -1 where not given, shape (n, columns of `COUNT_COLUMNS`).
    start_xy
        Where walks start, metric CRS: the entrance, else the point; not a number where it is a footprint, shape (n, 2).
    shape_row, shape_wkb, shape_wkb_ptr
        Rows whose walks start anywhere on a footprint, and the footprints.
    key
        Name of the bundle this came from.
    """

    building_id: IntArray
    zone: Int32Array
    deepest: Int32Array
    dwellings: Int32Array
    counts: Counts
    start_xy: FloatArray
    shape_row: IntArray
    shape_wkb: npt.NDArray[np.uint8]
    shape_wkb_ptr: IntArray
    key: str

    @cached_property
    def places(self) -> Places:
        """Return where walks start, in the metric CRS."""
        return Places(self.start_xy, self.shape_row, unpack_geometry(self.shape_wkb, self.shape_wkb_ptr))

    @cached_property
    def start(self) -> ObjectArray:
        """Return where walks start as geometries in the metric CRS, shape (n,); slow for many, see `places`."""
        return self.places.make_geometry()

    def take_people(self, rows: IntArray, groups: Sequence[str]) -> dict[str, IntArray]:
        """Return everybody and some resident groups by name, -1 where not given; households are no people.

        Parameters
        ----------
        rows
            Which buildings, shape (n,).
        groups
            Names wanted; those that are no column of people are passed over.
        """
        names = [name for name in COUNT_COLUMNS if name not in HOUSEHOLD_COLUMNS and name in {"people", *groups}]
        return {name: self.counts[:, COUNT_COLUMNS.index(name)][rows].astype(np.int64) for name in names}


def list_home_sources(connection: Connection, streetscape: Streetscape) -> dict[str, Any]:
    """Return everything the building arrays depend on."""
    stamps = fetch_stamps(connection)
    return {"streets": streetscape.made_from, "stamps": {layer: stamps.get(layer) for layer in HOME_LAYERS}}


def load_buildings(
    connection: Connection, streetscape: Streetscape, cache_dir: Path, *, within: Within | None = None
) -> Buildings:
    """Return the buildings as they are now, prepared at most once per state of the layers.

    Parameters
    ----------
    connection
        An open connection; reads only.
    streetscape
        The compiled network they belong to.
    cache_dir
        Folder for compiled arrays.
    within
        The part whose buildings are wanted, the one the network was compiled for; None for all.

    Raises
    ------
    NotReady
        No buildings are loaded; a part may have none.
    """
    key = make_key(list_home_sources(connection, streetscape))
    arrays = find_bundle(cache_dir / "buildings", key)
    if arrays is None:
        arrays = save_bundle(cache_dir / "buildings", key, _compile(connection, streetscape, within))
    return Buildings(**{name: np.asarray(array) for name, array in arrays.items()}, key=key)


def _compile(connection: Connection, streetscape: Streetscape, within: Within | None) -> Arrays:
    found = _fetch(connection, within)
    if found.count == 0 and within is None:
        raise NotReady("no buildings are loaded", hint="onemap load buildings FILE")
    places, _ = found.read_places("geom")
    inside = places.find_inner_points()
    entrance, has_none = found.read_places("entrance")
    start = _start_at(places, entrance.xy, ~has_none)
    metric_crs = streetscape.network.metric_crs
    # most walks start where the building's point is: that is moved into the metric grid once
    start_xy = project_xy(start.xy, metric_crs)
    has_other = ~has_none
    has_other[places.shape_row] = True
    other = np.flatnonzero(has_other)
    inside_m = start_xy.copy() if other.size else start_xy
    inside_m[other] = project_xy(inside[other], metric_crs)
    packed = pack_geometry(project(start.shape, metric_crs))
    return {
        "building_id": found.id,
        "zone": streetscape.walls.find_zones_at(inside_m),
        "deepest": find_deepest(inside, fetch_areas(connection, within=within)),
        "dwellings": found.read_numbers("dwellings").astype(np.int32),
        "counts": _read_counts(found),
        "start_xy": start_xy,
        "shape_row": start.shape_row,
        **{f"shape_{name}": array for name, array in packed.items()},
    }


def _read_counts(found: Rows) -> Counts:
    """Return the people columns; two bytes a figure hold all but towns of one building."""
    counts = np.empty((found.count, len(COUNT_COLUMNS)), dtype=np.int16, order="F")
    for number, name in enumerate(COUNT_COLUMNS):
        column = found.read_numbers(name, missing=NO_COUNT)
        if counts.dtype == np.int16 and int(column.max(initial=0)) > _LARGEST_SHORT:
            counts = counts.astype(np.int32)
        counts[:, number] = column
    return counts


def _fetch(connection: Connection, within: Within | None) -> Rows:
    def build(low: sql.Composable, high: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "SELECT b.id, ST_AsBinary(b.geom, 'NDR') AS g, ST_AsBinary(b.entrance, 'NDR') AS e, b.dwellings, "
            "coalesce(r.people, b.people) AS people, "
            "r.a00_02, r.a03_05, r.a06_11, r.a12_14, r.a15_17, r.a18_59, r.a60_64, r.a65_79, r.a80_up, r.floating, "
            "r.living_alone_60_up, r.new_employment, coalesce(r.households, b.households) AS households, "
            "r.dual_earner_households "
            "FROM onemap.building b LEFT JOIN onemap.resident_group r "
            "ON r.building_id = b.id AND r.building_id >= {low} AND r.building_id < {high} "
            "WHERE b.valid_to IS NULL AND b.id >= {low} AND b.id < {high}{within} ORDER BY b.id"
        ).format(low=low, high=high, within=pick_homes(within, "b"))

    return fetch_rows(
        connection,
        build,
        ("id", "geom", "entrance", "dwellings", *COUNT_COLUMNS),
        bounds="SELECT min(id), max(id) FROM onemap.building WHERE valid_to IS NULL",
    )


def _start_at(places: Places, entrance: FloatArray, has_entrance: BoolArray) -> Places:
    """Return where walks start: the entrance where known, else the building's point or footprint."""
    if not has_entrance.any():
        return places
    xy = np.where(has_entrance[:, None], entrance, places.xy)
    open_shape = ~has_entrance[places.shape_row]
    return Places(xy, places.shape_row[open_shape], places.shape[open_shape])


@dataclass(frozen=True, slots=True)
class Areas:
    """The tree of areas with its polygons (WGS-84), parents before children."""

    tree: AreaTree
    polygon: ObjectArray


def fetch_areas(connection: Connection, *, within: Within | None = None) -> Areas:
    """Return the tree of areas; empty where none are loaded. A part has the whole tree but only polygons it meets."""
    names = ("code", "name", "level", "parent_code", "depth", "geom")
    found = fetch_columns(
        connection,
        sql.SQL(
            "SELECT code, name, coalesce(level, 'level ' || depth), parent_code, depth, "
            "CASE WHEN true{} THEN ST_AsBinary(geom) END "
            "FROM onemap.area WHERE valid_to IS NULL ORDER BY depth, code, id"
        ).format(pick_rows(within, "areas", "area", "id")),
        names,
    )
    code = tuple(str(c) for c in found["code"])
    row_of = {c: row for row, c in reversed(list(enumerate(code)))}
    parent = np.array(
        [row_of.get(str(p), -1) if p is not None else -1 for p in found["parent_code"]], dtype=np.int64
    ).reshape(-1)
    tree = AreaTree(
        code=code,
        name=tuple(found["name"]),
        level=tuple(str(v) for v in found["level"]),
        parent=parent,
        depth=whole_numbers(found["depth"]),
    )
    return Areas(tree, from_wkb(found["geom"]))


def find_deepest(xy: FloatArray, areas: Areas) -> Int32Array:
    """Return the row of the deepest area holding each point, the lowest code on a tie, -1 for none.

    Parameters
    ----------
    xy
        Points, WGS-84, shape (n, 2).
    areas
        The areas, sorted by depth and code.
    """
    rows = np.arange(areas.polygon.shape[0])
    # the deepest first, then the lowest code, which is the lowest row of a depth
    order = np.lexsort((rows, -areas.tree.depth))

    def exactly(point: ObjectArray) -> Int32Array:
        deepest = np.full(point.shape[0], -1, dtype=np.int32)
        area, which = shapely.STRtree(point).query(areas.polygon, predicate="intersects")
        best = np.lexsort((area, -areas.tree.depth[area], which))
        first, start = np.unique(which[best], return_index=True)
        deepest[first] = area[best][start]
        return deepest

    return find_holding(xy, areas.polygon, order, exactly=exactly)


def load_home_links(buildings: Buildings, *, ways: Ways, kind: str, cache_dir: Path) -> Links:
    """Return the links of all buildings for one kind of walker, computed at most once.

    Parameters
    ----------
    buildings
        What to link.
    ways
        Edges the walker may use, barriers and distances.
    kind
        Name of the kind of walker: profiles that may use the same edges share it.
    cache_dir
        Folder for compiled arrays.
    """
    key = make_key({"buildings": buildings.key, "kind": kind, "max_link_m": ways.max_link_m})
    arrays = find_bundle(cache_dir / "links", key)
    if arrays is None:
        links = link_points(buildings.places, buildings.zone, ways=ways)
        arrays = save_bundle(
            cache_dir / "links", key, {"edge": links.edge, "place_mm": links.place_mm, "off_mm": links.off_mm}
        )
    return Links(**{name: np.asarray(array) for name, array in arrays.items()})
