"""A town for scenarios: streets, a walled estate with two gates, homes, facilities and a tree of areas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.geometry import shape
from sqlalchemy import func, select, text, update

from layers import tables
from layers.query.results import build_run_buildings
from layers.query.runs import build_run_areas
from layers.run import run_gaps
from layers.runs.result import GapRequest
from layers.scenario import Scenarios
from layers.tables import SRID
from tests.factories import _add
from tests.gridcity import ORIGIN, GridCity, box, line, point
from tests.gridstore import BACK, raise_version, save_area, save_grid, save_home, save_site

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.settings import Settings
    from tests.conftest import Db

CLINIC = "MED_CHS"  # 5 minutes: 300 s, 333 m at the adult's pace
PRIMARY = "EDU_PRIMARY"  # 10 minutes, children of 6 to 11
NINE = "EDU_NINEYEAR"  # serves primary pupils, too

REQUEST = GapRequest(types=(CLINIC, PRIMARY), profiles=("adult", "wheelchair"))

Figures = dict[tuple[Any, ...], dict[str, Any]]
RawEdits = list[dict[str, Any]]


class ScenarioTown:
    """A 10 × 5 grid of 100 m blocks; estate on two blocks; homes at random places of a fixed seed."""

    def __init__(self, connection: Connection, *, homes: int = 60, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        city = GridCity.grid(10, 5).wall(210, 110, 290, 190)
        city.street((250, 110), (250, 190), private=True)
        city.gate(250, 110).gate(250, 190)
        city.street((1000, 0), (1300, 0), private=True)
        save_grid(connection, city)
        save_area(connection, box(-50, -50, 1400, 650), "42", level="district", parent=None, depth=0)
        save_area(connection, box(-50, -50, 500, 550), "4201", level="subdistrict", parent="42", depth=1)
        save_area(connection, box(500, -50, 1400, 550), "4202", level="subdistrict", parent="42", depth=1)
        save_area(connection, box(-50, -50, 500, 250), "420101", level="community", parent="4201", depth=2)
        save_area(connection, box(500, -50, 1000, 250), "420201", level="community", parent="4202", depth=2)
        self.homes = [
            save_home(
                connection,
                self._home(rng, number),
                people=int(rng.integers(1, 400)),
                dwellings=int(rng.integers(1, 90)),
                **({"a06_11": int(rng.integers(0, 40))} if number % 3 else {}),
            )
            for number in range(homes)
        ]
        self.homes.append(save_home(connection, point(260, 150), people=500, a06_11=60, dwellings=200))
        self.homes.append(save_home(connection, point(1250, -40), people=70))
        self.homes.append(save_home(connection, point(300, 1200), people=9, a06_11=1))
        self.homes.append(save_home(connection, point(100, 30)))
        places = ((CLINIC, 0, 0, 10), (CLINIC, 900, 400, None), (PRIMARY, 100, 300, 400), (NINE, 800, 0, 900))
        self.sites = [save_site(connection, point(x, y), code, capacity=capacity) for code, x, y, capacity in places]
        self.uncertain = save_site(connection, point(500, 500), "EDU_KINDER")
        raise_version(connection, "population")
        connection.execute(text("ANALYZE"))

    @staticmethod
    def _home(rng: np.random.Generator, number: int) -> shapely.Geometry:
        x, y = rng.uniform(-20, 1020), rng.uniform(-20, 520)
        return point(x, y) if number % 4 else box(x, y, x + 20, y + 12)


class Store:
    """A town with one run, and what computes scenarios on it."""

    def __init__(self, db: Db, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        with db.writer.begin() as connection:
            self.town = ScenarioTown(connection)
        self.run_id = run_gaps(db.writer, settings, REQUEST).id
        self.scenarios = Scenarios(reader=db.reader, writer=db.writer, settings=settings)

    def run_again(self) -> int:
        """Run everything once more and return the id."""
        return run_gaps(self.db.writer, self.settings, REQUEST).id


def lonlat(geometry: shapely.Geometry) -> dict[str, Any]:
    """Return a geometry of the grid as GeoJSON in degrees, lists all through as JSON gives it."""
    moved = shapely.transform(geometry, lambda xy: np.column_stack(BACK.transform(xy[:, 0], xy[:, 1])))
    found: dict[str, Any] = json.loads(shapely.to_geojson(moved))
    return found


def at(x: float, y: float) -> dict[str, Any]:
    """Return a point of the grid as GeoJSON."""
    return lonlat(point(x, y))


def way(*places: tuple[float, float]) -> dict[str, Any]:
    """Return a line of the grid as GeoJSON."""
    return lonlat(line(*places))


def find_street(connection: Connection, x: float, y: float) -> int:
    """Return the street nearest to a place of the grid."""
    lon, lat = BACK.transform(ORIGIN[0] + x, ORIGIN[1] + y)
    place = func.ST_SetSRID(func.ST_MakePoint(lon, lat), SRID)
    street = tables.street.c
    return int(
        connection.execute(select(street.id).order_by(func.ST_Distance(street.geom, place)).limit(1)).scalar_one()
    )


class DataEditor:
    """Makes the edits of a scenario in the data themselves, as somebody with new files would."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.added: list[int] = []
        self.drawn: list[int] = []

    def apply(self, edits: list[dict[str, Any]]) -> None:
        """Change rows of facilities, streets and gates."""
        for edit in edits:
            getattr(self, edit["op"])(edit)
        raise_version(self.connection, "facilities", "streets", "gates")

    def _facility(self, edit: dict[str, Any]) -> int:
        key: int = edit["facility_id"]
        return key if key > 0 else self.added[-key - 1]

    def _set(self, table: Any, key: int, **values: Any) -> None:
        done = self.connection.execute(update(table).where(table.c.id == key).values(**values)).rowcount
        assert done == 1

    def add_facility(self, edit: dict[str, Any]) -> None:
        """Insert a row."""
        values = {"type_basis": "given", "type": edit["type"], "capacity": edit.get("capacity")}
        self.added.append(_add(self.connection, tables.facility, values, wkt=shape(edit["geometry"]).wkt))

    def move_facility(self, edit: dict[str, Any]) -> None:
        """Write another geometry."""
        geometry = func.ST_GeomFromGeoJSON(json.dumps(edit["geometry"]))
        self._set(tables.facility, self._facility(edit), geom=geometry)

    def close_facility(self, edit: dict[str, Any]) -> None:
        """Close the row."""
        self._set(tables.facility, self._facility(edit), valid_to=func.now())

    def resize_facility(self, edit: dict[str, Any]) -> None:
        """Write another capacity."""
        self._set(tables.facility, self._facility(edit), capacity=edit["capacity"])

    def close_street(self, edit: dict[str, Any]) -> None:
        """Close it to everybody."""
        key = edit["street_id"]
        self._set(tables.street, key if key > 0 else self.drawn[-key - 1], foot="no", access="no")

    def open_street(self, edit: dict[str, Any]) -> None:
        """Open it to everybody its class is for."""
        key = edit["street_id"]
        self._set(tables.street, key if key > 0 else self.drawn[-key - 1], foot="yes", access=None)

    def open_gate(self, edit: dict[str, Any]) -> None:
        """Open it to everybody, at any hour."""
        self._set(tables.gate, edit["gate_id"], opens_to=edit.get("opens_to", "all"), hours=None)

    def close_gate(self, edit: dict[str, Any]) -> None:
        """Close it at all hours; only runs that look at a moment see that."""
        self._set(tables.gate, edit["gate_id"], hours="off")

    def draw_path(self, edit: dict[str, Any]) -> None:
        """Insert a street."""
        values = {"highway": "steps" if edit.get("steps") else "footway", "steps": edit.get("steps")}
        self.drawn.append(_add(self.connection, tables.street, values, wkt=shape(edit["geometry"]).wkt))


