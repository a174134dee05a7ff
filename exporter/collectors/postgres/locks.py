"""The locks that are held or waited for."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, gauge

LOCKS = gauge(
    "pg_locks_count",
    "Locks that are held or waited for in the database, by mode; 0 for each mode that none is of.",
    labels=("datname", "mode"),
    source="pg_locks",
)
_LOCKS: Final = """
SELECT datname::text, modes.mode, coalesce(held.locks, 0)
FROM pg_database CROSS JOIN (
  VALUES ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'), ('shareupdateexclusivelock'), ('sharelock'),
         ('sharerowexclusivelock'), ('exclusivelock'), ('accessexclusivelock'), ('sireadlock')
) AS modes (mode) LEFT JOIN (
  SELECT database, lower(mode) AS mode, count(*) AS locks FROM pg_locks WHERE database IS NOT NULL GROUP BY 1, 2
) held ON held.database = pg_database.oid AND held.mode = modes.mode
WHERE datallowconn
"""


@read(members=Members(("datname",), 100, LOCKS))
def locks(session: Session) -> Samples:
    """Locks by database and mode."""
    for datname, mode, count in session.rows(_LOCKS):
        yield LOCKS(count, datname=datname, mode=mode)
