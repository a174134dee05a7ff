"""Times in lines: found by themselves or by a pattern, as seconds since 1970."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from exporter.collectors.log.settings import FollowedLog

_REACH: Final = 512  # bytes of a line in which a time stands
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_CLOCK: Final = r"(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
_ZONE: Final = r" ?(Z|UTC|[+-]\d\d:?\d\d)?"
_ISO: Final = re.compile(rf"(\d{{4}})[-/](\d\d)[-/](\d\d)[T ]{_CLOCK}{_ZONE}", re.ASCII)
_HTTPD: Final = re.compile(rf"(\d\d)/([A-Z][a-z]{{2}})/(\d{{4}}):{_CLOCK}{_ZONE}", re.ASCII)
_SYSLOG: Final = re.compile(rf"([A-Z][a-z]{{2}}) ([ \d]\d) {_CLOCK}", re.ASCII)
_MILLISECONDS: Final = 1e11  # a number above it is no second of this age

Search = Callable[[bytes], str | None]


class Clock:
    """How a log writes its times."""

    def __init__(self, settings: "FollowedLog", search: Search | None) -> None:
        self._zone: tzinfo | None = ZoneInfo(settings.timezone) if settings.timezone else None
        self._format = settings.time_format
        self._search = search

    def of_line(self, line: bytes) -> float | None:
        """Return the time in a line of text."""
        if self._search is None:
            return self.of_value(line[:_REACH].decode("utf-8", "replace"), anywhere=True)
        found = self._search(line)
        return None if found is None else self.of_value(found)

    def of_value(self, value: Any, anywhere: bool = False) -> float | None:
        """Return the time that a field or a piece of text tells; None where it tells none."""
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return _epoch(float(value))
            if not isinstance(value, str):
                return None
            if self._format and not anywhere:
                return self._seconds(datetime.strptime(value.strip(), self._format))  # noqa: DTZ007  # zoned below
            return self._found(value, anywhere)
        except (ValueError, OverflowError, OSError):
            return None

    def _found(self, text: str, anywhere: bool) -> float | None:
        if anywhere and (found := _SYSLOG.match(text)):
            return self._of_syslog(*found.groups())
        iso, httpd = _ISO.search(text), _HTTPD.search(text)
        if iso and not (httpd and httpd.start() < iso.start()):  # behind the line's own time a client may write any
            year, month, day, *clock = iso.groups()
            return self._moment(int(year), int(month), int(day), *clock)
        if httpd:
            day, name, year, *clock = httpd.groups()
            return self._moment(int(year), _MONTHS.get(name, 0), int(day), *clock)
        return None if anywhere else _epoch(float(text))

    def _of_syslog(self, name: str, day: str, *clock: str | None) -> float | None:
        """Return a time without a year: the last one that it can have been."""
        if name not in _MONTHS:
            return None
        now = datetime.now(self._zone or UTC)
        seconds = self._moment(now.year, _MONTHS[name], int(day), *clock, None)
        return seconds if seconds < now.timestamp() + 86_400 else self._moment(
            now.year - 1, _MONTHS[name], int(day), *clock, None
        )  # fmt: skip

    def _moment(self, year: int, month: int, day: int, *clock: str | None) -> float:
        hour, minute, second, fraction, zone = clock
        moment = datetime(year, month, day, int(hour or 0), int(minute or 0), min(int(second or 0), 59))  # noqa: DTZ001
        seconds = self._seconds(moment) if zone is None else moment.replace(tzinfo=UTC).timestamp() - _offset(zone)
        return seconds + (float(f"0.{fraction}") if fraction else 0.0)

    def _seconds(self, moment: datetime) -> float:
        if moment.tzinfo is None and self._zone is not None:
            moment = moment.replace(tzinfo=self._zone)
        return moment.timestamp()  # a time without a zone is the exporter's own


def _epoch(number: float) -> float | None:
    seconds = number / 1000 if number > _MILLISECONDS else number
    return seconds if 0 < seconds < _MILLISECONDS else None


def _offset(zone: str) -> float:
    if zone in ("Z", "UTC"):
        return 0.0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)
