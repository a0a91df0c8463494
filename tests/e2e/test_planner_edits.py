"""Streets, gates, paths and capacities tried out in a real browser; every figure is the server's for the same edits."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.browser import TO_PIXELS, MapPage
from tests.e2e.test_planner_map import HAN, LOW_CONTRAST, NAMELESS, address, read_count
from tests.e2e.test_planner_whatif import CHANGED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.conftest import ServedCity

pytestmark = pytest.mark.browser

TYPE = "MED_CHS"
LOSS = "[data-change=loss]"
GAIN = "[data-change=gain]"
ROWS = ".sites li"
LOST = 2
STREET_TOOL, PATH_TOOL = "道路和门", "新路"
DRAWN = """() => window.__onemap.map.querySourceFeatures('whatif-ground')
  .filter((one) => one.properties.kind === 'path' && one.geometry.type === 'LineString')
  .map((one) => one.geometry.coordinates)"""
DRAFT_PARTS = "() => window.__onemap.map.querySourceFeatures('whatif-draft').map((one) => one.properties.part)"


def try_edits(city: ServedCity, edits: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what the server says edits change for adults and the type on show, None for nothing."""
    answer = httpx.post(
        f"{city.base}/scenarios",
        params={"dry": True, "buildings": 5000},
        json={"run": str(city.run_id), "edits": edits},
        timeout=60,
        trust_env=False,
    )
    answer.raise_for_status()
    rows = answer.json()["difference"]["types"]
    found: dict[str, Any] | None = next((row for row in rows if (row["type"], row["profile"]) == (TYPE, "adult")), None)
    return found


def read_figures(page: MapPage) -> tuple[int, int] | None:
    """Return people gained and lost as the panel says it, None while it says nothing."""
    texts = page.texts(GAIN) + page.texts(LOSS)
    if len(texts) != 2 or page.page.locator(".whatif-result.is-trying").count():
        return None
    gained, lost = (abs(read_count(text.replace("−", "-").replace("+", ""))) for text in texts)
    return gained, lost


def expect_figures(page: MapPage, city: ServedCity, edits: list[dict[str, Any]]) -> None:
    """Wait until the panel says what the server says of edits."""
    row = try_edits(city, edits)
    told = row and (row["people_gained"], row["people_lost"])
    page.wait_for(lambda: read_figures(page) == told, f"{told} people, found {read_figures(page)}")


def expect_nothing(page: MapPage) -> None:
    """Wait until no edit is left."""
    page.wait_for(lambda: not page.texts(ROWS) and not page.texts(GAIN), "no edits")


def pick_tool(page: MapPage, words: str) -> None:
    """Choose what the map is held with."""
    page.page.locator(".segmented label").filter(has_text=words).click()
    page.settle()


def middle_of(line: list[list[float]]) -> tuple[float, float]:
    """Return the middle of the longest stretch of a line: away from its crossings."""
    pairs = list(pairwise(line))
    (west, south), (east, north) = max(
        pairs, key=lambda pair: abs(pair[0][0] - pair[1][0]) + abs(pair[0][1] - pair[1][1])
    )
    return (west + east) / 2, (south + north) / 2


def read_streets(city: ServedCity) -> Iterable[dict[str, Any]]:
    """Return the streets nearest to the middle of the city first."""
    lon, lat = map(float, city.get("/api/catalogue")["center"])
    streets = city.get("/ogc/collections/streets/items", limit=5000)["features"]

    def far(street: dict[str, Any]) -> float:
        x, y = middle_of(street["geometry"]["coordinates"])
        return abs(x - lon) + abs(y - lat)

    return sorted(streets, key=far)


@pytest.fixture(scope="module")
def street(city: ServedCity) -> dict[str, Any]:
    """Return a street without which people lose their clinic."""
    for one in read_streets(city):
        row = try_edits(city, [{"op": "close_street", "street_id": one["id"]}])
        if row is not None and row["people_lost"] > 0:
            return one
    raise AssertionError("no street of the sample city matters")


