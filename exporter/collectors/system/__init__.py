"""The host: what node_exporter shows, under its names; on Linux from /proc and /sys, elsewhere from psutil."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context, Trouble
from exporter.collectors.system.host import Host
from exporter.setting import Bytes, FilePath, Pattern, Seconds, setting


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where the host's files are seen, and what to leave out."""

    procfs: str = setting("/proc", help="Where the host's /proc is mounted.", example="/host/proc")
    sysfs: str = setting("/sys", help="Where the host's /sys is mounted.", example="/host/sys")
    rootfs: str = setting(
        "/", help="Where the host's / is mounted; mount points are shown without it.", example="/host"
    )
    mount_points_exclude: Pattern = setting(
        r"^/(dev|proc|sys|run/credentials/.+|run/user/.+|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        help="Regular expression of mount points to leave out.",
    )
    fs_types_exclude: Pattern = setting(
        r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|iso9660"
        r"|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
        help="Regular expression of file system types to leave out: those that hold no data of their own.",
    )
    mount_timeout: Seconds = setting(
        1.0,
        help="How long a file system may take to answer before it is shown with node_filesystem_device_error 1, "
        "or the text files on it are given up.",
    )
    disk_devices_exclude: Pattern = setting(
        r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$", help="Regular expression of block devices to leave out."
    )
    network_devices_exclude: Pattern = setting(
        "", help="Regular expression of network devices to leave out.", example="^veth"
    )
    memory_minimum: Bytes | None = setting(
        None,
        help="How much memory the applications of this host ask for; below it HostMemoryBelowMinimum says so. Ask for "
        "a little less than the machine is sold with: of 4 GB the kernel shows some 3.8.",
        example="3.8GB",
    )
    textfile_directory: FilePath = setting(
        "", help="Directory of *.prom files whose metrics are shown as they are.", example="/var/lib/node_exporter"
    )


def _groups() -> tuple[ModuleType, ...]:
    if sys.platform != "linux":
        from exporter.collectors.system import portable

        return (portable,)
    from exporter.collectors.system import (
        cpu,
        disk,
        filesystem,
        hardware,
        kernel,
        memory,
        netstat,
        network,
        raid,
        sensors,
        sockets,
        textfile,
    )  # fmt: skip

    return cpu, memory, filesystem, disk, raid, network, netstat, sockets, kernel, sensors, hardware, textfile


def _check_places(settings: HostSettings) -> None:
    """Refuse a /proc or /sys that is none: every file would be missing, and a missing file does not apply."""
    if sys.platform != "linux":
        return
    if not os.path.exists(f"{settings.procfs}/stat"):
        raise Trouble(
            f"{settings.procfs} is no /proc: it has no file `stat`", "mount the host's, or correct host.procfs"
        )
    if not os.path.isdir(f"{settings.sysfs}/class"):
        raise Trouble(f"{settings.sysfs} is no /sys: it has no `class`", "mount the host's, or correct host.sysfs")
    if not os.path.isdir(settings.rootfs):
        raise Trouble(f"there is no directory {settings.rootfs}", "mount the host's / there, or correct host.rootfs")


class System(Collector[Host]):
    """The host that the exporter runs on."""

    job = "node"
    Settings = HostSettings
    groups: ClassVar[tuple[ModuleType, ...]] = _groups()

    def __init__(self, settings: HostSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._host = Host(settings.procfs, settings.sysfs, settings.rootfs, settings)

    @contextmanager
    def connect(self) -> Iterator[Host]:
        _check_places(self.settings)
        self._host.round += 1
        yield self._host

    def close(self) -> None:
        self._host.close()
