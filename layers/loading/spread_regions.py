"""The database's part in putting people on buildings: which counts name a building, which region holds which building.

Everything happens in temporary tables of the caller's transaction; :mod:`layers.population` states the rules.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np
import pandas as pd
from psycopg import sql
from sqlalchemy import text

from geo.population import BANDS, COLUMNS, MISSING
from layers.loading.staging import open_cursor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]

GIVEN: Final = "given"
NEAREST_MAX_M: Final = 500.0
"""People of a region without a building go at most this far, in metres."""

NEAREST_CANDIDATES = 20
SCRATCH = (
    "spread_use",
    "spread_named",
    "spread_given",
    "spread_own",
    "spread_row",
    "spread_region",
    "spread_building",
    "spread_member",
    "spread_share",
    "spread_group",
)


def _each(template: str) -> str:
    """Return a template for every count column, separated by commas."""
    return ", ".join(template.format(name) for name in COLUMNS)


_PEOPLE = f"coalesce(p.people, {' + '.join(f'p.{name}' for name in BANDS)})"
_PLACES = {
    "<columns>": _each("{0}"),
    "<sums>": _each("sum({0})::integer AS {0}"),
    "<given sums>": _each("sum(p.{0})::integer AS {0}").replace("sum(p.people)", f"sum({_PEOPLE})", 1),
    "<any sum>": _each("sum(p.{0})"),
    "<updates>": _each("{0} = excluded.{0}"),
    "<old>": _each("g.{0}"),
    "<new>": _each("excluded.{0}"),
    "<member sums>": _each("coalesce(sum(g.{0}), 0) AS {0}"),
    "<row counts>": _each("p.{0}"),
}


def _fill(statement: str) -> str:
    for place, columns in _PLACES.items():
        statement = statement.replace(place, columns)
    return statement


_NAMED = """
CREATE TEMPORARY TABLE spread_named AS
SELECT DISTINCT ON (p.id) p.id AS population_id, b.id AS building_id
FROM onemap.population p JOIN onemap.building b ON b.source_id = p.building_id AND b.valid_to IS NULL
WHERE p.valid_to IS NULL AND p.building_id IS NOT NULL
ORDER BY p.id, (b.source = p.source) DESC, b.id
"""
_GIVEN = """
CREATE TEMPORARY TABLE spread_given AS
SELECT n.building_id, array_agg(p.id ORDER BY p.id) AS population_ids, 'given'::text AS method, <given sums>
FROM spread_named n JOIN onemap.population p ON p.id = n.population_id
GROUP BY n.building_id HAVING coalesce(<any sum>) IS NOT NULL
"""
# into a table of its own: an anti-join with the table that is written would scan ever more dead rows
_OWN = """
CREATE TEMPORARY TABLE spread_own AS
SELECT b.id, b.people, b.households FROM onemap.building b
WHERE b.valid_to IS NULL AND b.people IS NOT NULL
  AND NOT EXISTS (SELECT FROM spread_given g WHERE g.building_id = b.id)
"""
_ADD_OWN = """
INSERT INTO spread_given (building_id, method, people, households)
SELECT id, 'given', people, households FROM spread_own
"""
_ADD_ALL = """
INSERT INTO spread_given (building_id, method, people, households)
SELECT b.id, 'given', b.people, b.households FROM onemap.building b WHERE b.valid_to IS NULL AND b.people IS NOT NULL
"""
_NOBODY = """
SELECT NOT EXISTS (SELECT FROM onemap.resident_group)
   AND NOT EXISTS (SELECT FROM onemap.population WHERE valid_to IS NULL)
"""
_GIVE_ALL = """
INSERT INTO onemap.resident_group (building_id, method, people, households)
SELECT b.id, 'given', b.people, b.households FROM onemap.building b WHERE b.valid_to IS NULL AND b.people IS NOT NULL
"""
_ROWS = """
CREATE TEMPORARY TABLE spread_row AS
SELECT p.id, p.load_id, p.source, p.source_id, p.building_id, p.area_code, <row counts>,
       coalesce(a.geom, p.geom) AS geom, md5(ST_AsBinary(coalesce(a.geom, p.geom))) AS shape
