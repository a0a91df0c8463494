"""The planner map in a real browser: every number on it is the store's, and everything can be reached."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from api.app import create_app
from layers.query.exports import export_run
from tests.e2e.browser import MapPage, close_page, open_page
from tests.e2e.conftest import make_threads, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Route

    from tests.conftest import Db
    from tests.e2e.conftest import ServedCity

pytestmark = pytest.mark.browser

TYPE = "EDU_PRIMARY"
HAN = re.compile(r"[一-鿿]")
# what reads as text, with the colour behind it; large text may have less contrast (WCAG 2.1, 1.4.3)
LOW_CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.9 && r !== undefined) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll('.header *, .panel *, .card *, .legend *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
    const style = getComputedStyle(element);
    if (!own || !element.checkVisibility() || style.clipPath !== 'none') continue;
    const [a, b] = [light(parse(style.color)), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) bad.push(`${element.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return bad;
}"""
NAMELESS = """() => [...document.querySelectorAll('button, a, input, select')]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim() || one.title))
  .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def exported(city: ServedCity, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return what ``gaps export --what buildings`` writes."""
    path: Path = tmp_path_factory.mktemp("export") / "buildings.csv"
    with city.db.reader.connect() as connection:
        export_run(connection, city.run_id, what="buildings", path=path)
    return pd.read_csv(path, dtype={"source_id": str, "facility_source_id": str, "area_code": str})


@pytest.fixture
def home(exported: pd.DataFrame) -> Any:
    """Return the building with the most people."""
    rows = exported[(exported["type"] == "MED_CHC") & (exported["profile"] == "adult")]
    return rows.loc[rows["people"].idxmax()]


def write_minutes(seconds: float) -> str:
    """Return seconds as the card writes them in Chinese."""
    tenths = (Decimal(str(seconds)) / 60).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{tenths:f} 分".replace(".0 分", " 分")


def read_count(text: str) -> int:
    """Return a count as written on the screen."""
    return int(text.replace(",", ""))


def address(city: ServedCity, *, zoom: float = 15.5, **fields: str) -> str:
    """Return the part of the address behind the ``#`` that looks at the middle of the city."""
    lon, lat = city.get("/api/catalogue")["center"]
    chosen = {"map": f"{lon},{lat},{zoom}", "theme": "light", **fields}
    return "&".join(f"{name}={value}" for name, value in chosen.items())


def test_a_building_card_equals_the_export(
    page: MapPage, city: ServedCity, exported: pd.DataFrame, home: pd.Series[Any]
) -> None:
    page.open(address(city, zoom=17, type=TYPE, level="building"))
    page.click_place(home.lon, home.lat)
    page.settle()
    assert page.state()["selection"] == {"layer": "buildings", "id": str(home.building_id)}
    rows = exported[(exported["building_id"] == home.building_id) & (exported["profile"] == "adult")].set_index("type")
    shown = page.page.locator(".reach tr[data-type]")
    assert shown.count() == len(rows)
    for index in range(shown.count()):
        line = shown.nth(index)
        row = rows.loc[line.get_attribute("data-type")]
        reach = line.locator(".reach-value")
        expected = "走不到" if pd.isna(row.reach_s) else write_minutes(row.reach_s)
        assert reach.inner_text() == (expected if row.status != "unknown" else "未接上路网")
        assert (reach.get_attribute("data-reach") or "nan") == ("nan" if pd.isna(row.reach_s) else str(row.reach_s))
        assert f"is-{row.status}" in (line.get_attribute("class") or "")
        distance = line.locator("td").nth(1).inner_text()
        if not pd.isna(row.radius_m):
            assert f"{int(Decimal(str(row.radius_m)).quantize(Decimal(1), ROUND_HALF_UP)):,} 米" in distance
    assert read_count(page.text("[data-testid=building-people]")) == home.people


