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
)
CHECKED = gauge(
    "sqlite_integrity_checked_timestamp_seconds", "When the last check that told anything began.", source=_SOURCE
)
DURATION = gauge("sqlite_integrity_check_duration_seconds", "How long it took.", source=_SOURCE)

_FORMAT: Final = 2  # of what is found: what an older exporter has kept is forgotten
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
        answer = ask(
            "exporter.collectors._sqlite.check:check", request, timeout=settings.integrity_timeout, cancel=cancel
        )
        if answer["problems"]:  # nobody is called because of one look
            answer = ask(
                "exporter.collectors._sqlite.check:check", request, timeout=settings.integrity_timeout, cancel=cancel
            )
        return answer

    return Check("integrity", work, settings.integrity_interval, shelf, of=f"{_FORMAT} {settings.path}", heavy=True)


@read
def integrity(session: Session) -> Remarking:
    """Whether the last check found the database whole."""
    look = session.integrity
    if look is None:
        raise NotApplicable("it is not checked: `integrity_interval` is 0")
    found = look.found_of(session.part("identity"), stands=2 * look.interval + 2 * session.integrity_timeout)
    problems = found.value["problems"]
    if not problems and not session.readable:
        raise NotApplicable(
            "it cannot be read now, so what the last check found does not stand", "see the read `content`"
        )
    yield OK(not problems)
    yield CHECKED(found.time)
    yield DURATION(found.value["seconds"])
    if not problems:
        return look.remark
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"damaged: {problems[0]}{more}"
