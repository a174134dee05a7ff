"""Processors: time by mode, load, scheduling, pressure, frequencies and throttling."""

import errno
import os
from collections.abc import Iterator
from typing import Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import BOOT_TIME, CPU_SECONDS, LOAD1, LOAD5, LOAD15
from exporter.metric import Samples, counter, gauge

_STAT: Final = "/proc/stat"
CPU_GUEST_SECONDS = counter(
    "node_cpu_guest_seconds_total",
    "Seconds the processors spent in guests, which node_cpu_seconds_total counts as user and nice too.",
    labels=("cpu", "mode"),
    source=_STAT,
)
INTERRUPTS = counter("node_intr_total", "Interrupts serviced.", source=_STAT)
CONTEXT_SWITCHES = counter("node_context_switches_total", "Context switches.", source=_STAT)
FORKS = counter("node_forks_total", "Processes and threads started.", source=_STAT)
PROCS_RUNNING = gauge("node_procs_running", "Threads that run or are ready to.", source=_STAT)
PROCS_BLOCKED = gauge("node_procs_blocked", "Threads that wait for a disk.", source=_STAT)

_CPU: Final = ("cpu",)
_SCHED: Final = "/proc/schedstat"
SCHEDSTAT_RUNNING = counter(
    "node_schedstat_running_seconds_total", "Seconds the processor ran threads.", labels=_CPU, source=_SCHED
)
SCHEDSTAT_WAITING = counter(
    "node_schedstat_waiting_seconds_total", "Seconds threads waited for it.", labels=_CPU, source=_SCHED
)
SCHEDSTAT_TIMESLICES = counter(
    "node_schedstat_timeslices_total", "Time slices it gave to threads.", labels=_CPU, source=_SCHED
)

_PSI: Final = "/proc/pressure"
PRESSURE_CPU_WAITING = counter(
    "node_pressure_cpu_waiting_seconds_total", "Seconds some thread waited for a processor.", source=_PSI
)
PRESSURE_IO_WAITING = counter(
    "node_pressure_io_waiting_seconds_total", "Seconds some thread waited for a disk.", source=_PSI
)
PRESSURE_IO_STALLED = counter(
    "node_pressure_io_stalled_seconds_total", "Seconds all threads waited for a disk.", source=_PSI
)
PRESSURE_MEMORY_WAITING = counter(
    "node_pressure_memory_waiting_seconds_total", "Seconds some thread waited for memory.", source=_PSI
)
PRESSURE_MEMORY_STALLED = counter(
    "node_pressure_memory_stalled_seconds_total", "Seconds all threads waited for memory.", source=_PSI
)
PRESSURE_IRQ_STALLED = counter(
    "node_pressure_irq_stalled_seconds_total", "Seconds all threads waited for interrupts.", source=_PSI
)

_SYS: Final = "devices/system/cpu"
CPU_ONLINE = gauge(
    "node_cpu_online", "1 for a processor in use, 0 for one switched off.", labels=_CPU, source=f"/sys/{_SYS}"
)
_CPUFREQ: Final = f"/sys/{_SYS}/cpufreq, read every 30 seconds"
CPU_FREQUENCY_MIN = gauge(
    "node_cpu_frequency_min_hertz", "Lowest frequency of the processor.", labels=_CPU, source=_CPUFREQ
)
CPU_FREQUENCY_MAX = gauge(
    "node_cpu_frequency_max_hertz", "Highest frequency of the processor.", labels=_CPU, source=_CPUFREQ
)
CPU_SCALING_FREQUENCY = gauge(
    "node_cpu_scaling_frequency_hertz", "Frequency the processor runs at.", labels=_CPU, source=_CPUFREQ
)
CPU_SCALING_FREQUENCY_MIN = gauge(
    "node_cpu_scaling_frequency_min_hertz", "Lowest frequency that is allowed.", labels=_CPU, source=_CPUFREQ
)
CPU_SCALING_FREQUENCY_MAX = gauge(
    "node_cpu_scaling_frequency_max_hertz", "Highest frequency that is allowed.", labels=_CPU, source=_CPUFREQ
)
_THROTTLE: Final = f"/sys/{_SYS}/cpu*/thermal_throttle, read every 30 seconds"
CORE_THROTTLES = counter(
    "node_cpu_core_throttles_total",
    "How often heat slowed the core down.",
    labels=("core", "package"),
    source=_THROTTLE,
)
PACKAGE_THROTTLES = counter(
    "node_cpu_package_throttles_total", "How often heat slowed the package down.", labels=("package",), source=_THROTTLE
)

_MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES: Final = ("user", "nice")
_IDLE: Final = _MODES.index("idle")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PLUGGED_AGAIN: Final = 3 * _TICKS
_COUNTED: Final = {
    "intr": INTERRUPTS,
    "ctxt": CONTEXT_SWITCHES,
    "btime": BOOT_TIME,
    "processes": FORKS,
    "procs_running": PROCS_RUNNING,
    "procs_blocked": PROCS_BLOCKED,
}
_PRESSURE: Final = {
    "cpu": {"some": PRESSURE_CPU_WAITING},
    "io": {"some": PRESSURE_IO_WAITING, "full": PRESSURE_IO_STALLED},
    "memory": {"some": PRESSURE_MEMORY_WAITING, "full": PRESSURE_MEMORY_STALLED},
    "irq": {"full": PRESSURE_IRQ_STALLED},
}
# cpuinfo_cur_freq is left out: only root may read it, and it asks the hardware, which on some never answers.
_FREQUENCIES: Final = {
    "cpuinfo_min_freq": CPU_FREQUENCY_MIN,
    "cpuinfo_max_freq": CPU_FREQUENCY_MAX,
    "scaling_cur_freq": CPU_SCALING_FREQUENCY,
    "scaling_min_freq": CPU_SCALING_FREQUENCY_MIN,
    "scaling_max_freq": CPU_SCALING_FREQUENCY_MAX,
}


class _Shown(dict[str, list[int]]):
    """The figures last shown of each processor."""


@read
def cpu(host: Host) -> Samples:
    """Time of each processor by mode, interrupts, context switches, forks and the time of boot, from /proc/stat."""
    text = host.proc("stat")
    if "\ncpu" not in text:  # the first line is the sum of those that follow
        raise Trouble(f"{host.procfs}/stat names no processor")
    shown = host.kept(_Shown)
    *lines, _ = text.split("\n")  # what follows the last newline is no whole line
    for line in lines:
        name, _, figures = line.partition(" ")
        if name in _COUNTED:
            # only the first figure: the line of the interrupts has thousands
            yield _COUNTED[name](int(figures.split(None, 1)[0]))
        elif name.startswith("cpu") and name != "cpu":
            yield from _times(name[3:], _never_back(shown, name, [int(figure) for figure in figures.split()]))


def _times(cpu: str, ticks: list[int]) -> Samples:
    for mode, spent in zip(_MODES, ticks, strict=False):
        yield CPU_SECONDS(spent / _TICKS, cpu=cpu, mode=mode)
    for mode, spent in zip(_GUEST_MODES, ticks[len(_MODES) :], strict=False):
        yield CPU_GUEST_SECONDS(spent / _TICKS, cpu=cpu, mode=mode)


def _never_back(shown: _Shown, name: str, ticks: list[int]) -> list[int]:
    """Return a processor's figures, none of them lower than the last time.

    The kernel's idle and iowait step back a little now and then, which rate() would take for a restart and give all
    the time since boot. A long step back of idle is a processor that was taken out and put in: it counts anew.
    """
    last = shown.get(name)
    if last is not None and last[_IDLE] - ticks[_IDLE] < _PLUGGED_AGAIN:
        ticks = list(map(max, last, ticks))
    shown[name] = ticks
    return ticks


