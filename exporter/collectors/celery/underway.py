"""Which task a later event is about: events after the first have only its id."""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from exporter.collectors.celery.counts import UNKNOWN

_MOST_KNOWN: Final = 10_000
_MOST_RUNNING: Final = 10_000
_MOST_KEPT: Final = 500  # of those that run, over a restart
_LONG: Final = 10.0  # seconds after which one that runs is worth keeping over a restart
_MOST_ROUTES: Final = 5_000


class Known(NamedTuple):
    """What is known of a task that was sent or received."""

    name: str
    queue: str
    due: float | None
    """When it was sent, or may begin at the earliest."""


class Running(NamedTuple):
    """A task that was started."""

    name: str
    queue: str
    worker: str
    began: float


class Underway:
    """Tasks that were announced, the oldest forgotten first, and those that run, which are not."""

    def __init__(self, kept: Iterable[Iterable[Any]] = ()) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._running: dict[str, Running] = {uuid: Running(*rest) for uuid, *rest in kept}
        self._routes: dict[str, str | None] = {}  # by task, its queue; None where it has several
        self._doubted = set(self._running)  # they may have ended while nobody listened
        self._told: list[list[Any]] | None = None

    def announce(self, uuid: str, name: str, queue: str, due: float | None) -> Known:
        """Note what an event says of a task; what it leaves out stays."""
        before = self._known.pop(uuid, None)
        if queue:
            self._note_route(name, queue)
        else:
            queue = before.queue if before else ""
        known = Known(name, queue, due if due is not None or before is None else before.due)
        self._remember(uuid, known)
        return self._routed(known)

    def find(self, uuid: str) -> Known:
        """Return what is known of a task; `unknown` where its first events were not seen."""
        if running := self._running.get(uuid):
            return self._routed(Known(running.name, running.queue, None))
        return self._routed(self._known.get(uuid) or Known(UNKNOWN, "", None))

    def start(self, uuid: str, worker: str, moment: float) -> Known:
        known = self.find(uuid)
        if len(self._running) >= _MOST_RUNNING:
            self.pause(next(iter(self._running)))
        self._running[uuid] = Running(known.name, known.queue, worker, moment)
        self._doubted.discard(uuid)
        return known

    def end(self, uuid: str) -> None:
        running = self._running.get(uuid)
        self.pause(uuid)
        if running:  # more may come: what failed may be rejected besides
            self._remember(uuid, Known(running.name, running.queue, None))

    def pause(self, uuid: str) -> None:
        """A task runs no longer, and will again."""
        self._running.pop(uuid, None)
        self._doubted.discard(uuid)

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

    def _remember(self, uuid: str, known: Known) -> None:
        self._known[uuid] = known
        self._known.move_to_end(uuid)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _note_route(self, name: str, queue: str) -> None:
        before = self._routes.get(name, queue)
        if name in self._routes or len(self._routes) < _MOST_ROUTES:
            self._routes[name] = queue if before == queue else None

    def _routed(self, known: Known) -> Known:
        """Fill in the queue where all tasks of the name go to one."""
        return known if known.queue else known._replace(queue=self._routes.get(known.name) or UNKNOWN)
