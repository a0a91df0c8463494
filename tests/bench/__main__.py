"""``./onemap bench [--json] [NAME …]``: our times beside a peer's on the same input, taken in turns.

A ratio says how many times faster than the peer we are; ``mismatches`` counts answers that differ, and must be 0.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

import click

from tests.bench.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.cases import Answer, Case


@dataclass(frozen=True)
class Measure:
    """One line of the result; times are medians in seconds."""

    name: str
    size: str
    peer: str
    ours_s: float
    peer_s: float
    ratio: float
    goal: float
    mismatches: int


def take_time(work: Callable[[], Answer]) -> tuple[float, Answer]:
    """Return the seconds of one turn and its answer."""
    began = time.perf_counter()
    answer = work()
    return time.perf_counter() - began, answer


def measure(case: Case, turns: int) -> Measure:
    """Return medians of turns taken alternately, after one that warms up and is compared."""
    ours, peer = case.make()
    mismatches = case.compare(ours(), peer())
    pairs = [(take_time(ours)[0], take_time(peer)[0]) for _ in range(turns)]
    ours_s, peer_s = (median(times) for times in zip(*pairs, strict=True))
    return Measure(case.name, case.size, case.peer, ours_s, peer_s, round(peer_s / ours_s, 2), case.goal, mismatches)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of measurements as JSON.")
@click.option("--turns", default=5, show_default=True, type=click.IntRange(1, 1000))
@click.argument("names", nargs=-1, type=click.Choice(sorted({case.name for case in CASES})))
def bench(*, as_json: bool, turns: int, names: tuple[str, ...]) -> None:
    """Measure ours against peers on the same input."""
    found = []
    for case in CASES:
        if names and case.name not in names:
            continue
        if not as_json:
            click.echo(f"{case.name} {case.size} against {case.peer} ...", err=True)
        found.append(measure(case, turns))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
    else:
        for one in found:
            click.echo(
                f"{one.name:<10}{one.size:<14}{one.peer:<28}ours {one.ours_s:8.3f} s   peer {one.peer_s:8.3f} s"
                f"   ratio {one.ratio:6.2f}   mismatches {one.mismatches}"
            )
    sys.exit(1 if any(one.mismatches for one in found) else 0)


if __name__ == "__main__":
    bench()
