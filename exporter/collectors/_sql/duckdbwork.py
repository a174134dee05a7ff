"""Queries to a private copy or a backup of a DuckDB database, inside a throwaway process."""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors._duckdb.opening import Opened, opened
from exporter.collectors._duckdb.trouble import Damaged, explained
from exporter.collectors._sql.wording import masked
from exporter.collectors._sql.work import Cut, Given, each
from exporter.deadline import Deadline

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FIX: Final = "correct the query; tried with duckdb, in a copy of the database, it says the same"
_OF_VALUES: Final = ("ConversionException", "InvalidInputException", "OutOfRangeException")
_CLOSED: Final = "leave that out of the query: other files and the network are closed to it here"
_NAMING: Final = ("BinderException", "CatalogException", "ParserException", "SyntaxException")  # they quote no values
# What else an "Invalid Input Error" says may be a value as it stands, as by the function error().
_INPUT: Final = re.compile(
    r"Invalid Input Error: (?:Values were not provided|Cannot execute statement|Could not parse string"
    r"|Failed to cast value|Malformed JSON|Map keys)\b"
)
_LINE: Final = re.compile(r"\n\s*LINE \d+: ")  # after it the query follows


def answers(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each query gave, and of when the database is that was read."""
    deadline = Deadline(request["seconds"])
    with opened(request) as database:
        make = partial(_make, database, request["path"])
        return {"time": database.time, "answers": each(request, deadline, make)}


def _make(database: Opened, path: str, sql: str, most: int, seconds: float) -> Given:
    import duckdb

    connection: DuckDBPyConnection = database.connection
    timer = Timer(seconds, connection.interrupt)
    timer.start()
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Trouble("this is not one statement that reads", _FIX)
        connection.execute("BEGIN TRANSACTION READ ONLY")  # one query must not change what the next one sees
        try:
            result = connection.execute(statements[0])
            rows = result.fetchmany(most)
            columns = [column[0] for column in result.description or ()]
        finally:
            with suppress(duckdb.Error):  # after a fatal one nothing is left to roll back
                connection.execute("ROLLBACK")
    except duckdb.InterruptException:
        raise Cut from None
    except duckdb.Error as error:
        raise _refused(error, path, database.path) from None
    finally:
        timer.cancel()
        timer.join()
    return Given(columns, rows)


def _refused(error: Exception, path: str, opened: str) -> Trouble:
    kind, text = type(error).__name__, str(error)
    if "pytz" in text:
        fix = "install it with: pip install pytz; or let the query give epoch(...) of the time"
        return Trouble("this release of DuckDB gives times with a zone only beside the library pytz", fix)
    if kind in _NAMING:
        return Trouble(masked(text.partition("\n")[0], values=False), _FIX)
    if kind == "OutOfMemoryException":
        return Trouble("it needs more memory than it may have", "raise `memory_limit`, or let the query take less")
    if kind not in _OF_VALUES and isinstance(told := explained(error, path, opened), Damaged):
        return told
    if kind == "InvalidInputException" and not _INPUT.match(text):
        return Trouble("Invalid Input Error", _FIX)
    return Trouble(masked(_LINE.split(text)[0], values=True), _CLOSED if kind == "PermissionException" else _FIX)
