"""The tree of areas: parents must exist, nobody is their own ancestor, depth is counted from the root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, literal, or_, select, update

from layers.tables import area

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.loading.staging import Stage

# GB/T 2260 + GB/T 10114 + statistics: 6 county, 3 subdistrict, 3 community; 15 digits with the 3 of a grid
CN_CODE = r"^([0-9]{12}|[0-9]{15})$"


def quarantine_orphans(conn: Connection, stage: Stage, *, source: str) -> int:
    """Move staged areas whose line of parents does not end at a root to the rejects; return how many.

    A parent may be in the file or in the store. The children of a rejected area are rejected with it, because their
    place in the tree is unknown too.
    """
    rows = stage.rows
    with conn.begin():
        stored = select(area.c.code).where(
            area.c.valid_to.is_(None), or_(area.c.source != source, ~area.c.code.in_(select(rows.c.code)))
        )
        has_root = or_(rows.c.parent_code.is_(None), rows.c.parent_code.in_(stored))
        reached = select(rows.c.code).where(has_root).cte("reached", recursive=True)
        reached = reached.union(select(rows.c.code).join(reached, rows.c.parent_code == reached.c.code))
        known = or_(rows.c.parent_code.in_(select(rows.c.code)), rows.c.parent_code.in_(stored))
        lost = stage.quarantine_where(
            and_(rows.c.parent_code.is_not(None), ~known),
            reason="parent-unknown",
            detail=func.format("parent %s is neither in the file nor loaded", rows.c.parent_code),
        )
        lost += stage.quarantine_where(
            ~rows.c.code.in_(select(reached.c.code)),
            reason="parent-unrooted",
            detail=func.format("going up from parent %s never ends at a root", rows.c.parent_code),
        )
    return lost


def count_other_codes(conn: Connection, stage: Stage) -> int:
    """Return how many staged areas have a code that is not one of 12 or 15 digits."""
    with conn.begin():
        other = ~stage.rows.c.code.regexp_match(CN_CODE)
        return int(conn.execute(select(func.count()).select_from(stage.rows).where(other)).scalar_one())


def quarantine_other_codes(conn: Connection, stage: Stage) -> int:
    """Move staged areas whose code is not one of 12 or 15 digits to the rejects; return how many."""
    with conn.begin():
        return stage.quarantine_where(
            ~stage.rows.c.code.regexp_match(CN_CODE),
            reason="code-scheme",
            detail=func.format("code %s is not 12 or 15 digits", stage.rows.c.code),
        )


def save_depths(conn: Connection) -> None:
    """Write how many steps each live area is from its root; an area whose parent was closed counts as a root."""
    parent = area.alias("parent")
    is_live = area.c.valid_to.is_(None)
    has_parent = select(parent.c.id).where(parent.c.code == area.c.parent_code, parent.c.valid_to.is_(None)).exists()
    tree = select(area.c.id, area.c.code, literal(0).label("depth")).where(is_live, ~has_parent)
    tree_cte = tree.cte("tree", recursive=True)
    child = area.alias("child")
    tree_cte = tree_cte.union(
        select(child.c.id, child.c.code, tree_cte.c.depth + 1)
        .join(tree_cte, child.c.parent_code == tree_cte.c.code)
        .where(child.c.valid_to.is_(None), tree_cte.c.depth < 32)
    )
    depths = select(tree_cte.c.id, func.min(tree_cte.c.depth).label("depth")).group_by(tree_cte.c.id).subquery()
    conn.execute(
        update(area).where(area.c.id == depths.c.id, area.c.depth != depths.c.depth).values(depth=depths.c.depth)
    )
