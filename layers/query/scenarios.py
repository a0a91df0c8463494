"""Stored scenarios: the list, one of them, what it changes by building and area, and whether its base has moved on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Integer,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    select,
    tuple_,
)

from geo.area_sums import AREA_FIGURES
from geo.errors import NotFound
from layers import tables
from layers.export import Layout, write_table
from layers.network import fetch_barrier_names, fetch_versions
from layers.query.exports import lay_out, stream_rows
from layers.query.features import geojson_of
from layers.query.results import MS_PER_S, degrees
from layers.scenarios.tables import scenario, scenario_area, scenario_change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Row, Select, Subquery

SCENARIO_HINT = "`onemap scenario list` shows the scenarios."

BASE_LAYERS = frozenset({"streets", "compounds", "gates", "buildings", "population", "areas", "facilities"})
"""Layers whose change makes a run stale, beside reference layers that are barriers."""

AREA_COLUMNS = (
    *("area_code", "parent_code", "level", "name", "type", "profile", "demand_group", "people"),
    *("covered_before", "covered_after", "gap_before", "gap_after", "unknown_before", "unknown_after"),
    *("radius_covered_before", "radius_covered_after", "buildings_covered_before", "buildings_covered_after"),
)
BUILDING_COLUMNS = (
    *("building_id", "source_id", "lon", "lat", "area_code", "people", "type", "profile", "limit_s"),
    *("status_before", "status_after", "reach_s_before", "reach_s_after", "facility_id_before", "facility_id_after"),
)
LAYOUTS = {
    "buildings": Layout(lay_out(BUILDING_COLUMNS), point=("lon", "lat")),
    "areas": Layout(lay_out(AREA_COLUMNS), has_geometry=True),
}
"""Tables of a scenario as files hold them."""

SHOWN_FIGURES = ("covered", "gap", "unknown", "radius_covered", "buildings_covered")


def find_changed_layers(conn: Connection, versions: Mapping[str, int]) -> list[str]:
    """Return the layers whose version is no longer the given one, by name.

    Parameters
    ----------
    conn
        Where to read.
    versions
        Versions a run was made from.
    """
    now = fetch_versions(conn)
    judged = BASE_LAYERS | set(fetch_barrier_names(conn))
    return sorted(layer for layer in judged if versions.get(layer) != now.get(layer))


def build_scenarios(*, after: int | None = None, limit: int | None = None) -> Select[Any]:
    """Return the scenarios, newest first, with the digest their base has now."""
    statement = _build_scenario().order_by(scenario.c.id.desc())
    if after is not None:
        statement = statement.where(scenario.c.id < after)
    return statement if limit is None else statement.limit(limit)


def _build_scenario() -> Select[Any]:
    run = tables.run
    return select(
        scenario,
        run.c.result_sha256.label("run_sha256_now"),
        run.c.name.label("run_name"),
        run.c.request["at"].astext.label("at"),
    ).join(run, run.c.id == scenario.c.run_id)


def fetch_scenario(conn: Connection, scenario_id: int) -> Row[Any]:
    """Return one scenario.

    Raises
    ------
    NotFound
        There is no such scenario.
    """
    row = conn.execute(_build_scenario().where(scenario.c.id == scenario_id)).one_or_none()
    if row is None:
        raise NotFound(f"Looking up scenario {scenario_id}: found none", hint=SCENARIO_HINT, parameter="scenario_id")
    return row


def describe_scenario(conn: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return a scenario as lists tell it, with the layers that changed since its base run was made."""
    changed = find_changed_layers(conn, row.versions)
    return {
        **{name: getattr(row, name) for name in ("id", "name", "run_id", "at", "created_at", "changed_at", "revision")},
        "edits": sum(len(batch) for batch in row.batches[: row.done]),
        "batches": row.done,
        "undone": len(row.batches) - row.done,
        "people_gained": sum(total["people_gained"] for total in row.totals),
        "people_lost": sum(total["people_lost"] for total in row.totals),
        "stale": bool(changed) or row.run_sha256 != row.run_sha256_now,
        "changed_layers": changed,
    }


