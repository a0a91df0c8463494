"""Facility types on their way in: the pack's rows in the store, and a type for every facility that names none."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert

from geo.errors import RequestError
from layers.loading.recognise import recognise
from layers.tables import facility_type

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from layers.catalog import Pack
    from layers.loading.clean import Clean
    from layers.loading.recognise import Recognition

BASIS_GIVEN = "given"
BASIS_RECOGNISED = "recognised"
BASIS_NONE = "not recognised"

# metres in a degree of latitude on the WGS-84 sphere of equal area; good to 1 % for the size of one site
DEGREE_M = 111_195.0


def save_pack(conn: Connection, pack: Pack) -> bool:
    """Bring the facility types of the store to a pack; return whether anything changed."""
    rows = [
        {
            "code": row["code"],
            "name_zh": row["name_zh"],
            "name_en": row["name_en"],
            "category": row["category"],
            "limit_s": row["limit_s"],
            "radius_m": row["radius_m"],
            "testable": row["testable"],
            "demand_group": row["demand_group_code"],
            "pack_version": pack.version,
            "definition": row,
        }
        for row in pack.rows()
    ]
    gone = conn.execute(delete(facility_type).where(facility_type.c.code.not_in([row["code"] for row in rows])))
    put = insert(facility_type)
    values = {name: put.excluded[name] for name in rows[0] if name != "code"}
    columns = [facility_type.c[name] for name in values]
    is_other = func.row(*columns).is_distinct_from(func.row(*values.values()))
    changed = 0
    for row in rows:
        statement = put.values(row).on_conflict_do_update(
            index_elements=[facility_type.c.code], set_=values, where=is_other
        )
        changed += conn.execute(statement).rowcount
    return bool(changed + gone.rowcount)


def check_code(code: str, pack: Pack) -> None:
    """Refuse a type for every row that is no code of the pack: it would be recognised as something, or as nothing.

    Raises
    ------
    RequestError
        There is no such code; the message names those that look like it.
    """
    wanted = code.strip().upper()
    if wanted in pack.codes:
        return
    near = difflib.get_close_matches(wanted, sorted(pack.codes), n=3)
    like = f"; near it are {', '.join(near)}" if near else ""
    raise RequestError(
        f"Setting type for every row: the standards pack has no code {code[:80]!r}{like}.",
        hint="`onemap standards list` shows the codes.",
        parameter="set",
    )


@dataclass(slots=True)
class Recogniser:
    """Gives every facility of a load its type and remembers how.

    Attributes
    ----------
    pack
        The standards pack in force.
    file_word
        Name of the file without its ending: what it says of the kind counts for rows that say nothing themselves.
    by_basis
        Facilities by what decided: ``given``, ``recognised`` or ``not recognised``.
    uncertain
        Facilities between several types.
    unknown
        Words that named no type, with how often.
    """

    pack: Pack
    file_word: str | None = None
    by_basis: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def apply(self, clean: Clean) -> None:
        """Fill type, candidates and basis of a cleaned batch.

        A code of the pack stands. Any other word, else the file's name, is recognised together with the row's name,
        its other columns as tags, and its size; the word is kept in the properties. A tie leaves the type empty for a
        person to choose.
        """
        frame = clean.frame
        if not len(frame):
            return
        areas_m2 = measure_areas_m2(frame["geom"].to_numpy())
        found = [
            self._apply_row(*row)
            for row in zip(frame["type"], frame["name"], frame["properties"], areas_m2, strict=True)
        ]
        for place, name in enumerate(("type", "type_candidates", "type_basis", "properties")):
            values = np.empty(len(found), dtype=object)
            values[:] = [row[place] for row in found]
            frame[name] = values

    def _apply_row(self, word: str | None, name: str | None, properties: dict[str, Any], area_m2: float | None) -> Any:
        if word is not None and word.strip().upper() in self.pack.codes:
            self.by_basis[BASIS_GIVEN] += 1
            return word.strip().upper(), None, BASIS_GIVEN, properties
        tags = {key: str(value) for key, value in properties.items()}
        answer = recognise(tags=tags, name=name, category=word or self.file_word, area_m2=area_m2, pack=self.pack)
        kept = properties if word is None else {"type": word, **properties}
        return *self._count(answer, word or name or "(no name)"), kept

    def _count(self, answer: Recognition, word: str) -> tuple[str | None, list[str] | None, str]:
        if answer.type is not None:
            self.by_basis[BASIS_RECOGNISED] += 1
            return answer.type, None, answer.basis
        if answer.candidates:
            self.uncertain += 1
            return None, list(answer.candidates), answer.basis
        self.by_basis[BASIS_NONE] += 1
        self.unknown[word] += 1
        return None, None, BASIS_NONE

    def describe(self) -> list[str]:
        """Return sentences about what a person should look at."""
        notes = []
        if named := self.by_basis[BASIS_RECOGNISED]:
            notes.append(f"{named:,} facilities had no code of the standards pack and were recognised")
        if self.uncertain:
            notes.append(
                f"{self.uncertain:,} facilities fit several types; they are stored without one, "
                "and `onemap layers --uncertain` lists them with the types they fit"
            )
        if unknown := self.by_basis[BASIS_NONE]:
            words = ", ".join(f"{word!r} ({count})" for word, count in self.unknown.most_common(5))
            notes.append(f"{unknown:,} facilities are of no known type and serve no analysis: {words}")
        return notes


def measure_areas_m2(wkb: np.ndarray[Any, Any]) -> list[float | None]:
    """Return the ground area of polygons in square metres, None for points and lines; good to about 1 %."""
    shapes = shapely.from_wkb(wkb)
    latitude = np.radians(shapely.get_y(shapely.centroid(shapes)))
    areas = shapely.area(shapes) * DEGREE_M**2 * np.cos(latitude)
    return [float(area) if area > 0 else None for area in areas]
