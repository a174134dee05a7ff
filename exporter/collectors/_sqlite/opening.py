"""Opens a SQLite file that others use, so that they notice nothing; to be called in a throwaway process only.

Opened just for reading, SQLite makes a WAL and its index where a database in WAL mode has none, and leaves them there,
where whoever uses the database may not be able to write them. In rollback mode its lock makes writers fail that do not
wait. So:

- In WAL mode with both files there it reads beside the writers, and takes the index as it is (`readonly_shm`).
- Else it reads without any lock, as if nobody could write (`immutable`), and counts what it read only where, by the
  times of the file, nobody did.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote_from_bytes

from exporter.collectors._sqlite.header import Header
from exporter.collectors._sqlite.locks import shared
from exporter.collectors._sqlite.place import Place, State, changed, size_of
from exporter.collectors._sqlite.trouble import Shut, Trouble, explained

_BESIDE: Final = "mode=ro&readonly_shm=1"
_ALONE: Final = "mode=ro&immutable=1"
_LOCKED: Final = "mode=ro"
_BUSY: Final = 0.5  # seconds that SQLite itself waits for a lock


@contextlib.contextmanager
def opened(path: str, wait: float = 1.0, *, locked: bool = False, brief: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield a connection for reading; Changed comes at the end where what was read does not count.

    `wait` is how many seconds a moment without writers is awaited; a `brief` look needs none, since it is enough for
    it that nothing was committed meanwhile. A database in rollback mode is `locked` on demand: writers then wait for
    the reader, or fail.
    """
    place, until = Place(os.path.realpath(path)), time.monotonic() + wait
    with place.opened() as database:
        header = place.header(database, until)
        if header is None:
            raise Trouble("it is empty: there is no database in it yet", "start the application that makes it")
        newer = header.writer > sqlite3.sqlite_version_info[0] * 1_000_000 + _minor()
        with _way(place, database, header, until, locked=locked, brief=brief) as connection:
            try:
                yield connection
            except sqlite3.Error as error:
                raise explained(error, place.path, newer=newer) from None


def _minor() -> int:
    return sqlite3.sqlite_version_info[1] * 1000 + sqlite3.sqlite_version_info[2]


@contextlib.contextmanager
def _way(
    place: Place, database: int, header: Header, until: float, *, locked: bool, brief: bool
) -> Iterator[sqlite3.Connection]:
    if header.is_wal and place.is_live_wal():
        with shared(database, until):
            if place.is_live_wal():  # from now on nobody takes it away
                with _connected(place, _BESIDE) as connection:
                    yield connection
                return
    if header.is_wal and size_of(place.wal):
        raise without_index(place)
    if locked and not header.is_wal:
        with _connected(place, _LOCKED) as connection:
            yield connection
        return
    with _alone(place, database, until, brief=brief) as connection:
        yield connection


def without_index(place: Place) -> Trouble:
    """Return that a WAL cannot be read without making files."""
    fix = "open it once with the application, or as its user with sqlite3; a copy needs its -wal, but no -shm"
    return Trouble(f"{place.wal} has no index beside it (-shm): nobody has it open, or it was deleted", fix)


@contextlib.contextmanager
def _alone(place: Place, database: int, until: float, *, brief: bool) -> Iterator[sqlite3.Connection]:
    state = place.state() if brief else place.at_rest(until)
    before = (state, place.header(database, until))
    try:
        with _connected(place, _ALONE) as connection:
            yield connection
    except (sqlite3.Error, Trouble):
        if _now(place, database) != before:
            raise changed() from None
        raise
    if _now(place, database) != before:
        raise changed()


def _now(place: Place, database: int) -> tuple[State, Header | None]:
    try:
        header = place.header(database, 0.0)
    except Shut:
        raise changed() from None
    return place.state(), header


@contextlib.contextmanager
def _connected(place: Place, way: str) -> Iterator[sqlite3.Connection]:
    address = f"file:{quote_from_bytes(os.fsencode(place.path))}?{way}"
    with contextlib.closing(sqlite3.connect(address, timeout=_BUSY, uri=True, isolation_level=None)) as connection:
        for pragma in ("query_only = 1", "trusted_schema = 0", "temp_store = 2", "mmap_size = 0"):
            connection.execute(f"PRAGMA {pragma}").close()
        yield connection
