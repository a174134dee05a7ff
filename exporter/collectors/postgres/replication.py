"""Replication: how far a standby is behind, as itself and as its primary see it, and what its receiver does."""

from typing import Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, counter, gauge

IS_REPLICA = gauge(
    "pg_replication_is_replica",
    "1 where the server is a standby, 0 where it is a primary.",
    source="pg_is_in_recovery()",
)
LAG_SECONDS = gauge(
    "pg_replication_lag_seconds",
    "Age of the last transaction that the standby replayed; 0 where it replayed all that it received, and on a "
    "primary. A standby that receives nothing reads 0 too: see runbook_postgres_wal_receiver_up.",
    source="pg_last_xact_replay_timestamp()",
)
LAG = gauge(
    "pg_replication_lag",
    "The same as pg_replication_lag_seconds, under its older name.",
    labels=("server",),
    source="pg_last_xact_replay_timestamp()",
)
LAST_REPLAY = gauge(
    "pg_replication_last_replay_seconds",
    "Age of the last transaction that the standby replayed, also where it replayed all that it received.",
    source="pg_last_xact_replay_timestamp()",
)

_STANDBY: Final = ("application_name", "client_addr", "server", "slot_name", "state")
CURRENT_LSN = gauge(
    "pg_stat_replication_pg_current_wal_lsn_bytes",
    "Where the server's WAL ends, in bytes.",
    labels=_STANDBY,
    source="pg_current_wal_lsn()",
    fold="max",
)
LSN_DIFF = gauge(
    "pg_stat_replication_pg_wal_lsn_diff",
    "WAL that the standby has yet to replay, in bytes.",
    labels=_STANDBY,
    source="pg_stat_replication.replay_lsn",
)
WRITE_LAG = gauge(
    "pg_stat_replication_write_lag",
    "Time until the standby had written recent WAL, in seconds; none where it has nothing to do.",
    labels=_STANDBY,
    source="pg_stat_replication.write_lag",
)
FLUSH_LAG = gauge(
    "pg_stat_replication_flush_lag",
    "Time until the standby had flushed recent WAL, in seconds; none where it has nothing to do.",
    labels=_STANDBY,
    source="pg_stat_replication.flush_lag",
)
REPLAY_LAG = gauge(
    "pg_stat_replication_replay_lag",
    "Time until the standby had replayed recent WAL, in seconds; none where it has nothing to do.",
    labels=_STANDBY,
    source="pg_stat_replication.replay_lag",
)
REPLY_TIME = gauge(
    "pg_stat_replication_reply_time",
    "When the standby last answered, in Unix time by its own clock.",
    labels=_STANDBY,
    source="pg_stat_replication.reply_time",
)

_UPSTREAM: Final = ("slot_name", "upstream_host")
RECEIVER_STATUS = gauge(
    "pg_stat_wal_receiver_status",
    "What the receiver does: 0 stopped, 1 starting, 2 streaming, 3 waiting, 4 restarting, -1 stopping, -2 else.",
    labels=_UPSTREAM,
    source="pg_stat_wal_receiver.status",
)
# in the order of the columns of _RECEIVER
_RECEIVER_FIGURES: Final = (
    counter("pg_stat_wal_receiver_receive_start_lsn", "Where the receiver started, in bytes.",
            labels=_UPSTREAM, source="pg_stat_wal_receiver.receive_start_lsn"),
    gauge("pg_stat_wal_receiver_receive_start_tli", "The timeline on which the receiver started.",
          labels=_UPSTREAM, source="pg_stat_wal_receiver.receive_start_tli"),
    counter("pg_stat_wal_receiver_flushed_lsn", "How far the receiver has flushed WAL, in bytes.",
            labels=_UPSTREAM, source="pg_stat_wal_receiver.flushed_lsn"),
    gauge("pg_stat_wal_receiver_received_tli", "The timeline of the WAL received last.",
          labels=_UPSTREAM, source="pg_stat_wal_receiver.received_tli"),
    counter("pg_stat_wal_receiver_last_msg_send_time", "When the primary sent its last message, in Unix time.",
            labels=_UPSTREAM, source="pg_stat_wal_receiver.last_msg_send_time"),
    counter("pg_stat_wal_receiver_last_msg_receipt_time", "When its last message came, in Unix time.",
            labels=_UPSTREAM, source="pg_stat_wal_receiver.last_msg_receipt_time"),
    counter("pg_stat_wal_receiver_latest_end_lsn", "How far the primary knows its WAL to be written here, in bytes.",
            labels=_UPSTREAM, source="pg_stat_wal_receiver.latest_end_lsn"),
    counter("pg_stat_wal_receiver_latest_end_time", "When that was, in Unix time.",
            labels=_UPSTREAM, source="pg_stat_wal_receiver.latest_end_time"),
    gauge("pg_stat_wal_receiver_upstream_node", "The upstream's number, where the slot is repmgr's.",
          labels=_UPSTREAM, source="pg_stat_wal_receiver.slot_name"),
)  # fmt: skip
RECEIVER_UP = gauge(
    "runbook_postgres_wal_receiver_up",
    "1 where a standby that is set to stream from its primary does so, else 0; no sample on other servers.",
    source="pg_stat_wal_receiver",
)
_STATUS: Final = {"stopped": 0, "starting": 1, "streaming": 2, "waiting": 3, "restarting": 4, "stopping": -1}

