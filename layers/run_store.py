"""Store the result of a run: its figures by building and by area, and what they were made from."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import shapely
from sqlalchemy import insert

from geo.gaps import (
    COVERED,
    GAP,
    NO_COUNT,
    UNKNOWN,
    AreaRows,
    find_status,
    list_area_rows,
    split_by_status,
    sum_up_tree,
    take_area_rows,
)
from geo.units import MM_PER_M
from layers.copy_binary import OID_BOOL, OID_INT4, OID_INT8, Number, NumberArray, TextColumn, copy_rows
from layers.run_result import EVERYBODY, Column, GapRequest, RunResult, RunSummary
from layers.tables import COUNT_COLUMNS, run, run_area, run_building, run_column

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from geo.gaps import Status
    from geo.units import BoolArray, IntArray

AREA_FIGURES = (
    "people",
    "covered",
    "gap",
    "unknown",
    "radius_covered",
    "dwellings",
    "dwellings_covered",
    "dwellings_gap",
    "dwellings_unknown",
    "buildings",
    "buildings_covered",
    "buildings_gap",
    "buildings_unknown",
    "buildings_without_counts",
)
NO_FIGURE = -1


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


def _without_counts(result: RunResult) -> BoolArray:
    """Return which buildings have no people count of any kind."""
    counts = result.study.buildings.counts[result.rows]
    none: BoolArray = (counts == NO_COUNT).all(axis=1)
    return none


def sum_column(result: RunResult, number: int, weight: IntArray, status: Status) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the figures of every building for one column in the order of `AREA_FIGURES`, shape (n, figures).

    Parameters
    ----------
    result
        The run.
    number
        Which column.
    weight
        People of the demand group, shape (n,).
    status
        Status of each building, shape (n,).
    """
    column = result.columns[number]
    dwellings = result.study.buildings.dwellings[result.rows]
    ones = np.ones_like(dwellings)
    radius = result.radius_mm[:, number]
    limit_mm = (column.radius_limit_m or 0) * MM_PER_M
    inside = (radius >= 0) & (radius <= limit_mm)
    return np.column_stack(
        [
            weight,
            split_by_status(weight, status),
            np.where(inside, weight, 0),
            dwellings,
            split_by_status(dwellings, status),
            ones,
            split_by_status(ones, status),
            _without_counts(result),
        ]
    ).astype(np.int64)


def _group_weights(result: RunResult, number: int) -> list[tuple[str, IntArray]]:
    """Return the demand groups an area table shows for a column: everybody, and the type's own."""
    everybody = np.maximum(result.study.buildings.counts[result.rows, COUNT_COLUMNS.index("people")], 0)
    groups = [(EVERYBODY, everybody.astype(np.int64))]
    own = result.columns[number].demand_group
    if own != EVERYBODY:
        groups.append((own, result.people[:, number].astype(np.int64)))
    return groups


def _total(column: Column, weight: IntArray, status: Status) -> dict[str, Any]:
    people = split_by_status(weight, status).sum(axis=0)
    everybody = int(weight.sum())
    return {
        "type": column.type,
        "profile": column.profile,
        "limit_s": column.limit_s,
        "demand_group": column.demand_group,
        "people_basis": column.people_basis,
        "facilities": column.facilities,
        "people": everybody,
        "covered": int(people[COVERED]),
        "gap": int(people[GAP]),
        "unknown": int(people[UNKNOWN]),
        "share_covered": int(people[COVERED]) / everybody if everybody else None,
    }


def _list_rows(result: RunResult) -> AreaRows:
    tree = result.study.areas.tree
    deepest = result.study.buildings.deepest[result.rows]
    own = np.bincount(np.where(deepest < 0, len(tree.code), deepest), minlength=len(tree.code) + 1) > 0
    return list_area_rows(tree, own)


