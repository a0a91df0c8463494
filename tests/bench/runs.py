"""Whole gap runs from store to store: 20 types, buildings and areas, the first time and again."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import text

from geo.reach import seed_sites
from geo.walls import OUTSIDE
from layers.query.runs import fetch_run
from layers.run import compute_run, run_gaps
from layers.runs.plan import prepare_run
from layers.runs.result import GapRequest
from layers.study import load_study
from layers.tables import SCHEMA
from tests.bench.ground import TYPES, split_labels
from tests.bench.measure import Agreement, Case, Pair, Skip
from tests.bench.oracle import find_reach_slowly

if TYPE_CHECKING:
    from collections.abc import Callable

    from layers.settings import Settings
    from tests.bench.ground import Ground
    from tests.bench.store import Store

FIRST_S, AGAIN_S = 4.0, 0.2
GROWTH = 1.5
"""A building of the larger city may cost so many times one of the smaller."""

AGAIN_GOAL = {"L": 5.0, "million": FIRST_S / AGAIN_S}
"""What does not depend on the size of a city weighs most in a small one."""

SMALLER = {"L": "M"}
RULE = "reach and facility of homes outside compounds, exact"


def list_cases(size: str, open_ground: Callable[[], Ground]) -> list[Case]:
    """Return the comparisons of a size."""
    found = [
        Case("full-run", size, f"budget {FIRST_S:g} s of CPU", 1.0, lambda: against_budget(open_ground())),
        Case("rerun", size, f"budget {AGAIN_S:g} s of CPU", 1.0, lambda: again_on_budget(open_ground())),
        Case("rerun", size, "our own full run", AGAIN_GOAL.get(size, 1.0), lambda: again_against_first(open_ground())),
    ]
    if size in SMALLER:
        goal = round(1 / GROWTH, 2)
        peer = f"size {SMALLER[size]}, by building"
        found.append(Case("full-run", size, peer, goal, lambda: against_smaller(open_ground(), SMALLER[size])))
    return found


class Runner:
    """Runs of one store in caches of their own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._above = tempfile.TemporaryDirectory(prefix="onemap-bench-", ignore_cleanup_errors=True)
        self.folder = Path(self._above.name) / "home"
        self.folder.mkdir()
        self.settings: Settings = replace(store.settings, home=self.folder)
        self.codes = choose_codes(store)

    @property
    def request(self) -> GapRequest:
        """Return what is asked: 20 types, adults."""
        return GapRequest(types=self.codes, name=None)

    def forget(self) -> None:
        """Forget all caches and stored runs, so that the next run is a first one."""
        self.forget_caches()
        with self.store.connect() as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'run%%'"
            names = [f'{SCHEMA}."{name}"' for (name,) in connection.execute(query, (SCHEMA,))]
            connection.execute(f"TRUNCATE {', '.join(names)} CASCADE")

    def forget_caches(self) -> None:
        """Forget all caches."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def run(self) -> Any:
        """Make a run from store to store."""
        return run_gaps(self.store.engine, self.settings, self.request)

    def count_buildings(self) -> int:
        """Return how many buildings are judged."""
        with self.store.engine.connect() as connection:
            query = text(f"SELECT count(*) FROM {SCHEMA}.building WHERE valid_to IS NULL")  # noqa: S608
            return int(connection.execute(query).scalar_one())

    def measure_held(self) -> dict[str, float]:
        """Return the bytes a run keeps compiled: of the network by node, of buildings and their links by building."""
        cache = self.settings.cache_dir
        sizes = {
            kind: sum(path.stat().st_size for path in (cache / kind).rglob("*.npy"))
            for kind in ("network", "buildings", "links")
        }
        with self.store.engine.connect() as connection:
            nodes = load_study(connection, self.settings).streetscape.network.node_count
        return {
            "node": sizes["network"] / nodes,
            "building": (sizes["buildings"] + sizes["links"]) / self.count_buildings(),
        }

    def compare(self) -> Agreement:
        """Return how a run's figures compare with SciPy's on the same links."""
        with self.store.engine.connect() as connection:
            study = load_study(connection, self.settings)
            result = compute_run(connection, study, self.request)
            plan = prepare_run(connection, study, self.request)
        (part,) = plan.parts
        walk, homes, entrances = part.tread.walk, part.tread.homes, part.tread.entrances
        home = np.flatnonzero(homes.zone == OUTSIDE)
        wrong = 0
        for number in part.numbers:
            seeds = seed_sites(walk, entrances, plan.site_rows[number])
            label = find_reach_slowly(walk, homes, entrances, seeds, plan.bounds_s[number] * 1000)
            ms, facility = split_labels(label)
            mine, theirs = result.reach_ms[home, number], result.facility[home, number]
            wrong += int(((mine != ms[home]) | (theirs != facility[home])).sum())
        return Agreement(wrong, home.shape[0] * len(part.numbers), None, RULE)

    def compare_again(self, summary: Any) -> Agreement:
        """Return whether the figures of a run that was asked for again are those of one computed now."""
        with self.store.engine.connect() as connection:
            stored = fetch_run(connection, str(summary.id)).result_sha256
            result = compute_run(connection, load_study(connection, self.settings), self.request)
        figures = result.reach_ms.size
        return Agreement(0 if result.digest() == stored else figures, figures, None, "digest of all figures")


def choose_codes(store: Store) -> tuple[str, ...]:
    """Return the 20 types with most facilities that are judged by walking."""
    with store.engine.connect() as connection:
        study = load_study(connection, store.settings)
    count = {
        kind.code: study.sites.rows_of(kind.code, study.pack).size
        for kind in study.pack.testable
        if kind.mode == "walk"
    }
    return tuple(sorted(count, key=lambda code: -count[code])[:TYPES])


def _open(ground: Ground) -> Runner:
    if ground.store is None:
        raise Skip("no database on an invented grid")
    return Runner(ground.store)


def against_budget(ground: Ground) -> Pair:
    """Return first runs: no cache, no stored run; machine code is there."""
    runner = _open(ground)
    return Pair(
        lambda _turn: runner.run(),
        FIRST_S,
        lambda _ours, _peer: runner.compare(),
        timed=f"{runner.count_buildings():,} buildings × {len(runner.codes)} types, store to store; CPU of ours",
        before=lambda _turn: runner.forget(),
        clock=time.process_time,
        turns=3,
        held=runner.measure_held,
    )


def again_on_budget(ground: Ground) -> Pair:
    """Return runs of what was run before."""
    runner = _open(ground)
    runner.forget()
    runner.run()
    return Pair(
        lambda _turn: runner.run(),
        AGAIN_S,
        lambda again, _peer: runner.compare_again(again),
        timed="the same run again, caches warm; CPU of ours",
        clock=time.process_time,
    )


def again_against_first(ground: Ground) -> Pair:
    """Return runs of what was run before beside first runs."""
    runner, first = _open(ground), _open(ground)
    runner.forget()
    runner.run()

    def peer(_turn: int) -> Any:
        # its caches and the stored results are its own: runs of the other side stay
        first.forget_caches()
        return run_gaps(first.store.engine, first.settings, replace(first.request, types=first.codes[::-1]))

    return Pair(
        lambda _turn: runner.run(),
        peer,
        lambda again, _peer: runner.compare_again(again),
        timed="the same run again beside one without caches; wall time",
        turns=3,
    )


def against_smaller(ground: Ground, smaller: str) -> Pair:
    """Return first runs beside those of a smaller city, counted up by buildings."""
    from tests.bench.store import open_store

    runner, small = _open(ground), Runner(open_store(smaller))
    times = []
    for _ in range(3):
        small.forget()
        began = time.process_time()
        small.run()
        times.append(time.process_time() - began)
    scale = runner.count_buildings() / small.count_buildings()
    return Pair(
        lambda _turn: runner.run(),
        sorted(times)[1] * scale,
        lambda _ours, _peer: runner.compare(),
        timed=f"first runs, CPU; size {smaller} counted up by buildings",
        before=lambda _turn: runner.forget(),
        clock=time.process_time,
        turns=3,
    )
