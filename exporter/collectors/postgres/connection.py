"""Connections to a PostgreSQL server: one that is kept, and one at a time to each other database."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors.postgres.trouble import explained
from exporter.state import Shelf, State

if TYPE_CHECKING:
    from psycopg import Connection

Row = tuple[Any, ...]
Rows = list[Row]

APPLICATION: Final = "runbook-exporter"
_LEAST_VERSION: Final = 130000
# A lock that is held longer fails the one read that asked for it; statistics themselves wait for none.
_LOCK_TIMEOUT_MS: Final = 250
_IDLE_TIMEOUT: Final = "10min"  # of a session that nobody scrapes any more
_IDENTITY: Final = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_database(),
       current_setting('default_transaction_read_only')
"""


class Server:
    """A connection to one database of a server, opened when needed, kept between rounds, and let go from any thread."""

    def __init__(self, conninfo: str, timeout: float, shelf: Shelf | None = None) -> None:
        self._conninfo = conninfo
        self._timeout = timeout
        self.shelf = shelf or State(None).shelf("postgres")
        self._connection: Connection[Row] | None = None
        self.version = 0
        self.is_standby = False
        self.database = ""
        self.name = ""

    def awaken(self) -> None:
        """See that the connection works, and who answers; open it anew where it was lost."""
        if self._connection is not None:
            try:
                self._identify()
            except Exception:  # noqa: BLE001  # whatever it is, a new connection says what is wrong
                self.close()
            else:
                return
        self._connection = self.open()
        try:
            self._identify()
        except BaseException:
            self.close()
            raise

    def rows(self, query: str, parameters: Sequence[object] = ()) -> Rows:
        """Return the rows of a query over the kept connection."""
        if self._connection is None:
            raise Trouble("the connection was let go")
        return ask(self._connection, query, parameters)

    @contextmanager
    def visit(self, database: str) -> Iterator["Connection[Row]"]:
        """Yield a connection to a database of the server; one that is not the kept one is closed afterwards.

        An open connection would keep people from dropping or copying their database.
        """
        if database == self.database and self._connection is not None:
            yield self._connection
            return
        connection = self.open(database)
        try:
            yield connection
        finally:
            self._visited = None
            connection.close()

    def open(self, database: str | None = None) -> "Connection[Row]":
        """Return a new connection that can do no harm: read-only, with time limits that the server itself keeps."""
        psycopg = _psycopg()
        try:
            connection: Connection[Row] = psycopg.connect(self._conninfo, autocommit=True, **self._parameters(database))
        except psycopg.Error as error:
            raise explained(error) from error
        self._visited = connection if database else None
        if connection.info.server_version >= 140000:
            connection.execute("SELECT set_config('idle_session_timeout', %s, false)", (_IDLE_TIMEOUT,))
        return connection

    _visited: "Connection[Row] | None" = None

    def cancel(self) -> None:
        """Let go from another thread: the one that waits for an answer gets an error at once."""
        for connection in (self._visited, self._connection):
            if connection is not None:
                _hang_up(connection)

    def close(self) -> None:
        """Close the kept connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _identify(self) -> None:
        ((version, self.is_standby, self.database, read_only),) = self.rows(_IDENTITY)
        if read_only != "on":
            raise Trouble(
                "the server does not take the session's limits",
                "connect to PostgreSQL itself, not through a connection pool such as PgBouncer",
            )
        if version < _LEAST_VERSION:
            raise Trouble(f"PostgreSQL {version // 10000} is too old", "13 and newer are understood")
        self.version = version
        if self._connection is not None:
            info = self._connection.info
            self.name = f"{info.host}:{info.port}"

    def _parameters(self, database: str | None) -> dict[str, Any]:
        milliseconds = max(1, int(self._timeout * 1000))
        options = {
            "default_transaction_read_only": "on",
            "statement_timeout": milliseconds,
            "lock_timeout": _LOCK_TIMEOUT_MS,
            "idle_in_transaction_session_timeout": milliseconds,
        }
        return {
            "application_name": APPLICATION,
            "client_encoding": "UTF8",  # of a database in SQL_ASCII psycopg would give bytes
            "connect_timeout": max(2, int(self._timeout)),  # less than 2 s counts as 2 s for libpq
            "tcp_user_timeout": milliseconds,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
            **({"dbname": database} if database else {}),
        }


def ask(connection: "Connection[Row]", query: str, parameters: Sequence[object] = ()) -> Rows:
    """Return the rows of a query; what the server refuses is a Trouble with its remedy."""
    psycopg = _psycopg()
    try:
        return connection.execute(query, parameters or None).fetchall()
    except psycopg.Error as error:
        raise explained(error, connection.info.user) from error


def _hang_up(connection: "Connection[Row]") -> None:
    # a request to cancel would wait for the same server; the end of the line does not
    with suppress(Exception):
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with line:
            line.shutdown(socket.SHUT_RDWR)


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        remedy = "install it with: pip install 'runbook-exporter[postgres]'"
        raise Trouble(f"the library psycopg is missing ({error})", remedy) from None
    return psycopg
