"""The dashboard of the host."""

from typing import Final

from grafana.dashboards import host_detail
from grafana.declare import YES_NO, Dashboard, Panel, Row, firing, lines, signal, stat

HOST: Final = "{{instance}}"
MOUNT: Final = "{{instance}} {{mountpoint}}"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Up since", "When the host was booted.", "node_boot_time_seconds{$own} * 1000", HOST, unit="dateTimeFromNow"),
    stat(
        "Processors", "Logical processors in use.",
        'count by (instance) (rate(node_cpu_seconds_total{$own, mode="idle"}[$__rate_interval]))', HOST, unit="none",
    ),
    stat("Memory", "Memory that the kernel manages.", "node_memory_MemTotal_bytes{$own}", HOST),
    stat(
        "Clock in step", "Whether the kernel's clock is kept in step with a time server. A machine whose clock is kept"
        " from outside, as a container's or some virtual machines', may say no and be right all the same.",
        "node_timex_sync_status{$own}", HOST, unit="none", states=YES_NO,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Processors in use", "Share of processor time that was not idle, on average over all processors.",
        "HighCPUUsage", legend=HOST, top=1,
    ),
    signal(
        "Memory in use", "Share of memory that programs could not have: what the kernel can give back counts as free.",
        "HighMemoryUsage", legend=HOST, top=1,
    ),
    signal(
        "Free space", "Share of each file system that is free for users other than root.", "DiskSpaceLow", legend=MOUNT,
        top=1,
    ),
    signal(
        "When file systems are full",
        "Where each file system is heading at the pace of the last hours. The rule says how"
        " far ahead it looks, and how full a file system must be before it counts.",
        "DiskWillFillSoon", legend=MOUNT, empty="no file system is filling up",
    ),
    signal(
        "Processes killed for want of memory", "Processes that the kernel killed because memory had run out.",
        "OutOfMemoryKill", legend=HOST, width=8, unit="short",
    ),
    signal(
        "Memory against the least configured", "How the host's memory compares with `host.memory_minimum` of the"
        " exporter's configuration.",
        "HostMemoryBelowMinimum", legend=HOST, width=8, empty="no minimum is configured",
    ),
    lines(
        "Load for each processor", "Threads that ran or waited, on average over a minute, for each processor. Above 1,"
        " some wait.",
        ("runbook:host_load:ratio{$own}", HOST),
        unit="short", width=8,
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="host",
    title="Host",
    text="The machine: what is short now, and where it went.",
    presence="node_uname_info",
    targets='runbook_target_up{collector="system"}',
    matchers="$own",
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), *host_detail.ROWS],
)
