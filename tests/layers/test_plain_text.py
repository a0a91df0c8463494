"""Text of files on its way to a person."""

from __future__ import annotations

from layers.plain_text import escape_control, has_control


def test_what_steers_a_terminal_is_written_out() -> None:
    assert escape_control("a\x1b[31mb\x00\x9b\u202e\ud800") == "a\\x1b[31mb\\x00\\x9b\\u202e\\ud800"
    assert escape_control("one\ntwo\r", keep="\n") == "one\ntwo\\x0d"


def test_ordinary_writing_stays() -> None:
    ordinary = "武汉市　第一小学 – “Ü” 😀 \\x1b"
    assert escape_control(ordinary) == ordinary
    assert not has_control(ordinary)
    assert has_control("a\tb")
