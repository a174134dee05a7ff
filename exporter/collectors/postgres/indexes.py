"""Indexes of every database: how much they are used, how large they are, and since when they are not used."""

from typing import Any, Final

from exporter.collector import Members, read
from exporter.collectors.postgres.connection import Row
from exporter.collectors.postgres.session import Everywhere, Session
from exporter.metric import Samples, counter, gauge

_INDEX: Final = ("datname", "schemaname", "relname", "indexrelname")
_STAT: Final = "pg_stat_user_indexes"
_STATIO: Final = "pg_statio_user_indexes"

INDEX_SIZE = gauge(
    "runbook_postgres_index_size_bytes",
    "Size of the index; none while it is locked against all others.",
    labels=_INDEX,
    source="pg_relation_size()",
)
UNUSED_SINCE = gauge(
    "runbook_postgres_index_unused_since_timestamp_seconds",
    "Since when the index is known not to be scanned: its last scan, or else when we first saw it, or its counts were "
    "reset since. Indexes that keep rows unique, or that a constraint needs, are left out.",
    labels=_INDEX,
    source=_STAT,
)
# in the order of the columns of _INDEXES
_FIGURES: Final = (
    INDEX_SIZE,
    counter("pg_stat_user_indexes_idx_scan_total", "Scans of the index.", labels=_INDEX, source=_STAT),
    counter("pg_stat_user_indexes_idx_tup_read_total", "Index entries that scans returned.",
            labels=_INDEX, source=_STAT),
    counter("pg_stat_user_indexes_idx_tup_fetch_total", "Live rows that simple index scans fetched.",
            labels=_INDEX, source=_STAT),
    counter("pg_statio_user_indexes_idx_blks_read_total", "Blocks of the index read.", labels=_INDEX, source=_STATIO),
    counter("pg_statio_user_indexes_idx_blks_hit_total", "Blocks of the index found in the buffer cache.",
            labels=_INDEX, source=_STATIO),
)  # fmt: skip
_INDEXES = Everywhere("""
WITH locked AS MATERIALIZED (
  SELECT relation FROM pg_locks
  WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT s.schemaname, s.relname, s.indexrelname, indexrelid::text,
  NOT indisunique AND indisvalid AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid),
  extract(epoch FROM now())::float8,
  extract(epoch FROM last_idx_scan)::float8, -- from 16
  NULL, -- before 16
  extract(epoch FROM (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()))::float8,
  CASE WHEN indexrelid NOT IN (SELECT relation FROM locked) THEN pg_relation_size(indexrelid) END,
  idx_scan, idx_tup_read, idx_tup_fetch, idx_blks_read, idx_blks_hit
FROM pg_stat_user_indexes AS s JOIN pg_statio_user_indexes AS io USING (indexrelid) JOIN pg_index USING (indexrelid)
""")


@read(interval=60, members=Members(_INDEX, 100, INDEX_SIZE))
def indexes(session: Session) -> Samples:
    """Use and size of the indexes of every database."""
    watched = _Watched(session)
    for datname, (schema, table, index, *row) in session.everywhere(_INDEXES):
        of = {"datname": datname, "schemaname": schema, "relname": table, "indexrelname": index}
        oid, droppable, now, last_scan, reset, *figures = row
        if droppable:
            yield UNUSED_SINCE(watched.unused_since(datname, oid, (now, last_scan, reset, figures[1])), **of)
        for metric, figure in zip(_FIGURES, figures, strict=True):
            yield metric(figure, **of)
    watched.keep()


class _Watched:
    """Since when each index has had the count of scans that it has; the server itself does not know when it made it."""

    def __init__(self, session: Session) -> None:
        self._shelf = session.shelf
        self._refused = session.refused
        self._before: dict[str, Any] = self._shelf.get("index scans") or {}
        self._now: dict[str, Any] = {}

    def unused_since(self, datname: str, oid: str, row: Row) -> float:
        """Return the latest time that may have seen a scan, never one that is earlier than what is known."""
        now, last_scan, reset, scans = row
        if last_scan is not None:
            return float(last_scan)
        key = f"{oid} {datname}"
        seen = self._before.get(key)
        if seen is None or seen[0] != scans:
            seen = [scans, round(now)]
        self._now[key] = seen
        return float(max(seen[1], reset or 0))

    def keep(self) -> None:
        """Keep it for the next round, of the indexes that are still there, or whose database let nobody in just now."""
        unseen = {key: seen for key, seen in self._before.items() if key.partition(" ")[2] in self._refused}
        self._shelf.put("index scans", unseen | self._now)
