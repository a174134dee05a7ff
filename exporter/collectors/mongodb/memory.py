"""Memory, the cache of the storage engine, and what waits for a turn in it."""

from typing import Final

from exporter.collector import read
from exporter.collectors.mongodb.figures import STATUS, by_key, figure, of, plain
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.metric import Metric, Samples, counter, gauge

MEMORY = gauge(
    "mongodb_memory", "MiB of memory in use, resident and virtual.", labels=("type",), source="serverStatus.mem"
)
PAGE_FAULTS = gauge(
    "mongodb_ss_extra_info_page_faults", "Page faults since the start.", labels=PLACE, source="serverStatus.extra_info"
)
PAGE_FAULTS_TOTAL = counter(
    "mongodb_extra_info_page_faults_total", "Page faults.", labels=PLACE, source="serverStatus.extra_info"
)
QUEUE = gauge(
    "mongodb_ss_globalLock_currentQueue",
    "Operations that wait for a lock: readers, writers, total.",
    labels=(*PLACE, "count_type"),
    source=STATUS,
)
# mongodb_exporter's names; from MongoDB 8.0 on the figures stand in queues.execution.
_TICKETS: Final[dict[str, Metric]] = {
    "available": gauge(
        "mongodb_ss_wt_concurrentTransactions_available",
        "How many more operations the storage engine would admit, for reading and for writing.",
        labels=("txn_rw",),
        source="serverStatus.wiredTiger.concurrentTransactions, from 8.0 on queues",
    ),
    "out": gauge(
        "mongodb_ss_wt_concurrentTransactions_out",
        "Operations in the storage engine, for reading and for writing.",
        labels=("txn_rw",),
        source="serverStatus.wiredTiger.concurrentTransactions, from 8.0 on queues",
    ),
    "totalTickets": gauge(
        "mongodb_ss_wt_concurrentTransactions_totalTickets",
        "How many operations the storage engine admits at once; from 7.0 on it adapts by itself.",
        labels=("txn_rw",),
        source="serverStatus.wiredTiger.concurrentTransactions, from 8.0 on queues",
    ),
}
_CACHE: Final = ("wiredTiger", "cache")
_PLAIN: Final[dict[tuple[str, ...], Metric]] = {
    ("mem", "resident"): gauge(
        "mongodb_ss_mem_resident", "MiB of memory that the server takes.", labels=PLACE, source=STATUS
    ),
    ("mem", "virtual"): gauge(
        "mongodb_ss_mem_virtual", "MiB of address space that the server takes.", labels=PLACE, source=STATUS
    ),
    ("globalLock", "activeClients", "total"): gauge(
        "mongodb_ss_globalLock_activeClients_total",
        "Clients with an operation, and the server's own threads.",
        labels=PLACE,
        source=STATUS,
    ),
    (*_CACHE, "bytes currently in the cache"): gauge(
        "mongodb_ss_wt_cache_bytes_currently_in_the_cache", "Bytes in the cache.", labels=PLACE, source=STATUS
    ),
    (*_CACHE, "maximum bytes configured"): gauge(
        "mongodb_ss_wt_cache_maximum_bytes_configured", "Bytes that the cache may take.", labels=PLACE, source=STATUS
    ),
    (*_CACHE, "tracked dirty bytes in the cache"): gauge(
        "mongodb_ss_wt_cache_tracked_dirty_bytes_in_the_cache",
        "Bytes in the cache that are not written yet.",
        labels=PLACE,
        source=STATUS,
    ),
    (*_CACHE, "bytes read into cache"): gauge(
        "mongodb_ss_wt_cache_bytes_read_into_cache",
        "Bytes read into the cache, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
    (*_CACHE, "bytes written from cache"): gauge(
        "mongodb_ss_wt_cache_bytes_written_from_cache",
        "Bytes written out of the cache, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
}


@read
def memory(session: Session) -> Samples:
    """Memory of the server and of its cache."""
    for kind in ("resident", "virtual"):
        yield MEMORY(figure(session.status, "mem", kind), type=kind)
    faults = figure(session.status, "extra_info", "page_faults")
    yield PAGE_FAULTS(faults, **session.place)
    yield PAGE_FAULTS_TOTAL(faults, **session.place)
    yield from plain(_PLAIN, session.status, session.place)


@read
def waiting(session: Session) -> Samples:
    """What waits for a lock, or for its turn in the storage engine."""
    yield from by_key(QUEUE, "count_type", of(session, "globalLock", "currentQueue"), session.place)
    turns = of(session, "wiredTiger", "concurrentTransactions") or of(session, "queues", "execution")
    for kind in ("read", "write"):
        for key, metric in _TICKETS.items():
            yield metric(figure(turns, kind, key), txn_rw=kind)
