"""What passed through, by database, since PgBouncer was started."""

from collections.abc import Mapping
from typing import Final

from exporter.collector import Members, read
from exporter.collectors.pgbouncer.console import Session
from exporter.collectors.pgbouncer.figure import figures, text
from exporter.metric import Metric, Samples, counter

_LABELS: Final = ("database",)
_SOURCE: Final = "SHOW STATS_TOTALS"

QUERIES: Final = counter(
    "pgbouncer_stats_queries_pooled_total", "Queries that passed through.", labels=_LABELS, source=_SOURCE
)
QUERY_SECONDS: Final = counter(
    "pgbouncer_stats_queries_duration_seconds_total",
    "Time that server connections spent at queries.",
    labels=_LABELS,
    source=_SOURCE,
)
RECEIVED: Final = counter(
    "pgbouncer_stats_received_bytes_total", "Bytes that came from clients.", labels=_LABELS, source=_SOURCE
)
SENT: Final = counter("pgbouncer_stats_sent_bytes_total", "Bytes sent to clients.", labels=_LABELS, source=_SOURCE)
WAIT_SECONDS: Final = counter(
    "pgbouncer_stats_client_wait_seconds_total",
    "Time that clients waited for a server connection, counted when they got one.",
    labels=_LABELS,
    source=_SOURCE,
)
TRANSACTIONS: Final = counter(
    "pgbouncer_stats_sql_transactions_pooled_total",
    "Transactions that passed through.",
    labels=_LABELS,
    source=_SOURCE,
)
TRANSACTION_SECONDS: Final = counter(
    "pgbouncer_stats_server_in_transaction_seconds_total",
    "Time that server connections spent in transactions, at queries or idle.",
    labels=_LABELS,
    source=_SOURCE,
)
ASSIGNMENTS: Final = counter(
    "pgbouncer_stats_server_assignments_total",
    "How often a client was given a server connection; from version 1.23 on.",
    labels=_LABELS,
    source=_SOURCE,
)
CLIENT_PARSES: Final = counter(
    "pgbouncer_stats_client_parses_total",
    "Prepared statements that clients made; from version 1.24 on.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVER_PARSES: Final = counter(
    "pgbouncer_stats_server_parses_total",
    "Prepared statements that PgBouncer made on servers; from version 1.24 on.",
    labels=_LABELS,
    source=_SOURCE,
)
BINDS: Final = counter(
    "pgbouncer_stats_binds_total",
    "Prepared statements that clients had run; from version 1.24 on.",
    labels=_LABELS,
    source=_SOURCE,
)

_COLUMNS: Final[Mapping[str, Metric]] = {
    "query_count": QUERIES,
    "query_time": QUERY_SECONDS,
    "bytes_received": RECEIVED,
    "bytes_sent": SENT,
    "wait_time": WAIT_SECONDS,
    "xact_count": TRANSACTIONS,
    "xact_time": TRANSACTION_SECONDS,
    "server_assignment_count": ASSIGNMENTS,
    "client_parse_count": CLIENT_PARSES,
    "server_parse_count": SERVER_PARSES,
    "bind_count": BINDS,
}


@read(members=Members(_LABELS, 100, QUERIES))
def stats(session: Session) -> Samples:
    """Queries, transactions, bytes and waiting of each database."""
    for row in session.show("STATS_TOTALS"):
        yield from figures(row, _COLUMNS, {"database": text(row["database"])})
