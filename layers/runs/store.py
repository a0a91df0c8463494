"""Store the result of a run: its figures by building, area and facility, and what they were made from."""

from __future__ import annotations

import platform
import struct
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import shapely
from sqlalchemy import insert

from geo.area_sums import AREA_FIGURES
from geo.errors import TooLarge
from geo.gaps import STATUS_NAMES
from layers.copy_binary import OID_INT4, OID_INT8, Number, TextColumn, copy_rows
from layers.runs.areas import save_areas, save_facilities
from layers.runs.result import GapRequest, RunResult, RunSummary
from layers.runs.slices import NOTHING, Slots, encode_reach, save_slices
from layers.runs.tables import run_area_code, run_home, run_people, run_reach, run_result
from layers.tables import run, run_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from geo.units import IntArray

__all__ = ["AREA_FIGURES", "describe_engine", "describe_request", "find_code_version", "save_run"]

_LARGEST = int(np.iinfo(np.int32).max)


def find_code_version() -> str:
    """Return the version of the installed product."""
    return metadata.version("onemap")


def describe_engine() -> dict[str, str]:
    """Return the versions of what computed a result."""
    return {
        "engine": "onemap",
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "shapely": shapely.__version__,
        "geos": shapely.geos_version_string,
    }


def describe_request(request: GapRequest) -> dict[str, Any]:
    """Return the request as it is stored with a run, so that it can be asked again."""
    return asdict(request)


def save_run(
    connection: Connection, result: RunResult, request: GapRequest, *, duration_s: float, key: str | None = None
) -> RunSummary:
    """Write a run with its results in the connection's transaction and return its summary.

    Parameters
    ----------
    connection
        An open connection that may write.
    result
        What was computed.
    request
        What was asked.
    duration_s
        Seconds the computation took, loading included.
    key
        Hash of everything it was made from, by which the same question finds it again; None for never.
    """
    result_id = connection.execute(insert(run_result).values(key=key).returning(run_result.c.id)).scalar_one()
    described = describe_result(result)
    run_id = connection.execute(
        insert(run)
        .values(
            name=request.name,
            state="done",
            result_id=result_id,
            request=describe_request(request),
            duration_s=duration_s,
            **described,
        )
        .returning(run.c.id)
    ).scalar_one()
    base = find_facility_base(result)
    connection.execute(insert(run_column), list_columns(result, run_id, base))
    numbers = range(len(result.columns))
    save_area_codes(connection, result, result_id)
    save_buildings(connection, result, result_id, numbers, base=base)
    save_areas(connection, result, result_id, numbers)
    save_facilities(connection, result, result_id, numbers)
    return summarize(run_id, request.name, duration_s, described["counts"])


def describe_result(result: RunResult) -> dict[str, Any]:
    """Return the columns of table ``run`` that follow from a result: what it was made from, its totals and digest."""
    study = result.study
    judged = {column.type for column in result.columns}
    not_judged = [{"type": code, "reason": reason} for code, reason in study.pack.not_judged if code not in judged]
    return {
        "versions": study.versions,
        "pack_version": study.pack.version,
        "code_version": find_code_version(),
        "metric_crs": study.streetscape.made_from["metric_crs"],
        "engine": {
            **describe_engine(),
            "link_max_m": study.settings.link_max_m,
            "street_join_m": study.streetscape.made_from["join_m"],
        },
        "counts": {
            **_count(result),
            "totals": [_total(result, number) for number in range(len(result.columns))],
            "not_judged": not_judged,
        },
        "result_sha256": result.digest(),
    }


def summarize(run_id: int, name: str | None, duration_s: float, counts: Mapping[str, Any]) -> RunSummary:
    """Return what the caller of a run is told, from what is stored with it."""
    plain = {key: value for key, value in counts.items() if key not in {"totals", "not_judged"}}
    return RunSummary(run_id, name, duration_s, counts["totals"], plain, counts["not_judged"])


