"""Tiles over HTTP: bytes, lifetimes, ETags and what a caller is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import pytest

from layers import tiles
from tests import seed
from tests.layers.test_tiles import address_at

if TYPE_CHECKING:
    from tests.api.client import Client
    from tests.conftest import Db

HERE = address_at(16)
PATH = f"{HERE.z}/{HERE.x}/{HERE.y}.mvt"


@pytest.mark.parametrize(
    "layer", ["areas", "compounds", "gates", "buildings", "population", "facilities", "incidents", "streets"]
)
def test_every_layer_has_tiles_and_a_tilejson_that_leads_to_them(client: Client, layer: str) -> None:
    described = client.get(f"/tiles/{layer}.json").json()
    assert described["tilejson"] == "3.0.0"
    assert described["vector_layers"][0]["id"] == layer
    address = described["tiles"][0].format(z=HERE.z, x=HERE.x, y=HERE.y)
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    decoded = mapbox_vector_tile.decode(answer.content)
    properties = {name for feature in decoded[layer]["features"] for name in feature["properties"]}
    assert properties
    assert properties <= set(described["vector_layers"][0]["fields"])


def test_the_present_version_is_kept_and_any_other_asked_again(client: Client) -> None:
    assert "immutable" in client.get(f"/tiles/buildings/{PATH}?v=1").headers["cache-control"]
    assert client.get(f"/tiles/buildings/{PATH}?v=0").headers["cache-control"] == "no-cache"
    assert client.get(f"/tiles/buildings/{PATH}").headers["cache-control"] == "no-cache"


def test_a_known_tile_is_not_sent_again(client: Client) -> None:
    first = client.get(f"/tiles/buildings/{PATH}")
    again = client.get(f"/tiles/buildings/{PATH}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get(f"/tiles/buildings/{PATH}", headers={"If-None-Match": 'W/"other"'})
    assert other.status_code == 200


def test_a_new_version_is_a_new_etag(client: Client, db: Db) -> None:
    before = client.get(f"/tiles/gates/{PATH}").headers["etag"]
    with db.owner.begin() as conn:
        conn.exec_driver_sql("UPDATE onemap.layer_version SET version = version + 1 WHERE layer = 'gates'")
    assert client.get(f"/tiles/gates/{PATH}").headers["etag"] != before


@pytest.mark.parametrize("path", ["buildings/14/3/3.mvt", "buildings/5/3/3.mvt", "coverage/16/3/3.mvt"])
def test_where_nothing_is_there_is_no_content(client: Client, path: str) -> None:
    answer = client.get(f"/tiles/{path}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["etag"]


def test_a_thinned_tile_says_so_in_its_headers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.get(f"/tiles/buildings/{PATH}")
    assert "onemap-thinned" not in whole.headers
    monkeypatch.setattr(tiles, "ROWS_MAX", 2)
    assert client.get(f"/tiles/buildings/{PATH}").headers["onemap-thinned"] == "kept=2, found=5"


def test_coverage_names_run_type_and_profile(client: Client, place: seed.Seed) -> None:
    for run in ("latest", "first", str(place.run_id)):
        query = {"run": run, "type": "EDU_PRIMARY", "profile": "adult"}
        answer = client.get(f"/tiles/coverage/{PATH}", params=query)
        drawn = {f["id"]: f["properties"] for f in mapbox_vector_tile.decode(answer.content)["coverage"]["features"]}
        found = [drawn[key]["status"] for key in place.buildings]
        assert found == [seed.status_of("EDU_PRIMARY", number) for number in range(5)]


def test_coverage_far_out_is_areas(client: Client) -> None:
    far = address_at(7)
    answer = client.get(f"/tiles/coverage/{far.z}/{far.x}/{far.y}.mvt?level=district")
    decoded = mapbox_vector_tile.decode(answer.content)
    assert {f["properties"]["code"] for f in decoded["coverage_area"]["features"]} == {"110100", "110200"}


def test_tilejson_of_coverage_leads_to_its_tiles(client: Client) -> None:
    described = client.get("/tiles/coverage.json?type=EDU_KINDER").json()
    address = described["tiles"][0].format(z=HERE.z, x=HERE.x, y=HERE.y)
    drawn = mapbox_vector_tile.decode(client.get(address).content)["coverage"]["features"]
    assert {name for f in drawn for name in f["properties"]} <= set(described["vector_layers"][0]["fields"])


@pytest.mark.parametrize(
    ("path", "status", "parameter"),
    [
        ("rivers/16/1/1.mvt", 404, "layer"),
        ("buildings/23/1/1.mvt", 422, "z"),
        ("buildings/-1/0/0.mvt", 422, "z"),
        ("buildings/3/8/0.mvt", 422, "x"),
        ("buildings/3/0/8.mvt", 422, "y"),
        ("buildings/3/0/99999999999999999999.mvt", 422, "y"),
        ("buildings/a/0/0.mvt", 422, "z"),
        ("buildings/3/0.5/0.mvt", 422, "x"),
        ("streets/3/0/0.mvt?level=city", 422, "level"),
        ("coverage/3/0/0.mvt?run=none", 404, "run"),
        ("coverage/3/0/0.mvt?type=none", 404, "type"),
        ("coverage/3/0/0.mvt?profile=none", 404, "profile"),
        ("buildings/3/0/0.mvt?colour=red", 400, "colour"),
        ("rivers.json", 404, "layer"),
    ],
)
def test_bad_addresses_are_told_by_parameter(client: Client, path: str, status: int, parameter: str) -> None:
    answer = client.get(f"/tiles/{path}")
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"], told["parameter"]) == (status, status, parameter)
    assert answer.headers["content-type"] == "application/problem+json"


def test_large_tiles_are_compressed_on_request(client: Client) -> None:
    plain = client.get(f"/tiles/buildings/{PATH}", headers={"Accept-Encoding": "identity"})
    packed = client.get(f"/tiles/buildings/{PATH}", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    if len(plain.content) > 600:
        assert packed.headers["content-encoding"] == "gzip"
