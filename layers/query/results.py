"""Results of a run by building and facility, the card of one building, and totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Double, Numeric, and_, case, func, literal, select, tuple_

from geo.errors import NotFound
from layers import tables
from layers.query.runs import share_of, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Select, Subquery

    from layers.catalog import FacilityType
    from layers.query.runs import RunColumn

MS_PER_S = 1000
MM_PER_M = 1000
BUILDING_COLUMNS = (
    "building_id",
    "source_id",
    "lon",
    "lat",
    "area_code",
    "people",
    "type",
    "profile",
    "limit_s",
    "reach_s",
    "radius_m",
    "facility_id",
    "facility_source_id",
    "status",
)
"""Columns of ``gaps export --what buildings``, in order."""
AREA_COLUMNS = (
    "area_code",
    "level",
    "name",
    "type",
    "profile",
    "demand_group",
    "people",
    "covered",
    "gap",
    "unknown",
    "share_covered",
    "required",
    "present",
    "balance",
    "accessibility",
)
"""Columns of ``gaps export --what areas``, in order."""
FACILITY_COLUMNS = (
    "facility_id",
    "source_id",
    "lon",
    "lat",
    "name",
    "type",
    "profile",
    "limit_s",
    "capacity",
    "buildings_covered",
    "people_covered",
)
"""Columns of ``gaps export --what facilities``, in order."""


def degrees(value: ColumnElement[Any]) -> ColumnElement[float]:
    """Return a coordinate with the seven decimals that every answer has."""
    return func.round(value.cast(Numeric), 7).cast(Double)


def build_areas_below(area_code: str) -> CTE:
    """Return the codes of an area and everything under it."""
    area = tables.area
    live = area.c.valid_to.is_(None)
    tree = select(area.c.code).where(area.c.code == area_code, live).cte("tree", recursive=True)
    return tree.union(select(area.c.code).join(tree, area.c.parent_code == tree.c.code).where(live))


def build_homes(run_id: int) -> Subquery:
    """Return the results of a run beside identity and point of each building, one row a building.

    The point lies on the building's surface.
    """
    result, building = tables.run_building, tables.building
    point = func.ST_PointOnSurface(building.c.geom)
    return (
        select(
            result,
            building.c.source_id,
            building.c.name,
            degrees(func.ST_X(point)).label("lon"),
            degrees(func.ST_Y(point)).label("lat"),
        )
        .join(building, building.c.id == result.c.building_id)
        .where(result.c.run_id == run_id)
        .subquery("home")
    )


def build_run_buildings(
    run_id: int,
    *,
    column: RunColumn | None = None,
    status: str | None = None,
    area_code: str | None = None,
) -> Select[Any]:
    """Return one row a building and column: the columns of ``gaps export --what buildings``, ``name``, ``position``.

    Parameters
    ----------
    run_id
        Which run.
    column
        Only this type and profile; None for all of them.
    status
        Only covered, gap or unknown.
    area_code
        Only buildings of this area and the areas below it.
    """
    kind, facility = tables.run_column, tables.facility
    home = build_homes(run_id)
    here = kind.c.position
    state = status_of(home, here, kind.c.limit_s)
    one = [] if column is None else [kind.c.position == column.position]
    statement = (
        select(
            home.c.building_id,
            home.c.source_id,
            home.c.name,
            home.c.lon,
            home.c.lat,
            home.c.area_code,
            home.c.people[here].label("people"),
            kind.c.type,
            kind.c.profile,
            kind.c.limit_s,
            (home.c.reach_ms[here].cast(Double) / MS_PER_S).label("reach_s"),
            (home.c.radius_mm[here].cast(Double) / MM_PER_M).label("radius_m"),
            home.c.facility_id[here].label("facility_id"),
            facility.c.source_id.label("facility_source_id"),
            state.label("status"),
            kind.c.position,
            kind.c.radius_limit_m,
        )
        .select_from(
            home.join(kind, and_(kind.c.run_id == home.c.run_id, *one)).outerjoin(
                facility, facility.c.id == home.c.facility_id[here]
            )
        )
        .order_by(home.c.building_id, kind.c.position)
    )
    if status is not None:
        statement = statement.where(state == status)
    if area_code is not None:
        statement = statement.where(home.c.area_code.in_(select(build_areas_below(area_code).c.code)))
    return statement


def after_building(statement: Select[Any], building_id: int, position: int) -> Select[Any]:
    """Return the rows of :func:`build_run_buildings` that come after one of them."""
    place = tuple_(statement.selected_columns["building_id"], statement.selected_columns["position"])
    return statement.where(place > tuple_(literal(building_id), literal(position)))


def build_worst_buildings(run_id: int, column: RunColumn, *, limit: int) -> Select[Any]:
    """Return the uncovered buildings of one column, most people first; ties by building id."""
    statement = build_run_buildings(run_id, column=column, status="gap")
    people = statement.selected_columns["people"]
    return statement.order_by(None).order_by(people.desc(), statement.selected_columns["building_id"]).limit(limit)


def build_run_facilities(run_id: int, *, column: RunColumn | None = None) -> Select[Any]:
    """Return one row a facility and column: the buildings nearest to it within the limit and the people in them."""
    result, kind, facility = tables.run_building, tables.run_column, tables.facility
    here = kind.c.position
    covered = status_of(result, here, kind.c.limit_s) == "covered"
    served = (
        select(
            kind.c.position,
            result.c.facility_id[here].label("facility_id"),
            func.count().label("buildings_covered"),
            func.sum(result.c.people[here]).label("people_covered"),
        )
        .select_from(result.join(kind, kind.c.run_id == result.c.run_id))
        .where(result.c.run_id == run_id, covered)
        .group_by(kind.c.position, result.c.facility_id[here])
    )
    if column is not None:
        served = served.where(kind.c.position == column.position)
    share = served.subquery("served")
    point = func.ST_PointOnSurface(facility.c.geom)
    return (
        select(
            share.c.facility_id,
            facility.c.source_id,
            degrees(func.ST_X(point)).label("lon"),
            degrees(func.ST_Y(point)).label("lat"),
            facility.c.name,
            kind.c.type,
            kind.c.profile,
            kind.c.limit_s,
            facility.c.capacity,
            share.c.buildings_covered,
            share.c.people_covered,
            share.c.position,
        )
        .select_from(
            share.join(kind, and_(kind.c.run_id == run_id, kind.c.position == share.c.position)).outerjoin(
                facility, facility.c.id == share.c.facility_id
            )
        )
        .order_by(share.c.position, share.c.facility_id)
    )


def after_facility(statement: Select[Any], position: int, facility_id: int) -> Select[Any]:
    """Return the rows of :func:`build_run_facilities` that come after one of them."""
    place = tuple_(statement.selected_columns["position"], statement.selected_columns["facility_id"])
    return statement.where(place > tuple_(literal(position), literal(facility_id)))


def build_totals(run_id: int) -> Select[Any]:
    """Return people covered, in the gap and unknown of every column, over all buildings of the run."""
    result, kind = tables.run_building, tables.run_column
    here = kind.c.position
    people = func.coalesce(result.c.people[here], 0)
    state = status_of(result, here, kind.c.limit_s)
    near = result.c.radius_mm[here] <= kind.c.radius_limit_m * MM_PER_M
    covered = func.coalesce(func.sum(people).filter(state == "covered"), 0)
    radius = func.coalesce(func.sum(people).filter(near), 0)
    return (
        select(
            kind.c.position,
            kind.c.type,
            kind.c.profile,
            kind.c.demand_group,
            func.sum(people).label("people"),
            covered.label("covered"),
            func.coalesce(func.sum(people).filter(state == "gap"), 0).label("gap"),
            func.coalesce(func.sum(people).filter(state == "unknown"), 0).label("unknown"),
            share_of(covered, func.sum(people)).label("share_covered"),
            case((kind.c.radius_limit_m.is_(None), None), else_=radius).label("radius_covered"),
        )
        .select_from(result.join(kind, kind.c.run_id == result.c.run_id))
        .where(result.c.run_id == run_id)
        .group_by(kind.c.position, kind.c.type, kind.c.profile, kind.c.demand_group, kind.c.radius_limit_m)
        .order_by(kind.c.position)
    )


def build_totals_of_areas(run_id: int) -> Select[Any]:
    """Return the same as :func:`build_totals` from the roots of the tree of areas, without reading every building."""
    area, kind = tables.run_area, tables.run_column
    figures = {name: func.sum(area.c[name]) for name in ("people", "covered", "gap", "unknown", "radius_covered")}
    own = and_(
        area.c.run_id == kind.c.run_id,
        area.c.type == kind.c.type,
        area.c.profile == kind.c.profile,
        area.c.demand_group == kind.c.demand_group,
        area.c.parent_code.is_(None),
    )
    return (
        select(
            kind.c.position,
            kind.c.type,
            kind.c.profile,
            kind.c.demand_group,
            *(total.cast(BigInteger).label(name) for name, total in figures.items()),
            share_of(figures["covered"], figures["people"]).label("share_covered"),
        )
        .select_from(kind.join(area, own))
        .where(kind.c.run_id == run_id)
        .group_by(kind.c.position, kind.c.type, kind.c.profile, kind.c.demand_group)
        .order_by(kind.c.position)
    )


def fetch_totals(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the people of every column of a run: covered + gap + unknown = people."""
    rows = conn.execute(build_totals_of_areas(run_id)).mappings().all()
    return [dict(row) for row in rows or conn.execute(build_totals(run_id)).mappings().all()]


