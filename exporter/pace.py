"""How fast a target usually is, and how long it is worth waiting for."""

from collections.abc import Iterable
from typing import Final

from exporter.collector import Read
from exporter.snapshot import Snapshot

# A target whose last round overran is given this long at least: enough to show that it is well again.
_GRACE: Final = 0.05


class Pace:
    """Remembers which reads did not come back, so that one slow thing delays one page and no more."""

    def __init__(self) -> None:
        self._slow: set[str] = set()
        self.overran = False
        self._usual = 0.0

    def order(self, reads: Iterable[Read]) -> list[Read]:
        """Put what did not come back the last time behind the others, which it kept from being read."""
        return sorted(reads, key=lambda read: read.name in self._slow)

    def patience(self, left: float) -> float:
        """Return how many of the `left` seconds a page may wait for a round."""
        if self.overran:
            left = min(left, max(_GRACE, 2 * self._usual))
        return max(0.0, left)

    def stuck(self, read: str) -> None:
        self._slow.add(read)

    def note(self, snapshot: Snapshot, *, overran: bool) -> None:
        """Learn from a round that ended."""
        good = [outcome for outcome in snapshot.outcomes if outcome.status != "failed"]
        self._slow -= {outcome.read for outcome in good}
        self.overran = overran
        if overran:
            self._usual = max(self._usual, sum(outcome.duration for outcome in good))
        else:
            self._usual = snapshot.duration
