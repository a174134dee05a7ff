"""The dashboard of PgBouncer."""

from typing import Final

from grafana.declare import UP_DOWN, Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

SERVER: Final = "{{instance}} {{target}}"
POOL: Final = "{{instance}} {{target}} {{database}} {{user}}"
DATABASE: Final = "{{instance}} {{target}} {{database}}"
OF: Final = 'database=~"$database"'
_OF: Final = f"{{$match, {OF}}}"
_RATE: Final = f"{_OF}[$__rate_interval]"
_BY_POOL: Final = "by (instance, target, database, user)"
_BY_DATABASE: Final = "by (instance, target, database)"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Answers", "Whether each PgBouncer answers.", "min by (instance, target) (pgbouncer_up{$match})", SERVER,
         unit="none", states=UP_DOWN),
    stat("Clients", "Clients that are connected, those at the console included.",
         "max by (instance, target) (pgbouncer_used_clients{$match})", SERVER, unit="short"),
    stat("Server connections", "Connections to PostgreSQL that are open.",
         "max by (instance, target) (pgbouncer_used_servers{$match})", SERVER, unit="short"),
    stat("Longest wait now", "How long the client that waits longest has waited.",
         f"max by (instance, target) (pgbouncer_pools_client_maxwait_seconds{_OF})", SERVER),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Answering", "Whether the console answers.", "PgBouncerDown", legend=SERVER, width=8, unit="none",
        states=UP_DOWN,
    ),
    signal(
        "Clients that wait", "Clients that have sent a query and have no server connection. Now and then one waits for"
        " a moment; where it never ends, the pool is too small or its connections are held.",
        "ConnectionPoolWaiting", legend=POOL, within=OF, width=8, unit="short",
    ),
    signal(
        "Places for clients in use", "Of as many clients as may be connected, how many are.", "PgBouncerClientsHigh",
        legend=SERVER, width=8, top=1,
    ),
]  # fmt: skip

POOLS: Final[list[Panel]] = [
    table(
        "Pools", "Every pool, the one in which clients have waited longest first.",
        {"instance": "Instance", "target": "Target", "database": "Database", "user": "User"},
        Column("Longest wait", f"max {_BY_POOL} (pgbouncer_pools_client_maxwait_seconds{_OF})", "s"),
        Column("Waiting", f"sum {_BY_POOL} (pgbouncer_pools_client_waiting_connections{_OF})", "none"),
        Column("Clients", f"sum {_BY_POOL} (pgbouncer_pools_client_active_connections{_OF})", "none"),
        Column("At work", f"sum {_BY_POOL} (pgbouncer_pools_server_active_connections{_OF})", "none"),
        Column("Idle", f"sum {_BY_POOL} (pgbouncer_pools_server_idle_connections{_OF})", "none"),
        Column("To be tried", f"sum {_BY_POOL} (pgbouncer_pools_server_used_connections{_OF})", "none"),
        Column("Logging in", f"sum {_BY_POOL} (pgbouncer_pools_server_login_connections{_OF})", "none"),
    ),
    lines(
        "Server connections at work",
        "Connections that a client has. Where they stay at the size of the pool, it is full.",
        (f"sum {_BY_POOL} (pgbouncer_pools_server_active_connections{_OF})", POOL), unit="short",
    ),
    lines(
        "Longest wait", "How long the client that waits longest has waited, in each pool.",
        (f"max {_BY_POOL} (pgbouncer_pools_client_maxwait_seconds{_OF})", POOL),
    ),
    table(
        "Databases", "What clients can name, and the room that each has. A limit of 0 is none.",
        {"instance": "Instance", "target": "Target", "name": "Database", "host": "Host", "port": "Port"},
        Column("Connections", "sum by (instance, target, name, host, port)"
               ' (pgbouncer_databases_current_connections{$match, name=~"$database"})', "none"),
        Column("Size of a pool", "max by (instance, target, name, host, port)"
               ' (pgbouncer_databases_pool_size{$match, name=~"$database"})', "none"),
        Column("In reserve", "max by (instance, target, name, host, port)"
               ' (pgbouncer_databases_reserve_pool{$match, name=~"$database"})', "none"),
        Column("Limit", "max by (instance, target, name, host, port)"
               ' (pgbouncer_databases_max_connections{$match, name=~"$database"})', "none"),
        Column("Paused", "max by (instance, target, name, host, port)"
               ' (pgbouncer_databases_paused{$match, name=~"$database"})', "bool_yes_no"),
        Column("Disabled", "max by (instance, target, name, host, port)"
               ' (pgbouncer_databases_disabled{$match, name=~"$database"})', "bool_yes_no"),
    ),
]  # fmt: skip

TRAFFIC: Final[list[Panel]] = [
    lines(
        "Queries and transactions", "What passed through.",
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_queries_pooled_total{_RATE}))", f"{DATABASE} queries"),
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_sql_transactions_pooled_total{_RATE}))",
         f"{DATABASE} transactions"), unit="ops",
    ),
    lines(
        "In transactions and at queries",
        "Server connections that were in a transaction, and that were at a query, on average. The difference held a"
        " connection and did nothing.",
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_server_in_transaction_seconds_total{_RATE}))",
         f"{DATABASE} in a transaction"),
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_queries_duration_seconds_total{_RATE}))", f"{DATABASE} at a query"),
        unit="short",
    ),
    lines(
        "Time of a query", "What a query took on average, without waiting for a connection.",
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_queries_duration_seconds_total{_RATE}))"
         f" / (sum {_BY_DATABASE} (rate(pgbouncer_stats_queries_pooled_total{_RATE})) > 0)", DATABASE), unit="s",
    ),
    lines(
        "Waiting", "Time that clients waited for a connection, in each second, counted when they got one.",
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_client_wait_seconds_total{_RATE}))", DATABASE), unit="s",
    ),
    lines(
        "Bytes", "Bytes from clients and to clients.",
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_received_bytes_total{_RATE}))", f"{DATABASE} from clients"),
        (f"sum {_BY_DATABASE} (rate(pgbouncer_stats_sent_bytes_total{_RATE}))", f"{DATABASE} to clients"),
    ),
    lines(
        "Clients and their limit", "Clients that are connected, and how many may be.",
        ("max by (instance, target) (pgbouncer_used_clients{$match})", f"{SERVER} connected"),
        ("max by (instance, target) (pgbouncer_config_max_client_connections{$match})", f"{SERVER} limit"),
        unit="short",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="pgbouncer",
    title="PgBouncer",
    text="Whether the pools answer, who waits for a connection, and what passes through.",
    presence="pgbouncer_up",
    variables=(Variable("database", "Database", "pgbouncer_pools_client_active_connections"),),
    rows=[
        Row("At a glance", GLANCE),
        Row("What alerts watch", WATCHED),
        Row("Pools", POOLS),
        Row("What passes through", TRAFFIC),
    ],
)
