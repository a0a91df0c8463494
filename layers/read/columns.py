"""Which of our columns each column of a file means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geo.errors import MissingColumn, RequestError
from layers.catalog import Layer, find_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# words of --map that name geometry, settled when the file is opened
GEOMETRY_WORDS = ("lon", "lat", "wkt")


def guess_columns(
    columns: Sequence[str], layer: str, *, given: Mapping[str, str] | None = None, taken: Sequence[str] = ()
) -> dict[str, str]:
    """Find for each of a layer's columns the file's column that holds it.

    Parameters
    ----------
    columns
        The file's column names.
    layer
        A core layer.
    given
        What the caller says, theirs → ours; it goes before any guess. ``lon``, ``lat`` and ``wkt`` are passed over.
    taken
        Columns of the file that are used up already, such as the coordinates.

    Returns
    -------
    Ours → theirs, in our order; only columns that were found. Each of theirs is used once: our own name first, then
    the better alias, then our order.

    Raises
    ------
    MissingColumn
        The caller names a column the file does not have.
    RequestError
        The caller names a column the layer does not have, or one of them twice.
    """
    wanted = find_layer(layer)
    found = _take_given(columns, wanted, given or {})
    used = {*found.values(), *taken}
    names = wanted.column_names
    ranked = sorted(
        (rank, names.index(name), position, name, header)
        for position, header in enumerate(columns)
        for name in names
        if (rank := wanted.rank_alias(name, header)) is not None
    )
    for _, _, _, name, header in sorted(ranked, key=lambda entry: (entry[0] > 0, entry)):
        if name not in found and header not in used:
            found[name] = header
            used.add(header)
    return {name: found[name] for name in names if name in found}


def _take_given(columns: Sequence[str], layer: Layer, given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for theirs, ours in given.items():
        if ours in GEOMETRY_WORDS:
            continue
        if ours not in layer.column_names:
            raise RequestError(
                f"Mapping {theirs}={ours}: layer {layer.name} has no column {ours!r}; "
                f"it has {', '.join(layer.column_names)}.",
                hint="write --map THEIRS=OURS",
                parameter="map",
            )
        if theirs not in columns:
            raise MissingColumn(
                f"Mapping {theirs}={ours}: the file has no column {theirs!r}; it has {', '.join(columns)[:400]}.",
                hint="check the spelling, also of blanks and capitals",
                parameter="map",
            )
        if ours in found:
            raise RequestError(
                f"Mapping {theirs}={ours}: {ours} is already filled from {found[ours]!r}.", parameter="map"
            )
        found[ours] = theirs
    return found


def require_columns(
    found: Mapping[str, str], columns: Sequence[str], layer: str, *, id_from_geometry: bool = False
) -> None:
    """Refuse a file that lacks a column the layer cannot do without.

    Parameters
    ----------
    found
        Ours → theirs, as guessed.
    columns
        The file's columns, for the message.
    layer
        A core layer.
    id_from_geometry
        Whether the identity is made from the geometry.

    Raises
    ------
    MissingColumn
        A required column was not found. A facility's type may also be recognised from its tags and name, so its
        column is not asked for here.
    """
    wanted = find_layer(layer)
    excused = {"type"} if layer == "facilities" else set()
    if id_from_geometry and wanted.identity:
        excused.add(wanted.identity)
    missing = [name for name in wanted.required if name not in found and name not in excused]
    if not missing:
        return
    hint = f"say which column it is with --map THEIRS={missing[0]}"
    if wanted.identity in missing:
        hint += ", or make identities from the geometry with --id-from-geometry"
    raise MissingColumn(
        f"Loading {layer}: the column {', '.join(missing)} is missing; the file has {', '.join(columns)[:400]}.",
        hint=hint,
        parameter=missing[0],
    )
