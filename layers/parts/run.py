"""A run computed in parts and laid together: the same figures, to the last bit, as when it is computed in one piece."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from geo.errors import Conflict, NothingLinked, NotReady
from geo.partition import add_up, split_cells
from layers.catalog import read_pack, read_profiles
from layers.engine import allow_computing, make_engine
from layers.homes import Buildings
from layers.network import Streetscape, fetch_stamps, list_sources
from layers.parts.compute import PartResult, PartRules, compute_part
from layers.parts.folder import FolderSource
from layers.parts.source import DatabaseSource
from layers.query.runs import check_name
from layers.runs.key import make_run_key, repeat_run
from layers.runs.plan import BOUND_FACTOR, choose_judged, weigh_columns
from layers.runs.result import NETWORK_COUNTS, Column, GapRequest, RunResult, RunSummary, lay_columns
from layers.runs.store import save_run
from layers.sites import Sites
from layers.study import Study

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Engine

    from geo.units import IntArray
    from layers.parts.source import PartSource, WholeStore
    from layers.settings import Settings

T = TypeVar("T")
Tell = Callable[[float, str], None]

VEHICLE_M_S = 17.0
"""How fast the first margin takes vehicles to get ahead (61 km/h as the crow flies); a part that finds faster ones
takes a larger margin."""

HOMES_PER_PART = 250_000
"""Buildings a part holds unless the caller says otherwise: its margin is then about as large as itself."""


@dataclass(frozen=True)
class StoreState:
    """One state of the database, so that all parts read the same.

    Attributes
    ----------
    snapshot
        PostgreSQL's name of the state, as long as the transaction lasts that exported it.
    stamps, sources
        What has to be found in every part: versions of the layers and settings of the network.
    """

    snapshot: str
    stamps: dict[str, str]
    sources: dict[str, Any]


@dataclass(frozen=True)
class FolderState:
    """One state of a folder of files: their names, sizes and moments of change."""

    folder: str
    files: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class PartTask:
    """One part to compute: plain values, so that it can be sent to another machine."""

    settings: Settings
    state: StoreState | FolderState
    cell: tuple[float, float, float, float]
    rules: PartRules
    threads: int = 1


Compute = Callable[[Sequence[PartTask]], Iterable[tuple[int, PartResult]]]


def read_state(connection: Connection) -> StoreState:
    """Return the state a repeatable-read transaction sees; it must stay open while parts are computed."""
    snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())
    return StoreState(snapshot, fetch_stamps(connection), list_sources(connection))


def enter_state(connection: Connection, state: StoreState) -> None:
    """Have a fresh connection see a state; on another server (a replica) at least make sure that it is the same.

    Raises
    ------
    Conflict
        The connection sees another state.
    """
    connection.rollback()
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    try:
        # the name comes from PostgreSQL: hexadecimal digits and hyphens
        connection.execute(text(f"SET TRANSACTION SNAPSHOT '{state.snapshot}'"))
    except DBAPIError:
        connection.rollback()
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    # a part reads, computes for minutes and reads again: the limits meant for screens do not apply
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    allow_computing(connection)
    if fetch_stamps(connection) != state.stamps or list_sources(connection) != state.sources:
        raise Conflict(
            "computing a part of a run: the store is not in the state the run began with",
            hint="run it again when nothing is being loaded; replicas must have caught up",
        )


def run_part(task: PartTask) -> PartResult:
    """Return one part computed over a connection of its own; safe to repeat, for it only reads.

    Parameters
    ----------
    task
        What to compute.
    """
    if isinstance(task.state, FolderState):
        return compute_part(
            open_folder(task.state), task.settings, cell=task.cell, rules=task.rules, threads=task.threads
        )
    engine = make_engine(task.settings, role="reader")
    try:
        with engine.connect() as connection:
            enter_state(connection, task.state)
            return compute_part(
                DatabaseSource(connection), task.settings, cell=task.cell, rules=task.rules, threads=task.threads
            )
    finally:
        engine.dispose()


def read_folder_state(folder: Path) -> FolderState:
    """Return the state of a folder of GeoParquet files."""
    found = {path.name: path.stat() for path in sorted(folder.glob("*.parquet"))}
    return FolderState(str(folder), {name: (one.st_size, one.st_mtime_ns) for name, one in found.items()})


def open_folder(state: FolderState) -> FolderSource:
    """Return a folder as a source of parts.

    Raises
    ------
    Conflict
        The files are not there, or not those the run began with.
    """
    if read_folder_state(Path(state.folder)) != state:
        raise Conflict(
            "computing a part of a run: the folder of files is not as it was when the run began",
            hint="every worker must see the same folder; run it again when nothing is being written there",
        )
    return FolderSource(Path(state.folder))


def compute_here(tasks: Sequence[PartTask]) -> Iterator[tuple[int, PartResult]]:
    """Yield the number and result of each part, computed one after the other in this process."""
    for number, task in enumerate(tasks):
        yield number, run_part(replace(task, threads=os.cpu_count() or 1))


def make_rules(source: PartSource, settings: Settings, request: GapRequest) -> PartRules:
    """Return what all parts of a run have in common.

    Parameters
    ----------
    source
        Where the parts are read from.
    settings
        The city file.
    request
        What to judge.

    Raises
    ------
    NotFound, RequestError
        The request names a type that does not exist or cannot be judged.
    """
    pack, profiles = read_pack(city_file=settings.city_file), read_profiles()
    ways_m = [
        one.limit_s
        * BOUND_FACTOR
        * (VEHICLE_M_S if profiles[one.profile].is_vehicle else profiles[one.profile].pace_m_s)
        for one in choose_judged(pack, profiles, request)
    ]
    return PartRules(
        request=request,
        bounds=source.find_bounds(),
        types=source.count_types(),
        junctions_m=source.measure_junctions_m(),
        margin_m=max(ways_m, default=0.0),
    )


def _make(kind: type[T], **known: Any) -> T:
    """Return a bundle of arrays of which only some are known: whoever stores a result needs no geometry."""
    absent: dict[str, Any] = dict.fromkeys(field.name for field in fields(kind))  # type: ignore[arg-type]
    return kind(**absent | known)


def _lay_together(found: Sequence[PartResult]) -> tuple[Buildings, IntArray, list[IntArray]]:
    """Return the buildings of all parts in the order of store ids, the rows judged, and where each part's go."""
    ids = np.concatenate([part.building_id for part in found])
    order = np.argsort(ids, kind="stable")
    place = np.empty(order.shape[0], dtype=np.int64)
    place[order] = np.arange(order.shape[0])
    starts = np.cumsum([0, *(part.building_id.shape[0] for part in found)])
    judged = [place[start + part.rows] for start, part in zip(starts[:-1].tolist(), found, strict=True)]
    rows = np.sort(np.concatenate(judged))
    buildings = _make(
        Buildings,
        building_id=ids[order],
        deepest=np.concatenate([part.deepest for part in found])[order],
        dwellings=np.concatenate([part.dwellings for part in found])[order],
        counts=np.concatenate([part.counts for part in found])[order],
    )
    return buildings, rows, [np.searchsorted(rows, mine) for mine in judged]


