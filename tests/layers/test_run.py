"""Gap runs on a real database: figures known on paper, sums at every level, replay, bad requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from geo.errors import NotFound, NothingLinked, NotReady, RequestError
from layers.catalog import read_pack
from layers.circle import find_circles
from layers.run import compute_run, run_gaps
from layers.runs.load import load_figures
from layers.runs.replay import replay_run
from layers.runs.result import GapRequest
from layers.study import load_study
from layers.tables import run, run_area, run_column
from tests.gridcity import ORIGIN, GridCity, box, point
from tests.gridstore import BACK, raise_version, save_area, save_grid, save_home, save_site

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from layers.settings import Settings
    from tests.conftest import Db

CLINIC = "MED_CHS"  # 5 minutes: 300 s, 333 m at the adult's pace
PRIMARY = "EDU_PRIMARY"  # 10 minutes, children of 6 to 11


class Town:
    """A 4 × 1 grid with a walled estate on the second block and four homes."""

    def __init__(self, connection: Connection) -> None:
        city = GridCity.grid(4, 1).wall(110, 10, 190, 90).street((150, 10), (150, 60), private=True).gate(150, 10)
        save_grid(connection, city)
        save_area(connection, box(-50, -50, 450, 150), "42", level="district", parent=None, depth=0)
        save_area(connection, box(-50, -50, 200, 150), "4201", level="community", parent="42", depth=1)
        self.near = save_home(connection, point(50, 0), people=100, a06_11=10, dwellings=40)
        self.estate = save_home(connection, point(150, 50), people=200, a06_11=30, dwellings=80)
        self.far = save_home(connection, point(400, 50), people=300, dwellings=100)
        self.away = save_home(connection, point(200, 700), people=50, a06_11=5)
        self.empty = save_home(connection, point(60, 0))
        self.clinic = save_site(connection, point(0, 0), CLINIC)
        self.school = save_site(connection, point(200, 0), "EDU_NINEYEAR")
        raise_version(connection, "population")


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> tuple[Db, Settings, Town]:
    """Return a database with the town in it."""
    with fresh_db.writer.begin() as connection:
        town = Town(connection)
    return fresh_db, replace(fresh_db.settings, home=tmp_path), town


def read_building(connection: Connection, run_id: int, building_id: int) -> dict[str, Any]:
    """Return the figures of one building in every column; None for nothing found."""
    figures = load_figures(connection, run_id)
    row = figures.building_id.tolist().index(building_id)
    found = {name: getattr(figures, name)[row].tolist() for name in ("reach_ms", "facility_id", "radius_mm")}
    return {
        **{name: [None if value < 0 else value for value in values] for name, values in found.items()},
        "linked": figures.is_linked[row].tolist(),
        "people": figures.people[row].tolist(),
    }


def test_figures_known_on_paper(store: tuple[Db, Settings, Town]) -> None:
    db, settings, town = store
    summary = run_gaps(db.writer, settings, GapRequest(types=(CLINIC,)))
    (total,) = summary.totals
    assert (total["people"], total["covered"], total["gap"], total["unknown"]) == (650, 300, 300, 50)
    assert summary.counts["buildings_without_counts"] == 1
    with db.reader.connect() as connection:
        near = read_building(connection, summary.id, town.near)
        estate = read_building(connection, summary.id, town.estate)
        far = read_building(connection, summary.id, town.far)
        away = read_building(connection, summary.id, town.away)
    assert near["reach_ms"] == [pytest.approx(50_000 / 1.11, abs=2)]
    # 40 m of path, 10 m through the gate, 150 m of street
    assert estate["reach_ms"] == [pytest.approx(200_000 / 1.11, abs=3)]
    assert estate["facility_id"] == [town.clinic]
    assert estate["radius_mm"] == [pytest.approx(158_114, abs=40)]
    assert far["reach_ms"] == [pytest.approx(450_000 / 1.11, abs=3)]
    assert (away["linked"], away["reach_ms"]) == ([False], [None])


def test_children_weigh_where_bands_are_known(store: tuple[Db, Settings, Town]) -> None:
    db, settings, town = store
    summary = run_gaps(db.writer, settings, GapRequest(types=(PRIMARY,)))
    with db.reader.connect() as connection:
        column = connection.execute(select(run_column).where(run_column.c.run_id == summary.id)).mappings().one()
        weights = {
            name: read_building(connection, summary.id, getattr(town, name))["people"]
            for name in ("near", "estate", "far", "away", "empty")
        }
    # a nine-year school serves primary pupils; the far home gives no bands and weighs with everybody
    assert column["facilities"] == 1
    assert column["people_basis"] == "mixed"
    assert weights == {"near": [10], "estate": [30], "far": [300], "away": [5], "empty": [0]}


def test_levels_sum_to_their_parents(store: tuple[Db, Settings, Town]) -> None:
    db, settings, _ = store
    summary = run_gaps(db.writer, settings, GapRequest(types=(CLINIC, PRIMARY)))
    with db.reader.connect() as connection:
        mine = select(run_area).join(run, run.c.result_id == run_area.c.result_id).where(run.c.id == summary.id)
        rows = connection.execute(mine).mappings().all()
    everybody = [r for r in rows if r["type"] == CLINIC and r["demand_group"] == "all"]
    district = next(r for r in everybody if r["area_code"] == "42")
    children = [r for r in everybody if r["parent_code"] == "42"]
    assert {r["area_code"] for r in children} == {"4201", None}
    for figure in ("people", "covered", "gap", "unknown", "dwellings", "buildings", "buildings_unknown"):
        assert sum(r[figure] for r in children) == district[figure], figure
    # the home beyond the district lies in no area
    outside = next(r for r in everybody if r["parent_code"] is None and r["area_code"] is None)
    assert (outside["people"], outside["unknown"], outside["level"]) == (50, 50, "district")
    assert all(r["people"] == r["covered"] + r["gap"] + r["unknown"] for r in rows)
    assert {r["demand_group"] for r in rows if r["type"] == PRIMARY} == {"all", "a06_11"}


def test_all_testable_types_run_at_once(store: tuple[Db, Settings, Town]) -> None:
    db, settings, _ = store
    summary = run_gaps(db.writer, settings, GapRequest(profiles=("adult", "wheelchair")))
    pack = read_pack()
    assert len(summary.totals) == 2 * len(pack.testable)
    assert len(summary.not_judged) == len(pack.not_judged)


def test_an_area_limits_who_is_judged_not_who_serves(store: tuple[Db, Settings, Town]) -> None:
    db, settings, _ = store
    summary = run_gaps(db.writer, settings, GapRequest(types=(CLINIC,), area="4201"))
    assert summary.counts["buildings"] == 3
    with db.reader.connect() as connection:
        assert load_figures(connection, summary.id).building_id.shape == (3,)


def test_minutes_override_every_limit(store: tuple[Db, Settings, Town]) -> None:
    db, settings, _ = store
    short = run_gaps(db.writer, settings, GapRequest(types=(CLINIC,), minutes=3))
    assert short.totals[0]["limit_s"] == 180
    assert short.totals[0]["covered"] == 100


def test_replay_gives_the_same_result_or_names_what_changed(store: tuple[Db, Settings, Town]) -> None:
    db, settings, _ = store
    summary = run_gaps(db.writer, settings, GapRequest(types=(CLINIC,)))
    with db.reader.connect() as connection:
        again = replay_run(connection, settings, summary.id)
    assert (again.is_same, again.changes) == (True, {})
    with db.writer.begin() as connection:
        save_site(connection, point(400, 0), CLINIC)
    with db.reader.connect() as connection:
        changed = replay_run(connection, settings, summary.id)
    assert not changed.is_same
    assert list(changed.changes) == ["layer facilities"]


def test_one_thread_and_two_give_the_same_bytes(store: tuple[Db, Settings, Town]) -> None:
    db, settings, _ = store
    with db.reader.connect() as connection:
        study = load_study(connection, settings)
        one = compute_run(connection, study, GapRequest(), threads=1).digest()
        two = compute_run(connection, study, GapRequest(), threads=2).digest()
    assert one == two


def test_circles_count_by_reach(store: tuple[Db, Settings, Town]) -> None:
    db, settings, town = store
    lon, lat = BACK.transform(*ORIGIN)
    with db.reader.connect() as connection:
        study = load_study(connection, settings)
        circles = find_circles(connection, study, lon=lon, lat=lat, minutes=[1, 5, 10])
    one, five, ten = circles.areas
    assert one.building_id.tolist() == [town.near, town.empty]
    assert five.building_id.tolist() == [town.near, town.estate, town.empty]
    assert ten.building_id.tolist() == [town.near, town.estate, town.far, town.empty]
    assert five.facility_id.tolist() == [town.clinic, town.school]
    assert one.polygon.area < five.polygon.area < ten.polygon.area
    assert all(area.polygon.is_valid for area in circles.areas)
    # from inside the estate one gets out; who lives outside does not get in
    lon, lat = BACK.transform(ORIGIN[0] + 150, ORIGIN[1] + 50)
    with db.reader.connect() as connection:
        inside = find_circles(connection, study, lon=lon, lat=lat, minutes=[5]).areas[0]
    assert inside.building_id.tolist() == [town.estate]
    assert town.clinic in inside.facility_id.tolist()


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (GapRequest(types=("NO_SUCH",)), NotFound, "NO_SUCH"),
        (GapRequest(types=("MED_EMS",)), RequestError, "cannot be judged"),
        (GapRequest(types=(CLINIC,), profiles=("bird",)), NotFound, "bird"),
        (GapRequest(types=(CLINIC,), area="99"), NotFound, "99"),
        (GapRequest(types=(CLINIC,), minutes=0), RequestError, "above 0"),
        (GapRequest(types=(CLINIC,), minutes=float("nan")), RequestError, "above 0"),
        (GapRequest(types=(CLINIC,), minutes=1_000), RequestError, "at most"),
    ],
)
def test_bad_requests_name_what_is_wrong(
    store: tuple[Db, Settings, Town], request_: GapRequest, error: type[Exception], match: str
) -> None:
    db, settings, _ = store
    with pytest.raises(error, match=match):
        run_gaps(db.writer, settings, request_)


@pytest.mark.parametrize(
    ("lon", "lat", "minutes"), [(200, 0, [5]), (114, 91, [5]), (114, 30, []), (114, 30, [0]), (114, 30, [61])]
)
def test_bad_circles_name_what_is_wrong(
    store: tuple[Db, Settings, Town], lon: float, lat: float, minutes: list[float]
) -> None:
    db, settings, _ = store
    with db.reader.connect() as connection, pytest.raises(RequestError):
        find_circles(connection, load_study(connection, settings), lon=lon, lat=lat, minutes=minutes)


@pytest.mark.parametrize("name", ["latest", "LATEST ", "7", "2026"])
def test_a_name_that_means_another_run_is_refused(store: tuple[Db, Settings, Town], name: str) -> None:
    db, settings, _ = store
    with pytest.raises(RequestError) as fault:
        run_gaps(db.writer, settings, GapRequest(types=(CLINIC,), name=name))
    assert fault.value.parameter == "name"
    with db.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.run")).scalar_one() == 0


def test_nothing_is_judged_before_it_is_loaded(fresh_db: Db, tmp_path: Path) -> None:
    settings = replace(fresh_db.settings, home=tmp_path)
    with pytest.raises(NotReady, match="none is chosen"):
        run_gaps(fresh_db.writer, settings, GapRequest())
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity.grid(1, 1))
    with pytest.raises(NotReady, match="no buildings"):
        run_gaps(fresh_db.writer, settings, GapRequest())
    with fresh_db.writer.begin() as connection:
        save_home(connection, point(0, 5_000))
    with pytest.raises(NotReady, match="no facilities"):
        run_gaps(fresh_db.writer, settings, GapRequest())
    with fresh_db.writer.begin() as connection:
        save_site(connection, point(0, 0), CLINIC)
    with pytest.raises(NothingLinked, match="within"):
        run_gaps(fresh_db.writer, settings, GapRequest())
    with fresh_db.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.run")).scalar_one() == 0
