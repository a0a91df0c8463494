"""Runs that follow: after a change of the layers only what it touched is computed anew.

Whom a change can touch is bounded: a walk of so many seconds leads no farther than those seconds at the fastest pace.
Everybody within that distance of a changed place, and everybody who walked to a changed facility, is searched again,
to the facilities within that distance of them. The rest keeps its figures. What comes out is what a full run gives.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sqlalchemy import func, select, text, update

from layers import tables
from layers.jobs import OPEN_STATES, create_job, fail_lost_jobs
from layers.query.runs import fetch_run
from layers.query.scenarios import find_changed_layers
from layers.run import compute_run
from layers.runs.follow_changes import Changes, find_changes
from layers.runs.follow_compute import Carried
from layers.runs.key import make_run_key
from layers.runs.load import load_figures
from layers.runs.plan import prepare_run
from layers.runs.replay import read_request
from layers.runs.store import describe_engine, find_code_version
from layers.runs.update import update_run
from layers.study import load_study
from layers.tables import run

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine, Row

    from geo.units import IntArray
    from layers.runs.result import RunResult
    from layers.settings import Settings
    from layers.study import Study

JOB_KIND = "follow-run"

How = Literal["current", "touched", "full"]

LOCK_CLASS = 0x6F6D66
"""First key of the advisory locks of runs being brought up to date: the letters "omf" in hexadecimal."""

MOST = 0.5
"""Beyond this share of buildings touched a full run is quicker."""


@dataclass(frozen=True, slots=True)
class FollowReport:
    """What bringing a run up to date did.

    Attributes
    ----------
    run_id
        Which run.
    how
        ``current``: nothing had changed; ``touched``: only what the change touched was computed; ``full``: everything.
    reason
        Why everything had to be computed; empty otherwise.
    changed_layers
        Layers that had changed.
    buildings_computed, buildings_changed
        Buildings searched again, and those of which a figure differs.
    is_same
        Whether a full run gave the same figures to the last bit; None where that was not asked for.
    """

    run_id: int
    how: How
    reason: str
    changed_layers: tuple[str, ...]
    buildings_computed: int
    buildings_changed: int
    duration_s: float
    is_same: bool | None = None


def set_following(connection: Connection, run_id: int, *, follows: bool) -> None:
    """Say whether a run is brought up to date after changes of the layers it was made from."""
    connection.execute(update(run).where(run.c.id == run_id).values(follows=follows))


def find_behind(connection: Connection) -> list[int]:
    """Return the runs that follow and whose layers have changed since, oldest first."""
    rows = connection.execute(select(run.c.id, run.c.versions).where(run.c.follows).order_by(run.c.id))
    return [row.id for row in rows if find_changed_layers(connection, row.versions)]


def order_following(connection: Connection, run_id: int) -> tuple[uuid.UUID, bool]:
    """Return the job that brings a run up to date, and whether it is new: one that waits or runs is not doubled.

    Parameters
    ----------
    connection
        An open connection that may write; its transaction is the caller's.
    run_id
        Which run.

    Raises
    ------
    Conflict
        Too many jobs wait already.
    """
    # two servers that see the same change must not both order
    connection.execute(select(func.pg_advisory_xact_lock(LOCK_CLASS, 0)))
    # one whose process was killed would be waited for without end
    fail_lost_jobs(connection)
    job = tables.job.c
    mine = (job.kind == JOB_KIND, job.state.in_(OPEN_STATES), job.request["run"].astext == str(run_id))
    known = connection.execute(select(job.id).where(*mine).limit(1)).scalar()
    if known is not None:
        return known, False
    return create_job(connection, kind=JOB_KIND, request={"run": str(run_id)}), True


def follow_run(
    engine: Engine,
    settings: Settings,
    reference: str,
    *,
    check: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> FollowReport:
    """Bring a stored run up to date with the layers as they are now, in one transaction.

    Parameters
    ----------
    engine
        The database, as a role that may write.
    settings
        Where caches are kept, link distances and the city file.
    reference
        Id or name of a run, or ``latest``.
    check
        Also compute everything and compare.
    progress
        Called with the share done and what is being done.

    Raises
    ------
    NotFound, NotReady
        There is no such run, or a layer it needs is not loaded any more.
    NothingLinked
        No building lies near any street any more.
    """
    started = time.perf_counter()
    tell = progress or (lambda _share, _message: None)
    with engine.connect() as connection:
        run_id = fetch_run(connection, reference).id
    with _hold(engine, run_id), engine.connect() as connection, connection.begin():
        # one state of all layers for everything that is read
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        row = fetch_run(connection, str(run_id))
        tell(0.0, "reading what changed")
        study = load_study(connection, settings)
        work = _Work(connection, study, row, tell)
        report = work.bring_up_to_date()
        is_same = work.check() if check else None
    tell(1.0, "done")
    return replace(report, duration_s=time.perf_counter() - started, is_same=is_same)


@contextmanager
def _hold(engine: Engine, run_id: int) -> Iterator[None]:
    """Keep others from bringing the same run up to date meanwhile."""
    keys = {"kind": LOCK_CLASS, "run": run_id % 2**31}
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:kind, :run)"), keys)
        # the lock is the session's: nothing stays open while the run is computed
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:kind, :run)"), keys)
            connection.commit()


class _Work:
    """One run on its way to the present state of the layers."""

    def __init__(self, connection: Connection, study: Study, row: Row[Any], tell: Callable[[float, str], None]) -> None:
        self.connection = connection
        self.study = study
        self.row = row
        self.tell = tell
        self.request = read_request(row.request)

    def bring_up_to_date(self) -> FollowReport:
        """Compute and store what has changed."""
        changes = find_changes(self.connection, self.row.versions, self.study.streetscape.network.metric_crs)
        why = changes.why_all or self._find_reason()
        if not changes.layers and why is None:
            return self._report("current", "", changes, 0, 0)
        if self.request.at is not None and "streets" in changes.layers:
            why = why or "the country whose holidays count goes by the streets"
        if why is None:
            report = self._follow(changes)
            if report is not None:
                return report
            why = "most buildings were touched"
        return self._run_in_full(changes, why)

    def check(self) -> bool:
        """Return whether a full run gives the figures that are stored, to the last bit."""
        self.tell(0.8, "computing everything to compare")
        stored = self.connection.execute(select(run.c.result_sha256).where(run.c.id == self.row.id)).scalar_one()
        return bool(compute_run(self.connection, self.study, self.request).digest() == stored)

    def _find_reason(self) -> str | None:
        """Return what beside layers differs from when the run was made."""
        engine = dict(self.row.engine)
        before = {
            "the standards pack": self.row.pack_version,
            "the release": self.row.code_version,
            "the metric CRS": self.row.metric_crs,
            "the link distance": engine.get("link_max_m"),
            "the distance within which streets are joined": engine.get("street_join_m"),
            "a library": {name: engine.get(name) for name in describe_engine()},
        }
        now = {
            "the standards pack": self.study.pack.version,
            "the release": find_code_version(),
            "the metric CRS": self.study.streetscape.network.metric_crs,
            "the link distance": self.study.settings.link_max_m,
            "the distance within which streets are joined": self.study.streetscape.made_from["join_m"],
            "a library": describe_engine(),
        }
        changed = [name for name, value in before.items() if value != now[name]]
        return f"{changed[0]} changed" if changed else None

    def _run_in_full(self, changes: Changes, why: str) -> FollowReport:
        self.tell(0.1, f"computing everything: {why}")
        result = compute_run(self.connection, self.study, self.request)
        stored = load_figures(self.connection, self.row.id)
        now = result.study.buildings.building_id[result.rows]
        gone = np.setdiff1d(stored.building_id, now)
        count = int(result.rows.shape[0])
        self._store(result, np.arange(count), gone)
        return self._report("full", why, changes, count, count)

    def _follow(self, changes: Changes) -> FollowReport | None:
        """Compute and store what the changes touched; None where that is most of everything."""
        self.tell(0.2, "linking buildings and facilities")
        plan = prepare_run(self.connection, self.study, self.request)
        stored = load_figures(self.connection, self.row.id)
        if [(c.type, c.profile, c.limit_s) for c in stored.columns] != [
            (c.type, c.profile, c.limit_s) for c in plan.columns
        ]:
            return self._run_in_full(changes, "the types that are judged changed")
        draft = Carried(plan, stored, changes)
        touched = draft.find_touched()
        if max((rows.shape[0] for rows in touched), default=0) > MOST * plan.rows.shape[0]:
            return None
        self.tell(0.4, "walking what was touched")
        result = draft.compute(touched)
        self.tell(0.7, "storing what differs")
        rows = np.flatnonzero(draft.find_different(result))
        gone = np.setdiff1d(stored.building_id, draft.building_id)
        self._store(result, rows, gone)
        computed = int(np.unique(np.concatenate([np.empty(0, dtype=np.int64), *touched])).shape[0])
        return self._report("touched", "", changes, computed, int(rows.shape[0]) + int(gone.shape[0]))

    def _store(self, result: RunResult, rows: IntArray, gone: IntArray) -> None:
        key = make_run_key(self.connection, self.study.settings, self.request)
        update_run(self.connection, self.row.id, result, rows, gone=gone, key=key)

    def _report(self, how: How, reason: str, changes: Changes, computed: int, changed: int) -> FollowReport:
        return FollowReport(self.row.id, how, reason, changes.layers, computed, changed, 0.0)