def test_a_street_is_closed_by_a_click_and_taken_back(page: MapPage, city: ServedCity, street: dict[str, Any]) -> None:
    edit = {"op": "close_street", "street_id": street["id"]}
    row = f"[data-ground='street/{street['id']}']"
    place = middle_of(street["geometry"]["coordinates"])
    page.open(address(city, zoom=16.2, type=TYPE, tab="whatif"))
    pick_tool(page, STREET_TOOL)
    page.click_place(*place)
    page.wait_for(lambda: page.texts(row), "the street in the list")
    expect_figures(page, city, [edit])
    page.settle()
    assert "关闭" in page.text(row)
    assert LOST in {one["change"] for one in page.js(CHANGED)}
    assert page.rendered("ground-closed")

    page.page.keyboard.press("Control+z")
    expect_nothing(page)
    page.settle()
    assert page.js(CHANGED) == []
    page.page.keyboard.press("Control+Shift+z")
    expect_figures(page, city, [edit])

    page.page.locator(row).locator(".site-name").click()
    page.page.locator(row).locator("label").filter(has_text="开放").click()
    expect_figures(page, city, [{**edit, "op": "open_street"}])
    page.page.locator(row).get_by_role("button", name="撤去").click()
    expect_nothing(page)

    page.click_place(*place)
    expect_figures(page, city, [edit])
    page.click_place(*place)
    expect_nothing(page)


def test_a_gate_goes_through_its_states(page: MapPage, city: ServedCity) -> None:
    gates = city.get("/ogc/collections/gates/items", limit=1000)["features"]
    gate = next(
        one
        for one in gates
        if one["properties"]["opens_to"] == "residents"
        and try_edits(city, [{"op": "close_gate", "gate_id": one["id"]}])
    )
    page.open(address(city, zoom=17.5, type=TYPE, tab="whatif"))
    pick_tool(page, STREET_TOOL)
    row = f"[data-ground='gate/{gate['id']}']"

    def says(words: str) -> bool:
        return words in "".join(page.texts(f"{row} small"))

    ways = [
        ("所有人", {"op": "open_gate", "gate_id": gate["id"], "opens_to": "all"}),
        ("关闭", {"op": "close_gate", "gate_id": gate["id"]}),
    ]
    for words, edit in ways:
        page.click_place(*gate["geometry"]["coordinates"])
        page.wait_for(partial(says, words), f"the gate to say {words}")
        expect_figures(page, city, [edit])
    page.click_place(*gate["geometry"]["coordinates"])
    expect_nothing(page)


