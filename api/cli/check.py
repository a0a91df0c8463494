"""``onemap check``: finds what is wrong with this installation and says what to do.

Each check is one function: its docstring is the title, what it returns the finding, its hint the next step.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal

import click

from api.cli.context import json_option, pass_settings, print_json
from geo.errors import NotReady, OneMapError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from layers.settings import Settings

State = Literal["ok", "look", "wrong"]
DISK_BYTES_LOW = 2 * 1024**3
NEEDED_LAYERS = ("streets", "buildings", "facilities")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``look`` is worth a look, ``wrong`` keeps something from working."""

    state: State
    text: str
    hint: str = ""


def check_settings(settings: Settings) -> Finding:
    """Settings"""
    kind = "private database" if settings.is_private else "database of DATABASE_URL"
    return Finding("ok", f"{kind}, home {settings.home}")


def check_programs(settings: Settings) -> Finding:
    """PostgreSQL and PostGIS programs"""
    from layers.programs import find_programs

    if not settings.is_private:
        return Finding("ok", "not needed with DATABASE_URL")
    return Finding("ok", str(find_programs(settings)))


def check_home(settings: Settings) -> Finding:
    """Room on the disk"""
    folder = next(found for found in (settings.home, *settings.home.parents) if found.exists())
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES_LOW:
        return Finding("look", f"{free / 1024**3:.1f} GiB free", "Free space, or move ONEMAP_HOME to a larger disk.")
    return Finding("ok", f"{free / 1024**3:.0f} GiB free")


def check_front_end(_settings: Settings) -> Finding:
    """Pages of the map"""
    if resources.files("maps").joinpath("static", "index.html").is_file():
        return Finding("ok", "built")
    return Finding(
        "wrong", "not built", "Install again: `pip install .` builds them; in a clone `./onemap --version` does."
    )


def check_server(settings: Settings) -> Finding:
    """Database server"""
    from layers import cluster

    if settings.is_private and cluster.read_address(settings) is None:
        raise StoreError("does not run", hint="Start it with `onemap db start`.")
    with _connect(settings, "owner") as connection:
        return Finding("ok", "PostgreSQL " + str(_one(connection, "SELECT current_setting('server_version')")))


