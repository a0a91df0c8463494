"""The store as arrays: a reader may compute between two statements, however long networks take to lay out."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import text

import geo
from layers.engine import IDLE_TIMEOUT_S
from layers.network import ENGINE_FILES, _find_kinds
from layers.study import load_study, load_tread
from tests.gridcity import GridCity, box, point
from tests.gridstore import save_grid, save_home, save_site, wkt

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.conftest import Db


def list_imported(name: str) -> set[str]:
    """Return the modules of geo that one imports, directly or not, itself among them."""
    folder, seen, left = Path(geo.__file__).parent, set(), [name]
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        tree = ast.parse((folder / one).read_text(encoding="utf-8"))
        named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        left += [f"{module[4:].replace('.', '/')}.py" for module in named if module.startswith("geo.")]
    return seen


@pytest.mark.parametrize("name", ["network.py", "link.py", "walls.py", "joins.py"])
def test_compiled_networks_and_links_are_named_by_all_the_code_that_makes_them(name: str) -> None:
    assert list_imported(name) - {"errors.py"} <= set(ENGINE_FILES)


def read_limit_s(connection: Connection) -> int:
    """Return for how many seconds a transaction may sit idle; 0 is for ever."""
    query = "SELECT setting::int / 1000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
    return int(connection.execute(text(query)).scalar_one())


@pytest.mark.parametrize("profile", ["adult", "driving"])
def test_reader_is_not_cut_off_while_it_computes(fresh_db: Db, profile: str) -> None:
    """Compiling for a drive takes more than the minute a reader may idle; the next transaction has the limit again."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity().street((0, 0), (400, 0)))
        save_home(connection, point(0, 0), people=4)
        save_site(connection, point(100, 0), "MED_CHS")
    with fresh_db.reader.connect() as connection:
        assert read_limit_s(connection) == IDLE_TIMEOUT_S
        study = load_study(connection, fresh_db.settings)
        assert read_limit_s(connection) == 0
        connection.commit()
        assert read_limit_s(connection) == IDLE_TIMEOUT_S
        # a kept study is walked in a transaction of its own
        load_tread(connection, study, study.profiles[profile])
        assert read_limit_s(connection) == 0


@pytest.mark.parametrize(("most", "size"), [(32_767, 2), (32_768, 4), (3_000_000, 4)])
def test_people_take_two_bytes_until_one_building_holds_more(fresh_db: Db, most: int, size: int) -> None:
    """No figure is cut short, those read before the largest are kept, and what is not given stays so."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity().street((0, 0), (400, 0)))
        for place, people in enumerate((4, most, None)):
            save_home(connection, point(place, 0), people=people)
        save_site(connection, point(100, 0), "MED_CHS")
    with fresh_db.reader.connect() as connection:
        buildings = load_study(connection, fresh_db.settings).buildings
    assert buildings.counts.itemsize == size
    found = buildings.take_people(np.arange(3), ("people", "a80_up"))
    assert found["people"].tolist() == [4, most, -1]
    assert found["a80_up"].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("kinds", [1, 7, 400, 5_000])
def test_kinds_of_streets_are_told_apart_with_and_without_sorting(kinds: int) -> None:
    """Every row is given a row of its own kind, and every kind is looked at once."""
    kind = np.random.default_rng(kinds).integers(0, kinds, 600)
    first, which = _find_kinds(kind, kinds)
    assert kind[first].tolist() == np.unique(kind).tolist()
    assert (kind[first][which] == kind).all()


@pytest.mark.parametrize("with_entrance", [False, True])
def test_walks_start_at_entrances_and_zones_are_those_of_the_building(fresh_db: Db, *, with_entrance: bool) -> None:
    """Footprints stay shapes unless an entrance is known; the compound is the one the building stands in."""
    city = GridCity().street((0, -50), (400, -50)).wall(-5, -5, 15, 25).gate(5, -5)
    with fresh_db.writer.begin() as connection:
        save_grid(connection, city)
        entrance = {"entrance": wkt(point(20, 10))} if with_entrance else {}
        save_home(connection, box(0, 0, 20, 20), people=1, **entrance)
        save_home(connection, point(50, 0), people=2)
        save_home(connection, box(100, 0, 120, 20), people=3)
        save_site(connection, point(100, 0), "MED_CHS")
    with fresh_db.reader.connect() as connection:
        study = load_study(connection, fresh_db.settings)
    buildings = study.buildings
    assert buildings.zone.tolist() == [0, -1, -1]
    assert buildings.shape_row.tolist() == ([2] if with_entrance else [0, 2])
    assert np.isnan(buildings.start_xy).all(axis=1).tolist() == [not with_entrance, False, True]
    if with_entrance:
        far = buildings.start_xy[1] - buildings.start_xy[0]
        np.testing.assert_allclose(far, (30, -10), atol=0.02)
