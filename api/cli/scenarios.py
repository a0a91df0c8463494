"""``onemap scenario``: try out facilities, streets, gates and paths that are not there yet."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.context import json_option, open_engine, pass_settings, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, Row

    from layers.scenario import Made, Scenarios
    from layers.settings import Settings

WHATS = ("buildings", "areas")
AREAS_SHOWN = 10


@click.group("scenario")
def scenario() -> None:
    """Try out what is not there yet: facilities, streets, gates and paths, on top of a gap run.

    \b
    Examples:
      onemap scenario new --add MED_CHS 114.3105 30.5928      who would gain by a clinic here?
      onemap scenario new --close 812 --name without-812      and who would lose by closing this one?
      onemap scenario new plan.json --run plan-2026           a list of edits, as POST /scenarios takes them
      onemap scenario add 7 --move 812 114.31 30.59           one more batch
      onemap scenario undo 7
      onemap scenario export 7 --what areas --out areas.geojson

    On a run made with --at a facility that is added has no hours and counts as open, one that is moved keeps its own,
    and a gate that is opened is open then, whatever its hours say.
    """


def _edit_options(command: Any) -> Any:
    """Give a command the ways in which edits are said."""
    place = (str, float, float)
    for option in (
        click.option("--close", "closed", type=int, multiple=True, metavar="ID", help="Close a facility."),
        click.option(
            "--move",
            "moved",
            type=(int, float, float),
            multiple=True,
            metavar="ID LON LAT",
            help="Move a facility; -1 is the first that is added.",
        ),
        click.option(
            "--add", "added", type=place, multiple=True, metavar="TYPE LON LAT", help="Add a facility of a type."
        ),
        click.argument("edits", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False),
    ):
        command = option(command)
    return command


def _read_edits(edits: Path | None, said: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the edits of a file, then those said on the command line: added, moved, closed.

    Raises
    ------
    RequestError
        There are none, or one has not the shape it must have.
    """
    import json

    from api.schemas_scenarios import read_edits_file

    found = [] if edits is None else read_edits_file(edits.read_text(encoding="utf-8"))
    found += [{"op": "add_facility", "type": code, "geometry": _point(*place)} for code, *place in said["added"]]
    found += [{"op": "move_facility", "facility_id": key, "geometry": _point(*place)} for key, *place in said["moved"]]
    found += [{"op": "close_facility", "facility_id": key} for key in said["closed"]]
    # what was said goes through the same checks
    return read_edits_file(json.dumps(found))


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[Scenarios, Engine]]:
    """Lend what computes scenarios, and the database it does so on."""
    from layers.scenario import Scenarios

    with open_engine(settings) as engine:
        yield Scenarios(reader=engine, writer=engine, settings=settings), engine


@scenario.command("new", context_settings={"ignore_unknown_options": True})
@_edit_options
@click.option("--run", default="latest", show_default=True, help="Base run: id, name or `latest`.")
@click.option("--name", metavar="TEXT", help="A name for people.")
@click.option("--dry", is_flag=True, help="Compute only, store nothing.")
@json_option
@pass_settings
def new_command(
    settings: Settings, *, edits: Path | None, run: str, name: str | None, dry: bool, as_json: bool, **said: Any
) -> None:
    """Compute what edits change against a run and store them. EDITS is a JSON file: a list of edits."""
    from layers.scenarios.result import describe_difference

    asked = _read_edits(edits, said)
    with _open(settings) as (scenarios, engine):
        if dry:
            result = scenarios.draft(run, asked)
            _tell_difference(describe_difference(result), as_json=as_json)
            return
        made = scenarios.create(run, asked, name=name)
        _tell(engine, made, as_json=as_json)


@scenario.command("add", context_settings={"ignore_unknown_options": True})
@click.argument("scenario_id", type=int)
@_edit_options
@json_option
@pass_settings
def add_command(settings: Settings, scenario_id: int, *, edits: Path | None, as_json: bool, **said: Any) -> None:
    """Add a batch of edits to a scenario; it is undone as one."""
    asked = _read_edits(edits, said)
    with _open(settings) as (scenarios, engine):
        _tell(engine, scenarios.append(scenario_id, asked), as_json=as_json)


@scenario.command("undo")
@click.argument("scenario_id", type=int)
@json_option
@pass_settings
def undo_command(settings: Settings, scenario_id: int, *, as_json: bool) -> None:
    """Take the last batch of edits back."""
    with _open(settings) as (scenarios, engine):
        _tell(engine, scenarios.undo(scenario_id), as_json=as_json)


@scenario.command("redo")
@click.argument("scenario_id", type=int)
@json_option
@pass_settings
def redo_command(settings: Settings, scenario_id: int, *, as_json: bool) -> None:
    """Bring back the batch of edits that was taken back last."""
    with _open(settings) as (scenarios, engine):
        _tell(engine, scenarios.redo(scenario_id), as_json=as_json)


@scenario.command("rebase")
@click.argument("scenario_id", type=int)
@click.option("--run", default="latest", show_default=True, help="Run to set it on: id, name or `latest`.")
@json_option
@pass_settings
def rebase_command(settings: Settings, scenario_id: int, run: str, *, as_json: bool) -> None:
    """Set the edits of a scenario on another run, after layers have changed."""
    with _open(settings) as (scenarios, engine):
        _tell(engine, scenarios.rebase(scenario_id, run), as_json=as_json)


