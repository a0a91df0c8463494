"""Where jobs are done: one process beside the server, so that a long run never keeps a tile waiting."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from concurrent.futures import BrokenExecutor
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from layers.jobs import DIED, fail_job, fail_lost_jobs, fetch_job, fetch_queued, run_job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from multiprocessing.process import BaseProcess

    from sqlalchemy import Engine

    from layers.settings import Settings

logger = logging.getLogger(__name__)

BUG = {
    "title": "Job failed",
    "detail": "The job met a fault of the product's own; nothing was stored.",
    "hint": "The log of the server holds the details.",
}


def end_with_server() -> None:
    """End this process when the server that made it is gone, however it went: a job holds locks while it works."""
    server = multiprocessing.parent_process()
    if server is not None:
        threading.Thread(target=_outlive, args=(server,), daemon=True).start()


def _outlive(server: BaseProcess) -> None:
    server.join()
    os._exit(1)


def do_gap_run(engine: Engine, settings: Settings, request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """Compute and store one gap run and return its id and totals."""
    from layers.hours import write_at
    from layers.run import run_gaps
    from layers.runs.follow import set_following
    from layers.runs.result import GapRequest

    asked = GapRequest(
        types=tuple(request["types"]),
        profiles=tuple(request["profiles"]),
        minutes=request["minutes"],
        area=request["area"],
        at=write_at(request.get("at")),
        name=request["name"],
    )
    summary = run_gaps(engine, settings, asked, progress)
    if request.get("follow"):
        with engine.begin() as connection:
            set_following(connection, summary.id, follows=True)
    return {"run_id": summary.id, "duration_s": summary.duration_s, "counts": summary.counts}


def do_follow_run(engine: Engine, settings: Settings, request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """Bring one run up to date with the layers and return what that took."""
    from layers.runs.follow import follow_run

    return asdict(follow_run(engine, settings, request["run"], progress=progress))


WORKS: dict[str, Callable[..., dict[str, Any]]] = {"gap-run": do_gap_run, "follow-run": do_follow_run}


class JobRunner:
    """Hands stored jobs to an executor, one after the other.

    Parameters
    ----------
    settings
        The installation.
    engine
        The database, as a role that may write.
    make_executor
        Makes what jobs are done in; called again when its process was killed.
    """

    def __init__(self, settings: Settings, engine: Engine, make_executor: Callable[[], Executor]) -> None:
        self.settings = settings
        self.engine = engine
        self.make_executor = make_executor
        self.executor = make_executor()
        self.is_closing = False
        self._lock = threading.Lock()

    def take_on_waiting(self) -> None:
        """Settle what an earlier server left behind: lost jobs fail, waiting ones are taken on."""
        with self.engine.begin() as connection:
            fail_lost_jobs(connection)
            waiting = fetch_queued(connection)
        for row in waiting:
            self.submit(row.id, row.kind)

    def submit(self, job_id: uuid.UUID, kind: str) -> None:
        """Do a stored job when its turn comes."""
        with self._lock:
            try:
                future = self.executor.submit(run_job, self.settings, job_id, WORKS[kind])
            except BrokenExecutor:
                self.executor.shutdown(wait=False)
                self.executor = self.make_executor()
                future = self.executor.submit(run_job, self.settings, job_id, WORKS[kind])
        future.add_done_callback(partial(self._settle, job_id, kind))

    def close(self) -> None:
        """Stop at once: the next server takes on what has not begun and tells what was broken off."""
        self.is_closing = True
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        self.executor.shutdown(wait=True)

    def _settle(self, job_id: uuid.UUID, kind: str, future: Future[None]) -> None:
        """Say in the store that a job failed where its process could not; one that had not begun is begun again."""
        if future.cancelled() or self.is_closing:
            return
        error = future.exception()
        if error is None:
            return
        logger.error("job %s failed", job_id, exc_info=error)
        with self.engine.begin() as connection:
            # a process that was killed, by hand or for want of memory, is no fault of the product's own
            was_killed = isinstance(error, BrokenExecutor)
            if was_killed and fetch_job(connection, job_id).state == "queued":
                threading.Thread(target=self.submit, args=(job_id, kind), daemon=True).start()
            else:
                fail_job(connection, job_id, DIED if was_killed else BUG)
