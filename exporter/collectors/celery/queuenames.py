"""Which queues are looked at: those of the configuration, or those that workers, senders and the broker tell of."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from exporter.collectors.celery.counts import OTHER, UNKNOWN, labels_of
from exporter.collectors.celery.look import true_for
from exporter.collectors.celery.presence import CONSUMED, QUEUE
from exporter.collectors.celery.settings import CelerySettings

_DEFAULT: Final = "celery"
_FORGOTTEN: Final = (
    7 * 86400.0
)  # seconds after which a queue that nobody consumes is not looked at any more, once empty
_COARSE: Final = 600.0  # so that the time is not told anew at each look
_MOST: Final = 1000
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,199}")  # longer ones are cut where tasks are counted


class Known(NamedTuple):
    """What is known of a queue besides what is in it."""

    must: bool  # it is there, if need be with nothing in it: a worker consumes it, or did
    consumed: float  # when a worker consumed it last, as far as that is known
    consumed_now: bool | None


class QueueNames:
    """The names of queues; they stay known when all workers are gone, which is when they matter."""

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        self._settings = settings
        self._kept = kept  # what other looks tell is in it as well
        self._consumed: dict[str, float] = {
            key.removeprefix(QUEUE): entry.get("consumed", 0.0) for key, entry in kept.items()
            if key.startswith(QUEUE)
        }  # fmt: skip
        self._seen: dict[str, float] = {}  # when tasks were sent to it, or the broker told of it
        self._sent: dict[str, int] = {}
        self.left_out = 0
        """How many are not looked at, since there are too many."""

    def now(self, now: float) -> dict[str, Known]:
        """Return the queues to look at."""
        told = self._told()
        self._consumed |= dict.fromkeys(told or (), now // _COARSE * _COARSE)
        if self._settings.queues:
            return {name: self._known(name, told) for name in self._settings.queues}
        self._note_sent(now)
        self._forget(now)
        return {name: self._known(name, told) for name in sorted(self._first(told or frozenset()))}

    def found(self, names: Iterable[str], now: float) -> None:
        """Take note of the queues that the broker tells of."""
        self._seen |= dict.fromkeys(filter(_NAME.fullmatch, names), now)

    def _known(self, name: str, told: frozenset[str] | None) -> Known:
        now = None if told is None or (name not in told and not self._is_whole()) else name in told
        consumed = self._consumed.get(name, 0.0)
        return Known(bool(consumed), consumed, now)

    def _is_whole(self) -> bool:
        """Return whether the queues of all workers are known; one that has been busy ever since may consume any."""
        return bool(self._kept[CONSUMED].get("whole", True))

    def _told(self) -> frozenset[str] | None:
        """Return the queues that workers say they consume; None where they were not asked lately."""
        entry = self._kept.get(CONSUMED)
        if not isinstance(entry, Mapping):
            return None
        if time.time() - entry["at"] > true_for(self._settings.control_interval):
            return None
        return frozenset(entry["queues"])

    def _note_sent(self, now: float) -> None:
        """Take note of the queues that tasks were sent to since the look before, whoever consumes them."""
        counts: dict[str, int] = {}
        for (_, queue, *_), count in labels_of("sent", self._kept).items():
            if queue not in (OTHER, UNKNOWN) and _NAME.fullmatch(queue):
                counts[queue] = counts.get(queue, 0) + count
        self._seen |= {queue: now for queue, count in counts.items() if count != self._sent.get(queue)}
        self._sent = counts

    def _first(self, told: frozenset[str]) -> set[str]:
        """Return as many as are looked at, and let go of the others: empty ones that were heard of longest ago."""

        def rank(name: str) -> tuple[Any, ...]:
            heard = max(self._consumed.get(name, 0.0), self._seen.get(name, 0.0))
            return not self._waits(name), name not in told, -heard, name

        names = {*self._consumed, *self._seen} - {_DEFAULT}
        rest = sorted(names, key=rank)[_MOST:] if len(names) > _MOST else []
        self.left_out = len(rest)
        for name in rest:
            self._consumed.pop(name, None)
            self._seen.pop(name, None)
        return {_DEFAULT, *(names - {*rest})}

    def _waits(self, name: str) -> bool:
        return bool((self._kept.get(QUEUE + name) or {}).get("length"))

    def _forget(self, now: float) -> None:
        for times in (self._consumed, self._seen):
            for name, at in list(times.items()):
                if now - at > _FORGOTTEN and not self._waits(name):
                    del times[name]
