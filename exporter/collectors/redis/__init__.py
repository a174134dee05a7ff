"""Redis servers and sentinels, and their like, under redis_exporter's names."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors.redis import (
    clients,
    cluster,
    commands,
    configuration,
    keys,
    keyspace,
    memory,
    modules,
    patterns,
    persistence,
    replication,
    sentinel,
    server,
    stats,
)
from exporter.collectors.redis.connection import Server
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.settings import RedisSettings
from exporter.metric import Samples, gauge

UP = gauge("redis_up", "1 where the server answered in the last round, 0 where it did not.", source="the exporter")
LAST_SCRAPE_ERROR = gauge(
    "redis_exporter_last_scrape_error",
    "1 where the round or one of its reads failed, else 0; `err` is always empty: the status page has the reason.",
    labels=("err",),
    source="the exporter",
)


class Redis(Collector[Session]):
    """A Redis server or sentinel, or one that speaks as they do, such as Valkey."""

    job = "redis"
    Settings = RedisSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (
        server,
        clients,
        memory,
        persistence,
        stats,
        replication,
        keyspace,
        commands,
        configuration,
        cluster,
        sentinel,
        modules,
        keys,
        patterns,
    )

    def __init__(self, settings: RedisSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._server = Server(settings.address(), settings.context, context.timeout)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._server.awaken()
        yield Session(self._server, self.settings)

    def reads(self) -> list[Read]:
        return limited(super().reads(), self.settings.top)

    def standing(self, up: bool, failing: bool) -> Samples:
        """redis_up, and whether all could be read."""
        yield UP(up)
        yield LAST_SCRAPE_ERROR(failing or not up, err="")

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()
