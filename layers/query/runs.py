"""Stored runs: the list, one run, its columns and its figures by area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, Integer, and_, case, func, literal, literal_column, null, select

from geo.errors import NotFound, NotReady, RequestError
from layers import tables
from layers.runs.slices import NOT_LINKED, SLICE_BITS, SLICE_BUILDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select

RUN_HINT = "`onemap gaps list` shows the runs; `onemap gaps run` makes one."
STATUSES = ("covered", "gap", "unknown")
LATEST = "latest"
# PostgreSQL's bigint; a longer number names no row
BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One type and profile of a run.

    Attributes
    ----------
    position
        1-based.
    limit_s
        Seconds a walk may take.
    radius_limit_m
        Service radius as a straight line, metres; None where the standard gives none.
    people_basis
        ``all`` where the bands of the demand group were not known.
    facility_base
        What is added to a stored facility for its store id.
    """

    position: int
    type: str
    profile: str
    limit_s: int
    radius_limit_m: float | None
    demand_group: str
    people_basis: str
    facilities: int
    facilities_unlinked: int
    facility_base: int = 0


def build_runs(*, after: int | None = None, limit: int | None = None) -> Select[Any]:
    """Return the runs, newest first."""
    run = tables.run
    statement = select(run).order_by(run.c.id.desc())
    if after is not None:
        statement = statement.where(run.c.id < after)
    return statement if limit is None else statement.limit(limit)


def fetch_run(conn: Connection, reference: str) -> Row[Any]:
    """Return a run by id, by name (the newest of that name) or as ``latest``.

    Parameters
    ----------
    conn
        An open connection.
    reference
        Id, name or ``latest``.

    Raises
    ------
    NotReady
        ``latest`` was asked for and nothing has been run.
    NotFound
        There is no such run.
    """
    run = tables.run
    statement = select(run).order_by(run.c.id.desc()).limit(1)
    if reference == LATEST:
        row = conn.execute(statement.where(run.c.state == "done")).one_or_none()
        if row is None:
            raise NotReady("Reading the latest run: nothing has been run yet", hint="Run `onemap gaps run`.")
        return row
    row = None
    if reference.isascii() and reference.isdigit() and int(reference) <= BIGINT_MAX:
        row = conn.execute(statement.where(run.c.id == int(reference))).one_or_none()
    if row is None:
        row = conn.execute(statement.where(run.c.name == reference)).one_or_none()
    if row is None:
        raise NotFound(f"Looking up run {reference[:80]!r}: found none", hint=RUN_HINT, parameter="run")
    return row


def check_name(name: str | None) -> None:
    """Refuse a name for a run by which it could never be found.

    Raises
    ------
    RequestError
        The name is ``latest`` or only digits, as an id.
    """
    if name is not None and (name.strip().lower() == LATEST or name.strip().isdigit()):
        raise RequestError(
            f"Naming a run {name[:80]!r}: that already means a run by its id or the newest one.",
            hint="Give a name with letters, such as plan-2026.",
            parameter="name",
        )


def check_area(conn: Connection, code: str | None) -> None:
    """Refuse to judge an area that is not loaded.

    Raises
    ------
    NotFound
        There is no such area.
    """
    area = tables.area
    if code is None:
        return
    statement = select(area.c.id).where(area.c.code == code, area.c.valid_to.is_(None)).limit(1)
    if conn.execute(statement).one_or_none() is None:
        raise NotFound(
            f"Ordering a run: there is no area {code[:80]!r}",
            hint="/ogc/collections/areas/items lists the areas.",
            parameter="area",
        )


def fetch_columns(conn: Connection, run_id: int) -> list[RunColumn]:
    """Return the types and profiles of a run in array order."""
    table = tables.run_column
    statement = select(table).where(table.c.run_id == run_id).order_by(table.c.position)
    return [
        RunColumn(**{name: row[name] for name in RunColumn.__slots__}) for row in conn.execute(statement).mappings()
    ]


