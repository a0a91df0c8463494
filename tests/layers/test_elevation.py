"""Elevation grids from file to walk: heights kept to the millimetre, slopes that cost what paper says, bad files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from sqlalchemy import text, update

from geo.errors import DataError, DatumUnknown
from layers import tables
from layers.elevation import load_elevation, sample_heights
from layers.ground import load_ground
from layers.loading.options import LoadOptions
from layers.run import run_gaps
from layers.runs.load import load_figures
from layers.runs.result import GapRequest
from layers.study import load_study, load_tread
from tests.gridcity import ORIGIN, GridCity, point
from tests.gridstore import METRIC_CRS, raise_version, save_grid, save_home, save_site

if TYPE_CHECKING:
    from pathlib import Path

    from layers.settings import Settings
    from tests.conftest import Db

CLINIC = "MED_CHS"
WEST, NORTH = ORIGIN[0] - 50, ORIGIN[1] + 50
CELL_M = 10.0


def plane(columns: int = 40, rows: int = 20, *, slope_x: float = 0.05, slope_y: float = 0.0) -> np.ndarray[Any, Any]:
    """Return heights of a plane at the middles of cells, 0 at the grid city's corner."""
    x = WEST + (np.arange(columns) + 0.5) * CELL_M - ORIGIN[0]
    y = NORTH - (np.arange(rows) + 0.5) * CELL_M - ORIGIN[1]
    return 100 + slope_x * x[None, :] + slope_y * y[:, None]


def write_grid(
    path: Path, heights: np.ndarray[Any, Any], *, crs: str | None = METRIC_CRS, cell_m: float = CELL_M, **more: Any
) -> Path:
    """Write heights as GeoTIFF or, by the name, as ASCII grid."""
    if path.suffix == ".asc":
        rows, columns = heights.shape
        head = (
            f"ncols {columns}\nnrows {rows}\nxllcorner {WEST}\nyllcorner {NORTH - rows * cell_m}\ncellsize {cell_m}\n"
        )
        lines = [" ".join(f"{value:.4f}" for value in row) for row in np.nan_to_num(heights, nan=-9999)]
        path.write_text(head + "nodata_value -9999\n" + "\n".join(lines) + "\n")
        return path
    transform = more.pop("transform", Affine(cell_m, 0, WEST, 0, -cell_m, NORTH))
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": crs, "nodata": -9999.0, **more}
    height, width = heights.shape
    with rasterio.open(path, "w", height=height, width=width, transform=transform, **profile) as raster:
        for band in range(1, profile["count"] + 1):
            raster.write(np.nan_to_num(heights, nan=-9999).astype("float32"), band)
    return path


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> tuple[Db, Settings]:
    """Return a database with one street of 100 m to the east, a home at its west end and a clinic at its east end."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity().street((0, 0), (100, 0)))
        save_home(connection, point(0, 0), people=10)
        save_site(connection, point(100, 0), CLINIC)
    return fresh_db, replace(fresh_db.settings, home=tmp_path)


def reach_ms(db: Db, settings: Settings, profile: str = "adult") -> int | None:
    """Return the only home's milliseconds to the only clinic."""
    summary = run_gaps(db.writer, settings, GapRequest(types=(CLINIC,), profiles=(profile,)))
    with db.reader.connect() as connection:
        reach = int(load_figures(connection, summary.id).reach_ms[0, 0])
    return None if reach < 0 else reach


@pytest.mark.parametrize("name", ["plane.tif", "plane.asc"])
def test_heights_come_back_as_they_were(store: tuple[Db, Settings], tmp_path: Path, name: str) -> None:
    db, _ = store
    path = write_grid(tmp_path / name, plane(slope_y=0.03))
    report = load_elevation(db.writer, path, LoadOptions(datum=METRIC_CRS))
    assert (report.outcome.rows_inserted, report.outcome.version) == (1, 1)
    xy = np.array([[0.0, 0.0], [103.7, -21.2], [33.3, 7.7]]) + ORIGIN
    with db.reader.connect() as connection:
        found = sample_heights(connection, xy, metric_crs=METRIC_CRS)
    assert found == pytest.approx(100 + (xy - ORIGIN) @ [0.05, 0.03], abs=0.002)


