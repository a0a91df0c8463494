"""The tables of the one database, as SQLAlchemy Core with GeoAlchemy2.

Every entity layer shares the columns of :func:`_layer_columns`: identity is ``source`` + ``source_id``, a row keeps the
load that brought it and the moment it became valid, and a row that a later file no longer holds is closed, not deleted.
Geometry is WGS-84 longitude/latitude throughout.
"""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

SCHEMA = "onemap"
SRID = 4326

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    },
)

BAND_COLUMNS = (
    "a00_02",
    "a03_05",
    "a06_11",
    "a12_14",
    "a15_17",
    "a18_59",
    "a60_64",
    "a65_79",
    "a80_up",
)
OF_WHICH_COLUMNS = ("floating", "living_alone_60_up", "new_employment")
HOUSEHOLD_COLUMNS = ("households", "dual_earner_households")
COUNT_COLUMNS = ("people", *BAND_COLUMNS, *OF_WHICH_COLUMNS, *HOUSEHOLD_COLUMNS)


def owned_by(name: str, key: str, *, primary_key: bool = False, index: bool = False) -> Column[int]:
    """Return a column that names the row this one belongs to: deleted with it, never without it.

    Parameters
    ----------
    name
        Name of the column.
    key
        What it points to, as ``table.column``.
    primary_key, index
        As of ``Column``.
    """
    link = ForeignKey(key, ondelete="CASCADE")
    return Column(name, BigInteger, link, primary_key=primary_key, nullable=False, index=index)


def _geometry(kind: str = "GEOMETRY", *, nullable: bool = False) -> Column[object]:
    return Column("geom", Geometry(kind, srid=SRID, spatial_index=False), nullable=nullable)


