"""The dashboard of SQLite databases."""

from typing import Final

from grafana.declare import QUIET, UP_DOWN, YES_NO, Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

EACH: Final = "{{instance}} {{target}}"
NAMES: Final = {"instance": "Instance", "target": "Database"}
_BY: Final = "by (instance, target)"
_NONE: Final = "no SQLite database is watched"
_NOT_COUNTED: Final = "no target has `tables_interval`"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Readable databases", "How many databases can be read.", f"sum {_BY} (sqlite_up{{$match}})", EACH, unit="none",
        states=UP_DOWN, empty=_NONE,
    ),
    stat(
        "Whole databases", "What the last check found.", f"min {_BY} (sqlite_integrity_ok{{$match}})", EACH,
        unit="none", states=YES_NO, empty="none was checked yet",
    ),
    stat(
        "Locked databases", "Databases that one transaction keeps locked.",
        f"count {_BY} (sqlite_write_locked_since_timestamp_seconds{{$match}}) or 0 * max {_BY} (sqlite_up{{$match}})",
        EACH, unit="none", states=QUIET, empty=_NONE,
    ),
    stat(
        "Last check", "When the last check began.",
        f"1000 * max {_BY} (sqlite_integrity_checked_timestamp_seconds{{$match}})", EACH, unit="dateTimeFromNow",
        empty="none was checked yet",
    ),
    table(
        "Databases", "Each database with its size, the largest first.",
        NAMES,
        Column("Size", f"max {_BY} (sqlite_database_size_bytes{{$match}})", "bytes"),
        Column("Log", f"max {_BY} (sqlite_wal_size_bytes{{$match}})", "bytes"),
        Column("Tables", f'max {_BY} (sqlite_objects{{$match, type="table"}})', "none"),
        Column("Indexes", f'max {_BY} (sqlite_objects{{$match, type="index"}})', "none"),
        Column("User version", f"max {_BY} (sqlite_user_version{{$match}})", "none"),
        width=12, height=8, empty=_NONE,
    ),
    table(
        "Modes", "How transactions are kept, whether a vacuum comes by itself, and which SQLite wrote last.",
        {**NAMES, "mode": "Journal", "auto_vacuum": "Vacuum", "written_by": "Written by"},
        Column("There",
               "max by (instance, target, mode, auto_vacuum, written_by) (sqlite_journal_mode_info{$match}"
               " * on (job, instance, target) group_left (auto_vacuum, written_by) sqlite_database_info{$match})",
               "bool_yes_no"),
        width=12, height=8, empty=_NONE,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Readable", "Whether the file is there, is a SQLite database, and may be read.", "SQLiteDown", legend=EACH,
        unit="none", states=UP_DOWN, empty=_NONE,
    ),
    signal(
        "Whole", "What the last two checks found: damage that the second one confirms.", "SQLiteIntegrityFailed",
        legend=EACH, unit="none", states=YES_NO, empty="none was checked yet",
    ),
    signal(
        "Locked", "How long one process has held the lock of writers with nothing committed.", "SQLiteLocked",
        legend=EACH, empty="nobody keeps a database locked",
    ),
    signal(
        "Log against database", "How many times as large as the database its log is, where the log is large at all.",
        "SQLiteWALLarge", legend=EACH, empty="no log is large",
    ),
    signal(
        "Free inside the file", "Share of the file that holds nothing, where that is much.", "SQLiteFreelistLarge",
        legend=EACH, top=1, empty="no file has much that is free",
    ),
]  # fmt: skip

FILES: Final[list[Panel]] = [
    lines(
        "Size", "The database, and what a vacuum would give back.",
        ("sqlite_database_size_bytes{$match}", f"{EACH} file"),
        ("sqlite_freelist_pages{$match} * on (job, instance, target) sqlite_page_size_bytes{$match}", f"{EACH} free"),
        unit="bytes", empty=_NONE,
    ),
    lines(
        "Logs and journals", "The log of WAL mode grows until a checkpoint; a journal is there while somebody writes.",
        ("sqlite_wal_size_bytes{$match}", f"{EACH} log"),
        ("sqlite_journal_size_bytes{$match}", f"{EACH} journal"),
        ("sqlite_shm_size_bytes{$match}", f"{EACH} index of the log"),
        empty=_NONE,
    ),
    lines(
        "Locks", "Whether somebody wrote, or kept all readers out, when it was looked at.",
        ("sqlite_write_locked{$match}", f"{EACH} write"),
        ("sqlite_read_locked{$match}", f"{EACH} read"),
        unit="none", top=1, empty=_NONE,
    ),
    lines(
        "Time of a check", "How long the last quick_check took.",
        ("sqlite_integrity_check_duration_seconds{$match}", EACH), empty="none was checked yet",
    ),
]  # fmt: skip

TABLES: Final[list[Panel]] = [
    lines(
        "Rows", "Rows of the largest tables.", ("sqlite_table_rows{$match}", f"{EACH} {{{{table}}}}"), unit="none",
        empty=_NOT_COUNTED,
    ),
    lines(
        "Tables and indexes", "What the largest tables and their indexes take.",
        ("sqlite_table_size_bytes{$match}", f"{EACH} {{{{table}}}}"),
        ("sqlite_table_index_size_bytes{$match}", f"{EACH} {{{{table}}}} indexes"),
        empty=_NOT_COUNTED,
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="sqlite",
    title="SQLite",
    text="Whether SQLite databases can be read and are whole, who keeps them locked, and what grows.",
    presence="sqlite_up",
    variables=(),
    rows=[
        Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Files and locks", FILES),
        Row("Tables", TABLES),
    ],
)  # fmt: skip
