"""Vector tiles straight from the tables: which columns, which rows at which zoom, and how a tile says it is thinned.

A tile holds one MVT layer under the layer's own name. Where a rule or the size bound left rows out, a second MVT layer
``thinned`` holds one point with the numbers kept and found, and :attr:`Tile.kept` is below :attr:`Tile.found`.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, and_, bindparam, case, func, literal, literal_column, or_, select, true

from geo.errors import RequestError, TooLarge
from layers import tables
from layers.query.runs import int_at, present, result_of, slice_of, status_of
from layers.runs import tables as run_tables
from layers.runs.slices import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection, FromClause, Select

    from layers.query.layer import LayerView
    from layers.query.runs import RunColumn

# Raised whenever the same rows give other bytes, so that kept tiles are asked for again.
TILE_FORMAT = 1
ZOOM_MAX = 22
# Steps across a tile and how far beyond its edge lines are kept, so that strokes do not end at the seam.
# References: Mapbox Vector Tile specification 2.1, section 4.1.
EXTENT = 4096
BUFFER = 64
ROWS_MAX = 20_000
BYTES_MAX = 4_000_000
# Latitude where the Web Mercator square ends, degrees.
MERCATOR_LATITUDE_MAX = 85.0511287798066
# Lines and outlines lose corners closer than this many steps of the tile, below the zoom where shapes matter.
SIMPLIFY_STEPS = 2.0
SIMPLIFY_BELOW_ZOOM = 15
# Points closer than this many steps share one mark.
CLUSTER_STEPS = 96

AREA_ZOOMS = {"city": 0, "district": 6, "subdistrict": 9, "unit": 11, "community": 11, "grid": 14}
AREA_DEPTH_ZOOMS = (0, 6, 9, 11, 14)
STREET_ZOOMS = {
    "motorway": 6,
    "motorway_link": 9,
    "trunk": 6,
    "trunk_link": 9,
    "primary": 8,
    "primary_link": 10,
    "secondary": 10,
    "secondary_link": 11,
    "tertiary": 11,
    "tertiary_link": 12,
    "unclassified": 12,
    "residential": 12,
    "living_street": 13,
    "pedestrian": 13,
}
STREET_OTHER_ZOOM = 14
# below the first, areas stand for their homes; below the second, a home is one point
COVERAGE_BUILDING_ZOOM = 9
COVERAGE_SHAPE_ZOOM = 12
# a facility given as an outline is marked by one point; its outline is among the features
DRAWN_AS_POINTS = frozenset({"facilities", "incidents", "gates"})
# layer: column that tells kinds apart, and the zoom from which every row has a mark of its own
CLUSTERED = {"facilities": ("type", 12), "incidents": ("class", 14)}


@dataclass(frozen=True, slots=True)
class TileRule:
    """Zooms a layer is drawn at and the columns that tiles carry.

    Attributes
    ----------
    zoom_min
        Below it every tile is empty.
    columns
        Names among the layer's visible columns; None for all of them.
    """

    zoom_min: int
    columns: tuple[str, ...] | None = None


RULES: Mapping[str, TileRule] = {
    "areas": TileRule(0, ("code", "name", "level", "parent_code")),
    "compounds": TileRule(11, ("source_id", "name")),
    "gates": TileRule(14, ("source_id", "compound_id", "opens_to", "hours")),
    "buildings": TileRule(12, ("source_id", "name", "use", "floors", "dwellings", "people")),
    "population": TileRule(12, None),
    "facilities": TileRule(7, ("source_id", "type", "name", "capacity", "supply")),
    "incidents": TileRule(7, ("source_id", "class", "severity", "status", "reported_at")),
    "streets": TileRule(6, ("highway", "foot", "access", "steps")),
}
REFERENCE_RULE = TileRule(0)


@dataclass(frozen=True, slots=True)
class TileAddress:
    """A tile of the Web Mercator square, row counted from the north.

    Raises
    ------
    RequestError
        No such tile.
    """

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.z <= ZOOM_MAX:
            raise RequestError(
                f"Reading tile zoom {self.z}: expected 0 to {ZOOM_MAX}",
                parameter="z",
            )
        for name, value in (("x", self.x), ("y", self.y)):
            if not 0 <= value < 2**self.z:
                raise RequestError(
                    f"Reading tile {name} {value}: expected 0 to {2**self.z - 1} at zoom {self.z}",
                    parameter=name,
                )

    @property
    def step_deg(self) -> float:
        """Width of one of the tile's steps in degrees of longitude."""
        return 360 / float(2**self.z) / EXTENT

    def box(self, *, buffer: int = BUFFER) -> tuple[float, float, float, float]:
        """Return west, south, east, north in degrees with a margin in steps, cut at the edge of the square."""
        margin = buffer / EXTENT
        count = 2**self.z
        west = max((self.x - margin) / count * 360 - 180, -180.0)
        east = min((self.x + 1 + margin) / count * 360 - 180, 180.0)
        return west, self._latitude(self.y + 1 + margin), east, self._latitude(self.y - margin)

    def _latitude(self, row: float) -> float:
        """Return the latitude of a row's upper edge, degrees."""
        angle = math.pi * (1 - 2 * row / 2**self.z)
        return max(-MERCATOR_LATITUDE_MAX, min(MERCATOR_LATITUDE_MAX, math.degrees(math.atan(math.sinh(angle)))))


