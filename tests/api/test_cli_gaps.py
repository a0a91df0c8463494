"""``onemap gaps`` as an analyst meets it: run, list, show, export, replay, and what goes wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import pytest

from api.cli import context, main
from tests.gridcity import GridCity, box, point
from tests.gridstore import raise_version, save_area, save_grid, save_home, save_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layers.settings import Settings
    from tests.conftest import Db

    Run = Callable[..., tuple[int, str, str]]

BUILDING_COLUMNS = [
    "building_id", "source_id", "lon", "lat", "area_code", "people", "type", "profile", "limit_s", "reach_s",
    "radius_m", "facility_id", "facility_source_id", "status",
]  # fmt: skip
AREA_COLUMNS = [
    "area_code", "level", "name", "type", "profile", "demand_group", "people", "covered", "gap", "unknown",
    "share_covered", "required", "present", "balance", "accessibility",
]  # fmt: skip


@pytest.fixture
def run(fresh_db: Db, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command line on an empty database."""

    def read_settings() -> Settings:
        return fresh_db.settings

    monkeypatch.setattr(context, "read_settings", read_settings)
    monkeypatch.setattr(context, "prepare_database", lambda _settings: None)

    def call(*words: Any) -> tuple[int, str, str]:
        code = main.run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def town(fresh_db: Db) -> None:
    """Store three homes, a clinic and an area."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity.grid(5, 1))
        save_area(connection, box(-50, -50, 550, 150), "42", level="district", parent=None, depth=0)
        save_home(connection, point(50, 0), source_id="near", people=100)
        save_home(connection, point(500, 0), source_id="far", people=300)
        save_home(connection, point(200, 800), source_id="away", people=50)
        save_site(connection, point(0, 0), "MED_CHS", source_id="clinic", name="=1+1")
        raise_version(connection, "population")


@pytest.mark.usefixtures("town")
def test_a_run_is_told_listed_shown_and_replayed(run: Run) -> None:
    code, out, _ = run("gaps", "run", "--type", "MED_CHS", "--name", "first")
    assert code == 0
    assert "3 buildings (2 linked), 450 people, 1 types" in out
    code, out, _ = run("gaps", "run", "--type", "MED_CHS", "--json")
    summary = json.loads(out)
    total = summary["totals"][0]
    assert (total["covered"], total["gap"], total["unknown"]) == (100, 300, 50)
    _, out, _ = run("gaps", "list", "--json")
    listed = json.loads(out)
    assert [row["name"] for row in listed] == [None, "first"]
    assert listed[0]["id"] == summary["id"]
    for reference in ("first", listed[1]["id"]):
        code, out, _ = run("gaps", "show", reference, "--json")
        assert (code, json.loads(out)["id"]) == (0, listed[1]["id"])
    code, out, _ = run("gaps", "replay")
    assert (code, out) == (0, f"Run {summary['id']}: the same result\n")


@pytest.mark.usefixtures("town")
def test_replay_names_what_changed(run: Run, fresh_db: Db) -> None:
    run("gaps", "run", "--type", "MED_CHS")
    with fresh_db.writer.begin() as connection:
        save_site(connection, point(500, 0), "MED_CHS")
    code, out, _ = run("gaps", "replay", "--json")
    answer = json.loads(out)
    assert (code, answer["is_same"]) == (2, False)
    assert list(answer["changes"]) == ["layer facilities"]


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize("ending", ["parquet", "csv", "xlsx", "geojson", "gpkg"])
def test_exports_hold_the_promised_columns(run: Run, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"table.{ending}"
    run("gaps", "run", "--type", "MED_CHS", "--out", out)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        "parquet": pd.read_parquet,
        "csv": pd.read_csv,
        "xlsx": pd.read_excel,
        "geojson": gpd.read_file,
        "gpkg": gpd.read_file,
    }
    table = readers[ending](out)
    wanted = [*BUILDING_COLUMNS, "geometry"] if ending in {"geojson", "gpkg"} else BUILDING_COLUMNS
    assert [name for name in table.columns if name != "fid"] == wanted
    rows = table.set_index("source_id")
    assert rows["status"].to_dict() == {"near": "covered", "far": "gap", "away": "unknown"}
    assert rows.loc["near", "reach_s"] == pytest.approx(50 / 1.11, abs=0.002)
    assert pd.isna(rows.loc["away", "reach_s"])
    assert rows.loc["near", "facility_source_id"] == "clinic"


@pytest.mark.usefixtures("town")
def test_areas_facilities_and_circles_can_be_exported(run: Run, tmp_path: Path) -> None:
    run("gaps", "run", "--type", "MED_CHS")
    for what in ("areas", "facilities", "circles"):
        code, out, _ = run("gaps", "export", "--what", what, "--out", tmp_path / f"{what}.parquet")
        assert code == 0, out
    areas = pd.read_parquet(tmp_path / "areas.parquet")
    assert list(areas.columns) == AREA_COLUMNS
    assert areas["people"].tolist() == [400, 50]
    circles = pd.read_parquet(tmp_path / "circles.parquet")
    assert circles[["buildings", "people", "limit_s"]].to_numpy().tolist() == [[1, 100, 300]]
    run("gaps", "export", "--what", "circles", "--out", tmp_path / "circles.geojson")
    drawn = gpd.read_file(tmp_path / "circles.geojson")
    assert drawn.geometry.is_valid.all()
    assert drawn.geometry.geom_type.tolist() == ["Polygon"]


@pytest.mark.usefixtures("town")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("gaps", "run", "--type", "NOPE"), 2, "NOPE"),
        (("gaps", "run", "--type", "MED_EMS"), 2, "cannot be judged"),
        (("gaps", "run", "--profile", "bird"), 2, "bird"),
        (("gaps", "run", "--area", "7"), 2, "no area 7"),
        (("gaps", "run", "--minutes", "0"), 2, "above 0"),
        (("gaps", "run", "--minutes", "nan"), 2, "above 0"),
        (("gaps", "run", "--minutes", "x"), 2, "x"),
        (("gaps", "run", "--out", "run.doc"), 2, ".doc"),
        (("gaps", "show"), 4, "gaps run"),
        (("gaps", "show", "77"), 2, "77"),
        (("gaps", "export", "--out", "a.csv"), 4, "gaps run"),
        (("gaps", "export", "--what", "dreams", "--out", "a.csv"), 2, "dreams"),
        (("gaps", "export"), 2, "--out"),
        (("gaps", "replay", "nobody"), 2, "nobody"),
        (("gaps", "dance"), 2, "dance"),
    ],
)
def test_what_goes_wrong_is_told(run: Run, words: tuple[str, ...], code: int, message: str) -> None:
    found, out, err = run(*words)
    assert found == code
    assert message in out + err
    assert "Traceback" not in err


def test_before_anything_is_loaded_the_next_command_is_named(run: Run) -> None:
    code, _, err = run("gaps", "run")
    assert code == 4
    assert "onemap load streets" in err
    code, out, err = run("gaps", "list")
    assert (code, out) == (0, "")
    assert "gaps run" in err
