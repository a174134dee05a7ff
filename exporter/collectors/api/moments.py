"""The times that an address can ask for, as reports of a month or a day want them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from exporter.collectors.api.month import month_of

_MOMENTS: Final = ("month", "day", "yesterday", "now")
NAMES: Final = tuple(f"{moment}{form}" for moment in _MOMENTS for form in ("", "_unix", "_date"))
"""What may stand in double braces."""


def moments(now: float, zone: ZoneInfo) -> Mapping[str, str]:
    """Return the times by name: when the month, the day and the day before began, and now."""
    here = datetime.fromtimestamp(now, zone)
    yesterday = here - timedelta(days=1)
    known = {
        "month": datetime.fromtimestamp(month_of(now, zone).start, zone),
        "day": datetime(here.year, here.month, here.day, tzinfo=zone),
        "yesterday": datetime(yesterday.year, yesterday.month, yesterday.day, tzinfo=zone),
        "now": here.replace(microsecond=0),
    }
    return {name: text for moment, at in known.items() for name, text in _forms(moment, at)}


def _forms(moment: str, at: datetime) -> list[tuple[str, str]]:
    rfc3339 = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [(moment, rfc3339), (f"{moment}_unix", str(int(at.timestamp()))), (f"{moment}_date", f"{at:%Y-%m-%d}")]
