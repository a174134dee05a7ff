"""PostgreSQL: tables and indexes."""

from typing import Final

from grafana.declare import Column, Panel, lines, table

TABLE: Final = "{{target}} {{datname}} {{schemaname}}.{{relname}}"
INDEX: Final = "{{target}} {{datname}} {{schemaname}}.{{indexrelname}}"
OF: Final = '{$match, datname=~"$datname"}'
RATE: Final = f"{OF}[$__rate_interval]"
_NAMES: Final = {"instance": "Instance", "target": "Target", "datname": "Database", "schemaname": "Schema",
                 "relname": "Table"}  # fmt: skip
_BY: Final = "max by (instance, target, datname, schemaname, relname)"
_INDEX: Final = "max by (instance, target, datname, schemaname, relname, indexrelname)"

TABLES: Final[list[Panel]] = [
    table(
        "Dead rows and vacuum", "Dead rows of each table, and when it was vacuumed and analyzed last.",
        _NAMES,
        Column("Dead rows", f"{_BY} (pg_stat_user_tables_n_dead_tup{OF})", "short"),
        Column("Live rows", f"{_BY} (pg_stat_user_tables_n_live_tup{OF})", "short"),
        Column("Dead", f"{_BY} (pg_stat_user_tables_n_dead_tup{OF}) / ({_BY} (pg_stat_user_tables_n_dead_tup{OF})"
               f" + {_BY} (pg_stat_user_tables_n_live_tup{OF}) > 0)", "percentunit"),
        Column("Vacuumed", f"{_BY} (runbook_postgres_table_vacuumed_timestamp_seconds{OF}) * 1000", "dateTimeFromNow"),
        Column("By autovacuum", f"{_BY} (pg_stat_user_tables_last_autovacuum{OF} > 0) * 1000", "dateTimeFromNow"),
        Column("Analyzed by autovacuum", f"{_BY} (pg_stat_user_tables_last_autoanalyze{OF} > 0) * 1000",
               "dateTimeFromNow"),
    ),
    table(
        "Sizes of tables", "Each table, and all its indexes together.",
        _NAMES,
        Column("Size", f"{_BY} (pg_stat_user_tables_table_size_bytes{OF})", "bytes"),
        Column("Size of indexes", f"{_BY} (pg_stat_user_tables_index_size_bytes{OF})", "bytes"),
        width=12,
    ),
    table(
        "Indexes",
        "Each index: its size, how often it was used of late, and since when it has not been. Unique indexes have a"
        " use without being read, and no such time.",
        {**_NAMES, "indexrelname": "Index"},
        Column("Size", f"{_INDEX} (runbook_postgres_index_size_bytes{OF})", "bytes"),
        Column("Scans a second", f"{_INDEX} (rate(pg_stat_user_indexes_idx_scan_total{RATE}))", "ops"),
        Column("Unused since", f"{_INDEX} (runbook_postgres_index_unused_since_timestamp_seconds{OF}) * 1000",
               "dateTimeFromNow"),
        width=12,
    ),
    lines(
        "Sequential scans", "How often each table was read from end to end.",
        (f"rate(pg_stat_user_tables_seq_scan{RATE}) > 0", TABLE), empty="no table was read from end to end",
    ),
    lines(
        "Rows read by sequential scans", "Rows that were looked at because no index led to them.",
        (f"rate(pg_stat_user_tables_seq_tup_read{RATE}) > 0", TABLE), unit="rowsps",
        empty="no table was read from end to end",
    ),
    lines(
        "Rows written by table", "Rows inserted, updated and deleted.",
        (f"rate(pg_stat_user_tables_n_tup_ins{RATE}) + rate(pg_stat_user_tables_n_tup_upd{RATE})"
         f" + rate(pg_stat_user_tables_n_tup_del{RATE}) > 0", TABLE), unit="rowsps", empty="no rows were written",
    ),
    lines(
        "Updates beside the index", "Share of updates that needed no new index entries.",
        (f"rate(pg_stat_user_tables_n_tup_hot_upd{RATE}) / (rate(pg_stat_user_tables_n_tup_upd{RATE}) > 0)", TABLE),
        unit="percentunit", top=1, empty="no rows were updated",
    ),
]  # fmt: skip
