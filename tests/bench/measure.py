"""Turns taken alternately, medians, and what a call needs of memory at most."""

from __future__ import annotations

import gc
import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

MB = 1024 * 1024


class Skip(Exception):
    """A comparison that cannot be made here; the text says why."""


@dataclass(frozen=True)
class Agreement:
    """How two answers to one question compare.

    Attributes
    ----------
    mismatches
        Answers of ours that differ from the oracle's.
    compared
        How many answers were compared.
    peer_wrong
        Answers of the peer that differ from the oracle's; None where it was not asked.
    rule
        What counts as equal.
    """

    mismatches: int
    compared: int
    peer_wrong: int | None = None
    rule: str = "exact"


@dataclass(frozen=True)
class Pair:
    """Two ways to one answer, ready to be timed: all input stands in memory, nothing is timed that one side lacks.

    Attributes
    ----------
    ours, peer
        Do the work of one turn and return its answer; the number of the turn is given. A peer that is a number is a
        budget in seconds.
    check
        Compares the answers of turn 0.
    timed
        What the clock sees, in words.
    ours_scale, peer_scale
        Factor from what is timed to the whole work, where a side does a stated part of it.
    floor_s
        Seconds the memory alone needs for the same work, measured now.
    clock
        The clock of our side; a peer is always timed by the wall.
    turns
        Turns to take; None means as many as the caller says.
    before
        Done before every turn of ours, not timed.
    after
        Done when all is measured or something failed.
    held
        Asked after the first turn of ours: the bytes that our compiled arrays take, by what they are counted.
    """

    ours: Callable[[int], Any]
    peer: Callable[[int], Any] | float
    check: Callable[[Any, Any], Agreement]
    timed: str
    ours_scale: float = 1.0
    peer_scale: float = 1.0
    floor_s: Callable[[], float] | None = None
    clock: Callable[[], float] = time.perf_counter
    turns: int | None = None
    before: Callable[[int], None] | None = None
    after: Callable[[], None] | None = None
    held: Callable[[], dict[str, float]] | None = None

    def prepare(self, turn: int) -> None:
        """Do what is not timed before our turn."""
        if self.before is not None:
            self.before(turn)


@dataclass(frozen=True)
class Case:
    """One comparison; ``make`` prepares input that neither side is timed for, and may raise Skip."""

    name: str
    size: str
    peer: str
    goal: float
    make: Callable[[], Pair]


@dataclass(frozen=True)
class Measure:
    """One line of the result; the first eight fields are a contract.

    Attributes
    ----------
    ours_s, peer_s
        Medians in seconds for the whole work.
    ratio
        How many times faster than the peer we are.
    mismatches
        Answers of ours that differ from the oracle's; must be 0.
    ours_mb, peer_mb
        Memory each side needed at most above what it found, in one turn.
    floor_s
        What memory alone takes for the same work.
    timed
        What was timed, in words.
    held
        Bytes of our compiled arrays, by what they are counted: a node, a building.
    """

    name: str
    size: str
    peer: str
    ours_s: float
    peer_s: float
    ratio: float
    goal: float
    mismatches: int
    compared: int = 0
    peer_wrong: int | None = None
    rule: str = "exact"
    turns: int = 1
    ours_mb: float | None = None
    peer_mb: float | None = None
    floor_s: float | None = None
    timed: str = ""
    held: dict[str, float] | None = None


@dataclass
class Watch:
    """Highest memory of this process while a block runs, above what it held before; None where it cannot be told."""

    extra_mb: float | None = None
    _before: int | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        gc.collect()
        try:
            # the kernel starts its high-water mark anew
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return self
        self._before = read_status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        after = read_status("VmHWM")
        if self._before is not None and after is not None:
            self.extra_mb = round(max(after - self._before, 0) / MB, 1)


def read_status(key: str) -> int | None:
    """Return a size of this process in bytes as the kernel counts it, None where it does not."""
    try:
        found = re.search(rf"^{key}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def take_time(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> tuple[float, Any]:
    """Return the seconds of one turn and its answer."""
    began = clock()
    answer = work()
    return clock() - began, answer


def measure(case: Case, *, turns: int, budget_s: float) -> Measure:
    """Return medians of turns taken alternately, after one of each that warms up and is compared.

    Parameters
    ----------
    case
        What to compare.
    turns
        Turns at most, where the case does not say itself.
    budget_s
        No further turn begins after so many seconds; one is always taken. A peer whose first turn alone takes longer is
        not asked again: that turn counts.
    """
    pair = case.make()
    try:
        return _measure(case, pair, turns, budget_s)
    finally:
        if pair.after is not None:
            pair.after()


def _measure(case: Case, pair: Pair, turns: int, budget_s: float) -> Measure:
    pair.prepare(0)
    with Watch() as ours_watch:
        answer = pair.ours(0)
    peer_first, peer_answer, peer_mb = _ask_peer(pair)
    agreement = pair.check(answer, peer_answer)
    held = None if pair.held is None else pair.held()
    del answer, peer_answer
    began = time.perf_counter()
    ours: list[float] = []
    peers: list[float] = []
    for turn in range(pair.turns or turns):
        if turn and time.perf_counter() - began > budget_s:
            break
        pair.prepare(turn + 1)
        ours.append(take_time(lambda: pair.ours(turn + 1), pair.clock)[0])  # noqa: B023 - called at once
        if not isinstance(pair.peer, float) and peer_first <= budget_s:
            peers.append(take_time(lambda: pair.peer(turn + 1))[0])  # type: ignore[operator] # noqa: B023
    ours_s = median(ours) * pair.ours_scale
    peer_s = median(peers or [peer_first]) * pair.peer_scale
    floor = None if pair.floor_s is None else pair.floor_s()
    return Measure(
        name=case.name,
        size=case.size,
        peer=case.peer,
        ours_s=ours_s,
        peer_s=peer_s,
        ratio=round(peer_s / ours_s, 2) if ours_s > 0 else math.inf,
        goal=case.goal,
        mismatches=agreement.mismatches,
        compared=agreement.compared,
        peer_wrong=agreement.peer_wrong,
        rule=agreement.rule,
        turns=len(ours),
        ours_mb=ours_watch.extra_mb,
        peer_mb=peer_mb,
        floor_s=floor,
        timed=pair.timed,
        held=held,
    )


def _ask_peer(pair: Pair) -> tuple[float, Any, float | None]:
    """Return the seconds of the peer's first turn, its answer and its memory; a budget has only seconds."""
    if isinstance(pair.peer, float):
        return pair.peer, None, None
    peer = pair.peer
    with Watch() as watch:
        seconds, answer = take_time(lambda: peer(0))
    return seconds, answer, watch.extra_mb
