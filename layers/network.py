"""Carry streets, compounds, gates and barriers from the store into the compiled network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, LiteralString

import numpy as np
import numpy.typing as npt
import shapely
from psycopg import sql
from pyproj import Transformer
from sqlalchemy import select

from geo.corners import Corners
from geo.errors import NotReady
from geo.joins import join_streets
from geo.linking.barriers import Barriers, split_long_barriers
from geo.network import Gates, Network, StreetCorners, Streets, build_network
from geo.units import ObjectArray
from geo.walkable import classify_streets
from geo.walls import Walls
from layers.bundle import Arrays, find_bundle, make_key, pack_geometry, save_bundle, unpack_geometry
from layers.copy_read import Rows, fetch_rows
from layers.metric import fetch_metric_crs
from layers.parts.within import BARRIERS, pick_rows
from layers.tables import SCHEMA, layer_version, reference_layer, setting

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from layers.parts.within import Within

SETTING_JOIN_M = "street_join_m"
"""Key of the distance within which streets are joined; absent where they are not."""

ENGINE_FILES = (
    *("network.py", "corners.py", "gates.py", "joins.py", "topology.py", "walls.py", "walkable.py", "units.py"),
    *("link.py", "places.py", "inside.py", "arrays.py"),
    *(f"linking/{name}.py" for name in ("barriers", "footprint_links", "footprints", "segments")),
)
"""Modules of geo whose change makes compiled arrays stale."""


@dataclass(frozen=True)
class Streetscape:
    """The compiled network and what bounds links to it.

    Attributes
    ----------
    network
        The compiled network.
    walls
        Enforced compounds in the metric CRS.
    gate_point
        All gates as points in the metric CRS, attached or not.
    barrier_line
        Walls, banks and railways as short lines in the metric CRS.
    made_from
        Versions and settings it was compiled from.
    """

    network: Network
    walls: Walls
    gate_point: ObjectArray
    barrier_line: ObjectArray
    made_from: dict[str, Any]

    @cached_property
    def barriers(self) -> Barriers:
        """Return what no link may cross, indexed."""
        return Barriers(self.barrier_line)


def fetch_versions(connection: Connection) -> dict[str, int]:
    """Return the version of every loaded layer."""
    rows = connection.execute(select(layer_version.c.layer, layer_version.c.version))
    return {layer: int(version) for layer, version in rows}


def fetch_stamps(connection: Connection) -> dict[str, str]:
    """Return for every layer a text that no other state of it has, in this database or another."""
    rows = connection.execute(select(layer_version.c.layer, layer_version.c.version, layer_version.c.changed_at))
    return {layer: f"{version}@{changed_at.isoformat()}" for layer, version, changed_at in rows}


def project(geometry: ObjectArray, metric_crs: str) -> ObjectArray:
    """Return WGS-84 geometries in the metric CRS.

    Parameters
    ----------
    geometry
        Geometries with longitude first, shape (n,).
    metric_crs
        Target CRS, for example ``EPSG:4547``.
    """
    transformer = _transformer(metric_crs)

    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    return np.asarray(shapely.transform(geometry, move), dtype=object)


def project_xy(xy: npt.NDArray[np.float64], metric_crs: str) -> npt.NDArray[np.float64]:
    """Return WGS-84 coordinates in the metric CRS; what is no number stays none, shape (n, 2).

    Parameters
    ----------
    xy
        Longitude and latitude, shape (n, 2).
    metric_crs
        Target CRS, for example ``EPSG:4547``.
    """
    moved = np.full(xy.shape, np.nan)
    # one sum tells whether any is no number
    here = slice(None) if np.isfinite(xy.sum()) else np.isfinite(xy).all(axis=1)
    x, y = xy[here, 0].copy(), xy[here, 1].copy()
    moved[here, 0], moved[here, 1] = _transformer(metric_crs).transform(x, y, inplace=True)
    return moved


@lru_cache(maxsize=8)
def _transformer(metric_crs: str) -> Transformer:
    return Transformer.from_crs("EPSG:4326", metric_crs, always_xy=True)


def fetch_columns(
    connection: Connection, query: LiteralString | sql.Composed, names: tuple[str, ...]
) -> dict[str, npt.NDArray[np.object_]]:
    """Return the columns of a query as object arrays, fetched in binary.

    Parameters
    ----------
    connection
        An open connection.
    query
        A query without parameters whose columns are `names`.
    names
        Names to give the columns.
    """
    driver = connection.connection.driver_connection
    if driver is None:
        raise NotReady("the database connection was closed")
    with driver.cursor(binary=True) as cursor:
        rows = cursor.execute(query).fetchall()
    if not rows:
        return {name: np.empty(0, dtype=object) for name in names}
    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        columns[name] = column
    return columns


def from_wkb(column: npt.NDArray[np.object_]) -> ObjectArray:
    """Return geometries of a WKB column."""
    return np.asarray(shapely.from_wkb(column), dtype=object).reshape(-1)


def whole_numbers(column: npt.NDArray[np.object_], *, missing: int = 0) -> npt.NDArray[np.int64]:
    """Return a column as whole numbers with a value for what is missing."""
    return np.array([missing if v is None else int(v) for v in column], dtype=np.int64)


def fetch_join_m(connection: Connection) -> float | None:
    """Return the metres within which streets are joined, None where they are not."""
    value = connection.execute(select(setting.c.value).where(setting.c.key == SETTING_JOIN_M)).scalar()
    return None if value is None else float(value)


def fetch_streets(connection: Connection, metric_crs: str, *, within: Within | None = None) -> Streets:
    """Return the streets as they are loaded, in the metric CRS; of a part only those it needs.

    Raises
    ------
    NotReady
        No streets are loaded.
    """
    return fetch_street_corners(connection, metric_crs, within=within).make_streets()


def fetch_street_corners(connection: Connection, metric_crs: str, *, within: Within | None = None) -> StreetCorners:
    """Return what :func:`fetch_streets` does with lines as plain coordinates, which takes half the time.

    Raises
    ------
    NotReady
        No streets are loaded.
    """

    def build(low: sql.Composable, high: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "SELECT id, ST_AsBinary(geom, 'NDR') AS line, highway, foot, access, steps, wheelchair, node_a, node_b "
            "FROM onemap.street WHERE valid_to IS NULL AND id >= {low} AND id < {high}{within} ORDER BY id"
        ).format(low=low, high=high, within=pick_rows(within, "streets", "street", "id"))

    found = fetch_rows(
        connection,
        build,
        ("id", "geom", "highway", "foot", "access", "steps", "wheelchair", "node_a", "node_b"),
        bounds="SELECT min(id), max(id) FROM onemap.street WHERE valid_to IS NULL",
    )
    if found.count == 0:
        raise NotReady("no streets are loaded", hint="onemap load streets FILE")
    flags, is_private = _classify(found)
    lines = found.read_lines("geom")
    if lines is None:
        corners = Corners.of(project(found.read_places("geom")[0].make_geometry(), metric_crs))
    else:
        xy, count = lines
        corners = Corners(project_xy(xy, metric_crs), np.concatenate([[0], np.cumsum(count)]).astype(np.int64))
    return StreetCorners(
        street_id=found.id,
        lines=corners,
        flags=flags,
        is_private=is_private,
        node_a=found.read_numbers("node_a"),
        node_b=found.read_numbers("node_b"),
    )


def _classify(found: Rows) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return flags and privacy of streets, worked out once for each combination of tags."""
    columns = [found.read_codes(name) for name in ("highway", "foot", "access", "wheelchair")]
    steps = found.read_numbers("steps")
    kind, kinds = steps, 2
    for code, words in columns:
        kind, kinds = kind * words.shape[0] + (code + 1), kinds * words.shape[0]
    first, which = _find_kinds(kind, kinds)
    highway, foot, access, wheelchair = (words[code[first]] for code, words in columns)
    stairs = np.array([bool(value) for value in steps[first]], dtype=object)
    flags, is_private = classify_streets(highway, foot=foot, access=access, steps=stairs, wheelchair=wheelchair)
    return flags[which], is_private[which]


