"""Stored runs: read back as they were computed, shared when asked again, brought up to date in place."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from geo.errors import Conflict, NotFound, TooLarge
from layers import tables
from layers.run import compute_run, run_gaps
from layers.runs import tables as run_tables
from layers.runs.load import load_figures, load_result
from layers.runs.result import GapRequest, lay_columns
from layers.runs.slices import ABSENT, SLICE_BUILDINGS, Slots, from_bytes, pack_slices
from layers.runs.store import find_facility_base, save_run
from layers.runs.update import RESULT_TABLES, update_run
from layers.study import load_study
from tests.gridcity import GridCity, box, point
from tests.gridstore import raise_version, save_area, save_grid, save_home, save_site

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from layers.runs.result import RunResult
    from layers.settings import Settings
    from tests.conftest import Db

CLINIC, PRIMARY = "MED_CHS", "EDU_PRIMARY"
ASKED = GapRequest(types=(CLINIC, PRIMARY))


@pytest.fixture
def store(fresh_db: Db, tmp_path: Path) -> tuple[Db, Settings]:
    """Return a database with a street, two areas, more homes than a slice holds, a clinic and a school."""
    with fresh_db.writer.begin() as connection:
        save_grid(connection, GridCity.grid(4, 1))
        save_area(connection, box(-50, -50, 450, 150), "42", level="district", parent=None, depth=0)
        save_area(connection, box(-50, -50, 200, 150), "4201", level="community", parent="42", depth=1)
        for number in range(SLICE_BUILDINGS + 20):
            save_home(connection, point(2.5 * number, 0), people=number, a06_11=number // 9, dwellings=number % 7)
        save_home(connection, point(200, 900), people=50)
        save_site(connection, point(0, 0), CLINIC)
        save_site(connection, point(200, 0), PRIMARY)
        raise_version(connection, "population")
    return fresh_db, replace(fresh_db.settings, home=tmp_path)


def read_tables(connection: Connection, run_id: int) -> dict[str, list[Any]]:
    """Return everything that is stored of a run but keys and times, in order."""
    result_id = connection.execute(select(tables.run.c.result_id).where(tables.run.c.id == run_id)).scalar_one()
    found = {}
    for table in RESULT_TABLES:
        names = [c.name for c in table.c if c.name not in {"id", "result_id"}]
        order = [table.c.id] if "id" in table.c else [c for c in table.primary_key.columns if c.name != "result_id"]
        rows = select(*(table.c[name] for name in names)).where(table.c.result_id == result_id).order_by(*order)
        found[table.name] = [tuple(row) for row in connection.execute(rows)]
    kept = [c for c in tables.run_column.c if c.name != "run_id"]
    rows = select(*kept).where(tables.run_column.c.run_id == run_id).order_by(tables.run_column.c.position)
    found["run_column"] = [tuple(row) for row in connection.execute(rows)]
    made_from = ("versions", "pack_version", "metric_crs", "engine", "counts", "result_sha256")
    row = select(*(tables.run.c[name] for name in made_from)).where(tables.run.c.id == run_id)
    found["run"] = [tuple(connection.execute(row).one())]
    return found


def compute(connection: Connection, settings: Settings, request: GapRequest = ASKED) -> RunResult:
    """Return what a run finds in the store as it is now."""
    return compute_run(connection, load_study(connection, settings), request)


@hypothesis.settings(deadline=None)
@given(st.lists(st.integers(1, 2_000), unique=True, min_size=1, max_size=80), st.integers(0, 2**31 - 1))
def test_slices_give_back_what_was_laid_out(ids: list[int], value: int) -> None:
    building_id = np.sort(np.array(ids, dtype=np.int64))
    slots = Slots.find(building_id)
    values = np.maximum(value - np.arange(building_id.shape[0]), ABSENT + 1).astype(np.int32)
    packed = bytes(pack_slices(slots, {"result_id": bytes(8)}, {"one": values, "other": values[::-1]}))
    assert len(packed) % slots.number.shape[0] == 0
    size = len(packed) // slots.number.shape[0]
    rows = [packed[at : at + size] for at in range(0, len(packed), size)]
    # four fields: 8 bytes, the number, two slices, each with its length before it
    head, width = 2 + 4 + 8, 4 + 4 * SLICE_BUILDINGS
    assert {row[:6] for row in rows} == {struct.pack(">hi", 4, 8)}
    assert {row[head + 8 : head + 12] for row in rows} == {struct.pack(">i", 4 * SLICE_BUILDINGS)}
    data = b"".join(row[head + 4 : head + 8] + row[head + 12 : head + 8 + width] for row in rows)
    _, other = from_bytes(b"".join(row[head + 4 : head + 8] + row[head + 12 + width :] for row in rows), 1)
    assert other.reshape(-1)[slots.place].tolist() == values[::-1].tolist()
    number, found = from_bytes(data, 1)
    assert number.tolist() == slots.number.tolist()
    assert found.reshape(-1)[slots.place].tolist() == values.tolist()
    assert (found == ABSENT).sum() == found.size - building_id.shape[0]
    first = slots.number.astype(np.int64)[slots.place // SLICE_BUILDINGS] * SLICE_BUILDINGS
    assert (first + slots.place % SLICE_BUILDINGS).tolist() == building_id.tolist()


def test_a_stored_run_is_read_back_as_it_was_computed(store: tuple[Db, Settings]) -> None:
    db, settings = store
    with db.writer.begin() as connection:
        result = compute(connection, settings)
        summary = save_run(connection, result, ASKED, duration_s=0.0)
        again = load_result(connection, result.study, summary.id)
        figures = load_figures(connection, summary.id)
    for name in ("rows", "is_linked", "reach_ms", "facility", "radius_mm", "people"):
        assert np.array_equal(getattr(again, name), getattr(result, name)), name
    assert (again.columns, again.network_counts) == (result.columns, result.network_counts)
    assert again.digest() == result.digest()
    assert figures.building_id.tolist() == result.building_id.tolist()
    assert np.array_equal(figures.facility_id, result.facility_id)
    assert not figures.is_linked[-1].any()
    with db.reader.connect() as connection, pytest.raises(NotFound):
        load_figures(connection, summary.id + 1)


def test_the_digest_knows_every_figure(store: tuple[Db, Settings]) -> None:
    db, settings = store
    with db.reader.connect() as connection:
        result = compute(connection, settings)
    digests = {result.digest()}
    for name in ("is_linked", "reach_ms", "facility", "radius_mm", "people"):
        changed = getattr(result, name).copy()
        changed[7, 1] ^= 1
        digests.add(replace(result, **{name: changed}).digest())
    assert len(digests) == 6


def test_asked_again_the_result_is_shared_and_each_run_stands_alone(store: tuple[Db, Settings]) -> None:
    db, settings = store
    first = run_gaps(db.writer, settings, ASKED)
    second = run_gaps(db.writer, settings, replace(ASKED, name="again"))
    other = run_gaps(db.writer, settings, replace(ASKED, minutes=3))
    run = tables.run.c
    with db.writer.connect() as connection:
        rows = {row.id: row for row in connection.execute(select(tables.run))}
        shared = read_tables(connection, first.id)
        assert read_tables(connection, second.id) == shared
    assert (first.totals, first.counts, first.not_judged) == (second.totals, second.counts, second.not_judged)
    assert rows[first.id].result_id == rows[second.id].result_id != rows[other.id].result_id
    assert rows[first.id].result_sha256 == rows[second.id].result_sha256
    assert (rows[second.id].name, rows[second.id].request["name"]) == ("again", "again")
    with db.writer.begin() as connection:
        connection.execute(delete(tables.run).where(run.id == first.id))
    with db.writer.begin() as connection:
        assert read_tables(connection, second.id) == shared
        connection.execute(delete(tables.run).where(run.id == second.id))
        left = connection.execute(select(run_tables.run_result.c.id)).scalars().all()
    assert left == [rows[other.id].result_id]


def test_a_changed_layer_is_computed_anew(store: tuple[Db, Settings]) -> None:
    db, settings = store
    first = run_gaps(db.writer, settings, ASKED)
    with db.writer.begin() as connection:
        save_site(connection, point(350, 0), CLINIC)
    second = run_gaps(db.writer, settings, ASKED)
    assert first.totals[0]["covered"] < second.totals[0]["covered"]
    farther = run_gaps(db.writer, replace(settings, link_max_m=1_000.0), ASKED)
    assert farther.counts["buildings_linked"] == second.counts["buildings_linked"] + 1


def change_sites(connection: Connection) -> None:
    save_site(connection, point(350, 0), CLINIC)


def change_homes(connection: Connection) -> None:
    save_home(connection, point(120, 0), people=1_000, dwellings=3)
    last = connection.execute(select(func.min(tables.building.c.id))).scalar_one()
    gone = tables.building.c.id.in_([last + 3, last + 140])
    connection.execute(update(tables.building).where(gone).values(valid_to=func.now()))


def change_areas(connection: Connection) -> None:
    save_area(connection, box(200, -50, 450, 150), "4202", level="community", parent="42", depth=1)


@pytest.mark.parametrize("change", [change_sites, change_homes, change_areas])
@pytest.mark.parametrize("is_shared", [False, True])
def test_an_updated_run_is_as_if_stored_anew(store: tuple[Db, Settings], change: Any, is_shared: bool) -> None:
    db, settings = store
    request = ASKED
    summary = run_gaps(db.writer, settings, request)
    kept = run_gaps(db.writer, settings, request) if is_shared else None
    with db.writer.begin() as connection:
        old = load_figures(connection, summary.id)
        before = read_tables(connection, summary.id)
        change(connection)
        raise_version(connection, "buildings")
    with db.writer.begin() as connection:
        new = compute(connection, settings)
        place = np.searchsorted(old.building_id, new.building_id)
        place = np.minimum(place, old.building_id.shape[0] - 1)
        is_new = old.building_id[place] != new.building_id
        differs = (
            (old.reach_ms[place] != new.reach_ms)
            | (old.facility_id[place] != new.facility_id)
            | (old.radius_mm[place] != new.radius_mm)
        ).any(axis=1)
        gone = np.setdiff1d(old.building_id, new.building_id)
        columns = [0] if change is change_sites else None
        rows = np.flatnonzero(is_new | differs) if change is not change_areas else np.arange(new.rows.shape[0])
        digest = update_run(connection, summary.id, new, rows, columns=columns, gone=gone)
        fresh = save_run(connection, new, request, duration_s=0.0)
        assert digest == new.digest()
        assert read_tables(connection, summary.id) == read_tables(connection, fresh.id)
        assert load_result(connection, new.study, summary.id).digest() == digest
        if kept is not None:
            assert read_tables(connection, kept.id) == before


def test_a_base_whose_buildings_are_gone_is_no_base(store: tuple[Db, Settings]) -> None:
    db, settings = store
    summary = run_gaps(db.writer, settings, ASKED)
    with db.writer.begin() as connection:
        change_homes(connection)
    with db.reader.connect() as connection, pytest.raises(Conflict, match="building"):
        load_result(connection, load_study(connection, settings), summary.id)


def test_a_run_that_is_not_there_is_not_updated(store: tuple[Db, Settings]) -> None:
    db, settings = store
    with db.writer.begin() as connection:
        result = compute(connection, settings)
        with pytest.raises(NotFound, match="run 77"):
            update_run(connection, 77, result, np.arange(1))


def test_ids_beyond_four_bytes_are_stored_by_their_distance(store: tuple[Db, Settings]) -> None:
    db, settings = store
    with db.writer.begin() as connection:
        result = compute(connection, settings)
        sites = result.study.sites
        far = replace(result.study, sites=replace(sites, facility_id=sites.facility_id + 2**40))
        moved = replace(result, study=far)
        summary = save_run(connection, moved, ASKED, duration_s=0.0)
        assert load_result(connection, far, summary.id).digest() == moved.digest()
    apart = replace(sites, facility_id=np.array([1, 2**40]))
    with pytest.raises(TooLarge, match="farther apart"):
        find_facility_base(replace(result, study=replace(result.study, sites=apart)))


def test_columns_of_one_matrix_are_not_copied() -> None:
    """Only all of them, in order: anything else is laid side by side anew."""
    matrix = np.arange(12, dtype=np.int32).reshape(3, 4).copy()
    rows = list(matrix)
    assert lay_columns(rows).base is matrix
    for columns in (rows[::-1], rows[:2], [rows[0], rows[0], rows[2]], [rows[0], rows[1], rows[2].copy()]):
        laid = lay_columns(columns)
        assert laid.base is not matrix
        assert laid.T.tolist() == [column.tolist() for column in columns]
        assert laid.flags.f_contiguous
    backwards = lay_columns([row[::-1] for row in rows])
    assert backwards.T.tolist() == matrix[:, ::-1].tolist()