def _scatter(found: Sequence[NDArray[Any]], places: Sequence[IntArray], count: int) -> NDArray[Any]:
    """Return the lines of all parts in one matrix, laid out by column."""
    whole = np.empty((count, found[0].shape[1]), dtype=found[0].dtype, order="F")
    for lines, place in zip(found, places, strict=True):
        whole[place] = lines
    return whole


def merge_parts(whole: WholeStore, settings: Settings, request: GapRequest, found: Sequence[PartResult]) -> RunResult:
    """Return the result of a run from the results of its parts.

    Parameters
    ----------
    whole
        What is known about the whole.
    settings
        Link distances and the city file.
    request
        What was judged.
    found
        One for each part.

    Raises
    ------
    NothingLinked
        No building of any part lies within the link distance of a street.
    """
    buildings, rows, places = _lay_together(found)
    facility_id = _scatter([part.facility_id for part in found], places, rows.shape[0])
    study = Study(
        settings=settings,
        versions=whole.versions,
        pack=read_pack(city_file=settings.city_file),
        profiles=read_profiles(),
        streetscape=_make(Streetscape, made_from=whole.made_from),
        buildings=buildings,
        sites=_make(Sites, facility_id=whole.site_id),
        areas=whole.areas,
    )
    is_linked = _scatter([part.is_linked for part in found], places, rows.shape[0])
    columns, people = _weigh(study, rows, request, found)
    _check_linked(columns, is_linked, request, settings)
    network = add_up([part.census for part in found])
    unattached = sum(part.gates_unattached for part in found)
    share = round(network.largest_share * 1000)
    figures = (network.nodes, network.edges, network.street_parts, share, unattached)
    return RunResult(
        study=study,
        columns=columns,
        rows=rows,
        is_linked=is_linked,
        reach_ms=_scatter([part.reach_ms for part in found], places, rows.shape[0]),
        facility=np.where(facility_id >= 0, np.searchsorted(whole.site_id, facility_id), -1).astype(np.int32),
        radius_mm=_scatter([part.radius_mm for part in found], places, rows.shape[0]),
        people=people,
        network_counts=dict(zip(NETWORK_COUNTS, figures, strict=True)),
    )


