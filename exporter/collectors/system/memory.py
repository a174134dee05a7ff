"""Memory: every figure of /proc/meminfo, and paging from /proc/vmstat."""

import functools

from exporter.collector import Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import MEMORY_BYTES, MEMORY_MINIMUM
from exporter.metric import Metric, Pattern, Samples, pattern

MEMORY_COUNT = pattern("node_memory_*", "gauge", "Memory: the figure *.", source="/proc/meminfo")
VMSTAT = pattern("node_vmstat_*", "untyped", "Virtual memory: the figure *.", source="/proc/vmstat")


@read
def memory(host: Host) -> Samples:
    """Every line of /proc/meminfo, in bytes where the kernel gives a unit."""
    text = host.proc("meminfo")
    if "MemTotal:" not in text:
        raise Trouble(f"{host.procfs}/meminfo has no MemTotal")
    *lines, _ = text.split("\n")  # what follows the last newline is no whole line
    for line in lines:
        match line.split():
            case [name, value, "kB"]:
                yield _metric(MEMORY_BYTES, name)(int(value) * 1024)
            case [name, value]:
                yield _metric(MEMORY_COUNT, name)(int(value))
    yield MEMORY_MINIMUM(host.settings.memory_minimum)


@functools.cache
def _metric(metrics: Pattern, name: str) -> Metric:
    return metrics.named(name.rstrip("):").replace("(", "_"))  # "Active(anon):" is Active_anon


@read
def vmstat(host: Host) -> Samples:
    """Pages moved, page faults and kills for want of memory, from /proc/vmstat."""
    *lines, _ = host.proc("vmstat").split("\n")
    for line in lines:
        if line.startswith(("pgpg", "pswp", "oom_kill")) or (line.startswith("pg") and "fault" in line):
            name, value = line.split()
            yield VMSTAT.named(name)(int(value))
