"""``./onemap test``: every check of the house, then the tests; one command on every machine.

With arguments for pytest (a path, ``-k`` …) only pytest runs; ``--long`` adds the tests that take minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from maps.build_hook import find_node, install_packages

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "maps" / "web"
PACKAGES = ("geo", "layers", "maps", "api", "data", "tests")


@dataclass(frozen=True)
class Step:
    """One check: a program and where it runs."""

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT


def list_steps() -> list[Step]:
    """Return the checks that need neither database nor browser, quickest first."""
    programs = Path(sys.executable).parent
    npm = (
        str(find_node() / "node"),
        str(find_node().parent / "lib/node_modules/npm/bin/npm-cli.js"),
        "run",
        "--silent",
    )
    documented = sorted(
        str(path.relative_to(ROOT))
        for package in ("geo", "layers")
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    )
    return [
        Step("ruff format", (str(programs / "ruff"), "format", "--check", "--quiet", ".")),
        Step("ruff check", (str(programs / "ruff"), "check", "--quiet", ".")),
        Step("import line", (str(programs / "lint-imports"), "--no-cache")),
        Step("docstrings", (str(programs / "numpydoc"), "lint", *documented)),
        Step("types", (str(programs / "mypy"),)),
        Step("front end: types", (*npm, "check"), WEB),
        Step("front end: lint", (*npm, "lint"), WEB),
        Step("front end: tests", (*npm, "test"), WEB),
    ]


def run_step(step: Step) -> bool:
    """Run one check, show its output only when it fails, and return whether it passed."""
    began = time.monotonic()
    path = f"{find_node()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        step.command,
        cwd=step.folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    passed = done.returncode == 0
    say(f"{'ok    ' if passed else 'FAILED'}  {step.name}  ({time.monotonic() - began:.0f} s)")
    if not passed:
        say(done.stdout)
    return passed


def run_pytest(arguments: list[str]) -> bool:
    """Run pytest with its output on the terminal and return whether it passed."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Run everything, or pytest alone when its arguments choose tests; return the exit code."""
    if any(argument != "--long" for argument in arguments):
        return 0 if run_pytest(arguments) else 1
    install_packages(WEB)
    failed = [step.name for step in list_steps() if not run_step(step)]
    if not run_pytest(["-q", *arguments]):
        failed.append("pytest")
    say("all checks passed" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def say(text: str) -> None:
    """Tell what goes on."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
