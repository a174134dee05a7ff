"""The PostgreSQL collector within the databases: tables, indexes, and databases that come, go, or let nobody in."""

import re
import threading
import time
from collections.abc import Iterator

import pytest

from exporter.collectors.postgres import PostgresSettings
from exporter.collectors.postgres.connection import Server, Visited
from exporter.collectors.postgres.indexes import UNUSED_SINCE, indexes
from exporter.collectors.postgres.session import Session, _answer
from exporter.state import Shelf, State
from tests.onetarget import One, one
from tests.postgres import Cluster, monitor, server
from tests.support import until


@pytest.fixture(scope="module", params=[13, 15, 18])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with server(request.param) as running:
        monitor(running)
        yield running


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    cluster.sql("CREATE DATABASE app")
    yield "app"
    cluster.sql("DROP DATABASE IF EXISTS app WITH (FORCE)")


def watched(cluster: Cluster, *more: str) -> str:
    return "\n".join([f"url: {cluster.url(user='monitor')}", *more])


def of(table: str, schema: str = "public", database: str = "app") -> str:
    return f'datname="{database}",schemaname="{schema}",relname="{table}"'


def value(page: dict[str, str], name: str, labels: str) -> float | None:
    """Return a sample, whatever the order of its labels."""
    wanted = set(labels.split(","))
    for series, text in page.items():
        found, _, rest = series.partition("{")
        if found == name and set(rest.rstrip("}").split(",")) == wanted:
            return float(text)
    return None


def ours(cluster: Cluster) -> list[str]:
    query = "SELECT datname FROM pg_stat_activity WHERE application_name = 'runbook-exporter' ORDER BY 1"
    return [name for (name,) in cluster.sql(query)]


def counted(cluster: Cluster, query: str, database: str = "app") -> None:
    """Wait until the server's statistics, which come with a delay, show what was done."""
    until(lambda: cluster.sql(query, database=database)[0][0], 20)


def test_tables_have_their_use_size_and_vacuums(cluster: Cluster, database: str) -> None:
    cluster.sql("CREATE TABLE kept (id int PRIMARY KEY, word text)", database=database)
    cluster.sql("CREATE TABLE never (id int)", database=database)
    cluster.sql("INSERT INTO kept SELECT n, 'word' FROM generate_series(1, 1000) AS n", database=database)
    cluster.sql("DELETE FROM kept WHERE id > 900", database=database)
    counted(cluster, "SELECT sum(n_tup_del) = 100 FROM pg_stat_user_tables")
    with one("postgres", watched(cluster)) as target:
        page = target.page()
    assert value(page, "pg_stat_user_tables_n_tup_ins", of("kept")) == 1000
    assert value(page, "pg_stat_user_tables_n_tup_del", of("kept")) == 100
    assert value(page, "pg_stat_user_tables_n_live_tup", of("kept")) == 900
    assert value(page, "pg_stat_user_tables_n_dead_tup", of("kept")) == 100
    assert value(page, "pg_stat_user_tables_last_vacuum", of("kept")) == 0
    assert value(page, "runbook_postgres_table_vacuumed_timestamp_seconds", of("kept")) is None
    assert value(page, "pg_stat_user_tables_idx_scan", of("kept")) is not None
    assert value(page, "pg_stat_user_tables_idx_scan", of("never")) is None  # it has no index
    ((size, index_size),) = cluster.sql("SELECT pg_table_size('kept'), pg_indexes_size('kept')", database=database)
    assert value(page, "pg_stat_user_tables_table_size_bytes", of("kept")) == size > 0
    assert value(page, "pg_stat_user_tables_index_size_bytes", of("kept")) == index_size > 0
    assert value(page, "pg_statio_user_tables_heap_blocks_hit", of("kept")) is not None

    begun = time.time()
    cluster.sql("VACUUM kept", database=database)
    counted(cluster, "SELECT sum(vacuum_count) = 1 FROM pg_stat_user_tables")
    with one("postgres", watched(cluster)) as target:
        page = target.page()
    vacuumed = value(page, "runbook_postgres_table_vacuumed_timestamp_seconds", of("kept"))
    assert vacuumed == pytest.approx(begun, abs=10)
    assert value(page, "pg_stat_user_tables_last_vacuum", of("kept")) == pytest.approx(vacuumed, abs=0.001)
    assert value(page, "pg_stat_user_tables_n_dead_tup", of("kept")) == 0


