"""Readers: one file in, a stream of raw batches out, whatever the format."""

from __future__ import annotations

from layers.read.opening import open_source
from layers.read.reasons import REASONS, REPAIRS, Reason
from layers.read.source import ROWS_PER_BATCH, Batch, Reject, Source, SourceInfo

__all__ = ["REASONS", "REPAIRS", "ROWS_PER_BATCH", "Batch", "Reason", "Reject", "Source", "SourceInfo", "open_source"]
