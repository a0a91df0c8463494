"""Run a stored analysis again: the same result, or the input that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from layers.run import compute_run
from layers.runs.result import GapRequest
from layers.runs.store import describe_engine, find_code_version
from layers.study import load_study
from layers.tables import run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.settings import Settings


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of running a stored analysis again.

    Attributes
    ----------
    run_id
        Which run.
    is_same
        Whether every figure is the same to the last bit.
    changes
        Inputs that differ now: name, then what it was and what it is.
    """

    run_id: int
    is_same: bool
    changes: dict[str, tuple[Any, Any]]


def read_request(stored: dict[str, Any]) -> GapRequest:
    """Return a stored request as it was asked."""
    return GapRequest(
        types=tuple(stored["types"]),
        profiles=tuple(stored["profiles"]),
        minutes=stored["minutes"],
        area=stored["area"],
        at=stored.get("at"),
        name=stored["name"],
    )


def replay_run(connection: Connection, settings: Settings, run_id: int) -> Replay:
    """Return whether a stored run gives the same result today, and which inputs changed.

    Parameters
    ----------
    connection
        An open connection; reads only.
    settings
        Settings of today.
    run_id
        A run that exists.
    """
    stored = connection.execute(select(run).where(run.c.id == run_id)).mappings().one()
    study = load_study(connection, settings)
    result = compute_run(connection, study, read_request(stored["request"]))
    now = {
        **{f"layer {name}": version for name, version in study.versions.items()},
        "standards pack": study.pack.version,
        "code": find_code_version(),
        "metric CRS": study.streetscape.made_from["metric_crs"],
        "link distance in m": settings.link_max_m,
        "streets joined within m": study.streetscape.made_from["join_m"],
        **{f"library {name}": version for name, version in describe_engine().items()},
    }
    engine = dict(stored["engine"])
    before = {
        **{f"layer {name}": version for name, version in stored["versions"].items()},
        "standards pack": stored["pack_version"],
        "code": stored["code_version"],
        "metric CRS": stored["metric_crs"],
        "link distance in m": engine.pop("link_max_m", None),
        "streets joined within m": engine.pop("street_join_m", None),
        **{f"library {name}": version for name, version in engine.items()},
    }
    changes = {
        name: (before.get(name), now.get(name))
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    }
    return Replay(run_id, result.digest() == stored["result_sha256"], changes)
