"""The numbers and times in headers of limits: each sender has its own form of when a limit is whole again."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9})?")
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h|d))+")
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h|d)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
UNLIMITED: Final = 9e18
"""The largest number that 64 bits hold is more: it stands for no limit."""
_EPOCH: Final = 1e9  # seconds since 1970 are more than that, seconds from now are not
EPOCH_MS: Final = 1e12
"""Milliseconds since 1970 are more than that, seconds are not."""
_LONGEST_AGO: Final = 3600.0
_LONGEST: Final = 366 * 86400.0


def amount(text: str) -> float | None:
    """Return a number; None where it is none, negative (which is how some say that they do not know), or no limit.

    The same one several times is what a header that was sent twice looks like.
    """
    same = {part.strip() for part in text.split(",")}
    number = same.pop() if len(same) == 1 else ""
    if not _NUMBER.fullmatch(number) or float(number) >= UNLIMITED:
        return None
    return float(number)


def first_amount(text: str) -> float | None:
    """Return a limit, which may be followed by all its policies, as `100, 100;w=60`."""
    first, comma, rest = text.partition(",")
    return amount(first) if comma and ";" in rest else amount(text)


def moment(text: str, now: float) -> float | None:
    """Return when a limit is whole again, in Unix seconds: told as such, in milliseconds, as a date, or from now on."""
    at = _moment(text.strip(), now)
    return None if at is None else near(at, now)


def near(at: float, now: float) -> float | None:
    """Return a time that a limit may be whole again at, None where it cannot be that."""
    return at if now - _LONGEST_AGO <= at <= now + _LONGEST else None


def _moment(text: str, now: float) -> float | None:
    number = amount(text)
    if number is not None:
        if number >= _EPOCH:
            return number / 1000 if number >= EPOCH_MS else number
        return now + number
    if len(text) <= 40 and _DURATION.fullmatch(text):
        return now + sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    return _date(text)


def _date(text: str) -> float | None:
    """Return a time as RFC 3339 has it, or as HTTP does."""
    try:
        rfc3339 = re.match(r"\d{4}-\d\d-\d\d[Tt ]", text)
        told = datetime.fromisoformat(text) if rfc3339 else parsedate_to_datetime(text)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
