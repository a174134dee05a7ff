"""Workers on the clock of a test: what they tell and answer goes through the collector's own code to its pages."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from exporter import exposition
from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.celery import Celery, tasks
from exporter.collectors.celery.broker import Broker
from exporter.collectors.celery.control import Control
from exporter.collectors.celery.found import Found, Queue
from exporter.collectors.celery.listen import Kept
from exporter.collectors.celery.look import look_key, standing
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.tally import Tally
from exporter.metric import Sample
from exporter.secret import SecretURL

SCRAPE: Final = 15
START: Final = 1_800_000_000.0


@dataclass
class Simulated:
    """A worker: what it has done, and what it is at."""

    name: str
    pid: int
    solo: bool = False
    processed: int = 0
    running: dict[str, float] = field(default_factory=dict)  # by task, since when
    held: list[dict[str, Any]] = field(default_factory=list)  # what a worker alone with its task cannot send meanwhile

    @property
    def is_mute(self) -> bool:
        return self.solo and bool(self.running)


class Fleet:
    """All workers of one broker, one queue, and what an exporter makes of them, by the second."""

    def __init__(self, scraped: Collection[str], **given: Any) -> None:
        self.now = START
        self.scraped = scraped
        self.settings = CelerySettings(url=SecretURL("redis://127.0.0.1:1/0"), **given)
        self.kept = Kept({})
        self.workers: dict[str, Simulated] = {}
        self.waiting = 0
        self.are_asked = True
        self.pages: list[tuple[int, dict[str, float]]] = []
        self._tally = Tally(self.settings, self.kept, self.now)
        self._control = Control(self.settings, self.kept)
        self._broker = Broker(self.settings, self.kept)
        self._pids = 100
        self.sent = 0

    @property
    def second(self) -> int:
        return round(self.now - START)

    def time(self) -> float:
        return self.now

    def start(self, name: str, *, solo: bool = False) -> None:
        self._pids += 1
        self.workers[name] = Simulated(name, self._pids, solo)
        self._tell(self.workers[name], "worker-online")

    def leave(self, name: str) -> None:
        """Have a worker end what it does, and say goodbye."""
        worker = self.workers.pop(name)
        for uuid in list(worker.running):
            self._end(worker, uuid)
        self._tell(worker, "worker-offline")

    def vanish(self, name: str) -> None:
        del self.workers[name]

    def begin(self, name: str, task: str = "app.work") -> str:
        """Have a worker take a task and begin it."""
        worker = self.workers[name]
        self.sent += 1
        uuid = f"uuid-{self.sent}"
        sent = {"type": "task-sent", "uuid": uuid, "name": task, "queue": "celery", "eta": None}
        self._take({**sent, "hostname": "gen1@web", "pid": 1, "timestamp": self.now})
        worker.running[uuid] = self.now
        self._tell(worker, "task-received", uuid=uuid, name=task, eta=None)
        worker.processed += 1
        self._tell(worker, "task-started", uuid=uuid)
        return uuid

    def end(self, name: str, uuid: str) -> None:
        self._end(self.workers[name], uuid)

    def run(self, seconds: int, each: Callable[[int], None] | None = None) -> None:
        """Let so many seconds go by, five at a time, or one where `each` is to be called in each of them."""
        step = 1 if each or seconds % 5 else 5
        for _ in range(0, seconds, step):
            if each:
                each(self.second)
            self._look()
            self.now += step

    def _end(self, worker: Simulated, uuid: str) -> None:
        began = worker.running.pop(uuid)
        self._tell(worker, "task-succeeded", uuid=uuid, runtime=self.now - began)

    def _tell(self, worker: Simulated, kind: str, **more: Any) -> None:
        if kind.startswith("worker"):
            more = {"freq": 2.0, "sw_ver": "5.7.0", "processed": worker.processed, "active": len(worker.running)}
        event = {"type": kind, "hostname": worker.name, "pid": worker.pid, "timestamp": self.now, **more}
        worker.held.append(event)
        if not worker.is_mute:
            for held in worker.held:
                self._take(held)
            worker.held.clear()

    def _take(self, event: Mapping[str, Any]) -> None:
        self._tally.take(event, self.now)

    def page(self) -> dict[str, float]:
        """Return all that the page says now."""
        return dict(self._series(self._samples()))

    def _look(self) -> None:
        for worker in self.workers.values():
            if not worker.is_mute:
                self._tell(worker, "worker-heartbeat")
        if self.second % 5:
            return
        self._note("events", self._tally.flush(self.now))
        if self.second % 15 == 5 and self.are_asked:
            self._note("control", self._control._round(Answers(self), self.second // 15))  # type: ignore[arg-type]
        self._note("broker", self._broker._looked(InBroker(self.waiting)))
        if self.second % SCRAPE == 10:
            asked_for = (sample for sample in self._samples() if sample.metric.name in self.scraped)
            self.pages.append((self.second // SCRAPE, dict(self._series(asked_for))))

    def _note(self, look: str, changes: Mapping[str, Any]) -> None:
        self.kept.take({**changes, look_key(look): standing(True, self.now, START)})

    def _series(self, samples: Iterable[Sample]) -> Iterator[tuple[str, float]]:
        """Yield the samples by series, times counted from the start as promtool does."""
        for line in exposition.render(samples).splitlines():
            if not line.startswith("#"):
                series, _, number = line.rpartition(" ")
                yield series, float(number) - (START if "_timestamp_seconds" in series else 0)

    def _samples(self) -> Iterator[Sample]:
        yield from filter(None, [tasks.EXPECTED(self.settings.workers)])
        for module in Celery.groups:
            for found in vars(module).values():
                if isinstance(found, Read):
                    yield from self._read(found)

    def _read(self, read: Read) -> list[Sample]:
        try:
            return [sample for sample in read.function(self.kept) if sample is not None]
        except (Trouble, NotApplicable):
            return []


class InBroker:
    """What is in the broker: one queue, with so many messages."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting

    def look(self, names: Mapping[str, bool], _: float) -> Found:
        return Found({name: Queue(self._waiting if name == "celery" else 0) for name in names})

    def remember(self, name: str, kept: Mapping[str, Any]) -> None:
        """Keep nothing."""

    def kept(self, _: str) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Hold nothing."""


class Answers:
    """What the workers answer to questions."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._workers = {name: worker for name, worker in fleet.workers.items() if not worker.is_mute}

    def names(self) -> frozenset[str]:
        return frozenset(self._workers)

    def ask(self, command: str, workers: int, **arguments: Any) -> dict[str, Any]:
        return {name: getattr(self, f"_{command}")(worker) for name, worker in self._workers.items()}

    def _stats(self, worker: Simulated) -> dict[str, Any]:
        pool = {"max-concurrency": 1 if worker.solo else 4, "processes": [worker.pid] if worker.solo else [1, 2, 3, 4]}
        return {"pid": worker.pid, "pool": pool, "total": {"app.work": worker.processed}, "prefetch_count": 4}

    def _active(self, worker: Simulated) -> list[dict[str, Any]]:
        return [{"id": uuid, "name": "app.work", "time_start": began} for uuid, began in worker.running.items()]

    def _active_queues(self, _: Simulated) -> list[dict[str, Any]]:
        return [{"name": "celery"}]

    def _nothing(self, _: Simulated) -> list[Any]:
        return []

    _reserved = _scheduled = _revoked = _registered = _nothing


def promtool_series(pages: list[tuple[int, dict[str, float]]]) -> list[dict[str, str]]:
    """Return the pages as series for promtool: what a page leaves out is stale at once, as Prometheus has it."""
    names = sorted({series for _, page in pages for series in page})
    found = []
    for name in names:
        values, before = ["_"], False  # at 0 nothing was scraped yet
        for _, page in pages:
            values.append(f"{page[name]:.15g}" if name in page else "stale" if before else "_")
            before = name in page
        metric, _, labels = name.rstrip("}").partition("{")
        placed = 'job="celery",instance="shop",target="shop"' + (f",{labels}" if labels else "")
        found.append({"series": f"{metric}{{{placed}}}", "values": " ".join(_shortened(values))})
    return found


def _shortened(values: list[str]) -> Iterator[str]:
    """Yield the values as promtool reads them, those that repeat as one."""
    start = 0
    for index in range(1, len(values) + 1):
        if index == len(values) or values[index] != values[start]:
            again = index - start - 1
            value = values[start]
            if value == "stale":
                yield value
                yield from [f"_x{again}"] if again else []
            else:
                yield (f"_x{again + 1}" if value == "_" else f"{value}x{again}") if again else value
            start = index
