"""Steps of a load that its ways into the store share: reading and copying, counting, checking, describing."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from sqlalchemy import func, select

from geo.errors import DataError
from layers.engine import translate_errors
from layers.loading.datum_check import check_datum
from layers.loading.options import LoadReport
from layers.loading.publishing import Staged
from layers.loading.reader import CONSTANT_PREFIX
from layers.store import Publication

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from geo.datum import Datum
    from layers.loading.clean import Clean
    from layers.loading.options import LoadOptions, Progress
    from layers.loading.reader import Reader
    from layers.loading.staging import Encoded, Stage
    from layers.read import Batch, Source
    from layers.store import Outcome

HASH_CHUNK_BYTES = 1 << 20
# of a loader's own connection: no statement of a large load is too long, and its temporary tables fit in memory
SESSION = {"statement_timeout": "0", "temp_buffers": "64MB", "work_mem": "64MB"}


@dataclass(slots=True)
class Work:
    """One file on its way into one layer."""

    conn: Connection
    source: Source
    reader: Reader
    path: Path
    started_at: datetime
    progress: Progress | None

    def tell_storing(self, stage: Stage) -> None:
        """Say that everything is read."""
        if self.progress is not None:
            self.progress(stage.rows_read, stage.rows_read, "storing")


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


def stage_batches(
    stage: Stage,
    source: Source,
    clean: Callable[[Batch], Clean],
    progress: Progress | None,
    *,
    cut: Callable[[Batch], Iterable[Batch]] = lambda batch: (batch,),
) -> None:
    """Read, clean and copy every batch; while the database takes one, the next is read and cleaned.

    Parameters
    ----------
    stage, source
        Where to and where from.
    clean
        Turns a raw batch into a clean one.
    progress
        Told after each batch.
    cut
        Turns a batch as read into the batches to be cleaned.

    Raises
    ------
    DataError
        The file holds no rows.
    """
    # two threads, so that encoding one batch waits for neither the copy before nor the cleaning after it
    with ThreadPoolExecutor(1, "onemap-encode") as encoder, ThreadPoolExecutor(1, "onemap-copy") as writer:
        pending: Future[None] | None = None
        with _cancelled_at_fault(stage):
            for batch in (piece for whole in read_batches(source) for piece in cut(whole)):
                cleaned = clean(batch)
                check_complete(batch, cleaned)
                if not stage.is_prepared:
                    _wait(pending)
                    stage.prepare(cleaned)
                encoded = encoder.submit(stage.encode, cleaned, stage.count(cleaned))
                # one batch is cleaned, one encoded and one copied: no more are in memory
                _wait(pending)
                pending = writer.submit(_write, stage, encoded)
                if progress is not None:
                    progress(stage.rows_read, source.info.rows, "reading")
            _wait(pending)
    if not stage.rows_read:
        raise DataError(
            f"Loading {stage.target.layer} from {source.info.path.name}: the file holds no rows.",
            hint="Nothing was changed.",
        )


def read_batches(source: Source) -> Iterator[Batch]:
    """Yield the batches of a source; where it may be, the next is read while one is worked on."""
    batches = source.batches()
    if not source.is_read_ahead:
        yield from batches
        return
    with ThreadPoolExecutor(1, "onemap-read") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


@contextmanager
def _cancelled_at_fault(stage: Stage) -> Iterator[None]:
    """Have the database leave off copying when the body ends in a fault or an interrupt: else that is waited for."""
    try:
        yield
    except BaseException:
        driver: Any = stage.conn.connection.dbapi_connection
        with suppress(psycopg.Error):
            driver.cancel()
        raise


def _write(stage: Stage, encoded: Future[Encoded]) -> None:
    stage.write(encoded.result())


def _wait(pending: Future[None] | None) -> None:
    """Wait for a copy and raise what it raised."""
    if pending is not None:
        pending.result()


def check_complete(batch: Batch, cleaned: Clean) -> None:
    """Refuse to go on when a row of the batch is neither kept nor rejected.

    Raises
    ------
    DataError
        A row was lost; this is a fault of the product, and nothing is stored.
    """
    if not cleaned.rejected and np.array_equal(cleaned.frame["line"].to_numpy(dtype=np.int64), batch.line):
        return
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
