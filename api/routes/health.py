"""Whether the process lives and whether it can answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from api import schemas
from api.deps import Read, Services, ServicesDep
from geo.errors import NotReady, OneMapError
from layers.migrate import head_revision, read_revision
from layers.tables import layer_version
from maps.pages import find_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

router = APIRouter(tags=["health"])

# A database that does not answer by then is not ready, whatever it does later.
READY_TIMEOUT_S = 3.0


@router.get("/healthz", response_model=schemas.Health)
async def get_health() -> dict[str, str]:
    """Say that the process answers; nothing else is asked."""
    return {"status": "ok"}


@router.get("/readyz", response_model=schemas.Readiness, responses={503: {"model": schemas.Readiness}})
async def get_readiness(response: Response, services: ServicesDep) -> dict[str, Any]:
    """Say whether database, tables, layers, pages and walking engine are there; 503 names what is missing."""
    checks = [
        await _check_database(services, "database", _touch),
        await _check_database(services, "tables", _check_revision),
        await _check_database(services, "layers", _check_layers),
        _check_pages(),
        _check_engine(services),
    ]
    ready = all(check["ok"] for check in checks)
    if not ready:
        response.status_code = 503
    response.headers["Cache-Control"] = "no-store"
    return {"status": "ready" if ready else "not ready", "checks": checks}


async def _check_database(services: Services, name: str, fetch: Callable[[Connection], None]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await Read(services.work)(fetch)
    except OneMapError as error:
        return {"name": name, "ok": False, "detail": f"{error.message} {error.hint}".strip()}
    except SQLAlchemyError:
        return {"name": name, "ok": False, "detail": "The database refused the question."}
    except TimeoutError:
        return {"name": name, "ok": False, "detail": f"The database did not answer within {READY_TIMEOUT_S:g} s."}
    return {"name": name, "ok": True, "detail": ""}


def _touch(conn: Connection) -> None:
    conn.execute(select(1))


def _check_revision(conn: Connection) -> None:
    found, expected = read_revision(conn), head_revision()
    if found != expected:
        raise NotReady(f"Found tables of revision {found}, expected {expected}.", hint="Run `onemap db migrate`.")


def _check_layers(conn: Connection) -> None:
    if conn.execute(select(layer_version.c.layer).limit(1)).first() is None:
        raise NotReady("No layer is loaded.", hint="Run `onemap demo` or `onemap load`.")


def _check_pages() -> dict[str, Any]:
    try:
        find_page("index.html")
    except NotReady as error:
        return {"name": "pages", "ok": False, "detail": f"{error.message} {error.hint}"}
    return {"name": "pages", "ok": True, "detail": ""}


def _check_engine(services: Services) -> dict[str, Any]:
    if services.studies.is_warm:
        return {"name": "engine", "ok": True, "detail": ""}
    return {"name": "engine", "ok": False, "detail": "The walking engine is being prepared; this takes seconds."}
