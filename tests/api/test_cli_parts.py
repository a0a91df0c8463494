"""``onemap gaps run`` in parts and on Dask, as an analyst orders it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from api.cli import context, main
from layers.parts import dask as run_dask
from layers.settings import Settings
from tests.api.test_cli_gaps import run, town
from tests.layers.test_run_folder import draw

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_folder_of_files_needs_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path, 3)
    monkeypatch.setattr(context, "read_settings", lambda: Settings(home=tmp_path / "home"))
    words = ["gaps", "run", "--from", str(tmp_path), "--type", "MED_CHS", "--minutes", "2", "--parts", "2"]
    assert main.run(words) == 2
    assert "--out" in capsys.readouterr().err
    assert main.run([*words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Run of {tmp_path}, written to {tmp_path / 'out'}: 150 buildings")
    assert main.run([*words, "--out", str(tmp_path / "out"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["out"]) == (None, str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"buildings.parquet", "run.json"}
