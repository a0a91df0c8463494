"""The sample city in a real database behind the real server, seen with a real browser."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import sync_playwright

from api.app import create_app
from api.cli.demo import load_city
from layers.run import run_gaps
from layers.runs.result import GapRequest
from tests.conftest import Db, clone
from tests.e2e.browser import PHONE, MapPage, close_page, find_chromium, launch, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from playwright.sync_api import Browser

    from layers.settings import Settings

START_S = 30.0


@dataclass(frozen=True)
class ServedCity:
    """The loaded sample city, its run and where it is served."""

    db: Db
    run_id: int
    base: str

    def get(self, path: str, **params: Any) -> Any:
        """Return a JSON answer of the server."""
        answer = httpx.get(f"{self.base}{path}", params=params, timeout=60, trust_env=False)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free loopback port; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # the planner map speaks no web sockets, and the library for them warns on import
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", server_header=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        end = time.monotonic() + START_S
        while not server.started:
            assert thread.is_alive(), "the server stopped while starting"
            assert time.monotonic() < end, f"the server did not start within {START_S:.0f} s"
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=START_S)


def make_threads() -> ThreadPoolExecutor:
    """Return an executor in this process, so that a job costs no process of its own."""
    return ThreadPoolExecutor(max_workers=1)


# Package scope: Playwright keeps an event loop in this thread, which other packages' tests must not meet.
@pytest.fixture(scope="package")
def city(settings: Settings, template_db: str) -> Iterator[ServedCity]:
    """Return the sample city S, loaded and judged for two profiles, behind the real server."""
    for db in clone(settings, template_db, "e2e_city_test"):
        load_city(db.owner, db.settings, "S")
        run = run_gaps(db.writer, db.settings, GapRequest(name="e2e", profiles=("adult", "wheelchair")))
        with serve(create_app(db.settings, executor=make_threads)) as base:
            yield ServedCity(db, run.id, base)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return a Chromium of this machine, or skip."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        found = launch(playwright, path)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser, city: ServedCity) -> Iterator[MapPage]:
    """Return an empty page on the served city; anything wrong on it fails the test."""
    found = open_page(browser, city.base)
    yield found
    found.check()
    close_page(found)


@pytest.fixture
def phone(browser: Browser, city: ServedCity) -> Iterator[MapPage]:
    """Return an empty page of a phone's size that is touched."""
    found = open_page(browser, city.base, size=PHONE, is_touch=True)
    yield found
    found.check()
    close_page(found)
