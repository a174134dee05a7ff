"""One thread that notices what has run past its time."""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from exporter.snapshot import Clock

log = logging.getLogger(__name__)


class Watchdog:
    """Calls back when a time armed with it passes and was not disarmed before; callbacks must be short."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int]] = []
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._ids = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def arm(self, seconds: float, callback: Callable[[], None]) -> int:
        """Have `callback` called in so many seconds; return what disarm() takes."""
        token = next(self._ids)
        with self._changed:
            when = self._clock.monotonic() + seconds
            # the thread sleeps until the earliest time it knew: only an earlier one is worth waking it
            sooner = not self._heap or when < self._heap[0][0]
            heapq.heappush(self._heap, (when, token))
            self._callbacks[token] = callback
            if self._thread is None:
                thread = threading.Thread(target=self._loop, name="watchdog", daemon=True)
                thread.start()
                self._thread = thread
            elif sooner:
                self._changed.notify()
        return token

    def disarm(self, token: int) -> None:
        with self._changed:
            self._callbacks.pop(token, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _loop(self) -> None:
        while (callback := self._next()) is not None:
            try:
                callback()
            except Exception:  # one that fails must not leave the others unwatched
                log.exception("the watchdog could not act")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                wait = self._heap[0][0] - self._clock.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    callback = self._callbacks.pop(heapq.heappop(self._heap)[1], None)
                    if callback is not None:
                        return callback
                else:
                    self._changed.wait(wait)
            return None
