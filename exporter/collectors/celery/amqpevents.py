"""Events out of RabbitMQ: a queue of its own that ends with its connection and never grows without end."""

import json
import time
from collections.abc import Iterator
from threading import Event
from typing import Any, Final

from exporter.collectors.celery.settings import CelerySettings

_LOOK: Final = 0.5
_MOST_WAITING: Final = 50_000  # events that the broker keeps for us at most
_ABSENT: Final = (0.5, 10.0)  # seconds between two looks for the exchange, more each time: the broker logs each


class AmqpEvents:
    """The events of one virtual host's workers."""

    def __init__(self, settings: CelerySettings) -> None:
        self._settings = settings
        self._batch: list[Any] = []

    def events(self, stop: Event) -> Iterator[list[Any] | None]:
        """Yield batches as they come, an empty one for a sign of life, None where nothing was heard for a moment."""
        from exporter.collectors.celery.amqpline import connect, own_queue

        connection = connect(self._settings)
        try:
            yield []
            yield from self._await_exchange(connection, stop)
            if stop.is_set():
                return
            own_queue(connection, self._settings.event_exchange, "#", _MOST_WAITING, self._take)
            while not stop.is_set():
                yield self._heard(connection)
        finally:
            connection.collect()  # without a word of goodbye, which a server that hangs would not answer

    def _await_exchange(self, connection: Any, stop: Event) -> Iterator[list[Any] | None]:
        """Wait until an application has made the exchange: it is not for us to make it."""
        from exporter.collectors.celery.amqpline import has_exchange

        wait, most = _ABSENT
        while not stop.is_set() and not has_exchange(connection, self._settings.event_exchange, "topic"):
            until = time.monotonic() + wait
            while not stop.is_set() and time.monotonic() < until:
                yield self._heard(connection)
            wait = min(2 * wait, most)

    def _take(self, message: Any) -> None:
        try:
            found = json.loads(message.body)
        except (ValueError, TypeError, RecursionError):
            found = None
        self._batch.extend(found if isinstance(found, list) else [found])

    def _heard(self, connection: Any) -> list[Any] | None:
        """Return the events of a moment, None where not a word came."""
        before = connection.bytes_recv
        self._drain(connection)
        if connection.bytes_recv == before:
            return None
        batch, self._batch = self._batch, []
        return batch

    def _drain(self, connection: Any) -> None:
        """Take what comes within a moment, but not for ever."""
        connection.heartbeat_tick()
        timeout = _LOOK
        try:
            while len(self._batch) < 1000:
                connection.drain_events(timeout=timeout)
                timeout = 0.01
        except TimeoutError:
            pass
