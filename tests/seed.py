"""A small place with two areas, a few homes and one finished run, whose figures are known by heart."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, insert, select

from layers import tables
from layers.runs import tables as run_tables
from layers.runs.slices import Slots, encode_reach, save_slices
from layers.scenarios.tables import scenario
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
GROUP_OF = {"EDU_KINDER": "a03_05", "EDU_PRIMARY": "a06_11"}
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
    result_id = int(
        conn.execute(insert(run_tables.run_result).values(key=None).returning(run_tables.run_result.c.id)).scalar_one()
    )
    run_id = int(
        conn.execute(
            insert(tables.run)
            .values(
                result_id=result_id,
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
                demand_group=GROUP_OF[code],
                people_basis="bands",
                facilities=1,
                facilities_unlinked=0,
            )
        )
    save_figures(conn, place, result_id)
    for code, limit_s in LIMIT_S.items():
        for area_code, level, parent, homes in (
            ("110000", "city", None, range(5)),
            ("110100", "district", "110000", range(3)),
            ("110200", "district", "110000", range(3, 5)),
        ):
            add_run_area(conn, result_id, code, limit_s, (area_code, level, parent), list(homes))
    return run_id


def status_of(code: str, number: int) -> str:
    """Return the status on paper of one home."""
    if not LINKED[number]:
        return "unknown"
    reach_ms = REACH_MS[code][number]
    return "covered" if reach_ms is not None and reach_ms <= LIMIT_S[code] * 1000 else "gap"


def save_figures(conn: Connection, place: Seed, result_id: int) -> None:
    """Store the figures of the five homes as a run does."""
    homes = range(5)
    slots = Slots.find(np.array([place.buildings[n] for n in homes], dtype=np.int64))
    head = {"result_id": struct.pack(">q", result_id)}
    codes = ("110100", "110200")
    for number, code in enumerate(codes):
        conn.execute(insert(run_tables.run_area_code).values(result_id=result_id, number=number, code=code))
    area = np.array([0 if n <= 2 else 1 for n in homes])
    save_slices(conn, run_tables.run_home, slots, [(head, {"area": area})])
    for position, code in enumerate(LIMIT_S, start=1):
        linked = np.array([LINKED[n] for n in homes])
        reach = np.array([-1 if REACH_MS[code][n] is None else REACH_MS[code][n] for n in homes], dtype=np.int32)
        figures = {
            "reach_ms": encode_reach(reach, linked),
            "facility": np.where(reach < 0, -1, place.facilities[position - 1]),
            "radius_mm": np.array([250_000 if position == 1 else 350_000 for _ in homes]),
        }
        position_head = {**head, "position": struct.pack(">h", position)}
        save_slices(conn, run_tables.run_reach, slots, [(position_head, figures)])
        covered = [n for n in homes if status_of(code, n) == "covered"]
        if covered:
            people = sum(PEOPLE[code][n] for n in covered)
            conn.execute(
                insert(run_tables.run_facility).values(
                    result_id=result_id,
                    position=position,
                    facility_id=place.facilities[position - 1],
                    buildings_covered=len(covered),
                    people_covered=people,
                )
            )
    people_of = {GROUP_OF[code]: PEOPLE[code] for code in LIMIT_S}
    for group, counts in people_of.items():
        people_head = {**head, "demand_group": group.encode()}
        save_slices(conn, run_tables.run_people, slots, [(people_head, {"people": np.array(counts[:5])})])


def add_run_area(
    conn: Connection, result_id: int, code: str, limit_s: int, area: tuple[str, str, str | None], homes: list[int]
) -> None:
    """Store the figures of one area and type."""
    people = {
        state: sum(PEOPLE[code][n] for n in homes if status_of(code, n) == state)
        for state in ("covered", "gap", "unknown")
    }
    counts = {state: sum(status_of(code, n) == state for n in homes) for state in people}
    conn.execute(
        insert(tables.run_area).values(
            result_id=result_id,
            area_code=area[0],
            parent_code=area[2],
            level=area[1],
            name=f"区{area[0]}",
            type=code,
            profile="adult",
            demand_group=GROUP_OF[code],
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


def seed_scenario(conn: Connection, run_id: int) -> int:
    """Store a scenario of one edit that changes nothing and return its id."""
    values = {"run_id": run_id, "run_sha256": "0" * 64, "versions": {}, "totals": [], "done": 1}
    batches = [[{"op": "close_street", "street_id": 1}]]
    statement = insert(scenario).values(**values, batches=batches).returning(scenario.c.id)
    return int(conn.execute(statement).scalar_one())