def fetch_difference(conn: Connection, row: Row[Any], *, buildings: int) -> dict[str, Any]:
    """Return what a scenario changes, as it was told when it was computed.

    Parameters
    ----------
    conn
        Where to read.
    row
        A scenario.
    buildings
        Changed buildings to list: those whose status changes, most people first, then the others.
    """
    areas = conn.execute(build_scenario_areas(row.id).with_only_columns(*_area_parts())).mappings()
    changed = build_scenario_buildings(row.id)
    home = changed.selected_columns
    listed = changed.with_only_columns(*(home[name] for name in _BUILDING_PARTS)).order_by(None)
    listed = listed.order_by(
        home.status_before == home.status_after, home.people.desc(), home.building_id, home.position
    ).limit(buildings)
    return {
        "types": [{name: value for name, value in total.items() if name != "position"} for total in row.totals],
        "areas": [_describe_area(dict(one)) for one in areas],
        "buildings_changed": sum(total["buildings_changed"] for total in row.totals),
        "buildings": [dict(one) for one in conn.execute(listed).mappings()],
    }


_BUILDING_PARTS = (
    "building_id",
    "area_code",
    "people",
    "type",
    "profile",
    "status_before",
    "status_after",
    "reach_s_before",
    "reach_s_after",
    "facility_id_before",
    "facility_id_after",
)


def _area_parts() -> list[ColumnElement[Any]]:
    area, kind = scenario_area.c, tables.run_column.c
    names = (area.area_code, area.parent_code, area.level, area.name, kind.type, kind.profile, area.demand_group)
    return [*names, area.before, area.after, kind.radius_limit_m]


def _describe_area(row: Mapping[str, Any]) -> dict[str, Any]:
    has_radius = row["radius_limit_m"] is not None
    told = {name: value for name, value in row.items() if name != "radius_limit_m"}
    return {**told, **{side: name_figures(row[side], has_radius=has_radius) for side in ("before", "after")}}


def name_figures(values: Sequence[int], *, has_radius: bool) -> dict[str, int | None]:
    """Return figures by name; the radius test is None where the standard gives none."""
    named: dict[str, int | None] = dict(zip(AREA_FIGURES, values, strict=True))
    if not has_radius:
        named["radius_covered"] = None
    return named


def build_scenario_areas(scenario_id: int, *, type_code: str | None = None, level: str | None = None) -> Select[Any]:
    """Return the areas in which a figure differs: one row an area, type, profile and demand group.

    A null code stands for the buildings of the parent that lie in none of its children.
    """
    area, kind = scenario_area.c, tables.run_column
    figures: list[ColumnElement[Any]] = []
    for name in SHOWN_FIGURES:
        place = AREA_FIGURES.index(name) + 1
        for side, values in (("before", area.before), ("after", area.after)):
            value: ColumnElement[Any] = values[place]
            if name == "radius_covered":
                value = case((kind.c.radius_limit_m.is_not(None), value))
            figures.append(value.label(f"{name}_{side}"))
    statement = (
        select(
            area.id,
            area.area_code,
            area.parent_code,
            area.level,
            area.name,
            kind.c.type,
            kind.c.profile,
            area.demand_group,
            area.before[AREA_FIGURES.index("people") + 1].label("people"),
            *figures,
        )
        .select_from(
            scenario_area.join(scenario, scenario.c.id == area.scenario_id).join(
                kind, and_(kind.c.run_id == scenario.c.run_id, kind.c.position == area.position)
            )
        )
        .where(area.scenario_id == scenario_id)
        .order_by(area.id)
    )
    if type_code is not None:
        statement = statement.where(kind.c.type == type_code)
    return statement if level is None else statement.where(area.level == level)


def with_outline(statement: Select[Any]) -> Select[Any]:
    """Return the rows of areas with the outline as GeoJSON text; null for what lies in no area."""
    area = tables.area
    live = and_(area.c.code == scenario_area.c.area_code, area.c.valid_to.is_(None))
    joined = statement.get_final_froms()[0].outerjoin(area, live)
    return statement.add_columns(geojson_of(area.c.geom).label("geometry")).select_from(joined)


