"""Loading any other layer a planner brings, and every layer of an OpenStreetMap extract."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from geo.datum import parse_datum, resolve_datum
from geo.errors import DataError, MissingColumn
from layers import reference
from layers.catalog import column_key, read_pack
from layers.loading.clean_reference import clean_reference_batch, find_reference_columns
from layers.loading.publishing import Staged, publish_all
from layers.loading.reader import find_geometry_words
from layers.loading.staging import Stage
from layers.loading.steps import (
    check_datum_of,
    describe_stage,
    find_raw,
    make_publication,
    make_report,
    open_staging,
    stage_batches,
)
from layers.loading.target import find_target, make_target
from layers.read import open_source
from layers.read.osm import BARRIER_LAYERS, CORE_LAYERS, REFERENCE_LAYERS, read_osm, reference_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from layers.catalog import Pack
    from layers.loading.clean_reference import ReferenceColumn
    from layers.loading.options import LoadOptions, LoadReport, Progress

ID_NAMES = (
    "source_id", "id", "fid", "objectid", "gid", "ogc_fid", "osm_id", "uid", "uuid", "globalid", "feature_id",
    "编号", "编码", "代码", "标识", "唯一标识",
)  # fmt: skip
OSM_SOURCE = "osm"


def load_reference(
    engine: Engine, name: str, path: Path, options: LoadOptions, *, progress: Progress | None = None
) -> LoadReport:
    """Load a file into a reference layer, which is made where there is none of that name.

    Parameters
    ----------
    engine
        Of the owner: the layer gets a table of its own.
    name
        Kebab-case; part of the layer's addresses.
    path, options, progress
        As in :func:`layers.load.load_layer`.

    Raises
    ------
    RequestError
        The name cannot be one.
    DataError
        As in :func:`layers.load.load_layer`.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    reference.check_name(name)
    with open_source(
        path, layer=options.file_layer, encoding=options.encoding, geometry_columns=find_geometry_words(options)
    ) as source:
        info = source.info
        datum = resolve_datum(given=options.datum, declared=info.crs, name=path.name)
        identity = find_id_column(info.columns, options)
        if progress is not None:
            progress(0, info.rows, "finding the types of its columns")
        found = find_reference_columns(source)
        with open_staging(engine) as conn:
            with conn.begin():
                before = reference.fetch_columns(conn, name)
            columns, table_columns = reference.settle_columns(found, before)
            stage = Stage(conn, make_target(name, reference.make_table(name, table_columns)))
            stage.create()
            stage_batches(
                stage,
                source,
                lambda batch: clean_reference_batch(batch, columns, datum=datum, identity=identity),
                progress,
            )
            stage.quarantine_duplicates(lambda lines: find_raw(source, lines))
            stage.seal()
            publication = make_publication(stage, path, options, datum=datum, started_at=started_at)
            mapping = {column.column: column.name for column in columns}
            staged = describe_stage(publication, mapping, info.notes)
            staged.notes[:0] = check_datum_of(staged, options)
            layer = ReferenceWork(name, table_columns, before, options.is_barrier, options.title)
            outcomes = publish_all(conn, [staged], references=[layer], pack=None, dry_run=options.dry_run)
    return make_report(staged, outcomes[0], dry_run=options.dry_run, duration_s=time.monotonic() - began)


def find_id_column(columns: Sequence[str], options: LoadOptions) -> str | None:
    """Return the column that holds the identity; None where it is made from the geometry.

    Raises
    ------
    MissingColumn
        The file has no such column and identities are not to be made from the geometry.
    """
    if options.id_from_geometry:
        return None
    for theirs, ours in options.columns.items():
        if ours == "source_id" and theirs not in columns:
            raise MissingColumn(
                f"Mapping {theirs}={ours}: the file has no column {theirs!r}; it has {', '.join(columns)[:400]}.",
                parameter="map",
            )
        if ours == "source_id":
            return theirs
    keys = {column_key(name): name for name in reversed(columns)}
    for name in ID_NAMES:
        if column_key(name) in keys:
            return keys[column_key(name)]
    raise MissingColumn(
        f"Loading a reference layer: no column looks like an identity; the file has {', '.join(columns)[:400]}.",
        hint="Name it with --map THEIRS=source_id, or make identities from the geometry with --id-from-geometry.",
        parameter="source_id",
    )


