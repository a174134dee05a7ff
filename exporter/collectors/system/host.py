"""The session of the collector `system`: the host's files, wherever they are mounted."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from exporter.collector import NotApplicable
from exporter.patience import Patience

_CHUNK = 1 << 16
_SLOWEST = 2.5  # seconds for all devices of a kind: a management controller takes its time, but less than a round has
_DIRECTORY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_DIRECTORY", 0)
_FILE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)

Kept = TypeVar("Kept")


class Host:
    """Reads files of /proc and /sys; paths are given below them, as "net/dev". There is one for each target.

    `round` is the number of the round under way; `patience` and `hardware` wait for file systems and for devices.
    """

    __slots__ = ("_kept", "hardware", "patience", "procfs", "rootfs", "round", "settings", "sysfs")

    def __init__(self, procfs: str, sysfs: str, rootfs: str, settings: Any, patience: Patience | None = None) -> None:
        self.procfs = procfs
        self.sysfs = sysfs
        self.rootfs = rootfs
        self.settings = settings
        self.round = 0
        self.patience = patience or Patience(settings.mount_timeout)
        self.hardware = Patience(_SLOWEST)
        self._kept: dict[Any, Any] = {}

    def close(self) -> None:
        """Let go of the threads that wait."""
        self.patience.close()
        self.hardware.close()

    def kept(self, make: Callable[[], Kept]) -> Kept:
        """Return what `make` made when it was first asked for: what a read remembers from one round to the next."""
        if make not in self._kept:
            self._kept[make] = make()
        found: Kept = self._kept[make]
        return found

    def proc(self, path: str) -> str:
        """Return a file of /proc; where the kernel has no such file, the read does not apply."""
        return _text(f"{self.procfs}/{path}")

    def sys(self, path: str) -> str:
        """Return a file of /sys without its closing newline; where there is none, the read does not apply."""
        return _text(f"{self.sysfs}/{path}").strip()

    def list_sys(self, path: str) -> list[str]:
        """Return the names in a directory of /sys in order, none where the kernel has no such directory."""
        try:
            return sorted(os.listdir(f"{self.sysfs}/{path}"))
        except FileNotFoundError:
            return []

    def sys_or_none(self, path: str) -> str | None:
        """Return a file of /sys, or None where it is absent or its device gives no value just now."""
        try:
            return self.sys(path)
        except (NotApplicable, OSError):
            return None

    def sys_files(self, path: str, names: Sequence[str]) -> list[str | None]:
        """Return files of one directory of /sys, None for each that is absent or has no value just now."""
        # opened below their directory, files cost half of what a whole path costs
        try:
            at = os.open(f"{self.sysfs}/{path}", _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return [None] * len(names)
        try:
            return [_attribute(name, at) for name in names]
        finally:
            os.close(at)


def _text(path: str) -> str:
    # os.read instead of open(): half the cost, and a page of the host reads dozens of such files
    try:
        handle = os.open(path, _FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise NotApplicable(f"this kernel has no {path}") from None
    try:
        parts = []
        while part := os.read(handle, _CHUNK):
            parts.append(part)
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _attribute(name: str, at: int) -> str | None:
    try:
        handle = os.open(name, _FILE, dir_fd=at)
    except OSError:
        return None
    try:
        return os.read(handle, 4096).decode("utf-8", "replace").strip()
    except OSError:  # a driver's way to say that there is no value
        return None
    finally:
        os.close(handle)


def number(text: str | None) -> int | None:
    """Return the number in a file of /sys, None where there is none."""
    try:
        return int(text, 0) if text else None
    except ValueError:
        return None


def numbered(host: Host, path: str, prefix: str) -> list[str]:
    """Return the numbers N of the entries <prefix>N of a directory of /sys."""
    numbers = [name.removeprefix(prefix) for name in host.list_sys(path) if name.startswith(prefix)]
    return sorted(filter(str.isdecimal, numbers), key=int)
