"""What routes share: the installation's services, reading from the database, and checks of the request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Path, Query, Request

from geo.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from api.job_runner import JobRunner
    from api.study_keeper import StudyKeeper
    from layers.catalog import Pack
    from layers.scenario import Scenarios
    from layers.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

# {path template: names of the query parameters it takes}
Parameters = dict[str, frozenset[str]]


class UnknownParameter(RequestError):
    """The request has a query parameter that the address does not take."""

    http_status = 400
    title = "Unknown parameter"


@dataclass(slots=True)
class Services:
    """What one process of the server holds open.

    Attributes
    ----------
    tiles, work
        Readers of their own: a flood of tiles must not keep a card waiting, nor a large export the tiles.
    writer
        For jobs that are asked for.
    threads, studies, scenarios
        Reader for work done in threads, the network they walk, and the runs that scenarios are set on.
    parameters
        Query parameters every address takes, from the OpenAPI document.
    """

    settings: Settings
    pack: Pack
    tiles: AsyncEngine
    work: AsyncEngine
    writer: AsyncEngine
    threads: Engine
    studies: StudyKeeper
    scenarios: Scenarios
    jobs: JobRunner
    parameters: Parameters = field(default_factory=dict)


def get_services(request: Request) -> Services:
    """Return the services of this process."""
    services: Services = request.app.state.services
    return services


class Read:
    """Runs a read of :mod:`layers.query` on one pool; cancelling the request cancels the statement."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def __call__(self, fetch: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a read returns."""
        async with self.engine.connect() as connection:
            return await connection.run_sync(lambda sync: fetch(sync, *args, **kwargs))


def get_tile_read(services: Annotated[Services, Depends(get_services)]) -> Read:
    """Return reads on the tiles' pool."""
    return Read(services.tiles)


def get_read(services: Annotated[Services, Depends(get_services)]) -> Read:
    """Return reads on the pool of everything but tiles."""
    return Read(services.work)


def refuse_unknown_parameters(request: Request, services: Annotated[Services, Depends(get_services)]) -> None:
    """Refuse query parameters that the address does not take, or takes once, and texts no database can hold.

    Raises
    ------
    UnknownParameter
        One is unknown or repeated.
    RequestError
        A value holds a NUL character.
    """
    route: Any = request.scope["route"]
    known = services.parameters.get(route.path_format, frozenset())
    given = request.query_params.multi_items()
    for name, value in (*request.path_params.items(), *given):
        if "\0" in str(value):
            raise RequestError(f"Reading {name[:80]!r}: it holds a NUL character", parameter=name[:80])
    seen: set[str] = set()
    for name, _ in given:
        if name not in known:
            expected = ", ".join(sorted(known)) or "none"
            raise UnknownParameter(
                f"Reading query parameter {name[:80]!r}: this address takes {expected}", parameter=name[:80]
            )
        if name in seen:
            raise UnknownParameter(f"Reading query parameter {name!r}: it is given more than once", parameter=name)
        seen.add(name)


def collect_parameters(openapi: dict[str, Any]) -> Parameters:
    """Return the query parameters of every address in an OpenAPI document."""
    found: Parameters = {}
    for path, methods in openapi["paths"].items():
        names = [
            parameter["name"]
            for operation in methods.values()
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "query"
        ]
        found[path] = frozenset(names)
    return found


ServicesDep = Annotated[Services, Depends(get_services)]
ReadDep = Annotated[Read, Depends(get_read)]
TileReadDep = Annotated[Read, Depends(get_tile_read)]

# PostgreSQL's bigint
Key = Annotated[int, Path(ge=0, le=2**63 - 1)]
RunPath = Annotated[str, Path(description="Id or name of a run, or `latest`", min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=10_000, description="Rows in one answer")]
TypeQuery = Annotated[str | None, Query(max_length=100, description="Facility type, a code of the standards pack")]
ProfileQuery = Annotated[str | None, Query(max_length=100, description="Walking profile; without it the run's first")]
LevelQuery = Annotated[str | None, Query(max_length=100, description="Level of the tree of areas")]
