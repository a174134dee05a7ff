"""When a task is due, and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Literal

from exporter.collectors.task import calendar
from exporter.collectors.task.history import Entry, Record
from exporter.collectors.task.tasksettings import TaskSettings

State = Literal["overdue", "due", "soon", "later", "watched", "on demand"]
ORDER: Final[tuple[State, ...]] = ("overdue", "due", "soon", "later", "on demand", "watched")
FIFTH: Final = 0.2  # of its interval that a task has before it is due soon, and after it is due
_ONCE: Final = 86400.0  # seconds, of a rule whose last day has come


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is configured, with the time zone of its rule."""

    name: str
    settings: TaskSettings
    zone: tzinfo

    def due(self, last: float | None, known: float, now: float) -> tuple[float, float] | None:
        """Return when the task is due, and its interval; None where it never is by itself.

        Times a little ahead of the clock count as now. `last` is none that is far ahead: a clock that was set back
        would keep a task quiet for long.
        """
        settings = self.settings
        if settings.way == "watched" or settings.on_demand:
            return None
        since = min(now, known if last is None else last)
        if settings.interval is not None:
            return (since if last is None else since + settings.interval), settings.interval
        rule = calendar.parse(settings.calendar)
        first = calendar.next_after(rule, since, self.zone)
        if first is None:
            return None
        following = calendar.next_after(rule, first, self.zone)
        return first, (following - first if following is not None else _ONCE)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a task stands at a time: what is kept of it, and when it is due."""

    task: Task
    record: Record
    due: float | None
    interval: float | None
    state: State
    last: Entry | None
    """The last time that it was done."""


def standing(task: Task, record: Record, now: float) -> Standing:
    """Return how a task stands."""
    known = now if record.known is None else record.known
    last = record.last(now)
    due, interval = task.due(None if last is None else last.at, known, now) or (None, None)
    return Standing(task, record, due, interval, _state(task, due, interval, now), last)


def _state(task: Task, due: float | None, interval: float | None, now: float) -> State:
    if due is None or interval is None:
        return "watched" if task.settings.way == "watched" else "on demand"
    late = now - due - task.settings.grace
    if late > interval * FIFTH:
        return "overdue"
    if now >= due:
        return "due"
    return "soon" if due - now <= interval * FIFTH else "later"


def ordered(standings: Sequence[Standing]) -> list[Standing]:
    """Return what is most pressing first; what presses alike stays as it is configured, as steps follow each other."""
    return sorted(standings, key=lambda one: (ORDER.index(one.state), one.due or 0.0))
