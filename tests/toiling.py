"""A toil at work in a thread of the test's own process, with all that it tells."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from exporter.toil import Changes, Toil

Entries = dict[str, Any]


class Toiling:
    """A toil at work; what it tells is kept in `entries`, and each time that it told in `accounts`."""

    def __init__(self, make: Callable[[Any, Entries], Toil], settings: Any, entries: Entries) -> None:
        self.entries = entries
        self.ready = threading.Event()
        self.accounts: list[Changes] = []
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, args=(make(settings, dict(entries)),), daemon=True)
        self._thread.start()

    def _work(self, toil: Toil) -> None:
        try:
            toil.run(self._stop, self._tell, self.ready.set)
        except BaseException as error:  # noqa: BLE001  # raised in the test's own thread
            self._failed.append(error)

    def _tell(self, changes: Changes) -> None:
        self.accounts.append(changes)
        for key, value in changes.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]


@contextmanager
def toiling(make: Callable[[Any, Entries], Toil], settings: Any, entries: Entries | None) -> Iterator[Toiling]:
    """Have the toil of these settings work for as long as the block lasts."""
    work = Toiling(make, settings, {} if entries is None else entries)
    try:
        yield work
    finally:
        work.stop()
