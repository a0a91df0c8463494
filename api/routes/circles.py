"""Circles: everything within some minutes of a place, with who and what is inside."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query

from api import schemas
from api.deps import ServicesDep
from geo.circles.outline import MAX_WIDTH_M, MIN_WIDTH_M, WIDTH_M
from geo.errors import NotFound
from layers.catalog import read_profiles
from layers.query.circles import describe_circles, parse_minutes

router = APIRouter(tags=["circles"])

LonQuery = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees east")]
LatQuery = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees north")]
MinutesQuery = Annotated[str, Query(max_length=100, description="Minutes, separated by commas")]
WalkerQuery = Annotated[str, Query(max_length=100, description="Profile of who walks or drives")]
WidthQuery = Annotated[
    float, Query(ge=MIN_WIDTH_M, le=MAX_WIDTH_M, allow_inf_nan=False, description="Metres drawn to each side of a way")
]


@router.get("/circles", response_model=schemas.Circles, response_model_exclude_none=False)
async def get_circles(
    lon: LonQuery,
    lat: LatQuery,
    services: ServicesDep,
    minutes: MinutesQuery = "5,10,15",
    profile: WalkerQuery = "adult",
    width: WidthQuery = WIDTH_M,
) -> dict[str, Any]:
    """Return one polygon for each number of minutes, with the people and facilities that reach counts inside."""
    if profile not in (known := read_profiles()):
        raise NotFound(
            f"Drawing circles for profile {profile[:80]!r}: expected one of {', '.join(known)}", parameter="profile"
        )
    walk = partial(
        services.studies.find_circles,
        lon=lon,
        lat=lat,
        minutes=parse_minutes(minutes),
        profile=profile,
        width_m=width,
    )
    circles = await anyio.to_thread.run_sync(walk, abandon_on_cancel=True)
    return describe_circles(circles)
