"""PostgreSQL: what sessions and statements do."""

from typing import Final

from grafana.declare import Column, Panel, lines, table

SERVER: Final = "{{instance}} {{target}}"
DATABASE: Final = "{{instance}} {{target}} {{datname}}"
OF: Final = '{$match, datname=~"$datname"}'
RATE: Final = f"{OF}[$__rate_interval]"

QUERIES: Final[list[Panel]] = [
    lines(
        "Sessions by state", "Sessions of clients. `idle in transaction` holds locks and does nothing.",
        ('sum by (instance, target, state) (pg_stat_activity_count{$match, datname=~"$datname",'
         ' backend_type="client backend"})', f"{SERVER} {{{{state}}}}"), stacked=True,
    ),
    lines(
        "Connections and their limit", "All sessions of clients, and how many there may be.",
        ('sum by (instance, target) (pg_stat_activity_count{$match, backend_type="client backend"})', SERVER),
        ("max by (instance, target) (pg_settings_max_connections{$match})", f"{SERVER} limit"), unit="short",
    ),
    table(
        "Who is connected", "Sessions of clients by user, application and state; the oldest transaction of each.",
        {"instance": "Instance", "target": "Target", "datname": "Database", "usename": "User",
         "application_name": "Application", "state": "State"},
        Column("Sessions", "sum by (instance, target, datname, usename, application_name, state)"
               ' (pg_stat_activity_count{$match, datname=~"$datname", backend_type="client backend"} > 0)', "none"),
        Column("Oldest transaction", "max by (instance, target, datname, usename, application_name, state)"
               ' (pg_stat_activity_max_tx_duration{$match, datname=~"$datname", backend_type="client backend"})', "s"),
        width=12, height=8,
    ),
    lines(
        "What sessions wait for", "Sessions of clients that are active and wait, by what they wait for. None waits: the"
        " time goes into work.",
        ("sum by (instance, target, wait_event_type, wait_event) (pg_stat_activity_count{$match,"
         ' datname=~"$datname", state="active", wait_event_type!=""} > 0)',
         f"{SERVER} {{{{wait_event_type}}}} {{{{wait_event}}}}"), empty="nobody waits",
    ),
    lines(
        "Transactions", "Transactions committed and rolled back.",
        (f"sum by (instance, target, datname) (rate(pg_stat_database_xact_commit{RATE}))", f"{DATABASE} committed"),
        (f"sum by (instance, target, datname) (rate(pg_stat_database_xact_rollback{RATE}))", f"{DATABASE} rolled back"),
        unit="ops",
    ),
    lines(
        "Rows written", "Rows inserted, updated and deleted.",
        (f"sum by (instance, target, datname) (rate(pg_stat_database_tup_inserted{RATE}))", f"{DATABASE} inserted"),
        (f"sum by (instance, target, datname) (rate(pg_stat_database_tup_updated{RATE}))", f"{DATABASE} updated"),
        (f"sum by (instance, target, datname) (rate(pg_stat_database_tup_deleted{RATE}))", f"{DATABASE} deleted"),
        unit="rowsps",
    ),
    lines(
        "Rows read", "Rows that were read, and rows that queries got through an index.",
        (f"sum by (instance, target, datname) (rate(pg_stat_database_tup_returned{RATE}))", f"{DATABASE} read"),
        (f"sum by (instance, target, datname) (rate(pg_stat_database_tup_fetched{RATE}))", f"{DATABASE} by index"),
        unit="rowsps",
    ),
    lines(
        "Locks by mode", "Locks held. Many of `accessexclusivelock`: a table is changed or locked, and others wait.",
        (f"sum by (instance, target, mode) (pg_locks_count{OF}) > 0", f"{SERVER} {{{{mode}}}}"),
        empty="no locks are held",
    ),
    lines(
        "Conflicts with recovery", "Queries that a standby ended to go on replaying.",
        (f"sum by (instance, target, datname) (rate(pg_stat_database_conflicts{RATE}))", DATABASE),
    ),
    lines(
        "Long transactions", "Transactions that have been open for more than a minute, and how long the oldest has.",
        ("pg_long_running_transactions{$match}", SERVER), unit="short",
    ),
]  # fmt: skip

_QUERY: Final = "sum by (instance, target, datname, user, queryid)"
_STATEMENT: Final = {"instance": "Instance", "target": "Target", "datname": "Database", "user": "User",
                     "queryid": "Statement"}  # fmt: skip
STATEMENTS: Final[list[Panel]] = [
    table(
        "Statements by time",
        "Where the server's time goes. The text of a statement is in pg_stat_statements, under its"
        " number: `SELECT query FROM pg_stat_statements WHERE queryid = ...`.",
        _STATEMENT,
        Column("Time in each second", f"{_QUERY} (rate(pg_stat_statements_seconds_total{RATE}))", "s"),
        Column("Calls a second", f"{_QUERY} (rate(pg_stat_statements_calls_total{RATE}))", "ops"),
        Column("Time of a call", f"{_QUERY} (rate(pg_stat_statements_seconds_total{RATE}))"
               f" / ({_QUERY} (rate(pg_stat_statements_calls_total{RATE})) > 0)", "s"),
        Column("Rows of a call", f"{_QUERY} (rate(pg_stat_statements_rows_total{RATE}))"
               f" / ({_QUERY} (rate(pg_stat_statements_calls_total{RATE})) > 0)", "short"),
        Column("Reading blocks", f"{_QUERY} (rate(pg_stat_statements_block_read_seconds_total{RATE}))", "s"),
        Column("Writing blocks", f"{_QUERY} (rate(pg_stat_statements_block_write_seconds_total{RATE}))", "s"),
        empty="the extension pg_stat_statements is not installed",
    ),
    lines(
        "Time of statements",
        "Seconds that the statements took in each second: 2 is two sessions at work all the time.",
        (f"{_QUERY} (rate(pg_stat_statements_seconds_total{RATE})) > 0", "{{target}} {{datname}} {{user}} {{queryid}}"),
        unit="s", stacked=True, empty="the extension pg_stat_statements is not installed",
    ),
    lines(
        "Calls of statements", "How often each statement was called.",
        (f"{_QUERY} (rate(pg_stat_statements_calls_total{RATE})) > 0", "{{target}} {{datname}} {{user}} {{queryid}}"),
        unit="ops", stacked=True, empty="the extension pg_stat_statements is not installed",
    ),
]  # fmt: skip
