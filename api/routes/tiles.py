"""Vector tiles of every layer and of the coverage of a run, and their TileJSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api import schemas
from api.deps import LevelQuery, ProfileQuery, TileReadDep, TypeQuery
from api.headers import ASK_AGAIN, KEEP, is_known, not_modified
from layers import tiles
from layers.query.layer import fetch_layer, fetch_layer_states, find_state
from layers.query.runs import LATEST, fetch_columns, fetch_run, find_column

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
TILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {}}},
    204: {"description": "Nothing is there"},
}
"""What routes of tiles answer, for the OpenAPI document."""

COVERAGE = "coverage"

LayerPath = Annotated[str, Path(min_length=1, max_length=200, description="Layer id, or `coverage`")]
Zoom = Annotated[int, Path(alias="z", description="0 to 22")]
Column = Annotated[int, Path(alias="x", description="Counted from the west")]
Row = Annotated[int, Path(alias="y", description="Counted from the north")]
RunQuery = Annotated[str, Query(max_length=200, description="Run of the coverage: id, name or `latest`")]
VersionQuery = Annotated[str | None, Query(max_length=100, description="Version; with the present one kept for ever")]


@router.get("/tiles/{layer}.json", response_model=schemas.TileJson)
async def get_tilejson(
    request: Request,
    layer: LayerPath,
    read: TileReadDep,
    run: RunQuery = LATEST,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
) -> dict[str, Any]:
    """Return TileJSON 3.0 of a layer; the addresses name the version and can be kept for ever."""
    base = str(request.base_url).rstrip("/")
    if layer == COVERAGE:
        return await read(_describe_coverage, base=base, run=run, type_code=type, profile=profile)
    return await read(_describe_layer, layer, base=base)


def _describe_layer(conn: Connection, layer_id: str, *, base: str) -> dict[str, Any]:
    layer = fetch_layer(conn, layer_id)
    rule = tiles.rule_of(layer_id)
    kinds = {item.name: "Number" if item.type in {"integer", "number"} else "String" for item in layer.fields}
    extent = layer.state.extent
    return {
        "name": layer.title_en,
        "version": f"{layer.state.version}.0.0",
        "tiles": [f"{base}/tiles/{layer_id}/{{z}}/{{x}}/{{y}}.mvt?v={layer.state.version}"],
        "minzoom": rule.zoom_min,
        "maxzoom": tiles.ZOOM_MAX,
        "bounds": extent,
        "center": _center(extent, rule.zoom_min),
        "vector_layers": [
            {
                "id": layer_id,
                "description": layer.title_zh,
                "minzoom": rule.zoom_min,
                "maxzoom": tiles.ZOOM_MAX,
                "fields": {name: kinds.get(name, "String") for name in tiles.draw_columns(layer)},
            }
        ],
    }


def _describe_coverage(
    conn: Connection, *, base: str, run: str, type_code: str | None, profile: str | None
) -> dict[str, Any]:
    found = fetch_run(conn, run)
    column = find_column(fetch_columns(conn, found.id), type_code, profile)
    extent = find_state(fetch_layer_states(conn), "buildings").extent
    query = f"run={found.id}&type={column.type}&profile={column.profile}"
    numbers, texts = ("reach_s", "limit_s", "missing_s", "people", "facility_id", "floors"), ("status", "name")
    middle = tiles.COVERAGE_BUILDING_ZOOM
    return {
        "name": f"Coverage {column.type} {column.profile}",
        "version": f"{found.id}.0.0",
        "tiles": [f"{base}/tiles/{COVERAGE}/{{z}}/{{x}}/{{y}}.mvt?{query}"],
        "minzoom": 0,
        "maxzoom": tiles.ZOOM_MAX,
        "bounds": extent,
        "center": _center(extent, middle),
        "vector_layers": [
            {
                "id": COVERAGE,
                "description": "buildings by status",
                "minzoom": middle,
                "maxzoom": tiles.ZOOM_MAX,
                "fields": {**dict.fromkeys(numbers, "Number"), **dict.fromkeys(texts, "String")},
            },
            {
                "id": "coverage_area",
                "description": "areas by share covered",
                "minzoom": 0,
                "maxzoom": middle - 1,
                "fields": {
                    **dict.fromkeys(("code", "name", "level"), "String"),
                    **dict.fromkeys(("people", "people_gap", "share_covered"), "Number"),
                },
            },
        ],
    }


def _center(extent: tuple[float, float, float, float] | None, zoom_min: int) -> tuple[float, float, float] | None:
    if extent is None:
        return None
    return (extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2, float(max(zoom_min, 12))


@router.get(
    "/tiles/coverage/{z}/{x}/{y}.mvt",
    response_class=Response,
    responses=TILE_ANSWERS,
)
async def get_coverage_tile(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    z: Zoom,
    x: Column,
    y: Row,
    read: TileReadDep,
    run: RunQuery = LATEST,
    type: TypeQuery = None,  # noqa: A002 - the name in the address
    profile: ProfileQuery = None,
    level: LevelQuery = None,
    v: VersionQuery = None,
) -> Response:
    """Return one tile of the buildings of a run by status, or far out of its areas by share covered."""
    address = tiles.TileAddress(z, x, y)
    etag, tile, is_fixed = await read(
        _draw_coverage, address, request=request, run=run, type_code=type, profile=profile, level=level
    )
    # what a run is drawn on changes, `latest` moves on, and so does a run that follows
    return answer_tile(etag, tile, lifetime=KEEP if is_fixed and v is not None and run != LATEST else ASK_AGAIN)


def _draw_coverage(  # noqa: PLR0913 - what the address says
    conn: Connection,
    address: tiles.TileAddress,
    *,
    request: Request,
    run: str,
    type_code: str | None,
    profile: str | None,
    level: str | None,
) -> tuple[str, tiles.Tile | None, bool]:
    found = fetch_run(conn, run)
    column = find_column(fetch_columns(conn, found.id), type_code, profile)
    by_area = level is not None or address.z < tiles.COVERAGE_BUILDING_ZOOM
    states = fetch_layer_states(conn)
    drawn_on = find_state(states, "areas" if by_area else "buildings")
    parts = (found.id, found.result_sha256, column.position, level, drawn_on.version, address)
    etag = tiles.etag_of(COVERAGE, *parts)
    if is_known(request, etag):
        return etag, None, not found.follows
    if by_area:
        source = tiles.coverage_area_source(found.id, column, address, level=level)
    else:
        source = tiles.coverage_source(found.id, column, address)
    return etag, tiles.fetch_tile(conn, source, address), not found.follows


@router.get(
    "/tiles/{layer}/{z}/{x}/{y}.mvt",
    response_class=Response,
    responses=TILE_ANSWERS,
)
async def get_tile(  # noqa: PLR0913, PLR0917 - one argument a parameter of the address
    request: Request,
    layer: LayerPath,
    z: Zoom,
    x: Column,
    y: Row,
    read: TileReadDep,
    level: LevelQuery = None,
    v: VersionQuery = None,
) -> Response:
    """Return one tile of a layer. Below the layer's first zoom and where nothing is: 204."""
    address = tiles.TileAddress(z, x, y)
    version, etag, tile = await read(_draw, layer, address, request=request, level=level)
    return answer_tile(etag, tile, lifetime=KEEP if v == str(version) else ASK_AGAIN)


