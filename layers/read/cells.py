"""Single values: text, numbers, dates and choices, as people in offices really write them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from math import isfinite, isnan
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff]")
# of several texts, one a line: a character to take out, a blank at either end, or nothing at all
_UNCLEAN = re.compile(_CONTROL.pattern + r"|^\s|\s$|^$", re.MULTILINE)
_BLANK_WORDS = frozenset(
    {
        "",
        "null",
        "none",
        "nan",
        "n/a",
        "na",
        "#n/a",
        "#ref!",
        "#value!",
        "#div/0!",
        "#name?",
        "-",
        "--",
        "—",
        "/",
        "\\",
        "无数据",
        "空",
        "<null>",
    }
)
_UNITS = re.compile(r"(?:人|户|层|套|张|床|位|个|座|栋|f|m2|m²|平方米|平米|㎡|km/h)$", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_YES = frozenset({"yes", "y", "true", "t", "1", "1.0", "on", "是", "有", "真", "对"})
_NO = frozenset({"no", "n", "false", "f", "0", "0.0", "off", "否", "无", "没有", "假", "不"})
_CHOICES: dict[str, dict[str, str]] = {
    "opens_to": {
        **dict.fromkeys(("all", "public", "yes", "everyone", "所有人", "全部", "公众", "开放", "公共", "所有"), "all"),
        **dict.fromkeys(
            (
                "residents",
                "resident",
                "private",
                "residents only",
                "居民",
                "业主",
                "住户",
                "本小区居民",
                "小区居民",
                "仅居民",
            ),
            "residents",
        ),
    },
    "supply": {
        **dict.fromkeys(("public", "government", "公办", "公立", "政府", "公共", "公益", "国有"), "public"),
        **dict.fromkeys(
            ("market", "private", "commercial", "民办", "私立", "市场", "商业", "社会办", "经营性"), "market"
        ),
        **dict.fromkeys(
            ("contracted", "contract", "委托", "购买服务", "政府购买服务", "公建民营", "普惠"), "contracted"
        ),
        **dict.fromkeys(("shared", "共享", "错时共享", "错时开放", "对外开放", "合用"), "shared"),
    },
}
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?号?|月)?|年)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_WESTERN = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_TIME = re.compile(
    r"(?:(上午|下午|凌晨|晚上|中午)\s*)?(\d{1,2})[::时](\d{1,2})分?(?:[::]?(\d{1,2})(?:[.,](\d{1,9}))?秒?)?\s*(am|pm)?"
    r"\s*(z|utc|[+-]\d{2}:?\d{2}|[+-]\d{2})?$",
    re.IGNORECASE,
)
_EXCEL_DAY_ZERO: Final = date(1899, 12, 30)
_EXCEL_DAYS = range(18_264, 73_051)  # 1950 to 2099; Excel's day numbers of other years are likelier years or codes
CHINA_TIME: Final = timezone(timedelta(hours=8))


def fold(value: object) -> str:
    """Return a cell as it is compared: half-width, trimmed."""
    return unicodedata.normalize("NFKC", str(value)).strip()


def read_text(value: object) -> str | None:
    """Return a cell as text without control characters and outer blanks, None where nothing is left.

    Whole floats lose their ``.0``: Excel keeps every number as a float, and a house number is no float.
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    text = value if isinstance(value, str) else str(value)
    if _CONTROL.search(text):
        text = _CONTROL.sub("", text)
    return text.strip() or None


def are_clean(values: Sequence[object]) -> bool:
    """Tell whether all cells are texts, or None, that :func:`read_text` would return as they are."""
    if not set(map(type, values)) <= {str, type(None)}:
        return False
    texts = [value for value in values if value is not None]
    joined = "\n".join(texts)  # type: ignore[arg-type]
    # a text of several lines, or with another mark that ends a line, is left to the careful way
    if not texts or joined.count("\n") != len(texts) - 1:
        return False
    if "".join(texts).isprintable():  # type: ignore[arg-type]
        # then there is no other blank than a space, and the expression need not look at every letter
        framed = f"\n{joined}\n"
        return "\n " not in framed and " \n" not in framed and "\n\n" not in framed
    return _UNCLEAN.search(joined) is None


def has_control(value: object) -> bool:
    """Tell whether a cell holds characters that a database text cannot or should not hold."""
    return isinstance(value, str) and _CONTROL.search(value) is not None


def read_identity(value: object) -> str | None:
    """Return an identity as text, half-width; leading zeros kept."""
    text = read_text(value)
    if text is None or text.isascii():
        return text
    return fold(text) or None


def read_identities(values: Sequence[object]) -> list[str | None]:
    """Return a column of identities, each as :func:`read_identity` does."""
    if are_clean(values) and all(map(str.isascii, filter(None, values))):  # type: ignore[arg-type]
        return list(values)  # type: ignore[arg-type]
    return [read_identity(value) for value in values]


