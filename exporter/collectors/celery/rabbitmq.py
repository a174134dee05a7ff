"""Queues in RabbitMQ: asked whether they are there, which tells how long they are; ages come of the management API."""

import time
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.celery.found import Found, Queue
from exporter.collectors.celery.management import Figures, Management
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.stock import Stock

_SECONDS: Final = 10.0  # for one look
_SHOWN: Final = 3
_ABSENT: Final = 60.0  # seconds until a queue that is not there is asked for again: the broker logs each such question


class RabbitQueues:
    """The queues of one virtual host."""

    def __init__(self, settings: CelerySettings) -> None:
        self._settings = settings
        self._management = Management(settings, settings.management) if settings.management else None
        self._connection: Any = None
        self._absent: dict[str, float] = {}  # until when
        self._refused: dict[str, str] = {}
        self._waiting: dict[str, Stock] = {}
        self._taken: dict[str, Stock] = {}
        self._unserved: dict[
            str, tuple[float, int]
        ] = {}  # (since when nobody could take anything, how many there were)

    def remember(self, name: str, kept: Mapping[str, Any]) -> None:
        if "waiting" in kept:
            self._waiting[name] = Stock(kept["waiting"], in_order=True)
        if "taken" in kept:
            self._taken[name] = Stock(kept["taken"], in_order=False)
        if "unserved" in kept:
            since, level = kept["unserved"]
            self._unserved[name] = (since, level)

    def kept(self, name: str) -> dict[str, Any]:
        stocks = {"waiting": self._waiting.get(name), "taken": self._taken.get(name)}
        kept: dict[str, Any] = {key: stock.kept() for key, stock in stocks.items() if stock is not None}
        return kept | ({"unserved": list(self._unserved[name])} if name in self._unserved else {})

    def look(self, names: Mapping[str, bool], now: float) -> Found:
        found = Found()
        figures = self._figures(found)
        self._ask([name for name in names if self._is_asked(name, figures, now)], found, now)
        for name, queue in found.queues.items():
            self._of_age(name, queue, None if figures is None else figures.get(name), now)
        self._in_all(found, figures)
        self._let_go(names)
        self._remark(found)
        return found

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()  # without a word of goodbye, which a server that hangs would not answer

    def _figures(self, found: Found) -> dict[str, Figures] | None:
        """Return what the management API tells, None where there is none or it fails."""
        if self._management is None:
            return None
        try:
            figures = self._management.queues()
            if not self._settings.queues:
                found.names = self._management.of_celery()
            return figures
        except Trouble as trouble:
            found.troubles["management"] = (str(trouble), trouble.fix)
            return None

    def _is_asked(self, name: str, figures: Mapping[str, Figures] | None, now: float) -> bool:
        return (figures is None or name in figures) and self._absent.get(name, 0.0) <= now

    def _ask(self, names: list[str], found: Found, now: float) -> None:
        from amqp.exceptions import ChannelError, NotFound

        from exporter.collectors.celery.amqpline import connect

        began = time.monotonic()
        if self._connection is None:
            self._connection = connect(self._settings, heartbeat=0)
        channel = self._connection.channel()
        for name in names:
            if time.monotonic() - began > _SECONDS:
                raise Trouble(f"the broker has not told of all queues within {_SECONDS:g} s", "see what keeps it busy")
            try:
                # passive: it is asked for, and not made
                _, length, consumers = channel.queue_declare(name, passive=True)
            except ChannelError as error:  # the channel ends with that
                self._absent[name] = now + _ABSENT
                if not isinstance(error, NotFound):
                    self._refused[name] = _words(error)
                channel = self._connection.channel()
                continue
            self._absent.pop(name, None)
            self._refused.pop(name, None)
            found.queues[name] = Queue(length, consumers)
        channel.close()

    def _of_age(self, name: str, queue: Queue, figures: Figures | None, now: float) -> None:
        """Find since when messages of the queue wait, and since when some are not acknowledged."""
        unserved = self._since_unserved(name, queue, now)
        if figures is None:
            queue.since = unserved
            return
        waiting = self._waiting.setdefault(name, Stock(in_order=True))
        # the queue itself has told a moment ago how many wait, and the management API somewhat earlier
        waits = min(queue.length, figures.ready)
        since = waiting.see(now, waits, figures.published, figures.delivered)
        known = [moment for moment in (since, unserved) if moment is not None]
        queue.since = min(known) if known else now if queue.length else None
        queue.unacked = figures.unacked
        if figures.delivered < figures.unacked:  # deliveries were not counted, as when counting has just begun
            self._taken.pop(name, None)
            return
        taken = self._taken.setdefault(name, Stock(in_order=False))
        queue.unacked_since = taken.see(now, figures.unacked, figures.delivered)

    def _since_unserved(self, name: str, queue: Queue, now: float) -> float | None:
        """Return since when messages wait with nobody there to take them, as long as they do not get fewer."""
        since, level = self._unserved.get(name, (now, 0))
        if queue.consumers or not queue.length:
            self._unserved.pop(name, None)
            return None
        self._unserved[name] = (since if queue.length >= level else now, queue.length)
        return self._unserved[name][0]

    def _in_all(self, found: Found, figures: object) -> None:
        if figures is not None:
            found.unacked = sum(queue.unacked or 0 for queue in found.queues.values())
            found.unacked_since = min(
                (queue.unacked_since for queue in found.queues.values() if queue.unacked_since), default=None
            )

    def _let_go(self, names: Mapping[str, bool]) -> None:
        for known in (self._waiting, self._taken, self._unserved, self._absent, self._refused):
            for name in known.keys() - names.keys():
                del known[name]

    def _remark(self, found: Found) -> None:
        found.unsure |= self._refused.keys()
        shown = [f"the queue {name}, {words}" for name, words in sorted(self._refused.items())]
        if shown:
            more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            found.remarks.append(f"without {'; '.join(shown[:_SHOWN])}{more}; leave it out of `queues`")


def _words(error: Any) -> str:
    """Return why the broker tells nothing of a queue."""
    code = getattr(error, "code", 0)
    return (
        "which is of one connection alone (exclusive)"
        if code == 405
        else f"of which the broker refuses to tell ({code})"
    )