@scenario.command("list")
@json_option
@pass_settings
def list_command(settings: Settings, *, as_json: bool) -> None:
    """List stored scenarios, newest first."""
    from layers.query.scenarios import build_scenarios, describe_scenario

    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        found = [describe_scenario(connection, row) for row in connection.execute(build_scenarios()).all()]
    if as_json:
        print_json(found)
        return
    for one in found:
        _tell_brief(one)
    if not found:
        say("No scenarios yet. Make one with `onemap scenario new`.")


@scenario.command("show")
@click.argument("scenario_id", type=int)
@json_option
@pass_settings
def show_command(settings: Settings, scenario_id: int, *, as_json: bool) -> None:
    """Show one scenario: its edits and what they change."""
    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        found = _fetch(connection, scenario_id)
    _tell_detail(found, as_json=as_json)


@scenario.command("delete")
@click.argument("scenario_id", type=int)
@pass_settings
def delete_command(settings: Settings, scenario_id: int) -> None:
    """Delete a scenario."""
    from layers.scenarios.store import delete_scenario

    with open_engine(settings) as engine, engine.begin() as connection:
        delete_scenario(connection, scenario_id)
    click.echo(f"Deleted scenario {scenario_id}.")


@scenario.command("export")
@click.argument("scenario_id", type=int)
@click.option("--what", type=click.Choice(WHATS), default="buildings", show_default=True, help="Which table.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".geojson .gpkg .parquet .csv or .xlsx")
@click.option("--excel", is_flag=True, help="Start a CSV with a mark by which Excel reads Chinese.")
@pass_settings
def export_command(settings: Settings, scenario_id: int, what: str, *, out: Path, excel: bool) -> None:
    """Write what a scenario changes to a file; the ending chooses the format."""
    from layers.export import check_format
    from layers.query.scenarios import export_scenario

    check_format(out)
    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        rows = export_scenario(connection, scenario_id, what=what, path=out, bom=excel)
    click.echo(f"Wrote {rows:,} rows to {out}.")


def _fetch(connection: Connection, scenario_id: int) -> dict[str, Any]:
    from layers.query.scenarios import describe_scenario, fetch_difference, fetch_scenario
    from layers.scenarios.result import BUILDINGS_SHOWN

    row: Row[Any] = fetch_scenario(connection, scenario_id)
    return {
        **describe_scenario(connection, row),
        "versions": row.versions,
        "done": row.batches[: row.done],
        "to_redo": row.batches[row.done :],
        "difference": fetch_difference(connection, row, buildings=BUILDINGS_SHOWN),
    }


def _tell(engine: Engine, made: Made, *, as_json: bool) -> None:
    with engine.connect() as connection:
        found = _fetch(connection, made.id)
    _tell_detail(found, as_json=as_json)


def _tell_detail(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    _tell_brief(found)
    for number, batch in enumerate(found["done"], start=1):
        for edit in batch:
            named = " ".join(f"{name} {value}" for name, value in edit.items() if name not in {"op", "geometry"})
            click.echo(f"  {number}. {edit['op'].replace('_', ' ')} {named}")
    _tell_difference(found["difference"], as_json=False)


def _tell_brief(one: dict[str, Any]) -> None:
    stale = f"  stale: {', '.join(one['changed_layers']) or 'its run'} changed" if one["stale"] else ""
    name = f" “{one['name']}”" if one["name"] else ""
    moment = f" (at {one['at'].replace('T', ' ')}: what is added counts as open)" if one["at"] else ""
    click.echo(
        f"Scenario {one['id']}{name} on run {one['run_id']}{moment}: {one['edits']} edits in {one['batches']} "
        f"batches{stale}"
    )


def _tell_difference(difference: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(difference)
        return
    for line in _list_lines(difference):
        click.echo(line)


def _list_lines(difference: dict[str, Any]) -> Iterator[str]:
    if not difference["types"]:
        yield "Nothing changes."
        return
    yield f"{'type':<18} {'profile':<10} {'gained':>9} {'lost':>9} {'covered':>15} {'then':>10} {'buildings':>10}"
    for one in difference["types"]:
        yield (
            f"{one['type']:<18} {one['profile']:<10} {one['people_gained']:>9,} {one['people_lost']:>9,} "
            f"{one['before']['covered']:>15,} {one['after']['covered']:>10,} {one['buildings_changed']:>10,}"
        )
    moved = [row for row in difference["areas"] if row["before"]["covered"] != row["after"]["covered"]]
    moved.sort(key=lambda row: -abs(row["after"]["covered"] - row["before"]["covered"]))
    for row in moved[:AREAS_SHOWN]:
        change = row["after"]["covered"] - row["before"]["covered"]
        place = row["name"] or row["area_code"] or f"rest of {row['parent_code']}"
        yield f"  {row['level']} {place}: {row['type']} for {row['demand_group']}: {change:+,} people covered"


commands: list[click.Command] = [scenario]
