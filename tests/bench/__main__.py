"""``./onemap bench [--json] [NAME …]``: our times beside a peer's on the same input, taken in turns.

A ratio says how many times faster than the peer we are; ``mismatches`` counts answers of ours that differ from the
oracle's (SciPy's Dijkstra), and must be 0.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from api.cli.context import keep_kernels
from layers.settings import Settings

NAMES = ("nearest", "catchments", "isochrone", "full-run", "rerun", "what-if", "load", "link")
SIZES = ("real", "S", "M", "L", "million")
ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 900
"""Longest time for all comparisons of one group of names and one size."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of measurements as JSON on standard output.")
@click.option("--size", "sizes", multiple=True, type=click.Choice(SIZES), help="Only this size; may be repeated.")
@click.option("--turns", default=5, show_default=True, type=click.IntRange(1, 1000), help="Turns of each side.")
@click.option(
    "--budget", default=8.0, show_default=True, type=click.FloatRange(0.1), help="Seconds after which no turn begins."
)
@click.option("--prepare", is_flag=True, help="Only make the sets and fill the databases.")
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
def bench(
    *, as_json: bool, sizes: tuple[str, ...], turns: int, budget: float, prepare: bool, names: tuple[str, ...]
) -> None:
    """Measure ours against peers on the same input, in turns.

    \b
    Sizes: real (ONEMAP_REAL_DATA), S, M, L (sample city), million (a million buildings); real, L and million
    unless told otherwise. Sets and databases are made once and kept under ONEMAP_HOME/bench.

    \b
    Examples:
      ./onemap bench                            everything, in about twenty minutes
      ./onemap bench nearest --size real        one name, one size
      ./onemap bench --json > bench.json
    """
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DATABASE_URL")}
    keep_kernels(Settings.from_environment(environ))
    from tests.bench.cases import DEFAULT_SIZES, GROUPS
    from tests.bench.cases import SIZES as SETS
    from tests.bench.store import close_server
    from tests.bench.table import print_table

    wanted = [one for size in sizes or DEFAULT_SIZES for one in SETS[size]]
    if "real" in (sizes or DEFAULT_SIZES):
        wanted = replace_missing(wanted)
    try:
        # growth is measured from M to L
        fill([*wanted, *(["M"] if "L" in wanted and "M" not in wanted else [])])
        if prepare:
            return
        groups = [[name for name in group if not names or name in names] for group in GROUPS]
        found, stopped = measure_all([(group, size) for size in wanted for group in groups if group], turns, budget)
    finally:
        close_server()
    measured = [line for line in found if "ours_s" in line]
    if as_json:
        click.echo(json.dumps(measured, indent=1))
    print_table(found, err=as_json)
    if stopped:
        click.echo("bench: stopped; what was measured until then stands above", err=True)
        sys.exit(130)
    sys.exit(1 if any(line["mismatches"] for line in measured) or any("failed" in line for line in found) else 0)


def replace_missing(sizes: list[str]) -> list[str]:
    """Return the sizes that can be had: where there are no real data the sample city S stands in."""
    from tests.bench.measure import Skip
    from tests.bench.store import choose_filler, find_folder, say

    kept = []
    for size in sizes:
        try:
            choose_filler(size, find_folder() / "files")
        except Skip as reason:
            say(f"{size} is left out: {reason}")
        else:
            kept.append(size)
    if not any(size.startswith("real-") for size in kept) and "S" not in kept:
        say("no real network; the sample city S stands in")
        kept.insert(0, "S")
    return kept


def fill(sizes: list[str]) -> None:
    """Have the sets and databases ready, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "tests.bench.store", *sizes], stdout=sys.stderr, check=False)
    if done.returncode:
        click.echo("bench: the databases could not be filled (see above); what needs them is left out", err=True)


def measure_all(wanted: list[tuple[list[str], str]], turns: int, budget_s: float) -> tuple[list[dict[str, Any]], bool]:
    """Return the results of groups of names and sizes, and whether somebody pressed Ctrl-C; what was measured stays."""
    found: list[dict[str, Any]] = []
    for names, size in wanted:
        lines, stopped = measure(names, size, turns, budget_s)
        found += lines
        if stopped:
            return found, True
    return found, False


def measure(names: list[str], size: str, turns: int, budget_s: float) -> tuple[list[dict[str, Any]], bool]:
    """Return the results of some names and one size, made in a process of its own, and whether it was stopped."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        out = Path(folder) / "lines"
        command = [
            sys.executable,
            "-m",
            "tests.bench.worker",
            ",".join(names),
            size,
            str(turns),
            str(budget_s),
            str(out),
        ]
        began = time.monotonic()
        fault, stopped = "", False
        try:
            # peers print what they like: standard output is for the result alone
            done = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            fault = f"stopped after {PATIENCE_S} s"
        except KeyboardInterrupt:
            fault, stopped = "stopped by Ctrl-C", True
        else:
            fault = f"the process ended with {done.returncode}" if done.returncode else ""
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []
        if fault:
            seconds = time.monotonic() - began
            lines.append({"name": names[-1], "size": size, "peer": "?", "failed": f"{fault} ({seconds:.0f} s)"})
        return lines, stopped


if __name__ == "__main__":
    bench()