@read
def load(host: Host) -> Samples:
    """Load averages, from /proc/loadavg."""
    one, five, fifteen, _, _ = host.proc("loadavg").split()
    yield LOAD1(float(one))
    yield LOAD5(float(five))
    yield LOAD15(float(fifteen))


@read
def schedstat(host: Host) -> Samples:
    """How long threads ran on each processor and waited for it, from /proc/schedstat."""
    *lines, _ = host.proc("schedstat").split("\n")
    for line in lines:
        if line.startswith("cpu"):
            fields = line.split()
            cpu = fields[0][3:]
            running, waiting, slices = fields[7:10]
            yield SCHEDSTAT_RUNNING(int(running) / 1e9, cpu=cpu)
            yield SCHEDSTAT_WAITING(int(waiting) / 1e9, cpu=cpu)
            yield SCHEDSTAT_TIMESLICES(int(slices), cpu=cpu)


@read
def pressure(host: Host) -> Samples:
    """How long threads waited for processors, disks and memory, from /proc/pressure."""
    for resource, metrics in _PRESSURE.items():
        try:
            *lines, _ = _pressure(host, resource).split("\n")
        except NotApplicable:
            if resource == "irq":  # newer than the others, and an option of the kernel
                continue
            raise
        for line in lines:
            metric = metrics.get(line[:4])
            if metric is not None:
                yield metric(int(line.rpartition("total=")[2]) / 1e6)


def _pressure(host: Host, resource: str) -> str:
    try:
        return host.proc(f"pressure/{resource}")
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise NotApplicable("this kernel measures no pressure", "boot it with psi=1") from None
        raise


@read
def cpu_online(host: Host) -> Samples:
    """Which of the processors that are there are in use, from /sys/devices/system/cpu."""
    online = set(_listed(host.sys(f"{_SYS}/online")))
    for number in _listed(host.sys(f"{_SYS}/present")):
        yield CPU_ONLINE(number in online, cpu=str(number))


def _listed(text: str) -> Iterator[int]:
    """Yield the numbers of a kernel's list such as 0-3,8."""
    for part in text.split(","):
        first, dash, last = part.partition("-")
        yield from range(int(first), int(last if dash else first) + 1)


@read(interval=30.0)
def cpu_frequency(host: Host) -> Samples:
    """Frequencies of the processors, from /sys/devices/system/cpu/cpufreq: one policy for those that share a clock."""
    policies = [name for name in host.list_sys(f"{_SYS}/cpufreq") if name.startswith("policy")]
    if not policies:
        raise NotApplicable("this kernel shows no frequencies of processors")
    for policy in policies:
        cpus = host.sys(f"{_SYS}/cpufreq/{policy}/affected_cpus").split()  # those in use
        for file, metric in _FREQUENCIES.items():
            kilohertz = host.sys_or_none(f"{_SYS}/cpufreq/{policy}/{file}")
            if kilohertz is not None and kilohertz.isdecimal():  # it may be "<unknown>"
                for cpu in cpus:
                    yield metric(int(kilohertz) * 1000, cpu=cpu)


@read(interval=30.0)
def cpu_throttle(host: Host) -> Samples:
    """How often cores and packages were slowed down because they were hot."""
    cores: dict[tuple[str, str], str] = {}
    packages: dict[str, str | None] = {}
    for name in host.list_sys(_SYS):
        count = host.sys_or_none(f"{_SYS}/{name}/thermal_throttle/core_throttle_count")
        if count is not None:
            package = host.sys(f"{_SYS}/{name}/topology/physical_package_id")
            cores.setdefault((package, host.sys(f"{_SYS}/{name}/topology/core_id")), count)
            if package not in packages:
                packages[package] = host.sys_or_none(f"{_SYS}/{name}/thermal_throttle/package_throttle_count")
    if not cores:
        raise NotApplicable("this kernel does not count how often processors are throttled")
    for (package, core), count in cores.items():
        yield CORE_THROTTLES(int(count), package=package, core=core)
    for package, counted in packages.items():
        yield PACKAGE_THROTTLES(int(counted) if counted else None, package=package)
