"""Search by name, address, code or coordinates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, literal, or_, select, union_all

from geo.errors import RequestError
from layers import tables
from layers.query.results import degrees

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Select, Table

LENGTH_MAX = 100
# Found per kind before the best are taken: one kind must not push out the others.
KIND_ROWS = 20
# Kind to its table and the column shown beside the name, in the order of equally good finds.
KINDS: dict[str, tuple[Table, str]] = {
    "area": (tables.area, "code"),
    "compound": (tables.compound, "source_id"),
    "facility": (tables.facility, "type"),
    "building": (tables.building, "address"),
}
COORDINATES = re.compile(r"\s*(-?\d{1,3}(?:\.\d+)?)\s*[,;\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*")


def fetch_places(
    conn: Connection, text: str, *, limit: int, type_names: Mapping[str, tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return what a text names: exact names first, then names that start so, then names and addresses that hold it.

    Parameters
    ----------
    conn
        Where to read.
    text
        What a person typed; two numbers are longitude and latitude in degrees.
    limit
        Results at most.
    type_names
        Chinese and English name of every facility type, by code: typing one finds its facilities.

    Raises
    ------
    RequestError
        The text is empty or too long.
    """
    wanted = text.strip()
    if not wanted or len(wanted) > LENGTH_MAX or "\0" in wanted:
        raise RequestError(
            f"Searching for a text of {len(wanted)} characters: expected 1 to {LENGTH_MAX}", parameter="q"
        )
    place = read_coordinates(wanted)
    if place is not None:
        return [place]
    codes = [code for code, names in type_names.items() if any(wanted.casefold() in name.casefold() for name in names)]
    rows = conn.execute(build_search(wanted, codes=codes).limit(limit)).mappings()
    return [_to_place(dict(row), type_names) for row in rows]


def read_coordinates(text: str) -> dict[str, Any] | None:
    """Return a place for "lon, lat" in degrees; None for any other text."""
    match = COORDINATES.fullmatch(text)
    if match is None:
        return None
    lon, lat = float(match[1]), float(match[2])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None
    name = f"{lon:g}, {lat:g}"
    return {"kind": "place", "id": name, "name": name, "detail": "", "lon": lon, "lat": lat, "bbox": None}


def build_search(text: str, *, codes: list[str]) -> Select[Any]:
    """Return live areas, compounds, facilities and buildings whose name, address or code holds a text, best first.

    Parameters
    ----------
    text
        What is looked for; wildcards in it are plain characters.
    codes
        Facility types that the text names.
    """
    parts = [_build_part(kind, text, codes) for kind in KINDS]
    found = union_all(*(select(part.subquery()) for part in parts)).subquery("found")
    place = case(*((found.c.kind == kind, number) for number, kind in enumerate(KINDS)))
    return select(found).order_by(found.c.rank, place, func.length(found.c.name), found.c.id)


def _build_part(kind: str, text: str, codes: list[str]) -> Select[Any]:
    """Return the rows of one table that hold a text."""
    rows, detail_name = KINDS[kind]
    name, detail = rows.c.name, rows.c[detail_name]
    others = [rows.c[column] for column in ("code", "address") if column in rows.c]
    conditions = [column.icontains(text, autoescape=True) for column in (name, *others)]
    if kind == "facility" and codes:
        conditions.append(rows.c.type.in_(codes))
    rank = case(
        (func.lower(name) == text.lower(), 0),
        (name.istartswith(text, autoescape=True), 1),
        (name.icontains(text, autoescape=True), 2),
        else_=3,
    )
    point = func.ST_PointOnSurface(rows.c.geom)
    return (
        select(
            literal(kind).label("kind"),
            rows.c.id,
            func.coalesce(name, "").label("name"),
            func.coalesce(detail, "").label("detail"),
            degrees(func.ST_X(point)).label("lon"),
            degrees(func.ST_Y(point)).label("lat"),
            func.ST_XMin(rows.c.geom).label("west"),
            func.ST_YMin(rows.c.geom).label("south"),
            func.ST_XMax(rows.c.geom).label("east"),
            func.ST_YMax(rows.c.geom).label("north"),
            rank.label("rank"),
        )
        .where(rows.c.valid_to.is_(None), or_(*conditions))
        .order_by(rank, func.length(name), rows.c.id)
        .limit(KIND_ROWS)
    )


def _to_place(row: dict[str, Any], type_names: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    detail = row["detail"]
    if row["kind"] == "facility" and detail in type_names:
        detail = " · ".join(type_names[detail])
    return {
        "kind": row["kind"],
        "id": str(row["id"]),
        "name": row["name"],
        "detail": detail,
        "lon": row["lon"],
        "lat": row["lat"],
        "bbox": [row["west"], row["south"], row["east"], row["north"]],
    }