@dataclass(frozen=True, slots=True)
class Tile:
    """One finished tile.

    Attributes
    ----------
    data
        MVT bytes; empty when nothing is there.
    kept, found
        Rows drawn and rows that lie in the tile; kept below found means thinned.
    """

    data: bytes
    kept: int
    found: int

    @property
    def is_thinned(self) -> bool:
        """Whether rows were left out."""
        return self.kept < self.found


@dataclass(frozen=True, slots=True)
class TileSource:
    """Rows to draw: where from, which, which first.

    Attributes
    ----------
    name
        Of the MVT layer.
    key
        Feature id.
    geom
        EPSG:4326.
    where
        Rows the tile's zoom shows.
    first
        Order in which rows are kept when there are too many.
    cell_deg
        Rows of one kind within one cell of this size share one mark with ``point_count``; None for no sharing.
    kind
        Column that tells kinds apart where marks are shared.
    """

    name: str
    rows: FromClause
    key: ColumnElement[int]
    geom: ColumnElement[Any]
    columns: Mapping[str, ColumnElement[Any]]
    where: ColumnElement[bool]
    first: tuple[ColumnElement[Any], ...]
    cell_deg: float | None = None
    kind: str | None = None


def rule_of(layer_id: str) -> TileRule:
    """Return the zoom rule of a layer; reference layers are drawn at every zoom."""
    return RULES.get(layer_id, REFERENCE_RULE)


def etag_of(*parts: object) -> str:
    """Return a weak ETag over everything that decides a tile's bytes; weak because answers may be compressed."""
    text = "\x1f".join(map(str, (TILE_FORMAT, *parts)))
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def view_source(layer: LayerView, address: TileAddress, *, level: str | None = None) -> TileSource | None:
    """Return what of a layer a tile draws; None where its zoom shows nothing.

    Parameters
    ----------
    layer
        The readers' view.
    address
        The tile.
    level
        Areas of this level at every zoom, instead of those the zoom shows.

    Raises
    ------
    RequestError
        A level was named for another layer than areas.
    """
    if level is not None and layer.id != "areas":
        raise RequestError(f"Reading tiles of {layer.id} by level {level!r}: only areas have levels", parameter="level")
    rule = rule_of(layer.id)
    if address.z < rule.zoom_min:
        return None
    geom = func.ST_PointOnSurface(layer.geom) if layer.id in DRAWN_AS_POINTS else layer.geom
    kind, single_zoom = CLUSTERED.get(layer.id, (None, 0))
    return TileSource(
        name=layer.id,
        rows=layer.rows,
        key=layer.key,
        geom=geom,
        columns=draw_columns(layer),
        where=and_(layer.is_live, layer.geom.op("&&")(_envelope(address)), _zoom_condition(layer, address.z, level)),
        first=_order(layer),
        cell_deg=CLUSTER_STEPS * address.step_deg if address.z < single_zoom else None,
        kind=kind,
    )


def draw_columns(layer: LayerView) -> dict[str, ColumnElement[Any]]:
    """Return what a layer's tiles carry, by name."""
    rule = rule_of(layer.id)
    names = layer.columns if rule.columns is None else rule.columns
    columns = {name: _drawable(layer, name) for name in names}
    if layer.id == "streets":  # a name is no column of the loading contract, but most files bring one
        columns["name"] = tables.street.c.properties["name"].astext
    return columns


def _drawable(layer: LayerView, name: str) -> ColumnElement[Any]:
    """Return a column in a type that MVT can carry: moments and dates as ISO text, fixed-point numbers as doubles."""
    kind = next((item.type for item in layer.fields if item.name == name), "text")
    column = layer.columns[name]
    if kind in {"timestamp", "date"}:
        return func.to_json(column).op("#>>")(literal_column("'{}'"))
    return column


