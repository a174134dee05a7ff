"""A Redis server's metrics beside those that Debian's prometheus-redis-exporter gives of the same server."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.bench.processes import REDIS_EXPORTER, exporter, redis_exporter
from tests.beside import Comparison, compare
from tests.redisserver import PASSWORD, Redis, replica_of, sentinel_of, server
from tests.support import until

_CONNECTION: Final = "they connect anew each time, and see their own connection and its buffers; ours is there for both"
_MESSAGE: Final = "their label `message` has the text of the answer: a new series with each other text"
EXPLAINED: Final = {
    ("redis_connected_clients", "values"): _CONNECTION,
    ("redis_memory_used_bytes", "values"): _CONNECTION,
    ("redis_memory_used_dataset_bytes", "values"): _CONNECTION,
    ("redis_sentinel_master_ckquorum_status", "label names"): _MESSAGE,
    ("redis_sentinel_master_ckquorum_status", "only theirs"): _MESSAGE,
    ("redis_sentinel_master_ckquorum_status", "only ours"): _MESSAGE,
}
"""Differences that are meant, by family and aspect."""

_OF_ITSELF: Final = "runbook_exporter_read_* tell the same of every read"
_SUMMARY: Final = "a summary by `quantile` 50 to 99.9, which nothing can add up; redis_commands_duration_* are here"
_NO_DATABASES: Final = "a sentinel has no databases; they say 0 of sixteen"
LACKING: Final = {
    "redis_db_keys": _NO_DATABASES,
    "redis_db_keys_expiring": _NO_DATABASES,
    "redis_exporter_build_info": "runbook_exporter_build_info",
    "redis_exporter_last_scrape_connect_time_seconds": "the connection is kept between rounds",
    "redis_exporter_last_scrape_duration_seconds": _OF_ITSELF,
    "redis_exporter_scrape_duration_seconds_count": _OF_ITSELF,
    "redis_exporter_scrape_duration_seconds_sum": _OF_ITSELF,
    "redis_exporter_scrapes_total": _OF_ITSELF,
    "redis_last_key_groups_scrape_duration_milliseconds": "there are no groups of keys",
    "redis_latency_percentiles_usec": _SUMMARY,
    "redis_latency_percentiles_usec_count": _SUMMARY,
    "redis_latency_percentiles_usec_sum": _SUMMARY,
    "redis_target_scrape_request_errors_total": "targets come from the configuration, not from the request",
}
"""Why a family that they give is not here."""

# Types that Debian's release gives otherwise than newer ones.
_RETYPED: Final = {
    "redis_expired_time_cap_reached_total gauge": "redis_expired_time_cap_reached_total counter",
}
_NEWER: Final = {"redis_instance_info": "master_replid"}


def as_newer(page: str) -> str:
    """Return a page of theirs with the types of newer releases."""
    for theirs, newer in _RETYPED.items():
        page = page.replace(f"# TYPE {theirs}\n", f"# TYPE {newer}\n")
    return page


def compare_here(watched: Redis, *options: str, keys: str = "[]") -> Comparison:
    """Compare both on one server; every page of ours is a round of its own."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        target = f"{{collector: redis, max_age: 0s, url: '{watched.url()}', keys: {keys}}}"
        config = f"host: {{enabled: false}}\ntargets: {{it: {target}}}\n"
        with (
            redis_exporter(place, watched.url(), "-include-system-metrics", *options) as peer,
            exporter(place, config, module="tests.bench.every", path="/probe?target=it") as ours,
        ):
            return compare(lambda: as_newer(peer.page()), ours.page, "redis_", _NEWER)


@contextmanager
def filled() -> Iterator[Redis]:
    """Run a server with something of everything in it."""
    with server(settings={"requirepass": PASSWORD, "latency-monitor-threshold": "1", "appendonly": "yes"}) as watched:
        watched.ask("RPUSH", "queue", *"abc")
        watched.ask("SADD", "members", *"ab")
        watched.ask("ZADD", "scores", 1, "a")
        watched.ask("HSET", "fields", "a", 1, "b", 2)
        watched.ask("XADD", "stream", "*", "a", "b")
        watched.ask("SET", "number", "12.5", database=3)
        watched.ask("SETEX", "short", 3600, "x", database=3)
        watched.ask("BGSAVE")
        watched.ask("DEBUG", "SLEEP", "0.02")
        until(lambda: watched.ask("INFO", "persistence")["rdb_bgsave_in_progress"] == 0)
        yield watched


@pytest.fixture(scope="module", autouse=True)
def _peer() -> None:
    if REDIS_EXPORTER is None:
        reason = "prometheus-redis-exporter is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def judge(found: Comparison, least: int) -> None:
    print("\n" + found.table(EXPLAINED))
    assert found.unexplained(EXPLAINED) == []
    assert set(found.lacking) <= LACKING.keys()
    assert len(found.verdicts) >= least


def test_a_primary_with_a_replica_and_chosen_keys() -> None:
    names = ("queue", "members", "scores", "fields", "stream", "none")
    theirs = ",".join(["db3=number", *(f"db0={name}" for name in names)])
    with filled() as watched, replica_of(watched):
        found = compare_here(watched, f"-check-single-keys={theirs}", keys=f"[db3=number, {', '.join(names)}]")
    judge(found, 125)
    assert "redis_db_keys" not in found.lacking


def test_a_replica() -> None:
    with filled() as primary, replica_of(primary) as watched:
        found = compare_here(watched)
    judge(found, 120)
    assert "redis_db_keys" not in found.lacking


def test_a_sentinel() -> None:
    with server() as primary, replica_of(primary), sentinel_of(primary) as watched:
        until(lambda: watched.ask("INFO", "sentinel")["master0"]["slaves"] == 1, 20)
        found = compare_here(watched)
    judge(found, 40)
