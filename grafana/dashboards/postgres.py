"""The dashboard of PostgreSQL."""

from typing import Final

from grafana.dashboards import postgres_activity, postgres_server, postgres_tables
from grafana.declare import UP_DOWN, Dashboard, Panel, Row, Variable, firing, lines, signal, stat

SERVER: Final = "{{instance}} {{target}}"
DATABASE: Final = "{{instance}} {{target}} {{datname}}"
TABLE: Final = "{{target}} {{datname}} {{schemaname}}.{{relname}}"
OF: Final = 'datname=~"$datname"'

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Servers", "Whether each server answers.", "pg_up{$match}", SERVER, unit="none", states=UP_DOWN),
    stat(
        "Role",
        "Whether each server is a primary or a standby.", "pg_replication_is_replica{$match}", SERVER, unit="none",
        states={"0": ("primary", "blue"), "1": ("standby", "purple")},
    ),
    stat("Up since", "When each server was started.", "pg_postmaster_start_time_seconds{$match} * 1000", SERVER,
         unit="dateTimeFromNow"),
    stat("Size", "All databases together.", "sum by (instance, target) (pg_database_size_bytes{$match})", SERVER),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Servers that answer",
        "Whether each server could be reached and asked.", "PostgreSQLDown", legend=SERVER, width=8,
        unit="none", states=UP_DOWN,
    ),
    signal(
        "Connections in use", "Connections of clients, as a share of those that are there for everybody.",
        "PostgreSQLConnectionsHigh", legend=SERVER, width=8, top=1,
    ),
    signal(
        "Oldest query that runs", "How long the oldest running query of each database has been at it; backups and"
        " replication do not count.",
        "PostgreSQLSlowQuery", legend=DATABASE, within=OF, width=8, empty="no query runs",
    ),
    lines(
        "Blocked sessions", "Sessions that wait for a lock that another one holds.",
        ("sum by (instance, target, datname) (runbook_postgres_blocked_backends{$match, " + OF + "})", DATABASE),
        width=8, empty="nobody waits for another",
    ),
    lines(
        "Oldest blocked query", "How long the query that has waited longest for another session's lock has waited.",
        ("time() - min by (instance, target, datname)"
         " (runbook_postgres_oldest_blocked_query_start_timestamp_seconds{$match, " + OF + "})", DATABASE),
        unit="s", width=8, empty="nobody waits for another",
    ),
    lines(
        "Oldest open transaction",
        "How long the oldest transaction has been open. It keeps dead rows from being removed,"
        " in every database of the server.",
        ("time() - min by (instance, target, datname)"
         " (runbook_postgres_oldest_transaction_start_timestamp_seconds{$match, " + OF + "})", DATABASE),
        unit="s", width=8, empty="no transaction is open",
    ),
    signal(
        "Replication lag", "How far each standby is behind, while its primary writes.", "PostgreSQLReplicationLag",
        legend=SERVER, width=8, empty="no standby receives anything",
    ),
    signal(
        "Replication connected",
        "On a standby, whether it receives from its primary; on a primary, whether somebody reads"
        " each replication slot.",
        "PostgreSQLReplicationBroken", legend=f"{SERVER} {{{{slot_name}}}}", width=8, unit="none", states=UP_DOWN,
        empty="no standby and no slot",
    ),
    signal(
        "Age of the last archived log", "How long ago the transaction log was archived, while rows are written.",
        "TransactionLogBackupOverdue", legend=SERVER, width=8, empty="nothing is archived, or nothing is written",
    ),
    signal(
        "Failures to archive", "How often the transaction log could not be archived.", "PostgreSQLArchiveFailing",
        legend=SERVER, width=8, unit="short",
    ),
    signal(
        "Damaged pages", "Pages whose checksum was wrong.", "PostgreSQLChecksumFailure", legend=DATABASE, width=8,
        unit="short", empty="checksums are off",
    ),
    lines(
        "Deadlocks", "Transactions that were ended because they waited for each other.",
        ("sum by (instance, target, datname) (increase(pg_stat_database_deadlocks{$match, " + OF
         + "}[$__rate_interval]))", DATABASE), unit="short", width=8,
    ),
]  # fmt: skip

NEGLECTED: Final[list[Panel]] = [
    signal(
        "Tables that are not vacuumed",
        "Tables with many dead rows, and how long ago they were vacuumed; one that never"
        " was is without end, and is found in the table of dead rows below.",
        "PostgreSQLVacuumOverdue", legend=TABLE, within=OF, width=8, empty="no table has many dead rows",
    ),
    signal(
        "Tables read from end to end",
        "Of the rows read from large tables, how many came from reading the whole table: an"
        " index may be missing.",
        "PostgreSQLMissingIndex", legend=TABLE, within=OF, width=8, top=1,
        empty="no large table is read from end to end",
    ),
    signal(
        "Indexes that nobody uses", "Large indexes, and how long they have not been used.", "PostgreSQLUnusedIndex",
        legend="{{target}} {{datname}} {{schemaname}}.{{indexrelname}}", within=OF, width=8,
        empty="every large index is used",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="postgres",
    title="PostgreSQL",
    text="The servers: whether they answer, what waits, what is lost if one breaks, and what is neglected.",
    presence="pg_up",
    slow=("pg_stat_user_", "pg_statio_user_", "pg_stat_statements_", "pg_stat_io_", "pg_stat_database_conflicts_"),
    variables=(Variable("datname", "Database", "pg_database_size_bytes"),),
    rows=[
        Row("At a glance", GLANCE),
        Row("What alerts watch", WATCHED),
        Row("What is neglected", NEGLECTED),
        Row("Connections and queries", postgres_activity.QUERIES),
        Row("Statements", postgres_activity.STATEMENTS),
        Row("Cache, disks and checkpoints", postgres_server.STORAGE),
        Row("Replication and archive", postgres_server.REPLICATION),
        Row("Tables and indexes", postgres_tables.TABLES),
    ],
)
