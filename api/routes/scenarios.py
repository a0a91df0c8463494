"""Scenarios: what edits of facilities, streets, gates and paths would change, tried out and stored."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import to_json

from api import schemas_scenarios as schemas
from api.deps import Key, LevelQuery, Limit, ProfileQuery, ReadDep, ServicesDep, TileReadDep, TypeQuery
from api.exports import FormatQuery, choose_format, stream_table
from api.headers import is_known
from api.listing import AfterIdQuery, AfterQuery, cut_page, fetch_page, read_after
from api.routes.tiles import TILE_ANSWERS, answer_tile
from geo.errors import NotFound
from layers import tiles
from layers.query.runs import fetch_columns, fetch_levels, find_column
from layers.query.scenarios import (
    LAYOUTS,
    after_change,
    build_scenario_areas,
    build_scenario_buildings,
    build_scenarios,
    describe_scenario,
    fetch_difference,
    fetch_scenario,
    with_outline,
)
from layers.scenarios.result import BUILDINGS_SHOWN, describe_difference
from layers.scenarios.store import delete_scenario, read_batches, rename_scenario
from layers.scenarios.tables import scenario_area
from layers.scenarios.tiles import edit_source, find_changed_column, scenario_source

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sqlalchemy import Connection, Row, Select

    from layers.scenarios.result import ScenarioResult


class ScenarioRoute(APIRoute):
    """A route whose faults in the body name the edit."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with faults of edits told in our words."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                if first["loc"][0] != "body" or first["type"] == "json_invalid":
                    raise
                raise schemas.explain_body(first) from error

        return answer


router = APIRouter(tags=["scenarios"], route_class=ScenarioRoute)

DryQuery = Annotated[bool, Query(description="Compute only, store nothing: while something is dragged")]
ShownQuery = Annotated[int, Query(ge=0, le=20_000, description="Changed buildings in the answer")]

RevisionQuery = Annotated[str | None, Query(max_length=100, description="Revision of the scenario")]


