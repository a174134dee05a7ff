"""What the PostgreSQL collector says of sessions, of their queries and of locks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.onetarget import One, one
from tests.postgres import DISTRIBUTIONS, NEWEST, OLDEST, Cluster, monitor, server, standby_of
from tests.support import until

MODES = {
    "accesssharelock", "rowsharelock", "rowexclusivelock", "shareupdateexclusivelock", "sharelock",
    "sharerowexclusivelock", "exclusivelock", "accessexclusivelock", "sireadlock",
}  # fmt: skip


@pytest.fixture(scope="module", params=[OLDEST, DISTRIBUTIONS, NEWEST])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with server(request.param) as running:
        running.sql("CREATE DATABASE shop")
        running.sql("CREATE TABLE goods (id int PRIMARY KEY)", database="shop")
        running.sql("INSERT INTO goods VALUES (1)", database="shop")
        yield running


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return monitor(cluster)


@pytest.fixture
def target(url: str) -> Iterator[One]:
    with one("postgres", f"url: {url}") as running:
        yield running


@contextmanager
def shop(cluster: Cluster, name: str) -> Iterator["psycopg.Connection[Any]"]:
    with cluster.connect("shop", application_name=name) as connection:
        yield connection


@contextmanager
def runs(cluster: Cluster, name: str, *queries: str) -> Iterator[None]:
    """Have a session run the queries, the last of which takes until its end is asked for."""
    with cluster.connect("shop", application_name=name) as connection:

        def work() -> None:
            try:
                for query in queries:
                    connection.execute(query)
            except psycopg.Error:
                return  # it was canceled, as meant

        thread = threading.Thread(target=work)
        thread.start()
        try:
            until(lambda: state_of(cluster, name)[:1] == ("active",))
            until(lambda: cluster.sql("SELECT query FROM pg_stat_activity WHERE application_name = %s", name)
                  == [(queries[-1],)])  # fmt: skip
            yield
        finally:
            connection.cancel()
            thread.join()


def state_of(cluster: Cluster, name: str) -> tuple[Any, ...]:
    (row,) = cluster.sql("SELECT state, wait_event_type FROM pg_stat_activity WHERE application_name = %s", name)
    return tuple(row)


def told(page: dict[str, str], metric: str, **labels: str) -> list[float]:
    """Return the values of the metric's series that have these labels."""
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    return [
        float(value)
        for series, value in page.items()
        if series.startswith(metric + "{") and all(label in series for label in wanted)
    ]


def epoch_of(cluster: Cluster, column: str, name: str) -> float:
    ((value,),) = cluster.sql(
        f"SELECT extract(epoch FROM {column})::float8 FROM pg_stat_activity WHERE application_name = %s", name
    )
    return float(value)


def test_sessions_are_counted_by_state_with_all_that_tells_them_apart(cluster: Cluster, target: One) -> None:
    with shop(cluster, "waiter") as idle, shop(cluster, "opener") as open_, shop(cluster, "broken") as broken:
        idle.execute("SELECT 1")
        open_.execute("BEGIN; SELECT 1 FROM goods")
        broken.execute("BEGIN")
        with pytest.raises(psycopg.errors.DivisionByZero):
            broken.execute("SELECT 1 / 0")
        page = target.page()
        for name, state in (("waiter", "idle"), ("opener", "idle in transaction"),
                            ("broken", "idle in transaction (aborted)")):  # fmt: skip
            labels = {
                "datname": "shop", "state": state, "usename": "postgres", "application_name": name,
                "backend_type": "client backend", "wait_event_type": "Client", "wait_event": "ClientRead",
                "server": f"127.0.0.1:{cluster.port}",
            }  # fmt: skip
            assert told(page, "pg_stat_activity_count", **labels) == [1]
        assert told(page, "pg_stat_activity_max_tx_duration", application_name="waiter") == [0]
        (duration,) = told(page, "pg_stat_activity_max_tx_duration", application_name="opener")
        assert 0 < duration < 60


def test_all_sessions_of_clients_are_counted_this_exporter_included(cluster: Cluster, target: One) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with shop(cluster, "one"), shop(cluster, "two"):
        until(lambda: sum(told(target.page(), "pg_stat_activity_count", backend_type="client backend"))
              == cluster.sql(query)[0][0])  # fmt: skip
        page = target.page()
        assert told(page, "pg_stat_activity_count", application_name="runbook-exporter", state="active") == [1]
        assert told(page, "pg_stat_activity_count", datname="shop", state="idle", application_name="two") == [1]


def test_a_state_that_nobody_is_in_counts_0(cluster: Cluster, target: One) -> None:
    page = target.page()
    for state in ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "disabled"):
        assert told(page, "pg_stat_activity_count", datname="shop", state=state) == [0]
    assert told(page, "pg_stat_activity_count", datname="template0") == []


