"""The sample city of size M through the whole line: who is covered in the old centre and at the new edge."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import func, select, text

from data.sample_city import make_city, write_city
from layers.catalog import read_pack
from layers.load import load_layer
from layers.loading.options import LoadOptions
from layers.query.exports import export_run
from layers.query.runs import result_of
from layers.run import run_gaps
from layers.runs.result import GapRequest
from layers.tables import run_area

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Db

OLD_CENTRE, NEW_EDGE = "O", "N"
DAILY = ("MED_CHS", "MED_PHARMACY", "ELD_STATION", "CUL_STATION", "ADM_STATION", "COM_CANTEEN", "EDU_NURSERY")
"""Types of the five-minute tier that every quarter should have."""


def test_the_old_centre_is_served_and_the_new_edge_is_not(fresh_db: Db, tmp_path: Path) -> None:
    city = make_city("M")
    files = write_city(city, tmp_path)
    for layer in ("areas", "streets", "compounds", "gates", "buildings", "population", "facilities"):
        report = load_layer(fresh_db.writer, layer, files[layer], LoadOptions(datum="wgs84"))
        assert report.outcome.rows_quarantined == 0, layer
    summary = run_gaps(fresh_db.writer, replace(fresh_db.settings, home=tmp_path / "home"), GapRequest())
    pack = read_pack()
    assert len(summary.totals) == len(pack.testable)
    assert summary.counts["buildings_linked"] == summary.counts["buildings"]
    assert summary.counts["gates_unattached"] == 0
    people = int(city.layers["buildings"]["people"].sum())
    assert summary.counts["people"] == people
    out = tmp_path / "buildings.parquet"
    with fresh_db.reader.connect() as connection:
        rows = export_run(connection, summary.id, what="buildings", path=out)
        # every level of the tree sums to everybody
        level = select(run_area.c.level, func.sum(run_area.c.people)).group_by(run_area.c.level)
        whole = level.where(run_area.c.type == "MED_CHC", run_area.c.demand_group == "all")
        sums = dict(connection.execute(whole.where(run_area.c.result_id == result_of(summary.id))).all())
        count = connection.execute(text("SELECT count(*) FROM onemap.building")).scalar_one()
    assert set(sums.values()) == {people}
    assert {"district", "subdistrict", "community", "grid"} <= sums.keys()
    assert rows == count * len(summary.totals)
    table = pd.read_parquet(out, columns=["source_id", "type", "people", "status"])
    table = table.merge(city.estates[["source_id", "zone"]], on="source_id")
    table["covered"] = table["people"].where(table["status"] == "covered", 0)
    figures = table.pivot_table(index="type", columns="zone", values=["people", "covered"], aggfunc="sum")
    share = figures["covered"] / figures["people"]
    for code in DAILY:
        old, new = share.loc[code, [OLD_CENTRE, NEW_EDGE]]
        assert old > 0.9, (code, old)
        assert 0.25 < new < 0.7, (code, new)
