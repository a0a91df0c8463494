"""Rows of a source that its layer does not hold yet: copied straight into the table, as a bare copy would.

There is nothing to compare them with, so they are not staged and merged. Everything else is as on the other way and in
the same transaction: the record of the load, quarantine, repairs, version, change log, residents. What only a merge can
settle - an identity that the file holds twice - ends this way; the load begins again by way of the staging tables.
"""

from __future__ import annotations

import struct
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import shapely
from geoalchemy2 import Geometry
from sqlalchemy import Text, exists, select, true

from geo.metric import choose_metric_crs
from layers import metric
from layers.copy_binary import copy_pieces
from layers.loading.bulk import build_index_after
from layers.loading.ground_area import measure_footprints
from layers.loading.publishing import follow_up, settle_metric_crs
from layers.loading.staging import Encoded, Stage, copy_rows
from layers.loading.steps import check_datum_of, describe_stage, make_publication, stage_batches
from layers.loading.wire import (
    encode_column,
    encode_constant,
    encode_hashes,
    encode_numbers,
    finish_rows,
    hash_rows,
    split_stream,
)
from layers.store import lock_layers, open_load, publish_copied
from layers.tables import building, street

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Table

    from geo.frames import Geometries
    from layers.loading.clean import Clean
    from layers.loading.options import LoadOptions
    from layers.loading.publishing import Staged
    from layers.loading.steps import Work
    from layers.loading.target import Target
    from layers.store import Outcome

# checks over the whole file come first: parents of areas
STAGED_LAYERS = frozenset({"areas"})


class IdentityTwice(Exception):
    """The file holds an identity twice."""


def suits(target: Target, options: LoadOptions) -> bool:
    """Tell whether rows of a layer can go into its table as cleaning leaves them."""
    if options.dry_run or not target.is_core or target.layer in STAGED_LAYERS:
        return False
    return all(column.nullable or column.server_default is None for column in target.columns) and not any(
        isinstance(column.type, Geometry) and str(column.type.geometry_type).startswith("MULTI")
        for column in target.table.columns
    )


@dataclass(slots=True)
class DirectStage(Stage):
    """Rows on the straight way; only what is rejected or repaired waits in temporary tables.

    Attributes
    ----------
    source
        Source of the rows.
    load_id
        Record of the load.
    kept
        Rows copied.
    metric_crs
        Grid in which footprints are measured, None until the first rows tell.
    """

    source: str = ""
    load_id: int = 0
    kept: int = 0
    metric_crs: str | None = None

    def transact(self) -> AbstractContextManager[Any]:
        """Return nothing to enter: the whole load is one transaction."""
        return nullcontext()

    def create(self) -> None:
        """Make the tables of what is rejected or repaired."""
        for table in (self.rejects, self.repairs):
            table.create(self.conn)

    def prepare(self, clean: Clean) -> None:
        """Choose the grid from the first rows, as far as the store has none."""
        if not len(clean.frame):
            return
        settle_metric_crs(self.conn, self.target.layer, lambda: _choose_from_rows(clean))
        self.metric_crs = metric.find_metric_crs(self.conn)
        self.is_prepared = True

    @property
    def names(self) -> list[str]:
        """Columns in the order they are sent."""
        inputs = [column.name for column in self.target.columns]
        derived = ["footprint_m2"] if self.target.table is building else []
        return ["source", "source_id", "load_id", "content_hash", "geom", "properties", *inputs, *derived]

    def count(self, clean: Clean) -> int:
        """Count a batch's rows; return how many were read before it."""
        before = super(DirectStage, self).count(clean)
        self.kept += len(clean.frame)
        return before

    def encode(self, clean: Clean, before: int) -> Encoded:  # noqa: ARG002 - rows stand in the order they are copied in
        """Return a batch as the layer's table takes it."""
        count = len(clean.frame)
        content = self.encode_content(clean.frame)
        pieces = [
            *encode_constant(self.source.encode(), count),
            *encode_column(clean.frame["source_id"], Text()),
            *encode_constant(struct.pack(">q", self.load_id), count),
            *encode_hashes(hash_rows(content)),
            content,
        ]
        if self.target.table is building:
            area_m2 = measure_footprints(_list_shapes(clean), self.metric_crs)
            pieces += encode_numbers(np.nan_to_num(area_m2), np.isnan(area_m2), ">f8")
        return Encoded(finish_rows(len(self.names), pieces), clean.rejected, clean.repairs)

    def write(self, batch: Encoded) -> None:
        """Copy an encoded batch.

        Raises
        ------
        IdentityTwice
            A row has the identity of an earlier one.
        """
        if len(batch.rows):
            try:
                copy_pieces(self.conn, self.target.table, self.names, split_stream(batch.rows))
            except psycopg.errors.UniqueViolation as fault:
                raise IdentityTwice from fault
        self.reject((r.line, r.source_id, r.reason_code, r.detail, r.raw) for r in batch.rejected)
        copy_rows(self.conn, self.repairs, ((r.line, r.source_id, r.kind, r.detail) for r in batch.repairs))

    def count_kept(self) -> int:
        """Return how many rows were copied."""
        return self.kept

    def set_ready(self) -> None:
        """Let the copied rows be found where staged ones would be."""
        table = self.target.table
        rows = select(table.c.id.label("line"), table.c.source_id, table.c.geom).where(table.c.load_id == self.load_id)
        self.ready = rows.subquery()  # type: ignore[assignment]  # only its columns are asked for


