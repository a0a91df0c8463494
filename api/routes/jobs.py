"""Jobs: how far long work is, as an answer and as a stream of events, and stopping it."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from api import schemas
from api.deps import Read, ReadDep, ServicesDep
from layers.jobs import END_STATES, cancel_job, fetch_job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Row

router = APIRouter(tags=["jobs"])

POLL_S = 0.3
# A comment line now and then keeps proxies from closing a quiet stream.
KEEP_ALIVE_POLLS = 50
JobPath = Annotated[uuid.UUID, Path(description="Id of the job")]


def describe_job(row: Row[Any]) -> dict[str, Any]:
    """Return a job as answers tell it."""
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


@router.get("/jobs/{job_id}", response_model=schemas.Job)
async def get_job(job_id: JobPath, read: ReadDep) -> dict[str, Any]:
    """Return how far a job is, and its result when it is done."""
    return describe_job(await read(fetch_job, job_id))


@router.delete("/jobs/{job_id}", response_model=schemas.Job)
async def delete_job(job_id: JobPath, services: ServicesDep) -> dict[str, Any]:
    """Ask a job to stop; one that has ended stays as it is."""
    async with services.writer.begin() as connection:
        await connection.run_sync(cancel_job, job_id)
        return describe_job(await connection.run_sync(fetch_job, job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def follow_job(job_id: JobPath, read: ReadDep) -> StreamingResponse:
    """Stream how far a job is as server-sent events ``progress``, then one ``done``, ``failed`` or ``cancelled``."""
    await read(fetch_job, job_id)
    return StreamingResponse(
        _follow(job_id, read), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _follow(job_id: uuid.UUID, read: Read) -> AsyncIterator[str]:
    """Yield an event whenever the job changed; between two looks no connection is held."""
    last: tuple[Any, ...] | None = None
    polls = 0
    while True:
        row = await read(fetch_job, job_id)
        now = (row.state, row.progress, row.message)
        if now != last:
            last = now
            data = schemas.Job.model_validate(describe_job(row)).model_dump(mode="json")
            name = row.state if row.state in END_STATES else "progress"
            yield f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
        elif polls % KEEP_ALIVE_POLLS == 0:
            yield ": still here\n\n"
        if row.state in END_STATES:
            return
        polls += 1
        await asyncio.sleep(POLL_S)
