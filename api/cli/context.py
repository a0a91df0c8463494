"""What every command shares: settings, an open database, results for people and for machines."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from contextlib import contextmanager, suppress
from importlib import resources
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from layers.engine import Role
    from layers.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")


def read_settings() -> Settings:
    """Return the settings of this process's environment."""
    from layers.settings import Settings

    return Settings.from_environment(os.environ)


def pass_settings(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the settings as its first argument; faults in them are told before anything is done."""

    @functools.wraps(command)
    def call(*args: Any, **kwargs: Any) -> R:
        settings = read_settings()
        keep_kernels(settings)
        return command(settings, *args, **kwargs)

    return call


def keep_kernels(settings: Settings) -> None:
    """Have Numba keep its compiled kernels under the home, apart for every version of ``geo``.

    A wheel cannot carry them, and beside the installed sources they could not be written. Must run before Numba is
    imported; a folder that cannot be made leaves Numba to its own choice.
    """
    digest = hashlib.sha256()
    with resources.as_file(resources.files("geo")) as package:
        for source in sorted(package.rglob("*.py")):
            digest.update(source.read_bytes())
    folder = settings.cache_dir / f"kernels-{digest.hexdigest()[:12]}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))


@contextmanager
def open_engine(settings: Settings, *, role: Role = "writer") -> Iterator[Engine]:
    """Lend an engine of a database that runs and has this version's tables.

    The private cluster is made, started and migrated when needed; a database of one's own is migrated only when it
    holds no tables at all yet.

    Raises
    ------
    NotReady
        The tables of a database of one's own are those of another version.
    StoreError
        The database cannot be reached.
    """
    from layers.engine import make_engine

    prepare_database(settings)
    engine = make_engine(settings, role=role)
    try:
        yield engine
    finally:
        engine.dispose()


def prepare_database(settings: Settings) -> None:
    """Start the private cluster and bring its tables up to date; see :func:`open_engine`."""
    from geo.errors import NotReady
    from layers import cluster
    from layers.engine import make_engine
    from layers.migrate import head_revision, migrate, read_revision

    if settings.is_private and cluster.read_address(settings) is None:
        say("Starting the private database ...")
        migrate(settings)
        return
    engine = make_engine(settings, role="owner")
    try:
        with engine.connect() as connection:
            found = read_revision(connection)
    finally:
        engine.dispose()
    if found == head_revision():
        return
    if found is not None and not settings.is_private:
        raise NotReady(
            f"The database holds the tables of revision {found}, expected {head_revision()}.",
            hint="Run `onemap db migrate`.",
        )
    report = migrate(settings)
    for statement in report.administrator_sql:
        say(f"For the database's administrator: {statement}")


def say(text: str) -> None:
    """Tell a person what is going on; on standard error, so that results can be piped."""
    click.echo(text, err=True)


def print_json(value: object) -> None:
    """Print a result for machines."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str))
