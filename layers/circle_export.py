"""Write the catchment of every facility of a run: everything within the type's limit of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geo.circles.circle import Place
from geo.link import Links
from layers.circle import draw_place
from layers.export import Layout, TableColumn, write_table
from layers.query.runs import fetch_columns
from layers.study import load_study, load_tread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from layers.query.runs import RunColumn
    from layers.settings import Settings
    from layers.study import Study

LAYOUT = Layout(
    (
        TableColumn("facility_id", "integer"),
        TableColumn("name", "text"),
        TableColumn("type", "text"),
        TableColumn("profile", "text"),
        TableColumn("limit_s", "integer"),
        TableColumn("buildings", "integer"),
        TableColumn("people", "integer"),
    ),
    has_geometry=True,
)


def export_circles(
    connection: Connection,
    settings: Settings,
    run_id: int,
    *,
    path: Path,
    progress: Callable[[float, str], None] | None = None,
) -> int:
    """Write one polygon for every facility and profile of a run and return how many.

    Parameters
    ----------
    connection
        An open connection; reads only.
    settings
        Where caches are kept.
    run_id
        Which run: its types, profiles and limits are drawn on the layers as they are now.
    path
        File to write; its ending chooses the format.
    progress
        Called with the share done and what is being done.
    """
    study = load_study(connection, settings)
    columns = fetch_columns(connection, run_id)
    for code in {column.profile for column in columns}:
        load_tread(connection, study, study.profiles[code])
    # drawing takes minutes and asks nothing of the database: a transaction left open that long is cut off
    connection.commit()
    return write_table(_draw(connection, study, columns, progress), path, layout=LAYOUT, layer="circles")


def _draw(
    connection: Connection,
    study: Study,
    columns: list[RunColumn],
    progress: Callable[[float, str], None] | None,
) -> Iterator[dict[str, Any]]:
    for number, column in enumerate(columns):
        tread = load_tread(connection, study, study.profiles[column.profile])
        links = tread.entrances.links
        for row in study.sites.rows_of(column.type, study.pack).tolist():
            # entrances stand in the order of their facilities
            mine = slice(*np.searchsorted(tread.entrances.facility, [row, row + 1]).tolist())
            buildings, people, polygon = 0, 0, None
            if mine.start < mine.stop:
                place = Place(Links(links.edge[mine], links.place_mm[mine], links.off_mm[mine]), study.sites.zone[row])
                minutes = [column.limit_s / 60]
                (area,) = draw_place(study, tread, place, minutes=minutes)
                buildings, people = int(area.building_id.shape[0]), area.people
                polygon = json.dumps(shapely.geometry.mapping(area.polygon))
            yield {
                "facility_id": int(study.sites.facility_id[row]),
                "name": study.sites.name[row],
                "type": column.type,
                "profile": column.profile,
                "limit_s": column.limit_s,
                "buildings": buildings,
                "people": people,
                "geometry": polygon,
            }
        if progress is not None:
            progress((number + 1) / len(columns), f"drawing {column.type}")
