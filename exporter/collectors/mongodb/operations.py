"""What clients do: operations, documents, cursors, errors, and how long it takes."""

from typing import Final

from exporter.collector import read
from exporter.collectors.mongodb.figures import STATUS, by_key, figure, of, plain
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.metric import Metric, Samples, counter, gauge

OPERATIONS = gauge(
    "mongodb_ss_opcounters", "Operations since the start, by type.", labels=(*PLACE, "legacy_op_type"), source=STATUS
)
OPERATIONS_TOTAL = counter("mongodb_op_counters_total", "Operations by type.", labels=(*PLACE, "type"), source=STATUS)
REPLICATED = gauge(
    "mongodb_ss_opcountersRepl",
    "Operations that were replicated to this server since its start, by type.",
    labels=(*PLACE, "legacy_op_type"),
    source=STATUS,
)
ASSERTS = gauge(
    "mongodb_ss_asserts", "Assertions raised since the start, by kind.", labels=(*PLACE, "assert_type"), source=STATUS
)
ASSERTS_TOTAL = counter("mongodb_asserts_total", "Assertions raised, by kind.", labels=(*PLACE, "type"), source=STATUS)
DOCUMENTS = gauge(
    "mongodb_ss_metrics_document",
    "Documents read and written since the start, by what was done with them.",
    labels=(*PLACE, "doc_op_type"),
    source=STATUS,
)
OPEN_CURSORS = gauge(
    "mongodb_ss_metrics_cursor_open",
    "Cursors that are open: total, pinned, noTimeout.",
    labels=(*PLACE, "csr_type"),
    source=STATUS,
)
LATENCY = gauge(
    "mongodb_ss_opLatencies_latency",
    "Microseconds that operations took since the start, by kind.",
    labels=("op_type",),
    source=STATUS,
)
LATENCY_OPERATIONS = gauge(
    "mongodb_ss_opLatencies_ops", "Operations whose time was taken, by kind.", labels=("op_type",), source=STATUS
)
_PLAIN: Final[dict[tuple[str, ...], Metric]] = {
    ("metrics", "cursor", "timedOut"): gauge(
        "mongodb_ss_metrics_cursor_timedOut",
        "Cursors that nobody fetched from in time, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
    ("metrics", "queryExecutor", "scanned"): gauge(
        "mongodb_ss_metrics_queryExecutor_scanned",
        "Index entries that queries looked at, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
    ("metrics", "queryExecutor", "scannedObjects"): gauge(
        "mongodb_ss_metrics_queryExecutor_scannedObjects",
        "Documents that queries looked at, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
    ("metrics", "operation", "scanAndOrder"): gauge(
        "mongodb_ss_metrics_operation_scanAndOrder",
        "Queries that sorted without an index, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
    ("metrics", "operation", "writeConflicts"): gauge(
        "mongodb_ss_metrics_operation_writeConflicts",
        "Writes that met another one, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
    ("metrics", "ttl", "deletedDocuments"): gauge(
        "mongodb_ss_metrics_ttl_deletedDocuments",
        "Documents that expired and were deleted, since the start.",
        labels=PLACE,
        source=STATUS,
    ),
}


@read
def operations(session: Session) -> Samples:
    """Operations of clients and of replication."""
    yield from by_key(OPERATIONS, "legacy_op_type", of(session, "opcounters"), session.place)
    yield from by_key(OPERATIONS_TOTAL, "type", of(session, "opcounters"), session.place)
    yield from by_key(REPLICATED, "legacy_op_type", of(session, "opcountersRepl"), session.place)


@read
def asserts(session: Session) -> Samples:
    """Assertions: warnings, errors of clients, faults of the server."""
    yield from by_key(ASSERTS, "assert_type", of(session, "asserts"), session.place)
    yield from by_key(ASSERTS_TOTAL, "type", of(session, "asserts"), session.place)


@read
def documents(session: Session) -> Samples:
    """Documents and index entries that were looked at, and cursors."""
    yield from by_key(DOCUMENTS, "doc_op_type", of(session, "metrics", "document"), session.place)
    yield from by_key(OPEN_CURSORS, "csr_type", of(session, "metrics", "cursor", "open"), session.place)
    yield from plain(_PLAIN, session.status, session.place)


@read
def latencies(session: Session) -> Samples:
    """How long operations take."""
    kinds = of(session, "opLatencies")
    for kind, figures in kinds.items() if isinstance(kinds, dict) else ():
        yield LATENCY(figure(figures, "latency"), op_type=kind)
        yield LATENCY_OPERATIONS(figure(figures, "ops"), op_type=kind)