def _order(layer: LayerView) -> tuple[ColumnElement[Any], ...]:
    """Return which rows stay when there are too many: large buildings first, else the oldest rows."""
    if layer.id in {"buildings", "population"}:
        return (tables.building.c.footprint_m2.desc().nulls_last(), layer.key)
    return (layer.key,)


def _zoom_condition(layer: LayerView, zoom: int, level: str | None) -> ColumnElement[bool]:
    """Return which rows a zoom shows: areas by level, streets by class, everything of the others."""
    if layer.id == "areas":
        return show_area(zoom) if level is None else tables.area.c.level == level
    if layer.id == "streets" and zoom < STREET_OTHER_ZOOM:
        return tables.street.c.highway.in_([name for name, least in STREET_ZOOMS.items() if least <= zoom])
    return true()


def show_area(zoom: int) -> ColumnElement[bool]:
    """Return which areas a zoom shows: by the name of the level, else by its depth in the tree."""
    area = tables.area.c
    named = [name for name, least in AREA_ZOOMS.items() if least <= zoom]
    depth_max = sum(1 for least in AREA_DEPTH_ZOOMS if least <= zoom) - 1
    deepest = len(AREA_DEPTH_ZOOMS) - 1
    by_depth = true() if depth_max >= deepest else area.depth <= depth_max
    unnamed = or_(area.level.is_(None), area.level.not_in(list(AREA_ZOOMS)))
    return or_(area.level.in_(named), and_(unnamed, by_depth))


def coverage_source(run_id: int, column: RunColumn, address: TileAddress) -> TileSource:
    """Return the buildings of a run with status, seconds and the seconds that are missing, for one of its columns.

    Parameters
    ----------
    run_id
        Which run.
    column
        Which type and profile.
    address
        The tile.
    """
    building, reach, people = tables.building, run_tables.run_reach, run_tables.run_people
    result_id, number, limit_s = result_of(run_id), slice_of(building.c.id), column.limit_s
    reach_ms = int_at(reach.c.reach_ms, building.c.id)
    reach_s = func.round(present(reach_ms) / literal_column("1000.0"), 1).cast(Double)
    state = status_of(reach_ms, literal(limit_s))
    of_column = and_(reach.c.result_id == result_id, reach.c.position == column.position, reach.c.slice == number)
    of_group = and_(
        people.c.result_id == result_id, people.c.demand_group == column.demand_group, people.c.slice == number
    )
    return TileSource(
        name="coverage",
        rows=building.join(reach, of_column).join(people, of_group),
        key=building.c.id,
        geom=building.c.geom if address.z >= COVERAGE_SHAPE_ZOOM else func.ST_Centroid(building.c.geom),
        columns={
            "status": state,
            "reach_s": reach_s,
            "limit_s": literal(limit_s),
            "missing_s": case((state == "gap", reach_s - limit_s)),
            "people": int_at(people.c.people, building.c.id),
            "facility_id": present(int_at(reach.c.facility, building.c.id)) + column.facility_base,
            "name": building.c.name,
            "floors": building.c.floors,
        },
        where=and_(
            building.c.valid_to.is_(None),
            building.c.geom.op("&&")(_envelope(address)),
            int_at(people.c.people, building.c.id) > ABSENT,
        ),
        # a fair sample: by a hash of the key, not by what is judged
        first=(func.hashint8(building.c.id), building.c.id),
    )


def coverage_area_source(
    run_id: int, column: RunColumn, address: TileAddress, *, level: str | None = None
) -> TileSource:
    """Return the areas of a run with the share covered and the people in the gap, for one of its columns."""
    area, figures = tables.area, tables.run_area
    joined = area.join(
        figures,
        and_(
            figures.c.result_id == result_of(run_id),
            figures.c.area_code == area.c.code,
            figures.c.type == column.type,
            figures.c.profile == column.profile,
            figures.c.demand_group == column.demand_group,
        ),
    )
    shown = show_area(address.z) if level is None else area.c.level == level
    return TileSource(
        name="coverage_area",
        rows=joined,
        key=area.c.id,
        geom=area.c.geom,
        columns={
            "code": area.c.code,
            "name": area.c.name,
            "level": area.c.level,
            "people": figures.c.people,
            "people_gap": figures.c.gap,
            "share_covered": figures.c.covered.cast(Double) / func.nullif(figures.c.people, 0),
        },
        where=and_(area.c.valid_to.is_(None), area.c.geom.op("&&")(_envelope(address)), shown),
        first=(area.c.depth, area.c.id),
    )


