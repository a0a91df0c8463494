"""``onemap layers`` and ``onemap quarantine``: what is loaded, and what was not kept."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.context import json_option, open_engine, pass_settings, print_json, say
from layers.plain_text import escape_control

if TYPE_CHECKING:
    from collections.abc import Iterable

    from layers.settings import Settings

SHOWN_ROWS = 50
QUARANTINE_COLUMNS = ("layer", "source", "file", "loaded_at", "line", "source_id", "reason", "detail", "raw")
# what a spreadsheet would take for a formula
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


@click.command("layers")
@click.option("--uncertain", is_flag=True, help="List instead the facilities whose type somebody has to choose.")
@json_option
@pass_settings
def list_layers(settings: Settings, *, uncertain: bool, as_json: bool) -> None:
    """List what is loaded: rows, quarantined rows, version, extent, source, datum and age.

    A facility that fits several types has none until somebody chooses, and serves no analysis. Choose by a column
    `type` with codes of `onemap standards list` in the file, or load the rows of one type from a file of their own
    with --set; source and source_id stay the same.

    \b
    Examples:
      onemap layers
      onemap layers --json
      onemap layers --uncertain
      onemap load facilities clinics.csv --source SOURCE --set type=MED_CHC
    """
    from layers.query.loads import fetch_loaded
    from layers.query.uncertain import fetch_uncertain

    with open_engine(settings, role="reader") as engine, engine.connect() as conn:
        if uncertain:
            _print_uncertain(fetch_uncertain(conn), as_json=as_json)
            return
        found = fetch_loaded(conn)
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nothing is loaded yet. Load a file with `onemap load LAYER FILE`, or an invented city with `onemap demo`.")
        return
    head = ("layer", "rows", "quarantined", "version", "extent", "source", "datum", "age")
    lines = [
        (
            str(row["layer"]),
            f"{row['rows']:,}",
            f"{row['quarantined']:,}",
            str(row["version"]),
            _write_extent(row["extent"]),
            ", ".join(row["sources"]) or "-",
            row["datum"] or "-",
            _write_age(row["changed_at"]),
        )
        for row in found
    ]
    _print_table([head, *lines], right={1, 2, 3})


def _print_uncertain(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("No facility waits for somebody to choose its type.")
        return
    head = ("source", "source_id", "name", "fits")
    lines = [(row["source"], row["source_id"], row["name"] or "-", " ".join(row["candidates"])) for row in rows]
    _print_table([head, *lines], right=set())
    say(
        "To decide, load them again under the same source: with a column `type`, or the rows of one type alone with\n"
        "  onemap load facilities FILE --source SOURCE --set type=CODE"
    )


@click.command("quarantine")
@click.argument("layer")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write all of them to this CSV file.")
@click.option("--source", metavar="NAME", help="Only rows of this source.")
@click.option("--all-loads", is_flag=True, help="Also rows of earlier loads of the same source.")
@json_option
@pass_settings
def quarantine(settings: Settings, *, layer: str, out: Path | None, as_json: bool, **asked: Any) -> None:
    """List the rows of LAYER that were not kept, with line, reason and the row as the file has it.

    Of each source the last load counts. Correct the rows in the file and load it again: rows that are good then leave
    the list.

    \b
    Examples:
      onemap quarantine buildings
      onemap quarantine buildings --out rejected.csv
    """
    from layers.query.loads import fetch_quarantine

    with open_engine(settings, role="reader") as engine, engine.connect() as conn:
        rows = fetch_quarantine(conn, layer, source=asked["source"], all_loads=asked["all_loads"])
        if out is not None:
            with out.open("w", encoding="utf-8-sig", newline="") as file:
                written = _write_csv(file, rows)
            say(f"Wrote {written:,} rows to {out}.")
            return
        if as_json:
            print_json(list(rows))
            return
        _print_quarantine(layer, list(rows))


def _print_quarantine(layer: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        say(f"No row of {layer} is in quarantine.")
        return
    for row in rows[:SHOWN_ROWS]:
        name = f" {row['source_id']}" if row["source_id"] else ""
        click.echo(escape_control(f"{row['file']}:{row['line']}{name}: {row['reason']}: {row['detail']}"))
        click.echo(escape_control(f"    {row['raw'][:200]}"))
    if len(rows) > SHOWN_ROWS:
        say(f"... and {len(rows) - SHOWN_ROWS:,} more; --out FILE.csv writes all of them.")


def _write_csv(file: Any, rows: Iterable[dict[str, Any]]) -> int:
    writer = csv.writer(file)
    writer.writerow(QUARANTINE_COLUMNS)
    written = 0
    for row in rows:
        writer.writerow([_defuse(row[name]) for name in QUARANTINE_COLUMNS])
        written += 1
    return written


def _defuse(value: Any) -> Any:
    """Return a cell a spreadsheet will not run."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def _write_extent(extent: list[float] | None) -> str:
    return "-" if extent is None else ",".join(f"{edge:.4f}" for edge in extent)


def _write_age(changed_at: datetime) -> str:
    seconds = max(0.0, (datetime.now(UTC) - changed_at).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _print_table(rows: list[tuple[str, ...]], *, right: set[int]) -> None:
    rows = [tuple(escape_control(cell) for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


commands: list[click.Command] = [list_layers, quarantine]
