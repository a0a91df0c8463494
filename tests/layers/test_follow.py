"""Runs that follow: after every kind of load the stored figures are those of a fresh full run, to the last bit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from sqlalchemy import select, update

from geo.errors import NotFound, NotReady
from layers import tables
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.query.results import build_run_facilities
from layers.query.runs import fetch_run
from layers.run import compute_run, run_gaps
from layers.runs.follow import FollowReport, find_behind, follow_run, set_following
from layers.runs.load import load_figures
from layers.runs.result import GapRequest
from layers.runs.store import save_run
from layers.study import load_study
from tests.gridcity import box, line, point
from tests.layers.scenario_town import lonlat, read_areas, read_buildings

if TYPE_CHECKING:
    from pathlib import Path

    from layers.settings import Settings
    from tests.conftest import Db

CLINIC, KINDER = "MED_CHS", "EDU_KINDER"  # 5 minutes both: whoever walks 10 is touched
REQUEST = GapRequest(types=(CLINIC, KINDER), profiles=("adult", "wheelchair"))
BLOCKS = 60
Feature = tuple[shapely.Geometry, dict[str, Any]]


class LoadedTown:
    """A street town 6 km long and 300 m wide, kept as the files it is loaded from."""

    def __init__(self, db: Db, settings: Settings, folder: Path) -> None:
        self.db = db
        self.settings = settings
        self.folder = folder
        self.request = REQUEST
        rng = np.random.default_rng(5)
        self.streets = self._make_streets()
        wall = box(2_110, 110, 2_190, 190)
        self.compounds: dict[str, Feature] = {"estate": (shapely.MultiPolygon([wall]), {"name": "estate"})}
        self.gates: dict[str, Feature] = {
            name: (point(2_150, y), {"compound_id": "estate", "opens_to": "residents"})
            for name, y in (("south", 110), ("north", 190))
        }
        self.buildings: dict[str, Feature] = {
            f"b{n}": (
                self._make_home(rng, n),
                {"people": int(rng.integers(1, 300)), "dwellings": int(rng.integers(1, 50))},
            )
            for n in range(220)
        }
        self.buildings["inside"] = (point(2_160, 150), {"people": 400, "dwellings": 150})
        self.facilities: dict[str, Feature] = {
            f"f{n}": (
                point(rng.uniform(0, 6_000), rng.uniform(0, 300)),
                {"type": (CLINIC, KINDER)[n % 2], "capacity": 9},
            )
            for n in range(14)
        }
        self.facilities["site"] = (box(4_010, 110, 4_090, 190), {"type": KINDER})
        self.areas: dict[str, Feature] = {
            "42": (shapely.MultiPolygon([box(-100, -100, 6_100, 400)]), {"code": "42", "level": "district"}),
            "4201": (
                shapely.MultiPolygon([box(-100, -100, 2_500, 400)]),
                {"code": "4201", "level": "community", "parent_code": "42"},
            ),
        }
        for layer in ("streets", "compounds", "gates", "areas", "buildings", "facilities"):
            self.load(layer)

    @staticmethod
    def _make_streets() -> dict[str, Feature]:
        lines = [((x, y), (x + 100, y)) for y in range(0, 400, 100) for x in range(0, BLOCKS * 100, 100)]
        lines += [((x, y), (x, y + 100)) for x in range(0, BLOCKS * 100 + 1, 100) for y in range(0, 300, 100)]
        found: dict[str, Feature] = {
            f"{a[0]} {a[1]} {b[0]} {b[1]}": (line(a, b), {"highway": "residential"}) for a, b in lines
        }
        found["inner"] = (line((2_150, 110), (2_150, 190)), {"highway": "service", "access": "private"})
        return found

    @staticmethod
    def _make_home(rng: np.random.Generator, number: int) -> shapely.Geometry:
        x, y = rng.uniform(0, BLOCKS * 100), rng.uniform(0, 300)
        return point(x, y) if number % 3 else box(x, y, x + 15, y + 10)

    def load(self, layer: str, *, replace_all: bool = False, only: tuple[str, ...] = ()) -> None:
        """Load a layer from a file, all rows of it or some."""
        rows: dict[str, Feature] = getattr(self, layer)
        features = [
            {"type": "Feature", "geometry": lonlat(shape), "properties": {"source_id": key, **values}}
            for key, (shape, values) in rows.items()
            if not only or key in only
        ]
        file = self.folder / f"{layer}.geojson"
        file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        options = LoadOptions(mode="replace" if replace_all else "update")
        load_layer(self.db.owner, layer, file, options)

    def check(self, run_id: int) -> FollowReport:
        """Bring the run up to date and compare everything that is stored with a fresh full run."""
        report = follow_run(self.db.writer, self.settings, str(run_id), check=True)
        assert report.is_same is True
        with self.db.writer.begin() as connection:
            study = load_study(connection, self.settings)
            fresh = save_run(connection, compute_run(connection, study, self.request), self.request, duration_s=1.0).id
        with self.db.reader.connect() as connection:
            assert read_areas(connection, run_id) == read_areas(connection, fresh)
            assert read_buildings(connection, run_id) == read_buildings(connection, fresh)
            served = [connection.execute(build_run_facilities(one)).all() for one in (run_id, fresh)]
            assert served[0] == served[1]
            mine, other = (load_figures(connection, one) for one in (run_id, fresh))
            for name in ("building_id", "is_linked", "reach_ms", "facility_id", "radius_mm", "people"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)
            rows = [fetch_run(connection, str(one)) for one in (run_id, fresh)]
        for name in ("versions", "counts", "engine", "metric_crs", "result_sha256", "pack_version"):
            assert getattr(rows[0], name) == getattr(rows[1], name), name
        return report


@pytest.fixture
def town(fresh_db: Db, tmp_path: Path) -> LoadedTown:
    """Return a town loaded from files."""
    return LoadedTown(fresh_db, replace(fresh_db.settings, home=tmp_path), tmp_path)


@pytest.fixture
def run_id(town: LoadedTown) -> int:
    """Return a run that follows."""
    found = run_gaps(town.db.writer, town.settings, REQUEST).id
    with town.db.writer.begin() as connection:
        set_following(connection, found, follows=True)
    return found


def find_behind_now(town: LoadedTown) -> list[int]:
    with town.db.reader.connect() as connection:
        return find_behind(connection)


def test_facilities_are_followed(town: LoadedTown, run_id: int) -> None:
    assert town.check(run_id).how == "current"
    # one moves
    town.facilities["f0"] = (point(600, 20), town.facilities["f0"][1])
    town.load("facilities", only=("f0",))
    assert find_behind_now(town) == [run_id]
    moved = town.check(run_id)
    assert (moved.how, moved.changed_layers) == ("touched", ("facilities",))
    assert 0 < moved.buildings_changed <= moved.buildings_computed < len(town.buildings)
    assert find_behind_now(town) == []
    # one opens, one changes its type, two close
    town.facilities["f99"] = (point(3_000, 310), {"type": CLINIC})
    town.facilities["f3"] = (town.facilities["f3"][0], {"type": CLINIC})
    closed = {key: town.facilities.pop(key) for key in ("f5", "f6")}
    town.load("facilities", replace_all=True)
    assert town.check(run_id).buildings_changed > 0
    # those that closed come back under their old numbers
    town.facilities |= closed
    town.load("facilities")
    assert town.check(run_id).buildings_changed > 0
    # a name is no reason to store anything anew
    town.facilities["f1"] = (town.facilities["f1"][0], {**town.facilities["f1"][1], "name": "other"})
    town.load("facilities")
    assert town.check(run_id).buildings_changed == 0


def test_buildings_and_residents_are_followed(town: LoadedTown, run_id: int) -> None:
    town.buildings["b1"] = (point(5_000, 150), {"people": 7, "dwellings": 3})
    town.buildings["b2"] = (town.buildings["b2"][0], {"people": 1_000, "dwellings": 3})
    town.buildings["new"] = (box(1_000, 210, 1_030, 230), {"people": 55, "dwellings": 20})
    town.buildings["far"] = (point(1_000, 2_000), {"people": 5})
    town.load("buildings")
    report = town.check(run_id)
    assert report.how == "touched"
    assert report.buildings_computed == 4
    for key in ("b3", "b4", "new"):
        del town.buildings[key]
    town.load("buildings", replace_all=True)
    report = town.check(run_id)
    assert (report.how, report.buildings_computed, report.buildings_changed) == ("touched", 0, 3)


def test_streets_gates_and_walls_are_followed(town: LoadedTown, run_id: int) -> None:
    key = "1000 100 1100 100"
    town.streets[key] = (town.streets[key][0], {"highway": "residential", "foot": "no"})
    town.load("streets", only=(key,))
    closed = town.check(run_id)
    assert (closed.how, closed.changed_layers) == ("touched", ("streets",))
    assert closed.buildings_computed < len(town.buildings)
    town.streets["short cut"] = (line((900, 0), (1_000, 100)), {"highway": "footway"})
    town.load("streets", only=("short cut",))
    assert town.check(run_id).buildings_changed > 0
    town.gates["south"] = (point(2_150, 110), {"compound_id": "estate", "opens_to": "all"})
    town.load("gates", only=("south",))
    assert town.check(run_id).how == "touched"
    del town.gates["north"]
    town.load("gates", replace_all=True)
    assert town.check(run_id).how == "touched"
    # without any gate the wall is open
    town.gates = {"other": (point(5_000, 0), {"compound_id": "none", "opens_to": "all"})}
    town.load("gates", replace_all=True)
    town.check(run_id)
    town.gates["south"] = (point(2_150, 110), {"compound_id": "estate", "opens_to": "residents"})
    town.load("gates", replace_all=True)
    town.check(run_id)
    town.compounds["estate"] = (shapely.MultiPolygon([box(2_110, 110, 2_195, 195)]), {})
    town.load("compounds", replace_all=True)
    town.check(run_id)
    # the streets around a large site: it is entered elsewhere
    for key in ("4000 100 4100 100", "4000 100 4000 200"):
        town.streets[key] = (town.streets[key][0], {"highway": "residential", "foot": "no"})
    town.load("streets")
    town.check(run_id)


def test_several_loads_are_followed_at_once(town: LoadedTown, run_id: int) -> None:
    town.facilities["f0"] = (point(600, 20), town.facilities["f0"][1])
    town.load("facilities", only=("f0",))
    town.facilities["f0"] = (point(700, 20), town.facilities["f0"][1])
    town.load("facilities", only=("f0",))
    town.streets["short cut"] = (line((900, 0), (1_000, 100)), {"highway": "footway"})
    town.load("streets", only=("short cut",))
    town.buildings["b1"] = (point(800, 150), {"people": 7, "dwellings": 3})
    town.load("buildings", only=("b1",))
    report = town.check(run_id)
    assert (report.how, report.changed_layers) == (
        "touched",
        ("buildings", "facilities", "population", "streets"),
    )


def test_what_the_log_cannot_tell_is_computed_in_full(town: LoadedTown, run_id: int) -> None:
    town.areas["4202"] = (
        shapely.MultiPolygon([box(2_500, -100, 6_100, 400)]),
        {"code": "4202", "level": "community", "parent_code": "42"},
    )
    town.load("areas")
    report = town.check(run_id)
    assert (report.how, report.reason) == ("full", "areas changed")
    # most of the streets at once
    town.streets = {key: (shape, {**values, "highway": "primary"}) for key, (shape, values) in town.streets.items()}
    town.load("streets")
    assert town.check(run_id).reason == "most buildings were touched"
    with town.db.writer.begin() as connection:
        row = tables.layer_version.c
        connection.execute(
            update(tables.layer_version).where(row.layer == "facilities").values(version=row.version + 1)
        )
    assert town.check(run_id).reason == "the change log does not tell every change of facilities"
    with town.db.writer.begin() as connection:
        connection.execute(update(tables.run).where(tables.run.c.id == run_id).values(code_version="0.0.1"))
    assert town.check(run_id).reason == "the release changed"


def test_a_run_that_shares_its_figures_leaves_the_other_alone(town: LoadedTown, run_id: int) -> None:
    twin = run_gaps(town.db.writer, town.settings, REQUEST).id
    with town.db.reader.connect() as connection:
        before = read_buildings(connection, twin), read_areas(connection, twin)
    town.facilities["f0"] = (point(600, 20), town.facilities["f0"][1])
    town.load("facilities", only=("f0",))
    town.check(run_id)
    with town.db.reader.connect() as connection:
        assert (read_buildings(connection, twin), read_areas(connection, twin)) == before
        shared = connection.execute(select(tables.run.c.result_id).where(tables.run.c.id.in_([run_id, twin]))).scalars()
        assert len(set(shared)) == 2


def test_bad_requests_name_what_is_wrong(town: LoadedTown, fresh_db: Db) -> None:
    with pytest.raises(NotReady, match="nothing has been run"):
        follow_run(fresh_db.writer, town.settings, "latest")
    run_gaps(fresh_db.writer, town.settings, REQUEST)
    with pytest.raises(NotFound, match="no-such") as fault:
        follow_run(fresh_db.writer, town.settings, "no-such")
    assert fault.value.parameter == "run"


@pytest.mark.parametrize("seed", [0, pytest.param(range(1, 12), marks=pytest.mark.long)])
def test_random_loads_are_followed(town: LoadedTown, run_id: int, seed: int | range) -> None:
    for number in seed if isinstance(seed, range) else [seed]:
        rng = np.random.default_rng(number)
        for _ in range(4):
            for _ in range(rng.integers(1, 3)):
                change_something(town, rng)
            town.check(run_id)


HOURS = (None, "24/7", "Mo-Fr 08:00-18:00", "20:00-02:00", "PH off", "after lunch")


@pytest.mark.parametrize("seed", [3, pytest.param(range(4, 14), marks=pytest.mark.long)])
def test_a_run_of_a_moment_is_followed(town: LoadedTown, seed: int | range) -> None:
    how = []
    for number in seed if isinstance(seed, range) else [seed]:
        rng = np.random.default_rng(number)
        # residents drop by gates that are shut at night, and clinics have hours of all kinds
        for layer in ("facilities", "gates"):
            set_hours(town, layer, rng, count=8)
        town.request = replace(REQUEST, at=str(rng.choice(["2026-11-23T12:00", "2026-11-23T23:00"])))
        found = run_gaps(town.db.writer, town.settings, town.request).id
        for _ in range(4):
            layer = str(rng.choice(["facilities", "gates"]))
            if rng.random() < 0.7:
                set_hours(town, layer, rng, count=1)
            else:
                change_something(town, rng)
            how.append(town.check(found).how)
    assert "touched" in how


def test_a_moment_is_computed_in_full_where_streets_changed(town: LoadedTown) -> None:
    """By where they are it is known which country's holidays count."""
    town.request = replace(REQUEST, at="2026-11-23T23:00")
    found = run_gaps(town.db.writer, town.settings, town.request).id
    town.streets["inner"] = (town.streets["inner"][0], {"highway": "footway"})
    town.load("streets", only=("inner",))
    report = town.check(found)
    assert (report.how, report.reason) == ("full", "the country whose holidays count goes by the streets")


