"""Results of a run by building and facility, the card of one building, and totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    Numeric,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from geo.errors import NotFound
from layers import tables
from layers.catalog import read_profiles
from layers.query.runs import int_at, present, result_of, share_of, slice_of, status_of
from layers.runs import tables as run_tables
from layers.runs.slices import ABSENT, SLICE_BUILDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Select

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

# every place of a slice: beside a row of slices it makes one row a building
_PLACES = func.generate_series(0, SLICE_BUILDINGS - 1, type_=Integer).table_valued("place").render_derived()
_PLACE = _PLACES.c.place


def degrees(value: ColumnElement[Any]) -> ColumnElement[float]:
    """Return a coordinate with the seven decimals that every answer has."""
    return func.round(value.cast(Numeric), 7).cast(Double)


def build_areas_below(area_code: str) -> CTE:
    """Return the codes of an area and everything under it."""
    area = tables.area
    live = area.c.valid_to.is_(None)
    tree = select(area.c.code).where(area.c.code == area_code, live).cte("tree", recursive=True)
    return tree.union(select(area.c.code).join(tree, area.c.parent_code == tree.c.code).where(live))


def build_run_buildings(
    run_id: int,
    *,
    column: RunColumn | None = None,
    status: str | None = None,
    area_code: str | None = None,
) -> Select[Any]:
    """Return one row a building and column: the columns of ``gaps export --what buildings``, ``name``, ``position``.

    The point lies on the building's surface.

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
    building, home, kind = tables.building, run_tables.run_home, tables.run_column
    reach, people, facility = run_tables.run_reach, run_tables.run_people, tables.facility
    key = building.c.id
    result_id, number = result_of(run_id), slice_of(key)
    one = [] if column is None else [kind.c.position == column.position]
    reach_ms = int_at(reach.c.reach_ms, key)
    facility_id = present(int_at(reach.c.facility, key)) + kind.c.facility_base
    point = func.ST_PointOnSurface(building.c.geom)
    state = status_of(reach_ms, kind.c.limit_s)
    code = run_tables.run_area_code
    statement = (
        select(
            key.label("building_id"),
            building.c.source_id,
            building.c.name,
            degrees(func.ST_X(point)).label("lon"),
            degrees(func.ST_Y(point)).label("lat"),
            code.c.code.label("area_code"),
            int_at(people.c.people, key).label("people"),
            kind.c.type,
            kind.c.profile,
            kind.c.limit_s,
            (present(reach_ms).cast(Double) / MS_PER_S).label("reach_s"),
            (present(int_at(reach.c.radius_mm, key)).cast(Double) / MM_PER_M).label("radius_m"),
            facility_id.label("facility_id"),
            facility.c.source_id.label("facility_source_id"),
            state.label("status"),
            kind.c.position,
            kind.c.radius_limit_m,
        )
        .select_from(
            building.join(home, and_(home.c.result_id == result_id, home.c.slice == number))
            .join(kind, and_(kind.c.run_id == run_id, *one))
            .join(
                reach,
                and_(reach.c.result_id == result_id, reach.c.position == kind.c.position, reach.c.slice == number),
            )
            .join(
                people,
                and_(
                    people.c.result_id == result_id,
                    people.c.demand_group == kind.c.demand_group,
                    people.c.slice == number,
                ),
            )
            .outerjoin(code, and_(code.c.result_id == result_id, code.c.number == int_at(home.c.area, key)))
            .outerjoin(facility, facility.c.id == facility_id)
        )
        .where(int_at(home.c.area, key) > ABSENT)
        .order_by(key, kind.c.position)
    )
    if status is not None:
        statement = statement.where(state == status)
    if area_code is not None:
        statement = statement.where(code.c.code.in_(select(build_areas_below(area_code).c.code)))
    return statement


def after_building(statement: Select[Any], building_id: int, position: int) -> Select[Any]:
    """Return the rows of :func:`build_run_buildings` that come after one of them."""
    key, number = statement.selected_columns["building_id"], statement.selected_columns["position"]
    # the first condition is what an index can answer
    return statement.where(key >= building_id, or_(key > building_id, number > position))


