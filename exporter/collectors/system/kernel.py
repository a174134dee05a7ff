"""What the system is and how its clock goes: names and versions, clock sources, adjtimex, file handles, entropy."""

import errno
import functools
import os
import re
import shlex
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import UNAME
from exporter.collectors.system.portable import clock as clock  # the same read on every system
from exporter.metric import Samples, counter, gauge, info

_OS_LABELS: Final = (
    "build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name",
    "variant", "variant_id", "version", "version_codename", "version_id",
)  # fmt: skip
_OS_RELEASE: Final = "/etc/os-release, read every 5 minutes"
OS_INFO = info("node_os_info", "The operating system's release.", labels=_OS_LABELS, source=_OS_RELEASE)
OS_VERSION = gauge(
    "node_os_version",
    "Major and minor version of the operating system.",
    labels=("id", "id_like", "name"),
    source=_OS_RELEASE,
)
OS_SUPPORT_END = gauge(
    "node_os_support_end_timestamp_seconds", "When support of this release of the system ends.", source=_OS_RELEASE
)

_CLOCKSOURCE: Final = "/sys/devices/system/clocksource"
CLOCKSOURCE_AVAILABLE = info(
    "node_time_clocksource_available_info",
    "The clock sources that the kernel could use.",
    labels=("device", "clocksource"),
    source=_CLOCKSOURCE,
)
CLOCKSOURCE_CURRENT = info(
    "node_time_clocksource_current_info",
    "The clock source that the kernel uses.",
    labels=("device", "clocksource"),
    source=_CLOCKSOURCE,
)

TIMEX_SYNC_STATUS = gauge(
    "node_timex_sync_status", "1 where the clock is synchronized to a reliable server, else 0.", source="adjtimex"
)
TIMEX_OFFSET = gauge("node_timex_offset_seconds", "How far the clock is off its reference.", source="adjtimex")
TIMEX_FREQUENCY = gauge(
    "node_timex_frequency_adjustment_ratio", "How much faster the clock is made to run.", source="adjtimex"
)
TIMEX_MAXERROR = gauge("node_timex_maxerror_seconds", "Largest error that the clock can have.", source="adjtimex")
TIMEX_ESTERROR = gauge("node_timex_estimated_error_seconds", "Estimated error of the clock.", source="adjtimex")
TIMEX_STATUS = gauge("node_timex_status", "The bits of the clock's status.", source="adjtimex")
TIMEX_CONSTANT = gauge("node_timex_loop_time_constant", "Time constant of the phase-locked loop.", source="adjtimex")
TIMEX_TICK = gauge("node_timex_tick_seconds", "Seconds between ticks of the clock.", source="adjtimex")
TIMEX_PPS_FREQUENCY = gauge("node_timex_pps_frequency_hertz", "Pulse per second: frequency.", source="adjtimex")
TIMEX_PPS_JITTER = gauge("node_timex_pps_jitter_seconds", "Pulse per second: jitter.", source="adjtimex")
TIMEX_PPS_SHIFT = gauge("node_timex_pps_shift_seconds", "Pulse per second: duration of an interval.", source="adjtimex")
TIMEX_PPS_STABILITY = gauge(
    "node_timex_pps_stability_hertz", "Pulse per second: average of recent changes of frequency.", source="adjtimex"
)
TIMEX_PPS_JITTERS = counter(
    "node_timex_pps_jitter_total", "Pulse per second: how often jitter was beyond its limit.", source="adjtimex"
)
TIMEX_PPS_CALIBRATIONS = counter(
    "node_timex_pps_calibration_total", "Pulse per second: intervals of calibration.", source="adjtimex"
)
TIMEX_PPS_ERRORS = counter("node_timex_pps_error_total", "Pulse per second: errors of calibration.", source="adjtimex")
TIMEX_PPS_UNSTABLE = counter(
    "node_timex_pps_stability_exceeded_total",
    "Pulse per second: how often stability was beyond its limit.",
    source="adjtimex",
)
TIMEX_TAI_OFFSET = gauge(
    "node_timex_tai_offset_seconds", "How far International Atomic Time is ahead of UTC.", source="adjtimex"
)

