"""Faults: every error of the tree has its answer, nothing leaks, headers are on every answer."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from api import problems
from api.app import create_app
from api.headers import CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from geo import errors
from geo.errors import Busy, OneMapError, StoreError
from layers import engine
from tests.api.client import open_client
from tests.api.conftest import make_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI, Request, Response

    from tests.api.client import Client
    from tests.conftest import Db

STATUS = {
    "OneMapError": 422,
    "RequestError": 422,
    "NotFound": 404,
    "DataError": 422,
    "MissingColumn": 422,
    "DatumUnknown": 422,
    "BadGeometry": 422,
    "DuplicateId": 422,
    "NothingLinked": 422,
    "NotReady": 503,
    "Forbidden": 403,
    "Conflict": 409,
    "TooLarge": 413,
    "Busy": 503,
    "StoreError": 503,
    "StoreTimeout": 504,
}
SECRETS = ("SELECT", "onemap.", "psycopg", "Traceback", "/tmp", "/root", "password", "site-packages", "sqlalche", "$1")  # noqa: S108


def walk_tree(kind: type[OneMapError]) -> Iterator[type[OneMapError]]:
    """Yield an error and all below it that the product defines."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from walk_tree(child)


def add_fault(app: FastAPI, fault: Exception) -> str:
    """Give the application an address that fails so, and return it."""
    path = f"/fault/{uuid.uuid4()}"

    async def fail(request: Request) -> Response:
        raise fault

    app.router.add_route(path, fail)
    app.router.routes.insert(0, app.router.routes.pop())
    return path


def test_the_table_of_statuses_holds_the_whole_tree() -> None:
    assert {kind.__name__: kind.http_status for kind in walk_tree(OneMapError)} == STATUS


@pytest.mark.parametrize("kind", list(walk_tree(OneMapError)), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_becomes_a_problem(app: FastAPI, client: Client, kind: type[OneMapError]) -> None:
    path = add_fault(app, kind("What was done.", hint="What to do.", parameter="which"))
    answer = client.get(path)
    assert answer.status_code == kind.http_status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": answer.json()["type"],
        "title": kind.title,
        "status": kind.http_status,
        "detail": "What was done.",
        "hint": "What to do.",
        "parameter": "which",
        "instance": path,
    }
    assert answer.json()["type"].startswith("urn:onemap:problem:")
    assert ("retry-after" in answer.headers) is issubclass(kind, Busy | StoreError)
    assert answer.headers["cache-control"] == "no-store"


def test_ogc_addresses_say_400_where_others_say_422(client: Client) -> None:
    assert client.get("/ogc/collections/buildings/items?limit=0").status_code == 400
    assert client.get("/ogc/collections/buildings/items?bbox=1").status_code == 400
    assert client.get("/gaps/runs?limit=0").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/api/catalogue",
        "/nowhere",
        "/tiles/rivers/1/1/1.mvt",
        "/gaps/runs?limit=0",
        "/healthz",
        "/tiles/buildings/1/1/1.mvt",
    ],
)
def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    for answer in (client.get(path), client.head(path), client.request("OPTIONS", path)):
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY


def test_a_fault_of_ours_tells_nothing_and_still_carries_the_headers(app: FastAPI, client: Client) -> None:
    path = add_fault(app, ValueError("SELECT password FROM /tmp/secret"))
    answer = client.get(path)
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal error")
    assert not [word for word in SECRETS if word in answer.text]
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        (
            "ALTER TABLE onemap.building RENAME TO secret_building",
            "ALTER TABLE onemap.secret_building RENAME TO building",
        ),
        ("ALTER TABLE onemap.building RENAME floors TO secret", "ALTER TABLE onemap.building RENAME secret TO floors"),
        ("REVOKE SELECT ON onemap.building FROM onemap_reader", "GRANT SELECT ON onemap.building TO onemap_reader"),
    ],
)
def test_faults_of_the_database_leak_nothing(client: Client, db: Db, damage: str, repair: str) -> None:
    paths = (
        "/tiles/buildings/14/13485/6206.mvt",
        "/ogc/collections/buildings/items",
        "/gaps/runs/latest/buildings",
        "/gaps/runs/latest/buildings?f=csv",
        "/search?q=楼",
    )
    with db.owner.begin() as conn:
        conn.execute(text(damage))
    statuses = []
    try:
        for path in paths:
            answer = client.get(path)
            statuses.append(answer.status_code)
            assert not [word for word in SECRETS if word in answer.text], answer.text
    finally:
        with db.owner.begin() as conn:
            conn.execute(text(repair))
    assert set(statuses) & {500, 503}
    assert set(statuses) <= {200, 500, 503}


