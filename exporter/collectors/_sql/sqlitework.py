"""Queries to a SQLite database, inside a throwaway process."""

import sqlite3
import time
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._sql.wording import masked
from exporter.collectors._sql.work import Cut, Given, each
from exporter.collectors._sqlite.opening import opened
from exporter.collectors._sqlite.trouble import Changed, explained
from exporter.deadline import Deadline

_STEPS: Final = 1000  # of SQLite's machine between two looks at the clock
_LONGEST: Final = 4 << 20  # bytes of a text or a row
_FIX: Final = "correct the query; tried with sqlite3, in the same database, it says the same"
_NAMING: Final = ("no such ", "ambiguous column name", "near ", "unrecognized token")  # they quote no values
# what goes wrong with the file, whatever the query is: https://www.sqlite.org/rescode.html
_THE_FILE: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
     sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL}
)  # fmt: skip
_READS: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


def answers(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each query gave, over one connection that can only read; again where the database was written to."""
    deadline = Deadline(request["seconds"])
    while True:
        try:
            return _tried(request, deadline)
        except Changed:
            if deadline.spent() > deadline.seconds / 2:
                raise


def _tried(request: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
    now = time.time()
    path = request["database"]["path"]
    with opened(path) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.set_authorizer(_allowed)
        return {"time": now, "answers": each(request, deadline, lambda *query: _make(connection, path, *query))}


def _allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _READS and second != "load_extension":
        return sqlite3.SQLITE_OK
    # full-text indexes ask for the one by themselves, functions that give a table, such as json_each, for the other;
    # nothing comes of that where only reading is possible
    reads = (action, first) in ((sqlite3.SQLITE_PRAGMA, "data_version"), (sqlite3.SQLITE_UPDATE, "sqlite_master"))
    return sqlite3.SQLITE_OK if reads else sqlite3.SQLITE_DENY


def _make(connection: sqlite3.Connection, path: str, sql: str, most: int, seconds: float) -> Given:
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        cursor = connection.execute(sql)
        rows = cursor.fetchmany(most)
        columns = [column[0] for column in cursor.description or ()]
        cursor.close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_INTERRUPT:
            raise Cut from None
        if isinstance(error, sqlite3.Error) and code & 0xFF in _THE_FILE:
            told = explained(error, path)
            raise Trouble(f"{path}: {told}", told.fix) from None
        raise _refused(error) from None
    return Given(columns, rows)


def _refused(error: Exception) -> Trouble:
    if str(error).startswith("not authorized"):
        return Trouble("the query would do more than read the tables of the database", _FIX)
    return Trouble(masked(str(error), values=not str(error).startswith(_NAMING)), _FIX)