FROM onemap.population p
LEFT JOIN LATERAL (
    SELECT geom FROM onemap.area WHERE code = p.area_code AND valid_to IS NULL ORDER BY id LIMIT 1
) a ON true
WHERE p.valid_to IS NULL AND NOT EXISTS (SELECT FROM spread_named n WHERE n.population_id = p.id)
"""
_REGIONS = """
CREATE TEMPORARY TABLE spread_region AS
WITH winner AS (
    SELECT DISTINCT ON (shape) shape, source FROM spread_row WHERE geom IS NOT NULL
    ORDER BY shape, load_id DESC, id DESC
)
SELECT row_number() OVER (ORDER BY min(id)) - 1 AS region, min(source) AS source, min(source_id) AS source_id,
       array_agg(id ORDER BY id) AS population_ids, (array_agg(geom))[1] AS geom,
       ST_Area((array_agg(geom))[1]) AS size, <sums>
FROM spread_row JOIN winner USING (shape, source) GROUP BY shape
"""
_BUILDINGS = """
CREATE TEMPORARY TABLE spread_building AS
SELECT b.id, coalesce(u.class, 1) AS class, b.dwellings, b.floors, b.footprint_m2,
       EXISTS (SELECT FROM spread_given g WHERE g.building_id = b.id) AS is_given,
       CASE WHEN ST_Dimension(b.geom) = 2 THEN ST_PointOnSurface(b.geom) ELSE ST_Centroid(b.geom) END AS point
FROM onemap.building b LEFT JOIN spread_use u ON u.use = b.use
WHERE b.valid_to IS NULL
"""
_MEMBERS = """
CREATE TEMPORARY TABLE spread_member AS
SELECT b.id AS building_id, r.region, b.class, b.dwellings, b.floors, b.footprint_m2, b.is_given
FROM spread_building b CROSS JOIN LATERAL (
    SELECT r.region FROM spread_region r WHERE ST_Intersects(r.geom, b.point) ORDER BY r.size, r.region LIMIT 1
) r
"""
_PARENTS = """
SELECT c.region, coalesce(p.region, -1) AS parent
FROM spread_region c LEFT JOIN LATERAL (
    SELECT p.region FROM spread_region p
    WHERE p.size > c.size AND ST_Intersects(p.geom, ST_PointOnSurface(c.geom)) ORDER BY p.size, p.region LIMIT 1
) p ON true ORDER BY c.region
"""
_MEMBER_SUMS = """
SELECT m.region, <member sums> FROM spread_member m JOIN spread_given g ON g.building_id = m.building_id
GROUP BY m.region
"""
_LOST = """
SELECT source, source_id, greatest(coalesce(people, 0), 0),
       CASE WHEN building_id IS NOT NULL THEN format('building %s is not loaded', building_id)
            WHEN area_code IS NOT NULL THEN format('area %s is not loaded', area_code)
            ELSE 'it names no place' END
