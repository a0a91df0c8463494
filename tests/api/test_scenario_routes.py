"""Scenarios over HTTP: tried out, stored, appended, undone, exported, drawn; every bad field is named."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import pytest
from sqlalchemy import select

from api import schemas_scenarios as schemas
from api.app import create_app
from layers import tables, tiles
from tests.api.client import Client, open_client
from tests.api.conftest import make_threads
from tests.gridcity import ORIGIN
from tests.gridstore import BACK, raise_version
from tests.layers.scenario_town import CLINIC, PRIMARY, Store, at, way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from tests.conftest import Db

ADD = {"op": "add_facility", "type": CLINIC, "geometry": at(480, 260), "capacity": 25.0}


@pytest.fixture(scope="module")
def store(db: Db) -> Store:
    """Return a town with one run."""
    return Store(db, db.settings)


@pytest.fixture(scope="module")
def app(store: Store) -> FastAPI:
    """Return the application on that town."""
    return create_app(store.settings, executor=make_threads)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[Client]:
    """Return a client of it."""
    with open_client(app) as found:
        yield found


def make(client: Client, *edits: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Store a scenario and return the answer."""
    answer = client.post("/scenarios", json={"edits": list(edits) or [ADD], **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/scenarios/{found['id']}"
    return found


def test_a_draft_tells_the_difference_and_stores_nothing(client: Client, store: Store) -> None:
    before = client.get("/scenarios").json()
    answer = client.post("/scenarios?dry=true", json={"run": str(store.run_id), "edits": [ADD]})
    assert answer.status_code == 200
    found = schemas.Draft.model_validate(answer.json())
    assert found.run_id == store.run_id
    (clinic, _) = found.difference.types
    assert clinic.type == CLINIC
    assert clinic.people_gained > 0
    assert clinic.after.covered == clinic.before.covered + clinic.people_gained
    assert (clinic.before.facilities, clinic.after.facilities) == (2, 3)
    assert (clinic.before.capacity, clinic.after.capacity) == (10.0, 35.0)
    assert {row.level for row in found.difference.areas} == {"district", "subdistrict", "community"}
    assert found.difference.buildings[0].facility_id_after == -1
    assert client.get("/scenarios").json() == before


def test_what_is_stored_is_what_was_told(client: Client) -> None:
    made = make(client, name="诊所")
    schemas.ScenarioDetail.model_validate(made)
    got = client.get(f"/scenarios/{made['id']}").json()
    assert got == made
    assert (got["name"], got["edits"], got["batches"], got["stale"]) == ("诊所", 1, 1, False)
    assert got["done"] == [[ADD]]
    listed = client.get("/scenarios?limit=1").json()
    assert [one["id"] for one in listed["scenarios"]] == [made["id"]]
    schemas.ScenarioList.model_validate(listed)


def test_the_list_is_read_page_by_page(client: Client) -> None:
    made = [make(client)["id"] for _ in range(3)]
    first = client.get("/scenarios?limit=2").json()
    second = client.get(f"/scenarios?limit=2&after={first['next']}").json()
    assert [one["id"] for one in (*first["scenarios"], *second["scenarios"])][:3] == made[::-1]


def test_batches_are_undone_and_come_back(client: Client) -> None:
    first = make(client)
    path = f"/scenarios/{first['id']}"
    move = {"op": "move_facility", "facility_id": -1, "geometry": at(900, 100)}
    second = client.post(f"{path}/edits", json={"edits": [move, {**ADD, "geometry": at(20, 480)}]}).json()
    assert (second["edits"], second["batches"], second["revision"]) == (3, 2, first["revision"] + 1)
    assert second["difference"] != first["difference"]
    undone = client.delete(f"{path}/edits/last").json()
    assert undone["difference"] == first["difference"]
    assert (undone["undone"], undone["to_redo"]) == (1, second["done"][1:])
    redone = client.post(f"{path}/edits/redo").json()
    assert redone["difference"] == second["difference"]
    # a new batch drops what was undone
    client.delete(f"{path}/edits/last")
    client.post(f"{path}/edits", json={"edits": [{"op": "close_facility", "facility_id": -1}]})
    fault = client.post(f"{path}/edits/redo")
    assert (fault.status_code, fault.json()["title"]) == (409, "Conflict")
    for _ in range(2):
        last = client.delete(f"{path}/edits/last").json()
    assert (last["edits"], last["difference"]["types"], last["difference"]["areas"]) == (0, [], [])
    assert client.delete(f"{path}/edits/last").status_code == 409


def test_names_change_and_scenarios_go(client: Client) -> None:
    made = make(client)
    path = f"/scenarios/{made['id']}"
    named = client.request("PATCH", path, json={"name": "新方案"}).json()
    assert (named["name"], named["revision"]) == ("新方案", made["revision"] + 1)
    assert client.delete(path).status_code == 204
    for method, where in (("GET", path), ("DELETE", path), ("DELETE", f"{path}/edits/last")):
        fault = client.request(method, where)
        assert (fault.status_code, fault.json()["parameter"]) == (404, "scenario_id")
    assert client.request("PATCH", path, json={"name": "x"}).status_code == 404


def test_tables_are_paged_and_exported(client: Client) -> None:
    made = make(client)
    path = f"/scenarios/{made['id']}"
    told = made["difference"]["buildings"]
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = client.get(f"{path}/buildings?limit=7{after and f'&after={after}'}").json()
        schemas.BuildingRows.model_validate(page)
        rows += page["rows"]
        after = page["next"]
    assert len(rows) == made["difference"]["buildings_changed"] == len(told)
    key = ("building_id", "profile")
    assert [tuple(row[k] for k in key) for row in rows] == sorted(tuple(row[k] for k in key) for row in rows)
    lines = list(csv.DictReader(io.StringIO(client.get(f"{path}/buildings?f=csv").content.decode("utf-8-sig"))))
    assert [int(line["building_id"]) for line in lines] == [row["building_id"] for row in rows]
    features = client.get(f"{path}/buildings?f=geojson").json()["features"]
    assert features[0]["geometry"]["coordinates"] == [rows[0]["lon"], rows[0]["lat"]]
    areas = client.get(f"{path}/areas").json()
    schemas.AreaRows.model_validate(areas)
    assert len(areas["rows"]) == len(made["difference"]["areas"])
    outlines = client.get(f"{path}/areas?f=geojson&level=district").json()["features"]
    assert {one["geometry"]["type"] for one in outlines} == {"MultiPolygon"}
    adults = client.get(f"{path}/buildings?profile=adult&limit=10000").json()["rows"]
    assert {row["profile"] for row in adults} == {"adult"}
    assert client.get(f"{path}/buildings?type=NO_SUCH").json()["parameter"] == "type"


def test_a_tile_holds_buildings_before_and_after_and_the_edits(client: Client) -> None:
    made = make(client, ADD, {"op": "draw_path", "geometry": way((400, 300), (600, 400))})
    lon, lat = BACK.transform(ORIGIN[0] + 480, ORIGIN[1] + 260)
    z, x, y = tile_of(lon, lat)
    answer = client.get(f"/scenarios/{made['id']}/tiles/{z}/{x}/{y}.mvt?type={CLINIC}&profile=adult")
    assert answer.status_code == 200
    drawn = mapbox_vector_tile.decode(answer.content)
    homes = {feature["id"]: feature["properties"] for feature in drawn["scenario"]["features"]}
    told = [row for row in made["difference"]["buildings"] if (row["type"], row["profile"]) == (CLINIC, "adult")]
    assert set(homes) == {row["building_id"] for row in told}
    for row in told:
        assert homes[row["building_id"]]["status_before"] == row["status_before"]
        assert homes[row["building_id"]]["status_after"] == row["status_after"]
    edits = [feature["properties"]["op"] for feature in drawn["scenario_edits"]["features"]]
    assert edits == ["add_facility", "draw_path"]
    again = client.get(
        f"/scenarios/{made['id']}/tiles/{z}/{x}/{y}.mvt?type={CLINIC}&profile=adult",
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304
    assert client.get(f"/scenarios/{made['id']}/tiles/{z}/0/0.mvt").status_code == 204
    assert client.get(f"/scenarios/{made['id']}/tiles/40/0/0.mvt").json()["parameter"] == "z"


def test_a_thinned_tile_of_a_scenario_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(client)
    z, x, y = tile_of(*BACK.transform(ORIGIN[0] + 480, ORIGIN[1] + 260))
    path = f"/scenarios/{made['id']}/tiles/{z}/{x}/{y}.mvt?type={CLINIC}&profile=adult"
    assert "onemap-thinned" not in client.get(path).headers
    homes = [row for row in made["difference"]["buildings"] if (row["type"], row["profile"]) == (CLINIC, "adult")]
    monkeypatch.setattr(tiles, "ROWS_MAX", 2)
    # two buildings and the edit
    assert client.get(path).headers["onemap-thinned"] == f"kept=3, found={len(homes) + 1}"


def tile_of(lon: float, lat: float, z: int = 13) -> tuple[int, int, int]:
    """Return the tile of a place."""
    import math

    x = int((lon + 180) / 360 * 2**z)
    y = int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z)
    return z, x, y


POINT = {"type": "Point", "coordinates": [114.0, 30.0]}
LINE = {"type": "LineString", "coordinates": [[114.0, 30.0], [114.1, 30.0]]}
OPEN_RING = [[114, 30], [114, 31], [115, 31], [115, 30]]
BAD_EDITS: list[tuple[Any, str]] = [
    ({"op": "fly"}, ".op"),
    ({}, ".op"),
    (5, ""),
    ({"op": "add_facility", "type": CLINIC}, ".geometry"),
    ({**ADD, "type": "NO_SUCH"}, ".type"),
    ({**ADD, "type": "EDU_KINDER"}, ".type"),
    ({**ADD, "type": 5}, ".type"),
    ({**ADD, "type": "x" * 201}, ".type"),
    ({**ADD, "capacity": -1}, ".capacity"),
    ({**ADD, "capacity": 1e10}, ".capacity"),
    ({**ADD, "capacity": "many"}, ".capacity"),
    ({**ADD, "name": "a\0b"}, ".name"),
    ({**ADD, "colour": "red"}, ".colour"),
    ({**ADD, "geometry": None}, ".geometry"),
    ({**ADD, "geometry": {"type": "Blob", "coordinates": [1, 2]}}, ".geometry"),
    ({**ADD, "geometry": LINE}, ".geometry"),
    ({**ADD, "geometry": {"type": "Point", "coordinates": [114.0]}}, ".geometry"),
    ({**ADD, "geometry": {"type": "Point", "coordinates": [114.0, 91.0]}}, ".geometry"),
    ({**ADD, "geometry": {"type": "Point", "coordinates": ["114", "30"]}}, ".geometry"),
    # swapped axes, and a place on the other side of the Earth
    ({**ADD, "geometry": {"type": "Point", "coordinates": [30.0, 114.0]}}, ".geometry"),
    ({**ADD, "geometry": {"type": "Point", "coordinates": [-70.0, -30.0]}}, ".geometry"),
    ({**ADD, "geometry": {"type": "Polygon", "coordinates": [[[114, 30], [114, 31], [114, 30]]]}}, ".geometry"),
    (
        {**ADD, "geometry": {"type": "Polygon", "coordinates": [[[114, 30], [114, 31], [115, 31], [115, 30]]]}},
        ".geometry",
    ),
    ({"op": "move_facility", "facility_id": 10**6, "geometry": POINT}, ".facility_id"),
    ({"op": "move_facility", "facility_id": 0, "geometry": POINT}, ".facility_id"),
    ({"op": "move_facility", "facility_id": 2**63, "geometry": POINT}, ".facility_id"),
    ({"op": "move_facility", "facility_id": -1, "geometry": POINT}, ".facility_id"),
    ({"op": "move_facility", "facility_id": "1", "geometry": POINT}, ".facility_id"),
    ({"op": "move_facility", "facility_id": True, "geometry": POINT}, ".facility_id"),
    ({"op": "close_facility"}, ".facility_id"),
    ({"op": "resize_facility", "facility_id": 1}, ".capacity"),
    ({"op": "resize_facility", "facility_id": 1, "capacity": None}, ".capacity"),
    ({"op": "close_street", "street_id": 10**6}, ".street_id"),
    ({"op": "close_street", "street_id": -1}, ".street_id"),
    ({"op": "open_street", "street_id": 1.5}, ".street_id"),
    ({"op": "close_gate", "gate_id": 10**6}, ".gate_id"),
    ({"op": "open_gate", "gate_id": 1, "opens_to": "dogs"}, ".opens_to"),
    ({"op": "draw_path", "geometry": POINT}, ".geometry"),
    ({"op": "draw_path", "geometry": {"type": "LineString", "coordinates": [[114, 30]]}}, ".geometry"),
    ({"op": "draw_path", "geometry": way((0, 0), (0, 0))}, ".geometry"),
    ({"op": "draw_path", "geometry": way((0, 0), (30_000, 0))}, ".geometry"),
    ({"op": "draw_path", "geometry": {"type": "LineString", "coordinates": [[114, 30]] * 3_000}}, ".geometry"),
]


@pytest.mark.parametrize(("edit", "field"), BAD_EDITS, ids=[f"{n}{field}" for n, (_, field) in enumerate(BAD_EDITS)])
def test_bad_edits_are_named(client: Client, edit: Any, field: str) -> None:
    for path in ("/scenarios", "/scenarios?dry=true"):
        answer = client.post(path, json={"edits": [ADD, {"op": "close_facility", "facility_id": -1}, edit]})
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["parameter"] == f"edits[2]{field}"


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 422, "edits"),
        ({"edits": []}, 422, "edits"),
        ({"edits": "all"}, 422, "edits"),
        ({"edits": [{"op": "close_street", "street_id": 1}] * 201}, 422, "edits"),
        ({"edits": [ADD], "run": "no such run"}, 404, "run"),
        ({"edits": [ADD], "run": ""}, 422, "run"),
        ({"edits": [ADD], "run": 7}, 422, "run"),
        ({"edits": [ADD], "name": ""}, 422, "name"),
        ({"edits": [ADD], "name": "x" * 201}, 422, "name"),
        ({"edits": [ADD], "speed": 1}, 422, "speed"),
        ([], 422, "body"),
    ],
)
def test_bad_orders_are_named(client: Client, body: Any, status: int, parameter: str) -> None:
    answer = client.post("/scenarios", json=body)
    assert (answer.status_code, answer.json()["parameter"]) == (status, parameter), answer.text


