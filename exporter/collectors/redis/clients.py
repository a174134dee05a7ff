"""Who is connected to the server."""

from typing import Final

from exporter.collector import read
from exporter.collectors.redis.session import Session, told
from exporter.metric import Metric, Samples, gauge

_SOURCE: Final = "INFO"
_CLIENTS: Final[dict[str, Metric]] = {
    "connected_clients": gauge(
        "redis_connected_clients", "Clients that are connected, without replicas.", source=_SOURCE
    ),
    "maxclients": gauge(
        "redis_max_clients",
        "How many connections there may be (7.0 and newer; redis_config_maxclients is there for all).",
        source=_SOURCE,
    ),
    "blocked_clients": gauge(
        "redis_blocked_clients", "Clients that wait in a blocking command such as BLPOP.", source=_SOURCE
    ),
    "tracking_clients": gauge(
        "redis_tracking_clients", "Clients that are told of keys that change (CLIENT TRACKING).", source=_SOURCE
    ),
    "pubsub_clients": gauge("redis_pubsub_clients", "Clients that listen to channels.", source=_SOURCE),
    "watching_clients": gauge("redis_watching_clients", "Clients that watch keys (WATCH).", source=_SOURCE),
    "clients_in_timeout_table": gauge(
        "redis_clients_in_timeout_table", "Blocked clients that will give up at some time.", source=_SOURCE
    ),
    "cluster_connections": gauge(
        "redis_cluster_connections", "Connections of the cluster bus, as far as it is known.", source=_SOURCE
    ),
    "total_watched_keys": gauge("redis_total_watched_keys", "Keys that clients watch.", source=_SOURCE),
    "total_blocking_keys": gauge("redis_total_blocking_keys", "Keys that blocked clients wait for.", source=_SOURCE),
    "total_blocking_keys_on_nokey": gauge(
        "redis_total_blocking_keys_on_nokey", "Keys whose removal blocked clients wait for.", source=_SOURCE
    ),
    "client_longest_output_list": gauge(
        "redis_client_longest_output_list",
        "The longest list of replies that wait for a client (before 5.0).",
        source=_SOURCE,
    ),
    "client_biggest_input_buf": gauge(
        "redis_client_biggest_input_buf", "The largest input buffer of a client, in bytes (before 5.0).", source=_SOURCE
    ),
    "client_recent_max_output_buffer": gauge(
        "redis_client_recent_max_output_buffer_bytes",
        "The largest output buffer that a client had lately.",
        source=_SOURCE,
    ),
    "client_recent_max_input_buffer": gauge(
        "redis_client_recent_max_input_buffer_bytes",
        "The largest input buffer that a client had lately.",
        source=_SOURCE,
    ),
}


@read
def clients(session: Session) -> Samples:
    """Connections, and clients that wait."""
    yield from told(session.info, _CLIENTS)
