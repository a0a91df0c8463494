"""``onemap scenario`` as a planner uses it: try, keep, add, undo, redo, rebase, export, delete, and what goes wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.api.test_cli_gaps import run, town
from tests.gridcity import ORIGIN
from tests.gridstore import BACK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.test_cli_gaps import Run

__all__ = ["run", "town"]

CLINIC = "MED_CHS"
LON, LAT = BACK.transform(ORIGIN[0] + 450, ORIGIN[1])
ADD = ("--add", CLINIC, f"{LON:.7f}", f"{LAT:.7f}")


@pytest.mark.usefixtures("town")
def test_a_scenario_from_first_try_to_its_end(run: Run, tmp_path: Path) -> None:
    assert run("gaps", "run", "--type", CLINIC, "--at", "2026-11-23 23:00")[0] == 0
    code, out, _ = run("scenario", "new", *ADD, "--dry", "--json")
    assert code == 0
    (change,) = json.loads(out)["types"]
    assert (change["people_gained"], change["people_lost"]) == (300, 0)
    assert json.loads(run("scenario", "list", "--json")[1]) == []
    # kept; the run looks at a moment, which is said
    code, out, _ = run("scenario", "new", *ADD, "--name", "诊所")
    assert code == 0
    assert "“诊所” on run 1 (at 2026-11-23 23:00: what is added counts as open): 1 edits in 1 batches" in out
    assert "+300 people covered" in out
    (known,) = json.loads(run("scenario", "list", "--json")[1])
    number = known["id"]
    code, out, _ = run("scenario", "add", number, "--close", "-1", "--json")
    assert (code, json.loads(out)["difference"]["types"], json.loads(out)["batches"]) == (0, [], 2)
    code, out, _ = run("scenario", "undo", number, "--json")
    assert (code, json.loads(out)["people_gained"], json.loads(out)["undone"]) == (0, 300, 1)
    code, out, _ = run("scenario", "redo", number)
    assert (code, "Nothing changes." in out) == (0, True)
    assert run("scenario", "undo", number)[0] == 0
    # on a run of all hours
    assert run("gaps", "run", "--type", CLINIC)[0] == 0
    code, out, _ = run("scenario", "rebase", number)
    assert (code, "on run 2: 1 edits" in out) == (0, True)
    assert json.loads(run("scenario", "show", number, "--json")[1])["at"] is None
    file = tmp_path / "areas.csv"
    code, out, _ = run("scenario", "export", number, "--what", "areas", "--out", file)
    assert (code, out) == (0, f"Wrote 1 rows to {file}.\n")
    assert run("scenario", "delete", number)[0] == 0
    assert "No scenarios yet" in run("scenario", "list")[2]


@pytest.mark.usefixtures("town")
def test_what_goes_wrong_is_named(run: Run, tmp_path: Path) -> None:
    code, _, err = run("scenario", "new", *ADD)
    assert (code, "nothing has been run yet" in err) == (4, True)
    assert run("gaps", "run", "--type", CLINIC)[0] == 0
    file = tmp_path / "edits.json"
    file.write_text("not json")
    for words, wanted in (
        (("new",), "edits"),
        (("new", file), "no JSON"),
        (("new", "--close", "999999"), "no facility 999999"),
        (("new", "--add", "NO_SUCH", "114", "30"), "no facility type"),
        (("new", *ADD, "--run", "no-such"), "no-such"),
        (("show", 7), "scenario 7"),
        (("undo", 7), "scenario 7"),
    ):
        code, _, err = run("scenario", *words)
        assert code in {2, 3}, (words, code, err)
        assert wanted in err, (words, err)
