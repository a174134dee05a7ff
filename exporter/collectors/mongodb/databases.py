"""The databases of the server: how much is in them, and how much they take."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.mongodb.figures import figure
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.collectors.mongodb.trouble import NAMESPACE_NOT_FOUND, Refused
from exporter.metric import Metric, Samples, gauge

_LABELS: Final = (*PLACE, "database")
_SOURCE: Final = "dbStats"

STORAGE = gauge("mongodb_dbstats_storageSize", "Disk space that the collections take.", labels=_LABELS, source=_SOURCE)
_FIGURES: Final[dict[str, Metric]] = {
    "storageSize": STORAGE,
    "collections": gauge("mongodb_dbstats_collections", "Collections in the database.", labels=_LABELS, source=_SOURCE),
    "views": gauge("mongodb_dbstats_views", "Views in the database.", labels=_LABELS, source=_SOURCE),
    "objects": gauge("mongodb_dbstats_objects", "Documents in the database.", labels=_LABELS, source=_SOURCE),
    "avgObjSize": gauge(
        "mongodb_dbstats_avgObjSize", "Average bytes of a document.", labels=_LABELS, source=_SOURCE, fold="drop"
    ),
    "dataSize": gauge(
        "mongodb_dbstats_dataSize", "Bytes of all documents, uncompressed.", labels=_LABELS, source=_SOURCE
    ),
    "indexes": gauge("mongodb_dbstats_indexes", "Indexes in the database.", labels=_LABELS, source=_SOURCE),
    "indexSize": gauge(
        "mongodb_dbstats_indexSize", "Disk space that the indexes take.", labels=_LABELS, source=_SOURCE
    ),
    "totalSize": gauge(
        "mongodb_dbstats_totalSize", "Disk space that collections and indexes take.", labels=_LABELS, source=_SOURCE
    ),
    "fsUsedSize": gauge(
        "mongodb_dbstats_fsUsedSize",
        "Used space of the file system where the database lies.",
        labels=_LABELS,
        source=_SOURCE,
        fold="drop",
    ),
    "fsTotalSize": gauge(
        "mongodb_dbstats_fsTotalSize",
        "Size of the file system where the database lies.",
        labels=_LABELS,
        source=_SOURCE,
        fold="drop",
    ),
}


@read(interval=60, members=Members(("database",), 100, STORAGE))
def databases(session: Session) -> Samples:
    """Size and content of each database."""
    for name in session.databases:
        try:
            stats = session.command(name, {"dbStats": 1})
        except Refused as error:
            if error.code != NAMESPACE_NOT_FOUND:  # it was dropped meanwhile
                raise
            continue
        for key, metric in _FIGURES.items():
            yield metric(figure(stats, key), **session.place, database=name)
