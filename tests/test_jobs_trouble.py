"""A table of jobs whose database hangs, whose table is locked or slow, or says what cannot be; and what comes after."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.onetarget import One, one
from tests.support import until

TABLE = """
DROP VIEW IF EXISTS slow; DROP TABLE IF EXISTS jobs;
CREATE TABLE jobs (status text, created_at timestamptz DEFAULT now(), started_at timestamptz, finished_at timestamptz,
                   kind text);
CREATE VIEW slow AS SELECT jobs.* FROM jobs, pg_sleep(5);
INSERT INTO jobs (status, kind) VALUES ('queued', 'trends'), ('queued', 'trends')
"""
DONE = "INSERT INTO jobs VALUES ('done', now(), now(), clock_timestamp(), 'trends')"
WAITING = 'runbook_job_queue_length{queue="jobs",state="waiting"}'
RUNS = 'runbook_job_runs_total{job_name="trends",outcome="success"}'


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.server() as found:
        yield found


@pytest.fixture
def jobs(cluster: postgres.Cluster) -> Callable[..., str]:
    """Make the table anew; return what makes the settings of a target that looks into it."""
    cluster.sql(TABLE)

    def settings(table: str = "jobs", timeout: str = "10s", query_timeout: str = "1s") -> str:
        its = f"{{postgres: '{cluster.url()}', table: {table}, settle: 0s, query_timeout: {query_timeout}}}"
        return f"timeout: {timeout}\njobs: {{trends: {{kind: stage}}}}\ntable: {its}"

    return settings


def timed(asked: One) -> tuple[dict[str, str], float]:
    """Return what the reads of a round say, and how long it took."""
    begun = time.monotonic()
    return asked.outcomes(), time.monotonic() - begun


def test_a_server_that_hangs_ends_in_the_targets_time_and_says_so(
    cluster: postgres.Cluster, jobs: Callable[..., str]
) -> None:
    with one("jobs", jobs(timeout="1s")) as asked:
        assert asked.page()[WAITING] == "2"
        threads = threading.active_count()
        with cluster.stopped():
            for _ in range(3):
                begun = time.monotonic()
                snapshot = asked.read()
                assert time.monotonic() - begun < 3
                assert snapshot.up is False
                assert "timeout" in snapshot.reason or "no answer within 1 s" in snapshot.reason
                assert threading.active_count() <= threads + 1  # the one that cuts the line
            page = asked.page()
            assert WAITING not in page
            assert 'runbook_job_info{job_name="trends",kind="stage"}' in page
        until(lambda: asked.page().get(WAITING) == "2", 20)


def test_a_locked_table_costs_a_moment_and_no_run_is_missed(
    cluster: postgres.Cluster, jobs: Callable[..., str]
) -> None:
    with cluster.connect() as holder, one("jobs", jobs()) as asked:
        asked.read()
        assert asked.page()[RUNS] == "0"
        cluster.sql(DONE)
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        for _ in range(2):
            found, seconds = timed(asked)
            assert seconds < 6
            for read in ("queues", "running", "runs"):
                assert found[read].startswith("failed")
                assert "lock timeout" in found[read]
        page = asked.page()
        assert page['runbook_target_up{collector="jobs"}'] == "0"  # nothing of it can be read
        assert "end the transaction that holds the lock" in asked.read().fix
        assert (WAITING in page, RUNS in page) == (False, False)
        holder.execute("ROLLBACK")
        until(lambda: asked.page().get(RUNS) == "1", 20)
        assert asked.page()[WAITING] == "2"


def test_a_table_locked_for_longer_than_the_round_says_which_limit(
    cluster: postgres.Cluster, jobs: Callable[..., str]
) -> None:
    with cluster.connect() as holder, one("jobs", jobs(timeout="1s")) as asked:
        assert asked.read().up
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        found, seconds = timed(asked)
        assert seconds < 2
        assert all(found[read].startswith("failed") for read in ("queues", "running", "runs"))
        holder.execute("ROLLBACK")
        until(lambda: set(asked.outcomes().values()) == {"ok"}, 20)


def test_a_slow_table_is_cut_and_says_by_what(jobs: Callable[..., str]) -> None:
    with one("jobs", jobs("slow", query_timeout="300ms")) as asked:
        found, seconds = timed(asked)
    assert seconds < 3
    assert found["queues"].startswith("failed it was cut after 0.3 s raise `query_timeout`")


def test_a_server_that_is_killed_comes_back_and_no_run_is_counted_twice(
    cluster: postgres.Cluster, jobs: Callable[..., str]
) -> None:
    with one("jobs", jobs()) as asked:
        asked.read()
        cluster.sql(DONE)
        until(lambda: asked.page().get(RUNS) == "1", 20)
        cluster.stop()
        assert asked.read().up is False
        cluster.start()
        cluster.sql(DONE)
        until(lambda: asked.page().get(RUNS) == "2", 20)
        assert [asked.page()[RUNS] for _ in range(3)] == ["2"] * 3


@pytest.mark.parametrize(("row", "read", "expected"), [
    ("'queued', 'soon', NULL, NULL, 'a'", "queues", ""),
    ("'queued', NULL, NULL, NULL, 'a'", "queues", ""),
    ("NULL, '2026-11-25 10:00:00', NULL, NULL, NULL", "queues", ""),
    ("'done', '2026-11-25 10:00:00', '2026-11-25 11:00:00', '2026-11-25 10:00:00', 'a'", "runs", ""),
    ("'running', '2026-11-25 10:00:00', 'infinity', NULL, 'a'", "running", ""),
    ("'running', '2026-11-25 10:00:00', NULL, NULL, printf('%.5000c', 'x')", "running", "is no text of a label"),
], ids=["no date", "no time", "nothing", "ended before it began", "not finite", "no label"])  # fmt: skip
def test_rows_that_cannot_be_are_no_figure(tmp_path: Path, row: str, read: str, expected: str) -> None:
    path = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE jobs (status, created_at, started_at, finished_at, kind)")
        connection.execute(f"INSERT INTO jobs VALUES ({row})")
    with one("jobs", f"table: {{sqlite: {path}, settle: 0s}}\ntimeout: 20s") as asked:
        asked.read()
        outcomes: dict[str, Any] = asked.outcomes()
        page = asked.page()
    assert (outcomes[read] == "ok") == (not expected), outcomes
    assert expected in outcomes[read]
    assert not any(value in ("NaN", "+Inf", "-Inf") for value in page.values())
    assert not any("duration_seconds_sum" in series and float(value) < 0 for series, value in page.items())


def test_kinds_without_end_are_no_kinds(tmp_path: Path) -> None:
    path = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE jobs (status, created_at, started_at, finished_at, kind)")
        rows = [(f"job {number}",) for number in range(2100)]
        connection.executemany("INSERT INTO jobs VALUES ('done', '2026-11-25', '2026-11-25', '2026-11-25', ?)", rows)
        connection.commit()
    with one("jobs", f"table: {{sqlite: {path}, settle: 0s}}\ntimeout: 20s") as asked:
        asked.read()
        found = asked.outcomes()
    assert (found["queues"], found["running"]) == ("ok", "ok")
    assert found["runs"].startswith("failed the query gives more than 2,000 rows name columns of few different words")
