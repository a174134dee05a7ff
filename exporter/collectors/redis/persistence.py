"""Whether what the server holds is on disk."""

from typing import Final

from exporter.collector import read
from exporter.collectors.redis.session import Session, told
from exporter.metric import Metric, Samples, counter, gauge

_SOURCE: Final = "INFO"
_PERSISTENCE: Final[dict[str, Metric]] = {
    "loading": gauge("redis_loading_dump_file", "1 while the dataset is being read from disk.", source=_SOURCE),
    "async_loading": gauge(
        "redis_async_loading",
        "1 while a dataset is being taken over from the primary and the old one still served.",
        source=_SOURCE,
    ),
    "rdb_changes_since_last_save": gauge(
        "redis_rdb_changes_since_last_save", "Changes since the last snapshot.", source=_SOURCE
    ),
    "rdb_bgsave_in_progress": gauge(
        "redis_rdb_bgsave_in_progress", "1 while a snapshot is being written.", source=_SOURCE
    ),
    "rdb_last_save_time": gauge(
        "redis_rdb_last_save_timestamp_seconds",
        "When the last snapshot succeeded; the start of the server, if none has since.",
        source=_SOURCE,
    ),
    "rdb_last_bgsave_status": gauge(
        "redis_rdb_last_bgsave_status", "1 where the last snapshot succeeded, 0 where it failed.", source=_SOURCE
    ),
    "rdb_last_bgsave_time_sec": gauge(
        "redis_rdb_last_bgsave_duration_sec",
        "How long the last snapshot took, in seconds; -1 where there was none.",
        source=_SOURCE,
    ),
    "rdb_current_bgsave_time_sec": gauge(
        "redis_rdb_current_bgsave_duration_sec",
        "How long the current snapshot has taken so far, in seconds; -1 where there is none.",
        source=_SOURCE,
    ),
    "rdb_saves": counter("redis_rdb_saves_total", "Snapshots since the start.", source=_SOURCE),
    "rdb_last_cow_size": gauge(
        "redis_rdb_last_cow_size_bytes", "Memory that was copied while the last snapshot was written.", source=_SOURCE
    ),
    "rdb_last_load_keys_expired": gauge(
        "redis_rdb_last_load_expired_keys", "Keys that had expired when the dataset was loaded.", source=_SOURCE
    ),
    "rdb_last_load_keys_loaded": gauge(
        "redis_rdb_last_load_loaded_keys", "Keys that were loaded at the start.", source=_SOURCE
    ),
    "rdb_saves_consecutive_failures": gauge(
        "redis_rdb_saves_consecutive_failures",
        "Snapshots that have failed since the last one that did not.",
        source=_SOURCE,
    ),
    "loading_loaded_perc": gauge(
        "redis_loading_loaded_perc", "How much of the dataset has been read, in percent, while it is.", source=_SOURCE
    ),
    "current_cow_peak": gauge(
        "redis_current_cow_peak", "Memory that was copied at most while a child runs, in bytes.", source=_SOURCE
    ),
    "current_cow_size": gauge(
        "redis_current_cow_size", "Memory that was copied while a child runs, in bytes.", source=_SOURCE
    ),
    "current_fork_perc": gauge(
        "redis_current_fork_perc", "How far the child that runs has come, in percent.", source=_SOURCE
    ),
    "module_fork_in_progress": gauge(
        "redis_module_fork_in_progress", "1 while a module has a child process.", source=_SOURCE
    ),
    "module_fork_last_cow_size": gauge(
        "redis_module_fork_last_cow_size", "Memory that was copied during the last one, in bytes.", source=_SOURCE
    ),
}

_APPEND_ONLY_FILE: Final[dict[str, Metric]] = {
    "aof_enabled": gauge("redis_aof_enabled", "1 where there is an append-only file.", source=_SOURCE),
    "aof_rewrite_in_progress": gauge(
        "redis_aof_rewrite_in_progress", "1 while it is being written anew.", source=_SOURCE
    ),
    "aof_rewrite_scheduled": gauge(
        "redis_aof_rewrite_scheduled",
        "1 where it will be written anew once the snapshot under way is done.",
        source=_SOURCE,
    ),
    "aof_last_rewrite_time_sec": gauge(
        "redis_aof_last_rewrite_duration_sec",
        "How long the last rewrite took, in seconds; -1 where there was none.",
        source=_SOURCE,
    ),
    "aof_current_rewrite_time_sec": gauge(
        "redis_aof_current_rewrite_duration_sec",
        "How long the current rewrite has taken so far, in seconds; -1 where there is none.",
        source=_SOURCE,
    ),
    "aof_rewrites": counter("redis_aof_rewrites_total", "Rewrites since the start.", source=_SOURCE),
    "aof_rewrites_consecutive_failures": gauge(
        "redis_aof_rewrites_consecutive_failures",
        "Rewrites that have failed since the last one that did not.",
        source=_SOURCE,
    ),
    "aof_last_cow_size": gauge(
        "redis_aof_last_cow_size_bytes", "Memory that was copied during the last rewrite.", source=_SOURCE
    ),
    "aof_current_size": gauge("redis_aof_current_size_bytes", "Its size.", source=_SOURCE),
    "aof_base_size": gauge(
        "redis_aof_base_size_bytes", "Its size after the last rewrite, or at the start.", source=_SOURCE
    ),
    "aof_pending_rewrite": gauge(
        "redis_aof_pending_rewrite", "1 where a rewrite waits for the end of a snapshot.", source=_SOURCE
    ),
    "aof_buffer_length": gauge("redis_aof_buffer_length", "Bytes that wait to be written to it.", source=_SOURCE),
    "aof_rewrite_buffer_length": gauge(
        "redis_aof_rewrite_buffer_length", "Bytes that wait to be written to the new one (before 7.0).", source=_SOURCE
    ),
    "aof_pending_bio_fsync": gauge(
        "redis_aof_pending_bio_fsync", "Writes to disk that wait in the background.", source=_SOURCE
    ),
    "aof_delayed_fsync": gauge(
        "redis_aof_delayed_fsync", "Writes that had to wait for the disk, since the start.", source=_SOURCE
    ),
    "aof_last_bgrewrite_status": gauge(
        "redis_aof_last_bgrewrite_status", "1 where the last rewrite succeeded, 0 where it failed.", source=_SOURCE
    ),
    "aof_last_write_status": gauge(
        "redis_aof_last_write_status", "1 where the last write succeeded, 0 where it failed.", source=_SOURCE
    ),
}


@read
def persistence(session: Session) -> Samples:
    """Snapshots, and whether the dataset is being loaded."""
    yield from told(session.info, _PERSISTENCE)


@read
def append_only_file(session: Session) -> Samples:
    """The append-only file."""
    yield from told(session.info, _APPEND_ONLY_FILE)