def _draw(
    conn: Connection, layer_id: str, address: tiles.TileAddress, *, request: Request, level: str | None
) -> tuple[int, str, tiles.Tile | None]:
    layer = fetch_layer(conn, layer_id)
    source = tiles.view_source(layer, address, level=level)
    moment = layer.state.changed_at.isoformat()
    etag = tiles.etag_of(layer_id, layer.state.version, moment, level, address)
    if is_known(request, etag):
        return layer.state.version, etag, None
    return layer.state.version, etag, tiles.fetch_tile(conn, source, address)


def answer_tile(etag: str, tile: tiles.Tile | None, *, lifetime: str = ASK_AGAIN) -> Response:
    """Return a tile: 304 where it is None and the caller holds it, 204 where it is empty.

    Parameters
    ----------
    etag
        Its version.
    tile
        The tile; where rows were left out the answer says how many.
    lifetime
        How long it may be kept.
    """
    if tile is None:
        return not_modified(etag, lifetime=lifetime)
    headers = {"ETag": etag, "Cache-Control": lifetime}
    if tile.is_thinned:
        headers["OneMap-Thinned"] = f"kept={tile.kept}, found={tile.found}"
    if not tile.data:
        return Response(status_code=204, headers=headers)
    return Response(tile.data, media_type=MEDIA_TYPE, headers=headers)
