"""A node of a cluster, and what it knows of the others."""

from typing import Final

from exporter.collector import read
from exporter.collectors.redis.info import number
from exporter.collectors.redis.session import CLUSTER, Session
from exporter.collectors.redis.trouble import strange
from exporter.metric import Metric, Samples, gauge, pattern

_SOURCE: Final = "CLUSTER INFO"
_STEM: Final = "cluster_stats_messages_"
_MESSAGES: Final = frozenset(
    f"{kind}_{way}"
    for kind in ("ping", "pong", "meet", "fail", "publish", "publishshard", "auth-req", "auth-ack", "update", "mfstart",
                 "module")
    for way in ("sent", "received")
)  # fmt: skip

_CLUSTER: Final[dict[str, Metric]] = {
    "cluster_state": gauge(
        "redis_cluster_state", "1 where the node takes commands, 0 where slots are not served.", source=_SOURCE
    ),
    "cluster_slots_assigned": gauge(
        "redis_cluster_slots_assigned", "Slots that have a node; 16384 is all of them.", source=_SOURCE
    ),
    "cluster_slots_ok": gauge("redis_cluster_slots_ok", "Slots whose node works.", source=_SOURCE),
    "cluster_slots_pfail": gauge(
        "redis_cluster_slots_pfail", "Slots whose node does not answer this one.", source=_SOURCE
    ),
    "cluster_slots_fail": gauge(
        "redis_cluster_slots_fail", "Slots whose node has failed, as the majority says.", source=_SOURCE
    ),
    "cluster_known_nodes": gauge("redis_cluster_known_nodes", "Nodes that are known, failed ones too.", source=_SOURCE),
    "cluster_size": gauge("redis_cluster_size", "Primaries that serve slots.", source=_SOURCE),
    "cluster_current_epoch": gauge("redis_cluster_current_epoch", "The epoch of the cluster.", source=_SOURCE),
    "cluster_my_epoch": gauge("redis_cluster_my_epoch", "The epoch of the node's own configuration.", source=_SOURCE),
    "cluster_stats_messages_sent": gauge(
        "redis_cluster_messages_sent_total", "Messages to other nodes, since the start.", source=_SOURCE
    ),
    "cluster_stats_messages_received": gauge(
        "redis_cluster_messages_received_total", "Messages from other nodes, since the start.", source=_SOURCE
    ),
}
MESSAGES = pattern(
    "redis_cluster_stats_messages_*", "gauge", "Messages of the cluster bus, since the start: *.", source=_SOURCE
)


@read
def cluster(session: Session) -> Samples:
    """Whether the cluster works, as this node sees it."""
    told = session.answer(CLUSTER, "node of a cluster")
    if not isinstance(told, bytes):
        raise strange("CLUSTER INFO")
    fields = dict(line.partition(":")[::2] for line in told.decode("utf-8", "replace").split("\r\n"))
    for name, metric in _CLUSTER.items():
        yield metric(number(fields.get(name)))
    for part in _MESSAGES:
        if _STEM + part in fields:
            yield MESSAGES.named(part)(number(fields[_STEM + part]))
