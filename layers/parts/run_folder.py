"""A run from a folder of GeoParquet files to another, without a database: in parts, here or on a Dask cluster."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geo.errors import RequestError, StoreError
from geo.gaps import STATUS_NAMES, find_status
from geo.units import MM_PER_M, MS_PER_S
from layers.parts.folder import FolderSource
from layers.parts.run import compute_here, cut_up, merge_whole, read_folder_state
from layers.query.runs import check_name
from layers.runs.result import RunSummary
from layers.runs.store import describe_request, describe_result, summarize

if TYPE_CHECKING:
    from collections.abc import Callable

    from layers.parts.run import Compute
    from layers.runs.result import GapRequest, RunResult
    from layers.settings import Settings

BUILDINGS_FILE = "buildings.parquet"
RUN_FILE = "run.json"
ROWS_PER_GROUP = 100_000


def run_folder(  # noqa: PLR0913 - from where, what, to where, how many, by whom, and who watches
    folder: Path,
    settings: Settings,
    request: GapRequest,
    *,
    out: Path,
    parts: int | None = None,
    compute: Compute = compute_here,
    workers: int = 1,
    progress: Callable[[float, str], None] | None = None,
) -> RunSummary:
    """Compute a gap run from a folder of GeoParquet files and write its result into another folder.

    Parameters
    ----------
    folder
        One file a layer; see :mod:`layers.parts.folder`.
    settings
        Link distances and the city file.
    request
        What to judge.
    out
        Folder for the result, made where missing: ``buildings.parquet`` with a line a building and four columns a type
        and profile, and ``run.json`` with totals, settings and the hash of all figures.
    parts, compute, workers, progress
        As in :func:`layers.parts.run.run_in_parts`.

    Raises
    ------
    NotReady
        The folder lacks streets, buildings or facilities.
    RequestError
        The request cannot be answered from files, or the result would be written over its own input.
    StoreError
        The result cannot be written.
    """
    check_name(request.name)
    if out.resolve() == folder.resolve():
        raise RequestError("writing the result of a run over the files it is made from", parameter="out")
    started = time.perf_counter()
    tell = progress or (lambda _share, _message: None)
    tell(0.0, "cutting the study area into parts")
    source = FolderSource(folder)
    tasks = cut_up(source, read_folder_state(folder), settings, request, -workers if parts is None else parts)
    result = merge_whole(source, settings, request, compute(tasks), count=len(tasks), tell=tell)
    tell(0.85, "writing the result")
    described = describe_result(result)
    summary = summarize(0, request.name, time.perf_counter() - started, described["counts"])
    about = {"request": describe_request(request), "duration_s": summary.duration_s, **described}
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_buildings(source, result, out / BUILDINGS_FILE)
        (out / RUN_FILE).write_text(json.dumps(about, ensure_ascii=False, indent=2), encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"writing the result of a run: {error.strerror}", hint="give another folder with --out"
        ) from error
    tell(1.0, "done")
    return summary


def _write_buildings(source: FolderSource, result: RunResult, path: Path) -> None:
    """Write a line a building: what it is, where it is, and for every column status, reach, facility and radius."""
    file = source.open_layer("buildings")
    sites = source.open_layer("facilities")
    names = sites.read(("source_id",), np.arange(sites.box.shape[0]))["source_id"]
    codes = np.array([*result.study.areas.tree.code, None], dtype=object)
    geo = {
        "version": "1.0.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
    }
    draft = path.with_suffix(".draft")
    writer: pq.ParquetWriter | None = None
    try:
        for start in range(0, max(result.rows.shape[0], 1), ROWS_PER_GROUP):
            here = slice(start, start + ROWS_PER_GROUP)
            number = result.building_id[here]
            found = file.read(("source_id", "geometry"), number - 1)
            columns: dict[str, Any] = {
                "source_id": pa.array(found["source_id"], pa.string()),
                "area_code": pa.array(codes[result.study.buildings.deepest[result.rows[here]]], pa.string()),
                **_describe_columns(result, here, names),
                "geometry": pa.array(found["geometry"], pa.binary()),
            }
            table = pa.table(columns).replace_schema_metadata({"geo": json.dumps(geo)})
            writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    draft.replace(path)


def _describe_columns(result: RunResult, here: slice, names: np.ndarray[Any, Any]) -> dict[str, pa.Array]:
    """Return the figures of some buildings by column name."""
    columns: dict[str, pa.Array] = {}
    padded = np.array([*names, None], dtype=object)
    for number, column in enumerate(result.columns):
        reach = result.reach_ms[here, number]
        status = find_status(reach, result.is_linked[here, number], column.limit_s)
        facility = result.find_facility_ids(number)[here]
        radius = result.radius_mm[here, number]
        title = f"{column.type}:{column.profile}"
        columns |= {
            f"{title}:people": pa.array(result.people[here, number]),
            f"{title}:status": pa.DictionaryArray.from_arrays(pa.array(status.astype(np.int8)), pa.array(STATUS_NAMES)),
            f"{title}:reach_s": pa.array(reach / MS_PER_S, mask=reach < 0),
            f"{title}:facility": pa.array(padded[np.where(facility > 0, facility - 1, -1)], pa.string()),
            f"{title}:radius_m": pa.array(radius / MM_PER_M, mask=radius < 0),
        }
    return columns
