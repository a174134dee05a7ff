"""What people write of a task, and what they read of it."""

import math
import unicodedata
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

from exporter.secret import redact

if TYPE_CHECKING:
    from exporter.collectors.task.due import Standing

LONGEST_NAME: Final = 64
LONGEST_NOTE: Final = 500
_UNITS: Final = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))


class WordsError(ValueError):
    """What was given cannot be kept; the text says what is expected."""


def name(text: str) -> str:
    """Return a person's name as it is kept; WordsError where it cannot be one."""
    kept = _line(text, LONGEST_NAME, "by")
    if kept.partition(" ")[0] == "metric":  # as entries begin that a metric has made
        raise WordsError("by begins with `metric`, which stands for metrics; expected a person's name")
    return kept


def note(text: str) -> str:
    """Return a note as it is kept: on one line, without what is secret."""
    return _line(text, LONGEST_NOTE, "note")


def _line(text: str, longest: int, what: str) -> str:
    kept = " ".join("".join(" " if _is_control(one) else one for one in text).split())
    if len(kept) > longest:
        raise WordsError(f"{what} has {len(kept)} characters; expected at most {longest}")
    return redact(kept)


def _is_control(character: str) -> bool:
    """Tell whether a character steers rather than shows: control, format (such as right-to-left), half of a pair."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def moment(text: str, zone: tzinfo, now: float) -> float:
    """Return the Unix time that a text writes, as `2026-11-29T18:00` on the clock of the zone, or with a zone."""
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise WordsError(f"at is {text[:40]!r}; expected a time such as 2026-11-29T18:00") from None
    try:
        found = (wall if wall.tzinfo else wall.replace(tzinfo=zone)).timestamp()
    except (OverflowError, OSError, ValueError):
        found = math.inf
    if not 0 < found <= now + 60:
        raise WordsError(f"at is {text[:40]!r}, which is not in the past; expected when it was done")
    return found


def when(time: float, zone: tzinfo) -> str:
    """Return a time as the zone's clock shows it, to the minute."""
    return datetime.fromtimestamp(time, zone).strftime("%Y-%m-%d %H:%M")


def length(seconds: float) -> str:
    """Return a length of time in its largest unit, as `3 days`."""
    for size, unit in _UNITS:
        if (count := round(seconds / size)) >= 1 and seconds >= size:
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "a moment"


def last(one: "Standing") -> str:
    """Return when a task was last done and by whom."""
    if one.last is None:
        return "never done"
    return f"last {when(one.last.at, one.task.zone)} by {one.last.by or 'somebody'}"


def stands(one: "Standing", now: float) -> str:
    """Return how a task stands, in a few words."""
    settings = one.task.settings
    if one.state == "watched":
        return f"watched by {', '.join(settings.watched_by)}"
    if one.due is None:
        return f"at {settings.on_demand}" if settings.on_demand else "never due again"
    if now - 60 < one.due <= now:
        return "due now"
    if one.due <= now:
        since = f"due for {length(now - one.due)}"
        return f"overdue, {since}" if one.state == "overdue" else since
    return f"due in {length(one.due - now)}, {when(one.due, one.task.zone)}"
