"""A small place with two areas, a few homes and one finished run, whose figures are known by heart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from layers import tables
from tests import factories

if TYPE_CHECKING:
    from sqlalchemy import Connection

LON, LAT = 116.2965, 40.0
STEP = 0.001
LIMIT_S = {"EDU_KINDER": 300, "EDU_PRIMARY": 600}
# reach in milliseconds by home; None: nothing within twice the limit. The fourth home is not linked.
REACH_MS: dict[str, list[int | None]] = {
    "EDU_KINDER": [300_000, 300_001, None, None, 12_345],
    "EDU_PRIMARY": [600_000, 100, 700_000, None, 900_500],
}
PEOPLE = {"EDU_KINDER": [10, 20, 30, 40, 0], "EDU_PRIMARY": [5, 5, 5, 5, 5]}
LINKED = [True, True, True, False, True]


@dataclass
class Seed:
    """Keys of what was stored."""

    run_id: int = 0
    buildings: list[int] = field(default_factory=list)
    facilities: list[int] = field(default_factory=list)
    areas: dict[str, int] = field(default_factory=dict)


def seed_place(conn: Connection, *, homes: int = 5) -> Seed:
    """Store areas, homes, facilities, streets, gates, incidents, counts and layer versions."""
    found = Seed()
    west, south, east, north = LON - 0.05, LAT - 0.05, LON + 0.05, LAT + 0.05
    tree = (
        ("110000", "甲城", "city", None, (west, south, east, north), 0),
        ("110100", "西区", "district", "110000", (west, south, LON + 2.5 * STEP, north), 1),
        ("110200", "东区", "district", "110000", (LON + 2.5 * STEP, south, east, north), 1),
    )
    for code, name, level, parent, box, depth in tree:
        found.areas[code] = factories.add_area(
            conn, code=code, name=name, level=level, parent_code=parent, box=box, depth=depth
        )
    compound = (LON - STEP, LAT - STEP, LON + STEP, LAT + STEP)
    factories.add_compound(conn, box=compound, name="云杉苑")
    factories.add_gate(conn, lon=LON, lat=LAT - STEP)
    for number in range(homes):
        found.buildings.append(add_home(conn, number))
    for number, kind in enumerate(("EDU_KINDER", "EDU_PRIMARY", None)):
        found.facilities.append(
            factories.add_facility(
                conn, lon=LON + number * STEP, lat=LAT + STEP, type=kind, name=f"设施{number}", capacity=90.0
            )
        )
    for side in (-0.01, 0.01):
        factories.add_street(conn, (LON, LAT), (LON + side, LAT))
        factories.add_street(conn, (LON, LAT), (LON, LAT + side), highway="primary")
    factories.add_incident(conn, lon=LON, lat=LAT, text="私人内容", severity="P1")
    set_versions(conn)
    return found


def add_home(conn: Connection, number: int, **values: Any) -> int:
    """Store one square home with ten people, east of the one before, and its residents."""
    west, south = LON + number * STEP, LAT
    size = 0.0002
    ring = f"{west} {south}, {west} {south + size}, {west + size} {south + size}, {west + size} {south}, {west} {south}"
    key = factories.add_building(
        conn,
        geom=f"POLYGON(({ring}))",
        name=f"{number + 1}号楼",
        people=10,
        dwellings=4,
        floors=6.0,
        footprint_m2=380.0 + number,
        **values,
    )
    conn.execute(
        insert(tables.resident_group).values(
            building_id=key, people=10, a03_05=1, living_alone_60_up=7, households=4, method="given"
        )
    )
    return key


def set_versions(conn: Connection, *, version: int = 1) -> None:
    """Store a version of every core layer with its rows and extent."""
    for layer, table in tables.LAYER_TABLES.items():
        edges = (f(func.ST_Extent(table.c.geom)) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax))
        live = select(func.count(), *edges).where(table.c.valid_to.is_(None))
        rows, *box = conn.execute(live).one()
        if layer == "population":
            rows = conn.execute(select(func.count()).select_from(tables.resident_group)).scalar_one()
        conn.execute(
            insert(tables.layer_version).values(
                layer=layer,
                version=version,
                rows=rows,
                extent=None if box[0] is None else func.ST_MakeEnvelope(*box, 4326),
                load_id=factories.add_load(conn, layer),
            )
        )


def seed_run(conn: Connection, place: Seed, *, name: str = "first", state: str = "done") -> int:
    """Store a run over the five homes: two types, one profile, figures for every area."""
    run_id = int(
        conn.execute(
            insert(tables.run)
            .values(
                name=name,
                state=state,
                request={"types": list(LIMIT_S)},
                versions={"buildings": 1},
                pack_version="test",
                code_version="test",
                metric_crs="EPSG:4547",
                engine={},
                counts={},
                duration_s=0.5,
                result_sha256="0" * 64,
            )
            .returning(tables.run.c.id)
        ).scalar_one()
    )
    for position, (code, limit_s) in enumerate(LIMIT_S.items(), start=1):
        conn.execute(
            insert(tables.run_column).values(
                run_id=run_id,
                position=position,
                type=code,
                profile="adult",
                limit_s=limit_s,
                radius_limit_m=300.0,
                demand_group="a03_05",
                people_basis="bands",
                facilities=1,
                facilities_unlinked=0,
            )
        )
    for number, building_id in enumerate(place.buildings[:5]):
        conn.execute(
            insert(tables.run_building).values(
                run_id=run_id,
                building_id=building_id,
                area_code="110100" if number <= 2 else "110200",
                linked=[LINKED[number]] * 2,
                reach_ms=[REACH_MS[code][number] for code in LIMIT_S],
                facility_id=[
                    None if REACH_MS[code][number] is None else place.facilities[index]
                    for index, code in enumerate(LIMIT_S)
                ],
                radius_mm=[250_000, 350_000],
                people=[PEOPLE[code][number] for code in LIMIT_S],
            )
        )
    for code, limit_s in LIMIT_S.items():
        for area_code, level, parent, homes in (
            ("110000", "city", None, range(5)),
            ("110100", "district", "110000", range(3)),
            ("110200", "district", "110000", range(3, 5)),
        ):
            add_run_area(conn, run_id, code, limit_s, (area_code, level, parent), list(homes))
    return run_id


def status_of(code: str, number: int) -> str:
    """Return the status on paper of one home."""
    if not LINKED[number]:
        return "unknown"
    reach_ms = REACH_MS[code][number]
    return "covered" if reach_ms is not None and reach_ms <= LIMIT_S[code] * 1000 else "gap"


def add_run_area(
    conn: Connection, run_id: int, code: str, limit_s: int, area: tuple[str, str, str | None], homes: list[int]
) -> None:
    """Store the figures of one area and type."""
    people = {
        state: sum(PEOPLE[code][n] for n in homes if status_of(code, n) == state)
        for state in ("covered", "gap", "unknown")
    }
    counts = {state: sum(status_of(code, n) == state for n in homes) for state in people}
    conn.execute(
        insert(tables.run_area).values(
            run_id=run_id,
            area_code=area[0],
            parent_code=area[2],
            level=area[1],
            name=f"区{area[0]}",
            type=code,
            profile="adult",
            demand_group="a03_05",
            people=sum(people.values()),
            **people,
            radius_covered=0,
            dwellings=4 * len(homes),
            dwellings_covered=4 * counts["covered"],
            dwellings_gap=4 * counts["gap"],
            dwellings_unknown=4 * counts["unknown"],
            buildings=len(homes),
            buildings_covered=counts["covered"],
            buildings_gap=counts["gap"],
            buildings_unknown=counts["unknown"],
            buildings_without_counts=0,
        )
    )
