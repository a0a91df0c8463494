"""Features of a layer as GeoJSON, box by box and page by page.

The addresses are those of OGC API - Features; landing page, conformance, filters and editing have their places beside
these routes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api import schemas
from api.deps import Key, ReadDep
from api.headers import ASK_AGAIN, is_known, not_modified
from layers import tiles
from layers.query.features import fetch_feature, fetch_page, parse_bbox
from layers.query.layer import fetch_layer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.query.features import Page

router = APIRouter(tags=["features"])

MEDIA_TYPE = "application/geo+json"
LayerPath = Annotated[str, Path(min_length=1, max_length=200, description="Layer id")]
BoxQuery = Annotated[str | None, Query(max_length=200, description="west,south,east,north in degrees")]
AfterQuery = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Key of the last feature already seen")]
LimitQuery = Annotated[int, Query(ge=1, le=10_000, description="Features in one answer")]


@router.get(
    "/ogc/collections/{layer}/items",
    response_model=schemas.FeaturePage,
    responses={200: {"content": {MEDIA_TYPE: {}}}},
)
async def get_items(
    request: Request,
    layer: LayerPath,
    read: ReadDep,
    bbox: BoxQuery = None,
    limit: LimitQuery = 100,
    after: AfterQuery = None,
) -> Response:
    """Return live features in the order of their keys; the link ``next`` goes on where this page ends."""
    box = None if bbox is None else parse_bbox(bbox)

    def work(conn: Connection) -> tuple[str, Page | None]:
        view = fetch_layer(conn, layer)
        etag = tiles.etag_of("items", layer, view.state.version, view.state.changed_at, request.url.query)
        if is_known(request, etag):
            return etag, None
        return etag, fetch_page(conn, view, box=box, after=after, limit=limit)

    etag, page = await read(work)
    if page is None:
        return not_modified(etag)
    return _answer(etag, _write_page(page, _links(request, page)))


@router.get(
    "/ogc/collections/{layer}/items/{fid}",
    response_model=schemas.Feature,
    responses={200: {"content": {MEDIA_TYPE: {}}}},
)
async def get_item(request: Request, layer: LayerPath, fid: Key, read: ReadDep) -> Response:
    """Return one live feature."""

    def work(conn: Connection) -> tuple[str, dict[str, Any] | None]:
        view = fetch_layer(conn, layer)
        etag = tiles.etag_of("item", layer, view.state.version, view.state.changed_at, fid)
        if is_known(request, etag):
            return etag, None
        return etag, fetch_feature(conn, view, fid)

    etag, feature = await read(work)
    if feature is None:
        return not_modified(etag)
    here = str(request.url.replace(query=""))
    links = [
        {"href": here, "rel": "self", "type": MEDIA_TYPE},
        {"href": here.removesuffix(f"/items/{fid}"), "rel": "collection", "type": "application/json"},
    ]
    return _answer(etag, _write_feature(feature, links=links))


def _links(request: Request, page: Page) -> list[dict[str, str]]:
    links = [{"href": str(request.url), "rel": "self", "type": MEDIA_TYPE}]
    if page.next_after is not None:
        onward = request.url.include_query_params(after=page.next_after)
        links.append({"href": str(onward), "rel": "next", "type": MEDIA_TYPE})
    return links


def _write_page(page: Page, links: list[dict[str, str]]) -> str:
    """Return a feature collection as text; the geometries come as text from the database and are not read again."""
    features = ",".join(_write_feature(feature) for feature in page.rows)
    rest = {"links": links, "numberReturned": len(page.rows), "timeStamp": datetime.now(UTC).isoformat()}
    return f'{{"type":"FeatureCollection","features":[{features}],{_dump(rest)[1:]}'


def _write_feature(feature: dict[str, Any], *, links: list[dict[str, str]] | None = None) -> str:
    geometry = feature["geometry"] or "null"
    tail = "" if links is None else f',"links":{_dump(links)}'
    return (
        f'{{"type":"Feature","id":{feature["id"]},"geometry":{geometry},'
        f'"properties":{_dump(feature["properties"])}{tail}}}'
    )


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return moments in ISO form and exact numbers as numbers."""
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def _answer(etag: str, text: str) -> Response:
    return Response(text, media_type=MEDIA_TYPE, headers={"ETag": etag, "Cache-Control": ASK_AGAIN})
