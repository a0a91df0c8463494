"""Gap runs: the list, one run, its areas, buildings and facilities, and the order for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from api import schemas
from api.deps import Key, LevelQuery, Limit, ProfileQuery, ReadDep, RunPath, ServicesDep, TypeQuery
from api.exports import FormatQuery, choose_format, stream_table
from api.headers import ASK_AGAIN, is_known, not_modified
from api.listing import AfterIdQuery, AfterQuery, cut_page, fetch_page, read_after
from api.routes.jobs import describe_job
from geo.errors import NotFound, RequestError
from layers import tiles
from layers.catalog import read_profiles
from layers.hours import write_at
from layers.jobs import create_job, fetch_job
from layers.query.exports import LAYOUTS, with_area_geometry
from layers.query.results import (
    after_building,
    after_facility,
    build_run_buildings,
    build_run_facilities,
    fetch_building_card,
    fetch_totals,
)
from layers.query.runs import (
    build_run_areas,
    build_runs,
    check_area,
    check_name,
    fetch_columns,
    fetch_levels,
    fetch_run,
    find_column,
)
from layers.runs.follow import JOB_KIND, order_following, set_following
from layers.tables import run_area, run_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row, Select

    from api.deps import Read
    from layers.query.runs import RunColumn

router = APIRouter(tags=["gaps"])

StatusQuery = Annotated[Literal["covered", "gap", "unknown"] | None, Query(description="Only buildings of this status")]
AreaQuery = Annotated[str | None, Query(max_length=100, description="Only this area and the areas below it, by code")]
GroupQuery = Annotated[str | None, Query(max_length=200, description="`all`, or the type's own demand group")]


@router.get("/gaps/runs", response_model=schemas.RunList)
async def list_runs(read: ReadDep, limit: Limit = 50, after: AfterIdQuery = None) -> dict[str, Any]:
    """Return the stored runs, newest first."""

    def work(conn: Connection) -> dict[str, Any]:
        shown, last = cut_page(conn.execute(build_runs(after=after, limit=limit + 1)).all(), limit)
        columns = _columns_of(conn, [row.id for row in shown])
        return {
            "runs": [_describe_run(row, columns.get(row.id, [])) for row in shown],
            "next": None if last is None else last.id,
        }

    return await read(work)


def _columns_of(conn: Connection, run_ids: list[int]) -> dict[int, list[Any]]:
    kind = run_column.c
    found: dict[int, list[Any]] = {}
    statement = run_column.select().where(kind.run_id.in_(run_ids)).order_by(kind.run_id, kind.position)
    for row in conn.execute(statement):
        found.setdefault(row.run_id, []).append(row)
    return found


def _describe_run(row: Row[Any], columns: list[Any]) -> dict[str, Any]:
    counts = {name: value for name, value in row.counts.items() if isinstance(value, int | float)}
    return {
        **{name: getattr(row, name) for name in ("id", "name", "created_at", "state", "follows")},
        **{name: getattr(row, name) for name in ("request", "versions")},
        "profiles": list(dict.fromkeys(column.profile for column in columns)),
        "types": list(dict.fromkeys(column.type for column in columns)),
        "pack_version": row.pack_version,
        "duration_s": row.duration_s,
        "people": counts.get("people"),
        "counts": counts,
    }


@router.post(
    "/gaps/runs",
    response_model=schemas.JobAnswer,
    status_code=202,
    responses={202: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
async def order_run(
    order: schemas.RunOrder, response: Response, read: ReadDep, services: ServicesDep
) -> dict[str, Any]:
    """Order a gap run; it is computed beside the server, and the job tells how far it is."""
    _check_words("types", order.types, {item.code for item in services.pack.types})
    _check_words("profiles", order.profiles, set(read_profiles()))
    check_name(order.name)
    write_at(order.at)
    await read(check_area, order.area)
    request = order.model_dump()
    async with services.writer.begin() as connection:
        job_id = await connection.run_sync(create_job, kind="gap-run", request=request)
        row = await connection.run_sync(fetch_job, job_id)
    services.jobs.submit(job_id, "gap-run")
    response.headers["Location"] = f"/jobs/{job_id}"
    return {"job": describe_job(row)}


@router.post(
    "/gaps/runs/{run}/follow",
    response_model=schemas.JobAnswer,
    status_code=202,
    responses={202: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
async def follow_run(run: RunPath, response: Response, services: ServicesDep) -> dict[str, Any]:
    """Bring a run up to date now, and again after every change of the layers it was made from."""

    def work(conn: Connection) -> tuple[Row[Any], bool]:
        found = fetch_run(conn, run)
        set_following(conn, found.id, follows=True)
        job_id, is_new = order_following(conn, found.id)
        return fetch_job(conn, job_id), is_new

    async with services.writer.begin() as connection:
        row, is_new = await connection.run_sync(work)
    if is_new:
        services.jobs.submit(row.id, JOB_KIND)
    response.headers["Location"] = f"/jobs/{row.id}"
    return {"job": describe_job(row)}


@router.delete("/gaps/runs/{run}/follow", status_code=204)
async def leave_run(run: RunPath, services: ServicesDep) -> Response:
    """Leave a run as it is from now on."""

    def work(conn: Connection) -> None:
        set_following(conn, fetch_run(conn, run).id, follows=False)

    async with services.writer.begin() as connection:
        await connection.run_sync(work)
    return Response(status_code=204)


def _check_words(name: str, words: list[str], known: set[str]) -> None:
    """Raise for the first word that is none of those known.

    Raises
    ------
    RequestError
        Names its place in the list.
    """
    for number, word in enumerate(words):
        if word not in known:
            raise RequestError(f"Ordering a run: found {word[:80]!r} among the {name}", parameter=f"{name}.{number}")


@router.get("/gaps/runs/{run}", response_model=schemas.RunDetail)
async def get_run(run: RunPath, request: Request, response: Response, read: ReadDep, services: ServicesDep) -> Any:
    """Return one run with what it judged, the totals of every column, and what it did not judge and why."""

    def work(conn: Connection) -> tuple[str, dict[str, Any] | None]:
        row = fetch_run(conn, run)
        etag = tiles.etag_of("run", row.id, row.result_sha256, row.name, row.follows)
        if is_known(request, etag):
            return etag, None
        columns = fetch_columns(conn, row.id)
        return etag, {
            **_describe_run(row, columns),
            **{name: getattr(row, name) for name in ("code_version", "metric_crs", "engine", "result_sha256")},
            "levels": fetch_levels(conn, row.id),
            "columns": columns,
            "totals": fetch_totals(conn, row.id),
        }

    etag, found = await read(work)
    if found is None:
        return not_modified(etag)
    response.headers.update({"ETag": etag, "Cache-Control": ASK_AGAIN})
    reasons = [{"code": code, "reason": reason} for code, reason in services.pack.not_judged]
    return {**found, "not_judged": reasons}


@router.get("/gaps/runs/{run}/areas", response_model=schemas.AreaRows)
async def get_areas(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    run: RunPath,
    read: ReadDep,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
    level: LevelQuery = None,
    demand_group: GroupQuery = None,
    limit: Limit = 100,
    after: AfterQuery = None,
    f: FormatQuery = None,
) -> Any:
    """Return a run by area: people covered, in the gap and unknown, for `all` and the type's own demand group."""

    def build(conn: Connection) -> Select[Any]:
        found = fetch_run(conn, run)
        columns = fetch_columns(conn, found.id)
        if type is not None or profile is not None:
            find_column(columns, type, profile)
        if level is not None and level not in (known := fetch_levels(conn, found.id)):
            expected = ", ".join(known) or "none: no areas were loaded"
            raise NotFound(f"Reading level {level!r} of the run: it has {expected}", parameter="level")
        return build_run_areas(found.id, type_code=type, profile=profile, level=level, demand_group=demand_group)

    chosen = choose_format(request, f)
    if chosen != "json":
        statement = await read(build)
        outlines = with_area_geometry(statement) if chosen == "geojson" else statement
        return await stream_table(read.engine, outlines, LAYOUTS["areas"], format_name=chosen, name=f"run-{run}-areas")

    def work(conn: Connection) -> dict[str, Any]:
        statement = build(conn)
        if after is not None:
            statement = statement.where(run_area.c.id > read_after(after, parts=1)[0])
        return fetch_page(conn, statement, limit=limit, keys=("id",))

    return await read(work)


