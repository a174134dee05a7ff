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
        self._latest: dict[str, Any] | None = None  # not loaded yet; dictionaries are replaced, never changed
        self._on_disk: dict[str, Any] = {}

    def load(self) -> Mapping[str, Any]:
        """Return everything kept, as the shelf has it now: a toil begins with that."""
        with self._lock:
            self._latest = self._on_disk = self._shelf.get_all()
            return self._latest

    def entries(self) -> Mapping[str, Any]:
        """Return what may be shown."""
        if self._latest is None:
            self.load()
        latest = self._latest
        return latest if self._shelf.problem and latest is not None else self._on_disk

    def tell(self, changes: Mapping[str, Any]) -> None:
        """Take over changed entries, None for those to forget; all are kept, or none."""
        with self._lock:
            self._latest = _changed(self._latest or {}, changes)
        self._shelf.put_all(changes, lambda: self._written(changes))

    def _written(self, changes: Mapping[str, Any]) -> None:
        with self._lock:
            self._on_disk = _changed(self._on_disk, changes)


def _changed(entries: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**entries, **changes}.items() if value is not None}
