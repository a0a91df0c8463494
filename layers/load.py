"""Loading: one file in, the next version of its layer out, or everything as it was.

    file → read → clean → stage (copied batch by batch, outside any long transaction) → publish (one short transaction)

Whatever happens before the commit — a fault, Ctrl-C, a killed process, a lost database — leaves the old version.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import func, select

from geo.datum import resolve_datum
from geo.errors import DataError, RequestError
from layers import metric
from layers.catalog import find_layer, read_pack
from layers.engine import translate_errors
from layers.facility_types import Recogniser, check_code, save_pack
from layers.loading import area_tree
from layers.loading.clean import clean_batch
from layers.loading.datum_check import check_datum
from layers.loading.history import describe_overwritten
from layers.loading.join import read_join
from layers.loading.options import LoadReport
from layers.loading.staging import Stage
from layers.loading.target import find_target
from layers.population import spread_population
from layers.read import open_source
from layers.read.columns import guess_columns, require_columns
from layers.remeasure import measure_again
from layers.store import (
    RESIDENT_LAYERS,
    Publication,
    fetch_version,
    lock_layers,
    publish,
    raise_version,
    refresh_residents,
)
from layers.tables import compound, gate, population

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from geo.datum import Datum
    from layers.catalog import Pack
    from layers.loading.clean import Clean
    from layers.loading.join import JoinedTable
    from layers.loading.options import LoadOptions, Progress
    from layers.read import Batch, Source
    from layers.store import Outcome

HASH_CHUNK_BYTES = 1 << 20
# of a loader's own connection: no statement of a large load is too long, and its temporary tables fit in memory
SESSION = {"statement_timeout": "0", "temp_buffers": "64MB", "work_mem": "64MB"}
# a constant column stands in the batch under a name no file has
CONSTANT_PREFIX = "\x01"
SHOWN_GATES = 5


@dataclass(slots=True)
class Staged:
    """A layer ready to be published, and what is to be said about it."""

    publication: Publication
    columns: Mapping[str, str]
    reasons: dict[str, int]
    repairs: dict[str, int]
    notes: list[str] = field(default_factory=list)


def load_layer(
    engine: Engine,
    layer: str,
    path: Path,
    options: LoadOptions,
    *,
    pack: Pack | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Load a file into a core layer.

    Parameters
    ----------
    engine
        Of the owner, or of a role that may write and make temporary tables.
    layer
        A core layer.
    path
        The file.
    options
        How to read and store it.
    pack
        The standards pack in force, for facility types; the one that ships with the product where absent.
    progress
        Told after each batch.

    Returns
    -------
    What happened; also for a load that changed nothing.

    Raises
    ------
    DataError
        The file cannot be read, lacks a column, holds no rows, or its datum is unknown or doubtful.
    RequestError
        The options make no sense.
    StoreError
        The database is unreachable, full, or was lost on the way; the old version stands.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    target = find_target(layer)
    with open_source(
        path, layer=options.file_layer, encoding=options.encoding, geometry_columns=find_geometry_words(options)
    ) as source:
        reader = _prepare_reader(source, layer, options, pack or read_pack())
        with open_staging(engine) as conn:
            stage = Stage(conn, target)
            stage.create()
            stage_batches(stage, source, reader.clean, progress)
            stage.quarantine_duplicates(lambda lines: find_raw(source, lines))
            notes = _check_tree(stage, options)
            stage.seal()
            publication = make_publication(stage, path, options, datum=reader.datum, started_at=started_at)
            staged = describe_stage(publication, reader.mapping, [*notes, *reader.describe(), *source.info.notes])
            staged.notes[:0] = check_datum_of(staged, options)
            if progress is not None:
                progress(stage.rows_read, stage.rows_read, "storing")
            outcomes = publish_all(conn, [staged], pack=reader.pack, dry_run=options.dry_run)
    return make_report(staged, outcomes[0], dry_run=options.dry_run, duration_s=time.monotonic() - began)


@dataclass(slots=True)
class Reader:
    """Everything needed to turn a raw batch of one file into a clean one."""

    layer: str
    mapping: dict[str, str]
    datum: Datum
    options: LoadOptions
    pack: Pack
    joins: list[JoinedTable]
    recogniser: Recogniser | None

    def clean(self, batch: Batch) -> Clean:
        """Return a cleaned batch with joined and constant columns, and types for facilities."""
        if self.joins or self.options.constants:
            batch = replace(batch, frame=batch.frame.copy())
        for join in self.joins:
            join.add_to(batch)
        for ours, value in self.options.constants.items():
            batch.frame[CONSTANT_PREFIX + ours] = value
        clean = clean_batch(
            batch,
            self.layer,
            columns=self.mapping,
            datum=self.datum,
            id_from_geometry=self.options.id_from_geometry,
        )
        if self.recogniser is not None:
            self.recogniser.apply(clean)
        return clean

    def describe(self) -> list[str]:
        """Return sentences about joins and facility types."""
        return [
            *(join.describe() for join in self.joins),
            *(self.recogniser.describe() if self.recogniser is not None else ()),
        ]


def _prepare_reader(source: Source, layer: str, options: LoadOptions, pack: Pack) -> Reader:
    """Settle columns, joins and datum before the first row is read."""
    info = source.info
    _check_constants(layer, options, pack)
    columns = list(info.columns)
    joins = []
    for join in options.joins:
        joins.append(read_join(join, columns))
        columns += joins[-1].names
    mapping = guess_columns(columns, layer, given=options.columns, taken=info.geometry_columns)
    if options.id_from_geometry:
        # the file's own number is then a column like any other
        mapping.pop("source_id", None)
    for ours in options.constants:
        mapping[ours] = CONSTANT_PREFIX + ours
    require_columns(mapping, columns, layer, id_from_geometry=options.id_from_geometry)
    for joined in joins:
        joined.gather(layer, mapping)
    return Reader(
        layer=layer,
        mapping=mapping,
        datum=resolve_datum(
            given=options.datum,
            declared=info.crs if info.has_geometry or options.datum else "EPSG:4326",
            name=info.path.name,
        ),
        options=options,
        pack=pack,
        joins=joins,
        recogniser=Recogniser(pack, info.path.stem) if layer == "facilities" else None,
    )


def _check_constants(layer: str, options: LoadOptions, pack: Pack) -> None:
    known = find_layer(layer).column_names
    for ours in options.constants:
        if ours not in known or ours == find_layer(layer).identity:
            raise RequestError(
                f"Setting {ours} for every row: layer {layer} has {', '.join(known)}, and identities differ by row.",
                hint="Write --set COLUMN=VALUE with one of our columns.",
                parameter="set",
            )
        if ours in options.columns.values():
            raise RequestError(f"Setting {ours} for every row: --map fills it already.", parameter="set")
    if layer == "facilities" and "type" in options.constants:
        check_code(options.constants["type"], pack)


def find_geometry_words(options: LoadOptions) -> tuple[str, ...] | None:
    """Return the table columns that the mapping names as coordinates, None to find them by name."""
    theirs = {ours: name for name, ours in options.columns.items()}
    if "wkt" in theirs:
        return (theirs["wkt"],)
    if ("lon" in theirs) != ("lat" in theirs):
        missing = "lat" if "lon" in theirs else "lon"
        raise RequestError(f"Mapping coordinates: lon and lat go together, {missing} is missing.", parameter="map")
    return (theirs["lon"], theirs["lat"]) if "lon" in theirs else None


@contextmanager
def open_staging(engine: Engine) -> Iterator[Connection]:
    """Lend a connection of its own; its temporary tables go when it closes, whatever happened."""
    with translate_errors(private=engine.url.host is None):
        conn = engine.connect()
        try:
            conn.detach()
            with conn.begin():
                conn.execute(select(*(func.set_config(name, value, False) for name, value in SESSION.items())))
            yield conn
        finally:
            conn.close()


def stage_batches(stage: Stage, source: Source, clean: Callable[[Batch], Clean], progress: Progress | None) -> None:
    """Read, clean and copy every batch; only one is in memory at a time.

    Raises
    ------
    DataError
        The file holds no rows.
    """
    for batch in source.batches():
        cleaned = clean(batch)
        check_complete(batch, cleaned)
        stage.add(cleaned)
        if progress is not None:
            progress(stage.rows_read, source.info.rows, "reading")
    if not stage.rows_read:
        raise DataError(
            f"Loading {stage.target.layer} from {source.info.path.name}: the file holds no rows.",
            hint="Nothing was changed.",
        )


def check_complete(batch: Batch, cleaned: Clean) -> None:
    """Refuse to go on when a row of the batch is neither kept nor rejected.

    Raises
    ------
    DataError
        A row was lost; this is a fault of the product, and nothing is stored.
    """
    seen = {*cleaned.frame["line"].tolist(), *(row.line for row in cleaned.rejected)}
    lost = [line for line in batch.line.tolist() if line not in seen]
    if lost:
        raise DataError(
            f"Loading: line {lost[0]} was neither kept nor rejected ({len(lost)} such lines).",
            hint="This is a bug in onemap; nothing was changed. Please report it with the file.",
        )


def find_raw(source: Source, lines: Sequence[int]) -> dict[int, str]:
    """Read a file again for the raw text of some lines."""
    wanted, found = set(lines), dict[int, str]()
    for batch in source.batches():
        for row, line in enumerate(batch.line.tolist()):
            if line in wanted:
                found[line] = batch.raw(row)
        if len(found) == len(wanted):
            break
    return found


def make_publication(
    stage: Stage, path: Path, options: LoadOptions, *, datum: Datum, started_at: datetime
) -> Publication:
    """Return what is written about the load of a sealed stage."""
    return Publication(
        stage=stage,
        source=options.source or stage.target.layer,
        mode=options.mode,
        file_name=path.name,
        file_sha256=hash_file(path),
        datum=datum.code,
        options=options.as_dict(),
        started_at=started_at,
    )


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def describe_stage(publication: Publication, mapping: Mapping[str, str], notes: Sequence[str]) -> Staged:
    """Count what will be quarantined and repaired; nothing of a file that has no good row is closed.

    Raises
    ------
    DataError
        ``replace`` was asked for and no row could be kept.
    """
    stage = publication.stage
    reasons = stage.count_reasons()
    if publication.mode == "replace" and stage.rows_read and not stage.count_kept():
        raise DataError(
            f"Loading {stage.target.layer} from {publication.file_name}: none of {stage.rows_read:,} rows can be kept "
            f"({', '.join(f'{reason}: {count:,}' for reason, count in reasons.items())}).",
            hint="Nothing was changed. Load it without --replace to see the rows with `onemap quarantine`.",
        )
    columns = {ours: "(set)" if theirs.startswith(CONSTANT_PREFIX) else theirs for ours, theirs in mapping.items()}
    return Staged(publication, columns, reasons, stage.count_repairs(), list(notes))


def _check_tree(stage: Stage, options: LoadOptions) -> list[str]:
    """Check what only the whole file can tell: area codes and parents."""
    if stage.target.layer != "areas":
        return []
    notes = []
    if options.scheme == "cn":
        area_tree.quarantine_other_codes(stage.conn, stage)
    elif options.scheme == "auto":
        others = area_tree.count_other_codes(stage.conn, stage)
        if 0 < others < stage.rows_read / 2:
            notes.append(f"{others:,} area codes are not 12 or 15 digits as most others are")
    area_tree.quarantine_orphans(stage.conn, stage, source=options.source or stage.target.layer)
    return notes


def check_datum_of(staged: Staged, options: LoadOptions) -> list[str]:
    """Return a sentence about a doubtful datum that does not stop the load.

    Raises
    ------
    DatumUnknown
        The layer sits a shift away from what is loaded and nobody said that this is meant.
    """
    publication = staged.publication
    suspicion = check_datum(
        publication.stage,
        name=publication.file_name,
        declared=publication.datum,
        has_decided=options.accept_datum or options.datum is not None,
    )
    return [] if suspicion is None else [suspicion]


class Beside(Protocol):
    """Work the publishing transaction does for one layer beside its rows."""

    @property
    def name(self) -> str:
        """The layer's version key."""

    def prepare(self, conn: Connection) -> None:
        """Make ready what the rows need."""

    def finish(self, conn: Connection) -> bool:
        """Follow the rows; return whether the layer changed although its rows did not."""


