"""What a target of the collector `jobs` can be told: where its jobs are kept, and which are expected."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.collectors.jobs.table import TableSettings
from exporter.collectors.redis.settings import RedisSettings
from exporter.jobmetrics import ExpectedJob
from exporter.models import Problems, TargetSettings
from exporter.setting import FilePath, Secret, SecretURL, setting

PRESETS: Final = ("rq", "table")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:{}-]{1,60}")
_MOST_QUEUES: Final = 1000
_MOST_RUNS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RQSettings:
    """The Redis that RQ keeps its queues in."""

    url: SecretURL = setting(
        help="The server, as `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://...` for TLS, or "
        "`unix:///PATH?db=DATABASE`.",
        example='"redis://monitor:${REDIS_PASSWORD}@127.0.0.1:6379/0"',
    )
    username: str = setting("", help="The user of its ACL, where `url` names none.", example="monitor")
    password: Secret | None = setting(None, help="The password, where `url` has none.", example='"${REDIS_PASSWORD}"')
    ca_file: FilePath = setting(
        "", help="Authorities to trust for this server, as PEM, instead of the system's.", example="/etc/ssl/our-ca.pem"
    )
    queues: tuple[str, ...] = setting(
        (), help="The queues that are looked at; without any all that RQ knows.", example="[default, low]"
    )
    prefix: str = setting("rq", help="How its keys begin: what RQ has as `RQ_KEY_PREFIX`.")
    max_queues: int = setting(
        100, help="How many queues there may be; with more the target fails and says so: name some as `queues`."
    )
    max_runs: int = setting(
        1000, help="How many runs that have ended are looked at, of each queue and outcome: what may end between looks."
    )

    def server(self) -> RedisSettings:
        """Return the server as the collector `redis` has it."""
        return RedisSettings(url=self.url, username=self.username, password=self.password, ca_file=self.ca_file)

    def check(self) -> Problems:
        """Find an address that is none, and limits that cannot be."""
        yield from self.server().check()
        if "" in self.queues or len(set(self.queues)) < len(self.queues):
            yield "queues", "has one that is empty, or one twice; expected each once"
        if not _PREFIX.fullmatch(self.prefix):
            yield "prefix", "is no prefix of RQ's; expected letters, digits and any of _ . : - { }"
        for key, most in (("max_queues", _MOST_QUEUES), ("max_runs", _MOST_RUNS)):
            if not 1 <= getattr(self, key) <= most:
                yield key, f"is out of range; expected 1 to {most}"
        if len(self.queues) > self.max_queues:
            yield "queues", "names more than `max_queues` allows; expected fewer, or a higher limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSettings:
    """Where the jobs are kept, in exactly one way, and which are expected."""

    rq: RQSettings | None = setting(
        None, help="RQ's queues in Redis.", example='{url: "redis://127.0.0.1:6379"}', shown=True
    )
    table: TableSettings | None = setting(
        None, help="A table of jobs in PostgreSQL, DuckDB or SQLite.",
        example="{sqlite: /srv/app/app.sqlite, table: jobs}",
    )  # fmt: skip
    jobs: Mapping[str, ExpectedJob] = setting(
        {},
        help="Jobs that are expected to run, by the names that their runs have: one that never ran is noticed too.",
        example="{scrape_venues: {kind: scraper, time_limit: 30m}}",
    )
    top: int = setting(
        100,
        help="How many jobs have series of their own, the expected ones and the first seen, and how many queues, the "
        "longest; the others are `other`.",
    )

    def check(self) -> Problems:
        """Find none or several presets, names that are none, and more jobs than may be."""
        given = [preset for preset in PRESETS if getattr(self, preset) is not None]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "does not say where its jobs are"
            yield (given[1] if given else "rq"), f"the target {said}; expected exactly one of {', '.join(PRESETS)}"
        for name in self.jobs:
            if not _NAME.fullmatch(name):
                yield f"jobs.{name}", "is no name; expected up to 100 letters, digits and any of _ . : / -"
        if not max(1, len(self.jobs)) <= self.top <= 1000:
            yield "top", "is out of range; expected at least as many as `jobs` names, and 1000 at most"

    def check_in(self, target: TargetSettings) -> Problems:
        """Find a copy that each scrape would make, and queries that may take longer than a round."""
        if self.table is None:
            return
        if self.table.duckdb is not None and target.interval is None:
            yield "interval", "is missing, and a database of DuckDB is copied for each round; expected such as 5m"
        if self.table.query_timeout > target.timeout:
            remedy = f"expected at most the target's timeout ({target.timeout:g}s), or raise that"
            yield "table.query_timeout", f"is longer than a round over the target may take; {remedy}"
