"""Whether what a place holds is encrypted before it reaches a disk."""

import errno
import math
import os
import struct
import time
from collections.abc import Iterable
from typing import Final

from exporter.collectors.path.mounts import Mount, mount_of
from exporter.collectors.path.places import GONE

ENCRYPTING: Final = frozenset(
    {"ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs", "fuse.securefs", "fuse.veracrypt"}
)
# Kinds of `dm/uuid` by cryptsetup that encrypt; VERITY and INTEGRITY only notice changes.
_KINDS: Final = frozenset({"LUKS1", "LUKS2", "PLAIN", "LOOPAES", "TCRYPT", "BITLK", "FVAULT2"})
_BY_FOLDER: Final = frozenset({"ext4", "f2fs", "ubifs", "ceph"})
_GET_POLICY: Final = 0xC0096616  # FS_IOC_GET_ENCRYPTION_POLICY_EX
_NO_POLICY: Final = (errno.ENODATA, errno.ENOTTY, errno.EOPNOTSUPP)
_DEEPEST: Final = 16
_REMEMBERED: Final = 300.0  # seconds


class Remembered:
    """What was found of each place; it is looked at anew after some minutes."""

    def __init__(self, sysfs: str) -> None:
        self._sysfs = sysfs
        self._found: dict[str, tuple[float, bool | None]] = {}

    def of(self, place: str) -> bool | None:
        """Tell whether this host encrypts what the place holds, None where that cannot be known."""
        now = time.monotonic()
        looked, found = self._found.get(place, (-math.inf, None))
        if now - looked > _REMEMBERED:
            looked, found = self._found[place] = now, encrypted(place, self._sysfs)
        return found


def encrypted(place: str, sysfs: str) -> bool | None:
    """Tell whether this host encrypts what the place holds, None where that cannot be known."""
    return _encrypted(place, sysfs, 0)


def _encrypted(place: str, sysfs: str, depth: int) -> bool | None:
    mount = mount_of(place)
    if mount.fstype in ENCRYPTING:
        return True
    found = _all(_of_device(number, sysfs, depth) for number in _numbers(mount, sysfs))
    if found is True or mount.fstype not in _BY_FOLDER:
        return found
    by_folder = _has_policy(place)
    return by_folder if by_folder is not False else found


def _numbers(mount: Mount, sysfs: str) -> list[str]:
    """Return the block devices that a file system lies on."""
    if not mount.number.startswith("0:"):
        return [mount.number]
    if not mount.source.startswith("/dev/"):
        return []
    name = os.path.basename(os.path.realpath(mount.source))
    for devices in _folders(f"{sysfs}/fs/btrfs"):
        names = _names(f"{devices}/devices")
        if name in names:
            return [_text(f"{devices}/devices/{one}/dev") for one in names]
    return [_text(f"{sysfs}/class/block/{name}/dev")]


def _of_device(number: str, sysfs: str, depth: int) -> bool | None:
    """Tell of one block device whether it encrypts, or all that it is made of."""
    folder = f"{sysfs}/dev/block/{number}"
    if depth > _DEEPEST or not number or not os.path.isdir(folder):
        return None
    mapped = _text(f"{folder}/dm/uuid")
    if mapped.startswith("CRYPT-") and mapped.split("-")[1] in _KINDS:
        return True
    below = [_text(f"{folder}/slaves/{name}/dev") for name in _names(f"{folder}/slaves")]
    if not below and os.path.exists(f"{folder}/partition"):
        below = [_text(f"{os.path.dirname(os.path.realpath(folder))}/dev")]
    if below:
        return _all(_of_device(one, sysfs, depth + 1) for one in below)
    if backing := _text(f"{folder}/loop/backing_file"):
        return _encrypted(backing, sysfs, depth + 1) if os.path.exists(backing) else None
    return None if os.path.isdir(f"{folder}/dm") else False


def _all(parts: Iterable[bool | None]) -> bool | None:
    """Return whether all are; of none nothing is known."""
    found = list(parts)
    if False in found:
        return False
    return True if found and None not in found else None


def _has_policy(place: str) -> bool | None:
    """Tell whether the folder is encrypted by the file system itself (fscrypt)."""
    import fcntl

    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.ioctl(descriptor, _GET_POLICY, struct.pack("Q24x", 24))
    except OSError as error:
        return False if error.errno in _NO_POLICY else None
    finally:
        os.close(descriptor)
    return True


def _folders(path: str) -> list[str]:
    return [f"{path}/{name}" for name in _names(path)]


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except GONE:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
