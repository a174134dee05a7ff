"""The host elsewhere than on Linux: node_exporter's figures as far as psutil has them with the same meaning.

It runs on Linux too, where its tests compare it with the reads of Linux's own files.
"""

import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from exporter.collector import NotApplicable, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import (
    BOOT_TIME,
    CPU_SECONDS,
    DISK_IO_TIME,
    DISK_READ_BYTES,
    DISK_READ_TIME,
    DISK_READS,
    DISK_READS_MERGED,
    DISK_WRITE_TIME,
    DISK_WRITES,
    DISK_WRITES_MERGED,
    DISK_WRITTEN_BYTES,
    FILESYSTEM_AVAIL,
    FILESYSTEM_DEVICE_ERROR,
    FILESYSTEM_FREE,
    FILESYSTEM_READONLY,
    FILESYSTEM_SIZE,
    LOAD1,
    LOAD5,
    LOAD15,
    MEMORY_BYTES,
    MEMORY_MINIMUM,
    NETWORK_MTU_BYTES,
    NETWORK_RECEIVE_BYTES,
    NETWORK_RECEIVE_DROP,
    NETWORK_RECEIVE_ERRS,
    NETWORK_RECEIVE_PACKETS,
    NETWORK_SPEED_BYTES,
    NETWORK_TRANSMIT_BYTES,
    NETWORK_TRANSMIT_DROP,
    NETWORK_TRANSMIT_ERRS,
    NETWORK_TRANSMIT_PACKETS,
    NETWORK_UP,
    TIME,
    TIME_ZONE_OFFSET,
    UNAME,
)
from exporter.metric import Samples

# Windows' interrupt and dpc are left out: psutil's figure for `system` holds them already.
_MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

# What node_exporter shows on macOS and the BSDs; the rules that know Linux ask for MemTotal and its like.
_BSD_MEMORY: Final = ("total", "active", "inactive", "wired")

_DISK_COUNTS: Final = {
    "read_count": DISK_READS,
    "read_bytes": DISK_READ_BYTES,
    "read_merged_count": DISK_READS_MERGED,
    "write_count": DISK_WRITES,
    "write_bytes": DISK_WRITTEN_BYTES,
    "write_merged_count": DISK_WRITES_MERGED,
}
_DISK_MILLISECONDS: Final = {
    "read_time": DISK_READ_TIME,
    "write_time": DISK_WRITE_TIME,
    "busy_time": DISK_IO_TIME,
}
_NETWORK: Final = {
    "bytes_recv": NETWORK_RECEIVE_BYTES,
    "bytes_sent": NETWORK_TRANSMIT_BYTES,
    "packets_recv": NETWORK_RECEIVE_PACKETS,
    "packets_sent": NETWORK_TRANSMIT_PACKETS,
    "errin": NETWORK_RECEIVE_ERRS,
    "errout": NETWORK_TRANSMIT_ERRS,
    "dropin": NETWORK_RECEIVE_DROP,
    "dropout": NETWORK_TRANSMIT_DROP,
}
_COUNTS_DROPOUT: Final = sys.platform in ("linux", "win32")  # elsewhere psutil says 0 without knowing


@read
def cpu(_host: Host) -> Samples:
    """Time of each processor by mode."""
    import psutil

    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode, seconds in times._asdict().items():
            if mode in _MODES:
                yield CPU_SECONDS(seconds, cpu=str(number), mode=mode)


@read
def load(_host: Host) -> Samples:
    """Load averages, where the system keeps them."""
    if not hasattr(os, "getloadavg"):
        raise NotApplicable("this system keeps no load average")
    one, five, fifteen = os.getloadavg()
    yield LOAD1(one)
    yield LOAD5(five)
    yield LOAD15(fifteen)


@read
def boot(_host: Host) -> Samples:
    """When the host was booted."""
    import psutil

    yield BOOT_TIME(psutil.boot_time())


