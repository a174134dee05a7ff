"""What a task is told: its rhythm, who does it, and how it comes to be done."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from exporter.collectors.task import calendar
from exporter.models import Problems
from exporter.names import NAME
from exporter.quantity import Quantity, parse_duration, show_duration
from exporter.setting import Seconds, setting

_DAY: Final = 86400.0
_WORDS: Final = {
    "daily": _DAY, "weekly": 7 * _DAY, "monthly": 31 * _DAY, "quarterly": 92 * _DAY, "yearly": 366 * _DAY,
}  # fmt: skip
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LINK: Final = re.compile(r"(https?://[^\s\"<>]+|/[^\s\"<>/][^\s\"<>]*)")
_COMPARISON: Final = re.compile(r"(==|!=|>=|<=|>|<) *(-?[0-9]+(?:\.[0-9]+)?)")


Way = Literal["hand", "watched", "metric"]


def _parse_interval(text: str) -> float:
    seconds = _WORDS[text] if text in _WORDS else parse_duration(text)
    if seconds < 60:
        raise ValueError("is shorter than a minute")
    return seconds


def _show_interval(seconds: float) -> str:
    return next((word for word, length in _WORDS.items() if length == seconds), "") or show_duration(seconds)


INTERVAL: Final = Quantity(
    "word or duration", "daily, weekly, monthly, quarterly, yearly or 14d", _parse_interval, _show_interval
)
Interval = Annotated[float, INTERVAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneWhen:
    """What another metric of this exporter says of a task."""

    metric: str = setting(
        help="Name of a metric that another target of this exporter gives.",
        example="runbook_backup_restore_test_timestamp_seconds",
    )
    labels: Mapping[str, str] = setting({}, help="Labels that its series must have; `target` counts as one.")
    becomes: str = setting(
        "timestamp",
        help="`timestamp` where its value is the time at which the task was done (of several series the oldest); or a "
        "comparison such as `== 1`, which has the task done whenever it comes to hold for all of them.",
        example='"== 1"',
    )

    def check(self) -> Problems:
        """Find a name that no metric has, and what is no comparison."""
        if not _METRIC.fullmatch(self.metric):
            yield "metric", "is no name of a metric; expected one such as runbook_backup_verified_timestamp_seconds"
        if self.becomes != "timestamp" and not _COMPARISON.fullmatch(self.becomes):
            yield "becomes", 'is no condition; expected timestamp, or a comparison such as "== 1"'

    def comparison(self) -> tuple[str, float] | None:
        """Return operator and number of the comparison, or None where the value is a time."""
        found = _COMPARISON.fullmatch(self.becomes)
        return (found[1], float(found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """One line of a checklist."""

    title: str = setting(help="What there is to do, in a few words.", example="Review who has access")
    interval: Interval | None = setting(
        None,
        help="How long after it was last done the task is due again: `daily` (24 hours), `weekly`, `monthly` (31 "
        "days), `quarterly` (92 days), `yearly`, or a duration.",
        example="weekly",
        shown=True,
    )
    calendar: str = setting(
        "",
        help="In place of `interval`, the days and times at which it is due, as systemd's OnCalendar writes them "
        "(docs/checklist.md).",
        example="Sat *-*-1..7 02:00",
    )
    on_demand: str = setting(
        "", help="In place of `interval`, the occasion: such a task is never due by itself.", example="each deployment"
    )
    timezone: str = setting("", help="Time zone of `calendar`, if not the checklist's.", example="Europe/Berlin")
    owner: str = setting("", help="Who sees to it, if not the checklist's owner.", example="operations")
    link: str = setting("", help="Where more is said: an address, or a path of this exporter.", example="/runbooks/")
    guide: str = setting("", help="Which guide or rule asks for it.", example="operations guide, 7.2")
    watched_by: tuple[str, ...] = setting(
        (),
        help="Alerts or metrics that watch it, so that nobody has to look. With `by_hand` something is left to do, "
        "without it the task is never due.",
        example="[BackupOverdue]",
    )
    by_hand: str = setting("", help="What a person does, or what is left to do beside what is watched.")
    grace: Seconds = setting(
        0.0, help="How long the task may stay undone after it is due, besides the fifth of its interval that all have."
    )
    done_when: DoneWhen | None = setting(
        None,
        help="What on another metric of this exporter says that it is done; nobody marks it by hand then.",
        example="{metric: runbook_backup_restore_test_timestamp_seconds, labels: {backup: db}}",
    )

    @property
    def way(self) -> Way:
        """How it comes to be done: watched and never due, by a metric, or by hand."""
        if self.done_when is not None:
            return "metric"
        return "watched" if self.watched_by and not self.by_hand else "hand"

    def check(self) -> Problems:
        """Find a task without a rhythm or with two, one that never comes, and what cannot be shown."""
        if not self.title.strip() or len(self.title) > 200:
            yield "title", "is empty or longer than 200 characters; expected what there is to do, in a few words"
        given = [name for name in ("interval", "calendar", "on_demand") if getattr(self, name)]
        if len(given) != 1:
            found = "and ".join(f"{name} " for name in given) or "neither interval nor calendar nor on_demand "
            yield given[-1] if given else "interval", f"{found}stand here; expected one of them"
        yield from self._check_calendar()
        if self.link and not _LINK.fullmatch(self.link):
            yield "link", "is no link; expected http://, https:// or a path such as /runbooks/BackupOverdue"
        if self.done_when is not None and self.on_demand:
            yield "done_when", "has no use where a task is never due; expected an interval or a calendar"
        for name in self.watched_by:
            if not _METRIC.fullmatch(name):
                yield "watched_by", f"{name[:60]!r} is no name of an alert or a metric"

    def _check_calendar(self) -> Problems:
        if not self.calendar and not self.timezone:
            return
        try:
            calendar.zone_of(self.timezone)
        except ValueError as error:
            yield "timezone", str(error)
            return
        if not self.calendar:
            return
        try:
            rule = calendar.parse(self.calendar)
        except calendar.RuleError as error:
            yield "calendar", str(error)
            return
        if not calendar.comes(rule):
            yield "calendar", "names days that never come; expected one such as `Sat *-*-1..7 02:00`"


def is_name(name: str) -> bool:
    """Tell whether a task may have this name."""
    return NAME.fullmatch(name) is not None
