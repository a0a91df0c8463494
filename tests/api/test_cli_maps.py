"""``onemap circle`` says who and what is inside, as text, as JSON and as a file."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from api.cli import context, progress
from api.cli.maps import circle_command, map_command
from api.cli.progress import tell_if_slow
from geo.errors import NotFound, NotReady, RequestError
from layers import tables
from tests import seed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db


@pytest.fixture(scope="module")
def place(db: Db) -> seed.Seed:
    """Return a seeded place that can be walked."""
    with db.owner.begin() as conn:
        conn.execute(tables.setting.insert().values(key="metric_crs", value="EPSG:4548"))
        return seed.seed_place(conn)


@pytest.fixture(autouse=True)
def own_settings(db: Db, place: seed.Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands work on the module's database."""
    monkeypatch.setattr(context, "read_settings", lambda: db.settings)
    monkeypatch.setattr(context, "prepare_database", lambda _settings: None)


def call(*arguments: Any) -> Any:
    """Return what `onemap circle` did."""
    return CliRunner().invoke(circle_command, [str(argument) for argument in arguments])


def test_the_text_tells_people_dwellings_and_facilities() -> None:
    done = call(seed.LON + 3.5 * seed.STEP, seed.LAT, "--minutes", "1,15")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "1 min: 20 people and 8 dwellings in 2 buildings"
    assert "15 min: 50 people and 20 dwellings in 5 buildings" in lines
    assert "  EDU_KINDER: 1, capacity 90" in lines


def test_json_and_file_hold_the_outlines(tmp_path: Path) -> None:
    out = tmp_path / "circle.geojson"
    done = call(seed.LON, seed.LAT, "--json", "--out", out)
    assert done.exit_code == 0, done.output
    printed, saved = json.loads(done.stdout), json.loads(out.read_text(encoding="utf-8"))
    assert printed == saved
    (feature,) = saved["features"]
    assert feature["geometry"]["type"] in {"Polygon", "MultiPolygon"}
    assert feature["properties"]["minutes"] == 15


def test_a_slow_start_is_told_beside_the_result_and_a_quick_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    told = threading.Event()

    def tell(text: str) -> None:
        context.say(text)
        told.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "say", tell)
        with tell_if_slow("Preparing.", after_s=0.01):
            assert told.wait(30)
        told.clear()
        with tell_if_slow("Preparing.", after_s=3600):
            pass
    assert not told.is_set()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Preparing.\n")


@pytest.mark.parametrize(
    ("arguments", "kind", "parameter"),
    [
        ((seed.LON, seed.LAT, "--minutes", "0"), RequestError, "minutes"),
        ((seed.LON, seed.LAT, "--minutes", "soon"), RequestError, "minutes"),
        ((seed.LON, seed.LAT, "--profile", "flying"), NotFound, "profile"),
        ((seed.LON, seed.LAT, "--width", "3"), RequestError, "width"),
        ((-70.5, -33.1), RequestError, "lon"),
        ((200, 0), RequestError, "lon"),
        ((seed.LON, seed.LAT, "--out", "circle.kml"), RequestError, "--out"),
    ],
)
def test_bad_input_is_told_by_name(arguments: tuple[Any, ...], kind: type[Exception], parameter: str) -> None:
    done = call(*arguments)
    assert isinstance(done.exception, kind)
    assert getattr(done.exception, "parameter", None) == parameter


def test_no_number_is_refused_by_the_command_line() -> None:
    assert call("east", "north").exit_code == 2


def test_without_a_run_there_is_no_page(tmp_path: Path) -> None:
    done = CliRunner().invoke(map_command, [str(tmp_path / "map.html")])
    assert isinstance(done.exception, NotReady)
    assert not list(tmp_path.iterdir())
