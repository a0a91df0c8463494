"""A served place: the seeded database of a module behind the real application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from api.app import create_app
from tests import seed
from tests.api.client import Client, open_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from tests.conftest import Db


def make_threads() -> ThreadPoolExecutor:
    """Return an executor in this process, so that tests may put their own work in."""
    return ThreadPoolExecutor(max_workers=1)


@pytest.fixture(scope="module")
def place(db: Db) -> seed.Seed:
    """Return the seeded place with one run."""
    with db.owner.begin() as conn:
        found = seed.seed_place(conn)
        found.run_id = seed.seed_run(conn, found)
        seed.seed_scenario(conn, found.run_id)
    return found


@pytest.fixture(scope="module")
def app(db: Db) -> FastAPI:
    """Return the application on the module's database."""
    return create_app(db.settings, executor=make_threads)


@pytest.fixture(scope="module")
def client(app: FastAPI, place: seed.Seed) -> Iterator[Client]:
    """Return a client of the seeded place."""
    with open_client(app) as found:
        yield found
