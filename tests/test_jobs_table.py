"""A table of jobs in SQLite, PostgreSQL and DuckDB: what waits, runs and ended, over purges and restarts."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

COLUMNS = "id, status, created_at, run_at, started_at, finished_at, kind, queue"
Do = Callable[[str], Any]


def iso(moment: float) -> str:
    return f"'{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S.%f+00:00}'"


def row(status: str, kind: str, created: float, *, run_at: float | None = None, started: float | None = None,
        finished: float | None = None, queue: str = "main") -> str:  # fmt: skip
    """Return a job's row, its times so many seconds ago."""
    now = time.time()
    times = ["NULL" if ago is None else iso(now - ago) for ago in (created, run_at, started, finished)]
    return f"INSERT INTO jobs VALUES ('{status}', {', '.join(times)}, '{kind}', '{queue}')"


def table(kind: str) -> str:
    times = ", ".join(f"{name} {kind}" for name in ("created_at", "run_at", "started_at", "finished_at"))
    return f"CREATE TABLE jobs (status text, {times}, kind text, queue text)"


def settings(source: str, more: str = "") -> str:
    lines = f"{source}, columns: {{queue: queue, run_at: run_at}}, settle: 0s, query_timeout: 1s"
    return f"table: {{{lines}}}\ntimeout: 20s\njobs: {{trends: {{kind: stage}}, images: {{time_limit: 1h}}}}\n{more}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(table("text"))
    return path


def doing(path: Path) -> Do:
    def do(sql: str) -> Any:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()

    return do


def runs(page: dict[str, str], job: str, outcome: str = "success") -> str:
    return page[f'runbook_job_runs_total{{job_name="{job}",outcome="{outcome}"}}']


def of(page: dict[str, str], name: str, state: str) -> str | None:
    return page.get(f'runbook_job_{name}{{queue="main",state="{state}"}}')


def settled(asked: One, job: str, count: str, outcome: str = "success") -> None:
    series = f'runbook_job_runs_total{{job_name="{job}",outcome="{outcome}"}}'
    until(lambda: asked.page().get(series) == count, 20)


def examined(asked: One, do: Do) -> None:
    """See that a database of any make gives what its table holds."""
    for sql in (
        row("done", "trends", 9000, started=8990, finished=8900), row("queued", "scripts", 4000),
        row("Pending", "scripts", 5000, run_at=3000), row("queued", "scripts", 50, run_at=-3600),
        row("running", "images", 4000, started=3900), row("canceled", "images", 1), row("strange", "images", 1),
    ):  # fmt: skip
        do(sql)
    now = time.time()
    asked.read()
    page = asked.page()
    assert set(asked.outcomes().values()) == {"ok"}
    states = ("waiting", "scheduled", "running", "other", "done")
    assert [of(page, "queue_length", state) for state in states] == ["2", "1", "1", "1", None]
    assert float(of(page, "oldest_timestamp_seconds", "waiting") or 0) == pytest.approx(now - 4000, abs=10)
    assert float(of(page, "oldest_timestamp_seconds", "running") or 0) == pytest.approx(now - 3900, abs=10)
    begun = float(page['runbook_job_oldest_start_timestamp_seconds{job_name="images"}'])
    assert begun == pytest.approx(now - 3900, abs=10)
    assert page['runbook_job_time_limit_seconds{job_name="images"}'] == "3600.0"
    assert runs(page, "trends") == "0"  # from before anybody counted; when it was is a fact all the same
    last = float(page['runbook_job_last_success_timestamp_seconds{job_name="trends"}'])
    assert last == pytest.approx(now - 8900, abs=10)
    do(row("done", "trends", 20, started=10, finished=0))
    do(row("failed", "images", 20, started=10, finished=0))
    settled(asked, "trends", "1")
    page = asked.page()
    assert runs(page, "images", "failure") == "1"
    assert page['runbook_job_duration_seconds_bucket{job_name="trends",le="15.0"}'] == "1"
    assert page['runbook_job_duration_seconds_bucket{job_name="trends",le="5.0"}'] == "0"
    do("DELETE FROM jobs")
    page = asked.page()
    assert [of(page, "queue_length", state) for state in states] == ["0", "0", "0", None, None]
    assert (runs(page, "trends"), of(page, "oldest_timestamp_seconds", "waiting")) == ("1", None)


