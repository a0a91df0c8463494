"""Pages of lists: rows in the order of a key, and the key from which the next page goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Query

from geo.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

AfterQuery = Annotated[str | None, Query(max_length=60, description="`next` of the page before")]
AfterIdQuery = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="`next` of the page before")]

RowT = TypeVar("RowT")


def cut_page(rows: Sequence[RowT], limit: int) -> tuple[Sequence[RowT], RowT | None]:
    """Return the rows of a page, and the last of them where more follow.

    Parameters
    ----------
    rows
        What was read: one row more than the page holds, where there is one.
    limit
        Rows of a page.
    """
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None


def fetch_page(conn: Connection, statement: Select[Any], *, limit: int, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return a page of rows, and as ``next`` the key behind which the next one starts; None at the end.

    Parameters
    ----------
    conn
        Where to read.
    statement
        The rows that come after the page before.
    limit
        Rows of a page.
    keys
        Columns that order the rows, whole numbers.
    """
    found = conn.execute(statement.limit(limit + 1)).mappings().all()
    rows, last = cut_page(found, limit)
    return {
        "rows": [dict(row) for row in rows],
        "next": None if last is None else ".".join(str(last[key]) for key in keys),
    }


def read_after(text: str, *, parts: int) -> tuple[int, ...]:
    """Return the key of a page from its text.

    Raises
    ------
    RequestError
        The text is none that ``next`` ever held.
    """
    pieces = text.split(".")
    if len(pieces) != parts or not all(piece.isascii() and piece.isdigit() and len(piece) < 19 for piece in pieces):
        raise RequestError(f"Reading after {text[:60]!r}: expected the `next` of a page before", parameter="after")
    return tuple(int(piece) for piece in pieces)