def _weigh(
    study: Study, rows: IntArray, request: GapRequest, found: Sequence[PartResult]
) -> tuple[tuple[Column, ...], NDArray[Any]]:
    """Return the columns with figures about the whole, and the people of each, shape (rows, columns)."""
    weights = weigh_columns(choose_judged(study.pack, study.profiles, request), study.buildings, rows)
    columns = tuple(
        replace(
            column,
            people_basis=basis,
            facilities=sum(int(part.facilities[number]) for part in found),
            facilities_unlinked=sum(int(part.facilities_unlinked[number]) for part in found),
        )
        for number, (column, (_, basis)) in enumerate(zip(found[0].columns, weights, strict=True))
    )
    return columns, lay_columns([weight for weight, _ in weights])


def _check_linked(columns: Sequence[Column], is_linked: NDArray[Any], request: GapRequest, settings: Settings) -> None:
    for number, column in enumerate(columns):
        by_name = column.profile in request.profiles or bool(request.types)
        if by_name and not is_linked[:, number].any():
            raise NothingLinked(
                f"no building of {is_linked.shape[0]} lies within {settings.link_max_m:g} m of a street open to "
                f"profile {column.profile}",
                hint="check that streets and buildings cover the same place and were loaded with the right datum",
            )


def choose_parts(homes: int, *, workers: int = 1) -> int:
    """Return how many parts a run is cut into unless the caller says: some for every worker, none too large.

    Parameters
    ----------
    homes
        How many buildings there are.
    workers
        How many parts are computed at the same time.
    """
    return max(-(-homes // HOMES_PER_PART), 1 if workers == 1 else 2 * workers)


def run_in_parts(  # noqa: PLR0913 - where, what, how many, by whom, and who watches
    engine: Engine,
    settings: Settings,
    request: GapRequest,
    *,
    parts: int | None = None,
    compute: Compute = compute_here,
    workers: int = 1,
    progress: Tell | None = None,
    may_repeat: bool = True,
) -> RunSummary:
    """Compute a gap run part by part and store its result, equal to the last bit to that of one piece.

    Parameters
    ----------
    engine
        The database, as a role that may write.
    settings
        Link distances and the city file.
    request
        What to judge.
    parts
        Into how many parts to cut; None chooses by the number of buildings.
    compute
        Yields the number and result of each task in any order: here, or on other machines.
    workers
        How many parts `compute` works on at the same time.
    progress
        Called with the share done and what is being done.
    may_repeat
        Whether a stored result of the same question may be shared.

    Raises
    ------
    NotReady
        Streets, buildings or facilities are not loaded.
    NotFound, RequestError
        The request names a type, profile or area that does not exist or cannot be judged.
    NothingLinked
        No building lies near any street.
    Conflict
        A part saw another state of the store than the others.
    """
    check_name(request.name)
    started = time.perf_counter()
    tell = progress or (lambda _share, _message: None)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        key = make_run_key(connection, settings, request) if may_repeat else None
        again = None if key is None else repeat_run(connection, key, request, started=started)
        if again is not None:
            return again
        tell(0.0, "cutting the study area into parts")
        source = DatabaseSource(connection)
        tasks = plan_parts(connection, settings, request, parts=parts, workers=workers)
        result = merge_whole(source, settings, request, compute(tasks), count=len(tasks), tell=tell)
        tell(0.85, "storing the result")
        summary = save_run(connection, result, request, duration_s=time.perf_counter() - started, key=key)
    tell(1.0, "done")
    return summary


def merge_whole(
    source: PartSource,
    settings: Settings,
    request: GapRequest,
    found: Iterable[tuple[int, PartResult]],
    *,
    count: int,
    tell: Tell,
) -> RunResult:
    """Return the result of a run from the results of its parts, in whatever order they come.

    Parameters
    ----------
    source
        Where the parts were read from.
    settings, request
        As in :func:`run_in_parts`.
    found
        Number and result of each part.
    count
        How many parts there are.
    tell
        Told the share done and what is being done.

    Raises
    ------
    Conflict
        The parts do not hold every building once.
    """
    parts: dict[int, PartResult] = {}
    try:
        for number, part in found:
            parts[number] = part
            tell(0.05 + 0.75 * len(parts) / count, f"{len(parts)} of {count} parts")
    finally:
        # who gives up must call off the parts under way now, not when memory is tidied up
        if isinstance(found, Generator):
            found.close()
    result = merge_parts(source.read_whole(), settings, request, [parts[number] for number in range(count)])
    _check_whole(source, result)
    return replace(result, study=replace(result.study, clock=source.read_clock(request.at)))


def plan_parts(
    connection: Connection, settings: Settings, request: GapRequest, *, parts: int | None = None, workers: int = 1
) -> list[PartTask]:
    """Return the parts of a run, each holding about equally many buildings.

    Parameters
    ----------
    connection
        A connection in a repeatable-read transaction that stays open while the parts are computed.
    settings
        Link distances and the city file.
    request
        What to judge.
    parts, workers
        As in :func:`run_in_parts`.

    Raises
    ------
    NotReady
        Streets, buildings or facilities are not loaded.
    """
    return cut_up(
        DatabaseSource(connection), read_state(connection), settings, request, -workers if parts is None else parts
    )


def cut_up(
    source: PartSource, state: StoreState | FolderState, settings: Settings, request: GapRequest, parts: int
) -> list[PartTask]:
    """Return the parts of a run on any source; a negative number of parts leaves it to the number of workers."""
    homes = source.count_homes()
    counted = source.count_types()
    for is_there, layer in (
        (source.find_any_street().shape[0], "streets"),
        (homes, "buildings"),
        (sum(counted.values()), "facilities"),
    ):
        if not is_there:
            raise NotReady(f"no {layer} are loaded", hint=f"onemap load {layer} FILE")
    rules = make_rules(source, settings, request)
    cells = split_cells(*source.sample_homes(), choose_parts(homes, workers=-parts) if parts < 0 else parts)
    return [PartTask(settings, state, tuple(cell), rules) for cell in cells.tolist()]


def _check_whole(source: PartSource, result: RunResult) -> None:
    """Make sure that every building was computed in exactly one part."""
    ids = result.study.buildings.building_id
    if (np.diff(ids) == 0).any() or ids.shape[0] != source.count_homes():
        raise Conflict(
            f"laying the parts of a run together: they hold {ids.shape[0]:,} buildings, the store "
            f"{source.count_homes():,}",
            hint="run it again when nothing is being loaded",
        )
