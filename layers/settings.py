"""Settings of one installation, read from the environment by whoever starts the product, never at import."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from geo.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Read by the tests and the launcher, or handed by `onemap serve` to its own processes; no settings, but known so that
# they are not refused as misspelt.
OTHER_KEYS = frozenset(
    {"ONEMAP_REAL_DATA", "ONEMAP_TEST_DATABASE_URL", "ONEMAP_VENV", "ONEMAP_PYTHON", "ONEMAP_SERVE_HOSTS"}
)
ROOT_HOME = Path("/var/lib/onemap")
# PostgreSQL cuts names at 63 bytes; the characters are those that need no quoting.
NAME_LENGTH_MAX = 63
# libpq's way to name replicas: postgresql://user@one:5432,two:5432/name
SEVERAL_HOSTS = re.compile(
    r"(?P<scheme>[a-z+]+://)(?P<user>(?:[^@/?]*@)?)(?P<hosts>[^@/?,]+(?:,[^@/?,]+)+)(?P<rest>/.*)"
)
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between two installations.

    Attributes
    ----------
    home
        Folder of the private database, the compiled networks and the caches.
    database_url
        Address of a database of one's own, as its owner; None means the private cluster under ``home``.
    database_url_read
        Address for reading, for example of replicas; None means the owner's server through the reader role.
    database
        Name of the database inside the private cluster.
    pg_bin
        Folder of the PostgreSQL programs; None means the newest one that is installed.
    reader_timeout_s
        Longest statement of the reader role, in seconds.
    writer_timeout_s
        Longest statement of the writer role, in seconds; 0 means none.
    pool_size
        Connections kept open per process and role.
    link_max_m
        Farthest a point may be from the street it is linked to, in metres.
    entrance_within_m
        A street this close to a facility's outline, in metres, counts as a way in.
    city_file
        Table that overrides rows of the standards pack for one city; None means the pack as shipped.
    """

    home: Path
    database_url: str | None = field(default=None, repr=False)
    database_url_read: str | None = field(default=None, repr=False)
    database: str = "onemap"
    pg_bin: Path | None = None
    reader_timeout_s: float = 30.0
    writer_timeout_s: float = 900.0
    pool_size: int = 5
    link_max_m: float = 300.0
    entrance_within_m: float = 10.0
    city_file: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that an environment describes; all faults are raised together.

        Parameters
        ----------
        environ
            Variables by name. ``DATABASE_URL``, ``DATABASE_URL_READ`` and the ``ONEMAP_*`` keys are read; an empty
            value counts as absent.

        Raises
        ------
        RequestError
            A value cannot be read or an ``ONEMAP_*`` key is unknown.
        """
        faults: list[str] = []
        values: dict[str, Any] = {}
        for key, (name, convert) in KEYS.items():
            text = environ.get(key, "").strip()
            if not text:
                continue
            try:
                values[name] = convert(text)
            except ValueError as error:
                faults.append(f"{key}: {error}")
        known = KEYS.keys() | OTHER_KEYS
        faults += [
            f"{key}: no such setting" for key in sorted(environ) if key.startswith("ONEMAP_") and key not in known
        ]
        if "database_url_read" in values and "database_url" not in values:
            faults.append("DATABASE_URL_READ: needs DATABASE_URL beside it")
        if faults:
            raise RequestError(
                "Settings cannot be read from the environment: " + "; ".join(faults),
                hint="Known settings: " + ", ".join(sorted(KEYS)),
                parameter=faults[0].split(":", 1)[0],
            )
        values.setdefault("home", find_default_home(environ))
        return cls(**values)

    @property
    def is_private(self) -> bool:
        """Whether the database is the private cluster under ``home``."""
        return self.database_url is None

    @property
    def pg_dir(self) -> Path:
        """Folder that belongs to PostgreSQL."""
        return self.home / "pg"

    @property
    def cache_dir(self) -> Path:
        """Folder of what can be made again: compiled networks, compiled kernels."""
        return self.home / "cache"


def find_default_home(environ: Mapping[str, str]) -> Path:
    """Return the folder used when ``ONEMAP_HOME`` is not set."""
    if os.geteuid() == 0:
        return ROOT_HOME
    base = environ.get("XDG_DATA_HOME", "").strip()
    if base and Path(base).is_absolute():
        return Path(base) / "onemap"
    home = environ.get("HOME", "").strip()
    return (Path(home) if home else Path.home()) / ".local" / "share" / "onemap"


def read_url(text: str) -> str:
    """Return a database address for SQLAlchemy's psycopg dialect; the fault never repeats the address."""
    several = SEVERAL_HOSTS.fullmatch(text)
    try:
        url: URL = make_url(several["scheme"] + several["user"] + several["rest"] if several else text)
    except (ArgumentError, ValueError):
        raise ValueError("not a database address; expected postgresql://user:password@host:5432/name") from None
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ValueError(f"found a {url.drivername} address, expected postgresql://")
    if not url.database:
        raise ValueError("names no database; expected postgresql://user:password@host:5432/name")
    if several:
        url = url.update_query_dict({"host": several["hosts"].split(",")})
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def read_folder(text: str) -> Path:
    """Return an absolute path; ``~`` is expanded."""
    if "\0" in text:
        raise ValueError("a path cannot hold a NUL character")
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise ValueError(f"{text} is a file, expected a folder")
    return path


def read_file(text: str) -> Path:
    """Return the absolute path of a file that exists."""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"there is no file {text}")
    return path


def read_name(text: str) -> str:
    """Return a database name that needs no quoting."""
    if not set(text) <= NAME_CHARACTERS or text[0].isdigit() or len(text) > NAME_LENGTH_MAX:
        raise ValueError(f"found {text!r}, expected small letters, digits and _, not starting with a digit")
    return text


def read_number(least: float, most: float) -> Callable[[str], float]:
    """Return a reader of numbers between two bounds, both included."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise ValueError(f"found {text!r}, expected a number from {least:g} to {most:g}")
        return number

    return convert


def read_count(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers between two bounds, both included."""

    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"found {text!r}, expected a whole number from {least} to {most}")
        return int(text)

    return convert


KEYS: dict[str, tuple[str, Callable[[str], object]]] = {
    "DATABASE_URL": ("database_url", read_url),
    "DATABASE_URL_READ": ("database_url_read", read_url),
    "ONEMAP_HOME": ("home", read_folder),
    "ONEMAP_DATABASE": ("database", read_name),
    "ONEMAP_PG_BIN": ("pg_bin", read_folder),
    "ONEMAP_READER_TIMEOUT_S": ("reader_timeout_s", read_number(0.1, 3600)),
    "ONEMAP_WRITER_TIMEOUT_S": ("writer_timeout_s", read_number(0, 86_400)),
    "ONEMAP_POOL_SIZE": ("pool_size", read_count(1, 100)),
    "ONEMAP_LINK_MAX_M": ("link_max_m", read_number(1, 5_000)),
    "ONEMAP_ENTRANCE_WITHIN_M": ("entrance_within_m", read_number(0, 500)),
    "ONEMAP_CITY_FILE": ("city_file", read_file),
}