def test_a_building_card_shows_completeness_of_the_profile_on_show(
    page: MapPage, city: ServedCity, home: pd.Series[Any]
) -> None:
    for profile in ("adult", "wheelchair"):
        page.open(address(city, profile=profile, sel=f"buildings/{home.building_id}"))
        answer = city.get(f"/gaps/runs/{city.run_id}/buildings/{home.building_id}", profile=profile)
        (judged,) = answer["completeness"]
        expected = f"{judged['met']}/{judged['required']} 类必配设施在上限内"
        assert expected in page.text(".completeness")


def test_the_gap_view_colours_the_buildings_of_the_export(
    page: MapPage, city: ServedCity, exported: pd.DataFrame
) -> None:
    page.open(f"theme=light&type={TYPE}&level=building")
    rows = exported[(exported["type"] == TYPE) & (exported["profile"] == "adult")].set_index("building_id")
    drawn = {int(one["id"]): one for one in page.rendered("coverage")}
    assert len(drawn) > 0.9 * len(rows)
    for building, feature in drawn.items():
        assert feature["status"] == rows.loc[building, "status"]
    colours: dict[str, set[str]] = {}
    for feature in drawn.values():
        colours.setdefault(feature["status"], set()).add(feature["colour"])
    assert {"covered", "gap"} <= set(colours)
    assert not colours["covered"] & colours["gap"]


def test_the_totals_are_those_of_the_run(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type=TYPE))
    totals = city.get(f"/gaps/runs/{city.run_id}")["totals"]
    (row,) = [one for one in totals if one["type"] == TYPE and one["profile"] == "adult"]
    for kind in ("covered", "gap", "unknown"):
        assert read_count(page.text(f".totals [data-people={kind}]")) == row[kind]
    assert read_count(page.text(".totals .headline strong")) == row["gap"]


def test_everybody_is_counted_when_asked_for(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type=TYPE, level="community"))
    page.page.get_by_role("radio", name="按全部人口").check()
    page.settle()
    rows = city.get(
        f"/gaps/runs/{city.run_id}/areas", type=TYPE, profile="adult", level="community", demand_group="all", limit=1000
    )["rows"]
    assert read_count(page.text(".totals .headline strong")) == sum(row["gap"] for row in rows)


@pytest.mark.parametrize("level", ["subdistrict", "community", "grid"])
def test_the_ranking_equals_the_areas(page: MapPage, city: ServedCity, level: str) -> None:
    page.open(address(city, type=TYPE, level=level))
    run = city.get(f"/gaps/runs/{city.run_id}")
    (group,) = {one["demand_group"] for one in run["columns"] if one["type"] == TYPE}
    rows = city.get(
        f"/gaps/runs/{city.run_id}/areas", type=TYPE, profile="adult", level=level, demand_group=group, limit=1000
    )["rows"]
    shown = page.page.locator(".ranking tbody tr")
    while page.page.locator(".ranking .more").count():
        page.page.click(".ranking .more")
    assert shown.count() == len(rows)
    by_code = {row["area_code"] or "": row for row in rows}
    gaps = []
    for index in range(shown.count()):
        line = shown.nth(index)
        row = by_code[line.get_attribute("data-id") or ""]
        counts = [text.strip() for text in line.locator("td.number").all_inner_texts()]
        assert [read_count(counts[0]), read_count(counts[1])] == [row["gap"], row["people"]]
        gaps.append(row["gap"])
    assert gaps == sorted(gaps, reverse=True)