def is_nothing(value: object) -> bool:
    """Tell whether a cell says that there is no value, by blanks or by a word for it."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return True
    if not isinstance(value, str):
        return False
    return (value.strip() if value.isascii() else fold(value)).lower() in _BLANK_WORDS


def read_number(value: object) -> float:
    """Read a number, also ``1,234``, ``６层`` or ``12人``.

    Raises
    ------
    ValueError
        It is no finite number.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and value.isascii() and value.isdecimal()):
        number = float(value)  # type: ignore[arg-type]
    else:
        text = _UNITS.sub("", fold(_CONTROL.sub("", str(value)))).strip()
        if "_" in text:  # Python would take it for a thousands mark
            raise ValueError("no number")
        number = float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    if not isfinite(number):
        raise ValueError("not finite")
    return number


def read_boolean(value: object) -> bool:
    """Read yes or no in English or Chinese, or 1 and 0.

    Raises
    ------
    ValueError
        It is neither.
    """
    word = fold(value).lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError("neither yes nor no")


def read_choice(value: object, column: str, allowed: tuple[str, ...]) -> str:
    """Read one of a column's words, also by its usual Chinese and English synonyms.

    Raises
    ------
    ValueError
        It is none of them.
    """
    word = fold(value).lower()
    if word in allowed:
        return word
    known = _CHOICES.get(column, {}).get(word)
    if known is None:
        raise ValueError(f"expected {', '.join(allowed)}")
    return known


def read_date(value: object, *, day_first: bool = False) -> date:
    """Read a date: ISO, ``2024/1/2``, ``20240102``, ``2024年1月2日``, ``2024年1月``, a year, an Excel day number.

    Parameters
    ----------
    value
        The cell.
    day_first
        How ``3/4/2024`` is meant: 3 April if true, 4 March if not.

    Raises
    ------
    ValueError
        It is no date between the years 1000 and 2999.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_date(float(value))
    text = fold(_CONTROL.sub("", str(value)))
    day, rest = _split_date(text, day_first=day_first)
    if rest and not _TIME.fullmatch(rest):
        raise ValueError("something follows the date")
    return day


def _number_date(number: float) -> date:
    if int(number) in _EXCEL_DAYS:
        return _EXCEL_DAY_ZERO + timedelta(days=int(number))
    if number.is_integer():
        day, rest = _split_date(str(int(number)), day_first=False)
        if not rest:
            return day
    raise ValueError("no day number")


def _split_date(text: str, *, day_first: bool) -> tuple[date, str]:
    """Return the date a text begins with, and what follows it."""
    if match := _COMPACT.match(text):
        parts = [int(part) for part in match.groups()]
    elif match := _WESTERN.match(text):
        first, second, year = (int(part) for part in match.groups())
        is_day_first = first > 12 or (day_first and second <= 12)
        parts = [year, second, first] if is_day_first else [year, first, second]
    elif match := _DATE.match(text):
        parts = [int(part or 1) for part in match.groups()]
    else:
        raise ValueError("no date")
    if not 1000 <= parts[0] <= 2999:
        raise ValueError("no year of our time")
    return date(*parts), text[match.end() :].lstrip(" Tt")


def read_timestamp(value: object, *, zone: timezone = UTC, day_first: bool = False) -> datetime:
    """Read a moment; where the cell names no zone it is local time in ``zone``.

    Parameters
    ----------
    value
        The cell: any date of :func:`read_date`, alone or followed by a time (``13:05``, ``1:05:09 PM``, ``下午1时5分``,
        with ``Z`` or ``+08:00``).
    zone
        Offset of the place the data come from.
    day_first
        As in :func:`read_date`.

    Returns
    -------
    The moment in UTC.

    Raises
    ------
    ValueError
        It is no moment.
    """
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    if isinstance(value, float) and int(value) in _EXCEL_DAYS:
        midnight = datetime.combine(_number_date(value), datetime.min.time(), tzinfo=zone)
        return (midnight + timedelta(seconds=round(value % 1 * 86_400))).astimezone(UTC)
    if isinstance(value, (int, float, date)):
        return datetime.combine(read_date(value), datetime.min.time(), tzinfo=zone).astimezone(UTC)
    day, rest = _split_date(fold(_CONTROL.sub("", str(value))), day_first=day_first)
    if not rest:
        return datetime.combine(day, datetime.min.time(), tzinfo=zone).astimezone(UTC)
    return _add_time(day, rest, zone)


def _add_time(day: date, text: str, zone: timezone) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("no time of day")
    word, hour, minute, second, part, half, offset = match.groups()
    hours = int(hour)
    is_after_noon = (half or "").lower() == "pm" or word in {"下午", "晚上"}
    if is_after_noon and hours < 12:
        hours += 12
    elif ((half or "").lower() == "am" or word == "凌晨") and hours == 12:
        hours = 0
    micro = int((part or "0").ljust(6, "0")[:6])
    moment = datetime(day.year, day.month, day.day, hours, int(minute), int(second or 0), micro, _offset(offset, zone))
    return moment.astimezone(UTC)


def _offset(text: str | None, zone: timezone) -> timezone:
    if text is None:
        return zone
    if text.lower() in {"z", "utc"}:
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def is_day_first(values: object) -> bool:
    """Tell from a column's texts whether ``a/b/2024`` is written day first: some a is above 12 and no b is."""
    firsts = seconds = False
    for value in values if isinstance(values, (list, tuple)) else ():
        match = _WESTERN.match(value) if isinstance(value, str) else None
        if match:
            firsts = firsts or int(match.group(1)) > 12
            seconds = seconds or int(match.group(2)) > 12
    return firsts and not seconds
