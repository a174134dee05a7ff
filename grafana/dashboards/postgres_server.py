"""PostgreSQL: cache, disks, checkpoints, replication, archive."""

from typing import Final

from grafana.declare import Column, Panel, lines, table

SERVER: Final = "{{instance}} {{target}}"
DATABASE: Final = "{{instance}} {{target}} {{datname}}"
OF: Final = '{$match, datname=~"$datname"}'
RATE: Final = f"{OF}[$__rate_interval]"
ALL: Final = "{$match}[$__rate_interval]"
_BY: Final = "sum by (instance, target, datname)"

STORAGE: Final[list[Panel]] = [
    lines(
        "Found in the cache",
        "Share of the blocks asked for that were in the server's own cache. What was not may still"
        " have been in the page cache of the system.",
        (f"{_BY} (rate(pg_stat_database_blks_hit{RATE})) / ({_BY} (rate(pg_stat_database_blks_hit{RATE}))"
         f" + {_BY} (rate(pg_stat_database_blks_read{RATE})) > 0)", DATABASE), unit="percentunit", top=1,
        empty="no blocks were asked for",
    ),
    lines(
        "Blocks read", "Blocks that were not in the server's cache.",
        (f"{_BY} (rate(pg_stat_database_blks_read{RATE}))", DATABASE),
    ),
    lines(
        "Time for reading and writing blocks",
        "Milliseconds in each second that sessions waited for data files; all 0 while"
        " `track_io_timing` is off.",
        (f"{_BY} (rate(pg_stat_database_blk_read_time{RATE}))", f"{DATABASE} reading"),
        (f"{_BY} (rate(pg_stat_database_blk_write_time{RATE}))", f"{DATABASE} writing"), unit="ms",
    ),
    lines(
        "Temporary files", "Bytes written to temporary files: sorts and joins that did not fit into `work_mem`.",
        (f"{_BY} (rate(pg_stat_database_temp_bytes{RATE}))", DATABASE), unit="binBps",
    ),
    lines(
        "Reads and writes by process", "Who reads from and writes to data files, from pg_stat_io.",
        (f"sum by (instance, target, backend_type) (rate(pg_stat_io_reads_total{ALL}))",
         f"{SERVER} {{{{backend_type}}}} reads"),
        (f"sum by (instance, target, backend_type) (rate(pg_stat_io_writes_total{ALL}))",
         f"{SERVER} {{{{backend_type}}}} writes"),
        unit="iops", empty="the server is older than PostgreSQL 16",
    ),
    lines(
        "Checkpoints",
        "How often they began because it was time, and because the log had grown (`asked for`): many of the"
        " latter want a larger `max_wal_size`.",
        (f"rate(pg_stat_bgwriter_checkpoints_timed_total{ALL})", f"{SERVER} in time"),
        (f"rate(pg_stat_bgwriter_checkpoints_req_total{ALL})", f"{SERVER} asked for"), unit="cps",
    ),
    lines(
        "Buffers", "Buffers given out, and written by the background writer.",
        (f"rate(pg_stat_bgwriter_buffers_alloc_total{ALL})", f"{SERVER} given out"),
        (f"rate(pg_stat_bgwriter_buffers_clean_total{ALL})", f"{SERVER} written"),
    ),
    lines(
        "Database sizes", "Each database on disk.", (f"pg_database_size_bytes{OF}", DATABASE),
    ),
    lines(
        "Transaction log on disk", "What lies in pg_wal. It grows while archiving fails or a slot is not read.",
        ("pg_wal_size_bytes{$match}", SERVER),
    ),
    lines(
        "Age of the oldest transaction number", "How many transactions ago each database was last frozen. At about two"
        " thousand million the server refuses to write.",
        (f"pg_database_wraparound_age_datfrozenxid_seconds{OF}", f"{DATABASE} transactions"),
        (f"pg_database_wraparound_age_datminmxid_seconds{OF}", f"{DATABASE} multixacts"), unit="short",
    ),
]  # fmt: skip

REPLICATION: Final[list[Panel]] = [
    lines(
        "Lag by the standby's clock",
        "How long ago the last transaction that the standby replayed was committed. It grows on"
        " an idle primary, too.",
        ("pg_replication_lag_seconds{$match}", SERVER), empty="no standby",
    ),
    table(
        "Standbys of a primary", "Who reads from each primary, and how far they are.",
        {"instance": "Instance", "target": "Target", "application_name": "Application", "client_addr": "Address",
         "state": "State"},
        Column("Behind", "max by (instance, target, application_name, client_addr, state)"
               " (pg_stat_replication_pg_wal_lsn_diff{$match})", "bytes"),
        Column("Replayed after", "max by (instance, target, application_name, client_addr, state)"
               " (pg_stat_replication_replay_lag{$match})", "s"),
        width=12, height=8, empty="no standby is connected",
    ),
    lines(
        "Standbys behind, in bytes", "Transaction log that each standby has not replayed.",
        ("pg_stat_replication_pg_wal_lsn_diff{$match}", f"{SERVER} {{{{application_name}}}} {{{{client_addr}}}}"),
        unit="bytes", empty="no standby is connected",
    ),
    lines(
        "Log kept for slots",
        "Transaction log that is kept because a slot has not read it. It fills the disk when nobody"
        " does.",
        ("pg_replication_slots_pg_wal_lsn_diff{$match}", f"{SERVER} {{{{slot_name}}}}"), unit="bytes", empty="no slots",
    ),
    lines(
        "Archived", "Pieces of the transaction log that were archived, and attempts that failed.",
        (f"rate(pg_stat_archiver_archived_count{ALL})", f"{SERVER} archived"),
        (f"rate(pg_stat_archiver_failed_count{ALL})", f"{SERVER} failed"),
    ),
    lines(
        "Since the last archived log",
        "How long ago the transaction log was archived, whether anything is written or not.",
        ("pg_stat_archiver_last_archive_age{$match}", SERVER), unit="s", empty="nothing was ever archived",
    ),
]  # fmt: skip