def test_a_locked_table_delays_nothing_and_reads_no_false_zero(cluster: Cluster, database: str) -> None:
    for table in ("locked", "reindexed", "free"):
        cluster.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, word text)", database=database)
        cluster.sql(f"INSERT INTO {table} SELECT n, 'word' FROM generate_series(1, 500) AS n", database=database)
    counted(cluster, "SELECT sum(n_tup_ins) = 1500 FROM pg_stat_user_tables")
    size = "pg_stat_user_tables_table_size_bytes"
    with cluster.connect(database) as holder, holder.transaction():
        holder.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        holder.execute("REINDEX INDEX reindexed_pkey")
        with one("postgres", watched(cluster)) as target:
            target.read()
            begun = time.monotonic()
            page = target.page()
            assert time.monotonic() - begun < 2
            assert {"tables": "ok", "indexes": "ok"}.items() <= target.outcomes().items()
        for table in ("locked", "reindexed"):
            assert value(page, size, of(table)) is None
            assert value(page, "pg_stat_user_tables_index_size_bytes", of(table)) is None
            assert value(page, "pg_stat_user_tables_n_tup_ins", of(table)) == 500
        free = value(page, size, of("free"))
        assert free
        index = f'indexrelname="reindexed_pkey",{of("reindexed")}'
        assert value(page, "runbook_postgres_index_size_bytes", index) is None
        assert value(page, "pg_stat_user_indexes_idx_scan_total", index) == 0
    with one("postgres", watched(cluster)) as target:
        assert value(target.page(), size, of("locked")) == free


@pytest.mark.parametrize("cluster", [15], indirect=True)  # the others take as long
def test_two_thousand_tables_keep_within_top_and_in_time(cluster: Cluster, database: str) -> None:
    cluster.sql(
        "DO $$ BEGIN FOR n IN 1..2000 LOOP EXECUTE format('CREATE TABLE t%s (id int)', n); "
        "IF n % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$",
        database=database,
    )
    cluster.sql("INSERT INTO t7 SELECT generate_series(1, 10000)", database=database)
    cluster.sql("INSERT INTO t8 SELECT generate_series(1, 300)", database=database)
    counted(cluster, "SELECT sum(n_live_tup) = 10300 FROM pg_stat_user_tables")
    with one("postgres", watched(cluster, "top: 1")) as target:
        begun = time.monotonic()
        page = target.page()
        assert time.monotonic() - begun < 4
        assert target.outcomes()["tables"] == "ok"
    live = {series: value for series, value in page.items() if series.startswith("pg_stat_user_tables_n_live_tup{")}
    assert sorted(map(float, live.values())) == [300, 10000]
    assert value(page, "pg_stat_user_tables_n_live_tup", of("t7")) == 10000
    assert value(page, "pg_stat_user_tables_n_live_tup", of("other", "other", "other")) == 300
    assert not any("last_vacuum" in series and "other" in series for series in page)


def test_databases_are_chosen_and_forgotten_as_they_go(cluster: Cluster, database: str) -> None:
    for name in ("scratch_1", "kept_1"):
        cluster.sql(f"CREATE DATABASE {name}")
        cluster.sql("CREATE TABLE here (id int)", database=name)
    try:
        with one("postgres", watched(cluster, 'databases_exclude: "^scratch_"')) as target:
            seen = databases(target)
            assert "kept_1" in seen
            assert "scratch_1" not in seen
        with one("postgres", watched(cluster, 'databases_include: "^scratch_"')) as target:
            assert databases(target) == {"scratch_1"}
            assert ours(cluster) == ["postgres"]
            cluster.sql("DROP DATABASE scratch_1")  # no connection of ours is in its way
        with one("postgres", watched(cluster)) as target:
            assert databases(target) == {"kept_1"}
            assert target.outcomes()["visits"] == "ok"
    finally:
        cluster.sql("DROP DATABASE IF EXISTS scratch_1")
        cluster.sql("DROP DATABASE kept_1")


