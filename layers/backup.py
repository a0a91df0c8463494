"""Backup to one file and restore from it, both verified by counts and hashes of every table."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from geo.errors import DataError, NotReady, StoreError
from layers.engine import Role, libpq_parameters, make_engine
from layers.migrate import head_revision, migrate, read_revision
from layers.programs import explain, find_programs
from layers.tables import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from layers.settings import Settings

MANIFEST = "manifest.json"
DUMP = "onemap.dump"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class TableState:
    """Rows of a table and a number that depends on every value in them but not on their order."""

    rows: int
    digest: str


def save_backup(settings: Settings, path: Path) -> dict[str, TableState]:
    """Write the whole store to one file and return what it holds by table.

    The file appears under its name when it is complete; counts and content are of the same moment.

    Raises
    ------
    NotReady
        The database holds no tables.
    StoreError
        The database cannot be read or the programs are missing.
    """
    engine = make_engine(settings, role="owner")
    part = path.with_name(f".{path.name}.part")
    try:
        with (
            tempfile.TemporaryDirectory(dir=path.parent, prefix=".onemap-backup-") as folder,
            engine.connect() as found,
        ):
            connection = found.execution_options(isolation_level="REPEATABLE READ")
            revision = read_revision(connection)
            if revision is None:
                raise NotReady("There is nothing to back up: the database holds no tables.", hint="`onemap demo`")
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            states = read_states(connection)
            dump = Path(folder) / DUMP
            arguments = ["--format=custom", f"--schema={SCHEMA}", f"--snapshot={snapshot}", "--file", str(dump)]
            run_client(settings, "pg_dump", arguments)
            manifest = {
                "format": FORMAT,
                "revision": revision,
                "tables": {k: [v.rows, v.digest] for k, v in states.items()},
            }
            (Path(folder) / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            with tarfile.open(part, "w") as archive:
                for name in (MANIFEST, DUMP):
                    archive.add(Path(folder) / name, arcname=name)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        engine.dispose()
    return states


def restore_backup(settings: Settings, path: Path) -> dict[str, TableState]:
    """Replace the whole store by a backup, in one transaction, and return what it holds by table.

    Raises
    ------
    DataError
        The file is no backup of this product or of a newer version of it; nothing was changed.
    StoreError
        The database refused; nothing was changed. Or it holds other rows than the backup names.
    """
    with tempfile.TemporaryDirectory(prefix="onemap-restore-") as folder:
        wanted = _unpack(path, Path(folder))
        script = Path(folder) / "restore.sql"
        run_client(
            settings, "pg_restore", ["--file", str(script), "--no-owner", str(Path(folder) / DUMP)], connect=False
        )
        migrate(settings)  # roles and extension must stand before the tables
        arguments = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        arguments += ["--command", f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE", "--file", str(script)]
        run_client(settings, "psql", arguments)
    engine = make_engine(settings, role="owner")
    try:
        with engine.connect() as connection:
            states = read_states(connection)
    finally:
        engine.dispose()
    differing = sorted(name for name in wanted.keys() | states.keys() if wanted.get(name) != states.get(name))
    if differing:
        raise StoreError(f"The restored tables differ from the backup: {', '.join(differing)}.", hint="Restore again.")
    migrate(settings)
    return states


def read_states(connection: Connection) -> dict[str, TableState]:
    """Return rows and digest of every table of the store."""
    names = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :schema ORDER BY tablename"), {"schema": SCHEMA}
    ).scalars()
    quote = connection.dialect.identifier_preparer.quote
    return {name: _read_state(connection, f"{SCHEMA}.{quote(name)}") for name in list(names)}


def _read_state(connection: Connection, table: str) -> TableState:
    statement = f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {table} AS t"  # noqa: S608
    rows, digest = connection.execute(text(statement)).one()
    return TableState(int(rows), str(digest))


def _unpack(path: Path, folder: Path) -> dict[str, TableState]:
    try:
        with tarfile.open(path, "r:") as archive:
            for name in (MANIFEST, DUMP):
                packed = archive.extractfile(name)  # by content alone: names and links in the archive lead nowhere
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(packed or io.BytesIO(), file)
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        tables = {name: TableState(int(rows), str(digest)) for name, (rows, digest) in manifest["tables"].items()}
        revision = str(manifest["revision"])
    except (tarfile.TarError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} is not a backup made by `onemap db backup`, or it is cut short. Nothing was changed.",
            hint="Give the file that `onemap db backup` wrote.",
        ) from error
    if manifest.get("format") != FORMAT or revision > head_revision():
        raise DataError(
            f"{path.name} was made by a newer version of onemap (revision {revision}, this is {head_revision()})."
            " Nothing was changed.",
            hint="Install that version or a newer one.",
        )
    return tables


def client_address(settings: Settings, *, role: Role) -> tuple[str, dict[str, str]]:
    """Return a libpq address without a password, and the environment that carries the password."""
    parameters = libpq_parameters(settings, role=role)
    password = parameters.pop("password", None)
    return make_conninfo(**parameters), {} if password is None else {"PGPASSWORD": password}


def find_client(settings: Settings, name: str) -> Path:
    """Return the path of a PostgreSQL client program.

    Raises
    ------
    StoreError
        It is not installed.
    """
    if settings.is_private:
        return find_programs(settings) / name
    if settings.pg_bin is not None and (settings.pg_bin / name).is_file():
        return settings.pg_bin / name
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda found: found.parts[-3].zfill(4))
    located = str(newest[-1]) if newest else shutil.which(name)
    if located is None:
        raise StoreError(f"The program {name} is not installed.", hint="On Debian: apt-get install postgresql-client")
    return Path(located)


def run_client(settings: Settings, name: str, arguments: Sequence[str], *, connect: bool = True) -> None:
    """Run a PostgreSQL client program as the owner role; its complaint becomes ours."""
    command = [str(find_client(settings, name)), *arguments]
    secret: Mapping[str, str] = {}
    if connect:
        address, secret = client_address(settings, role="owner")
        command += ["--dbname", address]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **secret}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode != 0:
        raise StoreError(f"The program {name} failed: {explain(done.stderr)}", hint="Nothing was changed.")
