"""What the rules on Redis rest on, seen at real servers; and the commands of the runbook pages, given to them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
import pytest
import redis

from tests.onetarget import One, one
from tests.redisserver import Redis, cluster, replica_of, server
from tests.support import until
from tests.test_runbooks import blocks

PAGES: Final = (
    "CacheHitRateLow", "RedisClientsHigh", "RedisClusterBroken", "RedisDown", "RedisMemoryHigh",
    "RedisPersistenceFailing", "RedisQueueEvicting", "RedisRejectsConnections", "RedisReplicationBroken",
)  # fmt: skip
ON_A_REPLICA: Final = ("cluster failover", "replicaof", "master_")
_BROKEN: Final = ("(error)", "ERR ", "NOPERM", "Could not connect")


@contextmanager
def watched(running: Redis) -> Iterator[One]:
    with one("redis", f"url: {running.url()}\nmax_age: 0s") as target:
        yield target


@pytest.fixture(scope="module")
def primary() -> Iterator[Redis]:
    with server() as running:
        yield running


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    with server() as running:
        yield running


def value(target: One, series: str) -> float:
    return float(target.page()[series])


# ---- what the rules rest on


def test_memory_beyond_the_limit_is_refused_where_nothing_is_evicted(redis_server: Redis) -> None:
    with watched(redis_server) as target, redis_server.client() as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + (1 << 20))
        with suppress(redis.exceptions.OutOfMemoryError):
            for number in range(1000):
                client.set(f"key{number}", "x" * 10_000)
        page = target.page()
        ratio = float(page["redis_memory_used_bytes"]) - float(page["redis_mem_not_counted_for_eviction_bytes"])
        assert ratio / float(page["redis_memory_max_bytes"]) > 0.95
        assert any('maxmemory_policy="noeviction"' in series and 'role="master"' in series for series in page)


def test_connections_beyond_the_limit_are_counted_and_the_one_that_is_kept_still_tells(redis_server: Redis) -> None:
    with watched(redis_server) as target, ExitStack() as stack:
        assert value(target, "redis_rejected_connections_total") == 0
        assert value(target, "redis_config_maxclients") > 100
        stack.enter_context(redis_server.client()).config_set("maxclients", 5)
        refused = [stack.enter_context(redis_server.client()) for _ in range(5)]
        with pytest.raises(redis.exceptions.RedisError, match="max number of clients"):
            [client.ping() for client in refused]
        assert value(target, "redis_connected_clients") / 5 > 0.8
        assert value(target, "redis_rejected_connections_total") >= 1


def test_a_snapshot_that_fails_stops_writes_until_one_succeeds(redis_server: Redis) -> None:
    with watched(redis_server) as target, redis_server.client() as client:
        assert value(target, "redis_rdb_last_bgsave_status") == 1
        (redis_server.folder / "dump.rdb").mkdir()  # the snapshot cannot be put in its place
        client.config_set("save", "3600 1")
        client.bgsave()
        until(lambda: value(target, "redis_rdb_last_bgsave_status") == 0)
        with pytest.raises(redis.exceptions.ResponseError, match="snapshot"):
            client.set("key", "value")
        (redis_server.folder / "dump.rdb").rmdir()
        client.bgsave()
        until(lambda: value(target, "redis_rdb_last_bgsave_status") == 1)
        client.set("key", "value")


def test_an_append_only_file_that_is_not_written_anew_to_its_end_is_seen(redis_server: Redis) -> None:
    with watched(redis_server) as target, redis_server.client() as client:
        assert value(target, "redis_aof_enabled") == 0
        client.config_set("appendonly", "yes")
        until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        assert (value(target, "redis_aof_enabled"), value(target, "redis_aof_last_bgrewrite_status")) == (1, 1)
        assert value(target, "redis_aof_last_write_status") == 1
        client.mset({f"key{number}": "x" for number in range(100)})
        client.config_set("rdb-key-save-delay", 1_000_000)
        client.bgrewriteaof()
        until(lambda: psutil.Process(redis_server.pid).children())
        psutil.Process(redis_server.pid).children()[0].kill()  # as the kernel does where memory is short
        until(lambda: value(target, "redis_aof_last_bgrewrite_status") == 0)


def test_a_replica_whose_primary_is_gone_says_so(redis_server: Redis) -> None:
    with replica_of(redis_server) as replica, watched(replica) as target:
        link = f'redis_master_link_up{{master_host="127.0.0.1",master_port="{redis_server.port}"}}'
        assert value(target, link) == 1
        redis_server.stop()
        until(lambda: value(target, link) == 0)
        replica.ask("REPLICAOF", "NO", "ONE")
        assert link not in target.page()


def test_a_cluster_without_all_its_slots_does_not_work() -> None:
    with cluster() as node, watched(node) as target:
        assert value(target, "redis_cluster_state") == 0
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: value(target, "redis_cluster_state") == 1, 20)


def test_where_there_is_no_cluster_and_no_primary_nothing_is_said_of_them(primary: Redis) -> None:
    with watched(primary) as target:
        page = target.page()
    assert not any(series.startswith(("redis_cluster_state", "redis_master_link_up")) for series in page)


@pytest.mark.parametrize(
    ("look", "hits", "misses"),
    [
        (lambda client: client.get("there"), 1, 0),
        (lambda client: client.get("not-there"), 0, 1),
        (lambda client: client.llen("empty-queue"), 0, 1),  # why a server with queues is left out
        (lambda client: client.brpop("empty-queue", timeout=1), 0, 0),
    ],
)
def test_what_counts_as_a_hit(primary: Redis, look: "Callable[[redis.Redis], object]", hits: int, misses: int) -> None:
    names = ("redis_keyspace_hits_total", "redis_keyspace_misses_total")
    with watched(primary) as target, primary.client() as client:
        client.set("there", "yes")
        before = target.page()
        look(client)
        after = target.page()
    assert [float(after[name]) - float(before[name]) for name in names] == [hits, misses]


def test_workers_that_wait_for_messages_are_told_by_their_commands(redis_server: Redis) -> None:
    with watched(redis_server) as target, redis_server.client() as client:
        client.brpop("queue", timeout=1)
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + (1 << 20))
        for number in range(300):
            client.set(f"key{number}", "x" * 10_000)
        page = target.page()
        assert page['redis_commands_total{cmd="brpop"}'] == "1"
        assert float(page["redis_evicted_keys_total"]) > 0


# ---- the commands of the pages


def lines() -> list[tuple[str, str]]:
    return [(page, line) for page in PAGES for code in blocks("sh", page) for line in code.splitlines()
            if "redis-cli" in line]  # fmt: skip


@pytest.fixture(scope="module")
def servers(primary: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Return folders with a `redis-cli` each, which asks a server of that role wherever it is told to."""
    tool = shutil.which("redis-cli")
    if tool is None:
        reason = "redis-cli is not here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with ExitStack() as stack:
        replica = stack.enter_context(replica_of(primary))
        node = stack.enter_context(cluster())
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        second = stack.enter_context(cluster())
        second.ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        identity = node.ask("CLUSTER", "MYID")
        until(lambda: _replicates(second, identity), 20)
        roles = {"primary": primary, "replica": replica, "cluster": node, "cluster replica": second}
        yield {role: _client(tmp_path_factory.mktemp("bin"), tool, running.port) for role, running in roles.items()}


