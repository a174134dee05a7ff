"""Since when something of a stock has been there, learned from how much there is and how much came in."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_LAG: Final = 15.0  # seconds by which a figure may be older than another: RabbitMQ gathers each every five
_MOST: Final = 16


class Seen(NamedTuple):
    """One look: how much there was; how much had come in, and gone out, since ever."""

    at: float
    level: int
    came: int
    went: int


class Stock:
    """More is there than came in since a moment, so some of it was there at that moment.

    That holds in whatever order things go, and whether they are taken, thrown away or put back. What comes in
    uncounted, as dead letters do, is guarded against by what goes out: what was there at a moment has not gone as long
    as less went out since. Both give a moment that is rather too late than too early.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None, *, in_order: bool) -> None:
        found = kept or {}
        self._in_order = in_order
        self._marks = [Seen(*mark) for mark in found.get("marks", ())]
        self._recent = deque(Seen(*seen) for seen in found.get("recent", ()))

    def kept(self) -> dict[str, Any]:
        """Return what must outlive a restart."""
        return {"marks": self._marks, "recent": list(self._recent)}

    def see(self, now: float, level: int, came: int, went: int = 0) -> float | None:
        """Take note of a look; return since when some of it has been there at least, None where there is nothing."""
        last = self._recent[-1] if self._recent else None
        if last is not None and (came < last.came or went < last.went or now < last.at):
            self._forget()  # the counts began again, or the clock did
        seen = Seen(now, level, came, went)
        self._recent.append(seen)
        while len(self._recent) > 2 and self._recent[1].at <= now - _LAG:
            self._recent.popleft()
        if level <= 0:
            self._marks.clear()
            return None
        while self._marks and not self._holds(self._marks[0], seen):
            del self._marks[0]
        self._mark(seen)
        return self._marks[0].at

    def _forget(self) -> None:
        self._marks.clear()
        self._recent.clear()

    def _holds(self, mark: Seen, now: Seen) -> bool:
        """Tell whether something that was there at the mark must be there still."""
        # a level may be younger than the count of what came in, so the least of a while is taken
        level = min(seen.level for seen in self._recent)
        return now.came - mark.came < level and (not self._in_order or now.went - mark.went < mark.level)

    def _mark(self, seen: Seen) -> None:
        # what went out may be counted later than the level is taken: of that the first of a while is taken
        self._marks.append(seen._replace(went=self._recent[0].went))
        if len(self._marks) > _MOST:
            del self._marks[min(range(1, _MOST), key=lambda number: self._worth(number, seen.at))]

    def _worth(self, number: int, now: float) -> float:
        """Return how much would be lost with a mark, as a share of its age."""
        before, mark, after = self._marks[number - 1 : number + 2]
        return (after.at - before.at) / (now - mark.at + 1)
