"""Scenarios from a request to the store: find the base, compute what the edits change, keep it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from geo.errors import Conflict
from geo.whatif.edits import FacilityAdded
from layers.query.runs import LATEST, fetch_run
from layers.query.scenarios import fetch_scenario
from layers.scenarios.base import REBASE_HINT, check_is_current, load_base
from layers.scenarios.result import compute_scenario
from layers.scenarios.store import Batches, insert_scenario, read_batches, replace_scenario
from layers.study import load_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection, Engine, Row

    from layers.scenarios.base import ScenarioBase
    from layers.scenarios.edits import RawEdit
    from layers.scenarios.result import ScenarioResult
    from layers.settings import Settings
    from layers.study import Study

WARM_FIGURES_MAX = 20_000_000
"""Buildings times types of a run that is read before anybody asks; about half a gigabyte."""

BASES_KEPT = 2
"""Runs held in memory at the same time: each holds every figure of its run and the work arrays of its engines."""


@dataclass(frozen=True)
class Made:
    """A scenario that was stored, with what it changes."""

    id: int
    result: ScenarioResult


class Scenarios:
    """Computes scenarios on bases that it keeps in memory; safe to share between threads.

    Parameters
    ----------
    reader, writer
        The database in both roles.
    settings
        Where caches are kept, link distances and the city file.
    load
        Gives the study of a connection; None reads it anew for every base.
    """

    def __init__(
        self,
        *,
        reader: Engine,
        writer: Engine,
        settings: Settings,
        load: Callable[[Connection], Study] | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._load = load or (lambda connection: load_study(connection, settings))
        self._lock = threading.Lock()
        self._bases: dict[tuple[int, str], ScenarioBase] = {}

    def warm(self) -> None:
        """Read the newest run as a base and try one edit, so that the first who drags a clinic need not wait.

        A run of very many figures is read when somebody asks for it: it fills much memory.

        Raises
        ------
        NotReady
            Nothing has been run.
        Conflict
            Layers have changed since.
        """
        with self._read() as connection:
            run = fetch_run(connection, LATEST)
            if run.counts.get("buildings", 0) * len(run.counts.get("totals", ())) > WARM_FIGURES_MAX:
                return
            base = self._find_base(connection, run)
        site = base.study.sites.geometry[0]
        for engine in base.engines.values():
            engine.run([FacilityAdded(site, (0,))])

    def warm_streets(self) -> None:
        """Try an edit of a street on the bases in memory: the first one reads all streets and looks at every compound.

        Raises
        ------
        Conflict
            Layers have changed since.
        """
        with self._lock:
            bases = list(self._bases.values())
        for base in bases:
            streets = base.ground.street_ids
            if streets:
                compute_scenario(base, [{"op": "close_street", "street_id": min(streets)}])

    def draft(self, run: str, edits: Sequence[RawEdit]) -> ScenarioResult:
        """Return what edits would change, without storing anything.

        Parameters
        ----------
        run
            Id or name of a run, or ``latest``.
        edits
            The edits, in order.

        Raises
        ------
        NotFound, NotReady
            There is no such run.
        Conflict
            A layer has changed since the run was made.
        RequestError
            An edit cannot be carried out; ``parameter`` names it.
        """
        with self._read() as connection:
            base = self._find_base(connection, fetch_run(connection, run))
        return compute_scenario(base, edits)

    def create(self, run: str, edits: Sequence[RawEdit], *, name: str | None = None) -> Made:
        """Store a new scenario; arguments and faults as :meth:`draft`."""
        result = self.draft(run, edits)
        with self._writer.begin() as connection:
            batches = Batches((tuple(edits),), 1)
            return Made(insert_scenario(connection, result, batches, name=name), result)

    def append(self, scenario_id: int, edits: Sequence[RawEdit]) -> Made:
        """Add a batch of edits to a stored scenario.

        Raises
        ------
        NotFound
            There is no such scenario.
        Conflict
            A layer has changed since its base run was made, or somebody else changed it meanwhile.
        RequestError
            An edit cannot be carried out; ``parameter`` names it.
        """
        return self._change(scenario_id, lambda batches: batches.append(edits))

    def undo(self, scenario_id: int) -> Made:
        """Take the last batch back; faults as :meth:`append`, and Conflict where none is in effect."""
        return self._change(scenario_id, Batches.undo)

    def redo(self, scenario_id: int) -> Made:
        """Bring the batch back that was undone last; faults as :meth:`append`, and Conflict where there is none."""
        return self._change(scenario_id, Batches.redo)

    def rebase(self, scenario_id: int, run: str) -> Made:
        """Set the edits of a scenario on another run; faults as :meth:`draft` and :meth:`append`."""
        with self._read() as connection:
            row = fetch_scenario(connection, scenario_id)
            base = self._find_base(connection, fetch_run(connection, run))
        batches = read_batches(row)
        return self._replace(row, compute_scenario(base, batches.edits), batches)

    def _change(self, scenario_id: int, change: Callable[[Batches], Batches]) -> Made:
        with self._read() as connection:
            row = fetch_scenario(connection, scenario_id)
            before = read_batches(row)
            batches = change(before)
            run = fetch_run(connection, str(row.run_id))
            if run.result_sha256 != row.run_sha256:
                raise Conflict(
                    f"Changing scenario {scenario_id}: its base run {run.id} was brought up to date since",
                    hint=REBASE_HINT,
                )
            base = self._find_base(connection, run)
        # faults name the edits just asked for, counted from 0
        offset = len(before.edits) if batches.done > before.done else 0
        return self._replace(row, compute_scenario(base, batches.edits, offset=offset), batches)

    def _replace(self, row: Row[tuple[object, ...]], result: ScenarioResult, batches: Batches) -> Made:
        with self._writer.begin() as connection:
            replace_scenario(connection, row.id, result, batches, revision=row.revision)
        return Made(row.id, result)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """Lend a connection that sees one state of all layers."""
        with self._reader.connect() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    def _find_base(self, connection: Connection, run: Row[tuple[object, ...]]) -> ScenarioBase:
        """Return a run as arrays, from memory where it was used before."""
        key = (run.id, run.result_sha256)
        try:
            check_is_current(connection, run)
        except Conflict:
            # nothing can be set on it any more
            self._bases.pop(key, None)
            raise
        with self._lock:
            base = self._bases.pop(key, None)
            if base is None:
                base = load_base(connection, self._load(connection), run, engine=self._reader)
                # little beside reading it, and the first drag of every type is as quick as the next
                for engine in base.engines.values():
                    engine.warm_up()
            # the one used last stands last
            self._bases[key] = base
            while len(self._bases) > BASES_KEPT:
                del self._bases[next(iter(self._bases))]
        return base