def _replicates(second: Redis, identity: str) -> bool:
    try:
        return bool(second.ask("CLUSTER", "REPLICATE", identity)) and "master_link_status" in str(
            second.ask("INFO", "replication")
        )
    except redis.exceptions.ResponseError:  # it does not know the other node yet
        return False


def _client(folder: Path, tool: str, port: int) -> Path:
    script = f"""#!/bin/bash
arguments=()
while [ $# -gt 0 ]; do
    if [ "$1" = -h ]; then shift; else arguments+=("${{1/127.0.0.1:6379/127.0.0.1:{port}}}"); fi
    shift
done
exec {tool} -p {port} "${{arguments[@]}}"
"""
    (folder / "redis-cli").write_text(script, encoding="utf-8")
    (folder / "redis-cli").chmod(0o755)
    return folder


def role_of(page: str, line: str) -> str:
    part = "replica" if any(words in line for words in ON_A_REPLICA) else "primary"
    if page == "RedisClusterBroken":
        return "cluster replica" if part == "replica" else "cluster"
    return part


def test_every_page_asks_something() -> None:
    assert {page for page, _ in lines()} == set(PAGES)


@pytest.mark.parametrize(("page", "line"), lines())
def test_a_command_works(page: str, line: str, servers: dict[str, Path], primary: Redis) -> None:
    with primary.client() as client:
        client.config_set("appendonly", "yes" if "bgrewriteaof" in line else "no")
        until(lambda: not any(client.info("persistence")[f"{kind}_in_progress"] for kind in
                              ("rdb_bgsave", "aof_rewrite")))  # fmt: skip
        client.config_set("slowlog-log-slower-than", 0)
        client.get("key")
        client.mset({"old:1": "x", "cache:1": "x"})
        client.lpush("celery", "task", "next")
        client.brpop("celery")
        path = f"{servers[role_of(page, line)]}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["bash", "-c", line.replace("timeout 3", "timeout 1")],
            env={"PATH": path, "PASSWORD_OF_THE_PRIMARY": "word-of-the-primary"}, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.stderr == ""
    assert ended.returncode == 0, line
    assert not any(words in ended.stdout for words in _BROKEN), ended.stdout
    assert ended.stdout.strip() or "monitor" in line, line
