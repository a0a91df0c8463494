"""``onemap gaps``: run, list, show, export and replay analyses of who lacks what within a walk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.context import json_option, open_engine, pass_settings, print_json, say
from api.cli.follow import follow_command
from api.cli.progress import show_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

    from layers.runs.result import GapRequest, RunSummary
    from layers.settings import Settings

CONNECTED_PERMILLE = 900
"""Below this share of street length in one part the answer says so: it is likelier a slip of the data than a place."""

EXPORTS = ("buildings", "areas", "facilities", "circles")


@click.group("gaps")
def gaps() -> None:
    """Find who lives farther than a walk from each kind of facility.

    \b
    Examples:
      onemap gaps run                                    every testable type of the standards pack
      onemap gaps run --type MED_CHC --profile older     one type, for older people
      onemap gaps run --profile driving                  fire stations: who is reached in time
      onemap gaps run --type EDU_PRIMARY --minutes 10 --out primary.xlsx
      onemap gaps export latest --what areas --out areas.geojson
      onemap gaps replay latest                          the same figures today?
    """


@gaps.command("run")
@click.option("--type", "types", multiple=True, metavar="CODE", help="Facility type to judge; repeat for several.")
@click.option("--minutes", type=float, help="Limit for all types, instead of the standard's own.")
@click.option(
    "--profile", "profiles", multiple=True, metavar="P", help="adult (default), older, child, wheelchair or driving."
)
@click.option("--area", metavar="CODE", help="Judge only the buildings of this area.")
@click.option("--at", metavar="TIME", help="Local time when facilities and gates must be open, e.g. 2026-11-23T20:00.")
@click.option("--name", metavar="TEXT", help="A name to find the run by.")
@click.option("--out", type=click.Path(path_type=Path), help="Also export the buildings to this file.")
@click.option("--follow", is_flag=True, help="Bring the run up to date after changes (`onemap gaps follow`).")
@click.option(
    "--dask", metavar="ADDRESS", help="Compute parts on a Dask cluster: local, local:N or tcp://scheduler:8786."
)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="Read GeoParquet files (streets.parquet, buildings.parquet …) instead of the database; --out names a folder.",
)
@click.option(
    "--parts", type=int, metavar="N", help="Cut the study area into so many parts; the figures stay the same."
)
@json_option
@pass_settings
def run_command(settings: Settings, *, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Walk from every building to the nearest facility of each type and store who is covered.

    With --at, only what is open then counts: facilities by opening_hours, gates by hours, both as OpenStreetMap writes
    them (Mo-Fr 08:00-18:00; PH off). What has no hours counts as open; the answer says how many.

    Types reached by vehicle are judged by the profile driving, from the facility to the building: by streets' classes
    and limits, one-way streets and turn bans. What the standard gives no time for needs --minutes.

    A study area too large for one machine is computed in parts, on this machine or on others (--dask; install with
    pip install 'onemap[dask]'). Workers on other machines need this version of onemap and DATABASE_URL in their
    environment.
    """
    from layers.export import check_format
    from layers.hours import write_at
    from layers.query.exports import export_run
    from layers.runs.follow import set_following
    from layers.runs.result import DEFAULT_PROFILE, GapRequest

    if out is not None and asked["folder"] is None:
        check_format(out)
    request = GapRequest(
        types=asked["types"],
        profiles=tuple(dict.fromkeys(asked["profiles"])) or (DEFAULT_PROFILE,),
        minutes=asked["minutes"],
        area=asked["area"],
        at=write_at(asked["at"]),
        name=asked["name"],
    )
    if asked["folder"] is not None:
        summary = _compute_folder(settings, request, out, asked)
        if as_json:
            # it is not stored: its name is the folder
            print_json({**asdict(summary), "id": None, "out": str(out)})
        else:
            _tell_summary(summary, request, f"Run of {asked['folder']}, written to {out}")
        return
    with open_engine(settings) as engine:
        with show_progress("Gap run") as progress:
            summary = _compute(engine, settings, request, progress, dask=asked["dask"], parts=asked["parts"])
        if asked["follow"]:
            with engine.begin() as connection:
                set_following(connection, summary.id, follows=True)
        if out is not None:
            with engine.connect() as connection:
                rows = export_run(connection, summary.id, what="buildings", path=out)
            say(f"Wrote {rows:,} rows to {out}.")
    if as_json:
        print_json(asdict(summary))
    else:
        _tell_summary(summary, request, f"Run {summary.id}{_quote(summary.name)}")