def test_the_ranking_is_in_step_with_the_map(page: MapPage, city: ServedCity) -> None:
    page.open(f"theme=light&type={TYPE}&level=community")
    assert {one["area_code"] for one in page.rendered("gap-area")}
    first = page.page.locator(".ranking tbody tr").first
    code = first.get_attribute("data-id")
    first.locator("button").click()
    page.settle()
    assert page.state()["area"] == code
    assert "is-chosen" in (first.get_attribute("class") or "")
    west, south, east, north = page.js("() => window.__onemap.map.getBounds().toArray().flat()")
    (row,) = [
        one["properties"] | {"box": one["geometry"]}
        for one in city.get("/ogc/collections/areas/items", limit=1000)["features"]
        if one["properties"]["code"] == code
    ]
    corners = [pair for part in row["box"]["coordinates"] for ring in part for pair in ring]
    assert all(west <= lon <= east and south <= lat <= north for lon, lat in corners)
    gap = read_count(first.locator("td.number").first.inner_text())
    assert read_count(page.text(f"[data-area='{code}'] .headline strong")) == gap


def test_a_click_on_the_circle_tool_shows_who_is_inside(page: MapPage, city: ServedCity, home: pd.Series[Any]) -> None:
    page.open(address(city, zoom=16, type=TYPE))
    page.page.get_by_role("button", name=re.compile("步行圈工具")).click()
    page.click_place(home.lon, home.lat)
    page.settle()
    place = page.state()["circle"]
    features = city.get("/circles", lon=place["lon"], lat=place["lat"], minutes="5,10,15", profile="adult")["features"]
    people = [read_count(text) for text in page.texts("[data-testid=circle-people]")]
    assert people == [one["properties"]["people"] for one in features]
    assert people == sorted(people)
    assert people[-1] > 0
    assert {one["minutes"] for one in page.rendered("circle")} == {5, 10, 15}


def test_a_shift_click_draws_circles_where_a_click_opens_a_card(
    page: MapPage, city: ServedCity, home: pd.Series[Any]
) -> None:
    page.open(address(city, zoom=17, type=TYPE, level="building"))
    page.page.keyboard.down("Shift")
    page.click_place(home.lon, home.lat)
    page.page.keyboard.up("Shift")
    page.settle()
    assert page.state()["circle"] is not None
    assert page.state()["selection"] is None


def test_the_address_brings_everything_back(browser: Browser, page: MapPage, city: ServedCity) -> None:
    page.open(address(city, zoom=16))
    page.choose_type("社区卫生服务中心")
    page.choose_level("grid")
    page.page.locator("#tab-layers").click()
    page.page.locator("input[data-layer=streets]").uncheck()
    page.page.locator("#tab-gaps").click()
    page.page.get_by_role("button", name="切换到深色").click()
    page.settle()
    before = page.state()
    assert (before["type"], before["level"], before["theme"]) == ("MED_CHC", "grid", "dark")
    headline = page.text(".totals .headline strong")
    again = open_page(browser, city.base)
    again.open(page.hash())
    after = again.state()
    assert after.pop("view") == pytest.approx(before.pop("view"), abs=1e-6)
    assert after == before
    assert again.text(".totals .headline strong") == headline
    assert again.rendered("street") == []
    assert again.js("() => document.documentElement.dataset.theme") == "dark"
    again.check()
    close_page(again)


def test_back_and_forward_walk_through_the_choices(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type=TYPE))
    page.choose_type("初中")
    page.choose_level("grid")
    page.page.go_back()
    page.page.go_back()
    page.settle()
    assert page.state()["type"] == TYPE
    assert "小学" in page.text(".type-button")
    page.page.go_forward()
    page.settle()
    assert page.state()["type"] == "EDU_JUNIOR"


def test_the_language_can_be_switched(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type=TYPE))
    assert page.js("() => document.documentElement.lang") == "zh-CN"
    page.page.get_by_role("button", name="切换语言").click()
    page.settle()
    assert page.js("() => document.documentElement.lang") == "en"
    words = [page.text(one) for one in (".header .brand", ".tabs", ".totals", ".controls", ".ranking thead", ".legend")]
    assert [text for text in words if HAN.search(text)] == []
    page.page.get_by_role("button", name="Switch language").click()
    assert page.text("#tab-gaps") == "缺口分析"


