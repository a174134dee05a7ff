"""Checkpoints and the background writer."""

from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.postgres.session import Session
from exporter.metric import Metric, Samples, counter


def _of_bgwriter(name: str, help: str, source: str = "pg_stat_bgwriter") -> Metric:
    return counter(name, help, source=source)


def _of_checkpointer(name: str, help: str) -> Metric:
    return counter(name, help, source="pg_stat_checkpointer")


_EITHER: Final = "pg_stat_bgwriter, from PostgreSQL 17 on pg_stat_checkpointer"
# in the order of the queries' columns
_BGWRITER: Final = (
    _of_bgwriter("pg_stat_bgwriter_checkpoints_timed_total", "Checkpoints that were due.", _EITHER),
    _of_bgwriter("pg_stat_bgwriter_checkpoints_req_total", "Checkpoints that were asked for.", _EITHER),
    _of_bgwriter("pg_stat_bgwriter_checkpoint_write_time_total",
                 "Time that checkpoints spent on writing files, in milliseconds.", _EITHER),
    _of_bgwriter("pg_stat_bgwriter_checkpoint_sync_time_total",
                 "Time that checkpoints spent on bringing files to the disk, in milliseconds.", _EITHER),
    _of_bgwriter("pg_stat_bgwriter_buffers_checkpoint_total", "Buffers that checkpoints wrote.", _EITHER),
    _of_bgwriter("pg_stat_bgwriter_buffers_clean_total", "Buffers that the background writer wrote."),
    _of_bgwriter("pg_stat_bgwriter_maxwritten_clean_total",
                 "Times the background writer stopped since it had written bgwriter_lru_maxpages."),
    _of_bgwriter("pg_stat_bgwriter_buffers_alloc_total", "Buffers that were allocated."),
    _of_bgwriter("pg_stat_bgwriter_stats_reset_total", "When these counters were last reset, in Unix time."),
    _of_bgwriter("pg_stat_bgwriter_buffers_backend_total",
                 "Buffers that backends wrote themselves, before PostgreSQL 17; later see pg_stat_io_writes_total."),
    _of_bgwriter("pg_stat_bgwriter_buffers_backend_fsync_total",
                 "Times a backend called fsync itself, before PostgreSQL 17; later see pg_stat_io_fsync_total."),
)  # fmt: skip
_BEFORE_17: Final = """
SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint,
       buffers_clean, maxwritten_clean, buffers_alloc, extract(epoch FROM stats_reset)::float8,
       buffers_backend, buffers_backend_fsync
FROM pg_stat_bgwriter
"""
_FROM_17: Final = """
SELECT c.num_timed, c.num_requested, c.write_time, c.sync_time, c.buffers_written,
       b.buffers_clean, b.maxwritten_clean, b.buffers_alloc, extract(epoch FROM b.stats_reset)::float8, NULL, NULL
FROM pg_stat_bgwriter b, pg_stat_checkpointer c
"""
_CHECKPOINTER: Final = (
    _of_checkpointer("pg_stat_checkpointer_num_timed_total", "Checkpoints that were due, made or skipped."),
    _of_checkpointer("pg_stat_checkpointer_num_requested_total", "Checkpoints that were asked for, made or skipped."),
    _of_checkpointer("pg_stat_checkpointer_restartpoints_timed_total", "Restartpoints that were due."),
    _of_checkpointer("pg_stat_checkpointer_restartpoints_req_total", "Restartpoints that were asked for."),
    _of_checkpointer("pg_stat_checkpointer_restartpoints_done_total", "Restartpoints that were made."),
    _of_checkpointer("pg_stat_checkpointer_write_time_total",
                     "Time that checkpoints and restartpoints spent on writing files, in milliseconds."),
    _of_checkpointer("pg_stat_checkpointer_sync_time_total",
                     "Time that checkpoints and restartpoints spent on bringing files to the disk, in milliseconds."),
    _of_checkpointer("pg_stat_checkpointer_buffers_written_total", "Buffers that checkpoints and restartpoints wrote."),
    _of_checkpointer("pg_stat_checkpointer_stats_reset_total", "When these counters were last reset, in Unix time."),
    _of_checkpointer("pg_stat_checkpointer_num_done_total", "Checkpoints that were made, from PostgreSQL 18 on."),
    _of_checkpointer("pg_stat_checkpointer_slru_written_total",
                     "SLRU buffers that checkpoints and restartpoints wrote, from PostgreSQL 18 on."),
)  # fmt: skip
_CHECKPOINTER_SQL: Final = """
SELECT num_timed, num_requested, restartpoints_timed, restartpoints_req, restartpoints_done, write_time, sync_time,
       buffers_written, extract(epoch FROM stats_reset)::float8, {more}
FROM pg_stat_checkpointer
"""


@read
def bgwriter(session: Session) -> Samples:
    """Checkpoints and the background writer, under the names that both had before PostgreSQL 17."""
    row = session.row(_FROM_17 if session.version >= 170000 else _BEFORE_17)
    for metric, value in zip(_BGWRITER, row, strict=True):
        yield metric(value)


@read
def checkpointer(session: Session) -> Samples:
    """Checkpoints and restartpoints, from PostgreSQL 17 on."""
    if session.version < 170000:
        raise NotApplicable("pg_stat_checkpointer came with PostgreSQL 17; the read bgwriter has the checkpoints")
    more = "num_done, slru_written" if session.version >= 180000 else "NULL, NULL"
    for metric, value in zip(_CHECKPOINTER, session.row(_CHECKPOINTER_SQL.format(more=more)), strict=True):
        yield metric(value)
