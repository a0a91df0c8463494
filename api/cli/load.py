"""``onemap load``: files into layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.context import json_option, open_engine, pass_settings, print_json, say
from api.cli.progress import show_rows
from geo.errors import DataError, RequestError
from layers.plain_text import escape_control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from layers.loading.options import Join, LoadOptions, LoadReport, Progress
    from layers.settings import Settings

OSM, REFERENCE, ELEVATION = "osm", "reference", "elevation"


@click.command("load")
@click.argument("layer", metavar="LAYER")
@click.argument("names", nargs=-1, required=True, metavar="FILE", type=str)
@click.option("--source", metavar="NAME", help="Whose data these are; default: the layer's name (osm for extracts).")
@click.option("--datum", metavar="D", help="wgs84, cgcs2000, gcj02, bd09 or EPSG:n; default: what the file declares.")
@click.option("--map", "mapped", multiple=True, metavar="THEIRS=OURS", help="Use their column as ours.")
@click.option("--set", "constants", multiple=True, metavar="OURS=VALUE", help="The same value for every row.")
@click.option("--join", "joins", multiple=True, metavar="FILE", help="Add the columns of a second table ...")
@click.option("--join-on", "joins_on", multiple=True, metavar="THEIRS=KEY", help="... whose KEY equals their column.")
@click.option("--layer", "file_layer", metavar="L", help="Layer or sheet of a file that has several.")
@click.option("--encoding", metavar="E", help="Text encoding, for example gbk; default: found out.")
@click.option("--update/--replace", "is_update", default=True, help="Keep (default) or close rows the file lacks.")
@click.option("--id-from-geometry", is_flag=True, help="Make identities from the geometry: the file has none.")
@click.option("--accept-datum", is_flag=True, help="Load although the layer seems shifted against what is loaded.")
@click.option(
    "--scheme",
    type=click.Choice(["auto", "cn", "any"]),
    default="auto",
    show_default=True,
    help="Area codes: cn rejects those not of 12 or 15 digits.",
)
@click.option(
    "--barrier/--no-barrier", default=None, help="Reference layers: no way from a door to a street crosses it."
)
@click.option("--title", metavar="TEXT", help="Reference layers: title for people.")
@click.option("--bbox", metavar="W,S,E,N", help="osm: only what touches this box, in degrees.")
@click.option("--dry-run", is_flag=True, help="Do everything but store.")
@json_option
@pass_settings
def load(settings: Settings, *, layer: str, names: Sequence[str], as_json: bool, bbox: str | None, **asked: Any) -> int:
    """Load FILE into LAYER: areas, compounds, gates, buildings, population, facilities, incidents or streets.

    GeoPackage, GeoJSON, TopoJSON, Shapefile, GeoParquet, GeoTIFF (population), CSV and XLSX with lon and lat or WKT.
    An elevation grid (GeoTIFF, or .asc with --datum EPSG:n; heights in metres) makes slopes count in every walk.
    Columns are found by their usual Chinese and English names; what was found is printed. Rows that cannot be kept go
    to the quarantine with line and reason. The same file twice changes nothing; a load that fails or is interrupted
    changes nothing.

    \b
    Examples:
      onemap load areas communities.gpkg
      onemap load buildings 楼栋.shp --encoding gbk --map 户数=dwellings
      onemap load facilities 学校.xlsx --datum gcj02 --source 教育局
      onemap load facilities clinics.geojson --map id=source_id --set type=MED_CHC
      onemap load population blocks.geojson --map POP_LAB=people
      onemap load streets roads.gpkg --replace --dry-run
      onemap load osm city.osm.pbf --bbox 114.2,30.5,114.5,30.7
      onemap load reference flood-zones 内涝.shp --title 内涝区
      onemap load reference river river.geojson --barrier
      onemap load elevation heights.tif

    \b
    A second table, for example tax records that know what a parcel is used for:
      onemap load buildings parcels.topojson --join TaxFY14.csv --join-on ML=ML
             --map ML=source_id --map UseDescription=use --map BldgStories=floors --map TaxFY14.records=dwellings
      Where several records share a key, whole numbers are summed, other numbers take the largest and texts the
      commonest; FILE.records counts the records.
    """
    options = _read_options(asked)
    if layer == REFERENCE and len(names) != 2:
        raise RequestError(
            "Loading a reference layer: expected its name and one file.",
            hint="onemap load reference flood-zones FILE",
            parameter="name",
        )
    if bbox is not None and layer != OSM:
        raise RequestError("--bbox is for OpenStreetMap extracts.", hint="onemap load osm FILE --bbox ...")
    box = None if bbox is None else _read_box(bbox)
    reports: list[LoadReport] = []
    # the owner: reference layers get tables of their own, and an empty layer its index after its rows
    with open_engine(settings, role="owner") as engine:
        for file in names[1:] if layer == REFERENCE else names:
            work = Work(engine, settings, layer, names[0], options, box)
            with show_rows(f"Loading {escape_control(Path(file).name)}") as progress:
                found = work.load_file(Path(file), progress)
            reports += found
            if not as_json:
                for report in found:
                    _print(report)
    if as_json:
        print_json([report.as_dict() for report in reports])
    return tell_if_nothing_was_kept(reports)


def tell_if_nothing_was_kept(reports: Sequence[LoadReport]) -> int:
    """Return the exit code: bad data where a file held rows and not one of them could be kept."""
    empty = [report for report in reports if 0 < report.outcome.rows_read == report.outcome.rows_quarantined]
    if not empty or len(empty) < len(reports):
        return 0
    say(f"No row of {escape_control(empty[0].file_name)} could be kept; nothing but the quarantine was changed.")
    return DataError.exit_code


@dataclass(frozen=True, slots=True)
class Work:
    """What a command asks to be done with each of its files."""

    engine: Engine
    settings: Settings
    layer: str
    name: str
    options: LoadOptions
    box: tuple[float, float, float, float] | None

    def load_file(self, file: Path, progress: Progress) -> list[LoadReport]:
        """Load one file and return one report a layer."""
        from layers.catalog import read_pack
        from layers.elevation import load_elevation
        from layers.load import load_layer
        from layers.loading.reference import load_osm, load_reference

        if self.layer == REFERENCE:
            return [load_reference(self.engine, self.name, file, self.options, progress=progress)]
        if self.layer == ELEVATION:
            return [load_elevation(self.engine, file, self.options, progress=progress)]
        pack = read_pack(city_file=self.settings.city_file)
        if self.layer == OSM:
            return load_osm(self.engine, file, self.options, bbox=self.box, pack=pack, progress=progress)
        return [load_layer(self.engine, self.layer, file, self.options, pack=pack, progress=progress)]


def _read_options(asked: dict[str, Any]) -> LoadOptions:
    from layers.loading.options import LoadOptions

    return LoadOptions(
        source=asked["source"],
        datum=asked["datum"],
        columns=dict(_split(pair, "map", "THEIRS=OURS") for pair in asked["mapped"]),
        constants=dict(_split(pair, "set", "OURS=VALUE") for pair in asked["constants"]),
        joins=_read_joins(asked["joins"], asked["joins_on"]),
        file_layer=asked["file_layer"],
        encoding=asked["encoding"],
        mode="update" if asked["is_update"] else "replace",
        id_from_geometry=asked["id_from_geometry"],
        dry_run=asked["dry_run"],
        accept_datum=asked["accept_datum"],
        scheme=asked["scheme"],
        is_barrier=asked["barrier"],
        title=asked["title"],
    )


def _read_joins(files: Sequence[str], keys: Sequence[str]) -> tuple[Join, ...]:
    from layers.loading.options import Join

    if len(files) != len(keys):
        raise RequestError(
            f"Joining: found {len(files)} --join and {len(keys)} --join-on, expected one of each for every table.",
            hint="onemap load buildings FILE --join TABLE.csv --join-on THEIRS=KEY",
            parameter="join-on",
        )
    return tuple(
        Join(Path(file), *_split(pair, "join-on", "THEIRS=KEY")) for file, pair in zip(files, keys, strict=True)
    )


def _split(pair: str, option: str, form: str) -> tuple[str, str]:
    """Return both sides of ``A=B``; A may hold ``=`` itself."""
    left, equals, right = pair.rpartition("=") if option != "set" else pair.partition("=")
    if not equals or not left or not right:
        raise RequestError(f"Reading --{option} {pair!r}: expected {form}.", parameter=option)
    return left, right


def _read_box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"Reading --bbox {text[:80]!r}: expected four numbers west,south,east,north in degrees.", parameter="bbox"
        ) from None
    return west, south, east, north


def _echo(line: str) -> None:
    """Print a line that may hold text of a file."""
    click.echo(escape_control(line))


def _print(report: LoadReport) -> None:
    """Print what one layer's load did."""
    got = report.outcome
    _echo(f"{got.layer} from {report.file_name} (source {report.source}, datum {report.datum})")
    if report.columns:
        _echo("  columns: " + ", ".join(f"{ours} ← {theirs}" for ours, theirs in report.columns.items()))
    closed = f", {got.rows_closed:,} closed" if got.rows_closed else ""
    click.echo(
        f"  {got.rows_read:,} rows read: {got.rows_inserted:,} new, {got.rows_updated:,} changed, "
        f"{got.rows_unchanged:,} unchanged, {got.rows_quarantined:,} quarantined{closed}"
        f"  ({report.duration_s:.1f} s, {report.rows_per_s:,.0f} rows/s)"
    )
    for word, counted in (("quarantined", report.reasons), ("repaired", report.repairs)):
        if counted:
            _echo(f"  {word}: " + ", ".join(f"{kind} {count:,}" for kind, count in counted.items()))
    for note in report.notes:
        _echo(f"  note: {note}")
    _print_end(report)


def _print_end(report: LoadReport) -> None:
    got = report.outcome
    if report.dry_run:
        click.echo(f"  dry run: nothing was stored; version would be {got.version}")
    elif got.has_changed:
        click.echo(f"  version {got.version}, {got.rows_live:,} rows live")
    else:
        click.echo(f"  nothing changed; version {got.version} stands")
    if got.rows_quarantined and not report.dry_run:
        say(f"  `onemap quarantine {got.layer}` lists the rows that were not kept.")


commands: list[click.Command] = [load]
