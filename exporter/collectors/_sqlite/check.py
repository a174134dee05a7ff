"""Long looks at a SQLite file: whether it is whole, and what its tables hold."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collectors._sqlite.opening import opened
from exporter.collectors._sqlite.place import Place, size_of
from exporter.collectors._sqlite.trouble import OWN, Damaged, Trouble

_WAIT: Final = 3.0  # seconds for a moment without writers
_MOST_PROBLEMS: Final = 10
_MOST_GROWTH: Final = 256 << 20  # bytes that a WAL may grow by while it cannot be emptied
_LOOK: Final = 0.2
_STEPS: Final = 100_000  # of SQLite's machine, some milliseconds

_SIZES: Final = (
    "SELECT s.tbl_name, s.type, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_master AS s ON s.name = d.name "
    "WHERE d.aggregate = 1 AND s.type IN ('table', 'index') GROUP BY 1, 2"
)
_TABLES: Final = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
    "ORDER BY name"
)


def check(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what quick_check finds wrong with the database at `path`; with `locked` even if writers must wait."""
    place, began = Place(os.path.realpath(request["path"])), time.monotonic()
    state = place.state()
    try:
        with opened(place.path, _WAIT, locked=request["locked"]) as connection, _giving_way(place, connection):
            connection.execute("PRAGMA ignore_check_constraints = 1")  # what the application promised itself
            found = [row[0] for row in connection.execute(f"PRAGMA quick_check({_MOST_PROBLEMS})")]
    except Damaged as damaged:
        found = [str(damaged)]
    problems = [] if found == ["ok"] else found
    return {"file": [state.device, state.inode], "problems": problems, "seconds": time.monotonic() - began}


@contextlib.contextmanager
def _giving_way(place: Place, connection: sqlite3.Connection) -> Iterator[None]:
    """Break off where the WAL grows too much: as long as it is read, it cannot be emptied."""
    done, grown = threading.Event(), threading.Event()
    before = size_of(place.wal) or 0

    def watch() -> None:
        while not done.wait(_LOOK):
            if (size_of(place.wal) or 0) - before > _MOST_GROWTH:
                grown.set()
                connection.interrupt()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    except sqlite3.OperationalError:
        if grown.is_set():
            fix = "check a backup of it instead, by a target of its own"
            raise Trouble("it was broken off, as its WAL grew too much meanwhile", fix) from None
        raise
    finally:
        done.set()
        watching.join()


def tables(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return rows and bytes of each table, and bytes of its indexes, counted within `seconds`."""
    until = time.monotonic() + request["seconds"]
    place = Place(os.path.realpath(request["path"]))
    state = place.state()
    with opened(place.path, _WAIT) as connection, _giving_way(place, connection):
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        connection.execute("BEGIN")
        names = [row[0] for row in connection.execute(_TABLES)]
        rows = dict(_rows(connection, names))
        sizes = _sizes(connection)
    found = [[name, rows.get(name), *sizes.get(name, (None, None))] for name in names]
    return {"file": [state.device, state.inode], "tables": found}


def _rows(connection: sqlite3.Connection, names: list[str]) -> Iterator[tuple[str, int]]:
    for name in names:
        quoted = name.replace('"', '""')
        try:
            yield name, connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0]  # noqa: S608
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return  # no time is left
            if not str(error).startswith(OWN):
                raise


def _sizes(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return bytes of tables and of their indexes, nothing where this library cannot tell, or no time is left."""
    try:
        found = connection.execute(_SIZES).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT or "no such table: dbstat" in str(error):
            return {}
        raise
    sizes: dict[str, tuple[int, int]] = {}
    for table, kind, size in found:
        own, indexes = sizes.get(table, (0, 0))
        sizes[table] = (own + size, indexes) if kind == "table" else (own, indexes + size)
    return sizes