def test_a_path_is_drawn_point_by_point_and_meets_the_streets(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, zoom=16.5, type=TYPE, tab="whatif"))
    pick_tool(page, PATH_TOOL)
    near = [middle_of(one["geometry"]["coordinates"]) for one in read_streets(city)][:12]
    start = near[0]
    end = max(near, key=lambda one: abs(one[0] - start[0]) + abs(one[1] - start[1]))
    (x, y), (to_x, to_y) = page.js(TO_PIXELS, start), page.js(TO_PIXELS, end)
    mouse = page.page.mouse

    mouse.click(x + 3, y + 3)
    page.wait_for(lambda: page.texts("[data-testid=path-length]"), "the path to begin")
    page.page.keyboard.press("Escape")
    page.wait_for(lambda: not page.texts("[data-testid=path-length]"), "the path to be given up")

    mouse.click(x + 3, y + 3)
    mouse.click((x + to_x) / 2 + 40, (y + to_y) / 2 - 40)
    page.wait_for(lambda: page.text("[data-testid=path-length]").startswith("2 点"), "two points")
    page.page.keyboard.press("Backspace")
    page.wait_for(lambda: page.text("[data-testid=path-length]").startswith("1 点"), "one point less")
    zoom = page.js("() => window.__onemap.map.getZoom()")
    mouse.dblclick(to_x - 3, to_y + 3)
    page.wait_for(lambda: page.texts("[data-ground='path/-1']"), "the path in the list")
    assert page.js("() => window.__onemap.map.getZoom()") == zoom
    page.settle()
    assert "next" not in page.js(DRAFT_PARTS)
    assert page.page.locator("[data-ground='path/-1'].is-chosen").count() == 1

    (line,) = page.js(DRAWN)[:1]
    assert len(line) == 2
    # put on the streets: within a metre of where the middle of each street is drawn
    for found, meant in zip(line, (start, end), strict=True):
        street = min(
            abs(found[0] - one[0]) + abs(found[1] - one[1])
            for feature in read_streets(city)
            for one in _walk(feature["geometry"]["coordinates"])
        )
        assert street < 2e-5, (found, meant)
    page.page.click("[data-testid=whatif-save]")
    page.wait_for(lambda: page.texts(".whatif-saved li"), "the saved scenario in the list")
    (stored,) = city.get("/scenarios")["scenarios"]
    ((edit,),) = city.get(f"/scenarios/{stored['id']}")["done"]
    assert edit["op"] == "draw_path"
    assert len(edit["geometry"]["coordinates"]) == 2
    expect_figures(page, city, [{key: value for key, value in edit.items() if value is not None}])

    page.page.click("[data-ground='path/-1'] .icon-button")
    expect_nothing(page)
    page.page.click(".whatif-saved .saved-name")
    page.wait_for(lambda: page.texts("[data-ground='path/-1']"), "the stored path in the list again")
    page.page.click(".whatif-saved .saved-line > .icon-button")
    page.page.click(".whatif-saved .is-danger")
    page.wait_for(lambda: not page.texts(".whatif-saved li"), "the scenario to be deleted")


def _walk(line: list[list[float]]) -> Iterable[tuple[float, float]]:
    for (west, south), (east, north) in pairwise(line):
        for step in range(201):
            share = step / 200
            yield west + share * (east - west), south + share * (north - south)


def test_a_facility_is_given_another_capacity(page: MapPage, city: ServedCity) -> None:
    sites = city.get("/ogc/collections/facilities/items", limit=5000)["features"]
    site = next(one for one in sites if one["properties"]["type"] == TYPE and one["properties"]["capacity"])
    holds = int(site["properties"]["capacity"])
    lon, lat = site["geometry"]["coordinates"]
    page.open(address(city, zoom=16.5, type=TYPE, tab="whatif"))
    page.click_place(lon, lat)
    field = page.page.locator("[data-testid=site-capacity]")
    page.wait_for(field.count, "the field for its capacity")
    assert field.input_value() == str(holds)
    field.fill(str(holds + 700))
    field.press("Enter")
    row = try_edits(city, [{"op": "resize_facility", "facility_id": site["id"], "capacity": holds + 700}])
    assert row is not None
    assert row["after"]["capacity"] == row["before"]["capacity"] + 700
    page.wait_for(lambda: page.texts("[data-testid=whatif-supply]"), "the new capacity in the answer")
    told = page.text("[data-testid=whatif-supply]")
    assert f"{row['before']['capacity']:,.0f} → {row['after']['capacity']:,.0f}" in told
    assert f"原为 {holds:,}" in page.text(ROWS)
    page.page.click("[data-testid=whatif-undo]")
    page.wait_for(lambda: not page.texts("[data-testid=whatif-supply]"), "the answer to go")


