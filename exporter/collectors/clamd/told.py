"""What clamd says of its version and of its work, as figures."""

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

_VERSION: Final = re.compile(r"ClamAV ([0-9A-Za-z.+~_-]{1,40})(?:/([0-9]{1,9})/(.{1,40}))?")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# as ctime writes it in the locale C, whatever the locale of the exporter is
_TIME: Final = re.compile(
    rf"[A-Z][a-z]{{2}} ({'|'.join(_MONTHS)}) ([ 0-9][0-9]) ([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}}) ([0-9]{{4}})"
)
_POOL: Final = re.compile(
    r"STATE: (?:VALID|INVALID|EXIT)( PRIMARY)?\s+"
    r"THREADS: live ([0-9]{1,9})\s+idle ([0-9]{1,9})\s+max ([0-9]{1,9})[^\n]*\n\s*QUEUE: ([0-9]{1,9}) items"
)


@dataclass(frozen=True, slots=True)
class Version:
    """The program's version, and number and time of the daily signatures that it has loaded, None for none."""

    program: str
    signatures: int | None
    built: float | None


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool of threads that scan."""

    primary: bool
    live: int
    idle: int
    most: int
    queue: int


def version_in(answer: str, zone: tzinfo | None) -> Version | None:
    """Return what the answer to VERSION says, None where it is none; its time is read in the zone, or in our own."""
    found = _VERSION.fullmatch(answer.strip())
    if found is None:
        return None
    return Version(found[1], int(found[2]) if found[2] else None, _time_in(found[3] or "", zone))


def _time_in(text: str, zone: tzinfo | None) -> float | None:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    month, day, hour, minute, second, year = found.groups()
    try:
        local = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))  # noqa: DTZ001
        return local.replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def pools_in(answer: str) -> list[Pool]:
    """Return the pools that the answer to STATS tells of; what is scanned there is passed over."""
    return [
        Pool(bool(primary), int(live), int(idle), int(most), int(queue))
        for primary, live, idle, most, queue in _POOL.findall(answer)
    ]
