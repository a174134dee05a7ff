"""The databases of the server: their size and limits, and how near their transaction numbers are to wraparound."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, gauge

SIZE = gauge(
    "pg_database_size_bytes", "Disk space that the database takes.", labels=("datname",), source="pg_database_size()"
)
CONNECTION_LIMIT = gauge(
    "pg_database_connection_limit",
    "Connections that the database allows; -1 is no limit of its own.",
    labels=("datname",),
    source="pg_database.datconnlimit",
    fold="drop",
)
AGE_XID = gauge(
    "pg_database_wraparound_age_datfrozenxid_seconds",
    "Transactions, whatever the name says, since the oldest that is not frozen yet; at 2 billion the server stops.",
    labels=("datname",),
    source="age(pg_database.datfrozenxid)",
    fold="max",
)
AGE_MXID = gauge(
    "pg_database_wraparound_age_datminmxid_seconds",
    "Multixacts, whatever the name says, since the oldest that is not replaced yet; at 2 billion the server stops.",
    labels=("datname",),
    source="mxid_age(pg_database.datminmxid)",
    fold="max",
)
# A database that is dropped meanwhile has no size.
_SIZES: Final = "SELECT datname::text, pg_database_size(oid) FROM pg_database WHERE datallowconn"
_LIMITS: Final = "SELECT datname::text, datconnlimit FROM pg_database WHERE datallowconn"
_WRAPAROUND: Final = "SELECT datname::text, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database"


@read(interval=60, members=Members(("datname",), 100, SIZE))
def database_size(session: Session) -> Samples:
    """Size of each database."""
    for datname, size in session.rows(_SIZES):
        if session.wanted(datname):
            yield SIZE(size, datname=datname)


@read(interval=60)
def database_limit(session: Session) -> Samples:
    """How many connections each database allows."""
    for datname, limit in session.rows(_LIMITS):
        if session.wanted(datname):
            yield CONNECTION_LIMIT(limit, datname=datname)


@read(members=Members(("datname",), 100, AGE_XID))
def wraparound(session: Session) -> Samples:
    """Age of the oldest transaction number in each database, in those that are left out elsewhere too."""
    for datname, age, multixact_age in session.rows(_WRAPAROUND):
        yield AGE_XID(age, datname=datname)
        yield AGE_MXID(multixact_age, datname=datname)
