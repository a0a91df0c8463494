"""The reviewed rules by which a facility's type is recognised, read from ``data/recognition.csv``.

Each row of the table is one rule; ``match`` holds alternatives joined by ``|``, ``types`` what it may be, joined by
``|`` (``none`` alone: no type of the pack; ``none`` among others: one of these or nothing).

=========== ============================================================================================
kind        meaning of a row
=========== ============================================================================================
osm         a tag set ``key=value+key=value`` (value ``*``: any); stands in place of the pack's equal set
cat         a category word, category path (``科教文化服务;学校;小学``) or category code, compared whole
zh, en      a word (Chinese) or a regular expression (English) in a name or a category
veto        words or an expression (``veto-en``) that rule the types of ``within`` out
closed      words or an expression (``closed-en``) in a name that say the place is no longer, or not yet, there
private     types that count although only some may enter
ladder      types told apart by size alone, widest first
generic     category words that say nothing
=========== ============================================================================================

``within`` says where a word may speak: ``@cat`` in a category, ``@name`` in a name when nothing else is known, a
family (``EDU_``) to narrow its types, or a code to overrule that one type.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from geo.errors import DataError
from layers.catalog import resources
from layers.catalog.facility_type import parse_number, parse_tag_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from layers.catalog import FacilityType, Pack

NONE: Final = "none"

TagSet = tuple[tuple[str, str], ...]

# what may follow the word that ends a name: a branch, a gate number, a bracketed remark
_NAME_TAIL: Final = re.compile(
    r"\s*(?:[(\[【].*|[-—–·,].*|[东南西北中新老本总分][校院园部区馆]区?|[校分总]区"
    r"|(?:第|no\.? ?|#)?[0-9一二三四五六七八九十]+[号部期]?)?"
)
_OPENING: Final = frozenset("([【")
_CLOSING: Final = frozenset(")]】")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PUNCTUATION: Final = re.compile(r"[_/]+")


@dataclass(frozen=True, slots=True)
class TagRule:
    """A tag set and what it may be.

    Attributes
    ----------
    tags
        (key, value) pairs that must all hold.
    types, maybe
        Types it may be, and whether it may be nothing as well.
    speakers
        Families or codes among which a name may still decide.
    area_m2_min, area_m2_max
        Bounds on the ground area, square metres; a bounded rule needs a known area.
    weight
        How specific the rule is: tag values it asks for, then whether it asks for a size.
    """

    tags: TagSet
    types: tuple[str, ...]
    maybe: bool
    speakers: tuple[str, ...]
    area_m2_min: float | None
    area_m2_max: float | None
    weight: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        values = sum(len(value.split(";")) for _, value in self.tags)
        is_bounded = self.area_m2_min is not None or self.area_m2_max is not None
        object.__setattr__(self, "weight", (values, int(is_bounded)))

    @property
    def text(self) -> str:
        """The tag set as the pack writes it."""
        return "+".join(f"{key}={value}" for key, value in self.tags)

    def fits(self, tags: Mapping[str, str], area_m2: float | None) -> bool:
        """Whether an object with these tags and this area falls under the rule."""
        if self.weight[1]:
            if area_m2 is None:
                return False
            low = self.area_m2_min if self.area_m2_min is not None else 0.0
            high = self.area_m2_max if self.area_m2_max is not None else float("inf")
            if not low <= area_m2 < high:
                return False
        return all(key in tags and _value_fits(value, tags[key]) for key, value in self.tags)


@dataclass(frozen=True, slots=True)
class WordRule:
    """A word of names and categories and what it may mean.

    Attributes
    ----------
    pattern
        Compiled alternatives over folded text.
    types, maybe
        Types it may mean, and whether it may be nothing as well; no types means "nothing".
    within
        Where it may speak.
    """

    pattern: re.Pattern[str]
    types: tuple[str, ...]
    maybe: bool
    within: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Every reviewed rule, ready for use with one pack."""

    tag_rules: Mapping[tuple[str, str], tuple[TagRule, ...]]
    categories: Mapping[str, WordRule]
    words: tuple[WordRule, ...]
    vetoes: tuple[WordRule, ...]
    closed: re.Pattern[str]
    private: frozenset[str]
    ladders: tuple[tuple[str, ...], ...]
    generic: frozenset[str]
    titles: Mapping[str, str]
    tag_keys: frozenset[str]


def fold(text: str) -> str:
    """Return a name as it is compared: full-width and traditional forms folded, case folded, blanks single."""
    folded = unicodedata.normalize("NFKC", text).translate(_variants()).casefold()
    return " ".join(folded.split())


def fold_category(text: str) -> str:
    """Return a category as it is compared: like a name, with ``HealthClinics`` and ``health_clinics`` taken apart."""
    return fold(_PUNCTUATION.sub(" ", _CAMEL.sub(" ", text)))


def ends_name(text: str, start: int, end: int) -> bool:
    """Whether the word between ``start`` and ``end`` is what the name says the place is.

    ``第一小学(东校区)`` is a primary school and ``光谷广场(公交站)`` a bus stop, ``第一小学文具店`` is no school.
    """
    if text[start - 1 : start] in _OPENING and start > 0 and text[end:] in _CLOSING:
        return True
    return _NAME_TAIL.fullmatch(text, end) is not None


@lru_cache(maxsize=1)
def _variants() -> dict[int, str]:
    return {ord(row["traditional"]): row["simplified"] for row in resources.read_csv("han_variants.csv")}


def _value_fits(wanted: str, found: str) -> bool:
    if wanted in ("*", found):
        return True
    values = split_values(found)
    return all(part in values for part in wanted.split(";"))