def test_the_oldest_query_transaction_and_wait_are_where_sql_says(cluster: Cluster, target: One) -> None:
    with shop(cluster, "holder") as holder:
        holder.execute("BEGIN; UPDATE goods SET id = id")
        with runs(cluster, "blocked", "UPDATE goods SET id = id + 1"), runs(cluster, "late", "SELECT pg_sleep(60)"):
            until(lambda: state_of(cluster, "blocked") == ("active", "Lock"))
            page = target.page()
            assert told(page, "runbook_postgres_blocked_backends", datname="shop") == [1]
            oldest = {
                name: told(page, f"runbook_postgres_oldest_{name}_start_timestamp_seconds", datname="shop")
                for name in ("query", "transaction", "blocked_query")
            }
            assert oldest == {
                "query": [pytest.approx(epoch_of(cluster, "query_start", "blocked"), abs=1e-3)],
                "transaction": [pytest.approx(epoch_of(cluster, "xact_start", "holder"), abs=1e-3)],
                "blocked_query": [pytest.approx(epoch_of(cluster, "query_start", "blocked"), abs=1e-3)],
            }
    page = target.page()
    assert told(page, "runbook_postgres_blocked_backends", datname="shop") == [0]
    assert not any(series.startswith("runbook_postgres_oldest_") for series in page)


def test_backups_and_maintenance_are_no_slow_queries(cluster: Cluster, target: One) -> None:
    with runs(cluster, "pg_dump", "SELECT pg_sleep(60)"):
        page = target.page()
        assert told(page, "pg_stat_activity_count", application_name="pg_dump", state="active") == [1]
        assert not any(series.startswith("runbook_postgres_oldest_") for series in page)


def test_long_transactions_are_counted_after_a_minute(cluster: Cluster, target: One) -> None:
    page = target.page()
    assert float(page["pg_long_running_transactions"]) == 0
    assert float(page["pg_long_running_transactions_oldest_timestamp_seconds"]) == 0
    with shop(cluster, "long") as connection:
        connection.execute("BEGIN; SELECT 1 FROM goods")
        page = target.page()
        assert page["pg_long_running_transactions"] == "0"
        assert 0 < float(page["pg_long_running_transactions_oldest_timestamp_seconds"]) < 60


def test_locks_are_counted_by_mode_and_0_from_the_start(cluster: Cluster, target: One) -> None:
    page = target.page()
    assert {mode for mode in MODES if told(page, "pg_locks_count", datname="shop", mode=mode) == [0]} == MODES
    with shop(cluster, "locker") as connection:
        connection.execute("BEGIN; LOCK TABLE goods IN SHARE ROW EXCLUSIVE MODE")
        page = target.page()
        assert told(page, "pg_locks_count", datname="shop", mode="sharerowexclusivelock") == [1]
        assert told(page, "pg_locks_count", datname="shop", mode="exclusivelock") == [0]


def test_a_role_that_sees_only_itself_is_told_what_to_grant(cluster: Cluster) -> None:
    with one("postgres", f"url: {monitor(cluster, 'blind', [])}") as target, shop(cluster, "unseen"):
        outcomes = target.outcomes()
        for name in ("activity", "oldest_activity", "long_running_transactions"):
            assert "GRANT pg_monitor TO blind" in outcomes[name]
        assert "GRANT pg_monitor TO blind" in outcomes["wal"]
        assert outcomes["databases"] == "ok"
        assert told(target.page(), "pg_stat_activity_count") == []
        cluster.sql("GRANT pg_monitor TO blind")
        until(lambda: target.outcomes()["activity"] == "ok")
        assert told(target.page(), "pg_stat_activity_count", application_name="unseen") == [1]


def test_many_applications_add_up_in_other(cluster: Cluster, url: str) -> None:
    with one("postgres", f"url: {url}\ntop: 3") as target:
        crowd = [cluster.connect("shop", application_name=f"app-{number}") for number in range(10)]
        try:
            page = target.page()
            assert len([series for series in page if "pg_stat_activity_count" in series and '"app-' in series]) <= 3
            assert sum(told(page, "pg_stat_activity_count", datname="shop", state="idle")) == 10
            assert sum(told(page, "pg_stat_activity_count", application_name="other", state="idle")) >= 7
        finally:
            for connection in crowd:
                connection.close()


def test_the_oldest_query_is_told_of_databases_beyond_the_top_too(cluster: Cluster, url: str) -> None:
    with one("postgres", f"url: {url}\ntop: 1") as target, runs(cluster, "slow", "SELECT pg_sleep(60)"):
        page = target.page()
        assert told(page, "runbook_postgres_blocked_backends", datname="other") == [0]
        starts = told(page, "runbook_postgres_oldest_query_start_timestamp_seconds")
        assert starts == [pytest.approx(epoch_of(cluster, "query_start", "slow"), abs=1e-3)]


def test_the_session_that_feeds_a_standby_is_no_client() -> None:
    with server(NEWEST) as primary, standby_of(primary), one("postgres", f"url: {monitor(primary)}") as target:
        page = target.page()
        assert told(page, "pg_stat_activity_count", application_name="standby") == []
        assert not any(series.startswith("runbook_postgres_oldest_") for series in page)