def build_tile(source: TileSource, address: TileAddress, *, rows_max: int = ROWS_MAX) -> Select[Any]:
    """Return one row ``data, kept, found``: the MVT bytes, the rows drawn and the rows that lie in the tile.

    Parameters
    ----------
    source
        What to draw.
    address
        The tile.
    rows_max
        Rows drawn at most.
    """
    picked = _pick(source, address).limit(bindparam("rows_max", rows_max)).cte("picked")
    labels: list[ColumnElement[Any]] = [picked.c[f"c_{name}"].label(name) for name in source.columns]
    if source.cell_deg is not None:
        labels.append(picked.c.point_count)
    envelope = func.ST_TileEnvelope(address.z, address.x, address.y)
    drawn = select(
        picked.c.feature_id.label("id"),
        *labels,
        func.ST_AsMVTGeom(_to_mercator(picked.c.shape), envelope, EXTENT, BUFFER, True).label("mvt_geom"),
    ).cte("drawn")
    body = (
        select(
            func.ST_AsMVT(literal_column("drawn"), source.name, EXTENT, "mvt_geom", "id").label("data"),
        )
        .where(drawn.c.mvt_geom.is_not(None))
        .cte("body")
    )
    counts = (
        select(func.count().label("kept"), func.coalesce(func.max(picked.c.found), 0).label("found"))
        .select_from(picked)
        .cte("counts")
    )
    mark = (
        select(
            literal(source.name).label("layer"),
            counts.c.kept,
            counts.c.found,
            func.ST_MakePoint(EXTENT // 2, EXTENT // 2).label("mvt_geom"),
        )
        .where(counts.c.kept < counts.c.found)
        .cte("mark")
    )
    marked = select(func.ST_AsMVT(literal_column("mark"), "thinned", EXTENT, "mvt_geom")).select_from(mark)
    return select(
        body.c.data.op("||")(marked.scalar_subquery()).label("data"), counts.c.kept, counts.c.found
    ).select_from(body.join(counts, true()))


def _pick(source: TileSource, address: TileAddress) -> Select[Any]:
    """Return the rows in the tile with the number of them; where marks are shared, one row a cell."""
    columns = [
        source.key.label("feature_id"),
        *(expression.label(f"c_{name}") for name, expression in source.columns.items()),
        _generalise(source.geom, address).label("shape"),
        func.count().over().label("found"),
    ]
    if source.cell_deg is None:
        return select(*columns).select_from(source.rows).where(source.where).order_by(*source.first)
    cell: list[ColumnElement[Any]] = [func.ST_AsBinary(func.ST_SnapToGrid(source.geom, source.cell_deg))]
    if source.kind is not None:
        cell.append(source.columns[source.kind])
    first = func.row_number().over(partition_by=cell, order_by=source.key)
    inner = (
        select(*columns, first.label("place"), func.count().over(partition_by=cell).label("point_count"))
        .select_from(source.rows)
        .where(source.where)
        .subquery("shared")
    )
    return select(inner).where(inner.c.place == 1).order_by(inner.c.feature_id)


def _generalise(geom: ColumnElement[Any], address: TileAddress) -> ColumnElement[Any]:
    """Return a geometry with corners removed that the zoom cannot show."""
    if address.z >= SIMPLIFY_BELOW_ZOOM:
        return geom
    return func.ST_Simplify(geom, SIMPLIFY_STEPS * address.step_deg, True)


def _to_mercator(geom: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a geometry in EPSG:3857, cut first where it leaves the Mercator square."""
    square = func.ST_MakeEnvelope(-180, -MERCATOR_LATITUDE_MAX, 180, MERCATOR_LATITUDE_MAX, tables.SRID)
    inside = case((geom.op("@")(square), geom), else_=func.ST_ClipByBox2D(geom, square))
    return func.ST_Transform(inside, 3857)


def _envelope(address: TileAddress) -> ColumnElement[Any]:
    """Return the tile's box with its margin, EPSG:4326."""
    return func.ST_MakeEnvelope(*address.box(), tables.SRID)


def fetch_tile(conn: Connection, source: TileSource | None, address: TileAddress) -> Tile:
    """Return one tile; where it would be too large, fewer rows are drawn and the tile says so.

    Raises
    ------
    TooLarge
        Even few rows are too many bytes.
    """
    if source is None:
        return Tile(b"", 0, 0)
    for rows_max in (ROWS_MAX, ROWS_MAX // 4, ROWS_MAX // 16, ROWS_MAX // 64):
        row = conn.execute(build_tile(source, address, rows_max=rows_max)).one()
        if len(row.data) <= BYTES_MAX:
            return Tile(bytes(row.data), row.kept, row.found)
    raise TooLarge(
        f"Drawing tile {address.z}/{address.x}/{address.y} of {source.name}: its shapes are too large for one tile",
        hint="Zoom in.",
    )
