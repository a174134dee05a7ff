"""Stores of every kind at work at once, and the configuration that watches them: for the tests of dashboards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import redis

from tests import duckdbholder, mongodserver, redisserver, sqlitefile
from tests.pgbouncer import Bouncer, bouncer
from tests.postgres import Cluster, monitor

# a database that an application might have, as far as its figures go
_FIGURES: Final = """
SELECT 0.9 AS deduplicated, 1.5 AS speed, 3 AS users, 5 AS sessions, NULL AS nothing
"""


@contextmanager
def stores(folder: Path, cluster: Cluster) -> Iterator[str]:
    """Have them at work; yield the lines of YAML of their targets. `cluster` has a database `app`."""
    with ExitStack() as stack:
        primary = stack.enter_context(redisserver.server(settings={"maxmemory": "64mb", "appendonly": "yes"}))
        broker = stack.enter_context(redisserver.server(settings={"maxmemory": "64mb"}))
        replica = stack.enter_context(redisserver.replica_of(primary))
        node = stack.enter_context(redisserver.cluster())
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        sentinel = stack.enter_context(redisserver.sentinel_of(primary))
        pool = stack.enter_context(bouncer(cluster))
        mongo = stack.enter_context(mongodserver.served(mongodserver.Deployment(mongodserver.replies("8.0"))))
        database = sqlitefile.made(folder / "app.sqlite", "wal")
        writer = stack.enter_context(sqlitefile.writer(database))
        writer.do("INSERT INTO t0 (text) VALUES ('x')")
        held = sqlitefile.made(folder / "held.sqlite")
        stack.enter_context(sqlitefile.writer(held)).do("BEGIN IMMEDIATE")
        analytics = duckdbholder.made(folder / "app.duckdb")
        stack.enter_context(duckdbholder.holding(analytics))
        want = partial(_want, pool)  # one of the two waits for the pool's only connection
        stack.enter_context(at_work(partial(_find, primary), partial(_queue, broker), want, want))
        yield f"""
  cache: {{collector: redis, url: {primary.url()}, max_age: 500ms}}
  broker: {{collector: redis, url: {broker.url()}, max_age: 500ms, keys: [celery]}}
  cache-replica: {{collector: redis, url: {replica.url()}, max_age: 500ms}}
  cache-cluster: {{collector: redis, url: {node.url()}, max_age: 500ms}}
  cache-sentinel: {{collector: redis, url: {sentinel.url()}, max_age: 500ms}}
  pool: {{collector: pgbouncer, url: {pool.url()}, max_age: 500ms}}
  documents: {{collector: mongodb, url: {mongo.url()}, max_age: 500ms}}
  records: {{collector: sqlite, path: {database}, interval: 2s, max_age: 500ms, tables_interval: 1m}}
  held: {{collector: sqlite, path: {held}, interval: 2s, max_age: 500ms}}
  analytics:
    collector: duckdb
    path: {analytics}
    max_age: 500ms
    read_interval: 5s
    integrity_interval: 60s
    holders: [nothing of the kind]
  figures:
    collector: sql
    max_age: 500ms
    postgres: {monitor(cluster, "figures")}
    queries:
      application:
        sql: {_FIGURES.strip()}
        metrics:
          - {{name: runbook_app_deduplication_ratio, value: deduplicated}}
          - {{name: runbook_app_video_processing_speed_ratio, value: speed}}
          - {{name: runbook_app_active_users, value: users}}
          - {{name: runbook_app_active_sessions, value: sessions}}
          - {{name: app_unknown, help: What is not known., value: nothing}}
  rows:
    collector: sql
    interval: 5s
    max_age: 1s
    duckdb: {{path: {analytics}}}
    queries: {{one: {{sql: SELECT 1 AS n, metrics: [{{name: app_one, help: One., value: n}}]}}}}
"""


@contextmanager
def at_work(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have these at work, each in a thread of its own, until it is told to stop."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _find(cache: redisserver.Redis, stop: threading.Event) -> None:
    with cache.client() as client:
        client.set("found", "x")
        while not stop.wait(0.1):
            client.mget(["found"] * 900 + ["missed"] * 100)
            client.set("fading", "x", ex=60)
            with suppress(redis.exceptions.ResponseError):
                client.lpush("found", "of another type")


def _queue(broker: redisserver.Redis, stop: threading.Event) -> None:
    with broker.client() as client:
        client.rpush("celery", "one")
        while not stop.wait(0.1):
            client.rpush("celery", "another")
            client.brpop(["celery"], 1)


def _want(pool: Bouncer, stop: threading.Event) -> None:
    with pool.connect() as connection:
        while not stop.wait(0.1):
            connection.execute("SELECT pg_sleep(0.2)")
