"""Which task a later event is about: events after the first have only its id."""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from exporter.collectors.celery.counts import UNKNOWN
from exporter.collectors.celery.table import Known, Table

MOST_WAITING: Final = 50_000
"""Tasks that were sent and have not begun, of which it is remembered when that was."""
_MOST_ENDED: Final = 5_000
_MOST_RUNNING: Final = 10_000
_MOST_KEPT: Final = 500  # of those that run, over a restart
_LONG: Final = 10.0  # seconds after which one that runs is worth keeping over a restart
_MOST_ROUTES: Final = 5_000
_MOST_UNDATED: Final = 10_000
_LATE: Final = 10.0  # seconds for which an event of the sending may come after that of the beginning
_SKEW: Final = 1.0  # seconds after the beginning at which it may have been sent, by another clock
_CROWDED: Final = 600.0  # seconds for which it is said that sendings are forgotten


class Running(NamedTuple):
    """A task that was started."""

    name: str
    queue: str
    worker: str
    began: float


class Undated(NamedTuple):
    """A task that was started, and no event has told yet when it was sent."""

    began: float
    at: float


class Underway:
    """Tasks that wait, those that run, and those that ended a moment ago."""

    def __init__(self, kept: Iterable[Iterable[Any]] = (), undated: int = 0) -> None:
        self._waiting = Table(MOST_WAITING)
        self._ended = Table(_MOST_ENDED)  # more may come of them: what failed may be rejected besides, or tried again
        self._running: dict[str, Running] = {uuid: Running(*rest) for uuid, *rest in kept}
        self._routes: dict[str, str | None] = {}  # by task, its queue; None where it has several
        self._doubted = set(self._running)  # they may have ended while nobody listened
        self._told: list[list[Any]] | None = None
        self._undated: OrderedDict[str, Undated] = OrderedDict()
        self.undated = undated
        """Tasks that began, though senders tell of their kind, without its being known when they were sent."""
        self._crowded = -math.inf

    def announce(self, uuid: str, name: str, queue: str, due: float | None) -> Known:
        """Note what an event says of a task; what it leaves out stays."""
        before = self._waiting.take(uuid) or self._ended.find(uuid)
        if queue:
            self._note_route(name, queue)
        else:
            queue = before.queue if before else ""
        known = Known(name, queue, due if due is not None or before is None else before.due)
        self._waiting.put(uuid, known)
        return self._routed(known)

    def sent_late(self, uuid: str, name: str, queue: str, due: float) -> float | None:
        """Return how long a task waited that began before an event told of its sending; None where it has not."""
        undated = self._undated.get(uuid)
        if undated is None or due > undated.began + _SKEW:
            return None
        del self._undated[uuid]
        if queue:
            self._note_route(name, queue)
        if running := self._running.get(uuid):
            self._running[uuid] = running._replace(queue=queue)
        return max(0.0, undated.began - due)

    def find(self, uuid: str) -> Known:
        """Return what is known of a task; `unknown` where its first events were not seen."""
        if running := self._running.get(uuid):
            return self._routed(Known(running.name, running.queue, None))
        return self._routed(self._waiting.find(uuid) or self._ended.find(uuid) or Known(UNKNOWN, "", None))

    def start(self, uuid: str, worker: str, moment: float, now: float) -> Known:
        """A task waits no longer: it runs."""
        is_first = uuid not in self._running and uuid not in self._ended
        waited = self._waiting.take(uuid)
        known = self._routed(waited) if waited else self.find(uuid)
        if uuid not in self._running and len(self._running) >= _MOST_RUNNING:
            self.pause(self._least())
        self._running[uuid] = Running(known.name, known.queue, worker, moment)
        self._doubted.discard(uuid)
        if known.due is None and is_first and known.name in self._routes:  # senders tell of such tasks
            self._undated[uuid] = Undated(moment, now)
        return known

    def end(self, uuid: str) -> None:
        """A task is done with, or will never run."""
        if not self.pause(uuid) and (waiting := self._waiting.take(uuid)):
            self._ended.put(uuid, waiting._replace(due=None))

    def pause(self, uuid: str) -> bool:
        """Note that a task runs no longer, and may again; return whether it ran."""
        running = self._running.pop(uuid, None)
        self._doubted.discard(uuid)
        if running:
            self._ended.put(uuid, Known(running.name, running.queue, None))
        return running is not None

    def worker_idle(self, worker: str, moment: float = math.inf) -> None:
        """Forget what a worker was given before that moment: it runs nothing then, or is no more."""
        ended = [uuid for uuid, task in self._running.items() if task.worker == worker and task.began < moment]
        for uuid in ended:
            self.pause(uuid)

    def doubt(self) -> None:
        """Nobody listened for a while, in which tasks that run may have ended."""
        self._doubted = set(self._running)

    def oldest(self) -> dict[str, float]:
        """Return when the oldest task of each name began, of those that are known to run."""
        oldest: dict[str, float] = {}
        for uuid, task in self._running.items():
            if uuid not in self._doubted:
                oldest[task.name] = min(task.began, oldest.get(task.name, task.began))
        return oldest

    def changed(self, now: float) -> Iterator[list[list[Any]]]:
        """Yield the tasks that run for long, if they are others than were told last."""
        long = [[uuid, *task] for uuid, task in self._running.items() if now - task.began > _LONG]
        kept = long[:_MOST_KEPT]
        if kept != self._told:
            self._told = kept
            yield kept

    def settle(self, now: float) -> None:
        """Count those that began without a date, where none came in a while."""
        while self._undated:
            uuid, undated = next(iter(self._undated.items()))
            if now - undated.at <= _LATE and len(self._undated) <= _MOST_UNDATED:
                return
            del self._undated[uuid]
            self.undated += 1
            self._crowded = now if self._waiting.has_forgotten else self._crowded

    def is_crowded(self, now: float) -> bool:
        """Return whether tasks began lately whose sending may have been forgotten."""
        return now - self._crowded < _CROWDED

    def _least(self) -> str:
        """Return the running task that is worth least: one that may have ended, or else the youngest."""
        return next(iter(self._doubted), None) or next(reversed(self._running))

    def _note_route(self, name: str, queue: str) -> None:
        before = self._routes.get(name, queue)
        if name in self._routes or len(self._routes) < _MOST_ROUTES:
            self._routes[name] = queue if before == queue else None

    def _routed(self, known: Known) -> Known:
        """Fill in the queue where all tasks of the name go to one."""
        return known if known.queue else known._replace(queue=self._routes.get(known.name) or UNKNOWN)