def publish_all(
    conn: Connection,
    staged: Sequence[Staged],
    *,
    pack: Pack | None,
    dry_run: bool,
    references: Sequence[Beside] = (),
) -> list[Outcome]:
    """Publish layers of one file together, with everything that follows from them, in one transaction."""
    publications = [one.publication for one in staged]
    stages = {publication.stage.target.layer: publication.stage for publication in publications}
    with conn.begin() as transaction:
        lock_layers(conn, stages)
        for beside in references:
            beside.prepare(conn)
        if dry_run:
            outcomes = publish(conn, publications, dry_run=True)
            _note_overwritten(conn, staged, outcomes)
            transaction.rollback()
            return outcomes
        _settle_metric_crs(conn, stages)
        outcomes = publish(conn, publications)
        _note_overwritten(conn, staged, outcomes)
        for beside in references:
            if beside.finish(conn) and not _has_changed(outcomes, beside.name):
                table = stages[beside.name].target.table
                raise_version(conn, table, beside.name, box=None, load_id=None, kind="barrier")
        if any(outcome.has_changed and outcome.layer in RESIDENT_LAYERS for outcome in outcomes):
            outcomes = _settle_residents(conn, staged, outcomes)
        if pack is not None and "facilities" in stages:
            save_pack(conn, pack)
        for one, outcome in zip(staged, outcomes, strict=True):
            one.notes += _list_gates_without_compound(conn) if outcome.layer in ("gates", "compounds") else []
    return outcomes


