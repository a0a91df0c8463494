"""``onemap load``, ``layers`` and ``quarantine`` as somebody with a file meets them."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api.cli import main
from tests.layers.test_load import houses, line, point, square, write

if TYPE_CHECKING:
    from tests.conftest import Db


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, fresh_db: Db, tmp_path: Path) -> Db:
    """Point the environment at an empty database and stand in a folder of its own."""
    for key in [key for key in os.environ if key.startswith(("ONEMAP_", "DATABASE_URL"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("ONEMAP_HOME", str(fresh_db.settings.home))
    if not fresh_db.settings.is_private:
        monkeypatch.setenv("DATABASE_URL", fresh_db.settings.database_url or "")
    monkeypatch.setenv("ONEMAP_DATABASE", fresh_db.settings.database)
    monkeypatch.chdir(tmp_path)
    return fresh_db


Run = Any


@pytest.fixture
def run(environment: Db, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command line and gives exit code, output and messages."""

    def call(*words: str) -> tuple[int, str, str]:
        code = main.run(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_load_prints_columns_rows_and_version(run: Run) -> None:
    houses(Path("b.geojson"), people=3)
    code, out, _ = run("load", "buildings", "b.geojson")
    assert code == 0
    assert "source_id ← source_id" in out
    assert "5 rows read: 5 new, 0 changed, 0 unchanged, 0 quarantined" in out
    assert "version 1, 5 rows live" in out
    assert "15 people are on buildings (given 15)" in out
    code, out, _ = run("load", "buildings", "b.geojson")
    assert code == 0
    assert "nothing changed; version 1 stands" in out


def test_results_for_machines(run: Run) -> None:
    houses(Path("b.geojson"))
    code, out, _ = run("load", "buildings", "b.geojson", "--json")
    report = json.loads(out)[0]
    assert code == 0
    assert (report["layer"], report["rows_inserted"], report["version"], report["changed"]) == ("buildings", 5, 1, True)
    code, out, _ = run("layers", "--json")
    layer = json.loads(out)[0]
    assert (layer["layer"], layer["rows"], layer["version"], layer["datum"]) == ("buildings", 5, 1, "wgs84")


def test_several_files_at_once(run: Run) -> None:
    write(Path("a.geojson"), (line((114, 30), (114.1, 30)), {"source_id": "a"}))
    write(Path("b.geojson"), (line((114, 31), (114.1, 31)), {"source_id": "b"}))
    code, out, _ = run("load", "streets", "a.geojson", "b.geojson", "--json")
    assert code == 0
    assert [report["version"] for report in json.loads(out)] == [1, 2]


def test_the_quarantine_is_listed_and_saved(run: Run) -> None:
    Path("b.csv").write_text("source_id,lon,lat,name\nA,114,30,x\n=cmd(),200,30,\n")
    code, out, err = run("load", "buildings", "b.csv", "--datum", "wgs84")
    assert code == 0
    assert "quarantined: coordinate-out-of-range 1" in out
    assert "onemap quarantine buildings" in err
    code, out, _ = run("quarantine", "buildings")
    assert "b.csv:3" in out
    assert "coordinate-out-of-range" in out
    code, _, _ = run("quarantine", "buildings", "--out", "bad.csv")
    with Path("bad.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1
    assert rows[0]["source_id"].startswith("'=")
    assert rows[0]["raw"].endswith("=cmd(),200,30,")


def test_corrected_rows_leave_the_quarantine(run: Run) -> None:
    Path("b.csv").write_text("source_id,lon,lat\nA,200,30\n")
    code, _, err = run("load", "buildings", "b.csv", "--datum", "wgs84")
    assert code == 2
    assert "No row of b.csv could be kept" in err
    Path("b.csv").write_text("source_id,lon,lat\nA,114,30\n")
    run("load", "buildings", "b.csv", "--datum", "wgs84")
    _, _, err = run("quarantine", "buildings")
    assert "No row of buildings is in quarantine" in err
    _, out, _ = run("quarantine", "buildings", "--all-loads", "--json")
    assert len(json.loads(out)) == 1


def test_layers_of_an_empty_store_say_what_to_do(run: Run) -> None:
    code, out, err = run("layers")
    assert (code, out) == (0, "")
    assert "onemap load" in err


def test_layers_are_listed_in_columns(run: Run) -> None:
    houses(Path("b.geojson"))
    run("load", "buildings", "b.geojson")
    write(Path("r.geojson"), (point(114, 30), {"id": 1}))
    run("load", "reference", "spots", "r.geojson")
    _, out, _ = run("layers")
    lines = out.splitlines()
    assert lines[0].split() == ["layer", "rows", "quarantined", "version", "extent", "source", "datum", "age"]
    assert [row.split()[0] for row in lines[1:]] == ["buildings", "spots"]


def test_a_constant_and_a_mapping(run: Run) -> None:
    write(Path("f.geojson"), (point(114, 30), {"nr": 1, "label": "x"}))
    words = ("--map", "nr=source_id", "--map", "label=name", "--set", "type=EDU_PRIMARY")
    code, out, _ = run("load", "facilities", "f.geojson", *words)
    assert code == 0
    assert "type ← (set)" in out


def test_a_join_by_command(run: Run) -> None:
    Path("tax.csv").write_text("key,Units\n1,2\n1,3\n")
    write(Path("p.geojson"), (square(114, 30), {"ML": "1"}))
    words = ("--join", "tax.csv", "--join-on", "ML=key", "--map", "ML=source_id", "--map", "Units=dwellings")
    code, out, _ = run("load", "buildings", "p.geojson", *words)
    assert code == 0
    assert "tax.csv: 1 of 1 rows found a record" in out


def test_the_metric_grid_is_shown_and_changed_by_command_only(run: Run) -> None:
    code, _, err = run("db", "metric-crs")
    assert code == 4
    assert "onemap load streets" in err
    write(Path("s.geojson"), (line((114.3, 30), (114.4, 30)), {"source_id": "a"}))
    houses(Path("b.geojson"), people=3)
    run("load", "streets", "s.geojson")
    run("load", "buildings", "b.geojson")
    assert run("db", "metric-crs")[1].strip() == "EPSG:4547"
    code, out, err = run("db", "metric-crs", "EPSG:32650")
    assert (code, out.strip()) == (0, "EPSG:32650")
    _, out, _ = run("layers", "--json")
    assert {layer["layer"]: layer["version"] for layer in json.loads(out)} == {
        "buildings": 2,
        "population": 1,
        "streets": 2,
    }
    write(Path("t.geojson"), (line((87.3, 30), (87.4, 30)), {"source_id": "b"}))
    run("load", "streets", "t.geojson", "--source", "far")
    assert run("db", "metric-crs")[1].strip() == "EPSG:32650"
    assert "already" in run("db", "metric-crs", "epsg:32650")[2]
    for bad in ("EPSG:3857", "EPSG:4326", "somewhere", "EPSG:999999"):
        code, _, err = run("db", "metric-crs", bad)
        assert code == 2, err
        assert "metric grid" in err


def test_text_of_a_file_does_not_steer_the_terminal(run: Run) -> None:
    Path("b.csv").write_text("source_id,lon,lat,na\x1bme\nA,114,30,x\nB\x1b]0;owned\x07,200,30,\x9b31m\u202e\n")
    code, out, err = run("load", "buildings", "b.csv", "--datum", "wgs84", "--map", "na\x1bme=name")
    assert code == 0, err
    assert "name ← na\\x1bme" in out
    shown = out + err + "".join(run("quarantine", "buildings")[1:]) + "".join(run("layers")[1:])
    assert "\\x1b]0;owned\\x07" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    code, _, err = run("load", "buildings", "b.csv", "--datum", "wgs84", "--map", "no\x1bne=name")
    assert code == 2
    assert "\x1b" not in err
    code, _, err = run("load", "buildings", "b.csv", "--source", "a\x1bb")
    assert (code, "--source NAME" in err, "\x1b" in err) == (2, True, False)


def test_facilities_that_fit_several_types_are_listed_and_decided(run: Run) -> None:
    Path("f.csv").write_text("source_id,lon,lat,name\nA,114,30,阳光学校\nB,114,30.1,阳光幼儿园\n")
    _, out, _ = run("load", "facilities", "f.csv", "--datum", "wgs84", "--source", "survey")
    assert "`onemap layers --uncertain` lists them" in out
    code, out, err = run("layers", "--uncertain")
    assert code == 0
    assert out.splitlines()[1].split()[:3] == ["survey", "A", "阳光学校"]
    assert "--set type=CODE" in err
    (one,) = json.loads(run("layers", "--uncertain", "--json")[1])
    assert (one["source"], one["source_id"], one["name"]) == ("survey", "A", "阳光学校")
    assert {"EDU_PRIMARY", "EDU_JUNIOR"} <= set(one["candidates"])
    words = ("--datum", "wgs84", "--source", "survey", "--set", "type=EDU_PRIMARY")
    Path("schools.csv").write_text("source_id,lon,lat,name\nA,114,30,阳光学校\n")
    assert run("load", "facilities", "schools.csv", *words)[0] == 0
    code, out, err = run("layers", "--uncertain")
    assert (code, out) == (0, "")
    assert "No facility waits" in err


BAD: list[tuple[tuple[str, ...], str]] = [
    (("load", "buildings", "absent.geojson"), "absent.geojson"),
    (("load", "roads", "b.geojson"), "core layers"),
    (("load", "reference", "spots"), "its name and one file"),
    (("load", "reference", "Spots", "b.geojson"), "reference layer"),
    (("load", "buildings", "b.geojson", "--map", "x"), "THEIRS=OURS"),
    (("load", "buildings", "b.geojson", "--map", "x=name"), "no column 'x'"),
    (("load", "buildings", "b.geojson", "--map", "use=colour"), "no column 'colour'"),
    (("load", "buildings", "b.geojson", "--set", "colour=red"), "colour"),
    (("load", "buildings", "b.geojson", "--join", "t.csv"), "1 --join and 0 --join-on"),
    (("load", "buildings", "b.geojson", "--datum", "xian80"), "Xian 1980"),
    (("load", "buildings", "b.geojson", "--datum", "EPSG:2349"), "EPSG:2349"),
    (("load", "buildings", "b.geojson", "--bbox", "1,2,3,4"), "OpenStreetMap"),
    (("load", "osm", "b.geojson"), "OpenStreetMap"),
    (("load", "osm", "b.osm.pbf", "--bbox", "1,2,3"), "four numbers"),
    (("quarantine", "roads"), "no such layer"),
]


@pytest.mark.parametrize(("words", "said"), BAD)
def test_bad_input_is_explained_and_changes_nothing(run: Run, words: tuple[str, ...], said: str) -> None:
    houses(Path("b.geojson"))
    code, _, err = run(*words)
    assert code == 2, err
    assert said in err
    _, out, _ = run("layers", "--json")
    assert json.loads(out) == []


def test_help_teaches_with_examples(run: Run) -> None:
    for words in (("load",), ("layers",), ("quarantine",)):
        code, out, _ = run(*words, "--help")
        assert code == 0
        assert "onemap " in out.split("Examples:")[1]
