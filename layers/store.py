"""The publishing transaction: staged rows become the next version of their layers, all of them or none.

One short transaction holds one advisory lock a layer, compares hashes, inserts, updates, reopens and closes rows, and
writes the load, its quarantine and repairs, one change row and the new version. A load that changes nothing leaves
its own record and no new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from sqlalchemy import and_, exists, func, insert, literal, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from geo.errors import Conflict
from layers import metric
from layers.loading.area_tree import save_depths
from layers.tables import (
    building,
    change_log,
    layer_version,
    load,
    population,
    quarantine,
    repair,
    resident_group,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Executable, FromClause, Select, Table

    from layers.loading.staging import Stage

Mode = Literal["update", "replace"]
Change = Literal["load", "measure", "residents", "barrier", "join"]

EVERYWHERE: Final = "everywhere"
# first key of the advisory locks of loads: the letters "oml" in hexadecimal
LOCK_CLASS = 0x6F6D6C
# layers that decide how many people live in a building; whoever changes one rewrites the resident groups
RESIDENT_LAYERS = frozenset({"areas", "buildings", "population"})
RESIDENTS_LOCK = "resident groups"


@dataclass(frozen=True, slots=True)
class Publication:
    """One staged layer and what will be written about its load."""

    stage: Stage
    source: str
    mode: Mode
    file_name: str
    file_sha256: str | None
    datum: str
    options: Mapping[str, Any]
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load did to one layer.

    Attributes
    ----------
    rows_read
        Inserted + updated + unchanged + quarantined.
    rows_updated
        Rows with another content, and closed rows that are back.
    rows_closed
        Live rows the file no longer holds; only with ``replace``.
    version_before, version
        Version of the layer; equal where nothing changed, 0 before the first load.
    rows_live
        Rows of the layer that are not closed, from all sources.
    load_id
        Its record; None after a dry run.
    """

    layer: str
    rows_read: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_closed: int
    rows_quarantined: int
    version_before: int
    version: int
    rows_live: int
    load_id: int | None

    @property
    def has_changed(self) -> bool:
        """Whether the load raised the layer's version."""
        return self.version != self.version_before


class Box(NamedTuple):
    """West, south, east, north in degrees."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How staged rows meet the stored ones, before anything is written."""

    inserted: int
    updated: int
    unchanged: int
    closed: int
    quarantined: int
    box: Box | None

    @property
    def changes(self) -> int:
        """Rows that will be written."""
        return self.inserted + self.updated + self.closed


def lock_layers(conn: Connection, layers: Iterable[str]) -> None:
    """Wait until no other load publishes these layers; held to the end of the transaction."""
    names = set(layers)
    keys = sorted(names | ({RESIDENTS_LOCK} if names & RESIDENT_LAYERS else set()))
    for key in keys:
        conn.execute(select(func.pg_advisory_xact_lock(LOCK_CLASS, func.hashtext(key))))


def publish(conn: Connection, publications: Sequence[Publication], *, dry_run: bool = False) -> list[Outcome]:
    """Publish staged layers together; the caller holds the transaction and the layers' locks.

    Parameters
    ----------
    conn
        The connection that owns the staging tables.
    publications
        One per layer.
    dry_run
        Count what would change and write nothing.

    Raises
    ------
    Conflict
        Rows changed under the load although it held the lock: another program writes this layer's source.
    """
    outcomes = []
    for publication in publications:
        plan = make_plan(conn, publication)
        if dry_run:
            outcomes.append(_outcome(conn, publication, plan, version=_next_version(conn, publication, plan)))
            continue
        load_id = _save_load(conn, publication, plan)
        if plan.changes:
            _merge(conn, publication, plan, load_id)
        outcomes.append(_finish(conn, publication, plan, load_id))
    return outcomes


