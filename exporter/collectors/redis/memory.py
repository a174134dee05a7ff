"""What memory the server uses, and for what."""

from typing import Final

from exporter.collector import read
from exporter.collectors.redis.session import Session, told
from exporter.metric import Metric, Samples, gauge

_SOURCE: Final = "INFO"
_MEMORY: Final[dict[str, Metric]] = {
    "used_memory": gauge(
        "redis_memory_used_bytes", "Memory that the server has taken from its allocator.", source=_SOURCE
    ),
    "used_memory_rss": gauge(
        "redis_memory_used_rss_bytes",
        "Memory of the process that is resident, as the operating system sees it.",
        source=_SOURCE,
    ),
    "used_memory_peak": gauge(
        "redis_memory_used_peak_bytes", "The most memory that was used since the start.", source=_SOURCE
    ),
    "used_memory_lua": gauge("redis_memory_used_lua_bytes", "Memory of the engine of Lua.", source=_SOURCE),
    "used_memory_vm_eval": gauge(
        "redis_memory_used_vm_eval_bytes",
        "Memory of the engine for EVAL scripts, outside of the dataset.",
        source=_SOURCE,
    ),
    "used_memory_scripts_eval": gauge(
        "redis_memory_used_scripts_eval_bytes", "Overhead of cached EVAL scripts.", source=_SOURCE
    ),
    "used_memory_vm_functions": gauge(
        "redis_memory_used_vm_functions_bytes",
        "Memory of the engine for functions, outside of the dataset.",
        source=_SOURCE,
    ),
    "used_memory_functions": gauge("redis_memory_used_functions_bytes", "Overhead of functions.", source=_SOURCE),
    "used_memory_vm_total": gauge(
        "redis_memory_used_vm_total", "Memory of both script engines, in bytes.", source=_SOURCE
    ),
    "used_memory_scripts": gauge(
        "redis_memory_used_scripts_bytes", "Overhead of scripts and functions.", source=_SOURCE
    ),
    "used_memory_overhead": gauge(
        "redis_memory_used_overhead_bytes",
        "Memory for what is not the dataset: buffers, tables, connections.",
        source=_SOURCE,
    ),
    "used_memory_startup": gauge(
        "redis_memory_used_startup_bytes", "Memory that was used at the start.", source=_SOURCE
    ),
    "used_memory_dataset": gauge(
        "redis_memory_used_dataset_bytes", "Memory of the dataset: what is used, less the overhead.", source=_SOURCE
    ),
    "number_of_cached_scripts": gauge(
        "redis_number_of_cached_scripts", "EVAL scripts that are cached.", source=_SOURCE
    ),
    "number_of_functions": gauge("redis_number_of_functions", "Functions that are loaded.", source=_SOURCE),
    "number_of_libraries": gauge(
        "redis_number_of_libraries", "Libraries of functions that are loaded.", source=_SOURCE
    ),
    "maxmemory": gauge("redis_memory_max_bytes", "The limit for memory (maxmemory); 0 is none.", source=_SOURCE),
    "maxmemory_reservation": gauge(
        "redis_memory_max_reservation_bytes", "Memory that is set aside (Azure).", source=_SOURCE
    ),
    "maxmemory_desired_reservation": gauge(
        "redis_memory_max_reservation_desired_bytes", "Memory that should be set aside (Azure).", source=_SOURCE
    ),
    "maxfragmentationmemory_reservation": gauge(
        "redis_memory_max_fragmentation_reservation_bytes",
        "Memory that is set aside for fragmentation (Azure).",
        source=_SOURCE,
    ),
    "maxfragmentationmemory_desired_reservation": gauge(
        "redis_memory_max_fragmentation_reservation_desired_bytes",
        "Memory that should be set aside for fragmentation (Azure).",
        source=_SOURCE,
    ),
    "total_system_memory": gauge(
        "redis_total_system_memory_bytes",
        "Memory of the machine, or of the container as far as the server knows.",
        source=_SOURCE,
    ),
    "mem_fragmentation_ratio": gauge(
        "redis_mem_fragmentation_ratio",
        "Resident memory by memory used: well above 1 it is fragmented, below 1 some of it is swapped out.",
        source=_SOURCE,
    ),
    "mem_fragmentation_bytes": gauge(
        "redis_mem_fragmentation_bytes", "Resident memory less memory used.", source=_SOURCE
    ),
    "mem_clients_slaves": gauge(
        "redis_mem_clients_slaves", "Memory of buffers for replicas, in bytes.", source=_SOURCE
    ),
    "mem_clients_normal": gauge(
        "redis_mem_clients_normal", "Memory of buffers for other clients, in bytes.", source=_SOURCE
    ),
    "mem_not_counted_for_evict": gauge(
        "redis_mem_not_counted_for_eviction_bytes",
        "Memory that does not count for eviction: buffers of replicas and of the append-only file.",
        source=_SOURCE,
    ),
    "mem_total_replication_buffers": gauge(
        "redis_mem_total_replication_buffers_bytes", "Memory of all buffers for replication.", source=_SOURCE
    ),
    "mem_replica_full_sync_buffer": gauge(
        "redis_mem_replica_full_sync_buffer_bytes",
        "Memory of the buffer of a replica that takes a full copy.",
        source=_SOURCE,
    ),
    "mem_overhead_db_hashtable_rehashing": gauge(
        "redis_mem_overhead_db_hashtable_rehashing_bytes", "Memory of tables that are being enlarged.", source=_SOURCE
    ),
    "lazyfree_pending_objects": gauge(
        "redis_lazyfree_pending_objects", "Objects that wait to be freed in the background.", source=_SOURCE
    ),
    "active_defrag_running": gauge(
        "redis_active_defrag_running",
        "Whether memory is being defragmented; of newer servers the share of CPU that goes into it, in percent.",
        source=_SOURCE,
    ),
}

_ALLOCATOR: Final[dict[str, Metric]] = {
    "allocator_active": gauge(
        "redis_allocator_active_bytes", "Memory in pages that the allocator uses.", source=_SOURCE
    ),
    "allocator_allocated": gauge(
        "redis_allocator_allocated_bytes", "Memory that the allocator has given out.", source=_SOURCE
    ),
    "allocator_resident": gauge(
        "redis_allocator_resident_bytes", "Memory of the allocator that is resident.", source=_SOURCE
    ),
    "allocator_frag_ratio": gauge(
        "redis_allocator_frag_ratio", "Memory in the pages of the allocator by what it has given out.", source=_SOURCE
    ),
    "allocator_frag_bytes": gauge(
        "redis_allocator_frag_bytes", "Memory in the pages of the allocator less what it has given out.", source=_SOURCE
    ),
    "allocator_rss_ratio": gauge(
        "redis_allocator_rss_ratio", "Resident memory of the allocator by what is in its pages.", source=_SOURCE
    ),
    "allocator_rss_bytes": gauge(
        "redis_allocator_rss_bytes", "Resident memory of the allocator less what is in its pages.", source=_SOURCE
    ),
}


@read
def memory(session: Session) -> Samples:
    """Memory that is used, its limit, and how well it is used."""
    yield from told(session.info, _MEMORY)


@read
def allocator(session: Session) -> Samples:
    """What the allocator has taken from the operating system."""
    yield from told(session.info, _ALLOCATOR)