@pytest.mark.parametrize(
    ("path", "body", "parameter", "hint"),
    [
        ("/rebase", {"run": None}, "run", "The fields of every order"),
        ("/rebase", {"walk": 1}, "walk", "The fields of every order"),
        ("/edits", {"edits": [{"op": "fly"}]}, "edits[0].op", "The shapes of all edits"),
    ],
)
def test_a_hint_speaks_of_what_is_wrong(client: Client, path: str, body: Any, parameter: str, hint: str) -> None:
    answer = client.post(f"/scenarios/{make(client)['id']}{path}", json=body).json()
    assert (answer["status"], answer["parameter"]) == (422, parameter)
    assert answer["hint"] == f"{hint} are listed under /docs."


def test_faults_of_an_appended_batch_count_from_its_own_edits(client: Client) -> None:
    made = make(client, ADD, ADD)
    closed = {"op": "close_facility", "facility_id": -2}
    answer = client.post(f"/scenarios/{made['id']}/edits", json={"edits": [closed, closed]})
    assert answer.json()["parameter"] == "edits[1].facility_id"
    far = {"op": "draw_path", "geometry": way((5_000, 5_000), (5_100, 5_000))}
    answer = client.post(f"/scenarios/{made['id']}/edits", json={"edits": [far]})
    assert answer.status_code == 422
    assert answer.json()["parameter"].startswith("edits[0]")


