"""The databases that clients can name, and the room that each has."""

from collections.abc import Mapping
from typing import Final

from exporter.collector import Members, read
from exporter.collectors.pgbouncer.console import Session
from exporter.collectors.pgbouncer.figure import figures, text
from exporter.metric import Metric, Samples, gauge

_LABELS: Final = ("name", "host", "port", "database", "force_user", "pool_mode")
_SOURCE: Final = "SHOW DATABASES"

POOL_SIZE: Final = gauge(
    "pgbouncer_databases_pool_size",
    "Most server connections that a pool of the database may have.",
    labels=_LABELS,
    source=_SOURCE,
)
RESERVE_POOL: Final = gauge(
    "pgbouncer_databases_reserve_pool",
    "Server connections that a pool may have beyond its size when clients have waited for long.",
    labels=_LABELS,
    source=_SOURCE,
)
MAX_CONNECTIONS: Final = gauge(
    "pgbouncer_databases_max_connections",
    "Most server connections that all pools of the database may have together; 0 for no limit.",
    labels=_LABELS,
    source=_SOURCE,
    fold="drop",
)
CURRENT_CONNECTIONS: Final = gauge(
    "pgbouncer_databases_current_connections",
    "Server connections of the database.",
    labels=_LABELS,
    source=_SOURCE,
)
PAUSED: Final = gauge(
    "pgbouncer_databases_paused",
    "1 where the database is paused: clients wait until RESUME.",
    labels=_LABELS,
    source=_SOURCE,
)
DISABLED: Final = gauge(
    "pgbouncer_databases_disabled",
    "1 where the database is disabled: clients are refused until ENABLE.",
    labels=_LABELS,
    source=_SOURCE,
)

_COLUMNS: Final[Mapping[str, Metric]] = {
    "pool_size": POOL_SIZE,
    "reserve_pool": RESERVE_POOL,
    "reserve_pool_size": RESERVE_POOL,  # from 1.24 on
    "max_connections": MAX_CONNECTIONS,
    "current_connections": CURRENT_CONNECTIONS,
    "paused": PAUSED,
    "disabled": DISABLED,
}


@read(members=Members(_LABELS, 100, CURRENT_CONNECTIONS))
def databases(session: Session) -> Samples:
    """Size, limit and use of each database's pools, and whether it is paused or disabled."""
    for row in session.show("DATABASES"):
        yield from figures(row, _COLUMNS, {name: text(row.get(name)) for name in _LABELS})
