"""Looks that take longer than a round may: each in a thread of its own; reads give what the last one found."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from exporter.backoff import Backoff
from exporter.collector import NotApplicable, Trouble
from exporter.deadline import Cancel
from exporter.snapshot import reason_of
from exporter.state import Shelf

Work = Callable[[Cancel], Any]
_SOONEST: Final = 30.0  # seconds until a look that failed is made again, at first
_HOURLY: Final = 3600.0
_LONGEST_REST: Final = 10.0  # seconds between two looks at whether it is due
_AWAITED: Final = 5.0  # seconds that the first look is waited for
_TIDIED: Final = 10.0  # seconds for all looks under way to end, and to take away what they made
# What burns the disk is done for one target at a time, whichever asks first.
_heavy: Final = threading.Lock()


class Found(NamedTuple):
    """What a look found, and when it began, in Unix seconds."""

    time: float
    value: Any


class LongLook:
    """One kind of look at a target; what it found, which JSON can hold, outlives a restart on the shelf.

    `of` says what was looked at: what was found of something else is forgotten. A `heavy` look waits until no other
    target's is under way. `away` tells how many seconds it must not be made for, though it may be due.
    What was found is looked at `again` soon where that says so: less and less soon, as after a failure.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        interval: float,
        shelf: Shelf,
        *,
        of: str = "",
        heavy: bool = False,
        away: Callable[[], float] = lambda: 0.0,
        again: Callable[[Any], bool] = lambda _: False,
    ) -> None:
        self.name = name
        self.interval = interval
        self.trouble: Trouble | None = None
        self._work = work
        self._shelf = shelf
        self._of = of
        self._heavy = heavy
        self._away = away
        self._again = again
        self._backoff = Backoff(min(_SOONEST, interval), interval)
        self._found = self._recalled()
        self._due = self._found.time + interval if self._found else 0.0

    def found(self, stands: float) -> Found:
        """Return what was found last, if that is no older than `stands` seconds; else say why there is nothing."""
        found, trouble = self._found, self.trouble
        if found is not None and time.time() - found.time <= stands:
            return found
        if trouble is not None:
            raise trouble.with_traceback(None)  # else what is raised again and again grows by each time
        if found is not None:
            ago = f"the last look at it ({self.name}) began more than {stands:g} s ago"
            raise Trouble(f"{ago}, and the next one has not ended")
        raise NotApplicable(f"the first look at it ({self.name}) has not ended yet", early=True)

    @property
    def remark(self) -> str:
        """Why the last try found nothing, though an earlier one did."""
        return str(self.trouble) if self.trouble is not None else ""

    def rest(self) -> float:
        """Return the seconds until it is due; a clock that was set back counts as due."""
        left = self._due - time.time()
        return max(0.0, left if left <= self.interval else 0.0, self._away())

    def hasten(self) -> None:
        """Have it made soon, whenever it would be due."""
        self._due = 0.0

    def make(self, cancel: Cancel) -> None:
        """Look now; what goes wrong is kept for those who ask what was found."""
        began = time.time()
        try:
            found = Found(began, self._work(cancel))
        except Exception as error:  # noqa: BLE001  # the reads that ask are the ones to fail
            if not cancel.cancelled:
                self.trouble = error if isinstance(error, Trouble) else Trouble(reason_of(error))
            self._due = time.time() + self._pause()
            return
        self._found, self.trouble = found, None
        if self._again(found.value):
            self._due = time.time() + self._backoff.failed()
        else:
            self._backoff.succeeded()
            self._due = began + self.interval
        self._shelf.put(f"look {self.name}", {"of": self._of, "time": found.time, "value": found.value})

    def _pause(self) -> float:
        """Return the seconds to leave alone what failed; one that tells how long itself is tried each hour at least."""
        pause, away = self._backoff.failed(), self._away()
        return min(pause, max(away, _HOURLY)) if away > 0 else pause

    def go_on(self, stop: threading.Event, cancel: Cancel, tried: Callable[[], None] = lambda: None) -> None:
        """Look whenever it is due, until told to stop; `tried` is called after the first time, or if none is due."""
        while not stop.wait(min(_LONGEST_REST, max(0.0, self.rest()))):
            if self.rest() > 0:  # what makes it due sooner may come meanwhile
                continue
            if self._heavy:
                self._make_alone(stop, cancel)
            else:
                self.make(cancel)
            tried()

    def _make_alone(self, stop: threading.Event, cancel: Cancel) -> None:
        while not stop.is_set():
            if _heavy.acquire(timeout=0.5):
                try:
                    self.make(cancel)
                finally:
                    _heavy.release()
                return

    def _recalled(self) -> Found | None:
        kept = self._shelf.get(f"look {self.name}")
        if not isinstance(kept, dict) or kept.get("of") != self._of or not isinstance(kept.get("time"), int | float):
            return None
        return Found(float(kept["time"]), kept.get("value"))


def keep_looking(looks: Sequence[LongLook], stop: threading.Event, ready: Callable[[], None]) -> None:
    """Be a collector's watch: make all these looks until told to stop.

    It is ready when the first of them was made, so that who asks once sees it; one that takes long is not awaited.
    At the end all of them are: else the process may be gone before their copies are.
    """
    cancel = Cancel()
    first, *others = looks
    threads = [
        threading.Thread(target=look.go_on, args=(stop, cancel), name=f"look {look.name}", daemon=True)
        for look in others
    ]
    threads.append(threading.Thread(target=_cancel_at, args=(stop, cancel), name="end of looks", daemon=True))
    for thread in threads:
        thread.start()
    awaited = threading.Timer(0.0 if first.rest() > 0 else _AWAITED, ready)
    awaited.daemon = True
    awaited.start()
    try:
        first.go_on(stop, cancel, ready)
    finally:
        awaited.cancel()
        if stop.is_set():
            _end(threads)


def _end(threads: Sequence[threading.Thread]) -> None:
    until = time.monotonic() + _TIDIED
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _cancel_at(stop: threading.Event, cancel: Cancel) -> None:
    stop.wait()
    cancel.cancel()
