"""What the toil of a target has told; readers see it as far as it is on disk."""

import threading
from collections.abc import Mapping
from typing import Any

from exporter.state import Shelf


class Ledger:
    """Entries by key, on a shelf of the state.

    A counter that a page has shown must not be lower after a kill: Prometheus would take that for a reset, and count
    all of it again. So what was told is shown when it is on disk; where the disk does not take it, at once.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        # dictionaries are replaced, never changed
        self._latest: dict[str, Any] | None = None  # not loaded yet
        self._shown: dict[str, Any] = {}
        self._told = self._told_when_shown = 0  # how many times, by now and by what is shown

    def load(self) -> Mapping[str, Any]:
        """Return everything kept, as the shelf has it now: a toil begins with that."""
        with self._lock:
            latest = self._shelf.get_all()
            if self._latest is None:
                self._shown = latest
            number = self._take(latest)
        # what another has put there is shown when it is on disk as well
        self._shelf.put_all({}, lambda: self._show(number, latest))
        return latest

    def entries(self) -> Mapping[str, Any]:
        """Return what may be shown; it never goes back to what was told before."""
        if self._latest is None:
            self.load()
        if self._shelf.problem and self._latest is not None:
            self._show(self._told, self._latest)
        return self._shown

    def tell(self, changes: Mapping[str, Any]) -> None:
        """Take over changed entries, None for those to forget; all are kept, or none."""
        with self._lock:
            latest = _changed(self._latest or {}, changes)
            number = self._take(latest)
        self._shelf.put_all(changes, lambda: self._show(number, latest))

    def _take(self, latest: dict[str, Any]) -> int:
        self._latest = latest
        self._told += 1
        return self._told

    def _show(self, number: int, entries: dict[str, Any]) -> None:
        with self._lock:
            if number > self._told_when_shown:
                self._shown, self._told_when_shown = entries, number


def _changed(entries: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**entries, **changes}.items() if value is not None}
