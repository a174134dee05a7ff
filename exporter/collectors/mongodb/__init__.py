"""MongoDB servers, under mongodb_exporter's names, from version 4.4 on.

Built on what MongoDB's documentation says for versions 5 to 8; unproved against a real MongoDB.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, Final

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors.mongodb import (
    collections,
    connections,
    databases,
    indexes,
    memory,
    operations,
    oplog,
    replication,
    server,
)
from exporter.collectors.mongodb.connection import Server
from exporter.collectors.mongodb.session import Session
from exporter.metric import Samples, gauge
from exporter.models import Problems
from exporter.setting import Pattern, SecretURL, setting

UP = gauge(
    "mongodb_up",
    "1 where the server answered in the last round, 0 where it did not.",
    labels=("cluster_role",),
    source="the exporter",
)
_HOST: Final = r"(\[[^\]]*\]|[^:,\[\]]+)(:\d{1,5})?"
_HOSTS: Final = re.compile(f"{_HOST}(,{_HOST})*")
_PASSWORD_OPTION: Final = re.compile(r"(?i)[?&][^=&]*password=")
_SCHEMES: Final = ("mongodb", "mongodb+srv")


@dataclass(frozen=True, slots=True)
class MongoDBSettings:
    """Which server, which of its databases to look into, and how much of them."""

    url: SecretURL = setting(
        help="The server, as `mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin`; TLS by its options (`tls=true`, "
        "`tlsCAFile=...`). Of several hosts, or of `mongodb+srv://`, the primary is read: give each member a target of "
        "its own to see all. The user needs the role clusterMonitor. Unproved against a real MongoDB.",
        example="mongodb://monitor:${MONGODB_PASSWORD}@127.0.0.1:27017/?authSource=admin",
    )
    databases_include: Pattern = setting(
        "", help="Regular expression of the databases whose collections and indexes are read; empty for all."
    )
    databases_exclude: Pattern = setting(
        "^(admin|config|local)$",
        help="Regular expression of databases whose collections and indexes are left out.",
        example='"^(admin|config|local|scratch_.*)$"',
    )
    top: int = setting(
        100, help="How many databases, collections and indexes have series of their own; the others add up in `other`."
    )

    def check(self) -> Problems:
        """Find an address that is none, and a password that would end it too early: what follows would be shown."""
        scheme, separator, rest = self.url.reveal().partition("://")
        if not separator or scheme not in _SCHEMES:
            yield "url", "is no address of MongoDB; expected mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin"
            return
        authority = re.split("[/?]", rest)[0]
        login, _, hosts = authority.rpartition("@")
        if "@" in login or login.count(":") > 1 or rest.partition("?")[0].count("@") != authority.count("@"):
            yield "url", "has an `@`, `:`, `/` or `?` inside its user or password; expected them as %40, %3A, %2F, %3F"
        elif not _HOSTS.fullmatch(hosts):
            yield "url", "names no host; expected mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin"
        elif "%2f" in hosts.lower():
            yield (
                "url",
                "names a socket in the file system, where no wait would end in time; expected host and port",
            )
        if _PASSWORD_OPTION.search(rest):
            yield (
                "url",
                "has a password among its options, where it would be shown; expected a key without a passphrase",
            )
        if self.top < 1:
            yield "top", "leaves no series; expected 1 or more"


class MongoDB(Collector[Session]):
    """A MongoDB server: alone, member of a replica set, or router of a cluster."""

    job = "mongodb"
    Settings = MongoDBSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (
        server,
        connections,
        operations,
        memory,
        replication,
        oplog,
        databases,
        collections,
        indexes,
    )

    def __init__(self, settings: MongoDBSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._server = Server(settings.url.reveal(), context.timeout)
        self._role = ""

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._server.awaken()
        session = Session(self._server, self.settings)
        self._role = session.role
        yield session

    def reads(self) -> list[Read]:
        return limited(super().reads(), self.settings.top)

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # mongodb_exporter has no such name
        """mongodb_up, with what the server was when it last answered."""
        yield UP(up, cluster_role=self._role)

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()
