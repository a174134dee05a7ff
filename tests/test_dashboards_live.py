"""Every query of every dashboard is asked of a real Prometheus over live servers, and gives data."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests import dashboards
from tests.accesslogs import busy as busy_site
from tests.accesslogs import nginx
from tests.alerting import Way, whole_way
from tests.graphics import Driver
from tests.incidents import Server, alertmanager
from tests.liveapis import apis
from tests.livecelery import celery_at_work
from tests.livedashboards import FROM_OUTSIDE, unanswered
from tests.livejobs import jobs_at_work
from tests.livesecurity import security
from tests.livestores import at_work, stores
from tests.liveupkeep import upkeep
from tests.postgres import NEWEST, Cluster, monitor, server, standby_of
from tests.process import HURRIED, free_port
from tests.support import until

# Everything that is watched has to start, some forty servers and programs: that takes both processors for minutes.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

# What gives nothing where all is well, or on a machine like this one: a part of the query, and why.
EMPTY: dict[str, str] = {
    "node_hwmon_temp_celsius": "the machine that runs the tests has no sensors; the fixtures of the host have",
    "runbook:process_cpu_throttled": "nothing runs in a control group with a quota there; the fixtures of groups do",
    "runbook:postgres_sequential_rows": "there only where a large table is read from end to end again and again",
    "runbook:postgres_unused_index": "there only where an index of many megabytes has not been used for weeks",
    "runbook:exporter_web_config_reload": "the exporter there has no web configuration; those of test_web_reload.py do",
    "runbook:log_errors_surge": "there only where there are more errors than on other days, which takes days",
    "runbook:log_errors_usual": "what is usual is known from the second day on",
    "runbook:path_until_full": "there only where little room is left, and less by the hour",
    "runbook:app_": "a day is judged once half of one is known",
    "runbook:sqlite_wal:ratio": "there only where a log is beyond a hundred megabytes",
    "runbook:sqlite_freelist:ratio": "there only where more than a hundred megabytes are free",
    "runbook:duckdb_growth": "how large it was a week ago is not known there",
    "runbook:duckdb_unlocked_writers": "not told where some processes may not be looked at, as process 1 there",
    "runbook:duckdb_replaced_file_processes": "not told where some processes may not be looked at, as process 1 there",
    "runbook:http_traffic_more": "what is usual is known after four days",
    "runbook:http_traffic_less": "what is usual is known after four days",
    "runbook:http_traffic_usual": "what is usual is known after four days",
    "runbook:http_traffic_day": "what a week ago was is not known there",
    "runbook:http_traffic_hour": "it is known after an hour",
    "and on (job, instance, target) runbook:http_traffic:count": "no application with /metrics of its own is there",
    "runbook:api_rate_exhausted": "there only where the exporter was refused again and again",
    "runbook:api_refused": "there only where a project has had calls refused",
    "runbook:api_used_": "what is usual is known after four days",
    "_requests_hour:count": "it is known after an hour",
    "_tokens_hour:count": "it is known after an hour",
    "runbook:api_cost_projected": "nothing is told ahead on the first two days of a month",
    "runbook:api_budget_pace": "nothing is told ahead on the first two days of a month",
    "runbook:celery_queue_drain": "there only where a queue grows",
    "runbook:reboot_required": "not told in a container, nor where no kernel lies in /boot; fixtures of hosts have it",
    "runbook:backup_retention_lacking": "there only where backups were made for as long as they are kept",
    "runbook:backup_gone": "there only where all files of a backup are gone",
    "runbook:backup_restore_never": "there only a day after a restore was asked for",
    "runbook:job_queue_growth": "there only where no run ends, and there some do",
    "runbook:celery_failed_6h": "there only where few tasks end; there many do",
    "runbook:celery_standstill": "there only where all places are taken and nothing begins",
    "runbook:celery_worker_stuck": "there only where a whole pool hangs; the tests of workers have that",
    'timestamp_seconds{job=~".+", instance=~".+", target=~".+"} * 1000 and': "no read that once worked fails there",
}


def busy(cluster: Cluster, log: Path) -> AbstractContextManager[None]:
    """Have an application at work: it writes, reads by index and whole tables, sorts on disk, waits, logs."""
    return at_work(partial(_write, cluster), partial(_wait, cluster), partial(_log, log))


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


def _log(path: Path, stop: threading.Event) -> None:
    """Log errors and events of all kinds, and the runs of a job that fails every other time."""
    with path.open("a", encoding="utf-8", buffering=1) as file:
        while not stop.wait(0.2):
            for text in ("INFO import started", "ERROR import failed", "INFO import started", "INFO import done",
                         "ERROR SCRAPE_001 no names", "WARNING failed login for root", "CRITICAL out of memory",
                         "WARNING rate limit reached, trying again",
                         'ERROR IO Error: Could not set lock on file "app.duckdb"',
                         "INFO GET /?q=<script>alert(1)</script>"):  # fmt: skip
                file.write(f"{datetime.now(UTC).isoformat()} {text}\n")


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
    driver = Driver(tmp_path_factory.mktemp("graphics"))
    web = tmp_path_factory.mktemp("web")
    status = tmp_path_factory.mktemp("json") / "status.json"
    status.write_text('{"queue": {"length": 3}}', encoding="utf-8")
    tree = _tree(tmp_path_factory.mktemp("tree"))
    with (
        server(NEWEST, loaded) as primary,
        standby_of(primary) as standby,
        alertmanager(tmp_path_factory.mktemp("alerts"), "--cluster.listen-address=127.0.0.1:0") as alerts,
        nginx(web) as site,
        ExitStack() as more,
    ):
        _fire(alerts)
        _prepare(primary)
        further = more.enter_context(stores(tmp_path_factory.mktemp("stores"), primary))
        further += more.enter_context(apis(tmp_path_factory.mktemp("apis")))
        further += more.enter_context(celery_at_work(tmp_path_factory.mktemp("celery")))
        further += more.enter_context(jobs_at_work(tmp_path_factory.mktemp("jobs")))
        further += more.enter_context(upkeep(tmp_path_factory.mktemp("upkeep"), primary))
        further += more.enter_context(security(tmp_path_factory.mktemp("security")))
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
  alerts: {{collector: alertmanager, url: {alerts.url}, max_age: 500ms}}
  requests: {{collector: log, max_age: 500ms, logs: {{proxy: {{files: [{web}/timed.log], format: nginx_timed}}}}}}
  journal:
    collector: log
    max_age: 500ms
    logs: {{app: {{files: [{tree}/journal.log]}}}}
    jobs: {{import: {{started: import started, finished: import done, failed: import failed}}}}
  status:
    collector: json
    file: {status}
    max_age: 500ms
    metrics:
      - {{name: app_queue_jobs, help: Jobs., value: queue.length}}
      - {{name: runbook_app_info, value: '`1`', labels: {{app: "'requests'", version: "'1.4.2'"}}}}
      - name: runbook_app_endpoint_deprecated
        value: '`true`'
        labels: {{app: "'requests'", endpoint: "'/orders/{{id}}'", methods: "'GET'"}}
  files:
    collector: path
    max_age: 500ms
    walk_interval: 1s
    paths:
      outputs: {{path: {tree}/out, role: output, user: nobody, copy: {tree}/none, budget: 1kB}}
      database: {{path: {tree}/out/a, role: database, owner: nobody}}
      log: {{path: {tree}/logs/app.log, role: log}}
      daily: {{path: {tree}/logs/app.log, role: log, rotate_interval: 1d}}
      temp: {{path: {tree}, role: temp}}
      store: {{path: {tree}/none, role: store}}
  checks:
    collector: command
    interval: 2s
    max_age: 1s
    timeout: 2s
    commands:
      migrations: {{command: ['true'], role: migrations}}
      video: {{command: ['false'], role: pipeline_test}}
    prerequisites: {{python: {{}}, tool: {{command: [no-such-program]}}}}
  graphics: {{collector: gpu, command: [{driver.path}], timeout: 1s, interval: 2s, max_age: 1s}}
{further.strip(chr(10))}
"""
        journal, place = tree / "journal.log", tmp_path_factory.mktemp("way")
        with busy(primary, journal), busy_site(site), whole_way(place, config, HURRIED) as running:
            # a rate of tables and statements needs two readings
            read = 'runbook_exporter_read_last_success_timestamp_seconds{read="tables", target="orders-db"}'
            until(lambda: running.prometheus.query(f"changes({read}[2m]) > 0"), 90)
            yield running


def _tree(folder: Path) -> Path:
    """Make folders with a file each, and a log that was rotated once."""
    for name in ("out/a", "logs/app.log", "logs/app.log.1"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x\n", encoding="utf-8")
    return folder


def _fire(alerts: Server) -> None:
    """Have one incident of each priority, long overdue, and one that somebody has answered."""
    for priority in ("P0", "P1", "P2", "P3"):
        alerts.fire(f"Incident{priority}", time.time() - 2 * 86400, priority=priority)
    alerts.fire("Answered", time.time(), priority="P2")
    alerts.silence("Answered")


def _own_name() -> str:
    with open("/proc/self/comm", encoding="utf-8") as file:
        return file.read().strip()


@pytest.mark.parametrize("area", [area for area in dashboards.AREAS if area not in FROM_OUTSIDE])
def test_every_query_gives_data_or_is_known_to_be_empty(way: Way, area: str) -> None:
    assert unanswered(way, area, EMPTY, 60) == []


@pytest.mark.parametrize("part", EMPTY)
def test_what_is_said_to_be_empty_is_asked_somewhere_and_has_a_reason(part: str) -> None:
    assert EMPTY[part]
    assert any(part in expr for _, _, expr in dashboards.queries())
