"""Runs computed in parts on a real database: the same figures, to the last bit, as in one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from geo.errors import NotFound, NothingLinked, NotReady, RequestError
from layers.parts.run import run_in_parts
from layers.run import run_gaps
from layers.runs.result import GapRequest
from layers.tables import run
from tests.gridcity import GridCity, point
from tests.gridstore import save_grid, save_home, save_site
from tests.layers.test_run import CLINIC, PRIMARY, Town

if TYPE_CHECKING:
    from layers.settings import Settings
    from tests.conftest import Db

# what may differ between two runs of the same
OWN = ("id", "created_at", "duration_s", "name", "result_id")


@pytest.fixture
def store(fresh_db: Db) -> tuple[Db, Settings]:
    """Return a database with a small town in it."""
    with fresh_db.writer.begin() as connection:
        Town(connection)
        # the nearest school and shop of a kind are far beyond every part's margin
        save_site(connection, point(9_000, 0), "EDU_JUNIOR")
        save_site(connection, point(-60_000, 40_000), "COM_MARKET")
        save_home(connection, point(3_000, 0), people=7)
    return fresh_db, fresh_db.settings


def read_run(db: Db, run_id: int) -> dict[str, Any]:
    """Return the stored row of a run without what is its own."""
    with db.reader.connect() as connection:
        row = dict(connection.execute(select(run).where(run.c.id == run_id)).mappings().one())
    return {name: value for name, value in row.items() if name not in OWN}


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_parts_give_what_one_piece_gives(store: tuple[Db, Settings], parts: int) -> None:
    db, settings = store
    request = GapRequest(profiles=("adult", "wheelchair"))
    whole = run_gaps(db.writer, settings, request)
    found = run_in_parts(db.writer, settings, request, parts=parts, may_repeat=False)
    assert read_run(db, found.id) == read_run(db, whole.id)
    assert (found.totals, found.counts, found.not_judged) == (whole.totals, whole.counts, whole.not_judged)


def test_parts_judge_one_area(store: tuple[Db, Settings]) -> None:
    db, settings = store
    request = GapRequest(types=(CLINIC, PRIMARY), area="4201", minutes=3)
    whole = run_gaps(db.writer, settings, request)
    found = run_in_parts(db.writer, settings, request, parts=3, may_repeat=False)
    assert read_run(db, found.id) == read_run(db, whole.id)


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (GapRequest(types=("NO_SUCH",)), NotFound, "NO_SUCH"),
        (GapRequest(types=(CLINIC,), profiles=("bird",)), NotFound, "bird"),
        (GapRequest(types=(CLINIC,), area="99"), NotFound, "99"),
        (GapRequest(types=(CLINIC,), minutes=0), RequestError, "above 0"),
        (GapRequest(name="latest"), RequestError, "latest"),
    ],
)
def test_bad_requests(store: tuple[Db, Settings], request_: GapRequest, error: type[Exception], match: str) -> None:
    db, settings = store
    with pytest.raises(error, match=match):
        run_in_parts(db.writer, settings, request_, parts=2)


def test_what_is_not_loaded_is_named(fresh_db: Db) -> None:
    settings = fresh_db.settings
    with pytest.raises(NotReady, match="grid of the store"):
        run_in_parts(fresh_db.writer, settings, GapRequest(), parts=2)
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity.grid(2, 1))
    with pytest.raises(NotReady, match="no buildings are loaded"):
        run_in_parts(fresh_db.writer, settings, GapRequest(), parts=2)
    with fresh_db.writer.begin() as connection:
        save_home(connection, point(0, 0), people=1)
    with pytest.raises(NotReady, match="no facilities are loaded"):
        run_in_parts(fresh_db.writer, settings, GapRequest(), parts=2)


def test_the_same_question_shares_the_stored_result(store: tuple[Db, Settings]) -> None:
    db, settings = store
    run_in_parts(db.writer, settings, GapRequest(types=(CLINIC,)), parts=2)
    again = run_gaps(db.writer, settings, GapRequest(types=(CLINIC,)))
    with db.reader.connect() as connection:
        results = connection.execute(select(run.c.result_id).distinct()).scalars().all()
    assert len(results) == 1
    assert again.totals


def test_no_building_near_a_street(fresh_db: Db) -> None:
    settings = fresh_db.settings
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity.grid(2, 1))
        save_home(connection, point(0, 5_000), people=1)
        save_home(connection, point(500, 5_000), people=1)
        save_site(connection, point(0, 0), CLINIC)
    with pytest.raises(NothingLinked, match="no building of 2"):
        run_in_parts(fresh_db.writer, settings, GapRequest(types=(CLINIC,)), parts=2)
