"""What the server counts for each database."""

from typing import Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.postgres.session import Session
from exporter.metric import Metric, Samples, counter, gauge

_LABELS: Final = ("datid", "datname")


def _of_database(name: str, help: str) -> Metric:
    return counter(name, help, labels=_LABELS, source="pg_stat_database")


def _of_conflicts(name: str, reason: str) -> Metric:
    return counter(name, f"Queries that recovery canceled on a standby because of {reason}.", labels=_LABELS,
                   source="pg_stat_database_conflicts")  # fmt: skip


NUMBACKENDS = gauge(
    "pg_stat_database_numbackends", "Backends in the database.", labels=_LABELS, source="pg_stat_database"
)
STATS_RESET = gauge(
    "pg_stat_database_stats_reset",
    "When the counters of the database were last reset, in Unix time; none where they never were.",
    labels=_LABELS,
    source="pg_stat_database",
    fold="drop",
)
XACT_COMMIT = _of_database("pg_stat_database_xact_commit", "Transactions that were committed.")
# in the order of the queries' columns
_COUNTERS: Final = (
    XACT_COMMIT,
    _of_database("pg_stat_database_xact_rollback", "Transactions that were rolled back."),
    _of_database("pg_stat_database_blks_read", "Blocks that were read from outside the shared buffers."),
    _of_database("pg_stat_database_blks_hit", "Blocks that were found in the shared buffers."),
    _of_database("pg_stat_database_tup_returned", "Rows that scans went over."),
    _of_database("pg_stat_database_tup_fetched", "Rows that index scans fetched."),
    _of_database("pg_stat_database_tup_inserted", "Rows that were inserted."),
    _of_database("pg_stat_database_tup_updated", "Rows that were updated."),
    _of_database("pg_stat_database_tup_deleted", "Rows that were deleted."),
    _of_database("pg_stat_database_conflicts", "Queries that recovery canceled on a standby."),
    _of_database("pg_stat_database_temp_files", "Temporary files that queries made."),
    _of_database("pg_stat_database_temp_bytes", "Bytes that queries wrote to temporary files."),
    _of_database("pg_stat_database_deadlocks", "Deadlocks that were broken."),
    _of_database("pg_stat_database_blk_read_time",
                 "Time spent on reading blocks, in milliseconds; none while track_io_timing is off."),
    _of_database("pg_stat_database_blk_write_time",
                 "Time spent on writing blocks, in milliseconds; none while track_io_timing is off."),
    _of_database("pg_stat_database_session_time_seconds_total", "Time of sessions, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_active_time_seconds_total", "Time of running statements, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_idle_in_transaction_time_seconds_total",
                 "Time of waiting for the client within a transaction, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_sessions", "Sessions that were begun, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_sessions_abandoned", "Sessions whose client was lost, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_sessions_fatal", "Sessions that a fatal error ended, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_sessions_killed", "Sessions that somebody ended, from PostgreSQL 14 on."),
    _of_database("pg_stat_database_parallel_workers_to_launch",
                 "Parallel workers that queries planned for, from PostgreSQL 18 on."),
    _of_database("pg_stat_database_parallel_workers_launched",
                 "Parallel workers that queries got, from PostgreSQL 18 on."),
)  # fmt: skip
_FROM_14: Final = """
session_time / 1000, active_time / 1000, idle_in_transaction_time / 1000, sessions, sessions_abandoned, sessions_fatal,
sessions_killed"""
_FROM_18: Final = "parallel_workers_to_launch, parallel_workers_launched"
# Where nothing measures the time it stands at 0: that is no time of 0.
_DATABASES: Final = """
SELECT datid::text, datname::text, numbackends, extract(epoch FROM stats_reset)::float8,
       xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_fetched, tup_inserted, tup_updated,
       tup_deleted, conflicts, temp_files, temp_bytes, deadlocks,
       CASE WHEN timed OR blk_read_time > 0 THEN blk_read_time END,
       CASE WHEN timed OR blk_write_time > 0 THEN blk_write_time END,
       {from_14}, {from_18}
FROM pg_stat_database CROSS JOIN (SELECT current_setting('track_io_timing')::bool) AS track (timed)
WHERE datname IS NOT NULL
"""

_CONFLICTS: Final = (
    _of_conflicts("pg_stat_database_conflicts_confl_tablespace", "a dropped tablespace"),
    _of_conflicts("pg_stat_database_conflicts_confl_lock", "a lock"),
    _of_conflicts("pg_stat_database_conflicts_confl_snapshot", "an old snapshot"),
    _of_conflicts("pg_stat_database_conflicts_confl_bufferpin", "a pinned buffer"),
    _of_conflicts("pg_stat_database_conflicts_confl_deadlock", "a deadlock"),
    _of_conflicts("pg_stat_database_conflicts_confl_active_logicalslot", "a logical slot, from PostgreSQL 16 on"),
)
_CONFLICTS_SQL: Final = """
SELECT datid::text, datname::text, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin, confl_deadlock,
       {from_16}
FROM pg_stat_database_conflicts
"""

CHECKSUM_FAILURES = counter(
    "pg_stat_database_checksum_failures",
    "Pages whose checksum was wrong; datid 0 has what all databases share.",
    labels=_LABELS,
    source="pg_stat_database",
)
CHECKSUM_LAST_FAILURE = gauge(
    "pg_stat_database_checksum_last_failure",
    "When a page's checksum was last wrong, in Unix time; none where none ever was.",
    labels=_LABELS,
    source="pg_stat_database",
    fold="max",
)
_CHECKSUMS: Final = """
SELECT datid::text, coalesce(datname, '')::text, checksum_failures, extract(epoch FROM checksum_last_failure)::float8
FROM pg_stat_database
"""


@read(members=Members(_LABELS, 100, XACT_COMMIT))
def databases(session: Session) -> Samples:
    """Transactions, rows, blocks and times of each database."""
    version = session.version
    query = _DATABASES.format(
        from_14=_FROM_14 if version >= 140000 else "NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        from_18=_FROM_18 if version >= 180000 else "NULL, NULL",
    )
    for datid, datname, backends, reset, *values in session.rows(query):
        if not session.wanted(datname):
            continue
        yield NUMBACKENDS(backends, datid=datid, datname=datname)
        yield STATS_RESET(reset, datid=datid, datname=datname)
        for metric, value in zip(_COUNTERS, values, strict=True):
            yield metric(value, datid=datid, datname=datname)


@read(interval=60, members=Members(_LABELS, 100, _CONFLICTS[1]))
def conflicts(session: Session) -> Samples:
    """Queries that recovery canceled, by reason; on a primary there are none."""
    query = _CONFLICTS_SQL.format(from_16="confl_active_logicalslot" if session.version >= 160000 else "NULL")
    for datid, datname, *values in session.rows(query):
        if session.wanted(datname):
            for metric, value in zip(_CONFLICTS, values, strict=True):
                yield metric(value, datid=datid, datname=datname)


@read(members=Members(_LABELS, 100, CHECKSUM_FAILURES))
def checksums(session: Session) -> Samples:
    """Pages whose checksum was wrong, in every database."""
    if session.row("SELECT current_setting('data_checksums')") != ("on",):
        raise NotApplicable("data checksums are off", "stop the server and run pg_checksums --enable")
    for datid, datname, failures, last in session.rows(_CHECKSUMS):
        yield CHECKSUM_FAILURES(failures, datid=datid, datname=datname)
        yield CHECKSUM_LAST_FAILURE(last, datid=datid, datname=datname)
