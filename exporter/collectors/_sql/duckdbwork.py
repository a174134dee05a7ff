"""Queries to a private copy or a backup of a DuckDB database, inside a throwaway process."""

from collections.abc import Mapping
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors._duckdb.opening import opened
from exporter.collectors._sql.wording import masked
from exporter.collectors._sql.work import Cut, Given, each
from exporter.deadline import Deadline

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FIX: Final = "correct the query; tried with duckdb, in a copy of the database, it says the same"
_VALUES: Final = ("ConversionException", "InvalidInputException", "OutOfRangeException", "ConstraintException")


def answers(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each query gave, and of when the database is that was read."""
    deadline = Deadline(request["seconds"])
    with opened(request) as database:
        make = partial(_make, database.connection)
        return {"time": database.time, "answers": each(request, deadline, make)}


def _make(connection: "DuckDBPyConnection", sql: str, most: int, seconds: float) -> Given:
    import duckdb

    timer = Timer(seconds, connection.interrupt)
    timer.start()
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Trouble("this is not one statement that reads", _FIX)
        result = connection.execute(statements[0])
        rows = result.fetchmany(most)
        columns = [column[0] for column in result.description or ()]
    except duckdb.InterruptException:
        raise Cut from None
    except duckdb.Error as error:
        raise _refused(error) from None
    finally:
        timer.cancel()
        timer.join()
    return Given(columns, rows)


def _refused(error: Exception) -> Trouble:
    words = str(error).partition("\n")[0]
    if "pytz" in words:
        fix = "install it with: pip install pytz; or let the query give epoch(...) of the time"
        return Trouble("this release of DuckDB gives times with a zone only beside the library pytz", fix)
    return Trouble(masked(words, values=type(error).__name__ in _VALUES), _FIX)
