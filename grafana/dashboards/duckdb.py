"""The dashboard of DuckDB."""

from typing import Final

from grafana.declare import UP_DOWN, YES_NO, Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

DATABASE: Final = "{{instance}} {{target}}"
NAMES: Final = {"instance": "Instance", "target": "Database"}
_BY: Final = "by (instance, target)"
_HOLDERS: Final = 'holder=~"$holder|"'

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Databases", "Whether each database is there.", "duckdb_up{$match}", DATABASE, unit="none", states=UP_DOWN),
    stat("Size", "The database files, without their write-ahead logs.",
         f"sum {_BY} (duckdb_database_size_bytes{{$match}})", DATABASE),
    stat(
        "Whole", "What the last check of all rows found.",
        f"min {_BY} (duckdb_integrity_ok{{$match}})", DATABASE, unit="none", states=YES_NO, empty="not checked yet",
    ),
    stat("Last checked", "When all rows were read for the last time.",
         f"max {_BY} (duckdb_integrity_checked_timestamp_seconds{{$match}}) * 1000", DATABASE, unit="dateTimeFromNow",
         empty="not checked yet"),
    table(
        "The files", "The largest first.", NAMES,
        Column("Size", f"max {_BY} (duckdb_database_size_bytes{{$match}})", "bytes"),
        Column("Write-ahead log", f"max {_BY} (duckdb_wal_size_bytes{{$match}})", "bytes"),
        Column("Mode", f"max {_BY} (duckdb_file_mode_octal{{$match, file=\"database\"}})", "none"),
        Column("Storage version", f"max {_BY} (duckdb_storage_version{{$match}})", "none"),
        Column("Encrypted", f"max {_BY} (duckdb_encrypted{{$match}})", "bool_yes_no"),
        width=12, height=7,
    ),
    table(
        "Who made the file, and who can read it", "The DuckDB that made each file, and the first that reads it.",
        {**NAMES, "made_by": "Made by", "readable_from": "Readable from"},
        Column("There", "max by (instance, target, made_by, readable_from) (duckdb_file_info{$match})", "bool_yes_no"),
        width=12, height=7,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Databases that are there", "Whether each file is there, is a DuckDB file, and may be read.", "DuckDBDown",
        legend=DATABASE, width=8, unit="none", states=UP_DOWN,
    ),
    signal(
        "Every row can be read",
        "What the last check found: every row of every table of a copy or a backup is read.",
        "DatabaseIntegrityFailed", legend=DATABASE, width=8, unit="none", states=YES_NO, empty="not checked yet",
    ),
    signal(
        "Age of the last check", "How long ago all rows were read, as a multiple of the interval of these checks.",
        "DuckDBIntegrityNotChecked", legend=DATABASE, width=8, unit="short", empty="not checked yet",
    ),
    signal(
        "Strangers that hold it, and those who were refused",
        "Processes that hold the database and are not expected to, and lines of logs that say that it could not be"
        " locked.",
        "DuckDBLocked", legend="{{instance}} {{target}} {{holder}}{{log}}", width=8, unit="short",
        empty="no stranger holds it",
    ),
    signal(
        "Writers without a lock",
        "Processes that have the database open for writing, and nothing that keeps another one from it.",
        "DuckDBLockLost", legend=DATABASE, width=8, unit="short", empty="none was found",
    ),
    signal(
        "At work on a file that was replaced",
        "Processes that still have open what was at the database's path before; what they write is lost.",
        "DuckDBFileReplaced", legend=DATABASE, width=8, unit="short", empty="none was found",
    ),
    signal(
        "Write-ahead log", "What was committed since the last checkpoint. Opening the database reads it all.",
        "DuckDBWALLarge", legend=DATABASE, width=8, unit="bytes",
    ),
    signal(
        "Growth a day", "How much each database grew a day, over the last week.",
        "DuckDBGrowthHigh", "DuckDBGrowthOverTarget", legend=DATABASE, width=8, unit="bytes",
        empty="less than a week is known",
    ),
    lines(
        "Size over time", "The database files.",
        (f"max {_BY} (duckdb_database_size_bytes{{$match}})", DATABASE), width=8,
    ),
]  # fmt: skip

