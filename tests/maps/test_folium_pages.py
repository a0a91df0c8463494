"""The page to share: everything inside, figures as in the store, opened with the network off, no text of it run."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import folium
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from geo.errors import DataError, NotFound, NotReady
from layers import tables
from layers.catalog import read_pack
from layers.query.runs import fetch_run
from layers.query.share import ShareData, fetch_share
from maps import inline_links, pages
from maps.folium_pages import describe_group, dump_data, find_first_column, make_share_page
from tests import seed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.conftest import Db

XSS = '<img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script>{{7*7}}{% endraw %}'
FLAGS = (
    "--headless=new --no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic"
    " --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage"
)

needs_build = pytest.mark.skipif(
    not (pages.find_static_folder() / inline_links.MANIFEST).is_file(), reason="the front end is not built"
)


@pytest.fixture(scope="module")
def data(db: Db) -> ShareData:
    """Return what the page shows of the seeded run; one building and one facility have names that attack."""
    with db.owner.begin() as conn:
        place = seed.seed_place(conn)
        seed.seed_run(conn, place)
        conn.execute(update(tables.building).where(tables.building.c.id == place.buildings[1]).values(name=XSS))
        conn.execute(update(tables.facility).where(tables.facility.c.id == place.facilities[0]).values(name=XSS))
    with db.reader.connect() as conn:
        return fetch_share(conn, fetch_run(conn, "latest"))


@pytest.fixture(scope="module")
def page_text(data: ShareData) -> str:
    """Return the page."""
    return make_share_page(data, pack=read_pack())


def read_data(text: str) -> dict[str, Any]:
    """Return the data of a page."""
    found = re.search(r'<script type="application/json" id="onemap-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def find_links(text: str) -> list[str]:
    """Return what a page links to."""
    return re.findall(r'(?:src|href)="([^"]+)"', re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL))


def test_the_page_holds_the_figures_of_the_store(data: ShareData) -> None:
    place = [column.type for column in data.columns].index("EDU_KINDER")
    assert data.figures["110000"][place] == [100, 10, 50, 40]
    assert data.totals[place]["gap"] == 50
    assert [row["people"] for row in data.worst[place]] == [30, 20]
    assert data.levels == ["city", "district"]
    assert {area["code"] for area in data.areas} == {"110000", "110100", "110200"}
    assert set(data.base) == {"compounds", "streets-major", "streets-mid"}


@needs_build
def test_nothing_is_linked_and_the_data_are_inside(page_text: str) -> None:
    assert find_links(page_text) == []
    content = read_data(page_text)
    assert content["worst"][0][1]["name"] == XSS
    assert content["title"]
    assert any("standards pack" in line for line in content["method"])
    assert any(line.startswith("buildings: test") for line in content["sources"])


@needs_build
def test_a_linked_page_leads_to_our_own_server(data: ShareData) -> None:
    text = make_share_page(data, pack=read_pack(), offline=False)
    addresses = find_links(text)
    assert addresses
    for address in addresses:
        assert address.startswith("/folium/")
        assert pages.find_asset(address.removeprefix("/")).is_file()


def test_the_page_says_who_is_counted_where_ages_are_missing(data: ShareData) -> None:
    column = data.columns[0]
    kind = read_pack()["EDU_KINDER"]
    assert describe_group(replace(column, people_basis="group"), kind) == kind.demand_group
    assert "no ages are loaded" in describe_group(replace(column, people_basis="mixed"), kind)
    everybody = describe_group(replace(column, people_basis="all"), kind)
    assert "everybody (no ages are loaded)" in everybody
    assert kind.demand_group not in everybody
    households = describe_group(replace(column, people_basis="all", demand_group="households"), None)
    assert households == "全体居民 everybody"


def test_the_page_opens_on_a_type_with_sites_and_most_people_in_the_gap(data: ShareData) -> None:
    worst = max(range(len(data.columns)), key=lambda place: data.totals[place]["gap"])
    assert find_first_column(data) == worst
    columns = [replace(column, facilities=int(place != worst)) for place, column in enumerate(data.columns)]
    assert find_first_column(replace(data, columns=columns)) != worst
    assert find_first_column(replace(data, columns=[], totals=[])) == 0


def test_data_cannot_leave_their_element() -> None:
    text = dump_data({"name": XSS})
    assert not set("<>&%") & set(text)
    assert json.loads(text) == {"name": XSS}


@needs_build
@pytest.mark.parametrize("cluster", [False, True])
def test_every_link_of_a_plain_folium_map_has_a_copy(cluster: bool) -> None:
    from folium.plugins import Fullscreen, MarkerCluster

    plain = folium.Map(tiles=None)
    folium.Marker([0, 0], icon=folium.Icon(icon="star")).add_to(plain)
    if cluster:
        made: list[Any] = [Fullscreen, MarkerCluster]
        for plugin in made:
            plugin().add_to(plain)
    text = inline_links.inline_links(plain.get_root().render())
    assert find_links(text) == []
    assert "data:font/woff2" in text


@needs_build
@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/unknown.js"></script>',
        '<link rel="stylesheet" href="https://cdn.example/unknown.css">',
        '<script>L.tileLayer("https://tile.example/{z}/{x}/{y}.png")</script>',
        '<script>fetch("//tile.example/")</script>',
        '<img src="http://tile.example/a.png">',
    ],
)
def test_an_unknown_link_is_an_error(page: str) -> None:
    with pytest.raises(DataError, match="page to share"):
        inline_links.inline_links(page)


def test_without_the_build_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pages, "find_static_folder", lambda: tmp_path)
    with pytest.raises(NotReady) as caught:
        inline_links.inline_links("")
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["", "..", "../pyproject.toml", "/etc/passwd", ".built-from", "a\\b", "assets", "none.js"]
)
def test_assets_are_only_what_was_built(name: str) -> None:
    with pytest.raises(NotFound):
        pages.find_asset(name)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("assets/index-BxY3_k9Q.js", True),
        ("index.html", False),
        ("assets/plain.js", False),
        ("folium/index-BxY3_k9Q.js", False),
    ],
)
def test_only_hashed_names_are_kept_for_ever(name: str, kept: bool) -> None:
    assert pages.is_hashed(name) is kept


@needs_build
def test_the_command_writes_the_page(db: Db, data: ShareData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.cli import context
    from api.cli.maps import map_command

    monkeypatch.setattr(context, "read_settings", lambda: db.settings)
    monkeypatch.setattr(context, "prepare_database", lambda _settings: None)
    out = tmp_path / "map.html"
    done = CliRunner().invoke(map_command, [str(out)])
    assert done.exit_code == 0, done.output
    assert read_data(out.read_text(encoding="utf-8"))["figures"]["110000"] == data.figures["110000"]
    refused = CliRunner().invoke(map_command, [str(tmp_path / "map.pdf")])
    assert refused.exit_code != 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=FLAGS.split())
        yield found
        found.close()


@pytest.fixture
def opened(browser: Browser, page_text: str, tmp_path: Path) -> Iterator[Page]:
    """Return the page opened from a file; any request but for that file and any fault on the page fails the test."""
    path = tmp_path / "share.html"
    path.write_text(page_text, encoding="utf-8")
    context = browser.new_context(viewport={"width": 1100, "height": 700}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    yield page
    assert [url for url in asked if not url.startswith(("data:", path.as_uri()))] == []
    assert faults == []
    context.close()


@needs_build
@pytest.mark.browser
def test_the_page_opens_from_a_file_with_the_network_off(opened: Page) -> None:
    assert opened.locator("#om-gap").inner_text() == "50"
    assert opened.locator("#om-worst tbody tr").count() == 2
    assert opened.locator(".om-legend li").count() >= 5
    opened.select_option("select[name=type]", "1")
    assert opened.locator("#om-gap").inner_text() == "10"
    opened.select_option("select[name=measure]", "people")
    opened.select_option("select[name=level]", "0")
    assert "无缺口" in opened.locator("#om-legend").inner_text()
    opened.locator(".leaflet-control-layers").hover()
    assert "小区 compounds" in opened.locator(".leaflet-control-layers-overlays").inner_text()


@needs_build
@pytest.mark.browser
def test_names_are_text_on_the_page_too(opened: Page) -> None:
    assert XSS in opened.locator("#om-worst").inner_text()
    assert opened.evaluate("window.hacked") is None