@read
def memory(host: Host) -> Samples:
    """Memory and swap: in all, free and available."""
    import psutil

    ram, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield MEMORY_BYTES.named("MemTotal")(ram.total)
    yield MEMORY_BYTES.named("MemFree")(ram.free)
    yield MEMORY_BYTES.named("MemAvailable")(ram.available)
    yield MEMORY_BYTES.named("SwapTotal")(swap.total)
    yield MEMORY_BYTES.named("SwapFree")(swap.free)
    if hasattr(ram, "wired"):
        yield from bsd_memory(ram, swap)
    yield MEMORY_MINIMUM(host.settings.memory_minimum)


def bsd_memory(ram: Any, swap: Any) -> Samples:
    """Yield memory under the names that node_exporter uses on macOS and the BSDs."""
    for name in _BSD_MEMORY:
        yield MEMORY_BYTES.named(name)(getattr(ram, name))
    yield MEMORY_BYTES.named("swap_total")(swap.total)
    yield MEMORY_BYTES.named("swap_used")(swap.used)


@read
def filesystem(host: Host) -> Samples:
    """Space of each local file system."""
    import psutil

    left_out = re.compile(host.settings.mount_points_exclude)
    types_left_out = re.compile(host.settings.fs_types_exclude)
    for mount in psutil.disk_partitions(all=False):
        if not left_out.search(mount.mountpoint) and not types_left_out.search(mount.fstype):
            yield from file_system(mount)


def file_system(mount: Any) -> Samples:
    """Yield the space of one mounted file system, or that it gave no figures: a drive without a disc does not."""
    import psutil

    labels = {"device": mount.device, "fstype": mount.fstype, "mountpoint": mount.mountpoint}
    try:
        usage = psutil.disk_usage(mount.mountpoint)
    except OSError as error:
        yield FILESYSTEM_DEVICE_ERROR(1, device_error=error.strerror or "", **labels)
        return
    labels["device_error"] = ""
    yield FILESYSTEM_SIZE(usage.total, **labels)
    yield FILESYSTEM_FREE(usage.total - usage.used, **labels)
    yield FILESYSTEM_AVAIL(usage.free, **labels)
    yield FILESYSTEM_READONLY("ro" in mount.opts.split(","), **labels)
    yield FILESYSTEM_DEVICE_ERROR(0, **labels)


@read
def disk(host: Host) -> Samples:
    """Reads and writes of each disk."""
    import psutil

    for device, counters in _kept(psutil.disk_io_counters(perdisk=True), host.settings.disk_devices_exclude):
        for name, value in counters._asdict().items():
            if name in _DISK_COUNTS:
                yield _DISK_COUNTS[name](value, device=device)
            elif name in _DISK_MILLISECONDS:
                yield _DISK_MILLISECONDS[name](value / 1000, device=device)


@read
def network(host: Host) -> Samples:
    """Traffic, errors and state of each network device."""
    import psutil

    left_out = host.settings.network_devices_exclude
    for device, counters in _kept(psutil.net_io_counters(pernic=True), left_out):
        for name, value in counters._asdict().items():
            if name != "dropout" or _COUNTS_DROPOUT:
                yield _NETWORK[name](value, device=device)
    for device, state in _kept(psutil.net_if_stats(), left_out):
        yield NETWORK_UP(state.isup, device=device)
        yield NETWORK_MTU_BYTES(state.mtu, device=device)
        yield NETWORK_SPEED_BYTES(state.speed * 125_000 or None, device=device)  # megabits; 0 is not known


def _kept(devices: dict[str, Any] | None, exclude: str) -> Iterator[tuple[str, Any]]:
    for device, figures in (devices or {}).items():
        if not (exclude and re.search(exclude, device)):
            yield device, figures


@read
def uname(_host: Host) -> Samples:
    """What the system calls itself."""
    name = platform.uname()
    yield UNAME(
        1,
        domainname="",
        machine=name.machine,
        nodename=name.node,
        release=name.release,
        sysname=name.system,
        version=name.version,
    )


@read
def clock(_host: Host) -> Samples:
    """The host's clock and its time zone."""
    now = time.time()
    yield TIME(now)
    local = time.localtime(now)
    yield TIME_ZONE_OFFSET(local.tm_gmtoff, time_zone=local.tm_zone)
