"""What the last answers say of the service and its keys, and until when it asks to be left alone; over restarts."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from exporter.collectors.api.found import Key, Quota, Verdict
from exporter.state import Shelf

_STANDS: Final = 3.0  # intervals of its look for which a verdict counts
_AGAIN: Final = 2.0  # intervals for which what is used up stands, once the look that was kept away may be made
_REST: Final = 300.0  # seconds for which a look that was refused, or had no answer, is not made after a restart
_LONGEST_REST: Final = 3600.0  # and after restarts again and again
_AHEAD: Final = 60.0  # seconds that a verdict may be ahead of the clock, which somebody sets
_NOTED: Final = "verdict "
_FAILED: Final = "failed "


class Noted(NamedTuple):
    """A verdict, of which look and key, when, until when the look must not be made, and what a refusal told of."""

    look: str
    key: Key
    time: float
    until: float
    verdict: Verdict
    quotas: tuple[Quota, ...] = ()


class Verdicts:
    """The last verdict of each look at a target; those of another account (`of`) are forgotten."""

    def __init__(self, shelf: Shelf, of: str) -> None:
        self._shelf = shelf
        self._of = of
        self._before = self._noted = {noted.look: noted for noted in self._recalled()}
        self._failed = {key.removeprefix(_FAILED): kept for key, kept in self._kept(_FAILED)}

    def note(self, look: str, key: Key, verdict: Verdict, quotas: Sequence[Quota] = ()) -> None:
        """Keep what an answer to a look says."""
        now = time.time()
        noted = Noted(look, key, now, now + verdict.wait if verdict.wait > 0 else 0.0, verdict, tuple(quotas))
        self._noted = self._noted | {look: noted}  # others read it at any time
        kept = {"of": self._of, **noted._asdict(), "verdict": asdict(verdict)}
        self._shelf.put_all({f"{_NOTED}{look}": kept, f"{_FAILED}{look}": None})

    def failed(self, look: str) -> None:
        """Keep that a look had no answer, which says nothing of what it had before."""
        before = self._shelf.get(f"{_FAILED}{look}") or {}
        failures = before.get("failures", 0) + 1 if before.get("of") == self._of else 1
        self._shelf.put(f"{_FAILED}{look}", {"of": self._of, "time": time.time(), "failures": failures})

    def away(self, look: str) -> float:
        """Return the seconds for which a look must not be made."""
        noted = self._noted.get(look)
        if noted is None or noted.time > time.time() + _AHEAD:  # a clock that was set back must not keep us away
            return 0.0
        return max(0.0, noted.until - time.time())

    def rest(self, look: str, interval: float) -> float:
        """Return the seconds for which a look is not made; one that was in vain is not made at each restart either."""
        return max(self.away(look), self._after_refusal(look, interval), self._after_failure(look, interval))

    def refusal(self, look: str) -> Verdict | None:
        """Return what the last answer to a look says that was refused, None where it was not."""
        noted = self._noted.get(look)
        return noted.verdict if noted is not None and noted.verdict.reason else None

    def standing(self, intervals: Mapping[str, float]) -> list[Noted]:
        """Return the verdicts that count, the newest last; one counts for three of its look's intervals."""
        now = time.time()
        return [noted for noted in self._known(intervals) if now <= noted.time + _STANDS * intervals[noted.look]]

    def limiting(self, intervals: Mapping[str, float]) -> list[Noted]:
        """Return those that say what is used up: they also count for as long as their looks must not be made."""
        now, standing = time.time(), self.standing(intervals)
        held = [noted for noted in self._known(intervals) if noted.verdict.limit and noted not in standing]
        return [*standing, *(one for one in held if now <= one.until + _AGAIN * intervals[one.look])]

    def _known(self, intervals: Mapping[str, float]) -> list[Noted]:
        latest = time.time() + _AHEAD
        known = [noted for look, noted in self._noted.items() if look in intervals and noted.time <= latest]
        return sorted(known, key=lambda noted: noted.time)

    def _after_refusal(self, look: str, interval: float) -> float:
        noted = self._noted.get(look)
        if noted is None or noted is not self._before.get(look) or not noted.verdict.reason:
            return 0.0
        return _left(noted.time, min(interval, _REST))

    def _after_failure(self, look: str, interval: float) -> float:
        kept = self._failed.get(look)
        if kept is None or self._noted.get(look) is not self._before.get(look):
            return 0.0
        rest = min(interval, _LONGEST_REST, _REST * 2.0 ** min(kept["failures"] - 1, 10))
        return _left(float(kept["time"]), rest)

    def _recalled(self) -> Iterator[Noted]:
        for _, kept in self._kept(_NOTED):
            quotas = tuple(Quota(*quota) for quota in kept["quotas"])
            times = float(kept["time"]), float(kept["until"])
            yield Noted(kept["look"], kept["key"], *times, Verdict(**kept["verdict"]), quotas)

    def _kept(self, beginning: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, kept in self._shelf.get_all().items():
            if key.startswith(beginning) and kept.get("of") == self._of:
                yield key, kept


def _left(since: float, rest: float) -> float:
    """Return the seconds that are left of a rest; none where the clock was set back since."""
    left = since + rest - time.time()
    return left if 0 < left <= rest else 0.0
