"""Facilities that may be of a type without it being sure which: somebody has to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from layers.tables import facility

if TYPE_CHECKING:
    from sqlalchemy import Connection


def fetch_uncertain(conn: Connection) -> list[dict[str, Any]]:
    """Return source, source_id, name and candidates (codes) of the live facilities without a type that may have one."""
    kind = facility.c
    statement = (
        select(kind.source, kind.source_id, kind.name, kind.type_candidates.label("candidates"))
        .where(kind.valid_to.is_(None), kind.type.is_(None), func.cardinality(kind.type_candidates) > 0)
        .order_by(kind.source, kind.source_id)
    )
    return [dict(row) for row in conn.execute(statement).mappings()]
