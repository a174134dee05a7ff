"""Queries to a PostgreSQL server: each in a read-only transaction of its own, which is rolled back."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Context, Trouble
from exporter.collectors._libpq import conninfo, library, said
from exporter.collectors._sql.cell import Table
from exporter.collectors._sql.wording import masked, too_many, took_too_long
from exporter.collectors.postgres.connection import Server
from exporter.collectors.postgres.trouble import explained
from exporter.collectors.sql.settings import QuerySettings, SQLSettings
from exporter.collectors.sql.statement import place, single
from exporter.deadline import GIVEN_UP, Deadline, within

if TYPE_CHECKING:
    from psycopg import Connection

_CURSOR: Final = "runbook"
_BEFORE: Final = len(f'DECLARE "{_CURSOR}" NO SCROLL CURSOR FOR ')
# As all rows are fetched, the plan is to be the one for all of them.
_LIMITS: Final = "SELECT set_config('statement_timeout', %s, true), set_config('cursor_tuple_fraction', '1', true)"
_LEAST: Final = 0.05
_CUT: Final = "57014"
# Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_NOT_THE_QUERY: Final = ("", "08", "28", "3D", "53", "55", "57")  # the connection, the server, or others that use it
_NAMING: Final = ("0A", "25", "42")  # what they quote are names, not values
_RAISED: Final = ("P0", "38", "39")  # by a function that somebody wrote
_STORED: Final = ("58", "XX")  # files of the server cannot be read, or hold what cannot be
_SEE: Final = "see the server's log and its disk; where its files are damaged, restore a backup"
# Locks that a query took for the session would outlive its transaction.
_UNLOCK: Final = "SELECT pg_catalog.pg_advisory_unlock_all()"
_DENIED: Final = re.compile(r"permission denied for (table|view|materialized view|sequence|schema|function) (.+)")
_FIX: Final = "correct the query; tried with psql, in the same database and as the same role, it says the same"


class FromPostgres:
    """The queries of a target, over one connection that is kept."""

    def __init__(self, settings: SQLSettings, context: Context) -> None:
        self._queries = settings.queries
        self._timeout = within(context.timeout)
        self._server = Server(conninfo(settings.postgres), context.timeout, context.shelf)

    @contextmanager
    def session(self) -> Iterator["PostgresSession"]:
        deadline = Deadline(self._timeout)
        self._server.awaken()
        yield PostgresSession(self._server, self._queries, deadline)

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()


class PostgresSession:
    """One round: the queries, one after the other."""

    def __init__(self, server: Server, queries: Mapping[str, QuerySettings], deadline: Deadline) -> None:
        self._server = server
        self._round = server.round
        self._queries = queries
        self._deadline = deadline

    def table(self, query: str) -> Table:
        """Return what the query gave; nothing that it does in this database outlives it, nor do locks."""
        wanted = self._queries[query]
        seconds = min(wanted.timeout, self._deadline.seconds - self._deadline.spent())
        if seconds < _LEAST:
            raise took_too_long(wanted.timeout, own=False)
        psycopg = library("postgres")
        try:
            with self._server.visit(self._server.database) as connection:
                return _answer(connection, wanted, seconds)
        except psycopg.Error as error:
            if self._server.cancelled:
                raise Trouble(GIVEN_UP) from None
            if error.sqlstate == _CUT:
                raise took_too_long(wanted.timeout, own=seconds >= wanted.timeout) from None
            raise _refused(error, wanted.sql, self._server.role) from None  # its words may hold values

    def time(self) -> float:
        ((now,),) = self._server.rows("SELECT extract(epoch FROM now())::float8")
        return float(now)

    def cancel(self) -> None:
        self._server.cancel(self._round)


def _answer(connection: "Connection[Any]", wanted: QuerySettings, seconds: float) -> Table:
    # the server takes only one statement that reads for a cursor, and gives no more rows than are asked for
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_LIMITS, (str(max(1, int(seconds * 1000))),))
            with connection.cursor(_CURSOR, scrollable=False) as cursor:
                cursor.execute(single(wanted.sql).encode())
                rows = cursor.fetchmany(wanted.max_rows + 1)
                columns = tuple(column.name for column in cursor.description or ())
    finally:
        with suppress(library("postgres").Error):  # the connection is lost, and all locks with it
            connection.execute(_UNLOCK)
    if len(rows) > wanted.max_rows:
        raise too_many(wanted.max_rows)
    return Table(columns, list(rows))


def _refused(error: Any, sql: str, role: str) -> Trouble:
    """Return what the server says, and where in the query; without the values that its words may hold."""
    # psycopg itself cannot hold every time: that has no SQLSTATE
    state = error.sqlstate or ("22" if isinstance(error, library("postgres").DataError) else "")
    if state[:2] in _NOT_THE_QUERY:
        return explained(error)
    if state[:2] in _RAISED or error.diag.source_function == "exec_stmt_raise":  # a RAISE can name any state
        return Trouble(f"a function that the query calls has raised an error ({state})", _FIX)
    words = masked(error.diag.message_primary or said(error), values=state[:2] not in _NAMING)
    if denied := _DENIED.fullmatch(words):
        return Trouble(words, f"GRANT {_right(denied[1])} {_name(denied[2])} TO {role}")
    position = error.diag.statement_position
    at = f" ({place(sql, int(position) - 1 - _BEFORE)})" if position else ""
    return Trouble(words + at, _SEE if state[:2] in _STORED else _FIX)


def _right(kind: str) -> str:
    return {"schema": "USAGE ON SCHEMA", "function": "EXECUTE ON FUNCTION"}.get(kind, "SELECT ON")


def _name(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