@router.get("/gaps/runs/{run}/buildings", response_model=schemas.BuildingRows)
async def get_buildings(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    run: RunPath,
    read: ReadDep,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
    status: StatusQuery = None,
    area: AreaQuery = None,
    limit: Limit = 100,
    after: AfterQuery = None,
    f: FormatQuery = None,
) -> Any:
    """Return a run by building, type and profile, as ``gaps export --what buildings`` lists it."""

    def build(run_id: int, column: RunColumn | None) -> Select[Any]:
        return build_run_buildings(run_id, column=column, status=status, area_code=area)

    listing = Listing("buildings", build, after_building, ("building_id", "position"))
    return await _answer(listing, Asked(run, type, profile, limit, after, choose_format(request, f)), read)


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of a run that is read page by page or as a file.

    Attributes
    ----------
    name
        Its name among the exports.
    build
        Makes the statement for a run and one of its columns, or all.
    skip_to
        Adds the condition that a page starts behind two keys.
    keys
        The columns those keys are read from.
    """

    name: str
    build: Callable[[int, RunColumn | None], Select[Any]]
    skip_to: Callable[[Select[Any], int, int], Select[Any]]
    keys: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants of a listing."""

    run: str
    type_code: str | None
    profile: str | None
    limit: int
    after: str | None
    format_name: str


