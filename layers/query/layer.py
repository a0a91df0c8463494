"""One layer as readers see it: which columns, where its rows and geometry come from, which version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import column, func, select, table

from geo.errors import NotFound, NotReady
from layers import tables
from layers.catalog import BANDS, LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, FromClause, Select


@dataclass(frozen=True, slots=True)
class Field:
    """One column that readers may see."""

    name: str
    type: str
    title_zh: str
    title_en: str
    sensitive: bool = False


# beside the columns of the catalogue: why a facility has its type, or which it may have while that is uncertain
DERIVED_FIELDS = {
    "facilities": (
        Field("type_basis", "text", "类型依据", "Basis of the type"),
        Field("type_candidates", "text", "待定类型", "Possible types"),
    )
}
POPULATION_COLUMNS = ("people", "households", "dual_earner_households", *BANDS)
REFERENCE_KINDS = {"POINT": "point", "LINESTRING": "line", "POLYGON": "polygon"}


@dataclass(frozen=True, slots=True)
class LayerState:
    """What is loaded of a layer.

    Attributes
    ----------
    id
        Name in commands and URLs.
    version
        Raised by every committed change.
    rows
        Live rows.
    extent
        West, south, east, north in degrees (EPSG:4326); None for a layer without geometry.
    changed_at
        Moment of the last change, with zone.
    source, datum
        As declared at the last load; None where nothing was loaded from a file.
    """

    id: str
    version: int
    rows: int
    extent: tuple[float, float, float, float] | None
    changed_at: datetime
    source: str | None
    datum: str | None


@dataclass(frozen=True, slots=True)
class LayerView:
    """A layer ready to be selected from; ``state`` names the version that is read.

    Attributes
    ----------
    rows
        Table or join behind the layer.
    key
        Unique, ascending, never reused: the order of pages.
    geom
        Geometry, EPSG:4326.
    is_live
        Rows that are not closed.
    columns
        What readers see, by name; sensitive columns are not among them.
    """

    id: str
    title_zh: str
    title_en: str
    geometries: tuple[str, ...]
    fields: tuple[Field, ...]
    rows: FromClause
    key: ColumnElement[int]
    geom: ColumnElement[Any]
    is_live: ColumnElement[bool]
    columns: Mapping[str, ColumnElement[Any]]
    state: LayerState


def build_layer_states() -> Select[Any]:
    """Return one row a loaded layer: version, rows, extent, source and datum of its last load."""
    version, load = tables.layer_version, tables.load
    extent = version.c.extent
    return (
        select(
            version.c.layer,
            version.c.version,
            version.c.rows,
            version.c.changed_at,
            func.ST_XMin(extent).label("west"),
            func.ST_YMin(extent).label("south"),
            func.ST_XMax(extent).label("east"),
            func.ST_YMax(extent).label("north"),
            load.c.source,
            load.c.datum,
        )
        .select_from(version.outerjoin(load, version.c.load_id == load.c.id))
        .order_by(version.c.layer)
    )


def fetch_layer_states(conn: Connection) -> dict[str, LayerState]:
    """Return what is loaded, by layer id."""
    states = {}
    for row in conn.execute(build_layer_states()):
        box = (row.west, row.south, row.east, row.north)
        states[row.layer] = LayerState(
            id=row.layer,
            version=row.version,
            rows=row.rows,
            extent=None if None in box else box,
            changed_at=row.changed_at,
            source=row.source,
            datum=row.datum,
        )
    return states


def fetch_reference_layers(conn: Connection) -> dict[str, Any]:
    """Return the rows of the reference-layer table by layer id."""
    statement = select(tables.reference_layer).order_by(tables.reference_layer.c.name)
    return {row.name: row for row in conn.execute(statement)}


def fetch_layer(conn: Connection, layer_id: str) -> LayerView:
    """Return a layer with its present version.

    Raises
    ------
    NotFound
        There is no layer of that name.
    NotReady
        The layer exists but nothing was loaded into it.
    """
    core = layer_id in LAYERS
    references = {} if core else fetch_reference_layers(conn)
    if not core and layer_id not in references:
        raise NotFound(
            f"Looking up layer {layer_id!r}: found no such layer, expected one of {', '.join(LAYERS)}"
            " or a reference layer that was loaded",
            hint="`onemap layers` lists what is loaded.",
            parameter="layer",
        )
    # people counted on buildings are drawn as buildings: a change of either is a change of what is seen
    state = find_state(fetch_layer_states(conn), layer_id)
    return view_core_layer(state) if core else view_reference_layer(references[layer_id], state)


def find_state(states: Mapping[str, LayerState], layer_id: str) -> LayerState:
    """Return the state of one layer.

    Raises
    ------
    NotReady
        Nothing was loaded into it.
    """
    if layer_id in states:
        return states[layer_id]
    command = f"onemap load {layer_id} FILE" if layer_id in LAYERS else f"onemap load reference {layer_id} FILE"
    raise NotReady(
        f"Reading layer {layer_id}: nothing is loaded into it yet",
        hint=f"Load it with `{command}`, or everything at once with `onemap demo`.",
        parameter="layer",
    )


def view_core_layer(state: LayerState) -> LayerView:
    """Return the readers' view of a core layer, without its sensitive columns."""
    core = LAYERS[state.id]
    if state.id == "population":
        return _view_population(state)
    rows = tables.LAYER_TABLES[state.id]
    hidden = {*core.sensitive, "entrance"}
    fields = (
        Field("source", "text", "来源", "Source"),
        *(
            Field(item.name, item.type, item.title_zh, item.title_en, item.sensitive)
            for item in _with_source_id(core.columns)
        ),
        *DERIVED_FIELDS.get(state.id, ()),
    )
    columns = {item.name: column_of(rows, item.name) for item in fields if item.name not in hidden}
    return LayerView(
        id=state.id,
        title_zh=core.title_zh,
        title_en=core.title_en,
        geometries=core.geometries,
        fields=fields,
        rows=rows,
        key=rows.c.id,
        geom=rows.c.geom,
        is_live=rows.c.valid_to.is_(None),
        columns=columns,
        state=state,
    )


