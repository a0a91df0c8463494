"""What happens around every request: HEAD, callers who have gone, and requests from other sites."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request

from api.problems import explain
from geo.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# name or address of the Host header, without its port (RFC 9110, 7.2)
HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^\s:/@\[\]]+))(?::[0-9]*)?")


class WrongHost(Forbidden):
    """The request was meant for another server: the browser was led here by a name that is not ours."""

    http_status = 421
    title = "Wrong host"


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
            if _is_from_elsewhere(request):
                fault = Forbidden(
                    "Changing something from a page of another site is not allowed.",
                    hint="A proxy in front of this server must hand on the Host header as it came.",
                )
                await explain(request, fault)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_from_elsewhere(request: Request) -> bool:
    """Return whether a browser says that a page of another site asks; programs say nothing."""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        return True
    return not place or place.lower() != request.headers.get("host", "").lower()


class RefuseOtherHosts:
    """Answer only under names of our own: a name of an attacker's that leads to this machine opens nothing here.

    References
    ----------
    DNS rebinding: https://owasp.org/www-community/attacks/DNS_Rebinding
    """

    def __init__(self, app: ASGIApp, *, hosts: AbstractSet[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            request = Request(scope)
            given = request.headers.get("host", "")
            found = HOST.fullmatch(given)
            if found is None or (found["six"] or found["name"]).lower() not in self.hosts:
                fault = WrongHost(
                    f"Asking for host {given[:80]!r}: this server answers to {', '.join(sorted(self.hosts))}.",
                    hint="To serve under other names, start it with --allow-open behind something that keeps "
                    "strangers out.",
                )
                await explain(request, fault)(scope, receive, send)
                return
        await self.app(scope, receive, send)
