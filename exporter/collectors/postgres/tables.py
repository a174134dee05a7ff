"""Tables of every database: what is done to them, how large they are, and when they were vacuumed."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.postgres.session import Everywhere, Session
from exporter.metric import Samples, counter, gauge

_TABLE: Final = ("datname", "schemaname", "relname")
_STAT: Final = "pg_stat_user_tables"
_STATIO: Final = "pg_statio_user_tables"

TABLE_SIZE = gauge(
    "pg_stat_user_tables_table_size_bytes",
    "Size of the table with its TOAST table, without indexes; none while it is locked against all others.",
    labels=_TABLE,
    source="pg_table_size()",
)
VACUUMED = gauge(
    "runbook_postgres_table_vacuumed_timestamp_seconds",
    "When the table was last vacuumed, by hand or by autovacuum; no sample where never.",
    labels=_TABLE,
    source=_STAT,
)
# in the order of the columns of _TABLES
_FIGURES: Final = (
    TABLE_SIZE,
    gauge("pg_stat_user_tables_index_size_bytes", "Size of all indexes of the table; none while they are locked.",
          labels=_TABLE, source="pg_indexes_size()"),
    VACUUMED,
    counter("pg_stat_user_tables_seq_scan", "Sequential scans.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_seq_tup_read", "Rows read by sequential scans.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_idx_scan", "Index scans.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_idx_tup_fetch", "Rows fetched by index scans.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_n_tup_ins", "Rows inserted.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_n_tup_upd", "Rows updated.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_n_tup_del", "Rows deleted.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_n_tup_hot_upd", "Rows updated without touching an index.",
            labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_n_tup_newpage_upd", "Rows updated onto another page; from PostgreSQL 16 on.",
            labels=_TABLE, source=_STAT),
    gauge("pg_stat_user_tables_n_live_tup", "Live rows, estimated.", labels=_TABLE, source=_STAT),
    gauge("pg_stat_user_tables_n_dead_tup", "Dead rows, estimated.", labels=_TABLE, source=_STAT),
    gauge("pg_stat_user_tables_n_mod_since_analyze", "Rows changed since the last analyze, estimated.",
          labels=_TABLE, source=_STAT),
    gauge("pg_stat_user_tables_n_ins_since_vacuum", "Rows inserted since the last vacuum, estimated.",
          labels=_TABLE, source=_STAT),
    gauge("pg_stat_user_tables_last_vacuum", "When it was vacuumed by hand, in Unix time; 0 where never.",
          labels=_TABLE, source=_STAT, fold="drop"),
    gauge("pg_stat_user_tables_last_autovacuum", "When autovacuum vacuumed it, in Unix time; 0 where never.",
          labels=_TABLE, source=_STAT, fold="drop"),
    gauge("pg_stat_user_tables_last_analyze", "When it was analyzed by hand, in Unix time; 0 where never.",
          labels=_TABLE, source=_STAT, fold="drop"),
    gauge("pg_stat_user_tables_last_autoanalyze", "When autovacuum analyzed it, in Unix time; 0 where never.",
          labels=_TABLE, source=_STAT, fold="drop"),
    gauge("pg_stat_user_tables_last_seq_scan", "The last sequential scan, in Unix time; from PostgreSQL 16 on.",
          labels=_TABLE, source=_STAT, fold="drop"),
    gauge("pg_stat_user_tables_last_idx_scan", "The last index scan, in Unix time; from PostgreSQL 16 on.",
          labels=_TABLE, source=_STAT, fold="drop"),
    counter("pg_stat_user_tables_vacuum_count", "Vacuums by hand, VACUUM FULL aside.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_autovacuum_count", "Vacuums by autovacuum.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_analyze_count", "Analyzes by hand.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_autoanalyze_count", "Analyzes by autovacuum.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_total_vacuum_time",
            "Time spent vacuuming by hand, in milliseconds; from PostgreSQL 18 on.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_total_autovacuum_time",
            "Time that autovacuum vacuumed, in milliseconds; from PostgreSQL 18 on.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_total_analyze_time",
            "Time spent analyzing by hand, in milliseconds; from PostgreSQL 18 on.", labels=_TABLE, source=_STAT),
    counter("pg_stat_user_tables_total_autoanalyze_time",
            "Time that autovacuum analyzed, in milliseconds; from PostgreSQL 18 on.", labels=_TABLE, source=_STAT),
    counter("pg_statio_user_tables_heap_blocks_read", "Blocks of the table read.", labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_heap_blocks_hit", "Blocks of the table found in the buffer cache.",
            labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_idx_blocks_read", "Blocks of its indexes read.", labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_idx_blocks_hit", "Blocks of its indexes found in the buffer cache.",
            labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_toast_blocks_read", "Blocks of its TOAST table read.",
            labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_toast_blocks_hit", "Blocks of its TOAST table found in the buffer cache.",
            labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_tidx_blocks_read", "Blocks of the TOAST table's index read.",
            labels=_TABLE, source=_STATIO),
    counter("pg_statio_user_tables_tidx_blocks_hit", "Blocks of the TOAST table's index found in the buffer cache.",
            labels=_TABLE, source=_STATIO),
)  # fmt: skip
# The size of what is locked, or is about to be, would have to be waited for.
_TABLES = Everywhere("""
WITH locked AS MATERIALIZED (
  SELECT relation FROM pg_locks
  WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), shut AS MATERIALIZED (
  SELECT relation FROM locked UNION SELECT indrelid FROM pg_index WHERE indexrelid IN (SELECT relation FROM locked)
)
SELECT s.schemaname, s.relname,
  CASE WHEN free THEN pg_table_size(s.relid) END, CASE WHEN free THEN pg_indexes_size(s.relid) END,
  extract(epoch FROM greatest(last_vacuum, last_autovacuum))::float8,
  seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd,
  n_tup_newpage_upd, -- from 16
  NULL, -- before 16
  n_live_tup, n_dead_tup, n_mod_since_analyze, n_ins_since_vacuum,
  coalesce(extract(epoch FROM last_vacuum)::float8, 0), coalesce(extract(epoch FROM last_autovacuum)::float8, 0),
  coalesce(extract(epoch FROM last_analyze)::float8, 0), coalesce(extract(epoch FROM last_autoanalyze)::float8, 0),
  extract(epoch FROM last_seq_scan)::float8, extract(epoch FROM last_idx_scan)::float8, -- from 16
  NULL, NULL, -- before 16
  vacuum_count, autovacuum_count, analyze_count, autoanalyze_count,
  total_vacuum_time, total_autovacuum_time, total_analyze_time, total_autoanalyze_time, -- from 18
  NULL, NULL, NULL, NULL, -- before 18
  heap_blks_read, heap_blks_hit, idx_blks_read, idx_blks_hit,
  toast_blks_read, toast_blks_hit, tidx_blks_read, tidx_blks_hit
FROM pg_stat_user_tables AS s JOIN pg_statio_user_tables AS io USING (relid)
  JOIN (SELECT oid, oid NOT IN (SELECT relation FROM shut) AND reltoastrelid NOT IN (SELECT relation FROM shut) AS free
        FROM pg_class) AS c ON c.oid = relid
""")


@read(interval=60, members=Members(_TABLE, 100, TABLE_SIZE))
def tables(session: Session) -> Samples:
    """Use, size and vacuuming of the tables of every database."""
    for datname, (schema, table, *figures) in session.everywhere(_TABLES):
        for metric, figure in zip(_FIGURES, figures, strict=True):
            if figure is not None:
                yield metric(figure, datname=datname, schemaname=schema, relname=table)
