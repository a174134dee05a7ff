"""Whether the database is whole: quick_check at an interval of its own, in a process of its own."""

import time
from typing import Any, Final

from exporter.collector import NotApplicable, read
from exporter.collectors.sqlite.looks import FileLook
from exporter.collectors.sqlite.session import Session
from exporter.collectors.sqlite.settings import SQLiteSettings
from exporter.deadline import Cancel
from exporter.metric import Remarking, gauge
from exporter.state import Shelf
from exporter.throwaway import ask

_SOURCE: Final = "PRAGMA quick_check in the background, each day by default"

OK = gauge(
    "sqlite_integrity_ok",
    "1 where the last check found the database whole, 0 where two in a row found it damaged.",
    source=_SOURCE,
    fact=True,
)
CHECKED = gauge(
    "sqlite_integrity_checked_timestamp_seconds", "When the last check that told anything began.", source=_SOURCE,
    fact=True,
)  # fmt: skip
DURATION = gauge("sqlite_integrity_check_duration_seconds", "How long it took.", source=_SOURCE, fact=True)

_LONGEST: Final = 4 * 3600.0
_AGAIN: Final = 600.0
"""Seconds until one that was damaged is checked again, so that the alert ends soon after it was mended."""


class Check(FileLook):
    """The check; what was found damaged is checked again sooner."""

    def rest(self) -> float:
        left = super().rest()
        if self._found is None or not self._found.value["problems"]:
            return left
        return min(left, max(0.0, self._found.time + _AGAIN - time.time()))


def look_of(settings: SQLiteSettings, shelf: Shelf) -> Check:
    """Return the look that checks the database."""

    def work(cancel: Cancel) -> Any:
        request = {"path": settings.path, "locked": settings.integrity_lock}
        answer = ask("exporter.collectors._sqlite.check:check", request, timeout=_LONGEST, cancel=cancel)
        if answer["problems"]:  # nobody is called because of one look
            answer = ask("exporter.collectors._sqlite.check:check", request, timeout=_LONGEST, cancel=cancel)
        return answer

    return Check("integrity", work, settings.integrity_interval, shelf, of=settings.path, heavy=True)


@read
def integrity(session: Session) -> Remarking:
    """Whether the last check found the database whole."""
    look = session.integrity
    if look is None:
        raise NotApplicable("it is not checked: `integrity_interval` is 0")
    found = look.found_of(session.answer["file"], stands=2 * look.interval + _LONGEST)
    problems = found.value["problems"]
    yield OK(not problems)
    yield CHECKED(found.time)
    yield DURATION(found.value["seconds"])
    return f"damaged: {problems[0]}" if problems else look.remark
