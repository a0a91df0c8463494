"""The hook that builds the front end: once per state of its sources, and with clear words when it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from maps import build_hook

if TYPE_CHECKING:
    from pathlib import Path

LOCK = {
    "packages": {
        "": {"name": "onemap-web"},
        "node_modules/maplibre-gl": {"version": "6.1.0", "license": "BSD-3-Clause"},
        "node_modules/vite": {"version": "8.0.0", "license": "MIT", "dev": True},
        "node_modules/a/node_modules/@scope/b": {"version": "2.0.0"},
    }
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a source tree with a front end of three files."""
    web = tmp_path / "maps" / "web"
    (web / "src").mkdir(parents=True)
    (web / "package.json").write_text("{}", encoding="utf-8")
    (web / "package-lock.json").write_text(json.dumps(LOCK), encoding="utf-8")
    (web / "src" / "main.ts").write_text("1", encoding="utf-8")
    return tmp_path


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Stand in for npm: note the calls and leave what npm would leave."""
    calls: list[tuple[str, ...]] = []

    def run(web: Path, *arguments: str) -> None:
        calls.append(arguments)
        made = web / "node_modules" if arguments[0] == "ci" else web.parent / "static"
        made.mkdir(exist_ok=True)
        if arguments[0] == "run":
            (made / "index.html").write_text("<html>", encoding="utf-8")

    monkeypatch.setattr(build_hook, "run_npm", run)
    return calls


def test_it_builds_once_per_state_of_the_sources(root: Path, npm: list[tuple[str, ...]]) -> None:
    assert build_hook.build_front_end(root, ["numpy>=2"])
    assert [call[0] for call in npm] == ["ci", "run"]
    assert "--ignore-scripts" in npm[0]
    assert not build_hook.build_front_end(root, ["numpy>=2"])
    assert len(npm) == 2
    (root / "maps" / "web" / "src" / "main.ts").write_text("2", encoding="utf-8")
    assert build_hook.build_front_end(root, [])
    assert [call[0] for call in npm[2:]] == ["run"]


def test_an_interrupted_build_is_repeated(
    root: Path, npm: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_hook.build_front_end(root, [])
    (root / "maps" / "web" / "src" / "main.ts").write_text("2", encoding="utf-8")
    stand_in = build_hook.run_npm

    def fail(_web: Path, *_arguments: str) -> None:
        raise SystemExit("interrupted")

    monkeypatch.setattr(build_hook, "run_npm", fail)
    with pytest.raises(SystemExit):
        build_hook.build_front_end(root, [])
    monkeypatch.setattr(build_hook, "run_npm", stand_in)
    assert build_hook.build_front_end(root, [])


@pytest.mark.parametrize("place", ["src/new.ts", "public/icon.svg", "package.json", ".npmrc"])
def test_every_source_file_counts(root: Path, place: str) -> None:
    web = root / "maps" / "web"
    before = build_hook.hash_sources(web)
    (web / place).parent.mkdir(exist_ok=True)
    (web / place).write_text("other", encoding="utf-8")
    assert build_hook.hash_sources(web) != before


@pytest.mark.parametrize("place", ["node_modules/x/index.js", "dist/index.html"])
def test_what_is_made_does_not_count(root: Path, place: str) -> None:
    web = root / "maps" / "web"
    before = build_hook.hash_sources(web)
    (web / place).parent.mkdir(parents=True)
    (web / place).write_text("made", encoding="utf-8")
    assert build_hook.hash_sources(web) == before


@pytest.mark.parametrize(
    ("missing", "said"), [("package.json", "no package.json"), ("package-lock.json", "is missing")]
)
def test_missing_sources_are_told(root: Path, npm: list[tuple[str, ...]], missing: str, said: str) -> None:
    (root / "maps" / "web" / missing).unlink()
    with pytest.raises(SystemExit, match=said):
        build_hook.build_front_end(root, [])


def test_a_build_without_pages_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(web: Path, *_arguments: str) -> None:
        (web / "node_modules").mkdir(exist_ok=True)

    monkeypatch.setattr(build_hook, "run_npm", run)
    with pytest.raises(SystemExit, match=r"left no maps/static/index\.html"):
        build_hook.build_front_end(root, [])


def test_what_npm_says_is_shown_when_it_fails(root: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)npm run failed.*Missing script"):
        build_hook.run_npm(root / "maps" / "web", "run", "nonsense")


def test_notices_name_what_is_carried_and_nothing_else(root: Path) -> None:
    package = root / "maps" / "web" / "node_modules" / "maplibre-gl"
    package.mkdir(parents=True)
    (package / "LICENSE.txt").write_text("Redistribution and use\nare permitted", encoding="utf-8")
    text = build_hook.write_notices(root / "maps" / "web", ["numpy>=2", "sqlalchemy[asyncio]>=2", "no-such-package"])
    assert "* maplibre-gl 6.1.0: BSD-3-Clause" in text
    assert "    Redistribution and use\n    are permitted" in text
    assert "* @scope/b 2.0.0: see its files" in text
    assert "vite" not in text
    assert "* numpy: BSD" in text
    assert "* sqlalchemy: MIT" in text
    assert "* no-such-package: see its own files" in text
