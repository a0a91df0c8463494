"""``onemap gaps follow``: bring a stored run up to date by computing only what a change touched."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from api.cli.context import json_option, open_engine, pass_settings, print_json
from api.cli.progress import show_progress

if TYPE_CHECKING:
    from layers.settings import Settings


@click.command("follow")
@click.argument("run", default="latest")
@click.option("--check", is_flag=True, help="Also compute everything and compare; exits with 2 where it differs.")
@click.option("--stop", is_flag=True, help="Leave the run as it is from now on.")
@json_option
@pass_settings
def follow_command(settings: Settings, run: str, *, check: bool, stop: bool, as_json: bool) -> int:
    """Bring a run up to date with the layers and mark it as following. RUN is an id, a name or `latest`.

    After changes of facilities, buildings, streets, gates and compounds only what they touched is computed; the
    figures are those of a full run. While `onemap serve` runs it does so by itself, a few seconds after each load.
    """
    from layers.query.runs import fetch_run
    from layers.runs.follow import follow_run, set_following

    with open_engine(settings) as engine:
        with engine.begin() as connection:
            run_id = fetch_run(connection, run).id
            set_following(connection, run_id, follows=not stop)
        if stop:
            click.echo(f"Run {run_id} stays as it is.", err=as_json)
            return 0
        with show_progress("Following") as progress:
            report = follow_run(engine, settings, str(run_id), check=check, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        layers = ", ".join(report.changed_layers) or "nothing"
        why = f" ({report.reason})" if report.reason else ""
        click.echo(
            f"Run {run_id}: {layers} changed; {report.how}{why}: {report.buildings_computed:,} buildings computed, "
            f"{report.buildings_changed:,} stored anew, {report.duration_s:.1f} s"
        )
        if report.is_same is not None:
            click.echo("A full run gives " + ("the same figures." if report.is_same else "OTHER figures."))
    return 2 if report.is_same is False else 0
