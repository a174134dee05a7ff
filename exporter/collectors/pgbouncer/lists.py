"""PgBouncer as a whole: its version, how much of everything there is, and the limits of its configuration."""

from collections.abc import Mapping
from typing import Final

from exporter.collector import read
from exporter.collectors.pgbouncer.console import Session
from exporter.collectors.pgbouncer.figure import figures
from exporter.metric import Metric, Samples, gauge, info

VERSION: Final = info("pgbouncer_version_info", "PgBouncer's version.", labels=("version",), source="SHOW VERSION")

_LISTS: Final[Mapping[str, Metric]] = {
    "databases": gauge("pgbouncer_databases", "Databases that clients can name.", source="SHOW LISTS"),
    "users": gauge("pgbouncer_users", "Users that PgBouncer knows.", source="SHOW LISTS"),
    "pools": gauge("pgbouncer_pools", "Pools: pairs of a database and a user.", source="SHOW LISTS"),
    "free_clients": gauge("pgbouncer_free_clients", "Places for clients that are kept free.", source="SHOW LISTS"),
    "used_clients": gauge("pgbouncer_used_clients", "Clients that are connected.", source="SHOW LISTS"),
    "login_clients": gauge("pgbouncer_login_clients", "Clients that are logging in.", source="SHOW LISTS"),
    "free_servers": gauge(
        "pgbouncer_free_servers", "Places for server connections that are kept free.", source="SHOW LISTS"
    ),
    "used_servers": gauge("pgbouncer_used_servers", "Server connections that are open.", source="SHOW LISTS"),
    "dns_names": gauge("pgbouncer_cached_dns_names", "Names that are kept from the DNS.", source="SHOW LISTS"),
    "dns_zones": gauge("pgbouncer_cached_dns_zones", "Zones that are kept from the DNS.", source="SHOW LISTS"),
    "dns_queries": gauge("pgbouncer_in_flight_dns_queries", "Questions to the DNS under way.", source="SHOW LISTS"),
}
_LIMITS: Final[Mapping[str, Metric]] = {
    "max_client_conn": gauge(
        "pgbouncer_config_max_client_connections", "Most clients that may be connected.", source="SHOW CONFIG"
    ),
    "max_user_connections": gauge(
        "pgbouncer_config_max_user_connections",
        "Most server connections that a user may have; 0 for no limit.",
        source="SHOW CONFIG",
    ),
}


@read
def version(session: Session) -> Samples:
    """PgBouncer's version."""
    yield VERSION(1, version=session.version)


@read
def lists(session: Session) -> Samples:
    """How many databases, users, pools, clients and server connections there are."""
    yield from figures({row["list"]: row["items"] for row in session.show("LISTS")}, _LISTS, {})


@read(interval=60)
def limits(session: Session) -> Samples:
    """The limits of the configuration."""
    yield from figures({row["key"]: row["value"] for row in session.show("CONFIG")}, _LIMITS, {})