def check_postgis(settings: Settings) -> Finding:
    """PostGIS in the database"""
    with _connect(settings, "owner") as connection:
        version = _one(connection, "SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
    if version is None:
        return Finding("wrong", "not there", "Run `onemap db migrate`.")
    return Finding("ok", str(version))


def check_tables(settings: Settings) -> Finding:
    """Tables of this version"""
    from layers.migrate import head_revision, read_revision

    with _connect(settings, "owner") as connection:
        found = read_revision(connection)
    if found != head_revision():
        return Finding("wrong", f"revision {found or 'none'}, expected {head_revision()}", "Run `onemap db migrate`.")
    return Finding("ok", f"revision {found}")


def check_reader(settings: Settings) -> Finding:
    """Reader role cannot write"""
    question = """
        SELECT current_user, r.rolsuper OR EXISTS (
            SELECT 1 FROM pg_tables WHERE schemaname = 'onemap' AND (
                tableowner = current_user
                OR has_table_privilege(format('%I.%I', schemaname, tablename), 'INSERT, UPDATE, DELETE, TRUNCATE')))
        FROM pg_roles AS r WHERE r.rolname = current_user
    """
    with _connect(settings, "reader") as connection:
        name, may_write = connection.exec_driver_sql(question.replace("%", "%%")).one()
    if may_write:
        return Finding("look", f"reads as {name}, who may write", "Run the statements `onemap db migrate` prints.")
    return Finding("ok", f"reads as {name}")


def check_timeouts(settings: Settings) -> Finding:
    """Time-out of reading statements"""
    with _connect(settings, "reader") as connection:
        value = str(_one(connection, "SELECT current_setting('statement_timeout')"))
    if value == "0":
        return Finding("wrong", "none", "Set ONEMAP_READER_TIMEOUT_S.")
    return Finding("ok", value)


def check_checksums(settings: Settings) -> Finding:
    """Data pages are whole"""
    question = "SELECT current_setting('data_checksums'), coalesce(sum(checksum_failures), 0) FROM pg_stat_database"
    with _connect(settings, "owner") as connection:
        enabled, failures = connection.exec_driver_sql(question).one()
    if failures:
        return Finding("wrong", f"{failures} damaged pages", "Back up what can be read, check the disk, restore.")
    if enabled != "on":
        return Finding(
            "look", "checksums are off", "Damage would go unnoticed: the server's administrator can turn them on."
        )
    return Finding("ok", "checksums on, none failed")


def check_indexes(settings: Settings) -> Finding:
    """Indexes are usable"""
    question = """
        SELECT string_agg(i.indexrelid::regclass::text, ', ') FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'onemap' AND NOT i.indisvalid
    """
    with _connect(settings, "owner") as connection:
        broken = _one(connection, question)
    if broken:
        return Finding("wrong", str(broken), "Run `REINDEX INDEX` on them with `onemap db psql --role owner`.")
    return Finding("ok", "all")


def check_layers(settings: Settings) -> Finding:
    """Layers a gap run needs"""
    with _connect(settings, "reader") as connection:
        found = connection.exec_driver_sql("SELECT layer, rows FROM onemap.layer_version").all()
    rows: dict[str, int] = dict(found)
    missing = [layer for layer in NEEDED_LAYERS if not rows.get(layer)]
    if missing:
        hint = "; ".join(f"`onemap load {layer} FILE`" for layer in missing) + "; or `onemap demo`"
        return Finding("look", f"not loaded: {', '.join(missing)}", hint)
    return Finding("ok", ", ".join(f"{layer} {rows[layer]:,}" for layer in NEEDED_LAYERS))


def check_rejected(settings: Settings) -> Finding:
    """Rejected rows"""
    question = "SELECT layer, count(*) FROM onemap.quarantine GROUP BY layer ORDER BY layer"
    with _connect(settings, "reader") as connection:
        rows = connection.exec_driver_sql(question).all()
    if rows:
        text = ", ".join(f"{layer} {count:,}" for layer, count in rows)
        return Finding("look", text, f"`onemap quarantine {rows[0][0]} --out FILE.csv` lists them with reasons.")
    return Finding("ok", "none")


def check_types(settings: Settings) -> Finding:
    """Facilities of uncertain type"""
    question = "SELECT count(*) FROM onemap.facility WHERE type IS NULL AND valid_to IS NULL"
    with _connect(settings, "reader") as connection:
        count = int(str(_one(connection, question)))
    if count:
        return Finding("look", f"{count:,}", "Give them a type in the source and load again; no run counts them.")
    return Finding("ok", "none")


def check_run(settings: Settings) -> Finding:
    """Latest gap run"""
    question = """
        SELECT coalesce(name, 'run ' || id), to_char(created_at, 'YYYY-MM-DD HH24:MI "UTC"'), EXISTS (
            SELECT 1 FROM onemap.layer_version AS v WHERE v.changed_at > run.created_at
            AND v.layer IN ('streets', 'buildings', 'facilities', 'population', 'areas', 'compounds', 'gates'))
        FROM onemap.run WHERE state = 'done' ORDER BY id DESC LIMIT 1
    """
    with _connect(settings, "reader") as connection:
        row = connection.exec_driver_sql(question).one_or_none()
    if row is None:
        return Finding("look", "none yet", "Run `onemap gaps run`.")
    if row[2]:
        return Finding("look", f"{row[0]} of {row[1]}; layers changed since", "Run `onemap gaps run` again.")
    return Finding("ok", f"{row[0]} of {row[1]}")


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    check_settings,
    check_programs,
    check_home,
    check_front_end,
    check_server,
    check_postgis,
    check_tables,
    check_reader,
    check_timeouts,
    check_checksums,
    check_indexes,
    check_layers,
    check_rejected,
    check_types,
    check_run,
)
# without these nothing after them can be asked
GATES = (check_server, check_tables)


def run_checks(settings: Settings) -> Iterator[tuple[str, Finding, int]]:
    """Yield title, finding and exit code of every check; those a fault makes pointless are left out."""
    for check in CHECKS:
        code = 0
        try:
            finding = check(settings)
            if finding.state == "wrong":
                code = NotReady.exit_code
        except OneMapError as error:
            finding, code = Finding("wrong", error.message, error.hint), error.exit_code
        yield (check.__doc__ or "").strip(), finding, code
        if code and check in GATES:
            return


@click.command()
@json_option
@pass_settings
def check(settings: Settings, *, as_json: bool) -> int:
    """Find what is wrong with this installation and say what to do.

    Starts nothing and changes nothing. Exit code 0 when all works, 3 when the database does not answer, else 4.
    """
    code = 0
    found: list[dict[str, object]] = []
    for title, finding, fault in run_checks(settings):
        if fault and code != StoreError.exit_code:
            code = fault
        found.append({"title": title, **asdict(finding)})
        if not as_json:
            mark = {"ok": "ok   ", "look": "look ", "wrong": "WRONG"}[finding.state]
            click.echo(f"{mark}  {title}: {finding.text}")
            if finding.hint:
                click.echo(f"       {finding.hint}")
    if as_json:
        print_json({"checks": found, "exit_code": code})
    return code


commands: list[click.Command] = [check]


@contextmanager
def _connect(settings: Settings, role: Literal["owner", "reader"]) -> Iterator[Connection]:
    from layers.engine import make_engine

    engine = make_engine(settings, role=role)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _one(connection: Connection, question: str) -> object:
    return connection.exec_driver_sql(question).scalar_one_or_none()
