"""Redis and PgBouncer in trouble of every kind: from real servers through the exporter to alerts that fire, and end."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.alerting import Way, whole_way
from tests.pgbouncer import Bouncer, pooled
from tests.redisserver import Redis, cluster, replica_of, server
from tests.support import until

TROUBLES: Final = {
    "ConnectionPoolWaiting", "PgBouncerClientsHigh", "RedisClientsHigh", "RedisClusterBroken", "RedisMemoryHigh",
    "RedisPersistenceFailing", "RedisQueueEvicting", "RedisRejectsConnections", "RedisReplicationBroken",
}  # fmt: skip
DOWN: Final = {"PgBouncerDown", "RedisDown"}
OURS: Final = ("Redis", "PgBouncer", "ConnectionPool", "CacheHit")

pytestmark = pytest.mark.timeout(240)


def firing(way: Way) -> set[str]:
    return {name for name in way.firing() if name.startswith(OURS)}


def told(way: Way) -> set[str]:
    """Return the alerts that people were told of."""
    return {name for name in way.webhook.names() if way.webhook.alerts(name, "firing")}


@contextmanager
def no_room(cache: Redis) -> Iterator[None]:
    """Have most of the memory used that there may be, a snapshot that cannot be written, and all connections taken."""
    with ExitStack() as stack:
        client = stack.enter_context(cache.client())
        client.mset({f"much{number}": "x" * 100_000 for number in range(100)})
        until(lambda: int(client.info("memory")["used_memory"]) < 14_000_000)  # without what it came in
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.02))
        (cache.folder / "dump.rdb").mkdir()
        client.bgsave()
        client.config_set("maxclients", 3)
        others = [stack.enter_context(cache.client()) for _ in range(3)]
        with suppress(redis.exceptions.RedisError):
            [other.ping() for other in others]
        try:
            yield
        finally:
            _given_back(cache, client)


def _given_back(cache: Redis, client: "redis.Redis") -> None:
    (cache.folder / "dump.rdb").rmdir()
    client.config_set("maxclients", 1000)
    client.flushall()
    client.bgsave()


@contextmanager
def full(pool: Bouncer) -> Iterator[None]:
    """Have all clients connected that may be, one of them in a transaction, and another waiting."""
    with ExitStack() as stack:
        first, second, *_ = [stack.enter_context(pool.connect()) for _ in range(8)]
        first.execute("BEGIN")
        waiting = threading.Thread(target=lambda: second.execute("SELECT 1"))
        waiting.start()
        try:
            yield
        finally:
            first.execute("COMMIT")
            waiting.join(10)


@contextmanager
def evicting(jobs: Redis) -> Iterator[None]:
    """Have somebody wait for messages, while keys are dropped."""
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(jobs, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def _work(jobs: Redis, stop: threading.Event) -> None:
    with jobs.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 2_000_000)
        client.config_set("maxmemory-policy", "allkeys-lru")
        number = 0
        while not stop.wait(0.1):
            number += 1
            client.set(f"key{number}", "x" * 100_000)
            client.lpush("queue", "task")
            client.brpop("queue")


@pytest.mark.long
def test_every_trouble_fires_and_ends(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pool, _ = stack.enter_context(pooled({"max_client_conn": "9", "query_wait_timeout": "0"}))
        cache, jobs, primary = (stack.enter_context(server()) for _ in range(3))
        replica, node = stack.enter_context(replica_of(primary)), stack.enter_context(cluster())
        servers = {"cache": cache, "jobs": jobs, "replica": replica, "node": node}
        targets = "".join(f"  {name}: {{collector: redis, url: '{running.url()}', max_age: 500ms}}\n"
                          for name, running in servers.items())  # fmt: skip
        config = f"targets:\n{targets}  pool: {{collector: pgbouncer, url: '{pool.url()}', max_age: 500ms}}\n"
        way = stack.enter_context(whole_way(tmp_path, config))
        until(lambda: len(way.prometheus.query("redis_up == 1")) == len(servers), 30)
        with no_room(cache), full(pool), evicting(jobs):
            primary.stop()
            # connections were refused for a moment only, so that alert may have ended before another fires
            until(lambda: told(way) >= TROUBLES, 90)
        primary.start()
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: firing(way) == set(), 90)
        cache.stop()
        pool.stop()
        until(lambda: firing(way) == DOWN, 60)
        cache.start()
        pool.start()
        until(lambda: firing(way) == set(), 60)
        until(lambda: told(way) >= TROUBLES | DOWN, 20)