def test_layers_can_be_found_hidden_and_faded(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, zoom=16, tab="layers"))
    titles = {layer["title_zh"] for layer in city.get("/api/catalogue")["layers"] if layer["rows"]}
    assert titles & set(page.texts(".layer-title"))
    assert page.rendered("street")
    page.page.fill(".layer-tree input[type=search]", "道路")
    assert page.texts(".layer-title") == ["道路"]
    page.page.locator(".disclosure").click()
    page.page.locator(".slider input").fill("0.4")
    opacity = page.js("() => JSON.stringify(window.__onemap.map.getPaintProperty('street', 'line-opacity'))")
    assert opacity == "0.4"
    page.page.locator("input[data-layer=streets]").uncheck()
    page.settle()
    assert page.rendered("street") == []
    assert "layers=-streets:0.4" in page.hash()


def test_a_search_opens_what_it_found(page: MapPage, city: ServedCity) -> None:
    page.open(address(city))
    name = next(
        one["properties"]["name"]
        for one in city.get("/ogc/collections/facilities/items", limit=5000)["features"]
        if one["properties"]["type"] == TYPE
    )
    page.page.keyboard.press("/")
    page.page.keyboard.type(name)
    page.wait_for(lambda: page.page.locator("#search-hits li").count(), "hits")
    page.page.keyboard.press("Enter")
    page.settle()
    assert page.text(".card h2") == name
    assert page.state()["selection"]["layer"] == "facilities"


def test_a_phone_shows_map_panel_and_card(phone: MapPage, city: ServedCity, home: pd.Series[Any]) -> None:
    phone.open(address(city, zoom=17, type=TYPE, level="building"))
    assert phone.js("() => document.documentElement.scrollWidth <= innerWidth")
    assert phone.js("() => document.querySelector('.side').getBoundingClientRect().top > innerHeight * 0.3")
    small = """() => [...document.querySelectorAll('.map-tools button, .tabs button, .header-end button')]
      .map((one) => one.getBoundingClientRect()).filter((box) => box.width > 0)
      .filter((box) => Math.min(box.width, box.height) < 30).length"""
    assert phone.js(small) == 0
    phone.click_place(home.lon, home.lat, is_touch=True)
    phone.settle()
    assert phone.state()["selection"]["id"] == str(home.building_id)
    assert phone.page.locator(".side .card").is_visible()
    phone.page.get_by_role("button", name="关闭").first.tap()
    assert phone.page.locator("#panel").is_visible()
    height = "() => document.querySelector('.side').getBoundingClientRect().height"
    before = phone.js(height)
    phone.page.locator(".grip").press("ArrowUp")
    assert phone.js(height) > before


def test_everything_can_be_done_from_the_keyboard(page: MapPage, city: ServedCity, home: pd.Series[Any]) -> None:
    page.open(address(city, type=TYPE, sel=f"buildings/{home.building_id}"))
    press = page.page.keyboard.press
    press("Escape")
    assert page.state()["selection"] is None
    page.page.locator(".type-button").focus()
    press("Enter")
    page.page.keyboard.type("中学")
    page.page.fill(".type-list input", "EDU_JUNIOR")
    press("ArrowDown")
    press("Enter")
    page.settle()
    assert page.state()["type"] == "EDU_JUNIOR"
    assert page.js("() => document.activeElement.className") == "type-button"
    page.page.locator("#tab-gaps").focus()
    press("ArrowRight")
    assert page.state()["tab"] == "whatif"
    press("ArrowLeft")
    page.page.locator(".ranking tbody button").first.focus()
    press("Enter")
    page.settle()
    assert page.state()["area"] == page.page.locator(".ranking tbody tr").first.get_attribute("data-id")
    assert page.js("() => document.querySelector('.maplibregl-canvas').tabIndex") == 0
    page.page.locator(".skip").focus()
    press("Enter")
    assert page.js("() => document.activeElement.id") == "panel"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_and_controls_have_names(
    page: MapPage, city: ServedCity, home: pd.Series[Any], theme: str
) -> None:
    page.open(address(city, theme=theme, type=TYPE, sel=f"buildings/{home.building_id}"))
    assert page.js(LOW_CONTRAST) == []
    assert page.js(NAMELESS) == []
    page.page.locator("#tab-layers").click()
    page.page.locator(".disclosure").first.click()
    assert page.js(LOW_CONTRAST) == []
    assert page.js(NAMELESS) == []