def find_column(columns: Sequence[RunColumn], type_code: str | None, profile: str | None) -> RunColumn:
    """Return the column of a type and profile; without them the first one that fits.

    Raises
    ------
    NotFound
        The run has no such type or profile.
    """
    types = [item for item in columns if type_code in {None, item.type}]
    if not types:
        known = ", ".join(dict.fromkeys(item.type for item in columns))
        raise NotFound(f"Reading type {type_code!r} of the run: it judged {known}", parameter="type")
    for item in types:
        if profile in {None, item.profile}:
            return item
    known = ", ".join(dict.fromkeys(item.profile for item in types))
    raise NotFound(f"Reading profile {profile!r} of the run: it has {known}", parameter="profile")


def share_of(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return part ÷ whole; null where there is nobody."""
    return part.cast(Double) / func.nullif(whole, 0)


def result_of(run_id: int) -> ScalarSelect[int]:
    """Return the id of the result of a run, under which its figures stand."""
    return select(tables.run.c.result_id).where(tables.run.c.id == run_id).scalar_subquery()


def slice_of(building_id: ColumnElement[int]) -> ColumnElement[int]:
    """Return the number of the slice that holds a building's figures."""
    return building_id.op(">>")(literal_column(str(SLICE_BITS))).cast(Integer)


def int_at(slice_column: ColumnElement[bytes], building_id: ColumnElement[int]) -> ColumnElement[int]:
    """Return the figure of a building in its slice; below 0 as :mod:`layers.runs.slices` says."""
    place = building_id.op("&")(literal_column(str(SLICE_BUILDINGS - 1))).cast(Integer)
    return func.onemap.int_at(slice_column, place, type_=Integer)


def present(figure: ColumnElement[int]) -> ColumnElement[Any]:
    """Return a figure, null where there is none."""
    return case((figure >= 0, figure))


def status_of(reach_ms: ColumnElement[int], limit_s: ColumnElement[int] | int) -> ColumnElement[str]:
    """Return covered, gap or unknown of a building; the exact second counts as covered.

    Parameters
    ----------
    reach_ms
        Reach as it is stored, :data:`layers.runs.slices.NOT_LINKED` where the building is tied to no way.
    limit_s
        Seconds a walk may take.
    """
    return case(
        (reach_ms <= NOT_LINKED, literal("unknown")),
        (and_(reach_ms >= 0, reach_ms <= limit_s * literal(1000)), literal("covered")),
        else_=literal("gap"),
    )


def build_run_areas(
    run_id: int,
    *,
    type_code: str | None = None,
    profile: str | None = None,
    level: str | None = None,
    demand_group: str | None = None,
) -> Select[Any]:
    """Return the figures of a run by area: ``id``, then the columns of ``gaps export --what areas``.

    A null code stands for the buildings of the parent that lie in none of its children. Required, present, balance and
    accessibility are null until provision exists.
    """
    area = tables.run_area.c
    nothing = null().cast(Double)
    statement = select(
        area.id,
        area.area_code,
        area.level,
        area.name,
        area.type,
        area.profile,
        area.demand_group,
        area.people,
        area.covered,
        area.gap,
        area.unknown,
        share_of(area.covered, area.people).label("share_covered"),
        nothing.label("required"),
        nothing.label("present"),
        nothing.label("balance"),
        nothing.label("accessibility"),
        area.radius_covered,
        area.parent_code,
        area.buildings,
        area.buildings_gap,
        area.buildings_without_counts,
    ).where(area.result_id == result_of(run_id))
    wanted = ((area.type, type_code), (area.profile, profile), (area.level, level), (area.demand_group, demand_group))
    for column, value in wanted:
        if value is not None:
            statement = statement.where(column == value)
    return statement.order_by(area.id)


def fetch_levels(conn: Connection, run_id: int) -> list[str]:
    """Return the levels a run has figures for, the one with the fewest areas first."""
    area = tables.run_area.c
    statement = (
        select(area.level)
        .where(area.result_id == result_of(run_id))
        .group_by(area.level)
        .order_by(func.count(area.area_code.distinct()), area.level)
    )
    return list(conn.scalars(statement))
