"""Every parameter of every address in the OpenAPI document: bad values are refused by name, never a fault of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from layers import tables
from tests import seed

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tests.api.client import Client
    from tests.conftest import Db

# what every address is asked with when one of its parameters is tried
GOOD: dict[str, str] = {
    "layer": "buildings",
    "z": "14",
    "x": "1",
    "y": "1",
    "run": "latest",
    "building_id": "1",
    "fid": "1",
    "job_id": "00000000-0000-4000-8000-000000000000",
    "lon": "116.2965",
    "lat": "40.0",
    "q": "楼",
    "scenario_id": "1",
}
# what addresses that take a body are asked with
BODY: dict[str, Any] = {
    "/scenarios": {"edits": [{"op": "close_street", "street_id": 1}]},
    "/scenarios/{scenario_id}": {"name": "x"},
    "/scenarios/{scenario_id}/edits": {"edits": [{"op": "close_street", "street_id": 1}]},
    "/scenarios/{scenario_id}/rebase": {},
}
NUL_AND_LONG = ("\0", "x" * 3000)
NUMBERS = ("", "a", "1.5", "-1", "1e9", "99999999999999999999999", "NaN")
# parameter -> values that must be refused; a parameter without an entry fails the test below
BAD: dict[str, tuple[str, ...]] = {
    "layer": ("rivers", "' OR 1=1 --", "..", "x" * 300),
    "z": NUMBERS,
    "x": NUMBERS,
    "y": NUMBERS,
    "run": ("none", "0", "-1", "99999999999999999999999", "'; DROP TABLE run; --", "x" * 3000),
    "building_id": ("a", "-1", "1.5", "99999999999999999999999", "0"),
    "fid": ("a", "-1", "1.5", "99999999999999999999999", "0"),
    "job_id": ("a", "1", "00000000-0000-0000-0000-00000000000g"),
    "type": ("NONE", "' OR 1=1 --", *NUL_AND_LONG),
    "profile": ("none", "' OR 1=1 --", *NUL_AND_LONG),
    "level": ("none", *NUL_AND_LONG),
    "demand_group": ("x" * 3000,),
    "status": ("", "red", "Covered", *NUL_AND_LONG),
    "area": ("x" * 3000,),
    "limit": ("", "0", "-1", "10001", "a", "1.5"),
    "after": ("", "-1", "a", "1.2.3", "99999999999999999999999", "1,2"),
    "f": ("", "pdf", "CSV", "gpkg"),
    "bbox": (
        "",
        "1",
        "1,2,3",
        "a,b,c,d",
        "1,2,3,NaN",
        "1,2,3,inf",
        "0,10,1,5",
        "-181,0,0,1",
        "0,-91,1,1",
        "0,0,500000,4e6",
    ),
    "lon": ("", "a", "181", "-181", "NaN", "inf", "1e300", "116,40"),
    "lat": ("", "a", "91", "-91", "NaN", "inf", "4e6"),
    "minutes": ("", "a", "0", "-5", "61", "NaN", "inf", "5,,10", "1,2,3,4,5,6,7"),
    "width": ("", "a", "0", "9.9", "301", "-30", "NaN", "inf"),
    "q": ("", "   ", *NUL_AND_LONG),
    "v": ("x" * 3000,),
    "scenario_id": ("a", "-1", "1.5", "99999999999999999999999", "0"),
    "dry": ("", "perhaps", "2"),
    "buildings": ("", "-1", "20001", "a", "1.5"),
}
# bad for one address only
ALSO: dict[tuple[str, str], tuple[str, ...]] = {}
# good here though bad elsewhere: the layer of this address has no such rows or takes any text
FINE: dict[tuple[str, str], tuple[str, ...]] = {
    ("/tiles/{layer}.json", "type"): BAD["type"][:2],
    ("/tiles/{layer}.json", "profile"): BAD["profile"],
    ("/tiles/{layer}.json", "run"): BAD["run"],
    ("/tiles/coverage/{z}/{x}/{y}.mvt", "level"): ("none",),
}


def list_parameters(document: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return method, path, place and name of every parameter."""
    return [
        (method, path, parameter["in"], parameter["name"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", [])
    ]


def ask(client: Client, document: dict[str, Any], method: str, path: str, given: dict[str, str]) -> Any:
    """Return the answer for an address with good values but those given."""
    parameters = document["paths"][path][method].get("parameters", [])
    query = {
        item["name"]: given.get(item["name"], GOOD.get(item["name"]))
        for item in parameters
        if item["in"] == "query" and (item["name"] in given or item["required"])
    }
    address = path
    for item in parameters:
        if item["in"] == "path":
            name = item["name"]
            address = address.replace(f"{{{name}}}", quote(given.get(name, GOOD[name])))
    return client.request(method, address, params=query, json=BODY.get(path))


def quote(text: str) -> str:
    """Return a text as one piece of a path."""
    from urllib.parse import quote as quote_text

    return quote_text(text, safe="")


def test_every_parameter_has_bad_values(app: FastAPI) -> None:
    names = {name for _, _, _, name in list_parameters(app.openapi())}
    assert names <= set(BAD), "a new parameter needs its row of bad values"


def test_bad_values_are_refused_by_name(app: FastAPI, client: Client) -> None:
    document = app.openapi()
    wrong = []
    for method, path, place, name in list_parameters(document):
        for value in BAD[name]:
            if value in FINE.get((path, name), ()):
                continue
            answer = ask(client, document, method, path, {name: value})
            told = answer.json() if answer.headers.get("content-type") == "application/problem+json" else {}
            named = told.get("parameter") == name or (place == "path" and answer.status_code == 404)
            if not (400 <= answer.status_code < 500 and named):
                wrong.append((path, name, value[:40], answer.status_code, told.get("parameter")))
    assert wrong == []


def test_unknown_and_repeated_parameters_are_refused(app: FastAPI, client: Client) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        parameters = operations["get"].get("parameters", [])
        address = path
        for item in parameters:
            if item["in"] == "path":
                address = address.replace(f"{{{item['name']}}}", GOOD[item["name"]])
        query = [
            (item["name"], GOOD[item["name"]]) for item in parameters if item["in"] == "query" and item["required"]
        ]
        answer = client.get(address, params=[*query, ("Limit", "1")])
        assert (answer.status_code, answer.json()["parameter"]) == (400, "Limit"), path
        if query:
            answer = client.get(address, params=[*query, query[0]])
            assert (answer.status_code, answer.json()["parameter"]) == (400, query[0][0]), path


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": 1000}, "minutes"),
        ({"minutes": "soon"}, "minutes"),
        ({"profiles": []}, "profiles"),
        ({"profiles": ["flying"]}, "profiles.0"),
        ({"types": "EDU_KINDER"}, "types"),
        ({"types": ["NONE"]}, "types.0"),
        ({"types": [1]}, "types.0"),
        ({"name": "x" * 201}, "name"),
        ({"area": 5}, "area"),
        ({"colour": "red"}, "colour"),
        ({"name": "\0"}, "name"),
        ({"name": "latest"}, "name"),
        ({"name": " Latest "}, "name"),
        ({"name": "2026"}, "name"),
        ({"name": "２０２６"}, "name"),
        ({"types": ["\0"]}, "types.0"),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_a_bad_order_is_refused_before_a_job_is_made(client: Client, body: Any, parameter: str | None) -> None:
    answer = client.post("/gaps/runs", json=body)
    assert answer.status_code == 422
    assert parameter is None or answer.json()["parameter"] == parameter


def test_an_order_for_an_unknown_area_is_refused_before_a_job_is_made(client: Client, db: Db) -> None:
    def count_jobs() -> int:
        with db.reader.connect() as conn:
            return conn.execute(select(func.count()).select_from(tables.job)).scalar_one()

    before = count_jobs()
    for code in ("999999", "' OR 1=1 --", ""):
        answer = client.post("/gaps/runs", json={"area": code})
        assert (answer.status_code, answer.json()["parameter"]) == (404, "area")
    assert count_jobs() == before


def test_an_order_must_be_json(client: Client) -> None:
    answer = client.post("/gaps/runs", content=b'{"types": []}', headers={"Content-Type": "text/plain"})
    assert answer.status_code in {415, 422}


@pytest.mark.parametrize("text", ["'; DROP TABLE onemap.building; --", "%", "_", "\\", "' OR ''='", "😀"])
def test_odd_search_texts_are_plain_text(client: Client, place: seed.Seed, text: str) -> None:
    answer = client.get("/search", params={"q": text})
    assert answer.status_code == 200
    names = [result["name"] for result in answer.json()["results"]]
    assert all(text.lower() in name.lower() for name in names)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/assets/..%2f..%2fpyproject.toml", 404),
        ("GET", "/.built-from", 404),
        ("GET", "/%00", 404),
        ("POST", "/search?q=x", 405),
        ("PUT", "/gaps/runs", 405),
        ("DELETE", "/gaps/runs/1", 405),
        ("PATCH", "/tiles/buildings/1/1/1.mvt", 405),
    ],
)
def test_unknown_addresses_and_methods_are_problems_too(client: Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
