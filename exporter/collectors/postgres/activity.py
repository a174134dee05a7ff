"""What the sessions of the server do: their states, and the oldest query, transaction and wait for a lock."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.postgres.session import Session, require_sight
from exporter.metric import Samples, gauge

_LABELS: Final = (
    "datname", "state", "usename", "application_name", "backend_type", "wait_event_type", "wait_event", "server",
)  # fmt: skip
COUNT = gauge(
    "pg_stat_activity_count",
    "Sessions in this state, this exporter's own included; 0 for each state of a database that none is in.",
    labels=_LABELS,
    source="pg_stat_activity",
)
MAX_TX_DURATION = gauge(
    "pg_stat_activity_max_tx_duration",
    "Age in seconds of the oldest transaction of these sessions; 0 where they have none.",
    labels=_LABELS,
    source="pg_stat_activity.xact_start",
    fold="max",
)
OLDEST_QUERY = gauge(
    "runbook_postgres_oldest_query_start_timestamp_seconds",
    "When the longest-running query of a client was started; backups are left out. None where no query runs.",
    labels=("datname",),
    source="pg_stat_activity.query_start",
    fold="min",
)
OLDEST_TRANSACTION = gauge(
    "runbook_postgres_oldest_transaction_start_timestamp_seconds",
    "When the oldest open transaction of a client was begun; backups are left out. None where no transaction is open.",
    labels=("datname",),
    source="pg_stat_activity.xact_start",
    fold="min",
)
OLDEST_BLOCKED = gauge(
    "runbook_postgres_oldest_blocked_query_start_timestamp_seconds",
    "When the oldest query that now waits for a lock was started. None where no query waits.",
    labels=("datname",),
    source="pg_stat_activity.wait_event_type",
    fold="min",
)
BLOCKED = gauge(
    "runbook_postgres_blocked_backends",
    "Clients whose query waits for a lock that another holds.",
    labels=("datname",),
    source="pg_stat_activity.wait_event_type",
)
LONG_TRANSACTIONS = gauge(
    "pg_long_running_transactions",
    "Transactions that have been open for more than a minute, autovacuum's left out.",
    source="pg_stat_activity.xact_start",
)
LONG_TRANSACTIONS_OLDEST = gauge(
    "pg_long_running_transactions_oldest_timestamp_seconds",
    "Age in seconds, whatever the name says, of the oldest open transaction, autovacuum's left out; 0 without one.",
    unit="seconds",
    source="pg_stat_activity.xact_start",
)

# Walsenders of physical replication and the server's own processes are in no database.
_ACTIVITY: Final = """
WITH sessions AS (
  SELECT datname, state, coalesce(usename, '') AS usename, coalesce(application_name, '') AS application_name,
         coalesce(backend_type, '') AS backend_type, coalesce(wait_event_type, '') AS wait_event_type,
         coalesce(wait_event, '') AS wait_event, count(*) AS sessions,
         greatest(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS duration
  FROM pg_stat_activity
  WHERE datname IS NOT NULL AND state IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5, 6, 7
)
SELECT datname::text, state, usename::text, application_name, backend_type, wait_event_type, wait_event,
       sessions, duration
FROM sessions
UNION ALL
SELECT datname::text, state, '', '', '', '', '', 0, 0
FROM pg_database CROSS JOIN (VALUES ('active'), ('idle'), ('idle in transaction'), ('idle in transaction (aborted)'),
                                    ('fastpath function call'), ('disabled')) AS states (state)
WHERE datallowconn AND NOT datistemplate
  AND NOT EXISTS (SELECT FROM sessions WHERE sessions.datname = pg_database.datname AND sessions.state = states.state)
"""
_OLDEST: Final = """
SELECT d.datname::text,
       extract(epoch FROM min(query_start) FILTER (WHERE running AND NOT backup))::float8,
       extract(epoch FROM min(xact_start) FILTER (WHERE NOT backup))::float8,
       extract(epoch FROM min(query_start) FILTER (WHERE blocked))::float8,
       count(*) FILTER (WHERE blocked)
FROM pg_database d LEFT JOIN (
  SELECT datid, query_start, xact_start, application_name LIKE 'pg\\_dump%' AS backup,
         state IN ('active', 'fastpath function call') AS running,
         state = 'active' AND wait_event_type IS NOT DISTINCT FROM 'Lock' AS blocked
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
) a ON a.datid = d.oid
WHERE d.datallowconn AND (NOT d.datistemplate OR a.datid IS NOT NULL)
GROUP BY 1
"""
_LONG: Final = """
SELECT count(*) FILTER (WHERE age > 60), greatest(coalesce(max(age), 0), 0)::float8
FROM (SELECT extract(epoch FROM clock_timestamp() - xact_start) AS age FROM pg_stat_activity
      WHERE xact_start IS NOT NULL AND state IS DISTINCT FROM 'idle' AND pid <> pg_backend_pid()
        AND backend_type IS DISTINCT FROM 'autovacuum worker') transactions
"""


@read(members=Members(("application_name",), 100, COUNT))
def activity(session: Session) -> Samples:
    """Sessions by state, and the age of their oldest transaction."""
    require_sight(session)
    server = session.server
    for datname, state, user, application, backend, wait_type, wait, count, duration in session.rows(_ACTIVITY):
        labels = {
            "datname": datname, "state": state, "usename": user, "application_name": application,
            "backend_type": backend, "wait_event_type": wait_type, "wait_event": wait, "server": server,
        }  # fmt: skip
        yield COUNT(count, **labels)
        yield MAX_TX_DURATION(duration or 0.0, **labels)


@read(members=Members(("datname",), 100, BLOCKED))
def oldest_activity(session: Session) -> Samples:
    """The oldest query, transaction and wait for a lock in each database."""
    require_sight(session)
    for datname, query, transaction, blocked, count in session.rows(_OLDEST):
        yield OLDEST_QUERY(query, datname=datname)
        yield OLDEST_TRANSACTION(transaction, datname=datname)
        yield OLDEST_BLOCKED(blocked, datname=datname)
        yield BLOCKED(count, datname=datname)


@read
def long_running_transactions(session: Session) -> Samples:
    """Transactions that have been open for long."""
    require_sight(session)
    count, oldest = session.row(_LONG)
    yield LONG_TRANSACTIONS(count)
    yield LONG_TRANSACTIONS_OLDEST(oldest)