def _list_shapes(clean: Clean) -> Geometries:
    return clean.shapes if clean.shapes is not None else np.asarray(shapely.from_wkb(clean.frame["geom"].to_numpy()))


def _choose_from_rows(clean: Clean) -> str | None:
    """Return the grid that suits the first rows, None where none has a geometry."""
    middle = shapely.get_coordinates(shapely.centroid(_list_shapes(clean)[: metric.SAMPLE_ROWS]))
    return choose_metric_crs(middle[:, 0], middle[:, 1]) if len(middle) else None


def load(work: Work, target: Target) -> tuple[Staged, Outcome] | None:
    """Load a file straight into its layer.

    Returns
    -------
    The layer and what was done; None, and nothing changed, where the layer holds rows of the source or the file holds
    an identity twice: then the rows must be merged.
    """
    try:
        return _load(work, target)
    except IdentityTwice:
        return None


def _load(work: Work, target: Target) -> tuple[Staged, Outcome] | None:
    conn, reader, options = work.conn, work.reader, work.reader.options
    source = options.source or target.layer
    # the tables of the other way may stand beside these
    stage = DirectStage(conn, target, number=1, source=source, is_prepared=target.table is not building)
    with conn.begin():
        lock_layers(conn, (target.layer,))
        if conn.execute(select(exists().where(target.table.c.source == source))).scalar_one():
            return None
        stage.create()
        publication = make_publication(stage, work.path, options, datum=reader.datum, started_at=work.started_at)
        stage.load_id = open_load(conn, publication)
        with build_index_after(conn, target.table):
            stage_batches(stage, work.source, reader.clean, work.progress, cut=reader.cut)
            work.tell_storing(stage)
        stage.set_ready()
        staged = describe_stage(publication, reader.mapping, [*reader.describe(), *work.source.info.notes])
        if _has_others(conn, target.table, stage.load_id):
            staged.notes[:0] = check_datum_of(staged, options)
        settle_metric_crs(conn, target.layer, lambda: metric.choose_from_rows(conn, stage.ready, stage.ready.c.geom))
        outcome = publish_copied(conn, publication, stage.load_id)
        return staged, follow_up(conn, [staged], [outcome], reader.pack)[0]


def _has_others(conn: Connection, table: Table, load_id: int) -> bool:
    """Tell whether anything else is loaded that a datum could be judged by."""
    others = (
        select(one.c.id).where(one.c.valid_to.is_(None), one.c.load_id != load_id if one is table else true())
        for one in (street, building)
    )
    return any(conn.execute(select(exists(rows))).scalar_one() for rows in others)