def test_an_unreachable_database_is_503_with_a_hint_and_no_address(db: Db) -> None:
    away = replace(db.settings, database_url="postgresql+psycopg://someone:geheim@127.0.0.1:9/gone_test")
    with open_client(create_app(away, executor=make_threads)) as client:
        answer = client.get("/api/catalogue")
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        for word in (*SECRETS, "geheim", "someone", "127.0.0.1", "gone_test"):
            assert word not in answer.text
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "geheim" not in ready.text
        assert client.get("/healthz").status_code == 200


def test_a_statement_that_takes_too_long_is_504(client: Client, db: Db) -> None:
    hasty = replace(db.settings, reader_timeout_s=0.2)
    blocker = db.owner.connect()
    blocker.execute(text("LOCK TABLE onemap.building IN ACCESS EXCLUSIVE MODE"))
    try:
        with open_client(create_app(hasty, executor=make_threads)) as impatient:
            for path in ("/ogc/collections/buildings/items", "/tiles/buildings/16/53939/24824.mvt"):
                answer = impatient.get(path)
                assert answer.status_code == 504, answer.text
                assert not [word for word in SECRETS if word in answer.text]
    finally:
        blocker.rollback()
        blocker.close()


def test_a_full_pool_is_busy_and_says_when_to_come_back(
    app: FastAPI, client: Client, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "POOL_TIMEOUT_S", 0.05)
    services = app.state.services
    small = engine.make_async_engine(replace(db.settings, pool_size=1), role="reader")
    whole, services.work = services.work, small

    async def hold() -> Any:
        return await small.connect()

    held = [client.portal.call(hold) for _ in range(2)]
    try:
        answer = client.get("/api/catalogue")
        assert (answer.status_code, answer.json()["title"]) == (503, "Busy")
        assert int(answer.headers["retry-after"]) >= 1
    finally:
        services.work = whole
        for connection in held:
            client.portal.call(connection.close)
        client.portal.call(small.dispose)


def test_another_site_cannot_order_a_run(client: Client) -> None:
    answer = client.post("/gaps/runs", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert client.get("/gaps/runs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example", "http://testserver:81", "http://[", "http://testserver.evil.example"]
)
def test_an_origin_that_is_not_ours_cannot_order_a_run(client: Client, origin: str) -> None:
    assert client.post("/gaps/runs", json={}, headers={"Origin": origin}).status_code == 403
    assert client.get("/gaps/runs", headers={"Origin": origin}).status_code == 200


def test_our_own_origin_may_ask(client: Client) -> None:
    # refused for its content, so the middleware let it through
    answer = client.post("/gaps/runs", json={"minutes": 0}, headers={"Origin": "http://testserver"})
    assert answer.status_code == 422


def test_only_our_own_names_are_answered_when_they_are_given(db: Db) -> None:
    app = create_app(db.settings, executor=make_threads, hosts={"localhost", "127.0.0.1", "::1"})
    with open_client(app) as client:
        for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"):
            assert client.get("/healthz", headers={"Host": host}).status_code == 200, host
        for host in (
            "evil.example",
            "localhost.evil.example:8000",
            "",
            "x@localhost",
            "127.0.0.1.nip.io",
            "[::1",
            "::1",
        ):
            answer = client.get("/healthz", headers={"Host": host})
            assert answer.status_code == 421, host
            assert answer.headers["content-type"] == problems.MEDIA_TYPE
            assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_problem_types_are_stable_words() -> None:
    class Fake:
        class url:  # noqa: N801
            path = "/x"

    request: Any = Fake()
    answer = problems.answer(request, problems.Problem(503, "Database timed out", "x"))
    assert b'"type":"urn:onemap:problem:database-timed-out"' in answer.body
