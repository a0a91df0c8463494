"""Whether people live in a building, judged by the words of its use in several languages."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final, Literal

from layers.catalog.resources import read_csv

Verdict = Literal["yes", "no", "unknown"]

CLASS_OF: Final = {"yes": 2, "unknown": 1, "no": 0}
"""Verdict as a number: people are put on the highest class that an area holds."""


def judge_use(use: str | None) -> Verdict:
    """Return whether a use means that people live there.

    A word that rules dwellings out (``parking``, ``vacant``) wins over one that names them; a use without any word of
    the table is something else than living.

    Parameters
    ----------
    use
        As the file gives it, any language; None or blank is unknown.
    """
    text = _fold(use or "")
    if not text.strip():
        return "unknown"
    found = {verdict for word, verdict in _words() if word in text}
    for verdict in ("no", "yes", "unknown"):
        if verdict in found:
            return verdict
    return "no"


@lru_cache(maxsize=1)
def _words() -> tuple[tuple[str, Verdict], ...]:
    verdicts: dict[str, Verdict] = {"yes": "yes", "no": "no", "unknown": "unknown"}
    return tuple((_pattern(row["word"]), verdicts[row["residential"]]) for row in read_csv("residential_use.csv"))


def _pattern(word: str) -> str:
    """Return a word as it is searched for: whole words in alphabets, any place in Chinese characters."""
    folded = _fold(word)
    return folded.strip() if any("\u3040" <= sign <= "\u9fff" for sign in word) else folded


def _fold(text: str) -> str:
    """Return text in small letters, with one blank between words and at both ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return f" {' '.join(''.join(sign if sign.isalnum() else ' ' for sign in folded).split())} "
