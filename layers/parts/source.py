"""Where a part of the study area is read from: the questions a part asks before it knows which rows it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from psycopg import sql
from sqlalchemy import func, select

from geo.partition import EMPTY_BOXES
from layers.homes import Areas, fetch_areas
from layers.hours import close_sites, read_clock, set_clock
from layers.network import fetch_columns, fetch_versions, list_sources, whole_numbers
from layers.parts.within import NO_POLYGONS, meets, pick_homes, pick_middles
from layers.run import compute_run
from layers.sites import fetch_sites
from layers.study import load_study
from layers.tables import building, facility

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from sqlalchemy import Connection

    from geo.units import FloatArray, IntArray
    from layers.hours import Clock
    from layers.parts.within import Within
    from layers.runs.result import GapRequest, RunResult
    from layers.settings import Settings
    from layers.study import Study

SAMPLE_ROWS = 200_000
"""Buildings by which cells are balanced; more would not move the cuts to speak of."""

LAYER_TABLES = {"streets": "street", "gates": "gate", "facilities": "facility"}
BOUND_TABLES = ("street", "building", "facility", "gate", "compound")


@dataclass(frozen=True)
class WholeStore:
    """What is known about the whole without reading it in one piece.

    Attributes
    ----------
    versions
        Versions of the layers.
    made_from
        Settings of the network.
    site_id
        Ids of all facilities, ascending, shape (f,).
    areas
        The tree of areas; polygons are missing.
    """

    versions: dict[str, int]
    made_from: dict[str, Any]
    site_id: IntArray
    areas: Areas


class PartSource(Protocol):
    """A store that can be read in parts."""

    def count_homes(self) -> int:
        """Return how many buildings there are."""

    def sample_homes(self) -> tuple[FloatArray, FloatArray]:
        """Return longitudes and latitudes of the middles of buildings, evenly chosen and the same every time."""

    def find_bounds(self) -> FloatArray:
        """Return the box around everything in degrees, shape (1, 4)."""

    def find_home_bounds(self, within: Within) -> FloatArray:
        """Return the box around the buildings of a cell and their entrances in degrees, shape (1, 4) or (0, 4)."""

    def find_streets(self, boxes: FloatArray) -> FloatArray:
        """Return the boxes of the streets that meet any of the boxes but are not held by the first, shape (k, 4)."""

    def find_outlines(self, boxes: FloatArray) -> FloatArray:
        """Return the boxes of facilities with an outline that meet any of the boxes but are not held by the first."""

    def find_any_street(self) -> FloatArray:
        """Return the box of one street, shape (1, 4) or (0, 4)."""

    def has_streets(self, boxes: FloatArray) -> bool:
        """Return whether any street meets the boxes."""

    def list_own(self, layer: str, within: Within) -> IntArray:
        """Return the ids of the rows of a layer whose middle lies in the cell, ascending."""

    def count_types(self) -> dict[str, int]:
        """Return how many facilities of each type there are."""

    def measure_junctions_m(self) -> float:
        """Return how far apart line ends are that carry the same node id, metres."""

    def load(self, settings: Settings, within: Within) -> Study:
        """Return a part as arrays."""

    def load_sites(self, study: Study, within: Within) -> Study:
        """Return a part with its facilities read anew."""

    def set_clock(self, study: Study, at: str | None) -> Study:
        """Return a part as it is at a moment."""

    def read_clock(self, at: str | None) -> Clock | None:
        """Return what is closed at a moment in the whole; None where hours do not count."""

    def compute(self, study: Study, request: GapRequest, *, threads: int) -> RunResult:
        """Return the result of a part."""

    def read_whole(self) -> WholeStore:
        """Return what is known about the whole without reading it in one piece."""


class DatabaseSource:
    """The database, through a connection whose transaction sees one state.

    Parameters
    ----------
    connection
        An open connection in a repeatable-read transaction; reads only.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def count_homes(self) -> int:
        """Return how many buildings there are."""
        count = select(func.count()).select_from(building).where(building.c.valid_to.is_(None))
        return int(self.connection.execute(count).scalar_one())

    def sample_homes(self) -> tuple[FloatArray, FloatArray]:
        """Return longitudes and latitudes of the middles of buildings, evenly chosen and the same every time."""
        every = max(self.count_homes() // SAMPLE_ROWS, 1)
        query = sql.SQL(
            "SELECT (ST_XMin(geom) + ST_XMax(geom)) / 2, (ST_YMin(geom) + ST_YMax(geom)) / 2 FROM onemap.building "
            "WHERE valid_to IS NULL AND id % {} = 0"
        )
        found = fetch_columns(self.connection, query.format(sql.Literal(every)), ("x", "y"))
        return found["x"].astype(np.float64), found["y"].astype(np.float64)

    def find_bounds(self) -> FloatArray:
        """Return the box around everything in degrees, shape (1, 4)."""
        extent = sql.SQL("SELECT ST_Extent(geom)::box2d AS box FROM {} WHERE valid_to IS NULL")
        each = sql.SQL(" UNION ALL ").join(extent.format(sql.Identifier("onemap", name)) for name in BOUND_TABLES)
        return self._read_boxes(sql.SQL("SELECT ST_Extent(box::geometry)::geometry AS geom FROM ({}) e").format(each))

    def find_home_bounds(self, within: Within) -> FloatArray:
        """Return the box around the buildings of a cell and their entrances in degrees, shape (1, 4) or (0, 4)."""
        query = sql.SQL(
            "SELECT ST_Extent(ST_Collect(geom, entrance))::geometry AS geom FROM onemap.building b "
            "WHERE valid_to IS NULL{}"
        )
        return self._read_boxes(query.format(pick_homes(within, "b")))

    def find_streets(self, boxes: FloatArray) -> FloatArray:
        """Return the boxes of the streets that meet any of the boxes but are not held by the first, shape (k, 4)."""
        return self._find_sticking("street", boxes, "true")

    def find_outlines(self, boxes: FloatArray) -> FloatArray:
        """Return the boxes of facilities with an outline that meet any of the boxes but are not held by the first."""
        return self._find_sticking("facility", boxes, "ST_Dimension(geom) > 0")

    def find_any_street(self) -> FloatArray:
        """Return the box of one street, shape (1, 4) or (0, 4)."""
        return self._read_boxes(sql.SQL("SELECT geom FROM onemap.street WHERE valid_to IS NULL ORDER BY id LIMIT 1"))

    def has_streets(self, boxes: FloatArray) -> bool:
        """Return whether any street meets the boxes."""
        query = sql.SQL("SELECT EXISTS ({})").format(meets("street", boxes))
        return bool(fetch_columns(self.connection, query, ("any",))["any"][0])

    def list_own(self, layer: str, within: Within) -> IntArray:
        """Return the ids of the rows of a layer whose middle lies in the cell, ascending."""
        query = sql.SQL("SELECT id FROM {} r WHERE valid_to IS NULL{} ORDER BY id").format(
            sql.Identifier("onemap", LAYER_TABLES[layer]), pick_middles(within.cell, "r")
        )
        return whole_numbers(fetch_columns(self.connection, query, ("id",))["id"])

    def count_types(self) -> dict[str, int]:
        """Return how many facilities of each type there are."""
        query = select(facility.c.type, func.count()).where(facility.c.valid_to.is_(None), facility.c.type.is_not(None))
        return {str(kind): int(count) for kind, count in self.connection.execute(query.group_by(facility.c.type))}

    def measure_junctions_m(self) -> float:
        """Return how far apart line ends are that carry the same node id, metres."""
        query = sql.SQL(
            "SELECT max(ST_Length(ST_BoundingDiagonal(place)::geography)) FROM ("
            "SELECT ST_Collect(place) AS place FROM ("
            "SELECT node_a AS node, ST_StartPoint(geom) AS place FROM onemap.street WHERE valid_to IS NULL UNION ALL "
            "SELECT node_b, ST_EndPoint(geom) FROM onemap.street WHERE valid_to IS NULL) e "
            "WHERE node > 0 GROUP BY node HAVING count(DISTINCT place) > 1) j"
        )
        value = fetch_columns(self.connection, query.format(), ("metres",))["metres"][0]
        return 0.0 if value is None else float(value)

    def load(self, settings: Settings, within: Within) -> Study:
        """Return a part as arrays."""
        return load_study(self.connection, settings, within=within)

    def load_sites(self, study: Study, within: Within) -> Study:
        """Return a part with its facilities read anew."""
        sites = fetch_sites(self.connection, study.streetscape, within=within)
        return replace(study, sites=sites if study.clock is None else close_sites(sites, study.clock))

    def set_clock(self, study: Study, at: str | None) -> Study:
        """Return a part as it is at a moment."""
        return set_clock(self.connection, study, at)

    def read_clock(self, at: str | None) -> Clock | None:
        """Return what is closed at a moment in the whole; None where hours do not count."""
        return None if at is None else read_clock(self.connection, at)

    def compute(self, study: Study, request: GapRequest, *, threads: int) -> RunResult:
        """Return the result of a part."""
        return compute_run(self.connection, study, request, threads=threads, must_link=False)

    def read_whole(self) -> WholeStore:
        """Return what is known about the whole without reading it in one piece."""
        query = "SELECT id FROM onemap.facility WHERE valid_to IS NULL ORDER BY id"
        return WholeStore(
            versions=fetch_versions(self.connection),
            made_from=list_sources(self.connection),
            site_id=whole_numbers(fetch_columns(self.connection, query, ("id",))["id"]),
            areas=fetch_areas(self.connection, within=NO_POLYGONS),
        )

    def _find_sticking(self, table: str, boxes: FloatArray, condition: LiteralString) -> FloatArray:
        main: Sequence[float] = boxes[0].tolist()
        query = sql.SQL(
            "SELECT geom FROM {table} WHERE {condition} AND id IN ({ids}) "
            "AND NOT geom @ ST_MakeEnvelope({w}, {s}, {e}, {n}, 4326)"
        )
        sides = {name: sql.Literal(side) for name, side in zip("wsen", main, strict=True)}
        return self._read_boxes(
            query.format(
                table=sql.Identifier("onemap", table), condition=sql.SQL(condition), ids=meets(table, boxes), **sides
            )
        )

    def _read_boxes(self, query: sql.Composed | sql.SQL) -> FloatArray:
        """Return the boxes of the column ``geom`` of a query, nulls left out."""
        outer = sql.SQL(
            "SELECT ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom) FROM ({}) q WHERE geom IS NOT NULL"
        )
        found = fetch_columns(self.connection, outer.format(query), ("w", "s", "e", "n"))
        if found["w"].shape[0] == 0:
            return EMPTY_BOXES
        return np.stack([found[name].astype(np.float64) for name in "wsen"], axis=1)
