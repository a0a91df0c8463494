"""Runs ordered on the page, followed, stopped and shown, and a newer run noticed without a reload."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import delete

from api.app import create_app
from layers import tables
from layers.jobs import fail_job
from tests.e2e.browser import MapPage, close_page, open_page
from tests.e2e.conftest import serve
from tests.e2e.test_planner_map import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

    from tests.e2e.conftest import ServedCity

pytestmark = pytest.mark.browser

OPEN, START, JOB, CANCEL = (f"[data-testid={name}]" for name in ("order-open", "order-start", "job", "job-cancel"))
MARK = "() => { window.isSamePage = true; }"


@pytest.fixture(autouse=True)
def _leave_one_run(city: ServedCity) -> Iterator[None]:
    """Leave the city with the run it had."""
    yield
    with city.db.owner.begin() as connection:
        connection.execute(delete(tables.run).where(tables.run.c.id != city.run_id))


@pytest.fixture
def held(city: ServedCity, browser: Browser) -> Iterator[tuple[MapPage, ServedCity]]:
    """Return a page on a server whose jobs wait until the test is over."""
    gate = threading.Event()
    pool = ThreadPoolExecutor(max_workers=1)
    pool.submit(gate.wait)
    with serve(create_app(city.db.settings, executor=lambda: pool)) as base:
        found = open_page(browser, base)
        yield found, replace(city, base=base)
        gate.set()
        found.check()
        close_page(found)


def order(city: ServedCity, **request: Any) -> dict[str, Any]:
    """Order a run past the page, wait for it and return its job."""
    answer = httpx.post(f"{city.base}/gaps/runs", json=request, timeout=60, trust_env=False)
    answer.raise_for_status()
    job = answer.json()["job"]
    with httpx.stream("GET", f"{city.base}/jobs/{job['id']}/events", timeout=120, trust_env=False) as events:
        events.read()
    done: dict[str, Any] = city.get(f"/jobs/{job['id']}")
    assert done["state"] == "done", done
    return done


def test_a_run_is_ordered_and_shown(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type="MED_CHC"))
    page.js(MARK)
    page.page.click(OPEN)
    assert page.page.locator(".order-profiles input:checked").count() == 2
    page.page.locator(".order-profiles label").filter(has_text="轮椅").locator("input").uncheck()
    page.page.fill("#order-name", "夜间")
    page.page.fill("#order-at", "2026-11-23T22:30")
    page.page.click(START)
    page.wait_for(lambda: "已显示新结果" in "".join(page.texts("[data-testid=job-end]")), "the run to be done")
    page.settle()
    newest = city.get("/gaps/runs")["runs"][0]
    assert newest["name"] == "夜间"
    assert newest["profiles"] == ["adult"]
    assert newest["request"]["at"] == "2026-11-23T22:30"
    chosen = page.page.locator(".run-line select option:checked").inner_text()
    assert chosen.startswith("夜间 · 按 2026/11/23 22:30")
    sources = page.js("() => window.__onemap.map.getStyle().sources.coverage.tiles[0]")
    assert f"run={newest['id']}" in sources
    assert page.js("() => window.isSamePage") is True


def test_a_waiting_run_is_followed_over_a_reload_and_stopped(held: tuple[MapPage, ServedCity]) -> None:
    page, city = held
    page.open(address(city))
    page.page.click(OPEN)
    page.page.click(START)
    page.wait_for(lambda: "等候中" in "".join(page.texts(JOB)), "the job to wait")
    assert page.page.locator(OPEN).count() == 0
    page.page.reload()
    page.wait_for(lambda: "等候中" in "".join(page.texts(JOB)), "the job after a reload")
    page.page.click(CANCEL)
    page.wait_for(lambda: "已停止" in "".join(page.texts("[data-testid=job-end]")), "the job to be stopped")
    assert page.page.locator(JOB).count() == 0
    assert len(city.get("/gaps/runs")["runs"]) == 1


def test_a_job_that_fails_says_why(held: tuple[MapPage, ServedCity]) -> None:
    page, city = held
    page.open(address(city))
    page.page.click(OPEN)
    with page.page.expect_response("**/gaps/runs") as awaited:
        page.page.click(START)
    job = uuid.UUID(awaited.value.json()["job"]["id"])
    page.wait_for(lambda: page.texts(JOB), "the job")
    with city.db.owner.begin() as connection:
        fail_job(connection, job, {"title": "No data", "detail": "There are no streets", "hint": "Load some streets."})
    page.wait_for(lambda: page.texts(".controls .fault"), "the fault")
    assert "There are no streets" in page.text(".controls .fault")
    assert "Load some streets." in page.text(".controls .fault")
    page.page.click(".controls .fault .icon-button")
    assert page.page.locator(".controls .fault").count() == 0
    assert page.page.locator(OPEN).is_visible()


def test_a_refused_order_keeps_the_form(page: MapPage, city: ServedCity) -> None:
    problem = {"title": "Conflict", "status": 409, "detail": "20 are waiting already", "hint": "Wait, or cancel some."}

    def refuse(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=409, content_type="application/problem+json", json=problem)
        else:
            route.fallback()

    page.expected = ("409",)
    page.page.route("**/gaps/runs", refuse)
    page.open(address(city))
    page.page.click(OPEN)
    page.page.fill("#order-name", "again")
    page.page.click(START)
    page.wait_for(lambda: page.texts(".controls .fault"), "the fault")
    assert "20 are waiting already" in page.text(".controls .fault")
    assert page.page.locator("#order-name").input_value() == "again"


def test_a_newer_run_is_told_of_quietly_and_shown_without_a_reload(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type="MED_CHC"))
    page.js(MARK)
    newest = order(city, name="later", profiles=["adult"])["result"]["run_id"]
    page.js("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for(lambda: page.texts("[data-testid=newer]"), "the bar")
    coverage = "() => window.__onemap.map.getStyle().sources.coverage.tiles[0]"
    assert f"run={city.run_id}" in page.js(coverage)
    page.page.locator("[data-testid=newer]").get_by_role("button", name="显示").click()
    page.wait_for(lambda: f"run={newest}&" in page.js(coverage), "the map of the newer run")
    page.settle()
    assert page.page.locator("[data-testid=newer]").count() == 0
    assert page.page.locator(".run-line select option:checked").inner_text().startswith("later")
    assert page.js("() => window.isSamePage") is True


def test_a_scenario_is_not_moved_to_another_run_unasked(held: tuple[MapPage, ServedCity]) -> None:
    page, city = held
    page.open(address(city, type="MED_CHC"))
    page.page.click(OPEN)
    page.page.click(START)
    page.wait_for(lambda: page.texts(JOB), "the job")
    page.page.click("#tab-whatif")
    page.page.click(".place-tools .middle-button")
    page.wait_for(lambda: page.texts("[data-change=gain]"), "the draft")
    job = page.js("() => sessionStorage.getItem('onemap.job')")
    with city.db.owner.begin() as connection:
        done = {"state": "done", "progress": 1.0, "result": {"run_id": city.run_id}}
        connection.execute(tables.job.update().where(tables.job.c.id == uuid.UUID(job)).values(**done))
    page.wait_for(lambda: page.texts("[data-testid=newer]"), "the bar instead of another run")
    assert page.texts("[data-change=gain]")
