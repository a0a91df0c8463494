"""``onemap gaps run`` in parts and on Dask, as an analyst orders it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from layers import run_dask
from tests.api.test_cli_gaps import run, town

if TYPE_CHECKING:
    from tests.api.test_cli_gaps import Run

__all__ = ["run", "town"]


@pytest.mark.usefixtures("town")
def test_a_run_in_parts_is_a_run(run: Run) -> None:
    code, out, _ = run("gaps", "run", "--type", "MED_CHS", "--parts", 3, "--json")
    assert code == 0
    assert json.loads(out)["counts"]["buildings"] >= 2
    code, out, _ = run("gaps", "replay", "latest")
    assert code == 0
    assert "the same result" in out


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--parts", 0), 2, "expected 1 to"),
        (("--dask", "next-door"), 2, "expected local"),
        (("--dask", "tcp://127.0.0.1:1"), 4, "did not answer"),
        (("--dask", "tcp://127.0.0.1"), 4, "did not answer"),
    ],
)
def test_what_goes_wrong_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, message: str
) -> None:
    monkeypatch.setattr(run_dask, "CONNECT_TIMEOUT_S", 0.5)
    found, _, err = run("gaps", "run", "--type", "MED_CHS", *words)
    assert (found, message in err) == (code, True), err
