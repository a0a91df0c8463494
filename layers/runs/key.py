"""Ask a question again: everything a result is made from as one key, and the stored result that has it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, literal, select

from layers.bundle import make_key
from layers.catalog import read_pack, read_profiles
from layers.driving import hash_drive_engine
from layers.network import fetch_stamps, fetch_versions, list_sources
from layers.runs.store import describe_engine, describe_request, find_code_version, summarize
from layers.runs.tables import run_result
from layers.tables import run, run_column

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from sqlalchemy import Connection

    from layers.runs.result import GapRequest, RunSummary
    from layers.settings import Settings

UNUSED_LAYERS = frozenset({"incidents"})
"""Layers that no run looks at."""


@lru_cache(maxsize=1)
def hash_code() -> str:
    """Return a hash of the code that computes and stores runs, so that no result outlives what made it."""
    digest = hashlib.sha256()
    for package in ("geo", "layers"):
        for name, content in sorted(_walk(resources.files(package), package)):
            digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _walk(folder: Traversable, place: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for item in folder.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            found += _walk(item, f"{place}/{item.name}")
        elif item.name.endswith(".py"):
            found.append((f"{place}/{item.name}", item.read_bytes()))
    return found


def make_run_key(connection: Connection, settings: Settings, request: GapRequest) -> str:
    """Return the name of the result that a request has on the store as it is now.

    Parameters
    ----------
    connection
        An open connection; reads only.
    settings
        Link distances and the city file.
    request
        What is asked; its name is no part of the question.
    """
    asked: dict[str, Any] = {name: value for name, value in asdict(request).items() if name != "name"}
    stamps = {layer: stamp for layer, stamp in fetch_stamps(connection).items() if layer not in UNUSED_LAYERS}
    return make_key(
        {
            "request": asked,
            "stamps": stamps,
            "sources": list_sources(connection),
            "pack": repr(read_pack(city_file=settings.city_file)),
            "profiles": repr(read_profiles()),
            "speeds": hash_drive_engine(),
            "code": [find_code_version(), hash_code()],
            "engine": describe_engine(),
            "link_max_m": settings.link_max_m,
            "entrance_within_m": settings.entrance_within_m,
        }
    )


def repeat_run(connection: Connection, key: str, request: GapRequest, *, started: float) -> RunSummary | None:
    """Store a run whose result is stored already, and return its summary; None where there is none.

    Both runs share the figures; each can be deleted without harm to the other.

    Parameters
    ----------
    connection
        An open connection that may write.
    key
        Of :func:`make_run_key`.
    request
        What is asked.
    started
        When the work began, by ``time.perf_counter``.
    """
    statement = (
        select(run)
        .join(run_result, run_result.c.id == run.c.result_id)
        .where(run_result.c.key == key, run.c.state == "done")
        .order_by(run.c.id.desc())
        .limit(1)
    )
    stored = connection.execute(statement).mappings().one_or_none()
    if stored is None:
        return None
    same = {
        name: stored[name]
        for name in ("result_id", "state", "pack_version", "code_version", "metric_crs", "engine", "counts")
    }
    duration_s = time.perf_counter() - started
    run_id = connection.execute(
        insert(run)
        .values(
            name=request.name,
            request=describe_request(request),
            versions=fetch_versions(connection),
            duration_s=duration_s,
            result_sha256=stored["result_sha256"],
            **same,
        )
        .returning(run.c.id)
    ).scalar_one()
    names = [column.name for column in run_column.c if column.name != "run_id"]
    columns = select(literal(run_id), *(run_column.c[name] for name in names)).where(
        run_column.c.run_id == stored["id"]
    )
    connection.execute(insert(run_column).from_select(["run_id", *names], columns))
    return summarize(run_id, request.name, duration_s, stored["counts"])