def make_plan(conn: Connection, publication: Publication) -> Plan:
    """Count what the staged rows would do and find the box they would change."""
    stage, table = publication.stage, publication.stage.target.table
    ready, mine = stage.ready, table.alias("stored")
    joined = ready.outerjoin(mine, and_(mine.c.source == publication.source, mine.c.source_id == ready.c.source_id))
    is_new = mine.c.id.is_(None)
    is_other = and_(mine.c.id.is_not(None), _differs(mine, ready))
    new_box, old_box = func.ST_Extent(ready.c.geom), func.ST_Extent(mine.c.geom)
    found = conn.execute(
        select(
            func.count().filter(is_new),
            func.count().filter(is_other),
            func.count(),
            *_edges(new_box.filter(or_(is_new, is_other))),
            *_edges(old_box.filter(is_other)),
        ).select_from(joined)
    ).one()
    inserted, updated, staged = found[:3]
    gone = conn.execute(
        select(func.count(), *_edges(func.ST_Extent(mine.c.geom))).where(_is_gone(publication, mine))
    ).one()
    rejected = conn.execute(select(func.count()).select_from(stage.rejects)).scalar_one()
    box = _union(found[3:7], found[7:11], gone[1:5])
    return Plan(inserted, updated, staged - inserted - updated, gone[0], rejected, box)


def _differs(stored: FromClause, ready: Table) -> ColumnElement[bool]:
    return or_(stored.c.content_hash != ready.c.content_hash, stored.c.valid_to.is_not(None))


def _is_gone(publication: Publication, stored: FromClause) -> ColumnElement[bool]:
    """Return which stored rows the file no longer holds; a row it holds broken stays as it was."""
    if publication.mode != "replace":
        return literal(value=False)
    ready, rejects = publication.stage.ready, publication.stage.rejects
    return and_(
        stored.c.source == publication.source,
        stored.c.valid_to.is_(None),
        ~exists().where(ready.c.source_id == stored.c.source_id),
        ~exists().where(rejects.c.source_id == stored.c.source_id),
    )


