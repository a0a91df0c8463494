"""A real browser on the served map: opened, waited for, read and clicked; whatever leaves this machine is a failure."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import Error as BrowserFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Route

FLAGS = (
    "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SMALL = (1000, 680)
PHONE = (390, 844)
WAIT_S = 60.0
POLL_MS = 60

IS_SETTLED = """() => document.querySelector('.skeleton, [aria-busy="true"], .spinner') === null"""
BECOMES_IDLE = """() => new Promise((resolve) => {
  const { map } = window.__onemap;
  const look = () => (map.loaded() && map.areTilesLoaded() && !map.isMoving() ? resolve(true) : map.once('idle', look));
  map.triggerRepaint();
  requestAnimationFrame(() => requestAnimationFrame(look));
})"""
RENDERED = """(layers) => {
  const { map } = window.__onemap;
  const present = layers.filter((id) => map.getLayer(id));
  return map.queryRenderedFeatures(undefined, { layers: present }).map((feature) => ({
    layer: feature.layer.id, id: feature.id ?? null, ...feature.properties,
    colour: String(feature.layer.paint?.['fill-color'] ?? ''),
  }));
}"""
# on a phone the bottom sheet covers the middle of the map
SHEET_SHIFT_PX = 220
BRING_INTO_SIGHT = """([lon, lat, shift]) => {
  const { map } = window.__onemap;
  map.jumpTo({ center: [lon, lat] });
  map.panBy([0, shift], { animate: false });
}"""
TO_PIXELS = """([lon, lat]) => {
  const { map } = window.__onemap;
  const box = map.getCanvas().getBoundingClientRect();
  const point = map.project([lon, lat]);
  return [box.left + point.x, box.top + point.y];
}"""


def find_chromium() -> str | None:
    """Return the path of a Chromium on this machine."""
    return next((path for name in PROGRAMS if (path := shutil.which(name)) is not None), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Start the browser; WebGL is drawn in software, so that it needs no graphics card."""
    return playwright.chromium.launch(executable_path=path, args=list(FLAGS))


@dataclass
class MapPage:
    """One page of the planner map and everything that went wrong on it."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def open(self, address: str = "", *, has_map: bool = True) -> MapPage:
        """Open the map at an address behind the ``#`` and wait until it is drawn."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/?test=1#{address}")
        if has_map:
            self.wait_for(
                lambda: self.js("() => Boolean(window.__onemap && window.__onemap.map)"), "the map to be made"
            )
            self.js("() => window.__onemap.ready.then(() => true)")
        self.settle(has_map=has_map)
        return self

    def settle(self, *, has_map: bool = True) -> None:
        """Wait until nothing is loading and the map stands still."""
        self.wait_for(lambda: self.js(IS_SETTLED), "everything to be read")
        if has_map:
            self.js(BECOMES_IDLE)

    def js(self, script: str, argument: Any = None) -> Any:
        """Return what a function gives inside the page."""
        return self.page.evaluate(script, argument)

    def wait_for(self, is_so: Callable[[], object], what: str) -> None:
        """Ask until something is so.

        Raises
        ------
        AssertionError
            It was not within a minute.
        """
        end = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < end, f"waited {WAIT_S:.0f} s for {what}; faults so far: {self.faults}"
            self.page.wait_for_timeout(POLL_MS)

    def text(self, selector: str) -> str:
        """Return the visible text of the first element."""
        return self.page.locator(selector).first.inner_text().strip()

    def texts(self, selector: str) -> list[str]:
        """Return the visible texts of all elements."""
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def rendered(self, *layers: str) -> list[dict[str, Any]]:
        """Return the features drawn in these style layers: their properties, ``layer``, ``id`` and fill ``colour``."""
        found: list[dict[str, Any]] = self.js(RENDERED, list(layers))
        return found

    def state(self) -> dict[str, Any]:
        """Return the screen's state as the address carries it."""
        found: dict[str, Any] = self.js("() => window.__onemap.state()")
        return found

    def hash(self) -> str:
        """Return the part of the address behind the ``#``."""
        return urlsplit(self.page.url).fragment

    def click_place(self, lon: float, lat: float, *, is_touch: bool = False) -> None:
        """Click or tap the map at a place; the map is moved first so that no panel lies over it."""
        self.js(BRING_INTO_SIGHT, [lon, lat, SHEET_SHIFT_PX if is_touch else 0])
        self.settle()
        x, y = self.js(TO_PIXELS, [lon, lat])
        tap = self.page.touchscreen.tap if is_touch else self.page.mouse.click
        tap(x, y)

    def choose_type(self, words: str) -> None:
        """Pick the first facility type that a search in the list finds."""
        self.page.click(".type-button")
        self.page.fill(".type-list input", words)
        self.page.keyboard.press("Enter")
        self.settle()

    def choose_level(self, level: str) -> None:
        """Pick a level of the ranking by its value."""
        self.page.locator(f".ranking-head input[value={level}]").check(force=True)
        self.settle()

    def check(self) -> None:
        """Fail when anything went wrong on the page or anything was asked of another host."""
        if not self.page.is_closed():
            self.faults += [f"map: {text}" for text in self.js("() => window.__onemap ? window.__onemap.errors : []")]
        left = [fault for fault in self.faults if not any(text in fault for text in self.expected)]
        assert left == []


def open_page(browser: Browser, base: str, *, size: tuple[int, int] = SMALL, is_touch: bool = False) -> MapPage:
    """Return an empty page that notes page errors, console errors and every request that leaves this host."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="zh-CN", has_touch=is_touch, is_mobile=is_touch
    )
    found = MapPage(context.new_page(), base)
    _watch(context, found)
    return found


def _watch(context: BrowserContext, found: MapPage) -> None:
    host = urlsplit(found.base).netloc

    def guard(route: Route) -> None:
        if urlsplit(route.request.url).netloc == host:
            route.fallback()
            return
        found.faults.append(f"left the host: {route.request.url}")
        route.abort()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.faults.append(f"console: {message.text}")

    context.route("**/*", guard)
    found.page.on("pageerror", lambda error: found.faults.append(f"page: {error}"))
    found.page.on("console", note)


def close_page(found: MapPage) -> None:
    """Close a page with its context."""
    try:
        found.page.context.close()
    except BrowserFault as fault:  # the browser itself has gone: the tests before this have said so
        found.faults.append(str(fault))
