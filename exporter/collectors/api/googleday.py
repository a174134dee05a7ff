"""The day that Google's daily quotas are of: it begins at midnight in California, which changes its clocks."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporter.collector import Unable
from exporter.collectors.api.month import next_midnight
from exporter.retryafter import LONGEST_WAIT

_ZONE: Final = "America/Los_Angeles"
_LATER: Final = 60.0  # seconds after midnight: Google's clock is not ours


def pacific() -> ZoneInfo:
    """Return the time zone of Google's days; Unable where this machine has no time zones."""
    try:
        return ZoneInfo(_ZONE)
    except (ZoneInfoNotFoundError, OSError):
        raise Unable(f"this machine does not know the time zone {_ZONE}", "install tzdata") from None


def day_began(now: float) -> float:
    """Return when Google's day began that a moment is in, in Unix seconds."""
    zone = pacific()
    moment = datetime.fromtimestamp(now, zone)
    return datetime(moment.year, moment.month, moment.day, tzinfo=zone).timestamp()


def day_ends(now: float) -> float:
    """Return when the next of Google's days begins, in Unix seconds."""
    return next_midnight(now, pacific())


def day_ends_or_none(now: float) -> float | None:
    """Return when the next of Google's days begins; None where this machine cannot tell."""
    try:
        return day_ends(now)
    except Unable:
        return None


def until_worth_asking(now: float) -> float:
    """Return the seconds until a daily quota that is used up may be whole again: an hour, as people raise it."""
    ends = day_ends_or_none(now)
    return LONGEST_WAIT if ends is None else min(LONGEST_WAIT, ends + _LATER - now)