FILEFD_ALLOCATED = gauge("node_filefd_allocated", "Open file handles.", source="/proc/sys/fs/file-nr")
FILEFD_MAXIMUM = gauge("node_filefd_maximum", "Most file handles that may be open.", source="/proc/sys/fs/file-nr")
ENTROPY_AVAILABLE = gauge("node_entropy_available_bits", "Entropy available.", source="/proc/sys/kernel/random")
ENTROPY_POOL_SIZE = gauge("node_entropy_pool_size_bits", "Size of the pool.", source="/proc/sys/kernel/random")
SELINUX_ENABLED = gauge("node_selinux_enabled", "1 where SELinux is in use, else 0.", source="/sys/fs/selinux")
SELINUX_CURRENT_MODE = gauge(
    "node_selinux_current_mode", "1 where SELinux enforces its policy, 0 where it only logs.", source="/sys/fs/selinux"
)

_MAJOR_MINOR: Final = re.compile(r"\d+(\.\d+)?")
_NANOSECONDS: Final = 0x2000  # STA_NANO: offset and jitter are in nanoseconds
_NOT_SYNCHRONIZED: Final = 5  # TIME_ERROR
# The kernel's struct timex as adjtimex(2) describes it: modes, offset, freq, maxerror, esterror, status, constant,
# precision, tolerance, time (two), tick, ppsfreq, jitter, shift, stabil, jitcnt, calcnt, errcnt, stbcnt, tai, and room.
_TIMEX: Final = struct.Struct("@I4li8li5li44x")
_PPM: Final = 1e6 * 65536  # parts per million with a fraction of 16 bits


@read
def uname(host: Host) -> Samples:
    """What the system calls itself."""
    system = os.uname()
    yield UNAME(
        1,
        domainname=_domainname(host),
        machine=system.machine,
        nodename=system.nodename,
        release=system.release,
        sysname=system.sysname,
        version=system.version,
    )


def _domainname(host: Host) -> str:
    try:
        return host.proc("sys/kernel/domainname").strip()
    except NotApplicable:  # the other names are worth more than this one
        return ""


@read(interval=300.0)
def os_release(host: Host) -> Samples:
    """Name and version of the distribution, from /etc/os-release."""
    fields = _os_release(host.rootfs)
    yield OS_INFO(1, **{label: fields.get(label.upper(), "") for label in _OS_LABELS})
    version = _MAJOR_MINOR.match(fields.get("VERSION_ID", ""))
    named = {label: fields.get(label.upper(), "") for label in OS_VERSION.labels}
    yield OS_VERSION(float(version[0]) if version else None, **named)
    end = fields.get("SUPPORT_END")
    yield OS_SUPPORT_END(datetime.fromisoformat(end).replace(tzinfo=UTC).timestamp() if end else None)


def _os_release(rootfs: str) -> dict[str, str]:
    for path in (Path(rootfs, "etc/os-release"), Path(rootfs, "usr/lib/os-release")):
        if path.exists():
            lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
            return {name.strip(): " ".join(shlex.split(value)) for name, _, value in pairs}
    raise NotApplicable("this system has no /etc/os-release")


@read
def clocksource(host: Host) -> Samples:
    """The clock sources that the kernel has, and the one it uses."""
    directory = "devices/system/clocksource"
    for name in host.list_sys(directory):
        if name.startswith("clocksource"):
            device = name.removeprefix("clocksource")
            for source in host.sys(f"{directory}/{name}/available_clocksource").split():
                yield CLOCKSOURCE_AVAILABLE(1, device=device, clocksource=source)
            yield CLOCKSOURCE_CURRENT(1, device=device, clocksource=host.sys(f"{directory}/{name}/current_clocksource"))


