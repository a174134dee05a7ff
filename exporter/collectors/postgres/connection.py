"""Connections to a PostgreSQL server: one that is kept, and one at a time to each other database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors._libpq import Kept, Row, Rows, library
from exporter.collectors.postgres.trouble import explained
from exporter.state import Shelf, State

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Row", "Rows", "Server", "Visited", "ask"]

Answers = dict[Any, list[tuple[str, Rows | Trouble]]]
"""What each query that is asked everywhere gave, by database."""

_LEAST_VERSION: Final = 130000
# A lock that is held longer fails the one read that asked for it; statistics themselves wait for none.
_LOCK_TIMEOUT_MS: Final = 250
_IDLE_TIMEOUT: Final = "10min"  # of a session that nobody scrapes any more
_IDENTITY: Final = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_database(),
       current_setting('default_transaction_read_only'), quote_ident(current_user),
       pg_has_role('pg_read_all_stats', 'USAGE')
"""


@dataclass
class Visited:
    """What a visit to all databases gave: answers that no read has taken yet, and the databases that let nobody in."""

    time: float
    answers: Answers
    refused: dict[str, Trouble]


class Server(Kept):
    """The connections to one server: read-only, with time limits that the server itself keeps."""

    extra = "postgres"

    def __init__(self, conninfo: str, timeout: float, shelf: Shelf | None = None) -> None:
        super().__init__(conninfo, timeout)
        self.shelf = shelf or State(None).shelf("postgres")
        self.visited: Visited | None = None
        self.version = 0
        self.is_standby = False
        self.database = ""
        self.name = ""
        self.role = ""
        self.sees_all = False

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

    def _explained(self, error: Any) -> Trouble:
        return explained(error)

    def _settle(self, connection: "Connection[Row]") -> None:
        if connection.info.server_version >= 140000:
            ask(connection, "SELECT set_config('idle_session_timeout', %s, false)", (_IDLE_TIMEOUT,))

    def _parameters(self, database: str | None) -> dict[str, Any]:
        milliseconds = max(1, int(self._timeout * 1000))
        options = {
            "default_transaction_read_only": "on",
            "statement_timeout": milliseconds,
            "lock_timeout": _LOCK_TIMEOUT_MS,
            "idle_in_transaction_session_timeout": milliseconds,
        }
        return {
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
            **({"dbname": database} if database else {}),
        }


def ask(connection: "Connection[Row]", query: str, parameters: Sequence[object] = ()) -> Rows:
    """Return the rows of a query; what the server refuses is a Trouble with its remedy."""
    psycopg = library("postgres")
    try:
        return connection.execute(query, parameters or None).fetchall()
    except psycopg.Error as error:
        raise explained(error, connection.info.user) from error
