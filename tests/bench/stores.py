"""Data stores: what watching one of each kind costs, and Redis beside redis_exporter."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import duckdbfile, mongodserver, pgbouncer, postgres, redisserver, sqlitefile
from tests.bench import sides
from tests.bench.processes import REDIS_EXPORTER, Running, exporter, redis_exporter
from tests.bench.results import Side
from tests.bench.scale import Scale

_QUERY: Final = """
queries:
  jobs:
    sql: SELECT state, count(*) AS jobs FROM jobs GROUP BY state
    metrics: [{name: app_jobs, help: Jobs., value: jobs, labels: [state]}]
"""
# so that there are figures by command
_COMMANDS: Final = (
    "GET key1", "EXISTS key2", "LPUSH queue a b c", "LLEN queue", "RPOP queue", "SADD set a", "HSET hash a b",
    "ZADD sorted 1 a", "INCR counter", "TTL key0", "TYPE key1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Store:
    """A store that runs: the settings of a target for it, and what there is to say of it."""

    settings: str
    about: str
    address: str = ""
    """What a peer is given."""


Maker = Callable[[Path], AbstractContextManager[Store]]


def measure(place: Path, scale: Scale) -> dict[str, dict[str, Side]]:
    """Measure each store that is here, one after the other, by its collector's name."""
    return {kind: _measured(place, kind, scale) for kind, is_here in HERE.items() if is_here()}


def _measured(place: Path, kind: str, scale: Scale) -> dict[str, Side]:
    folder = place / f"store-{kind}"
    folder.mkdir()
    with ExitStack() as stack:
        store = stack.enter_context(MAKERS[kind](folder))
        running = {"ours": stack.enter_context(_watching(folder, kind, store))}
        if kind == "redis" and REDIS_EXPORTER is not None:
            running["theirs"] = stack.enter_context(redis_exporter(folder, store.address))
        about = {"ours": store.about, "theirs": "as it comes"}
        return sides.scraped(running, about, scale.stores_batches, scale.stores_batch)


def _watching(folder: Path, kind: str, store: Store) -> AbstractContextManager[Running]:
    settings = textwrap.indent(f"collector: {kind}\nmax_age: 0s\n{store.settings.strip()}", "    ")
    config = f"host: {{enabled: false}}\ntargets:\n  it:\n{settings}\n"
    # without the exporter's own figures, which are the same for all
    path = f"/metrics?collect%5B%5D={kind}"
    return exporter(folder, config, name=f"exporter, {kind}", path=path)


@contextmanager
def _redis(folder: Path) -> Iterator[Store]:
    with redisserver.server() as running:
        for database in range(4):
            with running.client(database) as client:
                client.mset({f"key{number}": "x" * 100 for number in range(250)})
                client.expire("key0", 3600)
                for command in _COMMANDS:
                    client.execute_command(*command.split())
        yield Store(f"url: {running.url()}", "4 databases of 250 keys", running.url())


@contextmanager
def _pgbouncer(folder: Path) -> Iterator[Store]:
    with pgbouncer.pooled() as (pool, _), pool.connect() as application:
        application.execute("SELECT 1")
        yield Store(f"url: {pool.url()}", "one pool in use")


@contextmanager
def _sqlite(folder: Path) -> Iterator[Store]:
    path = sqlitefile.made(folder / "app.sqlite", mode="wal", tables=20)
    with sqlitefile.writer(path) as application:
        application.do("SELECT 1")
        yield Store(f"path: {path}", "20 tables, an application beside it")


@contextmanager
def _duckdb(folder: Path) -> Iterator[Store]:
    path = duckdbfile.made(folder / "app.duckdb")
    yield Store(f"path: {path}", "what is seen without opening it, and what the last copy gave")


@contextmanager
def _mongodb(folder: Path) -> Iterator[Store]:
    with mongodserver.process("7.0") as (_, port):
        yield Store(f"url: mongodb://127.0.0.1:{port}/", "the server of the tests, as 7.0 answers")


@contextmanager
def _sql(folder: Path) -> Iterator[Store]:
    with postgres.server() as cluster:
        cluster.sql("CREATE TABLE jobs AS SELECT CASE id % 3 WHEN 0 THEN 'done' ELSE 'waiting' END AS state"
                    " FROM generate_series(1, 1000) AS id")  # fmt: skip
        yield Store(f"postgres: {cluster.url()}\n{_QUERY}", "one query over 1,000 rows of a PostgreSQL")


MAKERS: Final[Mapping[str, Maker]] = {
    "redis": _redis, "pgbouncer": _pgbouncer, "sqlite": _sqlite, "duckdb": _duckdb, "mongodb": _mongodb, "sql": _sql,
}  # fmt: skip
HERE: Final[Mapping[str, Callable[[], bool]]] = {
    "redis": lambda: bool(redisserver.programs().get("distribution")),
    "pgbouncer": lambda: pgbouncer.PROGRAM is not None and bool(postgres.majors()),
    "sqlite": lambda: True,
    "duckdb": lambda: True,
    "mongodb": lambda: True,
    "sql": lambda: bool(postgres.majors()),
}
"""Whether the server of each store is installed."""
