"""Recognise what kind of facility an object is: one object gives one type, a tie is kept as a tie.

Order of evidence, as reviewed: the type written in the file (a code or name of the pack); the most specific tag set;
the size against the scale of the pack; the words of ``data/recognition.csv`` in category and name. What is still open
after that is stored as uncertain with all candidates, for a person to choose.

Three outcomes::

    Recognition("EDU_PRIMARY", ("EDU_PRIMARY",), …)                    recognised
    Recognition(None, ("EDU_JUNIOR", "EDU_SENIOR"), …)                 uncertain; one candidate means "that or nothing"
    Recognition(None, (), …)                                           no facility of the pack
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from layers.loading.recognition_rules import ends_name, fold, fold_category, read_rules, split_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from layers.catalog import FacilityType, Pack
    from layers.loading.recognition_rules import Rules, TagRule, WordRule

# keys whose value says what an object is; an object with one of them and no rule is something else
_MAIN_KEYS: Final = (
    "amenity",
    "shop",
    "leisure",
    "healthcare",
    "emergency",
    "office",
    "public_transport",
    "railway",
    "highway",
    "tourism",
    "craft",
    "man_made",
    "power",
    "landuse",
)
# keys of things that carry a facility's name without being it: the house, the quarter, the gate
_OTHER_KEYS: Final = ("building", "place", "boundary", "route", "natural", "waterway", "barrier", "entrance")
# life-cycle marks of OpenStreetMap; a prefix (disused:amenity=…) leaves no main key and needs no rule
_LIFE_CYCLE: Final = frozenset(
    {"disused", "abandoned", "demolished", "razed", "removed", "ruins", "proposed", "planned", "construction", "closed"}
)
_NO_ENTRY: Final = frozenset({"private", "no"})
_YES: Final = frozenset({"yes", "true", "1", "y", "t", "是"})
_TIE: Final = 2
# a longer text is no name; it keeps the worst case of the word search small
_TEXT_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Recognition:
    """What an object is.

    Attributes
    ----------
    type
        Code of the pack; None when it is uncertain or no facility.
    candidates
        The type itself when it is recognised; every type it may be when it is uncertain (a single candidate: that or
        nothing); empty when it is no facility of the pack.
    basis
        The evidence, step by step, for the person who reviews it.
    """

    type: str | None
    candidates: tuple[str, ...]
    basis: str


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known so far.

    Attributes
    ----------
    types, maybe
        Types it may be; whether it may be nothing as well.
    speakers
        Families or codes for which a name may still speak although no type is known.
    known
        Whether the evidence was understood at all.
    is_sized
        Whether size decided; then a name narrows no further.
    basis
        Evidence so far.
    """

    types: tuple[str, ...] = ()
    maybe: bool = False
    speakers: tuple[str, ...] = ()
    known: bool = False
    is_sized: bool = False
    basis: tuple[str, ...] = field(default=())

    def because(self, text: str) -> _Evidence:
        """Return the same evidence with one more line of basis."""
        return replace(self, basis=(*self.basis, text))


_NOTHING: Final = _Evidence()


def recognise(
    *,
    tags: Mapping[str, str],
    name: str | None = None,
    category: str | None = None,
    area_m2: float | None = None,
    pack: Pack,
) -> Recognition:
    """Return what one object is.

    Parameters
    ----------
    tags
        OpenStreetMap tags; empty for other sources.
    name
        Name of the place, Chinese or English.
    category
        What the file says it is: a code or name of the pack, a tag (``amenity=school``), a value (``school``), a
        category path (``科教文化服务;学校;小学``) or plain words.
    area_m2
        Ground area, square metres; None for points.
    pack
        The standards pack in force.

    Returns
    -------
    Recognition
        Type, candidates and basis.
    """
    return _recogniser(pack).recognise(tags=tags, name=name or "", category=category or "", area_m2=area_m2)


