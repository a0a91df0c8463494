"""What earlier loads mean for this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, true

from layers.plain_text import escape_control
from layers.tables import load

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.store import Outcome, Publication


def describe_overwritten(conn: Connection, publication: Publication, outcome: Outcome) -> list[str]:
    """Return a sentence about rows this load changed although another file brought them, else nothing.

    Identities are a source and a number: two files that both count from 1 overwrite each other's rows unless each is
    given a source of its own.
    """
    if not outcome.rows_updated:
        return []
    is_earlier = true() if outcome.load_id is None else load.c.id < outcome.load_id
    mine = (load.c.layer == outcome.layer, load.c.source == publication.source)
    last = conn.execute(select(load.c.file_name).where(*mine, is_earlier).order_by(load.c.id.desc()).limit(1)).scalar()
    if last is None or last == publication.file_name:
        return []
    were = "were" if outcome.load_id is not None else "would be"
    return [
        (
            f"{outcome.rows_updated:,} rows of source {publication.source}, last loaded from {escape_control(last)}, "
            f"{were} overwritten by this file; give --source to keep both"
        )
    ]