FROM spread_row WHERE geom IS NULL ORDER BY id
"""
_NEAREST = """
SELECT r.region, n.id FROM spread_region r CROSS JOIN LATERAL (
    SELECT c.id FROM (
        SELECT b.id, b.geom, s.class FROM onemap.building b JOIN spread_building s ON s.id = b.id AND NOT s.is_given
        WHERE b.valid_to IS NULL AND ST_DWithin(b.geom, r.geom, :reach_deg)
        ORDER BY b.geom <-> r.geom LIMIT :candidates
    ) c
    WHERE ST_DWithin(c.geom::geography, r.geom::geography, :most_m)
    ORDER BY c.class > 0 DESC, ST_Distance(c.geom::geography, r.geom::geography), c.id LIMIT 1
) n WHERE r.region = ANY(:regions)
"""
_GROUPS = """
CREATE TEMPORARY TABLE spread_group AS
WITH ids AS (
    SELECT s.building_id, array_agg(DISTINCT u.id ORDER BY u.id) AS population_ids
    FROM spread_share s CROSS JOIN LATERAL unnest(s.population_ids) AS u(id) GROUP BY s.building_id
), sums AS (
    SELECT building_id, string_agg(DISTINCT method, '+') AS method, <sums> FROM spread_share GROUP BY building_id
)
SELECT building_id, ids.population_ids, method, <columns> FROM sums LEFT JOIN ids USING (building_id)
"""
_REMOVE = """
DELETE FROM onemap.resident_group g WHERE NOT EXISTS (SELECT FROM spread_group s WHERE s.building_id = g.building_id)
"""
_WRITE = """
INSERT INTO onemap.resident_group AS g (building_id, population_ids, method, <columns>)
SELECT building_id, population_ids, method, <columns> FROM spread_group
ON CONFLICT (building_id) DO UPDATE
SET population_ids = excluded.population_ids, method = excluded.method, <updates>
WHERE (g.population_ids, g.method, <old>) IS DISTINCT FROM (excluded.population_ids, excluded.method, <new>)
"""


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions with counts to spread, and the buildings that belong to each.

    Attributes
    ----------
    names
        (source, source id) of each region, shape (regions,).
    population_ids
        Rows of the population table behind each region.
    counts
        Column to totals, shape (regions,), ``MISSING`` where not given.
    given
        Column to what buildings inside, and in no smaller region, were given, shape (regions,).
    size
        Area in square degrees; only to tell smaller from larger.
    parent
        Smallest larger region around each, -1 for none.
    member_building, member_region, member_class
        Buildings not given, the region each belongs to, and 2 residential, 1 unknown use, 0 other use.
    member_dwellings, member_floors, member_footprint_m2
        Measures of the members, NaN where unknown.
    lost
        Rows without a place: source, source id, people, why.
    superseded
        Rows whose region another source's later load counts.
    """

    names: list[tuple[str, str]]
    population_ids: list[list[int]]
    counts: Mapping[str, IntArray]
    given: Mapping[str, IntArray]
    size: FloatArray
    parent: IntArray
    member_building: IntArray
    member_region: IntArray
    member_class: IntArray
    member_dwellings: FloatArray
    member_floors: FloatArray
    member_footprint_m2: FloatArray
    lost: list[tuple[str, str, int, str]]
    superseded: int

    def __len__(self) -> int:
        return len(self.names)


def can_give_all(conn: Connection) -> bool:
    """Tell whether nobody is on a building yet and no row of the population layer says anything of where people are."""
    return bool(conn.execute(text(_NOBODY)).scalar_one())


def give_all(conn: Connection) -> int:
    """Put on every building the people its own columns tell; return how many buildings got a row."""
    return int(conn.execute(text(_GIVE_ALL)).rowcount)


def make_given(conn: Connection) -> None:
    """Make the temporary table of buildings whose counts are given."""
    drop_scratch(conn)
    for statement in (_NAMED, "ANALYZE spread_named", _GIVEN, "ANALYZE spread_given"):
        conn.execute(text(_fill(statement)))
    is_named = bool(conn.execute(text("SELECT EXISTS (SELECT FROM spread_given)")).scalar_one())
    for statement in (_OWN, _ADD_OWN) if is_named else (_ADD_ALL,):
        conn.execute(text(statement))
    conn.execute(text("ANALYZE spread_given"))


