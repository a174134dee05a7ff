"""One look at a SQLite file: sizes, locks, and what stands in it."""

import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from exporter.collectors._sqlite import header, locks
from exporter.collectors._sqlite.header import Header
from exporter.collectors._sqlite.identity import identity
from exporter.collectors._sqlite.opening import opened, without_index
from exporter.collectors._sqlite.place import Place, State, changed, is_wal, size_of
from exporter.collectors._sqlite.trouble import Changed, Damaged, NotApplicable, Shut, Trouble, unreachable

_MOMENT: Final = 0.001
_OBJECTS: Final = "SELECT type, count(*) FROM sqlite_master GROUP BY type"


def look(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be seen of the database at `path`; each part is an answer, or a trouble of its own.

    `known` is the file and its schema, as the objects were counted before.
    """
    place = Place(os.path.realpath(request["path"]))
    state = place.state()
    return {
        "time": time.time(),
        "file": [state.device, state.inode],
        "identity": _part(lambda: identity(place)),
        "library": sqlite3.sqlite_version,
        "sizes": _part(lambda: _sizes(place, state)),
        "locks": _part(lambda: _locks(place)),
        "content": _part(lambda: _content(place, state, request["wait"], request["known"])),
    }


def _part(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"answer": work()}
    except Trouble as trouble:
        absent, shut = isinstance(trouble, NotApplicable), isinstance(trouble, Shut | NotApplicable)
        return {"reason": str(trouble), "fix": trouble.fix, "absent": absent, "shut": shut}


def _sizes(place: Place, state: State) -> dict[str, int]:
    """Return the size of each file; one that is not there takes no room."""
    beside = {"wal": place.wal, "shm": place.shm, "journal": place.journal}
    return {"database": state.size} | {name: size_of(path) or 0 for name, path in beside.items()}


# ---- locks


def _locks(place: Place) -> dict[str, Any]:
    if not locks.TOLD:
        raise NotApplicable("this system does not tell which locks others hold")
    with place.opened() as database:
        excluder = locks.excluder(database)
        if not is_wal(database):
            return _held(locks.writer(database), excluder, os.pread(database, 4, 24))
        if excluder:  # its locking_mode is EXCLUSIVE, and whether it writes just now cannot be seen
            return _held(None, excluder, b"") | {"write": None}
        return _held(*_wal_writer(place))


def _held(writer: locks.Holder | None, excluder: locks.Holder | None, mark: bytes) -> dict[str, Any]:
    """Return who holds what; `mark` is another one after each commit."""
    by = writer or excluder
    return {
        "write": writer is not None,
        "read": excluder is not None,
        "mark": mark.hex(),
        "pid": by.pid if by else 0,
        "process": locks.named(by) if by else "",
    }


def _wal_writer(place: Place) -> tuple[locks.Holder | None, None, bytes]:
    """Return who writes, and the beginning of the WAL's index."""
    try:
        shm = os.open(place.shm, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, None, b""
    except OSError as error:
        raise unreachable(place.shm, error) from None
    try:
        return locks.wal_writer(shm), None, os.pread(shm, 48, 0)
    finally:
        os.close(shm)


# ---- content


def _content(place: Place, state: State, wait: float, known: list[int]) -> dict[str, Any]:
    until = time.monotonic() + wait
    while True:
        with place.opened() as database:
            found = place.header(database, until)
            schema = zlib.crc32(os.pread(database, found.page_size, header.SIZE)) if found else 0
        if found is None:
            return {"pages": 0, "free_pages": 0, "objects": {}}
        key = [state.device, state.inode, found.schema_version, schema]
        if not found.is_wal:
            return _from_header(place, found, key, known, until)
        if place.is_live_wal():
            return _from_wal(place, found, wait)
        if size_of(place.wal):
            raise without_index(place)
        told = _from_header(place, found, key, known, until)
        if not size_of(place.wal):
            return told
        if time.monotonic() > until:  # it is opened and closed again and again
            raise changed()


def _from_header(place: Place, found: Header, key: list[int], known: list[int], until: float) -> dict[str, Any]:
    """Return what the header says, for which nobody has to wait; objects are counted where the schema is another."""
    told = _of(found) | {"pages": found.pages, "free_pages": found.free_pages, "counted": key}
    return told if key == known else told | {"objects": _objects(place, until)}


def _of(found: Header) -> dict[str, Any]:
    return {
        "mode": "wal" if found.is_wal else "rollback",
        "page_size": found.page_size,
        "schema_version": found.schema_version,
        "user_version": found.user_version,
        "auto_vacuum": found.auto_vacuum,
        "encoding": found.text_encoding,
        "application_id": _hexadecimal(found.application_id),
        "written_by": found.written_by,
    }


def _hexadecimal(number: int) -> str:
    return f"0x{number & 0xFFFFFFFF:08x}"


def _objects(place: Place, until: float) -> dict[str, int] | None:
    """Count what the schema has, between two transactions; None where there is no such moment."""
    while True:
        try:
            with opened(place.path, 0.0, brief=True) as connection:
                return dict(connection.execute(_OBJECTS).fetchall())
        except (Changed, Shut):
            if time.monotonic() > until:
                return None
            time.sleep(_MOMENT)
        except Damaged:  # or torn, where a transaction was rolled back meanwhile
            if time.monotonic() > until:
                raise


def _from_wal(place: Place, found: Header, wait: float) -> dict[str, Any]:
    """Return what a reader sees beside the writers, all of one moment."""
    with opened(place.path, wait) as connection:

        def pragma(name: str) -> Any:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        connection.execute("BEGIN")
        return _of(found) | {  # what the header says may be older
            "objects": dict(connection.execute(_OBJECTS).fetchall()),
            "pages": pragma("page_count"),
            "free_pages": pragma("freelist_count"),
            "schema_version": pragma("schema_version"),
            "user_version": pragma("user_version"),
            "auto_vacuum": header.AUTO_VACUUM[pragma("auto_vacuum")],
            "encoding": pragma("encoding"),
            "application_id": _hexadecimal(pragma("application_id")),
        }
