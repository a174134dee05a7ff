"""What the server has done since its start."""

from typing import Final

from exporter.collector import read
from exporter.collectors.redis.session import Session, told
from exporter.metric import Metric, Samples, counter, gauge

_SOURCE: Final = "INFO"
_TRAFFIC: Final[dict[str, Metric]] = {
    "total_connections_received": counter(
        "redis_connections_received_total", "Connections that were accepted.", source=_SOURCE
    ),
    "rejected_connections": counter(
        "redis_rejected_connections_total", "Connections that were refused, as there were maxclients.", source=_SOURCE
    ),
    "total_commands_processed": counter("redis_commands_processed_total", "Commands that were done.", source=_SOURCE),
    "total_net_input_bytes": counter("redis_net_input_bytes_total", "Bytes that were received.", source=_SOURCE),
    "total_net_output_bytes": counter("redis_net_output_bytes_total", "Bytes that were sent.", source=_SOURCE),
    "total_net_repl_input_bytes": counter(
        "redis_net_repl_input_bytes_total", "Bytes that were received for replication.", source=_SOURCE
    ),
    "total_net_repl_output_bytes": counter(
        "redis_net_repl_output_bytes_total", "Bytes that were sent for replication.", source=_SOURCE
    ),
    "total_forks": counter("redis_forks_total", "Children that were started.", source=_SOURCE),
    "total_error_replies": counter("redis_total_error_replies", "Errors that were answered.", source=_SOURCE),
    "unexpected_error_replies": counter(
        "redis_unexpected_error_replies",
        "Errors of the server itself, as while it loads an append-only file or replicates.",
        source=_SOURCE,
    ),
    "dump_payload_sanitizations": counter(
        "redis_dump_payload_sanitizations", "Thorough checks of payloads for RESTORE and replication.", source=_SOURCE
    ),
    "total_reads_processed": counter("redis_total_reads_processed", "Reads from sockets.", source=_SOURCE),
    "total_writes_processed": counter("redis_total_writes_processed", "Writes to sockets.", source=_SOURCE),
    "io_threaded_reads_processed": counter(
        "redis_io_threaded_reads_processed", "Reads that were done by other threads than the main one.", source=_SOURCE
    ),
    "io_threaded_writes_processed": counter(
        "redis_io_threaded_writes_processed",
        "Writes that were done by other threads than the main one.",
        source=_SOURCE,
    ),
    "client_query_buffer_limit_disconnections": counter(
        "redis_client_query_buffer_limit_disconnections_total",
        "Clients that were hung up on, as their input was too long.",
        source=_SOURCE,
    ),
    "client_output_buffer_limit_disconnections": counter(
        "redis_client_output_buffer_limit_disconnections_total",
        "Clients that were hung up on, as they did not take their replies.",
        source=_SOURCE,
    ),
    "reply_buffer_shrinks": counter(
        "redis_reply_buffer_shrinks_total", "Buffers for replies that were made smaller.", source=_SOURCE
    ),
    "reply_buffer_expands": counter(
        "redis_reply_buffer_expands_total", "Buffers for replies that were made larger.", source=_SOURCE
    ),
    "acl_access_denied_auth": counter("redis_acl_access_denied_auth_total", "Logins that failed.", source=_SOURCE),
    "acl_access_denied_cmd": counter(
        "redis_acl_access_denied_cmd_total", "Commands that a user may not do.", source=_SOURCE
    ),
    "acl_access_denied_key": counter(
        "redis_acl_access_denied_key_total", "Keys that a user may not touch.", source=_SOURCE
    ),
    "acl_access_denied_channel": counter(
        "redis_acl_access_denied_channel_total", "Channels that a user may not use.", source=_SOURCE
    ),
}

