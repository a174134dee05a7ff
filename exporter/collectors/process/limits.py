"""The limits of processes themselves and those of the configuration; how many descriptors are open beside them."""

from typing import Final, NamedTuple

from exporter.collector import Trouble, read
from exporter.collectors.process.denied import Readings
from exporter.collectors.process.group import Group
from exporter.collectors.process.memory import used
from exporter.collectors.process.process import Process
from exporter.collectors.process.table import Table
from exporter.metric import Samples, gauge

_GROUP: Final = ("groupname",)
_PAIR: Final = ("groupname", "limit")
_LIMITS: Final = "/proc/PID/limits"

OPEN_FILES = gauge(
    "namedprocess_namegroup_open_filedesc",
    "File descriptors that the group has open.",
    labels=_GROUP,
    source="/proc/PID/fd",
)
WORST_FD_RATIO = gauge(
    "namedprocess_namegroup_worst_fd_ratio",
    "Open descriptors over the soft limit, of the process nearest to it.",
    labels=_GROUP,
    source="/proc/PID/fd, /proc/PID/limits",
)
OPEN_FILES_USED = gauge(
    "runbook_process_group_open_files_used_ratio",
    "Open descriptors over the limit, or the configured one where that is lower, of the process nearest to it.",
    labels=_GROUP,
    source="/proc/PID/fd, /proc/PID/limits and the configuration",
)
OPEN_FILES_LIMIT = gauge(
    "runbook_process_group_open_files_limit",
    "How many descriptors a process of the group may have open: the lowest of theirs, or the configured limit.",
    labels=_GROUP,
    source="/proc/PID/limits and the configuration",
)
MEMORY_USED = gauge(
    "runbook_process_group_memory_used_bytes",
    "Memory that counts against the limit: `configured` the processes', in proportion where that may be read; `cgroup` "
    "the control group's without files that nobody uses; `rlimit` the address space of the process nearest to it.",
    labels=_PAIR,
    source="/proc/PID/stat, smaps_rollup and the control groups",
)
MEMORY_LIMIT = gauge(
    "runbook_process_group_memory_limit_bytes",
    "How much memory the group may use, or for `rlimit` one process of it.",
    labels=_PAIR,
    source="/proc/PID/limits, the control groups and the configuration",
)
CPU_LIMIT = gauge(
    "runbook_process_group_cpu_limit_cpus",
    "How many processors the group may use: 2 is 200%.",
    labels=_PAIR,
    source="the control groups and the configuration",
)


class Limits(NamedTuple):
    """The soft limits of a process, None where it has none."""

    open_files: int | None
    address_space: int | None


@read
def limits(table: Table) -> Samples:
    """The limits of each group's processes, and those that the configuration gives the group."""
    for group in table.groups:
        settings, name = group.settings, group.name
        yield CPU_LIMIT(settings.cpu_limit, groupname=name, limit="configured")
        yield from _configured_memory(table, group)
        found = [(process, own) for process in group.members if (own := _limits_of(table, process)) is not None]
        if found:
            yield OPEN_FILES_LIMIT(
                _lowest(*(own.open_files for _, own in found), settings.open_files_limit), groupname=name
            )
            yield from _address_space(group, found)


@read
def descriptors(table: Table) -> Samples:
    """How many descriptors each group has open, and how near to its limit the worst process is."""
    readings = Readings(table, "descriptors")
    for group, seen in readings.of(lambda process: table.procfs.descriptors(process.pid)):
        if seen:
            yield OPEN_FILES(sum(count for _, count in seen), groupname=group.name)
            yield from _ratios(table, group, seen)
    yield from readings.denied("fd", "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH")


def _ratios(table: Table, group: Group, seen: list[tuple[Process, int]]) -> Samples:
    own: list[float] = []
    lowest: list[float] = []
    for process, count in seen:
        found = _limits_of(table, process)
        soft = None if found is None else found.open_files
        own += _ratio(count, soft)
        lowest += _ratio(count, _lowest(soft, group.settings.open_files_limit))
    yield WORST_FD_RATIO(max(own, default=None), groupname=group.name)
    yield OPEN_FILES_USED(max(lowest, default=None), groupname=group.name)


def _ratio(count: int, limit: int | None) -> list[float]:
    return [count / limit] if limit else []


def _lowest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _configured_memory(table: Table, group: Group) -> Samples:
    limit = group.settings.memory_limit
    in_use = None if limit is None else used(table, group)
    if in_use is not None:
        yield MEMORY_USED(in_use, groupname=group.name, limit="configured")
        yield MEMORY_LIMIT(limit, groupname=group.name, limit="configured")


def _address_space(group: Group, found: list[tuple[Process, Limits]]) -> Samples:
    """Yield the pair of the process that has the least left."""
    pairs = [(own.address_space, process.virtual) for process, own in found if own.address_space is not None]
    if pairs:
        limit, virtual = min(pairs, key=lambda pair: pair[0] - pair[1])
        yield MEMORY_USED(virtual, groupname=group.name, limit="rlimit")
        yield MEMORY_LIMIT(limit, groupname=group.name, limit="rlimit")


def _limits_of(table: Table, process: Process) -> Limits | None:
    return table.kept(process, "limits", lambda: _read_limits(table, process))


def _read_limits(table: Table, process: Process) -> Limits | None:
    raw = table.procfs.read(f"{process.pid}/limits")
    if not raw:  # gone
        return None
    try:
        return Limits(_soft(raw, b"Max open files"), _soft(raw, b"Max address space"))
    except (ValueError, IndexError):
        raise Trouble("/proc/PID/limits of a process is not understood") from None


def _soft(raw: bytes, name: bytes) -> int | None:
    soft = raw[raw.index(name) + len(name) :].split(None, 1)[0]
    return None if soft == b"unlimited" else int(soft)