def column_of(rows: FromClause, name: str) -> ColumnElement[Any]:
    """Return the table's column for a column of the catalogue; ``class`` is a keyword in Python."""
    return rows.c["class_" if name == "class" else name]


def _with_source_id(columns: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the catalogue's columns with the identity first; areas have theirs in ``code``."""
    if any(item.name == "source_id" for item in columns):
        return columns
    return (Field("source_id", "text", "来源编号", "Source id"), *columns)


def _view_population(state: LayerState) -> LayerView:
    """Return people as they were put on buildings: one row a building, the sensitive counts left out."""
    core = LAYERS["population"]
    building, group = tables.building, tables.resident_group
    names = [name for name in POPULATION_COLUMNS if name not in core.sensitive]
    fields = (
        Field("building_id", "integer", "楼栋", "Building"),
        *(Field(core[name].name, core[name].type, core[name].title_zh, core[name].title_en) for name in names),
        Field("method", "text", "落楼方法", "How the counts came onto the building"),
        *(Field(name, core[name].type, core[name].title_zh, core[name].title_en, True) for name in core.sensitive),
    )
    columns: dict[str, ColumnElement[Any]] = {"building_id": building.c.id}
    columns.update({name: group.c[name] for name in (*names, "method")})
    return LayerView(
        id="population",
        title_zh=core.title_zh,
        title_en=core.title_en,
        geometries=("polygon", "point"),
        fields=fields,
        rows=group.join(building, group.c.building_id == building.c.id),
        key=building.c.id,
        geom=building.c.geom,
        is_live=building.c.valid_to.is_(None),
        columns=columns,
        state=state,
    )


def view_reference_layer(reference: Any, state: LayerState) -> LayerView:
    """Return the readers' view of a reference layer; names come from the file, identifiers are quoted."""
    items = list(reference.columns)
    names = [str(item["column"]) for item in items]
    rows = table(
        reference.table_name,
        column("id"),
        column("geom", tables.area.c.geom.type),
        column("valid_to"),
        *(column(name) for name in names),
        schema=tables.SCHEMA,
    )
    title = reference.title or reference.name
    kind = str(reference.geometry_kind).upper().removeprefix("MULTI")
    return LayerView(
        id=reference.name,
        title_zh=title,
        title_en=title,
        geometries=(REFERENCE_KINDS.get(kind, "polygon"),),
        fields=tuple(Field(str(i["name"]), str(i["type"]), str(i["name"]), str(i["name"])) for i in items),
        rows=rows,
        key=rows.c.id,
        geom=rows.c.geom,
        is_live=rows.c.valid_to.is_(None),
        columns={str(item["name"]): rows.c[str(item["column"])] for item in items},
        state=state,
    )
