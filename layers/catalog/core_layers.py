"""The layer catalogue: which columns a core layer takes, of which type, and how other people call them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast

from geo.errors import NotFound
from layers.catalog import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

ColumnType = Literal["text", "integer", "number", "boolean", "date", "timestamp", "choice", "point"]


@dataclass(frozen=True, slots=True)
class Column:
    """One input column of a core layer.

    Attributes
    ----------
    layer, name
        Where it belongs and its name in files, tables and answers.
    type
        ``text``, ``integer``, ``number``, ``boolean``, ``date``, ``timestamp`` (with zone), ``choice`` (one of
        ``values``) or ``point`` (WKT or "lon lat").
    required
        Whether a file without it is refused.
    sensitive
        Whether only roles with a purpose may see it by building.
    unit
        Unit of a number, empty for none.
    values
        Words a choice may hold.
    title_zh, title_en
        Titles for people.
    aliases
        Other names by which files call the column, as people write them.
    """

    layer: str
    name: str
    type: ColumnType
    required: bool
    sensitive: bool
    unit: str
    values: tuple[str, ...]
    title_zh: str
    title_en: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One core layer.

    Attributes
    ----------
    name
        Id in commands and URLs, plural.
    title_zh, title_en
        Titles for people.
    geometries
        Accepted families: ``polygon``, ``line``, ``point``; ``none`` when a row may have no geometry.
    identity
        Column that tells rows of one source apart; empty for population, whose rows are told apart by building, area
        or geometry.
    columns
        Input columns, in order.
    """

    name: str
    title_zh: str
    title_en: str
    geometries: tuple[str, ...]
    identity: str
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        """Return the column with this name.

        Raises
        ------
        NotFound
            The layer has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise NotFound(
            f"Looking up column {name!r} of layer {self.name}: it has {', '.join(self.column_names)}",
            parameter="column",
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the input columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns a file must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Names of the columns that only roles with a purpose may see."""
        return tuple(column.name for column in self.columns if column.sensitive)

    def find_column(self, header: str) -> str | None:
        """Return which of our columns a header means, or None: our name first, then titles and aliases.

        Parameters
        ----------
        header
            A column name as a file has it, in any case and with any blanks, dashes or underscores.
        """
        key = column_key(header)
        for column in self.columns:
            if key == column_key(column.name):
                return column.name
        for column in self.columns:
            if key in {column_key(alias) for alias in (*column.aliases, column.title_zh, column.title_en)}:
                return column.name
        return None

    def rank_alias(self, name: str, header: str) -> int | None:
        """Return how well a header names our column: 0 its own name, then the place in its list; None not at all.

        Two headers of one file may both mean a column (``名称`` and ``小区名称``); the lower rank goes first.
        """
        column = self[name]
        keys = [column_key(word) for word in (column.name, *column.aliases, column.title_zh, column.title_en)]
        key = column_key(header)
        return keys.index(key) if key in keys else None


def column_key(text: str) -> str:
    """Return a header as it is compared: full-width forms folded, case folded, only letters and digits kept.

    ``+`` is kept: ``80+`` and ``80`` are not the same column.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum() or sign == "+")


def read_layers() -> dict[str, Layer]:
    """Return the core layers by name, in the order they are loaded."""
    columns = [_parse_column(row) for row in resources.read_csv("columns.csv")]
    return {
        row["layer"]: Layer(
            name=row["layer"],
            title_zh=row["title_zh"],
            title_en=row["title_en"],
            geometries=tuple(row["geometry"].split("|")),
            identity=row["identity"],
            columns=tuple(column for column in columns if column.layer == row["layer"]),
        )
        for row in resources.read_csv("layers.csv")
    }


def _parse_column(row: dict[str, str]) -> Column:
    return Column(
        layer=row["layer"],
        name=row["name"],
        type=cast("ColumnType", row["type"]),
        required=row["required"] == "yes",
        sensitive=row["sensitive"] == "yes",
        unit=row["unit"],
        values=tuple(filter(None, row["values"].split("|"))),
        title_zh=row["title_zh"],
        title_en=row["title_en"],
        aliases=tuple(filter(None, row["aliases"].split("|"))),
    )


# what ships with the code, like the code itself: no setting decides it
LAYERS: Final[Mapping[str, Layer]] = MappingProxyType(read_layers())


def find_layer(name: str) -> Layer:
    """Return a core layer by name.

    Raises
    ------
    NotFound
        There is no core layer of that name.
    """
    try:
        return LAYERS[name]
    except KeyError:
        raise NotFound(
            f"Looking up layer {name!r}: the core layers are {', '.join(LAYERS)}",
            hint="Other layers load with `onemap load reference NAME FILE`.",
            parameter="layer",
        ) from None
