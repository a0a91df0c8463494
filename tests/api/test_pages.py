"""Pages and files: what is kept for how long, nothing outside the build, and the API reference in a real browser."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest
import uvicorn

from api.app import create_app
from maps import pages
from tests.api.conftest import make_threads
from tests.api.test_gone import find_free_port, wait_until
from tests.maps.test_folium_pages import FLAGS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.client import Client
    from tests.conftest import Db


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small front end in place of the built one."""
    static = tmp_path / "static"
    for name, text in {
        "index.html": "<!doctype html><title>map</title>",
        "assets/index-BxY3_k9Q.js": "let a = 1;",
        "assets/font-BxY3_k9Q.woff2": "font",
        "docs/swagger-ui-bundle.js": "let b = 2;",
        ".built-from": "hash",
    }.items():
        path = static / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(pages, "find_static_folder", lambda: static)
    return static


@pytest.mark.parametrize(
    ("path", "kind", "kept"),
    [
        ("/", "text/html", False),
        ("/index.html", "text/html", False),
        ("/assets/index-BxY3_k9Q.js", "text/javascript", True),
        ("/assets/font-BxY3_k9Q.woff2", "font/woff2", True),
        ("/docs", "text/html", False),
        ("/docs/start.js", "text/javascript", False),
        ("/docs/swagger-ui-bundle.js", "text/javascript", False),
        ("/docs/openapi.json", "application/json", False),
    ],
)
def test_files_have_their_type_and_lifetime(client: Client, build: Path, path: str, kind: str, kept: bool) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert ("immutable" in answer.headers["cache-control"]) is kept
    assert client.head(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/secret.txt", "/../secret.txt", "/assets/../../secret.txt", "/..%2fsecret.txt", "/.built-from", "/assets"]
)
def test_nothing_outside_the_build_is_sent(client: Client, build: Path, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace(path, "").replace("secret.txt", "")


@pytest.mark.parametrize("path", ["/" + "A" * 36_000, "/" + "a/" * 18_000, "/" + "%E6%A5%BC" * 100])
def test_a_path_too_long_for_a_file_is_not_found(
    client: Client, build: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert caplog.records == []


def test_an_unchanged_file_is_not_sent_again(client: Client, build: Path) -> None:
    etag = client.get("/").headers["etag"]
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 304


def test_without_a_build_the_page_says_what_to_do(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "find_static_folder", lambda: tmp_path)
    answer = client.get("/")
    assert answer.status_code == 503
    assert "pip install" in answer.json()["hint"]
    assert client.get("/docs").status_code == 404


@pytest.mark.browser
def test_the_api_reference_is_drawn_under_the_policy_from_this_host_alone(db: Db) -> None:
    chromium = shutil.which("chromium")
    if chromium is None or not (pages.find_static_folder() / "docs" / "swagger-ui-bundle.js").is_file():
        pytest.skip("no chromium, or the front end is not built")
    from playwright.sync_api import sync_playwright

    port = find_free_port()
    app = create_app(db.settings, executor=make_threads)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert wait_until(lambda: server.started, patience_s=30)
    asked: list[str] = []
    faults: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS.split())
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{port}/docs")
        page.get_by_text("/api/catalogue").wait_for()
        shown = page.inner_text("#reference")
        browser.close()
    server.should_exit = True
    thread.join(timeout=30)
    assert "/gaps/runs/{run}/buildings" in shown
    assert faults == []
    assert [url for url in asked if not url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:"))] == []
