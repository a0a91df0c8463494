"""Elevation grids in the store: loaded in one transaction, asked for heights at places."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pyproj import Transformer
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from geo.errors import DataError
from geo.slope import GridTile, sample_tile
from layers.loading.options import LoadReport
from layers.loading.staging import copy_rows
from layers.loading.steps import hash_file, open_staging
from layers.loading.wire import HASH_BYTES
from layers.read.elevation import PART_CELLS, open_elevation, unpack_heights
from layers.store import Box, Outcome, fetch_version, lock_layers, raise_version
from layers.tables import SRID, elevation, elevation_part, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from geo.units import FloatArray, IntArray
    from layers.loading.options import LoadOptions, Progress
    from layers.read.elevation import ElevationFile, Part

LAYER: Final = "elevation"


@dataclass(slots=True)
class _Tally:
    """What was seen while a grid was copied."""

    digest: Any = field(default_factory=hashlib.sha256)
    lowest_m: float = float("inf")
    highest_m: float = float("-inf")
    refused: int = 0
    done: int = 0

    def add(self, part: Part) -> None:
        """Count a part."""
        self.digest.update(part.heights)
        self.lowest_m = min(self.lowest_m, part.lowest_m)
        self.highest_m = max(self.highest_m, part.highest_m)
        self.refused += part.refused
        self.done += 1


def load_elevation(engine: Engine, path: Path, options: LoadOptions, *, progress: Progress | None = None) -> LoadReport:
    """Load an elevation grid; slopes then count in everything that is walked.

    A grid is known by its source and its file's name: the same file twice changes nothing, another content replaces
    it. Grids of several files stand beside each other; where they overlap the one with the finest cells counts.

    Parameters
    ----------
    engine
        Of the owner or of a role that may write.
    path
        A GeoTIFF or an ESRI ASCII grid, heights in metres.
    options
        Source, datum, band (``file_layer``), mode and dry run; the rest does not apply.
    progress
        Told after each part.

    Raises
    ------
    DataError
        The file cannot be read, holds no height, or does not say where it lies.
    DatumUnknown
        Nothing says what its coordinates are.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    source = options.source or LAYER
    with open_elevation(path, datum=options.datum, band=options.file_layer) as grid, open_staging(engine) as conn:
        outline = grid.outline()
        record = {
            "layer": LAYER,
            "source": source,
            "file_name": path.name,
            "file_sha256": hash_file(path),
            "datum": grid.datum.code,
            "mode": options.mode,
            "options": options.as_dict(),
            "started_at": started_at,
        }
        with conn.begin() as transaction:
            lock_layers(conn, [LAYER])
            outcome, tally = _publish(conn, grid, record, outline.wkt, progress)
            if options.dry_run:
                transaction.rollback()
    notes = [f"heights from {tally.lowest_m:,.1f} to {tally.highest_m:,.1f} m, cells of about {grid.cell_m:,.1f} m"]
    if tally.refused:
        notes.append(f"{tally.refused:,} cells hold heights no street has; they count as not known")
    return LoadReport(
        outcome=outcome,
        source=source,
        file_name=path.name,
        datum=grid.datum.code,
        columns={},
        reasons={},
        repairs={},
        notes=tuple(notes),
        dry_run=options.dry_run,
        duration_s=time.monotonic() - began,
    )


def _publish(
    conn: Connection, grid: ElevationFile, record: dict[str, Any], outline: str, progress: Progress | None
) -> tuple[Outcome, _Tally]:
    """Store a grid as the next version of the layer, or nothing but the record where it is there already."""
    source, name = record["source"], grid.path.stem
    mine = (elevation.c.source == source, elevation.c.source_id == name)
    before = conn.execute(select(elevation.c.id, elevation.c.content_hash, elevation.c.valid_to).where(*mine)).first()
    version = fetch_version(conn, LAYER)
    counts = {"rows_read": 1, "rows_inserted": 0, "rows_updated": 0, "rows_unchanged": 1}
    values = {**record, **counts, "rows_closed": 0, "rows_quarantined": 0}
    load_id = int(conn.execute(insert(load).values(values).returning(load.c.id)).scalar_one())
    with conn.begin_nested() as point:
        row_id = _save_row(conn, grid, {"source": source, "source_id": name, "load_id": load_id}, outline)
        tally = _copy_parts(conn, grid, row_id, progress)
        content = tally.digest.digest()[:HASH_BYTES]
        is_same = before is not None and before.content_hash == content and before.valid_to is None
        if is_same:
            point.rollback()
        else:
            heights = {"content_hash": content, "lowest_m": tally.lowest_m, "highest_m": tally.highest_m}
            conn.execute(update(elevation).where(elevation.c.id == row_id).values(heights))
    closed = _close_others(conn, source, name) if record["mode"] == "replace" else 0
    if is_same and not closed:
        return _describe(conn, counts, 0, version, version, load_id), tally
    if not is_same:
        counts |= {"rows_inserted": int(before is None), "rows_updated": int(before is not None), "rows_unchanged": 0}
    conn.execute(update(load).where(load.c.id == load_id).values({**counts, "rows_closed": closed}))
    box = None if closed else Box(*_bounds(conn, row_id))
    raised = raise_version(conn, elevation, LAYER, box=box, load_id=load_id)
    return _describe(conn, counts, closed, version, raised, load_id), tally


def _describe(
    conn: Connection, counts: dict[str, int], closed: int, before: int, version: int, load_id: int
) -> Outcome:
    live = conn.execute(select(func.count()).select_from(elevation).where(elevation.c.valid_to.is_(None))).scalar_one()
    return Outcome(
        layer=LAYER,
        **counts,
        rows_closed=closed,
        rows_quarantined=0,
        version_before=before,
        version=version,
        rows_live=int(live),
        load_id=load_id,
    )


