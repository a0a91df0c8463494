"""Staged layers published together with everything that follows from them: grid, residents, pack, notes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import func, select

from layers import metric
from layers.facility_types import save_pack
from layers.loading.history import describe_overwritten
from layers.population import spread_population
from layers.remeasure import measure_again
from layers.store import (
    RESIDENT_LAYERS,
    Publication,
    fetch_version,
    lock_layers,
    publish,
    raise_residents,
    raise_version,
    refresh_residents,
)
from layers.tables import compound, gate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from layers.catalog import Pack
    from layers.loading.staging import Stage
    from layers.store import Outcome

SHOWN_GATES = 5


@dataclass(slots=True)
class Staged:
    """A layer ready to be published, and what is to be said about it."""

    publication: Publication
    columns: Mapping[str, str]
    reasons: dict[str, int]
    repairs: dict[str, int]
    notes: list[str] = field(default_factory=list)


class Beside(Protocol):
    """Work the publishing transaction does for one layer beside its rows."""

    @property
    def name(self) -> str:
        """The layer's version key."""

    def prepare(self, conn: Connection) -> None:
        """Make ready what the rows need."""

    def finish(self, conn: Connection) -> bool:
        """Follow the rows; return whether the layer changed although its rows did not."""


def publish_all(
    conn: Connection,
    staged: Sequence[Staged],
    *,
    pack: Pack | None,
    dry_run: bool,
    references: Sequence[Beside] = (),
) -> list[Outcome]:
    """Publish layers of one file together, with everything that follows from them, in one transaction."""
    publications = [one.publication for one in staged]
    stages = {publication.stage.target.layer: publication.stage for publication in publications}
    with conn.begin() as transaction:
        lock_layers(conn, stages)
        for beside in references:
            beside.prepare(conn)
        if dry_run:
            outcomes = publish(conn, publications, dry_run=True)
            _note_overwritten(conn, staged, outcomes)
            transaction.rollback()
            return outcomes
        _settle_metric_crs(conn, stages)
        outcomes = publish(conn, publications)
        _note_overwritten(conn, staged, outcomes)
        for beside in references:
            if beside.finish(conn) and not _has_changed(outcomes, beside.name):
                table = stages[beside.name].target.table
                raise_version(conn, table, beside.name, box=None, load_id=None, kind="barrier")
        return follow_up(conn, staged, outcomes, pack)


def follow_up(conn: Connection, staged: Sequence[Staged], outcomes: list[Outcome], pack: Pack | None) -> list[Outcome]:
    """Do what follows from published rows, in their transaction; return the outcomes with the versions after it."""
    if any(outcome.has_changed and outcome.layer in RESIDENT_LAYERS for outcome in outcomes):
        outcomes = _settle_residents(conn, staged, outcomes)
    if pack is not None and any(outcome.layer == "facilities" for outcome in outcomes):
        save_pack(conn, pack)
    for one, outcome in zip(staged, outcomes, strict=True):
        one.notes += _list_gates_without_compound(conn) if outcome.layer in ("gates", "compounds") else []
    return outcomes


def _note_overwritten(conn: Connection, staged: Sequence[Staged], outcomes: Sequence[Outcome]) -> None:
    for one, outcome in zip(staged, outcomes, strict=True):
        one.notes[:0] = describe_overwritten(conn, one.publication, outcome)


def _has_changed(outcomes: Sequence[Outcome], layer: str) -> bool:
    return any(outcome.has_changed for outcome in outcomes if outcome.layer == layer)


def _settle_metric_crs(conn: Connection, stages: Mapping[str, Stage]) -> None:
    """Choose the store's grid from the streets among the stages, else from the first."""
    stage = stages.get("streets") or next(iter(stages.values()))
    settle_metric_crs(conn, stage.target.layer, lambda: metric.choose_from_rows(conn, stage.ready, stage.ready.c.geom))


def settle_metric_crs(conn: Connection, layer: str, choose: Callable[[], str | None]) -> None:
    """Choose the store's grid at the first load of streets; provisionally from anything else before.

    Parameters
    ----------
    conn
        In the publishing transaction.
    layer
        What is loaded.
    choose
        Returns the grid that suits the rows, None where they have no geometry.
    """
    is_streets = layer == "streets"
    if metric.is_fixed(conn) or (not is_streets and metric.find_metric_crs(conn) is not None):
        return
    crs = choose()
    if crs is not None and metric.save_metric_crs(conn, crs, basis="streets" if is_streets else "provisional"):
        measure_again(conn, crs)


def _settle_residents(conn: Connection, staged: Sequence[Staged], outcomes: list[Outcome]) -> list[Outcome]:
    """Put people on buildings anew; residents that changed are a new version of the population layer."""
    report = spread_population(conn)
    loaded = {outcome.layer: outcome for outcome in outcomes}
    is_raised = "population" in loaded and loaded["population"].has_changed
    if report.has_changed and not is_raised:
        raise_residents(conn)
    if is_raised:
        refresh_residents(conn)
    for one in staged:
        if one.publication.stage.target.layer in RESIDENT_LAYERS:
            one.notes += report.describe()
            break
    version = fetch_version(conn, "population")
    return [replace(outcome, version=version) if outcome.layer == "population" else outcome for outcome in outcomes]


def _list_gates_without_compound(conn: Connection) -> list[str]:
    """Return a sentence about gates that name no loaded compound: they let nobody in or out of anything."""
    known = select(compound.c.id).where(compound.c.source_id == gate.c.compound_id, compound.c.valid_to.is_(None))
    lone = (gate.c.valid_to.is_(None), ~known.exists())
    count = conn.execute(select(func.count()).select_from(gate).where(*lone)).scalar_one()
    if not count:
        return []
    some = conn.execute(select(gate.c.source_id).where(*lone).order_by(gate.c.source_id).limit(SHOWN_GATES)).scalars()
    return [f"{count:,} gates belong to no loaded compound: {', '.join(some)}{' …' if count > SHOWN_GATES else ''}"]
