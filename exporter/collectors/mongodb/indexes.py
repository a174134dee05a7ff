"""Indexes: how often they are used."""

import heapq
from typing import Any, Final

from exporter.collector import Members, read
from exporter.collectors.mongodb.figures import figure
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.collectors.mongodb.wire import Document
from exporter.metric import Samples, gauge

_MEMBER: Final = ("database", "collection", "key_name")
_SOURCE: Final = "$indexStats"

ACCESSES = gauge(
    "mongodb_indexstats_accesses_ops",
    "Operations that used the index since the server was started or the index made.",
    labels=(*PLACE, *_MEMBER, "shard"),
    source=_SOURCE,
)
BUILDING = gauge(
    "mongodb_indexstats_building",
    "1 while the index is being built.",
    labels=(*PLACE, *_MEMBER, "shard"),
    source=_SOURCE,
    fold="sum",
)
UNUSED_SINCE = gauge(
    "runbook_mongodb_index_unused_since_timestamp_seconds",
    "Since when the server counts, of the indexes that it has counted no use of for the longest time; unique ones, "
    "TTL ones and those on _id are left out.",
    labels=("database", "collection", "index", "shard"),
    source=_SOURCE,
)
_STAGE: Final[Document] = {"$indexStats": {}}
# To refuse, or to delete what expires, is no use that is counted.
_NEEDED: Final = ("unique", "expireAfterSeconds", "prepareUnique")


@read(interval=60, members=Members(_MEMBER, 100, ACCESSES))
def indexes(session: Session) -> Samples:
    """Use of each index, and since when those that nobody used are counted: the ones unused for the longest."""
    unused: list[tuple[float, str, str, str, str]] = []
    for database, collection, stats in session.of_collections(_STAGE):
        name, shard = str(stats["name"]), str(stats.get("shard", ""))
        member = {"database": database, "collection": collection, "key_name": name, "shard": shard}
        uses, since = figure(stats, "accesses", "ops"), figure(stats, "accesses", "since")
        yield ACCESSES(uses, **session.place, **member)
        yield BUILDING(figure(stats, "building"), **session.place, **member)
        if uses == 0 and since is not None and name != "_id_" and not _is_needed(stats.get("spec")):
            unused.append((since / 1000, database, collection, name, shard))
    for since, database, collection, name, shard in heapq.nsmallest(session.top, unused):
        yield UNUSED_SINCE(since, database=database, collection=collection, index=name, shard=shard)


def _is_needed(spec: Any) -> bool:
    return isinstance(spec, dict) and any(key in spec for key in _NEEDED)