def _compute_folder(settings: Settings, request: GapRequest, out: Path | None, asked: dict[str, Any]) -> RunSummary:
    """Compute a run from a folder of files into another."""
    from geo.errors import RequestError
    from layers.parts.run_folder import run_folder

    if out is None:
        raise RequestError(
            "a run from files is not stored: where should its result go?",
            hint="name a folder with --out",
            parameter="out",
        )
    with show_progress("Gap run") as progress:
        if asked["dask"] is None:
            return run_folder(asked["folder"], settings, request, out=out, parts=asked["parts"], progress=progress)
        from layers.parts.dask import check_workers, compute_on, open_client

        with open_client(asked["dask"], settings) as client:
            return run_folder(
                asked["folder"],
                settings,
                request,
                out=out,
                parts=asked["parts"],
                compute=compute_on(client, settings),
                workers=check_workers(client),
                progress=progress,
            )


def _tell_summary(summary: RunSummary, request: GapRequest, title: str) -> None:
    """Print what a run found."""
    counts = summary.counts
    click.echo(
        f"{title}: {counts['buildings']:,} buildings "
        f"({counts['buildings_linked']:,} linked), {counts['people']:,} people, {len(summary.totals)} types, "
        f"{summary.duration_s:.1f} s"
    )
    if request.at is not None:
        click.echo(
            f"At {request.at.replace('T', ' ')}: {counts['facilities_closed']:,} facilities and "
            f"{counts['gates_closed']:,} gates are closed; {counts['facilities_without_hours']:,} facilities have no "
            f"hours and {counts['hours_unreadable']:,} entries cannot be read: these count as open"
        )
    _print_totals(summary.totals)
    if counts["largest_part_permille"] < CONNECTED_PERMILLE:
        click.echo(
            f"Streets fall into {counts['street_parts']:,} parts that do not connect; the largest holds "
            f"{counts['largest_part_permille'] / 10:g} % of their length. Lines connect at their ends alone: "
            "`onemap db join-streets 0.1 --list joins.csv` shows what would join, without --list it joins."
        )
    if summary.not_judged and not request.types:
        click.echo(f"Not judged: {len(summary.not_judged)} types of the pack have no walk limit (`onemap standards`).")


def _compute(
    engine: Engine,
    settings: Settings,
    request: GapRequest,
    progress: Callable[[float, str], None],
    *,
    dask: str | None,
    parts: int | None,
) -> RunSummary:
    """Compute a run in one piece, in parts here, or in parts on a Dask cluster."""
    from layers.run import run_gaps

    if dask is not None:
        from layers.parts.dask import run_on_dask

        return run_on_dask(engine, settings, request, address=dask, parts=parts, progress=progress)
    if parts is not None:
        from layers.parts.run import run_in_parts

        return run_in_parts(engine, settings, request, parts=parts, progress=progress)
    return run_gaps(engine, settings, request, progress)


def _quote(name: str | None) -> str:
    return f" “{name}”" if name else ""


def _print_totals(totals: Sequence[dict[str, Any]]) -> None:
    click.echo(f"{'type':<18} {'profile':<10} {'limit':>7} {'sites':>6} {'people':>10} {'covered':>10} {'share':>7}")
    for row in totals:
        share = "-" if row["share_covered"] is None else f"{row['share_covered']:.1%}"
        click.echo(
            f"{row['type']:<18} {row['profile']:<10} {row['limit_s']:>5} s {row['facilities']:>6} "
            f"{row['people']:>10,} {row['covered']:>10,} {share:>7}"
        )


