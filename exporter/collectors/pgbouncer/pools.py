"""The pools: one for each database and user, with the clients and the connections to servers in it."""

from collections.abc import Mapping
from typing import Final

from exporter.collector import Members, read
from exporter.collectors.pgbouncer.console import Session
from exporter.collectors.pgbouncer.figure import MICROSECONDS, figures, number, text
from exporter.metric import Metric, Samples, gauge

_LABELS: Final = ("database", "user")
_SOURCE: Final = "SHOW POOLS"

CLIENTS_ACTIVE: Final = gauge(
    "pgbouncer_pools_client_active_connections",
    "Clients that have a server connection, or are idle and want none.",
    labels=_LABELS,
    source=_SOURCE,
)
CLIENTS_WAITING: Final = gauge(
    "pgbouncer_pools_client_waiting_connections",
    "Clients that have sent a query and have no server connection yet.",
    labels=_LABELS,
    source=_SOURCE,
)
CLIENTS_CANCEL: Final = gauge(
    "pgbouncer_pools_client_active_cancel_connections",
    "Clients whose request to cancel a query is on its way to the server.",
    labels=_LABELS,
    source=_SOURCE,
)
CLIENTS_WAITING_CANCEL: Final = gauge(
    "pgbouncer_pools_client_waiting_cancel_connections",
    "Clients whose request to cancel a query waits to be sent on.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_ACTIVE: Final = gauge(
    "pgbouncer_pools_server_active_connections",
    "Server connections that a client has.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_CANCEL: Final = gauge(
    "pgbouncer_pools_server_active_cancel_connections",
    "Server connections that send a request to cancel.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_CANCELED: Final = gauge(
    "pgbouncer_pools_server_being_canceled_connections",
    "Server connections that cannot be idle yet, as a request to cancel their query is under way.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_IDLE: Final = gauge(
    "pgbouncer_pools_server_idle_connections",
    "Server connections that wait for a client.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_USED: Final = gauge(
    "pgbouncer_pools_server_used_connections",
    "Server connections that have been idle for so long that they are tried before a client gets them.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_TESTED: Final = gauge(
    "pgbouncer_pools_server_testing_connections",
    "Server connections that are being reset or tried.",
    labels=_LABELS,
    source=_SOURCE,
)
SERVERS_LOGIN: Final = gauge(
    "pgbouncer_pools_server_login_connections",
    "Server connections that are logging in.",
    labels=_LABELS,
    source=_SOURCE,
)
MAXWAIT: Final = gauge(
    "pgbouncer_pools_client_maxwait_seconds",
    "How long the client that waits longest has waited; 0 where none does.",
    labels=_LABELS,
    source=_SOURCE,
    fold="max",
)

_COLUMNS: Final[Mapping[str, Metric]] = {
    "cl_active": CLIENTS_ACTIVE,
    "cl_waiting": CLIENTS_WAITING,
    "cl_active_cancel_req": CLIENTS_CANCEL,
    "cl_waiting_cancel_req": CLIENTS_WAITING_CANCEL,
    "cl_cancel_req": CLIENTS_WAITING_CANCEL,  # before 1.18
    "sv_active": SERVERS_ACTIVE,
    "sv_active_cancel": SERVERS_CANCEL,
    "sv_being_canceled": SERVERS_CANCELED,
    "sv_idle": SERVERS_IDLE,
    "sv_used": SERVERS_USED,
    "sv_tested": SERVERS_TESTED,
    "sv_login": SERVERS_LOGIN,
}


@read(members=Members(_LABELS, 100, CLIENTS_ACTIVE))
def pools(session: Session) -> Samples:
    """Clients and server connections of each pool, and how long clients wait."""
    for row in session.show("POOLS"):
        labels = {"database": text(row["database"]), "user": text(row["user"])}
        yield from figures(row, _COLUMNS, labels)
        yield MAXWAIT(number(row["maxwait"]) + number(row.get("maxwait_us") or 0) * MICROSECONDS, **labels)
