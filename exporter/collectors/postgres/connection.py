"""Connections to a PostgreSQL server: one that is kept, and one at a time to each other database."""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors.postgres.trouble import explained
from exporter.state import Shelf, State

if TYPE_CHECKING:
    from psycopg import Connection

Row = tuple[Any, ...]
Rows = list[Row]
Answers = dict[Any, list[tuple[str, Rows | Trouble]]]
"""What each query that is asked everywhere gave, by database."""

APPLICATION: Final = "runbook-exporter"
_LEAST_VERSION: Final = 130000
# A lock that is held longer fails the one read that asked for it; statistics themselves wait for none.
_LOCK_TIMEOUT_MS: Final = 250
_IDLE_TIMEOUT: Final = "10min"  # of a session that nobody scrapes any more
_IDENTITY: Final = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_database(),
       current_setting('default_transaction_read_only'), quote_ident(current_user),
       pg_has_role('pg_read_all_stats', 'USAGE')
"""
GIVEN_UP: Final = "given up, as the round took longer than the target's timeout"
_ADDRESS: Final = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or host=... user=... with values in single quotes"


@dataclass
class Visited:
    """What a visit to all databases gave: answers that no read has taken yet, and the databases that let nobody in."""

    time: float
    answers: Answers
    refused: dict[str, Trouble]


class Server:
    """The connections to one server: one that is kept between rounds, others for a moment; any thread may cut them."""

    def __init__(self, conninfo: str, timeout: float, shelf: Shelf | None = None) -> None:
        self._conninfo = conninfo
        self._timeout = timeout
        self.shelf = shelf or State(None).shelf("postgres")
        self._kept: Connection[Row] | None = None
        self._lock = threading.Lock()  # closing and cutting must not meet: the number of a socket is soon another's
        self._open: set[Connection[Row]] = set()
        self.round = 0
        self.cancelled = False
        self.visited: Visited | None = None
        self.version = 0
        self.is_standby = False
        self.database = ""
        self.name = ""
        self.role = ""
        self.sees_all = False

    def awaken(self) -> None:
        """Begin a round: see that the kept connection works, and who answers; open it anew where it was lost."""
        with self._lock:
            self.round, self.cancelled = self.round + 1, False
        if self._kept is not None:
            try:
                self._identify()
            except Exception:  # noqa: BLE001  # whatever it is, a new connection says what is wrong
                self.close()
            else:
                return
        self._kept = self.open()
        try:
            self._identify()
        except BaseException:
            self.close()
            raise

    def rows(self, query: str, parameters: Sequence[object] = ()) -> Rows:
        """Return the rows of a query over the kept connection."""
        if self._kept is None:
            raise Trouble("the connection was let go")
        return ask(self._kept, query, parameters)

    @contextmanager
    def visit(self, database: str) -> Iterator["Connection[Row]"]:
        """Yield a connection to a database of the server; one that is not the kept one is closed afterwards.

        An open connection would keep people from dropping or copying their database.
        """
        if database == self.database and self._kept is not None:
            yield self._kept
            return
        connection = self.open(database)
        try:
            yield connection
        finally:
            self._shut(connection)

    def open(self, database: str | None = None) -> "Connection[Row]":
        """Return a new connection that can do no harm: read-only, with time limits that the server itself keeps."""
        psycopg = _psycopg()
        if self._is_over():
            raise Trouble(GIVEN_UP)
        try:
            connection: Connection[Row] = psycopg.connect(self._conninfo, autocommit=True, **self._parameters(database))
        except psycopg.ProgrammingError:  # its text may hold a part of what was not understood, such as a password
            raise Trouble("the address is not understood", _ADDRESS) from None
        except psycopg.Error as error:
            raise explained(error) from error
        with self._lock:
            self._open.add(connection)
        if self._is_over():  # while it was being opened, so nobody could cut it
            self._shut(connection)
            raise Trouble(GIVEN_UP)
        if connection.info.server_version >= 140000:
            try:
                ask(connection, "SELECT set_config('idle_session_timeout', %s, false)", (_IDLE_TIMEOUT,))
            except BaseException:
                self._shut(connection)
                raise
        return connection

    def cancel(self, round: int) -> None:
        """Cut all connections, if that round is still under way: who waits for an answer gets an error at once."""
        with self._lock:
            if round != self.round:
                return
            self.cancelled = True
            for connection in self._open:
                _hang_up(connection)

    def close(self) -> None:
        """Close the kept connection."""
        connection, self._kept = self._kept, None
        if connection is not None:
            self._shut(connection)

    def _is_over(self) -> bool:
        return self.cancelled  # another thread sets it

    def _shut(self, connection: "Connection[Row]") -> None:
        with self._lock:
            self._open.discard(connection)
            connection.close()

    def _identify(self) -> None:
        ((version, self.is_standby, self.database, read_only, self.role, self.sees_all),) = self.rows(_IDENTITY)
        if read_only != "on":
            raise Trouble(
                "the server does not take the session's limits",
                "connect to PostgreSQL itself, not through a connection pool such as PgBouncer",
            )
        if version < _LEAST_VERSION:
            raise Trouble(f"PostgreSQL {version // 10000} is too old", "13 and newer are understood")
        self.version = version
        if self._kept is not None:
            info = self._kept.info
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
            # a machine that went away says nothing; asked after every few seconds, it is known to be gone
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
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
