"""Values of JSON and of databases to what a sample holds: numbers, and the texts of labels."""

import math
import re
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import Any, Final

from exporter.mapping import Convert

_LONGEST_LABEL: Final = 200
_EXACT: Final = 2**53  # larger whole numbers are no different to Prometheus from their neighbours
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WORD = re.compile(r"[\w.-]{1,30}")
_WORDS: Final = {"true": 1, "false": 0}


def number_of(value: Any, convert: Convert, scale: float) -> int | float | None:
    """Return the number in a value, None where it is not known; ValueError says what was expected."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, date) or convert not in ("number", "text"):
        number = _time(value, convert)
    else:
        number = _plain(value, convert)
    if number is None or math.isnan(number):
        return None
    scaled = number if scale == 1 else number * scale
    if math.isinf(scaled):
        raise ValueError("one that is not as large as that")
    return scaled


def _plain(value: Any, convert: Convert) -> int | float:
    if isinstance(value, str) and convert == "text":
        return _in_text(value.strip())
    if not isinstance(value, int | float):
        remedy = ", or `convert: text`, or `states`" if isinstance(value, str) and convert == "number" else ""
        raise ValueError(f"a number{remedy}")
    return int(value) if abs(value) <= _EXACT and isinstance(value, int) else _float(value)


def _in_text(text: str) -> int | float:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.lower() == "nan":
        return math.nan
    if not _NUMBER.fullmatch(text) or len(text) > 400:
        raise ValueError("a number as text")
    return int(text) if text.isdecimal() and len(text) < 16 else _float(text)


def _float(value: int | float | str) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _time(value: Any, convert: Convert) -> float | None:
    time = _moment(value)
    if time.year == 1:  # what Go writes for never
        return None
    if time.tzinfo is None and convert not in ("time_utc", "time_local"):
        raise ValueError("a time zone in it, or `convert: time_utc` or `time_local`")
    try:
        return (time.replace(tzinfo=UTC) if time.tzinfo is None and convert == "time_utc" else time).timestamp()
    except (OverflowError, OSError):
        raise ValueError("a time that this machine can tell") from None


def _moment(value: Any) -> datetime:
    if isinstance(value, date):
        return value if isinstance(value, datetime) else datetime.combine(value, clock_time.min)
    if not isinstance(value, str):
        raise ValueError("a time as text, such as 2026-11-25T10:00:00Z; a number needs only `scale`")
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("a time such as 2026-11-25T10:00:00Z") from None


def label_of(value: Any) -> str:
    """Return the text of a label; what is not there is an empty one, as Prometheus has it. ValueError as above."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError("text or a number")
    text = value if isinstance(value, str) else _digits(value)
    if len(text) > _LONGEST_LABEL:
        raise ValueError(f"{_LONGEST_LABEL} characters at most")
    return text


def _digits(number: int | float) -> str:
    whole = isinstance(number, float) and number.is_integer() and abs(number) <= _EXACT
    return str(int(number) if whole else number)


def shown(value: Any) -> str:
    """Return a value that is a mere word as it may stand in a reason, in quotes; nothing of any other."""
    return f" {value!r}" if isinstance(value, str) and _WORD.fullmatch(value) else ""
