"""Reference layers: any layer a planner brings, in a table of its own with typed columns under the file's names."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from geoalchemy2 import Geometry
from sqlalchemy import (
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
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.schema import CreateColumn

from geo.errors import RequestError
from layers.catalog import LAYERS
from layers.loading.clean_reference import ReferenceColumn
from layers.loading.target import Target, make_target
from layers.tables import SCHEMA, SRID, load, reference_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.types import TypeEngine

    from layers.loading.clean_reference import Kind

LAYER_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LAYER_NAME_MAX = 40
# names that would read like one of the product's own layers in a URL
RESERVED_NAMES = frozenset({*LAYERS, "coverage", "elevation", "osm", "reference", "residents", "turn-bans"})

TYPES: dict[Kind, type[TypeEngine[Any]]] = {
    "integer": BigInteger,
    "number": Float,
    "boolean": Boolean,
    "date": Date,
    "timestamp": DateTime,
    "text": Text,
}
"""Type words of the registry and of the layer catalogue, to what holds them."""


def check_name(name: str) -> str:
    """Return a reference layer's name if it can be one.

    Raises
    ------
    RequestError
        It is no kebab-case word, too long, or one of the product's own layers.
    """
    if not LAYER_NAME.fullmatch(name) or len(name) > LAYER_NAME_MAX:
        proposal = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:LAYER_NAME_MAX].strip("-")
        proposal = proposal if LAYER_NAME.fullmatch(proposal) else "flood-zones"
        raise RequestError(
            f"Naming a reference layer {name[:80]!r}: expected small letters, digits and hyphens, starting with a "
            f"letter, at most {LAYER_NAME_MAX} characters; it becomes part of addresses.",
            hint=f"For example {proposal!r}; a title in any language goes to --title.",
            parameter="name",
        )
    if name in RESERVED_NAMES:
        raise RequestError(
            f"Naming a reference layer {name!r}: the product has a layer of that name.",
            hint=f"Load it with `onemap load {name} FILE`, or choose another name."
            if name in LAYERS
            else "Choose another name.",
            parameter="name",
        )
    return name


def settle_columns(
    found: Sequence[ReferenceColumn], before: Sequence[ReferenceColumn]
) -> tuple[tuple[ReferenceColumn, ...], tuple[ReferenceColumn, ...]]:
    """Return a file's columns and the table's columns after it, so that old and new rows fit.

    A column the table has keeps its place and its type is widened where needed; another one gets a name no column of
    the table has, also when case is ignored.

    Parameters
    ----------
    found
        The file's columns.
    before
        The table's columns, empty for a new layer.
    """
    stored = {column.name: column for column in before}
    taken = {column.column.casefold() for column in before}
    settled = {}
    for column in found:
        if column.name in stored:
            old = stored[column.name]
            settled[column.name] = ReferenceColumn(column.name, old.column, widen(old.type, column.type))
            continue
        made, number = column.column, 2
        while made.casefold() in taken:
            made, number = f"{column.column}_{number}", number + 1
        taken.add(made.casefold())
        settled[column.name] = ReferenceColumn(column.name, made, column.type)
    table = [settled.get(column.name, column) for column in before]
    table += [column for name, column in settled.items() if name not in stored]
    return tuple(settled.values()), tuple(table)


def widen(before: Kind, after: Kind) -> Kind:
    """Return the type that holds the values of both."""
    if before == after:
        return before
    return "number" if {before, after} == {"integer", "number"} else "text"


def make_table(name: str, columns: Sequence[ReferenceColumn]) -> Table:
    """Return the table of a reference layer, with what every layer keeps."""
    table_name = find_table_name(name)
    table = Table(
        table_name,
        MetaData(schema=SCHEMA),
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("source", Text, nullable=False),
        Column("source_id", Text, nullable=False),
        Column("load_id", BigInteger, ForeignKey(load.c.id), nullable=False),
        Column("valid_from", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("valid_to", DateTime(timezone=True)),
        Column("content_hash", LargeBinary, nullable=False),
        Column("properties", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("geom", Geometry("GEOMETRY", srid=SRID, spatial_index=False)),
        *(_make_column(column) for column in columns),
        UniqueConstraint("source", "source_id", name=f"uq_{table_name}"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=f"ck_{table_name}"),
    )
    is_live = table.c.valid_to.is_(None)
    Index(f"ix_{table_name}", table.c.geom, postgresql_using="gist", postgresql_where=is_live)
    return table


def _make_column(column: ReferenceColumn) -> Column[Any]:
    kind = DateTime(timezone=True) if column.type == "timestamp" else TYPES[column.type]()
    return Column(column.column, kind, quote=True)


def find_table_name(name: str) -> str:
    """Return the table of a reference layer, without its schema."""
    return f"ref_{name.replace('-', '_')}"


def fetch_columns(conn: Connection, name: str) -> tuple[ReferenceColumn, ...]:
    """Return the columns a stored reference layer has, none where there is no such layer."""
    found = conn.execute(select(reference_layer.c.columns).where(reference_layer.c.name == name)).scalar()
    return tuple(ReferenceColumn(**column) for column in found or ())


def prepare_table(
    conn: Connection, name: str, columns: Sequence[ReferenceColumn], before: Sequence[ReferenceColumn]
) -> Target:
    """Make or extend the table of a reference layer; the caller holds the transaction and the layer's lock."""
    table = make_table(name, columns)
    if not before:
        table.create(conn, checkfirst=True)
        return make_target(name, table)
    preparer = conn.dialect.identifier_preparer
    head = f"ALTER TABLE {preparer.format_table(table)}"
    stored = {column.column: column for column in before}
    for column in columns:
        made = table.c[column.column]
        if column.column not in stored:
            conn.exec_driver_sql(f"{head} ADD COLUMN {CreateColumn(made).compile(dialect=conn.dialect)}")
        elif stored[column.column].type != column.type:
            kind, quoted = made.type.compile(dialect=conn.dialect), preparer.quote(column.column)
            conn.exec_driver_sql(f"{head} ALTER COLUMN {quoted} TYPE {kind} USING {quoted}::{kind}")
    return make_target(name, table)