def test_figures_say_how_they_came_about(page: MapPage, city: ServedCity) -> None:
    page.open(address(city, type=TYPE))
    page.page.get_by_role("button", name="这个数字怎么来的").click()
    told = page.text(".how .popover-panel")
    kinds = {one["code"]: one for one in city.get("/api/catalogue")["types"]}
    for part in (f"{kinds[TYPE]['limit_s']} s", "1.11 米/秒", kinds[TYPE]["clause"], "6–11 岁", "道路 1"):
        assert part in told


@pytest.mark.parametrize("format_name", ["CSV", "XLSX", "GEOJSON"])
def test_what_is_shown_can_be_taken_away(page: MapPage, city: ServedCity, format_name: str) -> None:
    page.open(address(city, type=TYPE, level="community"))
    links = page.page.locator(".exports a").filter(has_text=format_name)
    assert links.count() == 2
    for index in range(2):
        link = links.nth(index)
        with page.page.expect_download() as awaited:
            link.click()
        saved = awaited.value.path()
        assert saved.stat().st_size > 100


def test_a_fault_is_told_with_its_hint(page: MapPage, city: ServedCity) -> None:
    problem = '{"title":"Timed out","status":504,"detail":"Reading the run took too long","hint":"Ask for one area."}'

    def fail(route: Route) -> None:
        route.fulfill(status=504, content_type="application/problem+json", body=problem)

    page.expected = ("504",)
    page.page.route("**/gaps/runs/latest", fail)
    page.open(address(city))
    told = page.text(".panel .fault")
    assert "Reading the run took too long" in told
    assert "Ask for one area." in told
    page.page.unroute("**/gaps/runs/latest")
    page.page.get_by_role("button", name="重试").click()
    page.settle()
    assert page.page.locator(".totals .headline").is_visible()


def test_without_webgl_lists_and_tables_remain(page: MapPage, city: ServedCity) -> None:
    page.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null;")
    page.open(address(city, type=TYPE, level="community"), has_map=False)
    assert "WebGL" in page.text(".no-map .notice")
    page.wait_for(lambda: page.page.locator(".no-map tbody tr").count(), "rows of a layer")
    assert page.page.locator(".ranking tbody tr").count() > 0


@pytest.fixture
def empty(fresh_db: Db, browser: Browser) -> Iterator[MapPage]:
    """Return a page on a server whose database holds nothing."""
    with serve(create_app(fresh_db.settings, executor=make_threads)) as base:
        found = open_page(browser, base)
        found.expected = ("503",)
        yield found
        found.check()
        close_page(found)


def test_an_empty_store_says_what_to_run(empty: MapPage) -> None:
    empty.open("theme=light")
    assert "onemap gaps run" in empty.text(".panel .command")
    empty.page.locator("#tab-layers").click()
    assert "onemap demo" in empty.text(".panel .command")


def test_the_policy_allows_nothing_inline(page: MapPage, city: ServedCity) -> None:
    seen: list[str] = []
    page.page.on("response", lambda one: seen.append(one.headers.get("content-security-policy", "")))
    page.open(address(city))
    assert seen
    for policy in seen:
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


def test_the_api_reference_is_drawn_from_our_own_copy(page: MapPage, city: ServedCity) -> None:
    page.page.goto(f"{city.base}/docs")
    page.wait_for(lambda: page.page.locator(".opblock").count(), "the routes to be listed")
    listed = page.texts(".opblock-summary-path")
    assert any("/gaps/runs" in path.replace("\u200b", "") for path in listed)