def recognise_frame(frame: pd.DataFrame, pack: Pack) -> pd.DataFrame:
    """Return what every row of a frame is.

    Parameters
    ----------
    frame
        Any of the columns ``type`` (category), ``name``, ``tags`` (mappings) and ``area_m2`` (square metres); missing
        columns and missing values are no evidence.
    pack
        The standards pack in force.

    Returns
    -------
    pandas.DataFrame
        Columns ``type`` (None when uncertain or nothing), ``type_candidates`` (lists) and ``type_basis``, with the
        frame's index. Equal rows are worked out once.
    """
    recogniser = _recogniser(pack)
    columns = [_column(frame, name) for name in ("type", "name", "tags", "area_m2")]
    known: dict[tuple[Any, ...], Recognition] = {}
    found = []
    for category, name, tags, area_m2 in zip(*columns, strict=True):
        relevant = recogniser.relevant_tags(tags) if tags is not None else ()
        size_m2 = None if area_m2 is None else float(area_m2)
        key = (category, name, relevant, size_m2)
        if key not in known:
            known[key] = recogniser.recognise(
                tags=dict(relevant), name=_text(name), category=_text(category), area_m2=size_m2
            )
        found.append(known[key])
    return pd.DataFrame(
        {
            "type": pd.Series([item.type for item in found], index=frame.index, dtype=object),
            "type_candidates": pd.Series([list(item.candidates) for item in found], index=frame.index, dtype=object),
            "type_basis": pd.Series([item.basis for item in found], index=frame.index, dtype=object),
        }
    )


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame:
        return [None] * len(frame)
    column = frame[name].astype(object)
    return list(column.where(column.notna(), None))


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a category code that a spreadsheet made a number
    return "" if value is None else str(value)


@lru_cache(maxsize=8)
def _recogniser(pack: Pack) -> _Recogniser:
    """Return the recogniser of a pack, built once."""
    return _Recogniser(pack)


