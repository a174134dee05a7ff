"""Whose turn it is where only one may be at work: of all who wait, the one who had it longest ago."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LOOK: Final = 0.2  # seconds between looks at whether to give up


class Turns:
    """One turn at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[object, float] = {}
        self._taken = False

    @contextmanager
    def turn(self, had: float, check: Callable[[], None]) -> Iterator[None]:
        """Have the turn while the block runs; who asks had it last at `had`, and `check` raises in order to give up."""
        ticket = object()
        with self._changed:
            self._waiting[ticket] = had
        try:
            while not self._take(ticket):
                check()
        finally:
            with self._changed:
                self._waiting.pop(ticket, None)
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

    def _take(self, ticket: object) -> bool:
        """Wait for a moment, and tell whether the turn was had."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_next(ticket), _LOOK):
                return False
            self._taken = True
            del self._waiting[ticket]
            return True

    def _is_next(self, ticket: object) -> bool:
        return not self._taken and min(self._waiting, key=self._waiting.__getitem__) is ticket
