"""Search by name, address, code or coordinates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api import schemas
from api.deps import ReadDep, ServicesDep
from layers.query.search import LENGTH_MAX, fetch_places

router = APIRouter(tags=["search"])

TextQuery = Annotated[str, Query(min_length=1, max_length=LENGTH_MAX, description="Name, address, code or lon, lat")]
PlacesLimit = Annotated[int, Query(ge=1, le=100, description="Results at most")]


@router.get("/search", response_model=schemas.Places)
async def search(q: TextQuery, read: ReadDep, services: ServicesDep, limit: PlacesLimit = 20) -> dict[str, Any]:
    """Return areas, compounds, facilities and buildings that a text names, best first."""
    names = {item.code: (item.name_zh, item.name_en) for item in services.pack.types}
    return {"results": await read(fetch_places, q, limit=limit, type_names=names)}
