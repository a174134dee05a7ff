"""Celery: tasks, workers and queues, from events, remote control and the broker, looked at in the background."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar, Final

from exporter.collector import Collector, Trouble
from exporter.collectors.celery import online, queues, tasks, workers
from exporter.collectors.celery.look import look_key
from exporter.collectors.celery.settings import CelerySettings
from exporter.metric import Samples

Entries = Mapping[str, Any]
_STALE: Final = 60.0


class Celery(Collector[Entries]):
    """Celery's workers, tasks and queues on one broker."""

    job: ClassVar[str] = "celery"
    toil: ClassVar[str] = "exporter.collectors.celery.listen:Listen"
    Settings = CelerySettings
    groups: ClassVar[tuple[ModuleType, ...]] = (tasks, online, workers, queues)

    @contextmanager
    def connect(self) -> Iterator[Entries]:
        entries = self.context.ledger.entries()
        _check(entries)
        yield entries

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # it is so whatever answers
        """Yield what the configuration says."""
        yield tasks.EXPECTED(self.settings.workers)
        for name, beat in self.settings.beat.items():
            yield tasks.BEAT_INTERVAL(beat.interval, name=name)


def _check(entries: Entries) -> None:
    """Raise Trouble where no look has an answer of the broker."""
    found = [entry for key, entry in entries.items() if key.startswith(look_key("")) and not entry.get("off")]
    if not found:
        fix = "wait a moment; if it lasts, see the read `watch`"
        raise Trouble("the broker was not looked at yet", fix, early=True)
    now = time.time()
    if any(entry["ok"] and now - entry["at"] <= _STALE for entry in found):
        return
    failed = [entry for entry in found if not entry["ok"]] or found
    worst = max(failed, key=lambda entry: float(entry["at"]))
    raise Trouble(worst["reason"] or "the broker does not answer", worst["fix"] or "see whether it hangs, or is busy")
