"""Redis: memory, keys, commands, clients, queues, disk and replication."""

from typing import Final

from grafana.declare import Column, Panel, lines, table

SERVER: Final = "{{instance}} {{target}}"
_BY: Final = "by (instance, target)"
_RATE: Final = "{$match}[$__rate_interval]"

MEMORY: Final[list[Panel]] = [
    lines(
        "Memory", "What data and buffers take, what the process has of the machine, and the limit where there is one.",
        ("redis_memory_used_bytes{$match}", f"{SERVER} used"),
        ("redis_memory_used_rss_bytes{$match}", f"{SERVER} resident"),
        ("redis_memory_max_bytes{$match} > 0", f"{SERVER} limit"),
    ),
    lines(
        "Fragmentation", "What the process has of the machine, as a multiple of what it uses. Below 1 it swaps.",
        ("redis_mem_fragmentation_ratio{$match}", SERVER), unit="none",
    ),
    lines(
        "Keys", "Keys in each database, and those of them that expire.",
        ("redis_db_keys{$match} > 0", f"{SERVER} db{{{{db}}}}"),
        ("redis_db_keys_expiring{$match} > 0", f"{SERVER} db{{{{db}}}} expiring"), unit="short",
        empty="there is no key",
    ),
    lines(
        "Keys that go", "Keys that expired, and keys that were dropped to stay within the limit of memory.",
        (f"sum {_BY} (rate(redis_expired_keys_total{_RATE}))", f"{SERVER} expired"),
        (f"sum {_BY} (rate(redis_evicted_keys_total{_RATE}))", f"{SERVER} dropped"), unit="ops",
    ),
    lines(
        "Keys looked up", "Keys that were there, and keys that were not.",
        (f"sum {_BY} (rate(redis_keyspace_hits_total{_RATE}))", f"{SERVER} there"),
        (f"sum {_BY} (rate(redis_keyspace_misses_total{_RATE}))", f"{SERVER} not there"), unit="ops",
    ),
    lines(
        "Bytes", "Bytes received and sent.",
        (f"sum {_BY} (rate(redis_net_input_bytes_total{_RATE}))", f"{SERVER} received"),
        (f"sum {_BY} (rate(redis_net_output_bytes_total{_RATE}))", f"{SERVER} sent"),
    ),
]  # fmt: skip

_COMMAND: Final = "by (instance, target, cmd)"
COMMANDS: Final[list[Panel]] = [
    table(
        "Commands", "What the server spends its time on. One thread does them all, so a share near 100% is all of it.",
        {"instance": "Instance", "target": "Target", "cmd": "Command"},
        Column("Share of the time", f"sum {_COMMAND} (rate(redis_commands_duration_seconds_total{_RATE})) > 0",
               "percentunit"),
        Column("Calls a second", f"sum {_COMMAND} (rate(redis_commands_total{_RATE})) > 0", "ops"),
        Column("Time of a call", f"sum {_COMMAND} (rate(redis_commands_duration_seconds_total{_RATE}))"
               f" / (sum {_COMMAND} (rate(redis_commands_total{_RATE})) > 0)", "s"),
        Column("Failed a second", f"sum {_COMMAND} (rate(redis_commands_failed_calls_total{_RATE}))", "ops"),
    ),
    lines(
        "Commands a second", "Commands that were done.",
        (f"sum {_BY} (rate(redis_commands_processed_total{_RATE}))", SERVER), unit="ops",
    ),
    lines(
        "Processor", "Processor time of the server and of the processes that write its data.",
        (f"sum {_BY} (rate(redis_cpu_user_seconds_total{_RATE}))"
         f" + sum {_BY} (rate(redis_cpu_sys_seconds_total{_RATE}))", f"{SERVER} server"),
        (f"sum {_BY} (rate(redis_cpu_user_children_seconds_total{_RATE}))"
         f" + sum {_BY} (rate(redis_cpu_sys_children_seconds_total{_RATE}))", f"{SERVER} writing"), unit="percentunit",
    ),
    lines(
        "Clients", "Clients that are connected, those of them that wait for something, and how many may be.",
        ("redis_connected_clients{$match}", f"{SERVER} connected"),
        ("redis_blocked_clients{$match}", f"{SERVER} waiting"),
        ("redis_config_maxclients{$match}", f"{SERVER} limit"), unit="short",
    ),
    lines(
        "New connections",
        "Connections that were accepted. As many as commands: an application opens one for each.",
        (f"sum {_BY} (rate(redis_connections_received_total{_RATE}))", SERVER), unit="ops",
    ),
    lines(
        "Slow commands", "Entries of SLOWLOG, which holds the last ones only.",
        ("redis_slowlog_length{$match}", f"{SERVER} entries"), unit="short", empty="the exporter may not read SLOWLOG",
    ),
    lines(
        "Errors answered", "Errors by their code: OOM is memory, MISCONF the disk, WRONGPASS and NOAUTH the login.",
        (f"sum by (instance, target, err) (rate(redis_errors_total{_RATE})) > 0", f"{SERVER} {{{{err}}}}"), unit="ops",
        empty="no errors",
    ),
]  # fmt: skip

QUEUES: Final[list[Panel]] = [
    lines(
        "Keys that are watched",
        "How many entries each has, as `keys` in the configuration names them. An empty list is no key: 0.",
        ("redis_key_size{$match}", f"{SERVER} db{{{{db}}}} {{{{key}}}}"), unit="short",
        empty="no `keys` are configured",
    ),
    lines(
        "Messages taken", "Commands by which workers wait for messages.",
        (f"sum {_COMMAND} (rate(redis_commands_total{{$match,"
         ' cmd=~"blpop|brpop|blmove|brpoplpush|blmpop|bzpopmin|bzpopmax|bzmpop|xreadgroup"}[$__rate_interval]))',
         f"{SERVER} {{{{cmd}}}}"), unit="ops", empty="no workers wait here",
    ),
]  # fmt: skip

SAFETY: Final[list[Panel]] = [
    lines(
        "Changes since the last snapshot", "What a crash would lose, without an append-only file.",
        ("redis_rdb_changes_since_last_save{$match}", SERVER), unit="short",
    ),
    lines(
        "Age of the last snapshot", "How long ago a snapshot succeeded, or the server was started without one.",
        ("time() - redis_rdb_last_save_timestamp_seconds{$match}", SERVER), unit="s",
    ),
    lines(
        "Replicas connected", "Replicas that the primary knows.", ("redis_connected_slaves{$match}", SERVER),
        unit="short",
    ),
    lines(
        "Lag of replicas", "How long ago the primary heard of each replica.",
        ("redis_connected_slave_lag_seconds{$match}", f"{SERVER} {{{{slave_ip}}}}:{{{{slave_port}}}}"),
        empty="there is none",
    ),
]  # fmt: skip
