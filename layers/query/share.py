"""What a page to share needs of a run: areas with figures, the worst buildings, facilities, a base to draw on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from layers import tables
from layers.catalog import LAYERS
from layers.query.catalogue import name_level
from layers.query.layer import LayerState, fetch_layer_states, fetch_reference_layers, view_reference_layer
from layers.query.results import build_worst_buildings, degrees, fetch_totals
from layers.query.runs import fetch_columns, fetch_levels, result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection, Row

    from layers.query.runs import RunColumn

# A metre: what a page for eyes can show.
DECIMALS = 5
SIMPLIFY_DEG = 2e-5
WORST_ROWS = 15
AREAS_MAX = 1_500
# of one type; more are no help on one page
FACILITIES_MAX = 300
# One layer of the base at most, bytes of GeoJSON; a larger one is left out and named.
BASE_BYTES_MAX = 600_000
MAJOR = ("motorway", "trunk", "primary", "secondary", "motorway_link", "trunk_link", "primary_link", "secondary_link")
MID = ("tertiary", "tertiary_link", "residential", "unclassified", "living_street", "pedestrian")
BASE_REFERENCES = ("water", "railway")


@dataclass(frozen=True, slots=True)
class ShareData:
    """Everything on one page.

    Attributes
    ----------
    run
        The run's row.
    columns, totals
        What was judged and the people in it.
    levels
        Levels that are shown, the one with the fewest areas first.
    areas
        ``code``, ``level``, ``name`` and GeoJSON geometry of every area shown.
    figures
        By area code: for every column people, covered, gap, unknown.
    worst
        For every column the uncovered buildings with most people.
    facilities
        By type: longitude, latitude and name.
    base
        By name of a look: GeoJSON geometries.
    left_out
        Names of what did not fit on the page.
    sources
        What is loaded of each layer used.
    """

    run: Row[Any]
    columns: list[RunColumn]
    totals: list[dict[str, Any]]
    levels: list[str]
    areas: list[dict[str, Any]]
    figures: dict[str, list[list[int]]]
    worst: list[list[dict[str, Any]]]
    facilities: dict[str, list[list[Any]]]
    base: dict[str, dict[str, Any]]
    left_out: list[str]
    sources: list[LayerState]


def fetch_share(conn: Connection, run: Row[Any]) -> ShareData:
    """Return the data of a page about one run.

    Parameters
    ----------
    conn
        Where to read.
    run
        Row of the run.
    """
    columns = fetch_columns(conn, run.id)
    left_out: list[str] = []
    levels, areas = _fetch_areas(conn, run.id, left_out)
    states = fetch_layer_states(conn)
    return ShareData(
        run=run,
        columns=columns,
        totals=fetch_totals(conn, run.id),
        levels=levels,
        areas=areas,
        figures=_fetch_figures(conn, run.id, columns, {area["code"] for area in areas}),
        worst=[_fetch_worst(conn, run.id, column) for column in columns],
        facilities=_fetch_facilities(conn, columns, left_out),
        base=_fetch_base(conn, states, left_out),
        left_out=left_out,
        sources=[states[name] for name in (*LAYERS, *BASE_REFERENCES) if name in states],
    )


def _shape(geom: ColumnElement[Any]) -> ColumnElement[str]:
    simple = func.ST_SimplifyPreserveTopology(geom, SIMPLIFY_DEG)
    return func.ST_AsGeoJSON(func.ST_ForcePolygonCCW(simple), DECIMALS)


def _fetch_areas(conn: Connection, run_id: int, left_out: list[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return levels and outlines from the coarsest level on, as many whole levels as fit."""
    area = tables.area.c
    levels: list[str] = []
    areas: list[dict[str, Any]] = []
    for level in fetch_levels(conn, run_id):
        statement = (
            select(area.code, name_level().label("level"), area.name, _shape(area.geom).label("geometry"))
            .where(area.valid_to.is_(None), name_level() == level)
            .order_by(area.code)
        )
        rows = [{**row, "geometry": json.loads(row["geometry"])} for row in conn.execute(statement).mappings()]
        if len(areas) + len(rows) > AREAS_MAX:
            left_out.append(level)
            continue
        if rows:
            levels.append(level)
            areas += rows
    return levels, areas


