"""Which processes have a file open, found by what /proc shows of their descriptors."""

import os
from collections.abc import Iterator, Mapping
from typing import Final

from exporter.collectors.duckdb.locks import fdinfo
from exporter.collectors.process.procfs import Procfs

_DELETED: Final = " (deleted)"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_GONE: Final = (FileNotFoundError, ProcessLookupError)
_FOR_READING: Final = os.O_RDONLY


class Scan:
    """One look at the descriptors of all processes.

    `open` are those that have the file open, `writers` those of them that have it open for writing, `replaced` those
    that have open what was at its path before; of `denied` processes the descriptors may not be seen. The files
    themselves are not asked, since one that hangs somewhere else would hang here as well.
    """

    def __init__(self, procfs: Procfs, path: str, inode: int, locking: set[str]) -> None:
        self.open: set[str] = set()
        self.writers: set[str] = set()
        self.replaced: set[str] = set()
        self.denied = 0
        self._procfs = procfs.path
        self._inode = str(inode)
        self._path = os.path.realpath(path)
        self._name = f"/{os.path.basename(self._path)}"
        for pid in procfs.pids():
            try:
                self._look(pid, everywhere=pid in locking)
            except PermissionError:
                self.denied += 1
            except _GONE:
                continue

    def _look(self, pid: str, *, everywhere: bool) -> None:
        process = f"{self._procfs}/{pid}"
        for descriptor, place in _links(f"{process}/fd"):
            # in another container the file may have another name, but whoever has a lock on it has it open
            if everywhere or place.removesuffix(_DELETED).endswith(self._name):
                try:
                    self._note(pid, place, fdinfo(process, descriptor))
                except FileNotFoundError:  # it was closed meanwhile
                    continue

    def _note(self, pid: str, place: str, told: Mapping[str, str]) -> None:
        if told.get("ino") == self._inode:
            self.open.add(pid)
            if int(told["flags"], 8) & os.O_ACCMODE != _FOR_READING:
                self.writers.add(pid)
        elif place == self._path + _DELETED:
            self.replaced.add(pid)


def _links(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the descriptors of a process, and what each is open on."""
    handle = os.open(folder, _FOLDER)
    try:
        for name in os.listdir(handle):
            try:
                yield name, os.readlink(name, dir_fd=handle)
            except FileNotFoundError:
                continue
    finally:
        os.close(handle)