@gaps.command("list")
@json_option
@pass_settings
def list_command(settings: Settings, *, as_json: bool) -> None:
    """List stored runs, newest first."""
    from layers.query.runs import build_runs

    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        rows = connection.execute(build_runs()).mappings().all()
    if as_json:
        print_json([_describe(row) for row in rows])
        return
    for row in rows:
        click.echo(
            f"{row['id']:>5}  {row['created_at']:%Y-%m-%d %H:%M}  {row['counts'].get('buildings', 0):>9,} buildings  "
            f"{len(row['counts'].get('totals', [])):>3} types  {', '.join(row['request']['profiles'])}"
            f"{_quote(row['name'])}"
        )
    if not rows:
        say("No runs yet. Make one with `onemap gaps run`.")


def _describe(row: Any) -> dict[str, Any]:
    counts = dict(row["counts"])
    return {
        "id": row["id"],
        "name": row["name"],
        "created_at": row["created_at"].isoformat(),
        "state": row["state"],
        "request": row["request"],
        "versions": row["versions"],
        "pack_version": row["pack_version"],
        "code_version": row["code_version"],
        "metric_crs": row["metric_crs"],
        "engine": row["engine"],
        "duration_s": row["duration_s"],
        "result_sha256": row["result_sha256"],
        "totals": counts.pop("totals", []),
        "not_judged": counts.pop("not_judged", []),
        "counts": counts,
    }


def _find_run(connection: Connection, reference: str) -> Any:
    from layers.query.runs import fetch_run

    return fetch_run(connection, reference)._asdict()


@gaps.command("show")
@click.argument("run", default="latest")
@json_option
@pass_settings
def show_command(settings: Settings, run: str, *, as_json: bool) -> None:
    """Show one run: what it was made from and its totals. RUN is an id, a name or `latest`."""
    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        found = _describe(_find_run(connection, run))
    if as_json:
        print_json(found)
        return
    click.echo(f"Run {found['id']}{_quote(found['name'])} of {found['created_at'][:16]}")
    click.echo(f"  pack {found['pack_version']}, code {found['code_version']}, lengths in {found['metric_crs']}")
    click.echo("  layers " + ", ".join(f"{name} v{version}" for name, version in sorted(found["versions"].items())))
    for name, value in found["counts"].items():
        click.echo(f"  {name.replace('_', ' ')} {value:,}")
    _print_totals(found["totals"])


@gaps.command("export")
@click.argument("run", default="latest")
@click.option("--what", type=click.Choice(EXPORTS), default="buildings", show_default=True, help="Which table.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".geojson .gpkg .parquet .csv or .xlsx")
@click.option("--excel", is_flag=True, help="Start a CSV with a mark by which Excel reads Chinese.")
@pass_settings
def export_command(settings: Settings, run: str, what: str, *, out: Path, excel: bool) -> None:
    """Write the figures of a run to a file; the ending chooses the format. RUN is an id, a name or `latest`."""
    from layers.circle_export import export_circles
    from layers.export import check_format
    from layers.query.exports import export_run

    check_format(out)
    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        run_id = int(_find_run(connection, run)["id"])
        if what == "circles":
            with show_progress("Circles") as progress:
                rows = export_circles(connection, settings, run_id, path=out, progress=progress)
        else:
            rows = export_run(connection, run_id, what=what, path=out, bom=excel)
    click.echo(f"Wrote {rows:,} rows to {out}.")


@gaps.command("replay")
@click.argument("run", default="latest")
@json_option
@pass_settings
def replay_command(settings: Settings, run: str, *, as_json: bool) -> int:
    """Compute a stored run again: the same result, or the inputs that changed. RUN is an id, a name or `latest`.

    Exits with 0 when every figure is the same, with 2 when it is not.
    """
    from layers.runs.replay import replay_run

    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        found = replay_run(connection, settings, int(_find_run(connection, run)["id"]))
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(f"Run {found.run_id}: {'the same result' if found.is_same else 'a different result'}")
        for name, (before, now) in found.changes.items():
            click.echo(f"  {name}: {before} then, {now} now")
    return 0 if found.is_same else 2


gaps.add_command(follow_command)

commands: list[click.Command] = [gaps]
