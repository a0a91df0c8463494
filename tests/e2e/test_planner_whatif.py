"""What if, in a real browser: a clinic is placed and dragged, and what the screen says is what the server says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.browser import TO_PIXELS, MapPage
from tests.e2e.test_planner_map import address, read_count

if TYPE_CHECKING:
    from tests.e2e.conftest import ServedCity

pytestmark = pytest.mark.browser

TYPE = "MED_CHC"
GAIN = "[data-change=gain]"
PLACE = "[data-testid=whatif-place]"
CHANGED = """() => {
  const { map } = window.__onemap;
  const rows = map.queryRenderedFeatures(undefined, { layers: ['change'] });
  return rows.map((row) => ({ id: row.id, change: row.state.change ?? 0 })).filter((row) => row.change > 0);
}"""


def try_clinic(city: ServedCity, lon: float, lat: float) -> dict[str, Any]:
    """Return what the server says a clinic there changes."""
    edit = {"op": "add_facility", "type": TYPE, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
    answer = httpx.post(
        f"{city.base}/scenarios",
        params={"dry": True, "buildings": 5000},
        json={"run": str(city.run_id), "edits": [edit]},
        timeout=60,
        trust_env=False,
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["difference"]
    return found


def find_adults(difference: dict[str, Any]) -> dict[str, Any]:
    """Return the change of clinics for adults."""
    return next(row for row in difference["types"] if (row["type"], row["profile"]) == (TYPE, "adult"))


def read_change(page: MapPage, selector: str) -> int:
    """Return a signed figure of the panel, 0 while there is none."""
    texts = page.texts(selector)
    return abs(read_count(texts[0].replace("−", "-").replace("+", ""))) if texts else 0


def test_a_clinic_is_placed_dragged_saved_and_undone(page: MapPage, city: ServedCity) -> None:
    lon, lat = city.get("/api/catalogue")["center"]
    page.open(address(city, zoom=14.5, type=TYPE, tab="whatif"))
    page.page.click(PLACE)
    page.click_place(lon, lat)
    page.wait_for(lambda: page.texts(GAIN), "the draft")
    page.settle()

    # the map rounds the place of a click to a pixel: ask the server for exactly that place
    lon, lat = page.js("() => window.__onemap.map.querySourceFeatures('whatif')[0].geometry.coordinates")
    expected = find_adults(try_clinic(city, lon, lat))
    assert expected["people_gained"] > 0
    assert read_change(page, GAIN) == pytest.approx(expected["people_gained"], rel=0.02)
    states = {row["id"]: row["change"] for row in page.js(CHANGED)}
    assert 1 in states.values()
    assert len(page.texts("[data-testid=change-areas] tbody tr")) in range(1, 6)

    x, y = page.js(TO_PIXELS, [lon, lat])
    before = page.texts(GAIN)
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 60, y - 40, steps=4)
    page.page.mouse.up()
    page.wait_for(lambda: page.texts(GAIN) != before, "another figure after the drag")
    assert len(page.texts(".sites li")) == 1
    dropped = page.texts(GAIN)

    page.page.fill(".save-line input", "北门诊所")
    page.page.click("[data-testid=whatif-save]")
    page.wait_for(lambda: page.texts(".whatif-saved li"), "the saved scenario in the list")
    (stored,) = city.get("/scenarios")["scenarios"]
    assert stored["name"] == "北门诊所"
    assert read_change(page, GAIN) == stored["people_gained"]

    page.page.click("[data-testid=whatif-undo]")
    page.wait_for(lambda: page.texts(GAIN) == before, "the figure before the drag")
    page.page.click("[data-testid=whatif-undo]")
    page.wait_for(lambda: not page.texts(GAIN), "nothing to be changed")
    page.settle()
    assert page.js(CHANGED) == []
    page.page.click("[data-testid=whatif-redo]")
    page.page.click("[data-testid=whatif-redo]")
    page.wait_for(lambda: page.texts(GAIN) == dropped, "the figure after the drag again")

    page.page.click(".whatif-saved .saved-line .icon-button")
    page.page.click(".whatif-saved .is-danger")
    page.wait_for(lambda: not page.texts(".whatif-saved li"), "the scenario to be deleted")
    assert city.get("/scenarios")["scenarios"] == []


def test_a_facility_is_closed_by_keyboard_and_a_refusal_is_told_in_words(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, zoom=14.5, type=TYPE, tab="whatif"))
    page.page.focus(".place-tools .icon-button")
    page.page.keyboard.press("Enter")
    page.wait_for(lambda: page.texts(GAIN), "the draft of a clinic in the middle of the map")
    start = page.js("() => window.__onemap.map.querySourceFeatures('whatif')[0].geometry.coordinates")
    page.page.focus(".sites li .icon-button")
    page.page.keyboard.press("Shift+ArrowUp")
    moved = "() => window.__onemap.map.querySourceFeatures('whatif')[0].geometry.coordinates"
    page.wait_for(lambda: page.js(moved)[1] > start[1] + 0.0005, "the marker 100 m to the north")

    refusal = {"title": "Refused", "status": 409, "detail": "The streets have changed", "hint": "Order a new run."}
    page.expected = ("409",)
    page.page.route(
        "**/scenarios?dry=true*",
        lambda route: route.fulfill(status=409, content_type="application/problem+json", json=refusal),
    )
    page.page.keyboard.press("Shift+ArrowUp")
    page.wait_for(lambda: page.texts(".whatif .fault"), "the refusal")
    assert "The streets have changed" in page.text(".whatif .fault")
    assert "Order a new run." in page.text(".whatif .fault")
