"""Calendar rules, as systemd's timers have them: which days and times of the wall clock a task is for."""

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from exporter.zones import zone_named

_YEARS: Final = 41  # so long it may take until a 29 February is a Sunday
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS: Final = {
    "daily": "*-*-*", "weekly": "mon *-*-*", "monthly": "*-*-01", "quarterly": "*-01,04,07,10-01",
    "yearly": "*-01-01",
}  # fmt: skip
_ORDINALS: Final = {"first": "-1..7", "second": "-8..14", "third": "-15..21", "fourth": "-22..28", "last": "~1..7"}
_DATE: Final = re.compile(r"(?:([^-~ ]+)-)?([^-~ ]+)([-~])([^-~ ]+)")
_TIME: Final = re.compile(r"([0-9,./*]+):([0-9]{1,2})(?::00?)?")
_PART: Final = re.compile(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?(?:/([0-9]{1,4}))?")
_EXAMPLE: Final = "expected one such as `Sat *-*-1..7 02:00`, `first saturday 02:00`, `Mon..Fri 09:00` or `quarterly`"
_LOCALTIME: Final = "/etc/localtime"


class RuleError(ValueError):
    """The text is no calendar rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Days by weekday and date, and the times of each; days may count from the end of the month."""

    weekdays: frozenset[int]
    years: frozenset[int]
    months: frozenset[int]
    days: frozenset[int]
    from_end: bool
    times: tuple[tuple[int, int], ...]

    def is_on(self, day: date) -> bool:
        """Tell whether a day is one of the rule's."""
        if day.weekday() not in self.weekdays or day.month not in self.months:
            return False
        if self.years and day.year not in self.years:
            return False
        return (_from_end(day) if self.from_end else day.day) in self.days

    def moments(self, day: date, zone: tzinfo) -> list[float]:
        """Return the rule's times on a day, in Unix seconds.

        A time that the clock leaves out comes as much later as it leaves out, and one that comes twice is the first.
        """
        if not self.is_on(day):
            return []
        return [
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp() for hour, minute in self.times
        ]


def _from_end(day: date) -> int:
    """Return 1 for the last day of a month, 2 for the one before."""
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return (following - day).days


@functools.lru_cache(maxsize=4096)  # asked again at each scrape
def next_after(rule: Rule, since: float, zone: tzinfo) -> float | None:
    """Return the first moment of the rule after `since`, or None where the coming years have none."""
    day = datetime.fromtimestamp(since, zone).date() - timedelta(days=1)
    for _ in range(366 * _YEARS):
        if later := [moment for moment in rule.moments(day, zone) if moment > since]:
            # where a whole day is left out, times of the next one may come first
            following = rule.moments(day + timedelta(days=1), zone)
            return min([*later, *(moment for moment in following if moment > since)])
        day += timedelta(days=1)
    return None


def comes(rule: Rule) -> bool:
    """Tell whether the rule has any moment at all."""
    begin = datetime(min(rule.years, default=2000), 1, 1, tzinfo=UTC) - timedelta(days=2)
    return next_after(rule, begin.timestamp(), UTC) is not None


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Rule:
    """Return the rule that a text writes; RuleError says what is wrong with it."""
    words = text.lower().split()
    if not words:
        raise RuleError(f"is empty; {_EXAMPLE}")
    words = _spelled_out(words)
    weekdays, words = _weekdays(words)
    found = _DATE.fullmatch(words[0]) if words else None
    words = words[1:] if found else words
    times = _times(words.pop(0)) if words and ":" in words[0] else ((0, 0),)
    if words:
        raise RuleError(f"has {words[0][:40]!r}, which is neither weekday, date nor time; {_EXAMPLE}")
    year, month, way, day = found.groups() if found else ("*", "*", "-", "*")
    return Rule(
        weekdays, _numbers(year or "*", 1970, 2199), _numbers(month, 1, 12) or frozenset(range(1, 13)),
        _days(day, way), way == "~", times,
    )  # fmt: skip


def _spelled_out(words: list[str]) -> list[str]:
    """Return the words of a rule with those that stand for others written out."""
    if words[0] in _WORDS:
        return [*_WORDS[words[0]].split(), *words[1:]]
    if words[0] in _ORDINALS and len(words) > 1 and words[1] in (*_WEEKDAYS, *_NAMES):
        return [words[1], f"*-*{_ORDINALS[words[0]]}", *words[2:]]
    if words[:2] == ["last", "day"]:
        return ["*-*~1", *words[2:]]
    return words


def _weekdays(words: list[str]) -> tuple[frozenset[int], list[str]]:
    """Return the weekdays that a rule begins with, all where it names none, and the rest of its words."""
    if not words[0][0].isalpha():
        return frozenset(range(7)), words
    found: set[int] = set()
    for part in words[0].split(","):
        first, dots, last = part.partition("..")
        begin, end = _weekday(first), _weekday(last if dots else first)
        if begin > end:
            raise RuleError(f"has {part[:40]!r}, which goes past Sunday; write the days one by one")
        found.update(range(begin, end + 1))
    return frozenset(found), words[1:]


def _weekday(word: str) -> int:
    if word not in (*_WEEKDAYS, *_NAMES):
        raise RuleError(f"has {word[:40]!r}, which is no weekday; {_EXAMPLE}")
    return _WEEKDAYS.index(word[:3])


def _days(text: str, way: str) -> frozenset[int]:
    """Return days of the month; `~7/1` are the last seven, since from the end a step goes towards it."""
    if way == "~" and (found := re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})", text)) and int(found[2]):
        text = ",".join(map(str, range(int(found[1]), 0, -int(found[2]))))
    return _numbers(text, 1, 31) or frozenset(range(1, 32))


def _numbers(text: str, least: int, most: int) -> frozenset[int]:
    """Return the numbers that `1,5..7,10/2` writes, none for `*`."""
    found = (
        frozenset(number for part in text.split(",") for number in _part(part, most)) if text != "*" else frozenset()
    )
    if wrong := [number for number in found if not least <= number <= most]:
        raise RuleError(f"has {min(wrong)}, which is not within {least} and {most}; {_EXAMPLE}")
    return found


def _part(text: str, most: int) -> Iterator[int]:
    found = _PART.fullmatch(text)
    if found is None:
        raise RuleError(f"has {text[:40]!r}, which is no number or range; {_EXAMPLE}")
    first = int(found[1])
    last = int(found[2]) if found[2] else most if found[3] else first
    step = int(found[3] or 1)
    if not step or last < first:
        raise RuleError(f"has {text[:40]!r}, which has nothing in it; {_EXAMPLE}")
    yield from range(first, last + 1, step) if last <= 9999 else ()


def _times(text: str) -> tuple[tuple[int, int], ...]:
    found = _TIME.fullmatch(text)
    if found is None or int(found[2]) > 59:
        raise RuleError(f"has {text[:40]!r}, which is no time; expected HH:MM, or hours such as 08,20:00")
    hours = _numbers(found[1], 0, 23) or frozenset(range(24))
    return tuple((hour, int(found[2])) for hour in sorted(hours))


def zone_of(name: str) -> tzinfo:
    """Return the time zone of this name, or without one that of this machine; ValueError where there is none."""
    if not name and (given := os.environ.get("TZ", "").removeprefix(":")):
        name = given
    if name:
        return zone_named(name)
    try:
        with open(_LOCALTIME, "rb") as file:
            return ZoneInfo.from_file(file, "local")
    except (OSError, ValueError):  # a machine without one counts in UTC
        return UTC