def databases(target: One) -> set[str]:
    found = (re.match(r'pg_stat_user_tables_n_live_tup\{.*datname="(\w+)"', series) for series in target.page())
    return {match[1] for match in found if match}


def test_a_database_that_goes_before_it_is_entered_is_no_failure(cluster: Cluster) -> None:
    server = Server(cluster.url(user="monitor"), 5.0)
    server.awaken()
    try:
        session = Session(server, PostgresSettings())
        visited = Visited(0.0, {}, {})
        session._visit("gone", visited)
        assert visited.refused == {}
    finally:
        server.close()


def test_a_database_that_lets_nobody_in_is_named_with_the_remedy(cluster: Cluster, database: str) -> None:
    cluster.sql("CREATE TABLE here (id int)", database=database)
    cluster.sql('CREATE DATABASE "no entry"')
    cluster.sql('REVOKE CONNECT ON DATABASE "no entry" FROM PUBLIC')
    try:
        with one("postgres", watched(cluster)) as target:
            said = target.outcomes()
            assert said["tables"] == "ok"
            assert "the database no entry cannot be entered: the role has no right to connect" in said["visits"]
            assert 'GRANT CONNECT ON DATABASE "no entry" TO monitor' in said["visits"]
            assert databases(target) == {"app"}
        with one("postgres", watched(cluster, 'databases_exclude: "no entry"')) as target:
            assert target.outcomes()["visits"] == "ok"
    finally:
        cluster.sql('DROP DATABASE "no entry"')


def test_at_most_one_connection_is_in_each_database_and_none_stays(cluster: Cluster, database: str) -> None:
    seen: list[list[str]] = []
    over = threading.Event()

    def look() -> None:
        with cluster.connect() as connection:
            while not over.is_set():
                rows = connection.execute(
                    "SELECT datname FROM pg_stat_activity WHERE application_name = 'runbook-exporter'"
                ).fetchall()
                seen.append([name for (name,) in rows])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        with one("postgres", watched(cluster)) as target:
            for _ in range(5):
                target.read()
            until(lambda: ours(cluster) == ["postgres"])
    finally:
        over.set()
        looking.join()
    assert all(len(names) <= 2 and len(names) == len(set(names)) for names in seen)
    assert any(seen)


def test_indexes_have_their_use_and_those_without_are_known_since_when(cluster: Cluster, database: str) -> None:
    cluster.sql("CREATE TABLE kept (id int PRIMARY KEY, word text UNIQUE, spare int, used int)", database=database)
    cluster.sql("CREATE INDEX spare_index ON kept (spare)", database=database)
    cluster.sql("CREATE INDEX used_index ON kept (used)", database=database)
    cluster.sql("INSERT INTO kept SELECT n, n::text, n, n FROM generate_series(1, 2000) AS n", database=database)
    cluster.sql("ANALYZE kept", database=database)
    begun = time.time()
    cluster.sql("SELECT spare FROM kept WHERE used = 7", database=database)
    counted(cluster, "SELECT sum(idx_scan) = 1 FROM pg_stat_user_indexes")
    with one("postgres", watched(cluster)) as target:
        page = target.page()
    name = "runbook_postgres_index_unused_since_timestamp_seconds"

    def index(index: str) -> str:
        return f'indexrelname="{index}",{of("kept")}'

    assert value(page, "pg_stat_user_indexes_idx_scan_total", index("used_index")) == 1
    assert value(page, "pg_stat_user_indexes_idx_tup_read_total", index("used_index")) == 1
    assert value(page, "pg_stat_user_indexes_idx_scan_total", index("spare_index")) == 0
    assert value(page, "pg_statio_user_indexes_idx_blks_hit_total", index("spare_index")) is not None
    size = value(page, "runbook_postgres_index_size_bytes", index("spare_index"))
    assert size
    assert size > 8192
    # neither index has been there before, so neither can have been unused for longer
    for which in ("spare_index", "used_index"):
        since = value(page, name, index(which))
        assert since == pytest.approx(begun + 12, abs=17)
    assert value(page, name, index("kept_pkey")) is None
    assert value(page, name, index("kept_word_key")) is None