def _fetch_figures(
    conn: Connection, run_id: int, columns: list[RunColumn], codes: set[str]
) -> dict[str, list[list[int]]]:
    figures, kind = tables.run_area.c, tables.run_column.c
    own = and_(
        kind.run_id == run_id,
        kind.type == figures.type,
        kind.profile == figures.profile,
        kind.demand_group == figures.demand_group,
    )
    statement = (
        select(figures.area_code, kind.position, figures.people, figures.covered, figures.gap, figures.unknown)
        .join_from(tables.run_area, tables.run_column, own)
        .where(figures.result_id == result_of(run_id), figures.area_code.is_not(None))
    )
    place = {column.position: number for number, column in enumerate(columns)}
    found: dict[str, list[list[int]]] = {}
    for code, position, *counts in conn.execute(statement):
        if code in codes:
            found.setdefault(code, [[] for _ in columns])[place[position]] = counts
    return found


def _fetch_worst(conn: Connection, run_id: int, column: RunColumn) -> list[dict[str, Any]]:
    building = tables.building
    worst = build_worst_buildings(run_id, column, limit=WORST_ROWS).subquery("worst")
    statement = (
        select(worst, building.c.name, building.c.address)
        .join(building, building.c.id == worst.c.building_id)
        .order_by(worst.c.people.desc(), worst.c.building_id)
    )
    names = ("building_id", "source_id", "name", "address", "area_code", "people", "reach_s", "lon", "lat")
    return [{name: row[name] for name in names} for row in conn.execute(statement).mappings()]


def _fetch_facilities(conn: Connection, columns: list[RunColumn], left_out: list[str]) -> dict[str, list[list[Any]]]:
    """Return the facilities of every type that has not too many of them for a page."""
    facility = tables.facility.c
    point = func.ST_PointOnSurface(facility.geom)
    wanted = and_(facility.valid_to.is_(None), facility.type.in_({column.type for column in columns}))
    counted = select(facility.type, func.count()).where(wanted).group_by(facility.type).order_by(facility.type)
    many = [code for code, count in conn.execute(counted) if count > FACILITIES_MAX]
    left_out += [f"facilities {code}" for code in many]
    statement = (
        select(facility.type, degrees(func.ST_X(point)), degrees(func.ST_Y(point)), facility.name)
        .where(wanted, facility.type.not_in(many))
        .order_by(facility.type, facility.id)
    )
    found: dict[str, list[list[Any]]] = {}
    for code, lon, lat, name in conn.execute(statement):
        found.setdefault(code, []).append([round(lon, DECIMALS), round(lat, DECIMALS), name or ""])
    return found


def _fetch_base(conn: Connection, states: Mapping[str, LayerState], left_out: list[str]) -> dict[str, dict[str, Any]]:
    """Return the layers to draw below the figures, each as one simplified geometry."""
    found: dict[str, str | None] = {}
    references = fetch_reference_layers(conn)
    for name in BASE_REFERENCES:
        if name in references and name in states:
            view = view_reference_layer(references[name], states[name])
            found[name] = _collect(conn, view.geom, view.is_live)
    if "compounds" in states:
        found["compounds"] = _collect(conn, tables.compound.c.geom, tables.compound.c.valid_to.is_(None))
    if "streets" in states:
        street = tables.street.c
        live = street.valid_to.is_(None)
        major, mid = street.highway.in_(MAJOR), street.highway.in_(MID)
        found["streets-minor"] = _collect(conn, street.geom, and_(live, ~(major | mid)))
        found["streets-mid"] = _collect(conn, street.geom, and_(live, mid))
        found["streets-major"] = _collect(conn, street.geom, and_(live, major))
    kept = {name: text for name, text in found.items() if text is not None and len(text) <= BASE_BYTES_MAX}
    left_out += [name for name, text in found.items() if text is not None and name not in kept]
    return {name: json.loads(text) for name, text in kept.items()}


def _collect(conn: Connection, geom: ColumnElement[Any], which: ColumnElement[bool]) -> str | None:
    """Return all geometries of some rows as one GeoJSON geometry; None where there are none."""
    whole = func.ST_Simplify(func.ST_Collect(geom), SIMPLIFY_DEG)
    found: str | None = conn.execute(select(func.ST_AsGeoJSON(whole, DECIMALS)).where(which)).scalar()
    return found
