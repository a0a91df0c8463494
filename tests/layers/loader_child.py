"""A loader in a process of its own that stops at a named point, to be killed, interrupted or cut off there.

Usage: python -m tests.layers.loader_child POINT WORDS...   (WORDS: the command line of onemap)

At the point it writes ``AT`` and waits for a line on standard input.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from api.cli import main
from layers import load, store
from layers.loading import direct, publishing, staging

if TYPE_CHECKING:
    from collections.abc import Callable

# point -> where the function lives, its name, whether to stop before it or after it
POINTS: dict[str, tuple[Any, str, bool]] = {
    "first batch copied": (staging.Stage, "write", True),
    "before hashing": (staging.Stage, "seal", False),
    "locks held": (publishing, "lock_layers", True),
    "load recorded": (store, "_save_load", True),
    "rows merged": (store, "_merge", True),
    "version raised": (store, "raise_version", True),
    "residents written": (publishing, "spread_population", True),
    "committed": (load, "make_report", False),
}
# the same for a load into an empty layer
DIRECT_POINTS: dict[str, tuple[Any, str, bool]] = {
    "place of index taken": (direct, "stage_batches", False),
    "first batch in the layer": (direct.DirectStage, "write", True),
    "index built": (direct.DirectStage, "set_ready", True),
    "copied rows published": (direct, "publish_copied", True),
    "residents of copied rows": (publishing, "spread_population", True),
}


def stop_at(point: str) -> None:
    """Have the loader stop at a point, the first time it gets there."""
    holder, name, is_after = (POINTS | DIRECT_POINTS)[point]
    original = getattr(holder, name)
    setattr(holder, name, _wrap(original, is_after=is_after))


def _wrap(original: Callable[..., Any], *, is_after: bool) -> Callable[..., Any]:
    waited = False

    def wait() -> None:
        nonlocal waited
        if not waited:
            waited = True
            sys.stdout.write("AT\n")
            sys.stdout.flush()
            sys.stdin.readline()

    def call(*args: Any, **kwargs: Any) -> Any:
        if not is_after:
            wait()
        result = original(*args, **kwargs)
        if is_after:
            wait()
        return result

    return call


if __name__ == "__main__":
    # a shell that starts the tests in the background has them ignore Ctrl-C, and us with them
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.argv[1] != "-":
        stop_at(sys.argv[1])
    sys.exit(main.run(sys.argv[2:]))