_KEYS_USED: Final[dict[str, Metric]] = {
    "keyspace_hits": counter("redis_keyspace_hits_total", "Look-ups that found their key.", source=_SOURCE),
    "keyspace_misses": counter("redis_keyspace_misses_total", "Look-ups that did not find their key.", source=_SOURCE),
    "expired_keys": counter("redis_expired_keys_total", "Keys whose time was over.", source=_SOURCE),
    "expired_subkeys": counter("redis_expired_subkeys_total", "Fields of hashes whose time was over.", source=_SOURCE),
    "expired_stale_perc": gauge(
        "redis_expired_stale_percentage",
        "Keys that have probably expired and are still there, in percent.",
        source=_SOURCE,
    ),
    "expired_time_cap_reached_count": counter(
        "redis_expired_time_cap_reached_total", "Searches for expired keys that ran out of time.", source=_SOURCE
    ),
    "expire_cycle_cpu_milliseconds": counter(
        "redis_expire_cycle_cpu_time_ms_total",
        "CPU time that went into searching expired keys, in milliseconds.",
        source=_SOURCE,
    ),
    "evicted_keys": counter(
        "redis_evicted_keys_total", "Keys that had to go to keep within maxmemory.", source=_SOURCE
    ),
    "evicted_clients": counter(
        "redis_evicted_clients_total", "Clients that had to go to keep within maxmemory-clients.", source=_SOURCE
    ),
    "evicted_scripts": counter("redis_evicted_scripts_total", "Cached EVAL scripts that had to go.", source=_SOURCE),
    "total_eviction_exceeded_time": counter(
        "redis_eviction_exceeded_time_ms_total",
        "Time in which memory was over maxmemory, in milliseconds.",
        source=_SOURCE,
    ),
    "current_eviction_exceeded_time": gauge(
        "redis_current_eviction_exceeded_time_ms",
        "How long memory has been over maxmemory, in milliseconds; 0 where it is not.",
        source=_SOURCE,
    ),
    "slave_expires_tracked_keys": gauge(
        "redis_slave_expires_tracked_keys", "Keys with a time to live that a writable replica tracks.", source=_SOURCE
    ),
    "migrate_cached_sockets": gauge(
        "redis_migrate_cached_sockets_total", "Connections that are open for MIGRATE.", source=_SOURCE
    ),
    "tracking_total_keys": gauge("redis_tracking_total_keys", "Keys that are tracked for clients.", source=_SOURCE),
    "tracking_total_items": gauge(
        "redis_tracking_total_items", "Clients, added up over the keys that are tracked for them.", source=_SOURCE
    ),
    "tracking_total_prefixes": gauge(
        "redis_tracking_total_prefixes", "Prefixes that are tracked for clients.", source=_SOURCE
    ),
    "pubsub_channels": gauge("redis_pubsub_channels", "Channels that somebody listens to.", source=_SOURCE),
    "pubsub_patterns": gauge("redis_pubsub_patterns", "Patterns of channels that somebody listens to.", source=_SOURCE),
    "pubsubshard_channels": gauge(
        "redis_pubsubshard_channels", "Channels of shards that somebody listens to.", source=_SOURCE
    ),
    "total_active_defrag_time": counter(
        "redis_active_defrag_time_total",
        "Time in which memory was more fragmented than it should be, in milliseconds.",
        source=_SOURCE,
    ),
    "active_defrag_hits": gauge("redis_defrag_hits", "Values that defragmentation has moved.", source=_SOURCE),
    "active_defrag_misses": gauge(
        "redis_defrag_misses", "Values that defragmentation has left where they were.", source=_SOURCE
    ),
    "active_defrag_key_hits": gauge(
        "redis_defrag_key_hits", "Keys that defragmentation has worked on.", source=_SOURCE
    ),
    "active_defrag_key_misses": gauge(
        "redis_defrag_key_misses", "Keys that defragmentation has skipped.", source=_SOURCE
    ),
}


@read
def traffic(session: Session) -> Samples:
    """Connections, commands and bytes."""
    yield from told(session.info, _TRAFFIC)


@read
def keys_used(session: Session) -> Samples:
    """What was looked for and found, what expired and was evicted."""
    yield from told(session.info, _KEYS_USED)
