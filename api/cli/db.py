"""``onemap db``: the database itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.context import json_option, pass_settings, prepare_database, print_json, say

if TYPE_CHECKING:
    from layers.engine import Role
    from layers.settings import Settings


@click.group()
def db() -> None:
    """Start, stop, back up and restore the database.

    Without DATABASE_URL onemap runs a database of its own under ONEMAP_HOME and starts it whenever a command needs it.
    """


@db.command()
@pass_settings
def start(settings: Settings) -> None:
    """Start the private database, making it first where there is none."""
    from layers import cluster
    from layers.migrate import migrate

    was_running = settings.is_private and cluster.read_address(settings) is not None
    address = cluster.start(settings)
    migrate(settings)
    say(f"{'Runs already' if was_running else 'Started'}: port {address.port} on 127.0.0.1, process {address.pid}.")


@db.command()
@pass_settings
def stop(settings: Settings) -> None:
    """Stop the private database; what is stored stays."""
    from layers import cluster

    say("Stopped." if cluster.stop(settings) else "It was not running.")


@db.command()
@json_option
@pass_settings
def status(settings: Settings, *, as_json: bool) -> None:
    """Show whether the database runs, where, and how large it is. Exit code 3 when it does not answer."""
    from layers import cluster

    facts: dict[str, object] = {"home": str(settings.home)}
    if settings.is_private:
        found = cluster.read_status(settings)
        facts |= {"kind": "private", "state": found.state, "postgresql": found.version}
        if found.address is not None:
            facts |= {"pid": found.address.pid, "port": found.address.port, "socket": str(found.address.socket_dir)}
    else:
        facts |= {"kind": "own", "state": "running"}
    if facts["state"] == "running":
        facts |= _read_facts(settings)
    if as_json:
        print_json(facts)
    else:
        for key, value in facts.items():
            click.echo(f"{key:<17}{value}")
    if facts["state"] != "running":
        from geo.errors import StoreError

        raise StoreError(f"The private database is {facts['state']}.", hint="Start it with `onemap db start`.")


def _read_facts(settings: Settings) -> dict[str, object]:
    from sqlalchemy import text

    from layers.engine import make_engine
    from layers.migrate import head_revision, read_revision

    engine = make_engine(settings, role="owner")
    try:
        with engine.connect() as connection:
            size, server = connection.execute(
                text("SELECT pg_database_size(current_database()), current_setting('server_version')")
            ).one()
            return {
                "server": server,
                "size_mib": round(size / 1024**2, 1),
                "revision": read_revision(connection),
                "revision_wanted": head_revision(),
            }
    finally:
        engine.dispose()


@db.command()
@pass_settings
def migrate(settings: Settings) -> None:
    """Bring the tables, roles and rights to this version; safe to repeat."""
    from layers.migrate import migrate as run_migrations

    report = run_migrations(settings)
    if report.before == report.after:
        say(f"The tables are up to date (revision {report.after}).")
    else:
        say(f"Migrated from {report.before or 'an empty database'} to revision {report.after}.")
    if report.administrator_sql:
        say("Some rights only the database's administrator may give. Until then one role serves for all. Please run:")
        for statement in report.administrator_sql:
            click.echo(statement)


@db.command("metric-crs")
@click.argument("crs", required=False)
@pass_settings
def metric_crs(settings: Settings, *, crs: str | None) -> None:
    """Show the grid that lengths and areas are taken in, or change it to CRS, for example EPSG:4547.

    It is chosen when the first streets are loaded. A change measures everything again and makes new versions of streets
    and buildings; runs made before keep theirs.
    """
    from layers.engine import make_engine
    from layers.metric import fetch_metric_crs
    from layers.remeasure import change_metric_crs

    prepare_database(settings)
    engine = make_engine(settings, role="writer")
    try:
        if crs is not None:
            has_changed = change_metric_crs(engine, crs)
            say("Measured everything again." if has_changed else "That is the grid already.")
        with engine.connect() as connection:
            click.echo(fetch_metric_crs(connection))
    finally:
        engine.dispose()


@db.command("join-streets")
@click.argument("metres", type=float)
@click.option("--list", "listed", type=click.Path(path_type=Path), help="Only write what would join to this .csv.")
@pass_settings
def join_streets(settings: Settings, metres: float, *, listed: Path | None) -> None:
    """Join streets that meet without sharing an end, up to METRES apart; 0 stops joining.

    By rule lines connect at their ends alone, within a centimetre. Files that draw a side street up to the middle of
    another one need this repair. An end on or near another street splits it there; vertices two streets share become
    junctions; streets with OpenStreetMap's node ids are left alone. Stored streets stay as they are.

    \b
    Examples:
      onemap db join-streets 0.1 --list joins.csv        look first
      onemap db join-streets 0.1                         then join
      onemap db join-streets 0                           back to the rule
    """
    from layers.engine import make_engine
    from layers.export import Layout, TableColumn, write_table
    from layers.street_joins import change_join, list_joins

    prepare_database(settings)
    engine = make_engine(settings, role="writer")
    try:
        if listed is not None:
            with engine.connect() as connection:
                rows = list_joins(connection, metres)
            kinds = {"gap_m": "number", "lon": "number", "lat": "number"}
            names = ("street", "other", "gap_m", "lon", "lat")
            columns = tuple(TableColumn(name, kinds.get(name, "text")) for name in names)  # type: ignore[arg-type]
            write_table(rows, listed, layout=Layout(columns, point=("lon", "lat")), layer="joins")
            click.echo(
                f"{len(rows):,} places would join within {metres:g} m; written to {listed}. Nothing was changed."
            )
            return
        has_changed = change_join(engine, metres)
        state = f"joined within {metres:g} m" if metres else "connected at their ends alone"
        click.echo(f"Streets are {state}{' from now on' if has_changed else ' already'}.")
    finally:
        engine.dispose()


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@pass_settings
def backup(settings: Settings, file: Path, *, force: bool) -> None:
    """Save everything that is stored to one FILE."""
    from geo.errors import Conflict
    from layers import cluster
    from layers.backup import save_backup

    if file.exists() and not force:
        raise Conflict(f"{file} exists already.", hint="Give another name, or --force to replace it.", parameter="FILE")
    if not file.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {file.parent}", param_hint="FILE")
    cluster.ensure_running(settings)
    states = save_backup(settings, file.absolute())
    rows = sum(state.rows for state in states.values())
    say(f"Saved {rows:,} rows of {len(states)} tables to {file} ({file.stat().st_size / 1024**2:.1f} MiB).")


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before what is stored is replaced.")
@pass_settings
def restore(settings: Settings, file: Path, *, yes: bool) -> None:
    """Replace everything that is stored by what a backup FILE holds.

    All or nothing: after a fault the database is as it was.
    """
    from layers import cluster
    from layers.backup import restore_backup

    if not yes:
        click.confirm("This replaces everything that is stored. Go on?", abort=True, err=True)
    cluster.ensure_running(settings)
    states = restore_backup(settings, file)
    rows = sum(state.rows for state in states.values())
    say(f"Restored and verified {rows:,} rows of {len(states)} tables.")


@db.command(context_settings={"ignore_unknown_options": True})
@click.option("--role", type=click.Choice(["owner", "writer", "reader"]), default="reader", show_default=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_settings
def psql(settings: Settings, role: Role, arguments: tuple[str, ...]) -> None:
    """Open psql on the database; ARGUMENTS go to psql."""
    from layers import cluster
    from layers.backup import client_address, find_client

    cluster.ensure_running(settings)
    program = find_client(settings, "psql")
    address, secret = client_address(settings, role=role)
    environment = {**os.environ, "PGOPTIONS": "-c search_path=onemap,public", **secret}
    os.execve(program, [str(program), "--dbname", address, *arguments], environment)  # noqa: S606 - psql takes over


commands: list[click.Command] = [db]