def _answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON without checking our own answer once more: drafts follow a mouse."""
    return Response(to_json(value), status_code=status, media_type="application/json", headers=headers)


def _describe(conn: Connection, row: Row[Any], difference: dict[str, Any]) -> dict[str, Any]:
    batches = read_batches(row)
    return {
        **describe_scenario(conn, row),
        "versions": row.versions,
        "done": batches.batches[: batches.done],
        "to_redo": batches.batches[batches.done :],
        "tiles": f"/scenarios/{row.id}/tiles/{{z}}/{{x}}/{{y}}.mvt?v={row.revision}",
        "difference": difference,
    }


async def _tell(read: ReadDep, scenario_id: int, result: ScenarioResult, buildings: int, *, status: int) -> Response:
    """Return a scenario that was just stored; its difference needs no reading back."""
    difference = describe_difference(result, buildings=buildings)

    def work(conn: Connection) -> dict[str, Any]:
        return _describe(conn, fetch_scenario(conn, scenario_id), difference)

    headers = {"Location": f"/scenarios/{scenario_id}"} if status == 201 else None
    return _answer(await read(work), status=status, headers=headers)


@router.post(
    "/scenarios",
    response_model=schemas.ScenarioDetail,
    status_code=201,
    responses={
        200: {"model": schemas.Draft, "description": "With `dry`: nothing was stored"},
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
    },
)
async def new_scenario(
    order: schemas.ScenarioOrder,
    read: ReadDep,
    services: ServicesDep,
    dry: DryQuery = False,
    buildings: ShownQuery = BUILDINGS_SHOWN,
) -> Response:
    """Compute what edits change against a run, by type, area, demand group and building, and store them."""
    scenarios, edits = services.scenarios, order.plain()
    if dry:
        draft = partial(scenarios.draft, order.run, edits)
        result = await anyio.to_thread.run_sync(draft, abandon_on_cancel=True)
        difference = describe_difference(result, buildings=buildings)
        return _answer({"run_id": result.base.run_id, "at": result.base.at, "stale": False, "difference": difference})
    made = await anyio.to_thread.run_sync(partial(scenarios.create, order.run, edits, name=order.name))
    return await _tell(read, made.id, made.result, buildings, status=201)


@router.get("/scenarios", response_model=schemas.ScenarioList)
async def list_scenarios(read: ReadDep, limit: Limit = 50, after: AfterIdQuery = None) -> dict[str, Any]:
    """Return the stored scenarios, newest first."""

    def work(conn: Connection) -> dict[str, Any]:
        shown, last = cut_page(conn.execute(build_scenarios(after=after, limit=limit + 1)).all(), limit)
        return {
            "scenarios": [describe_scenario(conn, row) for row in shown],
            "next": None if last is None else last.id,
        }

    return await read(work)


@router.get("/scenarios/{scenario_id}", response_model=schemas.ScenarioDetail)
async def get_scenario(scenario_id: Key, read: ReadDep, buildings: ShownQuery = BUILDINGS_SHOWN) -> Response:
    """Return one scenario with its edits and what they change; `stale` where layers have changed since."""

    def work(conn: Connection) -> dict[str, Any]:
        row = fetch_scenario(conn, scenario_id)
        return _describe(conn, row, fetch_difference(conn, row, buildings=buildings))

    return _answer(await read(work))


@router.patch("/scenarios/{scenario_id}", response_model=schemas.ScenarioBrief)
async def name_scenario(scenario_id: Key, order: schemas.ScenarioNaming, services: ServicesDep) -> dict[str, Any]:
    """Give a scenario another name."""

    def work(conn: Connection) -> dict[str, Any]:
        rename_scenario(conn, scenario_id, name=order.name)
        return describe_scenario(conn, fetch_scenario(conn, scenario_id))

    async with services.writer.begin() as connection:
        return await connection.run_sync(work)


@router.delete("/scenarios/{scenario_id}", status_code=204)
async def remove_scenario(scenario_id: Key, services: ServicesDep) -> Response:
    """Delete a scenario."""
    async with services.writer.begin() as connection:
        await connection.run_sync(delete_scenario, scenario_id)
    return Response(status_code=204)


@router.post("/scenarios/{scenario_id}/edits", response_model=schemas.ScenarioDetail)
async def append_edits(
    scenario_id: Key,
    order: schemas.EditsOrder,
    read: ReadDep,
    services: ServicesDep,
    buildings: ShownQuery = BUILDINGS_SHOWN,
) -> Response:
    """Add a batch of edits; it is undone as one."""
    append = partial(services.scenarios.append, scenario_id, order.plain())
    made = await anyio.to_thread.run_sync(append)
    return await _tell(read, made.id, made.result, buildings, status=200)


@router.delete("/scenarios/{scenario_id}/edits/last", response_model=schemas.ScenarioDetail)
async def undo_edits(
    scenario_id: Key, read: ReadDep, services: ServicesDep, buildings: ShownQuery = BUILDINGS_SHOWN
) -> Response:
    """Take the last batch of edits back."""
    made = await anyio.to_thread.run_sync(services.scenarios.undo, scenario_id)
    return await _tell(read, made.id, made.result, buildings, status=200)


@router.post("/scenarios/{scenario_id}/edits/redo", response_model=schemas.ScenarioDetail)
async def redo_edits(
    scenario_id: Key, read: ReadDep, services: ServicesDep, buildings: ShownQuery = BUILDINGS_SHOWN
) -> Response:
    """Bring back the batch of edits that was taken back last."""
    made = await anyio.to_thread.run_sync(services.scenarios.redo, scenario_id)
    return await _tell(read, made.id, made.result, buildings, status=200)


@router.post("/scenarios/{scenario_id}/rebase", response_model=schemas.ScenarioDetail)
async def rebase_scenario(
    scenario_id: Key,
    order: schemas.RebaseOrder,
    read: ReadDep,
    services: ServicesDep,
    buildings: ShownQuery = BUILDINGS_SHOWN,
) -> Response:
    """Set the edits on another run, for one that is stale: on the newest."""
    made = await anyio.to_thread.run_sync(services.scenarios.rebase, scenario_id, order.run)
    return await _tell(read, made.id, made.result, buildings, status=200)


@router.get("/scenarios/{scenario_id}/areas", response_model=schemas.AreaRows)
async def get_areas(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    scenario_id: Key,
    read: ReadDep,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    level: LevelQuery = None,
    limit: Limit = 100,
    after: AfterQuery = None,
    f: FormatQuery = None,
) -> Any:
    """Return the areas in which a figure differs, before and after."""

    def build(conn: Connection) -> Select[Any]:
        _check(conn, scenario_id, type_code=type, level=level)
        return build_scenario_areas(scenario_id, type_code=type, level=level)

    chosen = choose_format(request, f)
    if chosen != "json":
        statement = await read(build)
        outlines = with_outline(statement) if chosen == "geojson" else statement
        name = f"scenario-{scenario_id}-areas"
        return await stream_table(read.engine, outlines, LAYOUTS["areas"], format_name=chosen, name=name)

    def work(conn: Connection) -> dict[str, Any]:
        statement = build(conn)
        if after is not None:
            statement = statement.where(scenario_area.c.id > read_after(after, parts=1)[0])
        return fetch_page(conn, statement, limit=limit, keys=("id",))

    return await read(work)


@router.get("/scenarios/{scenario_id}/buildings", response_model=schemas.BuildingRows)
async def get_buildings(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    scenario_id: Key,
    read: ReadDep,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
    limit: Limit = 100,
    after: AfterQuery = None,
    f: FormatQuery = None,
) -> Any:
    """Return the buildings that walk elsewhere, farther or less far, before and after."""

    def build(conn: Connection) -> Select[Any]:
        _check(conn, scenario_id, type_code=type, profile=profile)
        return build_scenario_buildings(scenario_id, type_code=type, profile=profile)

    chosen = choose_format(request, f)
    if chosen != "json":
        name = f"scenario-{scenario_id}-buildings"
        statement = await read(build)
        return await stream_table(read.engine, statement, LAYOUTS["buildings"], format_name=chosen, name=name)

    def work(conn: Connection) -> dict[str, Any]:
        statement = build(conn)
        if after is not None:
            building_id, position = read_after(after, parts=2)
            statement = after_change(statement, building_id, position)
        return fetch_page(conn, statement, limit=limit, keys=("building_id", "position"))

    return await read(work)


def _check(
    conn: Connection,
    scenario_id: int,
    *,
    type_code: str | None,
    profile: str | None = None,
    level: str | None = None,
) -> None:
    """Refuse a scenario that does not exist, and a type, profile or level that its base run has not.

    Raises
    ------
    NotFound
        Names what is not there.
    """
    row = fetch_scenario(conn, scenario_id)
    if type_code is not None or profile is not None:
        find_column(fetch_columns(conn, row.run_id), type_code, profile)
    if level is not None and level not in (known := fetch_levels(conn, row.run_id)):
        expected = ", ".join(known) or "none: no areas were loaded"
        raise NotFound(f"Reading level {level[:80]!r} of scenario {scenario_id}: it has {expected}", parameter="level")


@router.get(
    "/scenarios/{scenario_id}/tiles/{z}/{x}/{y}.mvt",
    response_class=Response,
    responses=TILE_ANSWERS,
)
async def get_tile(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    scenario_id: Key,
    z: int,
    x: int,
    y: int,
    read: TileReadDep,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
    v: RevisionQuery = None,  # noqa: ARG001 - makes the address another one after a change
) -> Response:
    """Return one tile: layer `scenario` the changed buildings of a type, layer `scenario_edits` the edits."""
    address = tiles.TileAddress(z, x, y)

    def work(conn: Connection) -> tuple[str, tiles.Tile | None]:
        row = fetch_scenario(conn, scenario_id)
        column = find_changed_column(conn, row, type, profile)
        etag = tiles.etag_of("scenario", row.id, row.revision, row.changed_at.isoformat(), column.position, address)
        if is_known(request, etag):
            return etag, None
        buildings = tiles.fetch_tile(conn, scenario_source(row, column, address), address)
        edits = tiles.fetch_tile(conn, edit_source(row.id, address), address)
        both = buildings.data + edits.data, buildings.kept + edits.kept, buildings.found + edits.found
        return etag, tiles.Tile(*both)

    return answer_tile(*await read(work))
