"""Long looks at a SQLite file: whether it is whole, and what its tables hold."""

import contextlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collectors._sqlite.identity import identity
from exporter.collectors._sqlite.opening import opened
from exporter.collectors._sqlite.place import Place, size_of
from exporter.collectors._sqlite.trouble import OWN, Damaged, Trouble

_WAIT: Final = 3.0  # seconds for a moment without writers
_MOST_PROBLEMS: Final = 10
_MOST_BROKEN_PROMISES: Final = 100_000
# what the application promised itself of its rows: that of a column came later than they, or an old library wrote them
_PROMISE: Final = re.compile(r"(?:NULL|NUMERIC|TEXT|non-\w+) value in |CHECK constraint failed in ")
_HEADING: Final = "*** in database "
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
    file = identity(place)
    try:
        with opened(place.path, _WAIT, locked=request["locked"]) as connection, _giving_way(place, connection):
            problems = _problems(connection)
    except Damaged as damaged:
        problems = [str(damaged)]
    return {"file": file, "problems": problems, "seconds": time.monotonic() - began}


def _problems(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong with the structure, a line each."""
    connection.execute("PRAGMA ignore_check_constraints = 1")
    lines = _lines(connection, _MOST_PROBLEMS)
    problems = [line for line in lines if not _PROMISE.match(line)]
    if not problems and len(lines) >= _MOST_PROBLEMS:  # damage comes first, but not that of rows
        problems = [line for line in _lines(connection, _MOST_BROKEN_PROMISES) if not _PROMISE.match(line)]
    return problems[:_MOST_PROBLEMS]


def _lines(connection: sqlite3.Connection, most: int) -> list[str]:
    found = [row[0] for row in connection.execute(f"PRAGMA quick_check({most})")]
    if found == ["ok"]:
        return []
    return [line for text in found for line in text.splitlines() if line and not line.startswith(_HEADING)]


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
    """Return rows and bytes of each table, and bytes of its indexes; nothing where `seconds` do not do for the rows."""
    until = time.monotonic() + request["seconds"]
    place = Place(os.path.realpath(request["path"]))
    file = identity(place)
    with opened(place.path, _WAIT) as connection, _giving_way(place, connection):
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        connection.execute("BEGIN")
        names = [row[0] for row in connection.execute(_TABLES)]
        rows = dict(_rows(connection, names, until))
        sizes = _sizes(connection)
    found = [[name, rows.get(name), *sizes.get(name, (None, None))] for name in names]
    return {"file": file, "tables": found}


def _rows(connection: sqlite3.Connection, names: list[str], until: float) -> Iterator[tuple[str, int]]:
    """Yield the rows of all tables, or Trouble: of some alone, what adds up in `other` would be too little."""
    for number, name in enumerate(names):
        if time.monotonic() > until:  # counting is one step of SQLite's machine, however many rows there are
            raise _too_slow(number, len(names))
        quoted = name.replace('"', '""')
        try:
            yield name, connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0]  # noqa: S608
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise _too_slow(number, len(names)) from None
            if not str(error).startswith(OWN):
                raise


def _too_slow(done: int, tables: int) -> Trouble:
    fix = "leave `tables_interval` out for this database, or have a backup counted by a target of its own"
    return Trouble(f"the time that counting may take was over after {done} of {tables} tables", fix)


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