def _count(result: RunResult) -> dict[str, int]:
    linked = result.is_linked.any(axis=1) if result.columns else np.zeros(0, dtype=bool)
    return {
        "buildings": int(result.rows.shape[0]),
        "buildings_linked": int(linked.sum()),
        "buildings_without_counts": int(result.sums.homes.is_uncounted.sum()),
        "people": int(result.sums.everybody.sum(dtype=np.int64)),
        "facilities": int(result.study.sites.facility_id.shape[0]),
        **result.network_counts,
        **({} if result.study.clock is None else result.study.clock.counts),
    }


def _total(result: RunResult, number: int) -> dict[str, Any]:
    column = result.columns[number]
    figures = dict(zip(AREA_FIGURES, result.sums.take(number).own.sum(axis=0).tolist(), strict=True))
    everybody = figures["people"]
    return {
        "type": column.type,
        "profile": column.profile,
        "limit_s": column.limit_s,
        "demand_group": column.demand_group,
        "people_basis": column.people_basis,
        "facilities": column.facilities,
        "people": everybody,
        **{name: figures[name] for name in STATUS_NAMES},
        "share_covered": figures["covered"] / everybody if everybody else None,
    }


def list_columns(result: RunResult, run_id: int, base: int) -> list[dict[str, Any]]:
    """Return the rows of table ``run_column``."""
    return [
        {"run_id": run_id, "position": number + 1, "facility_base": base, **asdict(column)}
        for number, column in enumerate(result.columns)
    ]


def find_facility_base(result: RunResult) -> int:
    """Return what is taken off store ids of facilities so that they fit four bytes.

    Raises
    ------
    TooLarge
        The ids lie farther apart than four bytes count.
    """
    ids = result.study.sites.facility_id
    if ids.shape[0] == 0 or int(ids[-1]) <= _LARGEST:
        return 0
    base = int(ids[0]) - 1
    if int(ids[-1]) - base > _LARGEST:
        raise TooLarge(
            f"Storing a run: the ids of facilities run from {ids[0]} to {ids[-1]}, farther apart than {_LARGEST}",
            hint="export the facilities, load them into an empty database and run again",
        )
    return base


def save_area_codes(connection: Connection, result: RunResult, result_id: int) -> None:
    """Write the codes that buildings name their area by."""
    codes = result.study.areas.tree.code
    count = len(codes)
    copy_rows(
        connection,
        run_area_code,
        {
            "result_id": Number(np.full(count, result_id), OID_INT8),
            "number": Number(np.arange(count), OID_INT4),
            "code": TextColumn(codes),
        },
        count,
    )


def save_buildings(
    connection: Connection,
    result: RunResult,
    result_id: int,
    numbers: Sequence[int],
    *,
    base: int,
    rows: IntArray | None = None,
) -> None:
    """Write the figures of buildings, in the connection's transaction.

    Parameters
    ----------
    connection
        An open connection that may write.
    result
        The run.
    result_id
        Result they belong to.
    numbers
        Which columns, from 0; area and people are written whatever they are.
    base
        Of :func:`find_facility_base`.
    rows
        Lines of the result to write, ascending: whole slices; None for all.
    """
    every = slice(None) if rows is None else rows
    slots = Slots.find(result.building_id[every])
    head = {"result_id": struct.pack(">q", result_id)}
    deepest = result.study.buildings.deepest[result.rows[every]]
    save_slices(connection, run_home, slots, [(head, {"area": deepest})])
    group_of = {column.demand_group: number for number, column in enumerate(result.columns)}
    save_slices(
        connection,
        run_people,
        slots,
        (
            ({**head, "demand_group": group.encode()}, {"people": result.people[every, number]})
            for group, number in group_of.items()
        ),
    )
    # the last entry is what row -1 reads
    facility_number = np.append(result.study.sites.facility_id - base, NOTHING).astype(np.int32)
    save_slices(
        connection,
        run_reach,
        slots,
        (
            (
                {**head, "position": struct.pack(">h", number + 1)},
                {
                    "reach_ms": encode_reach(result.reach_ms[every, number], result.is_linked[every, number]),
                    "facility": facility_number[result.facility[every, number]],
                    "radius_mm": result.radius_mm[every, number],
                },
            )
            for number in numbers
        ),
    )
