"""File systems: their room, their inodes, and the ones that do not answer."""

import os
import re
from functools import lru_cache, partial
from typing import Final, NamedTuple

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import (
    FILESYSTEM_AVAIL,
    FILESYSTEM_DEVICE_ERROR,
    FILESYSTEM_FILES,
    FILESYSTEM_FILES_FREE,
    FILESYSTEM_FREE,
    FILESYSTEM_READONLY,
    FILESYSTEM_SIZE,
)
from exporter.metric import Samples, info
from exporter.patience import NoAnswer

MOUNT_INFO = info(
    "node_filesystem_mount_info",
    "The device number of what is mounted.",
    labels=("device", "major", "minor", "mountpoint"),
    source="/proc/1/mountinfo",
)

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_READ_ONLY: Final = frozenset({"ro"})


class Mount(NamedTuple):
    """One line of the mount table; `path` is where this process sees the mount point."""

    id: str
    major: str
    minor: str
    device: str
    fstype: str
    mountpoint: str
    path: str
    readonly: bool


@read
def filesystem(host: Host) -> Samples:
    """Room and inodes of each mounted file system, from the mount table and statvfs."""
    settings = host.settings
    mounts = _mounts(_table(host), host.rootfs, settings.mount_points_exclude, settings.fs_types_exclude)
    answers = host.patience.run({(mount.id, mount.path): partial(os.statvfs, mount.path) for mount in mounts})
    for mount in mounts:
        yield from _samples(mount, answers[mount.id, mount.path])


@read
def filesystem_hanging(host: Host) -> Samples:
    """No metrics: fails where a file system does not answer, and names it."""
    paths = [key[1] for key in host.patience.hanging() if isinstance(key, tuple)]
    if paths:
        raise Trouble(f"no answer from {', '.join(paths)}", "see to its server, or unmount it with `umount -l`")
    yield from ()


def _samples(mount: Mount, answer: os.statvfs_result | Exception) -> Samples:
    error = _error(answer)
    labels = {"device": mount.device, "device_error": error, "fstype": mount.fstype, "mountpoint": mount.mountpoint}
    yield FILESYSTEM_DEVICE_ERROR(1 if error else 0, **labels)
    yield FILESYSTEM_READONLY(1 if mount.readonly else 0, **labels)
    yield MOUNT_INFO(1, device=mount.device, major=mount.major, minor=mount.minor, mountpoint=mount.mountpoint)
    if isinstance(answer, Exception):
        return
    if answer.f_blocks:  # a file system always has blocks and inodes; 0 says that it does not count them
        yield FILESYSTEM_SIZE(answer.f_blocks * answer.f_frsize, **labels)
        yield FILESYSTEM_FREE(answer.f_bfree * answer.f_frsize, **labels)
        yield FILESYSTEM_AVAIL(answer.f_bavail * answer.f_frsize, **labels)
    if answer.f_files:
        yield FILESYSTEM_FILES(answer.f_files, **labels)
        yield FILESYSTEM_FILES_FREE(answer.f_ffree, **labels)


def _error(answer: os.statvfs_result | Exception) -> str:
    if isinstance(answer, NoAnswer):
        return "mountpoint timeout"  # node_exporter's words
    if isinstance(answer, OSError) and answer.errno:
        return os.strerror(answer.errno).lower()
    if isinstance(answer, Exception):
        raise answer
    return ""


def _table(host: Host) -> str:
    # the host's mounts, which a service's own namespace may lack
    try:
        return host.proc("1/mountinfo")
    except (NotApplicable, PermissionError):
        return host.proc("self/mountinfo")


@lru_cache(maxsize=8)  # the table seldom changes, and is longer than what is shown of it
def _mounts(table: str, rootfs: str, mount_points_exclude: str, fs_types_exclude: str) -> tuple[Mount, ...]:
    """Return the mounts to show; of several on one mount point, only the last can be seen."""
    if not table.endswith("\n"):
        raise Trouble("the mount table is empty, or ends in the middle of a line")
    mounts = [_mount(rootfs.rstrip("/"), line) for line in table[:-1].split("\n")]
    seen = {mount.path: mount for mount in mounts}
    return tuple(
        mount
        for mount in seen.values()
        if not _excluded(mount_points_exclude, mount.mountpoint) and not _excluded(fs_types_exclude, mount.fstype)
    )


def _mount(rootfs: str, line: str) -> Mount:
    # 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/root rw,errors=continue
    place, _, kind = line.partition(" - ")
    try:
        id, _, number, _, mountpoint, options, *_ = place.split(" ")
        fstype, device, super_options = kind.split(" ", 2)
    except ValueError:
        raise Trouble(f"the mount table has a line that is not understood: {line!r}") from None
    major, _, minor = number.partition(":")
    mountpoint = _within(rootfs, _decoded(mountpoint))
    readonly = not _READ_ONLY.isdisjoint(options.split(",") + super_options.split(","))
    path = f"{rootfs}{mountpoint}"
    return Mount(id, major, minor, _decoded(device), _decoded(fstype), mountpoint, path, readonly)


def _decoded(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


def _within(rootfs: str, mountpoint: str) -> str:
    """Return the mount point as the host sees it: without the place where its root is mounted for this process."""
    if mountpoint == rootfs:
        return "/"
    return mountpoint.removeprefix(rootfs) if mountpoint.startswith(f"{rootfs}/") else mountpoint


def _excluded(pattern: str, text: str) -> bool:
    return bool(pattern and re.search(pattern, text))