@lru_cache(maxsize=4096)
def split_values(text: str) -> frozenset[str]:
    """Return the single values of a tag: ``1;2``, ``1,2`` and ``1-3`` hold several."""
    values: set[str] = set()
    for part in re.split(r"[;,]", text):
        value = part.strip()
        values.add(value)
        if span := re.fullmatch(r"(\d)\s*-\s*(\d)", value):
            values |= {str(number) for number in range(int(span[1]), int(span[2]) + 1)}
    return frozenset(values)


def read_rules(pack: Pack) -> Rules:
    """Return the reviewed rules joined with the tag sets and names of a pack.

    Parameters
    ----------
    pack
        The standards pack in force; a city file may have changed its tags and names.

    Raises
    ------
    DataError
        The shipped table names a type the pack does not have, or holds a rule of unknown kind.
    """
    rows = resources.read_csv("recognition.csv")
    _check_rows(rows, pack)
    of_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in _KINDS}
    tag_rules = _join_tag_rules(of_kind["osm"], pack.facility_types)
    return Rules(
        tag_rules=_by_first_tag(tag_rules),
        categories={
            fold(word): _word_rule(re.escape(word), row) for row in of_kind["cat"] for word in row["match"].split("|")
        },
        words=tuple(
            [_word_rule(_alternatives(row["match"]), row) for row in of_kind["zh"]]
            + [_word_rule(row["match"], row) for row in of_kind["en"]]
        ),
        vetoes=tuple(
            [_word_rule(_alternatives(row["match"]), row) for row in of_kind["veto"]]
            + [_word_rule(row["match"], row) for row in of_kind["veto-en"]]
        ),
        closed=re.compile(
            "|".join(
                [_alternatives(row["match"]) for row in of_kind["closed"]]
                + [row["match"] for row in of_kind["closed-en"]]
            )
        ),
        private=frozenset(code for row in of_kind["private"] for code in row["match"].split("|")),
        ladders=tuple(tuple(row["match"].split("|")) for row in of_kind["ladder"]),
        generic=frozenset(fold(word) for row in of_kind["generic"] for word in row["match"].split("|")),
        titles=_titles(pack.types),
        tag_keys=frozenset(key for rule in tag_rules for key, _ in rule.tags),
    )


_KINDS: Final = ("osm", "cat", "zh", "en", "veto", "veto-en", "closed", "closed-en", "private", "ladder", "generic")


def _check_rows(rows: Iterable[Mapping[str, str]], pack: Pack) -> None:
    for row in rows:
        listed = row["match"] if row["kind"] in ("private", "ladder") else row["types"]
        unknown = [code for code in listed.split("|") if code not in ("", NONE) and code not in pack.codes]
        if row["kind"] not in _KINDS or unknown:
            found = f"type {unknown[0]}" if unknown else f"kind {row['kind']}"
            raise DataError(f"Reading recognition.csv: {found} of row {row['match']!r} is not known")


def _split_types(text: str) -> tuple[tuple[str, ...], bool]:
    words = tuple(filter(None, text.split("|")))
    types = tuple(word for word in words if word != NONE)
    return types, NONE in words and bool(types)


def _alternatives(words: str) -> str:
    # longest first: an alternation takes the first that fits
    return "|".join(re.escape(fold(word)) for word in sorted(words.split("|"), key=len, reverse=True))


def _word_rule(pattern: str, row: Mapping[str, str]) -> WordRule:
    types, maybe = _split_types(row["types"])
    within = tuple(filter(None, row["within"].split("|")))
    return WordRule(pattern=re.compile(pattern), types=types, maybe=maybe, within=within)


def _join_tag_rules(rows: Iterable[Mapping[str, str]], types: Iterable[FacilityType]) -> list[TagRule]:
    reviewed = [rule for row in rows for rule in _read_tag_rules(row)]
    ruled = {frozenset(rule.tags) for rule in reviewed}
    packed: dict[TagSet, list[str]] = {}
    for item in types:
        for tags in item.tag_sets:
            if frozenset(tags) not in ruled:
                packed.setdefault(tags, []).append(item.code)
    return reviewed + [
        TagRule(tags=tags, types=tuple(codes), maybe=False, speakers=(), area_m2_min=None, area_m2_max=None)
        for tags, codes in packed.items()
    ]


def _read_tag_rules(row: Mapping[str, str]) -> list[TagRule]:
    types, maybe = _split_types(row["types"])
    return [
        TagRule(
            tags=tags,
            types=types,
            maybe=maybe,
            speakers=tuple(filter(None, row["within"].split("|"))),
            area_m2_min=parse_number("area_min_m2", row["area_min_m2"]),
            area_m2_max=parse_number("area_max_m2", row["area_max_m2"]),
        )
        for tags in parse_tag_sets(row["match"])
    ]


def _by_first_tag(rules: Iterable[TagRule]) -> dict[tuple[str, str], tuple[TagRule, ...]]:
    by_tag: dict[tuple[str, str], list[TagRule]] = {}
    for rule in rules:
        key, value = rule.tags[0]
        by_tag.setdefault((key, value.split(";")[0]), []).append(rule)
    return {start: tuple(found) for start, found in by_tag.items()}


def _titles(types: Iterable[FacilityType]) -> dict[str, str]:
    """Return folded codes and names to codes; a name in two rows (``老年服务中心``) stays out."""
    titles: dict[str, str | None] = {}
    for row in types:
        words = {row.code, row.name_zh, row.name_en, re.split(r"[(（]", row.name_zh)[0]}
        for word in {fold(word) for word in words}:
            titles[word] = row.code if titles.get(word, row.code) == row.code else None
    return {word: code for word, code in titles.items() if code is not None}