def set_hours(town: LoadedTown, layer: str, rng: np.random.Generator, *, count: int) -> None:
    """Load a layer with other hours for some of its rows."""
    rows: dict[str, Feature] = getattr(town, layer)
    column = "hours" if layer == "gates" else "opening_hours"
    for key in rng.permutation(sorted(rows))[:count].tolist():
        shape, values = rows[key]
        rows[key] = (shape, {**values, column: HOURS[int(rng.integers(0, len(HOURS)))]})
    town.load(layer)


def change_something(town: LoadedTown, rng: np.random.Generator) -> None:
    """Load one random change of one layer."""
    layer = str(rng.choice(["facilities", "buildings", "streets", "gates"]))
    rows: dict[str, Feature] = getattr(town, layer)
    key = str(rng.choice(sorted(rows)))
    shape, values = rows[key]
    place = point(rng.uniform(0, 6_000), rng.uniform(0, 300))
    if layer == "streets":
        rows[key] = (shape, {**values, "foot": str(rng.choice(["no", "yes"]))})
    elif layer == "gates":
        rows[key] = (shape, {**values, "opens_to": str(rng.choice(["all", "residents"]))})
    elif rng.random() < 0.3 and len(rows) > 4:
        del rows[key]
        town.load(layer, replace_all=True)
        return
    elif rng.random() < 0.5:
        rows[f"new {rng.integers(10**6)}"] = (place, values)
    else:
        rows[key] = (place, values)
    town.load(layer)