def build_worst_buildings(run_id: int, column: RunColumn, *, limit: int) -> Select[Any]:
    """Return the uncovered buildings of one column, most people first; ties by building id."""
    reach, people = run_tables.run_reach, run_tables.run_people
    key = (reach.c.slice.cast(BigInteger) * SLICE_BUILDINGS + _PLACE).label("building_id")
    weight = func.onemap.int_at(people.c.people, _PLACE, type_=Integer)
    state = status_of(func.onemap.int_at(reach.c.reach_ms, _PLACE, type_=Integer), column.limit_s)
    worst = (
        select(key)
        .select_from(
            reach.join(
                people,
                and_(
                    people.c.result_id == reach.c.result_id,
                    people.c.slice == reach.c.slice,
                    people.c.demand_group == column.demand_group,
                ),
            ).join(_PLACES, true())
        )
        .where(reach.c.result_id == result_of(run_id), reach.c.position == column.position)
        # rows of buildings are closed, never deleted: each of these is there to be joined
        .where(weight >= 0, state == "gap")
        .order_by(weight.desc(), key)
        .limit(limit)
    )
    statement = build_run_buildings(run_id, column=column)
    listed = statement.selected_columns
    return (
        statement.where(listed["building_id"].in_(worst))
        .order_by(None)
        .order_by(listed["people"].desc(), listed["building_id"])
    )


def build_run_facilities(run_id: int, *, column: RunColumn | None = None) -> Select[Any]:
    """Return one row a facility and column: the buildings nearest to it within the limit and the people in them."""
    share, kind, facility = run_tables.run_facility, tables.run_column, tables.facility
    point = func.ST_PointOnSurface(facility.c.geom)
    statement = (
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
        .where(share.c.result_id == result_of(run_id))
        .order_by(share.c.position, share.c.facility_id)
    )
    return statement if column is None else statement.where(share.c.position == column.position)


def after_facility(statement: Select[Any], position: int, facility_id: int) -> Select[Any]:
    """Return the rows of :func:`build_run_facilities` that come after one of them."""
    place = tuple_(statement.selected_columns["position"], statement.selected_columns["facility_id"])
    return statement.where(place > tuple_(literal(position), literal(facility_id)))


def build_totals(run_id: int) -> Select[Any]:
    """Return people covered, in the gap and unknown of every column, over all buildings of the run."""
    reach, kind = run_tables.run_reach, tables.run_column
    people = func.greatest(func.onemap.int_at(run_tables.run_people.c.people, _PLACE, type_=Integer), 0)
    state = status_of(func.onemap.int_at(reach.c.reach_ms, _PLACE, type_=Integer), kind.c.limit_s)
    radius_mm = func.onemap.int_at(reach.c.radius_mm, _PLACE, type_=Integer)
    near = and_(radius_mm >= 0, radius_mm <= kind.c.radius_limit_m * MM_PER_M)
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
        .select_from(
            kind.join(reach, reach.c.position == kind.c.position)
            .join(
                run_tables.run_people,
                and_(
                    run_tables.run_people.c.result_id == reach.c.result_id,
                    run_tables.run_people.c.demand_group == kind.c.demand_group,
                    run_tables.run_people.c.slice == reach.c.slice,
                ),
            )
            .join(_PLACES, true())
        )
        .where(kind.c.run_id == run_id, reach.c.result_id == result_of(run_id))
        .group_by(kind.c.position, kind.c.type, kind.c.profile, kind.c.demand_group, kind.c.radius_limit_m)
        .order_by(kind.c.position)
    )


def build_totals_of_areas(run_id: int) -> Select[Any]:
    """Return the same as :func:`build_totals` from the roots of the tree of areas, without reading every building."""
    area, kind = tables.run_area, tables.run_column
    figures = {name: func.sum(area.c[name]) for name in ("people", "covered", "gap", "unknown", "radius_covered")}
    own = and_(
        area.c.result_id == result_of(run_id),
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

    Required types that no walk can judge are named, never counted as met; neither are those the run left out. Who
    drives completes no life circle and has no card.
    """
    required = [item for item in types if item.obligation == "required"]
    vehicles = {code for code, profile in read_profiles().items() if profile.is_vehicle}
    cards = []
    for profile in dict.fromkeys(row["profile"] for row in results if row["profile"] not in vehicles):
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
