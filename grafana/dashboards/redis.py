"""The dashboard of Redis: what alerts watch, and the figures of the whole."""

from typing import Final

from grafana.dashboards import redis_detail
from grafana.declare import UP_DOWN, YES_NO, Column, Dashboard, Panel, Row, firing, signal, stat, table

SERVER: Final = "{{instance}} {{target}}"
_BY: Final = "by (instance, target)"
_RATE: Final = "{$match}[$__rate_interval]"
_LOOKED_UP: Final = (
    f"(sum {_BY} (rate(redis_keyspace_hits_total{_RATE})) + sum {_BY} (rate(redis_keyspace_misses_total{_RATE})) > 0)"
)
_HITS: Final = f"sum {_BY} (rate(redis_keyspace_hits_total{_RATE})) / {_LOOKED_UP}"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Answers", "Whether each server answers.", f"min {_BY} (redis_up{{$match}})", SERVER, unit="none",
         states=UP_DOWN),
    stat("Memory now", "What its data and buffers take.", f"max {_BY} (redis_memory_used_bytes{{$match}})", SERVER),
    stat("Commands now", "Commands a second that were done.",
         f"sum {_BY} (rate(redis_commands_processed_total{_RATE}))", SERVER, unit="ops"),
    stat("Found", "Of the keys that were looked up of late, how many were there.", _HITS, SERVER, unit="percentunit",
         empty="nothing was looked up"),
    table(
        "Servers", "Every server that answers.",
        {"instance": "Instance", "target": "Target", "redis_mode": "Mode", "role": "Role", "redis_version": "Version",
         "maxmemory_policy": "At the limit of memory"},
        Column("There", "max by (instance, target, redis_mode, role, redis_version, maxmemory_policy)"
               " (redis_instance_info{$match})", "bool_yes_no"),
        width=12, height=6, empty="none answers",
    ),
    table(
        "Replicas", "Every replica, and whether it has a connection to its primary.",
        {"instance": "Instance", "target": "Target", "master_host": "Primary", "master_port": "Port"},
        Column("Connected", "min by (instance, target, master_host, master_port) (redis_master_link_up{$match})",
               "bool_yes_no"),
        width=12, height=6, empty="there is none",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Answering", "Whether the server answers.", "RedisDown", legend=SERVER, width=8, unit="none",
           states=UP_DOWN),
    signal(
        "Memory in use, where nothing is evicted",
        "Of the memory that may be used, how much is. At the limit writes are refused. Not there without a limit, and"
        " not where keys are evicted to keep it.",
        "RedisMemoryHigh", legend=SERVER, width=8, top=1, empty="none has a limit without evicting",
    ),
    signal("Connections in use", "Of as many clients as may be connected, how many are.", "RedisClientsHigh",
           legend=SERVER, width=8, top=1),
    signal("Connections refused", "Connections that were refused, as there were as many as may be.",
           "RedisRejectsConnections", legend=SERVER, width=8, unit="short"),
    signal(
        "Data on disk", "Whether the last snapshot was written, and the append-only file where there is one.",
        "RedisPersistenceFailing", legend=SERVER, width=8, unit="none", states=YES_NO,
    ),
    signal("Replication connected", "On a replica, whether it has a connection to its primary.",
           "RedisReplicationBroken", legend=SERVER, width=8, unit="none", states=UP_DOWN, empty="no replica"),
    signal("Cluster", "Whether the cluster works, as each of its nodes sees it.", "RedisClusterBroken", legend=SERVER,
           width=8, unit="none", states=UP_DOWN, empty="no node of a cluster"),
    signal(
        "Keys dropped where queues are kept", "Keys that were dropped to stay within the limit of memory, on servers"
        " where workers wait for messages.",
        "RedisQueueEvicting", legend=SERVER, width=8, unit="short", empty="no server keeps queues",
    ),
    signal(
        "Found in the cache", "Of the keys that were looked up, how many were there; where enough are looked up, and"
        " no queues are kept.",
        "CacheHitRateLow", legend=SERVER, width=8, top=1, empty="too little is looked up, or queues are kept there",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="redis",
    title="Redis",
    text="The servers: whether they answer, what they have room for, what may be lost, and what they are asked.",
    presence="redis_up",
    rows=[
        Row("At a glance", GLANCE),
        Row("What alerts watch", WATCHED),
        Row("Memory and keys", redis_detail.MEMORY),
        Row("Commands and clients", redis_detail.COMMANDS),
        Row("Queues", redis_detail.QUEUES),
        Row("Disk and replication", redis_detail.SAFETY),
    ],
)