@functools.cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _adjtimex() -> tuple[int, tuple[int, ...]]:
    """Ask the kernel for the state of its clock and the figures of struct timex; the modes stay 0: nothing is set."""
    import ctypes

    buffer = ctypes.create_string_buffer(_TIMEX.size)
    state = int(_libc().adjtimex(buffer))
    if state < 0:
        raise _refusal(ctypes.get_errno())
    return state, _TIMEX.unpack(buffer.raw)


def _refusal(error: int) -> Exception:
    if error in (errno.EPERM, errno.EACCES, errno.ENOSYS):  # containers and sandboxes may forbid it
        return NotApplicable(f"adjtimex may not be called here: {os.strerror(error)}")
    return OSError(error, os.strerror(error), "adjtimex")


@read
def file_handles(host: Host) -> Samples:
    """Open file handles and how many may be, from /proc/sys/fs/file-nr."""
    allocated, _, maximum = _line(host, "sys/fs/file-nr").split()
    yield FILEFD_ALLOCATED(int(allocated))
    yield FILEFD_MAXIMUM(int(maximum))


@read
def entropy(host: Host) -> Samples:
    """The random number generator's entropy, from /proc/sys/kernel/random."""
    yield ENTROPY_AVAILABLE(int(_line(host, "sys/kernel/random/entropy_avail")))
    yield ENTROPY_POOL_SIZE(int(_line(host, "sys/kernel/random/poolsize")))


def _line(host: Host, path: str) -> str:
    line, newline, _ = host.proc(path).partition("\n")
    if not newline:
        raise Trouble(f"{host.procfs}/{path} is cut short")
    return line


@read
def selinux(host: Host) -> Samples:
    """Whether SELinux is in use and enforces its policy, from /sys/fs/selinux."""
    directories = host.list_sys("fs")
    if not directories:
        raise NotApplicable(f"{host.sysfs}/fs is not there to tell")
    if "selinux" not in directories:  # the kernel makes this directory where SELinux is in use
        yield SELINUX_ENABLED(0)
        return
    mode = host.sys("fs/selinux/enforce")  # absent where a container sees the directory and not what is in it
    yield SELINUX_ENABLED(1)
    yield SELINUX_CURRENT_MODE(int(mode))


@read
def timex(_host: Host) -> Samples:
    """How well the kernel's clock is kept, from adjtimex."""
    state, figures = _adjtimex()
    (_, offset, freq, maxerror, esterror, status, constant, _, _, _, _, tick, ppsfreq, jitter, shift, stabil,
     jitcnt, calcnt, errcnt, stbcnt, tai) = figures  # fmt: skip
    unit = 1e9 if status & _NANOSECONDS else 1e6
    yield TIMEX_SYNC_STATUS(state != _NOT_SYNCHRONIZED)
    yield TIMEX_OFFSET(offset / unit)
    yield TIMEX_FREQUENCY(1 + freq / _PPM)
    yield TIMEX_MAXERROR(maxerror / 1e6)
    yield TIMEX_ESTERROR(esterror / 1e6)
    yield TIMEX_STATUS(status)
    yield TIMEX_CONSTANT(constant)
    yield TIMEX_TICK(tick / 1e6)
    yield TIMEX_PPS_FREQUENCY(ppsfreq / _PPM)
    yield TIMEX_PPS_JITTER(jitter / unit)
    yield TIMEX_PPS_SHIFT(shift)
    yield TIMEX_PPS_STABILITY(stabil / _PPM)
    yield TIMEX_PPS_JITTERS(jitcnt)
    yield TIMEX_PPS_CALIBRATIONS(calcnt)
    yield TIMEX_PPS_ERRORS(errcnt)
    yield TIMEX_PPS_UNSTABLE(stbcnt)
    yield TIMEX_TAI_OFFSET(tai)
