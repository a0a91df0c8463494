"""What a caller asks of a load and what it is told afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from geo.errors import RequestError
from layers.plain_text import escape_control, has_control

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from layers.store import Mode, Outcome

SOURCE_LENGTH_MAX = 100

Scheme = Literal["auto", "cn", "any"]


Progress: TypeAlias = Callable[[int, "int | None", str], None]
"""Takes the rows read so far, the rows in all (None while unknown) and what is being done."""


@dataclass(frozen=True, slots=True)
class Join:
    """A second table whose columns are added to the rows of the file.

    Attributes
    ----------
    path
        A table without geometry that fits in memory.
    theirs
        Column of the file.
    key
        Column of the second table that holds the same values.
    """

    path: Path
    theirs: str
    key: str


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a file is to be read and stored.

    Attributes
    ----------
    source
        Whose data these are; with the source id it is a row's identity. The layer's name where absent.
    datum
        As on the command line; what the file declares where absent.
    columns
        The file's column → ours, before any guess.
    constants
        Our column → the text every row gets.
    joins
        Tables that add columns.
    file_layer, encoding
        Layer or sheet of the file; its text encoding.
    mode
        ``update`` keeps stored rows the file does not hold, ``replace`` closes them.
    id_from_geometry
        Make identities from the geometry where the file has none.
    dry_run
        Do everything but publish.
    accept_datum
        Load although the layer seems shifted against what is loaded.
    scheme
        Area codes: ``cn`` rejects those not of 12 or 15 digits, ``auto`` mentions them, ``any`` says nothing.
    is_barrier
        Reference layers: no walk from a door to a street crosses it; None keeps what it was.
    title
        Reference layers: title for people; None keeps what it was.
    """

    source: str | None = None
    datum: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()
    file_layer: str | None = None
    encoding: str | None = None
    mode: Mode = "update"
    id_from_geometry: bool = False
    dry_run: bool = False
    accept_datum: bool = False
    scheme: Scheme = "auto"
    is_barrier: bool | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        """Refuse a source that could not be shown or typed again.

        Raises
        ------
        RequestError
            The source is too long or holds control characters.
        """
        if self.source is not None and (len(self.source) > SOURCE_LENGTH_MAX or has_control(self.source)):
            raise RequestError(
                f"Loading as source {escape_control(self.source[:40])!r}: expected at most {SOURCE_LENGTH_MAX} "
                f"characters without control characters, found {len(self.source):,}.",
                hint="Write --source NAME with a short name, such as the office the data come from.",
                parameter="source",
            )

    def as_dict(self) -> dict[str, Any]:
        """Return what is written with the load: everything that was not left at its default."""
        given = asdict(self)
        given["joins"] = [f"{join.path.name}: {join.theirs}={join.key}" for join in self.joins]
        plain = asdict(LoadOptions()) | {"joins": []}
        return {name: value for name, value in given.items() if value != plain[name]}


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did, for people and programs.

    Attributes
    ----------
    outcome
        Rows and versions.
    source, file_name, datum
        What was loaded.
    columns
        Ours → the file's, as used.
    reasons, repairs
        Quarantined rows by reason, repaired rows by kind.
    notes
        Sentences a person should read, most important first.
    dry_run
        Whether nothing was stored.
    duration_s
        Seconds from start to end.
    """

    outcome: Outcome
    source: str
    file_name: str
    datum: str
    columns: Mapping[str, str]
    reasons: Mapping[str, int]
    repairs: Mapping[str, int]
    notes: tuple[str, ...]
    dry_run: bool
    duration_s: float

    @property
    def rows_per_s(self) -> float:
        """Rows read a second, over all."""
        return self.outcome.rows_read / max(self.duration_s, 1e-3)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "layer": self.outcome.layer,
            "source": self.source,
            "file": self.file_name,
            "datum": self.datum,
            "dry_run": self.dry_run,
            **{name: value for name, value in asdict(self.outcome).items() if name != "layer"},
            "changed": self.outcome.has_changed,
            "columns": dict(self.columns),
            "reasons": dict(self.reasons),
            "repairs": dict(self.repairs),
            "notes": list(self.notes),
            "duration_s": round(self.duration_s, 3),
        }
