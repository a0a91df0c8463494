"""Loading: one file in, the next version of its layer out, or everything as it was.

    file → read → clean → stage (copied batch by batch, outside any long transaction) → publish (one short transaction)
    file → read → clean → copied into the layer itself, where its source is new (one transaction)

Whatever happens before the commit — a fault, Ctrl-C, a killed process, a lost database — leaves the old version.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from layers.catalog import read_pack
from layers.loading import area_tree, direct
from layers.loading.publishing import publish_all
from layers.loading.reader import find_geometry_words, prepare_reader
from layers.loading.staging import Stage
from layers.loading.steps import (
    Work,
    check_datum_of,
    describe_stage,
    find_raw,
    make_publication,
    make_report,
    open_staging,
    stage_batches,
)
from layers.loading.target import find_target
from layers.read import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from layers.catalog import Pack
    from layers.loading.options import LoadOptions, LoadReport, Progress
    from layers.loading.publishing import Staged
    from layers.loading.target import Target
    from layers.store import Outcome


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
        known_pack = pack or read_pack()
        reader = prepare_reader(source, layer, options, known_pack)
        with open_staging(engine) as conn:
            work = Work(conn, source, reader, path, started_at, progress)
            done = direct.load(work, target) if direct.suits(target, options) else None
            if done is None:
                # a reader keeps count of what it saw: the second way begins with a new one
                work.reader = prepare_reader(source, layer, options, known_pack)
                done = _load_staged(work, target)
    return make_report(*done, dry_run=options.dry_run, duration_s=time.monotonic() - began)


def _load_staged(work: Work, target: Target) -> tuple[Staged, Outcome]:
    """Load by way of temporary tables, merging with what the store holds."""
    conn, source, reader, options = work.conn, work.source, work.reader, work.reader.options
    stage = Stage(conn, target)
    stage.create()
    stage_batches(stage, source, reader.clean, work.progress, cut=reader.cut)
    stage.quarantine_duplicates(lambda lines: find_raw(source, lines))
    notes = _check_tree(stage, options)
    stage.seal()
    publication = make_publication(stage, work.path, options, datum=reader.datum, started_at=work.started_at)
    staged = describe_stage(publication, reader.mapping, [*notes, *reader.describe(), *source.info.notes])
    staged.notes[:0] = check_datum_of(staged, options)
    work.tell_storing(stage)
    return staged, publish_all(conn, [staged], pack=reader.pack, dry_run=options.dry_run)[0]


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
