"""One gap run: from the store through the walking engine and back, with everything that makes it repeatable."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from geo.errors import NotFound, NothingLinked, RequestError
from geo.gaps import weigh_people
from geo.radius import find_radius
from geo.reach import Reach, check_bound, find_reach
from layers.query.runs import check_name
from layers.run_result import EVERYBODY, Column, GapRequest, RunResult, RunSummary
from layers.run_store import save_run
from layers.study import Study, Tread, load_study, load_tread

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from geo.network import Network
    from geo.units import BoolArray, IntArray
    from layers.catalog import FacilityType
    from layers.settings import Settings

BOUND_FACTOR = 2
"""Reach is searched to this many times the limit (design rule "Walking")."""


def choose_types(study: Study, request: GapRequest) -> list[tuple[FacilityType, int]]:
    """Return the types to judge with their limits in seconds.

    Raises
    ------
    NotFound
        A type is not in the pack.
    RequestError
        A type has no walk limit and none was given, or the minutes are out of range.
    """
    pack = study.pack
    if request.minutes is not None:
        check_bound(request.minutes * 60 * BOUND_FACTOR)
    wanted = [pack[code] for code in dict.fromkeys(request.types)] if request.types else list(pack.testable)
    chosen = []
    for kind in wanted:
        limit = kind.limit_s if request.minutes is None else round(request.minutes * 60)
        if limit is None or (not kind.testable and kind.mode != "walk"):
            reason = dict(pack.not_judged).get(kind.code, "it has no walk limit")
            raise RequestError(
                f"type {kind.code} ({kind.name_zh}) cannot be judged by walking: {reason}",
                hint="leave it out, or give a limit with --minutes",
                parameter="types",
            )
        chosen.append((kind, limit))
    return chosen


def choose_buildings(study: Study, area: str | None) -> IntArray:
    """Return the rows of the buildings to judge: all, or those in an area and the areas below it.

    Raises
    ------
    NotFound
        There is no such area.
    """
    count = study.buildings.building_id.shape[0]
    if area is None:
        return np.arange(count, dtype=np.int64)
    tree = study.areas.tree
    if area not in tree.code:
        raise NotFound(f"there is no area {area}", hint="onemap layers shows what is loaded", parameter="area")
    inside = np.zeros(len(tree.code) + 1, dtype=bool)
    inside[tree.code.index(area)] = True
    for row in np.argsort(tree.depth, kind="stable"):
        if tree.parent[row] >= 0 and inside[tree.parent[row]]:
            inside[row] = True
    return np.flatnonzero(inside[study.buildings.deepest])


def _take_homes(tread: Tread, rows: IntArray) -> Tread:
    links = tread.homes.links
    taken = type(links)(links.edge[rows], links.place_mm[rows], links.off_mm[rows])
    return replace(tread, homes=type(tread.homes)(taken, tread.homes.zone[rows]))


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
        Whether it is a fault that no building is linked; a part of the study area may have none.

    Raises
    ------
    NothingLinked
        No building lies within the link distance of any street.
    """
    chosen = choose_types(study, request)
    rows = choose_buildings(study, request.area)
    threads = threads or os.cpu_count() or 1
    counts = {name: column[rows] for name, column in study.buildings.people_columns().items()}
    start = study.buildings.start[rows]
    site_rows = [study.sites.rows_of(kind.code, study.pack) for kind, _ in chosen]
    radius = [find_radius(start, study.sites.geometry[mine]) for mine in site_rows]
    weights = [weigh_people(counts, kind.demand_groups) for kind, _ in chosen]
    columns: list[Column] = []
    found: list[Reach] = []
    linked: list[BoolArray] = []
    for number, code in enumerate(request.profiles):
        if code not in study.profiles:
            raise NotFound(
                f"there is no profile {code}; found {', '.join(sorted(study.profiles))}", parameter="profile"
            )
        tread = _take_homes(load_tread(connection, study, study.profiles[code]), rows)
        if must_link and not tread.homes.links.is_linked.any():
            raise NothingLinked(
                f"no building of {rows.shape[0]} lies within {study.settings.link_max_m:g} m of a street open to "
                f"profile {code}",
                hint="check that streets and buildings cover the same place and were loaded with the right datum",
            )

        def report(done: int, before: int = number) -> None:
            if progress is not None:
                share = (before + done / max(len(chosen), 1)) / len(request.profiles)
                progress(share, f"walking {done} of {len(chosen)} types")

        found += find_reach(
            tread.walk,
            tread.homes,
            tread.entrances,
            facilities=site_rows,
            bounds_s=[limit * BOUND_FACTOR for _, limit in chosen],
            threads=threads,
            on_done=report,
        )
        linked += [tread.homes.links.is_linked] * len(chosen)
        columns += [
            Column(
                type=kind.code,
                profile=code,
                limit_s=limit,
                radius_limit_m=kind.radius_m,
                demand_group=kind.demand_group_code or EVERYBODY,
                people_basis=basis,
                facilities=int(mine.shape[0]),
                facilities_unlinked=int((~np.isin(mine, tread.entrances.facility)).sum()),
            )
            for (kind, limit), mine, (_, basis) in zip(chosen, site_rows, weights, strict=True)
        ]
    repeat = len(request.profiles)
    return RunResult(
        study=study,
        columns=tuple(columns),
        rows=rows,
        is_linked=np.stack(linked, axis=1),
        reach_ms=np.stack([r.reach_ms for r in found], axis=1),
        facility=np.stack([r.facility for r in found], axis=1),
        radius_mm=np.stack(radius * repeat, axis=1),
        people=np.stack([w for w, _ in weights] * repeat, axis=1).astype(np.int32),
        network_counts=count_network(study.streetscape.network),
    )


def count_network(network: Network) -> dict[str, int]:
    """Return how large a network is and how much of it does not hang together."""
    parts, share = network.measure_parts()
    return {
        "nodes": network.node_count,
        "edges": network.edge_count,
        "street_parts": parts,
        "largest_part_permille": round(share * 1000),
        "gates_unattached": int(network.find_unattached_gates().shape[0]),
    }


def run_gaps(
    engine: Engine,
    settings: Settings,
    request: GapRequest,
    progress: Callable[[float, str], None] | None = None,
) -> RunSummary:
    """Compute a gap run from the store and store its result.

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
        tell(0.0, "reading the store")
        study = load_study(connection, settings)
        tell(0.1, "linking buildings and facilities")
        result = compute_run(
            connection, study, request, progress=lambda share, message: tell(0.2 + 0.6 * share, message)
        )
        tell(0.8, "storing the result")
        summary = save_run(connection, result, request, duration_s=time.perf_counter() - started)
    tell(1.0, "done")
    return summary
