"""The web application: pools, routes, faults and headers put together."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from api import problems, schemas
from api.cli.main import read_version
from api.deps import Services, collect_parameters, refuse_unknown_parameters
from api.follower import Follower
from api.headers import SecurityHeaders
from api.job_runner import JobRunner, end_with_server
from api.middleware import HeadAsGet, RefuseOtherHosts, RefuseOtherSites, StopWhenGone
from api.routes import catalogue, circles, features, health, jobs, pages, runs, scenarios, search, tiles
from api.study_keeper import StudyKeeper
from geo.errors import OneMapError
from layers.catalog import read_pack
from layers.engine import make_async_engine, make_engine
from layers.scenario import Scenarios

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor

    from layers.settings import Settings

# Answers smaller than this are not worth compressing; 5 is near the knee of time against size.
GZIP_BYTES_MIN = 600
GZIP_LEVEL = 5
# A tile that takes longer than this is no use to somebody who looks at a map, seconds.
TILE_TIMEOUT_S = 10.0
DESCRIPTION = (
    "One database and one map for very large residential communities. Coordinates are WGS-84 longitude and latitude; "
    "faults are problem+json (RFC 9457) and name the parameter."
)


def make_executor() -> Executor:
    """Return the process in which jobs are done, one at a time; it starts with the first job."""
    return ProcessPoolExecutor(
        max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_server
    )


def create_app(
    settings: Settings,
    *,
    executor: Callable[[], Executor] = make_executor,
    warm: bool = False,
    hosts: AbstractSet[str] | None = None,
) -> FastAPI:
    """Return the web application of one installation.

    Parameters
    ----------
    settings
        The installation; nothing is connected before the first request.
    executor
        Makes what jobs are done in.
    warm
        Compile kernels and load the layers at once, in a thread; `/readyz` waits for it.
    hosts
        Names and addresses, in small letters and without port, under which requests are answered; None means any.
    """
    app = FastAPI(
        title="OneMap",
        version=read_version(),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_make_lifespan(settings, executor, warm=warm),
    )
    for module in (catalogue, tiles, runs, circles, scenarios, features, jobs, search, health):
        app.include_router(
            module.router,
            dependencies=[Depends(refuse_unknown_parameters)],
            responses={"default": {"model": schemas.Problem, "description": "A fault, as problem+json"}},
        )
    # last: it answers every address that is left
    app.include_router(pages.router)
    problems.register(app, settings)
    # the last one added is the outermost
    app.add_middleware(GZipMiddleware, minimum_size=GZIP_BYTES_MIN, compresslevel=GZIP_LEVEL)
    app.add_middleware(HeadAsGet)
    app.add_middleware(StopWhenGone)
    app.add_middleware(RefuseOtherSites)
    if hosts is not None:
        app.add_middleware(RefuseOtherHosts, hosts=frozenset(hosts))
    app.add_middleware(SecurityHeaders)
    return app


def _make_lifespan(settings: Settings, executor: Callable[[], Executor], *, warm: bool) -> Any:
    """Return what opens and closes the services of one process."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tile_settings = replace(settings, reader_timeout_s=min(settings.reader_timeout_s, TILE_TIMEOUT_S))
        pools = {
            "tiles": make_async_engine(tile_settings, role="reader"),
            "work": make_async_engine(settings, role="reader"),
            "writer": make_async_engine(settings, role="writer"),
        }
        threads = make_engine(settings, role="reader")
        job_engine = make_engine(settings, role="writer")
        runner = JobRunner(settings, job_engine, executor)
        studies = StudyKeeper(settings, threads)
        app.state.services = Services(
            settings=settings,
            pack=read_pack(city_file=settings.city_file),
            threads=threads,
            studies=studies,
            scenarios=Scenarios(reader=threads, writer=job_engine, settings=settings, load=studies.load),
            jobs=runner,
            parameters=collect_parameters(app.openapi()),
            **pools,
        )
        watching = asyncio.create_task(Follower(pools["writer"], runner).watch())
        try:
            await _take_on_waiting(runner)
            if warm:
                scenarios = app.state.services.scenarios
                studies.start_warming(then=scenarios.warm, later=scenarios.warm_streets)
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            runner.close()
            for pool in pools.values():
                await pool.dispose()
            threads.dispose()
            job_engine.dispose()

    return lifespan


async def _take_on_waiting(runner: JobRunner) -> None:
    """Take on waiting jobs; a database that is down now is told by /readyz, not by a server that does not start."""
    try:
        await anyio.to_thread.run_sync(runner.take_on_waiting)
    except OneMapError as error:
        problems.logger.warning("waiting jobs were not taken on: %s", error)
