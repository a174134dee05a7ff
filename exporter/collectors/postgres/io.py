"""Reads and writes of the server by who makes them, on what, and how, from PostgreSQL 16 on."""

from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.postgres.session import Session
from exporter.metric import Metric, Samples, counter

_MILLISECONDS: Final = "in milliseconds; none while track_io_timing is off"


def _of_io(name: str, help: str) -> Metric:
    return counter(name, help, labels=("backend_type", "object", "context"), source="pg_stat_io")


# in the order of the query's columns
_COUNTERS: Final = (
    _of_io("pg_stat_io_reads_total", "Reads."),
    _of_io("pg_stat_io_writes_total", "Writes."),
    _of_io("pg_stat_io_write_back_total", "Blocks that the kernel was asked to bring to the disk."),
    _of_io("pg_stat_io_extends_total", "Times a relation was made longer."),
    _of_io("pg_stat_io_hits_total", "Times the block was in a shared buffer already."),
    _of_io("pg_stat_io_evictions_total", "Blocks that made room for another in a buffer."),
    _of_io("pg_stat_io_reuses_total", "Buffers of a ring that were used again."),
    _of_io("pg_stat_io_fsync_total", "Calls of fsync."),
    _of_io("pg_stat_io_read_time_total", f"Time spent on reads, {_MILLISECONDS}."),
    _of_io("pg_stat_io_writes_time_total", f"Time spent on writes, {_MILLISECONDS}."),
    _of_io("pg_stat_io_write_back_time_total", f"Time spent on asking the kernel, {_MILLISECONDS}."),
    _of_io("pg_stat_io_extends_time_total", f"Time spent on making relations longer, {_MILLISECONDS}."),
    _of_io("pg_stat_io_fsync_time_total", f"Time spent on fsync, {_MILLISECONDS}."),
)
# Where nothing measures the time it stands at 0: that is no time of 0.
_IO: Final = """
SELECT backend_type, object, context, reads, writes, writebacks, extends, hits, evictions, reuses, fsyncs,
       CASE WHEN timed OR read_time > 0 THEN read_time END, CASE WHEN timed OR write_time > 0 THEN write_time END,
       CASE WHEN timed OR writeback_time > 0 THEN writeback_time END,
       CASE WHEN timed OR extend_time > 0 THEN extend_time END, CASE WHEN timed OR fsync_time > 0 THEN fsync_time END
FROM pg_stat_io CROSS JOIN (
  SELECT current_setting('track_io_timing')::bool, coalesce(current_setting('track_wal_io_timing', true)::bool, false)
) AS track (relations, wal)
CROSS JOIN LATERAL (SELECT CASE object WHEN 'wal' THEN wal ELSE relations END) AS tracked (timed)
"""


@read(interval=60)
def io(session: Session) -> Samples:
    """Reads and writes by backend type, object and context."""
    if session.version < 160000:
        raise NotApplicable("pg_stat_io came with PostgreSQL 16")
    for backend, thing, context, *values in session.rows(_IO):
        for metric, value in zip(_COUNTERS, values, strict=True):
            yield metric(value, backend_type=backend, object=thing, context=context)
