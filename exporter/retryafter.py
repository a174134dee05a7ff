"""How long an HTTP answer asks to be left alone."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

from exporter.fetch import Reply

LONGEST_WAIT: Final = 3600.0
"""Seconds that an answer's own words may keep us away: a wrong one must not blind us for a month."""
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def wait_of(reply: Reply) -> float:
    """Return the seconds that an answer's Retry-After asks for, 0 where it has none that is understood.

    RFC 9110, 10.2.3: a number of seconds, which some give parts of, or a date, which is measured by the answer's own
    clock where that is told.
    """
    told = reply.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(told):
        return min(LONGEST_WAIT, float(told))
    until, now = _time_of(told), _time_of(reply.headers.get("date", ""))
    if until is None:
        return 0.0
    return min(LONGEST_WAIT, max(0.0, until - (time.time() if now is None else now)))


def _time_of(date: str) -> float | None:
    """Return the Unix seconds of a date as HTTP has it."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
