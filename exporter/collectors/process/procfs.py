"""Files of /proc, read below one open directory; a process that has vanished is told apart from one that is denied."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from exporter.collector import Trouble

_CHUNK: Final = 4096
_LONGEST: Final = 1 << 18
_FILE: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_DIRECTORY: Final = _FILE | getattr(os, "O_DIRECTORY", 0)
_GONE: Final = (FileNotFoundError, ProcessLookupError, NotADirectoryError)
_ROOT_INODE: Final = 1  # of /proc itself: a copy of it in a folder has another


class Procfs:
    """A mounted /proc. Paths are given below it, and never stand in an error: a pid names nothing that lasts."""

    __slots__ = ("_at", "_counts", "_is_real", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._at = -1
        self._is_real = self._counts = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the directory open: files below it cost less, and all are of one mount."""
        self._at = os.open(self.path, _DIRECTORY)
        try:
            self._is_real = os.fstat(self._at).st_ino == _ROOT_INODE
            self._counts = self._counts or (self._is_real and self._size("self") > 0)
            yield
        finally:
            os.close(self._at)
            self._at = -1

    def pids(self) -> list[str]:
        return [name for name in os.listdir(self._at) if name.isdecimal()]

    def read(self, path: str) -> bytes | None:
        """Return the file, None where its process is gone; PermissionError where it may not be read."""
        # os.read instead of open(): half the cost, and there are thousands of files
        try:
            handle = os.open(path, _FILE, dir_fd=self._at)
            try:
                return _all(handle)
            finally:
                os.close(handle)
        except _GONE:
            return None
        except PermissionError:
            raise
        except OSError as error:
            raise Trouble(f"{_without_pid(path)} cannot be read: {error.strerror}") from None

    def threads(self, pid: str) -> list[str]:
        """Return the ids of the process's threads, none where it is gone."""
        return self._names(f"{pid}/task")

    def descriptors(self, pid: str) -> int:
        """Return how many descriptors the process has open; PermissionError where the kernel does not tell."""
        size = self._size(pid)
        if self._is_real and size > 0:  # since Linux 6.2 the directory's size is their number, for whoever asks
            self._counts = True
            return size
        try:
            return len(self._names(f"{pid}/fd"))
        except PermissionError:
            if self._counts:
                return 0
            raise

    def _size(self, pid: str) -> int:
        try:
            return os.stat(f"{pid}/fd", dir_fd=self._at).st_size
        except _GONE:
            return 0

    def _names(self, path: str) -> list[str]:
        try:
            handle = os.open(path, _DIRECTORY, dir_fd=self._at)
            try:
                return os.listdir(handle)
            finally:
                os.close(handle)
        except _GONE:
            return []


def _all(handle: int) -> bytes:
    data = part = os.read(handle, _CHUNK)
    while len(part) == _CHUNK and len(data) < _LONGEST:
        part = os.read(handle, _CHUNK)
        data += part
    return data


def _without_pid(path: str) -> str:
    return f"/proc/PID/{path.rpartition('/')[2]}" if path[:1].isdecimal() else f"/proc/{path}"
