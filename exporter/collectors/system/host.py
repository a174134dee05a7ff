"""The session of the collector `system`: the host's files, wherever they are mounted."""

import os
from collections.abc import Iterator
from typing import Any

from exporter.collector import NotApplicable

_CHUNK = 1 << 16


class Host:
    """Reads files of /proc and /sys; paths are given below them, as "net/dev"."""

    __slots__ = ("procfs", "rootfs", "settings", "sysfs")

    def __init__(self, procfs: str, sysfs: str, rootfs: str, settings: Any) -> None:
        self.procfs = procfs
        self.sysfs = sysfs
        self.rootfs = rootfs
        self.settings = settings

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

    def lines(self, path: str) -> Iterator[list[str]]:
        """Yield the fields of each line of a file of /proc."""
        for line in self.proc(path).splitlines():
            yield line.split()


def _text(path: str) -> str:
    # os.read instead of open(): half the cost, and a page of the host reads dozens of such files
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise NotApplicable(f"this kernel has no {path}") from None
    try:
        parts = []
        while part := os.read(handle, _CHUNK):
            parts.append(part)
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "surrogateescape")
