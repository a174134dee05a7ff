"""Every query of every dashboard is asked of a real Prometheus over live servers, and gives data."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests import dashboards
from tests.alerting import Way, whole_way
from tests.postgres import NEWEST, Cluster, monitor, server, standby_of
from tests.process import free_port
from tests.support import until

# What gives nothing where all is well, or on a machine like this one: a part of the query, and why.
EMPTY: dict[str, str] = {
    "node_hwmon_temp_celsius": "the machine that runs the tests has no sensors; the fixtures of the host have",
    "runbook:process_cpu_throttled": "nothing runs in a control group with a quota there; the fixtures of groups do",
    "runbook:postgres_sequential_rows": "there only where a large table is read from end to end again and again",
    "runbook:postgres_unused_index": "there only where an index of many megabytes has not been used for weeks",
    'timestamp_seconds{job=~".+", instance=~".+", target=~".+"} * 1000 and': "no read that once worked fails there",
}


@contextmanager
def busy(cluster: Cluster) -> Iterator[None]:
    """Have an application at work: it writes, reads by index and whole tables, sorts on disk, waits for a lock."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(cluster, stop)) for work in (_write, _wait)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _write(cluster: Cluster, stop: threading.Event) -> None:
    with cluster.connect("app") as connection:
        while not stop.wait(0.2):
            connection.execute("INSERT INTO orders (note) SELECT repeat('x', 50) FROM generate_series(1, 200)")
            connection.execute("UPDATE orders SET note = 'y' WHERE id % 7 = 0")
            connection.execute("DELETE FROM orders WHERE id % 11 = 0")
            connection.execute("SELECT * FROM orders WHERE id = 5").fetchall()
            connection.execute("SET work_mem = '64kB'")
            connection.execute("SELECT count(*) FROM (SELECT note FROM orders ORDER BY note DESC, id) AS sorted")


def _wait(cluster: Cluster, stop: threading.Event) -> None:
    """Hold a lock that another waits for, until the end."""
    with cluster.connect("app") as holder, cluster.connect("app") as waiter:
        holder.execute("BEGIN")
        holder.execute("SELECT pg_advisory_lock(1)")
        waiting = threading.Thread(target=lambda: waiter.execute("SELECT pg_advisory_lock(1)"))
        waiting.start()
        stop.wait()
        holder.execute("SELECT pg_advisory_unlock(1)")
        waiting.join()


def _prepare(primary: Cluster) -> None:
    primary.sql("CREATE DATABASE app")
    primary.sql("CREATE EXTENSION pg_stat_statements")
    for statement in (
        "CREATE TABLE orders (id serial PRIMARY KEY, note text)",
        "CREATE INDEX orders_by_note ON orders (note)",
        "INSERT INTO orders (note) SELECT repeat('z', 200) FROM generate_series(1, 20000)",
        "VACUUM ANALYZE orders",
    ):
        primary.sql(statement, database="app")


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    loaded = {
        "shared_preload_libraries": "pg_stat_statements", "archive_mode": "on", "archive_command": "true",
        "autovacuum": "on", "autovacuum_naptime": "1s",
    }  # fmt: skip
    with server(NEWEST, loaded) as primary, standby_of(primary) as standby:
        _prepare(primary)
        url = monitor(primary)
        until(lambda: standby.sql("SELECT 1 FROM pg_roles WHERE rolname = 'monitor'"), 20)
        primary.sql("SELECT pg_switch_wal()")
        config = f"""
host: {{max_age: 500ms, memory_minimum: 1GB}}
targets:
  orders-db: {{collector: postgres, url: {url}, max_age: 500ms, top: 1}}
  orders-standby: {{collector: postgres, url: {standby.url(user="monitor")}, max_age: 500ms}}
  gone: {{collector: postgres, url: "postgresql://monitor@127.0.0.1:{free_port()}/postgres"}}
  programs:
    collector: process
    max_age: 500ms
    groups:
      tests: {{name: {_own_name()}, memory_limit: 8GiB, cpu_limit: 2, open_files_limit: 65536}}
      database: {{name: postgres}}
"""
        with busy(primary), whole_way(tmp_path_factory.mktemp("way"), config) as running:
            # tables and statements are read once a minute, and a rate needs two of them
            read = 'runbook_exporter_read_last_success_timestamp_seconds{read="tables", target="orders-db"}'
            until(lambda: running.prometheus.query(f"changes({read}[2m]) > 0"), 90)
            yield running


def _own_name() -> str:
    with open("/proc/self/comm", encoding="utf-8") as file:
        return file.read().strip()


@pytest.mark.parametrize("area", dashboards.AREAS)
def test_every_query_gives_data_or_is_known_to_be_empty(way: Way, area: str) -> None:
    asked = [(panel, expr) for dashboard, panel, expr in dashboards.queries(rate_interval="2m") if dashboard == area]
    assert len(asked) > 10
    waiting = [one for one in asked if not any(part in one[1] for part in EMPTY)]

    def all_answered() -> bool:
        waiting[:] = [one for one in waiting if not way.prometheus.query(one[1])]
        return not waiting

    with suppress(AssertionError):  # what is still waited for is told below
        until(all_answered, 20)
    assert waiting == []


@pytest.mark.parametrize("part", EMPTY)
def test_what_is_said_to_be_empty_is_asked_somewhere_and_has_a_reason(part: str) -> None:
    assert EMPTY[part]
    assert any(part in expr for _, _, expr in dashboards.queries())
