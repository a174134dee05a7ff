"""Which queues are looked at: those that the configuration names, or those that workers have consumed."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from exporter.collectors.celery.settings import CelerySettings

_DEFAULT: Final = "celery"
_CONSUMED: Final = "control:queues"
_FORGOTTEN: Final = (
    7 * 86400.0
)  # seconds after which a queue that nobody consumes is not looked at any more, once empty
_COARSE: Final = 600.0  # so that the time is not told anew at each look
_MOST: Final = 1000
_TRUE_FOR: Final = 30.0  # seconds beyond three rounds of questions for which their answers hold


class Known(NamedTuple):
    """What is known of a queue besides what is in it."""

    must: bool  # it is there, if need be with nothing in it
    consumed: float  # when a worker consumed it last, as far as that is known
    consumed_now: bool | None


class QueueNames:
    """The names of queues; they stay known when all workers are gone, which is when they matter."""

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        self._settings = settings
        self._kept = kept  # what other looks tell is in it as well
        self._consumed: dict[str, float] = {
            key.removeprefix("queue:"): entry.get("consumed", 0.0) for key, entry in kept.items()
            if key.startswith("queue:")
        }  # fmt: skip

    def now(self, now: float) -> dict[str, Known]:
        """Return the queues to look at."""
        told = self._told()
        for name in told or ():
            if name in self._consumed or len(self._consumed) < _MOST:
                self._consumed[name] = now // _COARSE * _COARSE
        if self._settings.queues:
            return {name: self._known(name, told, must=True) for name in self._settings.queues}
        self._forget(now)
        return {name: self._known(name, told, must=bool(self._consumed.get(name)))
                for name in sorted({_DEFAULT, *self._consumed})}  # fmt: skip

    def _known(self, name: str, told: frozenset[str] | None, *, must: bool) -> Known:
        return Known(must, self._consumed.get(name, 0.0), None if told is None else name in told)

    def _told(self) -> frozenset[str] | None:
        """Return the queues that workers say they consume; None where they were not asked lately."""
        entry = self._kept.get(_CONSUMED)
        if not isinstance(entry, Mapping):
            return None
        if time.time() - entry["at"] > 3 * self._settings.control_interval + _TRUE_FOR:
            return None
        return frozenset(entry["queues"])

    def _forget(self, now: float) -> None:
        for name, consumed in list(self._consumed.items()):
            entry = self._kept.get(f"queue:{name}")
            if now - consumed > _FORGOTTEN and not (entry and entry.get("length")):
                del self._consumed[name]
