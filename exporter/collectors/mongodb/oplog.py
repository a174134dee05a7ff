"""The oplog, out of which the other members replicate: how large it is, and how far it reaches back."""

from typing import Any, Final

from exporter.collector import NotApplicable, read
from exporter.collectors.mongodb.figures import figure
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.metric import Metric, Samples, gauge

_SOURCE: Final = "$collStats of local.oplog.rs"
_SIZES: Final[dict[str, Metric]] = {
    "size": gauge(
        "mongodb_oplog_stats_size", "Bytes of operations in the oplog, uncompressed.", labels=PLACE, source=_SOURCE
    ),
    "storageSize": gauge(
        "mongodb_oplog_stats_storageSize", "Disk space that the oplog takes.", labels=PLACE, source=_SOURCE
    ),
    "maxSize": gauge(
        "mongodb_oplog_stats_maxSize", "Bytes of operations that the oplog may hold.", labels=PLACE, source=_SOURCE
    ),
    "count": gauge("mongodb_oplog_stats_count", "Operations in the oplog.", labels=PLACE, source=_SOURCE),
}
HEAD = gauge(
    "mongodb_mongod_replset_oplog_head_timestamp",
    "When the newest operation in the oplog was written, in Unix time.",
    source="local.oplog.rs",
)
TAIL = gauge(
    "mongodb_mongod_replset_oplog_tail_timestamp",
    "When the oldest operation in the oplog was written, in Unix time.",
    source="local.oplog.rs",
)


@read(interval=60)
def oplog_size(session: Session) -> Samples:
    """Size of the oplog."""
    _require_oplog(session)
    command = {"aggregate": "oplog.rs", "pipeline": [{"$collStats": {"storageStats": {}}}], "cursor": {}}
    for stats in session.documents("local", command):
        for key, metric in _SIZES.items():
            yield metric(figure(stats, "storageStats", key), **session.place)


@read(interval=60)
def oplog_reach(session: Session) -> Samples:
    """The times of the oldest and of the newest operation in the oplog."""
    _require_oplog(session)
    yield HEAD(_time(session, -1))
    yield TAIL(_time(session, 1))


def _time(session: Session, direction: int) -> int | None:
    command = {
        "find": "oplog.rs",
        "sort": {"$natural": direction},
        "projection": {"ts": 1},
        "limit": 1,
        "singleBatch": True,
        "readConcern": {"level": "local"},
    }
    found = session.documents("local", command)
    stamp: Any = found[0].get("ts") if found else None
    return getattr(stamp, "time", None)


def _require_oplog(session: Session) -> None:
    if session.is_router or not session.replica_set:
        raise NotApplicable("the server is in no replica set")
    if session.is_arbiter:
        raise NotApplicable("an arbiter has no oplog")
