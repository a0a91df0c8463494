"""Text of files as a person may be shown it: nothing in it steers a terminal or hides what stands there."""

from __future__ import annotations

import re

# C0 and C1 controls, line and paragraph separators, what turns the writing direction, halves of characters.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def has_control(text: str) -> bool:
    """Return whether a text holds a character that shows nothing and does something."""
    return CONTROL.search(text) is not None


def escape_control(text: str, *, keep: str = "") -> str:
    r"""Return a text with control characters written out, as ``\x1b`` or ``\u202e``.

    Parameters
    ----------
    text
        Of a file or a caller.
    keep
        Control characters that may stay, such as the ends of lines.
    """

    def write(found: re.Match[str]) -> str:
        sign = found[0]
        if sign in keep:
            return sign
        return f"\\x{ord(sign):02x}" if ord(sign) < 0x100 else f"\\u{ord(sign):04x}"

    return CONTROL.sub(write, text)
