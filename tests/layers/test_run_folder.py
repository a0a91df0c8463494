"""Runs from a folder of GeoParquet files: parts equal the whole, the whole equals the database, faults are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from data.sample_city import make_city, write_city
from geo.errors import Conflict, DataError, MissingColumn, NotReady, RequestError
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.parts.run import compute_here
from layers.parts.run_folder import run_folder
from layers.run import run_gaps
from layers.runs.result import GapRequest
from layers.settings import Settings
from tests.gridcity import ORIGIN
from tests.gridstore import BACK
from tests.layers.test_parts import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from layers.parts.compute import PartResult
    from layers.parts.run import PartTask
    from tests.conftest import Db

CLINIC, SCHOOL = "MED_CHS", "EDU_PRIMARY"
REQUEST = GapRequest(types=(CLINIC, SCHOOL), profiles=("adult", "wheelchair"), minutes=2)


def degrees(geometry: Sequence[object]) -> np.ndarray[Any, Any]:
    """Return geometries of a drawing in metres as longitude and latitude."""

    def move(xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.column_stack(BACK.transform(xy[:, 0] + ORIGIN[0], xy[:, 1] + ORIGIN[1]))

    return np.asarray(shapely.transform(np.array(geometry, dtype=object), move), dtype=object)


def write(folder: Path, layer: str, geometry: Sequence[object], *, covering: bool = False, **columns: Any) -> None:
    """Write one layer as GeoParquet."""
    names = [f"{layer} {number}" for number in range(len(geometry))]
    frame = gpd.GeoDataFrame({"source_id": names, **columns}, geometry=degrees(geometry), crs="EPSG:4326")
    extra: dict[str, Any] = {"write_covering_bbox": True, "schema_version": "1.1.0"} if covering else {}
    frame.to_parquet(folder / f"{layer}.parquet", row_group_size=37, **extra)


def draw(folder: Path, seed: int) -> None:
    """Write an invented town: broken streets, long streets, estates over every border, rivers, large and far sites."""
    rng = np.random.default_rng(seed)
    step, columns, rows = 150.0, 28, 6
    streets = [
        shapely.LineString([(c * step, r * step), ((c + 1) * step, r * step)])
        for r in range(rows + 1)
        for c in range(columns)
        if rng.random() < 0.85
    ]
    streets += [
        shapely.LineString([(c * step, r * step), (c * step, (r + 1) * step)])
        for c in range(columns + 1)
        for r in range(rows)
        if rng.random() < 0.85
    ]
    # one very long street that meets others only where it ends
    streets.append(shapely.LineString([(0, 0), (1_000, -200), (3_000, -200), (columns * step, 0)]))
    walls, paths, gates = [], [], []
    for number, column in enumerate(rng.choice(columns - 3, 5, replace=False).tolist()):
        row = int(rng.integers(0, rows))
        west, south = column * step + 20, row * step + 20
        east, north = west + step * (1 + int(rng.integers(0, 3))) - 40, south + step - 40
        walls.append(shapely.box(west, south, east, north))
        paths.append(shapely.LineString([(west - 20, south + 50), (east - 10, south + 50)]))
        gates.append((number, shapely.Point(west, south + 50), "residents"))
        gates.append((number, shapely.Point((west + east) / 2, south), ["all", "residents"][int(rng.integers(0, 2))]))
    order = rng.permutation(len(streets) + len(paths))
    lines = [[*streets, *paths][number] for number in order]
    private = np.isin(order, np.arange(len(streets), len(order)))
    steps = rng.random(len(order)) < 0.05
    write(
        folder, "streets", lines, covering=True,
        highway=["residential"] * len(lines), access=["private" if one else None for one in private], steps=steps,
    )  # fmt: skip
    write(folder, "compounds", walls)
    write(
        folder, "gates", [gate[1] for gate in gates],
        compound_id=[f"compounds {gate[0]}" for gate in gates], opens_to=[gate[2] for gate in gates],
    )  # fmt: skip
    places = rng.uniform((-50, -50), (columns * step + 50, rows * step + 50), (150, 2))
    homes = [shapely.Point(xy) if rng.random() < 0.5 else shapely.Point(xy).buffer(8, 2) for xy in places]
    write(
        folder, "buildings", homes, covering=True, people=rng.integers(0, 90, 150), dwellings=rng.integers(0, 30, 150)
    )
    places = rng.uniform((0, 0), (columns * step, rows * step), (14, 2))
    sites = [shapely.Point(xy) if rng.random() < 0.6 else shapely.Point(xy).buffer(300, 4) for xy in places]
    sites.append(shapely.Point(9_000, 9_000))
    write(folder, "facilities", sites, type=[*rng.choice([CLINIC, SCHOOL], 14), "EDU_NINEYEAR"])
    banks = [shapely.LineString([(x, -100), (x + 30, 1_100)]) for x in rng.uniform(0, columns * step, 2)]
    write(folder, "water", banks)
    areas = [shapely.box(-100, -100, 2_000, 1_100), shapely.box(-100, -100, 5_000, 1_100)]
    frame: dict[str, Any] = {
        "code": ["4201", "42"],
        "name": ["a", "b"],
        "level": ["community", "district"],
        "parent_code": ["42", None],
    }
    write(folder, "areas", areas, **frame)


def settings_of(folder: Path) -> Settings:
    """Return settings for runs without a database."""
    return Settings(home=folder / "home")


def run_it(folder: Path, out: str, parts: int, request: GapRequest = REQUEST) -> tuple[dict[str, Any], list[int]]:
    """Return what a run says about itself, and the nodes its parts read."""
    read: list[int] = []

    def compute(tasks: Sequence[PartTask]) -> Iterator[tuple[int, PartResult]]:
        for number, part in reversed(list(compute_here(tasks))):
            read.append(part.nodes_read)
            yield number, part

    run_folder(folder, settings_of(folder), request, out=folder / out, parts=parts, compute=compute)
    about = json.loads((folder / out / "run.json").read_text(encoding="utf-8"))
    about.pop("duration_s")
    return about, read


def hold_parts_against_the_whole(folder: Path, seed: int) -> bool:
    """Draw a town, compare parts with the whole, and return whether parts read less than the whole."""
    draw(folder, seed)
    whole, _ = run_it(folder, "whole", 1)
    parts = int(np.random.default_rng(seed).integers(2, 7))
    found, read = run_it(folder, "parts", parts)
    assert found == whole, (seed, parts)
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "whole" / "buildings.parquet"), pd.read_parquet(folder / "parts" / "buildings.parquet")
    )
    return max(read) < int(whole["counts"]["nodes"])


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_random_towns_are_the_whole(tmp_path: Path, seed: int) -> None:
    hold_parts_against_the_whole(tmp_path, seed)


@pytest.mark.long
def test_parts_of_very_many_random_towns_are_the_whole(tmp_path: Path) -> None:
    smaller = 0
    for seed in range(100, 400):
        folder = tmp_path / str(seed)
        folder.mkdir()
        smaller += hold_parts_against_the_whole(folder, seed)
    assert smaller > 100


def test_files_give_what_the_database_gives(fresh_db: Db, tmp_path: Path) -> None:
    files = write_city(make_city("S"), tmp_path)
    for layer in ("areas", "streets", "compounds", "gates", "buildings", "population", "facilities"):
        load_layer(fresh_db.writer, layer, files[layer], LoadOptions(datum="wgs84"))
    for name in ("water", "railway"):
        files[name].unlink()
    stored = read_run(fresh_db, run_gaps(fresh_db.writer, fresh_db.settings, REQUEST).id)
    found, _ = run_it(tmp_path, "out", 3)
    assert found["counts"] == stored["counts"]
    assert found["metric_crs"] == stored["metric_crs"]
    assert found["result_sha256"] == stored["result_sha256"]


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (GapRequest(profiles=("driving",)), RequestError, "turn bans"),
        (GapRequest(types=("NO_SUCH",)), RequestError, "NO_SUCH"),
        (GapRequest(types=(CLINIC,), at="2026-03-02T09:00"), RequestError, "opening hours"),
        (GapRequest(types=(CLINIC,), area="99"), RequestError, "99"),
    ],
)
def test_requests_that_files_cannot_answer(
    tmp_path: Path, request_: GapRequest, error: type[Exception], match: str
) -> None:
    draw(tmp_path, 1)
    with pytest.raises(error, match=match):
        run_it(tmp_path, "out", 1, request_)
    assert not (tmp_path / "out").exists()


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"no streets\.parquet"):
        run_it(tmp_path, "out", 1)
    draw(tmp_path, 1)
    with pytest.raises(RequestError, match="over the files"):
        run_it(tmp_path, ".", 1)
    pd.DataFrame({"area_code": ["42"], "people": [5]}).to_parquet(tmp_path / "population.parquet")
    with pytest.raises(MissingColumn, match="not given by building"):
        run_it(tmp_path, "out", 1)
    (tmp_path / "population.parquet").unlink()
    gpd.read_parquet(tmp_path / "streets.parquet").to_crs(4547).to_parquet(tmp_path / "streets.parquet")
    with pytest.raises(DataError, match="WGS-84"):
        run_it(tmp_path, "out", 1)


def test_files_that_change_under_a_run_are_noticed(tmp_path: Path) -> None:
    draw(tmp_path, 1)

    def compute(tasks: Sequence[PartTask]) -> Iterator[tuple[int, PartResult]]:
        (tmp_path / "late.parquet").write_bytes(b"")
        yield from compute_here(tasks)

    with pytest.raises(Conflict, match="not as it was"):
        run_folder(tmp_path, settings_of(tmp_path), REQUEST, out=tmp_path / "out", parts=2, compute=compute)