def fetch_building_card(
    conn: Connection, run_id: int, building_id: int, *, types: Iterable[FacilityType]
) -> dict[str, Any]:
    """Return what is known of one building in a run: facts, residents, results of every column, completeness.

    Parameters
    ----------
    conn
        Where to read.
    run_id, building_id
        Which result.
    types
        The standards pack; its required types make up completeness.

    Raises
    ------
    NotFound
        The run holds no such building.
    """
    building, group, facility = tables.building, tables.resident_group, tables.facility
    listed = build_run_buildings(run_id).where(tables.run_column.c.run_id == run_id)
    home = listed.selected_columns["building_id"]
    rows = conn.execute(
        listed.where(home == building_id).add_columns(facility.c.name.label("facility_name"))
    ).mappings()
    results = [dict(row) for row in rows]
    if not results:
        raise NotFound(f"Looking up building {building_id} in run {run_id}: found none", parameter="building_id")
    point = func.ST_PointOnSurface(building.c.geom)
    facts = conn.execute(
        select(
            building.c.id,
            building.c.source,
            building.c.source_id,
            building.c.name,
            building.c.use,
            building.c.floors,
            building.c.dwellings,
            building.c.people,
            building.c.households,
            building.c.address,
            building.c.handed_over_on,
            degrees(func.ST_X(point)).label("lon"),
            degrees(func.ST_Y(point)).label("lat"),
        ).where(building.c.id == building_id)
    ).mappings()
    shown = [c for c in group.c if c.name not in {*tables.OF_WHICH_COLUMNS, "building_id", "population_ids"}]
    residents = conn.execute(select(*shown).where(group.c.building_id == building_id)).mappings().one_or_none()
    return {
        "building": {**facts.one(), "area_code": results[0]["area_code"]},
        "residents": None if residents is None else dict(residents),
        "results": results,
        "completeness": judge_completeness(results, types),
    }


def judge_completeness(results: Sequence[dict[str, Any]], types: Iterable[FacilityType]) -> list[dict[str, Any]]:
    """Return, by profile, how many of the required testable types are within their limit, and which are not.

    Required types that no walk can judge are named, never counted as met; neither are those the run left out.
    """
    required = [item for item in types if item.obligation == "required"]
    cards = []
    for profile in dict.fromkeys(row["profile"] for row in results):
        states = {row["type"]: row["status"] for row in results if row["profile"] == profile}
        judged = [item.code for item in required if item.code in states]
        missing = [code for code in judged if states[code] != "covered"]
        cards.append(
            {
                "profile": profile,
                "met": len(judged) - len(missing),
                "required": len(judged),
                "share": (len(judged) - len(missing)) / len(judged) if judged else None,
                "missing": missing,
                "not_judged": [item.code for item in required if item.code not in states],
            }
        )
    return cards
