"""What the PostgreSQL collector says of each database."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.onetarget import One, one
from tests.postgres import DISTRIBUTIONS, NEWEST, OLDEST, Cluster, monitor, server, standby_of
from tests.support import until

COUNTERS = (
    "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned", "tup_fetched", "tup_inserted",
    "tup_updated", "tup_deleted", "conflicts", "temp_files", "temp_bytes", "deadlocks",
)  # fmt: skip


@pytest.fixture(scope="module", params=[OLDEST, DISTRIBUTIONS, NEWEST])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with server(request.param) as running:
        running.sql("CREATE DATABASE shop CONNECTION LIMIT 7")
        running.sql("CREATE TABLE goods (id int PRIMARY KEY)", database="shop")
        running.sql("INSERT INTO goods VALUES (1), (2)", database="shop")
        yield running


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return monitor(cluster)


@pytest.fixture
def target(url: str) -> Iterator[One]:
    with one("postgres", f"url: {url}") as running:
        yield running


def labels_of(cluster: Cluster, name: str = "shop") -> str:
    ((oid,),) = cluster.sql("SELECT oid::text FROM pg_database WHERE datname = %s", name)
    return f'{{datid="{oid}",datname="{name}"}}'


def counted(cluster: Cluster, column: str, name: str = "shop") -> float:
    ((value,),) = cluster.sql(f"SELECT {column}::float8 FROM pg_stat_database WHERE datname = %s", name)
    return float(value)


def test_what_a_database_counts_is_what_sql_says(cluster: Cluster, target: One) -> None:
    with cluster.connect("shop") as connection:
        connection.execute("UPDATE goods SET id = id + 10")
        connection.execute("SET work_mem = '64kB'")
        connection.execute("SELECT count(*) FROM (SELECT g FROM generate_series(1, 50000) g ORDER BY random()) sorted")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM goods")
        connection.execute("ROLLBACK")
    # of a session that has ended nothing is left to be counted
    until(lambda: cluster.sql("SELECT 1 FROM pg_stat_activity WHERE datname = 'shop'") == [])
    until(lambda: counted(cluster, "temp_files") > 0)
    where = labels_of(cluster)

    def agrees() -> bool:
        page = target.page()
        return all(
            float(page[f"pg_stat_database_{column}{where}"]) == counted(cluster, column)
            for column in (*COUNTERS, "numbackends")
        )

    until(agrees)
    page = target.page()
    assert float(page[f"pg_stat_database_xact_rollback{where}"]) >= 1
    assert float(page[f"pg_stat_database_tup_deleted{where}"]) >= 2
    assert float(page[f"pg_stat_database_temp_bytes{where}"]) > 0
    assert f"pg_stat_database_blk_read_time{where}" in page


def test_each_version_has_the_columns_that_it_counts(cluster: Cluster, target: One) -> None:
    page, where = target.page(), labels_of(cluster)
    ((major,),) = cluster.sql("SELECT current_setting('server_version_num')::int / 10000")
    for name, since in (("sessions", 14), ("sessions_killed", 14), ("session_time_seconds_total", 14),
                        ("parallel_workers_launched", 18)):  # fmt: skip
        assert (f"pg_stat_database_{name}{where}" in page) == (major >= since)
    assert f"pg_stat_database_conflicts_confl_deadlock{where}" in page
    assert (f"pg_stat_database_conflicts_confl_active_logicalslot{where}" in page) == (major >= 16)
    if major >= 14:
        series = f"pg_stat_database_session_time_seconds_total{where}"
        # a session hands in its time as it ends, which may be just now
        until(lambda: float(target.page()[series]) == pytest.approx(counted(cluster, "session_time") / 1000))


def test_a_deadlock_counts(cluster: Cluster, target: One) -> None:
    where = labels_of(cluster)
    before = float(target.page()[f"pg_stat_database_deadlocks{where}"])
    with cluster.connect("shop") as here, cluster.connect("shop") as there:
        for connection, key in ((here, 1), (there, 2)):
            connection.execute("SET deadlock_timeout = '10ms'")
            connection.execute("BEGIN")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
        failures: list[Exception] = []
        thread = threading.Thread(target=_lock, args=(here, 2, failures))
        thread.start()
        _lock(there, 1, failures)
        if failures:
            there.execute("ROLLBACK")
        thread.join()
    assert len(failures) == 1
    until(lambda: float(target.page()[f"pg_stat_database_deadlocks{where}"]) == before + 1)


def _lock(connection: "psycopg.Connection[Any]", key: int, failures: list[Exception]) -> None:
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
    except psycopg.errors.DeadlockDetected as error:
        failures.append(error)


def test_a_reset_is_told_and_none_before_it(cluster: Cluster, target: One) -> None:
    cluster.sql("CREATE DATABASE fresh")
    where = labels_of(cluster, "fresh")
    reset = f"pg_stat_database_stats_reset{where}"
    cluster.sql("SELECT 1", database="fresh")
    cluster.sql("SELECT pg_stat_reset()", database="fresh")
    until(lambda: reset in target.page())
    at = counted(cluster, "extract(epoch FROM stats_reset)", "fresh")
    assert float(target.page()[reset]) == pytest.approx(at, abs=1e-3)
    cluster.sql("DROP DATABASE fresh")


def test_sizes_limits_and_ages_are_what_sql_says(cluster: Cluster, url: str) -> None:
    with one("postgres", f"url: {url}") as target:
        page = target.page()
        rows = cluster.sql("SELECT datname, pg_database_size(oid), datconnlimit, age(datfrozenxid), "
                           "mxid_age(datminmxid) FROM pg_database WHERE datname IN ('shop', 'postgres')")  # fmt: skip
        assert len(rows) == 2
        for name, size, limit, age, multixact_age in rows:
            where = f'{{datname="{name}"}}'
            assert float(page[f"pg_database_size_bytes{where}"]) == pytest.approx(size, rel=0.02)
            assert float(page[f"pg_database_connection_limit{where}"]) == limit
            assert float(page[f"pg_database_wraparound_age_datfrozenxid_seconds{where}"]) == age
            assert float(page[f"pg_database_wraparound_age_datminmxid_seconds{where}"]) == multixact_age
        assert 'pg_database_size_bytes{datname="template1"}' not in page
        # a template that grows old stops the server as any other
        assert 'pg_database_wraparound_age_datfrozenxid_seconds{datname="template0"}' in page


def test_only_the_wanted_databases_have_statistics(cluster: Cluster, url: str) -> None:
    with one("postgres", f"url: {url}\ndatabases_include: ^shop$") as target:
        page = target.page()
        assert f"pg_stat_database_xact_commit{labels_of(cluster)}" in page
        assert f"pg_stat_database_xact_commit{labels_of(cluster, 'postgres')}" not in page


def test_a_database_without_an_encoding_can_be_the_one_to_stay_connected_with(cluster: Cluster, url: str) -> None:
    cluster.sql("CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0")
    with one("postgres", f"url: {url.replace('/postgres', '/plain')}") as target:
        assert {name: said for name, said in target.outcomes().items() if said.startswith("failed")} == {}
    cluster.sql("DROP DATABASE plain WITH (FORCE)")


def test_a_database_that_is_dropped_is_gone_and_disturbs_nothing(cluster: Cluster, target: One) -> None:
    cluster.sql("CREATE DATABASE doomed")
    cluster.sql("SELECT 1", database="doomed")
    series = f"pg_stat_database_numbackends{labels_of(cluster, 'doomed')}"
    until(lambda: series in target.page())
    cluster.sql("DROP DATABASE doomed")
    page = target.page()
    assert series not in page
    assert page["pg_exporter_last_scrape_error"] == "0"
    left = {name.partition("{")[0] for name in page if 'datname="doomed"' in name}
    # these are read once a minute
    assert {name for name in left if not name.startswith("pg_stat_database_conflicts_")} <= {
        "pg_database_size_bytes", "pg_database_connection_limit",
    }  # fmt: skip


def test_many_databases_add_up_in_other(cluster: Cluster, url: str) -> None:
    with one("postgres", f"url: {url}\ntop: 1") as target:
        page = target.page()
        names = [series for series in page if series.startswith("pg_stat_database_xact_commit")]
        assert len(names) == 2
        assert 'pg_stat_database_xact_commit{datid="other",datname="other"}' in page
        assert not any(series.startswith('pg_stat_database_stats_reset{datid="other"') for series in page)


def test_checksum_failures_are_counted_where_checksums_are_on(cluster: Cluster, target: One) -> None:
    page = target.page()
    assert page[f"pg_stat_database_checksum_failures{labels_of(cluster)}"] == "0"
    assert page['pg_stat_database_checksum_failures{datid="0",datname=""}'] == "0"


def test_a_page_that_is_broken_is_a_failure_of_a_checksum() -> None:
    with server(DISTRIBUTIONS) as running:
        running.sql("CREATE TABLE broken AS SELECT generate_series(1, 1000) AS id")
        ((path,),) = running.sql("SELECT pg_relation_filepath('broken')")
        running.stop("fast")
        with (running.data / path).open("r+b") as file:
            file.seek(4000)
            file.write(b"nonsense")
        running.start()
        with one("postgres", f"url: {monitor(running)}") as target:
            with pytest.raises(psycopg.errors.DataCorrupted):
                running.sql("SELECT count(*) FROM broken")
            series = f"pg_stat_database_checksum_failures{labels_of(running, 'postgres')}"
            until(lambda: float(target.page()[series]) >= 1)
            assert series.replace("_failures", "_last_failure") in target.page()


def test_without_checksums_nothing_is_claimed_of_them() -> None:
    with server(DISTRIBUTIONS) as running:
        running.stop("fast")
        running._run("pg_checksums", "--disable", "-D", str(running.data))
        running.start()
        with one("postgres", f"url: {monitor(running)}") as target:
            said = target.outcomes()["checksums"]
            assert said.startswith("skipped data checksums are off")
            assert not any(series.startswith("pg_stat_database_checksum") for series in target.page())


def test_a_standby_tells_of_its_databases_too() -> None:
    with server(NEWEST) as primary:
        monitor(primary)
        with standby_of(primary) as standby, one("postgres", f"url: {standby.url(user='monitor')}") as target:
            failed = {name: said for name, said in target.outcomes().items() if said.startswith("failed")}
            assert failed == {}
            where = labels_of(standby, "postgres")
            assert f"pg_stat_database_conflicts_confl_snapshot{where}" in target.page()
