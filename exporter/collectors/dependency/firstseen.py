"""When something was first seen; kept over restarts, and for a while after it was there last."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from exporter.state import Shelf

_KEPT: Final = 90 * 86_400.0  # seconds after which what is gone is new again
_HERE: Final = 0.0

Times = dict[str, list[float]]
"""By name, when a thing was first seen, and the first scan that did not see it any more, or 0."""


class FirstSeen:
    """The times at which things were first seen, by name; a source that fails for a while starts no clock anew."""

    def __init__(self, shelf: Shelf, key: str) -> None:
        self._shelf = shelf
        self._key = key

    def note(self, things: Iterable[Sequence[str]], now: float) -> list[float]:
        """Return when each thing was first seen under any of its names; from now on it is known under all of them."""
        # what nobody looked for is not gone, however long ago that was
        known = {name: times for name, times in self._recalled().items() if now - (times[1] or math.inf) < _KEPT}
        here: Times = {}
        firsts = []
        for names in things:
            first = min([now, *(known[name][0] for name in names if name in known)])
            here |= {name: [first, _HERE] for name in names}
            firsts.append(first)
        gone = {name: [first, since or now] for name, (first, since) in known.items() if name not in here}
        if self._shelf.is_read:  # else what was kept before would be lost
            self._shelf.put(self._key, (gone | here) or None)
        return firsts

    def _recalled(self) -> Times:
        kept: Any = self._shelf.get(self._key)
        return dict(kept) if isinstance(kept, dict) else {}
