"""``onemap standards``: which facilities a life circle needs, by which clause, and what a city changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.context import json_option, print_json, read_settings

if TYPE_CHECKING:
    from layers.catalog import FacilityType, Pack

city_option = click.option(
    "--city",
    "city_file",
    type=click.Path(path_type=Path),
    help="A city file (CSV or TOML) that changes columns of the national pack; else the one of ONEMAP_CITY_FILE.",
)


@click.group()
def standards() -> None:
    """Show the standards pack and check a city's changes to it."""


@standards.command("list")
@city_option
@click.option("--category", help="Only this category, e.g. education.")
@click.option("--testable", is_flag=True, help="Only the types a walk limit judges.")
@json_option
def list_types(*, city_file: Path | None, category: str | None, testable: bool, as_json: bool) -> None:
    """List the facility types: walk limit, radius, whom they are for, how sure the figures are."""
    from geo.errors import NotFound
    from layers.catalog import read_pack

    pack = read_pack(city_file=city_file or read_settings().city_file)
    categories = sorted({row.category for row in pack})
    if category is not None and category not in categories:
        raise NotFound(f"Listing category {category!r}: the pack has {', '.join(categories)}", parameter="category")
    rows = [row for row in pack if category in (None, row.category) and (row.testable or not testable)]
    if as_json:
        print_json([row.as_row() | {"pack_version": pack.version} for row in rows])
        return
    click.echo(f"{pack.version}: {len(pack)} rows, {len(pack.testable)} judged by walking; {len(rows)} listed")
    for row in rows:
        click.echo(_describe_line(row))


@standards.command()
@click.argument("code")
@city_option
@json_option
def show(code: str, *, city_file: Path | None, as_json: bool) -> None:
    """Show every column of one type, CODE, with its clause and how sure each figure is."""
    from layers.catalog import read_pack

    pack = read_pack(city_file=city_file or read_settings().city_file)
    row = pack[code.upper()]
    if as_json:
        print_json(row.as_row() | {"pack_version": pack.version})
        return
    for name, text in _describe(row, pack):
        click.echo(f"{name:20} {text}")


@standards.command()
@click.argument("city_file", type=click.Path(path_type=Path))
@json_option
def validate(city_file: Path, *, as_json: bool) -> None:
    """Check CITY_FILE and show what it would change. Exit code 2 when it cannot be used."""
    from layers.catalog import read_pack

    national, city = read_pack(), read_pack(city_file=city_file)
    changes = [
        {"code": row.code, "column": name, "national": before[name], "city": after[name]}
        for row in city
        if row.overridden
        for before, after in [(national[row.code].as_row(), row.as_row())]
        for name in sorted(set(row.overridden) | {name for name in before if before[name] != after[name]})
        if name != "overridden"
    ]
    if as_json:
        print_json({"version": city.version, "changes": changes})
        return
    click.echo(f"{city.version}: the file can be used; {len(changes)} values differ from {national.version}")
    for change in changes:
        click.echo(
            f"  {change['code']:16} {change['column']:18} {_word(change['national'])} -> {_word(change['city'])}"
        )


def _describe_line(row: FacilityType) -> str:
    limit_s = row.limit_s
    limit = f"{limit_s / 60:.1f} min" if limit_s is not None else f"({row.not_judged_reason})"
    radius = f"{row.radius_m:g} m" if row.radius_m is not None else "-"
    return f"{row.code:18} {limit:>12} {radius:>7} {row.certainty:10} {row.name_zh} / {row.name_en}"


def _describe(row: FacilityType, pack: Pack) -> list[tuple[str, str]]:
    from layers.catalog import NOT_JUDGED

    lines = [("pack", pack.version)]
    lines += [(name, _word(value)) for name, value in row.as_row().items() if value not in (None, [], "")]
    reason = row.not_judged_reason
    return lines + ([("not judged because", " / ".join(NOT_JUDGED[reason]))] if reason is not None else [])


def _word(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


commands: list[click.Command] = [standards]