def read_areas(connection: Connection, run_id: int) -> Figures:
    """Return the figures of a run by type, profile, group and area."""
    rows = connection.execute(build_run_areas(run_id)).mappings().all()
    names = ("people", "covered", "gap", "unknown", "radius_covered", "buildings", "buildings_gap")
    keys = ("type", "profile", "demand_group", "level", "area_code", "parent_code")
    return {tuple(row[key] for key in keys): {name: row[name] for name in names} for row in rows}


def read_buildings(connection: Connection, run_id: int) -> Figures:
    """Return the figures of a run by building, type and profile."""
    rows = connection.execute(build_run_buildings(run_id)).mappings().all()
    keys, names = ("building_id", "type", "profile"), ("status", "reach_s", "facility_id", "people", "area_code")
    return {tuple(row[key] for key in keys): {name: row[name] for name in names} for row in rows}


def check_against_full_run(
    store: Store, edits: RawEdits, difference: dict[str, Any], request: GapRequest = REQUEST
) -> None:
    """Edit the data themselves, run everything, and compare what differs from the base run."""
    with store.db.writer.begin() as connection:
        areas, homes = read_areas(connection, store.run_id), read_buildings(connection, store.run_id)
        editor = DataEditor(connection)
        editor.apply(edits)
    again = run_gaps(store.db.writer, store.settings, request)
    with store.db.reader.connect() as connection:
        areas_now, homes_now = read_areas(connection, again.id), read_buildings(connection, again.id)
    new = {key: -number for number, key in enumerate(editor.added, start=1)}
    for row in difference["areas"]:
        key = tuple(row[name] for name in ("type", "profile", "demand_group", "level", "area_code", "parent_code"))
        for side, figures in (("before", areas), ("after", areas_now)):
            assert {name: row[side][name] for name in figures[key]} == figures[key], (key, side)
    told = {
        tuple(row[n] for n in ("type", "profile", "demand_group", "level", "area_code", "parent_code"))
        for row in difference["areas"]
    }
    # nothing that differs is left out
    assert {key for key, figures in areas_now.items() if figures != areas[key]} <= told
    changed = {(row["building_id"], row["type"], row["profile"]): row for row in difference["buildings"]}
    assert len(changed) == len(difference["buildings"]) == difference["buildings_changed"]
    for key, now in homes_now.items():
        now["facility_id"] = new.get(now["facility_id"], now["facility_id"])
        assert (key in changed) == (now != homes[key]), (key, now, homes[key])
        if key in changed:
            row = changed[key]
            for side, home in (("before", homes[key]), ("after", now)):
                found = {name: row[f"{name}_{side}"] for name in ("status", "reach_s", "facility_id")}
                assert found == {name: home[name] for name in found}, (key, side)
            assert (row["people"], row["area_code"]) == (now["people"], now["area_code"])
    totals = {(total["type"], total["profile"]): total for total in again.totals}
    for row in difference["types"]:
        total = totals[row["type"], row["profile"]]
        assert {name: row["after"][name] for name in ("covered", "gap", "unknown", "facilities")} == {
            name: total[name] for name in ("covered", "gap", "unknown", "facilities")
        }
