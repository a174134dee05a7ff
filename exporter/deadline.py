"""A moment by which all must be done, and a way to end it sooner from another thread."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

GIVEN_UP: Final = "given up, as the round took longer than the target's timeout"
"""What is said where a round is over before its work is."""


def within(timeout: float) -> float:
    """Return how long something in a round may take, so that its end is told before the round is overdue."""
    return timeout - min(0.5, timeout / 5)


class Deadline:
    """So many seconds from now for everything together, however the parts share them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.monotonic()

    def left(self) -> float:
        """Return the seconds that are left; TimeoutError when none are."""
        left = self.seconds - self.spent()
        if left <= 0:
            raise TimeoutError
        return left

    def spent(self) -> float:
        return time.monotonic() - self._began


class Cancel:
    """Ends what is under way, from any thread: sockets are hung up, other things let go of in their own way."""

    def __init__(self) -> None:
        self.cancelled = False
        self._lock = threading.Lock()
        self._open: dict[object, Callable[[], None]] = {}

    def cancel(self) -> None:
        """End what is under way, and whatever begins later."""
        with self._lock:
            self.cancelled = True
            for let_go in self._open.values():
                with suppress(OSError):  # it may have ended by itself
                    let_go()

    @contextmanager
    def cutting(self, line: socket.socket) -> Iterator[None]:
        """Have the socket hung up by cancel() while the block runs."""
        # its own number: the socket's may be another's once it is closed
        with line.dup() as spare, self.calling(lambda: spare.shutdown(socket.SHUT_RDWR)):
            yield

    @contextmanager
    def calling(self, let_go: Callable[[], None]) -> Iterator[None]:
        """Have `let_go`, a quick call, made by cancel() while the block runs; TimeoutError where it came before."""
        token = object()
        with self._lock:
            if self.cancelled:
                raise TimeoutError
            self._open[token] = let_go
        try:
            yield
        finally:
            with self._lock:
                self._open.pop(token, None)
