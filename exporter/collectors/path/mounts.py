"""On which mount a place lies, as the kernel says."""

import os
import re
from typing import Final, NamedTuple

from exporter.collector import Trouble

_O_PATH: Final = getattr(os, "O_PATH", 0)
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_HOST: Final = 0xEFFFFFFC  # the number of the namespace of processes that the kernel begins with


class Mount(NamedTuple):
    """A mount: its device number as `major:minor`, file system type, what is mounted, and whether read-only.

    A file system may be read-only as a whole, or only where it is mounted here.
    """

    number: str
    fstype: str
    source: str
    readonly_here: bool = False
    readonly: bool = False


def mount_of(path: str) -> Mount:
    """Return the mount of a place; a number would not do, as subvolumes have numbers that no mount has."""
    descriptor = os.open(path, _O_PATH | os.O_CLOEXEC)
    try:
        fields = dict(line.split(":", 1) for line in _lines(f"/proc/self/fdinfo/{descriptor}") if ":" in line)
    finally:
        os.close(descriptor)
    identity = fields["mnt_id"].strip()
    for line in _lines("/proc/self/mountinfo"):
        if line.startswith(f"{identity} "):
            return _mount(line)
    raise Trouble("the mount of a path is not in the mount table of this process")


def is_read_only(mount: Mount, path: str) -> bool | None:
    """Tell whether a place on the mount is read-only; None where that may be so for this process alone."""
    if mount.readonly or not mount.readonly_here:
        return mount.readonly
    # a unit's ProtectSystem=, or a volume of a container, takes from the exporter what the service may have
    try:
        if os.stat("/proc/self/ns/pid").st_ino != _HOST:
            return None
        return covering(_lines("/proc/1/mountinfo"), path).readonly_here
    except (OSError, Trouble):
        return None


def covering(table: list[str], path: str) -> Mount:
    """Return the mount of the table that a place lies on: the last of those nearest to it."""
    best, found = "", ""
    for line in table:
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), line.split(" ", 5)[4])
        if len(point) >= len(best) and f"{path}/".startswith(f"{point.rstrip('/')}/"):
            best, found = point, line
    if not found:
        raise Trouble("a mount table has no root")
    return _mount(found)


def _mount(line: str) -> Mount:
    # 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/root rw,errors=continue
    place, _, kind = line.rstrip("\n").partition(" - ")
    words = place.split(" ", 6)
    fstype, source, options = kind.split(" ", 2)
    return Mount(words[2], fstype, source, "ro" in words[5].split(","), "ro" in options.split(","))


def _lines(file: str) -> list[str]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            return lines.readlines()
    except OSError as error:
        # as it is raised it would be taken for the place that is gone
        raise Trouble(f"{file} cannot be read: {error.strerror}") from None
