"""Progress of long work: a bar on a terminal, plain lines otherwise; always on standard error."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.cli.context import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_EVERY_S = 5.0
SLOW_S = 2.0
"""Seconds of silence after which somebody wonders whether anything happens."""


@contextmanager
def show_progress(title: str) -> Iterator[Callable[[float, str], None]]:
    """Lend a function that is told the share done and what is being done.

    Parameters
    ----------
    title
        What the work is called.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(title), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda share, message: bar.update(task, completed=share, description=message)
        return
    last_s = -LINE_EVERY_S

    def tell(share: float, message: str) -> None:
        nonlocal last_s
        now = time.monotonic()
        if now - last_s >= LINE_EVERY_S:
            say(f"{title}: {share:.0%} {message}")
            last_s = now

    yield tell


@contextmanager
def tell_if_slow(text: str, *, after_s: float = SLOW_S) -> Iterator[None]:
    """Say a line where the work inside takes longer than that: what is ready at once needs none.

    Parameters
    ----------
    text
        What is being waited for.
    after_s
        Seconds of silence.
    """
    timer = threading.Timer(after_s, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def show_rows(title: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Lend a function that is told rows done, rows in all (None while unknown) and what is being done."""
    began_s = last_s = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)

            def draw(done: int, total: int | None, doing: str) -> None:
                rate = done / max(time.monotonic() - began_s, 1e-3)
                bar.update(task, completed=done, total=total, description=f"{doing}, {rate:,.0f} rows/s")

            yield draw
        return

    def tell(done: int, total: int | None, doing: str) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= LINE_EVERY_S:
            share = f" of {total:,}" if total else ""
            say(f"{title}: {done:,}{share} rows, {doing}, {done / max(now_s - began_s, 1e-3):,.0f} rows/s")
            last_s = now_s

    yield tell
