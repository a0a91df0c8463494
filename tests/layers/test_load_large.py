"""A million rows: all of them stored, in memory that does not grow with the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import shapely
from sqlalchemy import func, select

from layers import tables
from tests.layers.test_load import fetch

if TYPE_CHECKING:
    from tests.conftest import Db

ROOT = Path(__file__).resolve().parent.parent.parent
MEMORY_GROWTH_MAX_MIB = 250

CHILD = """
import json, os, sys, time
from pathlib import Path
from layers.engine import make_engine
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.settings import Settings
marks = []
report = load_layer(
    make_engine(Settings.from_environment(os.environ), role="writer"),
    "buildings",
    Path(sys.argv[1]),
    LoadOptions(),
    progress=lambda done, total, doing: marks.append((done, time.monotonic())),
)
# not getrusage: its peak starts from the parent's, which made the file
status = Path("/proc/self/status").read_text()
peak_mib = int(status.split("VmHWM:")[1].split()[0]) / 1024
rates = [round((b[0] - a[0]) / (b[1] - a[1])) for a, b in zip(marks, marks[1:])]
print(json.dumps({"peak_mib": peak_mib, "rates": rates, **report.as_dict()}))
"""


def write_houses(path: Path, count: int) -> Path:
    """Write rows of small houses on a grid, 24 m by 30 m apart."""
    number = np.arange(count)
    lon, lat = 114 + (number % 1000) * 0.0003, 30 + (number // 1000) * 0.0003
    values = {
        "source_id": [f"B{i}" for i in range(count)],
        "name": [f"{i} 号楼" for i in range(count)],
        "use": "住宅",
        "floors": number % 30 + 1,
        "dwellings": number % 90 + 1,
        "people": number % 250,
    }
    boxes = shapely.box(lon, lat, lon + 0.0002, lat + 0.0002)
    gpd.GeoDataFrame(values, geometry=boxes, crs=4326).to_parquet(path)
    return path


def load_in_child(db: Db, path: Path) -> dict[str, object]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ONEMAP_", "DATABASE_URL"))}
    environment |= {"ONEMAP_HOME": str(db.settings.home), "ONEMAP_DATABASE": db.settings.database}
    if not db.settings.is_private:
        environment["DATABASE_URL"] = db.settings.database_url or ""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.long
def test_a_million_rows_in_bounded_memory(fresh_db: Db, tmp_path: Path) -> None:
    small = load_in_child(fresh_db, write_houses(tmp_path / "small.parquet", 100_000))
    large = load_in_child(fresh_db, write_houses(tmp_path / "large.parquet", 1_000_000))
    sys.stdout.write(f"\n{json.dumps(small)}\n{json.dumps(large)}\n")
    assert (large["rows_read"], large["rows_unchanged"], large["rows_inserted"]) == (1_000_000, 100_000, 900_000)
    assert fetch(fresh_db, select(func.count()).select_from(tables.building)) == [(1_000_000,)]
    people = fetch(fresh_db, select(func.sum(tables.resident_group.c.people)))
    assert people == [(int((np.arange(1_000_000) % 250).sum()),)]
    assert float(str(large["peak_mib"])) - float(str(small["peak_mib"])) < MEMORY_GROWTH_MAX_MIB
