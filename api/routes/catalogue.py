"""The catalogue: layers, types, profiles, levels and where the map opens."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from api import schemas
from api.deps import ReadDep, ServicesDep
from api.headers import ASK_AGAIN, is_known, not_modified
from layers import tiles
from layers.catalog import read_profiles
from layers.query.catalogue import fetch_latest_run_id, fetch_layers, fetch_levels, find_extent, find_zoom

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.catalog import FacilityType, Pack
    from layers.query.layer import LayerView

router = APIRouter(tags=["catalogue"])


@router.get("/api/catalogue", response_model=schemas.Catalogue)
async def get_catalogue(request: Request, response: Response, read: ReadDep, services: ServicesDep) -> Any:
    """Return what is loaded, the facility types of the standards pack with their limits, and where the map opens."""
    found = await read(_read_catalogue)
    states = [(layer["id"], layer["version"], layer["changed_at"]) for layer in found["layers"]]
    etag = tiles.etag_of("catalogue", states, found["latest_run"], services.pack.version)
    if is_known(request, etag):
        return not_modified(etag)
    response.headers.update({"ETag": etag, "Cache-Control": ASK_AGAIN})
    return {**found, **describe_pack(services.pack), "profiles": [asdict(item) for item in read_profiles().values()]}


def _read_catalogue(conn: Connection) -> dict[str, Any]:
    layers = fetch_layers(conn)
    extent = find_extent(layers)
    middle = None if extent is None else ((extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2)
    return {
        "layers": [_describe_layer(layer) for layer in layers],
        "levels": fetch_levels(conn),
        "extent": extent,
        "center": middle,
        "zoom": None if extent is None else find_zoom(extent),
        "latest_run": fetch_latest_run_id(conn),
    }


def _describe_layer(layer: LayerView) -> dict[str, Any]:
    state = layer.state
    return {
        "id": layer.id,
        "title_zh": layer.title_zh,
        "title_en": layer.title_en,
        "geometry": "|".join(layer.geometries),
        "rows": state.rows,
        "version": state.version,
        "extent": state.extent,
        "source": state.source,
        "datum": state.datum,
        "changed_at": state.changed_at,
        "zoom_min": tiles.rule_of(layer.id).zoom_min,
        "fields": [asdict(item) for item in layer.fields],
    }


def describe_pack(pack: Pack) -> dict[str, Any]:
    """Return the standards pack as the catalogue tells it."""
    return {
        "pack_name": pack.name,
        "pack_version": pack.version,
        "types": [_describe_type(item) for item in pack.types],
    }


def _describe_type(item: FacilityType) -> dict[str, Any]:
    return {
        "code": item.code,
        "category": item.category,
        "name_zh": item.name_zh,
        "name_en": item.name_en,
        "circle": item.circle,
        "limit_s": item.limit_s,
        "drive_limit_s": item.drive_limit_s,
        "walk_minutes": item.walk_minutes,
        "radius_m": item.radius_m,
        "testable": item.testable,
        "demand_groups": list(item.demand_groups),
        "capacity_unit": item.capacity_unit,
        "obligation": item.obligation,
        "clause": item.source,
        "certainty": item.certainty,
        "not_judged_reason": item.not_judged_reason,
    }