def test_streets_and_paths_can_be_done_from_the_keyboard(
    page: MapPage, city: ServedCity, street: dict[str, Any]
) -> None:
    page.open(address(city, zoom=17, type=TYPE, tab="whatif"))
    look = """([lon, lat]) => {
      const { map } = window.__onemap;
      map.jumpTo({ center: [lon, lat] });
      const box = document.querySelector('.panel').getBoundingClientRect();
      map.panBy([-(box.right + 8 - 56) / 2, 0], { animate: false });
    }"""
    page.js(look, middle_of(street["geometry"]["coordinates"]))
    page.settle()
    page.page.locator(".segmented input[value=facility]").focus()
    page.page.keyboard.press("ArrowRight")
    page.settle()
    page.page.get_by_role("button", name="改变地图中央的道路或门").focus()
    page.page.keyboard.press("Enter")
    page.wait_for(lambda: page.texts(f"[data-ground='street/{street['id']}']"), "the street in the list")
    expect_figures(page, city, [{"op": "close_street", "street_id": street["id"]}])
    page.page.keyboard.press("Control+z")
    expect_nothing(page)

    page.page.locator(".segmented input[value=street]").focus()
    page.page.keyboard.press("ArrowRight")
    page.settle()
    add = page.page.get_by_role("button", name="在地图中央加一点")
    for step in range(2):
        page.js("(by) => window.__onemap.map.panBy([by, by], { animate: false })", 90 * step)
        page.settle()
        add.focus()
        page.page.keyboard.press("Enter")
    page.wait_for(lambda: page.text("[data-testid=path-length]").startswith("2 点"), "two points")
    page.page.locator("[data-testid=path-end]").focus()
    page.page.keyboard.press("Enter")
    page.wait_for(lambda: page.texts("[data-ground='path/-1']"), "the path in the list")


def test_a_phone_closes_a_street_and_draws_a_path(phone: MapPage, city: ServedCity, street: dict[str, Any]) -> None:
    phone.open(address(city, zoom=17, type=TYPE, tab="whatif"))
    pick_tool(phone, STREET_TOOL)
    phone.click_place(*middle_of(street["geometry"]["coordinates"]), is_touch=True)
    phone.wait_for(lambda: phone.texts(f"[data-ground='street/{street['id']}']"), "the street in the list")
    expect_figures(phone, city, [{"op": "close_street", "street_id": street["id"]}])
    pick_tool(phone, PATH_TOOL)
    bar = phone.page.locator(".notices .path-bar")

    def has(points: int) -> bool:
        return bar.count() == 1 and bar.inner_text().startswith(f"{points} 点")

    for number, (x, y) in enumerate(((90, 150), (250, 220), (300, 330)), start=1):
        phone.page.touchscreen.tap(x, y)
        phone.wait_for(partial(has, number), f"{number} points")
    assert phone.js("() => document.documentElement.scrollWidth <= innerWidth")
    bar.locator("[data-testid=path-end]").tap()
    phone.wait_for(lambda: phone.texts("[data-ground='path/-1']"), "the path in the list")


@pytest.mark.parametrize(("lang", "theme"), [("zh", "dark"), ("en", "light")])
def test_edits_can_be_read_in_both_languages_and_by_day_and_night(
    page: MapPage, city: ServedCity, street: dict[str, Any], lang: str, theme: str
) -> None:
    page.open(address(city, zoom=17, type=TYPE, tab="whatif", theme=theme, lang=lang))
    page.page.locator(".segmented label:has(input[value=street])").click()
    page.settle()
    page.click_place(*middle_of(street["geometry"]["coordinates"]))
    page.wait_for(lambda: page.texts(LOSS), "the draft")
    page.page.locator(".segmented label:has(input[value=path])").click()
    page.page.get_by_role("button", name="在地图中央加一点" if lang == "zh" else "Add a point").click()
    page.wait_for(lambda: page.texts("[data-testid=path-length]"), "the path to begin")
    page.settle()
    assert page.js(LOW_CONTRAST) == []
    assert page.js(NAMELESS) == []
    if lang == "en":
        words = [page.text(one) for one in (".path-bar", ".tool-line", ".whatif-bar", ".notices", ".sites small")]
        assert [text for text in words if HAN.search(text)] == []
    page.page.click("#tab-gaps")
    page.page.click("[data-testid=order-open]")
    page.settle()
    assert page.js(LOW_CONTRAST) == []
    assert page.js(NAMELESS) == []
