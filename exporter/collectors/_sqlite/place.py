"""A SQLite file, what lies beside it, and its state at rest."""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.collectors._sqlite import header, locks
from exporter.collectors._sqlite.header import Header
from exporter.collectors._sqlite.trouble import Changed, NotApplicable, Shut, Trouble, unreachable

NAP: Final = 0.005
_TICK: Final = 0.03  # seconds; the clock of a file's times goes in steps of up to ten milliseconds
_COARSE_TICK: Final = 2.1  # where they are kept in whole seconds, or two
_LEFT: Final = 0.2  # seconds until a journal without a writer counts as left behind
_BILLION: Final = 1_000_000_000


class State(NamedTuple):
    """What changes whenever something is written to a file, or another takes its place."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Place(NamedTuple):
    """Where a database lies."""

    path: str

    @property
    def wal(self) -> str:
        return f"{self.path}-wal"

    @property
    def shm(self) -> str:
        return f"{self.path}-shm"

    @property
    def journal(self) -> str:
        return f"{self.path}-journal"

    def state(self) -> State:
        """Return the state of the database's file; Trouble where it is none."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise unreachable(self.path, error) from None
        if stat.S_ISDIR(found.st_mode):
            raise Trouble(f"{self.path} is a directory", "give the path of the database's file")
        if not stat.S_ISREG(found.st_mode):
            raise Trouble(f"{self.path} is no regular file", "give the path of the database's file")
        return State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Open the file itself; a process that has it open by SQLite must not, as that would lose SQLite's locks."""
        self.state()  # what is no regular file may hang when it is opened
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise unreachable(self.path, error) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def is_live_wal(self) -> bool:
        """Tell whether there is a WAL with its index, as beside a database in WAL mode that somebody has open."""
        return size_of(self.wal) is not None and size_of(self.shm) is not None

    def at_rest(self, until: float) -> State:
        """Return the state once nothing was written for so long that the next write will change it."""
        while True:
            found = self.state()
            tick = _TICK if found.modified % _BILLION else _COARSE_TICK
            age = time.time() - found.modified / _BILLION
            if age > tick or age < -tick:
                return found
            if time.monotonic() > until:
                raise changed()
            time.sleep(NAP)

    def header(self, database: int, until: float) -> Header | None:
        """Return the header as it was committed, None of an empty file; Trouble where that is not to be had."""
        journal = _Journal(self.journal)
        while True:
            try:
                return _committed(self.path, database, journal)
            except (Shut, Changed) as trouble:
                if time.monotonic() > until:
                    raise _kept(database, trouble) from None
            time.sleep(NAP)


def is_wal(database: int) -> bool:
    """Tell whether the header names WAL mode, whoever holds what lock."""
    return os.pread(database, 1, 19) == b"\2"


def _kept(database: int, trouble: Trouble) -> Trouble:
    """Return the trouble; in WAL mode only `PRAGMA locking_mode = EXCLUSIVE` keeps others out for longer."""
    if isinstance(trouble, Shut) and is_wal(database):
        return NotApplicable(f"{trouble}, as its locking_mode is EXCLUSIVE", "have it use the NORMAL mode")
    return trouble


def _committed(path: str, database: int, journal: "_Journal") -> Header | None:
    if (by := locks.excluder(database)) is not None:
        raise locks.shut(by)
    journal.look(database)
    found = _read(path, database)
    if locks.excluder(database) is None and _read(path, database) == found:
        return found
    raise changed()


class _Journal:
    """The rollback journal, which a transaction that was broken off leaves behind."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left: tuple[int, int] | None = None
        self._since = 0.0

    def look(self, database: int) -> None:
        """Raise where a journal waits to be rolled back; one that ends just now may look the same for a moment."""
        before, self._left = self._left, self._found(database)
        if self._left is None:
            return
        if self._left != before:
            self._since = time.monotonic()
        if time.monotonic() - self._since > _LEFT:
            fix = f"start the application, or open it once as its user with sqlite3; never delete {self._path}"
            raise Trouble("a transaction was broken off, and waits in the journal to be rolled back", fix)
        raise changed()

    def _found(self, database: int) -> tuple[int, int] | None:
        """Return what tells a journal with something in it from others, unless somebody writes."""
        try:
            with open(self._path, "rb") as file:
                begin, found = file.read(1), os.fstat(file.fileno())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreachable(self._path, error) from None
        if begin in (b"", b"\0") or locks.writer(database) is not None:
            return None
        return found.st_ino, found.st_mtime_ns


def size_of(path: str) -> int | None:
    """Return the size of a file; None where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreachable(path, error) from None


def changed() -> Changed:
    fix = "it is tried again; a database that is written to without pause is better in WAL mode, where reading is free"
    return Changed("it was written to while it was read, so what was read does not count", fix)


def _read(path: str, database: int) -> Header | None:
    try:
        size = os.fstat(database).st_size
        begin = os.pread(database, header.SIZE, 0)
    except OSError as error:
        raise Trouble(
            f"{path} cannot be read: {error.strerror}", "see the kernel's log: its disk or mount fails"
        ) from None
    return header.header_of(begin, size, path) if size else None