def _note_overwritten(conn: Connection, staged: Sequence[Staged], outcomes: Sequence[Outcome]) -> None:
    for one, outcome in zip(staged, outcomes, strict=True):
        one.notes[:0] = describe_overwritten(conn, one.publication, outcome)


def _has_changed(outcomes: Sequence[Outcome], layer: str) -> bool:
    return any(outcome.has_changed for outcome in outcomes if outcome.layer == layer)


def _settle_metric_crs(conn: Connection, stages: Mapping[str, Stage]) -> None:
    """Choose the store's grid at the first load of streets; provisionally from anything else before."""
    if metric.is_fixed(conn):
        return
    streets = stages.get("streets")
    if streets is None and metric.find_metric_crs(conn) is not None:
        return
    stage = streets or next(iter(stages.values()))
    crs = metric.choose_from_rows(conn, stage.ready, stage.ready.c.geom)
    if crs is None:
        return
    if metric.save_metric_crs(conn, crs, basis="provisional" if streets is None else "streets"):
        measure_again(conn, crs)


def _settle_residents(conn: Connection, staged: Sequence[Staged], outcomes: list[Outcome]) -> list[Outcome]:
    """Put people on buildings anew; residents that changed are a new version of the population layer."""
    report = spread_population(conn)
    loaded = {outcome.layer: outcome for outcome in outcomes}
    is_raised = "population" in loaded and loaded["population"].has_changed
    if report.has_changed and not is_raised:
        raise_version(conn, population, "population", box=None, load_id=None, kind="residents")
    if report.has_changed or is_raised:
        refresh_residents(conn)
    for one in staged:
        if one.publication.stage.target.layer in RESIDENT_LAYERS:
            one.notes += report.describe()
            break
    version = fetch_version(conn, "population")
    return [replace(outcome, version=version) if outcome.layer == "population" else outcome for outcome in outcomes]


def _list_gates_without_compound(conn: Connection) -> list[str]:
    """Return a sentence about gates that name no loaded compound: they let nobody in or out of anything."""
    known = select(compound.c.id).where(compound.c.source_id == gate.c.compound_id, compound.c.valid_to.is_(None))
    lone = (gate.c.valid_to.is_(None), ~known.exists())
    count = conn.execute(select(func.count()).select_from(gate).where(*lone)).scalar_one()
    if not count:
        return []
    some = conn.execute(select(gate.c.source_id).where(*lone).order_by(gate.c.source_id).limit(SHOWN_GATES)).scalars()
    return [f"{count:,} gates belong to no loaded compound: {', '.join(some)}{' …' if count > SHOWN_GATES else ''}"]


def make_report(staged: Staged, outcome: Outcome, *, dry_run: bool, duration_s: float) -> LoadReport:
    """Return what is told about one layer's load."""
    publication = staged.publication
    return LoadReport(
        outcome=outcome,
        source=publication.source,
        file_name=publication.file_name,
        datum=publication.datum,
        columns=staged.columns,
        reasons=staged.reasons,
        repairs=staged.repairs,
        notes=tuple(staged.notes),
        dry_run=dry_run,
        duration_s=duration_s,
    )
