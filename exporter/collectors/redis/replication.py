"""Primaries and replicas: whether they are connected, and how far behind."""

from collections.abc import Iterator
from typing import Final

from exporter.collector import Members, read
from exporter.collectors.redis.info import Info, number
from exporter.collectors.redis.session import Session, told
from exporter.metric import Metric, Samples, gauge

_SOURCE: Final = "INFO"
_MASTER: Final = ("master_host", "master_port")
_SLAVE: Final = ("slave_ip", "slave_port", "slave_state")

_REPLICATION: Final[dict[str, Metric]] = {
    "connected_slaves": gauge("redis_connected_slaves", "Replicas that are connected.", source=_SOURCE),
    "repl_backlog_size": gauge("redis_replication_backlog_bytes", "How large the backlog may be.", source=_SOURCE),
    "repl_backlog_active": gauge("redis_repl_backlog_is_active", "1 where there is a backlog.", source=_SOURCE),
    "repl_backlog_first_byte_offset": gauge(
        "redis_repl_backlog_first_byte_offset", "The offset at which the backlog begins.", source=_SOURCE
    ),
    "repl_backlog_histlen": gauge("redis_repl_backlog_history_bytes", "What is in the backlog.", source=_SOURCE),
    "master_repl_offset": gauge("redis_master_repl_offset", "The offset of the replication.", source=_SOURCE),
    "second_repl_offset": gauge(
        "redis_second_repl_offset",
        "The offset up to which replicas of the former primary are served; -1 for none.",
        source=_SOURCE,
    ),
    "slave_priority": gauge(
        "redis_slave_priority", "Its rank as the next primary: lower ones come first, 0 never does.", source=_SOURCE
    ),
    "slave_read_only": gauge("redis_slave_read_only", "1 where the replica takes no writes.", source=_SOURCE),
    "master_link_down_since_seconds": gauge(
        "redis_master_link_down_since_seconds",
        "How long the replica has been without its primary; -1 where it never had a connection.",
        source=_SOURCE,
    ),
    "master_sync_total_bytes": gauge(
        "redis_master_sync_total_bytes", "How large the copy is that is being taken; 0 where unknown.", source=_SOURCE
    ),
    "master_sync_read_bytes": gauge(
        "redis_master_sync_read_bytes", "How much of that copy has been taken.", source=_SOURCE
    ),
    "sync_full": gauge(
        "redis_replica_resyncs_full", "Replicas that took a full copy, since the start.", source=_SOURCE
    ),
    "sync_partial_ok": gauge(
        "redis_replica_partial_resync_accepted", "Replicas that went on where they had been.", source=_SOURCE
    ),
    "sync_partial_err": gauge(
        "redis_replica_partial_resync_denied", "Replicas that could not go on where they had been.", source=_SOURCE
    ),
}
LAG = gauge(
    "redis_connected_slave_lag_seconds",
    "When the replica was last heard of, in seconds ago.",
    labels=_SLAVE,
    source=_SOURCE,
    fold="max",
)
OFFSET = gauge(
    "redis_connected_slave_offset_bytes",
    "How far the replica has come.",
    labels=_SLAVE,
    source=_SOURCE,
    fold="min",
)
SLAVE_INFO = gauge(
    "redis_slave_info",
    "1 where the server is a replica of that primary.",
    labels=(*_MASTER, "read_only"),
    source=_SOURCE,
)
LINK = gauge(
    "redis_master_link_up", "1 where the replica has a connection to its primary.", labels=_MASTER, source=_SOURCE
)
_OF_MASTER: Final[dict[str, Metric]] = {
    "last_io_seconds_ago": gauge(
        "redis_master_last_io_seconds_ago",
        "When the primary was last heard of, in seconds ago; -1 while there is no connection.",
        labels=_MASTER,
        source=_SOURCE,
    ),
    "sync_in_progress": gauge(
        "redis_master_sync_in_progress", "1 while a copy is being taken.", labels=_MASTER, source=_SOURCE
    ),
    "slave_repl_offset": gauge(
        "redis_slave_repl_offset", "How far the replica has come.", labels=_MASTER, source=_SOURCE
    ),
}


@read
def replication(session: Session) -> Samples:
    """The role in replication, and the connection to the primary."""
    info = session.info
    yield from told(info, _REPLICATION)
    if info.text("role") != "slave":
        return
    for prefix in _primaries(info):
        place = {"master_host": info.text(f"{prefix}host"), "master_port": info.text(f"{prefix}port")}
        link = info.text(f"{prefix}link_status")
        yield LINK(link == "up" if link else None, **place)
        for name, metric in _OF_MASTER.items():
            yield metric(info.number(f"{prefix}{name}" if name != "slave_repl_offset" else name), **place)
        if prefix == "master_":
            yield SLAVE_INFO(1, **place, read_only=info.text("slave_read_only"))


@read(members=Members(("slave_ip", "slave_port"), 100, OFFSET))
def replicas(session: Session) -> Samples:
    """How far behind each replica is."""
    for _, replica in session.info.numbered("slave"):
        place = {
            "slave_ip": replica.get("ip", ""),
            "slave_port": replica.get("port", ""),
            "slave_state": replica.get("state", ""),
        }
        yield OFFSET(number(replica.get("offset")), **place)
        lag = number(replica.get("lag"))
        yield LAG(lag if lag is not None and lag >= 0 else None, **place)


def _primaries(info: Info) -> Iterator[str]:
    """Yield `master_`, and `master_1_` and so on of KeyDB's several primaries."""
    for name in info.fields:
        if name.startswith("master") and name.endswith("_host"):
            yield name.removesuffix("host")
