"""Columns from a second table, joined to the rows of a file by a key.

Where several records share a key: whole numbers (dwellings, people, households …) and capacities are summed, other
numbers take the largest (floors), texts the commonest, the first in the file on a tie. The number of records itself is
offered as a column ``NAME.records``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from geo.errors import MissingColumn
from layers.catalog import find_layer
from layers.read import open_source
from layers.read.cells import is_nothing, read_identity, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layers.loading.options import Join
    from layers.read import Batch

Rule = Literal["sum", "largest", "commonest"]
SUMMED = frozenset({"capacity"})


@dataclass(slots=True)
class JoinedTable:
    """A second table, gathered by key.

    Attributes
    ----------
    join
        What was asked.
    columns
        Names its columns get beside the file's: its own, or ``NAME.column`` where the file has that name too.
    records
        One line a record, under the new names; the key as text.
    gathered
        One line a key, made by :meth:`gather`.
    rows_matched, rows_missed
        Rows of the file that found a record, and that did not.
    """

    join: Join
    columns: dict[str, str]
    records: pd.DataFrame
    gathered: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows_matched: int = 0
    rows_missed: int = 0

    @property
    def count_column(self) -> str:
        """Name of the column that counts the records of a key."""
        return f"{self.join.path.stem}.records"

    @property
    def names(self) -> tuple[str, ...]:
        """Columns this table adds."""
        return (*self.columns.values(), self.count_column)

    def gather(self, layer: str, mapping: Mapping[str, str]) -> None:
        """Bring the records to one line a key, by what each column is used for.

        Parameters
        ----------
        layer
            A core layer.
        mapping
            Ours → theirs.
        """
        rules = choose_rules(layer, mapping)
        keyed = self.records.groupby("key", sort=False)
        gathered = {name: keyed[name].agg(_RULES[rules.get(name, "commonest")]) for name in self.columns.values()}
        self.gathered = pd.DataFrame({**gathered, self.count_column: keyed.size()}, dtype=object)

    def add_to(self, batch: Batch) -> None:
        """Add the columns to the rows of a batch; a row without a record gets nothing in them."""
        keys = [read_identity(value) for value in batch.frame[self.join.theirs]]
        places = self.gathered.index.get_indexer(pd.Index(keys, dtype=object))
        for name in self.names:
            values = self.gathered[name].to_numpy(dtype=object)
            batch.frame[name] = pd.Series(
                [values[place] if place >= 0 else None for place in places], index=batch.frame.index, dtype=object
            )
        matched = int((places >= 0).sum())
        self.rows_matched += matched
        self.rows_missed += len(keys) - matched

    def describe(self) -> str:
        """Return how well the tables fitted."""
        total = self.rows_matched + self.rows_missed
        return (
            f"{self.join.path.name}: {self.rows_matched:,} of {total:,} rows found a record by "
            f"{self.join.theirs} = {self.join.key}; {len(self.records):,} records, {len(self.gathered):,} keys"
        )


def read_join(join: Join, columns: Sequence[str]) -> JoinedTable:
    """Read a second table.

    Parameters
    ----------
    columns
        Columns the rows have so far.

    Raises
    ------
    MissingColumn
        The file or the table lacks the column they are to be joined by.
    """
    if join.theirs not in columns:
        raise MissingColumn(
            f"Joining {join.path.name}: the file has no column {join.theirs!r}; it has {', '.join(columns)[:400]}.",
            parameter="join-on",
        )
    with open_source(join.path) as source:
        if join.key not in source.info.columns:
            raise MissingColumn(
                f"Joining {join.path.name}: it has no column {join.key!r}; "
                f"it has {', '.join(source.info.columns)[:400]}.",
                parameter="join-on",
            )
        frames = [batch.frame for batch in source.batches()]
        names = [name for name in source.info.columns if name != join.key]
    records = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*names, join.key])
    taken = {name: f"{join.path.stem}.{name}" if name in columns else name for name in names}
    keys = pd.Series([read_identity(value) for value in records[join.key]], index=records.index, dtype=object)
    records = records[names].rename(columns=taken).assign(key=keys)
    return JoinedTable(join, taken, records[records["key"].notna()].reset_index(drop=True))


def choose_rules(layer: str, mapping: Mapping[str, str]) -> dict[str, Rule]:
    """Return how each of the file's columns is gathered, by what it is used for."""
    rules: dict[str, Rule] = {}
    for column in find_layer(layer).columns:
        if column.name not in mapping:
            continue
        if column.type == "integer" or column.name in SUMMED:
            rules[mapping[column.name]] = "sum"
        elif column.type == "number":
            rules[mapping[column.name]] = "largest"
    return rules


def _numbers(values: pd.Series) -> list[float]:
    found = []
    for value in values:
        if is_nothing(value):
            continue
        try:
            found.append(read_number(value))
        except ValueError:
            continue
    return found


def _sum(values: pd.Series) -> Any:
    found = _numbers(values)
    return _whole(sum(found)) if found else _commonest(values)


def _largest(values: pd.Series) -> Any:
    found = _numbers(values)
    return _whole(max(found)) if found else _commonest(values)


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _commonest(values: pd.Series) -> Any:
    counts: dict[Any, int] = {}
    for value in values:
        if not is_nothing(value):
            counts[value] = counts.get(value, 0) + 1
    return max(counts, key=lambda value: counts[value]) if counts else None


_RULES: dict[Rule, Any] = {"sum": _sum, "largest": _largest, "commonest": _commonest}
