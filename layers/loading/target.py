"""What a load writes into: one table, its input columns, and the version it raises."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Table

from layers.catalog import find_layer
from layers.tables import LAYER_TABLES

# kept by the loader itself, never taken from a file under these names
OWN_COLUMNS = frozenset(
    {"id", "source", "source_id", "load_id", "valid_from", "valid_to", "content_hash", "properties", "geom"}
)
# worked out from other rows or from the geometry, so no part of what makes a row equal to itself
DERIVED_COLUMNS = {"areas": frozenset({"depth"}), "buildings": frozenset({"footprint_m2"})}


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows of one layer go.

    Attributes
    ----------
    layer
        Version key: the core layer's id, or a reference layer's name.
    table
        The table itself.
    columns
        Its columns that a file fills, in order, without those the loader keeps itself.
    """

    layer: str
    table: Table
    columns: tuple[Column[object], ...]

    @property
    def is_core(self) -> bool:
        """Whether this is one of the product's own layers."""
        return self.layer in LAYER_TABLES


def find_target(layer: str) -> Target:
    """Return the target of a core layer.

    Raises
    ------
    NotFound
        There is no core layer of that name.
    """
    find_layer(layer)
    return make_target(layer, LAYER_TABLES[layer])


def make_target(layer: str, table: Table) -> Target:
    """Return the target of any table that has the columns every layer keeps."""
    hidden = OWN_COLUMNS | DERIVED_COLUMNS.get(layer, frozenset())
    return Target(layer, table, tuple(column for column in table.columns if column.name not in hidden))
