"""Connections of clients, and the traffic over them."""

from exporter.collector import read
from exporter.collectors.mongodb.figures import STATUS, by_key, figure, of
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.metric import Samples, counter, gauge

SS_CONNECTIONS = gauge(
    "mongodb_ss_connections",
    "Connections by kind: current, available, active, and those made since the start (totalCreated) among others.",
    labels=(*PLACE, "conn_type"),
    source=STATUS,
)
CONNECTIONS = gauge(
    "mongodb_connections",
    "The same as mongodb_ss_connections, under its older name.",
    labels=(*PLACE, "state"),
    source=STATUS,
)
BYTES_IN = gauge("mongodb_ss_network_bytesIn", "Bytes received, since the start.", labels=PLACE, source=STATUS)
BYTES_OUT = gauge("mongodb_ss_network_bytesOut", "Bytes sent, since the start.", labels=PLACE, source=STATUS)
REQUESTS = gauge("mongodb_ss_network_numRequests", "Requests, since the start.", labels=PLACE, source=STATUS)
NETWORK = counter(
    "mongodb_network_bytes_total", "Bytes received (in_bytes) and sent (out_bytes).", labels=("state",), source=STATUS
)


@read
def connections(session: Session) -> Samples:
    """How many clients are connected, and how many more could be."""
    yield from by_key(SS_CONNECTIONS, "conn_type", of(session, "connections"), session.place)
    yield from by_key(CONNECTIONS, "state", of(session, "connections"), session.place)


@read
def network(session: Session) -> Samples:
    """Traffic with clients and other members."""
    received, sent = figure(session.status, "network", "bytesIn"), figure(session.status, "network", "bytesOut")
    yield BYTES_IN(received, **session.place)
    yield BYTES_OUT(sent, **session.place)
    yield REQUESTS(figure(session.status, "network", "numRequests"), **session.place)
    yield NETWORK(received, state="in_bytes")
    yield NETWORK(sent, state="out_bytes")
