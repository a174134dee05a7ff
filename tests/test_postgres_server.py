"""What the PostgreSQL collector says of the server as a whole: settings, checkpoints, archiving, reads and writes."""

from collections.abc import Iterator

import pytest

from exporter.collectors.postgres.settings import base_unit
from tests.onetarget import One, one
from tests.postgres import DISTRIBUTIONS, NEWEST, OLDEST, Cluster, monitor, server
from tests.support import until


@pytest.fixture(scope="module", params=[OLDEST, DISTRIBUTIONS, NEWEST])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    # an archive_command that never works
    with server(request.param, {"archive_mode": "on", "archive_command": "false", "shared_buffers": "24MB"}) as running:
        yield running


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return monitor(cluster)


@pytest.fixture
def target(url: str) -> Iterator[One]:
    with one("postgres", f"url: {url}") as running:
        yield running


def major_of(cluster: Cluster) -> int:
    return int(cluster.sql("SELECT current_setting('server_version_num')::int / 10000")[0][0])


def test_settings_are_in_base_units(cluster: Cluster, target: One) -> None:
    page = target.page()
    shown = {name: page[f'pg_settings_{name}{{server="127.0.0.1:{cluster.port}"}}'] for name in (
        "max_connections", "superuser_reserved_connections", "max_locks_per_transaction", "shared_buffers_bytes",
        "work_mem_bytes", "maintenance_work_mem_bytes", "max_parallel_workers", "max_worker_processes",
        "autovacuum_vacuum_threshold", "autovacuum_analyze_threshold", "autovacuum_vacuum_scale_factor", "autovacuum",
        "deadlock_timeout_seconds", "checkpoint_timeout_seconds", "autovacuum_work_mem_bytes", "fsync",
        "track_activity_query_size_bytes",
    )}  # fmt: skip
    assert {name: float(value) for name, value in shown.items()} == {
        "max_connections": 30, "superuser_reserved_connections": 3, "max_locks_per_transaction": 64,
        "shared_buffers_bytes": 24 * 2**20, "work_mem_bytes": 4 * 2**20, "maintenance_work_mem_bytes": 64 * 2**20,
        "max_parallel_workers": 8, "max_worker_processes": 8, "autovacuum_vacuum_threshold": 50,
        "autovacuum_analyze_threshold": 50, "autovacuum_vacuum_scale_factor": 0.2, "autovacuum": 0,
        "deadlock_timeout_seconds": 1, "checkpoint_timeout_seconds": 300, "autovacuum_work_mem_bytes": -1, "fsync": 0,
        "track_activity_query_size_bytes": 1024,
    }  # fmt: skip


def test_every_number_and_switch_is_there_but_for_what_the_exporter_set_for_itself(cluster: Cluster, url: str) -> None:
    with one("postgres", f"url: {url}") as target:
        shown = [series for series in target.page() if series.startswith("pg_settings_")]
    own = {"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
           "default_transaction_read_only", "transaction_read_only"}  # fmt: skip
    names = {name for (name,) in cluster.sql("SELECT name FROM pg_settings WHERE vartype IN ('bool','integer','real')")}
    assert len(shown) == len(names - own)
    assert not any(series.startswith(f"pg_settings_{name}") for name in own for series in shown)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("", ("", 1)), ("B", ("_bytes", 1)), ("kB", ("_bytes", 1024)), ("8kB", ("_bytes", 8192)),
        ("16MB", ("_bytes", 2**24)), ("us", ("_seconds", 1e-6)), ("ms", ("_seconds", 1e-3)), ("s", ("_seconds", 1)),
        ("min", ("_seconds", 60)), ("h", ("_seconds", 3600)), ("d", ("_seconds", 86400)),
    ],
)  # fmt: skip
def test_units_become_base_units(unit: str, expected: tuple[str, float]) -> None:
    assert base_unit(unit) == expected


