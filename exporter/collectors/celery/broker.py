"""The look at queues in the broker: how long they are, and since when messages wait."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from threading import Event
from typing import Any, Final

from exporter.collectors.celery.found import Found, Queue, Source
from exporter.collectors.celery.presence import QUEUE, living, presence
from exporter.collectors.celery.queuenames import Known, QueueNames
from exporter.collectors.celery.settings import CelerySettings
from exporter.toil import Changes, Tell

_MEMORY: Final = "queuememory:"
_KEEP: Final = 60.0  # seconds between two times that what must outlive a restart is told
_BARE: Final = (
    "the database shows no sign of Celery: if the application is at work, correct the number of the database in `url`,"
    " or `global_keyprefix`"
)
_FIELDS: Final = ("length", "consumers", "priorities", "since", "unacked", "unacked_since")


class Broker:
    """Looks at the queues every few seconds; nothing there is changed, taken or made."""

    name = "broker"

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        self._settings = settings
        self._kept = kept  # what other looks tell is in it as well
        self._names = QueueNames(settings, kept)
        self._told: dict[str, Any] = {key: kept[key] for key in kept if key.startswith((QUEUE, _MEMORY))}
        self._unconsumed = {
            key.removeprefix(QUEUE): entry["unconsumed"] for key, entry in self._told.items()
            if key.startswith(QUEUE) and entry.get("unconsumed")
        }  # fmt: skip
        self._kept_at = 0.0

    def run(self, stop: Event, tell: Tell) -> None:
        """Look until `stop` is set, or the broker is lost."""
        with contextlib.closing(self._source()) as source:
            for key, entry in self._told.items():
                if key.startswith(_MEMORY):
                    source.remember(key.removeprefix(_MEMORY), entry)
            try:
                while not stop.is_set():
                    tell(self._looked(source))
                    stop.wait(self._settings.broker_interval)
            finally:
                if self._kept_at:
                    tell(self._memory(source))

    def _source(self) -> Source:
        if self._settings.is_redis:
            from exporter.collectors.celery.redisqueues import RedisQueues

            return RedisQueues(self._settings)
        from exporter.collectors.celery.rabbitmq import RabbitQueues

        return RabbitQueues(self._settings)

    def _looked(self, source: Source) -> Changes:
        """Look once; return what has changed."""
        now = time.time()
        names = self._names.now(now)
        found = source.look({name: known.must for name, known in names.items()}, now)
        entries = {
            QUEUE + name: self._entry(name, found.queues.get(name), known.consumed_now, known.consumed, now)
            for name, known in names.items()
        }
        changes = self._changes(QUEUE, entries)
        if now - self._kept_at >= _KEEP or now < self._kept_at:
            changes |= self._memory(source)
            self._kept_at = now
        self._names.found(found.names, now)
        return {**changes, "broker": self._whole(found, names, now)}

    def _entry(
        self, name: str, queue: Queue | None, consumed_now: bool | None, consumed: float, now: float
    ) -> dict[str, Any] | None:
        if queue is None:
            self._unconsumed.pop(name, None)
            return {"consumed": consumed} if consumed else None  # it is not there, and may come again
        figures = {field: value for field in _FIELDS if (value := getattr(queue, field)) not in (None, {})}
        if queue.consumers is not None:
            consumed_now = queue.consumers > 0
        since = self._since_unconsumed(name, queue.length, consumed_now, now)
        return {**figures, **({"consumed": consumed} if consumed else {}), **({"unconsumed": since} if since else {}),
                **({"unseen": True} if since and consumed_now is None else {})}  # fmt: skip

    def _since_unconsumed(self, name: str, length: int, consumed: bool | None, now: float) -> float | None:
        """Return since when messages wait that nobody would take; as long as that is not known, what was known."""
        if not length or consumed:
            self._unconsumed.pop(name, None)
        elif consumed is False:
            self._unconsumed.setdefault(name, now)
        return self._unconsumed.get(name)

    def _whole(self, found: Found, names: Mapping[str, Any], now: float) -> dict[str, Any]:
        found.remarks[:0] = self._remarks(found, names)
        whole = {
            "at": now, "interval": self._settings.broker_interval, "redis": self._settings.is_redis,
            "remarks": found.remarks, "troubles": found.troubles, "unacked": found.unacked,
            "unacked_since": found.unacked_since,
        }  # fmt: skip
        return {name: value for name, value in whole.items() if value not in (None, [], {})}

    def _remarks(self, found: Found, names: Mapping[str, Known]) -> Iterator[str]:
        """Yield what is odd about the names."""
        if found.is_bare and not any(known.must for known in names.values()) and not self._hears_workers():
            yield _BARE
            return
        given = {*self._settings.queues} - found.queues.keys() - found.unsure
        missing = [name for name in names if name in given]
        if missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            why = (
                "nobody consumes it, and it has no message and no binding" if self._settings.is_redis else "it is none"
            )
            yield f"not in the broker: the queue {shown} ({why}); correct `queues`, or start a worker on it"
        if self._names.left_out:
            yield f"{self._names.left_out} queues more than are looked at; name those that matter in `queues`"

    def _hears_workers(self) -> bool:
        return bool(living(presence(self._kept), time.time()))

    def _memory(self, source: Source) -> dict[str, Any]:
        """Return what must outlive a restart, as far as it has changed."""
        names = [key.removeprefix(QUEUE) for key in self._told if key.startswith(QUEUE)]
        entries = {_MEMORY + name: source.kept(name) for name in ("", *names)}
        return self._changes(_MEMORY, {key: entry if any(entry.values()) else None for key, entry in entries.items()})

    def _changes(self, prefix: str, entries: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entries that are other than told before; None for those that are no more."""
        before = {key: entry for key, entry in self._told.items() if key.startswith(prefix)}
        changes: dict[str, Any] = {key: entry for key, entry in entries.items() if entry != before.get(key)}
        changes |= dict.fromkeys(before.keys() - entries.keys())
        for key, entry in changes.items():
            if entry is None:
                self._told.pop(key, None)
            else:
                self._told[key] = entry
        return changes
