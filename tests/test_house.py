"""The house itself: folders, import line, file sizes, the error tree, what the wheel must carry."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING

import click
import pytest

from api.cli import main
from geo import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("geo", "layers", "maps", "api", "data")
LINES_MAX = 500
# fixed by the product's owner
TOP_LEVEL = {
    *PACKAGES,
    "tests",
    ".ci",
    ".gitignore",
    "onemap",
    "pyproject.toml",
    "requirements.lock",
    "requirements-bench.lock",
    "requirements-dev.lock",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
}
EXIT_CODES = {0, 1, 2, 3, 4, 130}


def list_kept_files() -> list[Path]:
    """Return the files that are, or are about to be, kept: all but what .gitignore names."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    names = done.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def walk_errors(kind: type[errors.OneMapError] = errors.OneMapError) -> Iterator[type[errors.OneMapError]]:
    """Yield every class of the error tree."""
    yield kind
    for child in kind.__subclasses__():
        yield from walk_errors(child)


def import_all() -> None:
    """Import every module, so that the error tree is whole."""
    for package in PACKAGES:
        for found in walk_packages(import_module(package).__path__, f"{package}."):
            if "migrations" not in found.name and found.name != "maps.build_hook":
                import_module(found.name)


def test_the_top_level_is_fixed() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in list_kept_files()}
    assert found == TOP_LEVEL


def test_no_module_is_too_long() -> None:
    endings = {".py", ".ts", ".tsx", ".css", ".js", ".mjs"}
    long = {
        str(path.relative_to(ROOT)): lines
        for path in list_kept_files()
        if path.suffix in endings and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert long == {}


def test_nothing_left_undone_or_tied_to_a_machine() -> None:
    undone = re.compile("TO" + "DO|FIX" + "ME|XX" + r"X\b")
    machines = re.compile("/" + "work/|/" + r"root/|pypi\.org|registry\.npm")
    endings = {".py", ".ts", ".tsx", ".toml", ".lock", ".sql", ".json", ".sh", ""}
    faults = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in list_kept_files()
        if path != Path(__file__) and path.suffix in endings
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        # a test may name a path that must not be told
        if undone.search(line) or (machines.search(line) and "tests" not in path.parts)
    ]
    assert faults == []


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "node_modules" not in path.parts and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_import_line_holds() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_pure_packages_load_nothing_they_must_not_know() -> None:
    """Beside what the sources say: what is really loaded with ``geo``."""
    modules = [f"geo.{path.stem}" for path in (ROOT / "geo").glob("*.py") if path.stem != "__init__"]
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    forbidden = {"sqlalchemy", "psycopg", "geoalchemy2", "fastapi", "folium", "jinja2", "layers", "maps", "api", "data"}
    assert forbidden.isdisjoint(done.stdout.split())


def test_every_error_has_a_status_and_an_exit_code() -> None:
    import_all()
    kinds = list(walk_errors())
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.exit_code in EXIT_CODES - {0, 130}, kind
        assert 400 <= kind.http_status <= 599, kind
        assert kind.title, kind
        assert (kind.__doc__ or "").strip(), kind


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.RequestError, 422, 2),
        (errors.NotFound, 404, 2),
        (errors.DataError, 422, 2),
        (errors.MissingColumn, 422, 2),
        (errors.DatumUnknown, 422, 2),
        (errors.BadGeometry, 422, 2),
        (errors.DuplicateId, 422, 2),
        (errors.NothingLinked, 422, 2),
        (errors.NotReady, 503, 4),
        (errors.Forbidden, 403, 2),
        (errors.Conflict, 409, 2),
        (errors.TooLarge, 413, 2),
        (errors.Busy, 503, 2),
        (errors.StoreError, 503, 3),
        (errors.StoreTimeout, 504, 3),
    ],
)
def test_errors_answer_as_agreed(kind: type[errors.OneMapError], status: int, code: int) -> None:
    assert (kind.http_status, kind.exit_code) == (status, code)


def test_every_raise_is_of_our_tree() -> None:
    """Foreign exceptions are raised only where a protocol asks for them."""
    import_all()
    allowed = {
        *(kind.__name__ for kind in walk_errors()),
        # protocols: converters say ValueError, mappings KeyError, click its own, pytest and hatchling theirs
        "ValueError",
        "KeyError",
        "TypeError",
        "AttributeError",
        "StopIteration",
        "AssertionError",
        "SystemExit",
        "KeyboardInterrupt",
        "BadParameter",
        "UsageError",
        "Exit",
        "HTTPException",
        "CancelledError",
        # csv.Error, caught in the same function
        "Error",
    }
    faults: list[str] = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "node_modules" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                    continue
                name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                if name[:1].isupper() and name not in allowed:
                    faults.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert faults == []


def test_every_command_of_the_list_exists() -> None:
    context = click.Context(main.cli)
    for name, (_module, line) in main.COMMANDS.items():
        command = main.cli.get_command(context, name)
        assert command is not None, name
        assert command.help, name
        assert line.endswith("."), name


def test_locks_carry_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries), name


def test_locks_hold_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = {
        name: set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    }
    runtime = project["dependencies"] + project["optional-dependencies"]["build"]
    for requirements, name in (
        (runtime, "requirements.lock"),
        (runtime + project["optional-dependencies"]["dev"], "requirements-dev.lock"),
    ):
        names = {re.split(r"[\[<>=~ ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}
        assert names <= locked[name], name
    assert all(re.search(r">=\d", requirement) for requirement in runtime), "a lower bound is missing"