class _Recogniser:
    """The reviewed rules compiled for one pack."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._rules: Rules = read_rules(pack)
        self._order = {row.code: place for place, row in enumerate(pack.types)}
        self._kept_keys = self._rules.tag_keys | _LIFE_CYCLE | {"access", *_MAIN_KEYS, *_OTHER_KEYS}
        self._speakers_for = lru_cache(maxsize=1024)(self._find_speakers)
        self._category = lru_cache(maxsize=8192)(self._read_category)
        self._tagged = lru_cache(maxsize=8192)(self._read_tags)

    def relevant_tags(self, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return the tags that can matter, sorted."""
        return tuple(sorted((str(key), str(value)) for key, value in tags.items() if key in self._kept_keys))

    def recognise(self, *, tags: Mapping[str, str], name: str, category: str, area_m2: float | None) -> Recognition:
        """Return what one object is; an area that is no size (0, negative, not finite) is no evidence."""
        code = category.strip().upper()
        if code in self._pack and self._pack[code].kind in ("point", "area"):
            return Recognition(code, (code,), f"type {code}")  # a code is a decision
        folded = fold(name[:_TEXT_MAX])
        pairs = self.relevant_tags(tags)
        if gone := self._find_closure(dict(pairs), folded):
            return Recognition(None, (), gone)
        size_m2 = area_m2 if area_m2 is not None and 0 < area_m2 < math.inf else None
        tagged = self._tagged(pairs, size_m2) if pairs else _NOTHING
        named = self._category(category[:_TEXT_MAX], size_m2) if category.strip() else _NOTHING
        evidence = self._size(self._weigh(tagged, named) if category.strip() else tagged, size_m2)
        evidence = self._hear_name(evidence, folded) if evidence.known else self._read_name(evidence, folded)
        evidence = self._veto(evidence, folded)
        evidence = self._size(evidence, size_m2)
        return self._conclude(self._close_private(evidence, dict(pairs)))

    def _find_closure(self, tags: Mapping[str, str], name: str) -> str:
        for key in _LIFE_CYCLE:
            if tags.get(key, "").casefold() in _YES:
                return f"not in use: {key}={tags[key]}"
        found = self._rules.closed.search(name)
        return f"not in use: {found[0]}" if found else ""

    def _read_tags(self, pairs: tuple[tuple[str, str], ...], area_m2: float | None) -> _Evidence:
        tags = dict(pairs)
        evidence = self._match_tags(tags, area_m2)
        if evidence is not None:
            return evidence
        main = next((f"{key}={tags[key]}" for key in (*_MAIN_KEYS, *_OTHER_KEYS) if key in tags), "")
        return _Evidence(known=bool(main), basis=(f"no rule for {main}",) if main else ())

    def _match_tags(self, tags: Mapping[str, str], area_m2: float | None) -> _Evidence | None:
        """Return what the most specific tag sets say; None where no rule fits."""
        starts = [(key, part) for key, value in tags.items() for part in (*split_values(value), "*")]
        near = [rule for start in starts for rule in self._rules.tag_rules.get(start, ())]
        fitting = [rule for rule in near if rule.fits(tags, area_m2)]
        if not fitting:
            return None
        top = max(rule.weight for rule in fitting)
        return self._join([rule for rule in fitting if rule.weight == top])

    def _join(self, rules: list[TagRule]) -> _Evidence:
        """Return the evidence of equally specific rules: all their types; "nothing" only where none names a type."""
        naming = [rule for rule in rules if rule.types] or rules
        return _Evidence(
            types=self._sort(code for rule in naming for code in rule.types),
            maybe=any(rule.maybe for rule in naming),
            speakers=tuple(sorted({word for rule in rules for word in rule.speakers})),
            known=True,
            basis=tuple(sorted({f"tags {rule.text}" for rule in naming})),
        )

    def _sort(self, codes: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(set(codes), key=self._order.__getitem__))

    def _weigh(self, tagged: _Evidence, named: _Evidence) -> _Evidence:
        """Join what tags and category say: what both allow; where they allow nothing in common, a tie of both."""
        if not tagged.types:
            return named if named.known or not tagged.known else tagged
        if not named.types:
            return tagged
        shared = [code for code in named.types if code in tagged.types]
        return _Evidence(
            types=self._sort(shared or (*tagged.types, *named.types)),
            maybe=tagged.maybe and named.maybe,
            speakers=tuple(sorted({*tagged.speakers, *named.speakers})),
            known=True,
            basis=(*tagged.basis, *named.basis),
        )

    def _read_category(self, category: str, area_m2: float | None) -> _Evidence:
        """Return what the file's own category says."""
        whole = fold(category)
        code = self._rules.titles.get(whole)
        if code is not None:
            kind = self._pack[code].kind
            if kind in ("aggregate", "indicator"):
                return _Evidence(known=True, basis=(f"{code} is an {kind}, not a place",))
            return _Evidence(types=(code,), known=True, basis=(f"type {category.strip()}",))
        if whole in self._rules.generic:
            return _NOTHING
        return self._read_path(category, area_m2)

    def _read_path(self, category: str, area_m2: float | None) -> _Evidence:
        """Try a category path from its deepest step to its widest, then its words."""
        found = [self._read_alternative(alternative, area_m2) for alternative in category.split("|")]
        understood = [evidence for evidence in found if evidence.types] or [item for item in found if item.known]
        return understood[0] if understood else _Evidence(basis=(f"category {category.strip()} is not understood",))

    def _read_alternative(self, alternative: str, area_m2: float | None) -> _Evidence:
        steps = [step.strip() for step in alternative.replace("；", ";").split(";") if step.strip()]
        for depth in range(len(steps), 0, -1):
            rule = self._rules.categories.get(fold(";".join(steps[:depth])))
            if rule is not None:
                return self._of_word(rule, f"category {';'.join(steps[:depth])}")
        read = (self._read_step(step, area_m2) for step in reversed(steps))
        return next((evidence for evidence in read if evidence.known), _NOTHING)

    def _read_step(self, step: str, area_m2: float | None) -> _Evidence:
        code = self._rules.titles.get(fold(step))
        if code is not None and self._pack[code].kind in ("point", "area"):
            return _Evidence(types=(code,), known=True, basis=(f"category {step}",))
        rule = self._rules.categories.get(fold(step))
        if rule is not None:
            return self._of_word(rule, f"category {step}")
        if tagged := self._read_value(step, area_m2):
            return tagged
        text = fold_category(step)
        spoken = self._last_word(text, self._speakers_for(("@cat",)))
        return self._of_word(spoken[0], f"category {step}") if spoken else _NOTHING

    def _read_value(self, step: str, area_m2: float | None) -> _Evidence | None:
        """Read ``amenity=school``, ``amenity/school`` or a bare ``school`` as the tag it stands for."""
        for sign in ("=", ":", "/", "."):
            key, found, value = step.partition(sign)
            if found and key.strip() in self._rules.tag_keys:
                return self._read_tags(((key.strip(), value.strip()),), area_m2)
        value = fold(step).replace(" ", "_")
        tried = (self._match_tags({key: value}, area_m2) for key in _MAIN_KEYS)
        return next((evidence for evidence in tried if evidence is not None), None)

    def _of_word(self, rule: WordRule, basis: str) -> _Evidence:
        return _Evidence(
            types=self._sort(rule.types),
            maybe=rule.maybe,
            speakers=tuple(word for word in rule.within if not word.startswith("@")),
            known=True,
            basis=(basis,),
        )

    def _find_speakers(self, context: tuple[str, ...]) -> tuple[tuple[WordRule, bool], ...]:
        """Return the words that may speak in a context, each with whether it may overrule a single type."""
        return tuple(
            (rule, any(word in context for word in rule.within))
            for rule in self._rules.words
            if any(_covers(word, item) for word in rule.within for item in context)
        )

    @staticmethod
    def _last_word(
        text: str, speakers: tuple[tuple[WordRule, bool], ...], *, at_end: bool = False
    ) -> tuple[WordRule, bool, str] | None:
        """Return the word that says what a name is: the one that ends last, of those the longest.

        ``大学附属小学`` is a primary school, ``小学附属幼儿园`` a kindergarten.
        """
        best: tuple[int, int, WordRule, bool, str] | None = None
        for rule, overrules in speakers:
            for found in rule.pattern.finditer(text):
                if at_end and not ends_name(text, found.start(), found.end()):
                    continue
                key = (found.end(), len(found[0]))
                if best is None or key > best[:2]:
                    best = (*key, rule, overrules, found[0])
        return best[2:] if best else None

    def _hear_name(self, evidence: _Evidence, name: str) -> _Evidence:
        """Let the name narrow what tags or category left open, or overrule where a reviewed word says so."""
        context = (*evidence.types, *evidence.speakers)
        heard = self._last_word(name, self._speakers_for(context)) if name and context else None
        if heard is None:
            return evidence
        rule, overrules, word = heard
        told = evidence.because(f"name {word}")
        if overrules:
            return replace(told, types=self._sort(rule.types), maybe=rule.maybe)
        if evidence.types and set(evidence.types) <= set(rule.types):
            # nothing to choose, but the name may take away "or nothing"
            return replace(told, maybe=rule.maybe) if evidence.maybe else evidence
        if evidence.is_sized:
            return evidence
        if not evidence.types or (len(evidence.types) >= _TIE and rule.types):
            shared = [code for code in rule.types if code in evidence.types]
            return replace(told, types=self._sort(shared or rule.types), maybe=rule.maybe)
        # tags and name name different types of one family: a person decides
        return replace(told, types=self._sort((*evidence.types, *rule.types)), maybe=not rule.types)

    def _read_name(self, evidence: _Evidence, name: str) -> _Evidence:
        """Go by the name alone: only words that end the name count."""
        heard = self._last_word(name, self._speakers_for(("@name",)), at_end=True) if name else None
        if heard is None:
            return evidence
        rule, _, word = heard
        return replace(self._of_word(rule, f"name {word}"), basis=(*evidence.basis, f"name {word}"))

    def _veto(self, evidence: _Evidence, name: str) -> _Evidence:
        for rule in self._rules.vetoes if name and evidence.types else ():
            out = {code for code in evidence.types if any(_covers(word, code) for word in rule.within)}
            found = rule.pattern.search(name) if out else None
            if found:
                left = tuple(code for code in evidence.types if code not in out)
                evidence = replace(evidence, types=left).because(f"name {found[0]} rules out")
        return evidence

    def _size(self, evidence: _Evidence, area_m2: float | None) -> _Evidence:
        """Choose among types that differ by size alone: the largest whose least size is reached."""
        if area_m2 is None or evidence.is_sized or len(evidence.types) < _TIE:
            return evidence
        for ladder in self._rules.ladders:
            if set(evidence.types) <= set(ladder):
                reached = [code for code in evidence.types if area_m2 >= _least_m2(self._pack[code])]
                types = (max(reached, key=lambda code: _least_m2(self._pack[code])),) if reached else ()
                return replace(evidence, types=types, is_sized=True).because(f"size {area_m2:.0f} m2")
        return evidence

    def _close_private(self, evidence: _Evidence, tags: Mapping[str, str]) -> _Evidence:
        if tags.get("access") not in _NO_ENTRY or not evidence.types:
            return evidence
        left = tuple(code for code in evidence.types if code in self._rules.private)
        return evidence if left == evidence.types else replace(evidence, types=left).because(f"access={tags['access']}")

    @staticmethod
    def _conclude(evidence: _Evidence) -> Recognition:
        basis = "; ".join(evidence.basis) or "no evidence"
        if len(evidence.types) == 1 and not evidence.maybe:
            return Recognition(evidence.types[0], evidence.types, basis)
        return Recognition(None, evidence.types, basis)


def _covers(word: str, item: str) -> bool:
    """Whether ``within`` names a context: itself, or a family (``EDU_``) that the code belongs to."""
    return word == item or (word.endswith("_") and item.startswith(word))


def _least_m2(row: FacilityType) -> float:
    """Return the least ground area of a type, square metres; 0 where the pack names none."""
    if row.scale_unit in ("m2_land", "m2_effective") and row.scale_min is not None:
        return row.scale_min
    return row.land_m2_min if row.land_m2_min is not None else 0.0
