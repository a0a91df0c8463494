"""One group of comparisons in a process of its own: a peer that hangs or dies takes nothing else with it."""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from geo.errors import OneMapError
from tests.bench import cases
from tests.bench.measure import Skip, measure
from tests.bench.store import say

if TYPE_CHECKING:
    from tests.bench.measure import Case

FAULTS = (
    OneMapError, ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError, SQLAlchemyError, psycopg.Error,
)  # fmt: skip
"""What a failing side may raise: told, and the next comparison is made."""


def run_cases(found: list[Case], out: Path, *, turns: int, budget_s: float) -> None:
    """Make comparisons and append each result to a file as one line of JSON."""
    for case in found:
        line: dict[str, Any] = {"name": case.name, "size": case.size, "peer": case.peer, "goal": case.goal}
        say(f"{case.name} {case.size} against {case.peer} ...")
        try:
            line = asdict(measure(case, turns=turns, budget_s=budget_s))
            say(f"  ratio {line['ratio']:g}, {line['mismatches']} of {line['compared']:,} wrong")
        except Skip as reason:
            line["skipped"] = str(reason)
        except FAULTS as error:
            traceback.print_exc()
            line["failed"] = f"{type(error).__name__}: {error}"
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def main(arguments: list[str]) -> None:
    """Make the comparisons of some names and a size: NAME,NAME SIZE TURNS BUDGET_S FILE."""
    names, size, turns, budget_s, out = arguments
    ground = partial(cases.open_ground, size)
    found = [case for name in names.split(",") for case in cases.list_cases(name, size, ground)]
    run_cases(found, Path(out), turns=int(turns), budget_s=float(budget_s))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        # whoever started this tells what was measured
        sys.exit(130)
