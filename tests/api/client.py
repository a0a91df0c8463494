"""A plain client of the application in this process, with its start and stop."""

from __future__ import annotations

from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal
    from fastapi import FastAPI

BASE = "http://testserver"


class Client:
    """Asks the application and waits for the whole answer."""

    def __init__(self, portal: BlockingPortal, asked: httpx.AsyncClient) -> None:
        self.portal = portal
        self.asked = asked

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the answer to one request."""

        async def ask() -> httpx.Response:
            return await self.asked.request(method, path, **options)

        return self.portal.call(ask)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Return the answer to GET."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Any) -> httpx.Response:
        """Return the answer to HEAD."""
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Return the answer to POST."""
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """Return the answer to DELETE."""
        return self.request("DELETE", path, **options)


@contextmanager
def open_client(app: FastAPI) -> Iterator[Client]:
    """Start the application, lend a client, stop it; faults of ours come as answers, as they do to a browser."""
    with start_blocking_portal() as portal:
        stack = AsyncExitStack()

        async def start() -> httpx.AsyncClient:
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=BASE))

        asked = portal.call(start)
        try:
            yield Client(portal, asked)
        finally:
            portal.call(stack.aclose)
