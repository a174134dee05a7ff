"""Which locks others hold on a SQLite file, asked without taking any: https://www.sqlite.org/lockingv3.html"""

import contextlib
import os
import struct
import sys
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.collectors._sqlite.trouble import Shut

# as sqlite3's os_unix.c has them
_PENDING: Final = 0x40000000
_RESERVED: Final = _PENDING + 1
_SHARED: Final = _PENDING + 2
_SHARED_SIZE: Final = 510
_WAL_WRITE: Final = 120  # in the -shm
_FLOCK: Final = struct.Struct("@hhqqi")  # Linux', where an offset has eight bytes
_NAP: Final = 0.005
TOLD: Final = sys.platform.startswith("linux")
"""Whether the system tells, and how that is read is known."""


class Holder(NamedTuple):
    """The process that holds a lock; 0 where it is in another container."""

    pid: int


def holder(descriptor: int, start: int, length: int = 1) -> Holder | None:
    """Return who keeps others from reading these bytes; None where nobody does, or the system does not say."""
    if not TOLD:
        return None
    import fcntl  # not on every system

    asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
    kind, *_, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)[: _FLOCK.size])
    return None if kind == fcntl.F_UNLCK else Holder(max(0, pid))


def writer(database: int) -> Holder | None:
    """Return who writes, or waits to, in a database with a rollback journal."""
    return holder(database, _PENDING, 2) or excluder(database)


def excluder(database: int) -> Holder | None:
    """Return who keeps all readers out."""
    return holder(database, _SHARED, _SHARED_SIZE)


def wal_writer(shm: int) -> Holder | None:
    """Return who writes in a database in WAL mode."""
    return holder(shm, _WAL_WRITE)


@contextlib.contextmanager
def shared(database: int, until: float) -> Iterator[None]:
    """Hold the lock that every reader has, so that nobody takes the WAL away; to be had until that monotonic time.

    The end of a SQLite connection of this process to the same file lets go of it as well.
    """
    import fcntl  # not on every system

    while True:
        try:
            fcntl.lockf(database, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED)
            break
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                raise shut(excluder(database)) from None
            time.sleep(_NAP)
    try:
        yield
    finally:
        fcntl.lockf(database, fcntl.LOCK_UN)


def shut(by: Holder | None) -> Shut:
    """Return that readers are kept out."""
    who = f"the process {named(by)}" if by else "another process"
    fix = "end its transaction, or have it not use `PRAGMA locking_mode = EXCLUSIVE`"
    return Shut(f"{who} holds it exclusively: nobody can read it", fix)


def named(by: Holder) -> str:
    """Return a process by its number and its name."""
    try:
        with open(f"/proc/{by.pid}/comm", encoding="utf-8", errors="replace") as file:
            return f"{by.pid} ({file.read().strip()})"
    except OSError:
        return str(by.pid) if by.pid else "of another container"
