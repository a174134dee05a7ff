"""The look at events: what workers and senders tell as it happens."""

import time
from collections.abc import Mapping
from threading import Event
from typing import Any, Final

from exporter.collectors.celery.amqpevents import AmqpEvents
from exporter.collectors.celery.redisevents import RedisEvents
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.tally import Tally
from exporter.toil import Tell

_EVERY: Final = 1.0  # seconds between two times that counts are told
_SIGNS: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


class Events:
    """Counts events as they come."""

    name = "events"

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        self._settings = settings
        self._tally = Tally(settings, kept, time.time())

    def run(self, stop: Event, tell: Tell) -> None:
        """Listen until `stop` is set, or the broker is lost."""
        source = (RedisEvents if self._settings.is_redis else AmqpEvents)(self._settings)
        self._tally.listens(time.time())
        told = 0.0
        has_heard = False
        try:
            for batch in source.events(stop):
                now = time.time()
                has_heard = has_heard or batch is not None
                for event in batch or ():
                    self._take(event, now)
                if has_heard and now - told >= _EVERY:
                    tell(self._tally.flush(now))
                    told, has_heard = now, False
        finally:
            self._told_last(tell, told)

    def _told_last(self, tell: Tell, told: float) -> None:
        """Hand over what was counted since it was told."""
        if told:
            tell(self._tally.flush(time.time()))

    def _take(self, event: Any, now: float) -> None:
        try:
            self._tally.take(event, now)
        except _SIGNS:
            self._tally.malformed()