def _layer_columns() -> list[Column[object]]:
    """Return what every row of an entity layer keeps, whatever it describes."""
    return [
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("source", Text, nullable=False),
        Column("source_id", Text, nullable=False),
        Column("load_id", BigInteger, ForeignKey("load.id"), nullable=False),
        Column("valid_from", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("valid_to", DateTime(timezone=True)),
        # hash over the typed columns, geometry and properties: an equal row is left alone
        Column("content_hash", LargeBinary, nullable=False),
        # columns of the file that the layer has no name for, kept as given
        Column("properties", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    ]


def _layer_table(name: str, geometry: Column[object], *columns: Column[object]) -> Table:
    table = Table(
        name,
        metadata,
        *_layer_columns(),
        *columns,
        geometry,
        UniqueConstraint("source", "source_id", name=f"uq_{name}_source_id"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="validity"),
    )
    # live rows only: closed ones are history and never drawn
    Index(f"ix_{name}_geom", table.c.geom, postgresql_using="gist", postgresql_where=table.c.valid_to.is_(None))
    return table


def _counts() -> list[Column[object]]:
    """Return the people columns; null means "not given", never zero."""
    return [Column(name, Integer) for name in COUNT_COLUMNS]


load = Table(
    "load",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("layer", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", String(64)),
    Column("datum", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_inserted", BigInteger, nullable=False),
    Column("rows_updated", BigInteger, nullable=False),
    Column("rows_unchanged", BigInteger, nullable=False),
    Column("rows_closed", BigInteger, nullable=False),
    Column("rows_quarantined", BigInteger, nullable=False),
    CheckConstraint("mode IN ('update', 'replace')", name="mode"),
    CheckConstraint(
        "rows_read = rows_inserted + rows_updated + rows_unchanged + rows_quarantined", name="nothing_dropped"
    ),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    owned_by("load_id", "load.id", index=True),
    Column("layer", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("source_id", Text),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("raw", Text, nullable=False),
)

repair = Table(
    "repair",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    owned_by("load_id", "load.id", index=True),
    Column("layer", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("source_id", Text),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

layer_version = Table(
    "layer_version",
    metadata,
    Column("layer", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("extent", Geometry("POLYGON", srid=SRID, spatial_index=False)),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("load_id", BigInteger, ForeignKey("load.id")),
)

change_log = Table(
    "change_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # commit order is not id order: readers that follow changes need the transaction
    Column("transaction_id", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Column("layer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("row_id", BigInteger),
    Column("box", Geometry("POLYGON", srid=SRID, spatial_index=False)),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

setting = Table(
    "setting",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

area = _layer_table(
    "area",
    _geometry("MULTIPOLYGON"),
    Column("code", Text, nullable=False, index=True),
    Column("name", Text),
    Column("level", Text),
    Column("parent_code", Text, index=True),
    # steps from the root of the tree; derived by the loader, deepest wins when a building is tied to an area
    Column("depth", SmallInteger, nullable=False, server_default="0"),
)

compound = _layer_table("compound", _geometry("MULTIPOLYGON"), Column("name", Text))

gate = _layer_table(
    "gate",
    _geometry("POINT"),
    Column("compound_id", Text, index=True),
    Column("opens_to", Text, nullable=False, server_default="residents"),
    Column("hours", Text),
)

building = _layer_table(
    "building",
    _geometry(),
    Column("name", Text),
    Column("use", Text),
    Column("floors", Float),
    Column("dwellings", Integer),
    Column("people", Integer),
    Column("households", Integer),
    Column("address", Text),
    Column("handed_over_on", Date),
    Column("entrance", Geometry("POINT", srid=SRID, spatial_index=False)),
    # metres squared on the ground, measured in the store's metric CRS at load; null for points
    Column("footprint_m2", Float),
)

population = _layer_table(
    "population",
    _geometry(nullable=True),
    Column("building_id", Text, index=True),
    Column("area_code", Text, index=True),
    *_counts(),
)

facility = _layer_table(
    "facility",
    _geometry(),
    # null = type uncertain; then the candidates are for a person to choose from
    Column("type", Text, index=True),
    Column("type_candidates", ARRAY(Text)),
    Column("type_basis", Text),
    Column("name", Text),
    Column("capacity", Float),
    Column("supply", Text),
    Column("opening_hours", Text),
    Column("address", Text),
)

incident = _layer_table(
    "incident",
    _geometry("POINT"),
    Column("reported_at", DateTime(timezone=True), nullable=False, index=True),
    Column("class", Text, key="class_"),
    Column("severity", Text),
    Column("status", Text),
    Column("text", Text),
    Column("closed_at", DateTime(timezone=True)),
)

street = _layer_table(
    "street",
    _geometry("LINESTRING"),
    Column("highway", Text),
    Column("foot", Text),
    Column("access", Text),
    Column("steps", Boolean),
    Column("incline", Text),
    Column("wheelchair", Text),
    Column("oneway", Text),
    Column("maxspeed", Text),
    # ids of the nodes at both ends where the source has them (OpenStreetMap); else ends join by coordinates
    Column("node_a", BigInteger),
    Column("node_b", BigInteger),
)

resident_group = Table(
    "resident_group",
    metadata,
    owned_by("building_id", "building.id", primary_key=True),
    *_counts(),
    # how the counts came onto the building: given, dwellings, floor_area, footprint, equal, nearest
    Column("method", Text, nullable=False),
    Column("population_ids", ARRAY(BigInteger)),
)

# an elevation grid: one row a file, its heights in parts
elevation = _layer_table(
    "elevation",
    _geometry("POLYGON"),
    # what the grid's own coordinates are
    Column("crs", Text, nullable=False),
    # x and y of a cell's corner from column and row, in the order of GDAL's affine transform a b c d e f
    Column("transform", ARRAY(Float), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    # size of a cell on the ground: where grids overlap the finest counts
    Column("cell_m", Float, nullable=False),
    Column("lowest_m", Float),
    Column("highest_m", Float),
)

elevation_part = Table(
    "elevation_part",
    metadata,
    owned_by("elevation_id", "elevation.id", primary_key=True),
    # row and column of the grid at which the part begins
    Column("top", Integer, primary_key=True),
    Column("left", Integer, primary_key=True),
    # compressed: rows and columns, then whole millimetres row by row; the last row and column are the neighbour's first
    Column("heights", LargeBinary, nullable=False),
)

facility_type = Table(
    "facility_type",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("limit_s", Integer),
    Column("radius_m", Float),
    Column("testable", Boolean, nullable=False),
    Column("demand_group", Text, nullable=False),
    Column("pack_version", Text, nullable=False),
    # the whole row of the pack: clause, certainty, norm and the rest
    Column("definition", JSONB, nullable=False),
)

reference_layer = Table(
    "reference_layer",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text),
    Column("table_name", Text, nullable=False, unique=True),
    # [{name, column, type}]: names as the file gives them, columns as PostgreSQL accepts them
    Column("columns", JSONB, nullable=False),
    Column("geometry_kind", Text, nullable=False),
    # no link between a building and a street may cross it (water, railway, wall)
    Column("is_barrier", Boolean, nullable=False, server_default=text("false")),
)

run = Table(
    "run",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # figures by building, area and facility; runs that asked the same of the same store share them
    Column("result_id", BigInteger, ForeignKey("run_result.id"), nullable=False, index=True),
    Column("name", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("state", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("versions", JSONB, nullable=False),
    Column("pack_version", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("metric_crs", Text, nullable=False),
    Column("engine", JSONB, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("duration_s", Float, nullable=False),
    # replay compares this against a fresh computation
    Column("result_sha256", String(64), nullable=False),
    # brought up to date after every change of the layers it was made from
    Column("follows", Boolean, nullable=False, server_default=text("false")),
)

run_column = Table(
    "run_column",
    metadata,
    owned_by("run_id", "run.id", primary_key=True),
    # 1-based
    Column("position", SmallInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("limit_s", Integer, nullable=False),
    Column("radius_limit_m", Float),
    Column("demand_group", Text, nullable=False),
    Column("people_basis", Text, nullable=False),
    Column("facilities", Integer, nullable=False),
    Column("facilities_unlinked", Integer, nullable=False),
    # added to run_reach.facility gives the store id, so that ids beyond four bytes fit
    Column("facility_base", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("run_id", "type", "profile", name="uq_run_column_type"),
)

run_area = Table(
    "run_area",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    owned_by("result_id", "run_result.id"),
    # null code = buildings of the parent level that lie in none of its children
    Column("area_code", Text),
    Column("parent_code", Text),
    Column("level", Text, nullable=False),
    Column("name", Text),
    Column("type", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("demand_group", Text, nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("covered", BigInteger, nullable=False),
    Column("gap", BigInteger, nullable=False),
    Column("unknown", BigInteger, nullable=False),
    Column("radius_covered", BigInteger),
    Column("dwellings", BigInteger, nullable=False),
    Column("dwellings_covered", BigInteger, nullable=False),
    Column("dwellings_gap", BigInteger, nullable=False),
    Column("dwellings_unknown", BigInteger, nullable=False),
    Column("buildings", Integer, nullable=False),
    Column("buildings_covered", Integer, nullable=False),
    Column("buildings_gap", Integer, nullable=False),
    Column("buildings_unknown", Integer, nullable=False),
    Column("buildings_without_counts", Integer, nullable=False),
    CheckConstraint("people = covered + gap + unknown", name="people_sum"),
    Index("ix_run_area_lookup", "result_id", "type", "profile", "level"),
)

job = Table(
    "job",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("message", Text, nullable=False, server_default=""),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
)

LAYER_TABLES: dict[str, Table] = {
    "areas": area,
    "compounds": compound,
    "gates": gate,
    "buildings": building,
    "population": population,
    "facilities": facility,
    "incidents": incident,
    "streets": street,
}
"""Layer id, as used in commands and URLs, to its table."""
