"""PgBouncer, by its console, under pgbouncer_exporter's names, from version 1.12 on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors._libpq import address_problems, conninfo
from exporter.collectors.pgbouncer import databases, lists, pools, stats
from exporter.collectors.pgbouncer.console import Console, Session
from exporter.metric import Samples, gauge
from exporter.models import Problems
from exporter.setting import SecretURL, setting

UP = gauge("pgbouncer_up", "1 where the console answered in the last round, 0 where it did not.", source="the exporter")


@dataclass(frozen=True, slots=True)
class PgBouncerSettings:
    """Where the console is, and how much of it is shown."""

    url: SecretURL = setting(
        help="The console, as `postgresql://USER:PASSWORD@HOST:PORT/pgbouncer` or in libpq's keyword form; the user is "
        "one of `stats_users`, and without a database `pgbouncer` is meant.",
        example="postgresql://stats:${PGBOUNCER_PASSWORD}@127.0.0.1:6432/pgbouncer",
    )
    top: int = setting(100, help="How many pools and databases have series of their own; the others add up in `other`.")

    def check(self) -> Problems:
        """Find what is no address, and a password that would end it too early."""
        yield from (("url", problem) for problem in address_problems(self.url))
        if self.top < 1:
            yield "top", "leaves nothing; expected 1 or more"


class PgBouncer(Collector[Session]):
    """A PgBouncer, all its pools included."""

    job = "pgbouncer"
    Settings = PgBouncerSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (pools, databases, stats, lists)

    def __init__(self, settings: PgBouncerSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._console = Console(conninfo(settings.url), context.timeout)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._console.awaken()
        yield Session(self._console)

    def reads(self) -> list[Read]:
        return limited(super().reads(), self.settings.top)

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # one read that failed is no outage
        """pgbouncer_up."""
        yield UP(up)

    def interrupt(self) -> None:
        self._console.cancel(self._console.round)

    def close(self) -> None:
        self._console.close()