def save_reference(
    conn: Connection,
    name: str,
    columns: Sequence[ReferenceColumn],
    *,
    geometry_kind: str,
    is_barrier: bool | None,
    title: str | None,
) -> bool:
    """Write a reference layer into the registry; return whether it is a barrier now and was not, or the reverse."""
    was = conn.execute(select(reference_layer.c.is_barrier).where(reference_layer.c.name == name)).scalar()
    is_now = bool(was) if is_barrier is None else is_barrier
    row = insert(reference_layer).values(
        name=name,
        title=title,
        table_name=find_table_name(name),
        columns=[asdict(column) for column in columns],
        geometry_kind=geometry_kind,
        is_barrier=is_now,
    )
    put = row.on_conflict_do_update(
        index_elements=[reference_layer.c.name],
        set_={
            "title": func.coalesce(row.excluded.title, reference_layer.c.title),
            "columns": row.excluded.columns,
            "geometry_kind": row.excluded.geometry_kind,
            "is_barrier": row.excluded.is_barrier,
        },
    )
    conn.execute(put)
    return was is not None and bool(was) != is_now


def find_geometry_kind(conn: Connection, target: Target) -> str:
    """Return ``POINT``, ``LINESTRING``, ``POLYGON``, ``GEOMETRY`` for a mixture or ``NONE``, over live rows."""
    table = target.table
    dimension = func.ST_Dimension(table.c.geom)
    found = conn.execute(
        select(dimension).where(table.c.valid_to.is_(None), table.c.geom.is_not(None)).distinct().limit(3)
    ).scalars()
    kinds = [("POINT", "LINESTRING", "POLYGON")[number] for number in found]
    return kinds[0] if len(kinds) == 1 else ("GEOMETRY" if kinds else "NONE")
