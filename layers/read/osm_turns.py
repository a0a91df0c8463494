"""Turn restrictions of an OpenStreetMap extract: read as signed, kept where their streets meet.

References
----------
OpenStreetMap wiki, "Relation:restriction".
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import shapely

from layers.read.osm_rows import TURN_BANS, Collector, Row, Tags, raw_text
from layers.read.source import Reject

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: Final = frozenset(
    {f"no_{turn}" for turn in ("left_turn", "right_turn", "straight_on", "u_turn", "entry", "exit")}
    | {f"only_{turn}" for turn in ("left_turn", "right_turn", "straight_on", "u_turn")}
)
# keys that bind cars, the general one first; those of other vehicles are nothing to a fire engine's drive
_KEYS: Final = ("restriction", "restriction:vehicle", "restriction:motor_vehicle", "restriction:motorcar")
_TYPES: Final = frozenset(
    {"restriction", *(f"restriction:{word}" for word in ("vehicle", "motor_vehicle", "motorcar"))}
)

Member = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn restriction as the relation has it."""

    relation: int
    tags: Tags
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Return its identity."""
        return f"relation/{self.relation}"

    def refs(self, role: str, kind: str) -> list[int]:
        """Return the ids of the members of a role and a kind of object."""
        return [ref for member, ref, part in self.members if part == role and member == kind]


def is_turn(tags: Tags) -> bool:
    """Tell whether a relation is a turn restriction."""
    return tags.get("type") in _TYPES


def find_kind(tags: Tags) -> str | None:
    """Return the restriction's word that binds cars, None where there is none."""
    return next((tags[key] for key in _KEYS if key in tags), None)


def find_fault(turn: Turn) -> tuple[str, str] | None:
    """Return why a restriction cannot be kept, as reason and detail; None for a sound one."""
    kind = find_kind(turn.tags)
    if kind is None:
        return _name_unbinding(turn.tags)
    if any(key in turn.tags for key in ("hour_on", "day_on")):
        return "turn-conditional", "it holds at certain hours or days"
    if kind not in KINDS:
        return "turn-kind", f"found {kind[:80]!r}"
    if turn.refs("via", "w"):
        return "turn-via-way", "its via is a way"
    start, via, end = len(turn.refs("from", "w")), len(turn.refs("via", "n")), len(turn.refs("to", "w"))
    fits = via == 1 and (start == 1 or (start > 1 and kind == "no_entry"))
    if not fits or not (end == 1 or (end > 1 and kind == "no_exit")):
        return "turn-members", f"found {start} from, {via} via node and {end} to"
    return None


def _name_unbinding(tags: Tags) -> tuple[str, str]:
    """Return why tags without a word that always binds cars make no ban."""
    for key in tags:
        if key.startswith("restriction:"):
            return "turn-conditional" if "conditional" in key else "turn-vehicles", f"found {key}"
    return "turn-kind", "the relation has no restriction"


@dataclass(slots=True)
class Turns:
    """The turn restrictions of an extract, and where the streets touch their nodes.

    Attributes
    ----------
    turns
        Every restriction, in the order of the extract.
    place
        Via node → longitude and latitude, once a street with it has been read.
    touches
        (way, via node) → how many ends of the way's pieces lie at the node.
    """

    turns: list[Turn] = field(default_factory=list)
    place: dict[int, tuple[float, float] | None] = field(default_factory=dict)
    touches: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, relation: Any, tags: Tags) -> None:
        """Keep a relation that is a turn restriction."""
        turn = Turn(relation.id, tags, tuple((m.type, m.ref, m.role) for m in relation.members))
        self.turns.append(turn)
        self.place |= dict.fromkeys(turn.refs("via", "n"))

    def see(self, way: int, piece: list[tuple[int, float, float]]) -> None:
        """Note where a piece of a street ends at a node that restrictions name."""
        for node, lon, lat in (piece[0], piece[-1]):
            if node in self.place:
                self.place[node] = (lon, lat)
                self.touches[way, node] += 1

    def finish(self, collector: Collector) -> None:
        """Hand every restriction to the collector: as rows, or rejected with the reason."""
        for turn in self.turns:
            fault = find_fault(turn) or self._find_lost(turn)
            if fault is not None:
                collector.reject(TURN_BANS, Reject(turn.relation, turn.name, *fault, raw_text(turn.name, turn.tags)))
                continue
            for row in self._rows(turn):
                collector.add(TURN_BANS, row)

    def _find_lost(self, turn: Turn) -> tuple[str, str] | None:
        (via,) = turn.refs("via", "n")
        for role in ("from", "to"):
            for way in turn.refs(role, "w"):
                ends = self.touches.get((way, via), 0)
                if ends != 1:
                    how = "passes through" if ends else "does not touch"
                    return "turn-place", f"way/{way} ({role}) {how} node/{via}"
        return None

    def _rows(self, turn: Turn) -> Iterator[Row]:
        (via,) = turn.refs("via", "n")
        pairs = [(a, b) for a in turn.refs("from", "w") for b in turn.refs("to", "w")]
        for number, (a, b) in enumerate(pairs, start=1):
            columns = {
                "kind": find_kind(turn.tags),
                "from_way": f"way/{a}",
                "via_node": via,
                "to_way": f"way/{b}",
                "except_for": turn.tags.get("except"),
            }
            name = turn.name if len(pairs) == 1 else f"{turn.name}/{number}"
            yield Row(name, turn.relation, shapely.Point(self.place[via]), columns, turn.tags)