def test_sqlite(file: Path) -> None:
    with one("jobs", settings(f"sqlite: {file}")) as asked:
        examined(asked, doing(file))


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.server() as found:
        yield found


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_postgres(cluster: postgres.Cluster, kind: str) -> None:
    with cluster.connect() as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("DROP TABLE IF EXISTS jobs")
        connection.execute(table(kind))
        connection.execute(
            "DO $$ BEGIN CREATE ROLE figures LOGIN PASSWORD '"
            f"{postgres.PASSWORD}"
            "'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        connection.commit()

        def do(sql: str) -> None:
            connection.execute(sql)
            connection.commit()

        address = cluster.url(user="figures")
        with one("jobs", settings(f"postgres: '{address}'")) as asked:
            assert "GRANT SELECT ON jobs TO figures" in asked.outcomes()["queues"]
            do("GRANT SELECT ON jobs TO figures")
        with one("jobs", settings(f"postgres: '{address}'")) as asked:
            examined(asked, do)


def test_duckdb(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "app.duckdb"

    def do(sql: str) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(sql)

    do(table("timestamp"))
    with one("jobs", settings(f"duckdb: {{path: {path}}}", "interval: 1h")) as asked:
        examined(asked, do)


def test_a_count_is_whole_over_a_restart(file: Path, tmp_path: Path) -> None:
    do, state = doing(file), tmp_path / "state"
    with one("jobs", settings(f"sqlite: {file}"), state) as asked:
        asked.read()
        do(row("done", "trends", 5, finished=0))
        settled(asked, "trends", "1")
    do(row("done", "trends", 5, finished=0))
    do("DELETE FROM jobs WHERE rowid = 1")
    with one("jobs", settings(f"sqlite: {file}"), state) as asked:
        settled(asked, "trends", "2")
        since = asked.page()['runbook_job_known_since_timestamp_seconds{job_name="trends"}']
    with one("jobs", settings(f"sqlite: {file}"), state) as asked:
        page = asked.page()
        assert runs(page, "trends") == "2"
        assert page['runbook_job_known_since_timestamp_seconds{job_name="trends"}'] == since


def test_what_ended_at_no_time_is_said_and_a_name_that_cannot_be_told_counts_nothing_twice(file: Path) -> None:
    do = doing(file)
    with one("jobs", settings(f"sqlite: {file}")) as asked:
        asked.read()
        do(row("failed", "images", 20, started=10))
        do(row("done", "images", 20, started=10, finished=-7200))
        assert "2 jobs have ended at no time" in asked.outcomes()["queues"]
        do("DELETE FROM jobs")
        assert asked.outcomes()["queues"] == "ok"
        do(row("done", "good", 20, started=10, finished=0))
        do(row("done", "x" * 5000, 20, started=10, finished=0))
        until(lambda: "a name in the table" in asked.outcomes()["runs"], 20)
        asked.read()
        do("DELETE FROM jobs WHERE kind <> 'good'")
        settled(asked, "good", "1")
        asked.read()
        assert runs(asked.page(), "good") == "1"


def test_a_job_without_a_kind_has_a_name(file: Path) -> None:
    with one("jobs", settings(f"sqlite: {file}")) as asked:
        asked.read()
        doing(file)(row("done", "", 20, started=10, finished=0))
        settled(asked, "unnamed", "1")


def test_a_queue_that_is_empty_has_none_over_a_restart(file: Path, tmp_path: Path) -> None:
    do, state = doing(file), tmp_path / "state"
    with one("jobs", settings(f"sqlite: {file}"), state) as asked:
        assert of(asked.page(), "queue_length", "waiting") is None
        do(row("queued", "trends", 5))
        assert of(asked.page(), "queue_length", "waiting") == "1"
    do("DELETE FROM jobs")
    with one("jobs", settings(f"sqlite: {file}"), state) as asked:
        assert of(asked.page(), "queue_length", "waiting") == "0"


def test_an_expected_job_is_there_before_it_ever_ran(file: Path) -> None:
    with one("jobs", settings(f"sqlite: {file}")) as asked:
        page = asked.page()
        assert (runs(page, "trends"), runs(page, "trends", "failure")) == ("0", "0")
        assert page['runbook_job_info{job_name="trends",kind="stage"}'] == "1"
        assert 'runbook_job_known_since_timestamp_seconds{job_name="trends"}' in page
        os.rename(file, f"{file}.away")
        page = asked.page()
        assert page['runbook_target_up{collector="jobs"}'] == "0"
        assert page['runbook_job_info{job_name="trends",kind="stage"}'] == "1"
        assert 'runbook_job_known_since_timestamp_seconds{job_name="trends"}' in page
        assert not any("queue_length" in series or "runs_total" in series for series in page)
        os.rename(f"{file}.away", file)
        until(lambda: asked.read().up, 20)


def test_a_table_without_a_column_says_so(file: Path) -> None:
    doing(file)("ALTER TABLE jobs DROP COLUMN kind")
    with one("jobs", settings(f"sqlite: {file}")) as asked:
        outcomes = asked.outcomes()
    assert outcomes["queues"] == "ok"
    assert "no such column: kind" in outcomes["runs"]


def test_a_thousand_kinds_and_words_that_quote(file: Path) -> None:
    with one("jobs", settings(f"sqlite: {file}", "top: 10")) as asked:
        asked.read()
        rows = [row("done", f"kind{number}", 5, finished=0) for number in range(1000)]
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(";".join(["BEGIN", *rows, row("failed", "it''s", 5, finished=0), "COMMIT"]))
        until(lambda: "other" in str([series for series in asked.page() if "runs_total" in series]), 20)
        asked.read()
        page = asked.page()
    counts = [int(value) for series, value in page.items() if "runs_total" in series]
    assert (sum(counts), len(counts)) == (1001, 22)


def test_numbers_as_times(tmp_path: Path) -> None:
    path = tmp_path / "app.sqlite"
    do, now = doing(path), time.time()
    do(table("integer"))
    do(f"INSERT INTO jobs VALUES ('queued', {(now - 100) * 1000:.0f}, NULL, NULL, NULL, 'a', 'main')")
    with one("jobs", settings(f"sqlite: {path}, times: unix_ms")) as asked:
        assert float(of(asked.page(), "oldest_timestamp_seconds", "waiting") or 0) == pytest.approx(now - 100, abs=1)
        do(f"INSERT INTO jobs VALUES ('done', 1, NULL, {now * 1000 - 2000:.0f}, {time.time() * 1000:.0f}, 'a', 'main')")
        until(lambda: asked.page().get('runbook_job_runs_total{job_name="a",outcome="success"}') == "1", 20)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_hundreds_of_rounds_leave_nothing(file: Path, cluster: postgres.Cluster) -> None:
    with cluster.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS jobs")
        connection.execute(table("timestamptz"))
        connection.commit()
    with one("jobs", settings(f"postgres: '{cluster.url()}'")) as asked:
        leaves_nothing(asked, 500)
    with one("jobs", settings(f"sqlite: {file}.none")) as asked:
        leaves_nothing(asked, 20, warm=5)
