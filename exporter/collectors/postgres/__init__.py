"""PostgreSQL servers, under postgres_exporter's names, from version 13 on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors._libpq import address_problems, conninfo
from exporter.collectors.postgres import (
    activity,
    archiver,
    background,
    databases,
    databasestats,
    indexes,
    io,
    locks,
    replication,
    server,
    settings,
    slots,
    statements,
    tables,
    visits,
)
from exporter.collectors.postgres.connection import Server
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, gauge
from exporter.models import Problems
from exporter.setting import Pattern, SecretURL, setting

UP = gauge("pg_up", "1 where the server answered in the last round, 0 where it did not.", source="the exporter")
LAST_SCRAPE_ERROR = gauge(
    "pg_exporter_last_scrape_error", "1 where a read failed in the last round, else 0.", source="the exporter"
)


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Which server, which of its databases, and how much of them."""

    url: SecretURL | None = setting(
        None,
        help="The server, as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE` or in libpq's keyword form; the database "
        "is the one to stay connected with. Without it libpq's own environment (PGHOST, PGUSER, ...) says it.",
    )
    databases_include: Pattern = setting("", help="Regular expression of the databases to look into; empty for all.")
    databases_exclude: Pattern = setting(
        "^template[01]$", help="Regular expression of databases to leave out.", example='"^(template[01]|scratch_.*)$"'
    )
    top: int = setting(
        100,
        help="How many tables, indexes, statements, databases and applications have series of their own; the others "
        "add up in `other`.",
    )

    def check(self) -> Problems:
        """Find a password that would end the address too early: what follows would be taken for the host, and shown."""
        yield from (("url", problem) for problem in address_problems(self.url))


class Postgres(Collector[Session]):
    """A PostgreSQL server, all its databases included."""

    job = "postgres"
    Settings = PostgresSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (
        server,
        activity,
        archiver,
        background,
        databases,
        databasestats,
        io,
        locks,
        settings,
        replication,
        slots,
        visits,
        tables,
        indexes,
        statements,
    )

    def __init__(self, settings: PostgresSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._server = Server(conninfo(settings.url), context.timeout, context.shelf)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._server.awaken()
        yield Session(self._server, self.settings)

    def reads(self) -> list[Read]:
        return limited(super().reads(), self.settings.top)

    def standing(self, up: bool, failing: bool) -> Samples:
        """pg_up, and whether all could be read."""
        yield UP(up)
        yield LAST_SCRAPE_ERROR(failing)

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()