def drop_scratch(conn: Connection) -> None:
    """Drop every temporary table of a spread."""
    conn.execute(text(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{name}' for name in SCRATCH)}"))


def fetch_regions(conn: Connection, uses: Mapping[str, int]) -> Regions:
    """Return the regions and their buildings; needs :func:`make_given` before.

    Parameters
    ----------
    uses
        Class of each use in the store: 2 residential, 1 unknown, 0 other.
    """
    conn.execute(text("CREATE TEMPORARY TABLE spread_use (use text PRIMARY KEY, class smallint NOT NULL)"))
    if uses:
        rows = [{"use": use, "class": number} for use, number in uses.items()]
        conn.execute(text("INSERT INTO spread_use VALUES (:use, :class)"), rows)
    for statement in (_ROWS, "ANALYZE spread_row", _REGIONS):
        conn.execute(text(_fill(statement)))
    conn.execute(text("CREATE INDEX ON spread_region USING gist (geom)"))
    has_regions = bool(conn.execute(text("SELECT EXISTS (SELECT FROM spread_region)")).scalar_one())
    # without regions nobody's place matters: the tables stay empty
    buildings = _BUILDINGS if has_regions else f"{_BUILDINGS} AND false"
    for statement in ("ANALYZE spread_region", buildings, "ANALYZE spread_building", _MEMBERS):
        conn.execute(text(statement))
    return _read_regions(conn)


def _read_regions(conn: Connection) -> Regions:
    order = "SELECT region, source, source_id, population_ids, size, <columns> FROM spread_region ORDER BY region"
    found = conn.execute(text(_fill(order))).all()
    size = len(found)
    member = _read_table(
        conn,
        "SELECT building_id, region, class, dwellings, floors, footprint_m2 FROM spread_member"
        " WHERE NOT is_given ORDER BY region, building_id",
    )
    parents = conn.execute(text(_PARENTS)).all() if size else []
    rows = conn.execute(text("SELECT count(*) FROM spread_row WHERE geom IS NOT NULL")).scalar_one()
    return Regions(
        names=[(row.source, row.source_id) for row in found],
        population_ids=[row.population_ids for row in found],
        counts={
            name: np.array([MISSING if row[5 + i] is None else row[5 + i] for row in found], dtype=np.int64)
            for i, name in enumerate(COLUMNS)
        },
        given=_read_given(conn, size),
        size=np.array([row.size for row in found], dtype=np.float64),
        parent=np.array([row.parent for row in parents], dtype=np.int64),
        member_building=member["building_id"].to_numpy(np.int64),
        member_region=member["region"].to_numpy(np.int64),
        member_class=member["class"].to_numpy(np.int64),
        member_dwellings=member["dwellings"].to_numpy(np.float64),
        member_floors=member["floors"].to_numpy(np.float64),
        member_footprint_m2=member["footprint_m2"].to_numpy(np.float64),
        lost=[(row[0], row[1], row[2], row[3]) for row in conn.execute(text(_LOST))],
        superseded=rows - sum(len(row.population_ids) for row in found),
    )


def _read_given(conn: Connection, size: int) -> dict[str, IntArray]:
    given = {name: np.zeros(size, dtype=np.int64) for name in COLUMNS}
    for region, *values in conn.execute(text(_fill(_MEMBER_SUMS))):
        for name, value in zip(COLUMNS, values, strict=True):
            given[name][region] = value
    return given


def _read_table(conn: Connection, query: LiteralString) -> pd.DataFrame:
    """Return a query's rows as numbers, without a Python object for each."""
    buffer = io.BytesIO()
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT CSV, HEADER)").format(sql.SQL(query))
    with open_cursor(conn) as cursor, cursor.copy(statement) as copy:
        for chunk in copy:
            buffer.write(chunk)
    buffer.seek(0)
    return pd.read_csv(buffer)


def find_nearest(conn: Connection, regions: IntArray) -> dict[int, int]:
    """Return the building each region's people go to, by region; regions too far from any are absent."""
    if not len(regions):
        return {}
    # a degree of longitude at 75° is 29 km: wide enough everywhere people live, and the exact test follows
    asked = {
        "regions": regions.tolist(),
        "most_m": NEAREST_MAX_M,
        "reach_deg": NEAREST_MAX_M / 28_800.0,
        "candidates": NEAREST_CANDIDATES,
    }
    return {row.region: row.id for row in conn.execute(text(_NEAREST), asked)}


def save_groups(conn: Connection) -> int:
    """Bring the resident groups to the sums of ``spread_share`` and the given ones; return how many rows changed.

    No building is in both: given ones take nothing from regions.
    """
    if conn.execute(text("SELECT EXISTS (SELECT FROM spread_share)")).scalar_one():
        add_given = (
            "INSERT INTO spread_group (building_id, population_ids, method, <columns>)"
            " SELECT building_id, population_ids, method, <columns> FROM spread_given"
        )
        statements = ["ANALYZE spread_share", _GROUPS, add_given, "ANALYZE spread_group"]
    else:
        statements = ["ALTER TABLE spread_given RENAME TO spread_group"]
    for statement in statements:
        conn.execute(text(_fill(statement)))
    removed = conn.execute(text(_REMOVE)).rowcount
    return int(removed + conn.execute(text(_fill(_WRITE))).rowcount)
