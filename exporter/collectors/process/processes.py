"""How many processes there are, since when, and what their stat says of them."""

from typing import Final

from exporter.collector import Trouble, read
from exporter.collectors.process.table import Table
from exporter.metric import Samples, counter, gauge

_GROUP: Final = ("groupname",)
_STAT: Final = "/proc/PID/stat"
MEMORY_SOURCE: Final = "/proc/PID/stat, status and smaps_rollup"

NUM_PROCS = gauge(
    "namedprocess_namegroup_num_procs", "Processes in the group, zombies too.", labels=_GROUP, source="/proc"
)
NUM_THREADS = gauge("namedprocess_namegroup_num_threads", "Threads in the group.", labels=_GROUP, source=_STAT)
OLDEST_START = gauge(
    "namedprocess_namegroup_oldest_start_time_seconds",
    "When the oldest process of the group was started, in Unix time.",
    labels=_GROUP,
    source=_STAT,
)
MEMORY = gauge(
    "namedprocess_namegroup_memory_bytes",
    "Memory of the group: resident, virtual and swapped, and in proportion where pages are shared.",
    labels=("groupname", "memtype"),
    source=MEMORY_SOURCE,
)
CPU = counter(
    "namedprocess_namegroup_cpu_seconds_total",
    "Processor time that the group has used.",
    labels=("groupname", "mode"),
    source=_STAT,
)
MAJOR_FAULTS = counter(
    "namedprocess_namegroup_major_page_faults_total",
    "Page faults that had to wait for a disk.",
    labels=_GROUP,
    source=_STAT,
)
MINOR_FAULTS = counter(
    "namedprocess_namegroup_minor_page_faults_total",
    "Page faults that needed no disk.",
    labels=_GROUP,
    source=_STAT,
)


@read
def processes(table: Table) -> Samples:
    """How many processes each group has, and their time, memory and page faults."""
    for group in table.groups:
        name, members = group.name, group.members
        yield NUM_PROCS(len(members), groupname=name)
        yield NUM_THREADS(sum(process.threads for process in members), groupname=name)
        for process in members:
            group.count_process("stat", process, process.counts)
        user, system, major, minor = group.total("stat", 4)
        yield CPU(user / table.ticks, groupname=name, mode="user")
        yield CPU(system / table.ticks, groupname=name, mode="system")
        yield MAJOR_FAULTS(major, groupname=name)
        yield MINOR_FAULTS(minor, groupname=name)
        if members:
            resident = sum(process.resident for process in members) * table.page
            yield MEMORY(resident, groupname=name, memtype="resident")
            yield MEMORY(sum(process.virtual for process in members), groupname=name, memtype="virtual")
            yield OLDEST_START(min(map(table.started, members)), groupname=name)


@read
def pid_files(table: Table) -> Samples:
    """No metrics: fails where a pid file cannot be read, and names it; its group is not known then."""
    troubles = list(table.troubles())
    if troubles:
        raise Trouble("; ".join(map(str, troubles)), troubles[0].fix)
    yield from ()