def test_bad_parameters_are_named(client: Client) -> None:
    for path in ("/scenarios?dry=perhaps", "/scenarios?buildings=-1", "/scenarios?buildings=20001"):
        answer = client.post(path, json={"edits": [ADD]})
        assert (answer.status_code, answer.json()["parameter"]) == (422, path.split("?")[1].split("=")[0])
    assert client.post("/scenarios?wet=1", json={"edits": [ADD]}).json()["parameter"] == "wet"
    assert client.post("/scenarios", content=b"{").status_code == 422


def test_a_scenario_of_changed_layers_is_stale_and_can_be_set_on_a_newer_run(store: Store, client: Client) -> None:
    made = make(client)
    path = f"/scenarios/{made['id']}"
    with store.db.writer.begin() as connection:
        raise_version(connection, "buildings")
    got = client.get(path).json()
    assert (got["stale"], got["changed_layers"]) == (True, ["buildings"])
    assert got["difference"] == made["difference"]
    for answer in (
        client.post(f"{path}/edits", json={"edits": [ADD]}),
        client.delete(f"{path}/edits/last"),
        client.post("/scenarios", json={"edits": [ADD]}),
        client.post(f"{path}/rebase", json={}),
    ):
        assert answer.status_code == 409
        assert "buildings" in answer.json()["detail"]
        assert "ebase" in answer.json()["hint"]
    again = store.run_again()
    rebased = client.post(f"{path}/rebase", json={"run": "latest"}).json()
    assert (rebased["run_id"], rebased["stale"], rebased["changed_layers"]) == (again, False, [])
    assert rebased["difference"] == made["difference"]
    assert client.post(f"{path}/edits", json={"edits": [{**ADD, "geometry": at(1, 1)}]}).status_code == 200


def test_every_answer_is_typed(app: FastAPI) -> None:
    document = app.openapi()
    paths = {path: found for path, found in document["paths"].items() if path.startswith("/scenarios")}
    assert len(paths) == 9
    text = json.dumps(paths)
    for name in ("ScenarioOrder", "ScenarioDetail", "Draft", "ScenarioList", "AreaRows", "BuildingRows"):
        assert name in text
    ops = document["components"]["schemas"]["ScenarioOrder"]["properties"]["edits"]["items"]["discriminator"]["mapping"]
    assert len(ops) == 9


def test_the_seeded_town_has_what_the_tests_mean(store: Store) -> None:
    with store.db.reader.connect() as connection:
        types = connection.execute(select(tables.facility.c.type)).scalars().all()
    assert sorted(types) == sorted([CLINIC, CLINIC, PRIMARY, "EDU_NINEYEAR", "EDU_KINDER"])