HOLDERS: Final[list[Panel]] = [
    lines(
        "Who holds it", "Processes with a lock on the database: one that writes, or several that read.",
        ("sum by (instance, target, holder, expected, mode) (duckdb_lock_holders{$match, " + _HOLDERS + "})",
         "{{target}} {{holder}} ({{mode}}, expected: {{expected}})"),
        unit="short", empty="nobody holds it",
    ),
    lines(
        "Who has it open", "Processes with the file open, with a lock or without, as far as they can be seen.",
        ("sum by (instance, target, holder, expected) (duckdb_open_processes{$match, " + _HOLDERS + "})",
         "{{target}} {{holder}} (expected: {{expected}})"),
        unit="short", empty="nobody is seen to",
    ),
    lines(
        "Locked", "Whether somebody holds it so that no other can open it, or none for writing.",
        ("max by (instance, target, mode) (duckdb_locked{$match})", f"{DATABASE} for {{{{mode}}}}"),
        unit="none", states=YES_NO,
    ),
    lines(
        "Holders that are stopped", "Processes that hold the database and do nothing, as after Ctrl-Z.",
        (f"max {_BY} (duckdb_stopped_lock_holders{{$match}})", DATABASE), unit="short",
    ),
    lines(
        "Checkpoints", "How often what was committed was written into the file.",
        (f"sum {_BY} (rate(duckdb_checkpoints_total{{$match}}[$__rate_interval]))", DATABASE), unit="cps",
        empty="it is encrypted",
    ),
    lines(
        "Temporary files", "What did not fit into the memory of the application's DuckDB.",
        (f"max {_BY} (duckdb_temporary_size_bytes{{$match}})", DATABASE),
    ),
]  # fmt: skip

INSIDE: Final[list[Panel]] = [
    lines(
        "Share of blocks that are free", "What was deleted stays in the file as free blocks, for what is written next.",
        (f"max {_BY} (duckdb_free_blocks{{$match}}) / (max {_BY} (duckdb_total_blocks{{$match}}) > 0)", DATABASE),
        unit="percentunit", top=1, empty="nothing was read",
    ),
    lines(
        "Age of what was read", "How old the copy or backup is that the figures from inside come from.",
        (f"time() - max {_BY} (duckdb_read_timestamp_seconds{{$match}})", DATABASE), unit="s",
        empty="nothing was read",
    ),
    lines(
        "Rows", "Rows of the tables, counted.",
        ("sum by (target, schema, table) (duckdb_table_rows{$match})", "{{target}} {{schema}}.{{table}}"),
        unit="short", empty="nothing was read",
    ),
    lines(
        "Copies for one look", "How often a copy was begun until nobody wrote meanwhile.",
        (f"max {_BY} (duckdb_copy_tries{{$match}})", DATABASE), unit="short", empty="nothing is copied",
    ),
    table(
        "Tables", "The largest first.", {**NAMES, "schema": "Schema", "table": "Table"},
        Column("Rows", "max by (instance, target, schema, table) (duckdb_table_rows{$match})", "short"),
        Column("Columns", "max by (instance, target, schema, table) (duckdb_table_columns{$match})", "short"),
        width=12, empty="nothing was read",
    ),
    table(
        "Which DuckDB read it", "The library that reads the copy, which need not be the application's.",
        {**NAMES, "version": "Version"},
        Column("There", "max by (instance, target, version) (duckdb_library_info{$match})", "bool_yes_no"),
        width=12, empty="nothing was read",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="duckdb",
    title="DuckDB",
    text="The databases: whether they are there and whole, who holds them, how they grow, and what is in them.",
    presence="duckdb_up",
    variables=(Variable("holder", "Holder", "duckdb_lock_holders"),),
    rows=[
        Row("At a glance", GLANCE),
        Row("What alerts watch", WATCHED),
        Row("Use of the file", HOLDERS),
        Row("What is in it", INSIDE),
    ],
)