@dataclass(frozen=True, slots=True)
class ReferenceWork:
    """What the publishing transaction does about one reference layer beside its rows."""

    name: str
    columns: Sequence[ReferenceColumn]
    before: Sequence[ReferenceColumn]
    is_barrier: bool | None
    title: str | None

    def prepare(self, conn: Connection) -> None:
        """Make or extend the table; the layer's lock is held.

        Raises
        ------
        DataError
            Another load changed the layer's columns since this one began.
        """
        if tuple(reference.fetch_columns(conn, self.name)) != tuple(self.before):
            raise DataError(
                f"Loading reference layer {self.name}: another load changed its columns meanwhile.",
                hint="Nothing was changed; run the load again.",
            )
        reference.prepare_table(conn, self.name, self.columns, self.before)

    def finish(self, conn: Connection) -> bool:
        """Write the registry; return whether the layer became a barrier or ceased to be one."""
        target = make_target(self.name, reference.make_table(self.name, self.columns))
        return reference.save_reference(
            conn,
            self.name,
            self.columns,
            geometry_kind=reference.find_geometry_kind(conn, target),
            is_barrier=self.is_barrier,
            title=self.title,
        )


@dataclass(slots=True)
class OsmStages:
    """The stages of one extract, made when their layer turns up."""

    conn: Connection
    stages: dict[str, Stage] = field(default_factory=dict)
    references: dict[str, ReferenceWork] = field(default_factory=dict)

    def open(self, layer: str) -> Stage:
        """Return the stage of a layer."""
        if layer not in self.stages:
            self.stages[layer] = self._make(layer)
            self.stages[layer].create()
        return self.stages[layer]

    def open_stored(self) -> None:
        """Make a stage for every layer an extract may hold, so that what it does not hold any more is closed."""
        for layer in CORE_LAYERS:
            self.open(layer)
        for layer in REFERENCE_LAYERS:
            with self.conn.begin():
                is_stored = bool(reference.fetch_columns(self.conn, layer))
            if is_stored:
                self.open(layer)

    def _make(self, layer: str) -> Stage:
        number = len(self.stages)
        if layer not in REFERENCE_LAYERS:
            return Stage(self.conn, find_target(layer), number)
        with self.conn.begin():
            before = reference.fetch_columns(self.conn, layer)
        _, columns = reference.settle_columns(reference_columns(layer), before)
        is_barrier = True if layer in BARRIER_LAYERS and not before else None
        self.references[layer] = ReferenceWork(layer, columns, before, is_barrier, None)
        return Stage(self.conn, make_target(layer, reference.make_table(layer, columns)), number)


def load_osm(
    engine: Engine,
    path: Path,
    options: LoadOptions,
    *,
    bbox: tuple[float, float, float, float] | None = None,
    pack: Pack | None = None,
    progress: Progress | None = None,
) -> list[LoadReport]:
    """Load every layer one OpenStreetMap extract holds, all together or none.

    Parameters
    ----------
    engine
        Of the owner: water, railways and land use become reference layers with tables of their own.
    path
        A ``.osm.pbf`` file.
    options
        Source (``osm`` where absent), mode, dry run and datum check; the rest does not apply.
    bbox
        West, south, east, north in degrees.
    pack
        The standards pack in force.
    progress
        Told after each batch.

    Raises
    ------
    DataError
        The extract cannot be read or holds nothing that is looked for.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    known_pack = pack or read_pack()
    asked = _with_source(options)
    with open_staging(engine) as conn:
        work = OsmStages(conn)
        for layer, clean in read_osm(path, bbox=bbox, pack=known_pack):
            work.open(layer).add(clean)
            if progress is not None:
                progress(sum(stage.rows_read for stage in work.stages.values()), None, f"reading {layer}")
        if not work.stages:
            raise DataError(
                f"Loading {path.name}: the extract holds no street, building, facility or area"
                f"{' in the box' if bbox else ''}.",
                hint="Nothing was changed.",
            )
        if options.mode == "replace":
            work.open_stored()
        staged = [_seal(stage, path, asked, started_at) for stage in work.stages.values()]
        outcomes = publish_all(
            conn,
            staged,
            references=list(work.references.values()),
            pack=known_pack,
            dry_run=options.dry_run,
        )
    took_s = time.monotonic() - began
    return [
        make_report(one, outcome, dry_run=options.dry_run, duration_s=took_s)
        for one, outcome in zip(staged, outcomes, strict=True)
    ]


def _with_source(options: LoadOptions) -> LoadOptions:
    return replace(options, source=options.source or OSM_SOURCE)


def _seal(stage: Stage, path: Path, options: LoadOptions, started_at: datetime) -> Staged:
    # an object met twice is kept as its cleaned row: an extract has no lines to read again
    stage.quarantine_duplicates(lambda _lines: {})
    stage.seal()
    if stage.rows_read and not stage.count_kept():
        # the extract holds such objects, but none whole: nothing is known about those stored
        options = replace(options, mode="update")
    publication = make_publication(stage, path, options, datum=parse_datum("wgs84"), started_at=started_at)
    staged = describe_stage(publication, {}, ())
    staged.notes[:0] = check_datum_of(staged, options)
    return staged
