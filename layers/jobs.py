"""Long work asked for over HTTP: stored, followed, cancelled, and never left "running" by a process that died."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, text, update

from geo.errors import Conflict, NotFound, OneMapError
from layers import tables
from layers.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine, Row

    from layers.settings import Settings

OPEN_STATES = ("queued", "running")
END_STATES = ("done", "failed", "cancelled")
# Progress is written, and a wish to cancel is looked for, at most this often.
PROGRESS_EVERY_S = 0.25
WAITING_MAX = 20
DIED = {
    "title": "Job failed",
    "detail": "The process that did this job ended before it was done; nothing was stored.",
    "hint": "Ask for it again.",
}


class JobCancelled(OneMapError):
    """Somebody asked for the job to stop."""

    title = "Cancelled"


def create_job(conn: Connection, *, kind: str, request: dict[str, Any]) -> uuid.UUID:
    """Store a job that waits and return its id.

    Raises
    ------
    Conflict
        Too many jobs wait already.
    """
    waiting = conn.execute(select(func.count()).where(tables.job.c.state.in_(OPEN_STATES))).scalar_one()
    if waiting >= WAITING_MAX:
        raise Conflict(f"Asking for a job: {waiting} are waiting or running already", hint="Wait, or cancel some.")
    key = uuid.uuid4()
    conn.execute(insert(tables.job).values(id=key, kind=kind, state="queued", request=request))
    return key


def fetch_job(conn: Connection, job_id: uuid.UUID) -> Row[Any]:
    """Return one job.

    Raises
    ------
    NotFound
        There is no such job.
    """
    row = conn.execute(select(tables.job).where(tables.job.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"Looking up job {job_id}: found none", parameter="job_id")
    return row


def cancel_job(conn: Connection, job_id: uuid.UUID) -> None:
    """Ask a job to stop; one that has ended stays as it is.

    Raises
    ------
    NotFound
        There is no such job.
    """
    fetch_job(conn, job_id)
    job = tables.job
    conn.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state.in_(OPEN_STATES))
        .values(state="cancelled", message="cancelled", changed_at=func.now())
    )


def fail_lost_jobs(conn: Connection) -> int:
    """Mark running jobs as failed whose process is gone, and return how many.

    A process holds an advisory lock while it works; where the lock is free, nobody works.
    """
    job = tables.job
    lost = 0
    for row in conn.execute(select(job.c.id).where(job.c.state == "running")).all():
        if conn.execute(select(func.pg_try_advisory_xact_lock(lock_key(row.id)))).scalar():
            fail_job(conn, row.id, DIED)
            lost += 1
    return lost


def fetch_queued(conn: Connection) -> list[Row[Any]]:
    """Return the jobs that wait, oldest first; a server that starts takes them on.

    Several may take on the same job: only the first begins it.
    """
    job = tables.job
    return list(conn.execute(select(job.c.id, job.c.kind).where(job.c.state == "queued").order_by(job.c.created_at)))


def fail_job(conn: Connection, job_id: uuid.UUID, error: dict[str, Any]) -> None:
    """Mark a job as failed unless it has ended."""
    job = tables.job
    conn.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state.in_(OPEN_STATES))
        .values(state="failed", error=error, changed_at=func.now())
    )


def lock_key(job_id: uuid.UUID) -> int:
    """Return the advisory lock of a job as PostgreSQL's bigint."""
    return int.from_bytes(job_id.bytes[:8], "big", signed=True)


class JobProgress:
    """Tells the store how far a job is and stops the job when somebody asks for it."""

    def __init__(self, engine: Engine, job_id: uuid.UUID) -> None:
        self.engine = engine
        self.job_id = job_id
        self.written_at_s = 0.0

    def __call__(self, share: float, message: str) -> None:
        """Note how far the job is.

        Parameters
        ----------
        share
            0 to 1.
        message
            What is being done.

        Raises
        ------
        JobCancelled
            Somebody asked for the job to stop.
        """
        now_s = time.monotonic()
        if now_s - self.written_at_s < PROGRESS_EVERY_S and share < 1:
            return
        self.written_at_s = now_s
        job = tables.job
        with self.engine.begin() as conn:
            state = conn.execute(
                update(job)
                .where(job.c.id == self.job_id)
                .values(progress=min(max(share, 0.0), 1.0), message=message, changed_at=func.now())
                .returning(job.c.state)
            ).scalar_one()
        # at the end all is stored: too late to stop, and the job says so
        if state == "cancelled" and share < 1:
            raise JobCancelled("The job was cancelled before it was done; nothing was stored.")


def run_job(settings: Settings, job_id: uuid.UUID, work: Callable[..., dict[str, Any]]) -> None:
    """Do one stored job from start to end; made for a process of its own.

    Parameters
    ----------
    settings
        The installation.
    job_id
        A queued job.
    work
        Takes engine, settings, the stored request and a progress; returns what the job's result shall be.
    """
    engine = make_engine(settings, role="writer")
    try:
        with engine.connect() as lock:
            lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": lock_key(job_id)})
            lock.commit()
            _work_on(engine, settings, job_id, work)
    finally:
        engine.dispose()


def _work_on(engine: Engine, settings: Settings, job_id: uuid.UUID, work: Callable[..., dict[str, Any]]) -> None:
    job = tables.job
    with engine.begin() as conn:
        started = conn.execute(
            update(job)
            .where(job.c.id == job_id, job.c.state == "queued")
            .values(state="running", changed_at=func.now())
            .returning(job.c.request)
        ).one_or_none()
    if started is None:
        return
    try:
        result = work(engine, settings, started.request, JobProgress(engine, job_id))
    except JobCancelled:
        return
    except OneMapError as error:
        told = {"title": error.title, "detail": error.message, "hint": error.hint, "parameter": error.parameter}
        with engine.begin() as conn:
            fail_job(conn, job_id, told)
        return
    with engine.begin() as conn:
        # also over "cancelled": what was stored before the wish was seen is there, and is said to be
        conn.execute(
            update(job)
            .where(job.c.id == job_id)
            .values(state="done", progress=1.0, message="", result=result, changed_at=func.now())
        )
