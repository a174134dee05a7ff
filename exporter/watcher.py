"""The long-lived loop of a collector that has to listen, or its toil: started, restarted, stopped."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from exporter.backoff import Backoff
from exporter.collector import Collector
from exporter.helper import Helper
from exporter.snapshot import Outcome, reason_of

log = logging.getLogger(__name__)

# A watch that held this long was well: the next failure is a new one.
_WELL_AFTER: Final = 60.0
_NOT_YET: Final = "it has not begun to listen"
_TOO_LATE: Final = 60.0


Watch = Callable[[threading.Event, Callable[[], None]], None]


def watch_of(collector: Collector[Any], helper: Helper) -> Watch | None:
    """Return what listens for the collector: its watch, its toil in the helper process, or nothing."""
    if collector.toil:
        return lambda stop, ready: helper.work(
            collector.toil, collector.settings, collector.context.ledger, stop, ready
        )
    return collector.watch if collector.watches() else None


class Watcher:
    """Runs a watch in a thread of its own, and again with back-off whenever it ends."""

    def __init__(self, target: str, watch: Watch, backoff: Backoff | None = None) -> None:
        self._target = target
        self._watch = watch
        self._backoff = backoff or Backoff(base=1.0, cap=30.0)
        self._stop = threading.Event()
        self._reason = _NOT_YET
        self._started = time.monotonic()
        self.settled = threading.Event()
        """Set once it listens, or has failed to."""
        self._after: threading.Event | None = None
        self._thread = threading.Thread(target=self._loop, name=f"watch {target}", daemon=True)

    def start(self, after: threading.Event | None = None) -> None:
        """Begin to listen, once `after` is set: two of a kind must not listen at once."""
        self._after = after
        self._started = time.monotonic()
        self._thread.start()

    def stop(self, seconds: float | None = 0.0) -> None:
        """Tell the watch to end, and wait for it so many seconds at most; None for as long as it takes."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def outcome(self, now: float) -> Outcome | None:
        """Return how the watch stands, as the outcome of a read of that name; None as long as it may begin yet."""
        if self._reason == _NOT_YET and time.monotonic() - self._started < _TOO_LATE:
            return None
        if self._reason:
            return Outcome("watch", "failed", now, reason=self._reason)
        return Outcome("watch", "ok", now)

    def _ready(self) -> None:
        self._reason = ""
        self.settled.set()

    def _loop(self) -> None:
        said = ""
        while self._after is not None and not self._after.wait(0.1):
            if self._stop.is_set():
                return
        while not self._stop.is_set():
            begun = time.monotonic()
            reason = self._listen()
            if self._stop.is_set():
                return
            if time.monotonic() - begun > _WELL_AFTER:
                self._backoff.succeeded()
                said = ""
            self._reason = reason
            self.settled.set()
            wait = self._backoff.failed()
            level = logging.DEBUG if reason == said else logging.WARNING  # the same again is no news
            log.log(level, "the watch ended: %s; again in %.0f s", reason, wait, extra={"target": self._target})
            said = reason
            self._stop.wait(wait)

    def _listen(self) -> str:
        try:
            self._watch(self._stop, self._ready)
        except BaseException as error:  # a sys.exit() in a library as well
            log.debug("the watch broke off", exc_info=True, extra={"target": self._target})
            return reason_of(error)
        return "it returned"