def unused_since(cluster: Cluster, shelf: Shelf) -> dict[str, float]:
    """Read the indexes of the database once more; return since when each is unused, by its name."""
    server = Server(cluster.url(user="monitor"), 5.0, shelf)
    server.awaken()
    try:
        samples = list(indexes.function(Session(server, PostgresSettings())))
    finally:
        server.close()
    return {
        sample.labels[-1]: float(str(sample.value)) for sample in samples if sample and sample.metric is UNUSED_SINCE
    }


def test_an_index_counts_as_unused_no_longer_than_is_known(cluster: Cluster, database: str) -> None:
    cluster.sql("CREATE TABLE kept (used int)", database=database)
    cluster.sql("CREATE INDEX used_index ON kept (used)", database=database)
    cluster.sql("INSERT INTO kept SELECT generate_series(1, 2000)", database=database)
    cluster.sql("ANALYZE kept", database=database)
    cluster.sql("SELECT pg_stat_reset()", database=database)
    counted(cluster, "SELECT stats_reset IS NOT NULL FROM pg_stat_database WHERE datname = 'app'")
    begun = time.time()
    shelf = State(None).shelf("it")
    first = unused_since(cluster, shelf)["used_index"]
    assert first == pytest.approx(begun, abs=10)

    def long_ago() -> None:
        shelf.put("index scans", {key: [scans, 1000] for key, (scans, _) in shelf.get("index scans").items()})

    long_ago()
    ((reset,),) = cluster.sql(
        "SELECT extract(epoch FROM stats_reset)::float8 FROM pg_stat_database WHERE datname = %s", database
    )
    assert unused_since(cluster, shelf)["used_index"] == reset  # what was before the reset is not known
    long_ago()
    cluster.sql("SELECT used FROM kept WHERE used = 7", database=database)
    counted(cluster, "SELECT sum(idx_scan) = 1 FROM pg_stat_user_indexes")
    scanned = unused_since(cluster, shelf)["used_index"]
    assert scanned == pytest.approx(time.time(), abs=10)
    assert scanned > begun - 1
    assert unused_since(cluster, shelf)["used_index"] == scanned
    cluster.sql("DROP INDEX used_index", database=database)
    assert unused_since(cluster, shelf) == {}
    assert not shelf.get("index scans")


def test_what_is_locked_just_before_it_is_read_costs_a_second_try(cluster: Cluster, database: str) -> None:
    cluster.sql("CREATE TABLE kept (id int)", database=database)
    waits = (
        "SELECT query_start FROM pg_stat_activity "
        "WHERE application_name = 'runbook-exporter' AND wait_event_type = 'Lock'"
    )
    tries: set[object] = set()

    def second_try() -> bool:
        tries.update(cluster.sql(waits))
        return len(tries) == 2

    server = Server(cluster.url("app"), 5.0)
    answers = []
    with server.visit("app") as ours, cluster.connect("app") as holder:
        asking = threading.Thread(target=lambda: answers.append(_answer(ours, "SELECT count(*) FROM kept")))
        with holder.transaction():
            holder.execute("LOCK TABLE kept IN ACCESS EXCLUSIVE MODE")
            asking.start()
            until(second_try)
        asking.join()
    assert answers == [[(0,)]]
