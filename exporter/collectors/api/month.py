"""The month that costs are of, in the provider's time zone."""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Month(NamedTuple):
    """When a month begins and ends, in Unix seconds."""

    start: float
    end: float


def month_of(time: float, zone: ZoneInfo) -> Month:
    """Return the month that a moment is in."""
    now = datetime.fromtimestamp(time, zone)
    first = datetime(now.year, now.month, 1, tzinfo=zone)
    later = first + timedelta(days=32)
    return Month(first.timestamp(), datetime(later.year, later.month, 1, tzinfo=zone).timestamp())


def next_midnight(time: float, zone: ZoneInfo) -> float:
    """Return when the day after a moment begins, in Unix seconds."""
    now = datetime.fromtimestamp(time, zone)
    later = datetime(now.year, now.month, now.day, 12, tzinfo=zone) + timedelta(days=1)
    return datetime(later.year, later.month, later.day, tzinfo=zone).timestamp()
