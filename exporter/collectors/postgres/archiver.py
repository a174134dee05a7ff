"""The write-ahead log: its segments, and their archiving."""

from typing import Final

from exporter.collector import read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, counter, gauge

ARCHIVED = counter(
    "pg_stat_archiver_archived_count",
    "Segments of the write-ahead log that were archived.",
    labels=("server",),
    source="pg_stat_archiver",
)
FAILED = counter(
    "pg_stat_archiver_failed_count",
    "Attempts to archive a segment that failed.",
    labels=("server",),
    source="pg_stat_archiver",
)
LAST_ARCHIVE_AGE = gauge(
    "pg_stat_archiver_last_archive_age",
    "Seconds since a segment was last archived; none where none ever was.",
    labels=("server",),
    source="pg_stat_archiver.last_archived_time",
)
SEGMENTS = gauge("pg_wal_segments", "Segments of the write-ahead log in pg_wal.", source="pg_ls_waldir()")
ARCHIVING = gauge(
    "runbook_postgres_archiving",
    "1 where the server is set to archive its write-ahead log, else 0; a standby does so only where that is `always`.",
    source="archive_mode",
)
SIZE = gauge("pg_wal_size_bytes", "Size of the segments of the write-ahead log in pg_wal.", source="pg_ls_waldir()")
_ARCHIVER: Final = """
SELECT archived_count, failed_count, extract(epoch FROM clock_timestamp() - last_archived_time)::float8,
       current_setting('archive_mode')
FROM pg_stat_archiver
"""
_WAL: Final = "SELECT count(*), coalesce(sum(size), 0)::bigint FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"


@read
def archiver(session: Session) -> Samples:
    """How the archiving of the write-ahead log goes."""
    archived, failed, age, mode = session.row(_ARCHIVER)
    yield ARCHIVED(archived, server=session.server)
    yield FAILED(failed, server=session.server)
    yield LAST_ARCHIVE_AGE(age, server=session.server)
    yield ARCHIVING(mode == "always" or (mode == "on" and not session.is_standby))


@read(interval=60)
def wal(session: Session) -> Samples:
    """Number and size of the segments of the write-ahead log."""
    segments, size = session.row(_WAL)
    yield SEGMENTS(segments)
    yield SIZE(size)
