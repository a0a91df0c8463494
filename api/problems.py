"""Faults as problem+json (RFC 9457): the error tree carries the status, this module the shape.

What a client sees is the error's own words. Foreign errors are translated by the database seam or told as a bug without
their text, which may hold SQL, paths or addresses; the log keeps it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.headers import SECURITY_HEADERS
from geo.errors import Busy, OneMapError, StoreError
from layers.engine import translate_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

    from layers.settings import Settings

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
PARAMETER_HINT = "The parameters of every address are listed under /docs."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault as a client is told; ``hint`` and ``parameter`` extend RFC 9457."""

    status: int
    title: str
    detail: str
    hint: str = ""
    parameter: str | None = None


def answer(request: Request, told: Problem, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return one problem+json answer."""
    body = {
        "type": "urn:onemap:problem:" + re.sub(r"[^a-z0-9]+", "-", told.title.lower()).strip("-"),
        **asdict(told),
        "instance": request.url.path,
    }
    own = {"Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(body, status_code=told.status, media_type=MEDIA_TYPE, headers=own)


def status_of(error: OneMapError, path: str) -> int:
    """Return the status of an error; OGC API asks for 400 where the rest of the product answers 422.

    References
    ----------
    OGC API - Features part 1, requirement /req/core/query-param-invalid.
    """
    if error.http_status == HTTPStatus.UNPROCESSABLE_ENTITY and path.startswith("/ogc"):
        return HTTPStatus.BAD_REQUEST
    return error.http_status


def explain(request: Request, error: OneMapError) -> JSONResponse:
    """Return the answer for an error of our own."""
    headers = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, StoreError):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    status = status_of(error, request.url.path)
    return answer(request, Problem(status, error.title, error.message, error.hint, error.parameter), headers=headers)


def explain_validation(request: Request, error: RequestValidationError) -> JSONResponse:
    """Return the answer for a request that does not fit the route's types; the first fault is told."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    # the first part is where it stood: query, path, body
    parameter = ".".join(where[1:]) or None
    status = HTTPStatus.BAD_REQUEST if request.url.path.startswith("/ogc") else HTTPStatus.UNPROCESSABLE_ENTITY
    detail = f"Reading {' '.join(where)}: {first['msg']}"
    return answer(request, Problem(status, "Bad request", detail, PARAMETER_HINT, parameter))


def explain_http(request: Request, error: HTTPException) -> JSONResponse:
    """Return the answer for what the framework itself refuses: unknown addresses and methods."""
    title = HTTPStatus(error.status_code).phrase.capitalize()
    detail = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {request.url.path}.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible at {request.url.path}.",
    }.get(HTTPStatus(error.status_code), title)
    return answer(request, Problem(error.status_code, title, detail, PARAMETER_HINT), headers=error.headers)


def explain_bug(request: Request, _error: Exception) -> JSONResponse:
    """Return the answer for a fault of ours; its text stays in the log."""
    told = Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Internal error",
        "The server met a fault of its own; the request changed nothing.",
        "The log of the server holds the details.",
    )
    # this one is sent outside all middleware, which would have added the headers
    return answer(request, told, headers=SECURITY_HEADERS)


def register(app: FastAPI, settings: Settings) -> None:
    """Tie every kind of fault to its answer."""

    def explain_store(request: Request, error: SQLAlchemyError) -> JSONResponse:
        ours = translate_error(error, private=settings.is_private)
        if ours is not None:
            return explain(request, ours)
        logger.error("a statement failed at %s", request.url.path, exc_info=error)
        return explain_bug(request, error)

    handlers: dict[Any, Any] = {
        OneMapError: explain,
        RequestValidationError: explain_validation,
        HTTPException: explain_http,
        SQLAlchemyError: explain_store,
        Exception: explain_bug,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
