"""PostgreSQL servers, under postgres_exporter's names, from version 13 on."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, Final

from exporter.collector import Collector, Context, Read
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


# As libpq's documentation has it: hosts with ports, or keyword = value with quotes around a value with spaces.
_HOST: Final = r"(\[[^\]]*\]|[^:,]*)(:\d*)?"
_HOSTS: Final = re.compile(f"{_HOST}(,{_HOST})*")
_KEYWORDS: Final = re.compile(r"\s*(\w+\s*=\s*('([^'\\]|\\.)*'|([^\s'\\]|\\.)*)\s*)*")


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
        scheme, separator, rest = (conninfo(self.url) or "").partition("://")
        if not separator:
            if not _KEYWORDS.fullmatch(scheme):
                yield "url", "is not understood; expected host=... user=..., values with spaces in single quotes"
            return
        authority = re.split("[/?]", rest)[0]
        if rest.count("@") > 1 or rest.count("@") != authority.count("@"):
            yield "url", "has an `@`, `/` or `?` inside its password; expected them as %40, %2F and %3F"
        elif scheme not in ("postgresql", "postgres") or not _HOSTS.fullmatch(authority.rpartition("@")[2]):
            yield "url", "is no address of PostgreSQL; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


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
        return [_limited(read, self.settings.top) for read in super().reads()]

    def standing(self, up: bool, failing: bool) -> Samples:
        """pg_up, and whether all could be read."""
        yield UP(up)
        yield LAST_SCRAPE_ERROR(failing)

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()


def conninfo(url: SecretURL | None) -> str:
    """Return what libpq is told; the driver that SQLAlchemy's addresses name is left out."""
    text = url.reveal() if url is not None else ""
    return re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", text)


def _limited(read: Read, top: int) -> Read:
    if read.members is None:
        return read
    return dataclasses.replace(read, members=dataclasses.replace(read.members, top=top))