async def _answer(listing: Listing, asked: Asked, read: Read) -> Any:
    """Return a page of rows with the key of the next, or the whole table as a file."""

    def build(conn: Connection) -> Select[Any]:
        found = fetch_run(conn, asked.run)
        statement = listing.build(found.id, _choose_column(conn, found.id, asked.type_code, asked.profile))
        if asked.type_code is None and asked.profile is not None:
            statement = statement.where(run_column.c.profile == asked.profile)
        return statement

    def work(conn: Connection) -> dict[str, Any]:
        statement = build(conn)
        if asked.after is not None:
            first, second = read_after(asked.after, parts=2)
            statement = listing.skip_to(statement, first, second)
        return fetch_page(conn, statement, limit=asked.limit, keys=listing.keys)

    if asked.format_name == "json":
        return await read(work)
    return await stream_table(
        read.engine,
        await read(build),
        LAYOUTS[listing.name],
        format_name=asked.format_name,
        name=f"run-{asked.run}-{listing.name}",
    )


def _choose_column(conn: Connection, run_id: int, type_code: str | None, profile: str | None) -> RunColumn | None:
    """Return the one column a type names; without a type, all of them, with the profile checked."""
    columns = fetch_columns(conn, run_id)
    if type_code is None:
        if profile is not None:
            find_column(columns, None, profile)
        return None
    return find_column(columns, type_code, profile)


@router.get("/gaps/runs/{run}/facilities", response_model=schemas.FacilityRows)
async def get_facilities(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    run: RunPath,
    read: ReadDep,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
    limit: Limit = 100,
    after: AfterQuery = None,
    f: FormatQuery = None,
) -> Any:
    """Return the facilities of a run with the buildings nearest to them within the limit and the people in those."""

    def build(run_id: int, column: RunColumn | None) -> Select[Any]:
        return build_run_facilities(run_id, column=column)

    listing = Listing("facilities", build, after_facility, ("position", "facility_id"))
    return await _answer(listing, Asked(run, type, profile, limit, after, choose_format(request, f)), read)


@router.get("/gaps/runs/{run}/buildings/{building_id}", response_model=schemas.BuildingCard)
async def get_building(
    run: RunPath, building_id: Key, read: ReadDep, services: ServicesDep, profile: ProfileQuery = None
) -> dict[str, Any]:
    """Return one building: facts, residents, how far every type is, and the required types it has within a walk."""

    def work(conn: Connection) -> dict[str, Any]:
        found = fetch_run(conn, run)
        if profile is not None:
            find_column(fetch_columns(conn, found.id), None, profile)
        card = fetch_building_card(conn, found.id, building_id, types=services.pack.types)
        if profile is not None:
            for part in ("results", "completeness"):
                card[part] = [row for row in card[part] if row["profile"] == profile]
        return card

    return await read(work)