def _edges(extent: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [func.ST_XMin(extent), func.ST_YMin(extent), func.ST_XMax(extent), func.ST_YMax(extent)]


def _union(*boxes: Sequence[float | None]) -> Box | None:
    known = [tuple(box) for box in boxes if box[0] is not None]
    if not known:
        return None
    west, south, east, north = zip(*known, strict=True)
    return Box(min(west), min(south), max(east), max(north))


def _polygon(box: Box | None) -> ColumnElement[Any]:
    return null() if box is None else func.ST_MakeEnvelope(*box, 4326)


def _save_load(conn: Connection, publication: Publication, plan: Plan) -> int:
    """Write the record of the load, its quarantine and its repairs; return its id."""
    load_id = open_load(conn, publication, plan)
    _save_findings(conn, publication, load_id)
    return load_id


def open_load(conn: Connection, publication: Publication, plan: Plan | None = None) -> int:
    """Write the record of a load and return its id; without a plan its counts are written by :func:`publish_copied`."""
    values = {
        "layer": publication.stage.target.layer,
        "source": publication.source,
        "file_name": publication.file_name,
        "file_sha256": publication.file_sha256,
        "datum": publication.datum,
        "mode": publication.mode,
        "options": dict(publication.options),
        "started_at": publication.started_at,
        **_count_rows(publication, plan or Plan(0, 0, 0, 0, 0, None)),
    }
    return int(conn.execute(insert(load).values(values).returning(load.c.id)).scalar_one())


def _count_rows(publication: Publication, plan: Plan) -> dict[str, int]:
    return {
        "rows_read": publication.stage.rows_read,
        "rows_inserted": plan.inserted,
        "rows_updated": plan.updated,
        "rows_unchanged": plan.unchanged,
        "rows_closed": plan.closed,
        "rows_quarantined": plan.quarantined,
    }


def _save_findings(conn: Connection, publication: Publication, load_id: int) -> None:
    stage, layer = publication.stage, publication.stage.target.layer
    head = (literal(load_id).label("load_id"), literal(layer).label("layer"))
    moves: tuple[tuple[Table, Table, Select[Any]], ...] = (
        (quarantine, stage.rejects, select(*head, literal(publication.source).label("source"), *stage.rejects.c)),
        (repair, stage.repairs, select(*head, *stage.repairs.c)),
    )
    for target, staged, rows in moves:
        conn.execute(insert(target).from_select(list(rows.selected_columns.keys()), rows.order_by(staged.c.line)))


def publish_copied(conn: Connection, publication: Publication, load_id: int) -> Outcome:
    """Publish rows that were copied into their layer in this transaction; the caller holds the layer's lock.

    Parameters
    ----------
    conn
        The connection that copied them.
    publication
        Its stage has counted them.
    load_id
        The record of the load, from :func:`open_load`.
    """
    stage, table = publication.stage, publication.stage.target.table
    rejected = conn.execute(select(func.count()).select_from(stage.rejects)).scalar_one()
    edges = conn.execute(select(*_edges(func.ST_Extent(table.c.geom))).where(table.c.load_id == load_id)).one()
    plan = Plan(stage.count_kept(), 0, 0, 0, rejected, _union(edges))
    conn.execute(
        update(load)
        .where(load.c.id == load_id)
        .values(**_count_rows(publication, plan), finished_at=func.clock_timestamp())
    )
    _save_findings(conn, publication, load_id)
    return _finish(conn, publication, plan, load_id)


def _merge(conn: Connection, publication: Publication, plan: Plan, load_id: int) -> None:
    stage, table = publication.stage, publication.stage.target.table
    ready = stage.ready
    derived = _derive(conn, publication)
    copied = {name: ready.c[name] for name in _copied_names(stage)}
    wanted = {**copied, **derived, "load_id": literal(load_id)}
    same = and_(table.c.source == publication.source, table.c.source_id == ready.c.source_id)
    changed = (
        update(table)
        .where(same, or_(table.c.content_hash != ready.c.content_hash, table.c.valid_to.is_not(None)))
        .values({_key(table, name): value for name, value in wanted.items()})
        .values(valid_from=func.now(), valid_to=None)
    )
    _expect(publication, "updated", plan.updated, _run(conn, changed) if plan.updated else 0)
    if plan.closed:
        closed = update(table).where(_is_gone(publication, table)).values(valid_to=func.now())
        _expect(publication, "closed", plan.closed, _run(conn, closed))
    if plan.inserted:
        named = {"source": literal(publication.source), "source_id": ready.c.source_id, **wanted}
        rows = select(*named.values()).where(~exists().where(same)).order_by(ready.c.line, ready.c.source_id)
        keys = [_key(table, name) for name in named]
        _expect(publication, "inserted", plan.inserted, _run(conn, insert(table).from_select(keys, rows)))


def _run(conn: Connection, statement: Executable) -> int:
    """Return how many rows a statement wrote; SQLAlchemy forgets it for INSERT unless told."""
    return int(conn.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)


def _copied_names(stage: Stage) -> list[str]:
    return ["geom", "properties", "content_hash", *(column.name for column in stage.target.columns)]


def _key(table: Table, name: str) -> str:
    """Return the key SQLAlchemy knows a column by (``class`` is a keyword in Python)."""
    return next(column.key for column in table.columns if column.name == name)


def _derive(conn: Connection, publication: Publication) -> dict[str, ColumnElement[Any]]:
    """Return columns worked out from the staged geometry."""
    if publication.stage.target.layer != "buildings":
        return {}
    crs = metric.find_metric_crs(conn)
    geom = publication.stage.ready.c.geom
    return {"footprint_m2": null() if crs is None else metric.measure_footprint(geom, crs)}


def _expect(publication: Publication, what: str, planned: int, found: int) -> None:
    if planned != found:
        raise Conflict(
            f"Loading {publication.stage.target.layer} from {publication.file_name}: {planned} rows were to be {what}, "
            f"found {found}; another program wrote rows of source {publication.source!r} meanwhile",
            hint="Nothing was changed; run the load again.",
        )


def _finish(conn: Connection, publication: Publication, plan: Plan, load_id: int) -> Outcome:
    layer = publication.stage.target.layer
    if not plan.changes:
        return _outcome(conn, publication, plan, version=fetch_version(conn, layer), load_id=load_id)
    if layer == "areas":
        save_depths(conn)
    version = raise_version(conn, publication.stage.target.table, layer, box=plan.box, load_id=load_id)
    return _outcome(conn, publication, plan, version=version, load_id=load_id)


def fetch_version(conn: Connection, layer: str) -> int:
    """Return a layer's version, 0 before its first load."""
    found = conn.execute(select(layer_version.c.version).where(layer_version.c.layer == layer)).scalar()
    return 0 if found is None else int(found)


def raise_version(
    conn: Connection,
    table: Table,
    layer: str,
    *,
    box: Box | Literal["everywhere"] | None,
    load_id: int | None,
    kind: Change = "load",
) -> int:
    """Raise a layer's version by one, with its rows and extent, and log the changed box; return the version.

    Parameters
    ----------
    conn
        In the publishing transaction.
    table, layer
        What changed.
    box
        Where; None where that is not known, or all of the layer's extent.
    load_id
        The load that changed it, if any.
    kind
        What changed it.
    """
    rows, *edges = conn.execute(_build_state(table, layer)).one()
    extent = None if edges[0] is None else Box(*edges)
    changed = extent if box == EVERYWHERE else box
    row = upsert(layer_version).values(
        layer=layer, version=1, rows=rows, extent=_polygon(extent), changed_at=func.now(), load_id=load_id
    )
    raised = row.on_conflict_do_update(
        index_elements=[layer_version.c.layer],
        set_={
            "version": layer_version.c.version + 1,
            "rows": row.excluded.rows,
            "extent": row.excluded.extent,
            "changed_at": row.excluded.changed_at,
            "load_id": func.coalesce(row.excluded.load_id, layer_version.c.load_id),
        },
    ).returning(layer_version.c.version)
    version = int(conn.execute(raised).scalar_one())
    conn.execute(insert(change_log).values(layer=layer, kind=kind, version=version, box=_polygon(changed)))
    return version


def raise_residents(conn: Connection) -> int:
    """Raise the population layer's version because residents changed, wherever they are now; return the version."""
    return raise_version(conn, population, "population", box=EVERYWHERE, load_id=None, kind="residents")


def refresh_residents(conn: Connection) -> None:
    """Bring rows, extent and changed box of the population layer to where its people are now."""
    rows, *edges = conn.execute(_build_state(population, "population")).one()
    extent = None if edges[0] is None else Box(*edges)
    stored = layer_version.c.layer == "population"
    conn.execute(update(layer_version).where(stored).values(rows=rows, extent=_polygon(extent)))
    version = select(layer_version.c.version).where(stored).scalar_subquery()
    mine = (change_log.c.layer == "population", change_log.c.version == version, change_log.c.box.is_(None))
    conn.execute(update(change_log).where(*mine).values(box=_polygon(extent)))


def _build_state(table: Table, layer: str) -> Select[Any]:
    """Return the count and extent of live rows; people are where the buildings that hold them are."""
    if layer != "population":
        return select(func.count(), *_edges(func.ST_Extent(table.c.geom))).where(table.c.valid_to.is_(None))
    rows = select(func.count()).where(population.c.valid_to.is_(None)).scalar_subquery()
    people = resident_group.join(building, building.c.id == resident_group.c.building_id)
    placed = func.count(resident_group.c.building_id)
    count = func.coalesce(func.nullif(rows, 0), placed)
    return select(count, *_edges(func.ST_Extent(building.c.geom))).select_from(people)


def _next_version(conn: Connection, publication: Publication, plan: Plan) -> int:
    return fetch_version(conn, publication.stage.target.layer) + (1 if plan.changes else 0)


def _outcome(
    conn: Connection, publication: Publication, plan: Plan, *, version: int, load_id: int | None = None
) -> Outcome:
    target = publication.stage.target
    live = conn.execute(
        select(func.count()).select_from(target.table).where(target.table.c.valid_to.is_(None))
    ).scalar_one()
    return Outcome(
        layer=target.layer,
        rows_read=publication.stage.rows_read,
        rows_inserted=plan.inserted,
        rows_updated=plan.updated,
        rows_unchanged=plan.unchanged,
        rows_closed=plan.closed,
        rows_quarantined=plan.quarantined,
        version_before=version - (1 if plan.changes else 0),
        version=version,
        rows_live=live,
        load_id=load_id,
    )
