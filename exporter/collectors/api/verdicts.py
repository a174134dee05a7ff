"""What the last answers say of the service and its keys, and until when it asks to be left alone; over restarts."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from exporter.collectors.api.found import Key, Verdict
from exporter.state import Shelf

_AGAIN: Final = 2.0  # intervals for which the verdict of a look stands that was kept away, once it may be made
_REST: Final = 300.0  # seconds for which a look that was refused is not made after a restart

_AHEAD: Final = 60.0  # seconds that a verdict may be ahead of the clock, which somebody sets


class Noted(NamedTuple):
    """A verdict, of which look and key, when, and until when the look must not be made."""

    look: str
    key: Key
    time: float
    until: float
    verdict: Verdict


class Verdicts:
    """The last verdict of each look at a target; those of other settings (`of`) are forgotten."""

    def __init__(self, shelf: Shelf, of: str) -> None:
        self._shelf = shelf
        self._of = of
        self._before = self._noted = {noted.look: noted for noted in self._recalled()}

    def note(self, look: str, key: Key, verdict: Verdict) -> None:
        """Keep what an answer to a look says."""
        now = time.time()
        noted = Noted(look, key, now, now + verdict.wait if verdict.wait > 0 else 0.0, verdict)
        self._noted = self._noted | {look: noted}  # others read it at any time
        self._shelf.put(f"verdict {look}", {"of": self._of, **noted._asdict(), "verdict": asdict(verdict)})

    def away(self, look: str) -> float:
        """Return the seconds for which a look must not be made."""
        noted = self._noted.get(look)
        if noted is None or noted.time > time.time() + _AHEAD:  # a clock that was set back must not keep us away
            return 0.0
        return max(0.0, noted.until - time.time())

    def rest(self, look: str, interval: float) -> float:
        """Return the seconds for which a look is not made; one that was refused is not tried at each restart either."""
        noted, away = self._noted.get(look), self.away(look)
        if noted is None or noted is not self._before.get(look) or not noted.verdict.reason:
            return away
        left = noted.time + min(interval, _REST) - time.time()
        return max(away, left if left <= _REST else 0.0)

    def refusal(self, look: str) -> Verdict | None:
        """Return what the last answer to a look says that was refused, None where it was not."""
        noted = self._noted.get(look)
        return noted.verdict if noted is not None and noted.verdict.reason else None

    def standing(self, intervals: dict[str, float]) -> list[Noted]:
        """Return the verdicts that count, the newest last; one counts for three of its look's intervals."""
        now = time.time()
        known = [
            noted
            for look, noted in self._noted.items()
            if look in intervals
            and noted.time <= now + _AHEAD
            and now <= max(noted.time + 3 * intervals[look], noted.until + _AGAIN * intervals[look])
        ]
        return sorted(known, key=lambda noted: noted.time)

    def _recalled(self) -> Iterator[Noted]:
        for key, kept in self._shelf.get_all().items():
            if key.startswith("verdict ") and kept.get("of") == self._of:
                yield _again(kept)


def _again(kept: dict[str, Any]) -> Noted:
    verdict = Verdict(**kept["verdict"])
    return Noted(kept["look"], kept["key"], float(kept["time"]), float(kept["until"]), verdict)
