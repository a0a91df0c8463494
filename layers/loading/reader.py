"""What turns the raw batches of one file into clean ones: columns, joins, datum and recognition settled beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from geo.datum import resolve_datum
from geo.errors import RequestError
from layers.catalog import find_layer
from layers.facility_types import Recogniser, check_code
from layers.loading.clean import clean_batch
from layers.loading.clean_values import read_iso_days
from layers.loading.join import read_join
from layers.read.columns import guess_columns, require_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geo.datum import Datum
    from layers.catalog import Pack
    from layers.loading.clean import Clean
    from layers.loading.join import JoinedTable
    from layers.loading.options import LoadOptions
    from layers.read import Batch, Source

# of these layers no row is looked at together with others but for the columns below
PIECEWISE = frozenset({"buildings", "streets"})
PIECE_ROWS = 12_500
# kinds of column that may be read by what the whole batch holds, and the values of which none is
_READ_TOGETHER: dict[str, frozenset[type]] = {
    "integer": frozenset({int, type(None)}),
    "date": frozenset({date, type(None)}),
    "timestamp": frozenset({datetime, type(None)}),
}
# a constant column stands in the batch under a name no file has
CONSTANT_PREFIX = "\x01"


@dataclass(slots=True)
class Reader:
    """Everything needed to turn a raw batch of one file into a clean one."""

    layer: str
    mapping: dict[str, str]
    datum: Datum
    options: LoadOptions
    pack: Pack
    joins: list[JoinedTable]
    recogniser: Recogniser | None

    def clean(self, batch: Batch) -> Clean:
        """Return a cleaned batch with joined and constant columns, and types for facilities."""
        if self.joins or self.options.constants:
            batch = replace(batch, frame=batch.frame.copy())
        for join in self.joins:
            join.add_to(batch)
        for ours, value in self.options.constants.items():
            batch.frame[CONSTANT_PREFIX + ours] = value
        clean = clean_batch(
            batch,
            self.layer,
            columns=self.mapping,
            datum=self.datum,
            id_from_geometry=self.options.id_from_geometry,
        )
        if self.recogniser is not None:
            self.recogniser.apply(clean)
        return clean

    def cut(self, batch: Batch) -> Iterable[Batch]:
        """Yield a batch in smaller pieces, so that the database has something to do early.

        Only where no column is read differently by what else the batch holds: days written day first, counts with
        fractions carried from row to row, grid cells told by all their ids.
        """
        is_plain = (
            self.layer in PIECEWISE and not self.joins and all(self._is_plain(batch, one) for one in self.mapping)
        )
        return batch.cut(PIECE_ROWS) if is_plain else (batch,)

    def _is_plain(self, batch: Batch, name: str) -> bool:
        column = next((column for column in find_layer(self.layer).columns if column.name == name), None)
        theirs = self.mapping[name]
        if column is None or theirs not in batch.frame or column.type not in _READ_TOGETHER:
            return True
        values = batch.frame[theirs].tolist()
        kinds = set(map(type, values))
        return kinds <= _READ_TOGETHER[column.type] or (kinds <= {str} and read_iso_days(values) is not None)

    def describe(self) -> list[str]:
        """Return sentences about joins and facility types."""
        return [
            *(join.describe() for join in self.joins),
            *(self.recogniser.describe() if self.recogniser is not None else ()),
        ]


def prepare_reader(source: Source, layer: str, options: LoadOptions, pack: Pack) -> Reader:
    """Settle columns, joins and datum before the first row is read."""
    info = source.info
    _check_constants(layer, options, pack)
    columns = list(info.columns)
    joins = []
    for join in options.joins:
        joins.append(read_join(join, columns))
        columns += joins[-1].names
    mapping = guess_columns(columns, layer, given=options.columns, taken=info.geometry_columns)
    if options.id_from_geometry:
        # the file's own number is then a column like any other
        mapping.pop("source_id", None)
    for ours in options.constants:
        mapping[ours] = CONSTANT_PREFIX + ours
    require_columns(mapping, columns, layer, id_from_geometry=options.id_from_geometry)
    for joined in joins:
        joined.gather(layer, mapping)
    return Reader(
        layer=layer,
        mapping=mapping,
        datum=resolve_datum(
            given=options.datum,
            declared=info.crs if info.has_geometry or options.datum else "EPSG:4326",
            name=info.path.name,
        ),
        options=options,
        pack=pack,
        joins=joins,
        recogniser=Recogniser(pack, info.path.stem) if layer == "facilities" else None,
    )


def _check_constants(layer: str, options: LoadOptions, pack: Pack) -> None:
    known = find_layer(layer).column_names
    for ours in options.constants:
        if ours not in known or ours == find_layer(layer).identity:
            raise RequestError(
                f"Setting {ours} for every row: layer {layer} has {', '.join(known)}, and identities differ by row.",
                hint="Write --set COLUMN=VALUE with one of our columns.",
                parameter="set",
            )
        if ours in options.columns.values():
            raise RequestError(f"Setting {ours} for every row: --map fills it already.", parameter="set")
    if layer == "facilities" and "type" in options.constants:
        check_code(options.constants["type"], pack)


def find_geometry_words(options: LoadOptions) -> tuple[str, ...] | None:
    """Return the table columns that the mapping names as coordinates, None to find them by name."""
    theirs = {ours: name for name, ours in options.columns.items()}
    if "wkt" in theirs:
        return (theirs["wkt"],)
    if ("lon" in theirs) != ("lat" in theirs):
        missing = "lat" if "lon" in theirs else "lon"
        raise RequestError(f"Mapping coordinates: lon and lat go together, {missing} is missing.", parameter="map")
    return (theirs["lon"], theirs["lat"]) if "lon" in theirs else None
