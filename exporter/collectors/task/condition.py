"""What another metric says of a task: that it is done, and when."""

import math
import operator
from collections.abc import Callable, Iterable
from typing import Final

from exporter.collector import Seen
from exporter.collectors.task.history import AHEAD, Entry, History
from exporter.collectors.task.tasksettings import DoneWhen

BY: Final = "metric"  # begins the name of whoever did it
_GONE: Final = 86_400.0  # seconds after which a target that gave the metric is no more
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def look(task: str, when: DoneWhen, seen: Iterable[Seen], history: History) -> bool:
    """Note the task as done where a metric says so anew; return whether the metric was seen at all."""
    given = [(one, value) for one in seen if (value := _value(one, when)) is not None]
    if not given:
        return False
    if not _are_all_there(task, tuple(sorted({one.target for one, _ in given})), history):
        return True
    values = [(value, one.time) for one, value in given]
    comparison = when.comparison()
    if comparison is None:
        _note_time(task, when, min(value for value, _ in values), max(time for _, time in values), history)
    else:
        sign, number = comparison
        holds = all(_OPERATORS[sign](value, number) for value, _ in values)
        _note_change(task, when, holds, max(time for _, time in values), history)
    return True


def _are_all_there(task: str, targets: tuple[str, ...], history: History) -> bool:
    """Tell whether all targets say how it stands that did before: the rest alone may hold where one of them does not.

    One that is away for long is gone, and the others are all.
    """
    known = history.record(task).given
    if set(known) - set(targets) and not history.is_missed_for(task, _GONE):
        return False
    history.all_there(task)
    if known != targets:
        history.give(task, targets)
    return True


def _value(one: Seen, when: DoneWhen) -> float | None:
    """Return the sample's value, unless it has other labels or is no number."""
    labels = {**dict(zip(one.sample.metric.labels, one.sample.labels, strict=True)), "target": one.target}
    if any(labels.get(name) != value for name, value in when.labels.items()):
        return None
    value = one.sample.value
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _note_time(task: str, when: DoneWhen, at: float, now: float, history: History) -> None:
    last = history.record(task).last(now)
    if (0.0 if last is None else last.at) < at <= now + AHEAD:
        history.add(task, _entry(when, at))


def _note_change(task: str, when: DoneWhen, holds: bool, at: float, history: History) -> None:
    """Note the task where the comparison has come to hold; how long it did before anybody looked is not known."""
    before = history.record(task).held
    if holds and before is False:
        history.add(task, _entry(when, at), held=True)
    elif before is not holds:
        history.hold(task, holds)


def _entry(when: DoneWhen, at: float) -> Entry:
    return Entry(f"metric-{at:.3f}", at, f"{BY} {when.metric}", via="metric")
