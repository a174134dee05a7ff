"""Queries of the configuration's own to a real PostgreSQL: values, refusals, limits, and a server that goes away."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.onetarget import one
from tests.postgres import NEWEST, OLDEST, PASSWORD, Cluster, needs, server
from tests.process import ROOT, free_port
from tests.soak import leaves_nothing
from tests.sqltargets import figures, query, reason, target
from tests.support import until

ROLE = "figures"
WAITING = query("waiting", "SELECT count(*) AS jobs FROM jobs WHERE state = 'waiting'", "app_waiting jobs")
SLEEPS = query("sleeps", "SELECT 1 AS n, pg_sleep(30)", "app_n n", more="timeout: 300ms")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as running:
        running.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        running.sql("CREATE TABLE jobs (state text, number numeric, ended timestamptz, plain timestamp, open bool)")
        running.sql(
            "INSERT INTO jobs VALUES ('waiting', 1.5, '2026-11-25T10:00:00Z', '2026-11-25 10:00', true),"
            " ('done', NULL, NULL, NULL, NULL), ('done', 12345678901234567890, now(), now(), false)"
        )
        running.sql("CREATE SCHEMA hidden CREATE TABLE orders (id int)")
        running.sql('CREATE TABLE "Closed" (word text)')
        running.sql("CREATE SEQUENCE numbers")
        running.sql(
            "CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'of a word of the data'; END $$"
        )
        running.sql(
            "CREATE FUNCTION fails_as_a_name() RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no column a-word' USING ERRCODE = '42703'; END $$"
        )
        running.sql(f"GRANT SELECT ON jobs, numbers TO {ROLE}; GRANT USAGE ON SEQUENCE numbers TO {ROLE}")
        yield running


@pytest.fixture
def url(cluster: Cluster) -> str:
    return f"postgres: {cluster.url(user=ROLE)}"


def said(url: str, sql: str, more: str = "") -> str:
    """Return how a query for the column n fared."""
    with one("sql", target(url, query("it", sql, "app_n n", more=more))) as asked:
        return reason(asked, "it")


def test_columns_become_metrics(url: str) -> None:
    states = "SELECT state, count(*) AS jobs, sum(number) FROM jobs GROUP BY state;"
    first = "SELECT number, ended, plain, open, now() - now() + '90s' AS age FROM jobs WHERE state = 'waiting'"
    settings = target(
        url,
        query("states", states, "app_jobs jobs state",
              "{name: app_number, help: N., value: sum, labels: [state], scale: 2}"),
        query("first", first, "app_a number", "app_b_timestamp_seconds ended", "app_d open", "app_e_seconds age",
              "{name: app_c, help: C., value: plain, convert: time_utc}"),
        query("nothing", "SELECT number FROM jobs WHERE false", "app_nothing number"),
        query("rest", "SELECT number FROM jobs WHERE number IS NULL", "app_null number"),
        query("rest2", "SELECT 5 % 3 AS n, '{} %s' AS text WHERE 'x' LIKE '%x%'", "app_f n"),
        query("info", "SELECT 'a''b' AS word", "{name: app_info, type: info, help: I., labels: [word]}"),
        query("is", "SELECT 'slow' AS how", "{name: app_is, help: How., value: how, states: [well, slow]}"),
    )  # fmt: skip
    with one("sql", settings) as asked:
        page = asked.page()
    assert {name: value for name, value in page.items() if name.startswith("app")} == {
        'app_jobs{state="waiting"}': "1", 'app_jobs{state="done"}': "2", 'app_number{state="waiting"}': "3.0",
        'app_number{state="done"}': "2.4691357802469134e+19", "app_a": "1.5", "app_c": "1795600800.0", "app_d": "1",
        "app_b_timestamp_seconds": "1795600800.0", "app_e_seconds": "90.0", "app_f": "2", 'app_info{word="a\'b"}': "1",
        'app_is{state="well"}': "0", 'app_is{state="slow"}': "1",
    }  # fmt: skip
    missing = {name[:-2].partition('"')[2]: value for name, value in page.items() if "values_missing" in name}
    assert {name: value for name, value in missing.items() if value != "0"} == {"app_null": "1"}
    assert "app_nothing" in missing
    assert page['runbook_exporter_read_success{collector="sql",read="states"}'] == "1"


@pytest.mark.parametrize(("sql", "expected"), [
    ("SELECT 1 AS n; DROP TABLE jobs", "never asked"),
    ("SELECT nope AS n FROM jobs", 'column "nope" does not exist (line 1, column 8)'),
    ("SELECT 1 AS n\nFROM jobs\nWHERE stat = 1", 'column "stat" does not exist (line 3, column 7)'),
    ("SELECT 1 AS n FROM missing", 'relation "missing" does not exist (line 1, column 20)'),
    ("SELECT 1 AS n FROM WHERE", 'syntax error at or near "WHERE" (line 1, column 20)'),
    ("SELECT state AS n FROM jobs LIMIT 1", "`n` is text, expected a number, or `convert: text`, or `states`"),
    ("SELECT plain AS n FROM jobs LIMIT 1", "`n` is a time, expected a time zone in it, or `convert: time_utc`"),
    ("SELECT '{}'::json AS n", "`n` is an object, expected a number"),
    ("SELECT ARRAY[1] AS n", "`n` is a list, expected a number"),
    ("SELECT gen_random_uuid() AS n", "`n` is of the type UUID, expected a number"),
    ("SELECT 'infinity'::float8 AS n", "expected one that is not as large as that"),
    ("SELECT 1 AS m, 2 AS o", "the query gives no column `n`, but `m`, `o`"),
    ("SELECT 1 AS n, 2 AS n", "the query gives two columns `n`, but `n`, `n`"),
    ("SELECT number AS n FROM jobs", "two rows, and no labels to tell them apart"),
    ("SELECT 'a-word-of-the-data'::int AS n", "invalid input syntax for type integer: '...'"),
    ("SELECT 1 AS n WHERE 'a word of it", "unterminated quoted string at or near '...'"),
    ("SELECT 1/0 AS n", "division by zero"),
    ("SELECT 'infinity'::timestamptz AS n", "timestamp too large (after year ...): '...'"),
    ("SELECT '20001-01-01'::date AS n", "date too large (after year ...): '...'"),
    ("SELECT fails() AS n", "a function that the query calls has raised an error (P0001)"),
    ("SELECT fails_as_a_name() AS n", "a function that the query calls has raised an error (42703)"),
    ("""SELECT 'it''s "a-word" of it'::int AS n""", "invalid input syntax for type integer: '...' (line"),
    ("""SELECT E'"\n"a-word' :: int AS n""", "invalid input syntax for type integer: '...' (line"),
    ("SELECT '12345678'::smallint AS n", "value '...' is out of range for type smallint"),
    ("SELECT word AS n FROM \"Closed\"", f'permission denied for table Closed GRANT SELECT ON "Closed" TO {ROLE}'),
    ("SELECT id AS n FROM hidden.orders", f"schema hidden GRANT USAGE ON SCHEMA hidden TO {ROLE}"),
])  # fmt: skip
def test_what_is_wrong_is_said_without_values(
    url: str, sql: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    if expected == "never asked":
        with pytest.raises(Exception, match="several statements"):
            said(url, sql)
        return
    found = said(url, sql)
    assert found.startswith("failed")
    assert expected in found
    assert "a-word" not in found + caplog.text
    assert "a word" not in found + caplog.text


@pytest.mark.parametrize(("sql", "expected"), [
    ("SELECT nextval('numbers') AS n", "cannot execute nextval() in a read-only transaction"),
    ("SELECT 1 AS n INTO made FROM jobs", "INTO"),
    ("SELECT number AS n FROM jobs FOR UPDATE", "FOR UPDATE"),
    ("WITH a AS (MERGE INTO jobs AS j USING jobs AS k ON false WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1 AS n",
     "never asked"),
    ("SELECT pg_reload_conf()::int AS n", "permission denied for function pg_reload_conf"),
    ("SELECT count(pg_read_file('/etc/passwd')) AS n", "permission denied for function pg_read_file"),
])  # fmt: skip
def test_what_would_do_more_than_read_is_refused(url: str, cluster: Cluster, sql: str, expected: str) -> None:
    if expected == "never asked":
        with pytest.raises(Exception, match="would write"):
            said(url, sql)
        return
    found = said(url, sql)
    assert found.startswith("failed")
    assert expected in found
    assert cluster.sql("SELECT count(*) FROM jobs") == [(3,)]


def test_what_a_function_does_all_the_same_is_rolled_back(url: str, cluster: Cluster) -> None:
    said(url, "SELECT lo_creat(0)::bigint AS n")  # PostgreSQL 15 lets it pass where only reading is allowed
    assert cluster.sql("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


def test_a_lock_of_the_session_ends_with_its_query(url: str, cluster: Cluster) -> None:
    locks = query("locks", "SELECT 1 AS n, pg_advisory_lock(42)", "app_n n")
    fails = query("fails", "SELECT 1 / (pg_advisory_lock(43)::text <> '')::int - 1 / 0 AS n", "app_m n")
    held = query("held", "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory'", "app_held n")
    with one("sql", target(url, locks, fails, held)) as asked:
        assert figures(asked) == {"app_n": "1", "app_held": "0"}
        assert cluster.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_damage_is_not_the_query_s_fault(url: str, cluster: Cluster) -> None:
    cluster.sql(f"CREATE TABLE torn AS SELECT 1 AS n; GRANT SELECT ON torn TO {ROLE}; CHECKPOINT")
    ((file, size),) = cluster.sql(
        "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('torn'), pg_relation_size('torn')"
    )
    cluster.stop()
    Path(file).write_bytes(b"of another kind" * (size // 15 + 1))
    cluster.start()
    found = said(url, "SELECT n FROM torn")
    assert "invalid page in block" in found
    assert "restore a backup" in found
    assert "correct the query" not in found


def test_where_all_queries_fail_the_target_is_up_and_each_says_why(url: str) -> None:
    bad = [query(f"q{number}", f"SELECT nope{number} AS n", f"app_{number} n") for number in range(2)]
    with one("sql", target(url, *bad)) as asked:
        found = asked.outcomes()
        assert asked.target.view().up is True
    assert found["age"] == "ok"
    for number in range(2):
        assert f'column "nope{number}" does not exist' in found[f"q{number}"]


def test_a_superuser_s_query_cannot_write_either_nor_loosen_the_session_for_the_next(cluster: Cluster) -> None:
    opens = (
        "SELECT 1 AS n, set_config('default_transaction_read_only', 'off', false),"
        " set_config('statement_timeout', '0', false)"
    )
    settings = target(
        f"postgres: {cluster.url()}",
        query("opens", opens, "app_n n"),
        query("next", "SELECT nextval('numbers') AS n", "app_m n"),
        query("now", "SELECT 1 AS n, set_config('transaction_read_only', 'off', true)", "app_o n"),
        query("limit", "SELECT setting::int AS ms FROM pg_settings WHERE name = 'statement_timeout'", "app_ms ms"),
    )
    with one("sql", settings) as asked:
        for _ in range(2):
            found = asked.outcomes()
            assert "read-only transaction" in found["next"]
            assert found["now"].startswith("failed")
            assert 1900 <= float(asked.page()["app_ms"]) <= 2000


def test_a_slow_query_is_cut_while_the_others_work(url: str, cluster: Cluster) -> None:
    with one("sql", target(url, SLEEPS, WAITING)) as asked:
        found = asked.outcomes()
        assert found["sleeps"] == "failed it was cut after 0.3 s make the query quicker, or raise its `timeout`"
        assert found["waiting"] == "ok"
        busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'figures' AND state <> 'idle'"
        until(lambda: cluster.sql(busy) == [(0,)])


def test_queries_that_take_too_long_together_end_with_the_round(url: str) -> None:
    slow = [
        query(f"q{number}", "SELECT 1 AS n, pg_sleep(0.45)", f"app_q{number} n", more="timeout: 1s")
        for number in range(5)
    ]
    with one("sql", target(f"{url}\ntimeout: 1s", *slow)) as asked:
        began = time.monotonic()
        found = asked.outcomes()
        assert time.monotonic() - began < 1.5
    assert found["q0"] == "ok"
    assert "no time was left for it in this round" in found["q4"]
    assert "the target's `timeout`" in found["q4"]


def test_a_locked_table_costs_its_query_a_moment(url: str, cluster: Cluster) -> None:
    with cluster.connect() as holder, one("sql", target(url, WAITING)) as asked:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert "lock timeout" in reason(asked, "waiting")
        assert time.monotonic() - began < 1.5
        holder.execute("ROLLBACK")
        assert reason(asked, "waiting") == "ok"


def test_more_rows_than_there_may_be_are_no_figure(url: str) -> None:
    many = "SELECT a AS n, 'x' || a || '.' || b AS name FROM generate_series(1, 1000) a, generate_series(1, {}) b"
    with one("sql", target(url, query("q", many.format(1), "app_n n name"))) as asked:
        assert len(figures(asked)) == 1000
    found = said(url, many.format(100_000), more="max_rows: 50")
    assert "the query gives more than 50 rows" in found
    assert "`max_rows`" in found


def test_two_rows_of_one_label_are_refused_by_the_labels_names(url: str) -> None:
    twice = query("q", "SELECT 1 AS n, 'a-word-of-the-data' AS name FROM generate_series(1, 2)", "app_n n name")
    with one("sql", target(url, twice)) as asked:
        found = reason(asked, "q")
    assert "app_n: two rows have the same name" in found
    assert "a-word" not in found


def test_a_query_with_an_interval_is_made_no_more_often(url: str, cluster: Cluster) -> None:
    jobs = "SELECT count(*) AS jobs FROM jobs"
    often, seldom = query("often", jobs, "app_a jobs"), query("seldom", jobs, "app_b jobs", more="interval: 1h")
    with one("sql", target(url, often, seldom)) as asked:
        assert figures(asked) == {"app_a": "3", "app_b": "3"}
        cluster.sql("INSERT INTO jobs (state) VALUES ('new')")
        try:
            assert figures(asked) == {"app_a": "4", "app_b": "3"}
        finally:
            cluster.sql("DELETE FROM jobs WHERE state = 'new'")


def test_one_connection_that_is_kept(url: str, cluster: Cluster) -> None:
    of_role = "SELECT pid FROM pg_stat_activity WHERE usename = 'figures' AND application_name = 'runbook-exporter'"
    until(lambda: cluster.sql(of_role) == [])
    with one("sql", target(url, WAITING)) as asked:
        asked.read()
        (first,) = cluster.sql(of_role)
        asked.read()
        assert cluster.sql(of_role) == [first]
    until(lambda: cluster.sql(of_role) == [])


def test_a_password_that_is_wrong_and_a_role_that_may_nothing(cluster: Cluster) -> None:
    wrong = f"postgres: {cluster.url(user=ROLE, password='canary-of-the-test')}"
    with one("sql", target(wrong, WAITING)) as asked:
        snapshot = asked.read()
        assert snapshot.up is False
        assert "password authentication failed" in snapshot.reason
        assert "canary" not in repr(snapshot) + asked.text()


@pytest.mark.long
def test_nobody_listens() -> None:
    with one("sql", target(f"postgres: postgresql://figures@127.0.0.1:{free_port()}/app", WAITING)) as asked:
        snapshot = asked.read()
        assert snapshot.up is False
        assert "Connection refused" in snapshot.reason
        assert "start the server" in snapshot.fix
        leaves_nothing(asked, 100)


def test_a_server_that_hangs_costs_a_page_no_more_than_its_time(url: str, cluster: Cluster) -> None:
    with one(
        "sql",
        target(f"{url}\ntimeout: 1s", query("q", "SELECT count(*) AS n FROM jobs", "app_n n", more="timeout: 1s")),
    ) as asked:
        assert asked.read().up
        threads = threading.active_count()
        with cluster.stopped():
            for _ in range(3):
                began = time.monotonic()
                assert asked.read().up is False
                assert time.monotonic() - began < 3
                assert threading.active_count() <= threads + 1  # the one that cuts the line
        until(lambda: asked.read().up is True, 20)


def test_a_server_that_is_killed_and_comes_back_as_another_version() -> None:
    version = query("q", "SELECT current_setting('server_version_num')::int / 10000 AS n", "app_n n")
    needs(NEWEST)
    with server(OLDEST) as old, server(NEWEST) as new:
        new.stop()
        address = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{old.port},127.0.0.1:{new.port}/postgres"
        with one("sql", target(f"postgres: {address}", version)) as asked:
            assert figures(asked) == {"app_n": str(OLDEST)}
            old.stop()
            assert asked.read().up is False
            new.start()
            assert figures(asked) == {"app_n": str(NEWEST)}


def test_a_connection_that_was_ended_is_made_anew(url: str, cluster: Cluster) -> None:
    with one("sql", target(url, WAITING)) as asked:
        assert reason(asked, "waiting") == "ok"
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'figures'")
        assert reason(asked, "waiting") == "ok"


def test_a_database_without_the_table_is_up_and_says_what_is_missing(cluster: Cluster) -> None:
    cluster.sql("CREATE DATABASE empty")
    both = target(f"postgres: {cluster.url('empty')}", WAITING, query("q", "SELECT 1 AS n", "app_n n"))
    with one("sql", both) as asked:
        snapshot = asked.read()
        assert snapshot.up
        assert 'relation "jobs" does not exist' in reason(asked, "waiting")


def test_what_the_page_says_to_do_comes_true(cluster: Cluster) -> None:
    text = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    (grants,) = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shop = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])["targets"]["shop"]
    cluster.sql("CREATE DATABASE shop")
    cluster.sql("CREATE TABLE orders (state text, created_at timestamptz)", database="shop")
    cluster.sql("CREATE TABLE payments (cents int, paid_at timestamptz)", database="shop")
    cluster.sql("INSERT INTO orders VALUES ('new', '2026-11-25T10:00:00Z')", database="shop")
    cluster.sql("INSERT INTO payments VALUES (250, now())", database="shop")
    del shop["collector"]
    shop["postgres"] = cluster.url("shop", "page_reader")
    cluster.sql(f"CREATE ROLE page_reader LOGIN PASSWORD '{PASSWORD}'")
    with one("sql", yaml.safe_dump(shop, width=1000)) as asked:
        assert "GRANT SELECT ON orders TO page_reader" in reason(asked, "orders")
    cluster.sql("DROP ROLE page_reader")
    cluster.sql(grants.replace("figures", "page_reader").replace("choose one", PASSWORD), database="shop")
    with one("sql", yaml.safe_dump(shop, width=1000)) as asked:
        page = asked.page()
    assert page['shop_orders{state="new"}'] == "1"
    assert page['shop_order_oldest_timestamp_seconds{state="new"}'] == "1795600800.0"
    assert page["shop_revenue_usd"] == "2.5"


@pytest.mark.long
def test_hundreds_of_rounds_leave_nothing(url: str, cluster: Cluster) -> None:
    with one("sql", target(url, WAITING, query("bad", "SELECT nope", "app_bad nope"))) as asked:
        leaves_nothing(asked, 300)
        assert cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'figures'") == [(1,)]
        with psycopg.connect(cluster.url()) as other:
            assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchall() == [(0,)]
