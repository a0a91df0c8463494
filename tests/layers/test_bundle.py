"""Bundles of arrays: whole or absent, read-only, old ones dropped, faults told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from geo.errors import StoreError
from layers.bundle import KEPT, find_bundle, make_key, pack_geometry, save_bundle, unpack_geometry

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bundle_comes_back_mapped_and_read_only(tmp_path: Path) -> None:
    saved = save_bundle(tmp_path / "kind", "key", {"a": np.arange(5), "empty": np.empty((0, 2))})
    assert saved["a"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="read-only"):
        saved["a"][0] = 1
    assert find_bundle(tmp_path / "kind", "other") is None


def test_who_comes_second_uses_the_first_ones_bundle(tmp_path: Path) -> None:
    save_bundle(tmp_path, "key", {"a": np.array([1])})
    again = save_bundle(tmp_path, "key", {"a": np.array([2])})
    assert again["a"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_only_the_last_few_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        save_bundle(tmp_path, f"key-{number}", {"a": np.array([number])})
    assert len(list(tmp_path.iterdir())) == KEPT
    assert find_bundle(tmp_path, f"key-{KEPT + 2}") is not None


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="ONEMAP_HOME"):
        save_bundle(tmp_path / "file" / "kind", "key", {"a": np.array([1])})


def test_keys_differ_with_what_they_are_made_from() -> None:
    assert make_key({"a": 1, "b": 2}) == make_key({"b": 2, "a": 1})
    assert make_key({"a": 1}) != make_key({"a": 2})


def test_geometries_of_all_kinds_survive(tmp_path: Path) -> None:
    shapes = np.array(
        [shapely.Point(1, 2), shapely.box(0, 0, 1, 1), shapely.LineString([(0, 0), (1, 1)])], dtype=object
    )
    saved = save_bundle(tmp_path, "key", pack_geometry(shapes))
    assert shapely.equals(unpack_geometry(saved["wkb"], saved["wkb_ptr"]), shapes).all()
    none = pack_geometry(np.empty(0, dtype=object))
    assert unpack_geometry(none["wkb"], none["wkb_ptr"]).shape == (0,)