def save_run(connection: Connection, result: RunResult, request: GapRequest, *, duration_s: float) -> RunSummary:
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
    """
    study = result.study
    statuses = [
        find_status(result.reach_ms[:, number], result.is_linked[:, number], column.limit_s)
        for number, column in enumerate(result.columns)
    ]
    totals = [
        _total(column, result.people[:, number].astype(np.int64), statuses[number])
        for number, column in enumerate(result.columns)
    ]
    counts = _count(result)
    not_judged = [{"type": code, "reason": reason} for code, reason in study.pack.not_judged]
    run_id = connection.execute(
        insert(run)
        .values(
            name=request.name,
            state="done",
            request=describe_request(request),
            versions=study.versions,
            pack_version=study.pack.version,
            code_version=find_code_version(),
            metric_crs=study.streetscape.made_from["metric_crs"],
            engine={
                **describe_engine(),
                "link_max_m": study.settings.link_max_m,
                "street_join_m": study.streetscape.made_from["join_m"],
            },
            counts={**counts, "totals": totals, "not_judged": not_judged},
            duration_s=duration_s,
            result_sha256=result.digest(),
        )
        .returning(run.c.id)
    ).scalar_one()
    connection.execute(
        insert(run_column),
        [{"run_id": run_id, "position": number + 1, **asdict(column)} for number, column in enumerate(result.columns)],
    )
    _save_buildings(connection, result, run_id)
    _save_areas(connection, result, run_id, statuses)
    return RunSummary(run_id, request.name, duration_s, totals, counts, not_judged)


def _count(result: RunResult) -> dict[str, int]:
    linked = result.is_linked.any(axis=1) if result.columns else np.zeros(0, dtype=bool)
    return {
        "buildings": int(result.rows.shape[0]),
        "buildings_linked": int(linked.sum()),
        "buildings_without_counts": int(_without_counts(result).sum()),
        "people": int(np.maximum(result.study.buildings.counts[result.rows, 0], 0).sum()),
        "facilities": int(result.study.sites.facility_id.shape[0]),
        **result.network_counts,
    }


def _save_buildings(connection: Connection, result: RunResult, run_id: int) -> None:
    count = result.rows.shape[0]
    study = result.study
    codes = (*study.areas.tree.code, None)
    deepest = study.buildings.deepest[result.rows]
    copy_rows(
        connection,
        run_building,
        {
            "run_id": Number(np.full(count, run_id), OID_INT8),
            "building_id": Number(study.buildings.building_id[result.rows], OID_INT8),
            "area_code": TextColumn([codes[row] for row in deepest]),
            "linked": NumberArray(result.is_linked, OID_BOOL),
            "reach_ms": NumberArray(result.reach_ms, OID_INT4, missing=-1),
            "facility_id": NumberArray(result.facility_id, OID_INT8, missing=-1),
            "radius_mm": NumberArray(result.radius_mm, OID_INT8, missing=-1),
            "people": NumberArray(result.people, OID_INT4),
        },
        count,
    )


def _save_areas(connection: Connection, result: RunResult, run_id: int, statuses: list[Status]) -> None:
    tree = result.study.areas.tree
    if not tree.code:
        return
    deepest = result.study.buildings.deepest[result.rows]
    rows = _list_rows(result)
    texts = {
        "area_code": TextColumn(rows.code),
        "parent_code": TextColumn(rows.parent_code),
        "level": TextColumn(rows.level),
        "name": TextColumn(rows.name),
    }
    for number, column in enumerate(result.columns):
        for group, weight in _group_weights(result, number):
            figures = sum_column(result, number, weight, statuses[number])
            sums = take_area_rows(sum_up_tree(figures, deepest, tree), rows)
            _copy_areas(connection, texts, sums, run_id, column, group)


def _copy_areas(
    connection: Connection,
    texts: dict[str, TextColumn],
    sums: np.ndarray[Any, np.dtype[np.int64]],
    run_id: int,
    column: Column,
    group: str,
) -> None:
    count = sums.shape[0]
    values = sums.copy()
    if column.radius_limit_m is None:
        values[:, AREA_FIGURES.index("radius_covered")] = NO_FIGURE
    columns: dict[str, Number | NumberArray | TextColumn] = {
        "run_id": Number(np.full(count, run_id), OID_INT8),
        **texts,
        "type": TextColumn([column.type] * count),
        "profile": TextColumn([column.profile] * count),
        "demand_group": TextColumn([group] * count),
    }
    for number, name in enumerate(AREA_FIGURES):
        wide = OID_INT4 if name.startswith("buildings") else OID_INT8
        columns[name] = Number(values[:, number], wide, NO_FIGURE if name == "radius_covered" else None)
    copy_rows(connection, run_area, columns, count)