def build_scenario_buildings(
    scenario_id: int, *, type_code: str | None = None, profile: str | None = None
) -> Select[Any]:
    """Return one row a changed building, type and profile, before and after."""
    changed = unnest_changes(scenario_id)
    home, kind, building = changed.c, tables.run_column, tables.building
    point = func.ST_PointOnSurface(building.c.geom)
    statement = (
        select(
            home.building_id,
            building.c.source_id,
            building.c.name,
            degrees(func.ST_X(point)).label("lon"),
            degrees(func.ST_Y(point)).label("lat"),
            home.area_code,
            home.people,
            kind.c.type,
            kind.c.profile,
            kind.c.limit_s,
            change_status(home.linked_before, home.ms_before, kind.c.limit_s).label("status_before"),
            change_status(home.linked_after, home.ms_after, kind.c.limit_s).label("status_after"),
            (cast(home.ms_before, Double) / MS_PER_S).label("reach_s_before"),
            (cast(home.ms_after, Double) / MS_PER_S).label("reach_s_after"),
            home.facility_before.label("facility_id_before"),
            home.facility_after.label("facility_id_after"),
            kind.c.position,
        )
        .select_from(
            changed.join(kind, and_(kind.c.run_id == home.run_id, kind.c.position == home.position)).outerjoin(
                building, building.c.id == home.building_id
            )
        )
        .order_by(home.building_id, kind.c.position)
    )
    if type_code is not None:
        statement = statement.where(kind.c.type == type_code)
    return statement if profile is None else statement.where(kind.c.profile == profile)


def unnest_changes(scenario_id: int, *, position: int | None = None) -> Subquery:
    """Return the stored arrays of a scenario as rows, of one column or of all."""
    change = scenario_change.c
    kinds: dict[str, Any] = {
        "building_id": BigInteger,
        "area": Integer,
        "people": Integer,
        "linked_before": Boolean,
        "linked_after": Boolean,
        "ms_before": Integer,
        "ms_after": Integer,
        "facility_before": BigInteger,
        "facility_after": BigInteger,
    }
    rows = func.unnest(*(change[name] for name in kinds)).table_valued(
        *(column(name, kind) for name, kind in kinds.items()), name="one"
    )
    one = rows.render_derived().lateral()
    code = func.unnest(scenario.c.area_codes).table_valued(column("code", Text), with_ordinality="number", name="area")
    area = code.render_derived().lateral()
    changes = scenario.join(scenario_change, change.scenario_id == scenario.c.id).join(one, literal(value=True))
    return (
        select(
            scenario.c.run_id,
            change.position,
            *(one.c[name] for name in kinds if name != "area"),
            area.c.code.label("area_code"),
        )
        .select_from(changes.outerjoin(area, area.c.number == one.c.area))
        .where(scenario.c.id == scenario_id, *([] if position is None else [change.position == position]))
        .subquery("changed")
    )


def change_status(
    linked: ColumnElement[Any], ms: ColumnElement[Any], limit_s: ColumnElement[Any]
) -> ColumnElement[str]:
    """Return covered, gap or unknown; the exact second counts as covered."""
    return case(
        (linked.is_not(True), literal("unknown")),
        (ms <= limit_s * literal(MS_PER_S), literal("covered")),
        else_=literal("gap"),
    )


def after_change(statement: Select[Any], building_id: int, position: int) -> Select[Any]:
    """Return the rows of :func:`build_scenario_buildings` that come after one of them."""
    place = tuple_(statement.selected_columns["building_id"], statement.selected_columns["position"])
    return statement.where(place > tuple_(literal(building_id), literal(position)))


def export_scenario(conn: Connection, scenario_id: int, *, what: str, path: Path, bom: bool = False) -> int:
    """Write what a scenario changes to a file and return the number of rows.

    Parameters
    ----------
    conn
        Where to read.
    scenario_id
        Which scenario.
    what
        ``buildings`` or ``areas``.
    path
        File to write; its ending chooses the format.
    bom
        Start a CSV with a byte order mark for Excel.

    Raises
    ------
    NotFound
        There is no such scenario.
    """
    fetch_scenario(conn, scenario_id)
    statement = build_scenario_areas(scenario_id) if what == "areas" else build_scenario_buildings(scenario_id)
    if what == "areas" and path.suffix.lower() in {".geojson", ".gpkg"}:
        statement = with_outline(statement)
    return write_table(stream_rows(conn, statement), path, layout=LAYOUTS[what], layer=what, bom=bom)
