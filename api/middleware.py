"""What happens around every request: HEAD, callers who have gone, and requests from other sites."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import Request

from api.problems import explain
from geo.errors import Forbidden

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HeadAsGet:
    """Answer HEAD as GET without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        is_told = False

        async def send_head(message: Message) -> None:
            nonlocal is_told
            if message["type"] != "http.response.body":
                await send(message)
            elif not is_told:
                # the answer ends here, however long the body would have been; the rest is stopped as for one who left
                is_told = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app({**scope, "method": "GET"}, receive, send_head)


class StopWhenGone:
    """Stop working for a caller who has gone: the request's task is cancelled, and with it its database statement."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=4)
        work = asyncio.ensure_future(self._work(scope, messages, send))
        watch = asyncio.ensure_future(_watch(receive, messages))
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        finally:
            for task in (watch, work):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _work(self, scope: Scope, messages: asyncio.Queue[Message], send: Send) -> None:
        await self.app(scope, messages.get, send)


async def _watch(receive: Receive, messages: asyncio.Queue[Message]) -> None:
    """Hand the caller's messages on until it goes."""
    while True:
        message = await receive()
        await messages.put(message)
        if message["type"] == "http.disconnect":
            return


class RefuseOtherSites:
    """Refuse changes that a page of another site asks a browser to make: there are no sessions to check yet."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            request = Request(scope)
            if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
                answer = explain(request, Forbidden("Changing something from a page of another site is not allowed."))
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)
