"""The checklist: what people do now and then, when it was last done, and when it is due."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from exporter.collector import Collector, Context, read
from exporter.collectors.task import condition, inbox
from exporter.collectors.task.checklist import Checklist
from exporter.collectors.task.due import Standing
from exporter.collectors.task.history import OTHERS, History, Record
from exporter.collectors.task.metrics import DONE, DUE, GRACE, INFO, INTERVAL, KNOWN_SINCE, LAST_DONE, LAST_DONE_BY
from exporter.collectors.task.settings import ChecklistSettings
from exporter.metric import Remarking, Sample, Samples

_LOOK_SECONDS: Final = 1.0
_TIDY_LOOKS: Final = 600
_UNSEEN_SECONDS: Final = 600.0  # that a metric may be away, or has until it is there for the first time


@dataclass(frozen=True, slots=True)
class Session:
    """How all tasks stand."""

    standings: Sequence[Standing]


class Task(Collector[Session]):
    """A checklist; commands and the address /tasks mark its tasks done."""

    Settings = ChecklistSettings

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self.checklist = Checklist(context.target, settings, History(context.history), context.storage, context.known)
        self._unseen: dict[str, float] = {}  # since when nobody gives the metric of a task
        self._told: dict[str, tuple[Record, list[Sample | None]]] = {}

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._look_at_metrics()
        yield Session(self.checklist.standings(time.time()))

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        """Take over what commands leave."""
        storage = self.context.storage
        looks = 0
        if storage is not None and not self.checklist.history.problem:
            inbox.make(storage)
        ready()
        while not stop.wait(_LOOK_SECONDS if looks else 0.0):
            if storage is not None and not self.checklist.history.problem:
                self._look(looks % _TIDY_LOOKS == 0)
            looks += 1

    def _look_at_metrics(self) -> None:
        """Note what other targets say is done, and since when they say nothing of a task."""
        now = time.monotonic()
        self._unseen = {name: self._unseen.get(name, now) for name in self.checklist.look_at_metrics()}

    def _look(self, tidy: bool) -> None:
        storage = self.context.storage
        assert storage is not None  # noqa: S101  # the caller has looked
        folder = inbox.make(storage)
        if tidy:
            inbox.tidy(folder)
        self.checklist.take()
        self.checklist.publish()

    @read
    def tasks(self, session: Session) -> Samples:
        """What there is to do, how often, and when it is due."""
        for one in session.standings:
            name, settings = one.task.name, one.task.settings
            yield INFO(1, task=name, owner=settings.owner, guide=settings.guide, way=settings.way)
            if one.state == "watched":
                continue
            yield KNOWN_SINCE(one.record.known, task=name)
            yield DUE(one.due, task=name)
            yield INTERVAL(one.interval, task=name)
            yield GRACE(None if one.due is None else settings.grace, task=name)

    @read
    def done(self, session: Session) -> Samples:
        """When each task was last done, by whom, and how often."""
        for one in session.standings:
            if one.state == "watched":
                continue
            name = one.task.name
            yield LAST_DONE(one.last.at if one.last else None, task=name)
            yield from self._done_by(name, one)

    def _done_by(self, name: str, one: Standing) -> Samples:
        if (told := self._told.get(name)) is None or told[0] is not one.record:
            told = self._told[name] = one.record, list(self._counted(name, one))
        yield from told[1]

    def _counted(self, name: str, one: Standing) -> Samples:
        """Yield who did a task how often, and when last; entries may be many, and change hardly ever."""
        by_metric = one.task.settings.way == "metric"
        counts = Counter(dict.fromkeys([condition.BY] if by_metric else [*self.settings.people, OTHERS], 0))
        for by, count in one.record.counts().items():
            counts[self.checklist.label(by)] += count
        for by, count in counts.items():
            yield DONE(count, task=name, by=by)
        last = {self.checklist.label(entry.by): entry.at for entry in one.record.entries}  # the oldest first
        for by, at in last.items():
            yield LAST_DONE_BY(at, task=name, by=by)

    @read
    def conditions(self, _: Session) -> Remarking:
        """Whether the metrics that tasks wait for are given by anybody."""
        yield from ()
        now = time.monotonic()
        unseen = [name for name, since in self._unseen.items() if now - since >= _UNSEEN_SECONDS]
        if not unseen:
            return ""
        return f"no target gives the metric that says whether it is done: {', '.join(unseen[:10])}"

    @read
    def inbox(self, _: Session) -> Remarking:
        """Whether all that commands have left could be taken over."""
        yield from ()
        storage = self.context.storage
        if storage is None or not inbox.folder_of(storage).is_dir():
            return ""
        wrong = inbox.not_understood(inbox.folder_of(storage))
        return f"{len(wrong)} files in {inbox.folder_of(storage)} are no messages of ours; remove them" if wrong else ""
