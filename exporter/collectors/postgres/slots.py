"""Replication slots: whether each is used, and the WAL that it keeps."""

from typing import Final

from exporter.collector import read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, gauge

_SLOT: Final = ("database", "server", "slot_name")
ACTIVE = gauge(
    "pg_replication_slots_active",
    "1 where something receives through the slot, else 0.",
    labels=_SLOT,
    source="pg_replication_slots.active",
)
LSN_DIFF = gauge(
    "pg_replication_slots_pg_wal_lsn_diff",
    "WAL that the slot keeps, in bytes.",
    labels=_SLOT,
    source="pg_replication_slots.restart_lsn",
)
_TYPED: Final = ("slot_name", "slot_type")
CURRENT_LSN = gauge(
    "pg_replication_slot_slot_current_wal_lsn",
    "Where the server's WAL ends, in bytes.",
    labels=_TYPED,
    source="pg_current_wal_lsn()",
)
CONFIRMED_LSN = gauge(
    "pg_replication_slot_slot_confirmed_flush_lsn",
    "How far the receiver of a logical slot says to have got, in bytes.",
    labels=_TYPED,
    source="pg_replication_slots.confirmed_flush_lsn",
)
IS_ACTIVE = gauge(
    "pg_replication_slot_slot_is_active",
    "1 where something receives through the slot, else 0.",
    labels=_TYPED,
    source="pg_replication_slots.active",
)
SAFE_WAL_SIZE = gauge(
    "pg_replication_slot_safe_wal_size_bytes",
    "WAL that may yet be written before the slot may be lost; none where max_slot_wal_keep_size sets no limit.",
    labels=_TYPED,
    source="pg_replication_slots.safe_wal_size",
)
WAL_STATUS = gauge(
    "pg_replication_slot_wal_status",
    "Whether the WAL that the slot needs is there: reserved, extended, unreserved or lost; the value is 1.",
    labels=(*_TYPED, "wal_status"),
    source="pg_replication_slots.wal_status",
)
_SLOTS: Final = """
SELECT slot_name, slot_type, coalesce(database, ''), active, (ends - '0/0')::float8, (ends - restart_lsn)::float8,
       (confirmed_flush_lsn - '0/0')::float8, safe_wal_size::float8, wal_status
FROM pg_replication_slots,
     (SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                  ELSE pg_current_wal_lsn() END AS ends) AS wal
"""


@read
def replication_slots(session: Session) -> Samples:
    """Replication slots, and the WAL that they keep."""
    for name, kind, database, active, ends, behind, confirmed, safe, status in session.rows(_SLOTS):
        of = {"database": database, "server": session.server, "slot_name": name}
        yield ACTIVE(active, **of)
        yield LSN_DIFF(behind, **of)
        typed = {"slot_name": name, "slot_type": kind}
        yield CURRENT_LSN(ends, **typed)
        yield CONFIRMED_LSN(confirmed, **typed)
        yield IS_ACTIVE(active, **typed)
        yield SAFE_WAL_SIZE(safe, **typed)
        yield WAL_STATUS(status and 1, **typed, wal_status=status or "")
