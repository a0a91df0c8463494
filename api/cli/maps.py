"""``onemap map`` and ``onemap circle``: one page to share, and what lies within a walk of one place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.context import json_option, open_engine, pass_settings, print_json
from api.cli.progress import tell_if_slow

if TYPE_CHECKING:
    from layers.settings import Settings


@click.command("map")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--run", default="latest", show_default=True, help="Run to show: id, name or `latest`.")
@click.option(
    "--offline/--linked",
    default=True,
    show_default=True,
    help="Scripts inside the page, so that it opens from a file; or linked from the server that hands it out.",
)
@pass_settings
def map_command(settings: Settings, out: Path, *, run: str, offline: bool) -> None:
    """Save one page with a map of a run, to share. OUT ends in .html; it opens from a file with the network off."""
    from geo.errors import RequestError
    from layers.catalog import read_pack
    from layers.query.runs import fetch_run
    from layers.query.share import fetch_share
    from maps.folium_pages import make_share_page

    if out.suffix.lower() != ".html":
        raise RequestError(f"Writing {out.name}: expected a name that ends in .html", parameter="OUT")
    with open_engine(settings, role="reader") as engine, engine.connect() as connection:
        data = fetch_share(connection, fetch_run(connection, run))
    page = make_share_page(data, pack=read_pack(city_file=settings.city_file), offline=offline)
    out.write_text(page, encoding="utf-8")
    click.echo(f"Wrote {out}, {len(page.encode()) / 1e6:.1f} MB.")


# a negative degree is a value, not an option
@click.command("circle", context_settings={"ignore_unknown_options": True})
@click.argument("lon", type=float)
@click.argument("lat", type=float)
@click.option("--minutes", default="15", show_default=True, help="Minutes of walking; several with commas: 5,10,15.")
@click.option("--profile", default="adult", show_default=True, help="Who walks or drives.")
@click.option("--width", default=30.0, show_default=True, help="Metres drawn to each side of a reached way.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the outlines as .geojson.")
@json_option
@pass_settings
def circle_command(  # noqa: PLR0913 - one argument an option
    settings: Settings,
    lon: float,
    lat: float,
    *,
    minutes: str,
    profile: str,
    width: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Draw what can be reached from one place within some minutes, with who and what is inside.

    LON and LAT are degrees (EPSG:4326).
    """
    from geo.errors import RequestError
    from layers.circle import find_circles
    from layers.query.circles import describe_circles, parse_minutes
    from layers.study import load_study

    if out is not None and out.suffix.lower() != ".geojson":
        raise RequestError(f"Writing {out.name}: expected a name that ends in .geojson", parameter="--out")
    limits = parse_minutes(minutes)
    preparing = tell_if_slow("Preparing: the first circle after an installation or a load takes longer.")
    with preparing, open_engine(settings, role="reader") as engine, engine.connect() as connection:
        study = load_study(connection, settings)
        circles = find_circles(connection, study, lon=lon, lat=lat, minutes=limits, profile=profile, width_m=width)
    found = describe_circles(circles)
    if out is not None:
        out.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    if as_json:
        print_json(found)
        return
    for feature in found["features"]:
        _tell(feature["properties"])
    if out is not None:
        click.echo(f"Wrote {len(found['features'])} outlines to {out}.")


def _tell(inside: dict[str, Any]) -> None:
    counted = "" if inside["people_basis"] == "counted" else f" (counts: {inside['people_basis']})"
    click.echo(
        f"{inside['minutes']:g} min: {inside['people']:,} people{counted} and {inside['dwellings']:,} dwellings in "
        f"{inside['buildings']:,} buildings"
    )
    for code, found in inside["facilities"].items():
        capacity = "" if found["capacity"] is None else f", capacity {found['capacity']:g}"
        click.echo(f"  {code}: {found['count']}{capacity}")


commands: list[click.Command] = [map_command, circle_command]