def _find_kinds(kind: npt.NDArray[np.int64], kinds: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a row of each kind that occurs, kinds ascending, and for every row the number of its kind among them."""
    if kinds > kind.shape[0]:
        _, first, which = np.unique(kind, return_index=True, return_inverse=True)
        return first, which
    # few kinds: found without sorting
    row = np.full(kinds, -1, dtype=np.int64)
    row[kind] = np.arange(kind.shape[0])
    return row[row >= 0], (np.cumsum(row >= 0) - 1)[kind]


def fetch_walls(
    connection: Connection, metric_crs: str, within: Within | None = None
) -> tuple[Walls, Gates, ObjectArray]:
    """Return enforced compounds, their gates, and the points of all gates."""
    gates = fetch_columns(
        connection,
        sql.SQL(
            "SELECT g.id, ST_AsBinary(g.geom), c.id, g.opens_to FROM onemap.gate g "
            "LEFT JOIN LATERAL (SELECT min(id) AS id FROM onemap.compound "
            "WHERE source_id = g.compound_id AND valid_to IS NULL) c ON true "
            "WHERE g.valid_to IS NULL{} ORDER BY g.id"
        ).format(pick_rows(within, "gates", "gate", "g.id")),
        ("id", "geom", "compound", "opens_to"),
    )
    compounds = fetch_columns(
        connection,
        sql.SQL(
            "SELECT id, ST_AsBinary(geom) FROM onemap.compound c WHERE valid_to IS NULL AND EXISTS "
            "(SELECT 1 FROM onemap.gate g WHERE g.compound_id = c.source_id AND g.valid_to IS NULL){} ORDER BY id"
        ).format(pick_rows(within, "compounds", "compound", "c.id")),
        ("id", "geom"),
    )
    compound_id = whole_numbers(compounds["id"])
    walls = Walls(compound_id, project(from_wkb(compounds["geom"]), metric_crs))
    point = project(from_wkb(gates["geom"]), metric_crs)
    owner = whole_numbers(gates["compound"], missing=-1)
    mine = np.isin(owner, compound_id)
    return (
        walls,
        Gates(
            gate_id=whole_numbers(gates["id"])[mine],
            point=point[mine],
            zone=np.searchsorted(compound_id, owner[mine]).astype(np.int32),
            opens_to_all=np.asarray(gates["opens_to"] == "all", dtype=bool)[mine],
        ),
        point,
    )


def fetch_barrier_names(connection: Connection) -> list[str]:
    """Return the reference layers that no link may cross."""
    return list(
        connection.execute(
            select(reference_layer.c.name).where(reference_layer.c.is_barrier).order_by(reference_layer.c.name)
        ).scalars()
    )


def _fetch_barriers(connection: Connection, walls: Walls, metric_crs: str, within: Within | None) -> ObjectArray:
    lines = [walls.lines()]
    tables = connection.execute(
        select(reference_layer.c.table_name).where(reference_layer.c.is_barrier).order_by(reference_layer.c.name)
    ).scalars()
    for name in tables:
        query = sql.SQL("SELECT ST_AsBinary(geom) FROM {} WHERE valid_to IS NULL{} ORDER BY id")
        query_here = query.format(sql.Identifier(SCHEMA, name), pick_rows(within, BARRIERS, name, "id"))
        found = fetch_columns(connection, query_here, ("geom",))
        lines.append(project(from_wkb(found["geom"]), metric_crs))
    return split_long_barriers(np.concatenate(lines)).line


@lru_cache(maxsize=1)
def hash_engine() -> str:
    """Return a hash of the code that compiles networks, so that a new release compiles anew."""
    package = resources.files("geo")
    return make_key({name: package.joinpath(name).read_text(encoding="utf-8") for name in ENGINE_FILES})


def list_sources(connection: Connection, within: Within | None = None) -> dict[str, Any]:
    """Return everything the compiled network depends on."""
    stamps = fetch_stamps(connection)
    barriers = fetch_barrier_names(connection)
    wanted = ("streets", "compounds", "gates", *barriers)
    return {
        "metric_crs": fetch_metric_crs(connection),
        "join_m": fetch_join_m(connection),
        "engine": hash_engine(),
        "barriers": barriers,
        "stamps": {layer: stamps.get(layer) for layer in wanted},
        **({} if within is None else {"within": within.describe()}),
    }


def load_streetscape(connection: Connection, cache_dir: Path, *, within: Within | None = None) -> Streetscape:
    """Return the compiled network of the streets as they are now; compiled at most once per version.

    Parameters
    ----------
    connection
        An open connection; reads only.
    cache_dir
        Folder for compiled arrays.
    within
        The part to compile; None for all streets.

    Raises
    ------
    NotReady
        No streets are loaded.
    DataError
        The streets cannot be tied into a network.
    """
    made_from = list_sources(connection, within)
    key = make_key(made_from)
    arrays = find_bundle(cache_dir / "network", key)
    if arrays is None:
        arrays = save_bundle(
            cache_dir / "network", key, _compile(connection, made_from["metric_crs"], made_from["join_m"], within)
        )
    return _unpack(arrays, made_from)


def _compile(connection: Connection, metric_crs: str, join_m: float | None, within: Within | None) -> Arrays:
    walls, gates, gate_point = fetch_walls(connection, metric_crs, within)
    streets = fetch_street_corners(connection, metric_crs, within=within)
    if join_m is not None:
        streets = StreetCorners.of(join_streets(streets.make_streets(), tolerance_m=join_m)[0])
    network = build_network(streets, walls=walls, gates=gates, metric_crs=metric_crs)
    barrier_line = _fetch_barriers(connection, walls, metric_crs, within)
    arrays: Arrays = {f"network_{name}": array for name, array in network.arrays().items()}
    for name, geometry in (("wall", walls.polygon), ("gate", gate_point), ("barrier", barrier_line)):
        arrays |= {f"{name}_{part}": array for part, array in pack_geometry(geometry).items()}
    return arrays


def _unpack(arrays: Arrays, made_from: dict[str, Any]) -> Streetscape:
    # plain views of the mapped files: compiled kernels know arrays, not their subclasses
    fields = {
        name.removeprefix("network_"): np.asarray(array)
        for name, array in arrays.items()
        if name.startswith("network_")
    }
    network = Network(metric_crs=made_from["metric_crs"], **fields)
    geometry = {
        name: unpack_geometry(arrays[f"{name}_wkb"], arrays[f"{name}_wkb_ptr"]) for name in ("wall", "gate", "barrier")
    }
    return Streetscape(
        network=network,
        walls=Walls(network.compound_id, geometry["wall"]),
        gate_point=geometry["gate"],
        barrier_line=geometry["barrier"],
        made_from=made_from,
    )
