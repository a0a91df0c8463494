"""Which rows of each layer a part of the study area needs: a piece of SQL for every reader of the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import sql

if TYPE_CHECKING:
    from geo.units import FloatArray

BARRIERS = "barriers"
"""Key of the boxes within which reference layers that bar links are read."""

EMPTY_BOXES = np.empty((0, 4), dtype=np.float64)

WORLD = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True)
class Within:
    """The rows a part is made from.

    Attributes
    ----------
    cell
        West, south, east, north in degrees, the upper sides not included: buildings whose middle lies here are judged.
    boxes
        Layer id (or `BARRIERS`) to boxes in degrees, shape (k, 4); rows whose box meets one of them are read.
    types
        Facility types with boxes of their own, in which more of them are read: for straight-line distances.
    """

    cell: tuple[float, float, float, float]
    boxes: dict[str, FloatArray]
    types: dict[str, FloatArray] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return the same as plain numbers, for the names of compiled arrays."""
        return {
            "cell": list(self.cell),
            "boxes": {name: boxes.tolist() for name, boxes in self.boxes.items()},
            "types": {name: boxes.tolist() for name, boxes in self.types.items()},
        }


def _list_boxes(boxes: FloatArray) -> sql.Composed:
    """Return boxes as a table expression with one geometry a row."""
    sides = [
        sql.SQL("ARRAY[{}]::float8[]").format(sql.SQL(", ").join(map(sql.Literal, side)))
        for side in np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T.tolist()
    ]
    return sql.SQL("(SELECT ST_MakeEnvelope(w, s, e, n, 4326) AS box FROM unnest({}) AS side(w, s, e, n))").format(
        sql.SQL(", ").join(sides)
    )


def meets(table: str, boxes: FloatArray) -> sql.Composed:
    """Return a query of the ids of live rows whose box meets one of the boxes.

    Parameters
    ----------
    table
        Table of the schema ``onemap``.
    boxes
        Degrees, shape (k, 4).
    """
    return sql.SQL("SELECT r.id FROM {} r JOIN {} b ON r.geom && b.box WHERE r.valid_to IS NULL").format(
        sql.Identifier("onemap", table), _list_boxes(boxes)
    )


def pick_rows(within: Within | None, layer: str, table: str, id_column: str) -> sql.Composed:
    """Return the end of a WHERE clause that keeps the rows a part needs; nothing without a part.

    Parameters
    ----------
    within
        The part; None for the whole store.
    layer
        Layer id or `BARRIERS`.
    table
        The layer's table in the schema ``onemap``.
    id_column
        Name of its id in the query, with the alias if there is one.
    """
    if within is None or layer not in within.boxes:
        return sql.Composed([])
    ids = [meets(table, within.boxes[layer])]
    if layer == "facilities":
        ids += [
            meets(table, boxes) + sql.SQL(" AND r.type = {}").format(sql.Literal(kind))
            for kind, boxes in sorted(within.types.items())
        ]
    if layer == "compounds":
        # a gate needs its own compound, however far away the data puts it
        gates = sql.SQL(
            "SELECT c.id FROM onemap.compound c JOIN onemap.gate g ON g.compound_id = c.source_id "
            "WHERE c.valid_to IS NULL AND g.id IN ({})"
        )
        ids.append(gates.format(meets("gate", within.boxes["gates"])))
    return sql.SQL(" AND {} IN ({})").format(sql.Identifier(*id_column.split(".")), sql.SQL(" UNION ALL ").join(ids))


def pick_homes(within: Within | None, alias: str) -> sql.Composed:
    """Return the end of a WHERE clause that keeps the buildings of a part; nothing without a part.

    Parameters
    ----------
    within
        The part; None for the whole store.
    alias
        Alias of the table of buildings in the query.
    """
    return sql.Composed([]) if within is None else pick_middles(within.cell, alias)


def pick_middles(cell: tuple[float, float, float, float], alias: str) -> sql.Composed:
    """Return the end of a WHERE clause that keeps rows whose middle lies in a cell.

    Parameters
    ----------
    cell
        West, south, east, north in degrees, the upper sides not included; infinite where there is no bound.
    alias
        Alias of the table in the query.
    """
    clipped = np.clip(cell, np.tile(WORLD[:2], 2), np.tile(WORLD[2:], 2)).tolist()
    clause = sql.SQL(
        " AND {g} && ST_MakeEnvelope({w}, {s}, {e}, {n}, 4326)"
        " AND (ST_XMin({g}) + ST_XMax({g})) / 2 >= {w0} AND (ST_XMin({g}) + ST_XMax({g})) / 2 < {e0}"
        " AND (ST_YMin({g}) + ST_YMax({g})) / 2 >= {s0} AND (ST_YMin({g}) + ST_YMax({g})) / 2 < {n0}"
    )
    sides = dict(zip(("w", "s", "e", "n", "w0", "s0", "e0", "n0"), (*clipped, *cell), strict=True))
    return clause.format(
        g=sql.Identifier(alias, "geom"), **{name: sql.Literal(float(side)) for name, side in sides.items()}
    )


NO_POLYGONS = Within((0.0, 0.0, 0.0, 0.0), {"areas": EMPTY_BOXES})
"""Of areas only the tree."""