def test_heights_are_the_same_across_the_seams_of_parts(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, _ = store
    heights = np.random.default_rng(1).uniform(0, 500, (257, 600)).round(3)
    load_elevation(db.writer, write_grid(tmp_path / "noise.tif", heights, dtype="float64"), LoadOptions())
    place = np.column_stack(
        [np.random.default_rng(2).uniform(0, 600, 500), np.random.default_rng(3).uniform(0, 257, 500)]
    )
    place[:3] = [[256.5, 100.5], [511.9, 256.2], [255.999, 255.999]]
    xy = np.column_stack([WEST + place[:, 0] * CELL_M, NORTH - place[:, 1] * CELL_M])
    with db.reader.connect() as connection:
        found = sample_heights(connection, xy, metric_crs=METRIC_CRS)
    column, row = np.clip(place[:, 0] - 0.5, 0, 599), np.clip(place[:, 1] - 0.5, 0, 256)
    c, r = np.minimum(column.astype(int), 598), np.minimum(row.astype(int), 255)
    dc, dr = column - c, row - r
    expected = (heights[r, c] * (1 - dc) + heights[r, c + 1] * dc) * (1 - dr) + (
        heights[r + 1, c] * (1 - dc) + heights[r + 1, c + 1] * dc
    ) * dr
    assert found == pytest.approx(expected, abs=0.002)


def test_outside_and_in_holes_nothing_is_known_and_the_finest_grid_counts(
    store: tuple[Db, Settings], tmp_path: Path
) -> None:
    db, _ = store
    coarse = np.full((20, 40), 7.0)
    coarse[:, :6] = np.nan
    load_elevation(db.writer, write_grid(tmp_path / "coarse.tif", coarse), LoadOptions())
    load_elevation(db.writer, write_grid(tmp_path / "fine.tif", np.full((10, 40), 9.0), cell_m=5.0), LoadOptions())
    xy = np.array([[WEST + 20, NORTH - 10], [WEST + 20, NORTH - 150], [WEST + 300, NORTH - 150], [WEST - 1, NORTH - 9]])
    with db.reader.connect() as connection:
        found = sample_heights(connection, xy, metric_crs=METRIC_CRS)
    assert found.tolist() == pytest.approx([9.0, np.nan, 7.0, np.nan], nan_ok=True)


def test_five_in_a_hundred_up_costs_the_walk_what_paper_says_and_stops_no_wheels(
    store: tuple[Db, Settings], tmp_path: Path
) -> None:
    db, settings = store
    level = reach_ms(db, settings)
    load_elevation(db.writer, write_grid(tmp_path / "plane.tif", plane()), LoadOptions())
    # 5 m of climb as 39.6 m on the level
    assert level == pytest.approx(100_000 / 1.11, abs=2)
    assert reach_ms(db, settings) == pytest.approx(139_600 / 1.11, abs=10)
    assert reach_ms(db, settings, "wheelchair") == pytest.approx(139_600 / 0.8, abs=10)


def test_downhill_costs_what_the_level_costs(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, settings = store
    level = reach_ms(db, settings)
    load_elevation(db.writer, write_grid(tmp_path / "plane.tif", plane(slope_x=-0.05)), LoadOptions())
    assert reach_ms(db, settings) == level


def test_a_steep_street_stops_wheels_and_nobody_else(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, settings = store
    load_elevation(db.writer, write_grid(tmp_path / "steep.tif", plane(slope_x=0.10)), LoadOptions())
    assert reach_ms(db, settings) is not None
    with db.reader.connect() as connection:
        study = load_study(connection, settings)
        wheels = load_tread(connection, study, study.profiles["wheelchair"])
    assert not wheels.homes.links.is_linked.any()


def test_a_bridge_does_not_go_down_into_the_valley(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, settings = store
    level = reach_ms(db, settings)
    valley = np.abs(plane(slope_x=1.0) - 150)
    load_elevation(db.writer, write_grid(tmp_path / "valley.tif", valley), LoadOptions())
    in_valley = reach_ms(db, settings)
    with db.writer.begin() as connection:
        connection.execute(update(tables.street).values(properties={"bridge": False}))
        raise_version(connection, "streets")
    assert reach_ms(db, settings) == in_valley
    with db.writer.begin() as connection:
        connection.execute(update(tables.street).values(properties={"bridge": "yes"}))
        raise_version(connection, "streets")
    assert level is not None
    assert in_valley is not None
    assert in_valley > 2 * level
    assert reach_ms(db, settings) == level


def test_without_a_grid_the_incline_of_the_street_counts_and_with_one_the_grid(
    store: tuple[Db, Settings], tmp_path: Path
) -> None:
    db, settings = store
    with db.writer.begin() as connection:
        connection.execute(update(tables.street).values(incline="5%"))
        raise_version(connection, "streets")
    told = reach_ms(db, settings)
    load_elevation(db.writer, write_grid(tmp_path / "flat.tif", plane(slope_x=0.0)), LoadOptions())
    assert told == pytest.approx(139_600 / 1.11, abs=10)
    assert reach_ms(db, settings) == pytest.approx(100_000 / 1.11, abs=2)


def test_nothing_known_of_slopes_or_crossings_is_no_ground_at_all(store: tuple[Db, Settings]) -> None:
    db, settings = store
    with db.reader.connect() as connection:
        study = load_study(connection, settings)
        assert load_ground(connection, study.streetscape, settings.cache_dir) == (None, "level")


def test_the_pieces_of_a_crossing_are_one_crossing(fresh_db: Db, tmp_path: Path) -> None:
    settings = replace(fresh_db.settings, home=tmp_path)
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity().street((0, 0), (4, 0)).street((4, 0), (10, 0)).street((10, 0), (60, 0)))
        save_home(connection, point(0, 0), people=1)
        save_site(connection, point(60, 0), CLINIC)
        street = tables.street
        for number in (0, 1):
            mine = {"source_id": f"way/7/{number + 1}", "highway": "footway", "properties": {"footway": "crossing"}}
            connection.execute(update(street).where(street.c.source_id == f"street {number}").values(mine))
        connection.execute(
            update(street).where(street.c.source_id == "street 2").values(properties={"crossing": "marked"})
        )
    with fresh_db.reader.connect() as connection:
        study = load_study(connection, settings)
        ground, _ = load_ground(connection, study.streetscape, settings.cache_dir)
        patient = replace(study.profiles["adult"], code="patient", crossing_s=30.0)
        plain = load_tread(connection, study, study.profiles["adult"])
        slow = load_tread(connection, study, patient)
    assert ground is not None
    # the road with `crossing=marked` is crossed, it crosses nothing
    assert ground.crossing_mm.tolist() == [10_000, 10_000, 0]
    extra = slow.walk.cost_ab.astype(int) - plain.walk.cost_ab
    assert extra.tolist() == [12_000, 18_000, 0]


def test_the_same_grid_twice_changes_nothing_and_another_content_is_a_new_version(
    store: tuple[Db, Settings], tmp_path: Path
) -> None:
    db, _ = store
    path = write_grid(tmp_path / "plane.tif", plane())
    first = load_elevation(db.writer, path, LoadOptions())
    again = load_elevation(db.writer, path, LoadOptions())
    changed = load_elevation(db.writer, write_grid(path, plane(slope_x=0.06)), LoadOptions())
    assert [one.outcome.version for one in (first, again, changed)] == [1, 1, 2]
    assert (again.outcome.rows_unchanged, again.outcome.has_changed) == (1, False)
    assert (changed.outcome.rows_updated, changed.outcome.rows_live) == (1, 1)
    with db.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.load WHERE layer = 'elevation'")).scalar() == 3
        xy = np.array([[200.0, 0.0]]) + ORIGIN
        assert sample_heights(connection, xy, metric_crs=METRIC_CRS) == pytest.approx([112.0], abs=0.002)


def test_replace_closes_the_other_grids_of_the_source(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, _ = store
    load_elevation(db.writer, write_grid(tmp_path / "old.tif", plane()), LoadOptions())
    report = load_elevation(db.writer, write_grid(tmp_path / "new.tif", plane()), LoadOptions(mode="replace"))
    assert (report.outcome.rows_inserted, report.outcome.rows_closed, report.outcome.rows_live) == (1, 1, 1)
    with db.reader.connect() as connection:
        parts = connection.execute(text("SELECT count(DISTINCT elevation_id) FROM onemap.elevation_part")).scalar()
    assert parts == 1


def test_a_dry_run_stores_nothing(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, _ = store
    report = load_elevation(db.writer, write_grid(tmp_path / "plane.tif", plane()), LoadOptions(dry_run=True))
    assert report.outcome.rows_inserted == 1
    with db.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.elevation")).scalar() == 0
        assert connection.execute(text("SELECT count(*) FROM onemap.load WHERE layer = 'elevation'")).scalar() == 0


def test_heights_no_street_has_count_as_not_known_and_are_told(store: tuple[Db, Settings], tmp_path: Path) -> None:
    db, _ = store
    heights = plane()
    heights[3, 4] = 30_000
    report = load_elevation(db.writer, write_grid(tmp_path / "spike.tif", heights), LoadOptions())
    assert any("1 cells hold heights no street has" in note for note in report.notes)


def make_bad(kind: str, folder: Path) -> tuple[Path, LoadOptions]:
    """Return a file that is no usable elevation grid."""
    path = folder / "bad.tif"
    if kind == "no grid":
        path.write_bytes(b"II*\x00 and then nothing of the sort")
    elif kind == "cut short":
        write_grid(path, plane(300, 300))
        path.write_bytes(path.read_bytes()[:20_000])
    elif kind == "no heights":
        write_grid(path, np.full((5, 5), np.nan))
    elif kind == "two bands":
        write_grid(path, plane(), count=2)
    elif kind == "nowhere":
        write_grid(path, plane(), crs="EPSG:4326")
    elif kind == "a table":
        path = folder / "bad.csv"
        path.write_text("a,b\n1,2\n")
    elif kind == "text as asc":
        path = folder / "bad.asc"
        path.write_text("dear reader\n")
    else:
        path = folder / "none.tif"
    return path, LoadOptions()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("no grid", "no readable elevation grid"),
        ("cut short", "could not be read"),
        ("no heights", "holds no height"),
        ("two bands", "bands 1, 2"),
        ("nowhere", "nowhere on earth"),
        ("a table", "expected an elevation grid"),
        ("text as asc", "no readable elevation grid"),
        ("missing", "no such file"),
    ],
)
def test_bad_grids_are_refused_and_change_nothing(
    store: tuple[Db, Settings], tmp_path: Path, kind: str, expected: str
) -> None:
    db, _ = store
    path, options = make_bad(kind, tmp_path)
    with pytest.raises(DataError, match=expected) as fault:
        load_elevation(db.writer, path, options)
    assert fault.value.hint
    with db.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.elevation")).scalar() == 0


def test_a_grid_without_coordinates_or_in_a_shifted_datum_is_refused(
    store: tuple[Db, Settings], tmp_path: Path
) -> None:
    db, _ = store
    path = write_grid(tmp_path / "plane.asc", plane())
    with pytest.raises(DatumUnknown):
        load_elevation(db.writer, path, LoadOptions())
    with pytest.raises(DataError, match="gcj02"):
        load_elevation(db.writer, path, LoadOptions(datum="gcj02"))
