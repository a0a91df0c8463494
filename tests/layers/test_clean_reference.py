"""Reference layers: types from all values, names kept, geometry as careful as anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import shapely

from geo.errors import MissingColumn
from layers.loading.clean_reference import clean_reference_batch, find_reference_columns
from layers.read import open_source
from tests.layers import files
from tests.layers.cleaning import HOME, WGS84, make_batch

if TYPE_CHECKING:
    from pathlib import Path


def _reference(tmp_path: Path) -> Path:
    rows = [
        {
            "id": 1,
            "zone": "007",
            "depth": "1.5",
            "n": "12",
            "on": "2024-01-02",
            "at": "2024-01-02T03:04:05Z",
            "geom": 9,
        },
        {"id": 2, "zone": "12", "depth": "2", "n": None, "on": None, "at": "2024-01-02 03:04", "geom": 8},
    ]
    return files.write_geojson(
        tmp_path / "floods.geojson",
        [
            *(files.feature({**row, "wet": True}, HOME) for row in rows),
            files.feature({"id": 3}, None),
            files.feature({"id": 4}, shapely.MultiPoint([(114, 30), (115, 31)])),
        ],
    )


def test_reference_layers_get_types_from_all_values(tmp_path: Path) -> None:
    with open_source(_reference(tmp_path)) as source:
        columns = find_reference_columns(source)
        found = {column.name: column.type for column in columns}
        (batch,) = source.batches()
    assert found == {
        "id": "integer",
        "zone": "text",
        "depth": "number",
        "n": "integer",
        "on": "date",
        "at": "timestamp",
        "geom": "integer",
        "wet": "boolean",
    }
    names = {column.name: column.column for column in columns}
    assert (names["id"], names["geom"], names["zone"]) == ("id_2", "geom_2", "zone")
    out = clean_reference_batch(batch, columns, datum=WGS84, identity="id")
    assert out.frame["source_id"].tolist() == ["1", "2", "4"]
    assert out.frame["depth"].tolist() == [1.5, 2.0, None]
    assert out.frame["at"].tolist()[0] == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert out.frame["geom_2"].tolist() == [9, 8, None]
    assert [(r.line, r.reason_code) for r in out.rejected] == [(3, "geometry-missing")]
    assert out.rows_read == 4
    out = clean_reference_batch(batch, columns, datum=WGS84)
    assert out.frame["source_id"].tolist()[2].startswith("geom:")


def test_reference_layer_without_geometry_is_refused() -> None:
    with pytest.raises(MissingColumn, match="no geometry"):
        clean_reference_batch(make_batch([{"a": 1}], None), (), datum=WGS84)
