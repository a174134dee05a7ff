"""The queues of a table that were seen, so that one that is empty has 0; kept over restarts, for a month."""

import time
from collections.abc import Iterable
from typing import Final

from exporter.state import Shelf

_KEY: Final = "queues"
_DAY: Final = 86_400.0
_KEPT: Final = 30 * _DAY
_MOST: Final = 1000


class QueuesSeen:
    """Names of queues, and when each was seen last, to the day."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._seen: dict[str, float] = shelf.get(_KEY) or {}

    def names(self, there: Iterable[str]) -> list[str]:
        """Take note of the queues that are there; return all that were seen of late."""
        now, before = time.time(), dict(self._seen)
        for queue in there:
            if queue in self._seen or len(self._seen) < _MOST:
                self._seen[queue] = max(self._seen.get(queue, 0.0), now - now % _DAY)
        self._seen = {queue: when for queue, when in self._seen.items() if now - when < _KEPT}
        if self._seen != before:
            self._shelf.put(_KEY, dict(self._seen))
        return list(self._seen)