def test_checkpoints_have_their_old_names_in_every_version(cluster: Cluster, target: One) -> None:
    before = float(target.page()["pg_stat_bgwriter_checkpoints_req_total"])
    cluster.sql("CHECKPOINT")
    until(lambda: float(target.page()["pg_stat_bgwriter_checkpoints_req_total"]) >= before + 1)
    page = target.page()
    for name in ("checkpoints_timed", "checkpoint_write_time", "checkpoint_sync_time", "buffers_checkpoint",
                 "buffers_clean", "maxwritten_clean", "buffers_alloc", "stats_reset"):  # fmt: skip
        assert float(page[f"pg_stat_bgwriter_{name}_total"]) >= 0
    assert ("pg_stat_bgwriter_buffers_backend_total" in page) == (major_of(cluster) < 17)


def test_the_checkpointer_has_its_own_from_17_on(cluster: Cluster, target: One) -> None:
    page, said = target.page(), target.outcomes()["checkpointer"]
    if major_of(cluster) < 17:
        assert "came with PostgreSQL 17" in said
        assert not any(series.startswith("pg_stat_checkpointer") for series in page)
        return
    ((timed, asked),) = cluster.sql("SELECT num_timed, num_requested FROM pg_stat_checkpointer")
    assert float(page["pg_stat_checkpointer_num_timed_total"]) == timed
    assert float(page["pg_stat_checkpointer_num_requested_total"]) == asked
    assert ("pg_stat_checkpointer_num_done_total" in page) == (major_of(cluster) >= 18)


def test_segments_that_cannot_be_archived_are_counted(cluster: Cluster, target: One) -> None:
    where = f'{{server="127.0.0.1:{cluster.port}"}}'
    cluster.sql("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'test', 'something')")
    until(lambda: float(target.page()[f"pg_stat_archiver_failed_count{where}"]) > 0, 20)
    page = target.page()
    assert page[f"pg_stat_archiver_archived_count{where}"] == "0"
    assert f"pg_stat_archiver_last_archive_age{where}" not in page
    cluster.sql("ALTER SYSTEM SET archive_command = 'true'")
    cluster.sql("SELECT pg_reload_conf()")
    until(lambda: float(target.page()[f"pg_stat_archiver_archived_count{where}"]) > 0, 90)
    assert 0 <= float(target.page()[f"pg_stat_archiver_last_archive_age{where}"]) < 60


def test_the_write_ahead_log_has_the_size_of_its_segments(cluster: Cluster, target: One) -> None:
    page = target.page()
    ((segments, size),) = cluster.sql(
        "SELECT count(*), sum(size)::bigint FROM pg_ls_waldir() WHERE name !~ 'backup|history|partial'"
    )
    assert (float(page["pg_wal_segments"]), float(page["pg_wal_size_bytes"])) == (segments, size)


def test_reads_and_writes_are_there_from_16_on(cluster: Cluster, target: One) -> None:
    if major_of(cluster) < 16:
        assert "came with PostgreSQL 16" in target.outcomes()["io"]
        return
    where = '{backend_type="client backend",object="relation",context="normal"}'
    page = target.page()
    ((hits,),) = cluster.sql(
        "SELECT hits FROM pg_stat_io WHERE (backend_type, object, context) = ('client backend', 'relation', 'normal')"
    )
    assert 0 < float(page[f"pg_stat_io_hits_total{where}"]) <= hits
    assert f"pg_stat_io_read_time_total{where}" in page
    assert f"pg_stat_io_reuses_total{where}" not in page  # there is no ring to use again


def test_times_that_nobody_measures_are_not_reported() -> None:
    with server(NEWEST, {"track_io_timing": "off"}) as running, one("postgres", f"url: {monitor(running)}") as target:
        page = target.page()
        assert any(series.startswith("pg_stat_io_reads_total") for series in page)
        assert not any(series.startswith(("pg_stat_io_read_time", "pg_stat_database_blk_")) for series in page)
