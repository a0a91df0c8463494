"""What was loaded and what was not kept, for people who look after the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from geo.errors import NotFound
from layers.catalog import LAYERS
from layers.query.layer import build_layer_states
from layers.tables import load, quarantine, reference_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Subquery


def find_last_loads() -> Subquery:
    """Return the last load of each layer and source."""
    return (
        select(load.c.layer, load.c.source, func.max(load.c.id).label("load_id"))
        .group_by(load.c.layer, load.c.source)
        .subquery("last_load")
    )


def fetch_loaded(conn: Connection) -> list[dict[str, Any]]:
    """Return one entry a loaded layer, core layers first.

    Each has layer, rows (live), quarantined (rows the last load of each source rejected), version, extent (west, south,
    east, north in degrees, None without geometry), sources, datum, file, changed_at.
    """
    last = find_last_loads()
    joined = load.join(last, load.c.id == last.c.load_id)
    loads: dict[str, list[Any]] = {}
    for row in conn.execute(select(load).select_from(joined).order_by(load.c.id)):
        loads.setdefault(row.layer, []).append(row)
    found = []
    states = {row.layer: row for row in conn.execute(build_layer_states())}
    for layer in sorted({*states, *loads}, key=_order):
        state, mine = states.get(layer), loads.get(layer, [])
        edges = None if state is None or state.west is None else [state.west, state.south, state.east, state.north]
        found.append(
            {
                "layer": layer,
                "rows": 0 if state is None else state.rows,
                "quarantined": sum(row.rows_quarantined for row in mine),
                "version": 0 if state is None else state.version,
                "extent": edges,
                "sources": sorted({row.source for row in mine}),
                "datum": ", ".join(sorted({row.datum for row in mine})) or None,
                "file": mine[-1].file_name if mine else None,
                "changed_at": mine[-1].finished_at if state is None else state.changed_at,
            }
        )
    return found


def _order(layer: str) -> tuple[int, str]:
    names = list(LAYERS)
    return (names.index(layer) if layer in names else len(names), layer)


def fetch_quarantine(
    conn: Connection, layer: str, *, source: str | None = None, all_loads: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a layer that were not kept, in file order, streamed.

    Parameters
    ----------
    layer
        A core or reference layer.
    source
        Only rows of this source.
    all_loads
        Also what earlier loads of the same source rejected.

    Raises
    ------
    NotFound
        There is no such layer.
    """
    if layer not in LAYERS:
        known = conn.execute(select(reference_layer.c.name).where(reference_layer.c.name == layer)).scalar()
        if known is None:
            raise NotFound(
                f"Listing the quarantine of {layer!r}: there is no such layer.",
                hint="`onemap layers` lists what is loaded.",
                parameter="layer",
            )
    return _stream(conn, layer, source, all_loads=all_loads)


def _stream(conn: Connection, layer: str, source: str | None, *, all_loads: bool) -> Iterator[dict[str, Any]]:
    rows = (
        select(
            quarantine.c.layer,
            quarantine.c.source,
            load.c.file_name.label("file"),
            load.c.finished_at.label("loaded_at"),
            quarantine.c.line,
            quarantine.c.source_id,
            quarantine.c.reason,
            quarantine.c.detail,
            quarantine.c.raw,
        )
        .join(load, load.c.id == quarantine.c.load_id)
        .where(quarantine.c.layer == layer)
        .order_by(quarantine.c.load_id, quarantine.c.line, quarantine.c.id)
    )
    if source is not None:
        rows = rows.where(quarantine.c.source == source)
    if not all_loads:
        rows = rows.where(quarantine.c.load_id.in_(select(find_last_loads().c.load_id)))
    for row in conn.execution_options(yield_per=1_000).execute(rows).mappings():
        yield dict(row)