def _save_row(conn: Connection, grid: ElevationFile, identity: dict[str, Any], outline: str) -> int:
    """Write the row of a grid without its heights and forget those it had; return its id."""
    values = {
        **identity,
        "crs": grid.datum.crs,
        "transform": list(grid.transform),
        "width": grid.raster.width,
        "height": grid.raster.height,
        "cell_m": grid.cell_m,
        "content_hash": b"",
        "geom": func.ST_GeomFromText(outline, SRID),
    }
    put = upsert(elevation).values(values)
    changed = {name: value for name, value in values.items() if name not in ("source", "source_id")}
    put = put.on_conflict_do_update(
        index_elements=["source", "source_id"], set_={**changed, "valid_from": func.now(), "valid_to": None}
    )
    row_id = int(conn.execute(put.returning(elevation.c.id)).scalar_one())
    conn.execute(delete(elevation_part).where(elevation_part.c.elevation_id == row_id))
    return row_id


def _copy_parts(conn: Connection, grid: ElevationFile, row_id: int, progress: Progress | None) -> _Tally:
    tally = _Tally()
    tally.digest.update(repr((grid.datum.crs, grid.transform, grid.raster.width, grid.raster.height)).encode())

    def rows() -> Iterator[tuple[int, int, int, bytes]]:
        for part in grid.parts():
            tally.add(part)
            if progress is not None:
                progress(tally.done, grid.part_count, "reading parts")
            yield row_id, part.top, part.left, part.heights

    copy_rows(conn, elevation_part, rows())
    if tally.lowest_m > tally.highest_m:
        raise DataError(
            f"Loading {grid.path.name}: the grid holds no height between {-500} and {9_000:,} m.",
            hint="check the band (--layer) and that heights are in metres; nothing was changed",
        )
    return tally


def _close_others(conn: Connection, source: str, name: str) -> int:
    others = (elevation.c.source == source, elevation.c.source_id != name, elevation.c.valid_to.is_(None))
    closed = [row.id for row in conn.execute(select(elevation.c.id).where(*others))]
    if closed:
        conn.execute(update(elevation).where(elevation.c.id.in_(closed)).values(valid_to=func.now()))
        conn.execute(delete(elevation_part).where(elevation_part.c.elevation_id.in_(closed)))
    return len(closed)


def _bounds(conn: Connection, row_id: int) -> tuple[float, float, float, float]:
    geom = elevation.c.geom
    sides = select(func.ST_XMin(geom), func.ST_YMin(geom), func.ST_XMax(geom), func.ST_YMax(geom))
    west, south, east, north = conn.execute(sides.where(elevation.c.id == row_id)).one()
    return west, south, east, north


def has_elevation(conn: Connection) -> bool:
    """Return whether any elevation grid is loaded."""
    return conn.execute(select(elevation.c.id).where(elevation.c.valid_to.is_(None)).limit(1)).scalar() is not None


def sample_heights(conn: Connection, xy: FloatArray, *, metric_crs: str) -> FloatArray:
    """Return the height at places in metres, not a number where no grid has one, shape (n,).

    Parameters
    ----------
    conn
        An open connection; reads only.
    xy
        Places in the metric CRS, shape (n, 2).
    metric_crs
        That CRS.
    """
    height = np.full(xy.shape[0], np.nan)
    grids = conn.execute(select(elevation).where(elevation.c.valid_to.is_(None)).order_by("cell_m", "id")).all()
    for grid in grids:
        todo = np.flatnonzero(np.isnan(height))
        if todo.size == 0:
            break
        row, column, inside = _locate(grid, xy[todo], metric_crs)
        height[todo[inside]] = _sample_grid(conn, grid, row[inside], column[inside])
    return height


def _locate(grid: Any, xy: FloatArray, metric_crs: str) -> tuple[FloatArray, FloatArray, np.ndarray[Any, Any]]:
    """Return row and column of places in a grid, a cell's middle being a whole number, and which lie in it."""
    x, y = Transformer.from_crs(metric_crs, grid.crs, always_xy=True).transform(xy[:, 0], xy[:, 1])
    a, b, west, d, e, north = grid.transform
    with np.errstate(invalid="ignore"):
        dx, dy = np.asarray(x) - west, np.asarray(y) - north
        column = (e * dx - b * dy) / (a * e - b * d)
        row = (a * dy - d * dx) / (a * e - b * d)
        inside = (column >= 0) & (column <= grid.width) & (row >= 0) & (row <= grid.height)
    return row - 0.5, column - 0.5, inside


def _sample_grid(conn: Connection, grid: Any, row: FloatArray, column: FloatArray) -> FloatArray:
    height = np.full(row.shape[0], np.nan)
    top = _begin(row, grid.height)
    left = _begin(column, grid.width)
    part = top * (grid.width + 1) + left
    order = np.argsort(part, kind="stable")
    stops = np.flatnonzero(np.diff(part[order])) + 1
    for mine in np.split(order, stops):
        if mine.size == 0:
            continue
        wanted = (int(top[mine[0]]), int(left[mine[0]]))
        packed = conn.execute(
            select(elevation_part.c.heights).where(
                elevation_part.c.elevation_id == grid.id,
                elevation_part.c.top == wanted[0],
                elevation_part.c.left == wanted[1],
            )
        ).scalar_one()
        tile = GridTile(unpack_heights(packed), *wanted)
        height[mine] = sample_tile(tile, row[mine], column[mine])
    return height


def _begin(place: FloatArray, cells: int) -> IntArray:
    """Return where the part begins that holds the middles on both sides of each place."""
    lower = np.clip(np.floor(place), 0, max(cells - 2, 0)).astype(np.int64)
    return lower // PART_CELLS * PART_CELLS
