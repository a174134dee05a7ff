"""Who has the database open: DuckDB lets one process write, or several read, and never both."""

from collections import Counter
from typing import Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.duckdb.locks import locks_of
from exporter.collectors.duckdb.opened import Scan
from exporter.collectors.duckdb.people import OWN, STRANGER_UNSEEN, People
from exporter.collectors.duckdb.session import Session
from exporter.collectors.process.procfs import Procfs
from exporter.metric import Remarking, Samples, gauge

_LOCKS: Final = "/proc/locks"
_DESCRIPTORS: Final = "/proc/PID/fd and fdinfo"
_TOP: Final = 20
_UNSEEN: Final = (
    "a process that cannot be seen from here holds the database: it runs in another container, on another machine, or "
    "/proc hides it. Mount the host's /proc and set `procfs`"
)

LOCKED = gauge(
    "duckdb_locked",
    "Whether a process holds the database: for writing, so that no other can open it; for reading, so that no other "
    "can open it for writing.",
    labels=("mode",),
    source="fcntl F_GETLK",
)
HOLDERS = gauge(
    "duckdb_lock_holders",
    "Processes that hold the database, by the name of the process. Whether they are expected is unknown where the "
    "configuration names no holders; one that cannot be seen from here is called unseen.",
    labels=("holder", "expected", "mode"),
    source=_LOCKS,
)
STOPPED = gauge(
    "duckdb_stopped_lock_holders",
    "Processes that hold the database and are stopped, as by Ctrl-Z in a shell. Absent where none was found, and one "
    "that holds it cannot be seen.",
    source="/proc/PID/stat",
)
OPEN = gauge(
    "duckdb_open_processes",
    "Processes that have the database file open, with a lock on it or without, by the name of the process.",
    labels=("holder", "expected"),
    source=_DESCRIPTORS,
)
UNLOCKED = gauge(
    "duckdb_unlocked_writers",
    "Processes that have the database open for writing and have lost their lock on it: another process can open it "
    "for writing too, which damages it. Absent where none was found, and not all processes may be looked at.",
    source=_DESCRIPTORS,
)
REPLACED = gauge(
    "duckdb_replaced_file_processes",
    "Processes that still work on a database file that was here and has been deleted or replaced; what they write is "
    "lost. Absent where none was found, and not all processes may be looked at.",
    source=_DESCRIPTORS,
)


@read
def locked(session: Session) -> Samples:
    """Whether a process holds the database, and so keeps others from opening it."""
    with locks_of(session.path, session.settings.procfs) as locks:
        held = locks.mode()
    for mode in ("write", "read"):
        yield LOCKED(mode == held, mode=mode)


@read(members=Members(("holder",), _TOP, HOLDERS))
def lock_holders(session: Session) -> Remarking:
    """Which processes hold the database, and whether they are those that should."""
    procfs = Procfs(session.settings.procfs)
    with locks_of(session.path, session.settings.procfs) as locks:
        held, mode = locks.held(), locks.mode()
    with procfs.opened():
        people = People(session.settings, procfs)
        found = [(people.person(lock.pid), lock.mode) for lock in held]
    if mode is not None and not found:
        found = [(STRANGER_UNSEEN, mode)]
    counts = Counter((person.name, person.expected, mode) for person, mode in found)
    for (name, expected, mode), count in counts.items():
        yield HOLDERS(count, holder=name, expected=expected, mode=mode)
    unseen = any(person == STRANGER_UNSEEN for person, _ in found)
    stopped = sum(person.stopped for person, _ in found)
    yield STOPPED(stopped if stopped or not unseen else None)
    return _UNSEEN if unseen else ""


@read(interval=60)
def open_files(session: Session) -> Remarking:
    """Which processes have the file open; who lost the lock, or works on a file that was replaced."""
    procfs = Procfs(session.settings.procfs)
    with locks_of(session.path, session.settings.procfs) as locks:
        locking = {lock.pid for lock in locks.held()}
    # the file is closed by now, so that this process is none of those that have it open
    with procfs.opened():
        scan = Scan(procfs, session.path, locks.inode, locking)
        people = People(session.settings, procfs)
        names = Counter(people.person(pid)[:2] for pid in scan.open)
        # a child that was forked has its parent's descriptors, and never its locks
        unlocked = [pid for pid in scan.writers - locking if not locking.intersection(people.line(pid))]
    unseen = f"the open files of {scan.denied} processes may not be looked at" if scan.denied else ""
    if unseen and not scan.replaced and all(name == OWN for name, _ in names):  # its own looks come and go
        raise NotApplicable(
            f"{unseen}, and no other process has it open",
            "run the exporter as the application's user, or let its unit have AmbientCapabilities=CAP_SYS_PTRACE",
        )
    for (name, expected), count in names.items():
        yield OPEN(count, holder=name, expected=expected)
    yield UNLOCKED(_least(len(unlocked), scan.denied))
    yield REPLACED(_least(len(scan.replaced), scan.denied))
    return unseen


def _least(count: int, denied: int) -> int | None:
    """Return what was found; that there is none is not known where some could not be looked at."""
    return count if count or not denied else None
