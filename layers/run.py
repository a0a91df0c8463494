"""One gap run: from the store through the walking engine and back, with everything that makes it repeatable."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from geo.radius import find_radius_of_many
from geo.reach import find_reach
from layers.query.runs import check_name
from layers.runs.key import make_run_key, repeat_run
from layers.runs.plan import count_network, prepare_run
from layers.runs.result import GapRequest, RunResult, RunSummary, lay_columns
from layers.runs.store import save_run
from layers.study import Study, load_study

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from geo.reach import Reach
    from geo.units import BoolArray, Int32Array
    from layers.runs.plan import RunPlan
    from layers.settings import Settings


def compute_run(
    connection: Connection,
    study: Study,
    request: GapRequest,
    *,
    threads: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    must_link: bool = True,
) -> RunResult:
    """Return the result of a run without storing it.

    Parameters
    ----------
    connection
        An open connection; reads only.
    study
        The store as arrays.
    request
        What to judge.
    threads
        Searches at the same time; None means one a processor. The result does not depend on it.
    progress
        Called with the share done and what is being done.
    must_link
        Whether at least one building must lie near a way; False for a part of a study area.

    Raises
    ------
    NotFound, RequestError
        The request names a type, profile or area that does not exist or cannot be judged.
    NothingLinked
        No building lies within the link distance of any street.
    """
    plan = prepare_run(connection, study, request, must_link=must_link)
    study = plan.study
    radius_of = find_radii(study, plan)
    found: dict[int, Reach] = {}
    linked: dict[int, BoolArray] = {}
    for part in plan.parts:
        tread = part.tread

        def report(done: int, before: int = len(found)) -> None:
            if progress is not None:
                progress((before + done) / len(plan.columns), f"walking {before + done} of {len(plan.columns)} types")

        reaches = find_reach(
            tread.walk,
            tread.homes,
            tread.entrances,
            facilities=[plan.site_rows[number] for number in part.numbers],
            bounds_s=[plan.bounds_s[number] for number in part.numbers],
            threads=threads or os.cpu_count() or 1,
            on_done=report,
        )
        found.update(zip(part.numbers, reaches, strict=True))
        linked.update(dict.fromkeys(part.numbers, tread.homes.links.is_linked))
    numbers = range(len(plan.columns))
    return RunResult(
        study=study,
        columns=plan.columns,
        rows=plan.rows,
        is_linked=lay_columns([linked[number] for number in numbers]),
        reach_ms=lay_columns([found[number].reach_ms for number in numbers]),
        facility=lay_columns([found[number].facility for number in numbers]),
        radius_mm=lay_columns([radius_of[judged.kind.code] for judged in plan.judged]),
        people=lay_columns(plan.weights),
        network_counts=count_network(study.streetscape.network),
    )


def find_radii(study: Study, plan: RunPlan) -> dict[str, Int32Array]:
    """Return by type the straight-line millimetres from every building to the nearest facility, -1 for none."""
    rows_of = {judged.kind.code: rows for judged, rows in zip(plan.judged, plan.site_rows, strict=True)}
    sites = study.sites.places
    return dict(
        zip(
            rows_of,
            find_radius_of_many(
                study.buildings.places.take(plan.rows), [sites.take(rows.astype(np.int64)) for rows in rows_of.values()]
            ),
            strict=True,
        )
    )


def run_gaps(
    engine: Engine,
    settings: Settings,
    request: GapRequest,
    progress: Callable[[float, str], None] | None = None,
) -> RunSummary:
    """Compute a gap run from the store and store its result; asked again of the same store, it shares what is stored.

    Parameters
    ----------
    engine
        The database, as a role that may write.
    settings
        Where caches are kept, link distances and the city file.
    request
        What to judge.
    progress
        Called with the share done and what is being done.

    Raises
    ------
    NotReady
        Streets, buildings or facilities are not loaded.
    NotFound, RequestError
        The request names a type, profile or area that does not exist or cannot be judged, or the run has no name by
        which it could be found.
    NothingLinked
        No building lies near any street.
    """
    check_name(request.name)
    started = time.perf_counter()
    tell = progress or (lambda _share, _message: None)
    with engine.connect() as connection, connection.begin():
        # one state of all layers for the whole run, whatever is loaded meanwhile
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        key = make_run_key(connection, settings, request)
        again = repeat_run(connection, key, request, started=started)
        if again is not None:
            return again
        tell(0.0, "reading the store")
        study = load_study(connection, settings)
        tell(0.1, "linking buildings and facilities")
        result = compute_run(
            connection, study, request, progress=lambda share, message: tell(0.2 + 0.6 * share, message)
        )
        tell(0.8, "storing the result")
        summary = save_run(connection, result, request, duration_s=time.perf_counter() - started, key=key)
    tell(1.0, "done")
    return summary
