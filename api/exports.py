"""Tables as downloads: the format a caller asks for, and rows that leave as they are read."""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from layers.export import STREAM_FORMATS, open_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncEngine

    from layers.export import Layout

FETCH_ROWS = 2_000
FormatQuery = Annotated[
    Literal["json", "geojson", "csv", "xlsx", "parquet"] | None,
    Query(description="Format; all but json hold every row, not one page"),
]


def choose_format(request: Request, asked: str | None) -> str:
    """Return the format: ``f`` goes first, then a table type in Accept, else JSON."""
    if asked is not None:
        return asked
    accepted = {part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    if accepted & {"application/json", "*/*", "text/html"}:
        return "json"
    for name, (media_type, _) in STREAM_FORMATS.items():
        if media_type.split(";")[0] in accepted:
            return name
    return "json"


async def stream_table(
    engine: AsyncEngine, statement: Select[Any], layout: Layout, *, format_name: str, name: str
) -> StreamingResponse:
    """Return every row of a statement as a download; faults before the first bytes are told as problems."""
    media_type, _ = STREAM_FORMATS[format_name]
    file_name = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name}.{format_name}"',
        "Cache-Control": "no-cache",
        "Vary": "Accept",
    }
    chunks = _stream(engine, statement, layout, format_name)
    first = await anext(chunks)
    return StreamingResponse(_after(first, chunks), media_type=media_type, headers=headers)


async def _after(first: bytes, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """Yield the first bytes and all that follow; whoever stops listening frees the connection."""
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk


async def _stream(
    engine: AsyncEngine, statement: Select[Any], layout: Layout, format_name: str
) -> AsyncGenerator[bytes]:
    """Yield the bytes of a table; writing is done in a thread, so that other requests are answered meanwhile."""
    drain, writer = open_stream(format_name, layout)
    async with engine.connect() as connection:
        result = await connection.stream(statement, execution_options={"max_row_buffer": FETCH_ROWS})
        async for rows in result.mappings().partitions(FETCH_ROWS):
            await anyio.to_thread.run_sync(writer.write, rows)
            if data := drain.take():
                yield data
    await anyio.to_thread.run_sync(writer.close)
    yield drain.take()
