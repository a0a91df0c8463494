"""Files of the built front end, wherever the product is installed."""

from __future__ import annotations

import mimetypes
import re
from importlib import resources
from pathlib import Path, PurePosixPath

from geo.errors import NotFound, NotReady

# What Vite puts a hash of the content into never changes under its name.
# References: https://vite.dev/guide/assets
HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9]+$")
HASHED_FOLDER = "assets"
BUILD_HINT = "Build it with `pip install` (or `pip install -e .` in a clone)."
# what common file systems allow a name
NAME_BYTES_MAX = 255
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


def find_static_folder() -> Path:
    """Return the folder of the built front end, which exists once the front end was built."""
    return Path(str(resources.files("maps"))) / "static"


def find_page(name: str) -> Path:
    """Return a page of the front end, for example ``index.html``.

    Raises
    ------
    NotReady
        The front end was not built.
    """
    path = find_static_folder() / name
    if not path.is_file():
        raise NotReady(f"Showing {name}: the front end is not built", hint=BUILD_HINT)
    return path


def find_asset(name: str) -> Path:
    """Return a file below the built front end.

    Raises
    ------
    NotFound
        There is no such file, or its name leads outside or is hidden.
    """
    parts = PurePosixPath(name).parts
    if not parts or any(part.startswith(".") or part == "/" or "\\" in part or "\0" in part for part in parts):
        raise NotFound(f"There is no file {name[:80]!r}.")
    # a longer name cannot be asked for: the file system takes it for a fault
    if len(name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        raise NotFound(f"There is no file {name[:80]!r}.")
    path = find_static_folder().joinpath(*parts)
    if not path.is_file():
        raise NotFound(f"There is no file {name[:80]!r}.")
    return path


def is_hashed(name: str) -> bool:
    """Return whether a file's name changes with its content, so that it may be kept for ever."""
    return PurePosixPath(name).parts[:1] == (HASHED_FOLDER,) and HASHED.search(name) is not None


def guess_type(path: Path) -> str:
    """Return the media type of a file."""
    return TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
