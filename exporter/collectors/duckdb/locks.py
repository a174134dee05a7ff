"""Who has a lock on a file, as the kernel tells: asked for without taking one, and without DuckDB."""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.duckdb.header import unreadable
from exporter.collectors.path.mounts import mount_of

Mode = Literal["read", "write"]
# struct flock: kind, whence, start, length (0: to the end of the file), process
_LOCK: Final = struct.Struct("@hhqqi0q")
_WRITE: Final = 1  # F_WRLCK, on Linux; by number, as not every system has fcntl
_MODES: Final[dict[int, Mode]] = {0: "read", _WRITE: "write"}


class Held(NamedTuple):
    """A lock that a process has on the file."""

    pid: str
    mode: Mode


class Locks:
    """The locks on one file, which is open meanwhile.

    Closing it drops the locks that this very process has on it, so the exporter must never have DuckDB open on it.
    """

    def __init__(self, path: str, handle: int, procfs: str) -> None:
        self._path = path
        self._handle = handle
        self._procfs = procfs
        told = fdinfo("/proc/self", handle).get("ino")  # stat has another on overlayfs; it is there from Linux 5.14 on
        self.inode = int(told) if told else os.fstat(handle).st_ino

    def mode(self) -> Mode | None:
        """Return how the file is locked, wherever the process that has the lock runs; None where it is not."""
        # a lock for writing would be refused by whatever lock another process has
        import fcntl

        wanted = _LOCK.pack(_WRITE, os.SEEK_SET, 0, 0, 0)
        try:
            found = _LOCK.unpack(fcntl.fcntl(self._handle, fcntl.F_GETLK, wanted))[0]
        except OSError as error:
            raise Trouble(f"{self._path}: its file system does not tell of locks ({error.strerror})") from None
        return _MODES.get(found)

    def held(self) -> list[Held]:
        """Return the locks of processes that this /proc shows."""
        place = self._place()
        try:
            with open(f"{self._procfs}/locks", encoding="ascii") as lines:
                return [lock for line in lines if (lock := _lock(line, place)) is not None]
        except OSError as error:
            raise Trouble(f"{self._procfs}/locks cannot be read: {error.strerror}", "correct `procfs`") from None

    def _place(self) -> str:
        """Return the file as /proc/locks names it; on btrfs stat has another device."""
        major, _, minor = mount_of(self._path).number.partition(":")
        return f"{int(major):02x}:{int(minor):02x}:{self.inode}"


def fdinfo(process: str, descriptor: int | str) -> dict[str, str]:
    """Return what the kernel tells of an open file, by name."""
    with open(f"{process}/fdinfo/{descriptor}", encoding="ascii") as lines:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@contextmanager
def locks_of(path: str, procfs: str) -> Iterator[Locks]:
    """Hold a file open to ask about its locks."""
    if sys.platform != "linux":
        raise NotApplicable("locks are read from Linux's /proc, and this is another system")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        yield Locks(path, handle, procfs)
    finally:
        os.close(handle)


def _lock(line: str, place: str) -> Held | None:
    # 2: POSIX  ADVISORY  WRITE 10706 fe:00:2146567 0 EOF
    words = line.split()
    if len(words) < 8 or words[1] != "POSIX" or words[5] != place:  # who waits for one has `->` before the kind
        return None
    return Held(words[4], "write" if words[3] == "WRITE" else "read")
