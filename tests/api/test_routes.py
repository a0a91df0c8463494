"""What the routes answer, compared with the tables and with the figures on paper."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import shapely
from sqlalchemy import delete, select, text, update

from api.app import create_app
from api.study_keeper import StudyKeeper
from layers import tables
from layers.query.features import GEOJSON_DECIMALS
from tests import factories, seed
from tests.api.client import open_client
from tests.api.conftest import make_threads

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tests.api.client import Client
    from tests.conftest import Db


def follow(client: Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """Return all rows of a list, page after page."""
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        answer = client.get(path, params={**params, **({} if after is None else {"after": after})})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["rows"]
        after = page["next"]
        if after is None:
            return rows


def test_the_catalogue_tells_layers_types_levels_and_where_to_look(client: Client, place: seed.Seed) -> None:
    found = client.get("/api/catalogue").json()
    layers = {layer["id"]: layer for layer in found["layers"]}
    assert set(layers) == set(tables.LAYER_TABLES)
    assert layers["buildings"]["rows"] == 5
    assert layers["buildings"]["datum"] == "wgs84"
    hidden = {field["name"] for field in layers["population"]["fields"] if field["sensitive"]}
    assert hidden == set(tables.OF_WHICH_COLUMNS)
    assert [level["level"] for level in found["levels"]] == ["city", "district"]
    assert found["latest_run"] == place.run_id
    west, south, east, north = found["extent"]
    assert west <= seed.LON <= east
    assert south <= seed.LAT <= north
    kinder = next(item for item in found["types"] if item["code"] == "EDU_KINDER")
    assert (kinder["limit_s"], kinder["demand_groups"]) == (300, ["a03_05"])
    assert all(item["not_judged_reason"] for item in found["types"] if not item["testable"])
    fire = next(item for item in found["types"] if item["code"] == "SAF_FIRE1")
    assert (fire["limit_s"], fire["drive_limit_s"], fire["not_judged_reason"]) == (None, 240, "driven")
    assert [item["code"] for item in found["profiles"] if item["vehicle"]] == ["driving"]


def test_an_unchanged_catalogue_is_not_sent_again(client: Client) -> None:
    etag = client.get("/api/catalogue").headers["etag"]
    assert client.get("/api/catalogue", headers={"If-None-Match": etag}).status_code == 304


def test_features_are_the_rows_of_the_table(client: Client, db: Db, place: seed.Seed) -> None:
    page = client.get("/ogc/collections/buildings/items").json()
    with db.reader.connect() as conn:
        rows = {row.id: row for row in conn.execute(select(tables.building))}
    assert [feature["id"] for feature in page["features"]] == sorted(rows)
    first = page["features"][0]
    assert first["properties"]["name"] == rows[first["id"]].name
    assert "entrance" not in first["properties"]
    assert page["numberReturned"] == 5


def test_geometry_follows_rfc_7946(client: Client) -> None:
    answer = client.get("/ogc/collections/buildings/items")
    assert answer.headers["content-type"] == "application/geo+json"
    for feature in answer.json()["features"]:
        ring = feature["geometry"]["coordinates"][0]
        assert shapely.LinearRing(ring).is_ccw
        for number in (value for corner in ring for value in corner):
            assert len(repr(number).partition(".")[2]) <= GEOJSON_DECIMALS
        assert abs(ring[0][0]) > abs(ring[0][1]), "longitude goes first"


def test_pages_are_complete_and_stable_while_rows_are_added(client: Client, db: Db, place: seed.Seed) -> None:
    seen: list[int] = []
    address: str | None = "/ogc/collections/facilities/items?limit=2"
    added: list[int] = []
    while address is not None:
        page = client.get(address).json()
        seen += [feature["id"] for feature in page["features"]]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
        if len(added) < 3:
            with db.owner.begin() as conn:
                added.append(factories.add_facility(conn, lon=seed.LON, lat=seed.LAT, type="EDU_KINDER"))
    with db.owner.begin() as conn:
        conn.execute(delete(tables.facility).where(tables.facility.c.id.in_(added)))
    assert seen[:3] == place.facilities
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "bbox", ["116.2,39.9,116.4,40.1", "116.2965,40,116.2966,40.0001", "0,0,1,1", "170,-10,-170,10"]
)
def test_a_box_gives_what_sql_gives(client: Client, db: Db, bbox: str) -> None:
    page = client.get("/ogc/collections/buildings/items", params={"bbox": bbox}).json()
    west, south, east, north = map(float, bbox.split(","))
    with db.reader.connect() as conn:
        box = "ST_MakeEnvelope(:w, :s, :e, :n, 4326)"
        inside = text(f"SELECT id FROM building WHERE ST_Intersects(geom, {box}) ORDER BY id")  # noqa: S608
        expected = conn.execute(inside, {"w": west, "s": south, "e": east, "n": north}).scalars().all()
    if west > east:
        expected = []
    assert [feature["id"] for feature in page["features"]] == list(expected)


def test_sensitive_columns_are_nowhere(client: Client, place: seed.Seed) -> None:
    paths = [
        "/ogc/collections/population/items",
        f"/ogc/collections/population/items/{place.buildings[0]}",
        "/ogc/collections/incidents/items",
        f"/gaps/runs/latest/buildings/{place.buildings[0]}",
        "/search?q=楼",
    ]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "living_alone" not in answer.text
        assert "私人内容" not in answer.text


def test_one_feature_and_its_absence(client: Client, place: seed.Seed) -> None:
    key = place.buildings[2]
    feature = client.get(f"/ogc/collections/buildings/items/{key}").json()
    assert (feature["type"], feature["id"], feature["properties"]["name"]) == ("Feature", key, "3号楼")
    assert client.get("/ogc/collections/buildings/items/999999").status_code == 404


def test_closed_rows_are_not_found(client: Client, db: Db, place: seed.Seed) -> None:
    gate = tables.gate
    with db.owner.begin() as conn:
        conn.execute(update(gate).values(valid_to=text("now()")))
        conn.execute(update(tables.layer_version).where(tables.layer_version.c.layer == "gates").values(version=77))
    assert client.get("/ogc/collections/gates/items").json()["features"] == []
    with db.owner.begin() as conn:
        conn.execute(update(gate).values(valid_to=None))


def test_runs_are_listed_newest_first_page_by_page(client: Client, db: Db, place: seed.Seed) -> None:
    with db.owner.begin() as conn:
        newer = seed.seed_run(conn, place, name="second", state="failed")
    page = client.get("/gaps/runs?limit=1").json()
    assert [run["id"] for run in page["runs"]] == [newer]
    rest = client.get(f"/gaps/runs?limit=1&after={page['next']}").json()
    assert [run["id"] for run in rest["runs"]] == [place.run_id]
    assert rest["next"] is None
    assert rest["runs"][0]["types"] == list(seed.LIMIT_S)
    assert client.get("/gaps/runs/latest").json()["id"] == place.run_id, "a failed run is never the latest"
    assert client.get("/gaps/runs/second").json()["id"] == newer


def test_totals_of_a_run_add_up_to_the_figures_on_paper(client: Client) -> None:
    run = client.get("/gaps/runs/latest").json()
    for total in run["totals"]:
        people = seed.PEOPLE[total["type"]]
        for state in ("covered", "gap", "unknown"):
            expected = sum(n for i, n in enumerate(people) if seed.status_of(total["type"], i) == state)
            assert total[state] == expected
        assert total["people"] == sum(people) == total["covered"] + total["gap"] + total["unknown"]
    assert run["levels"] == ["city", "district"]
    assert run["not_judged"]


def test_totals_without_areas_are_the_same(client: Client, db: Db, place: seed.Seed) -> None:
    from layers.query.results import build_totals, build_totals_of_areas

    with db.reader.connect() as conn:
        by_building = conn.execute(build_totals(place.run_id)).mappings().all()
        by_area = conn.execute(build_totals_of_areas(place.run_id)).mappings().all()
    names = ("type", "profile", "people", "covered", "gap", "unknown", "share_covered")
    assert [[row[name] for name in names] for row in by_building] == [[row[name] for name in names] for row in by_area]


def test_areas_sum_to_their_parent(client: Client) -> None:
    rows = follow(client, "/gaps/runs/latest/areas", type="EDU_KINDER", limit=1)
    city = next(row for row in rows if row["level"] == "city")
    for name in ("people", "covered", "gap", "unknown"):
        assert sum(row[name] for row in rows if row["level"] == "district") == city[name]
    assert [row["required"] for row in rows] == [None] * 3


def test_buildings_page_by_page_are_the_whole_run(client: Client, place: seed.Seed) -> None:
    rows = follow(client, "/gaps/runs/latest/buildings", limit=3)
    assert [(row["building_id"], row["type"]) for row in rows] == [
        (key, code) for key in place.buildings for code in seed.LIMIT_S
    ]


@pytest.mark.parametrize("status", ["covered", "gap", "unknown"])
@pytest.mark.parametrize("code", list(seed.LIMIT_S))
def test_buildings_of_a_status(client: Client, place: seed.Seed, code: str, status: str) -> None:
    rows = follow(client, "/gaps/runs/latest/buildings", type=code, status=status, limit=1)
    expected = [key for number, key in enumerate(place.buildings) if seed.status_of(code, number) == status]
    assert [row["building_id"] for row in rows] == expected


@pytest.mark.parametrize(
    ("area", "homes"), [("110000", range(5)), ("110100", range(3)), ("110200", range(3, 5)), ("9", [])]
)
def test_buildings_of_an_area_are_those_below_it_too(
    client: Client, place: seed.Seed, area: str, homes: list[int]
) -> None:
    rows = follow(client, "/gaps/runs/latest/buildings", type="EDU_KINDER", area=area)
    assert [row["building_id"] for row in rows] == [place.buildings[number] for number in homes]


def test_facilities_tell_whom_they_serve(client: Client, place: seed.Seed) -> None:
    rows = follow(client, "/gaps/runs/latest/facilities", limit=1)
    assert [(row["facility_id"], row["type"]) for row in rows] == list(
        zip(place.facilities, seed.LIMIT_S, strict=False)
    )


def read_rows(name: str, content: bytes) -> list[dict[str, Any]]:
    """Return the rows of a download."""
    if name == "csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    if name == "geojson":
        return [feature["properties"] for feature in json.loads(content)["features"]]
    if name == "parquet":
        return list(pq.read_table(io.BytesIO(content)).to_pylist())
    header, *rows = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].values
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as every format can hold it: numbers to 12 digits, missing values as None."""

    def read(value: Any) -> Any:
        try:
            return float(f"{float(value):.12g}")
        except (TypeError, ValueError):
            return value or None

    return {name: read(value) for name, value in row.items()}


