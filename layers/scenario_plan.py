"""What a full run would walk: its columns with their facilities, and the homes each profile starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geo.errors import Conflict
from geo.link import Links
from geo.reach import Homes
from layers.replay import read_request
from layers.run import BOUND_FACTOR, choose_types, compute_run
from layers.study import load_tread

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import Connection, Row

    from geo.units import Int32Array
    from layers.run_result import RunResult
    from layers.study import Study, Tread


@dataclass(frozen=True)
class Part:
    """The columns of one profile.

    Attributes
    ----------
    profile
        Its code.
    tread
        Its network, the homes judged and the entrances.
    numbers
        Which columns of the run it judges.
    """

    profile: str
    tread: Tread
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class RunPlan:
    """A stored run as it would be walked again, with its figures.

    Attributes
    ----------
    result
        The figures.
    parts
        Its columns by profile.
    site_rows, bounds_s
        For each column the facilities that serve it, and the longest walk searched.
    """

    result: RunResult
    parts: tuple[Part, ...]
    site_rows: tuple[Int32Array, ...]
    bounds_s: tuple[float, ...]


def load_plan(connection: Connection, study: Study, run: Row[Any]) -> RunPlan:
    """Return a stored run as it would be walked again, with its figures.

    Parameters
    ----------
    connection
        An open connection that sees the state `study` was made from.
    study
        The store as arrays.
    run
        The stored run.

    Raises
    ------
    Conflict
        Its figures are not those that this release and these settings give.
    """
    request = read_request(run.request)
    result = compute_run(connection, study, request)
    if result.digest() != run.result_sha256:
        raise Conflict(
            f"Setting edits on run {run.id}: its figures are not those that come out today",
            hint="`onemap gaps replay` names what changed; order a new run: `onemap gaps run`.",
            parameter="run",
        )
    limits = {kind.code: limit for kind, limit in choose_types(study, request)}
    numbers: dict[str, list[int]] = {}
    for number, column in enumerate(result.columns):
        numbers.setdefault(column.profile, []).append(number)
    parts = tuple(
        Part(profile, _take_homes(load_tread(connection, study, study.profiles[profile]), result), tuple(mine))
        for profile, mine in numbers.items()
    )
    return RunPlan(
        result,
        parts,
        tuple(study.sites.rows_of(column.type, study.pack) for column in result.columns),
        tuple(limits[column.type] * BOUND_FACTOR for column in result.columns),
    )


def _take_homes(tread: Tread, result: RunResult) -> Tread:
    links, rows = tread.homes.links, result.rows
    taken = Links(links.edge[rows], links.place_mm[rows], links.off_mm[rows])
    return replace(tread, homes=Homes(taken, tread.homes.zone[rows]))
