"""Which encoding a text file is in: declared, marked, or found by decoding all of it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

from geo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_GUESS_BYTES = 1 << 18
_FEW = 0.05  # broken letters among foreign ones that a UTF-8 file may have and still be UTF-8
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAME = {
    "936": "gb18030",
    "cp936": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "gb18030": "gb18030",
    "ansi 936": "gb18030",
    "utf8": "utf-8",
    "65001": "utf-8",
    "950": "big5",
    "932": "cp932",
}


def name_encoding(name: str, *, what: str) -> str:
    """Return Python's name for an encoding; GBK and GB2312 become their superset GB18030.

    Raises
    ------
    DataError
        There is no such encoding.
    """
    wanted = _SAME.get(name.strip().lower(), name.strip().lower())
    try:
        codecs.lookup(wanted)
    except LookupError as fault:
        raise DataError(
            f"Reading {what}: there is no text encoding {name!r}.",
            hint="use --encoding utf-8, gbk, gb18030 or big5",
            parameter="encoding",
        ) from fault
    return wanted


def find_encoding(path: Path, *, given: str | None = None) -> str:
    """Find the encoding of a text file.

    Parameters
    ----------
    path
        The file; it is read through once unless the encoding is given or marked.
    given
        What the caller says, or None.

    Returns
    -------
    ``utf-8`` where (nearly) all of the file is; else ``gb18030`` where all of it is; else a statistical guess.

    Raises
    ------
    DataError
        The given encoding does not exist, or none fits.
    """
    if given is not None:
        return name_encoding(given, what=path.name)
    with path.open("rb") as file:
        head = file.read(4)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    return find_encoding_of(lambda: _chunks(path), name=path.name)


def find_encoding_of(read: Callable[[], Iterator[bytes]], *, name: str) -> str:
    """Find the encoding of bytes given as a function that yields them in chunks."""
    broken, foreign = _count_broken(read(), "utf-8")
    if broken == 0 or broken <= _FEW * foreign:
        return "utf-8"
    broken_gb, foreign_gb = _count_broken(read(), "gb18030")
    if broken_gb == 0 or broken_gb <= _FEW * foreign_gb:
        return "gb18030"
    sample = next(read(), b"")[:_GUESS_BYTES]
    best = from_bytes(sample).best()
    if best is None:
        raise DataError(f"Reading {name}: the text encoding cannot be recognised.", hint="say it with --encoding")
    return str(best.encoding)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _count_broken(chunks: Iterator[bytes], encoding: str) -> tuple[int, int]:
    """Count undecodable spots and letters outside ASCII."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    broken = foreign = 0
    for chunk in chunks:
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(chunk)
        broken += text.count("\ufffd")
        foreign += len(text) - len(text.encode("ascii", "ignore"))
    broken += decoder.decode(b"", final=True).count("\ufffd")
    return broken, foreign