@pytest.mark.parametrize("name", ["csv", "geojson", "parquet", "xlsx"])
@pytest.mark.parametrize("what", ["areas", "buildings", "facilities"])
def test_downloads_hold_what_the_pages_hold(client: Client, what: str, name: str) -> None:
    path = f"/gaps/runs/latest/{what}"
    pages = follow(client, path)
    answer = client.get(path, params={"f": name, "limit": 1})
    assert answer.status_code == 200
    assert f"run-latest-{what}.{name}" in answer.headers["content-disposition"]
    rows = read_rows(name, answer.content)
    assert [plain(row) for row in rows] == [plain({name: page[name] for name in rows[0]}) for page in pages]


def test_accept_chooses_a_format_too(client: Client) -> None:
    answer = client.get("/gaps/runs/latest/areas", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    browser = client.get("/gaps/runs/latest/areas", headers={"Accept": "text/html,*/*"})
    assert browser.headers["content-type"] == "application/json"


def test_a_card_tells_facts_results_and_completeness(client: Client, place: seed.Seed) -> None:
    card = client.get(f"/gaps/runs/latest/buildings/{place.buildings[1]}").json()
    assert card["building"]["name"] == "2号楼"
    assert card["residents"]["people"] == 10
    assert [(row["type"], row["status"]) for row in card["results"]] == [
        ("EDU_KINDER", "gap"),
        ("EDU_PRIMARY", "covered"),
    ]
    (complete,) = card["completeness"]
    assert (complete["met"], complete["required"], complete["missing"]) == (1, 2, ["EDU_KINDER"])
    assert complete["not_judged"]


def test_a_card_equals_the_export(client: Client, place: seed.Seed) -> None:
    exported = read_rows("parquet", client.get("/gaps/runs/latest/buildings?f=parquet").content)
    for key in place.buildings:
        card = client.get(f"/gaps/runs/latest/buildings/{key}").json()
        for row in card["results"]:
            same = next(e for e in exported if (e["building_id"], e["type"]) == (key, row["type"]))
            assert {name: row[name] for name in same} == same


@pytest.mark.parametrize(
    ("text_", "kind", "name"),
    [
        ("3号楼", "building", "3号楼"),
        ("东区", "area", "东区"),
        ("110100", "area", "西区"),
        ("云杉", "compound", "云杉苑"),
        ("幼儿园", "facility", "设施0"),
        ("kindergarten", "facility", "设施0"),
    ],
)
def test_search_finds_by_name_code_and_type(client: Client, text_: str, kind: str, name: str) -> None:
    first = client.get("/search", params={"q": text_}).json()["results"][0]
    assert (first["kind"], first["name"]) == (kind, name)
    assert first["lon"] == pytest.approx(seed.LON, abs=0.1)


def test_search_reads_coordinates(client: Client) -> None:
    (found,) = client.get("/search", params={"q": "116.5, 39.9"}).json()["results"]
    assert (found["kind"], found["lon"], found["lat"]) == ("place", 116.5, 39.9)


def test_exact_names_go_first(client: Client, db: Db) -> None:
    with db.owner.begin() as conn:
        keys = [
            factories.add_facility(conn, name=name, type="EDU_KINDER") for name in ("大东区学校", "东区", "东区学校")
        ]
    names = [place["name"] for place in client.get("/search?q=东区").json()["results"]]
    with db.owner.begin() as conn:
        conn.execute(delete(tables.facility).where(tables.facility.c.id.in_(keys)))
    assert names == ["东区", "东区", "东区学校", "大东区学校"]


def test_head_is_get_without_the_body(client: Client) -> None:
    for path in ("/api/catalogue", "/healthz", "/ogc/collections/buildings/items", "/tiles/buildings.json"):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers.get("etag") == got.headers.get("etag")


def test_health_and_readiness(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    checks = {check["name"]: check["ok"] for check in client.get("/readyz").json()["checks"]}
    assert {name: checks[name] for name in ("database", "tables", "layers")} == dict.fromkeys(
        ("database", "tables", "layers"), True
    )


def test_readiness_waits_for_the_walking_engine(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    may_finish = threading.Event()
    monkeypatch.setattr(StudyKeeper, "find_circles", lambda *_args, **_options: may_finish.wait(timeout=30))
    with open_client(create_app(db.settings, executor=make_threads, warm=True)) as client:
        waiting = client.get("/readyz")
        may_finish.set()
        assert waiting.status_code == 503
        assert [c["name"] for c in waiting.json()["checks"] if not c["ok"]] >= ["engine"]
        for _ in range(100):
            states = {c["name"]: c["ok"] for c in client.get("/readyz").json()["checks"]}
            if states["engine"]:
                break
            time.sleep(0.05)
        assert states["engine"]


def test_every_json_answer_is_typed(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            good = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            for kind, body in good.get("content", {}).items():
                if "json" in kind and kind != "application/geo+json":
                    assert "$ref" in json.dumps(body.get("schema", {})), (method, path)


def test_missing_layers_and_runs_say_which_command_makes_them(fresh_db: Db) -> None:
    with open_client(create_app(fresh_db.settings, executor=make_threads)) as client:
        for path, command in (
            ("/tiles/buildings/1/1/1.mvt", "onemap load buildings"),
            ("/ogc/collections/streets/items", "onemap load streets"),
            ("/gaps/runs/latest", "onemap gaps run"),
            ("/tiles/coverage/1/1/1.mvt", "onemap gaps run"),
        ):
            answer = client.get(path)
            assert answer.status_code == 503
            assert command in answer.json()["hint"]
        assert client.get("/gaps/runs").json() == {"runs": [], "next": None}
        empty = client.get("/api/catalogue").json()
        assert (empty["layers"], empty["extent"], empty["latest_run"]) == ([], None, None)
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert {c["name"] for c in ready.json()["checks"] if not c["ok"]} >= {"layers"}