_REPLAYED: Final = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE age * (age > 0)::int END,
       age * (age > 0)::int
FROM (SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS age) AS replay
"""
# Two senders may share all labels, so the one that is furthest behind counts; a base backup replicates nothing.
_STANDBYS: Final = """
SELECT coalesce(application_name, ''), coalesce(host(client_addr), ''), coalesce(slot_name, ''), coalesce(s.state, ''),
       max(ends - '0/0')::float8, max(ends - replay_lsn)::float8,
       extract(epoch FROM max(write_lag))::float8, extract(epoch FROM max(flush_lag))::float8,
       extract(epoch FROM max(replay_lag))::float8, extract(epoch FROM min(reply_time))::float8
FROM pg_stat_replication AS s LEFT JOIN pg_replication_slots ON active_pid = pid,
     (SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                  ELSE pg_current_wal_lsn() END AS ends) AS wal
WHERE s.state IS DISTINCT FROM 'backup'
GROUP BY 1, 2, 3, 4
"""
_RECEIVER: Final = """
SELECT coalesce(sender_host, ''), coalesce(slot_name, ''), status,
       (receive_start_lsn - '0/0')::float8, receive_start_tli, (flushed_lsn - '0/0')::float8, received_tli,
       extract(epoch FROM last_msg_send_time)::float8, extract(epoch FROM last_msg_receipt_time)::float8,
       (latest_end_lsn - '0/0')::float8, extract(epoch FROM latest_end_time)::float8,
       substring(slot_name FROM '^repmgr_slot_([0-9]+)$')::int
FROM pg_stat_wal_receiver
"""
# only who may see all settings sees this one
_STREAMS: Final = "SELECT setting <> '' FROM pg_settings WHERE name = 'primary_conninfo'"


@read
def replication(session: Session) -> Samples:
    """Whether the server is a standby, and how far behind."""
    lag, age = session.row(_REPLAYED)
    yield IS_REPLICA(session.is_standby)
    yield LAG_SECONDS(lag)
    yield LAG(lag, server=session.server)
    yield LAST_REPLAY(age)


@read
def standbys(session: Session) -> Samples:
    """The standbys and other receivers that are connected to the server."""
    for application, address, slot, state, *figures in session.rows(_STANDBYS):
        of = {"application_name": application, "client_addr": address, "server": session.server,
              "slot_name": slot, "state": state}  # fmt: skip
        for metric, figure in zip(
            (CURRENT_LSN, LSN_DIFF, WRITE_LAG, FLUSH_LAG, REPLAY_LAG, REPLY_TIME), figures, strict=True
        ):
            yield metric(figure, **of)


@read
def wal_receiver(session: Session) -> Samples:
    """What a standby receives from its primary."""
    if not session.is_standby:
        raise NotApplicable("the server is not a standby")
    receivers = session.rows(_RECEIVER)
    for host, slot, status, *figures in receivers:
        of = {"slot_name": slot, "upstream_host": host}
        yield RECEIVER_STATUS(None if status is None else _STATUS.get(status, -2), **of)
        for metric, figure in zip(_RECEIVER_FIGURES, figures, strict=True):
            yield metric(figure, **of)
    yield RECEIVER_UP(_is_streaming(session, [status for _, _, status, *_ in receivers]))


def _is_streaming(session: Session, statuses: list[str | None]) -> bool | None:
    """Tell whether a standby that ought to stream does; None where it need not."""
    streams = session.rows(_STREAMS)
    if not streams:
        reason = "the role cannot see what the standby receives"
        raise Trouble(reason, f"grant what monitoring needs: GRANT pg_monitor TO {session.role}")
    return "streaming" in statuses if streams == [(True,)] else None
