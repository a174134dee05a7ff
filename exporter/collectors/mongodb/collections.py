"""Collections: how much is in them, how much they take and could give back, and how long it takes to use them."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.mongodb.figures import figure
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.collectors.mongodb.wire import Document
from exporter.metric import Metric, Samples, gauge

_MEMBER: Final = ("database", "collection")
_LABELS: Final = (*PLACE, *_MEMBER, "shard")
_SOURCE: Final = "$collStats"

STORAGE = gauge(
    "mongodb_collstats_storageStats_storageSize",
    "Disk space that the collection takes, without indexes.",
    labels=_LABELS,
    source=_SOURCE,
)
FREE = gauge(
    "mongodb_collstats_storageStats_freeStorageSize",
    "Disk space of the collection that holds nothing and is used again before more is taken.",
    labels=_LABELS,
    source=_SOURCE,
)
_STORAGE: Final[dict[str, Metric]] = {
    "storageSize": STORAGE,
    "freeStorageSize": FREE,
    "size": gauge(
        "mongodb_collstats_storageStats_size", "Bytes of all documents, uncompressed.", labels=_LABELS, source=_SOURCE
    ),
    "count": gauge(
        "mongodb_collstats_storageStats_count", "Documents in the collection.", labels=_LABELS, source=_SOURCE
    ),
    "avgObjSize": gauge(
        "mongodb_collstats_storageStats_avgObjSize",
        "Average bytes of a document.",
        labels=_LABELS,
        source=_SOURCE,
        fold="drop",
    ),
    "nindexes": gauge(
        "mongodb_collstats_storageStats_nindexes", "Indexes of the collection.", labels=_LABELS, source=_SOURCE
    ),
    "totalIndexSize": gauge(
        "mongodb_collstats_storageStats_totalIndexSize",
        "Disk space that the indexes take.",
        labels=_LABELS,
        source=_SOURCE,
    ),
    "totalSize": gauge(
        "mongodb_collstats_storageStats_totalSize",
        "Disk space that the collection and its indexes take.",
        labels=_LABELS,
        source=_SOURCE,
    ),
}
_LATENCY: Final[dict[tuple[str, str], Metric]] = {
    ("reads", "latency"): gauge(
        "mongodb_collstats_latencyStats_reads_latency",
        "Microseconds that reads took since the start.",
        labels=_LABELS,
        source=_SOURCE,
    ),
    ("reads", "ops"): gauge(
        "mongodb_collstats_latencyStats_reads_ops", "Reads since the start.", labels=_LABELS, source=_SOURCE
    ),
    ("writes", "latency"): gauge(
        "mongodb_collstats_latencyStats_writes_latency",
        "Microseconds that writes took since the start.",
        labels=_LABELS,
        source=_SOURCE,
    ),
    ("writes", "ops"): gauge(
        "mongodb_collstats_latencyStats_writes_ops", "Writes since the start.", labels=_LABELS, source=_SOURCE
    ),
    ("commands", "latency"): gauge(
        "mongodb_collstats_latencyStats_commands_latency",
        "Microseconds that commands took since the start.",
        labels=_LABELS,
        source=_SOURCE,
    ),
    ("commands", "ops"): gauge(
        "mongodb_collstats_latencyStats_commands_ops", "Commands since the start.", labels=_LABELS, source=_SOURCE
    ),
}
_STAGE: Final[Document] = {"$collStats": {"storageStats": {}, "latencyStats": {}}}


@read(interval=60, members=Members(_MEMBER, 100, STORAGE))
def collections(session: Session) -> Samples:
    """Size, free storage and use of each collection."""
    for database, collection, stats in session.of_collections(_STAGE):
        labels = {**session.place, "database": database, "collection": collection, "shard": str(stats.get("shard", ""))}
        for key, metric in _STORAGE.items():
            yield metric(figure(stats, "storageStats", key), **labels)
        for (kind, key), metric in _LATENCY.items():
            yield metric(figure(stats, "latencyStats", kind, key), **labels)
